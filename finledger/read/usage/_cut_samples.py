"""Samples as Prometheus writes them: cut out of the text where one ends and the next begins, a series being looked at once.

    {"metric":{…},"values":[[1720000000,"73"],[1720000060,"74"]]}     cut at `"values":[[`, at `],[` and at `]]`
    DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1"} 73 1720000000000       cut at `} `

A cut may be wrong, so it is proven: an answer without its samples is a whole answer still, every sample is a number and a text, and
every line of scrapes is one that is known. Where that is not so, nothing is taken, and _samples.py reads the text character by
character.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from finledger.read.columns import literal
from finledger.read.copies import insert_rows

LINE = 8 << 20
WRITTEN = "FORMAT parquet, COMPRESSION uncompressed, PRESERVE_ORDER true"
OTHER = "[A-Za-z_:][A-Za-z0-9_:]*([ \\t]*[{].*[}])?[ \\t]+[^ \\t].*"  # a line of any metric
NAME = "[A-Za-z_:][A-Za-z0-9_:]*"
_PIECE, _MOST = 4 << 20, 64 << 20
_BEGIN, _END = b'"values":[[', b"]]"
_CONTROLS = bytes(range(32))


class _NoCut(Exception):
    """The text is not one that can be cut."""


def cut_answer(path: Path, connection: duckdb.DuckDBPyConnection, target: Path) -> bool:
    """Whether the answer is one of these: then its samples are in `target`, and its series in the table `series`."""
    lines = target.with_suffix(".csv")
    try:
        with path.open("rb") as stream, lines.open("wb") as out:
            labels = _labels(*_without_samples(stream, out))
        columns = "{'series': 'INTEGER', 'time': 'VARCHAR', 'value': 'VARCHAR'}"
        number = "CAST(TRY_CAST(time AS BIGINT) AS VARCHAR) = time OR regexp_full_match(time, '[1-9][0-9]*[.][0-9]+')"
        connection.execute(
            f"COPY (SELECT series, CASE WHEN {number} THEN time ELSE error('no number') END AS time, coalesce(value, '') AS value "
            f"FROM read_csv({literal(str(lines))}, auto_detect = false, header = false, delim = ',', quote = '', escape = '', "
            f"compression = 'none', columns = {columns})) TO {literal(str(target))} ({WRITTEN})"
        )
    except (_NoCut, ValueError, RecursionError, duckdb.InvalidInputException):
        return False
    finally:
        lines.unlink(missing_ok=True)
    connection.execute("CREATE OR REPLACE TEMP TABLE series (series INTEGER, labels VARCHAR, metric VARCHAR)")
    rows = [(number, json.dumps(each, ensure_ascii=False), each.get("__name__")) for number, each in enumerate(labels)]
    insert_rows(connection, "series", rows)
    return True


def _without_samples(stream: BinaryIO, out: BinaryIO) -> tuple[bytes, int]:
    """The answer with empty lists of samples, and how many these are; the samples as lines."""
    kept, series, text, at = bytearray(), 0, b"", 0
    while chunk := stream.read(_PIECE):
        text, at = text[at:] + chunk, 0
        while (begin := text.find(_BEGIN, at)) >= 0 and (end := text.find(_END, begin)) >= 0:
            kept += text[at : begin + len(_BEGIN) - 1]
            out.write(_lines(text[begin + len(_BEGIN) : end], series))
            series, at = series + 1, end + 1
        if len(kept) > _MOST or len(text) - at > _MOST:
            raise _NoCut  # that is many series, or a long one: not in memory
    return bytes(kept + text[at:]), series


def _lines(samples: bytes, series: int) -> bytes:
    """`1,"a"],[2,"b"` as lines of the series, a time and a value each: with other quotes in it, they have not three columns."""
    if b"\\" in samples or len(samples.translate(None, _CONTROLS)) < len(samples) or not samples.endswith(b'"'):
        raise _NoCut
    many = samples.count(b',"')
    if samples.count(b'"') != 2 * many or samples.count(b'"],[') != many - 1:
        raise _NoCut
    start = b"%d," % series
    return start + samples[:-1].replace(b'"],[', b"\n" + start).replace(b',"', b",") + b"\n"


def _labels(kept: bytes, series: int) -> list[dict[str, str]]:
    """The labels of each series, in an answer or a list of answers that holds nothing else and no sample any more."""
    if b"\\u" in kept:
        raise _NoCut  # may be half a character
    found = json.loads(kept.decode("utf-8-sig"))
    try:
        each = [one for answer in (found if isinstance(found, list) else [found]) for one in answer["data"]["result"]]
        labels = [one["metric"] for one in each if one["values"] == []]
    except (KeyError, TypeError):
        raise _NoCut from None
    if len(labels) != len(each) or len(labels) != series or not all(_are_texts(one) for one in labels):
        raise _NoCut
    return labels


def _are_texts(labels: Any) -> bool:
    return isinstance(labels, dict) and all(isinstance(each, str) for each in labels.values())


def cut_scrapes(path: Path, connection: duckdb.DuckDBPyConnection, target: Path, metrics: Iterable[str]) -> bool:
    """Whether the lines are such: then samples of the metrics are in `target`, and their series in the table `series`."""
    lines = (
        f"read_csv({literal(str(path))}, auto_detect = false, header = false, delim = '}} ', quote = '', escape = '', "
        f"null_padding = true, compression = 'none', max_line_size = {LINE}, columns = {{'head': 'VARCHAR', 'tail': 'VARCHAR'}})"
    )
    named = " OR ".join(f"starts_with(head, {literal(name)})" for name in metrics)
    known = (
        "CASE WHEN coalesce(head, '') = '' THEN tail IS NULL WHEN starts_with(head, '#') THEN true "
        f"WHEN {named} THEN coalesce(regexp_full_match(tail, '[^ \\t}}]+ [^ \\t}}]+'), false) "
        f"WHEN tail IS NULL THEN regexp_full_match(head, '{OTHER}') ELSE regexp_matches(tail, '^[^ \\t]') END"
    )
    metric = "trim(split_part(head, '{', 1))"
    wanted = f"contains(head, '{{') AND {metric} IN ({', '.join(literal(name) for name in metrics)})"
    # the head of a line of another metric, though its name may begin with one of these
    other = f"regexp_matches(head, '^{NAME}[ \\t]*[{{]') AND (NOT ({named}) OR regexp_full_match({metric}, '{NAME}'))"
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE heads AS SELECT head, bool_and(known) AS known, coalesce({wanted}, false) AS wanted FROM "
            f"(SELECT CASE WHEN tail IS NOT NULL AND NOT starts_with(head, '#') THEN head END AS head, {known} AS known FROM {lines}) "
            "GROUP BY head"
        )
    except duckdb.InvalidInputException:
        return False  # a label says `} `
    every = f"SELECT coalesce(bool_and(known AND (head IS NULL OR wanted OR {other})), false) AND bool_or(wanted) FROM heads"
    if connection.execute(every).fetchone() != (True,):
        return False
    # its numbers stand for the heads: a join would have to be put in order again
    connection.execute("CREATE OR REPLACE TYPE head_of_series AS ENUM (SELECT head FROM heads WHERE wanted)")
    number = "CAST(enum_code(TRY_CAST(head AS head_of_series)) AS INTEGER)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE series AS SELECT {number} AS series, substr(head, instr(head, '{{') + 1) AS labels, "
        f"{metric} AS metric FROM heads WHERE wanted"
    )
    connection.execute(
        f"COPY (SELECT series, split_part(tail, ' ', 2) AS time, split_part(tail, ' ', 1) AS value FROM "
        f"(SELECT {number} AS series, tail FROM {lines}) WHERE series IS NOT NULL) TO {literal(str(target))} ({WRITTEN})"
    )
    return True
