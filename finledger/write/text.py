"""Figures and names as people read them: exact decimals, never a float, in plain notation (rules M2, P4, Q4).

Amounts get a comma every three digits and exactly their currency's decimal places. The minus is a hyphen, so that a figure
copied from a document can be pasted into a spreadsheet.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from fractions import Fraction

from finledger.core.money import Money, Number, minor_digits, rounded_places
from finledger.core.period import Month

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_LONG = re.compile(r"([+-]?)([1-9][0-9]{3,})(?:\.[0-9]+)?(?: |$)")
_INVISIBLE = frozenset("\u200b\u200e\u200f\u061c\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def code_point(character: str) -> str:
    """A character that cannot be shown, by its Unicode name of last resort: U+65E5."""
    return f"U+{ord(character):04X}"


def shown(text: str) -> str:
    """A name as it may stand in a document: line breaks and tabs as spaces, what hides or reorders text made visible.

    >>> shown("a\\tb\\u202ec")
    'a bU+202Ec'
    """
    if text.isprintable():
        return text  # neither a control character nor one that hides or reorders is printable
    return "".join(_shown_character(character) for character in text)


def grouped(text: str) -> str:
    """A figure, in words or with its unit, with a comma every three digits; what begins with none is left as it is.

    >>> grouped("-1399.21"), grouped("12500 %"), grouped("2026-07"), grouped("n/a")
    ('-1,399.21', '12,500 %', '2026-07', 'n/a')
    """
    found = _LONG.match(text)
    return shown(text) if found is None else f"{found[1]}{int(found[2]):,}{shown(text[found.end(2) :])}"


_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four: the same, full width


def formula_safe(text: str) -> str:
    """A cell of text that a spreadsheet does not run: an apostrophe before what begins like a formula, or with an apostrophe.

    >>> formula_safe("=1+1"), formula_safe("a=1"), formula_safe("'quoted")
    ("'=1+1", 'a=1', "''quoted")
    """
    return f"'{text}" if text.startswith("'") or text.lstrip().startswith(_FORMULA_STARTS) else text


def _shown_character(character: str) -> str:
    if character in "\t\n\r":
        return " "
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Cn", "Zl", "Zp") or character in _INVISIBLE
    return code_point(character) if hidden else character


def plain(number: Decimal, least_places: int = 0, grouped: bool = True) -> str:
    """A decimal with no trailing zeros beyond `least_places`, and a comma every three digits.

    >>> plain(Decimal("12500.500")), plain(Decimal("1E+3")), plain(Decimal("0.0930"), 2)
    ('12,500.5', '1,000', '0.093')
    """
    whole, _, fraction = format(number, ",f" if grouped else "f").partition(".")
    fraction = fraction.rstrip("0").ljust(least_places, "0")
    text = f"{whole}.{fraction}" if fraction else whole
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def money(amount: Money) -> str:
    """1234567 minor USD is 12,345.67; the currency is said once, elsewhere."""
    return f"{amount:,}"


def signed(amount: Money) -> str:
    """A difference: +34.56, -12.00, 0.00."""
    return f"+{money(amount)}" if amount.minor > 0 else money(amount)


def unit_price(price: Decimal, currency: str) -> str:
    """At least the currency's places, at most 12 (rule P4)."""
    return plain(rounded_places(price, 12), minor_digits(currency))


def cost(exact: Number, currency: str) -> str:
    """An unrounded cost, shown at the currency's places."""
    places = minor_digits(currency)
    return plain(rounded_places(exact, places), places)


def percent(share: Number, places: int = 2) -> str:
    """0.625 is 62.5 %."""
    return plain(rounded_places(Fraction(share) * 100, places)) + " %"


def share(text: str | None, unknown: str = "n/a") -> str:
    """A share as programs get it, as people read it in a column.

    >>> share("0.681902"), share("0.61"), share(None)
    ('68.2 %', '61.0 %', 'n/a')
    """
    return unknown if text is None else f"{rounded_places(Decimal(text) * 100, 1)} %"


def day(value: date) -> str:
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def month(value: Month) -> str:
    return f"{MONTHS[value.number - 1]} {value.year}"


def words(name: str) -> str:
    """What a column, a component or a reason is called, as people write it.

    >>> words("cost_per_correct_task")
    'cost per correct task'
    """
    return name.replace("_", " ")


def count(number: int, what: str) -> str:
    """1 file, 2 files."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def joined(words: list[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
