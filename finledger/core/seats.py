"""Seats beside the actions of the same users: what a flat fee hides (rules U8, C5).

A seat bills everybody the same. What users' actions would cost under platform_led, and how far the heaviest is from the
lightest, says how much light users pay for heavy ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from finledger.core.allocate import allocate
from finledger.core.model import UNALLOCATED, Allocation, OwnedGroup
from finledger.core.operating import PLATFORM_LED
from finledger.core.problem import Outcome
from finledger.core.rate import Pricing, rate

USER = "user"
HEAVY, LIGHT = 95, 5
# From this spread on, seats subsidise heavy users visibly: the lower end of what organisations report.
WIDE = 20


@dataclass(frozen=True, slots=True)
class SeatSpread:
    """A team's month: what its seats bill, what its actions would cost, and how that differs by user.

    Amounts are exact, in the currency's major unit. `costs` are those of users with a cost above zero, ascending;
    `nameless` is what actions without a user would cost.
    """

    team: str
    seats: Mapping[str, int]
    seat_bill: Decimal
    nameless: Decimal
    costs: tuple[Decimal, ...]

    @property
    def actions(self) -> Decimal:
        return sum(self.costs, self.nameless)

    @property
    def extremes(self) -> Fraction | None:
        """The heaviest user's cost by the lightest's; None without users."""
        return Fraction(self.costs[-1]) / Fraction(self.costs[0]) if self.costs else None

    @property
    def spread(self) -> Fraction | None:
        """The 95th percentile by the 5th: the same without the odd ones."""
        return Fraction(self.heavy) / Fraction(self.light) if self.heavy and self.light else None

    @property
    def heavy(self) -> Decimal | None:
        return percentile(self.costs, HEAVY)

    @property
    def light(self) -> Decimal | None:
        return percentile(self.costs, LIGHT)


def percentile(ascending: Sequence[Decimal], percent: int) -> Decimal | None:
    """The smallest value that so many per cent of all are not above (nearest rank); None of none.

    >>> [str(percentile([Decimal(n) for n in range(1, 11)], each)) for each in (5, 50, 95)]
    ['1', '5', '10']
    """
    if not ascending:
        return None
    rank = -(-percent * len(ascending) // 100)
    return ascending[max(rank, 1) - 1]


def seat_spreads(owned: Iterable[OwnedGroup], pricing: Pricing) -> Outcome[tuple[SeatSpread, ...]]:
    """Every team that holds seats or has users, sorted by name; groups have to carry the label `user`.

    Each user's actions are priced like a line of their own, unrounded, at the team's part of shared classes (C4).
    """
    led = replace(pricing, organisation=replace(pricing.organisation, operating_model=PLATFORM_LED))
    by_user = (replace(each, feature=each.group.labels[USER]) for each in owned if each.action and each.team != UNALLOCATED)
    rated = rate(by_user, led)
    costs: dict[str, dict[str, Decimal]] = {}
    fees: dict[str, Decimal] = {}
    for part in allocate(rated.rows, led.terms, led.books).rows:
        key = part.line.key
        if key.kind == "seat":
            fees[key.team] = fees.get(key.team, Decimal(0)) + part.line.exact
        elif key.kind == "action" and key.team in led.organisation.teams:
            users = costs.setdefault(key.team, {})
            users[key.feature] = users.get(key.feature, Decimal(0)) + _borne(part)
    return Outcome(tuple(_spread(team, fees, costs, led) for team in sorted({*fees, *costs})), rated.problems)


def _borne(part: Allocation) -> Decimal:
    return part.line.exact * part.consumer


def _spread(
    team: str, fees: Mapping[str, Decimal], costs: Mapping[str, Mapping[str, Decimal]], pricing: Pricing
) -> SeatSpread:
    users = dict(costs.get(team, {}))
    nameless = users.pop("", Decimal(0))
    ascending = tuple(sorted(cost for cost in users.values() if cost > 0))
    seats = {sku: count for sku, count in pricing.organisation.teams[team].seats.items() if count}
    return SeatSpread(team, seats, fees.get(team, Decimal(0)), nameless, ascending)
