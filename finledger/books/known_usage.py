"""Usage that is in the store already, or in another file of the same load (rule C1): duplicates, and ids used twice.

Hashes of ids find the candidates; the ids themselves and then all columns decide. What a row says is its native columns and
labels; where it stood is not compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from finledger.core import usage
from finledger.core.model import StagedFile
from finledger.core.problem import Problem, SourceRef

_CONTENT = (*(column.name for column in usage.NATIVE), *usage.LABELS)
_TYPES = {"time": "TIMESTAMP", "count": "BIGINT", "quantity": "DECIMAL(38,18)", "cost": "DECIMAL(38,18)"}
_KINDS = {column.name: _TYPES.get(column.kind, "VARCHAR") for column in usage.NATIVE}


@dataclass(frozen=True, slots=True)
class Known:
    """`conflicts`: (usage_id, record here, the other file's hash, record there)."""

    duplicates: int
    conflicts: Sequence[tuple[str, int, str, int]]


def compare(
    connection: duckdb.DuckDBPyConnection, index: int, file: StagedFile, parts: Sequence[Path], before: Sequence[StagedFile]
) -> Known:
    """Fill the table known_<index> with the records of `file` that are in the parts or in the files before it."""
    connection.execute(f"CREATE OR REPLACE TABLE known_{index} (record BIGINT)")
    others = [_part_sources(parts)] if parts else []
    others += [_staged_source(connection, other) for other in before]
    duplicates = 0
    conflicts: list[tuple[str, int, str, int]] = []
    mine = _staged_source(connection, file)
    for other in others:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE candidates AS SELECT usage_id FROM {mine} WHERE hash(usage_id) IN "
            f"(SELECT hash(usage_id) FROM {other})"
        )
        found = connection.execute("SELECT count(*) FROM candidates").fetchone()
        if not found or not found[0]:
            continue
        content = ", ".join(f'"{name}"' for name in _CONTENT)
        wanted = "WHERE usage_id IN (SELECT usage_id FROM candidates)"
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE twice AS SELECT a.record, a.usage_id, b.file_sha256, b.record AS other, "
            f"a.content IS NOT DISTINCT FROM b.content AS same FROM (SELECT record, usage_id, row({content}) AS content "
            f"FROM {mine} {wanted}) a JOIN (SELECT record, file_sha256, usage_id, row({content}) AS content FROM {other} "
            f"{wanted}) b USING (usage_id)"
        )
        connection.execute(f"INSERT INTO known_{index} SELECT DISTINCT record FROM twice WHERE same")
        query = "SELECT usage_id, record, file_sha256, other FROM twice WHERE NOT same ORDER BY record, other"
        conflicts += [(str(a), int(b), str(c), int(d)) for a, b, c, d in connection.execute(query).fetchall()]
    # an aggregate that was known is a duplicate too, so the count is of records
    counted = connection.execute(f"SELECT count(DISTINCT record) FROM known_{index}").fetchone()
    duplicates = int(counted[0]) if counted else 0
    return Known(duplicates, conflicts)


def conflict_problem(
    conflict: tuple[str, int, str, int],
    shown: Mapping[str, str],
    here: str,
    places: Mapping[int, tuple[int, str]],
    elsewhere: Mapping[str, Mapping[int, tuple[int, str]]],
) -> Problem:
    usage_id, record, sha256, other = conflict
    line, excerpt = places.get(record, (None, ""))
    there = elsewhere.get(sha256, {}).get(other)
    name = shown.get(sha256, f"a file loaded before (sha256 {sha256[:12]}…)")
    at = f"{name}:{there[0]}" if there else f"{name}, record {other:,}"
    own = "" if line else f" (record {record:,})"
    return Problem(
        "conflicting-usage",
        f"usage_id {usage_id!r} is used twice with different content: also at {at}{own}",
        SourceRef(shown[here], line, "usage_id"),
        excerpt[:160],
        "an id names one use for ever: correct one of the two, or give it an id of its own",
    )


def _part_sources(parts: Sequence[Path]) -> str:
    listed = ", ".join(_literal(part) for part in parts)
    return f"read_parquet([{listed}], union_by_name = true)"


def _staged_source(connection: duckdb.DuckDBPyConnection, file: StagedFile) -> str:
    """The staged rows that count, in the store's columns."""
    described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({_literal(file.rows)})").fetchall()
    present = {str(row[0]) for row in described}
    columns = []
    remainder = bool(file.marks)
    for name in _CONTENT:
        kind = _KINDS.get(name, "VARCHAR")
        text = f's."{name}"' if name in present else f"CAST(NULL AS {kind})"
        if name == "source":
            text = f"coalesce({text}, {_literal(file.source)})"
        if remainder and name in usage.TOKEN_BUCKETS:
            text = f"CASE WHEN m.fate = 'remainder' THEN m.{name} ELSE {text} END"
        columns.append(f'{text} AS "{name}"')
    join = f"LEFT JOIN read_parquet({_literal(file.marks)}) m USING (record)" if file.marks else ""
    skip = "AND coalesce(m.fate, '') NOT IN ('duplicate', 'rejected')" if file.marks else ""
    return (
        f"(SELECT s.record, {_literal(file.sha256)} AS file_sha256, {', '.join(columns)} FROM (SELECT *, file_row_number + 1 "
        f"AS record FROM read_parquet({_literal(file.rows)}, file_row_number = true)) s {join} WHERE s.faults IS NULL {skip})"
    )


def _literal(text: str | Path) -> str:
    return "'" + str(text).replace("'", "''") + "'"
