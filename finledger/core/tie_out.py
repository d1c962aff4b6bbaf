"""What a file says held against what the ledger says, figure by figure and added up (rule X4).

Sums alone would let two changes of one cent pass that cancel out; figures alone would not be what a controller ticks off. So
both: a `Check` with the sums, and a `Problem` at the line of each figure that differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from finledger.core.model import ChargeLine, Check, JournalEntry
from finledger.core.money import EXACT
from finledger.core.problem import Problem, SourceRef

Finding = Check | Problem


class Figure(NamedTuple):
    """A figure as a file states it. `what` names it, the same in the file and in the ledger, and no two have the same name."""

    what: str
    amount: Decimal
    where: SourceRef
    excerpt: str = ""


def held_against(
    name: str, figures: Sequence[Figure], expected: Mapping[str, Decimal], remedy: str, law: str = ""
) -> tuple[Finding, ...]:
    """The sum of a file's figures against the ledger's, and each figure that is another, is no figure of the ledger's, or lacks.

    `name`: the file as messages show it; `law` names both sides of the sum, the file's first; without one it is not told.
    """
    found: list[Finding] = [_sum(figures, expected.values(), law)] if law else []
    seen: set[str] = set()
    for each in figures:
        if each.what in seen:
            found.append(differs(each.where, f"{each.what} stands in the file twice", remedy, each.excerpt))
        elif each.what not in expected:
            found.append(differs(each.where, f"{each.what}, {each.amount}, is not in the ledger", remedy, each.excerpt))
        elif each.amount != expected[each.what]:
            said = f"{each.what} is {each.amount} in the file, and {expected[each.what]} in the ledger"
            found.append(differs(each.where, said, remedy, each.excerpt))
        seen.add(each.what)
    for what, amount in expected.items():
        if what not in seen:
            found.append(differs(SourceRef(name), f"{what}, {amount} in the ledger, is not in the file", remedy))
    return tuple(found)


def _sum(figures: Iterable[Figure], expected: Iterable[Decimal], law: str) -> Check:
    return Check(law, sum((each.amount for each in figures), Decimal(0)), sum(expected, Decimal(0)))


def differs(where: SourceRef, message: str, remedy: str, excerpt: str = "") -> Problem:
    return Problem("file-differs", message, where, excerpt=excerpt, remedy=remedy)


def untied(findings: Iterable[Finding], where: SourceRef, remedy: str) -> tuple[Problem, ...]:
    """The findings that are problems, then the checks that do not hold as problems, with the remedy where nothing is named."""
    every = list(findings)
    named = [each for each in every if isinstance(each, Problem)]
    sums = [
        Problem(
            "not-tied",
            f"{each.law}: {each.left} is not {each.right} (difference {EXACT.subtract(each.left, each.right)})",
            where,
            remedy="see what is named with its file and line" if named else remedy,
        )
        for each in every
        if isinstance(each, Check) and not each.holds
    ]
    return (*named, *sums)


# ── what each figure is called, and what the ledger says it is ──────────────────────────────────────────────────────────


def line_figure(line_id: str, team: str, cost_center: str) -> str:
    return f"line {line_id} of {team}{f' at {cost_center}' if cost_center else ''}"


def component_figure(component: str, line_id: str, team: str, cost_center: str) -> str:
    return f"{component} of {line_figure(line_id, team, cost_center)}"


def line_amounts(lines: Iterable[ChargeLine]) -> dict[str, Decimal]:
    return {line_figure(ln.line_id, ln.key.team, ln.key.cost_center): ln.amount.amount for ln in lines}


def component_amounts(lines: Iterable[ChargeLine]) -> dict[str, Decimal]:
    return {
        component_figure(component, line.line_id, line.key.team, line.key.cost_center): amount.amount
        for line in lines
        for component, amount in line.components
    }


def posting_figure(line_no: int, entry_id: str, account: str, currency: str) -> str:
    return f"posting {line_no} of {entry_id}, {account}, in {currency}"


def posting_amounts(entries: Iterable[JournalEntry], accounts: Mapping[tuple[str, int], str]) -> dict[str, Decimal]:
    """`accounts`: what a format calls the account of each posting, by entry id and line."""
    return {
        posting_figure(
            number, entry.entry_id, accounts[entry.entry_id, number], posting.amount.currency
        ): posting.amount.amount
        for entry in entries
        for number, posting in enumerate(entry.postings, start=1)
    }
