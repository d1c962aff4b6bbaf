"""A provider's export as it lies on disk: unpacked, and taken apart into records, each with its place and an excerpt.

What it is shows in its bytes, not in its name: gzip and zstd, a workbook (its first sheet), Parquet, JSON (a document, a list,
or an object a line), else CSV with commas, semicolons or tabs. A number stays the text that was written (rule M1); in Parquet
and workbooks a binary fraction is its shortest text. Nothing here knows a format.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read.values import WrongValue
from finledger.read.yaml_lines import excerpt_of

_LINE_ENDS = re.compile("\r\n|\n|\r")  # others may stand inside a quoted cell or a JSON text
_BRACKETED = re.compile(r".*\(([^()]+)\)")
_SEPARATORS = ",;\t"
_GZIP, _ZSTD, _ZIP, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1"
_EXPORT_AGAIN = "export it again, or leave it out"


def fold(name: str) -> str:
    """A column's name however an export writes it: `billingCurrency` is `BillingCurrency`, `Kosten (Cost)` is `Cost`."""
    translated = _BRACKETED.fullmatch(name)
    return (translated[1] if translated else name).strip().lower()


@dataclass(frozen=True, slots=True)
class Head:
    """What a format is known by: the folded names of a table's columns, or of everything that JSON records hold."""

    names: frozenset[str]

    def has(self, *names: str) -> bool:
        """Whether one of the names is there: an export calls a column by one of them."""
        return any(fold(name) in self.names for name in names)


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its cells by `Export.keys`, and where it stands.

    `place` says it where there is no line: in a JSON document (data/#1/results/#2) or a Parquet file (record 7). `nested` holds
    the lists of a JSON record.
    """

    cells: Mapping[str, str]
    source: SourceRef
    excerpt: str
    place: str = ""
    nested: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> SourceRef:
        return SourceRef(self.source.file, self.source.line, self.place)

    def problem(self, wrong: WrongValue, column: str = "") -> Problem:
        where = "/".join(part for part in (self.place, column) if part)
        source = SourceRef(self.source.file, self.source.line, where)
        return Problem(wrong.code, wrong.message, source, self.excerpt, wrong.remedy)


@dataclass(frozen=True, slots=True)
class Export:
    """The records of a file. `names` are its columns as they are written; `keys` tells a record's key for each of them.

    `unfinished`: the last page of a report says that another one follows.
    """

    shown_as: str
    names: tuple[str, ...]
    keys: Mapping[str, str]
    records: tuple[Record, ...]
    header: Record
    unfinished: bool = False

    @property
    def head(self) -> Head:
        return Head(frozenset(self.keys.values()))


def open_export(path: Path, shown_as: str, sheet: str | None = None) -> Outcome[Export | None]:
    """Every record of the file. Rows are None where it cannot be read as a whole; an unreadable file raises OSError."""
    content = path.read_bytes()
    try:
        content = _unpacked(content)
    except (EOFError, zlib.error, OSError, ValueError) as broken:
        message = f"the compressed file cannot be unpacked to its end ({broken})"
        remedy = "fetch the export again: it was cut off or damaged on its way"
        return Outcome(None, (Problem("truncated-file", message, SourceRef(shown_as), remedy=remedy),))
    if not content.strip():
        return Outcome(None, (Problem("empty-file", "the file is empty", SourceRef(shown_as), remedy=_EXPORT_AGAIN),))
    if content.startswith(_ZIP):
        return _workbook(content, shown_as, sheet)
    if content.startswith(_PARQUET):
        return _parquet(content, shown_as)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = SourceRef(shown_as, content.count(b"\n", 0, error.start) + 1)
        message = f"the file is not UTF-8: byte {error.start + 1:,} cannot be read"
        return Outcome(None, (Problem("not-utf8", message, where, remedy="save the export as UTF-8"),))
    if text.lstrip()[:1] in ("{", "["):
        from finledger.read.invoices._json import json_export

        return json_export(text, shown_as)
    return _csv(text, shown_as)


def _unpacked(content: bytes) -> bytes:
    if content.startswith(_GZIP):
        return gzip.decompress(content)
    return _unpacked_zstd(content) if content.startswith(_ZSTD) else content


def _unpacked_zstd(content: bytes) -> bytes:
    """Every frame to its end: the reader of zstandard ends quietly where a file was cut off."""
    import zstandard

    chunks = []
    while content:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            chunks.append(frame.decompress(content))
        except zstandard.ZstdError as error:
            raise ValueError(error) from None
        if not frame.eof:
            raise EOFError("the file ends inside a zstd frame")
        content = frame.unused_data
    return b"".join(chunks)


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def keyed(names: Sequence[str]) -> dict[str, str]:
    """A key for each name: the folded one, or where that is taken already the name itself."""
    keys: dict[str, str] = {}
    for name in names:
        folded = fold(name)
        keys[name] = name if folded in keys.values() else folded
    return keys


def _table(shown_as: str, rows: Iterable[tuple[int | None, str, list[str], str]]) -> Outcome[Export | None]:
    """A header and its rows, each with its line, its place where it has no line, its cells and its excerpt."""
    remaining = iter(rows)
    line, place, names, excerpt = next(remaining, (None, "", [], ""))
    names = [name.strip() for name in names]
    header = Record({}, SourceRef(shown_as, line), excerpt, place)
    if not names:
        message = "the file has nothing but blank lines"
        return Outcome(None, (Problem("empty-file", message, SourceRef(shown_as), remedy=_EXPORT_AGAIN),))
    for number, name in enumerate(names, 1):
        if name in names[: number - 1] and name:
            wrong = WrongValue(
                "duplicate-header", f"the header names the column {name!r} twice", "remove one of the two, or rename it"
            )
            return Outcome(None, (header.problem(wrong),))
    keys = keyed([name for name in names if name])
    columns = [keys.get(name, "") for name in names]
    problems: list[Problem] = []
    records: list[Record] = []
    for line, place, cells, excerpt in remaining:
        record = Record(
            {key: cell.strip() for key, cell in zip(columns, cells) if key}, SourceRef(shown_as, line), excerpt, place
        )
        if len(cells) == len(names):
            records.append(record)
            continue
        message = f"the row has {len(cells)} cells; the header names {len(names)} columns"
        remedy = "write one cell for each column, in quotes if it holds a separator"
        problems.append(record.problem(WrongValue("table-row-width", message, remedy)))
    return Outcome(Export(shown_as, tuple(keys), keys, tuple(records), header), tuple(problems))


def _csv(text: str, shown_as: str) -> Outcome[Export | None]:
    lines = tuple(_LINE_ENDS.split(text))
    first = next((line for line in lines if line.strip()), "")
    problems: list[Problem] = []
    rows = list(_csv_rows(text, lines, max(_SEPARATORS, key=first.count), shown_as, problems))
    if not rows and problems:
        return Outcome(None, tuple(problems))
    found = _table(shown_as, rows)
    return Outcome(found.rows, (*problems, *found.problems))


def _csv_rows(
    text: str, lines: tuple[str, ...], separator: str, shown_as: str, problems: list[Problem]
) -> Iterator[tuple[int | None, str, list[str], str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, "", cells, excerpt_of(lines, line)
            line = reader.line_num + 1
    except csv.Error as error:
        where, excerpt = SourceRef(shown_as, line), excerpt_of(lines, line)
        if "unexpected end" in str(error):
            message = "a quote is opened here and never closed"
            problems.append(Problem("table-quote", message, where, excerpt, "close the quote, or export the file again"))
        else:
            message = f"the row is not valid CSV: {error}"
            problems.append(Problem("table-syntax", message, where, excerpt, "correct the row, or export the file again"))


def _workbook(content: bytes, shown_as: str, sheet: str | None) -> Outcome[Export | None]:
    from openpyxl import load_workbook

    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        if sheet is not None and sheet not in book.sheetnames:
            message = f"the workbook has no sheet {sheet!r}"
            remedy = f"write one of its sheets into the map: {', '.join(book.sheetnames)}"
            return Outcome(None, (Problem("bad-workbook", message, SourceRef(shown_as), remedy=remedy),))
        grid = list(book[sheet].iter_rows(values_only=True) if sheet else book.worksheets[0].iter_rows(values_only=True))
    except Exception as error:  # openpyxl raises what its zip and XML readers raise
        message = f"the file cannot be read as a workbook: {str(error) or type(error).__name__}"
        remedy = "save it as .xlsx again, or export CSV"
        return Outcome(None, (Problem("bad-workbook", message, SourceRef(shown_as), remedy=remedy),))
    rows = []
    for line, row in enumerate(grid, 1):
        cells = [_cell(cell) for cell in row]
        if any(cells):
            rows.append((line, "", cells, excerpt_of((",".join(cells),), 1)))
    return _table(shown_as, _without_empty_columns(rows))


def _without_empty_columns(
    rows: list[tuple[int, str, list[str], str]],
) -> Iterator[tuple[int | None, str, list[str], str]]:
    """A sheet is as wide as the farthest cell that was ever formatted."""
    width = max((number for _, _, cells, _ in rows for number, cell in enumerate(cells, 1) if cell), default=0)
    for line, place, cells, excerpt in rows:
        yield line, place, (cells + [""] * width)[:width], excerpt


def _cell(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return format(Decimal(repr(cell)), "f").removesuffix(".0")
    return cell.isoformat() if isinstance(cell, datetime | date) else str(cell).strip()


def _parquet(content: bytes, shown_as: str) -> Outcome[Export | None]:
    import tempfile

    import duckdb

    try:
        with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
            copy = Path(folder) / "export.parquet"
            copy.write_bytes(content)
            connection.execute("SET TimeZone = 'UTC'")
            relation = connection.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet(?)", [str(copy)])
            names = [str(column[0]) for column in relation.description]
            grid = relation.fetchall()
    except duckdb.Error as error:
        message = f"the file is not readable as Parquet: {str(error).splitlines()[0][:120]}"
        remedy = "export it again: it was cut off, or is not a Parquet file"
        return Outcome(None, (Problem("bad-parquet", message, SourceRef(shown_as), remedy=remedy),))
    rows: list[tuple[int | None, str, list[str], str]] = [(None, "", names, excerpt_of((",".join(names),), 1))]
    for number, row in enumerate(grid, 1):
        cells = ["" if cell is None else str(cell) for cell in row]
        rows.append((None, f"record {number}", cells, excerpt_of((",".join(cells),), 1)))
    return _table(shown_as, rows)
