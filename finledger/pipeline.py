"""The corridor: usage of a month in, charges, entries and documents out. One function, one line a stage.

Every stage is pure and returns rows and problems. The first stage with an error stops the run with all the problems found
so far; the laws of rule X4 are checked on the way and at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import localcontext
from fractions import Fraction
from typing import TypeVar

from finledger.core import checks
from finledger.core.allocate import allocate, pool_amounts, share_pools, team_use
from finledger.core.charge import charge, charge_pools, fixed_pools
from finledger.core.currency import CurrencyRate
from finledger.core.invoice import invoices, team_totals
from finledger.core.label import own, rule_labels
from finledger.core.model import (
    MONEY_MOVES,
    POOL_PREFIX,
    UNALLOCATED,
    BufferState,
    ChargeLine,
    Check,
    EvalRecord,
    Invoice,
    LoadedFile,
    MonthCharges,
    Organisation,
    Pool,
    PriceBook,
    UsageGroup,
    UsageQuery,
)
from finledger.core.money import EXACT, Money, total, zero
from finledger.core.period import Month, intervals
from finledger.core.post import post
from finledger.core.pricebook import change_dates
from finledger.core.problem import Outcome, Problem, Refused
from finledger.core.quality import measure
from finledger.core.rate import Pricing, rate

T = TypeVar("T")
Group = Callable[[UsageQuery], Outcome[tuple[UsageGroup, ...]]]


@dataclass(frozen=True, slots=True)
class MonthInputs:
    """All that a month's charges are made from; the same inputs make the same charges."""

    month: Month
    organisation: Organisation
    books: Sequence[PriceBook]
    group: Group
    files: Sequence[LoadedFile] = ()
    evals: Sequence[EvalRecord] = ()
    rates: Sequence[CurrencyRate] = ()
    buffer_opening: Money | None = None
    allow_unpriced: bool = False
    notices: tuple[Problem, ...] = ()


def run_month(inputs: MonthInputs) -> tuple[MonthCharges, tuple[Invoice, ...]]:
    """Make a month's charges and documents, or raise `Refused` with every problem."""
    with localcontext(EXACT):
        return _corridor(inputs)


def _corridor(inputs: MonthInputs) -> tuple[MonthCharges, tuple[Invoice, ...]]:
    month, organisation = inputs.month, inputs.organisation
    run = _Run(inputs.notices)
    pricing = Pricing(month, organisation, inputs.books, inputs.rates, inputs.allow_unpriced)
    terms = pricing.terms
    rounding = terms.rounding if terms is not None else "half_up"

    groups = run.stage(inputs.group(query(inputs)))
    owned = run.stage(own(groups, organisation, query(inputs).intervals))
    rated = run.stage(rate(owned, pricing))
    allocations = run.stage(allocate(rated, terms.platform_share if terms is not None else None))
    direct, disclosures = run.stage(charge(allocations, organisation, rounding))
    pools = (*organisation.pools, *spread_unallocated(organisation))
    amounts = pool_amounts(pools, fixed_pools(pools, month, organisation.currency, rounding), direct, organisation.currency)
    kept = tuple(line for line in direct if not line.key.team.startswith(POOL_PREFIX))
    splits = run.stage(share_pools(pools, amounts, team_use(owned, kept), organisation, month))
    every = (*kept, *charge_pools(splits, organisation, month))
    unallocated, share = unallocated_share(every, organisation.currency)
    lines = every if organisation.unallocated == "hold" else tuple(ln for ln in every if ln.key.team != UNALLOCATED)
    entries = run.held(post(lines, organisation, month))
    totals = team_totals(lines, organisation, month)
    features = measure(lines, inputs.evals, organisation, month)
    documents = invoices(totals, lines, disclosures, features, entries, used_books(inputs), organisation, month)

    run.check(checks.rows_read(inputs.files))
    run.check(checks.usage_owned(groups, owned, organisation))
    if not inputs.allow_unpriced:
        run.check(*checks.usage_rated(owned, rated, organisation))
    run.check(checks.allocated(allocations))
    run.check(checks.disclosed(lines, disclosures))
    run.check(*checks.pools(splits, lines))
    run.check(checks.documents(lines, documents))
    run.check(*checks.journal(documents, entries, organisation))
    run.stop_if_broken()

    charges = MonthCharges(
        month=month,
        currency=organisation.currency,
        provisional=True,
        books=used_books(inputs),
        lines=tuple(sorted(lines, key=lambda line: line.key)),
        disclosures=tuple(sorted(disclosures, key=lambda disclosure: disclosure.key)),
        teams=totals,
        features=features,
        pools=splits,
        unallocated=unallocated,
        unallocated_share=share,
        buffer=buffer_state(lines, inputs.buffer_opening or zero(organisation.currency)),
        entries=entries,
        checks=tuple(run.checks),
        notices=tuple(run.problems),
    )
    return charges, documents


