"""A team's own list of jobs or requests, as CSV or JSON lines (rule U11): whatever columns it has, those that can be compared are.

A row is known by an id (usage_id, request_id, trace_id, or just id), or by its day and what else it names: action, feature,
model. Rows of another month are left out where the list has days. Other columns are not looked at.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from finledger.core.agree import DAY, IDS, LABELS, MEASURES, Identity, TeamList
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read import values
from finledger.read.tables import Row, parse_table
from finledger.read.values import WrongValue
from finledger.read.yaml_lines import excerpt_of

ID = "id"
# What people call a column, and what it is here.
NAMES = {
    **{name: name for name in (ID, *IDS, DAY, *LABELS, *MEASURES)},
    "job": ID, "job_id": ID, "run_id": ID, "date": DAY, "count": "requests", "calls": "requests", "actions": "requests",
    "total_tokens": "tokens", "hours": "gpu_hours", "feature_name": "feature", "model_name": "model",
}  # fmt: skip
EXPECTED = (
    f"add a column with an id ({', '.join((ID, *IDS))}), or with a day (day, date), and {', '.join(LABELS)} as it has them"
)


def read_team_list(path: Path, shown_as: str, month: Month) -> Outcome[TeamList | None]:
    """The list, its rows added up by identity, or None with every problem. An unreadable file raises OSError."""
    problems: list[Problem] = []
    rows = _rows(path.read_bytes(), shown_as, problems)
    if problems or rows is None:
        return Outcome(None, tuple(problems))
    columns = {name for row in rows for name in row.cells}
    by = _by(columns)
    measures = tuple(name for name in MEASURES if name in columns)
    if not by:
        named = f"the list has {', '.join(sorted(columns))}" if columns else "the list has no column that is known here"
        problem = Problem("list-without-id", f"{named}: its rows cannot be told apart", SourceRef(shown_as, 1))
        return Outcome(None, (replace(problem, remedy=EXPECTED),))
    listed = _summed(rows, by, measures, month, problems)
    return Outcome(None if problems else listed, tuple(problems))


def _by(columns: set[str]) -> tuple[str, ...]:
    for name in (*IDS, ID):
        if name in columns:
            return (name,)
    return (DAY, *(name for name in LABELS if name in columns)) if DAY in columns else ()


def _summed(
    rows: Sequence[Row], by: tuple[str, ...], measures: Sequence[str], month: Month, problems: list[Problem]
) -> TeamList:
    found: dict[Identity, tuple[dict[str, Decimal], SourceRef]] = {}
    left_out = 0
    for row in rows:
        day = row.value(DAY, values.day, problems) if DAY in row.cells else None
        if day is not None and Month(day.year, day.month) != month:
            left_out += 1
            continue
        identity = _identity(row, by, day, problems)
        stated = {name: _quantity(row, name, problems) for name in measures if row.cells.get(name)}
        if identity is None:
            continue
        quantities, first = found.setdefault(identity, ({}, row.source))
        if first is not row.source and by[0] != DAY:
            message = f"{by[0]} {values.quoted(identity[0])} stands already at {first}"
            problems.append(row.problem(WrongValue("list-id-twice", message, "keep one of the two rows"), by[0]))
        for name, number in stated.items():
            quantities[name] = quantities.get(name, Decimal(0)) + number
    return TeamList(by, tuple(measures), found, left_out)


def _identity(row: Row, by: tuple[str, ...], day: date | None, problems: list[Problem]) -> Identity | None:
    if by[0] != DAY:
        cell = row.cells.get(by[0], "")
        if not cell:
            problems.append(
                row.problem(WrongValue("table-cell-empty", f"the {by[0]} is empty", f"write the {by[0]}"), by[0])
            )
        return (cell,) if cell else None
    if day is None:
        if not row.cells.get(DAY):
            problems.append(row.problem(WrongValue("table-cell-empty", "the day is empty", "write the day"), DAY))
        return None
    return (day.isoformat(), *(row.cells.get(name, "") for name in by[1:]))


def _quantity(row: Row, name: str, problems: list[Problem]) -> Decimal:
    parse: Any = values.amount if name == "gpu_hours" else values.count
    return Decimal(row.value(name, parse, problems) or 0)


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(content: bytes, shown_as: str, problems: list[Problem]) -> list[Row] | None:
    """The rows by the columns that are known here, whichever of the two formats it is."""
    first = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first == b"{":
        return list(_json_rows(content, shown_as, problems))
    header = next(iter(csv.reader(io.StringIO(content.decode("utf-8-sig", errors="replace").lstrip(), newline=""))), [])
    table = parse_table(content, shown_as, [name.strip() for name in header])
    problems += table.problems
    return [replace(row, cells=_known(row.cells.items())) for row in table.rows]


def _known(cells: Any) -> dict[str, str]:
    """The cells by our names; of two columns that mean the same the first counts."""
    found: dict[str, str] = {}
    for name, cell in cells:
        known = NAMES.get(name.strip().lower().replace(" ", "_"))
        if known is not None:
            found.setdefault(known, cell)
    return found


def _json_rows(content: bytes, shown_as: str, problems: list[Problem]) -> Iterator[Row]:
    try:
        lines = tuple(content.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        where = SourceRef(shown_as, content.count(b"\n", 0, error.start) + 1)
        message = f"the list is not UTF-8: byte {error.start + 1} is 0x{content[error.start]:02x}"
        problems.append(Problem("table-encoding", message, where, remedy="save the file as UTF-8"))
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where, excerpt = SourceRef(shown_as, number), excerpt_of(lines, number)
        try:
            value = json.loads(line, parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            problems.append(Problem("not-json", "the line is not a JSON object", where, excerpt, "write one object a line"))
            continue
        cells = {name: cell if isinstance(cell, str) else "" for name, cell in value.items()}
        yield Row(_known(cells.items()), where, excerpt)
