"""What a text in a settings file or table means: numbers, days, months, names. Exact, and never guessed (rule M1).

Each function takes the text as written and returns its value, or raises `WrongValue`, which says what is wrong with it and
what to write instead. The same functions serve the YAML files and the CSV tables.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from finledger.core.model import POOL_PREFIX
from finledger.core.money import is_currency, minor_digits
from finledger.core.period import Month

_PLAIN = re.compile(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,17}")
_DIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they make a name read as another
MAX_PLACES = 18
MAX_TEXT = 100
_MANY = 12  # words that a remedy can list beside a suggestion


class WrongValue(ValueError):
    """A text that does not mean what its field needs. `code` names the case in tests/errors/."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy


def quoted(value: object) -> str:
    """The value as a problem shows it: in quotes, on one line, not longer than a person reads."""
    shown = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "…" + shown[-1]


def suggestion(word: str, known: Iterable[str]) -> str:
    """`Did you mean 'stage'? ` where a known word is close, else nothing."""
    near = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}? " if near else ""


def scalar(value: Any) -> str:
    if not isinstance(value, str):
        kind = "a list" if isinstance(value, list) else "a mapping"
        raise WrongValue("wrong-shape", f"here stands {kind}, where one value is expected", "write one value")
    return value


def number(value: Any) -> Decimal:
    """A decimal of at most 18 places, from plain digits: `-12.50`. No exponent, no separator, no per cent."""
    text = scalar(value)
    if _PLAIN.fullmatch(text):
        if len(text.partition(".")[2]) > MAX_PLACES:
            message = f"{quoted(text)} has more than {MAX_PLACES} decimal places"
            raise WrongValue("number-too-deep", message, f"write at most {MAX_PLACES} places")
        found = Decimal(text)
        return found if found else found.copy_abs()
    raise WrongValue("not-a-number", f"{quoted(text)} is not a plain decimal number", _number_remedy(text))


def _number_remedy(text: str) -> str:
    if re.fullmatch(r"-?[1-9][0-9]{20,}(\.[0-9]+)?", text):
        return "write at most 20 digits before the point"
    if re.fullmatch(r"\+[0-9.]+|-?0[0-9]+(\.[0-9]+)?", text):
        return "write the number without a plus and without zeros in front: 7.50"
    if text.endswith("%"):
        return "write a share of one: 80 % is 0.80"
    if re.fullmatch(r"[+-]?[0-9.]+[eE][+-]?[0-9]+", text):
        return "write the number out without an exponent: 1e-6 is 0.000001"
    if re.fullmatch(r"-?[0-9][0-9_' ]*(\.[0-9]+)?", text) and re.search(r"[_' ]", text):
        return "write the digits without separators: 1000000.00"
    if "," in text:
        return "write a point before the decimals and no separator of thousands: 20000.00"
    if text.lower().lstrip("+-.") in ("inf", "nan", "infinity"):
        return "write the figure; infinity and not-a-number are none"
    if re.fullmatch(r"-?0[xob][0-9a-fA-F]+", text):
        return "write the number in decimal digits"
    return "write it in digits, with a point before the decimals and a digit on both sides of it: 0.50"


def amount(value: Any) -> Decimal:
    """A number that is not negative."""
    found = number(value)
    if found < 0:
        raise WrongValue("negative-number", f"{quoted(value)} is negative", "write a number that is 0 or more")
    return found


def minor(found: Decimal, code: str) -> Decimal:
    """The amount itself, which has no more decimal places than the currency `code` (rule M2)."""
    places = -min(int(found.as_tuple().exponent), 0)
    if places > minor_digits(code):
        message = f"{found} has {places} decimal places; {code} has {minor_digits(code)}"
        raise WrongValue("amount-too-fine", message, f"write the amount with {minor_digits(code)} decimal places")
    return found


def money(code: str, *, negative: bool = False) -> Callable[[Any], Decimal]:
    """Reads an amount of the currency `code`, in its major unit; below zero only where `negative`."""
    return lambda value: minor(number(value) if negative else amount(value), code)


def share(value: Any) -> Decimal:
    """A part of one: 0 to 1."""
    found = number(value)
    if not 0 <= found <= 1:
        message = f"{quoted(value)} is not a share between 0 and 1"
        raise WrongValue("not-a-share", message, "write a share of one: 15 % is 0.15")
    return found


def multiplier(value: Any) -> Decimal:
    """What a price is multiplied by for unmeasured quality: never a discount."""
    found = number(value)
    if found < 1:
        message = f"a multiplier of {found} would make unmeasured quality cheaper"
        raise WrongValue("max-multiplier", message, "write 1 or more")
    return found


def count(value: Any) -> int:
    """A whole number that is not negative."""
    text = scalar(value)
    if not _WHOLE.fullmatch(text):
        message = f"{quoted(text)} is not a whole number of 0 or more"
        raise WrongValue("not-a-count", message, "write a whole number in digits")
    return int(text)


def flag(value: Any) -> bool:
    text = scalar(value)
    if text not in ("true", "false"):
        raise WrongValue("not-a-flag", f"{quoted(text)} is neither true nor false", "write true or false")
    return text == "true"


