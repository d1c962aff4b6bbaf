"""An export as it lies on disk: hashed, unpacked and looked at once, before any of it is understood.

One pass over the bytes gives the content hash (`source_ref`), unpacks gz and zst into the workspace (a cut-off file is found
here), makes UTF-8 of other encodings, proves UTF-8, and counts lines and control characters, so that the costlier checks run
only on files that need them.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import zstandard

from finledger.core.problem import Problem, SourceRef
from finledger.read.archive import content_hash
from finledger.read.encoding import (
    Bytes,
    Chained,
    NotEncoded,
    Utf8Stream,
    encoding_of,
    first_bytes,
    half_zeros,
    known_by_magic,
)

__all__ = ["Opened", "Progress", "content_hash", "last_line", "open_export", "text_lines"]
_CHUNK = 1 << 20
_HEAD = 1 << 12
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in (9, 10, 13))
_BEFORE_TEXT = b'"_abcdfghijklmnopqrstuvwxyzABCDFGHIJKLMNOPQRSTUVWXYZ'  # none stands before a number in JSON; e is in some
_CONTROL = b"\x01"
_BEFORE_C1, _C1_ENDS = b"\xc2", bytes(range(0x80, 0xA0))  # U+0080 to U+009F in UTF-8
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_DIGITS = bytes(
    48 if 48 <= code < 58 else 46 if code == 46 else 120 if code in _BEFORE_TEXT else 1 if code in _CONTROLS else 32
    for code in range(256)
)  # fmt: skip
# as in exact_json.py, of digits that are all 0
_LONG_WHOLE = b"0" * 20
_LONG_PARTS = re.compile(rb"\.(?:0{8}|(?<=0{8}\.)0)")
_LOOKS = 64


class Progress(Protocol):
    """Hears how many bytes of how many are done and, where they are counted, how many lines those hold."""

    def __call__(self, done: int, total: int, lines: int = 0, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """`path` is the unpacked file. `lines` are physical; `tidy`: only \\n or only \\r\\n end them; `control`: C0, C1 or DEL seen.

    `ended`: the last line has a line end. `encoding`: what the bytes were before they were made UTF-8.
    """

    path: Path
    sha256: str
    size: int
    text: bool
    lines: int = 0
    tidy: bool = True
    control: bool = True
    tabs: bool = False
    ended: bool = True
    encoding: str = "utf-8"
    unfolded: bool = False  # `path` holds the records of a JSON document, one a line: its lines are not the file's
    more: bool = False  # the last page says that another follows
    long: bool | None = True  # JSON may hold a number that a float does not keep; None: nobody has looked through it yet
    unproven: bool = False  # the lines of `path` were cut out of a document by the look of it, which lies at `source`
    source: Path = Path()
    raw: bool = False  # the lines are records as they were written, which the format makes flat while they are read


def open_export(
    path: Path,
    shown_as: str,
    workspace: Path,
    progress: Progress | None = None,
    sha256: str | None = None,
    encoding: str | None = None,
) -> Opened | Problem:
    """Hash (unless `sha256` is known), unpack and look through the file. A problem is the file's: empty, cut off, not UTF-8.

    `encoding`: a codec's name, for text that has no BOM.
    """
    packed = path.suffix.lower() if path.suffix.lower() in (".gz", ".zst") else ""
    name = path.stem if packed else path.name
    text = Path(name).suffix.lower() not in (".parquet", ".xlsx")
    size = path.stat().st_size
    if size == 0:
        return _empty(shown_as)
    scan = _Scan(text, progress, Path(name).suffix.lower() in (".json", ".jsonl", ".ndjson"))
    sha = hashlib.sha256()
    unpacked = path
    try:
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(1))
            hashed = _Hashed(stack.enter_context(path.open("rb", buffering=0)), None if sha256 else sha, pool, size, scan)
            raw = io.BufferedReader(hashed, _CHUNK)
            stream: Bytes = _unpacking(packed, raw, stack)
            copy: BinaryIO | None = None
            if text:
                stream, scan.encoding = _as_utf8(stream, encoding, scan)
            if packed or scan.encoding != "utf-8":
                unpacked = workspace / f"unpacked-{name}"
                copy = stack.enter_context(unpacked.open("wb"))
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                scan.feed(chunk)
                if copy is not None:
                    copy.write(chunk)
            while raw.read(_CHUNK):  # what lies behind the packed stream belongs to the file's hash too
                pass
            hashed.settle()
    except NotEncoded as bad:
        return _not_encoded(bad, scan.lines + bad.before + 1, shown_as)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as broken:
        return Problem(
            "truncated-file", f"the compressed file cannot be unpacked to its end ({broken})", SourceRef(shown_as),
            remedy="fetch the export again: it was cut off or damaged on its way, or is not packed as its name says",
        )  # fmt: skip
    return scan.result(unpacked, sha256 or sha.hexdigest(), size, shown_as)


def last_line(path: Path) -> bytes:
    """The last line of a text file, without its end; of a line that is longer than a record may be, the last 64 MiB."""
    with path.open("rb") as stream:
        stream.seek(0, io.SEEK_END)
        size, found = stream.tell(), b""
        while size > len(found) and b"\n" not in found.rstrip(b"\r\n") and len(found) < 64 * _CHUNK:
            length = min(_CHUNK, size - len(found))
            stream.seek(size - len(found) - length)
            found = stream.read(length) + found
    return found.rstrip(b"\r\n").rpartition(b"\n")[2]


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a text export with their ends, as every line ending that occurs in files cuts them; no BOM."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        yield from stream


def _as_utf8(stream: Bytes, stated: str | None, scan: _Scan) -> tuple[Bytes, str]:
    scan.head = first_bytes(stream, _HEAD)
    chained = Chained(scan.head, stream)
    encoding = encoding_of(scan.head, stated)
    return (chained, encoding) if encoding == "utf-8" else (Utf8Stream(chained, encoding), encoding)


def _unpacking(packed: str, raw: BinaryIO, stack: ExitStack) -> BinaryIO:
    if packed == ".gz":
        return cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=raw)))
    if packed == ".zst":
        return _Zst(raw)  # type: ignore[return-value]
    return raw


class _Hashed(io.RawIOBase):
    """A stream that hashes what passes, on another core, and says how far it is."""

    def __init__(self, stream: BinaryIO, sha: Any, pool: ThreadPoolExecutor, size: int, scan: _Scan) -> None:
        self._stream, self._sha, self._pool, self._size, self._scan = stream, sha, pool, size, scan
        self._done = 0
        self._pending: Future[None] = pool.submit(lambda: None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._pending.result()
        if self._sha is not None:
            self._pending = self._pool.submit(self._sha.update, chunk)
        self._done += len(chunk)
        if self._scan.progress is not None:
            self._scan.progress(self._done, self._size, self._scan.lines)
        return len(chunk)

    def settle(self) -> None:
        """Wait until everything that was read is hashed."""
        self._pending.result()


class _Zst:
    """zstandard's reader ends quietly where the file was cut: ask for the end of the frame."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._object = zstandard.ZstdDecompressor().decompressobj()
        self._left = b""

    def read(self, length: int) -> bytes:
        while True:
            packed = self._left or self._raw.read(_CHUNK // 4)
            if not packed:
                if not self._object.eof:
                    raise EOFError("the file ends inside a zstd frame")
                return b""
            if self._object.eof:
                self._object = zstandard.ZstdDecompressor().decompressobj()
            chunk = self._object.decompress(packed)
            self._left = self._object.unused_data
            if chunk:
                return chunk


class _Scan:
    def __init__(self, text: bool, progress: Progress | None = None, json: bool = False) -> None:
        self.text, self.progress = text, progress
        self.long = not json
        self.encoding = "utf-8"
        self.head = b""
        self.size = self.lines = self.returns = self.pairs = 0
        self.control = self.tabs = False
        self.decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self.last, self.before = b"\n", b""
        self.bad_line = 0
        self.bad_byte = -1

    def feed(self, chunk: bytes) -> None:
        start, self.size = self.size, self.size + len(chunk)
        if not self.text or self.bad_byte >= 0:
            return
        if not chunk.isascii() or self.decoder.getstate()[0]:
            self._decode(chunk, start)
        self.lines += chunk.count(b"\n")
        if b"\r" in chunk or self.last == b"\r":
            self.returns += chunk.count(b"\r")
            self.pairs += chunk.count(b"\r\n") + (self.last == b"\r" and chunk[:1] == b"\n")
        self.tabs = self.tabs or b"\t" in chunk
        if self.long:
            self.control = self.control or len(chunk.translate(None, _CONTROLS)) != len(chunk)
        else:
            digits = (self.before + chunk).translate(_DIGITS)
            self.control = self.control or _CONTROL in digits
            self.long = _holds_long(digits)
            self.before = chunk[-32:]
        self.last = chunk[-1:]

    def _decode(self, chunk: bytes, start: int) -> None:
        held = len(self.decoder.getstate()[0])
        try:
            self.decoder.decode(chunk)
        except UnicodeDecodeError as bad:
            self.bad_byte = start - held + bad.start
            self.bad_line = self.lines + chunk[: max(bad.start - held, 0)].count(b"\n") + 1
            return
        parted = self.last == _BEFORE_C1 and chunk[:1] in _C1_ENDS
        self.control = self.control or parted or (_BEFORE_C1 in chunk and _C1.search(chunk) is not None)

    def result(self, path: Path, sha256: str, size: int, shown_as: str) -> Opened | Problem:
        if self.size == 0:
            return _empty(shown_as)
        if not self.text:
            return Opened(path, sha256, size, False)
        if self.bad_byte < 0 and self.decoder.getstate()[0]:
            self.bad_byte, self.bad_line = self.size - len(self.decoder.getstate()[0]), self.lines + 1
        if self.bad_byte >= 0:
            return _not_utf8(self.bad_byte, self.bad_line, self.head, shown_as)
        if half_zeros(self.head) and self.encoding == "utf-8":
            remedy = "say so with --encoding utf-16-le (or utf-16-be), or save the export as UTF-8"
            message = "the file has zero bytes as UTF-16 has, and no BOM"
            return Problem("not-utf8", message, SourceRef(shown_as, 1), remedy=remedy)
        lines = self.lines + (self.last not in (b"\n", b"\r"))
        tidy = self.returns == self.pairs and self.pairs in (0, self.lines)
        ended = self.last in (b"\n", b"\r")
        return Opened(
            path, sha256, size, True, lines, tidy, self.control, self.tabs, ended, self.encoding, long=self.long
        )  # fmt: skip


def _holds_long(digits: bytes) -> bool:
    """Whether a number of JSON may be long: not one that is part of a text, as ids have digits. Many of those, and it may be."""
    for looks, at in enumerate(_long_places(digits), 1):
        before = digits[max(at - _LOOKS, 0) : at].rstrip(b"0.")
        if not before.endswith(b"x") or looks > _LOOKS:
            return True
    return False


def _long_places(digits: bytes) -> Iterator[int]:
    at = digits.find(_LONG_WHOLE)
    while at >= 0:
        yield at
        at = digits.find(_LONG_WHOLE, at + len(_LONG_WHOLE))
    yield from (found.start() for found in _LONG_PARTS.finditer(digits))


def _empty(shown_as: str) -> Problem:
    return Problem("empty-file", "the file is empty", SourceRef(shown_as), remedy="export it again, or leave it out")


def _not_utf8(byte: int, line: int, head: bytes, shown_as: str) -> Problem:
    where = SourceRef(shown_as, line)
    known = known_by_magic(head)
    if known is not None:
        message = f"the file is no text: by its first bytes it is {known[0]}"
        return Problem("not-utf8", message, SourceRef(shown_as), remedy=f"rename it so that it ends in {known[1]}")
    return Problem(
        "not-utf8", f"the file is not UTF-8: byte {byte:,} cannot be read", where,
        remedy="say what it is with --encoding (cp1252, latin-1, …), or save the export as UTF-8",
    )  # fmt: skip


def _not_encoded(bad: NotEncoded, line: int, shown_as: str) -> Problem:
    where = SourceRef(shown_as, line)
    if bad.cut:
        remedy = "fetch the export again: it was cut off on its way"
        return Problem("truncated-file", f"the file ends inside a character of {bad.encoding}", where, remedy=remedy)
    message = f"the file is not {bad.encoding}: byte {bad.byte:,} cannot be read"
    return Problem("wrong-encoding", message, where, remedy="name its encoding with --encoding, or save the export as UTF-8")
