"""The warnings of rule P6, at and beside their bounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from finledger.core.lint import lint
from finledger.core.model import ActionClass, ModelRates, Pool, Price, PriceBook, Sku, Uplift

D = Decimal
BOOK = PriceBook(
    quarter="2026-Q3",
    version=1,
    effective_from=date(2026, 7, 1),
    effective_until=date(2026, 10, 1),
    published=date(2026, 6, 24),
    currency="USD",
    price_digits=6,
    rounding="half_up",
    models={"gpt-large": ModelRates("openai", {"input_tokens": D("3.00"), "output_tokens": D("12.00")})},
    gpu={"h100": Sku(D("24.00"), "gpu_hour")},
    egress={},
    seats={},
    uplift=Uplift(D("0.15"), D("0.035"), "carved", D("0.04")),
    actions={"chat_call": ActionClass("chat_call", "consumer", "published", Price(D("0.0093"), D("0.011123")))},
    platform_share=D("0.50"),
)


def codes(book: PriceBook, *others: PriceBook, pools: tuple[Pool, ...] = ()) -> list[str]:
    return [problem.code for problem in lint(book, others, pools)]


def priced(base: str, price: str, **changed: object) -> PriceBook:
    action = ActionClass("chat_call", "consumer", "published", Price(D(base), D(price)))
    return replace(BOOK, actions={"chat_call": action}, **changed)  # type: ignore[arg-type]


def test_lint__nothing_wrong() -> None:
    assert codes(BOOK, BOOK) == []


@pytest.mark.parametrize(("output", "found"), [("8.99", True), ("9.00", False), ("15.00", False), ("15.01", True)])
def test_lint__output_is_three_to_five_times_input(output: str, found: bool) -> None:
    model = ModelRates("openai", {"input_tokens": D("3.00"), "output_tokens": D(output)})
    assert codes(replace(BOOK, models={"m": model})) == (["lint-output-ratio"] if found else [])


def test_lint__a_model_without_output_has_no_ratio() -> None:
    assert codes(replace(BOOK, models={"embedding": ModelRates("openai", {"input_tokens": D("0.10")})})) == []


@pytest.mark.parametrize(
    ("name", "low", "high", "below", "above"),
    [
        ("overhead", "0.10", "0.20", "0.0999", "0.2001"),
        ("registry", "0.02", "0.05", "0.0199", "0.0501"),
        ("buffer", "0.03", "0.05", "0.0299", "0.0501"),
    ],
)
def test_lint__uplift_ranges(name: str, low: str, high: str, below: str, above: str) -> None:
    def book(rate: str) -> PriceBook:
        return replace(BOOK, uplift=replace(BOOK.uplift, **{name: D(rate)}), actions={})

    assert codes(book(low)) == codes(book(high)) == []
    assert codes(book(below)) == codes(book(above)) == [f"lint-{name}"]


@pytest.mark.parametrize(("share", "found"), [("0.39", True), ("0.40", False), ("0.60", False), ("0.61", True)])
def test_lint__platform_share(share: str, found: bool) -> None:
    assert codes(replace(BOOK, platform_share=D(share))) == (["lint-platform-share"] if found else [])


def test_lint__twelve_classes_are_few() -> None:
    def book(count: int) -> PriceBook:
        return replace(BOOK, actions={f"a{n}": ActionClass(f"a{n}", "consumer", "metered") for n in range(count)})

    assert (codes(book(12)), codes(book(13))) == ([], ["lint-many-classes"])


@pytest.mark.parametrize(
    ("basis", "price"),
    # 0.0093 x 1.15 x 1.04 = 0.0111228; x (1.15 + 0.15 x 0.035) x 1.04 = 0.011173578; x 1.15 x 1.035 x 1.04 = 0.011512098
    [("carved", "0.011123"), ("additive", "0.011174"), ("of_price", "0.011512")],
)
def test_lint__price_is_its_stack(basis: str, price: str) -> None:
    uplift = replace(BOOK.uplift, registry_basis=basis)  # type: ignore[arg-type]
    assert codes(priced("0.0093", price, uplift=uplift)) == []
    assert codes(priced("0.0093", "0.011300", uplift=uplift)) == ["lint-stack"]


def test_lint__price_is_rounded_as_the_book_says() -> None:
    """0.0025 x 1.15 x 1.04 = 0.00299: to 4 places 0.0030; without uplift 0.00125 is 0.0013 half up and 0.0012 half even."""
    assert codes(priced("0.0025", "0.0030", price_digits=4)) == []
    plain = replace(BOOK.uplift, applies_to=("gpu",))
    assert codes(priced("0.00125", "0.0013", price_digits=4, uplift=plain)) == []
    assert codes(priced("0.00125", "0.0012", price_digits=4, uplift=plain, rounding="half_even")) == []


def test_lint__price_moved_by_more_than_a_quarter() -> None:
    """24.00 x 1.25 = 30.00 is at the bound, 30.01 beyond it; 18.00 and 17.99 on the other side."""
    following = replace(BOOK, quarter="2026-Q4", effective_from=date(2026, 10, 1), effective_until=date(2027, 1, 1))
    for rate, expected in (("30.00", []), ("30.01", ["lint-price-moved"]), ("18.00", []), ("17.99", ["lint-price-moved"])):
        assert codes(replace(following, gpu={"h100": Sku(D(rate), "gpu_hour")}), BOOK) == expected
    assert codes(replace(following, gpu={"b200": Sku(D("99.00"), "gpu_hour")}), BOOK) == []


def test_lint__a_later_version_is_compared_with_the_one_before() -> None:
    second = replace(BOOK, version=2, effective_from=date(2026, 8, 1), gpu={"h100": Sku(D("40.00"), "gpu_hour")})
    assert codes(second, BOOK, second) == ["lint-price-moved"]
    assert codes(BOOK, BOOK, second) == []


def test_lint__gap() -> None:
    late = replace(BOOK, quarter="2026-Q4", effective_from=date(2026, 10, 5), effective_until=date(2027, 1, 1))
    (problem,) = lint(late, [BOOK, late], [])
    assert (problem.code, problem.severity) == ("lint-gap", "warning")
    assert "2026-10-01" in problem.message and "2026-10-05" in problem.message


def test_lint__pool_that_the_overhead_funds() -> None:
    pools = (Pool("LLM Gateway", "even"), Pool("notebooks", "even"))
    assert codes(BOOK, pools=pools) == ["lint-pool-funded"]
    assert codes(replace(BOOK, uplift=Uplift(), actions={}), pools=pools) == [
        "lint-overhead",
        "lint-registry",
        "lint-buffer",
    ]
