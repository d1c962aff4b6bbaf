"""Evaluation planned beside evaluation run: runs and money, by feature (rule U10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from finledger.core.model import Disclosure, EvalBudget, PriceBook
from finledger.core.money import Money, total
from finledger.core.period import Month


@dataclass(frozen=True, slots=True)
class EvalUse:
    """A feature's month. `runs` are actions of shared classes, `gross` what they come to before the split (C4).

    What is not planned for is None, and so is what would be left of it. `left` below zero is over the budget.
    """

    feature: str
    runs: Decimal
    gross: Money
    planned_runs: int | None = None
    planned: Decimal | None = None

    @property
    def runs_left(self) -> Decimal | None:
        return None if self.planned_runs is None else self.planned_runs - self.runs

    @property
    def left(self) -> Decimal | None:
        return None if self.planned is None else self.planned - self.gross.amount


def eval_use(
    disclosures: Iterable[Disclosure],
    budgets: Iterable[EvalBudget],
    books: Sequence[PriceBook],
    month: Month,
    currency: str,
) -> tuple[EvalUse, ...]:
    """Every feature that ran evaluation in the month or has a budget for it, sorted; "" is evaluation without a feature."""
    shared = _shared(books)
    runs: dict[str, Decimal] = {}
    gross: dict[str, list[Money]] = {}
    for each in disclosures:
        if each.key.item in shared.get(each.key.price_version, ()):
            feature = each.key.feature
            runs[feature] = runs.get(feature, Decimal(0)) + each.quantity
            gross.setdefault(feature, []).append(each.gross)
    planned = {budget.feature: budget for budget in budgets if budget.month == month}
    return tuple(
        EvalUse(
            feature,
            runs.get(feature, Decimal(0)),
            total(gross.get(feature, ()), currency),
            planned[feature].runs if feature in planned else None,
            planned[feature].amount if feature in planned else None,
        )
        for feature in sorted({*runs, *planned})
    )


def _shared(books: Iterable[PriceBook]) -> Mapping[str, frozenset[str]]:
    """The classes that each version of the book shares between team and platform."""
    return {
        book.name: frozenset(name for name, action in book.actions.items() if action.funding == "shared") for book in books
    }
