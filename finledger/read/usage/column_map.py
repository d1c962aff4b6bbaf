"""Any table (CSV, JSON lines, Parquet, workbook) as usage, by a column map that says which of its columns is which of ours.

A map is checked as a whole, each problem with its line. Where a number is divided, the quotient is kept to 18 decimal places,
rounded half up: the one rounding that a map can make (rule M1).
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read.columns import KINDS, Field, Layout, decimal_sql, literal
from finledger.read.header import Header
from finledger.read.map_text import MapText
from finledger.read.opened import Opened, open_export
from finledger.read.row_hash import row_hash
from finledger.read.tags import tag_list
from finledger.read.yaml_lines import load

TITLE = "any table, by a column map (--map)"
NEEDS: tuple[str, ...] = ()
TOLD = ()
GRAIN = "request"
M5 = "as the map says (`input_includes_cached`)."
FORMATS = ("csv", "jsonl", "parquet", "xlsx")
_TOP = ("format", "sheet", "input_includes_cached", "nulls", "columns")
_WORDS = ("column", "value", "prefix", "lookup", "divide", "unix", "origin", "pattern", "row_hash")
_PER_SECOND = {"s": 12, "ms": 15, "us": 18, "ns": 21}
_UNITS = "1000000000000000000"  # a DECIMAL(38,18) as a whole number of 10^-18


def prepare(
    opened: Opened, shown_as: str, map_file: Path, workspace: Path, container: str
) -> Outcome[tuple[Opened, str] | None]:
    """The export as text that can be read, and its container: a workbook's sheet becomes a CSV in the workspace."""
    found = _read(map_file)
    if isinstance(found, tuple):
        return Outcome(None, found)
    wanted = str(found.words.get("format", container))
    if wanted in ("csv", "jsonl") and not opened.text:
        found.refuse(f"{shown_as} is no text file, as {wanted} is", f"write `format: {container}`", "format")
        return Outcome(None, tuple(found.problems))
    if wanted != "xlsx":
        return Outcome((opened, wanted))
    try:
        copy = _sheet_as_csv(opened.path, found.words.get("sheet"), workspace / "sheet.csv")
    except KeyError as missing:
        name, sheets = missing.args
        found.refuse(f"the workbook has no sheet {name!r}", f"its sheets are {sheets}", "sheet")
        return Outcome(None, tuple(found.problems))
    except Exception as error:  # openpyxl raises what its zip and XML readers raise
        problem = Problem("bad-workbook", f"the file cannot be read as a workbook: {error}", SourceRef(shown_as))
        return Outcome(None, (replace(problem, remedy="save it as .xlsx again, or export CSV"),))
    reopened = open_export(copy, shown_as, workspace)
    if isinstance(reopened, Problem):
        return Outcome(None, (reopened,))
    return Outcome((replace(reopened, sha256=opened.sha256, size=opened.size), "csv"))


def layout(header: Header, shown_as: str, map_file: Path | None = None) -> Outcome[Layout | None]:
    """The map applied to the export's columns."""
    assert map_file is not None, "a column map is a file"
    found = _read(map_file)
    if isinstance(found, tuple):
        return Outcome(None, found)
    nulls = tuple(str(word) for word in found.words.get("nulls", []))
    fields: list[Field] = []
    hashed = ""
    for name, spec in found.words["columns"].items():
        words = spec if isinstance(spec, Mapping) else {"column": spec}
        if name == "usage_id" and words.get("row_hash") == "true":
            hashed = row_hash(header, nulls)
            continue
        field = _field(found, header, name, words)
        if field is not None:
            fields.append(field)
    if found.problems:
        return Outcome(None, tuple(found.problems))
    includes = found.words.get("input_includes_cached") == "true"
    return Outcome(
        Layout(
            tuple(fields), nulls, hashed, input_includes=("cached_input_tokens", "cache_write_tokens") if includes else ()
        )
    )


# ── the map itself ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(map_file: Path) -> MapText | tuple[Problem, ...]:
    """The map's words with what is wrong with them, but for what depends on the export."""
    if not map_file.is_file():
        remedy = "name a YAML file; docs/column-maps.md shows one"
        return (Problem("bad-map", "there is no such column map", SourceRef(str(map_file)), remedy=remedy),)
    outcome = load(map_file, str(map_file))
    if outcome.rows is None or outcome.errors:
        return outcome.problems
    plain = outcome.rows.root.plain()
    found = MapText(outcome.rows, map_file.parent, plain if isinstance(plain, dict) else {}, [])
    _check_top(found)
    if isinstance(found.words.get("columns"), Mapping):
        _check_columns(found)
    return tuple(found.problems) if found.problems else found


