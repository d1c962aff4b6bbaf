"""The stored rows that were metered of a provider's SKUs, and whether they add up again to what was metered (rule X1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from finledger.core.explain import Only, SourceRows, exported_as
from finledger.core.explain_variance import parts_checks
from finledger.core.metering import NO_SKU, MeteredPart, metered_parts, metering_query
from finledger.core.model import Organisation, Part, PriceBook, UsageGroup, UsageQuery
from finledger.core.period import Month
from finledger.core.provider import Metered, Provider
from finledger.engines import LOCAL, empty_columns, engine
from finledger.workbench import Workbench
from finledger.workbench.explain_rows import every_row, stored_rows
from finledger.workbench.provider_close import metering_organisation

WILD = frozenset("*?")


@dataclass(frozen=True)
class Metering:
    """A service month as it was metered: on the usage that `then` knows, by the prices and rules of the month's own close.

    `shelf`: the books in whose folder the exports lie.
    """

    shelf: Workbench
    then: Workbench
    month: Month

    @cached_property
    def books(self) -> Workbench:
        from finledger.workbench.sealed import as_of

        close = self.then.closed(self.month)
        return self.then if close is None else as_of(self.then, close)

    @cached_property
    def organisation(self) -> Organisation:
        return metering_organisation(self.then, self.books)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return self.then.ledger.parts(self.month)


@dataclass(frozen=True, slots=True)
class MeteredRows:
    """What groups of rows bring to the SKUs, and the rows themselves."""

    parts: tuple[MeteredPart, ...]
    rows: SourceRows


def price_books_in(bench: Workbench, month: Month) -> tuple[PriceBook, ...]:
    """The price books in force on some day of the month."""
    first, after = month.first_day, month.next.first_day
    return tuple(book for book in bench.pricebooks if book.effective_from < after and first < book.effective_until)


def metered_rows(
    metering: Metering, provider: Provider, skus: Sequence[str], metered: Sequence[Metered], limit: int
) -> MeteredRows:
    """The rows of the SKUs, added up again. No more of the month's usage is grouped than can be of them."""
    prices = metering.books.frozen_pricebooks()
    asked = metering_query(metering.month, metering.organisation, prices)
    groups = _groups(metering, asked, _columns(provider, skus, metering.organisation, prices))
    found = metered_parts(metering.month, groups, metering.organisation, prices)
    by_sku = {sku: found.get((provider.name, sku), ()) for sku in skus}
    parts = tuple(part for of_sku in by_sku.values() for part in of_sku)
    own = list({id(part.group.group): part.group.group for part in parts if not part.reported}.values())
    stored = stored_rows(metering.shelf, metering.parts, asked, own, (), limit)
    checks = tuple(parts_checks(metered, by_sku, metering.then.organisation.currency))
    every = partial(every_row, metering.shelf, metering.parts, asked, own)
    return MeteredRows(parts, SourceRows(stored.number, checks, stored.first, every=every))


def _groups(metering: Metering, asked: UsageQuery, narrowed: Sequence[Only]) -> tuple[UsageGroup, ...]:
    paths = metering.shelf.store.paths(metering.parts)
    found: dict[tuple[str | int, ...], UsageGroup] = {}
    empty = empty_columns(paths) if len(narrowed) > 1 else frozenset()
    for only in narrowed:
        if any(name in empty and "" not in values for name, values in only):
            continue  # no row has anything there
        for group in engine(LOCAL).group(paths, replace(asked, only=only)).rows:
            found.setdefault((group.interval, *group.keys.values(), *group.labels.values()), group)
    return tuple(found.values())


def _columns(
    provider: Provider, skus: Sequence[str], organisation: Organisation, prices: Sequence[PriceBook]
) -> tuple[Only, ...]:
    """What rows of the SKUs have in their columns, one way after another; () where that cannot be said: the whole month.

    A SKU is a model's bucket, a GPU's or egress's own name, or what its export calls the thing.
    """
    mapped = {each.metered for each in provider.skus}
    if any(sku in mapped or sku == NO_SKU or sku.startswith("(") or WILD & set(sku) for sku in skus):
        return ((),)
    models = {*_models(provider, skus, prices), *skus}
    exported = {value for model in models for value in exported_as("model", model, organisation.rules)}
    named = tuple(sorted(skus))
    return (
        (("model", tuple(sorted(exported))),),
        *(((column, named),) for column in ("gpu_sku", "egress_sku", "sku", "service")),
    )


def _models(provider: Provider, skus: Sequence[str], prices: Sequence[PriceBook]) -> Iterator[str]:
    wanted = set(skus)
    for book in prices:
        for model, rates in book.models.items():
            if wanted & {provider.metered_as(f"{model} {bucket.removesuffix('_tokens')}") for bucket in rates.rates}:
                yield model
