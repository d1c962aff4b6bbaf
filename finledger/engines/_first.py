"""How much of a team's groups lies among its first calls of a month (rule C5): the one question that needs rows in order.

Calls are ordered by time, and at the same moment by their usage id, so that the order of files and rows is nothing. A row
of several calls of which some are among the first gives its tokens in proportion, rounded down.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from finledger.core.included import TAKEN, Sums
from finledger.core.model import UsageGroup, UsageQuery
from finledger.core.usage import GROUP_KEYS, TOKEN_BUCKETS
from finledger.engines._sql import IS_FAILED, interval_sql
from finledger.engines._traces import row_tables

MEMORY_LIMIT = "700MB"


def first_calls(
    parts: Sequence[Path], query: UsageQuery, groups: Sequence[UsageGroup], limit: int, elsewhere: Sequence[Path] = ()
) -> list[Sums]:
    """For each of the groups, the sums of `included.TAKEN` over what is among the first `limit` calls of them all."""
    names = ["interval", *GROUP_KEYS, *query.labels]
    rows = [
        (number, group.interval, *(group.keys[name] for name in GROUP_KEYS), *(group.labels[name] for name in query.labels))
        for number, group in enumerate(groups)
    ]
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        columns = ", ".join(f'"{name}" {"INTEGER" if name == "interval" else "VARCHAR"}' for name in names)
        connection.execute(f"CREATE TABLE wanted (number INTEGER, {columns})")
        connection.executemany(f"INSERT INTO wanted VALUES ({', '.join('?' * (len(names) + 1))})", rows)
        with row_tables(connection, parts, elsewhere, query) as table:
            found = connection.execute(_sql(table(parts), query, names), [limit]).fetchall()
    sums = {int(number): {name: int(value) for name, value in zip(TAKEN, values, strict=True)} for number, *values in found}
    return [sums.get(number, dict.fromkeys(TAKEN, 0)) for number in range(len(groups))]


def _sql(table: str, query: UsageQuery, names: Sequence[str]) -> str:
    keys = ", ".join(f'coalesce("{name}", \'\') AS "{name}"' for name in names[1:])
    same = " AND ".join(f'wanted."{name}" = stored."{name}"' for name in names)
    tokens = ", ".join(f"coalesce({name}, 0) AS {name}" for name in TOKEN_BUCKETS)
    part = ", ".join(
        f"sum(CASE WHEN taken = calls THEN {name} ELSE {name}::HUGEINT * taken // calls END)" for name in TOKEN_BUCKETS
    )
    return f"""
        WITH stored AS (
            SELECT {interval_sql(query)} AS interval, {keys}, ts, usage_id, coalesce(requests, 1) AS calls,
                   {IS_FAILED} AS failed, {tokens}
            FROM {table} WHERE NOT is_aggregate
        ), in_order AS (
            SELECT number, calls, failed, {", ".join(TOKEN_BUCKETS)},
                   sum(calls) OVER (ORDER BY ts, usage_id ROWS UNBOUNDED PRECEDING) - calls AS before
            FROM stored JOIN wanted ON {same}
        ), among_the_first AS (
            SELECT *, least(calls, $1 - before) AS taken FROM in_order WHERE before < $1
        )
        SELECT number, sum(taken), sum(CASE WHEN failed THEN taken ELSE 0 END), {part} FROM among_the_first GROUP BY number
    """
