"""Native usage rows for the benchmarks, as CSV: unique ids, 18 columns, values from a hash of the row's number and of a seed."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

SEED = int(os.environ.get("BENCH_SEED", "0")) * 10**12  # where row numbers begin

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


# Calls as an LLM service has them (ServeGen, Apache-2.0: 173,136 sampled requests of a day, 147 clients): the deciles of their
# tokens and the 99th percentile, how many of a thousand are of the first clients, and of each hour of the day.
INPUT_DECILES = (13, 30, 51, 131, 142, 164, 186, 246, 438, 827, 2852)
OUTPUT_DECILES = (1, 2, 4, 8, 14, 24, 37, 51, 70, 121, 489)
CLIENTS = (369, 66, 49, 43, 42, 29, 29, 29, 29, 30)
HOURS = (31, 36, 37, 34, 36, 36, 32, 33, 47, 41, 51, 57, 40, 49, 39, 43, 43, 44, 39, 44, 48, 52, 53, 35)


def between(number: str, deciles: tuple[int, ...]) -> str:
    """A whole number between two deciles, which by `number` mod 100,000."""
    of = f"[{', '.join(map(str, deciles))}]"
    tenth, rest = f"(({number} % 100000) // 10000)::BIGINT", f"{number} % 10000"
    return f"({of}[{tenth} + 1] + ({of}[{tenth} + 2] - {of}[{tenth} + 1]) * ({rest})::BIGINT // 10000)"


def one_of(number: str, shares: tuple[int, ...], others: int = 0) -> str:
    """A position among the shares, which by `number` mod 1,000; what is left over falls on `others` more in equal parts."""
    at = [sum(shares[: position + 1]) for position in range(len(shares))]
    cases = " ".join(f"WHEN {number} % 1000 < {after} THEN {position}" for position, after in enumerate(at))
    last = f"{len(shares)} + ({number} // 1000) % {others}" if others else str(len(shares) - 1)
    return f"(CASE {cases} ELSE {last} END)"


def usage_csv(path: Path, rows: int, first: int = 0) -> Path:
    """`rows` rows of 2026-07 to 2026-09, from the row of number `first` on."""
    select = ", ".join(f"{expression} AS {name}" for name, expression in COLUMNS.items())
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"COPY (SELECT {select} FROM range({SEED + first}, {SEED + first + rows}) r(i)) TO '{path}' (FORMAT csv, HEADER)"
        )
    return path
