"""Laws of the corridor on random usage: nothing is lost, the order of rows is nothing, more usage never costs less."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.model import (
    UNALLOCATED,
    ActionClass,
    Dated,
    ModelRates,
    Organisation,
    Pool,
    Price,
    PriceBook,
    Sku,
    Team,
    Uplift,
    UsageGroup,
)
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import Outcome, Refused
from finledger.core.usage import GROUP_KEYS, SUMS
from finledger.pipeline import MonthInputs, run_month
from finledger.write.figures import month_json

JULY = Month(2026, 7)
TEAMS = {
    "search": Team("search", Dated.always("cc-1"), Dated.always("chargeback"), seats={"assistant": 3}),
    "support": Team(
        "support",
        Dated(((None, "cc-2"), (date(2026, 7, 16), "cc-3"))),
        Dated.always("chargeback"),
        budget={JULY: Decimal(9)},
    ),
    "growth": Team("growth", Dated.always("cc-4"), Dated.always("showback")),
}
POOLS = (
    Pool("notebooks", "tokens", amount={JULY: Decimal("1000.01")}),
    Pool("cluster", "charges", rows="pool:cluster", targets=("search", "growth")),
)
ORGANISATION = Organisation("Test", "USD", "UTC", "platform", "cc-0", TEAMS, pools=POOLS)
TOKENS = {"input_tokens": Decimal("3.00"), "cached_input_tokens": Decimal("0.30"), "output_tokens": Decimal("12.00")}


def book(rounding: str = "half_up", share: str = "0.5", basis: str = "carved") -> PriceBook:
    return PriceBook(
        quarter="2026-Q3",
        version=1,
        effective_from=date(2026, 7, 1),
        effective_until=date(2026, 10, 1),
        published=date(2026, 6, 24),
        currency="USD",
        price_digits=6,
        rounding=rounding,  # type: ignore[arg-type]
        models={"m": ModelRates("p", {**TOKENS, "cache_write_tokens": Decimal("3.75")})},
        gpu={"h100": Sku(Decimal("24.00"), "gpu_hour")},
        egress={"zone": Sku(Decimal("0.08"), "GB")},
        seats={"assistant": Sku(Decimal("30.00"), "seat")},
        uplift=Uplift(Decimal("0.15"), Decimal("0.035"), basis, Decimal("0.04")),  # type: ignore[arg-type]
        actions={
            "chat": ActionClass("chat", "consumer", "published", Price(Decimal("0.0093"), Decimal("0.011123"))),
            "step": ActionClass("step", "consumer", "metered"),
            "eval": ActionClass("eval", "shared", "published", Price(Decimal("0.0093"), Decimal("0.011123"))),
            "judge": ActionClass("judge", "platform", "metered"),
        },
        platform_share=Decimal(share),
    )


def group(
    team: str, action: str, gpu: str, calls: int, tokens: int, hours: Decimal, cost: Decimal, cost_center: str
) -> UsageGroup:
    keys = dict.fromkeys(GROUP_KEYS, "") | {"team": team, "action": action, "gpu_sku": gpu, "model": "m"}
    keys |= {"workload_type": "inference", "feature": "f", "source": "native", "cost_center": cost_center}
    sums = dict.fromkeys(SUMS, 0) | {"rows": 1, "calls": calls, "requests": calls}
    sums |= {"input_tokens": tokens, "output_tokens": tokens // 3, "gpu_hours": hours if gpu else Decimal(0)}
    sums |= {"effective_cost": cost, "billed_cost": cost}
    return UsageGroup(0, keys, {}, sums)


groups = st.lists(
    st.builds(
        group,
        st.sampled_from(["", "search", "support", "growth", "nobody", "platform", "pool:cluster"]),
        st.sampled_from(["", "chat", "step", "eval", "judge"]),
        st.sampled_from(["", "h100"]),
        st.integers(0, 10**7),
        st.integers(0, 10**10),
        st.decimals(0, 10**5, places=6),
        st.decimals(-(10**5), 10**5, places=12),
        st.sampled_from(["", "cc-1", "cc-9"]),
    ),
    max_size=25,
)
books = st.builds(
    book,
    st.sampled_from(["half_up", "half_even"]),
    st.sampled_from(["0", "0.3", "0.5", "0.65", "1"]),
    st.sampled_from(["carved", "additive", "of_price"]),
)


def run(usage: list[UsageGroup], prices: PriceBook):  # type: ignore[no-untyped-def]
    return run_month(MonthInputs(JULY, ORGANISATION, [prices], lambda query: Outcome(tuple(usage))))


@settings(max_examples=150)
@given(usage=groups, prices=books)
def test_month__every_law_holds_and_the_cents_add_up(usage: list[UsageGroup], prices: PriceBook) -> None:
    charges, documents = run(usage, prices)
    assert charges.checks and all(check.holds for check in charges.checks)
    assert sum(d.total.minor for d in documents) + charges.unallocated.minor == sum(ln.amount.minor for ln in charges.lines)
    for entry in charges.entries:
        assert sum(posting.amount.minor for posting in entry.postings) == 0
    assert not any(ln.key.team in ("platform", "pool:cluster") for ln in charges.lines)


@settings(max_examples=60)
@given(usage=groups, prices=books, seed=st.integers(0, 2**32))
def test_month__the_order_of_rows_is_nothing(usage: list[UsageGroup], prices: PriceBook, seed: int) -> None:
    shuffled = list(usage)
    random.Random(seed).shuffle(shuffled)
    assert month_json(run(usage, prices)[0]) == month_json(run(shuffled, prices)[0])


@settings(max_examples=60)
@given(usage=groups, prices=books)
def test_line__amount_is_its_exact_price_rounded_once(usage: list[UsageGroup], prices: PriceBook) -> None:
    """Away from shared funding, a line is within half a cent of quantity x unit price, however many rows made it."""
    for line in run(usage, prices)[0].lines:
        if line.funding == "consumer" and line.key.kind != "shared" and line.key.item != "step":
            exact = Fraction(line.quantity) * Fraction(line.unit_price) * 100
            assert abs(line.amount.minor - exact) <= Fraction(1, 2)


@settings(max_examples=60)
@given(usage=groups, prices=books)
def test_disclosures__gross_is_shared_by_the_book(usage: list[UsageGroup], prices: PriceBook) -> None:
    for each in run(usage, prices)[0].disclosures:
        assert each.key.item in ("eval", "judge")
        if each.key.item == "judge":
            assert each.paid.minor == 0
        else:
            assert prices.platform_share is not None
            assert abs(each.platform_share.minor - Fraction(prices.platform_share) * each.gross.minor) <= Fraction(1, 2)


@settings(max_examples=60)
@given(usage=groups, prices=books, how=st.sampled_from(["proportional", "even"]))
def test_unallocated__spread_moves_it_and_loses_nothing(usage: list[UsageGroup], prices: PriceBook, how: str) -> None:
    """Spread over the teams, it is still measured first, and what no team takes stays with the platform (A1, A2)."""
    held, _ = run(usage, prices)
    inputs = MonthInputs(JULY, replace(ORGANISATION, unallocated=how), [prices], lambda query: Outcome(tuple(usage)))
    spread, documents = run_month(inputs)
    kept = sum(pool.residual.minor for pool in spread.pools if pool.name == UNALLOCATED)
    assert (spread.unallocated, spread.unallocated_share) == (held.unallocated, held.unallocated_share)
    assert sum(ln.amount.minor for ln in spread.lines) + kept == sum(ln.amount.minor for ln in held.lines)
    assert sum(d.total.minor for d in documents) == sum(ln.amount.minor for ln in spread.lines)
    assert not any(ln.key.team == UNALLOCATED for ln in spread.lines)
    assert all(check.holds for check in spread.checks)


def test_unpriced__let_through_is_unallocated_at_the_providers_cost() -> None:
    """An action that no book prices stops the month; let through, the provider's cost of it is unallocated (P2)."""
    usage = [
        group("search", "unknown_call", "", 10, 3, Decimal(0), Decimal("12.345"), ""),
        group("search", "chat", "", 1000, 3, Decimal(0), Decimal(0), ""),
    ]
    with pytest.raises(Refused) as refused:
        run(usage, book())
    assert [problem.code for problem in refused.value.problems] == ["action-unpriced"]
    charges, _ = run_month(
        MonthInputs(JULY, ORGANISATION, [book()], lambda query: Outcome(tuple(usage)), allow_unpriced=True)
    )
    assert (charges.unallocated, [p.severity for p in charges.notices]) == (Money(1235, "USD"), ["warning"])
    assert {ln.key.item for ln in charges.lines if ln.key.team == UNALLOCATED} == {"(unpriced)"}
    assert [str(ln.amount) for ln in charges.lines if ln.key.item == "chat"] == ["11.12"]
