"""What an export is made of: its container (CSV, JSON lines, Parquet), its columns, and how SQL gets at each as text."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import duckdb

from finledger.core.problem import Problem, SourceRef
from finledger.read.columns import NO_RECORD, literal, quoted
from finledger.read.exact_json import exact_lines, may_be_long
from finledger.read.json_cuts import odd_line
from finledger.read.opened import Opened, text_lines

Container = Literal["csv", "jsonl", "parquet"]
_DELIMITERS = (",", ";", "\t", "|")
_MAX_LINE = 64 << 20
_MAX_JSON = 8 << 20
_SAMPLE = 1000
_FOCUS_TABLES = {
    "billingperiodstatus": "billing periods",
    "contractcommitmentid": "contract commitments",
    "invoicedetailid": "invoices",
}
_BRACKETED = re.compile(r".*\(([^()]+)\)")
_NEVER = chr(30)  # JSON has no such character: with it as the delimiter, a line is one field
csv.field_size_limit(1 << 30)


@dataclass(frozen=True, slots=True)
class Header:
    """`relation` is the FROM clause; `refs` gives each column's text in it; `types` are Parquet's. `plain`: header on line 1."""

    container: Container
    names: tuple[str, ...]
    relation: str
    refs: Mapping[str, str]
    types: Mapping[str, str]
    path: Path
    delimiter: str = ","
    plain: bool = True
    folded: Mapping[str, str] = field(default_factory=dict)
    careful: str = ""  # the relation to read when DuckDB refuses the other one, which takes every line for JSON
    whole: bool = True  # every line of JSON lines is one object
    inner: Mapping[tuple[str, ...], str] = field(default_factory=dict)  # texts inside Parquet's structs, by their names
    short: bool = (
        False  # no number of JSON is taken for one that a float does not keep, since none of the first lines has one
    )

    def ref(self, name: str) -> str:
        """The SQL text of a column; NULL when the export lacks it. `a.b` is the field b inside the record a."""
        place = self.place(name)
        if not place:
            return "CAST(NULL AS VARCHAR)"
        return inner_text(self.refs[place[0]], list(place[1:])) if place[1:] else self.refs[place[0]]

    def place(self, name: str) -> tuple[str, ...]:
        """The column, as the export writes it, and the fields inside it, one in the other; () when the export lacks it."""
        found = self._named(name)
        if found:
            return (found,)
        outer, _, inner = name.partition(".")
        while inner and self.container != "csv":
            found = self._named(outer)
            if found:
                return (found, *inner.split("."))
            step, _, inner = inner.partition(".")
            outer = f"{outer}.{step}"
        return ()

    def has(self, name: str) -> bool:
        return bool(self.place(name))

    def shown(self, name: str) -> str:
        """How the export itself writes a column's name."""
        return self._named(name) or name

    def _named(self, name: str) -> str:
        return name if name in self.refs else self.folded.get(fold(name), "")


def inner_text(text: str, names: list[str]) -> str:
    """SQL of a field inside JSON text. Where a record should be and is none, a text that is refused."""
    path, mark = literal(json_path(names[0])), literal(NO_RECORD)
    inner = (
        "CASE WHEN lower(t) IN ('', 'null') THEN NULL WHEN json_type(CASE WHEN json_valid(t) THEN t END) = 'OBJECT' "
        f"THEN json_extract_string(t, {path}) WHEN starts_with(t, {mark}) THEN t ELSE {mark} || t END"
    )
    found = f"list_transform([{text}], lambda t: {inner})[1]"
    return inner_text(found, names[1:]) if names[1:] else found


@lru_cache(1 << 14)
def fold(name: str) -> str:
    """A column's name however an export writes it: case and marks between words do not matter, nor a translation before it.

    >>> fold("lineItem/UsageType"), fold("line_item_usage_type"), fold("Kosten (CostInBillingCurrency)")
    ('lineitemusagetype', 'lineitemusagetype', 'costinbillingcurrency')
    """
    translated = _BRACKETED.fullmatch(name.strip())
    return "".join(each for each in (translated[1] if translated else name).lower() if each.isalnum())


def focus_table(names: Iterable[str]) -> str:
    """What a table of FOCUS holds that comes beside cost and usage, by its columns; "" for any other."""
    found = {fold(name) for name in names}
    if "chargeperiodstart" in found:
        return ""
    return next((what for column, what in _FOCUS_TABLES.items() if column in found), "")


def container_of(name: str) -> str:
    """By the file's name: csv, jsonl, parquet, xlsx; "" when it says none of them."""
    stem = name.lower()
    for packed in (".gz", ".zst"):
        stem = stem.removesuffix(packed)
    suffix = Path(stem).suffix
    named = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
    return named.get(suffix, suffix.removeprefix(".") if suffix in (".parquet", ".xlsx") else "")


