"""gpu-costs.csv: what accelerators cost to own, and how much of their time is to be sold (rule P5)."""

from __future__ import annotations

from pathlib import Path

from finledger.core.model_rates import GpuCost
from finledger.core.problem import Outcome, Problem
from finledger.read import values
from finledger.read.tables import Row, parse_table
from finledger.read.values import WrongValue

COLUMNS = (
    "gpu_sku", "capital", "months", "running_cost_per_month", "hours_per_month", "target_utilisation", "count",
)  # fmt: skip


def read_gpu_costs(path: Path, shown_as: str) -> Outcome[tuple[GpuCost, ...]]:
    """Every accelerator's cost, sorted by SKU. Where there is no `count` column, or an empty cell, there is one of it."""
    content = path.read_bytes()
    table = parse_table(content, shown_as, COLUMNS if _counted(content) else COLUMNS[:-1])
    problems = list(table.problems)
    costs: dict[str, GpuCost] = {}
    for row in table.rows:
        cost = _cost(row, problems)
        if cost is None:
            continue
        first = costs.setdefault(cost.gpu_sku, cost)
        if first is not cost:
            message = f"{cost.gpu_sku} has a cost already, at {first.source}"
            problems.append(row.problem(WrongValue("gpu-cost-twice", message, "add the two up to one row"), "gpu_sku"))
    return Outcome(tuple(costs[sku] for sku in sorted(costs)), tuple(problems))


def _counted(content: bytes) -> bool:
    """Whether the header has the column `count`, which may be left out."""
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    header = next((line for line in lines if line.strip(" ,")), "")
    return "count" in (cell.strip(' "') for cell in header.split(","))


def _cost(row: Row, problems: list[Problem]) -> GpuCost | None:
    before = len(problems)
    sku = row.needed("gpu_sku", values.text, problems)
    capital = row.needed("capital", values.amount, problems)
    months = row.needed("months", values.count, problems)
    running = row.needed("running_cost_per_month", values.amount, problems)
    hours = row.needed("hours_per_month", values.amount, problems)
    share = row.needed("target_utilisation", values.share, problems)
    count = row.value("count", values.count, problems) if "count" in row.cells else None
    for column, value in (("months", months), ("hours_per_month", hours), ("target_utilisation", share), ("count", count)):
        if value is not None and not value:
            wrong = WrongValue("gpu-cost-zero", f"{column} is 0: the cost has no hours to stand on", f"write the {column}")
            problems.append(row.problem(wrong, column))
    if len(problems) > before:
        return None
    assert sku is not None and capital is not None and months is not None, "a missing cell is a problem"
    assert running is not None and hours is not None and share is not None, "a missing cell is a problem"
    return GpuCost(sku, capital, months, running, hours, share, 1 if count is None else count, row.source)
