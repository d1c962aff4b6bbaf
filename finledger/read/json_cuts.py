"""The records of a large JSON document by cutting its text where one ends and the next begins, as the first ones show it.

    {"data": [{"start": 1, "results": [{"id": 1}, {"id": 2}]}, {"start": 2, …]}     cut at `}, {"id":` and at `]}, {"start": 2, …[`

A cut looks at no character of its own, and takes a tenth of what the parser does. It may be wrong, where a text in a record
holds such a place or a record begins in another way. Who reads the lines has to prove that each is one JSON object (`odd_line`): a
document whose pieces are whole values, and whose remainder is whole without them, has just these. Otherwise json_records.py does it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress, repeat
from pathlib import Path
from typing import BinaryIO, Protocol

from finledger.read.columns import literal
from finledger.read.json_records import Step, _after, _comma, _key, _scan, split

_PIECE = 4 << 20
_MOST = 32 << 20
_DEEP = 500  # the parser of documents refuses what is nested deeper than it goes
_SHOWN = 50
_BLANKS = b" \t\r\n"
_BLANK = "[ \t\r\n]*"
_END = re.compile(r"[\]}\s]*\Z")
_TWO = re.compile(rf"\}}{_BLANK},{_BLANK}\{{".encode())
_PLAIN = r'[^"\\\x00-\x1f]*'
_TEXT = rf'"{_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){_PLAIN})*"'
_SCALAR = rf"(?:{_TEXT}|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)"
_WORDS = ("nan", "NaN", "NAN", "inf", "Inf", "INF")  # as programs write them
Read = Callable[[], bytes]


class NoCut(Exception):
    """The text is not one that can be cut."""


def odd_line(line: str) -> str:
    """SQL: whether a line that was cut out is no object, or one to DuckDB but not to the standard, or deeper than its parser goes."""
    # names that begin so (`inference_geo`) are no such word, and would have every line looked at
    looked = f"regexp_matches({line}, '[:,\\[][ \\t]*-?(?i:nan|inf)')"
    else_named = (
        f"list_transform([replace({line}, '\"inf', '')], lambda t: CASE WHEN {_with_words('t')} THEN {looked} END)[1]"
    )
    opened = f"length({line}) - length(replace(replace({line}, '{{', ''), '[', ''))"
    return (
        f"NOT starts_with({line}, '{{') OR regexp_matches({line}, ',[ \\t]*[}}\\]]') "
        f"OR CASE WHEN {_with_words(line)} THEN coalesce({else_named}, false) ELSE false END "
        f"OR CASE WHEN strlen({line}) > {2 * _DEEP} THEN {opened} > {_DEEP} ELSE false END"
    )


def _with_words(text: str) -> str:
    return " OR ".join(f"contains({text}, {literal(word)})" for word in _WORDS)


def lines(path: Path, steps: tuple[Step, ...], carry: tuple[str, ...]) -> Iterator[bytes]:
    """The records of a document, many a text, each on a line of its own. Raises NoCut, also after the first lines.

    Line ends in a record become tabs, which JSON allows between its tokens only, as it does them.
    """
    if len(steps) > 2 or (steps and (steps[0].mapping or "data" not in steps[0].names)):
        raise NoCut
    with path.open("rb") as stream:
        yield from _cut(_pieces(stream, b"\n", b"\r"), _of_document, steps, carry)


def page_lines(path: Path, steps: tuple[Step, ...], carry: tuple[str, ...]) -> Iterator[bytes]:
    """The records of JSON lines that are pages or buckets, many a text, each on a line of its own. Raises NoCut."""
    names = [step.names for step in steps if not step.mapping]
    if carry or len(names) != len(steps) or names[:-1] not in ([], [("data",)]) or not all(names) or not names:
        raise NoCut
    with path.open("rb") as stream:
        yield from _cut(_pieces(stream, b"\r"), _of_lines, steps, carry)


def _pieces(stream: BinaryIO, *ends: bytes) -> Read:
    """The text a piece at a time, without a BOM, with tabs for line ends."""
    if stream.read(3) != b"\xef\xbb\xbf":
        stream.seek(0)

    def more() -> bytes:
        text = stream.read(_PIECE)
        for end in ends:
            text = text.replace(end, b"\t")
        return text

    return more


class _Cut(Protocol):
    """`lines`: those of the records that end in the text so far. `last`: the others, and what follows them."""

    def lines(self, text: bytes) -> bytes: ...

    def last(self) -> tuple[bytes, bytes]: ...


@dataclass(frozen=True, slots=True)
class _Opening:
    """`cut` takes the text from `at` on; with `before` in front of it, what follows the last record is a document without any."""

    at: int
    before: str
    cut: _Cut


def _cut(
    read: Read, begun: Callable[[str, tuple[Step, ...]], _Opening], steps: tuple[Step, ...], carry: tuple[str, ...]
) -> Iterator[bytes]:
    text = read()
    try:
        first = text.decode("utf-8", "ignore")  # a piece may end in a character
        opening = begun(first, steps)
        text = text[len(first[: opening.at].encode()) :]
        while text:
            yield opening.cut.lines(text)
            text = read()
        last, tail = opening.cut.last()
        if list(split(io.BytesIO(opening.before.encode() + tail), steps, carry)):
            raise NoCut
    except (ValueError, RecursionError):
        raise NoCut from None
    yield last


def _of_document(text: str, steps: tuple[Step, ...]) -> _Opening:
    at, name = _after(text, 0), ""
    if steps:
        at, name = _list_in(text, at, steps[0].names)
    if text[at : at + 1] != "[":
        raise NoCut
    at = _after(text, at + 1)
    if not steps[1:]:
        return _Opening(at, text[:at], _Records(_borders(text, at)))
    if not steps[1].mapping:
        return _buckets(text, _shell(text, at, steps[1].names, f"{name}."), f"{_BLANK},{_BLANK}")
    if steps[1].names:
        raise NoCut
    return _mapping(text, at, f"{name}.key")


def _of_lines(text: str, steps: tuple[Step, ...]) -> _Opening:
    page = _shell(text, _after(text, 0), steps[0].names, "", held="data" not in steps[0].names)
    following = rf"[ \t]*\n{_BLANK}"
    if steps[1:]:
        following = rf"{_BLANK}(?:,|(?:{page.behind}{following}{page.before})+){_BLANK}"
        page = _shell(text, page.begin, steps[1].names, "data.")
    return _buckets(text, page, following)


def _list_in(text: str, at: int, names: tuple[str, ...]) -> tuple[int, str]:
    """Where, in an object, the list of one of the names begins, and the name."""
    if text[at : at + 1] != "{":
        raise NoCut
    at = _after(text, at + 1)
    while True:
        key, place = _key(text, at)
        if key in names and text[place : place + 1] == "[":
            return place, key
        _, place = _scan(text, place)
        at = _after(text, _comma(text, _after(text, place)))


@dataclass(frozen=True, slots=True)
class _Border:
    """What stands between two records of a list: `ending` of one, and `opening` of the next, with its first key."""

    ending: bytes
    between: bytes
    opening: bytes

    def parted(self, text: bytes) -> bytes:
        return text.replace(self.between, self.ending + b"\n" + self.opening)


@dataclass(frozen=True, slots=True)
class _Borders:
    """The same, of records that begin in several ways: `between` has the opening as its group."""

    between: re.Pattern[bytes]

    def parted(self, text: bytes) -> bytes:
        records, openings = _in_turn(self.between.split(text), 2)
        return _woven(records, [b"}\n"] * len(openings), openings)


def _first_records(text: str, at: int) -> tuple[list[str], list[str], str]:
    """The first records, how they begin, and what stands between them."""
    shown: list[str] = []
    openings: list[str] = []
    gap = ""
    for _ in range(_SHOWN):
        if text[at : at + 1] != "{":
            raise NoCut
        try:
            _, end = _scan(text, at)
        except ValueError:
            break  # the piece ends in it
        openings.append(text[at : _key(text, _after(text, at + 1))[1]])
        shown.append(text[at:end])
        following = _after(text, end)
        if text[following : following + 1] != ",":
            break
        following = _after(text, following + 1)
        gap, at = text[end:following], following
    return shown, openings, gap


def _border(text: str, at: int) -> _Border:
    """As the first records show it."""
    shown, openings, gap = _first_records(text, at)
    for ending in ("}", _END.findall(shown[0])[0]) if len({*openings[1:]}) == 1 else ():
        between = f"{ending}{gap}{openings[1]}"
        if not any(between in each for each in shown):
            return _Border(ending.encode(), between.encode(), openings[1].encode())
    raise NoCut


def _borders(text: str, at: int) -> _Border | _Borders:
    """The same, also where they begin in several ways: by these, or by the end of a line between them."""
    with suppress(NoCut):
        return _border(text, at)
    shown, openings, gap = _first_records(text, at)
    begin = r"\{" if "\t" in gap else "|".join(map(re.escape, sorted({*openings})))
    between = rf"\}}{re.escape(gap)}({begin})"
    if len(openings) < 2 or any(re.search(between, each) for each in shown):
        raise NoCut
    return _Borders(re.compile(between.encode()))


def _in_turn(parts: list[bytes], count: int) -> list[list[bytes]]:
    """What a split gives, by what it is: the texts between the places, and each group of these."""
    return [parts[at::count] for at in range(count)]


def _woven(*columns: list[bytes]) -> bytes:
    """One of each column after the other, as long as there are any: a million pieces put together without a step for each."""
    rows = len(columns[0])
    pieces = [b""] * (rows * len(columns))
    for at, column in enumerate(columns):
        pieces[at :: len(columns)] = column + [b""] * (rows - len(column))
    return b"".join(pieces)


def _rest(text: bytes, end: str) -> tuple[bytes, bytes]:
    """Records, as they are parted by commas, and what follows them, which begins with the end of what holds them."""
    read = text.decode()
    at = _after(read, 0)
    while read[at : at + 1] != end:
        at = _after(read, _scan(read, at)[1])
        if read[at : at + 1] != end:
            at = _after(read, _comma(read, at))
    records = read[:at].encode()
    return records.rstrip(_BLANKS), text[len(records) :]


def _short(text: bytes) -> bytes:
    if len(text) > _MOST:
        raise NoCut
    return text


class _Records:
    """The records of one list."""

    def __init__(self, border: _Border | _Borders) -> None:
        self._border, self._open = border, b""

    def lines(self, text: bytes) -> bytes:
        whole, end, opened = self._border.parted(self._open + text).rpartition(b"\n")
        self._open = _short(opened)
        return whole + end

    def last(self) -> tuple[bytes, bytes]:
        record, tail = _rest(self._open, "]")
        return record + b"\n", tail


class _Mapping:
    """The records of mappings in a list, each with its key."""

    def __init__(self, name: str, key: str, opening: str) -> None:
        begin, self._name = f"{{{name}: ", name.encode()
        self._open = f"{begin}{key}, ".encode()
        following = rf"\}}{_BLANK}(?:,|\}}{_BLANK},{_BLANK}\{{){_BLANK}"
        self._border = re.compile(rf"{following}({_TEXT}){_BLANK}:{_BLANK}\{{{_BLANK}{re.escape(opening)}".encode())
        self._before_key, self._behind_key = f"}}\n{begin}".encode(), f", {opening}".encode()

    def lines(self, text: bytes) -> bytes:
        if self._name in text:
            raise NoCut
        records, keys = _in_turn(self._border.split(self._open + text), 2)
        parted = _woven(records, [self._before_key] * len(keys), keys, [self._behind_key] * len(keys))
        whole, end, opened = parted.rpartition(b"\n")
        self._open = _short(opened)
        return whole + end

    def last(self) -> tuple[bytes, bytes]:
        record, tail = _rest(self._open, "}")
        return record + b"\n", tail


def _mapping(text: str, at: int, name: str) -> _Opening:
    if text[at : at + 1] != "{":
        raise NoCut
    begin = _after(text, at + 1)
    key = text[begin : _scan(text, begin)[1]]
    place = _key(text, begin)[1]
    first = _after(text, place + 1)
    if text[place : place + 1] != "{" or text[first : first + 1] != '"':
        raise NoCut
    opening = text[first : _key(text, first)[1]]
    return _Opening(first, text[: at + 1], _Mapping(json.dumps(name), key, opening))


@dataclass(frozen=True, slots=True)
class _Shell:
    """What stands before and behind the list of an element, as one shows it: the same keys in the same order, and other scalars.

    `begin` is where the list begins in it, `keys` are of what each record of the list is given along.
    """

    before: str
    behind: str
    begin: int
    keys: tuple[str, ...]


def _shell(text: str, at: int, names: tuple[str, ...], prefix: str, *, held: bool = True) -> _Shell:
    if text[at : at + 1] != "{":
        raise NoCut
    parts, begin = [""], 0
    keys: list[str] = []
    end = _after(text, at + 1)
    while text[end : end + 1] != "}":
        key, place = _key(text, _after(text, _comma(text, end)) if keys else end)
        if text[place : place + 1] not in ("[", "{"):
            parts[-1] += re.escape(text[at:place]) + (f"({_SCALAR})" if held else _SCALAR)
        elif key in names and text[place] == "[" and not begin:
            parts[-1] += re.escape(text[at : place + 1]) + _BLANK
            parts.append(r"\]")
            begin = _after(text, place + 1)
        else:
            raise NoCut
        keys.append(key)
        at = _scan(text, place)[1]
        end = _after(text, at)
    if not begin or len({*keys}) != len(keys):
        raise NoCut
    along = tuple(f"{prefix}{key}" for key in keys if key not in names) if held else ()
    return _Shell(parts[0], parts[1] + re.escape(text[at : end + 1]), begin, along)


class _Buckets:
    """The records in the lists of elements that are alike, with what each element says beside them."""

    def __init__(self, shell: _Shell, following: str, held: tuple[bytes, ...]) -> None:
        self._behind = re.compile(shell.behind.encode())
        self._split = re.compile(f"{shell.behind}{following}{shell.before}".encode()).split
        self._groups, self._later = self._behind.groups + len(held), self._behind.groups
        self._along = "".join(f", {json.dumps(key).replace('%', '%%')}: %s" for key in shell.keys).encode() + b"}\n"
        self._held, self._open = held, b""
        self._border: _Border | None = None

    def lines(self, text: bytes) -> bytes:
        *parts, opened = self._split(self._open + text)
        self._open = _short(opened)
        lists, *groups = _in_turn(parts, self._groups + 1)
        # what a list's element says before it stands in front of its place, and what it says behind in the place itself
        behind, before = groups[: self._later], groups[self._later :]
        along = [[held, *column] for held, column in zip(self._held, before, strict=True)]
        self._held = tuple(column.pop() for column in along)
        every = b"\n".join(lists)
        if self._border is None and _TWO.search(every):
            self._border = next(self._shown(lists), None)
        if self._border is None or self._border.between not in every:
            return self._single(lists, [*along, *behind])
        said = zip(*along, *behind, strict=True) if groups else repeat(())
        return b"".join(map(self._records, lists, said))

    def last(self) -> tuple[bytes, bytes]:
        records, tail = _rest(self._open, "]")
        behind = self._behind.match(tail)
        if behind is None:
            raise NoCut
        self._border = self._border or next(self._shown([self._open]), None)
        return self._records(records, (*self._held, *behind.groups())), tail

    def _shown(self, lists: list[bytes]) -> Iterator[_Border]:
        for listed in lists:
            with suppress(NoCut):  # of a list inside its one record
                if _TWO.search(listed):
                    yield _border(listed.decode(), 0)

    def _single(self, lists: list[bytes], along: list[list[bytes]]) -> bytes:
        """Lists of one record each, or of none."""
        filled = [listed.rstrip(_BLANKS) for listed in lists]
        if not all(filled):
            along = [list(compress(column, filled)) for column in along]
            filled = [*filter(None, filled)]
        if not all(listed.endswith(b"}") for listed in filled):
            raise NoCut
        between = self._along.split(b"%s")
        columns = [[listed[:-1] for listed in filled], [between[0].replace(b"%%", b"%")] * len(filled)]
        for column, text in zip(along, between[1:], strict=True):
            columns += [column, [text.replace(b"%%", b"%")] * len(filled)]
        return _woven(*columns)

    def _records(self, listed: bytes, along: tuple[bytes, ...]) -> bytes:
        listed = listed.rstrip(_BLANKS)
        if not listed:
            return b""
        if not listed.endswith(b"}"):
            raise NoCut
        end = self._along % along
        border = self._border
        if border is None:
            return listed[:-1] + end
        return listed[:-1].replace(border.between, border.ending[:-1] + end + border.opening) + end


def _buckets(text: str, shell: _Shell, following: str) -> _Opening:
    """Elements like the first one, which begins where `text` has its shell."""
    before = re.compile(f"{shell.before}\\Z").search(text[: shell.begin])
    if before is None:
        raise NoCut
    held = tuple(each.encode() for each in before.groups())
    return _Opening(shell.begin, text[: shell.begin], _Buckets(shell, following, held))
