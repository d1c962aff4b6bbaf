r"""The files that finledger wrote, read again by somebody who does not trust them: with the line of every figure (rule X4).

They are read by their own rules, as strictly as they were written: a line that none of them has is a problem of the file.
What a writer made safe is undone: the apostrophe before a cell that would be a formula, `\u{…}` for what cannot be printed.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from finledger.core.problem import Outcome, Problem, SourceRef

_AMOUNT = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,10})?")
_LINE_ID = re.compile(r'\s*"line_id": "(\w+)",?')
_ESCAPE = re.compile(r"\\u\{([0-9a-f]{1,6})\}")


class Row(NamedTuple):
    """A record of a CSV file by its columns, and where it begins."""

    where: SourceRef
    cells: dict[str, str]
    excerpt: str


class WrittenPosting(NamedTuple):
    """A posting of a journal in plain text; `line_no` counts from 1 in its entry."""

    where: SourceRef
    entry_id: str
    line_no: int
    path: str
    amount: Decimal
    currency: str
    excerpt: str


def amount_of(text: object) -> Decimal | None:
    """An amount as the writers write it; None for anything else."""
    if isinstance(text, Decimal | int) and not isinstance(text, bool):
        text = f"{text:f}"
    return Decimal(text) if isinstance(text, str) and _AMOUNT.fullmatch(text) else None


def unescaped(text: str) -> str:
    r"""What stands behind `\u{…}`.

    >>> unescaped("a" + chr(92) + "u{a}b") == "a" + chr(10) + "b"
    True
    """
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if int(found[1], 16) < 0x110000 else found[0], text)


def unread(where: SourceRef, why: str, excerpt: str = "") -> Problem:
    """A file, or a line of it, that no writer of ours leaves behind."""
    return Problem(
        "file-unread",
        f"{why}: this is not as finledger writes it",
        where,
        excerpt=excerpt,
        remedy="write the file again with the command that made it; what it says now is not to be relied on",
    )


# ── CSV and JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_rows(content: bytes, name: str, columns: Sequence[str]) -> Outcome[tuple[Row, ...]]:
    """The records of a CSV file that has these columns, and maybe others."""
    text, problems = _text(content, name)
    lines = io.StringIO(text, newline="").readlines()  # as the reader counts them
    reader = csv.reader(lines, strict=True)
    rows: list[Row] = []
    header: list[str] | None = None
    begins = 1
    try:
        for cells in reader:
            where, excerpt, begins = SourceRef(name, begins), lines[begins - 1].rstrip("\r\n"), reader.line_num + 1
            if header is None:
                header = cells
                missing = [column for column in columns if column not in header]
                if missing:
                    return Outcome((), (*problems, unread(where, f"no column {', '.join(missing)}", excerpt)))
            elif len(cells) != len(header):
                problems.append(unread(where, f"{len(cells)} cells under {len(header)} columns", excerpt))
            else:
                rows.append(Row(where, {head: _cell(cell) for head, cell in zip(header, cells, strict=True)}, excerpt))
    except csv.Error as wrong:
        problems.append(unread(SourceRef(name, begins), str(wrong)))
    if header is None and not problems:
        problems.append(unread(SourceRef(name, 1), "there is no header"))
    return Outcome(tuple(rows), tuple(problems))


def _cell(text: str) -> str:
    return text[1:] if text.startswith("'") else text


def _text(content: bytes, name: str) -> tuple[str, list[Problem]]:
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError as wrong:
        line = content[: wrong.start].count(b"\n") + 1
        return content[: wrong.start].decode("utf-8"), [unread(SourceRef(name, line), "there is a byte that is not UTF-8")]


def read_object(content: bytes, name: str) -> Outcome[dict[str, Any]]:
    """The JSON object of a file, numbers as exact decimals; empty where there is a problem."""
    text, problems = _text(content, name)
    if problems:
        return Outcome({}, tuple(problems))
    try:
        found = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except json.JSONDecodeError as wrong:
        return Outcome({}, (unread(SourceRef(name, wrong.lineno), wrong.msg),))
    except RecursionError:
        return Outcome({}, (unread(SourceRef(name), "it is nested too deep"),))
    if not isinstance(found, dict):
        return Outcome({}, (unread(SourceRef(name, 1), "it is no JSON object"),))
    return Outcome(found)


class Lines:
    """Where the figures of a JSON file stand: its keys and values are written one a line, in a known order."""

    def __init__(self, content: bytes, name: str) -> None:
        self._lines = content.decode("utf-8", "replace").split("\n")
        self._name = name
        self._of_line: dict[str, int] = {}
        for number, line in enumerate(self._lines):
            if found := _LINE_ID.fullmatch(line):
                self._of_line.setdefault(found[1], number)

    def of_line(self, line_id: str) -> int:
        """Where a charge line begins, for `find`."""
        return self._of_line.get(line_id, 0)

    def find(self, *wanted: str, begins: int = 0) -> tuple[SourceRef, str]:
        """The line that holds the last of these texts, looked for from the line of the one before; the file if none does.

        A text with `^` before it is what a line begins with.
        """
        at = begins
        for text in wanted:
            begin = text.removeprefix("^")
            held = (n for n in range(at, len(self._lines)) if begin in self._lines[n])
            at = next((n for n in held if text == begin or self._lines[n].startswith(begin)), -1)
            if at < 0:
                return SourceRef(self._name), ""
        return SourceRef(self._name, at + 1), self._lines[at].strip()


# ── journals in plain text ──────────────────────────────────────────────────────────────────────────────────────────────

_STRING = r'"(?:[^"\\]|\\.)*"'


@dataclass(frozen=True, slots=True)
class JournalForm:
    """How a format writes its lines: an entry's first line, the id where it stands on a line of its own, a posting, the rest."""

    head: re.Pattern[str]
    posting: re.Pattern[str]
    other: re.Pattern[str]
    entry_id: re.Pattern[str] | None = field(default=None)


