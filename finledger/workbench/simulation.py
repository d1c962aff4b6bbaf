"""What-if on a real month or quarter: the same usage, re-rated under other terms, beside what it was (rule U8). Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import localcontext
from pathlib import Path

from finledger.core.compare import Comparison, compare
from finledger.core.history import flows_of
from finledger.core.label import own
from finledger.core.model import MonthCharges, PriceBook
from finledger.core.money import EXACT
from finledger.core.period import Month
from finledger.core.problem import Misused, Refused
from finledger.core.rate import Pricing
from finledger.core.seats import USER, SeatSpread, seat_spreads
from finledger.core.whatif import WhatIf, changed_books, changed_organisation, cut_dates, without_effect
from finledger.engines import DEFAULT
from finledger.pipeline import query
from finledger.workbench import Workbench

USERS_LIMIT = 2_000_000  # groups of a month by user


@dataclass(frozen=True, slots=True)
class Simulated:
    before: tuple[MonthCharges, ...]
    after: tuple[MonthCharges, ...]
    comparison: Comparison


def simulate(bench: Workbench, months: Sequence[Month], what_if: WhatIf, *, engine_name: str = DEFAULT) -> Simulated:
    """The months, in order, as they are and as they would be; months before them stay what they were.

    Credits, draws and the fund's balance follow from month to month on each side. Each month's usage is grouped once.
    Raises Refused where a month, as it is or as it would be, cannot be charged.
    """
    as_it_is = as_it_would_be = bench.history(months[0], engine_name)[0]
    before, after = [], []
    for month in months:
        inputs = bench.month_inputs(month, engine_name=engine_name, history=as_it_is)
        books = changed_books(inputs.books, what_if, month)
        nothing = without_effect(books, what_if, month)
        if nothing:
            raise Refused(nothing)
        inputs = replace(inputs, also_cut=cut_dates(inputs.books, books))
        changed = changed_organisation(inputs.organisation, what_if)
        before.append(bench.run(inputs)[0])
        after.append(bench.run(replace(inputs, books=books, organisation=changed, history=as_it_would_be))[0])
        as_it_is += flows_of(before[-1].lines)
        as_it_would_be += flows_of(after[-1].lines)
    return Simulated(tuple(before), tuple(after), compare(before, after))


def seats_against_actions(bench: Workbench, month: Month, *, engine_name: str = DEFAULT) -> tuple[SeatSpread, ...]:
    """What each team's seats bill, and what its users' actions would cost under platform_led. Raises Refused."""
    inputs = bench.month_inputs(month, engine_name=engine_name)
    asked = query(inputs)
    labels = tuple(sorted({*asked.labels, USER}))
    with localcontext(EXACT):
        groups = inputs.group(replace(asked, labels=labels, group_limit=USERS_LIMIT))
        owned = own(groups.rows, inputs.organisation, asked.intervals)
        pricing = Pricing(month, inputs.organisation, inputs.books, inputs.rates)
        found = seat_spreads(owned.rows, pricing)
    problems = (*groups.problems, *owned.problems, *found.problems)
    if any(problem.is_error for problem in problems):
        raise Refused(problems)
    return found.rows


def other_book(bench: Workbench, name: str) -> PriceBook:
    """A price book by its name (2026-Q4.v2; 2026-Q4: its last version) or by its file, wherever it lies."""
    from finledger.read.pricebook import check_currency, read_pricebook

    path = Path(name)
    if path.is_file():
        outcome = read_pricebook(path, bench.shown(path))
        wrong = () if outcome.rows is None else check_currency([outcome.rows], bench.organisation.currency)
        if outcome.rows is None or wrong:
            raise Refused((*outcome.problems, *wrong))
        return outcome.rows
    found = [book for book in bench.pricebooks if name in (book.name, book.quarter)]
    if not found:
        known = ", ".join(book.name for book in bench.pricebooks) or "none"
        raise Misused(f"no price book {name!r}, and no file of that name: there are {known}")
    return max(found, key=lambda book: book.version)
