"""Usage that is in the store already, or in another file of the same load (rule C1): duplicates, and ids used twice.

Hashes of ids find the candidates; half of the SHA-256 over all that a row says decides whether it says the same: its native
columns and labels, not where it stood. Rows are not joined whole, so that a file that is known row by row fits in memory.
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
# no value holds a control character, so that 31 between columns and 30 for an empty one leave no two readings
_TEXTS = ", ".join(f'coalesce(CAST("{name}" AS VARCHAR), chr(30))' for name in _CONTENT)
_DIGEST = f"CAST(left(sha256(concat_ws(chr(31), {_TEXTS})), 32) AS UUID)"
SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """`conflicts`: the first (usage_id, record here, the other file's hash, record there); `more` were not listed."""

    duplicates: int
    conflicts: Sequence[tuple[str, int, str, int]]
    more: int = 0


def compare(
    connection: duckdb.DuckDBPyConnection, index: int, file: StagedFile, parts: Sequence[Path], before: Sequence[StagedFile]
) -> Known:
    """Fill the table known_<index> with the records of `file` that are in the parts or in the files before it."""
    connection.execute(f"CREATE OR REPLACE TABLE known_{index} (record BIGINT)")
    others = [_part_sources(parts)] if parts else []
    others += [_staged_source(connection, other) for other in before]
    conflicts: list[tuple[str, int, str, int]] = []
    left = 0
    mine = _staged_source(connection, file)
    for other in others:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE candidates AS SELECT id FROM (SELECT hash(usage_id) AS id FROM {mine}) "
            f"SEMI JOIN (SELECT hash(usage_id) AS id FROM {other}) USING (id)"
        )
        if not _count(connection, "candidates"):
            continue
        for name, side in (("here", mine), ("there", other)):
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT record, hash(usage_id) AS id, {_DIGEST} AS digest "
                f"FROM {side} WHERE hash(usage_id) IN (SELECT id FROM candidates)"
            )
        connection.execute(f"INSERT INTO known_{index} SELECT here.record FROM here JOIN there USING (id, digest)")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE differing AS SELECT DISTINCT here.record FROM here JOIN there USING (id) "
            "WHERE here.digest <> there.digest"
        )
        found = _differing(connection, mine, other)
        conflicts += found
        left += _count(connection, "differing") - len({record for _, record, _, _ in found}) if len(found) == SHOWN else 0
    # a record that is known from two places is known once
    counted = connection.execute(f"SELECT count(DISTINCT record) FROM known_{index}").fetchone()
    return Known(int(counted[0]) if counted else 0, conflicts, left)


def _differing(connection: duckdb.DuckDBPyConnection, mine: str, other: str) -> list[tuple[str, int, str, int]]:
    """The first ids that are used for other content: here the ids themselves are compared, not their hashes."""
    if not _count(connection, "differing"):
        return []
    first = f"SELECT record FROM differing ORDER BY record LIMIT {SHOWN}"
    pairs = connection.execute(
        f"SELECT a.usage_id, a.record, b.file_sha256, b.record FROM "
        f"(SELECT usage_id, record, {_DIGEST} AS digest FROM {mine} WHERE record IN ({first})) a JOIN "
        f"(SELECT usage_id, record, file_sha256, {_DIGEST} AS digest FROM {other} WHERE hash(usage_id) IN "
        f"(SELECT id FROM here WHERE record IN ({first}))) b ON a.usage_id = b.usage_id AND a.digest <> b.digest "
        f"ORDER BY a.record, b.record LIMIT {SHOWN}"
    ).fetchall()
    return [(str(usage_id), int(record), str(sha256), int(there)) for usage_id, record, sha256, there in pairs]


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(found[0]) if found else 0


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


def more_conflicts(file: StagedFile, count: int) -> Problem:
    message = f"and {count:,} more rows use ids that are used for other content"
    return Problem("conflicting-usage", message, SourceRef(file.name), remedy="see the first ones")


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
