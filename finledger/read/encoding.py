"""Text in other encodings than UTF-8, made UTF-8 in a stream: by its BOM, by what was said, or where its zero bytes show it.

Excel's "Unicode text" and what PowerShell writes with `>` are UTF-16. In UTF-16 without a BOM, a header of plain letters has a
zero byte at every second place; nothing else does.
"""

from __future__ import annotations

import codecs
from typing import Protocol

from finledger.core.problem import Misused

_BOMS = (  # the longer ones first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_MAGIC = (
    (b"\x1f\x8b", "gzip", ".gz"),
    (b"\x28\xb5\x2f\xfd", "zstd", ".zst"),
    (b"PK\x03\x04", "a zip archive or a workbook", ".zip or .xlsx"),
    (b"PAR1", "Parquet", ".parquet"),
)
_LOOKED_AT = 256
_LEAST = 16


class Bytes(Protocol):
    """All that is asked of a stream."""

    def read(self, length: int, /) -> bytes: ...


class NotEncoded(Exception):
    """Bytes that the encoding has no characters for. `before`: lines that came before them in the same chunk; `cut`: at the end."""

    def __init__(self, encoding: str, byte: int, before: int, cut: bool) -> None:
        super().__init__(encoding, byte)
        self.encoding, self.byte, self.before, self.cut = encoding, byte, before, cut


def checked(name: str | None) -> str | None:
    """The codec of that name. Raises Misused where there is none, or none that makes text of a stream of bytes."""
    if name is None:
        return None
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        found = None
    if found is None or not getattr(found, "_is_text_encoding", False) or found.incrementaldecoder is None:
        raise Misused(f"there is no encoding {name!r}: write one as cp1252, latin-1, utf-16-le or shift_jis")
    return found.name


def encoding_of(head: bytes, stated: str | None = None) -> str:
    """A BOM says it; else what was stated; else zero bytes at every second place say UTF-16; else it is to be UTF-8."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    if stated is not None:
        return stated
    looked_at = head[: min(len(head) // 2 * 2, _LOOKED_AT)]
    evens, odds = looked_at[::2], looked_at[1::2]
    if len(looked_at) >= _LEAST and not any(odds) and all(evens):
        return "utf-16-le"
    if len(looked_at) >= _LEAST and not any(evens) and all(odds):
        return "utf-16-be"
    return "utf-8"


def half_zeros(head: bytes) -> bool:
    """Whether so many of the first bytes are zero that it may be UTF-16, and cannot be anything in UTF-8."""
    looked_at = head[:4096]
    return len(looked_at) >= _LEAST and looked_at.count(0) * 4 >= len(looked_at)


def known_by_magic(head: bytes) -> tuple[str, str] | None:
    """What a file that is no text is by its first bytes, and how its name should end."""
    return next(((what, suffix) for magic, what, suffix in _MAGIC if head.startswith(magic)), None)


class Utf8Stream:
    """A stream in another encoding, read as UTF-8; without its BOM. Raises NotEncoded."""

    def __init__(self, stream: Bytes, encoding: str) -> None:
        self._stream, self._encoding = stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._read = 0
        self._begun = False

    def read(self, length: int, /) -> bytes:
        while True:
            chunk = self._stream.read(length)
            self._read += len(chunk)
            try:
                text = self._decoder.decode(chunk, not chunk)
                if text and not self._begun:
                    self._begun = True
                    text = text.removeprefix("\ufeff")
                converted = text.encode()
            except UnicodeError as bad:
                raise self._refused(bad, chunk) from None
            if converted or not chunk:
                return converted

    def _refused(self, bad: UnicodeError, chunk: bytes) -> NotEncoded:
        if not isinstance(bad, UnicodeDecodeError):
            return NotEncoded(self._encoding, self._read - len(chunk), 0, False)
        before = bad.object[: bad.start].decode(self._encoding, "ignore").count("\n")
        return NotEncoded(self._encoding, self._read - len(bad.object) + bad.start, before, not chunk)


class Chained:
    """What was read of a stream to look at it, and then the rest."""

    def __init__(self, head: bytes, stream: Bytes) -> None:
        self._head, self._stream = head, stream

    def read(self, length: int, /) -> bytes:
        head, self._head = self._head, b""
        return head or self._stream.read(length)


def first_bytes(stream: Bytes, wanted: int) -> bytes:
    """As many bytes as are wanted, unless the stream is shorter: some streams give a few at a time."""
    found = b""
    while len(found) < wanted:
        more = stream.read(wanted - len(found))
        if not more:
            break
        found += more
    return found
