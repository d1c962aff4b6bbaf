"""eval-budgets.csv: how much evaluation is planned for a feature in a month, in runs and in money (rule U10)."""

from __future__ import annotations

from pathlib import Path

from finledger.core.model import EvalBudget, Organisation
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read import values
from finledger.read.tables import Row, absent, read_table
from finledger.read.values import WrongValue

COLUMNS = ("month", "feature", "runs", "amount")


def read_eval_budgets(path: Path, shown_as: str, organisation: Organisation) -> Outcome[tuple[EvalBudget, ...]]:
    """Every budget, sorted by month and feature; none where there is no file. An empty cell is not planned for."""
    if absent(path):
        return Outcome(())
    table = read_table(path, shown_as, COLUMNS)
    problems = list(table.problems)
    seen: dict[tuple[Month, str], SourceRef] = {}
    budgets = [_budget(row, organisation.currency, seen, problems) for row in table.rows]
    found = (budget for budget in budgets if budget is not None)
    return Outcome(tuple(sorted(found, key=lambda budget: (budget.month, budget.feature))), tuple(problems))


def _budget(row: Row, currency: str, seen: dict[tuple[Month, str], SourceRef], problems: list[Problem]) -> EvalBudget | None:
    before = len(problems)
    month = row.needed("month", values.month, problems)
    feature = row.needed("feature", values.text, problems)
    runs = row.value("runs", values.count, problems)
    amount = row.value("amount", values.money(currency), problems)
    if runs is None and amount is None and len(problems) == before:
        message = "the budget has neither runs nor an amount"
        wrong = WrongValue("eval-budget-empty", message, "write one of the two, or remove the row")
        problems.append(row.problem(wrong))
    if month is not None and feature is not None:
        first = seen.setdefault((month, feature), row.source)
        if first is not row.source:
            message = f"{feature} has an eval budget for {month} already, at {first}"
            problems.append(row.problem(WrongValue("eval-budget-twice", message, "keep one of the two")))
    if month is None or feature is None or len(problems) > before:
        return None
    return EvalBudget(month, feature, runs, amount, row.source)
