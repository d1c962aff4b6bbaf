"""Which sources have what: the sides that overlap.py compares, out of the store's parts and of files that are being loaded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import duckdb

from finledger.books.known_usage import staged_rows
from finledger.books.overlap import Side, row_sources
from finledger.core.model import LoadedFile, Part, StagedFile
from finledger.core.period import Month

Pair = tuple[str, str]
Paths = Callable[[Iterable[Part]], list[Path]]


def stored_pairs(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[Part],
    files: Mapping[str, LoadedFile],
    paths: Paths,
    known: AbstractSet[Pair] | None = None,
) -> dict[Pair, list[Part]]:
    """The parts that have rows of each source and format. A row may name another source than its file's.

    `known`: every pair that there may be; then only formats of several sources are looked into.
    """
    found: dict[Pair, list[Part]] = {}
    by_name = {str(path): part for path, part in zip(paths(parts)[1:], parts, strict=True)} if parts else {}
    by_format: dict[str, list[str]] = {}
    for name, part in by_name.items():
        by_format.setdefault(files[part.file_sha256].format, []).append(name)
    for format, names in by_format.items():
        listed = {source for source, each in known or () if each == format}
        sources = listed if len(listed) == 1 else row_sources(connection, names)
        for source in sources:
            if len(sources) == 1:
                found[source, format] = [by_name[name] for name in names]
                continue
            mine = [name for name in names if source in row_sources(connection, [name])]
            found[source, format] = [by_name[name] for name in mine]
    return found


def stored_sides(pairs: Mapping[Pair, Sequence[Part]], months: Collection[Month], paths: Paths) -> list[Side]:
    """A side for each pair; what is compared by day are its parts of `months`."""
    sides = []
    for (source, format), parts in sorted(pairs.items()):
        near = [part for part in parts if part.month in months]
        rows, of_months = (_stored(paths(chosen), source) if chosen else "" for chosen in (parts, near))
        nothing = f"(SELECT * FROM {rows} WHERE false)"
        sides.append(Side(source, format, rows, of_months or nothing, sum(part.rows for part in parts)))
    return sides


def staged_pairs(connection: duckdb.DuckDBPyConnection, staged: Sequence[StagedFile]) -> dict[Pair, list[int]]:
    """The files, by their positions, that have rows of each source and format."""
    found: dict[Pair, list[int]] = {}
    for index, file in enumerate(staged):
        described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({_text(file.rows)})").fetchall()
        named = {str(row[0]) for row in described} & {"source"}
        sources = row_sources(connection, [file.rows]) if named else set()
        empty = (
            not named
            or connection.execute(f"SELECT 1 FROM read_parquet({_text(file.rows)}) WHERE source IS NULL LIMIT 1").fetchone()
        )
        for source in sources | ({file.source} if empty else set()):
            found.setdefault((source, file.format), []).append(index)
    return found


def staged_sides(
    connection: duckdb.DuckDBPyConnection, pairs: Mapping[Pair, Sequence[int]], staged: Sequence[StagedFile]
) -> list[Side]:
    """A side for each pair, without what is known already: the tables known_<position> say what is."""
    sides = []
    for (source, format), numbers in sorted(pairs.items()):
        rows = " UNION ALL ".join(
            f"SELECT * FROM {staged_rows(connection, staged[number], charged_only=True)} WHERE source = {_text(source)} "
            f"AND record NOT IN (SELECT record FROM known_{number})"
            for number in numbers
        )
        count = sum(staged[number].read for number in numbers)
        sides.append(Side(source, format, f"({rows})", f"({rows})", count, new=True))
    return sides


def _stored(paths: Sequence[Path], source: str) -> str:
    listed = ", ".join(_text(str(path)) for path in paths)
    return (
        f"(SELECT * FROM read_parquet([{listed}], union_by_name = true) WHERE source = {_text(source)} AND NOT is_aggregate)"
    )


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
