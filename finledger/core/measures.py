"""What the monthly review looks at: five measures of money and four of quality, side by side (rules U2, Q4); and a year of them.

Every figure is a ratio of sums over the months of a period, so that a quarter is not a mean of its months. What no month can
say is `Missing` with its reason, and is never a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import UNALLOCATED, ChargeLine, MonthCharges, Organisation
from finledger.core.money import Money, minor_digits, rounded_places
from finledger.core.period import Month
from finledger.core.pricebook import book_at
from finledger.core.report import Cell, Field, Missing, Table
from finledger.core.unit_use import INFERENCE
from finledger.core.units import unit_lines

NONE = Fraction(0)
NOT_TRACKED, NOT_MEASURABLE = Missing("not tracked"), Missing("not measurable")
NO_CHARGES, NO_BUDGET = Missing("no charges"), Missing("no budget")
PERCENT_PLACES = 4
Figure = Fraction | Missing
Pair = tuple[Figure, Figure]  # of this period, and of the last


@dataclass(frozen=True, slots=True)
class GpuUse:
    """GPU-hours that were used, those of them whose rows say how busy the GPUs were, and how many were busy."""

    hours: Decimal = Decimal(0)
    measured: Decimal = Decimal(0)
    busy: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Sums:
    """What months come to, in minor units, hours and tasks. Sums of several months are the sums of each."""

    bill: Fraction = NONE  # all that teams are charged
    whole: Fraction = NONE  # what the unallocated share is a share of (A2)
    loose: Fraction = NONE  # of it, without an owner
    paved: Fraction = NONE  # of it, on the attributable path
    budgeted: Fraction = NONE  # charges of teams that have a budget
    budget: Fraction = NONE
    metered: Fraction = NONE  # inference calls that state tokens
    tokens: Fraction = NONE  # of these
    gpu_hours: Fraction = NONE
    gpu_measured: Fraction = NONE
    gpu_busy: Fraction = NONE
    gpu_idle: Fraction = NONE  # reserved hours that nobody used
    production: Fraction = NONE  # what cost per correct task divides (Q4)
    tracked: Fraction = NONE  # production of features with a coverage
    covered: Fraction = NONE  # of it, by coverage
    watched: Fraction = NONE  # production of features with a freshness
    fresh: Fraction = NONE  # of it, by freshness
    at_target: Fraction = NONE  # production of features at the coverage target or above
    measured: Fraction = NONE  # production of features whose correct tasks are known
    correct: Fraction = NONE  # these tasks
    premium: Fraction = NONE  # coverage and freshness premiums
    credited: Fraction = NONE  # coverage premiums given back
    months: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def sums_of(charges: MonthCharges, organisation: Organisation, gpu: GpuUse | None = None) -> Sums:
    """One month."""
    whole, loose, paved = _spend(charges, organisation)
    tokens = [line for line in unit_lines(charges.lines) if _states_tokens(line)]
    planned = [each for each in charges.teams if each.budget is not None]
    premiums = [line for line in charges.lines if line.key.kind in ("coverage_premium", "freshness_premium")]
    credits = [line for line in charges.lines if line.key.kind == "coverage_credit"]
    gpu = gpu or GpuUse()
    return Sums(
        bill=Fraction(sum(each.total.minor for each in charges.teams)),
        whole=whole,
        loose=loose,
        paved=paved,
        budgeted=Fraction(sum(each.total.minor for each in planned)),
        budget=Fraction(sum(each.budget.minor for each in planned if each.budget is not None)),
        metered=Fraction(sum(line.amount.minor for line in tokens)),
        tokens=Fraction(sum(sum(line.tokens.values()) for line in tokens)),
        gpu_hours=Fraction(gpu.hours),
        gpu_measured=Fraction(gpu.measured),
        gpu_busy=Fraction(gpu.busy),
        gpu_idle=Fraction(sum((each.idle for each in charges.idle), Decimal(0))),
        premium=Fraction(sum(line.amount.minor for line in premiums)),
        credited=Fraction(-sum(line.amount.minor for line in credits)),
        months=1,
        **_quality(charges),
    )


def summed(months: Iterable[Sums]) -> Sums:
    return sum(months, Sums())


def _states_tokens(line: ChargeLine) -> bool:
    return line.key.kind == "action" and line.key.workload_type == INFERENCE and sum(line.tokens.values()) > 0


def _spend(charges: MonthCharges, organisation: Organisation) -> tuple[Fraction, Fraction, Fraction]:
    """What the unallocated share divides (A2), what of it nobody owns, and what of it is on the paved road.

    The paved road is what the price book meters and an owner answers for; costs that a provider passes through are off it,
    unless passing through by labels is how these books charge (C7, finops_led).
    """
    off = set() if organisation.operating_model == "finops_led" else {"passthrough"}
    owned = paved = 0
    for line in unit_lines(charges.lines):
        spread = line.key.kind == "shared" and line.key.item == UNALLOCATED
        if line.key.team == UNALLOCATED or spread:
            continue
        owned += line.amount.minor
        paved += 0 if line.key.kind in off else line.amount.minor
    loose = charges.unallocated.minor
    return Fraction(owned + loose), Fraction(loose), Fraction(paved)


def _quality(charges: MonthCharges) -> dict[str, Fraction]:
    book = book_at(charges.books, charges.month.first_day)
    target = book.quality.target if book is not None and book.quality is not None else None
    names = ("production", "tracked", "covered", "watched", "fresh", "at_target", "measured", "correct")
    found = dict.fromkeys(names, NONE)
    for each in charges.features:
        production = Fraction(each.production.minor)
        found["production"] += production
        if each.coverage is not None:
            found["tracked"] += production
            found["covered"] += production * Fraction(each.coverage)
            found["at_target"] += production if target is not None and each.coverage >= target else 0
        if each.in_distribution is not None:
            found["watched"] += production
            found["fresh"] += production * Fraction(each.in_distribution)
        if each.correct_tasks is not None:
            found["measured"] += production
            found["correct"] += each.correct_tasks
    return found


# ── the nine measures ───────────────────────────────────────────────────────────────────────────────────────────────────


def over(part: Fraction, whole: Fraction, why: Missing) -> Figure:
    return Fraction(part) / whole if whole else why


def gpu_idle(sums: Sums) -> Figure:
    """1 - busy ÷ (hours whose use is measured + reserved hours that nobody used); of reservations alone where none is (U2)."""
    if sums.gpu_measured:
        return 1 - Fraction(sums.gpu_busy) / (sums.gpu_measured + sums.gpu_idle)
    if sums.gpu_idle:
        return over(sums.gpu_idle, sums.gpu_hours + sums.gpu_idle, NOT_MEASURABLE)
    return Missing("not measured") if sums.gpu_hours else Missing("no GPU-hours")


def per_1k_tokens(sums: Sums, currency: str) -> Figure:
    """The charge of inference calls that state tokens, for 1,000 of these (U1)."""
    return over(sums.metered * 1000, sums.tokens * _unit(currency), Missing("no tokens"))


def cost_per_correct(sums: Sums, currency: str) -> Figure:
    """Production charges ÷ correct tasks, of the features where these are known (Q4)."""
    return over(sums.measured, sums.correct * _unit(currency), NOT_MEASURABLE)


def attributed(sums: Sums) -> Figure:
    loose = over(sums.loose, sums.whole, NO_CHARGES)
    return loose if isinstance(loose, Missing) else 1 - loose


def _unit(currency: str) -> int:
    return int(10 ** minor_digits(currency))


_FIELDS = (
    Field("measure", "text"),
    Field("unit", "text"),
    Field("figure", "quantity"),
    Field("last", "quantity"),
    Field("change", "quantity"),
    Field("change_share", "share"),
    Field("basis", "text"),
)


def measures_table(now: Sums, last: Sums, period: str, before: str, currency: str) -> Table:
    """`measures`: the review's nine, each with the last period's and the change: in points of a percentage, else in its unit."""

    def both(figure: Callable[[Sums], Figure]) -> Pair:
        return figure(now), figure(last)

    rows = (
        _share_row("GPU idle", both(gpu_idle), _gpu_basis(now)),
        _rate_row("cost per 1k tokens", f"{currency} per 1,000 tokens", both(lambda each: per_1k_tokens(each, currency))),
        _share_row("spend on the paved road", both(lambda each: over(each.paved, each.whole, NO_CHARGES))),
        _share_row("unallocated spend", both(lambda each: over(each.loose, each.whole, NO_CHARGES))),
        _money_row("budget variance", currency, both(_variance), _budget_basis(now)),
        _money_row("bill", currency, both(lambda each: each.bill if each.months else NO_CHARGES)),
        _share_row("coverage", both(lambda each: over(each.covered, each.tracked, NOT_TRACKED)), _of(now, now.tracked)),
        _share_row("freshness", both(lambda each: over(each.fresh, each.watched, NOT_TRACKED)), _of(now, now.watched)),
        _rate_row(
            "cost per correct task",
            f"{currency} per correct task",
            both(lambda each: cost_per_correct(each, currency)),
            _of(now, now.measured),
        ),
    )
    note = f"Of {period}; last: {before}. Percentages change by points. Coverage and freshness are weighted by production spend."
    return Table("measures", f"The review's measures, {period}", _FIELDS, rows, note)


def _variance(sums: Sums) -> Figure:
    return sums.budgeted - sums.budget if sums.budget else NO_BUDGET


def _gpu_basis(sums: Sums) -> str:
    if sums.gpu_measured:
        return "used and reserved hours that were not busy"
    return "reserved hours without use: busy hours are not measured" if sums.gpu_idle else ""


def _budget_basis(sums: Sums) -> str:
    return "total less budget, of teams that have one" if sums.budget else ""


def _of(sums: Sums, part: Fraction) -> str:
    """How much of production the figure is about: a mean of the half that is tracked is no mean of all."""
    if not part or part == sums.production:
        return ""
    share = over(part, sums.production, NO_CHARGES)
    return "" if isinstance(share, Missing) else f"of {rounded_places(share * 100, 1)} % of production spend"


def _share_row(name: str, pair: Pair, basis: str = "") -> tuple[Cell, ...]:
    now, last = (each if isinstance(each, Missing) else rounded_places(each * 100, PERCENT_PLACES) for each in pair)
    return (name, "%", now, last, _difference(now, last), None, basis)


def _rate_row(name: str, unit: str, pair: Pair, basis: str = "") -> tuple[Cell, ...]:
    now, last = pair
    change = None if isinstance(now, Missing) or isinstance(last, Missing) else now - last
    return (name, unit, now, last, change, rise(now, last), basis)


def _money_row(name: str, currency: str, pair: Pair, basis: str = "") -> tuple[Cell, ...]:
    now, last = (each if isinstance(each, Missing) else Money(int(each), currency) for each in pair)
    change = None if isinstance(now, Missing) or isinstance(last, Missing) else now - last
    relative = None if name == "budget variance" else rise(*pair)  # of a difference a share says nothing
    return (name, currency, now, last, change, relative, basis)


def _difference(now: Decimal | Missing, last: Decimal | Missing) -> Decimal | None:
    return None if isinstance(now, Missing) or isinstance(last, Missing) else now - last


def rise(now: Figure | None, last: Figure | None) -> Fraction | None:
    """By which part of the last figure this one is higher; None where one of them is not known, or the last is zero."""
    if now is None or last is None or isinstance(now, Missing) or isinstance(last, Missing) or last <= 0:
        return None
    return Fraction(now) / last - 1


# ── budgets ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TeamBudget:
    """A team's period beside what was planned for it, in minor units. None: a month of it has no budget, or no forecast."""

    team: str
    total: int
    budget: int | None
    forecast: int | None

    @property
    def variance(self) -> int | None:
        return None if self.budget is None else self.total - self.budget


