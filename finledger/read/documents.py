"""JSON that is not one record a line: pages, lists, pretty-printed documents, records inside records.

A format says where its records lie (`RECORDS`: `data[].results[]`, `data[]{}` for the values of a mapping, "" for the top).
They are written one a line into the workspace, with the fields of what holds them under their path (`data.start_time`), and
read from there like any JSON lines. The document is read in pieces (json_records.py), so that its size does not matter; a number
keeps its digits. What lies where a record should and is none becomes a line that is no object, and is rejected as such.
"""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from finledger.core.problem import Problem, SourceRef
from finledger.core.records import HOLDERS
from finledger.read import json_cuts
from finledger.read.json_records import Found, NoJson, Step, split, within

_SAMPLE_BYTES = 4 << 20
HEADS = (1 << 17, _SAMPLE_BYTES)  # how much of a text is looked at: a little, and more where that has too few records
_SAMPLE = 50
Shape = Callable[[dict[str, Any]], Iterable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class InSql:
    """What a shape does to ordinary records, in SQL (flat_lines.py). `query`, of a relation of lines and of SQL of whether one is
    JSON, has `flat` beside, a record of `names`, or NULL where the shape is to be asked; `functions` are Python's that it calls."""

    names: tuple[str, ...]
    query: Callable[[str, str], str]
    functions: Mapping[str, Callable[[str], str]]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a format's records lie: the paths that are tried, what to carry along, and how one becomes flat records."""

    paths: tuple[str, ...] = ("",)
    carry: tuple[str, ...] = ()
    shape: Shape | None = None
    in_sql: InSql | None = None

    @property
    def plain(self) -> bool:
        """Whether a line may be a record as it stands."""
        return self.shape is None and "" in self.paths


def is_document(path: Path) -> bool:
    """Whether a JSON text is anything but one object a line."""
    with path.open("rb") as stream:
        lines = (line.strip(b"\xef\xbb\xbf \t\r\n") for line in iter(lambda: stream.readline(_SAMPLE_BYTES), b""))
        filled = list(itertools.islice(filter(None, lines), 2))
    if not filled or not filled[0].startswith(b"{"):
        return bool(filled) and filled[0].startswith(b"[")
    try:
        if not filled[0].endswith(b"}"):
            raise ValueError  # before all of it is parsed
        json.loads(filled[0])
    except (ValueError, RecursionError):
        # `{"data": [` with a record a line below it is a document, too
        if len(filled) < 2:
            return not filled[0].endswith(b"}")  # a line that ends is one with something wrong in it
        return not filled[1].startswith(b"{") or filled[0].endswith((b"[", b"{", b","))
    return False


def sampled(path: Path, document: bool, places: Places, record_path: str, size: int) -> tuple[frozenset[str], bool]:
    """The names in the first records at a path: what a format is detected by; and whether the first bytes hold enough of them."""
    with path.open("rb") as stream:
        head = stream.read(size)
    names: set[str] = set()
    count = 0
    found = records(io.BytesIO(head), document, record_path, places)
    try:
        for record in itertools.islice(found, _SAMPLE):
            names.update(record if isinstance(record, dict) else ())
            count += 1
    except (NoJson, RecursionError):
        pass  # the sample ends inside a value
    return frozenset(names), count == _SAMPLE


def empty_bucket(path: Path) -> frozenset[str] | None:
    """The names in the first bucket of pages whose buckets all hold an empty list of results; none of pages without any bucket.

    None where the pages hold something, or are none.
    """
    if path.stat().st_size > _SAMPLE_BYTES:
        return None
    text = path.read_bytes().decode("utf-8-sig", "replace")
    try:
        pages = [json.loads(text)]
    except (ValueError, RecursionError):
        try:
            pages = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            return None
    listed = [page.get("data") if isinstance(page, dict) else None for page in pages]
    buckets = [bucket for page in listed if isinstance(page, list) for bucket in page]
    empty = [bucket for bucket in buckets if isinstance(bucket, dict) and bucket.get("results", bucket.get("result")) == []]
    if not listed or not all(isinstance(page, list) for page in listed) or len(empty) < len(buckets):
        return None
    return frozenset(empty[0] if empty else ())


def unfold(path: Path, document: bool, record_path: str, places: Places, target: Path, shown_as: str) -> Problem | None:
    """Write the records one a line. A problem: the text is cut off, or is no JSON."""
    try:
        with path.open("rb") as stream, target.open("w", encoding="utf-8", newline="\n") as out:
            if places.shape is None:
                out.writelines(
                    (found.line() if isinstance(found, Found) else json.dumps(found[:1000])) + "\n"
                    for found in _found(stream, document, record_path, places)
                )
            else:
                out.writelines(flat_line(record) + "\n" for record in records(stream, document, record_path, places))
    except (NoJson, RecursionError) as wrong:
        return bad_json(str(wrong), shown_as)
    return None


def unfold_part(path: Path, start: int, end: int, record_path: str, places: Places, target: Path) -> None:
    """Write the flat records of the lines that begin in a part of the file, one a line."""
    with path.open("rb") as stream, target.open("w", encoding="utf-8", newline="\n") as out:
        found = _of_lines(_begun_in(stream, start, end), _steps(record_path), places.carry)
        out.writelines(flat_line(record) + "\n" for record in _shaped(found, places))


def _begun_in(stream: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    at = max(start - 1, 0)
    stream.seek(at)
    if start:
        at += len(stream.readline())  # it began before; nothing but its end, where one begins at `start`
    while at < end:
        line = stream.readline()
        yield line
        at += len(line)


def cut_lines(path: Path, document: bool, record_path: str, places: Places, target: Path) -> bool:
    """Whether the records of a text could be cut out by its look, one a line; it is proven later that they are some."""
    if places.shape is not None:
        return False
    cut = json_cuts.lines if document else json_cuts.page_lines
    try:
        with target.open("wb") as out:
            out.writelines(cut(path, _steps(record_path), places.carry))
    except json_cuts.NoCut:
        return False
    return True


_written = json.JSONEncoder(default=str).encode  # made once: json.dumps makes one for every record


def flat_line(record: dict[str, Any] | str) -> str:
    try:
        return _written(record)
    except RecursionError:
        return '"a record that is nested too deep"'


def wrong_with(path: Path) -> str:
    """Why a document cannot be read to its end; "" if it can."""
    import ijson

    try:
        with path.open("rb") as stream:
            for _ in ijson.basic_parse(Watched(stream), multiple_values=True):
                pass
    except (ijson.JSONError, ValueError, ArithmeticError) as wrong:
        return str(wrong).splitlines()[0][:120]
    return ""


def bad_json(why: str, shown_as: str) -> Problem:
    remedy = "export it again: it was cut off on its way, or is no JSON"
    return Problem("bad-json", f"the document cannot be read to its end: {why}", SourceRef(shown_as), remedy=remedy)


_PAGE_OF = re.compile(rb'"page":([0-9]{1,9})[,}]')
_PAGES = re.compile(rb'"(?:totalPages|total_pages)":([0-9]{1,9})[,}]')


def more_follows(path: Path) -> bool:
    """Whether the last page of an API's answer says that there is another: by `has_more`, or as the third page of five."""
    with path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - 4096, 0))
        end = stream.read().replace(b" ", b"").replace(b"\n", b"")
    if b'"has_more":' in end:
        return b'"has_more":true' in end[end.rfind(b'"has_more"') :]
    page, pages = _PAGE_OF.findall(end), _PAGES.findall(end)
    return bool(page and pages) and int(page[-1]) < int(pages[-1])


