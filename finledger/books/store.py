"""The store: usage as Parquet, one folder a month, each part immutable and named by the hash of its bytes.

    store/usage/month=2026-07/<sha256>.parquet     accepted and aggregate rows of one export in one month
    store/usage/schema.parquet                     every column and no row: what a part lacks is empty in it
    store/quarantine/<export's sha256>.parquet     why its other records were refused

A part has every native column, the labels that its export has, then `record` (the record's ordinal in its export, from 1),
`file_sha256` and `is_aggregate`; `source_ref` is file_sha256:record. Labels that an export lacks are left out, because
writing empty columns takes time. What counts is what the ledger lists: parts that it does not list (a load that was
killed) are nobody's, and are swept by the next load. The bytes of a part may differ from run to run (threads write it as
they finish, `record` has the order); its name always tells its bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

import duckdb
import zstandard

from finledger.books.known_usage import compare, conflict_problem, more_conflicts
from finledger.core import usage
from finledger.core.model import LoadedFile, Part, StagedFile
from finledger.core.period import Month
from finledger.core.problem import Problem, Refused
from finledger.core.records import csv_record_lines, jsonl_record_lines

SOURCE_REF = "file_sha256 || ':' || record"
STORED: dict[str, str] = {
    **{column.name: usage.STORED_AS[column.kind] for column in usage.NATIVE},
    **dict.fromkeys(usage.LABELS, "VARCHAR"),
}
STORED_ALL = {**STORED, "record": "BIGINT", "file_sha256": "VARCHAR", "is_aggregate": "BOOLEAN"}
MEMORY_LIMIT = "700MB"
_UNPACKED: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".zst": zstandard.open}
_PART = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 40960, WRITE_BLOOM_FILTER false"


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
        self, staged: Sequence[StagedFile], stored: Sequence[Part], workspace: Path, names: Mapping[str, str] | None = None
    ) -> list[tuple[LoadedFile, list[Part]]]:
        """Drop what is known already, cut by month, and move the parts into place. The caller records them in the ledger.

        Raises Refused with the problems of every file, and every id that is used for other content in another file or in
        the store; then nothing is moved. `names`: how loaded files are called, by content hash, for those problems.
        `workspace` must lie on the store's file system.
        """
        problems = [problem for file in staged for problem in file.problems]
        connection = _connect(workspace)
        try:
            sound = [file for file in staged if not any(problem.is_error for problem in file.problems) and file.rows]
            duplicates: dict[str, int] = {}
            usage_parts = self.paths(part for part in stored if not part.rejected)
            for index, file in enumerate(sound):
                known = compare(connection, index, file, usage_parts, sound[:index])
                duplicates[file.sha256 + file.name] = known.duplicates
                problems.extend(_conflict_problems(known.conflicts, file, sound, names or {}, self.root.parent))
                if known.more:
                    problems.append(more_conflicts(file, known.more))
            if any(problem.is_error for problem in problems):
                raise Refused(problems)
            written = [
                _write_months(connection, index, file, workspace / f"{index}-parts", duplicates[file.sha256 + file.name] > 0)
                for index, file in enumerate(sound)
            ]
        finally:
            connection.close()
        if sound:
            self._schema()
        return [
            self._moved(file, parts, duplicates[file.sha256 + file.name]) for file, parts in zip(sound, written, strict=True)
        ]

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

    def _moved(self, file: StagedFile, written: list[_Written], duplicates: int) -> tuple[LoadedFile, list[Part]]:
        parts = []
        aggregates = accepted = 0
        for found in written:
            name = f"usage/month={found.month}/{found.sha256}.parquet"
            _move(found.path, self.root / name)
            parts.append(Part(found.month, name, found.sha256, found.rows, file.sha256))
            aggregates += found.aggregates
            accepted += found.rows - found.aggregates
        if file.rejects:
            name = f"quarantine/{file.sha256}.parquet"
            digest = _digest(Path(file.rejects))
            _move(Path(file.rejects), self.root / name)
            parts.append(Part(None, name, digest, file.rejected, file.sha256, rejected=True))
        duplicate = file.duplicate + duplicates
        loaded = LoadedFile(
            file.sha256, file.name, file.format, file.source, file.size, file.read, accepted, duplicate, aggregates, file.rejected
        )  # fmt: skip
        return loaded, parts


class _Written:
    """A part in the workspace, not yet moved."""

    def __init__(self, month: Month, path: Path, rows: int, aggregates: int) -> None:
        self.month, self.path, self.rows, self.aggregates = month, path, rows, aggregates
        self.sha256 = _digest(path)


def record_places(path: Path, records: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Record → (line, the line's text) in a CSV or JSON-lines export; empty for other containers."""
    wanted = set(records)
    packed = path.suffix.lower() in _UNPACKED
    suffix = Path(path.stem if packed else path.name).suffix.lower()
    if not wanted or suffix not in (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json") or not path.is_file():
        return {}
    with _text(path) as stream:
        header = stream.readline()
    delimiter = max((",", ";", "\t", "|"), key=header.count)
    is_json = suffix in (".jsonl", ".ndjson", ".json")
    with _text(path) as stream:
        walk = jsonl_record_lines(stream) if is_json else csv_record_lines(stream, delimiter)
        up_to_the_last = islice(walk, max(wanted) + 1)
        return {record: place for record, place in enumerate(up_to_the_last, int(is_json)) if record in wanted}


def _text(path: Path) -> TextIO:
    """The lines of an export, unpacked where it is packed."""
    unpack = _UNPACKED.get(path.suffix.lower(), open)
    return cast(TextIO, unpack(path, "rt", encoding="utf-8-sig", newline="", errors="replace"))


def _write_months(
    connection: duckdb.DuckDBPyConnection, index: int, file: StagedFile, folder: Path, any_known: bool
) -> list[_Written]:
    """One Parquet file a month. Rows lie as the threads finish them: keeping their order would cost twice the time."""
    folder.mkdir(parents=True, exist_ok=True)
    months = _months(connection, index, file)
    if not months:
        return []

    found = []
    for month in months:
        start, end = month.bounds(file.timezone)
        path = folder / f"{month}.parquet"
        copied = connection.execute(
            f"COPY ({_part_sql(index, file, start, end, any_known)}) TO {_literal(path)} ({_PART})"
        ).fetchone()
        rows = int(copied[0]) if copied else 0
        if not rows:
            continue
        aggregates = connection.execute(f"SELECT count(*) FROM read_parquet({_literal(path)}) WHERE is_aggregate").fetchone()
        found.append(_Written(month, path, rows, int(aggregates[0]) if aggregates else 0))
    return found


def _months(connection: duckdb.DuckDBPyConnection, index: int, file: StagedFile) -> list[Month]:
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


def _part_sql(index: int, file: StagedFile, start: datetime, end: datetime, any_known: bool) -> str:
    described = duckdb.connect()
    present = {row[0] for row in described.execute(f"DESCRIBE SELECT * FROM read_parquet({_literal(file.rows)})").fetchall()}
    described.close()
    marked = bool(file.marks)
    columns = []
    for name, kind in STORED.items():
        if name == "source":
            text = _literal(file.source)
            columns.append(f"coalesce(s.source, {text}) AS source" if name in present else f"{text} AS source")
            continue
        if name in usage.LABELS and name not in present:
            continue
        text = f's."{name}"' if name in present else f"CAST(NULL AS {kind})"
        if marked and name in usage.TOKEN_BUCKETS:
            text = f"CASE WHEN m.fate = 'remainder' THEN m.{name} ELSE {text} END"
        columns.append(f'CAST({text} AS {kind}) AS "{name}"')
    aggregate = "coalesce(m.fate = 'aggregate', false)" if marked else "false"
    join = f"LEFT JOIN read_parquet({_literal(file.marks)}) m USING (record)" if marked else ""
    skip = "AND coalesce(m.fate, '') NOT IN ('duplicate', 'rejected')" if marked else ""
    known = f"AND s.record NOT IN (SELECT record FROM known_{index})" if any_known else ""
    between = f"s.ts >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S}' AND s.ts < TIMESTAMP '{end:%Y-%m-%d %H:%M:%S}'"
    return (
        f"SELECT {', '.join(columns)}, s.record, {_literal(file.sha256)} AS file_sha256, {aggregate} AS is_aggregate "
        f"FROM (SELECT *, file_row_number + 1 AS record FROM read_parquet({_literal(file.rows)}, file_row_number = true)) s "
        f"{join} WHERE s.faults IS NULL AND {between} {skip} {known}"
    )


def _conflict_problems(
    conflicts: Sequence[tuple[str, int, str, int]],
    file: StagedFile,
    staged: Sequence[StagedFile],
    names: Mapping[str, str],
    books: Path,
) -> list[Problem]:
    """One problem for each id whose other use has other content, naming both places by line where the files are there."""
    paths = {other.sha256: Path(other.path) for other in staged} | {
        sha256: books / name for sha256, name in names.items() if sha256 not in {other.sha256 for other in staged}
    }
    shown = {other.sha256: other.name for other in staged} | {key: value for key, value in names.items()}
    shown[file.sha256] = file.name
    here = record_places(Path(file.path), {conflict[1] for conflict in conflicts})
    elsewhere: dict[str, dict[int, tuple[int, str]]] = {}
    for sha256 in {conflict[2] for conflict in conflicts}:
        path = paths.get(sha256)
        if path is not None and path.is_file() and _digest(path) == sha256:
            elsewhere[sha256] = record_places(path, {conflict[3] for conflict in conflicts if conflict[2] == sha256})
    return [conflict_problem(conflict, shown, file.sha256, here, elsewhere) for conflict in conflicts]


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
