"""Next quarter's price book, drafted from what the actions of a past period really used (rule P5).

A class's base is what its actions of the period cost on average, at the new rates: tokens x rates, over the actions. The
price is stacked on the base as the book will state it, so that the book is its own proof: base x uplift, rounded, is price.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction

from finledger.core.model import ActionClass, ActionUse, Funding, ModelRates, Price, PriceBook, Sku
from finledger.core.model_rates import GpuCost
from finledger.core.money import EXACT, minor_digits, rounded_places
from finledger.core.pricebook import stack, uplift_on
from finledger.core.rate import token_cost
from finledger.core.usage import TOKEN_BUCKETS
from finledger.core.variance import ClassVariance

BASE_PLACES = 3  # a base is stated with so many more places than a price, so that a cheap action's is not cut off
MOST_PLACES = 18
NO_USE = "no use in the period"
NO_TOKENS = "no tokens in the period"
MONTHS_OF_A_QUARTER = 3


@dataclass(frozen=True, slots=True)
class Head:
    """What the draft is: the quarter, the version, and the days it is to hold (the end exclusive)."""

    quarter: str
    version: int
    effective_from: date
    effective_until: date


@dataclass(frozen=True, slots=True)
class ClassDraft:
    """How one price was made: of a class (`model` ""), or of one model that has a price of its own in it.

    `actions` and `tokens` are the period's that it was made from. `parts` is the stack on the base (rule P3), `price` what
    the book will say, None for a metered class. `kept` says why the last book's price stands; "" where it was made anew.
    """

    item: str
    model: str
    funding: Funding
    pricing: str
    actions: Decimal
    tokens: Mapping[str, int]
    base: Decimal | None
    parts: Mapping[str, Decimal]
    price: Decimal | None
    last: Price | None
    kept: str = ""

    def average(self, bucket: str) -> Fraction | None:
        """Tokens of the bucket an action; None without actions."""
        return Fraction(self.tokens.get(bucket, 0)) / Fraction(self.actions) if self.actions else None

    @property
    def change(self) -> Fraction | None:
        """The price's change from the last book's, as a share of it."""
        if self.price is None or self.last is None or not self.last.price:
            return None
        return Fraction(self.price - self.last.price) / Fraction(self.last.price)


@dataclass(frozen=True, slots=True)
class GpuDraft:
    """An accelerator's rate, and the sum it comes from ("" where the last book's stands)."""

    gpu_sku: str
    rate: Decimal
    last: Decimal | None
    working: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The drafted book, with how each of its figures was made. `notes`: what a person should know before publishing.

    `recovered`: what each class of the period recovered more (less: negative) than it cost, where that is measurable (X3), in the
    currency's minor unit.
    """

    book: PriceBook
    last: PriceBook
    classes: tuple[ClassDraft, ...]
    gpu: tuple[GpuDraft, ...]
    notes: tuple[str, ...] = ()
    recovered: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class _Use:
    actions: Decimal = Decimal(0)
    tokens: dict[str, int] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        return bool(self.actions) and any(self.tokens.values())

    def add(self, actions: Decimal, tokens: Mapping[str, int]) -> None:
        self.actions += actions
        for bucket, count in tokens.items():
            self.tokens[bucket] = self.tokens.get(bucket, 0) + count


def used_buckets(uses: Iterable[ActionUse]) -> dict[str, frozenset[str]]:
    """Which models the period's actions ran on, and which token buckets they filled."""
    found: dict[str, set[str]] = {}
    for use in uses:
        buckets = {bucket for bucket, count in use.tokens.items() if count}
        if buckets:
            found.setdefault(use.model, set()).update(buckets)
    return {model: frozenset(buckets) for model, buckets in found.items()}


