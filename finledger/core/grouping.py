"""Groups of usage added up: what two piles of rows come to together is the sum of what each comes to (rule M1).

Sums of integers and decimals are exact, so the order in which piles are added, and how rows are dealt among them, is nothing.
That lets the groups of rows that were summed before stand in for these rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import chain
from operator import itemgetter

from finledger.core.model import UsageGroup
from finledger.core.money import EXACT
from finledger.core.usage import GROUP_KEYS


def merged(*piles: Iterable[UsageGroup]) -> tuple[UsageGroup, ...]:
    """The groups of all piles, each once: those with the same interval, keys and labels are one, with the sums of all."""
    found: dict[tuple[object, ...], UsageGroup] = {}
    added: dict[tuple[object, ...], dict[str, int | Decimal]] = {}
    names = itemgetter(*GROUP_KEYS)
    labels: list[str] = []  # the same of every group
    with localcontext(EXACT):
        for group in chain(*piles):
            labels = labels or sorted(group.labels)
            key = (group.interval, names(group.keys), *map(group.labels.__getitem__, labels))
            known = found.setdefault(key, group)
            if known is not group:
                sums = added.get(key, known.sums)
                added[key] = {name: sums[name] + quantity for name, quantity in group.sums.items()}
    for each, sums in added.items():
        known = found[each]
        found[each] = UsageGroup(known.interval, known.keys, known.labels, sums)
    return tuple(found.values())


def moved(groups: Iterable[UsageGroup], was: Iterable[UsageGroup], now: Iterable[UsageGroup]) -> tuple[UsageGroup, ...]:
    """The groups where some of their rows, which came to `was`, come to `now`. A group of which no row is left is none."""
    with localcontext(EXACT):
        gone = [replace(each, sums={name: -quantity for name, quantity in each.sums.items()}) for each in was]
    found = merged(groups, now, gone)
    if any(each.sums["rows"] < 0 for each in found):
        raise ValueError("more rows are taken from a group than are in it")
    return tuple(each for each in found if each.sums["rows"])
