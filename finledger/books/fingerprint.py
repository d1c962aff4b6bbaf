"""The fingerprint of the ledger's file: the SHA-256 of all its bytes, in a file beside it that `sha256sum -c` reads.

    2f1c…  ledger.sqlite
    # a command began to write at change 42          only while one does

A change of one bit is found, also where no row lies. Before a commit the fingerprint is compared and a commit is announced;
after it the new one is written. A command that was killed in between leaves the announcement: then the file may be as it was,
or one commit further, which the change counter in its header tells. Whoever holds the ledger's lock writes here, nobody else.
"""

from __future__ import annotations

import hashlib
import os
import re
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from finledger.core.problem import Problem, Refused, SourceRef

_FORM = re.compile(r"([0-9a-f]{64})  ([^\n]+)\n(?:# a command began to write at change ([0-9]+)\n)?")
_COUNTER = slice(24, 28)  # SQLite counts its commits there, big-endian


class _Stated(NamedTuple):
    sha256: str
    writing_since: int | None  # the change counter when a commit was announced


class Fingerprint:
    """The fingerprint of the ledger at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(f"{path.name}.sha256")
        self._file: FileIO | None = None

    def announce(self) -> None:
        """Say that a commit follows. `Refused` when the file is not what was written last (code ledger-tampered)."""
        found = self._digest()
        if self._beside.is_file() and not self._holds(found):
            raise Refused([self._tampered()])
        self._write(f"{found}  {self._path.name}\n# a command began to write at change {self._changes()}\n")

    def seal(self) -> None:
        """The file is what it shall be."""
        self._write(f"{self._digest()}  {self._path.name}\n")

    def resume(self) -> None:
        """Seal what a killed command announced, if the file is as it was, or one commit further."""
        if self._holds(self._digest()):
            self.seal()

    @property
    def announced(self) -> bool:
        """A command is writing, or was killed while it did."""
        stated = self._stated()
        return stated is not None and stated.writing_since is not None

    def problem(self) -> Problem | None:
        """None when the file is what was written last or what a killed command may have left."""
        if not self._beside.is_file():
            return _missing(self._shown(self._beside))
        return None if self._holds(self._digest()) else self._tampered()

    def _holds(self, found: str) -> bool:
        stated = self._stated()
        if stated is None:
            return False
        moved = stated.writing_since is not None and stated.writing_since != self._changes()
        return moved or found == stated.sha256

    def _stated(self) -> _Stated | None:
        """What stands beside the ledger; None when nothing does, or something else."""
        try:
            text = self._beside.read_text(encoding="ascii")
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        found = _FORM.fullmatch(text)
        if found is None or found[2] != self._path.name:
            return None
        return _Stated(found[1], int(found[3]) if found[3] else None)

    def _digest(self) -> str:
        file = self._opened()
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()

    def _changes(self) -> int:
        file = self._opened()
        file.seek(0)
        return int.from_bytes(file.read(100)[_COUNTER], "big")

    def _opened(self) -> FileIO:
        """The file, which stays open: to close it would let go of every lock that this process has on it (POSIX)."""
        if self._file is None or not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
            self._file = FileIO(self._path)
        return self._file

    def _write(self, text: str) -> None:
        try:
            self._replace(text)
        except OSError as failed:  # a flush does not say of which file
            raise OSError(failed.errno, failed.strerror, str(self._beside)) from failed

    def _replace(self, text: str) -> None:
        new = self._beside.with_name(f"{self._beside.name}.new")
        with open(new, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._beside)
        if os.name != "nt":
            folder = os.open(self._beside.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _tampered(self) -> Problem:
        return Problem(
            "ledger-tampered",
            f"{self._path.name} is not the file that finledger wrote last: some of its bytes were changed, or it was replaced",
            SourceRef(self._shown(self._path)),
            remedy=f"put back the last copy of store/ as a whole; where the change was meant, remove {self._beside.name}: the "
            "next command that writes makes a new one",
        )

    def _shown(self, path: Path) -> str:
        return f"{path.parent.name}/{path.name}"


def _missing(shown: str) -> Problem:
    return Problem(
        "ledger-tampered",
        f"{shown} is not there: nobody can say whether the ledger is as finledger wrote it",
        SourceRef(shown),
        remedy="put it back from the last copy of store/; the next command that writes makes a new one",
    )
