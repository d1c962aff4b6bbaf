"""Which parts of a store hold anything in a few columns, kept so that their footers need not be read again: a cache, nothing more.

    store/grouped/<columns>-<sha256>.parts

A footer says it for every column of every row group: in a month of a billion rows that takes longer than all else that `allocate`
does where nothing is new. One file for the store, a line of JSON: of each part, by the hash of its content, its bytes and
the columns. Its name begins with the hash of what was looked for and ends with that of its bytes; what does not fit its name
or does not read is as if it were not there, and nothing is said of a failure to write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from pathlib import Path

from finledger.books.kept import keep

SUFFIX = ".parts"
Filled = Mapping[str, frozenset[str]]


class KeptColumns:
    """What is kept of the parts below a folder about `columns`."""

    def __init__(self, folder: Path, columns: Collection[str]) -> None:
        self._folder, self._columns = folder, sorted(columns)
        said = json.dumps([version("finledger"), self._columns])
        self._name = hashlib.sha256(said.encode()).hexdigest()[:32]

    def of(self, parts: Mapping[str, int], look: Callable[[Collection[str]], Filled], writes: Callable[[], bool]) -> Filled:
        """The columns that may hold something, by part. `parts`: bytes by the hash of their content; `look`: the same of parts
        that are not known in this size; `writes`: whether what it finds may be kept.
        """
        known = self._read()
        found = {part: known[part][1] for part, size in parts.items() if part in known and known[part][0] == size}
        fresh = parts.keys() - found.keys()
        if fresh:
            looked = look(fresh)
            found |= looked
            if writes():
                self._write({**known, **{part: (parts[part], columns) for part, columns in looked.items()}})
        return found

    def _read(self) -> dict[str, tuple[int, frozenset[str]]]:
        try:
            for path in sorted(self._folder.glob(f"{self._name}-*{SUFFIX}")):
                content = path.read_bytes()
                if path.name == self._of(content):
                    found = {part: (int(size), frozenset(columns)) for part, (size, columns) in json.loads(content).items()}
                    return found if all(columns <= set(self._columns) for _, columns in found.values()) else {}
        except (OSError, ValueError, TypeError, AttributeError):
            pass
        return {}

    def _write(self, known: Mapping[str, tuple[int, frozenset[str]]]) -> None:
        content = json.dumps({part: [size, sorted(columns)] for part, (size, columns) in sorted(known.items())}).encode()
        keep(self._folder / self._of(content), content, most=1)

    def _of(self, content: bytes) -> str:
        return f"{self._name}-{hashlib.sha256(content).hexdigest()}{SUFFIX}"
