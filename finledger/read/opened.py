"""An export as it lies on disk: hashed, unpacked and looked at once, before any of it is understood.

One pass over the bytes gives the content hash (`source_ref`), unpacks gz and zst into the workspace (a cut-off file is found
here), proves UTF-8, and counts lines and control characters, so that the costlier checks run only on files that need them.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from finledger.core.problem import Problem, SourceRef

_CHUNK = 1 << 20
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in (9, 10, 13))
_LONG_NUMBER = 16
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """`path` is the unpacked file. `lines` are physical; `tidy`: only \\n or only \\r\\n end them; `control`: C0, C1 or DEL seen."""

    path: Path
    sha256: str
    size: int
    text: bool
    lines: int = 0
    tidy: bool = True
    control: bool = True
    tabs: bool = False


def content_hash(path: Path) -> str:
    """The sha256 of the file's bytes as they lie there: what `source_ref` and "loaded before" go by."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_export(
    path: Path, shown_as: str, workspace: Path, progress: Progress | None = None, sha256: str | None = None
) -> Opened | Problem:
    """Hash (unless `sha256` is known), unpack and look through the file. A problem is the file's: empty, cut off, not UTF-8."""
    packed = path.suffix.lower() if path.suffix.lower() in (".gz", ".zst") else ""
    name = path.stem if packed else path.name
    text = Path(name).suffix.lower() not in (".parquet", ".xlsx")
    size = path.stat().st_size
    if size == 0:
        return _empty(shown_as)
    scan = _Scan(text)
    sha = hashlib.sha256()
    unpacked = path
    try:
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(1))
            hashed = _Hashed(
                stack.enter_context(path.open("rb", buffering=0)), None if sha256 else sha, pool, size, progress
            )
            raw = io.BufferedReader(hashed, _CHUNK)
            stream = _unpacking(packed, raw, stack)
            copy: BinaryIO | None = None
            if packed:
                unpacked = workspace / f"unpacked-{name}"
                copy = stack.enter_context(unpacked.open("wb"))
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                scan.feed(chunk)
                if copy is not None:
                    copy.write(chunk)
            while raw.read(_CHUNK):  # what lies behind the packed stream belongs to the file's hash too
                pass
            hashed.settle()
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as broken:
        return Problem(
            "truncated-file", f"the compressed file cannot be unpacked to its end ({broken})", SourceRef(shown_as),
            remedy="fetch the export again: it was cut off or damaged on its way, or is not packed as its name says",
        )  # fmt: skip
    return scan.result(unpacked, sha256 or sha.hexdigest(), size, shown_as)


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a text export with their ends, as every line ending that occurs in files cuts them; no BOM."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        yield from stream


def _unpacking(packed: str, raw: BinaryIO, stack: ExitStack) -> BinaryIO:
    if packed == ".gz":
        return cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=raw)))
    if packed == ".zst":
        return _Zst(raw)  # type: ignore[return-value]
    return raw


class _Hashed(io.RawIOBase):
    """A stream that hashes what passes, on another core, and says how far it is."""

    def __init__(self, stream: BinaryIO, sha: Any, pool: ThreadPoolExecutor, size: int, progress: Progress | None) -> None:
        self._stream, self._sha, self._pool, self._size, self._progress = stream, sha, pool, size, progress
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
        if self._progress is not None:
            self._progress(self._done, self._size)
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
    def __init__(self, text: bool) -> None:
        self.text = text
        self.size = self.lines = self.returns = self.pairs = 0
        self.control = self.tabs = False
        self.decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self.last = b"\n"
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
        self.control = self.control or len(chunk.translate(None, _CONTROLS)) != len(chunk)
        self.tabs = self.tabs or b"\t" in chunk
        self.last = chunk[-1:]

    def _decode(self, chunk: bytes, start: int) -> None:
        held = len(self.decoder.getstate()[0])
        try:
            decoded = self.decoder.decode(chunk)
        except UnicodeDecodeError as bad:
            self.bad_byte = start - held + bad.start
            self.bad_line = self.lines + chunk[: max(bad.start - held, 0)].count(b"\n") + 1
            return
        self.control = self.control or any("\x80" <= character <= "\x9f" for character in set(decoded))

    def result(self, path: Path, sha256: str, size: int, shown_as: str) -> Opened | Problem:
        if self.size == 0:
            return _empty(shown_as)
        if not self.text:
            return Opened(path, sha256, size, False)
        if self.bad_byte < 0 and self.decoder.getstate()[0]:
            self.bad_byte, self.bad_line = self.size - len(self.decoder.getstate()[0]), self.lines + 1
        if self.bad_byte >= 0:
            return Problem(
                "not-utf8", f"the file is not UTF-8: byte {self.bad_byte:,} cannot be read", SourceRef(shown_as, self.bad_line),
                remedy="save the export as UTF-8 (iconv -f LATIN1 -t UTF-8 FILE, or the export's own setting)",
            )  # fmt: skip
        lines = self.lines + (self.last not in (b"\n", b"\r"))
        tidy = self.returns == self.pairs and self.pairs in (0, self.lines)
        return Opened(path, sha256, size, True, lines, tidy, self.control, self.tabs)


def _empty(shown_as: str) -> Problem:
    return Problem("empty-file", "the file is empty", SourceRef(shown_as), remedy="export it again, or leave it out")
