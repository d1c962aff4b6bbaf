"""What the ledger has posted, in the order of its periods: months, and behind a quarter's last month the quarter's own end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from finledger.books.events import in_force
from finledger.core.model import JournalEntry
from finledger.core.period import Month, Quarter
from finledger.core.roll_forward import Stretch
from finledger.core.trial_balance import opening_entries
from finledger.workbench import Workbench


@dataclass(frozen=True, slots=True)
class PostedPeriod:
    """A month that is charged, or a quarter that is reconciled, with the entries of its current run."""

    period: Month | Quarter
    entries: tuple[JournalEntry, ...]
    last_day: date
    closed: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """All that stands before a period, and the parts of the period itself."""

    before: tuple[JournalEntry, ...]
    earlier: tuple[PostedPeriod, ...]
    own: tuple[PostedPeriod, ...]

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        return tuple(entry for part in self.own for entry in part.entries)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        return tuple(Stretch(stretch_label(part.period), part.entries) for part in self.own)


def stretch_label(period: Month | Quarter) -> str:
    """A quarter's own entries lie in an adjustment period, beside those of its months."""
    return str(period) if isinstance(period, Month) else f"{period} end"


def posted(bench: Workbench, period: Month | Quarter) -> Posted:
    """A quarter has its months and its own end; a month has itself, and what quarters before it ended with behind it."""
    start = bench.organisation.fiscal_year_start
    inside = {period} if isinstance(period, Month) else {*period.months(start), period}
    last_day = _last_day(period, start)
    earlier, own = [], []
    for part in _periods(bench, period):
        if part.period in inside:
            own.append(part)
        elif part.last_day < last_day:  # a quarter that ends with the month lies behind it
            earlier.append(part)
    first = min((each for each in bench.months()), default=None)
    opening = opening_entries(bench.organisation, first) if first is not None else ()
    before = (*opening, *(entry for part in earlier for entry in part.entries))
    return Posted(before, tuple(earlier), tuple(own))


def _periods(bench: Workbench, until: Month | Quarter) -> Iterator[PostedPeriod]:
    """In order, up to the period: each month that has a run, and each quarter that has one behind its last month."""
    start, ledger = bench.organisation.fiscal_year_start, bench.ledger
    closed = in_force(ledger.events())
    months = [month for month in ledger.months() if month.last_day <= _last_day(until, start)]
    periods: list[Month | Quarter] = []
    for quarter in sorted({month.quarter(start) for month in bench.months()}):
        periods += [month for month in quarter.months(start) if month in months]
        if _last_day(quarter, start) <= _last_day(until, start) and ledger.current_run(quarter) is not None:
            periods.append(quarter)
    for period in periods:
        yield PostedPeriod(period, ledger.entries(period), _last_day(period, start), str(period) in closed)


def _last_day(period: Month | Quarter, start: int) -> date:
    return (period if isinstance(period, Month) else period.months(start)[-1]).last_day
