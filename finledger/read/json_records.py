"""The records of a JSON text, each cut out as it is written there.

    {"data": [{"start_time": 1, "results": [{…}, {…}]}, …]}     by data[].results[]: each {…}, with data.start_time beside it

The text is read in pieces. Python's own scanner finds where a value ends, many times faster than a parser of events, and a record
that is cut out keeps its numbers as they are written. Held are a piece, and the element of the first list that goes beyond it.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, BinaryIO

_PIECE = 1 << 18
_SMALL = 4 << 20
_MOST = 256 << 20  # characters; a larger value has no end, or is not one of a list of records
_NEAR_END = 16  # a mistake this near to the end may be a word or an escape that goes on
_BLANK = re.compile(r"[ \t\r\n]*")
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.S)
Json = Any
Read = Callable[[str, int], tuple[Any, int]]


class NoJson(ValueError):
    """The text is no JSON, or ends too early."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step to the records: a list, or a mapping, by one of its names; without names, the value itself."""

    names: tuple[str, ...]
    mapping: bool


@dataclass(slots=True)
class Found:
    """A value where a record lies, as it is written, and what it is carried along with, by name: its value and its text."""

    value: Json
    text: str
    record: bool = True
    along: dict[str, tuple[Json, str]] = field(default_factory=dict)

    def whole(self) -> dict[str, Json]:
        return {**{name: value for name, (value, _) in self.along.items()}, **self.value}

    def told(self) -> str:
        """What lies where a record should and is none."""
        return json.dumps(self.value)[:1000]

    def line(self) -> str:
        """The record on one line; what is none, as a text, which is refused as such."""
        if not self.record:
            return json.dumps(self.told())
        text = self.text
        if self.along:
            along = ", ".join(f"{json.dumps(name)}: {written}" for name, (_, written) in self.along.items())
            text = f"{text[:-1]}{', ' if self.value else ''}{along}}}"
        if "\n" in text or "\r" in text:
            text = text.replace("\n", " ").replace("\r", " ")  # no text in JSON holds one
        return text


def _no_number(word: str) -> Json:
    raise NoJson(f"{word} is no JSON")


_scan_once: Read = json.JSONDecoder(parse_float=str, parse_constant=_no_number).scan_once  # type: ignore[attr-defined]


def _scan(text: str, at: int) -> tuple[Json, int]:
    try:
        return _scan_once(text, at)
    except StopIteration as wrong:
        raise JSONDecodeError("Expecting value", text, wrong.value) from None


def split(stream: BinaryIO, steps: tuple[Step, ...], carry: tuple[str, ...]) -> Iterator[Found]:
    """Every record of a document, or of several one after the other, in order. Raises NoJson."""
    source = _Source(stream)
    try:
        while source.next():
            if source.next() != "[":
                yield from _page(source, steps, carry)
                continue
            for _ in source.elements():
                yield from _page(source, steps, carry)
    except (ValueError, RecursionError) as wrong:
        raise NoJson(str(wrong).splitlines()[0][:120]) from None


def within(
    text: str, at: int, steps: tuple[Step, ...], prefix: str, carry: tuple[str, ...], *, top: bool = False
) -> tuple[list[Found], int]:
    """The records in the value at a place of the text, and where it ends. Raises JSONDecodeError, also where the text ends.

    `top`: the value is a page. What stands beside its `data` is its own (has_more, next_page), and no record's.
    """
    if not steps or (steps[0].names and text[at : at + 1] != "{"):
        value, end = _value(text, at)
        return [Found(value, text[at:end], not steps and isinstance(value, dict))], end
    step, rest = steps[0], steps[1:]
    if not step.names:
        return _held(text, at, step, rest, prefix, carry)
    by_name: dict[str, list[Found]] = {}
    along: dict[str, tuple[Json, str]] = {}
    filled = False  # a list that is not the one meant

    def member(key: str, place: int) -> int:
        nonlocal filled
        if key in step.names and text[place : place + 1] == ("{" if step.mapping else "["):
            by_name[key], end = _held(text, place, step, rest, f"{prefix}{key}.", carry)
            return end
        value, end = _scan(text, place)
        filled = filled or (isinstance(value, list) and bool(value)) or (key in step.names and value is not None)
        missed[key] = value
        if not isinstance(value, dict | list) or f"{prefix}{key}" in carry:
            along[f"{prefix}{key}"] = (value, text[place:end])
        return end

    missed: dict[str, Json] = {}
    end = _members(text, at, member)
    name = next((name for name in step.names if name in by_name), "")
    if not name:
        empty = any(each in missed and missed[each] is None for each in step.names)
        return [Found(missed, text[at:end], False)] if filled or (top and not empty) else [], end
    for each in by_name[name] if along and not (top and name == "data") else ():
        each.along = {**along, **each.along}
    return by_name[name], end


def _value(text: str, at: int) -> tuple[Json, int]:
    try:
        return _scan(text, at)
    except RecursionError:
        depth = 0
        for mark in _MARKS.finditer(text, at):
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(mark[0], 0)
            if depth == 0:
                return "a record that is nested too deep", mark.end()
        raise JSONDecodeError("Unterminated string or value", text, at) from None