FORMS = {
    "beancount": JournalForm(
        head=re.compile(rf"\d{{4}}-\d\d-\d\d \* {_STRING} {_STRING}"),
        entry_id=re.compile(rf"  journal_id: ({_STRING})"),
        posting=re.compile(r"  ([A-Z]\S*)  (\S+) ([A-Z]{3})"),
        other=re.compile(
            rf"|option {_STRING} {_STRING}|\d{{4}}-\d\d-\d\d open \S+ [A-Z]{{3}}(,[A-Z]{{3}})*|  (  )?[a-z_]+: {_STRING}"
        ),
    ),
    "hledger": JournalForm(
        head=re.compile(r"\d{4}-\d\d-\d\d \* \(([^)]*)\)( .*)?"),
        posting=re.compile(r"    ([A-Z]\S*)  (\S+) ([A-Z]{3})"),
        other=re.compile(
            r"|; .*|    ; [a-z_]+: .*|commodity [A-Z]{3}|    format 1000\.0{8} [A-Z]{3}|tag [a-z_]+|account \S+"
        ),
    ),
}


def read_journal(content: bytes, name: str, form_name: str) -> Outcome[tuple[WrittenPosting, ...]]:
    """Every posting of a journal in a plain-text format, in the order of the file."""
    form = FORMS[form_name]
    text, problems = _text(content, name)
    postings: list[WrittenPosting] = []
    entry_id, line_no, inside = "", 0, False
    for number, line in enumerate(text.split("\n"), start=1):
        where = SourceRef(name, number)
        if head := form.head.fullmatch(line):
            entry_id, line_no, inside = unescaped(head[1]) if form.entry_id is None else "", 0, True
        elif form.entry_id is not None and (named := form.entry_id.fullmatch(line)):
            entry_id = unescaped(_unquoted(named[1]))
        elif inside and (found := form.posting.fullmatch(line)):
            line_no += 1
            amount = amount_of(found[2])
            if amount is None:
                problems.append(unread(where, f"{found[2]!r} is no amount", line))
            else:
                postings.append(WrittenPosting(where, entry_id, line_no, found[1], amount, found[3], line.strip()))
        elif not form.other.fullmatch(line):
            problems.append(unread(where, "a line of no known kind", line))
    return Outcome(tuple(postings), tuple(problems))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def journal_rows(rows: Sequence[Row]) -> Iterator[tuple[Row, Decimal | None]]:
    """The rows of a journal's CSV with their names as they were, and the amount, debit positive; None for one that has none."""
    for row in rows:
        cells = {name: unescaped(cell) for name, cell in row.cells.items()}
        debit, credit = amount_of(cells["debit"]), amount_of(cells["credit"])
        amount = None
        if debit is not None and debit >= 0 and cells["credit"] == "":
            amount = debit
        elif credit is not None and credit >= 0 and cells["debit"] == "":
            amount = -credit
        yield Row(row.where, cells, row.excerpt), amount
