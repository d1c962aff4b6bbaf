"""Usage that is in the store already, or in another file of the same load (rule C1): duplicates, and ids used twice.

Hashes of ids find the candidates; half of the SHA-256 over all that a row says decides whether it says the same: its native
columns and labels, not where it stood. Rows are not joined whole, so that a file that is known row by row fits in memory.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
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
_WHOLES = dict(
    zip(usage.TOKEN_BUCKETS, usage.WHOLE_TOKENS, strict=True)
)  # a parent says the same whatever else its file has
_SAYS = {name: f'"{name}"' if name not in _WHOLES else f'coalesce({_WHOLES[name]}, "{name}")' for name in _CONTENT}
_TEXTS = ", ".join(f"coalesce(CAST({text} AS STRING), chr(30))" for text in _SAYS.values())
SAID = f"concat_ws(chr(31), {_TEXTS})"  # all that a row says, in the words of every engine
_DIGEST = f"CAST(left(sha256({SAID}), 32) AS UUID)"
COUNTED = (
    f"NOT (is_aggregate AND {usage.WHOLE_TOKENS[0]} IS NOT NULL)"  # not what was refused, and is kept as somebody's root
)
SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Conflict:
    """An id that stands for other content elsewhere: the record here, the other file's hash, the record there, both sources."""

    usage_id: str
    record: int
    sha256: str
    there: int
    source: str
    other_source: str


@dataclass(frozen=True, slots=True)
class Known:
    """`conflicts` are the first ones; `more` were not listed."""

    duplicates: int
    conflicts: Sequence[Conflict]
    more: int = 0


def compare(
    connection: duckdb.DuckDBPyConnection,
    index: int,
    file: StagedFile,
    parts: Sequence[Path],
    before: Sequence[StagedFile],
    beside: AbstractSet[str] = frozenset(),
) -> Known:
    """Fill the table known_<index> with the records of `file` that are in the parts or in the files before it.

    `beside`: sources that are not charged, only compared (A9): they tell of usage of other sources, by the same ids.
    """
    connection.execute(f"CREATE OR REPLACE TABLE known_{index} (record BIGINT)")
    mine = staged_rows(connection, file)
    others = [_part_sources(parts)] if parts else []
    others += [staged_rows(connection, other) for other in before]
    others = _near(connection, others, mine)
    conflicts: list[Conflict] = []
    left = 0
    source = ", source" if beside else ""
    one_use = one_use_sql(beside)
    for other in others:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE candidates AS SELECT id FROM (SELECT hash(usage_id) AS id FROM {mine}) "
            f"SEMI JOIN (SELECT hash(usage_id) AS id FROM {other}) USING (id)"
        )
        if not _count(connection, "candidates"):
            continue
        for name, side in (("here", mine), ("there", other)):
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT record, hash(usage_id) AS id, {_DIGEST} AS digest{source} "
                f"FROM {side} WHERE hash(usage_id) IN (SELECT id FROM candidates)"
            )
        connection.execute(f"INSERT INTO known_{index} SELECT here.record FROM here JOIN there USING (id, digest)")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE differing AS SELECT DISTINCT here.record FROM here JOIN there USING (id) "
            f"WHERE here.digest <> there.digest {one_use}"
        )
        found = _differing(connection, mine, other, one_use)
        conflicts += found
        left += _count(connection, "differing") - len({each.record for each in found}) if len(found) == SHOWN else 0
    # a record that is known from two places is known once
    counted = connection.execute(f"SELECT count(DISTINCT record) FROM known_{index}").fetchone()
    return Known(int(counted[0]) if counted else 0, conflicts, left)


def _near(connection: duckdb.DuckDBPyConnection, others: Sequence[str], mine: str) -> list[str]:
    """The others' rows whose ids lie between the least and the greatest of mine: of ids that grow, row groups that do are few."""
    if not others:
        return []
    least, greatest = connection.execute(f"SELECT min(usage_id), max(usage_id) FROM {mine}").fetchall()[0]
    if least is None:
        return []
    between = f"usage_id BETWEEN {_literal(least)} AND {_literal(greatest)}"
    return [f"(SELECT * FROM {other} WHERE {between})" for other in others]


def one_use_sql(beside: AbstractSet[str]) -> str:
    """When the rows `here` and `there`, which have one id, have to say the same."""
    if not beside:
        return ""
    named = ", ".join(_literal(name) for name in sorted(beside))
    return f"AND (here.source = there.source OR NOT (here.source IN ({named}) OR there.source IN ({named})))"


def sharing(connection: duckdb.DuckDBPyConnection, files: Sequence[StagedFile]) -> set[tuple[int, int]]:
    """The pairs of files that may have an id in common, found for all of them at once: a load of many parts has few."""
    if len(files) < 3:
        return set(itertools.combinations(range(len(files)), 2))
    numbers = {file.rows: number for number, file in enumerate(files)}
    listed = ", ".join(_literal(rows) for rows in numbers)
    every = (
        f"(SELECT hash(usage_id) AS id, hash(filename) AS file, filename FROM read_parquet([{listed}], filename = true, "
        "union_by_name = true) WHERE faults IS NULL)"
    )
    twice = f"(SELECT id FROM {every} GROUP BY id HAVING min(file) <> max(file))"
    groups = connection.execute(
        f"SELECT DISTINCT list_sort(list(DISTINCT filename)) FROM {every} SEMI JOIN {twice} USING (id) GROUP BY id"
    ).fetchall()
    return {
        (min(pair), max(pair))
        for (names,) in groups
        for pair in itertools.combinations([numbers[name] for name in names], 2)
    }