def _held(
    text: str, at: int, step: Step, rest: tuple[Step, ...], prefix: str, carry: tuple[str, ...]
) -> tuple[list[Found], int]:
    """The records in the elements of a list or a mapping; what is neither is told as it is."""
    if text[at : at + 1] != ("{" if step.mapping else "["):
        value, end = _scan(text, at)
        return [] if value is None else [Found(value, text[at:end], False)], end
    found: list[Found] = []

    def element(key: str, place: int) -> int:
        inner, end = within(text, place, rest, prefix, carry)
        for each in inner if step.mapping else ():
            each.along = {f"{prefix}key": (key, json.dumps(key)), **each.along}
        found.extend(inner)
        return end

    return found, (_members if step.mapping else _elements)(text, at, element)


def _members(text: str, at: int, each: Callable[[str, int], int]) -> int:
    """Call with every key and where its value begins; `each` says where it ends. Returns where the object ends."""
    at = _after(text, at + 1)
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        key, at = _key(text, at)
        at = _after(text, each(key, at))
        if text[at : at + 1] == "}":
            return at + 1
        at = _after(text, _comma(text, at))


def _elements(text: str, at: int, each: Callable[[str, int], int]) -> int:
    at = _after(text, at + 1)
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        at = _after(text, each("", at))
        if text[at : at + 1] == "]":
            return at + 1
        at = _after(text, _comma(text, at))


def _after(text: str, at: int) -> int:
    """The next place that is not blank."""
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _comma(text: str, at: int) -> int:
    if text[at : at + 1] != ",":
        raise JSONDecodeError("Expecting ',' delimiter", text, at)
    return at + 1


def _key(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        raise JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
    key, at = scanstring(text, at + 1, True)
    at = _after(text, at)
    if text[at : at + 1] != ":":
        raise JSONDecodeError("Expecting ':' delimiter", text, at)
    return key, _after(text, at + 1)


def _page(source: _Source, steps: tuple[Step, ...], carry: tuple[str, ...]) -> Iterator[Found]:
    """The records of one value at the top. One that has none of the names, as an API's error is one, is handed on as it is."""
    if steps and "data" not in steps[0].names:  # a bucket: what stands beside its records is theirs too
        small = source.small(lambda text, at: within(text, at, steps, "", carry, top=True))
        if small is not None:
            yield from small
            return
    if not steps or source.next() != "{":
        yield from source.take(lambda text, at: within(text, at, steps, "", carry))
        return
    step, rest = steps[0], steps[1:]
    others: dict[str, Json] = {}
    known = False
    for key in source.members():
        if key not in step.names or known or source.next() != ("{" if step.mapping else "["):
            others[key] = source.take(_scan)
            continue
        known = True
        for name in source.members() if step.mapping else source.elements():
            found = source.take(lambda text, at, key=key: within(text, at, rest, f"{key}.", carry))  # type: ignore[misc]
            for each in found if step.mapping else ():
                each.along = {f"{key}.key": (name, json.dumps(name)), **each.along}
            yield from found
    if not known:
        yield Found(others, "", False)


class _Source:
    """The text of a stream, a piece at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._ended = "", 0, False
        self._fill(_PIECE)
        self._text = self._text.removeprefix("\ufeff")

    def next(self) -> str:
        """The character at the next place that is not blank; "" at the end."""
        while True:
            self._at = _after(self._text, self._at)
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._fill(_PIECE)

    def take(self, read: Read) -> Any:
        """What is read from here on, with as much of the text as that takes."""
        size = _PIECE
        while True:
            try:
                found, end = read(self._text, self._at)
                if end < len(self._text) or self._ended:
                    self._at = end
                    return found
            except JSONDecodeError as wrong:
                if self._ended or not self._cut(wrong):
                    raise NoJson(wrong.msg) from None
            self._fill(size)
            size *= 2

    def small(self, read: Read) -> Any:
        """What is read from here on, if a few megabytes hold it; otherwise None, and nothing is read."""
        self.next()
        while True:
            try:
                found, end = read(self._text, self._at)
                if end < len(self._text) or self._ended:
                    self._at = end
                    return found
            except JSONDecodeError as wrong:
                if self._ended or not self._cut(wrong):
                    raise NoJson(wrong.msg) from None
            if len(self._text) - self._at >= _SMALL:
                return None
            self._fill(_SMALL)

    def elements(self) -> Iterator[str]:
        """Stop at the beginning of each element of a list; who is told takes it."""
        yield from self._each("]", lambda: "")

    def members(self) -> Iterator[str]:
        """Stop at the beginning of each value of an object, with its key."""
        yield from self._each("}", lambda: str(self.take(_key)))

    def _each(self, end: str, name: Callable[[], str]) -> Iterator[str]:
        self._at += 1
        if self.next() == end:
            self._at += 1
            return
        while True:
            found = name()
            self.next()
            yield found
            mark = self.next()
            self._at += 1
            if mark == end:
                return
            if mark != ",":
                raise NoJson("it ends too early" if mark == "" else f"{mark!r} where a comma should be")
            self.next()

    def _cut(self, wrong: JSONDecodeError) -> bool:
        """Whether the text may go on where it went wrong."""
        return wrong.msg.startswith("Unterminated string") or wrong.pos >= len(self._text) - _NEAR_END

    def _fill(self, size: int) -> None:
        piece = self._stream.read(size)
        self._ended = not piece
        self._text = self._text[self._at :] + self._decoder.decode(piece, self._ended)
        self._at = 0
        if len(self._text) > _MOST:
            raise NoJson(f"a value is longer than {_MOST >> 20} million characters")
