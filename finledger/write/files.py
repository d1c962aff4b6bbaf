"""The only place that writes a file: whole, or not at all.

A file is written beside its place under another name, flushed to the disk, read back and compared, and only then renamed
onto its place, so that a reader sees the old content or the new one and never a piece. A file whose content would not
change is not touched, so that a second run leaves every date and every backup as it was.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_LOOKS_HASHED = re.compile(r".*-[0-9a-f]{8}")
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "clock", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))]
)
_LONGEST = 60


def write(path: Path, content: bytes) -> bool:
    """Put `content` at `path`, atomically, making its folders. Returns whether anything changed; raises `OSError`."""
    return bool(write_all({path: content}))


def write_all(contents: Mapping[Path, bytes]) -> tuple[Path, ...]:
    """Put several files in place together: all are safely on the disk before the first takes its place.

    Returns the paths that changed, in the order given. When anything fails the files that already took their place get
    their former content back, the temporary files and the folders made for them go, and the `OSError` is raised.
    """
    former = {path: _content(path) for path in contents}
    changed = [path for path, content in contents.items() if former[path] != content]
    made: list[Path] = []
    waiting: dict[Path, Path] = {}
    placed: list[Path] = []
    try:
        for number, path in enumerate(changed):
            made += _make_folder(path.parent)
            waiting[path] = path.parent / f".finledger-{os.getpid()}-{number}.tmp"
            _write_checked(waiting[path], contents[path], path)
        for path in changed:
            os.replace(waiting[path], path)
            placed.append(path)
    except BaseException:
        _take_back(placed, former, waiting.values(), made)
        raise
    for folder in dict.fromkeys(path.parent for path in changed):
        _sync_folder(folder)
    return tuple(changed)


@contextmanager
def placed(contents: Mapping[Path, bytes]) -> Iterator[tuple[Path, ...]]:
    """`write_all`, for as long as the block succeeds: when it raises, what stood there before is put back.

    The block records in the ledger what the files say, so that a ledger that cannot be written leaves no files behind.
    """
    former = {path: _content(path) for path in contents}
    missing = sorted({folder for path in contents for folder in path.parents if not folder.exists()})
    changed = write_all(contents)
    try:
        yield changed
    except BaseException:
        _take_back(list(changed), former, (), missing)
        raise


def safe_name(text: str) -> str:
    """A file name for any name a person can choose: lower-case letters, digits and hyphens, never a path.

    A name that is one already stays as it is. Any other one gets the first 8 digits of its SHA-256 behind it, so that
    names which differ only in what was replaced, or only in case, keep different files on every file system.

    >>> safe_name("search"), safe_name("Search"), safe_name("../etc/passwd")
    ('search', 'search-49c266ba', 'etc-passwd-7fef78f5')
    """
    plain = len(text) <= _LONGEST and _SLUG.fullmatch(text) and text not in _RESERVED and not _LOOKS_HASHED.fullmatch(text)
    if plain:
        return text
    slug = _NOT_SLUG.sub("-", text.lower()).strip("-")[:_LONGEST].rstrip("-") or "name"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug}-{digest}"


def _content(path: Path) -> bytes | None:
    """What stands at `path` now; None for nothing. A link is read as nothing: it is replaced, never written through."""
    if path.is_symlink() or not path.exists():
        return None
    return path.read_bytes()


def _write_checked(temporary: Path, content: bytes, path: Path) -> None:
    try:
        with open(temporary, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as failed:  # a full disk does not say which file had no room; nobody knows the temporary name
        raise OSError(failed.errno, failed.strerror, str(path)) from failed
    if path.is_file() and not path.is_symlink():
        os.chmod(temporary, path.stat().st_mode & 0o7777)
    if temporary.read_bytes() != content:
        raise OSError(f"{path}: what was written does not read back the same; the disk is not to be trusted")


def _make_folder(folder: Path) -> list[Path]:
    """Make the folder and its parents; the ones that were made, outermost first."""
    missing: list[Path] = []
    while not folder.is_dir():
        missing.insert(0, folder)
        folder = folder.parent
    for each in missing:
        each.mkdir(exist_ok=True)
        _sync_folder(each.parent)
    return missing


def _take_back(
    placed: list[Path], former: Mapping[Path, bytes | None], temporaries: Iterable[Path], made: list[Path]
) -> None:
    """Undo as much of a failed `write_all` as the disk still allows."""
    for path in reversed(placed):
        before = former[path]
        if before is None:
            _try_unlink(path)
        else:
            again = path.parent / f".finledger-{os.getpid()}-again.tmp"
            _write_checked(again, before, path)
            os.replace(again, path)
    for temporary in temporaries:
        _try_unlink(temporary)
    for folder in reversed(made):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _try_unlink(path: Path) -> None:
    if path.exists() or path.is_symlink():  # a read-only disk refuses also to remove what is not there
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the renames last through a power cut. Windows cannot open a folder and needs no such call."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
