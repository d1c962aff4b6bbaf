"""Where the rates of a drafted price book come from: a catalogue of model prices, else the last book, else nowhere (P5).

And what an accelerator-hour costs when it is owned: capital and running cost over the hours that are really used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core.currency import CurrencyRate
from finledger.core.model import ModelRates, PriceBook
from finledger.core.money import rounded_places
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.usage import TOKEN_BUCKETS

SOURCE_LENGTH = 100  # the longest text that a price book takes


@dataclass(frozen=True, slots=True)
class Settled:
    """The draft's models with their rates, and what a person should know of where they come from."""

    models: Mapping[str, ModelRates]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GpuCost:
    """What accelerators of one kind cost to own (gpu-costs.csv). Capital and running cost are those of all `count`.

    `months` is the time over which the capital is written off, `hours_per_month` what one of them could work in a month,
    `target_utilisation` the share of it that is to be sold.
    """

    gpu_sku: str
    capital: Decimal
    months: int
    running_cost_per_month: Decimal
    hours_per_month: Decimal
    target_utilisation: Decimal
    count: int = 1
    source: SourceRef | None = None

    @property
    def rate(self) -> Fraction:
        """The cost of one useful accelerator-hour, unrounded (rule P5).

        >>> GpuCost("h100", Decimal(288000), 36, Decimal(1600), Decimal(730), Decimal("0.65"), 8).rate
        Fraction(2400, 949)
        """
        monthly = Fraction(self.capital) / self.months + Fraction(self.running_cost_per_month)
        hours = Fraction(self.hours_per_month) * Fraction(self.target_utilisation) * self.count
        return Fraction(monthly) / hours

    @property
    def working(self) -> str:
        """The sum as a person would write it down."""
        hours = f"{self.hours_per_month:f} h" if self.count == 1 else f"{self.count} x {self.hours_per_month:f} h"
        monthly = f"{self.capital:f} / {self.months} months + {self.running_cost_per_month:f}"
        return f"({monthly}) / ({hours} x {self.target_utilisation:f})"


def converted(rates: ModelRates, rate: CurrencyRate | None, places: int) -> ModelRates:
    """Rates of a catalogue in the books' currency, rounded to `places`; unchanged where no rate is needed (rule M6)."""
    if rate is None:
        return rates
    exact = {bucket: Fraction(each) * Fraction(rate.rate) for bucket, each in rates.rates.items()}
    source = f"{rates.source}; {rate.source_currency} at {rate.rate:f} of {rate.date}"
    figures = {bucket: rounded_places(each, places) for bucket, each in exact.items()}
    return ModelRates(rates.provider, figures, source[:SOURCE_LENGTH])


def settled(
    last: PriceBook, used: Mapping[str, frozenset[str]], catalogue: Mapping[str, ModelRates], *, looked: bool = True
) -> Outcome[Settled]:
    """Rates for every model of the last book and every other one that was `used` (model → buckets with tokens).

    A model, or one bucket of it, that the catalogue does not price keeps what the last book says; what neither prices is a
    problem where it was used (rule P2: never a guess). `looked`: whether a catalogue was asked at all.
    """
    models: dict[str, ModelRates] = {}
    notes: list[str] = []
    problems: list[Problem] = []
    for name in (*last.models, *sorted(used.keys() - last.models.keys())):
        found, old = catalogue.get(name), last.models.get(name)
        if found is None and old is None:
            problems.append(_unknown(last, name))
            continue
        models[name] = _merged(last, found, old)
        notes += _notes(last, name, found, old, looked)
        missing = sorted(used.get(name, frozenset()) - models[name].rates.keys())
        problems += [_unknown(last, name, bucket) for bucket in missing]
    return Outcome(Settled(models, tuple(notes)), tuple(problems))


def _merged(last: PriceBook, found: ModelRates | None, old: ModelRates | None) -> ModelRates:
    before = old.rates if old is not None else {}
    fresh = found.rates if found is not None else {}
    known = {**before, **fresh}
    rates = {bucket: known[bucket] for bucket in TOKEN_BUCKETS if bucket in known}
    if found is not None:
        return ModelRates(old.provider if old is not None else found.provider, rates, found.source)
    assert old is not None, "a model is in the catalogue or in the last book"
    return ModelRates(old.provider, rates, old.source or f"price book {last.name}")


def _notes(last: PriceBook, name: str, found: ModelRates | None, old: ModelRates | None, looked: bool) -> Iterable[str]:
    if found is None and looked:
        yield f"{name}: not in the catalogue of model prices; it keeps the rates of {last.name}"
    elif found is not None and old is not None:
        kept = [bucket.removesuffix("_tokens") for bucket in old.rates if bucket not in found.rates]
        if kept:
            yield f"{name}: the catalogue has no rate for {', '.join(kept)}; there it keeps that of {last.name}"


def _unknown(last: PriceBook, name: str, bucket: str = "") -> Problem:
    what = f"{bucket} of model {name!r}" if bucket else f"model {name!r}"
    key = bucket.removesuffix("_tokens") or "input"
    line = f"`{key}: …` to its rates" if name in last.models else f"`{name}: {{provider: …, {key}: …}}` under its models"
    return Problem(
        "model-rate-unknown",
        f"neither the catalogue of model prices nor {last.name} has a rate for {what}, which was used in the period",
        last.where("models", name),
        remedy=f"copy {last.file or 'the book'} to another folder, add {line}, and name the copy with --terms",
    )
