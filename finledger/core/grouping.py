"""Groups of usage added up: what two piles of rows come to together is the sum of what each comes to (rule M1).

Sums of integers and decimals are exact, so the order in which piles are added, and how rows are dealt among them, is nothing.
That lets the groups of rows that were summed before stand in for these rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext

from finledger.core.model import UsageGroup
from finledger.core.money import EXACT
from finledger.core.usage import GROUP_KEYS


def merged(*piles: Iterable[UsageGroup]) -> tuple[UsageGroup, ...]:
    """The groups of all piles, each once: those with the same interval, keys and labels are one, with the sums of all."""
    found: dict[tuple[object, ...], UsageGroup] = {}
    added: dict[tuple[object, ...], dict[str, int | Decimal]] = {}
    with localcontext(EXACT):
        for group in (group for pile in piles for group in pile):
            keys, labels = group.keys, group.labels
            key = (group.interval, *[keys[name] for name in GROUP_KEYS], *[labels[name] for name in sorted(labels)])
            known = found.setdefault(key, group)
            if known is group:
                continue
            sums = added.setdefault(key, dict(known.sums))
            for name, quantity in group.sums.items():
                sums[name] += quantity
    together = {
        key: UsageGroup(found[key].interval, found[key].keys, found[key].labels, sums) for key, sums in added.items()
    }
    return tuple({**found, **together}.values())
