"""Unit costs where something is missing, idle or only partly measured (U1), and what a target says at each stage (A3)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest

from finledger.core.label import own
from finledger.core.model import Dated, Stage, Team, UsageGroup
from finledger.core.money import EXACT
from finledger.core.period import intervals
from finledger.core.problem import Outcome
from finledger.core.report import Missing
from finledger.core.targets import target_tables
from finledger.core.unit_use import Use, month_use
from finledger.core.units import UnitMonth, unit_month, useful_hour, utilisation
from finledger.pipeline import MonthInputs, run_month
from tests.laws.test_corridor import JULY, ORGANISATION, book, group

SEARCH = Team(
    "search", Dated.always("cc-1"), Dated.always("chargeback"), targets={"*": {"per_1k_inferences": Decimal("11.00")}}
)
ALONE = replace(ORGANISATION, teams={"search": SEARCH}, pools=())


def month_of(*usage: UsageGroup, organisation=ALONE) -> UnitMonth:  # type: ignore[no-untyped-def]
    charges, _ = run_month(MonthInputs(JULY, organisation, [book()], lambda query: Outcome(usage)))
    with localcontext(EXACT):
        owned = own(usage, organisation, intervals(JULY, "UTC", [])).rows
        return unit_month(charges, month_use(owned, organisation), 31)


def gpu(hours: str, busy: str | None, work: str = "training", completed: int = 0, runs: int = 0) -> UsageGroup:
    made = group("search", "", "h100", 0, 0, Decimal(hours), Decimal(0), "")
    sums = {**made.sums, "requests": 0, "runs": runs, "runs_completed": completed}
    if busy is not None:
        sums |= {"gpu_busy_hours": Decimal(busy), "measured_gpu_hours": Decimal(hours)}
    return replace(made, keys={**made.keys, "workload_type": work}, sums=sums)


def chat(calls: int) -> UsageGroup:
    return group("search", "chat", "", calls, 0, Decimal(0), Decimal(0), "")


@pytest.mark.parametrize(
    ("usage", "unit", "why"),
    [
        ((), "per_1k_inferences", None),
        ((gpu("4", "1"),), "per_1k_inferences", "no inferences"),
        ((chat(1000),), "per_1k_tokens", "no tokens"),
        ((chat(1000),), "per_completed_run", "no runs"),
        ((gpu("4", "1", runs=2),), "per_completed_run", "no run completed"),
        ((chat(1000),), "per_useful_gpu_hour", "no GPU-hours"),
        ((gpu("4", None),), "per_useful_gpu_hour", "not measured"),
        ((gpu("4", "0"),), "per_useful_gpu_hour", "no busy GPU-hour"),
    ],
)
def test_missing__says_why_and_is_never_a_zero(usage: tuple[UsageGroup, ...], unit: str, why: str | None) -> None:
    found = month_of(*usage).by_team
    if why is None:
        assert found == {}
    else:
        assert found[("search",)].figures[unit] == Missing(why)


def test_useful_hour__is_of_the_measured_hours_and_idle_ones_cost_on_top() -> None:
    """40 of 100 hours are measured, 30 of them busy. 100 hours cost 2,400.00, so 40 cost 960.00: 32.00 a busy hour. With
    120.00 of idle capacity 1,080.00 ÷ 30 = 36.00.
    """
    use = Use(gpu_hours=Decimal(100), measured_hours=Decimal(40), busy_hours=Decimal(30))
    assert useful_hour(240000, 0, use, 100) == 32
    assert useful_hour(240000, 12000, use, 100) == 36
    assert utilisation(use) == Fraction(3, 4) and utilisation(use, Decimal(5)) == Fraction(2, 3)


def test_completed_run__failed_ones_are_paid_for_and_notebooks_are_not() -> None:
    """20 hours of training and 5 of a notebook at 24.00: two runs completed of three, 480.00 ÷ 2."""
    month = month_of(gpu("15", "9", completed=2, runs=2), gpu("5", "1", runs=1), gpu("5", "1", work="notebook"))
    assert month.by_team[("search",)].figures["per_completed_run"] == 240
    assert month.by_team[("search",)].cost.amount == 600


@pytest.mark.parametrize("stage", ["showback", "allocation", "chargeback", "optimisation"])
def test_target__is_an_alert_from_optimisation_on(stage: Stage) -> None:
    """1,000 calls are 11.12 for a target of 11.00."""
    organisation = replace(ALONE, teams={"search": replace(SEARCH, stage=Dated.always(stage))})
    (table,) = target_tables({JULY: month_of(chat(1000), organisation=organisation)}, {JULY: organisation})
    (row,) = table.rows
    assert row[:6] == (JULY, "search", "", "per_1k_inferences", Decimal("11.12"), Decimal("11.00"))
    if stage == "optimisation":
        assert row[-1] == "11.12 per 1,000 inferences, fully loaded: the target is at most 11.00"
    else:
        assert row[-1] == Missing(f"no alert at {stage}")


def test_target__that_is_met_or_cannot_be_measured_is_no_alert() -> None:
    targets = {
        "*": {"per_1k_inferences": Decimal("11.12"), "per_completed_run": Decimal(1)},
        "f": {"per_correct_task": Decimal(0)},
    }
    organisation = replace(ALONE, teams={"search": replace(SEARCH, stage=Dated.always("optimisation"), targets=targets)})
    (table,) = target_tables({JULY: month_of(chat(1000), organisation=organisation)}, {JULY: organisation})
    said = {(row[3], row[-1]) for row in table.rows}
    assert said == {
        ("per_1k_inferences", ""),
        ("per_completed_run", Missing("no runs")),
        ("per_correct_task", Missing("not measurable")),
    }
