"""Dated rates between currencies (rule M6): rates as exact text, the newest dated on or before a day is in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CurrencyRate:
    """One line of rates.csv: an amount in `source_currency` x `rate` is in `target_currency`; `source`: who quoted it."""

    date: date
    source_currency: str
    target_currency: str
    rate: Decimal
    source: str


def rate_at(rates: Iterable[CurrencyRate], source_currency: str, target_currency: str, day: date) -> CurrencyRate | None:
    """The rate in force on `day`, or None: a rate is never inverted, chained or guessed."""
    pair = (source_currency, target_currency)
    dated = [rate for rate in rates if (rate.source_currency, rate.target_currency) == pair and rate.date <= day]
    return max(dated, key=lambda rate: rate.date, default=None)
