"""platform-costs.csv: what the platform's components really cost, from the controller's accounts (rules C4, X3)."""

from __future__ import annotations

from pathlib import Path

from finledger.core.model import Organisation, PlatformCost
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read import values
from finledger.read.tables import Row, absent, read_table
from finledger.read.values import WrongValue

COLUMNS = ("month", "component", "amount", "account")
# What overhead and registry are charged for; then the evaluation that the platform pays for on its own; then the services
# that the overhead usually funds, where a controller keeps them apart.
COMPONENTS = (
    "overhead",
    "registry",
    "harness",
    "judge",
    "labelling",
    "trace_capture",
    "gateway",
    "retrieval",
    "observability",
)


def read_platform_costs(path: Path, shown_as: str, organisation: Organisation) -> Outcome[tuple[PlatformCost, ...]]:
    """Every cost, sorted by month, component and account; none where there is no file. A negative amount is a credit."""
    if absent(path):
        return Outcome(())
    table = read_table(path, shown_as, COLUMNS)
    problems = list(table.problems)
    seen: dict[tuple[Month, str, str], SourceRef] = {}
    costs = [_cost(row, organisation.currency, seen, problems) for row in table.rows]
    found = (cost for cost in costs if cost is not None)
    return Outcome(tuple(sorted(found, key=lambda cost: (cost.month, cost.component, cost.account))), tuple(problems))


def _cost(
    row: Row, currency: str, seen: dict[tuple[Month, str, str], SourceRef], problems: list[Problem]
) -> PlatformCost | None:
    before = len(problems)
    month = row.needed("month", values.month, problems)
    component = row.needed("component", _component, problems)
    amount = row.needed("amount", values.money(currency, negative=True), problems)
    account = row.value("account", values.text, problems) or ""
    if month is not None and component is not None and len(problems) == before:
        first = seen.setdefault((month, component, account), row.source)
        if first is not row.source:
            of = f"account {account}" if account else "no account"
            message = f"{component} of {month} on {of} stands already at {first}"
            wrong = WrongValue("platform-cost-twice", message, "keep one of the two, or write the account of each")
            problems.append(row.problem(wrong))
    if month is None or component is None or amount is None or len(problems) > before:
        return None
    return PlatformCost(month, component, amount, account, row.source)


def _component(value: str) -> str:
    """A component by its word; `trace capture` is trace_capture."""
    return values.word(COMPONENTS)(value.replace(" ", "_"))
