"""The records of a large JSON document by cutting its text where one ends and the next begins, as the first ones show it.

    {"data": [{"start": 1, "results": [{"id": 1}, {"id": 2}]}, {"start": 2, …]}     cut at `}, {"id":` and at `]}, {"start":`

A cut looks at no character of its own, which takes about a third of what the parser does. It may be wrong, where a text in a record
holds such a place or a record begins in another way. Who reads the lines has to prove that each is one JSON object: a document
whose pieces are whole values, and whose remainder is whole without them, has just these. Otherwise json_records.py does it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from finledger.read.json_records import Step, _after, _comma, _key, _scan, split, within

_PIECE = 4 << 20
_MOST = 32 << 20
_END = re.compile(r"[\]}\s]*\Z")
# DuckDB takes these for JSON, the standard does not: in the compact text, in lower case
_LOOSE = tuple(
    before + mark + word for before in (b":", b",", b"[") for mark in (b"", b"-") for word in (b"nan", b"inf")
)  # fmt: skip


class NoCut(Exception):
    """The text is not one that can be cut."""


def lines(path: Path, steps: tuple[Step, ...], carry: tuple[str, ...]) -> Iterator[str]:
    """The records of a document, one or many a text, each on a line of its own. Raises NoCut, also after the first lines.

    Line ends in a record become tabs, which JSON allows between its tokens only, as it does them.
    """
    if any(step.mapping or not step.names for step in steps) or len(steps) > 2 or (steps and "data" not in steps[0].names):
        raise NoCut
    with path.open(encoding="utf-8-sig", newline="") as stream:
        read = _Reading(stream).more
        text = read()
        try:
            begin = _begin(text, steps)
            where = _Border(text, begin)
        except (ValueError, RecursionError):
            raise NoCut from None
        inside = _Inside(steps[1:], f"{_name(text, begin, steps)}.", carry) if steps[1:] else None
        head, text = text[:begin], text[begin:]
        while more := read():
            *whole, text = where.pieces(text + more)
            if len(text) > _MOST:
                raise NoCut
            yield from _written(where, whole, inside)
            if whole:
                text = where.opening + text
        *whole, last = where.pieces(text)
        yield from _written(where, whole, inside)
        last = (where.opening if whole else "") + last
        try:
            _, end = _scan(last, 0)
            rest = _after(last, end)
            if last[rest : rest + 1] != "]" or list(split(io.BytesIO((head + last[rest:]).encode()), steps, carry)):
                raise NoCut
        except (ValueError, RecursionError):
            raise NoCut from None
        yield from _written(where, [last[: end - len(where.ending)]], inside)


class _Reading:
    """The text of a document, a piece at a time. Raises NoCut where DuckDB may take what is no JSON."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._before = stream, b""

    def more(self) -> str:
        text = self._stream.read(_PIECE)
        compact = self._before + text.encode().translate(None, b" \t\r\n").lower()
        self._before = compact[-8:]
        if b",}" in compact or b",]" in compact:
            raise NoCut
        if (b"nan" in compact or b"inf" in compact) and any(each in compact for each in _LOOSE):
            raise NoCut
        return text


def _begin(text: str, steps: tuple[Step, ...]) -> int:
    """Where the first element of the list at the top begins, or of the list that the first step names."""
    at = _after(text, 0)
    if steps:
        at, _ = _list_in(text, at, steps[0].names)
    if text[at : at + 1] != "[":
        raise NoCut
    return _after(text, at + 1)


def _list_in(text: str, at: int, names: tuple[str, ...]) -> tuple[int, int]:
    """Where, in an object, the list of one of the names begins, and where its key does."""
    if text[at : at + 1] != "{":
        raise NoCut
    at = _after(text, at + 1)
    while True:
        key, place = _key(text, at)
        if key in names and text[place : place + 1] == "[":
            return place, at
        _, place = _scan(text, place)
        at = _after(text, _comma(text, _after(text, place)))


def _name(text: str, begin: int, steps: tuple[Step, ...]) -> str:
    """The name of the list, of those that the first step has."""
    return next(name for name in steps[0].names if re.search(rf'"{re.escape(name)}"\s*:\s*\[\s*\Z', text[:begin]))


class _Border:
    """What stands between two elements of a list: `ending` of one, and `opening` of the next, with its first key."""

    def __init__(self, text: str, at: int) -> None:
        _, end = _scan(text, at)
        following = _after(text, _comma(text, _after(text, end)))
        if text[at : at + 1] != "{" or text[following : following + 1] != "{":
            raise NoCut
        _, next_end = _scan(text, following)
        self.opening = text[following : _key(text, _after(text, following + 1))[1]]
        between = text[end:following]
        first, second = text[at:end], text[following:next_end]
        tail = _END.search(first)
        for ending in ("}", tail[0] if tail else "}"):
            self.ending, self.between = ending, f"{ending}{between}{self.opening}"
            if self.between not in first and self.between not in second:
                return
        raise NoCut

    def pieces(self, text: str) -> list[str]:
        return text.split(self.between)


class _Inside:
    """The records in the list of each element, with what the element says beside them."""

    def __init__(self, steps: tuple[Step, ...], prefix: str, carry: tuple[str, ...]) -> None:
        self._steps, self._prefix, self._carry = steps, prefix, carry
        self._where: _Border | None = None
        self._key = ""

    def lines(self, text: str) -> str:
        """The records of one element, a line each."""
        if self._where is None or self._key not in text:
            return self._known(text)
        start = text.index(self._key) + len(self._key)
        end = text.rindex("]")
        found, _ = within(f"{text[:start]}{{}}{text[end:]}", 0, self._steps, self._prefix, self._carry)
        if len(found) != 1 or found[0].text != "{}":
            return self._known(text)
        along = found[0].line()[1:-1]
        records = text[start:end].strip()
        if not records.startswith("{") or not records.endswith("}"):
            return self._known(text)
        along = f"{', ' if along else ''}{along}}}\n"
        between = f"{self._where.ending[:-1]}{along}{self._where.opening}"
        return f"{records[:-1].replace(self._where.between, between)}{along}"

    def _known(self, text: str) -> str:
        """As the careful way reads it; it shows where to cut the next ones."""
        found, end = within(text, 0, self._steps, self._prefix, self._carry)
        if end != len(text.rstrip()):
            raise NoCut
        if self._where is None and len(found) > 1 and all(each.record and each.value for each in found):
            place, key = _list_in(text, 0, self._steps[0].names)
            self._where, self._key = _Border(text, _after(text, place + 1)), text[key : place + 1]
        return "".join(f"{each.line()}\n" for each in found)


def _written(where: _Border, whole: list[str], inside: _Inside | None) -> Iterator[str]:
    """Elements, of which all but the first lack their opening, and all their ending."""
    if inside is None:
        if whole:
            yield f"{f'{where.ending}{chr(10)}{where.opening}'.join(map(_one_line, whole))}{where.ending}\n"
        return
    opening = ""
    try:
        for each in whole:
            yield inside.lines(_one_line(f"{opening}{each}{where.ending}"))
            opening = where.opening
    except (ValueError, RecursionError):
        raise NoCut from None


def _one_line(text: str) -> str:
    return text.replace("\n", "\t").replace("\r", "\t") if "\n" in text or "\r" in text else text
