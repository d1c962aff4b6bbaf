"""Compound calls that consumer and operator share (rule A5's `split`): what operators bear of calls that others caused.

A line stays the consumer's, with its quantity and its price. Beside it stand two lines of the same amount, one of each sign:

    compound_relief    the consumer's, below zero: what the operator bears of its line; item CLASS/OPERATOR
    compound_share     the operator's: the same; item CLASS/CONSUMER

So all quantities, premiums, disclosures and rates are what they are when the consumer pays alone, every sum over teams too, and
each team's total is what it bears. The relief takes its part off what the operator is passed on in the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypeVar

from finledger.core.model import ChargeLine, Component, LineKey, Operated, Operator, Organisation
from finledger.core.money import Money, split, total

SPLIT = "split"
SHARE, RELIEF = "compound_share", "compound_relief"
COMPOUND = (RELIEF, SHARE)
K = TypeVar("K")
CONSUMERS, OPERATORS = (0, "consumer"), (1, "operator")  # in this order: an exact tie is the consumer's


class Shared(NamedTuple):
    """What an operator bears of the part of a line that it operated; `components` add up to it."""

    part: Operated
    amount: Money
    components: dict[Component, Money]


@dataclass(slots=True)
class _Sum:
    """What a line comes to before it is made; lines of one key are one."""

    stage: str
    components: dict[Component, Money] = field(default_factory=dict)
    operators: dict[Operator, Money] = field(default_factory=dict)


def share_compound(lines: Iterable[ChargeLine], organisation: Organisation) -> tuple[ChargeLine, ...]:
    """The two lines for each operator of each line, sorted by key; none where one side pays all (A5)."""
    sums: dict[LineKey, _Sum] = {}
    for line in lines:
        for each in shares_of(line, organisation):
            operator = Operator(each.part.team, each.part.cost_center)
            relief = sums.setdefault(relief_key(line, operator.team), _Sum(line.stage))
            _add(relief.operators, operator, -each.amount)
            stage = organisation.teams[operator.team].stage_in(line.key.posting_month)
            share = sums.setdefault(share_key(line, operator), _Sum(stage))
            for name, amount in each.components.items():
                _add(relief.components, name, -amount)
                _add(share.components, name, amount)
    return tuple(_line(key, sums[key], organisation.currency) for key in sorted(sums) if any(sums[key].components.values()))


def shares_of(line: ChargeLine, organisation: Organisation) -> Iterator[Shared]:
    """The share of each part of a line that a known team operated, and of which components (A5, M3).

    A share is a split of the part, a tie to the consumer. Its components are a split over what earlier shares left of the
    line's, so that all of them together never take more of a component than it is.
    """
    if organisation.compound_calls != SPLIT:
        return
    weights = {CONSUMERS: 1 - organisation.operator_share, OPERATORS: organisation.operator_share}
    left = dict(line.components)
    for part in line.operators:
        if not part.cost_center or part.team not in organisation.teams:
            continue  # nobody that could be charged: the whole stays the consumer's
        amount = split(part.amount, weights, residual=CONSUMERS)[OPERATORS]
        if not amount:
            continue
        taken = split(amount, {name: abs(each.amount) for name, each in left.items()}, residual=next(iter(left)))
        left = {name: each - taken[name] for name, each in left.items()}
        yield Shared(part, amount, {name: each for name, each in taken.items() if each})


def relief_key(line: ChargeLine, operator: str) -> LineKey:
    """The consumer's line beside one of its lines that `operator` bears a share of."""
    return line.key._replace(kind=RELIEF, item=_item(line, operator))


def share_key(line: ChargeLine, operator: Operator) -> LineKey:
    """The operator's line, which names the consumer."""
    return line.key._replace(
        kind=SHARE, item=_item(line, line.key.team), team=operator.team, cost_center=operator.cost_center
    )


def _item(line: ChargeLine, team: str) -> str:
    return f"{line.key.item or line.key.kind}/{team}"


def reliefs_on(line: ChargeLine) -> set[LineKey]:
    """The keys of the reliefs that may stand beside a line."""
    return {relief_key(line, part.team) for part in line.operators}


def _add(sums: dict[K, Money], key: K, amount: Money) -> None:
    sums[key] = sums[key] + amount if key in sums else amount


def _line(key: LineKey, found: _Sum, currency: str) -> ChargeLine:
    components = tuple((name, amount) for name, amount in sorted(found.components.items()) if amount)
    amount = total((part for _, part in components), currency)
    operators = tuple(Operated(*who, part) for who, part in sorted(found.operators.items()) if part)
    return ChargeLine(key, found.stage, Decimal(1), "month", amount.amount, amount, components, operators=operators)
