"""A CSV that a strict parallel reader refuses, walked record by record: which record is wrong, where, and why.

The copy it writes has every record in its place: a record of the wrong width becomes one of empty fields, which is then
refused with the reason kept here, so that ordinals stay the file's own and nothing is swallowed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from finledger.core.problem import Problem, SourceRef
from finledger.core.records import open_quote
from finledger.read.opened import text_lines


@dataclass(slots=True)
class Walked:
    """`broken`: record → (line, reason, excerpt). `records` are counted from 1; `problems` are the whole file's.

    `last_width`: the fields of the last record, commas too many at its end left out. `lined`: the columns of which a value holds
    lines, from 0.
    """

    records: int = 0
    broken: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    last_width: int = 0
    lined: set[int] = field(default_factory=set)


def repair(path: Path, shown_as: str, width: int, delimiter: str, watched: Collection[int], copy: Path) -> Walked:
    """Walk the file and write its tidy copy. `watched` are the columns whose values have no business holding lines."""
    with copy.open("w", encoding="utf-8", newline="") as stream:
        write = csv.writer(stream, lineterminator="\n").writerow
        blank = '""' + "," * (width - 1) + "\n"
        return walk(
            path, shown_as, width, delimiter, watched, lambda fields: write(fields) if any(fields) else stream.write(blank)
        )


def walk(
    path: Path, shown_as: str, width: int, delimiter: str, watched: Collection[int],
    tidied: Callable[[list[str]], object] | None = None,
) -> Walked:  # fmt: skip
    """Walk the file. `tidied` is given every record, the header first."""
    walked = Walked()
    swallowing: set[int] = set()
    empty = [""] * width
    for fields, line, last, reason in _records(path, width, delimiter):
        if line > 0:
            walked.records += 1
            walked.last_width = len(fields)
            if line != last:
                walked.lined.update(index for index, value in enumerate(fields) if "\n" in value or "\r" in value)
            if reason:
                walked.broken[walked.records] = (line, reason, delimiter.join(fields)[:160])
                fields = empty
            elif _swallows(fields, watched, width, delimiter):
                swallowing.add(line)
        if tidied is not None:
            tidied(fields)
    if swallowing:
        lines = enumerate(text_lines(path), 1)
        walked.problems = [_unclosed(shown_as, number, text) for number, text in lines if number in swallowing]
    opened = open_quote(text_lines(path), delimiter)
    if opened is not None:
        walked.problems = [_unclosed(shown_as, *opened)]
    return walked


def _records(path: Path, width: int, delimiter: str) -> Iterator[tuple[list[str], int, int, str]]:
    """Each record's fields, its first and last line, and what is wrong with its shape; the header first, with line -1."""
    reader = csv.reader(text_lines(path), delimiter=delimiter, strict=True, skipinitialspace=False)
    first = True
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield [], line, line, f"is not CSV: {error}"
            continue
        if not fields:
            continue
        if len(fields) > width and not any(fields[width:]):
            fields = fields[:width]  # commas too many at the end hold nothing: the strict reader passes over them too
        if first:
            first = False
            yield fields, -1, -1, ""
        elif len(fields) != width:
            yield fields, line, reader.line_num, f"has {len(fields)} fields where the header has {width}"
        else:
            yield fields, line, reader.line_num, ""


def _swallows(fields: list[str], watched: Collection[int], width: int, delimiter: str) -> bool:
    """Whether a value holds a whole other record: the sign of a quote that closed where another was meant to open."""
    for index in watched:
        value = fields[index]
        if "\n" in value or "\r" in value:
            return any(inner.count(delimiter) >= width - 1 for inner in value.splitlines()) or width == 1
    return False


def _unclosed(shown_as: str, line: int, excerpt: str) -> Problem:
    return Problem(
        "unclosed-quote", "a quote opens on this line and does not close where it should: the records after it are swallowed",
        SourceRef(shown_as, line), excerpt.splitlines()[0][:160] if excerpt else "",
        "close the quote, or double it where it is part of the text",
    )  # fmt: skip