def records(stream: BinaryIO, document: bool, record_path: str, places: Places) -> Iterator[dict[str, Any] | str]:
    """Every record in order; a text where there is none. Raises NoJson."""
    yield from _shaped(_found(stream, document, record_path, places), places)


def _shaped(records: Iterable[Found | str], places: Places) -> Iterator[dict[str, Any] | str]:
    for found in records:
        if isinstance(found, str):
            yield found[:1000]
        elif not found.record:
            yield found.told()
        elif places.shape is None:
            yield found.whole()
        else:
            yield from places.shape(found.whole())


def _found(stream: BinaryIO, document: bool, record_path: str, places: Places) -> Iterator[Found | str]:
    steps = _steps(record_path)
    return split(stream, steps, places.carry) if document else _of_lines(stream, steps, places.carry)


def _steps(path: str) -> tuple[Step, ...]:
    """`data[].results|result[]{}`: each step a list (`[]`) or a mapping (`{}`) by one of its names; a bare `{}` has no name."""
    steps: list[Step] = []
    for part in filter(None, path.split(".")):
        name = part.rstrip("[]{}")
        kinds = part[len(name) :]
        for number, kind in enumerate(kinds[index : index + 2] for index in range(0, len(kinds), 2)):
            steps.append(Step(tuple(name.split("|")) if number == 0 else (), kind == "{}"))
    return tuple(steps)


def _of_lines(lines: Iterable[bytes], steps: tuple[Step, ...], carry: tuple[str, ...]) -> Iterator[Found | str]:
    for each in lines:
        line = each.strip(b"\xef\xbb\xbf \t\r\n").decode("utf-8", "replace")
        if not line:
            continue
        try:
            yield from _of_line(line, steps, carry)
        except NoJson:
            plain = _without_nan(line)
            yield from _of_line(plain, steps, carry) if plain else [line]


def _without_nan(line: str) -> str:
    """Python reads NaN, and many programs write it: the value is refused for itself. "" for what is broken in another way."""
    try:
        return json.dumps(json.loads(line, parse_float=str, parse_constant=str))
    except (ValueError, RecursionError):
        return ""


def _of_line(line: str, steps: tuple[Step, ...], carry: tuple[str, ...]) -> list[Found] | list[str]:
    try:
        found, end = within(line, 0, steps, "", carry, top=True)
    except NoJson:
        raise
    except (ValueError, RecursionError):
        return [line]
    whole = len(found) == 1 and found[0].text == line and not found[0].record
    return [line] if whole or line[end:].strip() else found


class Watched:
    """A stream without endless numbers: the parser dies, and the program with it, of one that Python makes no integer of (4,300)."""

    _DIGITS = 1000

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        for start in range(0, len(chunk) - self._DIGITS + 1, self._DIGITS):
            if chunk[start : start + 1].isdigit() and chunk[start : start + self._DIGITS].isdigit():
                raise NoJson(f"it holds more than {self._DIGITS:,} digits in a row")
        return chunk

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def holder_names(paths: Iterable[str]) -> frozenset[str]:
    """The names of the first steps: each has to be one that core.records knows, so that lines are not mistaken for records."""
    firsts = (_steps(path) for path in paths)
    return frozenset(name.split(".")[0] for steps in firsts if steps for name in steps[0].names) - HOLDERS
