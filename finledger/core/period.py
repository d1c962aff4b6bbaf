"""Months, and the instants at which something dated changes inside one (rules M4, A7). Period ends are exclusive."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in the books' time zone, written 2026-07."""

    year: int
    number: int

    def __hash__(self) -> int:  # of every key of a line, millions of times: what is generated takes twice as long
        return self.year * 12 + self.number

    @classmethod
    def parse(cls, text: str) -> Month:
        match = _MONTH.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a month: write it as 2026-07")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def next(self) -> Month:
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def before(self) -> Month:
        return Month(self.year - (self.number == 1), (self.number - 2) % 12 + 1)

    def quarter(self, fiscal_year_start: int = 1) -> Quarter:
        """The quarter of the fiscal year that the month lies in."""
        place = (self.number - fiscal_year_start) % 12
        return Quarter(self.year + (1 < fiscal_year_start <= self.number), place // 3 + 1)

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last_day(self) -> date:
        return self.next.first_day - timedelta(days=1)

    def bounds(self, timezone: str) -> tuple[datetime, datetime]:
        """First instant, and the first instant after, in UTC."""
        return instant(self.first_day, timezone), instant(self.next.first_day, timezone)


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """Three months of a fiscal year, written 2026-Q3. A fiscal year is named by the calendar year in which it ends (M4).

    >>> [str(month) for month in Quarter.parse("2026-Q3").months()]
    ['2026-07', '2026-08', '2026-09']
    >>> [str(month) for month in Quarter.parse("2027-Q1").months(fiscal_year_start=7)]
    ['2026-07', '2026-08', '2026-09']
    >>> str(Month(2026, 7).quarter(7)), str(Month(2026, 6).quarter(7)), str(Month(2026, 7).quarter())
    ('2027-Q1', '2026-Q4', '2026-Q3')
    """

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Quarter:
        match = _QUARTER.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a quarter: write it as 2026-Q3")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.year:04d}-Q{self.number}"

    @property
    def next(self) -> Quarter:
        return Quarter(self.year + self.number // 4, self.number % 4 + 1)

    def months(self, fiscal_year_start: int = 1) -> tuple[Month, Month, Month]:
        """Its months, in order, for a fiscal year that starts with that month."""
        index = (self.year - (fiscal_year_start > 1)) * 12 + fiscal_year_start - 1 + 3 * (self.number - 1)
        first = Month(index // 12, index % 12 + 1)
        return first, first.next, first.next.next


def instant(day: date, timezone: str) -> datetime:
    """The instant at which `day` begins in `timezone`, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a month in which nothing dated changes: `number` from 0, `start` in UTC, `day` its first local day.

    `rates_only` marks a cut that only currency rates make, so that usage in the books' own currency need not be cut there.
    """

    number: int
    start: datetime
    day: date
    rates_only: bool = False


def intervals(month: Month, timezone: str, changes: Iterable[date], rates: Iterable[date] = ()) -> tuple[Interval, ...]:
    """Cut the month at every change, and at every change of a currency rate, that falls inside it.

    >>> [(i.day.day, i.rates_only) for i in intervals(Month(2026, 7), "UTC", [date(2026, 7, 16)], [date(2026, 7, 20)])]
    [(1, False), (16, False), (20, True)]
    """
    hard = {day for day in changes if month.first_day < day <= month.last_day}
    soft = {day for day in rates if month.first_day < day <= month.last_day} - hard
    days = [month.first_day, *sorted(hard | soft)]
    return tuple(Interval(number, instant(day, timezone), day, day in soft) for number, day in enumerate(days))
