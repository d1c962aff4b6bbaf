"""What differs between two price books."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from finledger.core.book_changes import changed
from finledger.core.model import ActionClass, BufferTerms, Price, QualityTerms, Sku, Uplift
from tests.core.test_build import LAST

D = Decimal
FULL = replace(
    LAST,
    egress={"abroad": Sku(D("0.08"), "GB")},
    seats={"assistant": Sku(D("30.00"), "seat")},
    platform_share=D("0.50"),
    quality=QualityTerms(D("0.80"), D("0.20"), D("1.50"), D("0.90"), D("0.05"), D("0.25")),
    buffer=BufferTerms(D("3.0"), D("5000"), (D("0.05"), D("0.10"))),
)


def test_changed__nothing_for_the_same_book_in_another_quarter() -> None:
    later = replace(
        FULL, quarter="2026-Q4", effective_from=date(2026, 10, 1), published=None, sha256="0", file="a", lines={"": 1}
    )
    same = replace(later, seats={"assistant": Sku(D("30"), "seat")})
    assert changed(FULL, same) == ()


def test_changed__every_part_of_a_book() -> None:
    chat = ActionClass("chat_call", "shared", "published", Price(D("0.0093"), D("0.011123")), {"small": Price(D(1), D(2))})
    new = replace(
        FULL,
        rounding="half_even",
        models={"large": replace(FULL.models["large"], rates={"input_tokens": D("2.50")})},
        gpu={},
        egress={"abroad": Sku(D("0.08"), "GiB")},
        seats={"assistant": Sku(D("33.00"), "seat", {"chat_call": 500})},
        uplift=Uplift(D("0.15"), D("0.035"), "of_price", D("0.05")),
        actions={"chat_call": chat},
        platform_share=D("0.60"),
        eval_split="pooled",
        quality=None,
        buffer=replace(FULL.buffer, cap_per_team_per_quarter=D("4000"), settlement="loan", loan_share=D(1)),  # type: ignore[type-var]
    )
    got = {(each.section, each.name): (each.old, each.new) for each in changed(FULL, new)}
    assert got == {
        ("terms", "rounding"): ("half_up", "half_even"),
        ("models", "large input"): (D("3.00"), D("2.50")),
        ("models", "large output"): (D("12.00"), None),
        ("models", "small provider"): ("cumulus", None),
        ("models", "small input"): (D("0.40"), None),
        ("models", "small output"): (D("1.60"), None),
        ("gpu", "h100 rate"): (D("2.60"), None),
        ("gpu", "l40s rate"): (D("2.10"), None),
        ("egress", "abroad unit"): ("GB", "GiB"),
        ("seats", "assistant rate"): (D("30.00"), D("33.00")),
        ("seats", "assistant included chat_call"): (None, 500),
        ("uplift", "registry_basis"): ("carved", "of_price"),
        ("uplift", "buffer"): (D("0.04"), D("0.05")),
        ("actions", "chat_call funding"): ("consumer", "shared"),
        ("actions", "chat_call scope"): (None, "domain"),
        ("actions", "chat_call base"): (D("0.0087"), D("0.0093")),
        ("actions", "chat_call price"): (D("0.010405"), D("0.011123")),
        ("actions", "chat_call small base"): (None, D(1)),
        ("actions", "chat_call small price"): (None, D(2)),
        ("eval", "platform_share"): (D("0.50"), D("0.60")),
        ("eval", "split"): ("line", "pooled"),
        ("quality", "coverage target"): (D("0.80"), None),
        ("quality", "coverage floor"): (D("0.20"), None),
        ("quality", "coverage max_multiplier"): (D("1.50"), None),
        ("quality", "freshness slo"): (D("0.90"), None),
        ("quality", "freshness step"): (D("0.05"), None),
        ("quality", "freshness cap"): (D("0.25"), None),
        ("buffer", "cap_per_team_per_quarter"): (D("5000"), D("4000")),
        ("buffer", "settlement"): ("grant", "loan"),
        ("buffer", "loan_share"): (D(0), D(1)),
    }
    figures = {each.name: (each.difference, each.ratio) for each in changed(FULL, new)}
    assert figures["large input"] == (D("-0.50"), Fraction(-1, 6))
    assert figures["loan_share"] == (D(1), None), "there is no change in per cent of nothing"
    assert figures["abroad unit"] == figures["h100 rate"] == (None, None)