def query(inputs: MonthInputs) -> UsageQuery:
    """What the engine is asked: the month cut at every date on which an owner, a rule or a price changes."""
    organisation = inputs.organisation
    teams = organisation.teams.values()
    changes = {
        *(day for team in teams for day in team.cost_center.dates),
        *(day for rule in organisation.rules for day in (rule.start, rule.until) if day is not None),
        *change_dates(inputs.books),
    }
    cuts = intervals(inputs.month, organisation.timezone, changes, {rate.date for rate in inputs.rates})
    return UsageQuery(organisation.currency, cuts, rule_labels(organisation.rules))


def used_books(inputs: MonthInputs) -> tuple[PriceBook, ...]:
    """The versions that priced some part of the month."""
    first, after = inputs.month.first_day, inputs.month.next.first_day
    return tuple(book for book in inputs.books if book.effective_from < after and book.effective_until > first)


def spread_unallocated(organisation: Organisation) -> tuple[Pool, ...]:
    """Unallocated cost as a pool of its own, after its share is measured, where the organisation spreads it (rule A1)."""
    driver = {"proportional": "charges", "even": "even"}.get(organisation.unallocated)
    return () if driver is None else (Pool(UNALLOCATED, driver, rows=UNALLOCATED),)


def unallocated_share(lines: Iterable[ChargeLine], currency: str) -> tuple[Money, Fraction]:
    """Unallocated amount, and its exact share of all lines before it is spread (rule A2)."""
    counted = [line for line in lines if line.key.kind != "shared" or line.key.item != UNALLOCATED]
    loose = total((line.amount for line in counted if line.key.team == UNALLOCATED), currency)
    whole = total((line.amount for line in counted), currency)
    return loose, Fraction(loose.minor, whole.minor) if whole else Fraction(0)


def buffer_state(lines: Iterable[ChargeLine], opening: Money) -> BufferState:
    """The fund's month: the buffer components of teams whose stage moves money flow in (rule B1)."""
    paid = (part for ln in lines if ln.stage in MONEY_MOVES for name, part in ln.components if name == "buffer")
    return BufferState(opening, total(paid, opening.currency), zero(opening.currency))


def with_numbers(documents: Iterable[Invoice], numbers: Mapping[str, str]) -> tuple[Invoice, ...]:
    """The documents with the invoice numbers that the ledger gave their teams."""
    return tuple(replace(document, number=numbers.get(document.team, document.number)) for document in documents)


class _Run:
    """Collects problems and checks; stops the corridor when a stage has an error or a law is broken."""

    def __init__(self, notices: Iterable[Problem]) -> None:
        self.problems: list[Problem] = list(notices)
        self.checks: list[Check] = []

    def stage(self, outcome: Outcome[T]) -> T:
        self.problems.extend(outcome.problems)
        if any(problem.is_error for problem in self.problems):
            raise Refused(self.problems)
        return outcome.rows

    def held(self, outcome: Outcome[T]) -> T:
        """A stage whose errors stop what is written from it, not the charges: they become warnings here."""
        self.problems.extend(replace(problem, severity="warning") for problem in outcome.problems)
        return outcome.rows

    def check(self, *found: Check) -> None:
        self.checks.extend(found)

    def stop_if_broken(self) -> None:
        broken = checks.broken(self.checks)
        if broken:
            raise Refused((*self.problems, *broken))
