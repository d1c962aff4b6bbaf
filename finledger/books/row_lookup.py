"""One stored row, by its id or by its place in an export; ids that read like another; what quarantine says of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from finledger.core.usage import LABELS, NATIVE

MEMORY_LIMIT = "700MB"
_COLUMNS = (*(column.name for column in NATIVE), *LABELS)


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A stored row: its columns that hold anything (ts in UTC), the file it came from, its record there."""

    file_sha256: str
    record: int
    is_aggregate: bool
    ts: datetime
    columns: dict[str, Any]


def by_id(parts: Sequence[Path], usage_id: str, *, beginning: bool = False) -> FoundRow | None:
    """The row with an id; `beginning`: the first whose id begins so."""
    condition = "starts_with(usage_id, ?)" if beginning else "usage_id = ?"
    return _one(parts, condition, [usage_id])


def by_record(parts: Sequence[Path], sha256: str, record: int) -> FoundRow | None:
    return _one(parts, "file_sha256 = ? AND record = ?", [sha256, record])


def near_ids(parts: Sequence[Path], usage_id: str, count: int = 3) -> list[str]:
    """The stored ids that read most like `usage_id`."""
    if not parts:
        return []
    alike = "jaro_winkler_similarity(usage_id, ?)"
    query = f"SELECT usage_id FROM {_table(parts)} WHERE {alike} > 0.85 ORDER BY {alike} DESC, usage_id LIMIT {count}"
    with _connect() as connection:
        return [str(found) for (found,) in connection.execute(query, [usage_id, usage_id]).fetchall()]


def faults_of(quarantine: Path, record: int) -> list[tuple[str, str, str, int | None]]:
    """Why a record was refused: (column, value, reason, line); empty where it was not."""
    table = f"read_parquet({str(quarantine)!r})"
    query = f"SELECT \"column\", coalesce(value, ''), reason, line FROM {table} WHERE record = ? ORDER BY 1, 3"
    with _connect() as connection:
        return [(str(c), str(v), str(r), line) for c, v, r, line in connection.execute(query, [record]).fetchall()]


def refused_on_line(quarantine: Path, line: int) -> int | None:
    """The refused record that begins on a line, as quarantine noted it."""
    query = f"SELECT min(record) FROM read_parquet({str(quarantine)!r}) WHERE line = ?"
    with _connect() as connection:
        found = connection.execute(query, [line]).fetchone()
    return None if found is None or found[0] is None else int(found[0])


def _one(parts: Sequence[Path], condition: str, values: list[Any]) -> FoundRow | None:
    if not parts:
        return None
    listed = ", ".join(f'"{name}"' for name in ("file_sha256", "record", "is_aggregate", *_COLUMNS))
    query = f"SELECT {listed} FROM {_table(parts)} WHERE {condition} ORDER BY usage_id, file_sha256, record LIMIT 1"
    with _connect() as connection:
        found = connection.execute(query, values).fetchone()
    if found is None:
        return None
    sha256, record, aggregate, *columns = found
    row = {name: value for name, value in zip(_COLUMNS, columns, strict=True) if value not in (None, "")}
    return FoundRow(str(sha256), int(record), bool(aggregate), row["ts"], row)


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    return connection


def _table(parts: Sequence[Path]) -> str:
    return f"read_parquet({[str(part) for part in parts]!r}, union_by_name = true)"
