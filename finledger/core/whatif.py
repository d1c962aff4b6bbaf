"""Another book, split, multiplier, uplift or model of operation for a month that was: what is changed before it is re-rated (U8).

A change is made to the terms, never to a figure: the month then runs through the same corridor, and every law holds of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal

from finledger.core.model import ActionClass, Organisation, Price, PriceBook, Uplift
from finledger.core.money import rounded_places
from finledger.core.period import Month
from finledger.core.pricebook import change_dates, stack, uplift_on
from finledger.core.problem import Problem, SourceRef


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would be different; None = as it is. `book` prices the whole month, whatever its own period."""

    book: PriceBook | None = None
    share: Decimal | None = None
    max_multiplier: Decimal | None = None
    overhead: Decimal | None = None
    registry: Decimal | None = None
    surcharge: Decimal | None = None
    model: str | None = None
    buffer_priced: bool | None = None
    unallocated: str | None = None

    @property
    def changes(self) -> tuple[tuple[str, str], ...]:
        """What is different, by name, as text."""
        found = ((field.name, getattr(self, field.name)) for field in fields(self))
        return tuple((name, _as_text(value)) for name, value in found if value is not None)


def changed_books(books: Sequence[PriceBook], what_if: WhatIf, month: Month) -> tuple[PriceBook, ...]:
    """The books that the month is priced by: those given, or the other one for the month, each with the changed terms."""
    if what_if.book is not None:
        books = (replace(what_if.book, effective_from=month.first_day, effective_until=month.next.first_day),)
    return tuple(_changed(book, what_if) for book in books)


def changed_organisation(organisation: Organisation, what_if: WhatIf) -> Organisation:
    return replace(
        organisation,
        operating_model=what_if.model or organisation.operating_model,
        buffer_priced=organisation.buffer_priced if what_if.buffer_priced is None else what_if.buffer_priced,
        unallocated=what_if.unallocated or organisation.unallocated,
    )


def cut_dates(books: Sequence[PriceBook], others: Sequence[PriceBook]) -> tuple[date, ...]:
    """Where either set of books cuts the month, so that both are run on one grouping of its usage."""
    return tuple(sorted({*change_dates(books), *change_dates(others)}))


def without_effect(books: Sequence[PriceBook], what_if: WhatIf, month: Month) -> tuple[Problem, ...]:
    """Changes of terms that no book of the month has: an error, because a change of nothing would be shown as no change."""
    used = [book for book in books if book.effective_from < month.next.first_day and book.effective_until > month.first_day]
    wanted = (
        ("share", what_if.share, any(_split_by_share(book) for book in used), "`eval: {platform_share: …}`"),
        ("max-multiplier", what_if.max_multiplier, any(book.quality is not None for book in used), "`quality: …`"),
    )
    return tuple(
        Problem(
            "simulate-nothing",
            f"no price book of {month} has the terms that --{option} {value} would change",
            SourceRef(used[0].file if used else "pricebooks", 1 if used else None),
            remedy=f"leave --{option} out, or name a book with {terms} by --book",
        )
        for option, value, present, terms in wanted
        if value is not None and not present
    )


def _changed(book: PriceBook, what_if: WhatIf) -> PriceBook:
    share = book.platform_share if what_if.share is None or book.platform_share is None else what_if.share
    quality = book.quality
    if quality is not None and what_if.max_multiplier is not None:
        quality = replace(quality, max_multiplier=what_if.max_multiplier)
    book = replace(book, platform_share=share, quality=quality)
    uplift = replace(
        book.uplift,
        overhead=_else(what_if.overhead, book.uplift.overhead),
        registry=_else(what_if.registry, book.uplift.registry),
        buffer=_else(what_if.surcharge, book.uplift.buffer),
    )
    if uplift == book.uplift:
        return book
    actions = {name: _restacked(action, uplift, book) for name, action in book.actions.items()}
    return replace(book, uplift=uplift, actions=actions)


def _restacked(action: ActionClass, uplift: Uplift, book: PriceBook) -> ActionClass:
    """A published price is made of its base and the uplift (P3): with another uplift it is another price."""
    by_model = {model: _price(price, uplift, book) for model, price in action.by_model.items()}
    return replace(action, price=None if action.price is None else _price(action.price, uplift, book), by_model=by_model)


def _price(price: Price, uplift: Uplift, book: PriceBook) -> Price:
    exact = stack(price.base, uplift_on(uplift, "actions"))["exact"]
    return Price(price.base, rounded_places(exact, book.price_digits, book.rounding))


def _else(value: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if value is None else value


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.name if isinstance(value, PriceBook) else str(value)


def _split_by_share(book: PriceBook) -> bool:
    return book.platform_share is not None and book.eval_split != "by_component"
