"""Exact numbers, and the one place where an amount is rounded (rules M1-M3).

Rates, prices and quantities are `Decimal`; every calculation on them runs in `EXACT`, a context that raises when a digit
would be lost or a float is touched. Money is an integer of minor units with its currency. `rounded` makes money from an
exact amount; `split` takes money apart without losing any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Subnormal,
    Underflow,
)
from fractions import Fraction
from math import lcm
from typing import Any, Literal, Protocol, TypeVar

EXACT = Context(
    prec=200,
    traps=[Inexact, FloatOperation, InvalidOperation, DivisionByZero, Overflow, Underflow, Subnormal, Clamped],
)
Rounding = Literal["half_up", "half_even"]
Number = Decimal | Fraction | int


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


K = TypeVar("K", bound=_Ordered)

# ISO 4217 minor units that are not 2 (rule M2). Codes without a monetary minor unit (gold, test codes) are refused.
_MINOR_UNITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_TWO_DIGITS = frozenset(
    (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
        "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
        "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN "
        "MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
        "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD YER ZAR ZMW ZWG"
    ).split()
)


_DIGITS = {**dict.fromkeys(_TWO_DIGITS, 2), **_MINOR_UNITS}
_HALF = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN}
_ROUNDING = {
    mode: Context(prec=200, rounding=half, traps=[InvalidOperation, FloatOperation]) for mode, half in _HALF.items()
}


def is_currency(code: str) -> bool:
    """Whether `code` is an ISO 4217 currency that money can be counted in."""
    return code in _DIGITS


def minor_digits(currency: str) -> int:
    """Decimal places of the currency's minor unit: JPY 0, USD 2, KWD 3 (ISO 4217, rule M2)."""
    digits = _DIGITS.get(currency)
    if digits is None:
        raise ValueError(f"{currency!r} is not an ISO 4217 currency with a minor unit")
    return digits


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in whole minor units of one currency: `Money(1112, "USD")` is 11.12 dollars."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"money is a whole number of minor units, not {self.minor!r}")
        if self.currency not in _DIGITS:
            minor_digits(self.currency)

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        return str(self.amount)

    def __format__(self, spec: str) -> str:
        """`{amount}` for files and programs, 1234567.89; `{amount:,}` for people, 1,234,567.89."""
        return format(self.amount, f"{spec}f")

    @property
    def amount(self) -> Decimal:
        """The amount in the currency's major unit, with exactly its decimal places: 1112 minor USD is 11.12."""
        return Decimal(self.minor).scaleb(-minor_digits(self.currency), EXACT)

    def _same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up: convert first (rule M6)")


