"""decisions/waivers.csv: who waived which condition of a close, and why (rule L2)."""

from __future__ import annotations

from pathlib import Path

from finledger.core.close import WAIVABLE, Waiver
from finledger.core.period import Month, Quarter
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read import values
from finledger.read.tables import Row, absent, parse_table
from finledger.read.values import WrongValue, quoted, suggestion

COLUMNS = ("period", "condition", "name", "reason")


def read_waivers(path: Path, shown_as: str) -> Outcome[tuple[Waiver, ...]]:
    """Every waiver, sorted by period and condition; none where there is no file."""
    return Outcome(()) if absent(path) else parse_waivers(path.read_bytes(), shown_as)


def parse_waivers(content: bytes, shown_as: str) -> Outcome[tuple[Waiver, ...]]:
    """The waivers that a file of this content holds."""
    table = parse_table(content, shown_as, COLUMNS)
    problems = list(table.problems)
    seen: dict[tuple[str, str], SourceRef] = {}
    found = [_waiver(row, seen, problems) for row in table.rows]
    waivers = (each for each in found if each is not None)
    return Outcome(tuple(sorted(waivers, key=lambda each: (each.period, each.condition))), tuple(problems))


def _waiver(row: Row, seen: dict[tuple[str, str], SourceRef], problems: list[Problem]) -> Waiver | None:
    before = len(problems)
    period = row.needed("period", _period, problems)
    condition = row.needed("condition", _condition, problems)
    name = row.needed("name", values.prose, problems)
    reason = row.needed("reason", values.prose, problems)
    if period is not None and condition is not None:
        first = seen.setdefault((period, condition), row.source)
        if first is not row.source:
            message = f"{condition} of {period} is waived already, at {first}"
            problems.append(row.problem(WrongValue("waiver-twice", message, "keep one of the two")))
    if period is None or condition is None or name is None or reason is None or len(problems) > before:
        return None
    return Waiver(period, condition, name, reason, row.source)


def _period(text: str) -> str:
    for parse in (Month.parse, Quarter.parse):
        try:
            return str(parse(text))
        except ValueError:
            continue
    raise WrongValue("waiver-period", f"{quoted(text)} is neither a month nor a quarter", "write it as 2026-07, or 2026-Q3")


def _condition(text: str) -> str:
    if text not in WAIVABLE:
        remedy = f"{suggestion(text, WAIVABLE)}these can be waived: {', '.join(WAIVABLE)}"
        raise WrongValue("waiver-condition", f"{quoted(text)} is no condition that can be waived", remedy)
    return text
