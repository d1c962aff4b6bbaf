"""Laws of `core/money.py` (rules M1-M3), held against sums written another way and against `decimal` as the oracle."""

from __future__ import annotations

import random
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, FloatOperation, Inexact
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from finledger.core.money import (
    EXACT,
    Money,
    floored,
    is_currency,
    minor_digits,
    rounded,
    rounded_places,
    significant,
    split,
    total,
    zero,
)

WIDE = Context(prec=400)
CURRENCIES = st.sampled_from(["JPY", "USD", "KWD", "CLF"])
ROUNDINGS = st.sampled_from(["half_up", "half_even"])
MINOR = st.integers(min_value=-(10**15), max_value=10**15)
AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=9, allow_nan=False, allow_infinity=False)
WEIGHTS = st.one_of(
    st.integers(min_value=0, max_value=10**12),
    st.decimals(min_value=0, max_value=10**6, places=12, allow_nan=False, allow_infinity=False),
    st.fractions(min_value=0, max_value=10**6, max_denominator=997),
)
NAMES = st.text(alphabet="abcXYZ09-_é", min_size=1, max_size=6)
SPLITS = st.dictionaries(NAMES, WEIGHTS, min_size=1, max_size=12)
HALVES = st.integers(min_value=-(10**9), max_value=10**9).map(lambda n: Decimal(2 * n + 1) / 2)


# ── split: rule M3 ──────────────────────────────────────────────────────────────────────────────────────────────────────


@given(MINOR, SPLITS)
def test_split__parts_add_up_to_the_whole_and_name_every_key(minor: int, weights: dict[str, Decimal]) -> None:
    parts = split(Money(minor, "USD"), weights, "rest")
    assert total(parts.values(), "USD") == Money(minor, "USD")
    assert set(weights) <= set(parts)


@given(MINOR, SPLITS)
def test_split__every_part_is_within_one_unit_of_its_exact_share(minor: int, weights: dict[str, Decimal]) -> None:
    weight_sum = sum((Fraction(weight) for weight in weights.values()), Fraction(0))
    assume(weight_sum > 0)
    for key, part in split(Money(minor, "USD"), weights, "rest").items():
        exact = minor * Fraction(weights[key]) / weight_sum
        assert abs(part.minor - exact) < 1
        assert part.minor * minor >= 0
        if exact.denominator == 1:
            assert part.minor == exact


@given(MINOR, SPLITS)
def test_split__no_part_that_was_rounded_up_has_a_smaller_remainder_than_one_left_down(
    minor: int, weights: dict[str, Decimal]
) -> None:
    weight_sum = sum((Fraction(weight) for weight in weights.values()), Fraction(0))
    assume(weight_sum > 0)
    parts = split(Money(minor, "USD"), weights, "rest")
    rests = {key: abs(minor) * Fraction(weights[key]) / weight_sum for key in weights}
    up = [(rests[key] % 1, key) for key in parts if abs(parts[key].minor) > rests[key]]
    down = [(rests[key] % 1, key) for key in parts if abs(parts[key].minor) < rests[key]]
    for remainder, key in up:
        for other, other_key in down:
            assert remainder > other or (remainder == other and key < other_key)


@given(MINOR, SPLITS, st.randoms(use_true_random=False))
def test_split__the_order_of_the_keys_does_not_matter(
    minor: int, weights: dict[str, Decimal], shuffler: random.Random
) -> None:
    shuffled = list(weights.items())
    shuffler.shuffle(shuffled)
    assert split(Money(minor, "USD"), weights, "rest") == split(Money(minor, "USD"), dict(shuffled), "rest")


@given(MINOR, SPLITS)
def test_split__a_credit_is_the_mirror_of_its_charge(minor: int, weights: dict[str, Decimal]) -> None:
    charge, credit = (split(Money(sign * minor, "USD"), weights, "rest") for sign in (1, -1))
    assert credit == {key: -part for key, part in charge.items()}


@given(MINOR, SPLITS, st.integers(min_value=1, max_value=10**6))
def test_split__only_the_proportions_of_the_weights_count(minor: int, weights: dict[str, Decimal], times: int) -> None:
    scaled = {key: Fraction(weight) * times for key, weight in weights.items()}
    assert split(Money(minor, "USD"), weights, "rest") == split(Money(minor, "USD"), scaled, "rest")


@given(MINOR, st.sets(NAMES, min_size=1, max_size=6))
def test_split__without_any_weight_the_residual_gets_the_whole(minor: int, names: set[str]) -> None:
    parts = split(Money(minor, "USD"), dict.fromkeys(names, Decimal(0)), "~rest")
    assert parts.pop("~rest") == Money(minor, "USD")
    assert parts == dict.fromkeys(names, zero("USD"))