def budgets(months: Sequence[Month], charges: Mapping[Month, MonthCharges]) -> tuple[TeamBudget, ...]:
    """Every team of the period, sorted; its budget is known where each month in which it is a team has one."""
    found: dict[str, TeamBudget] = {}
    for month in months:
        for each in charges[month].teams if month in charges else ():
            known = found.get(each.team, TeamBudget(each.team, 0, 0, 0))
            budget = None if known.budget is None or each.budget is None else known.budget + each.budget.minor
            forecast = None if known.forecast is None or each.forecast is None else known.forecast + each.forecast.minor
            found[each.team] = TeamBudget(each.team, known.total + each.total.minor, budget, forecast)
    return tuple(found[name] for name in sorted(found))


# ── the year ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_YEAR_FIELDS = (
    Field("quarter", "text"),
    Field("months", "count"),
    Field("bill", "money"),
    Field("attributed", "share"),
    Field("tracked", "share"),
    Field("coverage", "share"),
    Field("covered_spend", "share"),
    Field("at_target", "share"),
    Field("freshness", "share"),
    Field("cost_per_correct_task", "rate"),
    Field("premiums", "money"),
    Field("premiums_back", "money"),
)
_OUTCOME_FIELDS = (
    Field("question", "text"),
    Field("first", "share"),
    Field("last", "share"),
    Field("change", "share"),
    Field("wanted", "text"),
    Field("met", "text"),
)


