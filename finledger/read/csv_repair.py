"""A CSV that a strict parallel reader refuses, walked record by record: which record is wrong, where, and why.

The copy it writes has every record in its place: a record of the wrong width becomes one of empty fields, which is then
refused with the reason kept here, so that ordinals stay the file's own and nothing is swallowed.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from finledger.core.problem import Problem, SourceRef
from finledger.core.records import open_quote
from finledger.read.opened import text_lines


@dataclass(slots=True)
class Walked:
    """`broken`: record → (line, reason, excerpt). `records` are counted from 1; `problems` are the whole file's.

    `last_width`: the fields of the last record, commas too many at its end left out.
    """

    records: int = 0
    broken: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    last_width: int = 0


def repair(path: Path, shown_as: str, width: int, delimiter: str, watched: Collection[int], copy: Path) -> Walked:
    """Walk the file and write its tidy copy. `watched` are the columns whose values have no business holding lines."""
    walked = Walked()
    swallowing: set[int] = set()
    with copy.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        empty = [""] * width
        for fields, line, reason in _records(path, width, delimiter):
            if walked.records == 0 and line < 0:
                writer.writerow(fields)
                continue
            walked.records += 1
            walked.last_width = len(fields)
            if reason:
                walked.broken[walked.records] = (line, reason, delimiter.join(fields)[:160])
                fields = empty
            elif _swallows(fields, watched, width, delimiter):
                swallowing.add(line)
            if not any(fields):
                stream.write('""' + "," * (width - 1) + "\n")
            else:
                writer.writerow(fields)
    if swallowing:
        lines = enumerate(text_lines(path), 1)
        walked.problems = [_unclosed(shown_as, number, text) for number, text in lines if number in swallowing]
    opened = open_quote(text_lines(path), delimiter)
    if opened is not None:
        walked.problems = [_unclosed(shown_as, *opened)]
    return walked


def _records(path: Path, width: int, delimiter: str) -> Iterator[tuple[list[str], int, str]]:
    """Each record's fields, its first line, and what is wrong with its shape; the header first, with line -1."""
    reader = csv.reader(text_lines(path), delimiter=delimiter, strict=True, skipinitialspace=False)
    first = True
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield [], line, f"is not CSV: {error}"
            continue
        if not fields:
            continue
        if len(fields) > width and not any(fields[width:]):
            fields = fields[:width]  # commas too many at the end hold nothing: the strict reader passes over them too
        if first:
            first = False
            yield fields, -1, ""
        elif len(fields) != width:
            yield fields, line, f"has {len(fields)} fields where the header has {width}"
        else:
            yield fields, line, ""


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
