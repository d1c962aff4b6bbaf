"""What becomes of the files of one load: known by their content, copies of one another, or read; and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from finledger.core.model import LoadedFile, StagedFile
from finledger.core.problem import Problem

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` did with one file. `known`: its content had been loaded before."""

    file: LoadedFile
    known: bool
    problems: tuple[Problem, ...] = ()


class Steps:
    """One file's progress in its bytes. Reading it is half of the work, and what is reported goes to twice its size."""

    def __init__(self, size: int, advance: Advance | None) -> None:
        self._size, self._advance, self._done = size, advance, 0

    def report(self, done: int, total: int) -> None:
        self._to(min(done // 2, self._size))

    def finish(self) -> None:
        self._to(self._size)

    def _to(self, done: int) -> None:
        if self._advance is not None and done > self._done:
            self._advance(done - self._done)
            self._done = done


def again(file: LoadedFile, shown: str) -> LoadedFile:
    """What loading known content does: every record is a duplicate."""
    return replace(file, name=shown, accepted=0, aggregate=0, rejected=0, duplicate=file.read)


def twice(file: StagedFile, shown: str) -> LoadedFile:
    """A second copy of a file in the same load."""
    return LoadedFile(file.sha256, shown, file.format, file.source, file.size, file.read, 0, file.read, 0, 0)
