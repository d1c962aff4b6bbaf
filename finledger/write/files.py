"""The only place that writes a file: whole, or not at all.

A file is written beside its place under another name, flushed to the disk, read back and compared, and only then renamed
onto its place, so that a reader sees the old content or the new one and never a piece. A file whose content would not
change is not touched, so that a second run leaves every date and every backup as it was.

Files that belong to what the ledger says wait in a folder (`Pending`) until the ledger is committed with their token, and
are moved into place then: by the same command or, where that was killed, by the next one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
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


class Pending:
    """Files that wait in `folder` to be put into their places under `root`: all of them, or none.

    `stage` puts them there with a list of what goes where; the list's SHA-256 is their token. Who commits the token to the
    ledger has decided that they shall be put into place, and `settle` does that, however often it was interrupted before.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self._root = root
        self._list = folder / "list.json"

    def stage(self, contents: Mapping[Path, bytes | None], after: str) -> tuple[str, tuple[Path, ...]]:
        """Make ready what differs from what stands there now, None for a file to be removed: its token, and its paths.

        ("", ()) when nothing differs. `after` is the last token that was committed: it makes this one differ from every
        other. Nothing is visible yet. `OSError`: no room, or a place that nothing can be put into.
        """
        changed = tuple(path for path, content in contents.items() if _differs(path, content))
        if not changed:
            return "", ()
        _make_folder(self.folder)
        for folder in sorted({_nearest_folder(path) for path in changed}):
            _try_writing(folder)
        moves = []
        for number, path in enumerate(changed):
            content = contents[path]
            if content is None:
                moves.append({"to": self._named(path)})
            else:
                _write_checked(self.folder / str(number), content, path)
                moves.append({"to": self._named(path), "from": str(number), "sha256": hashlib.sha256(content).hexdigest()})
        listed = json.dumps({"after": after, "moves": moves}, ensure_ascii=True, indent=1).encode()
        _write_checked(self._list, listed, self._list)
        _sync_folder(self.folder)
        return hashlib.sha256(listed).hexdigest(), changed

    def settle(self, token: str | None) -> bool:
        """Put what waits into place if `token` is its token; otherwise nobody committed it, and it is thrown away.

        Returns whether anything was put into place. What fails is tried once more; then the `OSError` is raised, and what
        is left waits for the next time.
        """
        if not self.folder.exists():
            return False
        listed = self._list.read_bytes() if self._list.is_file() else b""
        if token != hashlib.sha256(listed).hexdigest():
            self._clear()
            return False
        moves = json.loads(listed)["moves"]
        try:
            self._move_all(moves)
        except OSError:
            self._move_all(moves)
        self._clear()
        return True

    def _move_all(self, moves: list[dict[str, str]]) -> None:
        places = [self._root / move["to"] for move in moves]
        for move, path in zip(moves, places, strict=True):
            if "from" not in move:
                _try_unlink(path)
            elif (self.folder / move["from"]).exists():  # otherwise it was moved before
                _make_folder(path.parent)
                _put(self.folder / move["from"], path)
        for folder in dict.fromkeys(path.parent for path in places if path.parent.is_dir()):
            _sync_folder(folder)

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    def _named(self, path: Path) -> str:
        """Relative to the root, so that books which are moved or copied meanwhile still know their files."""
        try:
            return path.absolute().relative_to(self._root.absolute()).as_posix()
        except ValueError:
            return str(path.absolute())


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


def _differs(path: Path, content: bytes | None) -> bool:
    if content is not None:
        return _content(path) != content
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return os.path.lexists(path)


def _nearest_folder(path: Path) -> Path:
    """The folder that the file will be put into or, where it is not there yet, the one in which it will be made."""
    folder = path.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    return folder


def _try_writing(folder: Path) -> None:
    """Raise now what would be raised later, when it is too late to leave everything as it was."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as failed:
        raise OSError(failed.errno, failed.strerror, str(folder)) from failed


def _put(waiting: Path, path: Path) -> None:
    """Rename onto its place; where that is on another file system, by a copy beside it."""
    try:
        os.replace(waiting, path)
    except OSError as failed:
        if failed.errno != errno.EXDEV:
            raise OSError(failed.errno, failed.strerror, str(path)) from failed
        beside = path.parent / f".finledger-{os.getpid()}.tmp"
        try:
            _write_checked(beside, waiting.read_bytes(), path)
            os.replace(beside, path)
        except BaseException:
            _try_unlink(beside)
            raise
        waiting.unlink()


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
    except OSError as failed:
        raise OSError(failed.errno, failed.strerror, str(folder)) from failed
    finally:
        os.close(handle)