def zero(currency: str) -> Money:
    return Money(0, currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of many `Money`; `currency` is needed for the sum of none."""
    minor = 0
    for amount in amounts:
        if amount.currency != currency:
            Money(0, currency)._same_currency(amount)
        minor += amount.minor
    return Money(minor, currency)


def rounded(amount: Number, currency: str, rounding: Rounding) -> Money:
    """The amount in the currency's minor unit, rounded once: half away from zero, or half to even (rule M2).

    >>> rounded(Decimal("11.125"), "USD", "half_up"), rounded(Decimal("11.125"), "USD", "half_even")
    (Money(minor=1113, currency='USD'), Money(minor=1112, currency='USD'))
    """
    return Money(_rounded_units(amount, minor_digits(currency), rounding), currency)


def rounded_places(amount: Number, places: int, rounding: Rounding = "half_up") -> Decimal:
    """A figure that is shown, not charged: a unit price, a share, a published price (rules P3, P4, A2)."""
    return Decimal(_rounded_units(amount, places, rounding)).scaleb(-places, EXACT)


def significant(amount: Number, digits: int = 6) -> Decimal:
    """The figure to a number of significant digits, half up, in plain notation (rule Q4)."""
    numerator, denominator = amount.as_integer_ratio()
    if not numerator:
        return Decimal(0)
    places = _places_of(abs(numerator), denominator, digits)
    scaled = Decimal(_rounded_ratio(numerator, denominator, places, "half_up")).scaleb(-places, EXACT)
    plain = format(scaled, "f")
    return Decimal(plain.rstrip("0").rstrip(".") if "." in plain else plain)


def _places_of(numerator: int, denominator: int, digits: int) -> int:
    """The decimal places that leave so many significant digits of the ratio; below 0 where it is larger than these."""
    places = digits - len(str(numerator)) + len(str(denominator))  # right, or one too many or too few
    while True:
        above, below = numerator * 10 ** max(places, 0), denominator * 10 ** max(-places, 0)
        if above >= 10**digits * below:
            places -= 1
        elif above < 10 ** (digits - 1) * below:
            places += 1
        else:
            return places


def floored(amount: Number, currency: str) -> Money:
    """The amount rounded down to the minor unit (rules B2, B5)."""
    value = Fraction(amount) * 10 ** minor_digits(currency)
    return Money(value.numerator // value.denominator, currency)


def _rounded_units(amount: Number, places: int, rounding: Rounding) -> int:
    """The amount x 10^places as the nearest whole number; halves by `rounding`."""
    if isinstance(amount, Decimal):
        return int(EXACT.scaleb(amount, places).to_integral_value(context=_ROUNDING[rounding]))
    return _rounded_ratio(*amount.as_integer_ratio(), places, rounding)


def _rounded_ratio(numerator: int, denominator: int, places: int, rounding: Rounding) -> int:
    """The same of numerator ÷ denominator, which is above 0."""
    above, below = abs(numerator) * 10 ** max(places, 0), denominator * 10 ** max(-places, 0)
    whole, rest = divmod(int(above), int(below))
    up = 2 * rest > below or (2 * rest == below and (rounding == "half_up" or whole % 2 == 1))
    magnitude = whole + 1 if up else whole
    return -magnitude if numerator < 0 else magnitude


def split(whole: Money, weights: Mapping[K, Number], residual: K) -> dict[K, Money]:
    """Take `whole` apart by `weights` with largest remainder on absolute values (rule M3).

    Ties go to the key that sorts first; the parts add up to the whole, negative wholes too; when every weight is zero the
    whole goes to `residual`. Every key of `weights` is in the result, zero parts included.

    >>> split(Money(5, "USD"), {"a": Decimal("0.5"), "b": Decimal("0.5")}, "a")
    {'a': Money(minor=3, currency='USD'), 'b': Money(minor=2, currency='USD')}
    """
    if any(weight < 0 for weight in weights.values()):
        raise ValueError("a weight is negative")
    keys = sorted(weights)
    heavy = [key for key in keys if weights[key]]
    if len(heavy) == 1:
        return {**dict.fromkeys(keys, Money(0, whole.currency)), heavy[0]: whole}
    exact = _whole_ratios([weights[key] for key in keys])
    weight_sum = sum(exact)
    if weight_sum == 0:
        return {**dict.fromkeys(keys, Money(0, whole.currency)), residual: whole}
    size = abs(whole.minor)
    floors = []
    remainders = []
    for weight in exact:
        part, remainder = divmod(weight * size, weight_sum)
        floors.append(part)
        remainders.append(remainder)
    left = size - sum(floors)
    if left:
        for position in sorted(range(len(keys)), key=lambda n: -remainders[n])[
            :left
        ]:  # stable: ties stay in code point order
            floors[position] += 1
    sign = -1 if whole.minor < 0 else 1
    return {key: Money(sign * part, whole.currency) for key, part in zip(keys, floors, strict=True)}


def rounded_parts(exact: Mapping[K, Number], currency: str, rounding: Rounding) -> dict[K, Money]:
    """Amounts of either sign whose sum is rounded once (M2), each a whole number of minor units so that they add up to it.

    Each is cut off towards zero; the units that the sum still lacks go to the amounts that lost most in its direction, ties
    to the key that sorts first (M3).

    >>> parts = rounded_parts({"a": Decimal("0.333"), "b": Decimal("0.333"), "c": Decimal("0.334")}, "USD", "half_up")
    >>> [str(part) for part in parts.values()]
    ['0.33', '0.33', '0.34']
    """
    return parts_of(rounded(sum((Fraction(amount) for amount in exact.values()), Fraction(0)), currency, rounding), exact)


def parts_of(whole: Money, exact: Mapping[K, Number]) -> dict[K, Money]:
    """`whole` as the amounts that it was made from, as `rounded_parts` does; what they lack of it by more than a unit each
    goes round among them.

    >>> [str(part) for part in parts_of(Money(100, "USD"), {"a": Decimal("0.333"), "b": Decimal("0.666")}).values()]
    ['0.33', '0.67']
    """
    keys = sorted(exact)
    units = {key: Fraction(exact[key]) * 10 ** minor_digits(whole.currency) for key in keys}
    parts = {key: int(unit) for key, unit in units.items()}
    left = whole.minor - sum(parts.values())
    sign = 1 if left > 0 else -1
    in_turn = sorted(keys, key=lambda key: sign * (parts[key] - units[key]))
    for number in range(abs(left)):
        parts[in_turn[number % len(in_turn)]] += sign
    return {key: Money(minor, whole.currency) for key, minor in parts.items()}


def _whole_ratios(weights: Sequence[Number]) -> list[int]:
    """Whole numbers in the same ratios as the weights."""
    ratios = [weight.as_integer_ratio() for weight in weights]
    common = lcm(*(denominator for _, denominator in ratios))
    return [numerator * (common // denominator) for numerator, denominator in ratios]
