"""Small CSV tables that people keep (evals, currency rates, weights), read strictly, each row with its line.

The header says which column is which; their order is free. UTF-8, with or without a byte order mark. Everything wrong with
the table is reported at once; a row that cannot be read is left out of the rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read.values import WrongValue, quoted, suggestion
from finledger.read.yaml_lines import excerpt_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """A record of a table: its cells by column, and where it stands."""

    cells: Mapping[str, str]
    source: SourceRef
    excerpt: str

    def problem(self, wrong: WrongValue, column: str = "") -> Problem:
        where = SourceRef(self.source.file, self.source.line, column)
        return Problem(wrong.code, wrong.message, where, self.excerpt, wrong.remedy)

    def value(self, column: str, parse: Callable[[Any], T], problems: list[Problem]) -> T | None:
        """The cell's value, or None where it is empty; a wrong cell is None and adds its problem."""
        cell = self.cells[column]
        if cell == "":
            return None
        try:
            return parse(cell)
        except WrongValue as wrong:
            problems.append(self.problem(wrong, column))
            return None

    def needed(self, column: str, parse: Callable[[Any], T], problems: list[Problem]) -> T | None:
        """As `value`, and an empty cell is a problem too."""
        if self.cells[column] == "":
            wrong = WrongValue("table-cell-empty", f"the {column} is empty", f"write the {column}")
            problems.append(self.problem(wrong, column))
            return None
        return self.value(column, parse, problems)


def absent(path: Path) -> bool:
    """Whether there is nothing of that name. A link to nowhere is there: reading it says what is wrong with it."""
    return not (path.exists() or path.is_symlink())


def read_table(path: Path, shown_as: str, columns: Sequence[str]) -> Outcome[tuple[Row, ...]]:
    """Every record of the table, cells without the spaces around them. An unreadable file raises OSError."""
    return parse_table(path.read_bytes(), shown_as, columns)


def parse_table(content: bytes, shown_as: str, columns: Sequence[str]) -> Outcome[tuple[Row, ...]]:
    """The records that a file of this content would have."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"the table is not UTF-8: byte {error.start + 1} is 0x{content[error.start]:02x}"
        where = SourceRef(shown_as, line)
        return Outcome((), (Problem("table-encoding", message, where, remedy="save the file as UTF-8"),))
    return _Table(shown_as, text, tuple(columns)).read()


class _Table:
    def __init__(self, shown_as: str, text: str, columns: tuple[str, ...]) -> None:
        self.shown_as = shown_as
        self.text = text
        self.text_lines = tuple(text.splitlines())
        self.columns = columns
        self.problems: list[Problem] = []

    def refuse(self, code: str, message: str, remedy: str, line: int) -> None:
        where = SourceRef(self.shown_as, line)
        self.problems.append(Problem(code, message, where, excerpt_of(self.text_lines, line), remedy))

    def read(self) -> Outcome[tuple[Row, ...]]:
        records = self.records()
        if not records:
            if not self.problems:
                self.refuse("table-header", "the table has no header", f"begin it with {','.join(self.columns)}", 1)
            return Outcome((), tuple(self.problems))
        (header_line, header), *body = records
        if not self.header_fits(header, header_line):
            return Outcome((), tuple(self.problems))
        rows: list[Row] = []
        for line, cells in body:
            if len(cells) != len(header):
                message = f"the row has {len(cells)} cells; the header names {len(header)} columns"
                self.refuse(
                    "table-row-width", message, "write one cell for each column, in quotes if it holds a comma", line
                )
                continue
            by_column = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            rows.append(Row(by_column, SourceRef(self.shown_as, line), excerpt_of(self.text_lines, line)))
        return Outcome(tuple(rows), tuple(self.problems))

    def records(self) -> list[tuple[int, list[str]]]:
        """The records that are not blank, each with the line on which it begins."""
        reader = csv.reader(io.StringIO(self.text, newline=""), strict=True)
        found: list[tuple[int, list[str]]] = []
        line = 1
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    found.append((line, [cell.strip() for cell in cells] if not found else cells))
                line = reader.line_num + 1
        except csv.Error as error:
            if "unexpected end" in str(error):
                self.refuse("table-quote", "a quote is opened here and never closed", "close the quote", line)
            else:
                self.refuse("table-syntax", f"the row is not valid CSV: {error}", "correct the row", line)
        return found

    def header_fits(self, header: list[str], line: int) -> bool:
        remedy = f"the columns are {','.join(self.columns)}"
        other = next((mark for mark in ";\t" if len(header) == 1 and mark in header[0]), "")
        if other:
            message = f"the cells are separated by {'semicolons' if other == ';' else 'tabs'}, not by commas"
            self.refuse("table-header", message, f"save the table with commas; {remedy}", line)
            return False
        for name in self.columns:
            if name not in header:
                self.refuse("table-header", f"the column {name} is missing", f"add the column; {remedy}", line)
        for number, name in enumerate(header):
            if name not in self.columns:
                hint = suggestion(name, set(self.columns) - set(header))
                message = f"{quoted(name)} is not a column of this table"
                self.refuse("table-header", message, f"{hint}{remedy}", line)
            elif name in header[:number]:
                self.refuse("table-header", f"the column {name} stands here twice", "keep one of the two", line)
        return not self.problems
