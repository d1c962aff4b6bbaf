"""revenue.csv: what each feature earned in a month, by the cohort of its users (rule A6)."""

from __future__ import annotations

from pathlib import Path

from finledger.core.model import Organisation
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.revenue import Revenue
from finledger.read import values
from finledger.read.tables import Row, absent, read_table
from finledger.read.values import WrongValue

COLUMNS = ("month", "feature", "cohort", "revenue")


def read_revenue(path: Path, shown_as: str, organisation: Organisation) -> Outcome[tuple[Revenue, ...]]:
    """Every row, sorted by month, feature and cohort; none where there is no file. An empty cohort is of no cohort."""
    if absent(path):
        return Outcome(())
    table = read_table(path, shown_as, COLUMNS)
    problems = list(table.problems)
    seen: dict[tuple[Month, str, str], SourceRef] = {}
    rows = [_revenue(row, organisation.currency, seen, problems) for row in table.rows]
    found = (row for row in rows if row is not None)
    return Outcome(tuple(sorted(found, key=lambda row: (row.month, row.feature, row.cohort))), tuple(problems))


def _revenue(
    row: Row, currency: str, seen: dict[tuple[Month, str, str], SourceRef], problems: list[Problem]
) -> Revenue | None:
    before = len(problems)
    month = row.needed("month", values.month, problems)
    feature = row.needed("feature", values.text, problems)
    cohort = row.value("cohort", values.text, problems) or ""
    revenue = row.needed("revenue", values.money(currency, negative=True), problems)
    if month is not None and feature is not None and len(problems) == before:
        first = seen.setdefault((month, feature, cohort), row.source)
        if first is not row.source:
            whose = f"cohort {cohort} of {feature}" if cohort else f"{feature} without a cohort"
            message = f"the revenue of {whose} in {month} stands already at {first}"
            problems.append(row.problem(WrongValue("revenue-twice", message, "keep one of the two, or add them up")))
    if month is None or feature is None or revenue is None or len(problems) > before:
        return None
    return Revenue(month, feature, cohort, revenue, row.source)
