"""The corridor: usage of a month in, charges, entries and documents out. One function, one line a stage.

Every stage is pure and returns rows and problems. The first stage with an error stops the run with all the problems found
so far; the laws of rule X4 are checked on the way and at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import partial
from typing import TypeVar

from finledger.core import buffer as fund
from finledger.core import checks
from finledger.core.allocate import allocate, pool_amounts, share_pools, team_use
from finledger.core.beside import Beside
from finledger.core.capacity import idle_hours
from finledger.core.charge import (
    charge,
    charge_central,
    charge_idle,
    charge_pools,
    charge_quality,
    fixed_pools,
    round_requests,
)
from finledger.core.compound import share_compound
from finledger.core.currency import CurrencyRate
from finledger.core.eval_share import share_of_evals, subsidies_in
from finledger.core.history import Flow, History, flows_of
from finledger.core.included import Sums, take_included
from finledger.core.invoice import Posted, invoices, is_own, team_totals
from finledger.core.label import OPERATOR, REPEATS, own, root_labels, rule_labels
from finledger.core.model import (
    POOL_PREFIX,
    UNALLOCATED,
    ActionUse,
    BufferState,
    ChargeLine,
    Check,
    Disclosure,
    DrawRequest,
    EvalRecord,
    EvalSplit,
    FeatureQuality,
    IdleCost,
    Invoice,
    LoadedFile,
    MonthCharges,
    Organisation,
    PlatformCost,
    Pool,
    PoolSplit,
    PriceBook,
    Reservation,
    UsageGroup,
    UsageQuery,
)
from finledger.core.money import EXACT, Money, Rounding, total
from finledger.core.notes import for_others, notes
from finledger.core.operating import centrally_funded
from finledger.core.period import Month, intervals
from finledger.core.post import post
from finledger.core.post_pairs import post_pairs
from finledger.core.pricebook import book_at, change_dates
from finledger.core.problem import Outcome, Problem, Refused
from finledger.core.quality import Evals, Multiplier, coverage_credits, features_of, measure, multipliers
from finledger.core.rate import Pricing, rate
from finledger.core.uses import uses

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
    allow_unpriced: bool = False
    notices: tuple[Problem, ...] = ()
    history: History | None = None
    requests: Sequence[DrawRequest] = ()
    forecasts: Mapping[str, Decimal] | None = None
    costs: Sequence[PlatformCost] = ()
    also_cut: Sequence[date] = ()
    reservations: Sequence[Reservation] = ()
    first_calls: Callable[[UsageQuery, Sequence[UsageGroup], int], Sequence[Sums]] | None = None
    drawn: Mapping[str, Money] | None = None  # by the quarter's earlier months, where these are decided again too (B4)
    # what the month posts for others: late usage of closed months (L3), and what disputes credit (L4)
    corrections: tuple[ChargeLine, ...] = ()
    corrected: tuple[Disclosure, ...] = ()
    adjustments: tuple[ChargeLine, ...] = ()
    measured: Mapping[Month, Sequence[FeatureQuality]] = field(default_factory=dict)  # of the months that notes are about


def once(group: Group) -> Group:
    """The same grouping, worked out once for each query: a month that is run under two price books reads its usage once."""
    known: dict[UsageQuery, Outcome[tuple[UsageGroup, ...]]] = {}

    def grouped(asked: UsageQuery) -> Outcome[tuple[UsageGroup, ...]]:
        if asked not in known:
            known[asked] = group(asked)
        return known[asked]

    return grouped


def run_month(inputs: MonthInputs) -> tuple[MonthCharges, tuple[Invoice, ...]]:
    """Make a month's charges and documents, or raise `Refused` with every problem."""
    with localcontext(EXACT):
        return _corridor(inputs)