def day(value: Any) -> date:
    """A date written 2026-07-01."""
    text = scalar(value)
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        found = date.fromisoformat(text)
    except ValueError:
        message = f"{quoted(text)} is not a date"
        raise WrongValue("not-a-date", message, "write the day as 2026-07-01") from None
    if not 1970 <= found.year <= 9000:
        raise WrongValue("not-a-date", f"{text} is not a date of our time", "write the day as 2026-07-01")
    return found


def month(value: Any) -> Month:
    """A month written 2026-07."""
    text = scalar(value)
    try:
        found = Month.parse(text)
    except ValueError:
        found = Month(0, 1)
    if not text.isascii() or not 1970 <= found.year <= 9000:
        raise WrongValue("not-a-month", f"{quoted(text)} is not a month", "write the month as 2026-07")
    return found


def month_number(value: Any) -> int:
    """A calendar month by its number: 1 to 12."""
    text = scalar(value)
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= 12:
        message = f"{quoted(text)} is not the number of a month"
        raise WrongValue("not-a-month-number", message, "write 1 for January to 12 for December")
    return int(text)


def word(known: Collection[str]) -> Callable[[Any], str]:
    """Reads one of a few words."""

    def parse(value: Any) -> str:
        found = scalar(value)
        if found not in known:
            near = suggestion(found, known)
            remedy = near.strip() if near and len(known) > _MANY else f"{near}write one of {', '.join(known)}"
            raise WrongValue("not-one-of", f"{quoted(found)} is not known here", remedy)
        return found

    return parse


def text(value: Any) -> str:
    """A name of 1 to 100 characters on one line, without spaces around it."""
    found = scalar(value)
    if not found:
        raise WrongValue("text-empty", "the text is empty", "write a text, or remove the line")
    if len(found) > MAX_TEXT:
        message = f"the text has {len(found)} characters, more than {MAX_TEXT}"
        raise WrongValue("text-too-long", message, f"write at most {MAX_TEXT} characters")
    _refuse_control(found)
    if found != found.strip():
        raise WrongValue("text-spaces", f"{quoted(found)} begins or ends with a space", "remove the space")
    return found


def prose(value: Any) -> str:
    """What a person wrote, of any length; line ends and runs of spaces become one space."""
    found = " ".join(scalar(value).split())
    _refuse_control(found)
    return found


def _refuse_control(found: str) -> None:
    """Characters that move a cursor or turn a text around have no place on a document."""
    bad = next((c for c in found if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in _DIRECTIONAL), None)
    if bad is not None:
        message = f"the text holds the control character U+{ord(bad):04X}"
        raise WrongValue("text-control-character", message, "remove the character")


def team_name(value: Any) -> str:
    """A text that is safe as the name of a file and in a spreadsheet's cell, and not one of the program's own words."""
    found = text(value)
    if found[0] in "=+-@":
        message = f"the name {quoted(found)} begins with {found[0]}, which a spreadsheet takes for a formula"
        raise WrongValue("team-name-formula", message, "begin the name with a letter or digit")
    if found in (".", "..") or "/" in found or "\\" in found:
        message = f"the name {quoted(found)} would leave its folder when a file is named after the team"
        raise WrongValue("team-name-path", message, "write a name without / and \\ that is not `.` or `..`")
    if found.startswith(("(", POOL_PREFIX)):
        reserved = "(" if found[0] == "(" else POOL_PREFIX
        message = f"the name {quoted(found)} begins with {reserved!r}, which is kept for the program's own names"
        raise WrongValue("team-name-reserved", message, "write another name")
    return found


def currency(value: Any) -> str:
    """The code of a currency that money can be counted in (ISO 4217)."""
    code = scalar(value)
    if not is_currency(code):
        remedy = "write the ISO 4217 code in capital letters, such as EUR"
        raise WrongValue("currency-unknown", f"{quoted(code)} is not a currency", remedy)
    return code


def timezone(value: Any) -> str:
    """A zone of the IANA database."""
    name = scalar(value)
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # the zone database answers a path or a folder with the latter two
        remedy = f"{suggestion(name, available_timezones())}write a zone of the IANA database, such as UTC or Europe/Berlin"
        raise WrongValue("timezone-unknown", f"{quoted(name)} is not a time zone", remedy) from None
    return name


def bucket_folder(value: Any) -> str:
    """The URL of a folder in a bucket, without a name or password in it: those are the service's own settings."""
    url = text(value)
    scheme, _, rest = url.partition("://")
    bucket, _, _ = rest.partition("/")
    asked = re.search(r"[*?\[\]#\\\s]|//|/\.{1,2}(/|$)", rest) or ":" in bucket
    if scheme not in ("s3", "gs", "abfss") or not bucket or asked or ("@" in bucket and scheme != "abfss"):
        remedy = (
            "write s3://bucket/prefix, gs://bucket/prefix or abfss://container@account.dfs.core.windows.net/prefix; who may"
        )
        raise WrongValue(
            "not-a-bucket", f"{quoted(url)} is no folder of a bucket", f"{remedy} read it is set outside of the books"
        )
    return url.rstrip("/")


def quarter(value: Any) -> str:
    """A quarter written 2026-Q3."""
    found = scalar(value)
    if not re.fullmatch(r"[1-9][0-9]{3}-Q[1-4]", found):
        raise WrongValue("not-a-quarter", f"{quoted(found)} is not a quarter", "write the quarter as 2026-Q3")
    return found
