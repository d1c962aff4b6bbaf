"""What model providers charge, from the data of the genai-prices package as it is installed; nothing is fetched (rule P5).

The package's prices are dated, in USD, per 1,000,000 tokens. Its input rate is that of tokens which no cache served, so its
four rates are our four disjoint buckets (rule M5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from finledger.core.model import ModelRates
from finledger.core.model_rates import SOURCE_LENGTH

CURRENCY = "USD"
PACKAGE = "genai-prices"
_BUCKETS = {
    "input_tokens": "input_mtok",
    "cached_input_tokens": "cache_read_mtok",
    "cache_write_tokens": "cache_write_mtok",
    "output_tokens": "output_mtok",
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rates that were found, by model, and what they leave out of the provider's prices."""

    models: Mapping[str, ModelRates]
    notes: tuple[str, ...] = ()


def catalogue_rates(wanted: Mapping[str, str], day: date) -> Catalogue:
    """The rates in force on `day` of the models `wanted` (model → provider, "" where it is not known).

    A model is looked for with its provider only; without one, wherever its name is known. What is not found is left out.
    """
    from genai_prices import data_snapshot

    snapshot = data_snapshot.get_snapshot()
    models = {}
    notes: list[str] = []
    for name, provider in wanted.items():
        try:
            # "litellm" makes the package read a provider in front of the name: openai/gpt-4o
            found, info = snapshot.find_provider_model(name, None, provider or "litellm", None)
        except LookupError:
            continue
        prices, left_out = _prices_on(info, day)
        rates = {bucket: rate for bucket, key in _BUCKETS.items() if (rate := _rate(getattr(prices, key))) is not None}
        if rates:
            models[name] = ModelRates(provider or found.id, rates, _source(f"{found.id}/{info.id}", day))
            notes += [f"{name}: {each}" for each in (*left_out, *_tiers(prices))]
    return Catalogue(models, tuple(notes))


def _prices_on(info: Any, day: date) -> tuple[Any, tuple[str, ...]]:
    """The prices that hold all of the day: the last dated ones that have begun, else the first; not those of some hours."""
    if not isinstance(info.prices, list):
        return info.prices, ()
    by_hour = [each for each in info.prices if hasattr(each.constraint, "start_time")]
    begun = [
        each
        for each in info.prices
        if each.constraint is None or (hasattr(each.constraint, "start_date") and each.constraint.start_date <= day)
    ]
    said = (f"{PACKAGE} has other prices at some hours of the day; these are those of the rest",) if by_hour else ()
    return (begun or info.prices)[-1 if begun else 0].prices, said


def _rate(price: Any) -> Decimal | None:
    """The price of a million tokens; of one by length of the request, that of short requests."""
    rate: Decimal | None = getattr(price, "base", price)
    return rate


def _tiers(prices: Any) -> Iterator[str]:
    tiers = [tier.start for key in _BUCKETS.values() for tier in getattr(getattr(prices, key), "tiers", ())]
    if tiers:
        yield f"requests of more than {min(tiers):,} tokens cost more at the provider; these are the rates of shorter ones"


def _source(place: str, day: date) -> str:
    from importlib.metadata import version

    return f"{PACKAGE} {version(PACKAGE)}, {place}, as of {day}"[:SOURCE_LENGTH]
