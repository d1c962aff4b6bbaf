"""A month of a set of books as far as any of its days: to date, projected to its end, week by week (rule U3). Nothing is written.

The corridor runs on the usage up to a day: the month is grouped once, cut at the days that are asked for, and what lies behind
a day is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from finledger.books import rows
from finledger.core.model import MonthCharges, UsageGroup, UsageQuery
from finledger.core.period import Month, instant
from finledger.core.problem import Outcome, Problem, Refused, SourceRef
from finledger.core.projection import Days, Projection, days_of, project
from finledger.engines import DEFAULT
from finledger.workbench import Workbench
from finledger.workbench.sealed import as_of

ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Known:
    """How far a month's usage reaches, and the last day of each charged source: one that ends earlier makes it look cheaper."""

    days: Days
    sources: Mapping[str, date]

    @property
    def holds_all(self) -> bool:
        """Whether all usage that is loaded of the month counts."""
        last = max(self.sources.values(), default=None)
        return last is None or (self.days.as_of is not None and self.days.as_of >= last)

    @property
    def behind(self) -> dict[str, date]:
        """The sources that end before the last complete day."""
        return {name: day for name, day in self.sources.items() if day < self.days.last_complete}


@dataclass(frozen=True, slots=True)
class Projected:
    """A month's projection with what it was made from."""

    projection: Projection
    known: Known
    charges: MonthCharges


def known_days(bench: Workbench, month: Month, at: date | None = None) -> Known:
    """How far the month's usage reaches (days_of), by the books' time zone. Sources that are only compared do not count."""
    parts = bench.ledger.parts(month)
    organisation = bench.organisation
    first = month.first_day
    every = [first + number * ONE for number in range(month.last_day.day)]
    found = rows.days(bench.store.paths(parts), [instant(day, organisation.timezone) for day in every])
    used = {
        source: {every[number] for number in numbers}
        for source, numbers in sorted(found.items())
        if organisation.role(source) != "reconcile"
    }
    later = any(part.month is not None and part.month > month for part in bench.ledger.parts())
    over = bench.closed(month) is not None or later
    days = days_of(month, {day for numbers in used.values() for day in numbers}, at=at, over=over)
    return Known(days, {source: max(numbers) for source, numbers in used.items()})


class Reach:
    """A month that can be charged as far as each of some days: by the books as they are or, closed, as they were sealed."""

    def __init__(self, bench: Workbench, month: Month, days: Sequence[date], engine_name: str = DEFAULT) -> None:
        close = bench.closed(month)
        self.month = month
        self.is_closed = close is not None
        self._books = bench if close is None else as_of(bench, close, before=True)
        self._days = {day for day in days if month.first_day <= day < month.last_day}
        cuts = sorted(day + ONE for day in self._days)
        inputs = self._books.month_inputs(month, engine_name=engine_name, also_cut=cuts)
        self._inputs = self._books.with_corrections(inputs, engine_name)
        self._known: dict[date, MonthCharges] = {}

    def by(self, day: date) -> MonthCharges:
        """The month's charges by its usage up to the end of one of the days. Raises Refused where they cannot be charged."""
        if self.month.first_day <= day < self.month.last_day and day not in self._days:
            raise ValueError(f"{self.month} is not cut behind {day}")
        if day not in self._known:
            group = self._inputs.group

            def grouped(asked: UsageQuery) -> Outcome[tuple[UsageGroup, ...]]:
                return _until(group(asked), asked, day)

            inputs = self._inputs if day >= self.month.last_day else replace(self._inputs, group=grouped)
            charges, _ = self._books.run(inputs)
            self._known[day] = replace(charges, provisional=not self.is_closed)
        return self._known[day]


def _until(found: Outcome[tuple[UsageGroup, ...]], asked: UsageQuery, day: date) -> Outcome[tuple[UsageGroup, ...]]:
    """The groups of intervals that begin by the day: the month is cut behind it, so none of them reaches beyond."""
    wanted = {each.number for each in asked.intervals if each.day <= day}
    return Outcome(tuple(group for group in found.rows if group.interval in wanted), found.problems)


def projected(
    bench: Workbench,
    month: Month,
    at: date | None = None,
    engine_name: str = DEFAULT,
    *,
    charges: MonthCharges | None = None,
    reach: Reach | None = None,
) -> Projected:
    """The month to date and to its end, as of its last day with usage or the end of `at`. Raises Refused as charging does.

    `charges`: the month by all its usage, where it is known; `reach`: the month cut behind the days that are needed here.
    """
    known = known_days(bench, month, at)
    days = known.days
    reached = days.as_of or month.first_day - ONE
    so_far = charges if known.holds_all else None
    if reach is None and (so_far is None or days.begun):
        reach = Reach(bench, month, (reached, days.last_complete), engine_name)
    if so_far is None:
        assert reach is not None, "made above"
        so_far = reach.by(reached)
    complete = reach.by(days.last_complete) if days.begun and reach is not None else so_far
    return Projected(project(so_far, complete, days, bench.organisation), known, so_far)


def open_month(bench: Workbench, at: date | None = None) -> Month | None:
    """The month that a look at the books is about: that of `at`, or the last one with usage that is open."""
    if at is not None:
        return Month(at.year, at.month)
    loaded = sorted({part.month for part in bench.ledger.parts() if part.month is not None})
    return next((month for month in reversed(loaded) if bench.closed(month) is None), None)


def behind_notice(known: Known) -> str:
    """Sources that end earlier than others, as a sentence; "" where none does."""
    ends = ", ".join(f"{name or 'usage without a source'} on {day}" for name, day in known.behind.items())
    return f"some sources end earlier, and make the projection low: {ends}" if ends else ""


def unloaded(month: Month | None, loaded: Sequence[Month]) -> Refused:
    """The refusal of a month without usage, or of books without any."""
    there = f"; there is {', '.join(map(str, loaded))}" if loaded else ""
    problem = Problem(
        "usage-not-loaded",
        "no usage is loaded" if month is None else f"no usage of {month} is loaded",
        SourceRef("usage"),
        remedy=f"run `finledger load` with the exports{there}",
    )
    return Refused([problem])
