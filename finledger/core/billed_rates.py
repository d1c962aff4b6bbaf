"""What classes of actions cost by what their provider billed, where their own rows do not say it (rule X3).

A provider's cost report bills models, not actions. What it bills for a model's tokens of a kind is shared by what these tokens
cost at the book's rates: each class then has its tokens at the rates that were billed, and all of them together are the bill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import ActionUse, PriceBook
from finledger.core.money import rounded_places
from finledger.core.provider import Metered, Provider, provider_named
from finledger.core.variance import PLACES

PER_MILLION = 10**6


def with_billed(
    uses: Iterable[ActionUse],
    metered: Iterable[Metered],
    books: Sequence[PriceBook],
    providers: Mapping[str, Provider],
) -> tuple[ActionUse, ...]:
    """The uses of a month with the provider's cost filled in where their rows lack it; `metered` is that month's.

    It stays unknown as soon as one kind of the tokens was not billed by rows of the provider, or has no rate in the book.
    """
    billed: dict[tuple[str, str], Metered] = {}
    for each in metered:
        if each.category == "usage":
            billed[each.provider, each.sku] = each
    by_name = {book.name: book for book in books}
    known = {name: provider_named(providers.values(), name) or Provider(name) for name, _ in billed}
    return tuple(
        use
        if use.provider_cost is not None or not use.tokens
        else replace(use, provider_cost=_cost(use, by_name[use.price_version], billed, known))
        for use in uses
    )


def _cost(
    use: ActionUse, book: PriceBook, billed: Mapping[tuple[str, str], Metered], providers: Mapping[str, Provider]
) -> Decimal | None:
    rates = book.models[use.model].rates if use.model in book.models else {}
    whole = Fraction(0)
    for bucket, count in use.tokens.items():
        if not count:
            continue
        name = f"{use.model} {bucket.removesuffix('_tokens')}"
        found = [billed.get((each, provider.metered_as(name))) for each, provider in providers.items()]
        skus = [each for each in found if each is not None]
        cost = sum((Fraction(each.cost) for each in skus), Fraction(0))
        if bucket not in rates or not cost or any(each.as_billed is None for each in skus):
            return None
        bill = sum((Fraction(each.as_billed or 0) for each in skus), Fraction(0))
        whole += Fraction(rates[bucket]) * Fraction(count, PER_MILLION) * Fraction(bill, cost)
    return rounded_places(whole, PLACES)
