"""Make charge lines: the one place where an amount is rounded (rules M1, M2, C1, C4).

A line's gross is rounded once; what the team bears is a split of it, and its components are a split of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from finledger.core.capacity import IdleHours
from finledger.core.model import (
    OWN_PART,
    POOL_PREFIX,
    UNALLOCATED,
    Allocation,
    Central,
    ChargeLine,
    Disclosure,
    DrawRequest,
    EvalSplit,
    IdleCost,
    LineKey,
    Operated,
    Organisation,
    Pool,
    PoolSplit,
    RatedLine,
)
from finledger.core.money import Money, Rounding, rounded, rounded_parts, rounded_places, split, total, zero
from finledger.core.period import Month
from finledger.core.problem import Outcome
from finledger.core.quality import Multiplier, is_production

# The team comes first, so that an exact tie of the eval share is its (rule C4).
TEAM, PLATFORM = (0, "team"), (1, "platform")
PREMIUM_PLACES = 12
QUANTITY_PLACES = 12


def charge(
    allocations: Iterable[Allocation], organisation: Organisation, rounding: Rounding, eval_split: EvalSplit = "line"
) -> Outcome[tuple[tuple[ChargeLine, ...], tuple[Disclosure, ...]]]:
    """Rounded lines of what consumers bear, and the disclosures of what others funded. Zero amounts are left out (M2)."""
    lines = []
    disclosures = []
    priced = [(each, gross_of(each.line, organisation.currency, rounding)) for each in allocations]
    pooled = _pooled(priced, organisation.currency) if eval_split == "pooled" else {}
    stages: dict[tuple[str, Month], str] = {}
    for allocation, gross in priced:
        rated = allocation.line
        paid = pooled.get(rated.key)
        if paid is None:
            paid = split(gross, {TEAM: allocation.consumer, PLATFORM: allocation.platform}, residual=TEAM)[TEAM]
        if paid:
            whose = (rated.key.team, rated.key.posting_month)
            if whose not in stages:
                stages[whose] = stage_of(whose[0], organisation, whose[1])
            lines.append(_line(rated, paid, stages[whose], rounding))
        if allocation.disclosed and (gross or paid):
            disclosures.append(Disclosure(rated.key, rated.quantity, gross, gross - paid, paid))
    return Outcome((tuple(lines), tuple(disclosures)))


def gross_of(rated: RatedLine, currency: str, rounding: Rounding) -> Money:
    """What a line comes to, whoever funds it: rounded here, once (M2)."""
    return rounded(rated.exact, currency, rounding)


def _pooled(priced: Iterable[tuple[Allocation, Money]], currency: str) -> dict[LineKey, Money]:
    """The teams' part of the month's whole evaluation, split by their eval actions (C4's option `pooled`)."""
    shared = [(each, gross) for each, gross in priced if each.disclosed and each.consumer]
    if not shared:
        return {}
    first = shared[0][0]
    whole = total((gross for _, gross in shared), currency)
    teams = split(whole, {TEAM: first.consumer, PLATFORM: first.platform}, residual=TEAM)[TEAM]
    weights = {each.line.key: each.line.quantity for each, _ in shared}
    return split(teams, weights, residual=first.line.key)


def _line(rated: RatedLine, amount: Money, stage: str, rounding: Rounding) -> ChargeLine:
    residual = "base" if "base" in rated.weights else next(iter(rated.weights))
    components = split(amount, {name: abs(weight) for name, weight in rated.weights.items()}, residual)
    return ChargeLine(
        key=rated.key,
        stage=stage,
        quantity=rated.quantity,
        unit=rated.unit,
        unit_price=rated.unit_price,
        amount=amount,
        components=tuple((name, part) for name, part in sorted(components.items()) if part),
        funding=rated.funding,
        token_cost=rated.token_cost,
        failed=rated.failed,
        tokens=rated.tokens,
        rules=rated.rules,
        operators=_operated(rated, amount, rounding),
    )


def _operated(rated: RatedLine, amount: Money, rounding: Rounding) -> tuple[Operated, ...]:
    """What of a line's amount others operated, in proportion to the price and to the cent (A5, M3); a tie is the consumer's.

    Costs passed through may be credits too: then each part is its own cost, and they all add up to the amount as rounded.
    """
    weights = rated.operators
    if not weights:
        return ()
    if min(weights.values()) < 0 < max(weights.values()):
        each = Fraction(rated.exact) / sum(Fraction(weight) for weight in weights.values())
        parts = rounded_parts({who: each * Fraction(weight) for who, weight in weights.items()}, amount.currency, rounding)
    else:
        parts = split(amount, {who: abs(weight) for who, weight in weights.items()}, residual=OWN_PART)
    return tuple(Operated(*who, part) for who, part in sorted(parts.items()) if part and who != OWN_PART)


def part_of(amount: Money, share: Fraction, rounding: Rounding) -> Money:
    """A part of an amount, rounded once: what a credit gives back of a line (L4, M2)."""
    return rounded(Fraction(amount.amount) * share, amount.currency, rounding)


def round_requests(requests: Iterable[DrawRequest], currency: str, rounding: Rounding) -> tuple[DrawRequest, ...]:
    """Requests to the buffer in the currency's minor unit (M2)."""
    return tuple(
        each if each.requested is None else replace(each, requested=rounded(each.requested, currency, rounding).amount)
        for each in requests
    )


def charge_quality(
    lines: Iterable[ChargeLine], multiplied: Mapping[str, Multiplier], rounding: Rounding
) -> tuple[ChargeLine, ...]:
    """The premiums on production lines, each a line of its own on the line's base component as rounded (Q1, Q3, M2).

    The coverage premium is the base x (Q1's multiplier - 1); where stale eval sets cost more than that, the rest is the
    freshness premium.
    """
    factors = {feature: tuple(_premium_factors(each)) for feature, each in multiplied.items()}
    premiums = []
    for line in lines:
        for kind, factor in factors.get(line.key.feature, ()):
            if not is_production(line):
                break
            base = next((part for name, part in line.components if name == "base"), zero(line.amount.currency))
            exact = Fraction(base.amount) * factor
            premium = rounded(exact, line.amount.currency, rounding)
            if premium:
                premiums.append(_premium(line, kind, exact, premium))
    return tuple(premiums)


def _premium_factors(found: Multiplier) -> Iterator[tuple[str, Fraction]]:
    """What a feature's base is multiplied by for each premium that is not nothing."""
    if found.coverage > 1:
        yield "coverage_premium", found.coverage - 1
    if found.freshness > found.coverage:
        yield "freshness_premium", found.freshness - found.coverage


def _premium(line: ChargeLine, kind: str, exact: Fraction, amount: Money) -> ChargeLine:
    return replace(
        line,
        key=line.key._replace(kind=kind),
        quantity=Decimal(1),
        unit="month",
        unit_price=rounded_places(exact, PREMIUM_PLACES),
        amount=amount,
        components=((kind, amount),),
        token_cost=None,
        failed=0,
        tokens={},
        operators=(),
    )


def charge_idle(
    idle: Iterable[IdleHours], organisation: Organisation, month: Month, rounding: Rounding
) -> tuple[tuple[ChargeLine, ...], tuple[IdleCost, ...]]:
    """Lines of idle capacity: each reservation's cost rounded once, then split over its users (rules C6, M2, M3).

    A line's quantity is its team's part of the idle hours. The platform's part is its own cost: no line.
    """
    lines = []
    costs = []
    platform = organisation.platform_team
    for each in idle:
        amount = rounded(each.hours * each.sku.rate, organisation.currency, rounding)
        parts = split(amount, {**each.weights, platform: each.weights.get(platform, Decimal(0))}, residual=platform)
        residual = parts.pop(platform)
        lines += [_idle_line(each, team, part, organisation, month) for team, part in sorted(parts.items()) if part]
        costs.append(IdleCost(each.gpu_sku, each.holder, each.reserved, each.used, amount, parts, residual))
    return tuple(lines), tuple(costs)


def _idle_line(each: IdleHours, team: str, part: Money, organisation: Organisation, month: Month) -> ChargeLine:
    share = Fraction(each.weights[team]) / sum(Fraction(weight) for weight in each.weights.values())
    member = organisation.teams.get(team)
    cost_center = member.cost_center.at(member.first_day_in(month) or month.first_day) if member is not None else ""
    key = LineKey(team, cost_center or "", "", each.gpu_sku, "", "", "gpu_idle", each.book.name, month, month)
    return ChargeLine(
        key=key,
        stage=stage_of(team, organisation, month),
        quantity=rounded_places(Fraction(each.hours) * share, QUANTITY_PLACES),
        unit=each.sku.unit,
        unit_price=each.sku.rate,
        amount=part,
        components=(("gpu_idle", part),),
    )


def stage_of(team: str, organisation: Organisation, month: Month) -> str:
    """A team's stage in the month; unallocated and pool usage has none."""
    if team == UNALLOCATED or team.startswith(POOL_PREFIX):
        return ""
    return organisation.teams[team].stage_in(month)


def fixed_pools(pools: Sequence[Pool], month: Month, currency: str, rounding: Rounding) -> dict[str, Money]:
    """The fixed amount of each pool that states one for the month."""
    stated = {pool.name: pool.amount[month] for pool in pools if pool.amount is not None and month in pool.amount}
    return {name: rounded(amount, currency, rounding) for name, amount in stated.items()}


def charge_pools(splits: Iterable[PoolSplit], organisation: Organisation, month: Month) -> tuple[ChargeLine, ...]:
    """A line `shared` for each team's part of a pool: one unit, the item is the pool (rule A8)."""
    lines = []
    for pool in splits:
        for team, part in sorted(pool.parts.items()):
            if part:
                lines.append(_pool_line(pool.name, team, part, organisation, month))
    return tuple(lines)


def _pool_line(pool: str, team: str, part: Money, organisation: Organisation, month: Month) -> ChargeLine:
    member = organisation.teams[team]
    cost_center = member.cost_center.at(member.first_day_in(month) or month.first_day) or ""
    key = LineKey(team, cost_center, "", pool, "", "", "shared", "", month, month)
    return ChargeLine(key, member.stage_in(month), Decimal(1), "month", part.amount, part, (("shared", part),))


def charge_central(exact: Mapping[str, Decimal], currency: str, rounding: Rounding) -> tuple[Central, ...]:
    """What is funded centrally, rounded once for each component (rules C7, M2); zero amounts are left out."""
    found = ((component, rounded(amount, currency, rounding)) for component, amount in sorted(exact.items()))
    return tuple(Central(component, amount) for component, amount in found if amount)
