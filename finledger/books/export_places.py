"""Where the records of an export stand, as long as it lies where it was loaded from: file, record → line.

An export may be packed (gz, zst), a member of a zip archive (`a.zip/part-1.csv`), or both, and its text in another encoding. What
cannot be read any more has no lines: whoever asks shows the record's ordinal instead.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, TextIO, cast

import zstandard

from finledger import objects
from finledger.core.records import csv_record_lines, is_metrics, jsonl_record_lines, lines_are_records

_JSON = (".jsonl", ".ndjson", ".json")
_TEXT = (".csv", ".tsv", ".txt", *_JSON)
_CHUNK = 1 << 20
# zipfile raises the last two for what is packed or encrypted in a way that it does not know
_DAMAGED = (EOFError, zlib.error, zipfile.BadZipFile, zstandard.ZstdError, NotImplementedError, RuntimeError)
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def is_there(path: Path) -> bool:
    """Whether a file lies there, or a member of that name in the archive that the path leads through, if that can be read."""
    if objects.is_url(path):
        return objects.size(path) is not None
    through = _archive_of(path)
    if through is None:
        return path.is_file()
    try:
        return size_of(path) is not None
    except _DAMAGED:
        return True


def size_of(path: Path) -> int | None:
    """The bytes of a file, or of a member as it is unpacked; None when it is not there. Raises what a damaged archive raises."""
    if objects.is_url(path):
        return objects.size(path)
    through = _archive_of(path)
    if through is None:
        return path.stat().st_size if path.is_file() else None
    with zipfile.ZipFile(through[0]) as archive:
        found = _member(archive, through[1])
        return None if found is None else found.file_size


def still_has(path: Path, size: int) -> bool:
    """Whether an export of that size lies there: enough to look up lines in it, without hashing it once more."""
    try:
        return size_of(path) == size
    except _DAMAGED:
        return False


def content_digest(path: Path) -> str | None:
    """The sha256 of a file's or a member's bytes; None when it is not there. Of a damaged member, that of what can be read."""
    sha = hashlib.sha256()
    if not is_there(path):
        return None
    try:
        with _bytes(path) as stream:
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                sha.update(chunk)
    except _DAMAGED:
        pass
    return sha.hexdigest()


def record_places(path: Path, records: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Record → (line, the line's text) in a CSV or JSON-lines export; empty for other containers and for what is gone."""
    wanted = set(records)
    suffix = Path(path.stem if path.suffix.lower() in (".gz", ".zst") else path.name).suffix.lower()
    if not wanted or suffix not in _TEXT or not is_there(path):
        return {}
    is_json = suffix in _JSON
    try:
        with _text(path) as stream:
            header = next((line for line in stream if line.strip("\r\n")), "")
        if not lines_are_records(header) if is_json else is_metrics(header):
            return {}
        delimiter = max((",", ";", "\t", "|"), key=header.count)
        with _text(path) as stream:
            walk = jsonl_record_lines(stream) if is_json else csv_record_lines(stream, delimiter)
            up_to_the_last = islice(walk, max(wanted) + 1)
            return {record: place for record, place in enumerate(up_to_the_last, int(is_json)) if record in wanted}
    except _DAMAGED:
        return {}


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """The lines of an export, unpacked where it is packed. Text of no Unicode encoding is shown as Latin letters."""
    with ExitStack() as stack:
        stream = stack.enter_context(_bytes(path))
        if path.suffix.lower() == ".gz":
            stream = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=stream)))
        elif path.suffix.lower() == ".zst":
            unpacking = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True, closefd=False)
            stream = cast(IO[bytes], stack.enter_context(unpacking))
        buffered = io.BufferedReader(cast(io.RawIOBase, stream), _CHUNK)
        encoding = _encoding(buffered.peek(64)[:64])
        yield io.TextIOWrapper(buffered, encoding=encoding, newline="", errors=_LATIN)


@contextmanager
def _bytes(path: Path) -> Iterator[IO[bytes]]:
    through = _archive_of(path)
    if through is None:
        with objects.opened(path) if objects.is_url(path) else path.open("rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(through[0]) as archive:
        member = _member(archive, through[1])
        if member is None:
            raise FileNotFoundError(2, "no such member of the archive", str(path))
        with archive.open(member) as unpacked:
            yield unpacked


def _archive_of(path: Path) -> tuple[Path, str] | None:
    for folder in path.parents:
        if folder.suffix.lower() == ".zip" and folder.is_file():
            return folder, path.relative_to(folder).as_posix()
    return None


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo | None:
    files = (info for info in archive.infolist() if not info.is_dir())
    return next((info for info in files if PurePosixPath(info.filename).as_posix() == name), None)


def _encoding(head: bytes) -> str:
    """As a load finds it out, but for what was stated then."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    pairs = head[: len(head) // 2 * 2]
    if len(pairs) >= 16 and not any(pairs[1::2]) and all(pairs[::2]):
        return "utf-16-le"
    if len(pairs) >= 16 and not any(pairs[::2]) and all(pairs[1::2]):
        return "utf-16-be"
    return "utf-8-sig"


def _as_latin(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


_LATIN = "finledger-latin"
codecs.register_error(_LATIN, _as_latin)