def draft(
    last: PriceBook,
    head: Head,
    uses: Sequence[ActionUse],
    models: Mapping[str, ModelRates],
    gpu_costs: Iterable[GpuCost] = (),
    *,
    months: int = MONTHS_OF_A_QUARTER,
    by_model: bool = False,
) -> Draft:
    """The book of `head`: terms of the `last` book, model rates as `settled`, prices from the `uses` of so many `months`.

    A class keeps the prices by model that it has; `by_model` gives one to each model of a class that ran on several. A
    class without use or without tokens keeps its price. `models` has a rate for everything that was used.
    """
    with localcontext(EXACT):
        empty = replace(
            last,
            quarter=head.quarter,
            version=head.version,
            effective_from=head.effective_from,
            effective_until=head.effective_until,
            published=None,
            models=models,
            sha256="",
            file="",
            lines={},
        )
        by_class = _by_class(uses)
        maker = _Maker(empty, months, by_model)
        actions = {name: maker.action(action, by_class.get(name, {})) for name, action in last.actions.items()}
        gpu = _gpu(empty, gpu_costs)
        skus = {each.gpu_sku: Sku(each.rate, "gpu_hour") for each in gpu}
        retired = [
            f"{name}: used in the period, and no class of {last.name}: left out" for name in by_class if name not in actions
        ]
        book = replace(empty, actions=actions, gpu=skus)
        return Draft(book, last, tuple(maker.rows), gpu, tuple(retired))


def recovered(found: Iterable[ClassVariance], currency: str) -> dict[str, Decimal]:
    """What classes recovered more (less: negative) than they cost, as far as it shows in the currency's minor unit (X3)."""
    places = minor_digits(currency)
    shown = {each.item: rounded_places(each.recovered, places) for each in found if each.recovered is not None}
    return {item: amount for item, amount in shown.items() if amount}


def _by_class(uses: Iterable[ActionUse]) -> dict[str, dict[str, _Use]]:
    found: dict[str, dict[str, _Use]] = {}
    for use in uses:
        found.setdefault(use.item, {}).setdefault(use.model, _Use()).add(use.actions, use.tokens)
    return {item: dict(sorted(models.items())) for item, models in sorted(found.items())}


def _sum(uses: Iterable[_Use]) -> _Use:
    whole = _Use()
    for use in uses:
        whole.add(use.actions, use.tokens)
    return whole


