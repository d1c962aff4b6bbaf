"""What a text in a provider's export means: figures and days in the ways in which providers write them. Exact, never guessed.

Providers write exponents (1.81E-8), thirty decimal places, and dates of three kinds; what people write into settings is
stricter (`read/values.py`). Each function returns the value or raises WrongValue.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

from finledger.core.period import Month
from finledger.read.values import WrongValue, quoted

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_DECIMAL_COMMA = re.compile(r"[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+),[0-9]+")
_SEPARATED = re.compile(r"[+-]?[0-9]{1,3}([,' _][0-9]{3})+(\.[0-9]+)?")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].+)?")
_AMERICAN = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})( .*)?")
_UNIX = re.compile(r"[0-9]{8,11}")
_MONTH = re.compile(r"([0-9]{4})-?([0-9]{2})")
_MOST_DIGITS = 60  # of a figure, before and behind the point: far within what calculations keep


def figure(text: str) -> Decimal:
    """A decimal number of either sign, with or without an exponent."""
    if not _NUMBER.fullmatch(text):
        raise WrongValue("not-a-number", f"{quoted(text)} is not a decimal number{_why(text)}", _remedy(text))
    found = Decimal(text)
    if not found:
        return Decimal(0)
    if max(found.adjusted(), -int(found.as_tuple().exponent)) >= _MOST_DIGITS:
        message = f"{quoted(text)} has more digits than any amount of money"
        raise WrongValue("number-too-deep", message, f"export at most {_MOST_DIGITS} places")
    return found


def _why(text: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]{1,3},[0-9]{3}", text):
        return ": its comma stands for a decimal point or for thousands, and nobody can say for which"
    if _SEPARATED.fullmatch(text):
        return ": it has separators of thousands"
    return ": it has a decimal comma" if _DECIMAL_COMMA.fullmatch(text) else ""


def _remedy(text: str) -> str:
    if "," in text:
        return "export it with a point before the decimals and nothing between thousands: 1234.56"
    if re.search(r"[$€£¥]|[A-Za-z]{3}", text):
        return "export the number alone; its currency has a column of its own"
    if re.fullmatch(r"\(.*\)|[0-9.]+-", text):
        return "write a minus before a negative amount: -12.50"
    return "export it as digits with a point before the decimals: 1234.56"


def day(text: str) -> date:
    """A day in UTC from 2026-07-01, or from an instant: 2026-07-01T00:00:00Z, 2026-07-01 00:00:00 UTC, with any offset."""
    try:
        if not _ISO.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
        found = (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()
        if not 1970 <= found.year <= 9000:
            raise ValueError
    except (ValueError, OverflowError):
        message = f"{quoted(text)} is not a date"
        raise WrongValue("not-a-date", message, "export it as 2026-07-01 or 2026-07-01T00:00:00Z") from None
    return found


def american_day(text: str) -> date:
    """A day as `day` reads it, or as month/day/year."""
    written = _AMERICAN.fullmatch(text)
    if written is None:
        return day(text)
    year = int(written[3]) if len(written[3]) == 4 else 2000 + int(written[3])
    try:
        found = date(year, int(written[1]), int(written[2]))
        if not 1970 <= found.year <= 9000:
            raise ValueError
    except ValueError:
        message = f"{quoted(text)} is not a date written as month/day/year"
        remedy = "export it in the American order, 07/31/2026, or as 2026-07-31"
        raise WrongValue("not-a-date", message, remedy) from None
    return found


def unix_day(text: str) -> date:
    """A day as `day` reads it, or as seconds since 1970."""
    return datetime.fromtimestamp(int(text), UTC).date() if _UNIX.fullmatch(text) else day(text)


def first_of_month(text: str) -> date:
    """The first day of a month that is written 2026-07 or 202607, or that a date lies in."""
    if _ISO.fullmatch(text):
        return Month(day(text).year, day(text).month).first_day
    written = _MONTH.fullmatch(text)
    if written is None or not 1970 <= int(written[1]) <= 9000 or not 1 <= int(written[2]) <= 12:
        raise WrongValue("not-a-month", f"{quoted(text)} is not a month", "write the month as 2026-07 or 202607")
    return date(int(written[1]), int(written[2]), 1)