def read_header(
    opened: Opened, shown_as: str, container: str, connection: duckdb.DuckDBPyConnection
) -> Header | tuple[Problem, ...]:
    """The header of an opened export, or what is wrong with it: no columns, one name twice, not what its name says."""
    link = opened.path
    if container == "csv":
        return _csv_header(link, shown_as)
    if container == "jsonl":
        return _jsonl_header(opened, shown_as, connection)
    if container == "parquet":
        return _parquet_header(link, shown_as, connection)
    message = "the file's name does not say whether it is CSV, JSON lines or Parquet"
    remedy = "name it .csv, .jsonl or .parquet (.gz and .zst may follow)"
    if container == "xlsx":
        message = "a workbook is read by a column map only"
        remedy = "describe its columns in a map (load FILE --map MAP.yaml), or save it as CSV"
    return (Problem("unknown-format", message, SourceRef(shown_as), remedy=remedy),)


def csv_relation(path: Path, width: int, delimiter: str, *, parallel: bool = True) -> str:
    columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(width))
    # buffers of about one row group of the staged file save a seventh of the time; a longer line makes the file be walked
    sizes = f"max_line_size = {2 << 20}, buffer_size = {8 << 20}" if parallel else f"max_line_size = {_MAX_LINE}"
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = true, delim = {literal(delimiter)}, quote = '\"', "
        f"escape = '\"', strict_mode = true, compression = 'none', {sizes}, "
        f"parallel = {str(parallel).lower()}, columns = {{{columns}}})"
    )


def with_csv(header: Header, path: Path, *, parallel: bool) -> Header:
    """The same header over another CSV of the same columns: the tidied copy of an untidy file."""
    return replace(header, path=path, delimiter=",", relation=csv_relation(path, len(header.names), ",", parallel=parallel))


def _csv_header(path: Path, shown_as: str) -> Header | tuple[Problem, ...]:
    first = ""
    line = 0
    lines = text_lines(path)
    for line, text in enumerate(lines, 1):  # noqa: B007  (the line number is used after the loop)
        first = text
        if text.strip("\r\n"):
            break
    delimiter = max(_DELIMITERS, key=first.count)
    names = next(csv.reader([first], delimiter=delimiter), [])
    names = [name.strip() for name in names]
    if not names:
        remedy = "export it again, or leave it out"
        return (Problem("empty-file", "the file has nothing but blank lines", SourceRef(shown_as), remedy=remedy),)
    problems = _name_problems(names, shown_as, line, first)
    if problems:
        return problems
    refs = {name: f"c{index}" for index, name in enumerate(names)}
    relation = csv_relation(path, len(names), delimiter)
    return Header("csv", tuple(names), relation, refs, {}, path, delimiter, plain=line == 1, folded=folded(names))


def _name_problems(names: Iterable[str], shown_as: str, line: int, excerpt: str) -> tuple[Problem, ...]:
    where = SourceRef(shown_as, line)
    shown = excerpt.rstrip("\r\n")[:160]
    seen: set[str] = set()
    found = []
    for number, name in enumerate(names, 1):
        if not name:
            message = f"column {number} of the header has no name"
            found.append(Problem("bad-header", message, where, shown, "name every column, or remove the empty one"))
        elif name in seen:
            message = f"the header names the column {name!r} twice"
            found.append(Problem("duplicate-header", message, where, shown, "remove one of the two, or rename it"))
        seen.add(name)
    return tuple(found)


def json_line_relation(path: Path) -> str:
    """The lines of a file as the column `line`."""
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = false, delim = '{_NEVER}', quote = '', escape = '', "
        f"compression = 'none', max_line_size = {_MAX_JSON}, columns = {{'line': 'VARCHAR'}})"
    )


def texts_in(text: str, names: Iterable[str], written: Iterable[str] = ()) -> str:
    """SQL of a record of the named fields of a JSON object, as texts, in one pass through it; `written` ones as JSON."""
    return f"from_json({text}, {literal(json.dumps({**dict.fromkeys(names, 'VARCHAR'), **dict.fromkeys(written, 'JSON')}))})"


