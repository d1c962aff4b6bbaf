"""What a label of the usage (a cohort, a user, a row's id) has of each charge line (rules A6, U11).

A line is made of rows with many values of such a label. Each value's part of its amount is in proportion to what the line is
priced by: calls, tokens at their rates, GPU-hours, gigabytes, or the provider's cost. Parts are exact and add up to the line;
they are for looking at, never charged, so they are not rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import ChargeLine, LineKey, OwnedGroup
from finledger.core.operating import billed_action
from finledger.core.quality import PREMIUMS
from finledger.core.rate import Brought, Pricing, brought_by, token_cost
from finledger.core.usage import TOKEN_BUCKETS

Label = tuple[str, ...]
Portions = Mapping[LineKey, Mapping[Label, Fraction]]


def portions(owned: Iterable[OwnedGroup], pricing: Pricing, label: Callable[[OwnedGroup], Label]) -> Portions:
    """For each line of usage, the part of one that each label has of it."""
    weights: dict[LineKey, dict[Label, tuple[Fraction, Fraction]]] = {}
    for group in owned:
        for brought in brought_by(group, pricing)[0]:
            of_line = weights.setdefault(brought.key, {})
            named = label(group)
            weight, calls = of_line.get(named, (Fraction(0), Fraction(0)))
            of_line[named] = (weight + _weight(group, brought, pricing), calls + Fraction(brought.quantity))
    return {key: _parts(of_line) for key, of_line in weights.items()}


def _weight(group: OwnedGroup, brought: Brought, pricing: Pricing) -> Fraction:
    key, book = brought.key, brought.book
    if key.kind == "action" and book is not None:
        action, _ = billed_action(book.actions[key.item], book.uplift, pricing.organisation, key.team)
        if action.pricing == "metered":
            tokens = {bucket: int(group.group.sums[bucket]) for bucket in TOKEN_BUCKETS}
            return Fraction(token_cost(tokens, book, key.model) or Decimal(0))
    return Fraction(brought.quantity)


def _parts(of_line: Mapping[Label, tuple[Fraction, Fraction]]) -> dict[Label, Fraction]:
    """By weight; by quantity where none of the rows weighs anything; evenly where there is no quantity either."""
    for number in (0, 1):
        whole = sum((each[number] for each in of_line.values()), Fraction(0))
        if whole:
            return {named: Fraction(each[number]) / whole for named, each in of_line.items()}
    return {named: Fraction(1, len(of_line)) for named in of_line}


def part_of_line(line: ChargeLine, found: Portions, nobody: Label) -> Mapping[Label, Fraction]:
    """What each label has of the line's amount, in minor units; of a line that no usage makes, all is `nobody`'s.

    A premium is on its action line's base, and is theirs whose the calls are (Q1).
    """
    key = line.key._replace(kind="action") if line.key.kind in PREMIUMS else line.key
    parts = found.get(key)
    if parts is None:
        return {nobody: Fraction(line.amount.minor)}
    return {named: part * line.amount.minor for named, part in parts.items()}