def _corridor(inputs: MonthInputs) -> tuple[MonthCharges, tuple[Invoice, ...]]:
    month, organisation = inputs.month, inputs.organisation
    run = _Run(inputs.notices)
    made = _charged(run, inputs)
    entries = run.held(post(made.lines, organisation, month))
    pairs = run.stage(post_pairs(made.lines, organisation, month))
    totals = team_totals(made.lines, organisation, month, frozen_forecasts(inputs), made.buffer)
    of_month = tuple(line for line in made.lines if is_own(line))
    features = measure(of_month, Evals(inputs.evals), made.multiplied, organisation, month)
    subsidies = subsidies_in(inputs.costs, month)
    eval_share = run.stage(share_of_evals(made.disclosures, subsidies, inputs.books, organisation, month))
    funded = centrally_funded(of_month, made.disclosures, used_books(inputs), organisation)
    central = charge_central(funded, organisation.currency, made.rounding)
    beside = Beside(made.terms, made.buffer, _history(inputs), eval_share, subsidies, central)
    disclosures = (*made.disclosures, *inputs.corrected)
    posted = Posted(month, organisation, made.lines, disclosures, features, entries, used_books(inputs))
    documents = (
        *invoices(totals, posted, beside),
        *notes(replace(posted, books=inputs.books), {**measured_in(inputs), month: features}),
    )
    run.check(checks.documents(made.lines, documents))
    run.check(*checks.journal(documents, entries, organisation), *checks.passed_on(made.lines, pairs, organisation))
    run.stop_if_broken()
    charges = MonthCharges(
        month=month,
        currency=organisation.currency,
        provisional=True,
        books=used_books(inputs),
        lines=tuple(sorted(made.lines, key=lambda line: line.key)),
        disclosures=tuple(sorted(disclosures, key=lambda disclosure: disclosure.key)),
        teams=totals,
        features=features,
        pools=made.pools,
        unallocated=made.unallocated,
        unallocated_share=made.unallocated_share,
        buffer=made.buffer,
        entries=(*entries, *pairs),
        checks=tuple(run.checks),
        notices=tuple(run.problems),
        uses=made.uses,
        eval_share=eval_share,
        subsidies=subsidies,
        idle=made.idle,
        central=central,
    )
    return charges, documents


@dataclass(frozen=True, slots=True)
class _Charged:
    """What the first half of the corridor hands to the second: every line that the month posts, and what its own were made of.

    `disclosures`, as all that follows them, are of the month's own usage.
    """

    lines: tuple[ChargeLine, ...]
    disclosures: tuple[Disclosure, ...]
    multiplied: Mapping[str, Multiplier]
    pools: tuple[PoolSplit, ...]
    idle: tuple[IdleCost, ...]
    buffer: BufferState
    unallocated: Money
    unallocated_share: Fraction
    uses: tuple[ActionUse, ...]
    rounding: Rounding
    terms: PriceBook | None


def _charged(run: _Run, inputs: MonthInputs) -> _Charged:
    """From usage to charge lines, in the order of work in which two people get the same cents."""
    month, organisation = inputs.month, inputs.organisation
    pricing = Pricing(month, organisation, inputs.books, inputs.rates, inputs.allow_unpriced)
    terms = pricing.terms
    rounding = terms.rounding if terms is not None else "half_up"

    groups = run.stage(inputs.group(query(inputs)))
    owned = run.stage(own(groups, organisation, query(inputs).intervals))
    first = None if inputs.first_calls is None else partial(inputs.first_calls, query(inputs))
    billed = run.stage(take_included(owned, pricing, first))
    rated = run.stage(rate(billed, pricing))
    allocations = run.stage(allocate(rated, terms, inputs.books))
    priced, disclosures = run.stage(charge(allocations, organisation, rounding, eval_split_in(terms, inputs)))
    multiplied, quality = charge_for_quality(inputs, priced, terms)
    idle_usage = run.stage(idle_hours(inputs.reservations, owned, pricing))
    idle_lines, idle = charge_idle(idle_usage, organisation, month, rounding)
    shared_calls = share_compound(priced, organisation)
    direct = (*priced, *quality, *shared_calls, *idle_lines)
    pools = (*organisation.pools, *spread_unallocated(organisation))
    amounts = pool_amounts(pools, fixed_pools(pools, month, organisation.currency, rounding), direct, organisation.currency)
    kept = tuple(line for line in direct if not line.key.team.startswith(POOL_PREFIX))
    splits = run.stage(share_pools(pools, amounts, team_use(owned, kept), organisation, month))
    every = (*kept, *charge_pools(splits, organisation, month))
    unallocated, share = unallocated_share(every, organisation.currency)
    owed = every if organisation.unallocated == "hold" else tuple(ln for ln in every if ln.key.team != UNALLOCATED)
    others = run.stage(for_others((*inputs.corrections, *inputs.adjustments), organisation))
    buffer, moved = run.stage(draw(inputs, (*owed, *others), terms))
    lines = (*owed, *others, *moved)

    run.check(checks.rows_read(inputs.files), checks.usage_owned(groups, owned, organisation))
    if not inputs.allow_unpriced:
        run.check(*checks.usage_rated(billed, rated, organisation))
    run.check(
        *checks.compound(shared_calls),
        checks.allocated(allocations),
        checks.disclosed(lines, (*disclosures, *inputs.corrected)),
    )
    run.check(*checks.idle(idle, direct), *checks.pools(splits, amounts, owed), checks.fund(buffer, lines))
    return _Charged(lines, disclosures, multiplied, splits, idle, buffer, unallocated, share, uses(rated), rounding, terms)


