"""What differs between two price books, figure by figure and word by word (rule P5: `pricebook diff`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import PriceBook

Value = Decimal | int | str
Entry = tuple[str, tuple[str, ...], Value]


@dataclass(frozen=True, slots=True)
class Changed:
    """An entry of the book that is not the same in both. None: it is not there.

    `section` is the book's (models, gpu, actions, …), `path` the way below it: ("chat_call", "by_model", "gpt", "price").
    """

    section: str
    path: tuple[str, ...]
    old: Value | None
    new: Value | None

    @property
    def name(self) -> str:
        return " ".join(step for step in self.path if step != "by_model")

    @property
    def difference(self) -> Decimal | None:
        """New less old; None where one of them is no figure, or not there."""
        if isinstance(self.old, str) or isinstance(self.new, str) or self.old is None or self.new is None:
            return None
        return Decimal(self.new) - Decimal(self.old)

    @property
    def ratio(self) -> Fraction | None:
        """The change as a share of the old figure; None where there is none to compare with."""
        difference = self.difference
        return Fraction(difference) / Fraction(self.old) if difference is not None and self.old else None


def changed(old: PriceBook, new: PriceBook) -> tuple[Changed, ...]:
    """Every price, rate, share and term that differs, in the order in which a book is written; 3.00 and 3 are the same."""
    before = {(section, path): value for section, path, value in entries(old)}
    after = {(section, path): value for section, path, value in entries(new)}
    keys = list(dict.fromkeys([*before, *after]))
    entry = {(section, path[0]): number for number, (section, path) in reversed(list(enumerate(keys)))}
    keys.sort(key=lambda key: (SECTIONS.index(key[0]), entry[key[0], key[1][0]]))  # stable: an entry's keys stay in order
    return tuple(
        Changed(section, path, before.get((section, path)), after.get((section, path)))
        for section, path in keys
        if before.get((section, path)) != after.get((section, path))
    )


SECTIONS = ("terms", "models", "gpu", "egress", "seats", "uplift", "actions", "eval", "quality", "buffer")


def entries(book: PriceBook) -> Iterator[Entry]:
    """All that a book charges by: not its dates, nor where its rates come from."""
    yield "terms", ("currency",), book.currency
    yield "terms", ("price_digits",), book.price_digits
    yield "terms", ("rounding",), book.rounding
    for name, model in book.models.items():
        yield "models", (name, "provider"), model.provider
        for bucket, rate in model.rates.items():
            yield "models", (name, bucket.removesuffix("_tokens")), rate
    for section, skus in (("gpu", book.gpu), ("egress", book.egress), ("seats", book.seats)):
        for name, sku in skus.items():
            yield section, (name, "rate"), sku.rate
            if section == "egress":
                yield section, (name, "unit"), sku.unit
            for action, count in sku.included.items():
                yield section, (name, "included", action), count
    yield from _uplift(book)
    yield from _actions(book)
    yield from _terms(book)


def _uplift(book: PriceBook) -> Iterator[Entry]:
    uplift = book.uplift
    yield "uplift", ("overhead",), uplift.overhead
    yield "uplift", ("registry",), uplift.registry
    yield "uplift", ("registry_basis",), uplift.registry_basis
    yield "uplift", ("buffer",), uplift.buffer
    yield "uplift", ("applies_to",), ", ".join(sorted(uplift.applies_to))


def _actions(book: PriceBook) -> Iterator[Entry]:
    for name, action in book.actions.items():
        yield "actions", (name, "funding"), action.funding
        yield "actions", (name, "pricing"), action.pricing
        if action.funding == "shared":
            yield "actions", (name, "scope"), action.scope
        if action.planned is not None:
            yield "actions", (name, "planned"), action.planned
        for model, price in [("", action.price), *action.by_model.items()]:
            if price is not None:
                steps = (name, "by_model", model) if model else (name,)
                yield "actions", (*steps, "base"), price.base
                yield "actions", (*steps, "price"), price.price


def _terms(book: PriceBook) -> Iterator[Entry]:
    if book.platform_share is not None:
        yield "eval", ("platform_share",), book.platform_share
    if book.platform_share is not None or book.eval_split != "line":
        yield "eval", ("split",), book.eval_split
    if book.quality is not None:
        quality = book.quality
        for name in ("target", "floor", "max_multiplier"):
            yield "quality", ("coverage", name), getattr(quality, name)
        for name in ("slo", "step", "cap"):
            yield "quality", ("freshness", name), getattr(quality, name)
    if book.buffer is not None:
        buffer = book.buffer
        yield "buffer", ("trigger",), buffer.trigger
        yield "buffer", ("cap_per_team_per_quarter",), buffer.cap_per_team_per_quarter
        yield "buffer", ("size", "low"), buffer.size[0]
        yield "buffer", ("size", "high"), buffer.size[1]
        yield "buffer", ("settlement",), buffer.settlement
        yield "buffer", ("loan_share",), buffer.loan_share
        yield "buffer", ("above_threshold",), "yes" if buffer.above_threshold else "no"
