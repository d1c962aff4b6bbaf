"""A month's calls by team, feature and action: what the checks on use count, whatever was charged for it (U9, U10, P3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from finledger.core.model import POOL_PREFIX, Organisation, OwnedGroup, PriceBook
from finledger.core.usage import TOKEN_BUCKETS

PROMPT = "prompt_id"


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one action, the tokens of all four buckets, and how many of the calls ran a registered prompt.

    `funding` is that of the class in the price book, "" where the book does not know the class.
    """

    team: str
    feature: str
    action: str
    workload_type: str
    funding: str
    calls: int
    tokens: int
    prompted: int

    @property
    def production(self) -> bool:
        """Consumer-funded inference: what quality is priced on, with or without a feature (Q1)."""
        return self.funding == "consumer" and self.workload_type == "inference"

    @property
    def evaluation(self) -> bool:
        """A class that somebody else pays for, in part or wholly (C3)."""
        return self.funding in ("shared", "platform")


def calls_of(owned: Iterable[OwnedGroup], book: PriceBook | None, organisation: Organisation) -> tuple[Calls, ...]:
    """Everybody's calls but the platform's own and those of pools, sorted; groups have to carry the label `prompt_id`."""
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for group in owned:
        if not group.action or group.team == organisation.platform_team or group.team.startswith(POOL_PREFIX):
            continue
        found = sums.setdefault((group.team, group.feature, group.action, group.workload_type), [0, 0, 0])
        calls = int(group.group.sums["calls"])
        found[0] += calls
        found[1] += sum(int(group.group.sums[bucket]) for bucket in TOKEN_BUCKETS)
        found[2] += calls if group.group.labels[PROMPT] else 0
    actions = {} if book is None else book.actions
    return tuple(
        Calls(*key, actions[key[2]].funding if key[2] in actions else "", *found) for key, found in sorted(sums.items())
    )


def counted(calls: Iterable[Calls]) -> int:
    return sum(each.calls for each in calls)


def share(part: int, whole: int) -> Fraction | None:
    """None of nothing."""
    return Fraction(part, whole) if whole else None


def tokens_per_call(calls: Iterable[Calls]) -> Fraction | None:
    """None where no call states a token."""
    listed = tuple(calls)
    tokens = sum(each.tokens for each in listed)
    return Fraction(tokens, counted(listed)) if tokens and counted(listed) else None


def prompted_share(calls: Iterable[Calls]) -> Fraction | None:
    """How many of the calls run a registered prompt; None of no calls."""
    listed = tuple(calls)
    return share(sum(each.prompted for each in listed), counted(listed))