def programme_table(quarters: Sequence[tuple[str, Sums]], year: str, currency: str) -> Table:
    """`programme`: the year's quarters, each with how well its spend is attributed and what it bought."""
    rows = tuple(
        (
            name,
            sums.months,
            _amount(sums.bill, sums, currency),
            attributed(sums),
            over(sums.tracked, sums.production, NO_CHARGES),
            over(sums.covered, sums.tracked, NOT_TRACKED),
            over(sums.covered, sums.production, NO_CHARGES),
            over(sums.at_target, sums.production, NO_CHARGES),
            over(sums.fresh, sums.watched, NOT_TRACKED),
            cost_per_correct(sums, currency),
            _amount(sums.premium, sums, currency),
            _amount(sums.credited, sums, currency),
        )
        for name, sums in quarters
    )
    note = (
        "Covered spend is production spend x coverage, an untracked feature counting as not covered; at target: production spend "
        "of features that reach the price book's target."
    )
    return Table("programme", f"The programme in {year}, by quarter", _YEAR_FIELDS, rows, note)


def _amount(minor: Fraction, sums: Sums, currency: str) -> Cell:
    return Money(int(minor), currency) if sums.months else NO_CHARGES


def outcome_table(
    quarters: Sequence[tuple[str, Sums]], costs: Sequence[Mapping[str, Fraction]], year: str, limit: Decimal
) -> Table:
    """`outcomes`: did the year buy quality, or only hit its plan? Three figures tell the two apart.

    `costs`: of each quarter, cost per correct task by feature. `limit`: the unallocated share that is too much (A4). First and
    last are the year's first and last charged quarters.
    """
    charged = [number for number, (_, sums) in enumerate(quarters) if sums.months]
    if not charged:
        return Table("outcomes", f"What {year} bought", _OUTCOME_FIELDS, ())
    first, last = quarters[charged[0]][1], quarters[charged[-1]][1]
    covered = [over(each.covered, each.production, NO_CHARGES) for each in (first, last)]
    earlier, later = costs[charged[0]], costs[charged[-1]]
    both = sorted(earlier.keys() & later.keys())
    held = sum(later[name] <= earlier[name] for name in both)
    flat: Figure = over(Fraction(held), Fraction(len(both)), NOT_MEASURABLE)
    spend = [attributed(each) for each in (first, last)]
    one = len(charged) == 1
    gate = f"over {(1 - limit) * 100:f} %"
    rows = (
        ("Is the spend attributed?", *spend, _change(*spend), gate, _met(spend[1], lambda share: share > 1 - Fraction(limit))),
        ("Is more of it covered by evaluation?", *covered, _change(*covered), "more than at first",
         "one quarter only" if one else _met(covered[1], lambda share: _is_more(share, covered[0]))),
        (f"Do features cost no more for a correct task? ({held} of {len(both)})", None, flat, None, "most of them",
         "one quarter only" if one else _met(flat, lambda share: share > Fraction(1, 2))),
    )  # fmt: skip
    names = (quarters[charged[0]][0], quarters[charged[-1]][0])
    note = (
        f"First: {names[0]}; last: {names[1]}. All three met: the programme is paying for quality as well as for discipline. Only "
        "the first met: the spend is well attributed, and nobody can say what it buys."
    )
    return Table("outcomes", f"What {year} bought", _OUTCOME_FIELDS, rows, note)


def _change(first: Figure, last: Figure) -> Fraction | None:
    return None if isinstance(first, Missing) or isinstance(last, Missing) else last - first


def _is_more(share: Fraction, first: Figure) -> bool:
    return isinstance(first, Missing) or share > first


def _met(figure: Figure, holds: Callable[[Fraction], bool]) -> str:
    if isinstance(figure, Missing):
        return figure.why
    return "yes" if holds(figure) else "no"
