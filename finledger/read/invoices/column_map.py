"""Any table as a provider's invoice, by a column map beside it: NAME.csv or NAME.xlsx with NAME.map.yaml (docs/column-maps.md).

Every row stays a line. A map is checked as a whole, each problem with its line. Where a number is divided, the quotient is kept
to 18 decimal places, rounded half up: the one rounding that a map can make (rule M1).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from finledger.core.money import rounded_places
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.provider import ProviderLine
from finledger.read import values
from finledger.read.invoices import _figures
from finledger.read.invoices._declared import CATEGORIES, NOTHING, Declared, Misread, Source, Taken, lines_of, one_of
from finledger.read.invoices._export import Export, Head, Record, open_export
from finledger.read.map_text import MapText
from finledger.read.tables import read_table
from finledger.read.values import WrongValue, quoted
from finledger.read.yaml_lines import load

DESCRIPTION = "any table (CSV, XLSX, Parquet, JSON), by a column map beside it"
COLUMNS = (
    "provider", "invoice", "invoice_date", "service_month", "date", "sku", "description", "quantity", "unit", "amount",
    "currency", "rate", "category",
)  # fmt: skip
NEEDED = ("provider", "amount", "currency")
_TOP = ("sheet", "nulls", "columns")
_WORDS = ("column", "value", "prefix", "lookup", "divide", "pattern")
_DATED = ("invoice_date", "service_month", "date")
_ROUND_TRIP = date(2026, 7, 31)


def detect(head: Head) -> bool:
    """A map is named by its file, never found by content."""
    return False


def map_of(path: Path) -> Path:
    """Where the file's map is, if it has one: `july.csv`, `july.csv.gz` and `july.xlsx` are read by `july.map.yaml`."""
    stem = path.with_suffix("") if path.suffix.lower() in (".gz", ".zst") else path
    return stem.with_suffix(".map.yaml")


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    """The lines of a file, by the map beside it."""
    map_file = map_of(path)
    map_shown = str(PurePosixPath(shown_as).with_name(map_file.name))
    if not map_file.is_file():
        message = f"there is no column map {map_file.name} beside the file"
        remedy = "write one (docs/column-maps.md), or leave the format to be found"
        return Outcome((), (Problem("bad-map", message, SourceRef(shown_as), remedy=remedy),))
    outcome = load(map_file, map_shown)
    if outcome.rows is None:
        return Outcome((), outcome.problems)
    words = outcome.rows.root.plain()
    found = MapText(outcome.rows, map_file.parent, words if isinstance(words, dict) else {})
    _check_top(found)
    if not found.problems:
        _check_columns(found)
    if found.problems:
        return Outcome((), tuple(found.problems))
    opened = open_export(path, shown_as, found.words.get("sheet"))
    if opened.rows is None:
        return Outcome((), opened.problems)
    declared = _declared(found, opened.rows)
    if found.problems:
        return Outcome((), (*opened.problems, *found.problems))
    lines = lines_of(opened.rows, declared)
    return Outcome(lines.rows, (*opened.problems, *lines.problems))


def lookups(map_file: Path) -> set[str]:
    """The files that the map looks values up in; none where it cannot be read."""
    document = load(map_file, map_file.name).rows
    plain = document.root.plain() if document is not None else {}
    columns = plain.get("columns") if isinstance(plain, dict) else None
    specs = columns.values() if isinstance(columns, dict) else ()
    return {str(spec["lookup"]) for spec in specs if isinstance(spec, dict) and "lookup" in spec}


# ── the map itself ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _check_top(found: MapText) -> None:
    for key in found.words:
        if key not in _TOP:
            found.refuse(f"{key!r} is not a word of an invoice's column map", f"use {', '.join(_TOP)}", key)
    if not isinstance(found.words.get("sheet", ""), str):
        found.refuse("sheet is the name of one sheet", "write `sheet: NAME`", "sheet")
    if not isinstance(found.words.get("nulls", []), list):
        found.refuse("nulls is a list of words that mean empty", "write it as ['NULL', N/A]", "nulls")
    if not isinstance(found.words.get("columns"), Mapping):
        remedy = f"add `columns:` with {', '.join(NEEDED)} and service_month or date"
        found.refuse("a map says where the columns come from", remedy, "columns")


def _check_columns(found: MapText) -> None:
    columns = found.words["columns"]
    for name in NEEDED:
        if name not in columns:
            found.refuse(f"the map does not say where the {name} comes from", f"add `{name}: COLUMN`", "columns")
    if ("service_month" in columns) == ("date" in columns):
        message = "the month of service comes from one of service_month and date"
        found.refuse(message, "add `service_month: COLUMN` or `date: COLUMN`, not both", "columns")
    found.check_columns(COLUMNS, "an invoice", f"its columns are {', '.join(COLUMNS)}", partial(_check_words, found))


def _check_words(found: MapText, name: str, words: Mapping[str, Any]) -> None:
    where = ("columns", name)
    if not found.words_fit(name, words, _WORDS):
        return
    if ("column" in words) == ("value" in words):
        found.refuse(f"{name} comes from one of column and value", "keep one of them", *where)
    if "value" in words and len(words) > 1:
        found.refuse("a value is taken as it is", "keep `value` alone", *where)
    if "pattern" in words and (name not in _DATED or not _is_pattern(str(words["pattern"]), month=name == "service_month")):
        message = f"{words['pattern']!r} is not a pattern of a {'month' if name == 'service_month' else 'day'}"
        remedy = "write it as %d.%m.%Y (service_month: %m/%Y), for a date alone"
        found.refuse(message if name in _DATED else f"{name} is no date", remedy, *where, "pattern")
    if "divide" in words and (name not in ("quantity", "amount") or _divisor(str(words["divide"])) is None):
        message = f"{name} cannot be divided by {words['divide']!r}"
        found.refuse(message, "divide a quantity or an amount, by a number that is not 0", *where, "divide")


