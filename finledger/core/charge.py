"""Make charge lines: the one place where an amount is rounded (rules M1, M2, C1, C4).

A line's gross is rounded once; what the team bears is a split of it, and its components are a split of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from finledger.core.model import (
    POOL_PREFIX,
    UNALLOCATED,
    Allocation,
    ChargeLine,
    Disclosure,
    LineKey,
    Organisation,
    Pool,
    PoolSplit,
)
from finledger.core.money import Money, Rounding, rounded, split
from finledger.core.period import Month
from finledger.core.problem import Outcome

# The team comes first, so that an exact tie of the eval share is its (rule C4).
TEAM, PLATFORM = (0, "team"), (1, "platform")


def charge(
    allocations: Iterable[Allocation], organisation: Organisation, rounding: Rounding
) -> Outcome[tuple[tuple[ChargeLine, ...], tuple[Disclosure, ...]]]:
    """Rounded lines of what consumers bear, and the disclosures of what others funded. Zero amounts are left out (M2)."""
    lines = []
    disclosures = []
    for allocation in allocations:
        rated = allocation.line
        gross = rounded(rated.exact, organisation.currency, rounding)
        parts = split(gross, {TEAM: allocation.consumer, PLATFORM: allocation.platform}, residual=TEAM)
        if parts[TEAM]:
            lines.append(_line(allocation, parts[TEAM], organisation))
        if allocation.disclosed and gross:
            disclosures.append(Disclosure(rated.key, rated.quantity, gross, parts[PLATFORM], parts[TEAM]))
    return Outcome((tuple(lines), tuple(disclosures)))


def _line(allocation: Allocation, amount: Money, organisation: Organisation) -> ChargeLine:
    rated = allocation.line
    residual = "base" if "base" in rated.weights else next(iter(rated.weights))
    components = split(amount, {name: abs(weight) for name, weight in rated.weights.items()}, residual)
    return ChargeLine(
        key=rated.key,
        stage=stage_of(rated.key.team, organisation, rated.key.posting_month),
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
