"""The store: usage as Parquet, one folder a month, each part immutable and named by the hash of its bytes.

    store/usage/month=2026-07/<sha256>.parquet     accepted and aggregate rows of one export in one month
    store/usage/schema.parquet                     every column and no row: what a part lacks is empty in it
    store/quarantine/<export's sha256>.parquet     why its other records were refused

A part has the columns that hold anything in its export, then `record` (the record's ordinal in its export, from 1),
`file_sha256` and `is_aggregate`; `source_ref` is file_sha256:record. A parent span of which the remainder counts (C2) has that
in its buckets, and what it said in `whole_…`; one that was refused for its sum is an aggregate with `whole_…`. Empty columns are
left out, because writing them takes time; parts of earlier versions have every native one. What counts is what the ledger
lists: parts that it does not list (a load that was killed) are nobody's, and are swept by the next load. The bytes of a part may
differ from run to run (threads write it as they finish, `record` has the order); its name always tells its bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import duckdb

from finledger.books.export_places import content_digest, record_places
from finledger.books.exported_again import exported_again
from finledger.books.known_usage import Conflict, Known, compare, conflict_problem, more_conflicts, sharing
from finledger.books.overlap import Overlap, Place, Terms, overlaps
from finledger.books.overlap_words import overlap_problem, shown_places
from finledger.books.sides import Pair, staged_pairs, staged_sides, stored_pairs, stored_sides
from finledger.core import usage
from finledger.core.model import LoadedFile, Part, StagedFile
from finledger.core.period import Month
from finledger.core.problem import Problem, Refused
from finledger.objects import located

SOURCE_REF = "file_sha256 || ':' || record"
STORED: dict[str, str] = {
    **{column.name: usage.STORED_AS[column.kind] for column in usage.NATIVE},
    **dict.fromkeys(usage.LABELS, "VARCHAR"),
}
STORED_ALL = {**STORED, "record": "BIGINT", "file_sha256": "VARCHAR", "is_aggregate": "BOOLEAN"}
MEMORY_LIMIT = "700MB"
# V2: numbers and ids as differences, a fifth faster to write and a tenth smaller. Past 4096 values a dictionary is given up.
_PART = (
    "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 40960, "
    "DICTIONARY_SIZE_LIMIT 4096, WRITE_BLOOM_FILTER false"
)


@dataclass(frozen=True, slots=True)
class Against:
    """What new files are held against beside the parts: how sources are declared, and the files that are loaded, by hash.

    `pairs`: every source and format that there may be rows of; None where nobody has kept them.
    """

    terms: Terms
    files: Mapping[str, LoadedFile]
    pairs: frozenset[Pair] | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """The files with their parts; what is worth saying; sources and formats of what was stored before, and of what is new."""

    files: list[tuple[LoadedFile, list[Part]]]
    notices: tuple[Problem, ...] = ()
    before: frozenset[Pair] = frozenset()
    fresh: frozenset[Pair] = frozenset()


class Elsewhere(Protocol):
    """Where the files of a load are compared and cut by month, where that is not here."""

    def known(self, files: Sequence[StagedFile], stored: Sequence[Path], beside: AbstractSet[str]) -> Sequence[Known]: ...

    def cut(self, files: Sequence[StagedFile]) -> Iterable[Sequence[Written]]: ...


@dataclass(slots=True)
class _Compared:
    problems: list[Problem] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    before: frozenset[Pair] = frozenset()
    fresh: frozenset[Pair] = frozenset()


class Store:
    """The Parquet parts under `root` (the books' store/ folder)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def paths(self, parts: Iterable[Part]) -> list[Path]:
        """The files of the parts. Those of usage follow the schema file: read them together, `union_by_name = true`."""
        parts = tuple(parts)
        found = [self.root / part.path for part in parts if not part.rejected]
        rejects = [self.root / part.path for part in parts if part.rejected]
        return ([self._schema(), *found] if found else []) + rejects

    def keep(self, parts: Collection[Part]) -> None:
        """Make sure of the parts before the ledger lists them: here they are where they belong already."""

    def _schema(self) -> Path:
        """A part without rows that has every column: what a part does not store is empty in it."""
        path = self.root / "usage" / "schema.parquet"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            nothing = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in STORED_ALL.items())
            made = path.with_suffix(".new")
            with duckdb.connect() as connection:
                connection.execute(f"COPY (SELECT {nothing} LIMIT 0) TO {_literal(made)} (FORMAT parquet)")
            made.replace(path)
        return path

    def publish(
        self,
        staged: Sequence[StagedFile],
        stored: Sequence[Part],
        workspace: Path,
        names: Mapping[str, str] | None = None,
        against: Against | None = None,
        heard: Callable[[StagedFile], None] | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> Published:
        """Drop what is known already, cut by month, and move the parts into place. The caller records them in the ledger.

        Raises Refused with the problems of every file, and every id that is used for other content in another file or in
        the store; then nothing is moved. `names`: how loaded files are called, by content hash, for those problems.
        `against`: usage that another charged source has too is refused as well (rule C1). `heard` is told of each file that
        is cut by month. `workspace` must lie on the store's file system. `elsewhere` does the work of comparing and cutting.
        """
        problems = [problem for file in staged for problem in file.problems]
        connection = _connect(workspace)
        try:
            sound = [file for file in staged if not any(problem.is_error for problem in file.problems) and file.rows]
            parts = [part for part in stored if not part.rejected]
            paths = self.paths(parts)
            shown = {**(names or {}), **{file.sha256: file.name for file in sound}}
            only_compared = frozenset() if against is None else against.terms.only_compared
            conflicts = (
                elsewhere.known(sound, paths, only_compared)
                if elsewhere
                else _known(connection, sound, paths, only_compared)
            )
            compared = _Compared() if against is None else self._compared(connection, sound, parts, against, shown)
            twice = {
                frozenset((each.first.source, each.second.source)) for each in compared.overlaps if each.sign == "request-id"
            }
            for file, known in zip(sound, conflicts, strict=True):
                told = [each for each in known.conflicts if frozenset((each.source, each.other_source)) not in twice]
                problems.extend(self._conflict_problems(told, file, sound, shown))
                if known.more and told:
                    problems.append(more_conflicts(file, known.more))
            problems.extend(compared.problems)
            if against is not None:
                problems.extend(self._exported_again(connection, sound, parts, against, shown))
            if any(problem.is_error for problem in problems):
                raise Refused(problems)
            written: list[Sequence[Written]] = []
            cut: Iterable[Sequence[Written]]
            cut = elsewhere.cut(sound) if elsewhere else _cut(connection, sound, conflicts, workspace)
            for file, months in zip(sound, cut, strict=True):
                written.append(months)
                if heard is not None:
                    heard(file)
        finally:
            connection.close()
        if sound:
            self._schema()
        copies = [known.duplicates for known in conflicts]
        moved = [self._moved(*each) for each in zip(sound, written, copies, strict=True)]
        moved += [self._moved(file, [], 0) for file in staged if file.is_blank]
        return Published(moved, tuple(compared.problems), compared.before, compared.fresh)

    def _compared(
        self, connection: duckdb.DuckDBPyConnection, sound: Sequence[StagedFile], parts: Sequence[Part], against: Against,
        names: Mapping[str, str],
    ) -> _Compared:  # fmt: skip
        """What the files have that another charged source has too, here or in the store."""
        fresh = staged_pairs(connection, sound)
        known = against.pairs
        if known is None:
            known = frozenset(stored_pairs(connection, parts, against.files, self.paths))
        found = _Compared(before=known, fresh=frozenset(fresh))
        if sum(against.terms.charged(source) for source, _ in {*known, *fresh}) < 2:
            return found
        before = stored_pairs(connection, parts, against.files, self.paths, known)
        months = {month for file in sound for month in _months(connection, file)}
        new = staged_sides(connection, fresh, sound)
        sides = [*stored_sides(before, months, self.paths), *new]
        found.overlaps.extend(overlaps(connection, sides, against.terms))
        found.problems.extend(self.overlap_problems(found.overlaps, against.terms, names, sound))
        return found

    def _exported_again(
        self, connection: duckdb.DuckDBPyConnection, sound: Sequence[StagedFile], parts: Sequence[Part], against: Against,
        names: Mapping[str, str],
    ) -> Iterator[Problem]:  # fmt: skip
        """Reports and costs that an earlier file of the same source and format has too, otherwise."""
        rows_of = {file.format for file in sound if against.terms.grains.get(file.format, "request") != "request"}
        files = [file for file in sound if file.format in rows_of]
        if not files:
            return
        months = {month for file in files for month in _months(connection, file)}
        near = [part for part in parts if part.month in months and against.files[part.file_sha256].format in rows_of]
        before = stored_pairs(connection, near, against.files, self.paths, against.pairs)
        sides = stored_sides(before, months, self.paths)
        fresh = {pair: numbers for pair, numbers in staged_pairs(connection, sound).items() if pair[1] in rows_of}
        yield from exported_again(connection, sound, fresh, sides, against.terms.grains, names)

    def overlap_problems(
        self, found: Sequence[Overlap], terms: Terms, names: Mapping[str, str], staged: Sequence[StagedFile] = ()
    ) -> list[Problem]:
        """The problems that the overlaps are, each place by its line where the file is there: of a load, if files are staged."""
        wanted: dict[str, set[int]] = {}
        for each in found:
            for _, *both in each.examples:
                for place in both:
                    wanted.setdefault(place.sha256, set()).add(place.record)
        lines = {
            Place(sha256, record): line
            for sha256, lines in self._places(wanted, staged, names).items()
            for record, line in lines.items()
        }
        return [overlap_problem(each, terms, shown_places(names, lines), loading=bool(staged)) for each in found]

    def stored_overlaps(self, parts: Sequence[Part], against: Against, workspace: Path) -> list[Overlap]:
        """What is certain to be in two charged sources of the parts, which are of one month (rules C1, A9)."""
        connection = _connect(workspace)
        try:
            pairs = stored_pairs(connection, parts, against.files, self.paths, against.pairs)
            sides = stored_sides(pairs, {part.month for part in parts if part.month}, self.paths)
            return list(overlaps(connection, sides, against.terms, certain_only=True))
        finally:
            connection.close()

    def sources(self, parts: Sequence[Part], against: Against) -> set[Pair]:
        """The sources and formats of which the parts have rows."""
        with duckdb.connect() as connection:
            return set(stored_pairs(connection, parts, against.files, self.paths, against.pairs))

    def _places(
        self, wanted: Mapping[str, Collection[int]], staged: Sequence[StagedFile], names: Mapping[str, str]
    ) -> dict[str, dict[int, tuple[int, str]]]:
        """Records by file as (line, its text), for files that still are what was read."""
        paths = {sha256: located(self.root.parent, name) for sha256, name in names.items()}
        paths |= {file.sha256: Path(file.path) for file in staged}
        return {
            sha256: record_places(paths[sha256], records)
            for sha256, records in wanted.items()
            if sha256 in paths and content_digest(paths[sha256]) == sha256
        }

    def _conflict_problems(
        self, conflicts: Sequence[Conflict], file: StagedFile, staged: Sequence[StagedFile], names: Mapping[str, str]
    ) -> list[Problem]:
        """One problem for each id whose other use has other content, naming both places by line where the files are there."""
        shown = {**names, file.sha256: file.name}
        here = record_places(Path(file.path), {conflict.record for conflict in conflicts})
        wanted: dict[str, set[int]] = {}
        for conflict in conflicts:
            wanted.setdefault(conflict.sha256, set()).add(conflict.there)
        elsewhere = self._places(wanted, staged, names)
        beside = {other.sha256 for other in staged}
        return [conflict_problem(each, shown, file.sha256, here, elsewhere, each.sha256 not in beside) for each in conflicts]

    def left_out(
        self, old: Sequence[Part], others: Sequence[Part], workspace: Path
    ) -> tuple[int, int, list[tuple[str, str, int]]]:
        """The rows of the old parts whose ids no other part has: how many, their tokens, the first (usage_id, file, record)."""
        if not old:
            return 0, 0, []
        connection = _connect(workspace)
        try:
            mine = _read(self.paths(old))
            theirs = f"SELECT hash(usage_id) AS id FROM {_read(self.paths(others))}" if others else ""
            known = f"ANTI JOIN ({theirs}) USING (id)" if others else ""
            tokens = " + ".join(f"coalesce({bucket}, 0)" for bucket in usage.TOKEN_BUCKETS)
            connection.execute(
                f"CREATE TEMP TABLE left_out AS SELECT usage_id, file_sha256, record, tokens FROM (SELECT usage_id, file_sha256, "
                f"record, {tokens} AS tokens, hash(usage_id) AS id FROM {mine} WHERE NOT is_aggregate) {known}"
            )
            ((count, total),) = connection.execute("SELECT count(*), coalesce(sum(tokens), 0) FROM left_out").fetchall()
            first = connection.execute("SELECT usage_id, file_sha256, record FROM left_out ORDER BY 2, 3 LIMIT 3").fetchall()
        finally:
            connection.close()
        return int(count), int(total), [(str(usage_id), str(sha256), int(record)) for usage_id, sha256, record in first]

    def sweep(self, stored: Iterable[Part]) -> int:
        """Remove the parts that the ledger does not list; how many there were."""
        listed = {part.path for part in stored}
        orphans = [
            path
            for folder in ("usage", "quarantine")
            for path in sorted((self.root / folder).rglob("*.parquet"))
            if path.relative_to(self.root).as_posix() not in listed and path.name != "schema.parquet"
        ]
        for path in orphans:
            path.unlink()
        return len(orphans)

    def lines_of(self, path: Path, records: Iterable[int]) -> dict[int, int]:
        """The line of each record of a text export as it lies there; records it does not have, and Parquet, have none."""
        return {record: line for record, (line, _) in record_places(path, records).items()}

    def _moved(self, file: StagedFile, written: Sequence[Written], duplicates: int) -> tuple[LoadedFile, list[Part]]:
        parts = []
        aggregates = accepted = 0
        for found in written:
            name = f"usage/month={found.month}/{found.sha256}.parquet"
            _move(found.path, self.root / name)
            parts.append(Part(found.month, name, found.sha256, found.rows, file.sha256))
            aggregates += found.aggregates
            accepted += found.rows - found.aggregates - found.unclear
        if file.rejects:
            digest = _digest(Path(file.rejects))
            name = f"quarantine/{file.sha256}.parquet"
            if (self.root / name).is_file() and _digest(self.root / name) != digest:  # the export was read before, otherwise
                name = f"quarantine/{file.sha256}-{digest[:12]}.parquet"
            _move(Path(file.rejects), self.root / name)
            parts.append(Part(None, name, digest, file.rejected, file.sha256, rejected=True))
        duplicate = file.duplicate + duplicates
        loaded = LoadedFile(
            file.sha256, file.name, file.format, file.source, file.size, file.read, accepted, duplicate, aggregates, file.rejected
        )  # fmt: skip
        return loaded, parts


class Written:
    """A part in the workspace, not yet moved."""

    def __init__(self, month: Month, path: Path, rows: int, aggregates: int, unclear: int) -> None:
        self.month, self.path, self.rows, self.aggregates, self.unclear = month, path, rows, aggregates, unclear
        self.sha256 = _digest(path)


def cut_by_month(file: StagedFile, folder: Path, known: Sequence[Path] = ()) -> list[Written]:
    """The parts of a file, made in a folder of their own: without the records that stand in the Parquet files `known`."""
    connection = _connect(folder)
    try:
        if known:
            connection.execute(f"CREATE TABLE known_0 AS SELECT record FROM {_read(known)}")
        return _write_months(connection, 0, file, folder, bool(known))
    finally:
        connection.close()


def _known(
    connection: duckdb.DuckDBPyConnection, files: Sequence[StagedFile], stored: Sequence[Path], beside: AbstractSet[str]
) -> list[Known]:
    """What of each file is known from the store or from a file before it."""
    shared = sharing(connection, files)
    found = []
    for index, file in enumerate(files):
        before = [other for number, other in enumerate(files[:index]) if (number, index) in shared]
        found.append(compare(connection, index, file, stored, before, beside))
    return found


def _cut(
    connection: duckdb.DuckDBPyConnection, files: Sequence[StagedFile], known: Sequence[Known], workspace: Path
) -> Iterator[list[Written]]:
    """The parts of each file, without what is known."""
    for index, file in enumerate(files):
        yield _write_months(connection, index, file, workspace / f"{index}-parts", known[index].duplicates > 0)


def _write_months(
    connection: duckdb.DuckDBPyConnection, index: int, file: StagedFile, folder: Path, any_known: bool
) -> list[Written]:
    """One Parquet file a month. Rows lie as the threads finish them: keeping their order would cost twice the time."""
    folder.mkdir(parents=True, exist_ok=True)
    months = _months(connection, file)
    if not months:
        return []
    held = _held(connection, file)
    found = []
    for month in months:
        start, end = month.bounds(file.timezone)
        path = folder / f"{month}.parquet"
        copied = connection.execute(
            f"COPY ({_part_sql(held, index, file, start, end, any_known)}) TO {_literal(path)} ({_PART})"
        ).fetchone()
        rows = int(copied[0]) if copied else 0
        if not rows:
            continue
        unclear = "whole_input_tokens IS NOT NULL" if usage.WHOLE_TOKENS[0] in held else "false"
        counts = f"count(*) FILTER (WHERE NOT ({unclear})), count(*) FILTER (WHERE {unclear})"
        made = connection.execute(f"SELECT {counts} FROM read_parquet({_literal(path)}) WHERE is_aggregate").fetchall()
        found.append(Written(month, path, rows, *map(int, made[0])))
    return found


def _months(connection: duckdb.DuckDBPyConnection, file: StagedFile) -> list[Month]:
    """Every month that may have rows: the days are UTC's, a day's end may lie in the next month of the books' zone."""
    days = connection.execute(
        f"SELECT DISTINCT CAST(ts AS DATE) FROM read_parquet({_literal(file.rows)}) WHERE faults IS NULL ORDER BY 1"
    ).fetchall()
    found: set[Month] = set()
    for (day,) in days:
        here = Month(day.year, day.month)
        found.add(here)
        if day.day == 1:
            found.add(Month(day.year - (day.month == 1), day.month - 1 or 12))
        if day == here.last_day:
            found.add(here.next)
    return sorted(found)


def _held(connection: duckdb.DuckDBPyConnection, file: StagedFile) -> frozenset[str]:
    """The columns of the staged rows in which any of them may have something, as its statistics say; of parents, the wholes."""
    held = connection.execute(
        "SELECT path_in_schema FROM parquet_metadata(?) GROUP BY 1 "
        "HAVING NOT bool_and(coalesce(stats_null_count = num_values, false))",
        [file.rows],
    ).fetchall()
    remainders = f"SELECT DISTINCT fate FROM read_parquet({_literal(file.marks)}) WHERE fate IN ('remainder', 'unclear')"
    wholes = usage.WHOLE_TOKENS if file.marks and connection.execute(remainders).fetchall() else ()
    return frozenset((*(str(name) for (name,) in held), *wholes))


def _part_sql(held: AbstractSet[str], index: int, file: StagedFile, start: datetime, end: datetime, any_known: bool) -> str:
    marked = bool(file.marks)
    columns = []
    for name, kind in STORED.items():
        if name == "source":
            text = _literal(file.source)
            columns.append(f"coalesce(s.source, {text}) AS source" if name in held else f"{text} AS source")
            continue
        remainder = marked and name in usage.TOKEN_BUCKETS
        if name not in held and not remainder:
            continue
        text = f's."{name}"' if name in held else f"CAST(NULL AS {kind})"
        if remainder:
            said = f"CASE WHEN m.fate IN ('remainder', 'unclear') THEN coalesce({text}, 0) END AS whole_{name}"
            columns += [said] * (f"whole_{name}" in held)
            text = f"CASE WHEN m.fate = 'remainder' THEN m.{name} ELSE {text} END"
        columns.append(f'CAST({text} AS {kind}) AS "{name}"')
    aggregate = "coalesce(m.fate IN ('aggregate', 'unclear'), false)" if marked else "false"
    join = f"LEFT JOIN read_parquet({_literal(file.marks)}) m USING (record)" if marked else ""
    skip = "AND coalesce(m.fate, '') NOT IN ('duplicate', 'rejected')" if marked else ""
    known = f"AND s.record NOT IN (SELECT record FROM known_{index})" if any_known else ""
    between = f"s.ts >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S}' AND s.ts < TIMESTAMP '{end:%Y-%m-%d %H:%M:%S}'"
    return (
        f"SELECT {', '.join(columns)}, s.record, {_literal(file.sha256)} AS file_sha256, {aggregate} AS is_aggregate "
        f"FROM (SELECT *, file_row_number + 1 AS record FROM read_parquet({_literal(file.rows)}, file_row_number = true)) s "
        f"{join} WHERE s.faults IS NULL AND {between} {skip} {known}"
    )


def _read(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(_literal(path) for path in paths)}], union_by_name = true)"


def _connect(workspace: Path) -> duckdb.DuckDBPyConnection:
    workspace.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    for setting in (
        f"memory_limit = '{MEMORY_LIMIT}'",
        f"temp_directory = {_literal(workspace / 'spill')}",
        "TimeZone = 'UTC'",
        "preserve_insertion_order = false",
        "enable_progress_bar = false",
    ):
        connection.execute(f"SET {setting}")
    return connection


def _literal(text: str | Path) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _move(path: Path, target: Path) -> None:
    """Rename into place, to last through a power cut; the same content is there already when it was written before."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sync(path)
    path.replace(target)
    if os.name != "nt":
        _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as failed:
        raise OSError(failed.errno, failed.strerror, str(path)) from failed
    finally:
        os.close(handle)