def _check_top(found: MapText) -> None:
    for key in found.words:
        if key not in _TOP:
            found.refuse(f"{key!r} is not a word of a column map", f"use {', '.join(_TOP)}", key)
    if found.words.get("format", "csv") not in FORMATS:
        found.refuse(f"there is no format {found.words['format']!r}", f"use one of {', '.join(FORMATS)}", "format")
    if found.words.get("input_includes_cached", "false") not in ("true", "false"):
        found.refuse("input_includes_cached is true or false", "write one of the two", "input_includes_cached")
    if not isinstance(found.words.get("nulls", []), list):
        found.refuse("nulls is a list of words that mean empty", "write it as ['NULL', N/A]", "nulls")
    if not isinstance(found.words.get("columns"), Mapping):
        found.refuse("a map says where the columns come from", "add `columns:` with usage_id and ts at least", "columns")


def _check_columns(found: MapText) -> None:
    columns = found.words["columns"]
    for name in ("usage_id", "ts"):
        if name not in columns:
            remedy = "add `usage_id: {row_hash: true}`" if name == "usage_id" else "add `ts:` with the column of the time"
            found.refuse(f"the map does not say where {name} comes from", remedy, "columns")
    found.check_columns(tuple(KINDS), "usage", "see the native columns in docs/column-maps.md", partial(_check_words, found))


def _check_words(found: MapText, name: str, words: Mapping[str, Any]) -> None:
    where = ("columns", name)
    if not found.words_fit(name, words, _WORDS):
        return
    sources = [word for word in ("column", "value", "row_hash") if word in words]
    if len(sources) != 1:
        found.refuse(f"{name} comes from one of column, value or row_hash", "keep one of them", *where)
    if "row_hash" in words and (name != "usage_id" or words["row_hash"] != "true"):
        found.refuse("row_hash makes an id", "write `usage_id: {row_hash: true}`", *where, "row_hash")
    if {"unix", "pattern", "origin"} & set(words) and KINDS[name] != "time":
        found.refuse(f"{name} is not a time", "keep unix, origin and pattern for ts", *where)
    if "unix" in words and words["unix"] not in _PER_SECOND:
        found.refuse(f"unix time is counted in {', '.join(_PER_SECOND)}", "write one of them", *where, "unix")
    if "unix" in words and "pattern" in words:
        found.refuse("a time is unix or has a pattern", "keep one of them", *where)
    if "origin" in words and _origin(str(words["origin"])) is None:
        found.refuse(f"{words['origin']!r} is not an instant", "write it as 2026-07-02T00:00:00Z", *where, "origin")
    if "pattern" in words and not _is_pattern(str(words["pattern"])):
        found.refuse(f"{words['pattern']!r} is not a pattern of a time", "write it as %d.%m.%Y %H:%M:%S", *where, "pattern")
    if "divide" in words and (KINDS[name] not in ("count", "quantity", "cost") or _divisor(str(words["divide"])) is None):
        found.refuse(
            f"{name} cannot be divided by {words['divide']!r}",
            "divide a number, by a number above 0",
            *where,
        )


def _origin(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _divisor(text: str) -> tuple[int, int] | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or not 0 < number <= 10**15 or number.adjusted() < -15:
        return None
    numerator, denominator = number.as_integer_ratio()
    return (numerator, denominator) if max(numerator, denominator) <= 10**18 else None


def _is_pattern(pattern: str) -> bool:
    try:
        with duckdb.connect() as connection:
            connection.execute(f"SELECT try_strptime('', {literal(pattern)})").fetchall()
    except duckdb.Error:
        return False
    return "%" in pattern


# ── one column ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _field(found: MapText, header: Header, name: str, words: Mapping[str, Any]) -> Field | None:
    """Where a native column's text comes from in this export, and how its value is made of it."""
    where = ("columns", name)
    if "value" in words:
        return Field(name, literal(str(words["value"])), name)
    column = str(words["column"])
    if not header.has(column):
        near = difflib.get_close_matches(column, header.names, 1)
        remedy = f"write {near[0]!r}" if near else f"its columns are {', '.join(header.names)[:160]}"
        found.refuse(f"the export has no column {column!r}", remedy, *where)
        return None
    text = header.ref(column)
    nulls = [str(word) for word in found.words.get("nulls", [])]
    if nulls and ("prefix" in words or name == "tag"):  # before anything is made of it, which no word that means empty is
        text = f"CASE WHEN {text} NOT IN ({', '.join(map(literal, nulls))}) THEN {text} END"
    if "lookup" in words:
        table = _lookup(found, str(words["lookup"]), *where, "lookup")
        text = f"map([{', '.join(map(literal, table))}]::VARCHAR[], [{', '.join(map(literal, table.values()))}]::VARCHAR[])[{text}]"
    if "prefix" in words:
        text = f"CASE WHEN nullif({text}, '') IS NOT NULL THEN {literal(str(words['prefix']))} || {text} END"
    if name == "tag":
        text = tag_list(text)
    if "unix" in words:
        origin = _origin(str(words.get("origin", "1970-01-01T00:00:00Z")))
        assert origin is not None, "the map was checked"
        return Field(
            name,
            text,
            column,
            _unix_sql(str(words["unix"]), origin),
            f"is not a time in {words['unix']} after {origin:%Y-%m-%d}",
        )
    if "pattern" in words:
        value = f"CAST(try_strptime({{text}}, {literal(str(words['pattern']))}) AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
        return Field(name, text, column, _within(value), f"is not a time written as {words['pattern']}")
    if "divide" in words:
        divisor = _divisor(str(words["divide"]))
        assert divisor is not None, "the map was checked"
        return Field(name, text, column, _divided_sql(KINDS[name], *divisor), "is not a number that can be divided")
    return Field(name, text, column)


def _lookup(found: MapText, file: str, *where: str) -> dict[str, str]:
    """A table of two columns: what a value stands for. A value that it lacks stands for nothing."""
    path = found.folder / file
    if not path.is_file():
        found.refuse(f"there is no table {file!r} beside the map", "write a CSV with the columns value,team", *where)
        return {}
    table: dict[str, str] = {}
    try:
        lines = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=None))
    except UnicodeDecodeError:
        found.refuse(f"the table {file!r} is not UTF-8", "save it as UTF-8", *where)
        return {}
    for number, row in enumerate(lines):
        if number == 0 or not row:
            continue
        at, excerpt = SourceRef(str(path), lines.line_num), ",".join(row)[:160]
        if len(row) != 2 or not row[0]:
            found.problems.append(Problem("bad-map", "a lookup has two columns", at, excerpt, "write a line as VALUE,TEAM"))
        elif row[0] in table:
            found.problems.append(
                Problem("bad-map", f"{row[0]!r} stands here twice", at, excerpt, "keep one of the two lines")
            )
        else:
            table[row[0]] = row[1]
    return table


