"""Samples of metrics as a table: out of an answer of Prometheus' HTTP API, or of scrapes in its text form with their times.

    {"status": …, "data": {"resultType": "matrix", "result": [{"metric": {label: …}, "values": [[1720000000, "73"], …]}, …]}}
    [{"metric": {label: …}, "values": [[1720000000, "73"], …]}, …]                      as `promtool query range -o json` writes it
    {"metric": {label: …}, "values": [73, …], "timestamps": [1720000000000, …]}         a line of VictoriaMetrics' export
    DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",…} 73 1720000000000
    {__name__="DCGM_FI_DEV_GPU_UTIL", gpu="0", UUID="GPU-1", …} 73 1720000000000        as `promtool tsdb dump` writes it

What stands before a sample is the same for all of its series, and is read once. A text that is as Prometheus writes it is cut
(`_cut_samples.py`); of any other, an answer is streamed (ijson) into a line for each series, and scrapes are read line by line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from finledger.core.problem import Problem, SourceRef
from finledger.core.records import is_metrics
from finledger.read.columns import literal
from finledger.read.documents import Watched, bad_json
from finledger.read.opened import Opened, last_line, text_lines
from finledger.read.usage._cut_samples import LINE, NAME, OTHER, WRITTEN, cut_answer, cut_scrapes

_HEAD = 1 << 16
_AT_ONCE = 10_000  # samples a line: a line of them is read as one value
_ANSWER = re.compile(rb'"resultType"\s*:\s*"(?:matrix|vector)"')
_BARE = re.compile(rb'\[?\s*\{\s*"metric"\s*:\s*\{')  # a series without an answer around it
_UNNAMED = "{"  # a line whose metric is among its labels
_LABEL = r'([A-Za-z_][A-Za-z0-9_]*)\s*=\s*("(?:[^"\\]|\\.)*")'


def is_answer(head: bytes) -> bool:
    """Whether a text begins as an answer to a query of series does, a list of answers, or series alone."""
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return begin[:1] in (b"{", b"[") and (_ANSWER.search(head) or _BARE.match(begin)) is not None


def samples(
    opened: Opened, shown_as: str, connection: duckdb.DuckDBPyConnection, workspace: Path, metrics: Iterable[str]
) -> Path | Problem | None:
    """A Parquet file of `series`, `time` and `value`, a row for each sample, in the order of the file, and the table `series` of
    `series`, `labels`, `metric`; time, value and labels as text. None: no file of samples.

    Of scrapes only the named metrics are taken, and lines that are no sample, with nothing but a value; of an answer, all.
    """
    with opened.path.open("rb") as stream:
        head = stream.read(_HEAD)
    target = workspace / f"{opened.sha256[:16]}.samples.parquet"
    if is_answer(head):
        if not cut_answer(opened.path, connection, target):
            return answered(opened.path, shown_as, connection, target) or target
    elif is_metrics(next((line for line in text_lines(opened.path) if line.strip()), "")):
        if not opened.ended:
            return _cut_off(opened, shown_as)
        if not (opened.tidy and cut_scrapes(opened.path, connection, target, metrics)):
            scraped(opened.path, connection, target, metrics)
    else:
        return None
    return target


def answered(path: Path, shown_as: str, connection: duckdb.DuckDBPyConnection, target: Path) -> Problem | None:
    """The samples of any answer."""
    lines = target.with_suffix(".jsonl")
    wrong = _series_lines(path, lines, shown_as)
    if wrong is None:
        _numbered(_of_series(lines), connection, target)
    return wrong


def scraped(path: Path, connection: duckdb.DuckDBPyConnection, target: Path, metrics: Iterable[str]) -> None:
    """The samples of any scrapes."""
    _numbered(_of_scrapes(path, metrics), connection, target)


def _numbered(query: str, connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    """What the query finds, with numbers in the place of labels."""
    found = target.with_suffix(".labelled")
    connection.execute(f"COPY ({query}) TO {literal(str(found))} ({WRITTEN})")
    relation = f"read_parquet({literal(str(found))}, file_row_number = true)"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE series AS SELECT CAST(row_number() OVER () AS INTEGER) AS series, labels, metric "
        f"FROM (SELECT DISTINCT labels, metric FROM {relation} WHERE labels IS NOT NULL)"
    )
    same = "s.labels = f.labels AND s.metric IS NOT DISTINCT FROM f.metric"
    query = f"SELECT s.series, f.time, f.value FROM {relation} f LEFT JOIN series s ON {same} ORDER BY f.file_row_number"
    connection.execute(f"COPY ({query}) TO {literal(str(target))} ({WRITTEN})")
    found.unlink()


def _series_lines(path: Path, target: Path, shown_as: str) -> Problem | None:
    """A line for each series, or piece of one: its labels, times and values."""
    import ijson

    try:
        with path.open("rb") as stream, target.open("w", encoding="utf-8", newline="\n") as out:
            for series in _series(stream):
                said = series.get("metric") if isinstance(series, dict) else None
                labels = json.dumps(said if isinstance(said, dict) else {}, ensure_ascii=False, default=str)
                pairs = _pairs(series)
                for start in range(0, len(pairs), _AT_ONCE):
                    piece = pairs[start : start + _AT_ONCE]
                    times = [str(pair[0]) for pair in piece]
                    values = [pair[1] if isinstance(pair[1], str) else str(pair[1]) for pair in piece]
                    out.write(json.dumps({"labels": labels, "times": times, "values": values}) + "\n")
    except (ijson.JSONError, RecursionError, ValueError, ArithmeticError) as wrong:
        return bad_json(str(wrong).splitlines()[0][:120], shown_as)
    return None


def _series(stream: BinaryIO) -> Iterator[Any]:
    import ijson

    begin = stream.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")
    start = begin[:1]
    stream.seek(0)
    if stream.read(3) != b"\xef\xbb\xbf":
        stream.seek(0)
    prefix = "item.data.result.item" if start == b"[" else "data.result.item"
    if _BARE.match(begin):
        prefix = "item" if start == b"[" else ""
    yield from ijson.items(Watched(stream), prefix, multiple_values=True)


def _pairs(series: Any) -> list[Any]:
    """Time and value of each sample; of what is none, nothing and what stands there."""
    found = series.get("values", [series["value"]] if "value" in series else []) if isinstance(series, dict) else [series]
    listed = found if isinstance(found, list) else [found]
    times = series.get("timestamps") if isinstance(series, dict) else None
    if isinstance(times, list):
        listed = [list(pair) for pair in zip_longest(times, listed, fillvalue="")]
    return [
        pair if isinstance(pair, list) and len(pair) == 2 and not isinstance(pair[1], list | dict) else ("", str(pair)[:200])
        for pair in listed
    ]


def _of_series(path: Path) -> str:
    columns = "{'labels': 'VARCHAR', 'times': 'VARCHAR[]', 'values': 'VARCHAR[]'}"
    lines = (
        f"read_json({literal(str(path))}, format = 'newline_delimited', columns = {columns}, maximum_object_size = {LINE})"
    )
    return (
        "SELECT labels, json_extract_string(labels, '$.__name__') AS metric, "
        f"nullif(time, '') AS time, value FROM (SELECT labels, unnest(times) AS time, unnest(\"values\") AS value FROM {lines})"
    )


def _of_scrapes(path: Path, metrics: Iterable[str]) -> str:
    lines = (
        f"read_csv({literal(str(path))}, auto_detect = false, header = false, delim = '{chr(30)}', quote = '', escape = '', "
        f"compression = 'none', max_line_size = {LINE}, columns = {{'line': 'VARCHAR'}})"
    )
    named = " OR ".join(f"starts_with(line, {literal(name)})" for name in (*metrics, _UNNAMED))
    wanted = ", ".join(literal(name) for name in metrics)
    # a line of another metric is looked at only to see that it is one
    other = f"regexp_full_match(line, '{OTHER}')"
    kept = f"CASE WHEN {named} THEN true WHEN line = '' OR starts_with(line, '#') THEN false ELSE NOT {other} END"
    # labels stand between the first brace and the last: what they say is read once for each text
    braces, first, last = "contains(line, '{')", "instr(line, '{')", "length(line) - instr(reverse(line), '}') + 1"
    among = f"regexp_extract(line, '__name__=\"({NAME})\"', 1)"
    before = f"CASE WHEN {braces} THEN trim(left(line, {first} - 1)) ELSE split_part(line, ' ', 1) END"
    split = (
        f"SELECT line, CASE WHEN starts_with(line, {literal(_UNNAMED)}) THEN {among} ELSE {before} END AS metric, "
        f"CASE WHEN {braces} THEN substr(line, {first} + 1, {last} - {first} - 1) ELSE '' END AS labels, "
        f"regexp_extract(substr(line, CASE WHEN {braces} THEN {last} + 1 ELSE instr(line, ' ') END), "
        "'^[ \\t]+([^ \\t]+)(?:[ \\t]+([^ \\t]+))?$', ['value', 'time']) AS tail "
        f"FROM (SELECT rtrim(trim(line), chr(13)) AS line FROM {lines}) WHERE {kept}"
    )
    whole = f"metric IN ({wanted}) AND tail.value <> ''"
    longer = f"regexp_full_match(metric, '{NAME}') AND tail.value <> ''"  # another metric of a longer name
    return (
        f"SELECT CASE WHEN {whole} THEN labels END AS labels, "
        f"CASE WHEN {whole} THEN metric END AS metric, CASE WHEN {whole} THEN nullif(tail.time, '') END AS time, "
        f"CASE WHEN {whole} THEN tail.value ELSE left(line, 200) END AS value FROM ({split}) WHERE ({whole}) OR NOT ({longer})"
    )


def labels_as_json(text: str) -> str:
    """SQL: the labels of a series as JSON, which those of a scrape are not yet; NULL where they are no labels."""
    tidy = f"rtrim(trim({text}), ',')"
    quoted = f"'{{' || regexp_replace({tidy}, {literal(_LABEL)}, '\"\\1\":\\2', 'g') || '}}'"
    written = f"CASE WHEN starts_with({text}, '{{') THEN {text} ELSE {quoted} END"
    return f"list_transform([{written}], lambda each: CASE WHEN json_valid(each) THEN each END)[1]"


def _cut_off(opened: Opened, shown_as: str) -> Problem:
    excerpt = last_line(opened.path).decode("utf-8", "replace")[:160]
    message = "the file ends in the middle of a sample: its last line has no end"
    remedy = "fetch the export again: it was cut off on its way; nothing of it was taken"
    return Problem("truncated-file", message, SourceRef(shown_as, opened.lines or None), excerpt, remedy)
