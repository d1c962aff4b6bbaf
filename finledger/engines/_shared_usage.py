"""Usage that several files of one load have, or that is stored already (rule C1), found by Spark over Parquet parts.

Files have a number, from 1 in the order of the load; the store is 0. Ids are compared first, and nothing else is read unless two
numbers have one in common; what rows with such an id say is then compared by its SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finledger.engines import _spark


@dataclass(frozen=True, slots=True)
class SameUsage:
    """The terms, as SQL. `said`: all that a row says, as one text; `one_use`: when rows `here` and `there` that have one id have
    to say the same; `counted`: which rows say anything; `shown`: how many conflicts of two files are listed."""

    said: str
    one_use: str
    counted: str
    shown: int


@dataclass(frozen=True, slots=True)
class SharedUsage:
    """`known`: how many records of a file an earlier one or the store has; they are listed below `number=N`, in a column `record`.

    `conflicting`: how many records of a file have an id that says something else in another, by the numbers of both. `conflicts`,
    the first ones: number, other number, usage_id, record, the other's hash, its record, both sources.
    """

    known: Mapping[int, int] = field(default_factory=dict)
    conflicting: Mapping[tuple[int, int], int] = field(default_factory=dict)
    conflicts: Sequence[tuple[int, int, str, int, str, int, str, str]] = ()


def shared_usage(
    session: Any, files: Mapping[str, Sequence[Path]], stored: Sequence[Path], same: SameUsage, listed: Path
) -> SharedUsage:
    """`files`: the parts of each, by its hash, in the order of the load. What is known is written into the folder `listed`."""
    _spark.view(session, "fresh", [part for parts in files.values() for part in parts])
    numbers = [(sha256, number) for number, sha256 in enumerate(files, 1)]
    session.createDataFrame(numbers, "file_sha256 STRING, number INT").createOrReplaceTempView("numbers")
    if stored:
        _spark.view(session, "stored", stored)
    with _spark.kept(session, "shared", _shared_sql(same, bool(stored))):
        if not _spark.collected(session, "SELECT count(*) FROM shared")[0][0]:
            return SharedUsage()
        with _spark.kept(session, "told", _told_sql(same, bool(stored))):
            return _compared(session, same, listed)


def _compared(session: Any, same: SameUsage, listed: Path) -> SharedUsage:
    known = (
        "(SELECT DISTINCT number, record FROM (SELECT number, record, min(number) OVER (PARTITION BY usage_id, digest) AS first "
        "FROM told) WHERE first < number)"
    )
    counts = dict(_spark.collected(session, f"SELECT number, count(*) FROM {known} GROUP BY number"))
    if counts:
        _spark.written(session, f"SELECT number, record FROM {known}", listed, "number")
    conflicts = (
        "(SELECT here.number, there.number AS other, here.usage_id, here.record, there.file_sha256, there.record AS there, "
        "here.source, there.source AS other_source FROM told here JOIN told there ON here.usage_id = there.usage_id "
        f"WHERE there.number < here.number AND here.digest <> there.digest {same.one_use})"
    )
    counted = _spark.collected(
        session, f"SELECT number, other, count(DISTINCT record) FROM {conflicts} GROUP BY number, other"
    )
    if not counted:
        return SharedUsage(counts)
    first = _spark.collected(
        session,
        "SELECT number, other, usage_id, record, file_sha256, there, source, other_source FROM (SELECT *, row_number() OVER "
        f"(PARTITION BY number, other ORDER BY record, there, file_sha256) AS place FROM {conflicts}) "
        f"WHERE place <= {same.shown} ORDER BY number, other, place",
    )
    return SharedUsage(counts, {(number, other): count for number, other, count in counted}, [tuple(row) for row in first])


def _shared_sql(same: SameUsage, any_stored: bool) -> str:
    """The ids that more than one number has."""
    rows = f"SELECT f.usage_id, n.number FROM fresh f JOIN numbers n ON f.file_sha256 = n.file_sha256 WHERE {same.counted}"
    rows += f" UNION ALL SELECT usage_id, 0 FROM stored WHERE {same.counted}" if any_stored else ""
    return f"SELECT usage_id FROM ({rows}) GROUP BY usage_id HAVING min(number) < max(number)"


def _told_sql(same: SameUsage, any_stored: bool) -> str:
    """The rows with such an id, and what they say."""
    rows = f"SELECT n.number, f.* FROM fresh f JOIN numbers n ON f.file_sha256 = n.file_sha256 WHERE {same.counted}"
    rows += f" UNION ALL SELECT 0, * FROM stored WHERE {same.counted}" if any_stored else ""
    return (
        f"SELECT number, usage_id, record, file_sha256, source, sha2({same.said}, 256) AS digest FROM ({rows}) "
        "SEMI JOIN shared USING (usage_id)"
    )
