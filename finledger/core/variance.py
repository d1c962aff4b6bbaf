"""What standard prices recovered against what the work really cost, by action class (rule X3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from finledger.core.model import ActionClass, ActionUse, PriceBook
from finledger.core.money import EXACT, rounded_places
from finledger.core.pricebook import uplift_on
from finledger.core.uses import added

PLACES = 12


@dataclass(frozen=True, slots=True)
class ClassVariance:
    """A class's quarter, unrounded, in the books' currency (X3). None = not measurable from what the books hold.

    With n actions: `rate` = billed by the provider - tokens at the book's rates; `mix` = tokens at the book's rates - n x
    published base; `volume` = overhead of n actions - overhead of the planned n. Rate and mix are costs: positive is more
    than the price was made for. Volume is income: positive is more overhead recovered than planned.
    """

    item: str
    actions: Decimal
    planned: int | None
    base: Decimal
    overhead: Decimal
    token_cost: Decimal | None
    provider_cost: Decimal | None
    planned_overhead: Decimal | None = None

    @property
    def rate(self) -> Decimal | None:
        if self.provider_cost is None or self.token_cost is None:
            return None
        return EXACT.subtract(self.provider_cost, self.token_cost)

    @property
    def mix(self) -> Decimal | None:
        return None if self.token_cost is None else EXACT.subtract(self.token_cost, self.base)

    @property
    def volume(self) -> Decimal | None:
        """None without a plan, or where nobody can say what overhead a planned action would have carried."""
        return None if self.planned_overhead is None else EXACT.subtract(self.overhead, self.planned_overhead)

    @property
    def recovered(self) -> Decimal | None:
        """Over-recovery (positive) or under-recovery: volume - rate - mix; None where one of them is not measurable."""
        if self.rate is None or self.mix is None or self.volume is None:
            return None
        return EXACT.subtract(EXACT.subtract(self.volume, self.rate), self.mix)


def variances(uses: Iterable[ActionUse], books: Sequence[PriceBook]) -> tuple[ClassVariance, ...]:
    """A line for each class that was used or planned, sorted by name, over all its models and price versions."""
    by_name = {book.name: book for book in books}
    found: dict[str, ActionUse] = {}
    overhead: dict[str, Decimal] = {}
    versions = set()
    with localcontext(EXACT):
        for use in uses:
            book = by_name[use.price_version]
            versions.add(book.name)
            found[use.item] = added(found[use.item], use) if use.item in found else use
            stacked = use.base * uplift_on(book.uplift, "actions").overhead
            overhead[use.item] = overhead.get(use.item, Decimal(0)) + stacked
    planned = {
        name: (action, book)
        for book in books
        if book.name in versions
        for name, action in book.actions.items()
        if action.planned is not None
    }
    return tuple(_variance(item, found.get(item), overhead, planned.get(item)) for item in sorted({*found, *planned}))


def _variance(
    item: str, use: ActionUse | None, overhead: dict[str, Decimal], planned: tuple[ActionClass, PriceBook] | None
) -> ClassVariance:
    none = Decimal(0)
    count = None if planned is None else planned[0].planned
    token_cost, provider_cost = (none, none) if use is None else (use.token_cost, use.provider_cost)
    if use is not None and not token_cost and use.actions > use.failed and not any(use.tokens.values()):
        token_cost = None  # of calls without one token nobody counted the tokens: that they cost nothing would be a guess
        provider_cost = provider_cost or None
    return ClassVariance(
        item=item,
        actions=none if use is None else use.actions,
        planned=count,
        base=none if use is None else use.base,
        overhead=overhead.get(item, none),
        token_cost=token_cost,
        provider_cost=provider_cost,
        planned_overhead=None if planned is None else _planned_overhead(use, overhead.get(item, none), *planned),
    )


def _planned_overhead(use: ActionUse | None, overhead: Decimal, action: ActionClass, book: PriceBook) -> Decimal | None:
    """The overhead of the planned actions: each as the actions that were, or by the published base where there were none."""
    assert action.planned is not None, "only planned classes come here"
    if use is not None and use.actions:
        return rounded_places(Fraction(overhead * action.planned) / Fraction(use.actions), PLACES)
    if action.price is None:
        return None
    with localcontext(EXACT):
        return action.planned * action.price.base * uplift_on(book.uplift, "actions").overhead
