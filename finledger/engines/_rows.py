"""The stored rows of groups: how many, what they add up to, and the first of them. `explain` asks, whichever engine grouped.

A row is of a group when it has the group's keys by the very expressions that groups are made with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from finledger.core.model import UsageGroup, UsageQuery
from finledger.core.usage import GROUP_KEYS, LABELS, NATIVE, TOKEN_BUCKETS
from finledger.engines._sql import IS_FAILED, interval_sql, only_sql
from finledger.engines._traces import RowTables, row_tables

MEMORY_LIMIT = "700MB"
BATCH = 20_000
# What is added up of the rows, by the name of the sum that an engine gives. A row that states one cost only has it for both.
MEASURES: Mapping[str, str] = {
    "rows": "1",
    "calls": "coalesce(requests, 1)",
    "failed_calls": f"CASE WHEN {IS_FAILED} THEN coalesce(requests, 1) ELSE 0 END",
    **{bucket: bucket for bucket in TOKEN_BUCKETS},
    "gpu_hours": "gpu_hours",
    "egress_gb": "egress_gb",
    "effective_cost": "coalesce(effective_cost, billed_cost)",
    "billed_cost": "coalesce(billed_cost, effective_cost)",
}


# A row's file (sha256), its record there, and its columns that hold anything.
FirstRow = tuple[str, int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class GroupRows:
    """`sums` by measure over all rows, and the first of them."""

    sums: Mapping[str, int | Decimal]
    first: tuple[FirstRow, ...]


def group_rows(
    parts: Sequence[Path],
    query: UsageQuery,
    groups: Sequence[UsageGroup],
    measures: Iterable[str],
    limit: int,
    elsewhere: Sequence[Path] = (),
) -> GroupRows:
    """The rows of the groups. `parts` as the store gives them: the file of all columns, then those of rows; the first `limit`
    rows are those of the first part, in the order of its export's records, then those of the next.
    """
    measures = ("rows", *measures)
    if not groups or not parts:
        return GroupRows(dict.fromkeys(measures, 0), ())
    keys = _told_apart(groups, query)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute("SET preserve_insertion_order = false")
        _place(connection, keys, groups)
        sums = ", ".join(f'sum("measured {name}")' for name in measures)
        with row_tables(connection, parts, elsewhere, query) as table:
            found = connection.execute(f"SELECT {sums} FROM {_matching(table(parts), query, keys, measures)}").fetchall()[0]
            first = _first_of_parts(connection, table, parts, query, keys, limit)
    return GroupRows({name: number or 0 for name, number in zip(measures, found, strict=True)}, first)


def first_rows(
    parts: Sequence[Path], query: UsageQuery, groups: Sequence[UsageGroup], limit: int, elsewhere: Sequence[Path] = ()
) -> tuple[FirstRow, ...]:
    """The first rows of the groups, as `group_rows` gives them: no more parts are read than it takes."""
    if not groups or not parts or not limit:
        return ()
    keys = _told_apart(groups, query)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute("SET preserve_insertion_order = false")
        _place(connection, keys, groups)
        with row_tables(connection, parts, elsewhere, query) as table:
            return _first_of_parts(connection, table, parts, query, keys, limit)


def _first_of_parts(
    connection: duckdb.DuckDBPyConnection,
    table: RowTables,
    parts: Sequence[Path],
    query: UsageQuery,
    keys: Sequence[str],
    limit: int,
) -> tuple[FirstRow, ...]:
    first: list[FirstRow] = []
    for part in parts[1:]:
        if len(first) < limit:
            first += _first_rows(connection, table, (parts[0], part), query, keys, limit - len(first))
    return tuple(first)


def _told_apart(groups: Sequence[UsageGroup], query: UsageQuery) -> tuple[str, ...]:
    """What a row has to be compared by: every key but those that `query.only` has fixed to one value for them all, and those
    that the groups were made without."""
    fixed = set(query.ignored) | {
        name for name, values in query.only if len(values) == 1 and all(_key(group, name) == values[0] for group in groups)
    }
    return tuple(name for name in ("interval", *GROUP_KEYS, *query.labels) if name not in fixed)


def _key(group: UsageGroup, name: str) -> str | int:
    if name == "interval":
        return group.interval
    return group.keys[name] if name in group.keys else group.labels[name]


def _place(connection: duckdb.DuckDBPyConnection, keys: Sequence[str], groups: Sequence[UsageGroup]) -> None:
    """The table `wanted` of the groups' keys."""
    selected = ", ".join(f'unnest(?::{"INTEGER" if name == "interval" else "VARCHAR"}[]) AS "{name}"' for name in keys)
    connection.execute(
        f"CREATE TABLE wanted AS SELECT {selected}", [[_key(group, name) for group in groups] for name in keys]
    )