def _differing(connection: duckdb.DuckDBPyConnection, mine: str, other: str, one_use: str) -> list[Conflict]:
    """The first ids that are used for other content: here the ids themselves are compared, not their hashes."""
    if not _count(connection, "differing"):
        return []
    first = f"SELECT record FROM differing ORDER BY record LIMIT {SHOWN}"
    pairs = connection.execute(
        f"SELECT here.usage_id, here.record, there.file_sha256, there.record, here.source, there.source FROM "
        f"(SELECT usage_id, record, source, {_DIGEST} AS digest FROM {mine} WHERE record IN ({first})) here JOIN "
        f"(SELECT usage_id, record, file_sha256, source, {_DIGEST} AS digest FROM {other} WHERE hash(usage_id) IN "
        f"(SELECT id FROM here WHERE record IN ({first}))) there ON here.usage_id = there.usage_id "
        f"AND here.digest <> there.digest {one_use} ORDER BY here.record, there.record LIMIT {SHOWN}"
    ).fetchall()
    return [Conflict(str(a), int(record), str(sha256), int(b), str(s), str(t)) for a, record, sha256, b, s, t in pairs]


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(found[0]) if found else 0


def conflict_problem(
    conflict: Conflict,
    shown: Mapping[str, str],
    here: str,
    places: Mapping[int, tuple[int, str]],
    elsewhere: Mapping[str, Mapping[int, tuple[int, str]]],
    loaded: bool = False,
) -> Problem:
    """`loaded`: the other file was loaded before, and is of the same format: this one may be a later export of its report."""
    line, excerpt = places.get(conflict.record, (None, ""))
    there = elsewhere.get(conflict.sha256, {}).get(conflict.there)
    name = shown.get(conflict.sha256, f"a file loaded before (sha256 {conflict.sha256[:12]}…)")
    at = f"{name}:{there[0]}" if there else f"{name}, record {conflict.there:,}"
    own = "" if line else f" (record {conflict.record:,})"
    return Problem(
        "conflicting-usage",
        f"usage_id {conflict.usage_id!r} is used twice with different content: also at {at}{own}",
        SourceRef(shown[here], line, "usage_id"),
        excerpt[:160],
        f"an id names one use for ever: correct one of the two, or give it an id of its own{_way_out(conflict, shown, here, loaded)}",
    )


def _way_out(conflict: Conflict, shown: Mapping[str, str], here: str, loaded: bool) -> str:
    if conflict.source != conflict.other_source:
        declared = f"`sources: {{{conflict.source}: {{role: reconcile}}}}`"
        return f"; where both tell of one use, say in finledger.yaml which source is only compared, for instance {declared}"
    if not loaded:
        return ""
    old = shown.get(conflict.sha256, "")
    named = shlex.quote(old) if old and old != shown[here] else conflict.sha256[:12]
    command = f"finledger load {shlex.quote(shown[here])} --replaces {named}"
    return f"; where this is a later export of the same report: {command}"


def more_conflicts(file: StagedFile, count: int) -> Problem:
    message = f"and {count:,} more rows use ids that are used for other content"
    return Problem("conflicting-usage", message, SourceRef(file.name), remedy="see the first ones")


def _part_sources(parts: Sequence[Path]) -> str:
    listed = ", ".join(_literal(part) for part in parts)
    wholes = ", ".join(f"CAST(NULL AS BIGINT) AS {name}" for name in usage.WHOLE_TOKENS)
    every = f"SELECT * FROM read_parquet([{listed}], union_by_name = true) UNION ALL BY NAME SELECT {wholes} WHERE false"
    return f"(SELECT * FROM ({every}) WHERE {COUNTED})"


def staged_rows(connection: duckdb.DuckDBPyConnection, file: StagedFile, *, charged_only: bool = False) -> str:
    """The staged rows that count, in the store's columns; with `charged_only` those of parents that repeat others are not."""
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
            columns.append(f"CASE WHEN m.fate = 'remainder' THEN {text} END AS {_WHOLES[name]}")
            text = f"CASE WHEN m.fate = 'remainder' THEN m.{name} ELSE {text} END"
        elif name in _WHOLES:
            columns.append(f"CAST(NULL AS BIGINT) AS {_WHOLES[name]}")
        columns.append(f'{text} AS "{name}"')
    join = f"LEFT JOIN read_parquet({_literal(file.marks)}) m USING (record)" if file.marks else ""
    left_out = "'duplicate', 'rejected', 'unclear', 'aggregate'" if charged_only else "'duplicate', 'rejected', 'unclear'"
    skip = f"AND coalesce(m.fate, '') NOT IN ({left_out})" if file.marks else ""
    return (
        f"(SELECT s.record, {_literal(file.sha256)} AS file_sha256, {', '.join(columns)} FROM (SELECT *, file_row_number + 1 "
        f"AS record FROM read_parquet({_literal(file.rows)}, file_row_number = true)) s {join} WHERE s.faults IS NULL {skip})"
    )


def _literal(text: str | Path) -> str:
    return "'" + str(text).replace("'", "''") + "'"
