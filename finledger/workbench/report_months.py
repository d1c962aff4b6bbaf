"""The months that a report is about, and the year that they end: charged, or as they were recorded (rules L2, X4).

The period's own months are worked out as `allocate` works them out: a closed one from what was sealed. The year before them is
for trends only. It is taken as it was recorded, which is what was closed; a month that nobody allocated is worked out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from finledger.books import rows
from finledger.core.model import MonthCharges
from finledger.core.period import Month, Quarter, instant
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.workbench import Workbench
from finledger.workbench.shelf import Shelf

TREND = 12  # months, those of the period among them


@dataclass(frozen=True, slots=True)
class ReportMonths:
    """`own`: of the period, as allocate gives them. `trend`: up to a year that ends with them, for the figures of which no usage
    is needed: those that are only recorded have neither uses, entries nor checks."""

    own: dict[Month, MonthCharges]
    trend: dict[Month, MonthCharges]
    closed: dict[Month, int]  # the numbers of their closes
    problems: tuple[Problem, ...] = ()


def months_of(bench: Workbench, period: Month | Quarter) -> tuple[Month, ...]:
    return period.months(bench.organisation.fiscal_year_start) if isinstance(period, Quarter) else (period,)


def report_months(bench: Workbench, period: Month | Quarter) -> ReportMonths:
    """Charge the period's months and look up the year before. A month of a quarter that is not loaded, or cannot be charged, is
    said and left out; a period of which no month can be charged is `Refused`."""
    wanted, loaded = months_of(bench, period), set(bench.months())
    own: dict[Month, MonthCharges] = {}
    problems: list[Problem] = []
    for month in wanted:
        if isinstance(period, Quarter) and month not in loaded:
            problems.append(_left_out(month, f"no usage of {month} is loaded"))
            continue
        try:
            own[month] = bench.allocate(month, record=False)[0]
        except Refused as refused:
            if len(wanted) == 1:
                raise
            problems += [_left_out(month, f"{month} cannot be charged"), *refused.problems]
    if not own:
        raise Refused(problems)
    problems += [each for charges in own.values() for each in charges.notices]
    trend = dict(own)
    shelf = Shelf(bench)
    for month in sorted(loaded):
        if _first(max(own)) <= month < max(own) and month not in own:
            try:
                trend[month] = shelf.recorded(month) or bench.allocate(month, record=False)[0]
            except Refused as refused:
                problems.append(_left_out(month, f"{month} cannot be charged ({refused.problems[0].code})"))
    closed = {month: event.number for month in own if (event := bench.closed(month)) is not None}
    return ReportMonths(own, dict(sorted(trend.items())), closed, tuple(problems))


def last_day(bench: Workbench, months: Sequence[Month]) -> date | None:
    """The last day of the months that has usage."""
    zone, found = bench.organisation.timezone, []
    for month in months:
        first = month.first_day
        starts = [instant(first.replace(day=day), zone) for day in range(1, month.last_day.day + 1)]
        days = rows.days(bench.store.paths(bench.ledger.parts(month)), starts)
        found += [first.replace(day=number + 1) for numbers in days.values() for number in numbers]
    return max(found, default=None)


def _first(last: Month) -> Month:
    month = last
    for _ in range(TREND - 1):
        month = month.before
    return month


def _left_out(month: Month, why: str) -> Problem:
    return Problem(
        "report-month-missing",
        f"{why}: the report is without it",
        SourceRef("usage"),
        remedy=f"run `finledger allocate --month {month}` to see what it needs",
        severity="warning",
    )