def _matching(table: str, query: UsageQuery, keys: Sequence[str], measures: Sequence[str], also: str = "") -> str:
    """The rows of the wanted groups, to be read FROM, with their measures."""
    labels = ", ".join(f'coalesce("{name}", \'\') AS "{name}"' for name in keys if name != "interval")
    same = " AND ".join(f'wanted."{name}" = stored."{name}"' for name in keys)
    values = "".join(f', {MEASURES[name]} AS "measured {name}"' for name in measures)
    where = " AND ".join(["NOT is_aggregate", *only_sql(query)])
    stored = f"SELECT {interval_sql(query)} AS interval, {labels}{values}, record{also} FROM {table} WHERE {where}"
    return f"({stored}) stored JOIN wanted ON {same}"


def _first_rows(
    connection: duckdb.DuckDBPyConnection,
    table: RowTables,
    parts: Sequence[Path],
    query: UsageQuery,
    keys: Sequence[str],
    limit: int,
) -> list[FirstRow]:
    """The first rows of one export: their records first, so that the other columns are read for these few only."""
    least = connection.execute(f"SELECT min(record, {limit}) FROM {_matching(table(parts), query, keys, ())}").fetchall()[0][
        0
    ]
    if not least:
        return []
    return _columns_of(connection, table.charged(parts), sorted(least))


def _columns_of(connection: duckdb.DuckDBPyConnection, rows: str, records: Sequence[int]) -> list[FirstRow]:
    """The columns of these records, which are in order, that hold anything. `rows`: to be read FROM."""
    columns = [column.name for column in NATIVE] + list(LABELS)
    listed = ", ".join(f'"{name}"' for name in ("file_sha256", "record", *columns))
    wanted = f"record BETWEEN {records[0]} AND {records[-1]} AND record IN ({', '.join(map(str, records))})"
    found = connection.execute(f"SELECT {listed} FROM {rows} WHERE {wanted} AND NOT is_aggregate ORDER BY record").fetchall()
    return [
        (
            str(sha256),
            int(record),
            {name: value for name, value in zip(columns, row, strict=True) if value not in (None, "")},
        )
        for sha256, record, *row in found
    ]


@dataclass(frozen=True, slots=True)
class PartRows:
    """The rows of groups in one part of the store, in the order of its export's records: which, and one after another."""

    file_sha256: str
    records: Sequence[int]
    rows: Iterator[tuple[int, Mapping[str, Any]]]


def each_row(
    parts: Sequence[Path], query: UsageQuery, groups: Sequence[UsageGroup], limit: int, elsewhere: Sequence[Path] = ()
) -> Iterator[PartRows]:
    """Every row of the groups, up to a limit, a few at a time: the first are those that `group_rows` gives as the first."""
    if not groups or not parts:
        return
    keys = _told_apart(groups, query)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        _place(connection, keys, groups)
        with row_tables(connection, parts, elsewhere, query) as table:
            for part in parts[1:]:
                pair = (parts[0], part)
                found = connection.execute(
                    f"SELECT record, file_sha256 FROM {_matching(table(pair), query, keys, (), also=', file_sha256')} "
                    f"ORDER BY record LIMIT {limit}"
                ).fetchall()
                if found:
                    records = [int(record) for record, _ in found]
                    limit -= len(records)
                    yield PartRows(str(found[0][1]), records, _rows_of(connection, table.charged(pair), records))


def _rows_of(
    connection: duckdb.DuckDBPyConnection, table: str, records: Sequence[int]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The records' columns that hold anything, a batch after another, so that none but a batch is held."""
    for first in range(0, len(records), BATCH):
        for _, record, columns in _columns_of(connection, table, records[first : first + BATCH]):
            yield record, columns
