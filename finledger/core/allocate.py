"""Who bears a line: the consumer, the platform, or both by a share (rules C3, C4, A1); and who shares a pool (A8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    PriceBook,
    RatedLine,
)
from finledger.core.money import Money, split, total, zero
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.usage import TOKEN_BUCKETS

ALL = Decimal(1)
NONE = Decimal(0)


def allocate(
    rated: Iterable[RatedLine], terms: PriceBook | None, books: Iterable[PriceBook]
) -> Outcome[tuple[Allocation, ...]]:
    """The consumer's and the platform's weight of every line. Unallocated and pool usage is never shared (A1).

    `terms`: the book of the month's first instant, which says how evaluation is shared (C4): line by line or pooled by its
    share, or by component: a domain's own evaluation wholly its team's, the baseline wholly the platform's. Where it says
    nothing, because it has no shared class or does not hold yet, the book that prices the line does.
    """
    by_name = {book.name: book for book in books}
    return Outcome(tuple(_allocate_one(line, terms, by_name) for line in rated))


def _allocate_one(line: RatedLine, terms: PriceBook | None, books: Mapping[str, PriceBook]) -> Allocation:
    team = line.key.team
    if line.funding == "consumer" or team == UNALLOCATED or team.startswith(POOL_PREFIX):
        return Allocation(line, ALL, NONE, disclosed=False)
    if line.funding == "platform":
        return Allocation(line, NONE, ALL, disclosed=True)
    stating = stating_book(terms, books[line.key.price_version])
    action = stating.actions.get(line.key.item)
    if stating.eval_split == "by_component":
        share = ALL if action is not None and action.scope == "baseline" else NONE
    else:
        assert stating.platform_share is not None, "a book with shared actions states its share"
        share = stating.platform_share
    return Allocation(line, ALL - share, share, disclosed=True)


def stating_book(terms: PriceBook | None, pricing: PriceBook) -> PriceBook:
    """The book that says how a line's evaluation is shared: the month's, or the one that prices the line (C4)."""
    if terms is not None and (terms.platform_share is not None or terms.eval_split == "by_component"):
        return terms
    return pricing


# ── shared pools ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TeamUse:
    """What a team used in the month, whatever it was charged: the quantities that drivers weigh by (rule A8)."""

    requests: Decimal = NONE
    tokens: Decimal = NONE
    gpu_hours: Decimal = NONE
    charges: Decimal = NONE


# What is paid back or borne by a fund is no use of anything: it drives no pool (A8). Premiums do: they are charges.
NOT_DIRECT = frozenset({"shared", "coverage_credit", "buffer_draw", "buffer_repayment"})


def team_use(owned: Iterable[OwnedGroup], lines: Iterable[ChargeLine]) -> Mapping[str, TeamUse]:
    """Use by team, the platform's own and that of pools' rows included; what is unallocated drives nothing (A8)."""
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
        if line.key.kind not in NOT_DIRECT:
            _bump(charges, line.key.team, line.amount.amount)
    teams = {*requests, *charges} - {UNALLOCATED}
    return {
        team: TeamUse(requests.get(team, NONE), tokens.get(team, NONE), hours.get(team, NONE), charges.get(team, NONE))
        for team in teams
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
    """Split every pool that has an amount this month over its targets, in the declared order; each pass conserves (M3).

    `amounts`: what each pool has of its own. What it feeds a later pool is added there before that one is split.
    """
    held = dict(amounts)
    weighed = _target_use(pools, amounts, use)
    splits = []
    unshared = []
    for pool in pools:
        amount = held.get(pool.name)
        if not amount:
            continue
        part = _share(pool, amount, weighed, organisation, month)
        for name, fed in part.fed.items():
            held[name] = held[name] + fed if name in held else fed
        splits.append(part)
        if part.residual == part.amount:
            unshared.append(_unshared(pool, part))
    return Outcome(tuple(splits), tuple(unshared))


def _target_use(pools: Sequence[Pool], amounts: Mapping[str, Money], use: Mapping[str, TeamUse]) -> Mapping[str, TeamUse]:
    """The use of every target: a pool's is that of the rows it takes; its charges are its amount before any pool fed it."""
    found = {team: each for team, each in use.items() if not team.startswith(POOL_PREFIX)}
    for pool in pools:
        own = amounts[pool.name].amount if pool.name in amounts else NONE
        found[POOL_PREFIX + pool.name] = replace(use.get(pool.rows, TeamUse()), charges=own)
    return found


def _share(pool: Pool, amount: Money, use: Mapping[str, TeamUse], organisation: Organisation, month: Month) -> PoolSplit:
    names = pool.targets or tuple(sorted(organisation.teams))
    targets = [name for name in names if name.startswith(POOL_PREFIX) or _is_known(name, organisation, month)]
    weigh = driver(pool.driver)
    weights = dict(weigh.weights(pool, targets, use))
    platform = organisation.platform_team
    if weigh.PLATFORM_WEIGHS and platform in use:
        weights[platform] = weigh.weights(pool, [platform], use)[platform]
    parts = split(amount, {**weights, platform: weights.get(platform, NONE)}, residual=platform)
    residual = parts.pop(platform)
    fed = {name.removeprefix(POOL_PREFIX): parts.pop(name) for name in targets if name.startswith(POOL_PREFIX)}
    assert total((*parts.values(), *fed.values()), amount.currency) + residual == amount
    return PoolSplit(pool.name, pool.driver, amount, parts, residual, weights, fed)


def _is_known(team: str, organisation: Organisation, month: Month) -> bool:
    return team != organisation.platform_team and organisation.teams[team].first_day_in(month) is not None


def _unshared(pool: Pool, part: PoolSplit) -> Problem:
    amount = f"{part.amount:,} {part.amount.currency}"
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