def query(inputs: MonthInputs) -> UsageQuery:
    """What the engine is asked: the month cut at every date on which an owner, a rule or a price changes.

    Who operated a call is asked too, what the root of its trace says (A5), and whether it repeats spans of another export (C2):
    where no row says who, or has a parent, that is empty in all of them, and costs nothing.
    """
    organisation = inputs.organisation
    teams = organisation.teams.values()
    changes = {
        *(day for team in teams for day in team.cost_center.dates),
        *(day for rule in organisation.rules for day in (rule.start, rule.until) if day is not None),
        *change_dates(inputs.books),
        *inputs.also_cut,
    }
    cuts = intervals(inputs.month, organisation.timezone, changes, {rate.date for rate in inputs.rates})
    rules = organisation.rules
    labels = {*rule_labels(rules), OPERATOR, REPEATS, *root_labels(rules)}
    return UsageQuery(
        organisation.currency,
        cuts,
        tuple(sorted(labels)),
        reconciled=organisation.reconciled,
        inclusive=organisation.inclusive,
    )


def used_books(inputs: MonthInputs) -> tuple[PriceBook, ...]:
    """The versions in force in some part of the month, in the order in which they take over."""
    first, after = inputs.month.first_day, inputs.month.next.first_day
    days = (first, *(day for day in change_dates(inputs.books) if first < day < after))
    in_force = (book_at(inputs.books, day) for day in days)
    return tuple({book.name: book for book in in_force if book is not None}.values())


def spread_unallocated(organisation: Organisation) -> tuple[Pool, ...]:
    """Unallocated cost as a pool of its own, after its share is measured, where the organisation spreads it (rule A1)."""
    driver = {"proportional": "charges", "even": "even"}.get(organisation.unallocated)
    return () if driver is None else (Pool(UNALLOCATED, driver, rows=UNALLOCATED),)


def unallocated_share(lines: Iterable[ChargeLine], currency: str) -> tuple[Money, Fraction]:
    """Unallocated amount, and its exact share of all lines before it is spread, credits left out (rule A2)."""
    spread = (line for line in lines if line.key.kind != "shared" or line.key.item != UNALLOCATED)
    counted = [line for line in spread if line.key.kind != "coverage_credit"]
    loose = total((line.amount for line in counted if line.key.team == UNALLOCATED), currency)
    whole = total((line.amount for line in counted), currency)
    return loose, Fraction(loose.minor, whole.minor) if whole else Fraction(0)


def eval_split_in(terms: PriceBook | None, inputs: MonthInputs) -> EvalSplit:
    """How evaluation is shared: by the book of the month's first instant, or the first that holds in it (C4, P1)."""
    book = terms if terms is not None else next(iter(used_books(inputs)), None)
    return "line" if book is None else book.eval_split


