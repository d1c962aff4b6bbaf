"""Seats beside the actions of the same users (rule U8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from finledger.core.model import Dated, OwnedGroup, Team
from finledger.core.rate import Pricing
from finledger.core.seats import percentile, seat_spreads
from tests.laws.test_corridor import JULY, ORGANISATION, book, group

TEAMS = {"search": Team("search", Dated.always("cc-1"), Dated.always("chargeback"), seats={"assistant": 3})}
LED = replace(ORGANISATION, teams=TEAMS, pools=(), operating_model="it_led")


def used(user: str, action: str, calls: int) -> OwnedGroup:
    made = group("search", action, "", calls, 0, Decimal(0), Decimal(0), "")
    made = replace(made, labels={"user": user})
    return OwnedGroup(made, date(2026, 7, 1), "search", "cc-1", "f", action, "inference", "m")


def test_spread__by_hand() -> None:
    """Three seats bill 90.00. At the published 0.011123: ann 10,000 calls 111.23, ben 1,000 are 11.123, cy 100 and 100 eval
    runs, of which the team bears half: 1.1123 + 0.55615 = 1.66845. Without a user 10 are 0.11123. Ann : cy = 66.66…
    """
    owned = [used("ann", "chat", 10_000), used("ben", "chat", 400), used("ben", "chat", 600), used("cy", "chat", 100)]
    owned += [used("cy", "eval", 100), used("", "chat", 10)]
    (spread,) = seat_spreads(owned, Pricing(JULY, LED, [book()])).rows
    assert (spread.seats, spread.seat_bill) == ({"assistant": 3}, Decimal("90.00"))
    assert spread.costs == (Decimal("1.66845"), Decimal("11.123"), Decimal("111.23"))
    assert (spread.nameless, spread.actions) == (Decimal("0.11123"), Decimal("124.13268"))
    assert spread.extremes == spread.spread == Fraction(11123000, 166845)


def test_spread__of_seats_without_a_user_is_not_measurable() -> None:
    (spread,) = seat_spreads([used("", "chat", 10)], Pricing(JULY, LED, [book()])).rows
    assert (spread.costs, spread.extremes, spread.spread, spread.actions) == ((), None, None, Decimal("0.11123"))


@pytest.mark.parametrize(("count", "light", "heavy"), [(1, 1, 1), (19, 1, 19), (20, 1, 19), (21, 2, 20), (100, 5, 95)])
def test_percentile__is_the_nearest_rank(count: int, light: int, heavy: int) -> None:
    values = [Decimal(number) for number in range(1, count + 1)]
    assert (percentile(values, 5), percentile(values, 95)) == (light, heavy)
