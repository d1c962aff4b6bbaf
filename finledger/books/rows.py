"""Questions about stored usage: which rows are meant, how much there is of what, what is in quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

MEMORY_LIMIT = "700MB"
_SUMMARY = """
    SELECT coalesce(source, ''), count(*), sum(CASE WHEN is_aggregate THEN 1 ELSE 0 END),
           sum(coalesce(requests, CASE WHEN action IS NULL THEN 0 ELSE 1 END)),
           sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(gpu_hours),
           sum(egress_gb), coalesce(billed_currency, ''), sum(billed_cost), sum(effective_cost)
    FROM {table} GROUP BY source, billed_currency ORDER BY 1, 11
"""
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
