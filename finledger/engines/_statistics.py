"""What the statistics of Parquet parts say of their columns: read once for each part, since parts never change.

A footer has an entry for each column of each row group, so that reading those of a big month takes a tenth of its grouping.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from finledger.core.usage import LABELS, NATIVE

COLUMNS = (*(column.name for column in NATIVE), *LABELS)  # where no part has one, no row has anything in it
MOST = 10_000  # parts that are remembered
_Seen = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Held:
    """What all row groups of a part say of a column, exactly: that every row is empty, or that every row holds `value`."""

    is_empty: bool
    value: str | None = None


_known: dict[_Seen, Mapping[str, Held]] = {}


def statistics(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> dict[Path, Mapping[str, Held]]:
    """What each part holds, by the name of the column; nothing of parts without rows."""
    seen = {part: _seen(part) for part in parts}
    fresh = {part: None for part in parts if seen[part] not in _known}
    read = _read(connection, tuple(fresh)) if fresh else {}
    found = {part: read[part] if part in fresh else _known[seen[part]] for part in parts}  # type: ignore[index]
    if len(_known) > MOST:
        _known.clear()
    _known.update({mark: found[part] for part, mark in seen.items() if mark is not None})
    return found


def constants(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> dict[str, str | None]:
    """Columns that hold one value, or none, in every row of the parts.

    A part may lack a column that others have: it is empty there, so one value elsewhere is not the only one.
    """
    held = [columns for columns in statistics(connection, parts).values() if columns]
    found: dict[str, str | None] = dict.fromkeys(COLUMNS) if held else {}
    for name in {name for columns in held for name in columns}:
        here = [columns[name] for columns in held if name in columns]
        if all(each.is_empty for each in here):
            found[name] = None
        elif len(here) == len(held) and here[0].value is not None and len({each.value for each in here}) == 1:
            found[name] = here[0].value
        else:
            found.pop(name, None)
    return found


def filled(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path], column: str) -> frozenset[Path]:
    """The parts of which any row may have something in the column."""
    nothing = Held(is_empty=True)
    found = statistics(connection, parts)
    return frozenset(part for part, columns in found.items() if not columns.get(column, nothing).is_empty)


def has_parents(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> bool:
    """Whether any row may have a parent span: months without traces are not looked into."""
    return bool(filled(connection, parts, "parent_span_id"))


def _seen(part: Path) -> _Seen | None:
    """A file as it lies there now; None for one that cannot be looked at, which whoever reads it will tell."""
    try:
        status = os.stat(part)
    except OSError:
        return None
    return str(part), status.st_size, status.st_mtime_ns


def _read(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> dict[Path, Mapping[str, Held]]:
    rows = connection.execute(
        """
        SELECT file_name, path_in_schema, bool_and(coalesce(stats_null_count = num_values, false)),
               CASE WHEN bool_and(coalesce(stats_null_count = 0 AND min_is_exact AND max_is_exact, false))
                    AND min(stats_min_value) = max(stats_max_value) AND bool_and(type IN ('BYTE_ARRAY', 'BOOLEAN'))
                    THEN min(stats_min_value) END
        FROM parquet_metadata(?) GROUP BY 1, 2
        """,
        [[str(part) for part in parts]],
    ).fetchall()
    found: dict[str, dict[str, Held]] = {str(part): {} for part in parts}
    for file, column, is_empty, value in rows:
        found[file][column] = Held(is_empty, None if value is None else str(value))
    return {part: found[str(part)] for part in parts}
