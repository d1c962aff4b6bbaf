"""The stored rows that lie in traces of other parts: all that these parts can say anything new about (rules A5, C2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from finledger.engines._traces import stored_rows

MEMORY_LIMIT = "700MB"


def rows_in_traces_of(new: Sequence[Path], parts: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """For each of the parts with rows in a trace of the new ones: a part of these rows alone, in the folder.

    The column of traces is read by itself first, since most parts have none of them. A part that is made has all columns of all.
    """
    found: dict[Path, Path] = {}
    if not new or not parts:
        return found
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(
            f"CREATE TEMP TABLE traces AS SELECT DISTINCT trace_id FROM {stored_rows(new)} stored WHERE trace_id <> ''"
        )
        every = f"read_parquet({[str(part) for part in parts]!r}, union_by_name = true, filename = true)"
        held = connection.execute(f"SELECT DISTINCT filename FROM {every} SEMI JOIN traces USING (trace_id)").fetchall()
        for number, (name,) in enumerate(sorted(held)):
            found[Path(name)] = folder / f"{number}.parquet"
            rows = f"SELECT * EXCLUDE (filename) FROM {every} SEMI JOIN traces USING (trace_id) WHERE filename = $1"
            connection.execute(f"COPY ({rows}) TO '{found[Path(name)]}' (FORMAT parquet)", [name])
    return found
