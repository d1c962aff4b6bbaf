"""The engine in use: DuckDB over the store's Parquet, in parallel and with bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from finledger.core.label import REPEATS
from finledger.core.model import UsageGroup, UsageQuery
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.usage import GROUP_KEYS
from finledger.engines._repeats import marked_sql
from finledger.engines._sql import STATED_SUMS, derived_sums, group_sql
from finledger.engines._traces import (
    asked_of_roots,
    root_labels_by_number,
    root_tables,
    rows_sql,
    span_repeats,
    without_roots,
)

MEMORY_LIMIT = "700MB"


def group(parts: Sequence[Path], query: UsageQuery, elsewhere: Sequence[Path] = ()) -> Outcome[tuple[UsageGroup, ...]]:
    """Sums of the usage in `parts` by `query`. More groups than its limit is a problem that names the column to blame."""
    if not parts:
        return Outcome(())
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute("SET preserve_insertion_order = false")
        table = f"read_parquet({[str(part) for part in parts]!r}, union_by_name = true)"
        constants = {**_constants(connection, parts), **dict.fromkeys(query.ignored)}
        with (
            root_tables(connection, parts, elsewhere, query) as traced,
            span_repeats(connection, parts, elsewhere, query) as repeated,
        ):
            grouped_by = replace(query, labels=(*without_roots(query), *(["root"] if traced else [])))
            table = marked_sql(table) if repeated else table
            table = rows_sql(table) if traced else table
            constants |= {} if repeated else {REPEATS: None}
            rows = connection.execute(group_sql(table, grouped_by, constants)).fetchmany(query.group_limit + 1)
            if len(rows) > query.group_limit:
                return Outcome((), (_too_many(connection, table, grouped_by),))
            roots = root_labels_by_number(connection, query) if traced else {}
    return Outcome(_groups(rows, grouped_by, query, roots))


def empty_columns(parts: Sequence[Path]) -> frozenset[str]:
    """The columns that hold nothing in any row."""
    if not parts:
        return frozenset()
    with duckdb.connect() as connection:
        return frozenset(name for name, value in _constants(connection, parts).items() if value is None)


def _constants(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> dict[str, str | None]:
    """Columns that hold one value, or none, in every row, as the statistics of all row groups say exactly.

    A part may lack a label that others have: it is empty there, so one value elsewhere is not the only one.
    """
    names = [str(part) for part in parts]
    found = connection.execute(
        """
        SELECT path_in_schema, min(stats_min_value), bool_and(stats_null_count = num_values) AS empty FROM parquet_metadata(?)
        GROUP BY 1 HAVING coalesce(empty, false) OR (
            bool_and(coalesce(stats_null_count = 0 AND min_is_exact AND max_is_exact, false))
            AND min(stats_min_value) = max(stats_max_value) AND bool_and(type IN ('BYTE_ARRAY', 'BOOLEAN'))
            AND count(DISTINCT file_name) = (SELECT count(DISTINCT file_name) FROM parquet_metadata(?)))
        """,
        [names, names],
    ).fetchall()
    return {str(name): None if empty else str(value) for name, value, empty in found}


def _groups(
    rows: Sequence[tuple[Any, ...]], grouped_by: UsageQuery, query: UsageQuery, roots: Mapping[Any, Mapping[str, str]]
) -> tuple[UsageGroup, ...]:
    """Rows that differ only in which costs they state are one group again, once their sums are derived.

    `roots`: the labels of each number in the last of the labels that they were grouped by; empty where no row has a root.
    """
    names = without_roots(grouped_by)[: -1 if roots else None]
    no_root = dict.fromkeys(asked_of_roots(query), "")
    width = 1 + len(GROUP_KEYS) + len(grouped_by.labels)
    found: dict[tuple[Any, ...], dict[str, int | Decimal]] = {}
    for row in rows:
        key = (row[0], *["" if value is None else value for value in row[1:width]])
        no_effective, no_billed, *numbers = row[width:]
        stated = dict(zip(STATED_SUMS, [number or 0 for number in numbers], strict=True))
        sums = derived_sums(stated, no_effective, no_billed)
        known = found.setdefault(key, sums)
        if known is not sums:
            for name, quantity in sums.items():
                known[name] += quantity
    labels_at = 1 + len(GROUP_KEYS)
    return tuple(
        UsageGroup(
            interval=int(key[0]),
            keys=dict(zip(GROUP_KEYS, key[1:labels_at], strict=True)),
            labels={name: labels[name] for name in query.labels},
            sums=sums,
        )
        for key, sums in found.items()
        for labels in [
            {
                **dict(zip(names, key[labels_at : labels_at + len(names)], strict=True)),
                **(roots[None if key[-1] == "" else key[-1]] if roots else no_root),
            }
        ]
    )


def _too_many(connection: duckdb.DuckDBPyConnection, table: str, query: UsageQuery) -> Problem:
    names = [name for name in (*GROUP_KEYS, *query.labels) if name not in (*query.ignored, REPEATS)]
    counts = connection.execute(
        f"SELECT {', '.join(f'approx_count_distinct({chr(34)}{name}{chr(34)})' for name in names)} FROM {table}"
    ).fetchall()[0]
    worst, values = max(zip(names, counts, strict=True), key=lambda pair: pair[1])
    return Problem(
        "too-many-groups",
        f"the month has more than {query.group_limit:,} groups of usage; {worst!r} alone has about {values:,} values",
        SourceRef("finledger.yaml"),
        remedy=f"{worst!r} looks like an identifier: keep it out of the labels that are charged by, or out of the rules",
    )
