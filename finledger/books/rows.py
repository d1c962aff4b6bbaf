"""Questions about stored usage: which rows are meant, how much there is of what, what is in quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from finledger.core.usage import TOKEN_BUCKETS, WHOLE_TOKENS

MEMORY_LIMIT = "700MB"
_SUMMARY = """
    SELECT coalesce(source, ''), count(*), sum(CASE WHEN is_aggregate THEN 1 ELSE 0 END),
           sum(coalesce(requests, CASE WHEN action IS NULL THEN 0 ELSE 1 END)),
           sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(gpu_hours),
           sum(egress_gb), coalesce(billed_currency, ''), sum(billed_cost), sum(effective_cost)
    FROM {table} GROUP BY source, billed_currency ORDER BY 1, 11
"""
_TOKENS = ", ".join(f"sum({bucket})" for bucket in TOKEN_BUCKETS)
SUMMARY_COLUMNS = (
    "source", "rows", "aggregates", "requests", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens",
    "gpu_hours", "egress_gb", "billed_currency", "billed_cost", "effective_cost",
)  # fmt: skip


def summary(parts: Sequence[Path]) -> list[dict[str, Any]]:
    """What a month's parts hold, by source and currency: rows, requests, tokens by bucket, GPU-hours, egress, provider cost.

    An action whose row states no `requests` is one.
    """
    if not parts:
        return []
    with _connect() as connection:
        rows = connection.execute(_SUMMARY.format(table=_table(parts))).fetchall()
    return [{name: 0 if value is None else value for name, value in zip(SUMMARY_COLUMNS, row, strict=True)} for row in rows]


def unclear(parts: Sequence[Path]) -> int:
    """The rows that are refused for their sum, and kept because they may be roots (C2)."""
    if not parts:
        return 0
    whole = WHOLE_TOKENS[0]
    every = f"SELECT * FROM {_table(parts)} UNION ALL BY NAME SELECT CAST(NULL AS BIGINT) AS {whole} WHERE false"
    with _connect() as connection:
        found = connection.execute(f"SELECT count(*) FROM ({every}) WHERE is_aggregate AND {whole} IS NOT NULL").fetchall()
    return int(found[0][0])


def metered(parts: Sequence[Path]) -> list[dict[str, Any]]:
    """Requests and tokens by bucket of the rows that are charged, by source; a row that states no `requests` is one."""
    if not parts:
        return []
    query = f"SELECT coalesce(source, ''), sum(coalesce(requests, 1)), {_TOKENS} FROM {_table(parts)} WHERE NOT is_aggregate"
    with _connect() as connection:
        found = connection.execute(f"{query} GROUP BY 1 ORDER BY 1").fetchall()
    names = ("source", "calls", *TOKEN_BUCKETS)
    return [{name: 0 if value is None else value for name, value in zip(names, row, strict=True)} for row in found]


def find(
    parts: Sequence[Path], keys: Mapping[str, str], limit: int, start: datetime | None = None, end: datetime | None = None
) -> tuple[int, list[tuple[str, int]]]:
    """How many stored rows have these column values ("" = empty), and the first of them as (file sha256, record).

    `start` and `end`, in UTC: only rows from the one on, and before the other.
    """
    if not parts:
        return 0, []
    conditions = [f"coalesce(\"{name}\", '') = ?" for name in keys]
    for sign, moment in ((">=", start), ("<", end)):
        if moment is not None:
            conditions.append(f"ts {sign} TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}'")
    with _connect() as connection:
        table = f"{_table(parts)} WHERE NOT is_aggregate AND {' AND '.join(conditions)}"
        values = list(keys.values())
        count = connection.execute(f"SELECT count(*) FROM {table}", values).fetchall()[0][0]
        first = connection.execute(
            f"SELECT file_sha256, record FROM {table} ORDER BY file_sha256, record LIMIT {limit}", values
        ).fetchall()
    return int(count), [(str(sha), int(record)) for sha, record in first]


def days(parts: Sequence[Path], starts: Sequence[datetime]) -> dict[str, set[int]]:
    """Of each source, the days on which it has rows that are charged, as positions in `starts`.

    `starts`: the first instant of each day in UTC, in order; no row lies before the first or after the last day's end.
    """
    if not parts:
        return {}
    later = [f"(ts >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S}')::TINYINT" for start in starts[1:]]
    even = {second - first for first, second in pairwise(starts)} == {timedelta(days=1)}
    first = f"TIMESTAMP '{starts[0]:%Y-%m-%d %H:%M:%S}'"
    day = f"date_sub('second', {first}, ts) // 86400" if even else " + ".join(later) or "0"
    with _connect() as connection:
        query = f"SELECT DISTINCT coalesce(source, ''), {day} FROM {_table(parts)} WHERE NOT is_aggregate"
        found: dict[str, set[int]] = {}
        for source, number in connection.execute(query).fetchall():
            found.setdefault(str(source), set()).add(int(number))
    return found


def quarantined(parts: Sequence[Path]) -> list[dict[str, Any]]:
    """Every fault of every rejected record: record, line, column, value, reason and month, in the order of the export."""
    found: list[dict[str, Any]] = []
    with _connect() as connection:
        for part in parts:
            cursor = connection.execute(f"SELECT * FROM read_parquet({str(part)!r}) ORDER BY record")
            names = [column[0] for column in cursor.description]
            found.extend(dict(zip(names, row, strict=True), part=part.name) for row in cursor.fetchall())
    return found


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    return connection


def _table(parts: Sequence[Path]) -> str:
    return f"read_parquet({[str(part) for part in parts]!r}, union_by_name = true)"


def as_text(value: object) -> object:
    """Decimals as plain text, every digit of them (`normalize` keeps 28); everything else as it is."""
    if not isinstance(value, Decimal):
        return value
    text = format(value, "f")
    return text.rstrip("0").removesuffix(".") if "." in text else text