def _units(text: str) -> str:
    """The number as a HUGEINT of 10^-18: exact, and NULL where it is no such number."""
    return f"TRY(CAST(replace(CAST(({decimal_sql(text)}) AS VARCHAR), '.', '') AS HUGEINT))"


def _unix_sql(unit: str, origin: datetime) -> str:
    start = f"TIMESTAMP '{origin:%Y-%m-%d %H:%M:%S.%f}'"
    micros = f"CAST({_units('{text}')} // CAST('1{'0' * _PER_SECOND[unit]}' AS HUGEINT) AS BIGINT)"
    return _within(f"TRY({start} + to_microseconds({micros}))")


def _within(moment: str) -> str:
    """The time, if it lies in the years 2000 to 2100."""
    return f"CASE WHEN {moment} >= TIMESTAMP '2000-01-01' AND {moment} < TIMESTAMP '2101-01-01' THEN {moment} END"


def _divided_sql(kind: str, numerator: int, denominator: int) -> str:
    """The number / (numerator/denominator), to 18 places half up, in whole numbers: DuckDB's own division is binary.

    Whole and rest are divided apart, so that nothing overflows whose quotient can be held; what cannot be held is refused.
    """
    units = f"abs({_units('{text}')})"
    whole, rest = f"({units} // {numerator}::HUGEINT)", f"({units} % {numerator}::HUGEINT)"
    quotient = f"TRY({whole} * {denominator} + (2 * {rest} * {denominator} + {numerator}) // (2 * {numerator}::HUGEINT))"
    digits = f"lpad(CAST({quotient} % {_UNITS}::HUGEINT AS VARCHAR), 18, '0')"
    sign = f"CASE WHEN {_units('{text}')} < 0 THEN '-' ELSE '' END"
    decimal = f"TRY(CAST({sign} || CAST({quotient} // {_UNITS}::HUGEINT AS VARCHAR) || '.' || {digits} AS DECIMAL(38,18)))"
    return f"CASE WHEN ({decimal}) % 1 = 0 THEN CAST(({decimal}) AS BIGINT) END" if kind == "count" else decimal


# ── workbooks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sheet_as_csv(workbook: Path, sheet: object, copy: Path) -> Path:
    """A sheet's cells as text: numbers by their shortest decimal form, times as RFC 3339. KeyError: there is no such sheet."""
    from openpyxl import load_workbook

    book = load_workbook(workbook, read_only=True, data_only=True)
    try:
        cells = book[str(sheet)] if sheet is not None else book.worksheets[0]
        with copy.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(_cells(cells.iter_rows(values_only=True)))
    except KeyError:
        raise KeyError(str(sheet), ", ".join(book.sheetnames)) from None
    finally:
        book.close()
    return copy


def _cells(rows: Any) -> Iterator[list[str]]:
    """A line for each row, blank for an empty one, so that the lines are the sheet's rows."""
    for row in rows:
        yield [_cell(cell) for cell in row] if any(cell is not None for cell in row) else []


def _cell(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return format(Decimal(repr(cell)), "f").removesuffix(".0")
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell)
