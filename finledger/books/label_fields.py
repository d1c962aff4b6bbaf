"""By which exported fields a month's usage can be grouped without making as many groups as rows. Flat memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

MEMORY_LIMIT = "700MB"
_ROUNDS = 6


def groupable(parts: Sequence[Path], base: Sequence[str], wanted: Sequence[str], limit: int) -> tuple[str, ...]:
    """Of `wanted`, in their order, the fields that can be grouped by beside `base` in about `limit` groups.

    A field that alone, or with those before it, makes more is left out: it tells rows apart, not callers.
    """
    if not parts or not wanted:
        return ()
    table = f"read_parquet({[str(part) for part in parts]!r}, union_by_name = true) WHERE NOT is_aggregate"
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        counts = _counts(connection, table, [f'"{name}"' for name in wanted])
        left = [name for name, count in zip(wanted, counts, strict=True) if 0 < count <= limit]
        for _ in range(_ROUNDS):
            keys = [", ".join(f'"{name}"' for name in (*base, *left[:length])) for length in range(1, len(left) + 1)]
            made = _counts(connection, table, [f"hash({key})" for key in keys])
            first = next((number for number, count in enumerate(made) if count > limit), None)
            if first is None:
                return tuple(left)
            del left[first]
    return tuple(left[:first])


def _counts(connection: duckdb.DuckDBPyConnection, table: str, texts: Sequence[str]) -> list[int]:
    if not texts:
        return []
    listed = ", ".join(f"approx_count_distinct({text})" for text in texts)
    found = connection.execute(f"SELECT {listed} FROM {table}").fetchone()
    return [int(count) for count in found or ()]