@given(st.integers(min_value=0, max_value=10**9), st.sets(NAMES, min_size=1, max_size=9))
def test_split__equal_weights_give_the_odd_units_to_the_first_keys(minor: int, names: set[str]) -> None:
    each, odd = divmod(minor, len(names))
    expected = {name: Money(each + (place < odd), "USD") for place, name in enumerate(sorted(names))}
    assert split(Money(minor, "USD"), dict.fromkeys(names, 7), "rest") == expected


def test_split__ties_between_components_go_base_buffer_overhead_registry() -> None:
    weights = {"registry": 1, "overhead": 1, "buffer": 1, "base": 1}
    got = {
        cents: {key: part.minor for key, part in split(Money(cents, "USD"), weights, "base").items()} for cents in (1, 2, 3)
    }
    assert got == {
        1: {"base": 1, "buffer": 0, "overhead": 0, "registry": 0},
        2: {"base": 1, "buffer": 1, "overhead": 0, "registry": 0},
        3: {"base": 1, "buffer": 1, "overhead": 1, "registry": 0},
    }


def test_split__capitals_sort_before_small_letters() -> None:
    assert split(Money(1, "USD"), {"ads": 1, "Zoo": 1}, "ads") == {"Zoo": Money(1, "USD"), "ads": Money(0, "USD")}


def test_split__a_negative_weight_is_a_bug() -> None:
    with pytest.raises(ValueError, match="negative"):
        split(Money(100, "USD"), {"a": Decimal("-1"), "b": Decimal("2")}, "a")


# ── rounding: rule M2 ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(AMOUNTS, CURRENCIES)
def test_rounded__half_up_is_what_decimal_does(amount: Decimal, currency: str) -> None:
    step = Decimal(1).scaleb(-minor_digits(currency))
    assert rounded(amount, currency, "half_up").amount == amount.quantize(step, ROUND_HALF_UP, WIDE)


@given(AMOUNTS, CURRENCIES)
def test_rounded__half_even_is_what_decimal_does(amount: Decimal, currency: str) -> None:
    step = Decimal(1).scaleb(-minor_digits(currency))
    assert rounded(amount, currency, "half_even").amount == amount.quantize(step, ROUND_HALF_EVEN, WIDE)


@given(HALVES, CURRENCIES)
def test_rounded__an_exact_half_goes_away_from_zero_or_to_the_even_unit(halves: Decimal, currency: str) -> None:
    amount = halves.scaleb(-minor_digits(currency))
    away, even = (rounded(amount, currency, rounding) for rounding in ("half_up", "half_even"))
    assert abs(away.minor) == abs(halves) + Decimal("0.5")
    assert even.minor % 2 == 0
    assert abs(even.minor - halves) == Decimal("0.5")


@given(st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=10**6), CURRENCIES, ROUNDINGS)
def test_rounded__a_fraction_lands_within_half_a_unit_and_mirrors(amount: Fraction, currency: str, rounding: str) -> None:
    money = rounded(amount, currency, rounding)  # type: ignore[arg-type]
    assert abs(money.minor - amount * 10 ** minor_digits(currency)) <= Fraction(1, 2)
    assert rounded(-amount, currency, rounding) == -money  # type: ignore[arg-type]


@given(MINOR, CURRENCIES, ROUNDINGS)
def test_rounded__money_is_not_moved_by_rounding_it_again(minor: int, currency: str, rounding: str) -> None:
    money = Money(minor, currency)
    assert rounded(money.amount, currency, rounding) == money  # type: ignore[arg-type]


@given(AMOUNTS, st.integers(min_value=0, max_value=8), ROUNDINGS)
def test_rounded_places__is_what_decimal_does(amount: Decimal, places: int, rounding: str) -> None:
    mode = ROUND_HALF_UP if rounding == "half_up" else ROUND_HALF_EVEN
    got = rounded_places(amount, places, rounding)  # type: ignore[arg-type]
    assert got == amount.quantize(Decimal(1).scaleb(-places), mode, WIDE)
    assert -int(got.as_tuple().exponent) == places


@given(AMOUNTS, CURRENCIES)
def test_floored__is_what_decimal_does_below_zero_too(amount: Decimal, currency: str) -> None:
    step = Decimal(1).scaleb(-minor_digits(currency))
    assert floored(amount, currency).amount == amount.quantize(step, ROUND_FLOOR, WIDE)


