"""What a price is made of, and which book gives it (rules P1 and P3).

An action class is priced by stacking rates on its base cost. The stack is exact: it is rounded once, when the price is
published (to `price_digits`), and its parts say how a charge line's amount splits into components.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Literal

from finledger.core.model import PriceBook, Uplift
from finledger.core.money import EXACT
from finledger.core.period import Month

NO_UPLIFT = Uplift()
RegistryBasis = Literal["carved", "additive", "of_price"]
REGISTRY_BASES: tuple[RegistryBasis, ...] = ("carved", "additive", "of_price")


def stack(base: Decimal, uplift: Uplift) -> dict[str, Decimal]:
    """The unrounded price on `base` and its parts, in the currency's major unit (rule P3).

    Keys `base`, `overhead` (without the registry where it is carved out of it), `registry`, `buffer`, which add up to
    `exact`. 1,500 input tokens at 3.00 and 400 output tokens at 12.00 per million cost 0.0093; with 15 % overhead, 3.5 % of
    that for the registry and a surcharge of 4 %:

    >>> s = stack(Decimal("0.0093"), Uplift(Decimal("0.15"), Decimal("0.035"), "carved", Decimal("0.04")))
    >>> s["overhead"] + s["registry"] == Decimal("0.001395"), s["registry"] == Decimal("0.000048825")
    (True, True)
    >>> s["buffer"] == Decimal("0.0004278"), s["exact"] == Decimal("0.0111228")
    (True, True)
    """
    with localcontext(EXACT):
        overhead = base * uplift.overhead
        if uplift.registry_basis == "of_price":
            registry = (base + overhead) * uplift.registry
        else:
            registry = overhead * uplift.registry
        if uplift.registry_basis == "carved":
            overhead = overhead - registry
        before_buffer = base + overhead + registry
        buffer = before_buffer * uplift.buffer
        parts = {"base": base, "overhead": overhead, "registry": registry, "buffer": buffer}
        return {**parts, "exact": before_buffer + buffer}


def registry_by_basis(base: Decimal, uplift: Uplift) -> dict[RegistryBasis, tuple[Decimal, Decimal]]:
    """What the registry gets of an action of that base, and the price, under each of the three bases (rule P3), unrounded.

    >>> got = registry_by_basis(Decimal(100), Uplift(Decimal("0.15"), Decimal("0.035"), "carved", Decimal("0.04")))
    >>> [f"{basis} {registry.normalize()} {price.normalize()}" for basis, (registry, price) in got.items()]
    ['carved 0.525 119.6', 'additive 0.525 120.146', 'of_price 4.025 123.786']
    """
    found: dict[RegistryBasis, tuple[Decimal, Decimal]] = {}
    for basis in REGISTRY_BASES:
        parts = stack(base, replace(uplift, registry_basis=basis))
        found[basis] = parts["registry"], parts["exact"]
    return found


def uplift_on(uplift: Uplift, kind: str) -> Uplift:
    """The uplift that lines of a kind carry: none unless the book's `applies_to` lists it (rule P3)."""
    return uplift if kind in uplift.applies_to else NO_UPLIFT


def book_at(books: Iterable[PriceBook], day: date) -> PriceBook | None:
    """The book whose prices hold on `day`: the highest version whose period holds it (rule P1).

    A published book goes before any draft, so that a draft lying beside it cannot change a price.
    """
    in_force = [book for book in books if book.effective_from <= day < book.effective_until]
    return max(in_force, key=lambda book: (book.published is not None, book.version), default=None)


def change_dates(books: Sequence[PriceBook]) -> tuple[date, ...]:
    """The days on which another book, or none, begins to hold, in order."""
    one_day = timedelta(days=1)
    edges = {book.effective_from for book in books} | {book.effective_until for book in books}
    return tuple(day for day in sorted(edges) if book_at(books, day) is not book_at(books, day - one_day))


def holding(book: PriceBook, month: Month) -> PriceBook:
    """The book as if it had been in force in that whole month, to see what it would have charged (rules P5, U8)."""
    return replace(book, effective_from=month.first_day, effective_until=month.next.first_day)


def under(books: Sequence[PriceBook], book: PriceBook, month: Month) -> tuple[PriceBook, ...]:
    """The books with `book` in force in that whole month and the others outside of it, each as it was."""
    first, after = month.first_day, month.next.first_day
    beside = [
        replace(each, effective_until=min(each.effective_until, first)) for each in books if each.effective_from < first
    ]
    beside += [
        replace(each, effective_from=max(each.effective_from, after)) for each in books if each.effective_until > after
    ]
    return (*beside, holding(book, month))


def previous(books: Iterable[PriceBook], day: date) -> PriceBook | None:
    """The book that was in force before `day`; after a gap, the last one that was."""
    earlier = [book for book in books if book.effective_from < day]
    held = book_at(earlier, day - timedelta(days=1))
    if held is not None:
        return held
    return max(earlier, key=lambda book: (book.effective_until, book.published is not None, book.version), default=None)
