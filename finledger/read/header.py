"""What an export is made of: its container (CSV, JSON lines, Parquet), its columns, and how SQL gets at each as text."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import duckdb

from finledger.core.problem import Problem, SourceRef
from finledger.read.columns import literal, quoted
from finledger.read.opened import Opened, text_lines

Container = Literal["csv", "jsonl", "parquet"]
_DELIMITERS = (",", ";", "\t", "|")
_MAX_LINE = 64 << 20
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

    def ref(self, name: str) -> str:
        """The SQL text of a column; NULL when the export lacks it."""
        return self.refs.get(name, "CAST(NULL AS VARCHAR)")

    def has(self, name: str) -> bool:
        return name in self.refs


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
        return _jsonl_header(link, shown_as, connection)
    if container == "parquet":
        return _parquet_header(link, shown_as, connection)
    message = "neither the file's name nor its content says whether it is CSV, JSON lines or Parquet"
    remedy = "name it .csv, .jsonl or .parquet (.gz and .zst may follow)"
    return (Problem("unknown-format", message, SourceRef(shown_as), remedy=remedy),)


def csv_relation(path: Path, width: int, delimiter: str, *, parallel: bool = True) -> str:
    columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(width))
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = true, delim = {literal(delimiter)}, quote = '\"', "
        f"escape = '\"', strict_mode = true, compression = 'none', max_line_size = {_MAX_LINE if not parallel else 1 << 23}, "
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
    problems = _name_problems(names, shown_as, line, first)
    if problems:
        return problems
    refs = {name: f"c{index}" for index, name in enumerate(names)}
    relation = csv_relation(path, len(names), delimiter)
    return Header("csv", tuple(names), relation, refs, {}, path, delimiter, plain=line == 1)


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


def _jsonl_header(path: Path, shown_as: str, connection: duckdb.DuckDBPyConnection) -> Header | tuple[Problem, ...]:
    lines = (
        f"read_csv({literal(str(path))}, auto_detect = false, header = false, delim = '{chr(30)}', quote = '', escape = '', "
        f"compression = 'none', max_line_size = {1 << 23}, columns = {{'line': 'VARCHAR'}})"
    )
    is_object = "json_valid(line) AND json_type(line) = 'OBJECT'"
    objects = f"(SELECT line, CASE WHEN {is_object} THEN line END AS json FROM {lines} WHERE line <> '')"
    found = connection.execute(f"SELECT DISTINCT unnest(json_keys(json)) FROM {objects} WHERE json IS NOT NULL").fetchall()
    names = tuple(sorted(str(row[0]) for row in found))
    if not names:
        first = next(iter(text_lines(path)), "")[:160].rstrip("\r\n")
        remedy = "write one JSON object a line (jq -c '.[]' turns an array into lines)"
        return (Problem("not-json", "no line of the file is a JSON object", SourceRef(shown_as, 1), first, remedy),)
    paths = ", ".join(literal("$." + quoted(name)) for name in names)
    relation = f"(SELECT json_extract_string(json, [{paths}]) AS j, json IS NULL AS broken, line FROM {objects})"
    refs = {name: f"j[{index}]" for index, name in enumerate(names, 1)}
    return Header("jsonl", names, relation, refs, {}, path)


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
    return Header("parquet", tuple(types), relation, refs, types, path)


def _parquet_text(name: str, kind: str) -> str:
    if kind.startswith(("STRUCT", "MAP")) or kind.endswith("]"):
        return f"CAST(to_json({quoted(name)}) AS VARCHAR)"
    return f"CAST({quoted(name)} AS VARCHAR)"
