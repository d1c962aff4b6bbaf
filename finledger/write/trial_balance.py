"""A trial balance as JSON, and as rows for a spreadsheet or an accounting system: amounts as decimal text (rule L2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from finledger.core.model import Check
from finledger.core.money import Money
from finledger.core.problem import Problem
from finledger.core.roll_forward import Rolled, RollForward
from finledger.core.trial_balance import TrialRow
from finledger.write.figures import plain
from finledger.write.quarter import problem_row

COLUMNS = ("entity", "type", "number", "account", "cost_center", "currency", "opening", "debits", "credits", "closing")
FIGURES = COLUMNS[-4:]


def trial_balance_json(
    period: str,
    currency: str,
    provisional: bool,
    rows: Iterable[TrialRow],
    totals: Iterable[TrialRow],
    rolls: Iterable[RollForward],
    checks: Iterable[Check],
    problems: Iterable[Problem],
    notices: Iterable[Problem],
) -> dict[str, Any]:
    """The JSON of `trial-balance`, schema 1. Opening and closing are debit positive; those of roll-forwards as balances."""
    return {
        "schema": 1,
        "period": period,
        "currency": currency,
        "provisional": provisional,
        "accounts": [dict(zip(COLUMNS, _cells(row), strict=True)) for row in rows],
        "totals": [
            {name: cell for name, cell in zip(COLUMNS, _cells(row), strict=True) if name in _OF_A_TOTAL} for row in totals
        ],
        "roll_forwards": [
            {
                "account": roll.role,
                "entity": roll.entity,
                "currency": roll.currency,
                "periods": [_rolled(each, roll.currency) for each in roll.stretches],
                "whole": _rolled(roll.whole, roll.currency),
            }
            for roll in rolls
        ],
        "checks": [
            {"law": each.law, "left": plain(each.left), "right": plain(each.right), "holds": each.holds} for each in checks
        ],
        "problems": [problem_row(each) for each in problems],
        "notices": [problem_row(each) for each in notices],
    }


_OF_A_TOTAL = ("entity", "currency", *FIGURES)


def csv_cells(rows: Iterable[TrialRow]) -> list[tuple[str, ...]]:
    return [_cells(row) for row in rows]


def _cells(row: TrialRow) -> tuple[str, ...]:
    account = row.account
    figures = (row.opening, row.debits, row.credits, row.closing)
    amounts = (str(Money(minor, row.currency)) for minor in figures)
    return (row.entity, account.type, account.number, account.name, row.cost_center, row.currency, *amounts)


def _rolled(rolled: Rolled, currency: str) -> dict[str, Any]:
    def amounts(moves: Iterable[tuple[str, int]]) -> dict[str, str]:
        return {component: str(Money(minor, currency)) for component, minor in moves}

    return {
        "period": rolled.label,
        "opening": str(Money(rolled.opening, currency)),
        "additions": amounts(rolled.additions),
        "reductions": amounts(rolled.reductions),
        "closing": str(Money(rolled.closing, currency)),
    }


def roll_forward_rows(roll: RollForward) -> list[tuple[str, list[Money | None]]]:
    """The account's roll-forward as a person reads it: a figure for each part of the period, and one for all of it.

    What is taken out is negative, so that each column adds up from its opening to its closing.
    """
    columns: Sequence[Rolled] = (*roll.stretches, roll.whole) if len(roll.stretches) > 1 else (roll.whole,)
    rows: list[tuple[str, list[int | None]]] = [("opening", [each.opening for each in columns])]
    for component, _ in roll.whole.additions:
        rows.append((component, [dict(each.additions).get(component) for each in columns]))
    for component, _ in roll.whole.reductions:
        taken = [dict(each.reductions).get(component) for each in columns]
        rows.append((f"less {component}", [None if minor is None else -minor for minor in taken]))
    rows.append(("closing", [each.closing for each in columns]))
    return [(name, [None if minor is None else Money(minor, roll.currency) for minor in minors]) for name, minors in rows]