def charge_for_quality(
    inputs: MonthInputs, priced: Sequence[ChargeLine], terms: PriceBook | None
) -> tuple[dict[str, Multiplier], tuple[ChargeLine, ...]]:
    """Each feature's multiplier; the premiums on its lines and the credits of earlier ones (rules Q1-Q3)."""
    if terms is None or terms.quality is None:
        return {}, ()
    month, organisation = inputs.month, inputs.organisation
    evals = Evals(inputs.evals)
    names = {*features_of(organisation), *evals.features(month), *(line.key.feature for line in priced)} - {""}
    multiplied = multipliers(names, evals, terms.quality, month)
    premiums = charge_quality(priced, multiplied, terms.rounding)
    start = organisation.fiscal_year_start
    earlier = [each for each in month.quarter(start).months(start) if each < month]
    so_far = _history(inputs) + flows_of(inputs.adjustments)  # what this month credits by disputes is not given back twice
    credited = coverage_credits(so_far, earlier, evals, terms.quality, organisation, month)
    return multiplied, (*premiums, *credited)


def draw(
    inputs: MonthInputs, lines: Sequence[ChargeLine], terms: PriceBook | None
) -> Outcome[tuple[BufferState, tuple[ChargeLine, ...]]]:
    """The fund's month: surcharges and instalments in, draws out; and the lines that these make (rules B1-B4).

    `lines` are all that the month posts before any draw. What corrections and credits move of the fund is of this month.
    """
    return draw_on(inputs, flows_of(lines), terms)


def draw_on(
    inputs: MonthInputs, flows: Sequence[Flow], terms: PriceBook | None
) -> Outcome[tuple[BufferState, tuple[ChargeLine, ...]]]:
    """The same from what the month's lines came to: they are needed as sums only."""
    month, organisation, history = inputs.month, inputs.organisation, _history(inputs)
    currency, start = organisation.currency, organisation.fiscal_year_start
    contributions = History(currency, tuple(flows)).fund_flow(month)
    repaid = fund.repayment_lines(history, inputs.books, organisation, month)
    repayments = total((line.amount for line in repaid), currency)
    opening = fund.opening(month, history, inputs.books, organisation)
    teams = [name for name, team in organisation.teams.items() if team.first_day_in(month) is not None]
    rounding = terms.rounding if terms is not None else "half_up"
    requests = round_requests((each for each in inputs.requests if each.month == month), currency, rounding)
    forecasts = fund.forecasts(frozen_forecasts(inputs), {*teams, *(each.team for each in requests)}, history, month)
    earlier = [each for each in month.quarter(start).months(start) if each < month]
    posted = {team: -amount for team, amount in history.posted("buffer_draw", earlier).items()}
    claim = fund.Claim(
        terms=terms.buffer if terms is not None else None,
        charges=(history.before(month) + flows).charges(month),
        forecasts=forecasts,
        drawn=posted if inputs.drawn is None else inputs.drawn,
        fund=opening + contributions,
    )
    decisions = fund.decide(requests, organisation, claim)
    draws = fund.draw_lines(decisions, organisation, month)
    state = BufferState(opening, contributions, total((each.granted for each in decisions), currency), decisions, repayments)
    return Outcome((state, (*repaid, *draws)), fund.notices(decisions, forecasts, organisation, month))


def measured_in(inputs: MonthInputs) -> dict[Month, Sequence[FeatureQuality]]:
    """The quality of each earlier month that notes are about: as given; else what its evals say, without charges (Q4)."""
    months = {line.key.service_month for line in (*inputs.corrections, *inputs.adjustments)}
    evals = Evals(inputs.evals)
    known = {month: measure((), evals, {}, inputs.organisation, month) for month in months - inputs.measured.keys()}
    bare = {month: [replace(each, cost_per_correct_task=None) for each in found] for month, found in known.items()}
    return {**bare, **inputs.measured}


def frozen_forecasts(inputs: MonthInputs) -> Mapping[str, Decimal]:
    """The month's forecasts as they were first seen, or as finledger.yaml has them where nobody looked yet (rule B3)."""
    if inputs.forecasts is not None:
        return inputs.forecasts
    return stated_forecasts(inputs.organisation, inputs.month)


def stated_forecasts(organisation: Organisation, month: Month) -> dict[str, Decimal]:
    return {name: team.forecast[month] for name, team in organisation.teams.items() if month in team.forecast}


def _history(inputs: MonthInputs) -> History:
    return inputs.history if inputs.history is not None else History(inputs.organisation.currency)


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
