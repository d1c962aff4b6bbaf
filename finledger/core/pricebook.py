"""What a price is made of, and which book gives it (rules P1 and P3).

An action class is priced by stacking rates on its base cost. The stack is exact: it is rounded once, when the price is
published (to `price_digits`), and its parts say how a charge line's amount splits into components.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext

from finledger.core.model import PriceBook, Uplift
from finledger.core.money import EXACT

NO_UPLIFT = Uplift()


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
