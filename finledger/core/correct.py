"""Late usage of a closed month: what its lines would be with it, less what was posted for them (rule L3).

    correction of a line = the line restated with the late rows - the line as posted, by component

It is posted in the open month and carries both months. Multipliers are those of the close; credits and draws are not decided
again (draws are, at the quarter's end: B4), and what a dispute credited stays credited.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from finledger.core.model import ChargeLine, Disclosure, LineKey, Operated, Operator
from finledger.core.money import Money, total, zero
from finledger.core.period import Month

# Kinds of lines that late rows do not change: they are decided once, or belong to what somebody decided.
STANDS = frozenset({"coverage_credit", "buffer_draw", "buffer_repayment", "adjustment"})


def corrections(restated: Iterable[ChargeLine], posted: Iterable[ChargeLine], month: Month) -> tuple[ChargeLine, ...]:
    """The lines that `month` posts for a closed one; sorted by key. A line that did not change makes none.

    `restated`: the closed month's lines on all its usage. `posted`: all that was posted for that service month so far.
    """
    new = {_as_of(line.key, month): line for line in restated if line.key.kind not in STANDS}
    old: dict[LineKey, list[ChargeLine]] = {}
    for line in posted:
        if line.key.kind not in STANDS:
            old.setdefault(_as_of(line.key, month), []).append(line)
    found = (_correction(key, new.get(key), old.get(key, [])) for key in sorted({*new, *old}))
    return tuple(line for line in found if line is not None)


def _as_of(key: LineKey, month: Month) -> LineKey:
    return key._replace(posting_month=month)


def _correction(key: LineKey, new: ChargeLine | None, old: list[ChargeLine]) -> ChargeLine | None:
    like = new if new is not None else old[-1]
    currency = like.amount.currency
    sums: dict[str, Money] = {}
    for sign, line in (*((-1, line) for line in old), *(((1, new),) if new is not None else ())):
        for component, amount in line.components:
            sums[component] = sums.get(component, zero(currency)) + (amount if sign > 0 else -amount)
    components = tuple((name, amount) for name, amount in sums.items() if amount)
    if not components:
        return None
    amount = total(sums.values(), currency)
    quantity = (new.quantity if new is not None else Decimal(0)) - sum((line.quantity for line in old), Decimal(0))
    by_amount = like.unit == "month"  # a cost or a share of one: its price is its amount
    return replace(
        like,
        key=key,
        quantity=Decimal(1) if by_amount else quantity,
        unit_price=amount.amount if by_amount else like.unit_price,
        amount=amount,
        components=components,
        token_cost=_difference(None if new is None else new.token_cost, [line.token_cost for line in old], new is None),
        failed=(new.failed if new is not None else 0) - sum(line.failed for line in old),
        tokens=_changed({} if new is None else new.tokens, [line.tokens for line in old]),
        rules=() if new is None else new.rules,
        operators=_operated(() if new is None else new.operators, [line.operators for line in old]),
    )


def _operated(new: Iterable[Operated], old: Iterable[Iterable[Operated]]) -> tuple[Operated, ...]:
    """What others operated of the line with the late rows, less what of it was posted (A5)."""
    sums: dict[Operator, Money] = {}
    for sign, parts in (*((-1, parts) for parts in old), (1, new)):
        for part in parts:
            who, amount = Operator(part.team, part.cost_center), part.amount if sign > 0 else -part.amount
            sums[who] = sums[who] + amount if who in sums else amount
    return tuple(Operated(*who, amount) for who, amount in sorted(sums.items()) if amount)


def _difference(new: Decimal | None, old: list[Decimal | None], gone: bool) -> Decimal | None:
    known = [each for each in old if each is not None]
    if (new is None and not gone) or len(known) < len(old):
        return None
    return (new or Decimal(0)) - sum(known, Decimal(0))


def _changed(new: Mapping[str, int], old: Iterable[Mapping[str, int]]) -> dict[str, int]:
    counts = dict(new)
    for tokens in old:
        for bucket, count in tokens.items():
            counts[bucket] = counts.get(bucket, 0) - count
    return {bucket: count for bucket, count in counts.items() if count}


def corrected_disclosures(
    restated: Iterable[Disclosure], posted: Iterable[Disclosure], month: Month
) -> tuple[Disclosure, ...]:
    """The same for what lines would have cost and who bore it (rule C4)."""
    new = {_as_of(each.key, month): each for each in restated}
    old: dict[LineKey, list[Disclosure]] = {}
    for each in posted:
        old.setdefault(_as_of(each.key, month), []).append(each)
    found = []
    for key in sorted({*new, *old}):
        like = new[key] if key in new else old[key][-1]
        parts = [(1, new[key])] if key in new else []
        parts += [(-1, each) for each in old.get(key, [])]
        none = zero(like.gross.currency)
        platform, paid = (
            total((getattr(each, name) if sign > 0 else -getattr(each, name) for sign, each in parts), none.currency)
            for name in ("platform_share", "paid")
        )
        if platform or paid:
            quantity = sum((sign * each.quantity for sign, each in parts), Decimal(0))
            found.append(Disclosure(key, quantity, platform + paid, platform, paid))
    return tuple(found)
