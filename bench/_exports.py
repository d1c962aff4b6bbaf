"""Large exports made of the small ones in tests/formats/usage: their records again and again, each with ids and a time of its own.

Ids get the number of their copy, times as many seconds as copies came before; nothing is random. Of a document, the elements of
its first list are repeated, so that what lies below each is as in the small one.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from finledger.read.header import fold
from finledger.read.usage import formats

CASES = Path(__file__).resolve().parent.parent / "tests" / "formats" / "usage"
ALSO = {("aws_cur", "split")}  # beside the largest of a container
_IDS = {
    fold(name)
    for name in (
        "usage_id", "id", "request_id", "response_id", "generation_id", "traceId", "spanId", "parentSpanId", "parent_id",
        "parentObservationId", "lineItem/ResourceId", "line_item_resource_id", "splitLineItem/ParentResourceId",
        "split_line_item_parent_resource_id", "identity/LineItemId", "ResourceId", "product/resourceId", "lineItem/referenceNo",
        "project_id", "workspace", "workspace_id", "user", "user_id", "Slug", "model_permaslug", "UUID", "global_name",
    )
}  # fmt: skip
_TIMES = {
    fold(name)
    for name in (
        "ts", "start_time", "starting_at", "startTime", "startTimeUnixNano", "created_at", "request_created_at", "created",
        "timestamp", "time", "start", "ChargePeriodStart", "lineItem/UsageStartDate", "line_item_usage_start_date",
        "usage_start_time", "lineItem/intervalUsageStart", "createTime",
    )
}  # fmt: skip
_MOMENT = re.compile(r"(20\d\d-\d\d-\d\d[T ])\d\d:\d\d:\d\d(.*)", re.S)
_HEX = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
_MARK = re.compile(r'"@@(\d+)#@@"|@@(\d+)#?@@')
Vary = Callable[[int], str]
Parts = tuple[str, list[Vary], str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a format. `container`: csv, jsonl, json (a document), parquet or txt (scrapes)."""

    format: str
    name: str
    container: str
    source: Path


def cases() -> Iterator[Case]:
    """Of each format, the largest good case of each container."""
    for name in formats():
        found: dict[str, Case] = {}
        for source in sorted((CASES / name).glob("*/input.*"), key=lambda path: (-path.stat().st_size, path)):
            case = source.parent.name
            container = {".sql": "parquet", ".tsv": "csv"}.get(source.suffix, source.suffix.removeprefix("."))
            if case == "malformed" or name == "column_map":
                continue
            if container not in found or (name, case) in ALSO:
                key = container if container not in found else f"{container} {case}"
                found[key] = Case(name, case, container, source)
        yield from found.values()