# ── significant digits: rule Q4 ─────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=12, allow_nan=False, allow_infinity=False),
    st.integers(min_value=1, max_value=9),
)
def test_significant__is_what_a_decimal_context_does(amount: Decimal, digits: int) -> None:
    assume(amount != 0)
    assert significant(amount, digits) == Context(prec=digits, rounding=ROUND_HALF_UP).plus(amount)


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**9, max_denominator=10**9))
def test_significant__is_within_half_of_its_last_digit(amount: Fraction) -> None:
    shown = Fraction(significant(amount))
    leading = max(place for place in range(-10, 11) if amount >= Fraction(10) ** place)
    assert abs(shown - amount) <= Fraction(10) ** (leading - 5) / 2


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Fraction(2, 3), "0.666667"),
        (Fraction(10000, 3), "3333.33"),
        (Decimal("1234567"), "1234570"),
        (Decimal("0.9999995"), "1"),
        (Decimal("999999.5"), "1000000"),
        (Decimal("0.000123456500"), "0.000123457"),
        (Decimal("-0.1"), "-0.1"),
        (Decimal("250"), "250"),
        (Decimal("0"), "0"),
        (7, "7"),
    ],
)
def test_significant__is_shown_plainly(amount: Fraction | Decimal | int, shown: str) -> None:
    assert str(significant(amount)) == shown


# ── exactness: rule M1 ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("minor", [1.0, Decimal(1), True, "1", None])
def test_money__is_only_made_of_whole_minor_units(minor: object) -> None:
    with pytest.raises(TypeError, match="whole number"):
        Money(minor, "USD")  # type: ignore[arg-type]


def test_exact__refuses_a_float_and_a_lost_digit() -> None:
    with pytest.raises(FloatOperation):
        EXACT.create_decimal(0.1)
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))
    assert EXACT.multiply(Decimal("0.0093"), Decimal("1.15")) == Decimal("0.010695")


def test_exact__holds_the_longest_product_a_line_can_ask_for() -> None:
    quantity, rate = Decimal("9" * 30 + "." + "9" * 18), Decimal("9" * 12 + "." + "9" * 18)
    product = EXACT.multiply(EXACT.multiply(quantity, rate), Decimal("1.196"))
    assert Fraction(product) == Fraction(quantity) * Fraction(rate) * Fraction(1196, 1000)


@given(st.lists(MINOR, max_size=20), CURRENCIES)
def test_total__is_the_sum_in_minor_units(minors: list[int], currency: str) -> None:
    assert total((Money(minor, currency) for minor in minors), currency) == Money(sum(minors), currency)


@given(MINOR, MINOR)
def test_money__adds_subtracts_and_negates_as_integers_do(left: int, right: int) -> None:
    assert Money(left, "KWD") + Money(right, "KWD") == Money(left + right, "KWD")
    assert Money(left, "KWD") - Money(right, "KWD") == Money(left - right, "KWD")
    assert -Money(left, "KWD") == Money(-left, "KWD")
    assert bool(Money(left, "KWD")) == (left != 0)


def test_money__of_two_currencies_does_not_add_up() -> None:
    with pytest.raises(ValueError, match="USD and EUR"):
        Money(1, "USD") + Money(1, "EUR")
    with pytest.raises(ValueError, match="JPY and USD"):
        total([Money(1, "USD")], "JPY")


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (1112, "USD", "11.12"), (5, "USD", "0.05"), (-5, "USD", "-0.05"), (0, "USD", "0.00"), (1112, "JPY", "1112"),
        (0, "JPY", "0"), (1112, "KWD", "1.112"), (-1, "KWD", "-0.001"), (12345, "CLF", "1.2345"),
        (123456789012345678901, "USD", "1234567890123456789.01"),
    ],
)  # fmt: skip
def test_money__is_shown_with_exactly_its_minor_digits(minor: int, currency: str, shown: str) -> None:
    assert str(Money(minor, currency)) == shown
    assert f"{Money(minor, currency):,}".replace(",", "") == shown


def test_money__for_people_has_a_comma_every_three_digits() -> None:
    said = [f"{Money(minor, currency):,}" for minor, currency in ((-123456789, "USD"), (99999, "USD"), (1112, "JPY"))]
    assert said == ["-1,234,567.89", "999.99", "1,112"]


@pytest.mark.parametrize("code", ["XAU", "XXX", "XTS", "usd", "", "EURO"])
def test_currency__without_a_minor_unit_is_refused(code: str) -> None:
    assert not is_currency(code)
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, code)
