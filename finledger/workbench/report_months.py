"""The months that a report is about, and the year that they end: charged, or as they were recorded (rules L2, X4).

The period's own months are worked out as `allocate` works them out: a closed one from what was sealed. The year before them is
for trends only. It is taken as it was recorded, which is what was closed; a month that nobody allocated is worked out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from finledger.books import rows
from finledger.books.events import Event
from finledger.core.invoice import is_own, team_totals
from finledger.core.model import MONEY_MOVES, BufferState, MonthCharges
from finledger.core.money import zero
from finledger.core.period import Month, Quarter, instant
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.quality import Evals, measure
from finledger.pipeline import stated_forecasts, unallocated_share
from finledger.workbench import Workbench
from finledger.workbench.open_books import OpenBooks
from finledger.workbench.sealed import as_of, texts

_MOVED = frozenset({"buffer_draw", "buffer_repayment"})  # after the share is measured (A2)
MANY_LINES = 5_000  # of the period, from which on a year of lines takes too long: trends make do with less
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
    bench.ledger.flows(wanted[-1].next)  # added up once, for all that asks for earlier months
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
    shelf, lines = _Shelf(bench), sum(len(charges.lines) for charges in own.values())
    before = months_of(bench, _before(period))[0]  # what the period is compared with is needed line by line
    for month in sorted(loaded):
        if _first(max(own)) <= month < max(own) and month not in own:
            try:
                condensed = lines > MANY_LINES and month < before
                trend[month] = shelf.recorded(month, condensed) or bench.allocate(month, record=False)[0]
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


class _Shelf:
    """Months as the ledger has them, with the organisation and the evaluations of their closes."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    @cached_property
    def _texts(self) -> dict[str, str]:
        """The texts that figures of quality and budgets are from, as they are now: name → SHA-256."""
        return {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in texts(self._bench.root).items()
            if _counts(name)
        }

    def _books(self, close: Event | None) -> OpenBooks:
        """These books while they say what was sealed; else those of the close."""
        if close is None:
            return self._bench
        sealed = {name: sha256 for name, sha256 in close.content["inputs"] if _counts(name)}
        return self._bench if sealed == self._texts else as_of(self._bench, close)

    def recorded(self, month: Month, condensed: bool = False) -> MonthCharges | None:
        """What the month's current run holds; None where nobody allocated it, or where it does not say enough."""
        bench = self._bench
        close = bench.closed(month)
        books = self._books(close)
        organisation = books.organisation
        if bench.ledger.current_run(month) is None or organisation.unallocated != "hold":
            return None  # what was spread over teams is not recorded as unallocated any more
        if any(each.month == month for each in bench.capacity):
            return None  # nor are the reserved hours that nobody used and the platform bears
        lines = bench.ledger.condensed_rows(month) if condensed else bench.ledger.charge_rows(month)
        currency = organisation.currency
        loose, share = unallocated_share((each for each in lines if each.key.kind not in _MOVED and is_own(each)), currency)
        moved = {name: zero(currency) for name in ("buffer", "buffer_draw", "buffer_true_up")}
        for line in lines:
            for name, amount in line.components if line.stage in MONEY_MOVES else ():
                if name in moved:
                    moved[name] = moved[name] + amount
        state = BufferState(zero(currency), moved["buffer"], -moved["buffer_draw"], repayments=moved["buffer_true_up"])
        forecasts = bench.ledger.frozen_forecasts(month) or stated_forecasts(organisation, month)
        held = [book for book in books.pricebooks if book.effective_from <= month.last_day]
        return MonthCharges(
            month=month,
            currency=currency,
            provisional=close is None,
            books=tuple(book for book in held if month.first_day < book.effective_until),
            lines=lines,
            disclosures=(),
            teams=team_totals(lines, organisation, month, forecasts, state),
            features=measure(filter(is_own, lines), Evals(books.evals), {}, organisation, month),
            pools=(),
            unallocated=loose,
            unallocated_share=share,
            buffer=state,
            entries=(),
            checks=(),
        )


def _before(period: Month | Quarter) -> Month | Quarter:
    if isinstance(period, Month):
        return period.before
    return Quarter(period.year - (period.number == 1), (period.number - 2) % 4 + 1)


def _counts(name: str) -> bool:
    return name == "finledger.yaml" or name.startswith(("evals/", "pricebooks/"))


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