class _Maker:
    """Makes the classes of the new book, and keeps how each price came about."""

    def __init__(self, book: PriceBook, months: int, by_model: bool) -> None:
        self.book = book
        self.months = months
        self.by_model = by_model
        self.uplift = uplift_on(book.uplift, "actions")
        self.rows: list[ClassDraft] = []

    def action(self, action: ActionClass, uses: Mapping[str, _Use]) -> ActionClass:
        whole = _sum(uses.values())
        planned = self.planned(whole.actions) if whole.actions else action.planned
        if action.pricing == "metered":
            self.metered(action, uses)
            return replace(action, planned=planned)
        own = self.own_models(action, uses)
        price = self.priced(action, "", self.of_class(uses, own), action.price) if self.has_price(action, own) else None
        by_model = {name: self.priced(action, name, _only(uses, name), action.by_model.get(name)) for name in own}
        return replace(
            action, price=price, by_model={name: each for name, each in by_model.items() if each}, planned=planned
        )

    def own_models(self, action: ActionClass, uses: Mapping[str, _Use]) -> tuple[str, ...]:
        """The models that get a price of their own: those that have one, and those that the class would refuse (P2)."""
        ran = [name for name, use in uses.items() if name and use.measured]
        more = ran if action.price is None or (self.by_model and len(ran) > 1) else []
        return (*action.by_model, *(name for name in more if name not in action.by_model))

    @staticmethod
    def has_price(action: ActionClass, own: Sequence[str]) -> bool:
        return action.price is not None or not own

    @staticmethod
    def of_class(uses: Mapping[str, _Use], own: Sequence[str]) -> Mapping[str, _Use]:
        """What the class's price is the mean of: the use that it will price; all of it, where that leaves no tokens."""
        rest = {name: use for name, use in uses.items() if name not in own}
        return rest if _sum(rest.values()).measured else uses

    def priced(self, action: ActionClass, model: str, uses: Mapping[str, _Use], last: Price | None) -> Price | None:
        whole = _sum(uses.values())
        if whole.measured:
            base = self.base(uses)
            price = rounded_places(stack(base, self.uplift)["exact"], self.book.price_digits, self.book.rounding)
            made: Price | None = Price(base, _trimmed(price))
            kept = ""
        else:
            made, kept = last, NO_TOKENS if whole.actions else NO_USE
        parts = stack(made.base, self.uplift) if made is not None else {}
        self.rows.append(
            ClassDraft(
                item=action.name,
                model=model,
                funding=action.funding,
                pricing=action.pricing,
                actions=whole.actions,
                tokens=whole.tokens,
                base=made.base if made is not None else None,
                parts=parts,
                price=made.price if made is not None else None,
                last=last,
                kept=kept,
            )
        )
        return made

    def metered(self, action: ActionClass, uses: Mapping[str, _Use]) -> None:
        """A metered class has no price: its row says what an action cost on average."""
        whole = _sum(uses.values())
        base = self.base(uses) if whole.measured else None
        kept = "" if base is not None else NO_TOKENS if whole.actions else NO_USE
        parts = stack(base, self.uplift) if base is not None else {}
        row = ClassDraft(
            action.name, "", action.funding, action.pricing, whole.actions, whole.tokens, base, parts, None, None, kept
        )
        self.rows.append(row)

    def base(self, uses: Mapping[str, _Use]) -> Decimal:
        """The mean cost of an action at the new rates, to the places that the book states it with."""
        cost = Decimal(0)
        for model, use in uses.items():
            spent = token_cost(use.tokens, self.book, model)
            assert spent is not None, "rates are settled for every bucket that was used"
            cost += spent
        mean = Fraction(cost) / Fraction(_sum(uses.values()).actions)
        return _trimmed(rounded_places(mean, min(self.book.price_digits + BASE_PLACES, MOST_PLACES), self.book.rounding))

    def planned(self, actions: Decimal) -> int:
        """The actions of a quarter, as many as the period's; of a shorter or longer period, in proportion."""
        quarter = Fraction(actions) * MONTHS_OF_A_QUARTER
        return int(rounded_places(Fraction(quarter) / self.months, 0))


def _only(uses: Mapping[str, _Use], model: str) -> Mapping[str, _Use]:
    return {model: uses[model]} if model in uses else {}


def _gpu(book: PriceBook, costs: Iterable[GpuCost]) -> tuple[GpuDraft, ...]:
    """The last book's accelerators, at what they cost to own where that is known; and those it did not have yet."""
    owned = {cost.gpu_sku: cost for cost in costs}
    return tuple(_gpu_draft(book, name, owned.get(name)) for name in (*book.gpu, *sorted(owned.keys() - book.gpu.keys())))


def _gpu_draft(book: PriceBook, name: str, cost: GpuCost | None) -> GpuDraft:
    last = book.gpu[name].rate if name in book.gpu else None
    if cost is None:
        assert last is not None, "a SKU is in the last book or has a cost"
        return GpuDraft(name, last, last)
    rate = rounded_places(cost.rate, book.price_digits, book.rounding)
    return GpuDraft(name, _trimmed(rate, minor_digits(book.currency)), last, cost.working)


def _trimmed(figure: Decimal, least_places: int = 0) -> Decimal:
    """Without zeros behind the last digit that says something, down to so many places: 0.009300000 is 0.0093."""
    whole, _, fraction = f"{figure:f}".partition(".")
    fraction = fraction.rstrip("0").ljust(least_places, "0")
    return Decimal(f"{whole}.{fraction}" if fraction else whole)


def averages(row: ClassDraft) -> Iterator[tuple[str, Fraction]]:
    """The tokens of an action by bucket, those that are not zero."""
    for bucket in TOKEN_BUCKETS:
        mean = row.average(bucket)
        if mean:
            yield bucket, mean
