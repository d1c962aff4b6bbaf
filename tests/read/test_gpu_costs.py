"""gpu-costs.csv."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from finledger.read.gpu_costs import read_gpu_costs

HEADER = "gpu_sku,capital,months,running_cost_per_month,hours_per_month,target_utilisation"


def test_read_gpu_costs__with_and_without_a_count(tmp_path: Path) -> None:
    """(36,000 / 36 + 350) / (720 x 0.625) = 1,350 / 450 = 3.00, one of them or eight for eight times the money."""
    path = tmp_path / "gpu-costs.csv"
    path.write_text(f"{HEADER},count\nh100,288000.00,36,2800.00,720,0.625,8\nl40s,36000,36,350,720,0.625,\n")
    outcome = read_gpu_costs(path, "gpu-costs.csv")
    assert outcome.problems == ()
    assert [(cost.gpu_sku, cost.count, cost.rate) for cost in outcome.rows] == [("h100", 8, 3), ("l40s", 1, 3)]
    path.write_text(f"{HEADER}\nl40s,36000,36,350,720,0.625\n")
    (cost,) = read_gpu_costs(path, "gpu-costs.csv").rows
    assert (cost.rate, cost.capital, cost.working) == (3, Decimal(36000), "(36000 / 36 months + 350) / (720 h x 0.625)")


def test_read_gpu_costs__which_header_has_a_count(tmp_path: Path) -> None:
    """The first line that is not blank is the header; `account` is no count."""
    path = tmp_path / "gpu-costs.csv"
    path.write_text(f"\n{HEADER}, count\nh100,288000.00,36,2800.00,720,0.625,8\n")
    assert [cost.count for cost in read_gpu_costs(path, "c").rows] == [8]
    path.write_text(f"{HEADER},account\nh100,288000.00,36,2800.00,720,0.625,8\n")
    (problem,) = read_gpu_costs(path, "c").problems
    assert "'account' is not a column" in problem.message


def test_read_gpu_costs__all_that_is_wrong_at_once(tmp_path: Path) -> None:
    path = tmp_path / "gpu-costs.csv"
    path.write_text(f"{HEADER}\nh100,-1,36,1,720,1.2\n,1,0,1,720,0.5\nl40s,1,36,1,720,0.5,9\n")
    found = [(each.code, each.source.line if each.source else 0) for each in read_gpu_costs(path, "c").problems]
    assert found == [
        ("table-row-width", 4), ("negative-number", 2), ("not-a-share", 2), ("table-cell-empty", 3), ("gpu-cost-zero", 3),
    ]  # fmt: skip
