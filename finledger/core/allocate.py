"""Who bears a line: the consumer, the platform, or both by a share (rules C3, C4, A1); and who shares a pool (A8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from finledger.core.drivers import driver
from finledger.core.model import (
    POOL_PREFIX,
    UNALLOCATED,
    Allocation,
    ChargeLine,
    Organisation,
    OwnedGroup,
    Pool,
    PoolSplit,
    RatedLine,
)
from finledger.core.money import Money, split, total, zero
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.usage import TOKEN_BUCKETS

ALL = Decimal(1)
NONE = Decimal(0)


def allocate(rated: Iterable[RatedLine], platform_share: Decimal | None) -> Outcome[tuple[Allocation, ...]]:
    """The consumer's and the platform's weight of every line. Unallocated and pool usage is never shared (A1)."""
    return Outcome(tuple(_allocate_one(line, platform_share) for line in rated))


def _allocate_one(line: RatedLine, platform_share: Decimal | None) -> Allocation:
    team = line.key.team
    if line.funding == "consumer" or team == UNALLOCATED or team.startswith(POOL_PREFIX):
        return Allocation(line, ALL, NONE, disclosed=False)
    if line.funding == "platform":
        return Allocation(line, NONE, ALL, disclosed=True)
    assert platform_share is not None, "a book with shared actions states its share"
    return Allocation(line, ALL - platform_share, platform_share, disclosed=True)


# ── shared pools ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TeamUse:
    """What a team used in the month, whatever it was charged: the quantities that drivers weigh by (rule A8)."""

    requests: Decimal = NONE
    tokens: Decimal = NONE
    gpu_hours: Decimal = NONE
    charges: Decimal = NONE


def team_use(owned: Iterable[OwnedGroup], lines: Iterable[ChargeLine]) -> Mapping[str, TeamUse]:
    """Use by team, the platform's own included; what is unallocated drives nothing (A8)."""
    requests: dict[str, Decimal] = {}
    tokens: dict[str, Decimal] = {}
    hours: dict[str, Decimal] = {}
    charges: dict[str, Decimal] = {}
    for group in owned:
        sums = group.group.sums
        _bump(requests, group.team, Decimal(sums["calls"] if group.action else sums["requests"]))
        _bump(tokens, group.team, Decimal(sum(int(sums[bucket]) for bucket in TOKEN_BUCKETS)))
        _bump(hours, group.team, Decimal(sums["gpu_hours"]))
    for line in lines:
        _bump(charges, line.key.team, line.amount.amount)
    teams = {*requests, *charges} - {UNALLOCATED}
    return {
        team: TeamUse(requests.get(team, NONE), tokens.get(team, NONE), hours.get(team, NONE), charges.get(team, NONE))
        for team in teams
        if not team.startswith(POOL_PREFIX)
    }


def _bump(sums: dict[str, Decimal], key: str, quantity: Decimal) -> None:
    sums[key] = sums.get(key, NONE) + quantity


def share_pools(
    pools: Sequence[Pool],
    amounts: Mapping[str, Money],
    use: Mapping[str, TeamUse],
    organisation: Organisation,
    month: Month,
) -> Outcome[tuple[PoolSplit, ...]]:
    """Split every pool that has an amount this month over its targets, in the declared order; each pass conserves (M3)."""
    shared = [(pool, _share(pool, amounts[pool.name], use, organisation, month)) for pool in pools if amounts.get(pool.name)]
    unshared = tuple(_unshared(pool, part) for pool, part in shared if part.residual == part.amount)
    return Outcome(tuple(part for _, part in shared), unshared)


def _share(pool: Pool, amount: Money, use: Mapping[str, TeamUse], organisation: Organisation, month: Month) -> PoolSplit:
    names = pool.targets or tuple(sorted(organisation.teams))
    targets = [
        name
        for name in names
        if name != organisation.platform_team and organisation.teams[name].first_day_in(month) is not None
    ]
    weigh = driver(pool.driver)
    weights = dict(weigh.weights(pool, targets, use))
    platform = organisation.platform_team
    if weigh.PLATFORM_WEIGHS and platform in use:
        weights[platform] = weigh.weights(pool, [platform], use)[platform]
    parts = split(amount, {**weights, platform: weights.get(platform, NONE)}, residual=platform)
    residual = parts.pop(platform)
    assert total(parts.values(), amount.currency) + residual == amount
    return PoolSplit(pool.name, pool.driver, amount, parts, residual, weights)


def _unshared(pool: Pool, part: PoolSplit) -> Problem:
    amount = f"{part.amount} {part.amount.currency}"
    return Problem(
        "pool-without-driver",
        f"pool {pool.name} of {amount} stays with the platform: none of its targets has any {pool.driver.replace('_', ' ')}",
        pool.source or SourceRef("finledger.yaml"),
        remedy="choose another driver, or load the usage that it weighs by",
        severity="warning",
    )


def pool_amounts(
    pools: Sequence[Pool], fixed: Mapping[str, Money], lines: Iterable[ChargeLine], currency: str
) -> dict[str, Money]:
    """Each pool's amount: the fixed one of the month, or the sum of the lines that its rows made."""
    amounts = dict(fixed)
    for line in lines:
        for pool in pools:
            if pool.rows and line.key.team == pool.rows:
                amounts[pool.name] = amounts.get(pool.name, zero(currency)) + line.amount
    return amounts
