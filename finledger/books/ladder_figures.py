"""What the ladder asks the ledger: counts and sums of runs, by team, without building a line of them (rules A2, A4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import case, func, select

from finledger.books import ledger_tables as tables
from finledger.books.ledger import Ledger
from finledger.core.model import UNALLOCATED

# What is no part of the whole that unallocated is measured against: credits, draws and what a quarter's end moves (A2).
APART = ("adjustment", "coverage_credit", "buffer_draw", "buffer_repayment", "buffer_true_up", "buffer_rebate")
Totals = dict[tuple[int, str], tuple[str, int, int | None]]


def team_totals(ledger: Ledger, runs: Collection[int], team: str | None = None) -> Totals:
    """(run, team) → its stage, total and budget in minor units; of one team or of all."""
    table = tables.team_totals.c
    query = select(table.run, table.team, table.stage, table.total_minor, table.budget_minor).where(table.run.in_(runs))
    found = ledger.selected(query if team is None else query.where(table.team == team))
    return {(row["run"], row["team"]): (row["stage"], row["total_minor"], row["budget_minor"]) for row in found}


def line_counts(ledger: Ledger, runs: Collection[int]) -> dict[tuple[int, str], tuple[int, int]]:
    """(run, team) → how many lines it was charged, and how many of these are of the run's own month."""
    line = tables.charge_lines.c
    own = func.sum(case((line.service_month == line.posting_month, 1), else_=0))
    query = select(line.run, line.team, func.count().label("lines"), own.label("own")).where(line.run.in_(runs))
    found = ledger.selected(query.group_by(line.run, line.team))
    return {(row["run"], row["team"]): (row["lines"], row["own"]) for row in found}


def charged_to_teams(ledger: Ledger, runs: Collection[int]) -> dict[int, int]:
    """Run → what its teams were charged for its own month, in minor units, before unallocated usage is spread (A2)."""
    line = tables.charge_lines.c
    spread = (line.kind == "shared") & (line.item == UNALLOCATED)
    counted = (line.service_month == line.posting_month) & (line.credit == "") & line.kind.not_in(APART) & ~spread
    query = select(line.run, func.sum(line.amount_minor).label("minor"))
    found = ledger.selected(query.where(line.run.in_(runs), line.team != UNALLOCATED, counted).group_by(line.run))
    return {row["run"]: int(row["minor"]) for row in found}


def components(ledger: Ledger, runs: Collection[int]) -> dict[int, frozenset[str]]:
    """Run → the components of what its teams were charged."""
    line, part = tables.charge_lines.c, tables.components.c
    query = (
        select(line.run, part.component)
        .join(tables.components, (part.run == line.run) & (part.line_id == line.line_id))
        .where(line.run.in_(runs), line.team != UNALLOCATED)
        .distinct()
    )
    found: dict[int, set[str]] = {}
    for row in ledger.selected(query):
        found.setdefault(row["run"], set()).add(row["component"])
    return {run: frozenset(names) for run, names in found.items()}


def lines_there(ledger: Ledger, runs: Collection[int], line_ids: Iterable[str]) -> set[tuple[int, str]]:
    """Which of these lines the runs hold: (run, line id)."""
    line = tables.charge_lines.c
    wanted = sorted(set(line_ids))
    found: set[tuple[int, str]] = set()
    for start in range(0, len(wanted), 500):
        query = select(line.run, line.line_id).where(line.run.in_(runs), line.line_id.in_(wanted[start : start + 500]))
        found |= {(row["run"], row["line_id"]) for row in ledger.selected(query)}
    return found


def line_amounts(ledger: Ledger, run: int) -> list[list[str | int]]:
    """Every line of a run as [id, amount in minor units], by id."""
    line = tables.charge_lines.c
    query = select(line.line_id, line.amount_minor).where(line.run == run).order_by(line.line_id)
    return [[row["line_id"], row["amount_minor"]] for row in ledger.selected(query)]