def _jsonl_header(opened: Opened, shown_as: str, connection: duckdb.DuckDBPyConnection) -> Header | tuple[Problem, ...]:
    path = opened.path
    lines = json_line_relation(path)
    odd = odd_line("line") if opened.unproven else "false"
    one = "unnest(CASE WHEN len(keys) > 0 THEN keys ELSE [NULL] END)"  # also of a line that is no JSON
    try:
        long, short = "false", False
        if opened.long is not False:  # where some of the first lines have such a number, none need be looked for
            known = holds_long(lines, connection, first=_SAMPLE)
            short = opened.long is None and not known
            long = "true" if known else "false" if short else may_be_long("line")
        # not json_valid() beside it, which reads every line once more
        looked = f"SELECT TRY(json_keys(line)) AS keys, {long} AS long, {odd} AS odd FROM {lines} WHERE line <> ''"
        grouped = (
            f"SELECT any_value(keys) AS keys, bool_or(long) AS long, bool_and(keys IS NOT NULL) AS valid, bool_or(odd) AS odd "
            f"FROM ({looked}) GROUP BY hash(keys)"
        )
        found = connection.execute(
            f"SELECT {one}, bool_or(long), bool_and(valid), bool_or(odd) FROM ({grouped}) GROUP BY 1"
        ).fetchall()
    except duckdb.InvalidInputException:
        return (_unreadable_line(path, shown_as),)
    names = tuple(sorted(str(name) for name, *_ in found if name is not None))
    valid, whole = all(row[2] for row in found), not any(row[3] for row in found)
    is_object = "(starts_with(exact, '{') OR regexp_matches(exact, '^[ \\t\\r\\n]*[{]'))"  # a look into all of it costs more
    if any(row[1] for row in found):
        exact = exact_lines(lines, "line <> ''")
    else:
        exact = f"SELECT line, line AS exact FROM {lines} WHERE line <> ''"
        is_object = is_object if valid else f"json_valid(exact) AND {is_object}"
    objects = f"(SELECT line, CASE WHEN {is_object} THEN exact END AS json FROM ({exact}))"
    if not names:
        first = next(iter(text_lines(path)), "")[:160].rstrip("\r\n")
        remedy = "write one JSON object a line (jq -c '.[]' turns an array into lines)"
        return (Problem("not-json", "no line of the file is a JSON object", SourceRef(shown_as, 1), first, remedy),)
    paths = ", ".join(literal(json_path(name)) for name in names)
    relation = f"(SELECT json_extract_string(json, [{paths}]) AS j, json IS NULL AS broken, line FROM {objects})"
    refs = {name: f"j[{index}]" for index, name in enumerate(names, 1)}
    return Header("jsonl", names, relation, refs, {}, path, folded=folded(names), whole=valid and whole, short=short)


def holds_long(lines: str, connection: duckdb.DuckDBPyConnection, *, first: int | None = None) -> bool:
    """Whether one of the lines, or of the first ones, may hold a number that a float does not keep."""
    looked = f"SELECT line FROM {lines} LIMIT {first}" if first else f"SELECT line FROM {lines}"
    return connection.execute(f"SELECT 1 FROM ({looked}) WHERE {may_be_long('line')} LIMIT 1").fetchone() is not None


def json_path(*names: str) -> str:
    """Keys, one inside the other, as a JSON path, which has no way to write a quote; as a JSON pointer then."""
    if any('"' in name for name in names):
        return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
    return "$" + "".join("." + quoted(name) for name in names)


def folded(names: Iterable[str]) -> dict[str, str]:
    """The first column of each folded name."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(fold(name), name)
    return found


def _unreadable_line(path: Path, shown_as: str) -> Problem:
    """The first line that is no field of text: too long, or with the one character that JSON cannot have."""
    number, line = next(
        (
            (number, line)
            for number, line in enumerate(text_lines(path), 1)
            if _NEVER in line or len(line.encode()) > _MAX_JSON
        ),
        (None, ""),
    )
    message = f"the line is longer than {_MAX_JSON >> 20} MiB, or holds the control character U+001E"
    remedy = "export it again, one record a line"
    return Problem(
        "unreadable-file", message, SourceRef(shown_as, number), line[:160].strip("\r\n").replace(_NEVER, "\\u001e"), remedy
    )


def _parquet_header(path: Path, shown_as: str, connection: duckdb.DuckDBPyConnection) -> Header | tuple[Problem, ...]:
    relation = f"read_parquet({literal(str(path))})"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error as error:
        message = f"the file is not readable as Parquet: {str(error).splitlines()[0][:120]}"
        remedy = "export it again: it was cut off, or is not a Parquet file"
        return (Problem("bad-parquet", message, SourceRef(shown_as), remedy=remedy),)
    types = {str(row[0]): str(row[1]) for row in described}
    refs = {name: _parquet_text(name, kind) for name, kind in types.items()}
    described = connection.execute(f"SELECT * FROM {relation} LIMIT 0").description or []
    inner = dict(each for name, kind, *_ in described for each in _inner_texts(kind, (str(name),)))
    return Header("parquet", tuple(types), relation, refs, types, path, folded=folded(types), inner=inner)


def _inner_texts(kind: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The texts, whole numbers and decimals inside a struct, which JSON would write the same; others stay as JSON writes them."""
    if kind.id == "struct":
        for name, inside in kind.children:
            yield from _inner_texts(inside, (*place, name))
    elif len(place) > 1 and kind.id in ("varchar", "decimal", "bigint", "integer", "boolean"):
        yield place, f"CAST({'.'.join(map(quoted, place))} AS VARCHAR)"


def _parquet_text(name: str, kind: str) -> str:
    if kind.startswith(("STRUCT", "MAP")) or kind.endswith("]"):
        return f"CAST(to_json({quoted(name)}) AS VARCHAR)"
    return f"CAST({quoted(name)} AS VARCHAR)"
