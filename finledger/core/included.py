"""Actions that a seat includes: taken off a team's count in the order in which they happened (rule C5, model it_led).

Which calls came first is known by rows, not by sums. Where a team has used up no more than its seats include, no order is
needed; else whoever reads the store is asked how much of each group lies among the first calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from finledger.core.model import OwnedGroup, UsageGroup
from finledger.core.operating import IT_LED
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.rate import Pricing
from finledger.core.usage import TOKEN_BUCKETS

# What is taken off a group's sums with its calls: nothing else of a row belongs to the action.
TAKEN = ("calls", "failed_calls", *TOKEN_BUCKETS)
Sums = Mapping[str, int]
# Of a team's groups of one class, what is among its first so many calls: a mapping of `TAKEN` for each group.
FirstCalls = Callable[[Sequence[UsageGroup], int], Sequence[Sums]]


@dataclass(frozen=True, slots=True)
class _Allowance:
    team: str
    action: str
    calls: int
    source: SourceRef


def take_included(
    owned: Sequence[OwnedGroup], pricing: Pricing, first_calls: FirstCalls | None
) -> Outcome[tuple[OwnedGroup, ...]]:
    """The groups without the calls that seats include, and a notice of how many these were.

    The book at the month's first instant says how many a seat includes, as it says what a seat costs (P1).
    """
    billed = list(owned)
    notices = []
    for allowance in _allowances(pricing):
        places = [n for n, each in enumerate(owned) if (each.team, each.action) == (allowance.team, allowance.action)]
        groups = [owned[place].group for place in places]
        made = sum(int(group.sums["calls"]) for group in groups)
        if not made:
            continue
        if made <= allowance.calls:
            taken: Sequence[Sums] = [{name: int(group.sums[name]) for name in TAKEN} for group in groups]
        else:
            assert first_calls is not None, "who offers a model with included actions can order rows"
            taken = first_calls(groups, allowance.calls)
        for place, sums in zip(places, taken, strict=True):
            billed[place] = _less(owned[place], sums)
        notices.append(_notice(allowance, sum(each["calls"] for each in taken), made))
    return Outcome(tuple(billed), tuple(notices))


def _allowances(pricing: Pricing) -> list[_Allowance]:
    """How many calls of each class the seats of each team include; none away from it_led."""
    organisation, book = pricing.organisation, pricing.terms
    if organisation.operating_model != IT_LED or book is None:
        return []
    counts: dict[tuple[str, str], int] = {}
    where: dict[tuple[str, str], SourceRef] = {}
    for name, team in sorted(organisation.teams.items()):
        for sku, seats in sorted(team.seats.items()):
            included = book.seats[sku].included if sku in book.seats else {}
            if team.first_day_in(pricing.month) is None or name == organisation.platform_team:
                continue
            for action, calls in sorted(included.items()):
                counts[name, action] = counts.get((name, action), 0) + calls * seats
                where.setdefault((name, action), book.where("seats", sku, "included"))
    return [_Allowance(*key, calls, where[key]) for key, calls in counts.items() if calls]


def _less(owned: OwnedGroup, taken: Sums) -> OwnedGroup:
    sums: dict[str, int | Decimal] = dict(owned.group.sums)
    for name, quantity in taken.items():
        sums[name] = sums[name] - quantity
    return replace(owned, group=replace(owned.group, sums=sums))


def _notice(allowance: _Allowance, taken: int, made: int) -> Problem:
    return Problem(
        "seat-actions-included",
        f"{taken} of {made} actions of class {allowance.action!r} of {allowance.team} are included in its seats "
        f"({allowance.calls} are): the first ones of the month",
        allowance.source,
        remedy="nothing to do; the rest is charged",
        severity="notice",
    )
