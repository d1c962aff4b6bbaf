"""The weekly digest of a set of books: the week against the last, alerts, unallocated spend, reviews to decide (rule U3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import localcontext

from finledger.core.digest import NO_USE, Use, Week, Weeks, unallocated_table, use_of, week_table, week_totals
from finledger.core.money import EXACT, Money
from finledger.core.period import Month
from finledger.core.problem import Problem, Refused
from finledger.core.report import Table
from finledger.engines import DEFAULT
from finledger.workbench import Workbench
from finledger.workbench.projecting import Reach, known_days, open_month, unloaded
from finledger.workbench.reviewing import Charged, Reviewed, review_of

ONE = timedelta(days=1)
EARLIER = 3  # months of the unallocated trend
Span = tuple[date, date]  # first and last day


@dataclass(frozen=True, slots=True)
class Digest:
    """A week of the books as tables: `week`, `unallocated-weeks`, and those of the month's review."""

    books: str
    currency: str
    week: Week
    month: Month
    tables: tuple[Table, ...]
    totals: dict[str, Money | None]
    reviewed: Reviewed
    problems: tuple[Problem, ...]

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)


def digest_of(bench: Workbench, at: date | None = None, *, engine_name: str = DEFAULT) -> Digest:
    """The week of a day, as far as its complete days; of the last day with usage when `at` is left out.

    Raises Refused where nothing is loaded, or where the week's month cannot be charged.
    """
    month, through = _through(bench, at)
    week = Week(through)
    known = Charged(bench, engine_name)
    reaches = _Reaches(bench, _spans(week), engine_name)
    weeks = _weeks(week, reaches)
    reviewed = review_of(bench, month, known=known, at=at, reach=reaches.of(through))
    organisation = bench.organisation
    trend = [month]
    while len(trend) <= EARLIER:
        trend.insert(0, trend[0].before)
    months = {str(each): charges for each, charges in known.recorded(trend).items()}
    with localcontext(EXACT):
        tables = (week_table(weeks, organisation), unallocated_table(weeks, months, organisation), *reviewed.tables)
        totals = week_totals(weeks, organisation.currency)
    return Digest(organisation.books, organisation.currency, week, month, tables, totals, reviewed, reviewed.problems)


def _through(bench: Workbench, at: date | None) -> tuple[Month, date]:
    """The month that is looked at, and the last complete day of its usage."""
    loaded = sorted({part.month for part in bench.ledger.parts() if part.month is not None})
    month = open_month(bench, at) or (loaded[-1] if loaded else None)
    if at is not None and month is not None and month not in loaded:  # the week's last day lies in a month without usage yet
        month = max((each for each in loaded if each < month), default=month)
    if month is None or month not in loaded:
        raise unloaded(month, loaded)
    inside = at if at is not None and Month(at.year, at.month) == month else None
    days = known_days(bench, month, inside).days
    if days.as_of is None:
        raise unloaded(month, loaded)
    ends = days.last_complete
    return month, ends if ends >= month.first_day or month.before in loaded else days.as_of


def _spans(week: Week) -> tuple[Span, Span, Span]:
    """This week so far, the same days of the last, and all of the last."""
    before = week.before
    return (week.first, week.through), (before.first, before.through), (before.first, before.last)


def _weeks(week: Week, reaches: _Reaches) -> Weeks:
    this, same_days, last = (reaches.between(*span) for span in _spans(week))
    if this is None:
        raise Refused(reaches.problems)
    return Weeks(week, this, same_days, last)


class _Reaches:
    """Use between two days, over the months that they lie in; each month is grouped once."""

    def __init__(self, bench: Workbench, spans: Sequence[Span], engine_name: str) -> None:
        self._bench, self._engine = bench, engine_name
        self._loaded = {part.month for part in bench.ledger.parts()}
        self._days = sorted({day for first, last in spans for day in (first - ONE, last)})
        self._known: dict[Month, Reach] = {}
        self.problems: list[Problem] = []

    def between(self, first: date, last: date) -> Use | None:
        """Use from one day to another; None where a month of them is not loaded, or cannot be charged."""
        found = NO_USE
        month = Month(first.year, first.month)
        while month.first_day <= last:
            if month not in self._loaded:
                return None
            try:
                found = found + self._by(month, min(last, month.last_day)) - self._by(month, first - ONE)
            except Refused as refused:
                self.problems += refused.problems
                return None
            month = month.next
        return found

    def of(self, day: date) -> Reach | None:
        """The month of a day, cut behind it; None where no use of it was asked for."""
        return self._known.get(Month(day.year, day.month))

    def _by(self, month: Month, day: date) -> Use:
        if day < month.first_day:
            return NO_USE
        if month not in self._known:
            days = [each for each in self._days if month.first_day <= each < month.last_day]
            self._known[month] = Reach(self._bench, month, days, self._engine)
        with localcontext(EXACT):
            return use_of(self._known[month].by(day), self._bench.organisation)
