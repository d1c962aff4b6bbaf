"""The stored rows of groups, each with its place as file:line as long as the export lies where it was loaded from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from finledger.books.export_places import still_has
from finledger.core.model import LoadedFile, Part, UsageGroup, UsageQuery
from finledger.engines import each_row, first_rows, group_rows
from finledger.objects import located
from finledger.workbench import Workbench

Row = tuple[str, Mapping[str, Any]]  # where it stands, and its columns that hold anything


class StoredRows(NamedTuple):
    """The number of rows, what they add up to by measure, and the first of them, each with its place."""

    number: int
    sums: Mapping[str, Any]
    first: tuple[Row, ...]


def stored_rows(
    shelf: Workbench,
    parts: Sequence[Part],
    asked: UsageQuery,
    groups: Sequence[UsageGroup],
    measures: Sequence[str],
    limit: int,
    elsewhere: Sequence[Part] = (),
) -> StoredRows:
    """The rows of groups that were made from these very parts, so that they need not be added up once more.

    `shelf`: the books in whose folder the exports lie; `elsewhere`: other parts that the roots of traces may lie in.
    """
    sums = {name: sum((group.sums[name] for group in groups), 0) for name in ("rows", *measures)}
    first = first_rows(shelf.store.paths(parts), asked, groups, limit, shelf.store.paths(elsewhere))
    return StoredRows(int(sums["rows"]), sums, _placed(shelf, first))


def rows_of_parts(
    shelf: Workbench,
    parts: Sequence[Part],
    asked: UsageQuery,
    groups: Sequence[UsageGroup],
    measures: Sequence[str],
    limit: int,
    elsewhere: Sequence[Part] = (),
) -> StoredRows:
    """The rows of the groups that lie in some of the parts that these were made from."""
    found = group_rows(shelf.store.paths(parts), asked, groups, measures, limit, shelf.store.paths(elsewhere))
    return StoredRows(int(found.sums["rows"]), found.sums, _placed(shelf, found.first))


def _placed(shelf: Workbench, first: Sequence[tuple[str, int, Mapping[str, Any]]]) -> tuple[Row, ...]:
    files = {file.sha256: file for file in shelf.ledger.files()}
    places: dict[tuple[str, int], str] = {}
    for sha256 in {sha256 for sha256, _, _ in first}:
        records = [record for place, record, _ in first if place == sha256]
        places |= {(sha256, record): where for record, where in _places(shelf, files[sha256], records).items()}
    return tuple((places[sha256, record], columns) for sha256, record, columns in first)


def every_row(
    shelf: Workbench,
    parts: Sequence[Part],
    asked: UsageQuery,
    groups: Sequence[UsageGroup],
    limit: int,
    elsewhere: Sequence[Part] = (),
) -> Iterator[Row]:
    """Every row of the groups, up to a limit; of each export the places are found once."""
    files = {file.sha256: file for file in shelf.ledger.files()}
    for part in each_row(shelf.store.paths(parts), asked, groups, limit, shelf.store.paths(elsewhere)):
        places = _places(shelf, files[part.file_sha256], part.records)
        for record, columns in part.rows:
            yield places[record], columns


def _places(shelf: Workbench, file: LoadedFile, records: Sequence[int]) -> dict[int, str]:
    """file:line of records while the export lies where it was loaded from, as long as it was; else their ordinals."""
    path = located(shelf.root, file.name)
    lines = shelf.store.lines_of(path, records) if still_has(path, file.size) else {}
    return {
        record: f"{file.name}:{lines[record]}" if record in lines else f"{file.name} record {record}" for record in records
    }
