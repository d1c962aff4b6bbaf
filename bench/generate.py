"""Native usage rows for the benchmarks, as CSV: unique ids, 18 columns, values from a hash of the row's number (no seed, no clock)."""

from __future__ import annotations

from pathlib import Path

import duckdb

COLUMNS = {
    "usage_id": "md5(i::VARCHAR)",
    "ts": "strftime(TIMESTAMP '2026-07-01' + to_seconds((hash(i + 1000000000) % 7948800)::BIGINT), '%Y-%m-%dT%H:%M:%SZ')",
    "team": "'team-' || hash(i + 2000000000) % 40",
    "cost_center": "CASE WHEN hash(i + 3000000000) % 2 = 0 THEN 'cc-' || hash(i + 2000000000) % 40 END",
    "workload_type": "'inference'",
    "model": "'model-' || hash(i + 4000000000) % 9",
    "provider": "'provider-' || hash(i + 4000000000) % 3",
    "feature": "'feature-' || hash(i + 5000000000) % 36",
    "action": "CASE WHEN hash(i + 6000000000) % 10 > 0 THEN 'action_' || hash(i + 6000000000) % 4 END",
    "requests": "1 + hash(i + 7000000000) % 300",
    "input_tokens": "hash(i + 8000000000) % 100000",
    "cached_input_tokens": "hash(i + 9000000000) % 5000",
    "cache_write_tokens": "hash(i + 10000000000) % 500",
    "output_tokens": "hash(i + 11000000000) % 9000",
    "gpu_sku": "CASE WHEN hash(i + 6000000000) % 10 = 0 THEN 'h100' END",
    "gpu_hours": "CASE WHEN hash(i + 6000000000) % 10 = 0 THEN (hash(i + 12000000000) % 9000)::DECIMAL(18,3) / 1000 END",
    "egress_sku": "NULL",
    "egress_gb": "NULL",
}


def usage_csv(path: Path, rows: int) -> Path:
    """`rows` rows of 2026-07 to 2026-09."""
    select = ", ".join(f"{expression} AS {name}" for name, expression in COLUMNS.items())
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"COPY (SELECT {select} FROM range({rows}) r(i)) TO '{path}' (FORMAT csv, HEADER)")
    return path
