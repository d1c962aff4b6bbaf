"""A load whose files Spark's executors read, a task a file, by the very code that reads them here (decision 24).

    a file ──stage, cut_by_month──▶ parts        in an executor, into a folder of the workspace that is the attempt's own
    parts and stored parts ──ids, digests──▶ what is known        in Spark SQL
    a file of which something is known ──cut_by_month──▶ parts without it        in an executor, once more

The driver takes what the attempts that counted have made, and moves it into the store as it does after any load.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from finledger.books.known_usage import COUNTED, SAID, SHOWN, Conflict, Known, one_use_sql
from finledger.books.store import Written, cut_by_month
from finledger.core.model import EngineChoice, StagedFile
from finledger.core.problem import Problem, Unavailable
from finledger.engines._shared_usage import SameUsage, SharedUsage
from finledger.engines.spark import Spark
from finledger.workbench.export_bytes import Fetched, hashed, settled

Staging = Callable[..., StagedFile]


@dataclass(frozen=True, slots=True)
class ToRead:
    """A file as a task gets it. `said`: what `stage` is told of this file alone."""

    path: Path
    said: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Read:
    """What came of a task. `staged` is None where the content is loaded already; `failed`: what the machine could not do."""

    found: Fetched | None = None
    staged: StagedFile | None = None
    parts: tuple[Written, ...] = ()
    unseen: str = ""
    failed: OSError | None = None


class SparkLoad:
    """One load, on Spark. It is what `Store.publish` calls elsewhere."""

    def __init__(self, choice: EngineChoice, column_map: Path, workspace: Path) -> None:
        self._choice, self._spark = choice, Spark(choice)
        self._workspace, self._map = workspace.absolute(), column_map
        self._parts: dict[str, tuple[Written, ...]] = {}
        self._known: dict[str, Sequence[Path]] = {}

    def read(
        self, files: Sequence[ToRead], staging: Staging, loaded: Collection[str]
    ) -> tuple[Callable[..., Fetched], Staging]:
        """Read all files but those whose content is `loaded`; what then finds, by its path, what fetching and staging came to."""
        done = {}
        there = self._map.absolute()
        work = partial(_read, partial(staging, map_file=there), self._workspace, there, frozenset(loaded))
        for file, each in zip(files, self._spark.each(work, files), strict=True):
            if each.unseen:
                raise Unavailable([self._unseen(each.unseen)])
            if each.failed is not None:
                raise each.failed
            done[file.path] = each
            if each.staged is not None:
                told = tuple(map(self._as_named, each.staged.problems))
                done[file.path] = replace(each, staged=replace(each.staged, problems=told))
                self._parts.setdefault(each.staged.sha256, each.parts)
        return partial(_found, done), partial(_staged, done)

    def known(self, files: Sequence[StagedFile], stored: Sequence[Path], beside: AbstractSet[str]) -> Sequence[Known]:
        """What of each file an earlier one or the store has."""
        paths = {file.sha256: [part.path for part in self._parts[file.sha256]] for file in files}
        same = SameUsage(SAID, one_use_sql(beside), COUNTED, SHOWN)
        listed = self._workspace / "known"
        found = self._spark.shared_usage(paths, stored, same, listed)
        for number, file in enumerate(files, 1):
            if number in found.known:
                self._known[file.sha256] = sorted((listed / f"number={number}").glob("*.parquet"))
        return [_known(found, number) for number, _ in enumerate(files, 1)]

    def cut(self, files: Sequence[StagedFile]) -> Sequence[Sequence[Written]]:
        """The parts of each file, without what is known: those that have any of it are made once more."""
        again = [file for file in files if file.sha256 in self._known]
        jobs = [(file, self._known[file.sha256]) for file in again]
        for file, each in zip(again, self._spark.each(partial(_cut, self._workspace), jobs), strict=True):
            if isinstance(each, OSError):
                raise each
            self._parts[file.sha256] = each
        return [self._parts[file.sha256] for file in files]

    def _as_named(self, problem: Problem) -> Problem:
        """What is wrong with the map, and with the lookups beside it, with the paths that people gave."""
        if problem.code != "bad-map" or problem.source is None:
            return problem
        beside = Path(problem.source.file).relative_to(self._map.absolute().parent)
        return replace(problem, source=replace(problem.source, file=str(self._map.parent / beside)))

    def _unseen(self, path: str) -> Problem:
        return Problem(
            "spark-file-unseen",
            f"a Spark worker finds nothing at {path}, which is there where finledger runs",
            self._choice.source,
            remedy="exports, map and books have to lie on a file system that every worker sees at the same path, or write "
            "`engine: duckdb`, which loads the same rows",
        )


def _read(staging: Staging, workspace: Path, column_map: Path, loaded: AbstractSet[str], file: ToRead) -> _Read:
    """In an executor: a file, and its parts as if nothing of it were known."""
    for path in (workspace, file.path, column_map):
        if not path.exists():
            return _Read(unseen=str(path))
    folder = workspace / uuid4().hex
    try:
        found = hashed(file.path)
        if found.sha256 in loaded:
            return _Read(found)
        staged = staging(file.path, **file.said, workspace=folder / "staged", sha256=found.sha256)
        staged = settled(staged, found, file.path, folder / "staged")
        broken = any(problem.is_error for problem in staged.problems) or not staged.rows
        return _Read(found, staged, () if broken else tuple(cut_by_month(staged, folder / "parts")))
    except OSError as failed:
        return _Read(failed=failed)


def _cut(workspace: Path, job: tuple[StagedFile, Sequence[Path]]) -> tuple[Written, ...] | OSError:
    """In an executor: a file's parts without what is known."""
    try:
        return tuple(cut_by_month(job[0], workspace / uuid4().hex, job[1]))
    except OSError as failed:
        return failed


def _found(done: dict[Path, _Read], path: Path, *_: object) -> Fetched:
    found = done[path.absolute()].found
    assert found is not None, path
    return found


def _staged(done: dict[Path, _Read], path: Path, **_: object) -> StagedFile:
    staged = done[path].staged
    assert staged is not None, path
    return staged


def _known(found: SharedUsage, number: int) -> Known:
    told = [each for each in found.conflicts if each[0] == number]
    left = 0
    for (here, other), count in found.conflicting.items():
        records = [each[3] for each in told if each[1] == other]
        if here == number and len(records) == SHOWN:
            left += count - len(set(records))
    conflicts = [Conflict(name, record, sha256, there, a, b) for _, _, name, record, sha256, there, a, b in told]
    return Known(found.known.get(number, 0), conflicts, left)
