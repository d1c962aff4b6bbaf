"""The bytes of one export while it is loaded: taken out of its archive, held still, and thrown away when they are read."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from pathlib import Path

from finledger import objects
from finledger.books.ledger import Ledger
from finledger.books.transaction import Transaction
from finledger.core.model import StagedFile
from finledger.core.problem import Problem, SourceRef

_OBJECT = "object "  # in the ledger's meta table, before the URL


@dataclass(frozen=True, slots=True)
class Fetched:
    """`path` is where the bytes can be read now; `stamp` tells whether the file is still the one that was hashed.

    `sha256` is empty where nothing that is known has the file's size: then it is hashed while it is read.
    """

    path: Path
    sha256: str
    stamp: tuple[int, int | str]


class SeenObjects:
    """What objects were when they were loaded, as the ledger remembers it: URL → size, tag and SHA-256.

    An object that has the tag that it had then is known without being read again.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._fresh: dict[str, str] = {}

    def sha256(self, path: Path, stamp: tuple[int, int | str]) -> str | None:
        """The content hash of an object that was not written to since it was loaded."""
        remembered = self._ledger.meta(_OBJECT + self._url(path)) if stamp[1] else None
        tag, _, sha256 = (remembered or "").rpartition(" ")
        return sha256 if remembered and tag == f"{stamp[0]} {stamp[1]}" else None

    def add(self, path: Path, found: Fetched) -> None:
        """An object that was read, as it was before it was."""
        if found.stamp[1]:
            self._fresh[_OBJECT + self._url(path)] = f"{found.stamp[0]} {found.stamp[1]} {found.sha256}"

    def remember(self, ledger: Transaction) -> None:
        """Write down what was added."""
        for key, value in self._fresh.items():
            ledger.set_meta(key, value)

    @staticmethod
    def _url(path: Path) -> str:
        return objects.url_of(path) or ""


def fetched(
    path: Path, shown: str, workspace: Path, told: Callable[[int], None], seen: SeenObjects, loaded: Container[str],
    sizes: Container[int],
) -> Fetched | Problem:  # fmt: skip
    """Hash a file, if it has one of the `sizes`; a member of an archive is unpacked into the workspace too, and an object
    copied there. A problem is the archive's. An object with the content of one of `loaded` that was `seen` before is not copied.
    """
    from finledger.read.archive import archive_of, content_hash, unpack_member

    stamp = _stamp(path)
    if objects.is_url(path):
        known = seen.sha256(path, stamp)
        if known is not None and known in loaded:
            return Fetched(path, known, stamp)
        copy = workspace / path.name
        objects.fetch(path, copy, told)
        found = Fetched(copy, content_hash(copy), stamp)
        seen.add(path, found)
        return found
    if archive_of(path) is None:
        return hashed(path, told) if stamp[0] in sizes else Fetched(path, "", stamp)
    unpacked = unpack_member(path, shown, workspace, told)
    return unpacked if isinstance(unpacked, Problem) else Fetched(*unpacked, stamp)


def hashed(path: Path, told: Callable[[int], None] | None = None) -> Fetched:
    """A file that lies there as it is."""
    from finledger.read.archive import content_hash

    stamp = _stamp(path)
    return Fetched(path, content_hash(path, told), stamp)


def settled(each: StagedFile, found: Fetched, path: Path, workspace: Path) -> StagedFile:
    """The staged file if its export held still, else without its rows; the workspace keeps only what is to be stored."""
    kept = {each.rows, each.rejects, each.marks}
    for left in workspace.rglob("*"):
        if left.is_file() and str(left) not in kept:
            left.unlink()
    each = replace(each, path=str(path))
    if _stamp(path) == found.stamp:
        return each
    return replace(each, rows="", rejects="", marks="", read=0, problems=(_moving(each.name),))


def unread(path: Path, shown: str, problem: Problem) -> StagedFile:
    """An export that could not even be hashed."""
    return StagedFile("", shown, "", "", 0, path=str(path), problems=(problem,))


def _stamp(path: Path) -> tuple[int, int | str]:
    from finledger.read.archive import archive_of

    if objects.is_url(path):
        return objects.stamp(path)
    through = archive_of(path)
    found = (path if through is None else through[0]).stat()
    return found.st_size, found.st_mtime_ns


def _moving(shown: str) -> Problem:
    return Problem(
        "file-changing",
        "the file was written to while it was read: what was read of it may be a part, or a mixture",
        SourceRef(shown),
        remedy="wait until whatever writes it is done, or fetch it again; then load it",
    )