def made(case: Case, rows: int, folder: Path) -> Path:
    """The case's export with about `rows` records."""
    path = folder / f"{case.format}-{case.name}{'.parquet' if case.container == 'parquet' else case.source.suffix}"
    if case.container == "parquet":
        _parquet(case, rows, path)
        return path
    head, records, between, tail = _parts(case)
    copies = max(rows // (len(records) * _held(case, len(records))), 1)
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write(head)
        for number in range(copies):
            out.write(("" if number == 0 else between) + between.join(record(number) for record in records))
        out.write(tail)
    return path


def _expected(case: Case) -> dict[str, Any]:
    return dict(json.loads((case.source.parent / "expected.json").read_text(encoding="utf-8")))


def _held(case: Case, elements: int) -> int:
    """How many rows a repeated element makes, on average; 1 for what is not a document."""
    if case.format == "dcgm":
        return 60 if case.container == "json" else 1
    return max(round(len(_expected(case)["rows"]) / elements), 1) if case.container in ("json", "jsonl") else 1


def _parts(case: Case) -> Parts:
    """What stands before the records, the records that are not refused, and what stands between and after them."""
    text = case.source.read_text(encoding="utf-8").lstrip("\ufeff")
    head, records, between, tail = {"csv": _csv, "jsonl": _jsonl, "json": _json, "txt": _txt}[case.container](text)
    refused = {int(re.findall(r"\d+", where)[-1]) for where, *_ in _expected(case).get("rejected", ())}
    first = 2 if case.container == "csv" else 1
    kept = [each for number, each in enumerate(records, first) if number not in refused]
    return head, kept if len(records) >= len(refused) and case.container != "txt" else records, between, tail


def _csv(text: str) -> Parts:
    lines = text.splitlines()
    delimiter = max(",;\t|", key=lines[0].count)
    head, *rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    records = []
    for row in rows:
        varied: list[Vary] = []
        cells = [_marked(name, cell, varied) for name, cell in zip(head, row, strict=False)]
        line = io.StringIO()
        csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow(cells)
        records.append(_rendered(line.getvalue(), varied))
    return lines[0] + "\n", records, "", ""


def _jsonl(text: str) -> Parts:
    def record(line: str) -> Vary:
        try:
            return _record(_parsed(line))
        except ValueError:
            return lambda _: line  # a line that is refused

    return "", [record(line) for line in text.splitlines() if line.strip()], "\n", "\n"


def _json(text: str) -> Parts:
    """The first list of the document, or the list that it is."""
    found = _parsed(text)
    name = "" if isinstance(found, list) else next(name for name, value in found.items() if isinstance(value, list | dict))
    inner = found[name] if name else found
    if isinstance(inner, dict):  # an answer of Prometheus: its series
        return _series(found)
    records = [_record(each) for each in inner]
    if not name:
        return "[", records, ",\n", "]\n"
    before, after = _dumped({**found, name: ["@@"]}).split('["@@"]')
    return before + "[", records, ",\n", f"]{after}\n"


def _series(found: dict[str, Any]) -> Parts:
    """A series for each of the small answer's, an hour of samples a minute apart in each."""
    series = []
    for each in found["data"]["result"]:
        values = [[1784412000 + 60 * minute, str(minute)] for minute in range(60)]
        series.append(_record({"metric": each["metric"], "values": values}))
    return '{"status":"success","data":{"resultType":"matrix","result":[', series, ",\n", "]}}\n"


def _txt(text: str) -> Parts:
    """Scrapes: each sample once more a minute later."""
    records: list[Vary] = []
    for line in text.splitlines():
        sample = re.fullmatch(r"(.*) (\d{13})", line)
        if sample and not line.startswith("#") and 'UUID=""' not in line:
            records.append(_later(sample[1], int(sample[2])))
    return "", records, "\n", "\n"


def _later(before: str, moment: int) -> Vary:
    return lambda number: f"{before} {moment + 60_000 * number}"


def _parsed(text: str) -> Any:
    """A document whose decimals are marked texts, so that they are written again as they were."""
    return json.loads(text, parse_float=lambda number: f"~~{number}~~")


def _dumped(value: Any) -> str:
    return re.sub(r'"~~(.*?)~~"', r"\1", json.dumps(value, ensure_ascii=False))


def _record(value: Any) -> Vary:
    varied: list[Vary] = []

    def walk(name: str, inner: Any) -> Any:
        if isinstance(inner, dict):
            return {key: walk(key, each) for key, each in inner.items()}
        if isinstance(inner, list):
            return [walk("", each) for each in inner]
        if isinstance(inner, str) or (isinstance(inner, int) and fold(name) in _TIMES | {"usageid"}):
            return _marked(name, inner, varied)
        return inner

    return _rendered(_dumped(walk("", value)), varied)


def _marked(name: str, value: str | int, varied: list[Vary]) -> str:
    """A mark in the place of what varies; the value itself otherwise."""
    text, folded = str(value), fold(name)
    change: Vary | None = None
    if folded in _TIMES:
        moment = _MOMENT.fullmatch(text)
        if moment:
            day, rest = moment[1], moment[2]
            change = lambda n: f"{day}{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}{rest}"  # noqa: E731
        elif re.fullmatch(r"\d{10,19}", text):
            step = 10 ** (len(text) - 10)
            change = lambda n: str(int(text) + n * step)  # noqa: E731
    elif folded in _IDS and text and text != "null":
        change = _other_id(text)
    if change is None:
        return text
    varied.append(change)
    return f"@@{len(varied) - 1}{'#' if isinstance(value, int) else ''}@@"


def _other_id(text: str) -> Vary:
    if _HEX.fullmatch(text):
        return lambda n: f"{n + 1:08x}{text[8:]}"
    if text.endswith("=") and len(text) in (12, 24):  # base64, as Tempo writes ids
        return lambda n: f"{n + 1:08x}".upper() + text[8:]
    if text.isdigit():
        return lambda n: str(int(text) + 1000 * n)
    return lambda n: f"{text}-{n}"


def _rendered(template: str, varied: list[Vary]) -> Vary:
    """The text of the n-th copy."""
    parts: list[str | Vary] = []
    place = 0
    for mark in _MARK.finditer(template):
        parts += [template[place : mark.start()], varied[int(mark[1] or mark[2])]]
        place = mark.end()
    parts.append(template[place:])
    return lambda n: "".join(part if isinstance(part, str) else part(n) for part in parts)


def _parquet(case: Case, rows: int, path: Path) -> None:
    query = case.source.read_text(encoding="utf-8").rstrip().rstrip(";")
    with duckdb.connect() as connection:
        described = connection.execute(f"DESCRIBE {query}").fetchall()
        (held,) = connection.execute(f"SELECT count(*) FROM ({query})").fetchone() or (1,)
        changed = [
            f'"{name}" || \'-\' || n AS "{name}"' for name, kind, *_ in described if fold(name) in _IDS and kind == "VARCHAR"
        ]
        changed += [
            f'"{name}" + to_seconds(n) AS "{name}"'
            for name, kind, *_ in described
            if fold(name) in _TIMES and kind.startswith("TIMESTAMP")
        ]
        star = f"* EXCLUDE n REPLACE ({', '.join(changed)})" if changed else "* EXCLUDE n"
        connection.execute(
            f"COPY (SELECT {star} FROM ({query}), range({max(rows // held, 1)}) copies(n)) TO '{path}' (FORMAT parquet)"
        )
