"""A number that is read from its text is the number that the text says, to the last digit, or none."""

from __future__ import annotations

import itertools
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finledger.read.columns import decimal_sql

DIGITS = st.text(alphabet="0123459", max_size=14)
MARK = st.sampled_from(["e", "E", "e+", "e-", "E-0", "e+0"])
EXPONENT = st.one_of(st.just(""), st.tuples(MARK, DIGITS.map(lambda digits: digits[:2])).map("".join))
NUMBER = st.tuples(st.sampled_from(["", "-", "+", " "]), DIGITS, st.sampled_from(["", "."]), DIGITS, EXPONENT).map("".join)
# each number of places with each exponent that a small float may have
SMALL = [
    f"{sign}{first}{'.' if places else ''}{'1203456789012345678'[:places]}{mark}{exponent}"
    for sign, first, places, mark, exponent in itertools.product(("", "-"), "07", range(20), ("e-", "E-", "e-0"), range(13))
]
LONG = [  # 13 to 18 digits, as floats have, with each exponent and without one
    f"{sign}{head}{'1234567890123456789'[:digits]}{last}{tail}"
    for sign, (head, tails), digits, last in itertools.product(
        ("", "-"),
        (("1.", ("e-01", "e-05", "E-9", "e-10")), ("0.0", ("",)), ("0.000000000", ("",)), ("0.0000000000", ("",))),
        range(11, 17),
        "05",
    )
    for tail in tails
]
FLOATS = [repr(tokens * price / 1e6) for tokens, price in itertools.product((7, 13, 1_037, 90_001), (0.075, 0.3, -2.4, 15.1))] + [
    "2.3999999999999998e-05", "0.000021428571428571428", "1.4880952380952381E-06", "-0.00000148809523809524", "4.9999999999999996e-19",
    "0.12345678901234567890", "0.0000148809523809523809523810", "1e-19", "1.5e-18", "100000000000000000000e-1",
    "-0000000000000000000000012.5e1", "1234567890123456789012345e-20", ".5e20", ".5e21", "1e999",
    "1e-999", "+.000e5", "00000000000000000000000.1",
]  # fmt: skip


def meant(text: str) -> Decimal | None:
    """None where it is no number, or one of more than 20 digits before the point or 18 after it; a binary float, which has 15 to
    17 digits and is not below 10^-18, to 18 places."""
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    exact = Context(prec=60, rounding=ROUND_HALF_UP)
    held = found.quantize(Decimal("1e-18"), context=exact) if abs(found) < Decimal("1e20") else None
    is_float = 15 <= len(found.normalize(exact).as_tuple().digits) <= 17
    return held if held == found or (is_float and abs(found) >= Decimal("1e-18")) else None


@settings(max_examples=40)
@given(texts=st.lists(NUMBER, min_size=1, max_size=60))
@example(texts=SMALL)
@example(texts=FLOATS)
@example(texts=LONG)
def test_numbers__read_as_they_are_written(texts: list[str]) -> None:
    with duckdb.connect() as connection:
        read = f"SELECT text, {decimal_sql('text')} FROM (SELECT unnest(?::VARCHAR[]) AS text)"
        rows = connection.execute(read, [texts]).fetchall()
    assert [(text, found, meant(text)) for text, found in rows if found != meant(text)] == []
