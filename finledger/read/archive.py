"""A zip archive as a folder: its members are exports of their own, named by a path that leads through it.

`exports.zip/2026-07/part-1.csv` is the member 2026-07/part-1.csv of exports.zip. Its content hash is that of its own bytes, so
that the same export is the same in the archive and beside it.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from finledger import objects
from finledger.core.problem import Outcome, Problem, SourceRef

# No export is packed so well: rows with an id and a time of their own stay above a twentieth of their size.
BOMB_RATIO = 250
BOMB_SIZE = 64 << 20
OTHERS = (".tar", ".tgz", ".tar.gz", ".tar.zst", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".bz2", ".xz")
_CHUNK = 1 << 20
_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_OTHER_METHODS = {9: "deflate64", 93: "zstd", 95: "xz", 98: "PPMd"}  # Windows packs what is larger than 2 GB by the first
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError)


def is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def archive_of(path: Path) -> tuple[Path, str] | None:
    """The archive that a path leads through, and the member's name in it; None for a path that leads through none."""
    for folder in path.parents:
        if is_archive(folder):
            return folder, path.relative_to(folder).as_posix()
    return None


def size_of(path: Path) -> int:
    """The bytes of a file, or of an archive's member as it is unpacked."""
    if objects.is_url(path):
        return objects.stamp(path)[0]
    through = archive_of(path)
    if through is None:
        return path.stat().st_size
    with zipfile.ZipFile(through[0]) as archive:
        return _member(archive, through[1], path).file_size


@contextmanager
def opened_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, or a member's. Raises OSError; for a damaged archive also zipfile.BadZipFile, zlib.error, EOFError."""
    through = archive_of(path)
    if through is None:
        with objects.opened(path) if objects.is_url(path) else path.open("rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(through[0]) as archive, archive.open(_member(archive, through[1], path)) as member:
        yield member


def content_hash(path: Path, told: Callable[[int], None] | None = None) -> str:
    """The sha256 of the bytes as they lie there: what `source_ref` and "loaded before" go by. `told` hears the bytes done."""
    sha, done = hashlib.sha256(), 0
    with opened_bytes(path) as stream:
        for chunk in iter(lambda: stream.read(_CHUNK), b""):
            sha.update(chunk)
            done += len(chunk)
            if told is not None:
                told(done)
    return sha.hexdigest()


def members(path: Path, shown_as: str) -> Outcome[tuple[str, ...]]:
    """The names of the files in an archive, folders left out, in order; or why nothing of it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
    except DAMAGED as error:
        return Outcome((), (damaged(shown_as, error),))
    found = {_name(info.filename): info for info in files}
    problem = _wrong_names(files, shown_as) or _wrong_content(files, path.stat().st_size, shown_as)
    return Outcome((), (problem,)) if problem is not None else Outcome(tuple(sorted(found)))


def unpack_member(
    path: Path, shown_as: str, workspace: Path, told: Callable[[int], None] | None = None
) -> tuple[Path, str] | Problem:
    """A member as a file of the workspace, with its content hash. `told` hears how many bytes are done."""
    workspace.mkdir(parents=True, exist_ok=True)
    target = workspace / path.name
    sha, done = hashlib.sha256(), 0
    try:
        with opened_bytes(path) as stream, target.open("wb") as copy:
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                copy.write(chunk)
                sha.update(chunk)
                done += len(chunk)
                if told is not None:
                    told(done)
    except DAMAGED as error:
        return damaged(shown_as, error)
    return target, sha.hexdigest()


def damaged(shown_as: str, error: Exception) -> Problem:
    return Problem(
        "truncated-file", f"the archive cannot be unpacked ({error})", SourceRef(shown_as),
        remedy="fetch the archive again: it was cut off or damaged on its way, or is no zip archive",
    )  # fmt: skip


def refused(shown_as: str, message: str, remedy: str) -> Problem:
    return Problem("bad-archive", message, SourceRef(shown_as), remedy=remedy)


def other_archive(path: Path, shown_as: str) -> Problem | None:
    """What to do about a file whose name says that it is packed in a way that is not read here."""
    name = path.name.lower()
    if name.endswith(".zip") and objects.is_url(path):
        message = "a zip archive is not read by its URL; .gz and .zst are"
        return refused(shown_as, message, "copy it to this machine, or unpack it into a folder there, and load that")
    suffix = next((suffix for suffix in OTHERS if name.endswith(suffix)), None)
    if suffix is None:
        return None
    unpack = "tar -xf FILE -C FOLDER" if ".t" in suffix else "bunzip2, unxz, 7z x or unrar x"
    message = f"{suffix} files are not unpacked here; .gz, .zst and .zip are"
    return refused(shown_as, message, f"unpack it ({unpack}), then load what comes of it: a folder is loaded as a whole")


def _name(name: str) -> str:
    return PurePosixPath(name).as_posix()


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> zipfile.ZipInfo:
    for info in archive.infolist():
        if _name(info.filename) == name and not info.is_dir():
            return info
    raise FileNotFoundError(2, "no such member of the archive", str(path))


def _wrong_names(files: list[zipfile.ZipInfo], shown_as: str) -> Problem | None:
    """Names that lead out of the archive, or that two members share: a place in it would mean another file, or two."""
    remedy = "unpack it into an empty folder, look at what comes out, and load that folder"
    for name, count in Counter(_name(info.filename) for info in files).items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            return refused(shown_as, f"a name in the archive leads out of it: {name}", remedy)
        if count > 1:
            return refused(shown_as, f"the archive has {count} files called {name}", remedy)
    return None


def _wrong_content(files: list[zipfile.ZipInfo], size: int, shown_as: str) -> Problem | None:
    for info in files:
        if info.flag_bits & _ENCRYPTED:
            remedy = "unpack it with its password into a folder, and load that folder"
            return refused(shown_as, f"the archive is encrypted: {info.filename}", remedy)
        if info.compress_type not in _METHODS:
            how = _OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
            message = f"{info.filename} is packed by {how}, which is not read here"
            return refused(shown_as, message, "unpack it into a folder, and load that folder; or pack it again (zip -r)")
        if info.filename.lower().endswith((".zip", *OTHERS)):
            return refused(
                shown_as, f"there is an archive in the archive: {info.filename}", "unpack it, and load the folder"
            )
    unpacked = sum(info.file_size for info in files)
    if unpacked > BOMB_SIZE and unpacked > BOMB_RATIO * size:
        return refused(
            shown_as,
            f"the archive says that its {size:,} bytes unpack to {unpacked:,}: no export shrinks to 1 in {BOMB_RATIO}",
            "if it is what you think it is, unpack it yourself and load the folder",
        )
    return None
