"""Variances of a class that was planned and of one that nobody can measure (rule X3)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from finledger.core.billed_rates import with_billed
from finledger.core.model import ActionClass, ActionUse, Price
from finledger.core.period import Month
from finledger.core.provider import Metered, Provider, SkuMap
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


# ── what a provider's own rows billed, shared among the classes ─────────────────────────────────────────────────────────

# 3.00 in and 12.00 out a million, of tests.laws.test_corridor
CHAT = ActionUse(
    "chat", "m", "2026-Q3.v1", "consumer", Decimal(1000), 0, {"input_tokens": 3_000_000, "output_tokens": 500_000}, Decimal(9),
    Decimal(15), None,
)  # fmt: skip
STEP = replace(CHAT, item="step", tokens={"input_tokens": 1_000_000}, token_cost=Decimal(3))


def metered_skus(*skus: tuple[str, str, str | None]) -> list[Metered]:
    return [
        Metered("p", sku, Month(2026, 7), Decimal(1), "tokens", Decimal(cost), None if billed is None else Decimal(billed))
        for sku, cost, billed in skus
    ]


def test_billed__is_shared_by_what_the_tokens_cost_in_the_book() -> None:
    """Input: 3 M of chat, 1 M of step, and 1 M of nobody's = 15.00 in the book, 15.75 billed: 5 % more. Output: 6.00, billed 5.40.

    chat: 9.00 x 1.05 + 6.00 x 0.90 = 14.85; step: 3.00 x 1.05 = 3.15. Nobody's input is the rest of the bill: 3.15.
    """
    skus = metered_skus(("m input", "15", "15.75"), ("m output", "6", "5.40"))
    chat, step = with_billed([CHAT, STEP], skus, [book()], {})
    assert (chat.provider_cost, step.provider_cost) == (Decimal("14.85"), Decimal("3.15"))
    (found, _) = variances([chat, step], [book()])
    assert found.rate == Decimal("-0.15")


def test_billed__of_several_kinds_in_one_bill() -> None:
    """The invoice knows one SKU for all tokens of m: 21.00 in the book, 21.21 billed is 1 % more for each kind of them."""
    skus = metered_skus(("m *", "21", "21.21"))
    one = {"p": Provider("p", skus=(SkuMap("M all", "m *"),))}
    chat, step = with_billed([CHAT, STEP], skus, [book()], one)
    assert (chat.provider_cost, step.provider_cost) == (Decimal("15.15"), Decimal("3.03"))


def test_billed__is_unknown_where_a_kind_of_token_is_on_no_row_of_the_provider() -> None:
    skus = metered_skus(("m input", "15", "15.75"), ("m output", "6", None))
    chat, step = with_billed([CHAT, STEP], skus, [book()], {})
    assert (chat.provider_cost, step.provider_cost) == (None, Decimal("3.15"))
    stated = replace(STEP, provider_cost=Decimal(4))
    assert with_billed([stated], skus, [book()], {}) == (stated,)
