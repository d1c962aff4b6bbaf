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
from finledger.engines._parts import named
from finledger.engines._repeats import marked_constants, marked_sql
from finledger.engines._sql import STATED_SUMS, derived_sums, group_sql
from finledger.engines._statistics import constants
from finledger.engines._traces import (
    asked_of_roots,
    labels_by_number,
    numbers_sql,
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
    with named((*parts, *elsewhere)), duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute("SET preserve_insertion_order = false")
        table = f"read_parquet({[str(part) for part in parts]!r}, union_by_name = true)"
        same = {**constants(connection, parts), **dict.fromkeys(query.ignored)}
        with (
            root_tables(connection, parts, elsewhere, query) as traced,
            span_repeats(connection, parts, elsewhere, query) as repeated,
        ):
            grouped_by = replace(query, labels=(*without_roots(query), *(["root"] if traced else [])))
            table = marked_sql(table, repeated) if repeated else table
            table = rows_sql(table) if traced else table
            same = marked_constants(same, repeated, query)
            rows = connection.execute(group_sql(table, grouped_by, same)).fetchmany(query.group_limit + 1)
            if len(rows) > query.group_limit:
                counts = connection.execute(distinct_sql(table, grouped_by)).fetchall()[0]
                return Outcome((), (too_many(grouped_by, counts),))
            roots = labels_by_number(query, connection.execute(numbers_sql(query)).fetchall()) if traced else {}
    return Outcome(groups_of(rows, grouped_by, query, roots))


def empty_columns(parts: Sequence[Path]) -> frozenset[str]:
    """The columns that hold nothing in any row."""
    if not parts:
        return frozenset()
    with duckdb.connect() as connection:
        return frozenset(name for name, value in constants(connection, parts).items() if value is None)


def groups_of(
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


def _counted(query: UsageQuery) -> list[str]:
    return [name for name in (*GROUP_KEYS, *query.labels) if name not in (*query.ignored, REPEATS)]


def distinct_sql(table: str, query: UsageQuery) -> str:
    """SELECT about how many values each column has that the query groups by."""
    return f"SELECT {', '.join(f'approx_count_distinct({chr(34)}{name}{chr(34)})' for name in _counted(query))} FROM {table}"


def too_many(query: UsageQuery, counts: Sequence[int]) -> Problem:
    """There are more groups than the query's limit. `counts`: what `distinct_sql` gives."""
    worst, values = max(zip(_counted(query), counts, strict=True), key=lambda pair: pair[1])
    return Problem(
        "too-many-groups",
        f"the month has more than {query.group_limit:,} groups of usage; {worst!r} alone has about {values:,} values",
        SourceRef("finledger.yaml"),
        remedy=f"{worst!r} looks like an identifier: keep it out of the labels that are charged by, or out of the rules",
    )
