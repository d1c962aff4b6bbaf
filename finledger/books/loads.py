"""What becomes of the files of one load: known by their content, copies of one another, or read; and how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from finledger.core.model import LoadedFile, StagedFile
from finledger.core.problem import Problem

Advance = Callable[[int], None]
FileAdvance = Callable[[str, int, int], None]  # hears which file it is, how many bytes and about how many rows more are done
# of the time that a file takes, in hundredths: docs/decisions/0003-loading.md has the measurements
_HASHED, _LOOKED_AT, _READ, _STORED = 8, 10, 57, 25


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` did with one file. `known`: its content had been loaded before."""

    file: LoadedFile
    known: bool
    problems: tuple[Problem, ...] = ()


class Steps:
    """One file's progress, in its bytes: hashing, looking through, reading and storing have a share of them each.

    Rows are counted when they are read; until then they are reckoned from the lines of the bytes that were looked through.
    """

    def __init__(self, size: int, advance: FileAdvance | None, name: str = "") -> None:
        self._size, self._advance, self._name = size, advance, name
        self._shares = {_HASHED: 0, _LOOKED_AT: 0, _READ: 0, _STORED: 0}
        self._told = self._rows_told = 0
        self._rows = 0
        self._lock = threading.Lock()

    def hashed(self, done: int) -> None:
        self._to(_HASHED, done)

    def report(self, done: int, total: int, lines: int = 0, /) -> None:
        """What a reader says: up to the file's size it looks through it, from there to twice the size it reads it."""
        if total > self._size:
            self._to(_READ, done - self._size)
            return
        if done > 0 and lines:
            self._rows = lines * self._size // done
        self._to(_LOOKED_AT, done)

    def staged(self, rows: int) -> None:
        """Every row is read, and counted."""
        self._rows = rows
        for share in (_HASHED, _LOOKED_AT, _READ):
            self._to(share, self._size)

    def finish(self) -> None:
        self._name = f"stored {self._name}"
        self._to(_STORED, self._size)
        self.staged(self._rows)

    def _to(self, share: int, done: int) -> None:
        if self._advance is None or self._size == 0:
            return
        with self._lock:
            self._shares[share] = max(self._shares[share], min(done, self._size))
            position = sum(part * reached for part, reached in self._shares.items()) // 100
            rows = max(self._rows * position // self._size, self._rows_told)
            if position > self._told or rows > self._rows_told:
                self._advance(self._name, position - self._told, rows - self._rows_told)
                self._told, self._rows_told = position, rows


class Watch:
    """The progress of all files of a load, by their names. `advance` None: nobody watches."""

    def __init__(self, advance: FileAdvance | None, files: int) -> None:
        self._advance, self._files = advance, files
        self._steps: dict[str, Steps] = {}
        self.watched = advance is not None

    def begin(self, shown: str, size: int) -> Steps:
        name = shown.rpartition("/")[2]
        self._steps[shown] = Steps(size, self._advance, f"{len(self._steps) + 1} of {self._files}: {name}")
        return self._steps[shown]

    def storing(self) -> None:
        """All files are read: they are compared with what is stored, and cut by month."""
        if self._advance is not None:
            self._advance("comparing and storing", 0, 0)

    def stored(self, file: StagedFile) -> None:
        self._steps[file.name].finish()


def again(file: LoadedFile, shown: str) -> LoadedFile:
    """What loading known content does: every record is a duplicate."""
    return replace(file, name=shown, accepted=0, aggregate=0, rejected=0, duplicate=file.read)


def twice(file: StagedFile, shown: str) -> LoadedFile:
    """A second copy of a file in the same load."""
    return LoadedFile(file.sha256, shown, file.format, file.source, file.size, file.read, 0, file.read, 0, 0)