def _is_pattern(pattern: str, *, month: bool) -> bool:
    """Whether a date written by the pattern is read back as the same."""
    try:
        back = datetime.strptime(_ROUND_TRIP.strftime(pattern), pattern).date()
    except (ValueError, IndexError, KeyError):  # what strptime raises over words that are no pattern
        return False
    return (back.year, back.month) == (_ROUND_TRIP.year, _ROUND_TRIP.month) and (month or back == _ROUND_TRIP)


def _divisor(text: str) -> Fraction | None:
    try:
        number = _figures.figure(text)
    except WrongValue:
        return None
    return Fraction(number) or None


# ── the map applied ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _declared(found: MapText, export: Export) -> Declared:
    columns = found.words["columns"]
    sources = {name: _source(found, export, name, spec) for name, spec in columns.items()}
    by_month = "service_month" in columns

    def taken(name: str) -> Source:
        return sources.get(name, NOTHING)

    return Declared(
        needs=(),
        provider=taken("provider"),
        invoice=taken("invoice"),
        invoice_date=taken("invoice_date"),
        service=taken("service_month" if by_month else "date"),
        read_day=_figures.first_of_month if by_month else _figures.day,
        sku=taken("sku"),
        description=taken("description"),
        quantities=((taken("quantity"), taken("unit")),),
        amount=taken("amount"),
        currency=taken("currency"),
        rate=taken("rate"),
        category=taken("category"),
        categories=one_of({word: word for word in CATEGORIES}, None if "category" in columns else "usage"),
        numbered="invoice" in columns,
        grouped=False,
    )


def _source(found: MapText, export: Export, name: str, spec: Any) -> Source:
    """Where a column's text comes from in this export, and what is made of it."""
    words = spec if isinstance(spec, Mapping) else {"column": spec}
    if "value" in words:
        text = str(words["value"])
        return lambda record: Taken(text, "")
    column = str(words["column"])
    if column not in export.keys:
        near = difflib.get_close_matches(column, export.names, 1)
        remedy = f"write {near[0]!r}" if near else f"its columns are {', '.join(export.names)[:160]}"
        found.refuse(f"{export.shown_as} has no column {column!r}", remedy, "columns", name)
        return NOTHING
    key, nulls = export.keys[column], {str(word) for word in found.words.get("nulls", [])}
    changes = _changes(found, name, words)

    def take(record: Record) -> Taken:
        text = record.cells.get(key, "")
        if not text or text in nulls:
            return Taken("", column)
        try:
            for change in changes:
                text = change(text)
        except WrongValue as wrong:
            raise Misread(wrong, column) from None
        return Taken(text, column)

    return take


def _changes(found: MapText, name: str, words: Mapping[str, Any]) -> list[Callable[[str], str]]:
    changes: list[Callable[[str], str]] = []
    if "lookup" in words:
        changes.append(_looked_up(str(words["lookup"]), _lookup(found, str(words["lookup"]), "columns", name, "lookup")))
    if "prefix" in words:
        prefix = str(words["prefix"])
        changes.append(lambda text: prefix + text)
    if "pattern" in words:
        changes.append(_by_pattern(str(words["pattern"])))
    if "divide" in words:
        divisor = _divisor(str(words["divide"]))
        assert divisor is not None, "the map was checked"
        changes.append(_divided(divisor))
    return changes


def _looked_up(file: str, table: Mapping[str, str]) -> Callable[[str], str]:
    def change(text: str) -> str:
        if text not in table:
            raise WrongValue("not-one-of", f"{quoted(text)} does not stand in {file}", f"add a line for it to {file}")
        return table[text]

    return change


def _by_pattern(pattern: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        try:
            return datetime.strptime(text, pattern).date().isoformat()
        except ValueError:
            message = f"{quoted(text)} is not a date written as {pattern}"
            raise WrongValue("not-a-date", message, "correct the cell, or the map's pattern") from None

    return change


def _divided(divisor: Fraction) -> Callable[[str], str]:
    def change(text: str) -> str:
        quotient = rounded_places(Fraction(_figures.figure(text)) / divisor, values.MAX_PLACES)
        return format(quotient, "f").rstrip("0").rstrip(".")

    return change


def _lookup(found: MapText, file: str, *where: str) -> dict[str, str]:
    """A table with the columns value and meaning: what stands for a text."""
    path = found.folder / file
    if not path.is_file():
        found.refuse(f"there is no table {file!r} beside the map", "write a CSV with the columns value,meaning", *where)
        return {}
    shown_as = str(PurePosixPath(found.document.shown_as).with_name(file))
    outcome = read_table(path, shown_as, ("value", "meaning"))
    found.problems += outcome.problems
    table: dict[str, str] = {}
    for row in outcome.rows:
        value = row.needed("value", values.prose, found.problems)
        meaning = row.needed("meaning", values.prose, found.problems)
        if value in table:
            wrong = WrongValue("bad-map", f"{quoted(value)} stands here twice", "keep one of the two lines")
            found.problems.append(row.problem(wrong, "value"))
        elif value is not None and meaning is not None:
            table[value] = meaning
    return table
