"""How a month's pools were shared and its draws decided, from the lines as they are recorded: no usage is charged again.

A draw needs what every team was charged, which the ledger has. A pool needs its amount and what its driver weighs by: charges
are recorded, and of usage only the owner and that one meter are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from finledger.core.allocate import NOT_DIRECT, TeamUse, allocate, pool_amounts, share_pools, team_use
from finledger.core.charge import charge, fixed_pools
from finledger.core.explain import Only, team_columns
from finledger.core.history import SETTLED, Flow
from finledger.core.included import take_included
from finledger.core.model import POOL_PREFIX, UNALLOCATED, BufferState, ChargeLine, Organisation, OwnedGroup, Pool, PoolSplit
from finledger.core.money import minor_digits
from finledger.core.rate import rate
from finledger.core.usage import GROUP_KEYS, SUMS, TOKEN_BUCKETS
from finledger.pipeline import draw_on, eval_split_in, spread_unallocated

if TYPE_CHECKING:
    from finledger.workbench.explain_month import MonthAtHand

# Columns of a row that each driver weighs by; the others weigh by charges, or by nothing that is used.
METERS = {"requests": ("requests", "action"), "tokens": TOKEN_BUCKETS, "gpu_hours": ("gpu_hours",)}
KNOWN = frozenset({*METERS, "charges", "even", "shares", "weights"})
DECIDED = frozenset({"buffer_draw", "buffer_repayment"})
OF_AN_OWNER = frozenset({"source", "team", "cost_center"})
NO_COLUMN = ("rows", "calls", "failed_calls", "uncosted_tokens", "measured_gpu_hours")
SUMMED = ("status", *(name for name in SUMS if name not in NO_COLUMN))


def recorded_flows(month: MonthAtHand) -> tuple[Flow, ...]:
    """What the month's own run posted, by team, kind and component."""
    flows = month.bench.ledger.flows(month.month.next)
    return tuple(flow for flow in flows if flow.posting_month == month.month and flow.kind != SETTLED)


def recorded_buffer(month: MonthAtHand) -> BufferState:
    """The fund's month, decided again on the charges that are recorded."""
    before_draws = [flow for flow in recorded_flows(month) if flow.kind not in DECIDED]
    state, _ = draw_on(month.whole_inputs, before_draws, month.pricing.terms).rows
    return state


def recorded_splits(month: MonthAtHand, name: str) -> tuple[PoolSplit, ...] | None:
    """A pool shared out again, with those that feed it; None where that takes the whole month: unallocated cost that is
    spread, a pool of rows that idle capacity may be a part of, a driver that is not known here.
    """
    inputs, organisation = month.inputs, month.inputs.organisation
    pools = _beside((*organisation.pools, *spread_unallocated(organisation)), name)
    of_rows = [pool for pool in pools if pool.rows]
    unknown = any(pool.driver not in KNOWN for pool in pools)
    if unknown or any(pool.rows == UNALLOCATED for pool in of_rows) or (of_rows and inputs.reservations):
        return None
    fixed = fixed_pools(pools, month.month, organisation.currency, month.rounding)
    amounts = pool_amounts(pools, fixed, _lines_of_rows(month, of_rows), organisation.currency)
    use = _use(month, pools)
    return share_pools(pools, amounts, use, organisation, month.month).rows


def _beside(pools: Sequence[Pool], name: str) -> tuple[Pool, ...]:
    """The pool, those that feed it, and those that are targets of any of them: they weigh by what they hold."""
    wanted = {name}
    while True:
        targets = {each for pool in pools if pool.name in wanted for each in pool.targets}
        more = {pool.name for pool in pools if POOL_PREFIX + pool.name in targets}
        more |= {pool.name for pool in pools for each in wanted if POOL_PREFIX + each in pool.targets}
        if more <= wanted:
            return tuple(pool for pool in pools if pool.name in wanted)
        wanted |= more


def _lines_of_rows(month: MonthAtHand, pools: Sequence[Pool]) -> Sequence[ChargeLine]:
    """What the rows of pools come to: they are priced like everybody's, at full price, and bear no premium (A1, A8)."""
    if not pools:
        return ()
    pricing = month.pricing
    asked, owned = month.owned(_columns_of_pools(pools, pricing.organisation))
    wanted = {pool.rows for pool in pools}
    assert month.inputs.first_calls is not None, "the workbench can order rows"
    billed = take_included(
        [each for each in owned if each.team in wanted], pricing, partial(month.inputs.first_calls, asked)
    ).rows
    allocations = allocate(rate(billed, pricing).rows, pricing.terms, pricing.books).rows
    lines, _ = charge(allocations, pricing.organisation, month.rounding, eval_split_in(pricing.terms, month.inputs)).rows
    return [line for line in lines if line.key.team in wanted]


def _columns_of_pools(pools: Iterable[Pool], organisation: Organisation) -> Only:
    exported = {value for pool in pools for _, values in team_columns(pool.rows, organisation) for value in values}
    return (("team", tuple(sorted(exported))),)


def _use(month: MonthAtHand, pools: Sequence[Pool]) -> dict[str, TeamUse]:
    """What every team used and was charged, as far as a driver asks for it."""
    meters = {name for pool in pools for name in METERS.get(pool.driver, ())}
    owned: Sequence[OwnedGroup] = ()
    if meters:
        looked_at = {name for rule in month.inputs.organisation.rules for name in rule.when}
        needed = OF_AN_OWNER | meters | looked_at
        ignored = [name for name in (*GROUP_KEYS, *SUMMED) if name not in needed]
        _, owned = month.owned((), ignored)
    use = dict(team_use(owned, ()))
    places = -minor_digits(month.inputs.organisation.currency)
    for flow in recorded_flows(month) if any(pool.driver == "charges" for pool in pools) else ():
        own = flow.service_month == flow.posting_month and flow.kind not in (*NOT_DIRECT, "adjustment")
        if own and flow.team != UNALLOCATED:
            known = use.get(flow.team, TeamUse())
            use[flow.team] = replace(known, charges=known.charges + Decimal(flow.minor).scaleb(places))
    return use
