"""A month's actions by class: what price books are built from and held against (rules P5, X3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from finledger.core.model import ActionUse, RatedLine


def uses(rated: Iterable[RatedLine]) -> tuple[ActionUse, ...]:
    """Everybody's actions but the platform's own, by class, model and price version, sorted by these."""
    found: dict[tuple[str, str, str], ActionUse] = {}
    for line in rated:
        if line.key.kind == "action":
            key = (line.key.item, line.key.model, line.key.price_version)
            each = _use(line)
            known = found.get(key)
            found[key] = each if known is None else added(known, each)
    return tuple(found[key] for key in sorted(found))


def added(one: ActionUse, other: ActionUse) -> ActionUse:
    """Two uses of one class together; a cost that is not known of one of them is not known of both."""
    return replace(
        one,
        actions=one.actions + other.actions,
        failed=one.failed + other.failed,
        tokens={name: one.tokens.get(name, 0) + other.tokens.get(name, 0) for name in {**one.tokens, **other.tokens}},
        base=one.base + other.base,
        token_cost=_both(one.token_cost, other.token_cost),
        provider_cost=_both(one.provider_cost, other.provider_cost),
    )


def _use(line: RatedLine) -> ActionUse:
    return ActionUse(
        item=line.key.item,
        model=line.key.model,
        price_version=line.key.price_version,
        funding=line.funding,
        actions=line.quantity,
        failed=line.failed,
        tokens=dict(line.tokens),
        base=line.base or Decimal(0),
        token_cost=line.token_cost if line.tokens else Decimal(0),
        provider_cost=line.provider_cost,
    )


def _both(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other
