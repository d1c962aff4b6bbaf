"""The bytes of one export while it is loaded: taken out of its archive, held still, and thrown away when they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from finledger import objects
from finledger.core.model import StagedFile
from finledger.core.problem import Problem, SourceRef


@dataclass(frozen=True, slots=True)
class Fetched:
    """`path` is where the bytes can be read now; `stamp` tells whether the file is still the one that was hashed."""

    path: Path
    sha256: str
    stamp: tuple[int, int | str]


def fetched(path: Path, shown: str, workspace: Path, told: Callable[[int], None]) -> Fetched | Problem:
    """Hash a file; a member of an archive is unpacked into the workspace too, and an object copied there. A problem is the
    archive's.
    """
    from finledger.read.archive import archive_of, content_hash, unpack_member

    stamp = _stamp(path)
    if objects.is_url(path):
        copy = workspace / path.name
        objects.fetch(path, copy, told)
        return Fetched(copy, content_hash(copy), stamp)
    if archive_of(path) is None:
        return Fetched(path, content_hash(path, told), stamp)
    unpacked = unpack_member(path, shown, workspace, told)
    return unpacked if isinstance(unpacked, Problem) else Fetched(*unpacked, stamp)


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
