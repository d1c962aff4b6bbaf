"""Variances of a class that was planned and of one that nobody can measure (rule X3)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from finledger.core.model import ActionClass, ActionUse, Price
from finledger.core.variance import variances
from tests.laws.test_corridor import book

PRICE = Price(Decimal("0.010000"), Decimal("0.011960"))


def test_variances__a_planned_class_that_nobody_used_recovers_none_of_its_overhead() -> None:
    """1,000 planned x 0.01 x 15 % = 1.50 of overhead that did not come in."""
    chat = ActionClass("chat", "consumer", "published", PRICE, planned=1000)
    tool = ActionClass("tool", "consumer", "published", PRICE, planned=2000)
    prices = replace(book(), actions={"chat": chat, "tool": tool})
    used = ActionUse("tool", "m", prices.name, "consumer", Decimal(3000), 0, {}, Decimal("30"), Decimal("33"), Decimal("36"))
    found = {each.item: each for each in variances([used], [prices])}
    assert (found["chat"].actions, found["chat"].volume, found["chat"].recovered) == (0, Decimal("-1.5"), Decimal("-1.5"))
    # 3,000 used, 2,000 planned: 1,000 x 0.01 x 15 % more; tokens cost 3 more than the price, the provider billed 3 more again
    assert (found["tool"].volume, found["tool"].mix, found["tool"].rate) == (Decimal("1.5"), 3, 3)
    assert found["tool"].recovered == Decimal("-4.5")


def test_variances__what_the_books_do_not_hold_is_not_measurable() -> None:
    prices = replace(book(), actions={"chat": ActionClass("chat", "consumer", "published", PRICE)})
    used = ActionUse("chat", "m", prices.name, "consumer", Decimal(10), 0, {}, Decimal("0.1"), Decimal("0.2"), None)
    (found,) = variances([used], [prices])
    assert (found.rate, found.mix, found.volume, found.recovered) == (None, Decimal("0.1"), None, None)


def test_variances__calls_whose_tokens_nobody_counted_did_not_cost_nothing() -> None:
    """Ten calls and no token: neither a rate nor a mix; ten failed calls took no tokens, and that is known."""
    prices = replace(book(), actions={"chat": ActionClass("chat", "consumer", "published", PRICE)})
    nothing = Decimal(0)
    counted = ActionUse("chat", "m", prices.name, "consumer", Decimal(10), 0, {}, Decimal("0.1"), nothing, nothing)
    (found,) = variances([counted], [prices])
    assert (found.token_cost, found.provider_cost, found.rate, found.mix) == (None, None, None, None)
    (billed,) = variances([replace(counted, provider_cost=Decimal("0.3"))], [prices])
    assert (billed.token_cost, billed.provider_cost, billed.rate) == (None, Decimal("0.3"), None)
    (failed,) = variances([replace(counted, failed=10)], [prices])
    assert (failed.token_cost, failed.rate, failed.mix) == (0, 0, Decimal("-0.1"))
