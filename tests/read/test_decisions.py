"""What people decide and account for, as tables: requests to the buffer, platform costs, reserved capacity, eval budgets."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finledger.core.charge import round_requests
from finledger.core.model import DrawRequest, EvalBudget, Organisation, PlatformCost, Reservation
from finledger.core.period import Month
from finledger.core.problem import Outcome
from finledger.read.capacity import read_capacity
from finledger.read.draws import read_draws
from finledger.read.eval_budgets import read_eval_budgets
from finledger.read.platform_costs import COMPONENTS, read_platform_costs
from finledger.read.revenue import read_revenue
from finledger.read.settings import read_settings
from tests.support import ROOT, SHARED, needs_shared

JULY, AUGUST = Month(2026, 7), Month(2026, 8)
SETTINGS = """\
books: B
currency: {currency}
platform: {{team: ai-platform, cost_center: cc-1}}
teams:
  search: {{cost_center: cc-2, stage: chargeback}}
  support: {{cost_center: cc-3}}
"""
Reader = Callable[[Path, str, Organisation], Outcome[tuple[Any, ...]]]


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    return organisation_in(tmp_path, "USD")


def organisation_in(folder: Path, currency: str) -> Organisation:
    (folder / "finledger.yaml").write_text(SETTINGS.format(currency=currency), encoding="utf-8")
    found = read_settings(folder / "finledger.yaml", "finledger.yaml").rows
    assert found is not None
    return found


def read(reader: Reader, folder: Path, text: str, organisation: Organisation) -> Outcome[tuple[Any, ...]]:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return reader(folder / "t.csv", "t.csv", organisation)


def codes(outcome: Outcome[Any]) -> list[tuple[str, str]]:
    return [(problem.code, str(problem.source)) for problem in outcome.problems]


@pytest.mark.parametrize("reader", [read_draws, read_platform_costs, read_capacity, read_eval_budgets])
def test_no_file_is_no_rows(reader: Reader, tmp_path: Path, organisation: Organisation) -> None:
    assert reader(tmp_path / "none.csv", "none.csv", organisation) == Outcome(())


# ── decisions/draws.csv ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_read_draws__what_is_only_not_eligible_is_a_request_like_any_other(
    tmp_path: Path, organisation: Organisation
) -> None:
    """support is in showback, `because` is no cause, and nothing is disclosed: the month says so, not the reader (B2)."""
    text = (
        "month,team,cause,disclosure,requested\n"
        '2026-08,search,backfill,"Re-embedded, twice\n  because of a fault",1200.50\n'
        "2026-07,support,because,,\n"
        "2026-07,search,,,0\n"
    )
    outcome = read(read_draws, tmp_path, text, organisation)
    assert outcome.problems == ()
    first, second, third = outcome.rows
    assert first == DrawRequest(JULY, "search", "", "", Decimal(0), first.source)
    assert second == DrawRequest(JULY, "support", "because", "", None, second.source)
    disclosure = "Re-embedded, twice because of a fault"
    assert third == DrawRequest(AUGUST, "search", "backfill", disclosure, Decimal("1200.50"), third.source)
    assert [str(each.source) for each in outcome.rows] == ["t.csv:5", "t.csv:4", "t.csv:2"]


def test_read_draws__every_mistake_at_once(tmp_path: Path, organisation: Organisation) -> None:
    text = (
        "month,team,cause,disclosure,requested\n"
        "2026-07,search,backfill,x,-1\n"
        "2026-07,serch,backfill,x,\n"
        "2026-7,search,backfill,x,1.005\n"
        "2026-07,search,model_migration,y,many\n"
        "2026-07,ai-platform,backfill,x,\n"
        ",,backfill,x,\n"
    )
    outcome = read(read_draws, tmp_path, text, organisation)
    assert outcome.rows == ()
    assert codes(outcome) == [
        ("negative-number", "t.csv:2 (requested)"),
        ("draw-unknown-team", "t.csv:3 (team)"),
        ("not-a-month", "t.csv:4 (month)"),
        ("not-a-number", "t.csv:5 (requested)"),
        ("draw-twice", "t.csv:5"),
        ("draw-unknown-team", "t.csv:6 (team)"),
        ("table-cell-empty", "t.csv:7 (month)"),
        ("table-cell-empty", "t.csv:7 (team)"),
    ]
    said = [problem.message + " " + problem.remedy for problem in outcome.problems]
    assert "did you mean 'search'?" in said[1]
    assert "at t.csv:2" in said[4] and "platform's own team" in said[5]


def test_read_draws__a_request_finer_than_the_minor_unit_is_rounded_later(tmp_path: Path) -> None:
    text = "month,team,cause,disclosure,requested\n2026-07,search,backfill,x,100.5\n"
    outcome = read(read_draws, tmp_path, text, organisation_in(tmp_path, "JPY"))
    assert [each.requested for each in outcome.rows] == [Decimal("100.5")]
    assert [each.requested for each in round_requests(outcome.rows, "JPY", "half_up")] == [Decimal(101)]
    assert [each.requested for each in round_requests(outcome.rows, "JPY", "half_even")] == [Decimal(100)]


def test_read_draws__a_disclosure_cannot_steer_a_screen(tmp_path: Path, organisation: Organisation) -> None:
    text = "month,team,cause,disclosure,requested\n2026-07,search,backfill,clean\x1b[2J,\n"
    assert codes(read(read_draws, tmp_path, text, organisation)) == [("text-control-character", "t.csv:2 (disclosure)")]


def test_read_draws__the_sample(tmp_path: Path) -> None:
    books = ROOT / "samples" / "kestrel-freight"
    organisation = read_settings(books / "finledger.yaml", "finledger.yaml").rows
    assert organisation is not None
    assert read_draws(books / "decisions" / "draws.csv", "decisions/draws.csv", organisation).problems == ()


@needs_shared
def test_read_draws__the_golden_quarter() -> None:
    books = SHARED / "golden" / "northwind-2026-Q3"
    organisation = read_settings(books / "finledger.yaml", "finledger.yaml").rows
    assert organisation is not None
    outcome = read_draws(books / "decisions" / "draws.csv", "decisions/draws.csv", organisation)
    assert outcome.problems == ()
    assert [(str(each.month), each.team, each.cause, each.requested) for each in outcome.rows] == [
        ("2026-08", "research", "model_migration", None),
        ("2026-09", "support", "backfill", None),
    ]


# ── platform-costs.csv ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_read_platform_costs__exact_with_credits_and_accounts(tmp_path: Path, organisation: Organisation) -> None:
    text = (
        "month,component,amount,account\n"
        "2026-08,judge,0.10,\n"
        "2026-07,trace capture,-12.30,6340\n"
        "2026-07,overhead,20000.01,6340\n"
        "2026-07,overhead,0.02,6350\n"
    )
    outcome = read(read_platform_costs, tmp_path, text, organisation)
    assert outcome.problems == ()
    assert [(each.component, each.amount, each.account) for each in outcome.rows] == [
        ("overhead", Decimal("20000.01"), "6340"),
        ("overhead", Decimal("0.02"), "6350"),
        ("trace_capture", Decimal("-12.30"), "6340"),
        ("judge", Decimal("0.10"), ""),
    ]
    assert outcome.rows[3] == PlatformCost(AUGUST, "judge", Decimal("0.10"), "", outcome.rows[3].source)


def test_read_platform_costs__every_component(tmp_path: Path, organisation: Organisation) -> None:
    text = "month,component,amount,account\n" + "".join(f"2026-07,{name},1,\n" for name in COMPONENTS)
    outcome = read(read_platform_costs, tmp_path, text, organisation)
    assert outcome.problems == () and {each.component for each in outcome.rows} == set(COMPONENTS)


def test_read_platform_costs__every_mistake_at_once(tmp_path: Path, organisation: Organisation) -> None:
    text = (
        "month,component,amount,account\n"
        "2026-07,overheads,1,\n"
        "2026-07,judge,1.001,\n"
        "2026-07,judge,,\n"
        "2026-07,harness,1,6340\n"
        "2026-07,harness,2,6340\n"
        "July,harness,2,6340\n"
    )
    outcome = read(read_platform_costs, tmp_path, text, organisation)
    assert codes(outcome) == [
        ("not-one-of", "t.csv:2 (component)"),
        ("amount-too-fine", "t.csv:3 (amount)"),
        ("table-cell-empty", "t.csv:4 (amount)"),
        ("platform-cost-twice", "t.csv:6"),
        ("not-a-month", "t.csv:7 (month)"),
    ]
    assert outcome.problems[0].remedy.startswith("did you mean 'overhead'? write one of overhead, registry, harness,")
    assert [each.amount for each in outcome.rows] == [Decimal(1)]


# ── capacity.csv ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_read_capacity__held_by_a_team_the_platform_or_nobody(tmp_path: Path, organisation: Organisation) -> None:
    text = (
        "month,gpu_sku,reserved_hours,holder\n"
        "2026-07,h100,744,\n2026-07,h100,0.5,search\n2026-07,h100,0,ai-platform\n2026-07,a100,744,\n2026-08,h100,744,\n"
    )
    outcome = read(read_capacity, tmp_path, text, organisation)
    assert outcome.problems == ()
    assert [(str(each.month), each.gpu_sku, each.reserved_hours, each.holder) for each in outcome.rows] == [
        ("2026-07", "a100", Decimal(744), ""),
        ("2026-07", "h100", Decimal(744), ""),
        ("2026-07", "h100", Decimal(0), "ai-platform"),
        ("2026-07", "h100", Decimal("0.5"), "search"),
        ("2026-08", "h100", Decimal(744), ""),
    ]
    assert outcome.rows[0] == Reservation(JULY, "a100", Decimal(744), "", outcome.rows[0].source)


def test_read_capacity__every_mistake_at_once(tmp_path: Path, organisation: Organisation) -> None:
    text = (
        "month,gpu_sku,reserved_hours,holder\n"
        "2026-07,h100,-1,\n2026-07,h100,1e3,\n2026-07,h100,744,serch\n2026-07,h100,744,\n2026-07,h100,744,\n2026-07,,,search\n"
    )
    outcome = read(read_capacity, tmp_path, text, organisation)
    assert codes(outcome) == [
        ("negative-number", "t.csv:2 (reserved_hours)"),
        ("not-a-number", "t.csv:3 (reserved_hours)"),
        ("reservation-unknown-holder", "t.csv:4 (holder)"),
        ("reservation-twice", "t.csv:6"),
        ("table-cell-empty", "t.csv:7 (gpu_sku)"),
        ("table-cell-empty", "t.csv:7 (reserved_hours)"),
    ]
    assert "at t.csv:5" in outcome.problems[3].message
    assert len(outcome.rows) == 1


# ── eval-budgets.csv ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_read_eval_budgets__runs_or_money_or_both(tmp_path: Path, organisation: Organisation) -> None:
    text = "month,feature,runs,amount\n2026-08,summaries,,250.00\n2026-07,summaries,40,\n2026-07,answers,0,1.10\n"
    outcome = read(read_eval_budgets, tmp_path, text, organisation)
    assert outcome.problems == ()
    assert [(each.feature, each.runs, each.amount) for each in outcome.rows] == [
        ("answers", 0, Decimal("1.10")),
        ("summaries", 40, None),
        ("summaries", None, Decimal("250.00")),
    ]
    assert outcome.rows[1] == EvalBudget(JULY, "summaries", 40, None, outcome.rows[1].source)


def test_read_eval_budgets__every_mistake_at_once(tmp_path: Path, organisation: Organisation) -> None:
    text = (
        "month,feature,runs,amount\n"
        "2026-07,a,,\n2026-07,b,1.5,\n2026-07,c,,-1\n2026-07,d,1,\n2026-07,d,,2\n2026-07,,1,\n2026-07,e,,0.001\n"
    )
    outcome = read(read_eval_budgets, tmp_path, text, organisation)
    assert codes(outcome) == [
        ("eval-budget-empty", "t.csv:2"),
        ("not-a-count", "t.csv:3 (runs)"),
        ("negative-number", "t.csv:4 (amount)"),
        ("eval-budget-twice", "t.csv:6"),
        ("table-cell-empty", "t.csv:7 (feature)"),
        ("amount-too-fine", "t.csv:8 (amount)"),
    ]
    assert [each.feature for each in outcome.rows] == ["d"]


# ── revenue.csv ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_read_revenue__by_cohort_or_of_none_and_below_zero(tmp_path: Path, organisation: Organisation) -> None:
    text = "month,feature,cohort,revenue\n2026-08,answers,pro,250.00\n2026-07,answers,,10\n2026-07,answers,=free,-1.10\n"
    outcome = read(read_revenue, tmp_path, text, organisation)
    assert outcome.problems == ()
    assert [(str(each.month), each.cohort, each.revenue) for each in outcome.rows] == [
        ("2026-07", "", Decimal(10)),
        ("2026-07", "=free", Decimal("-1.10")),
        ("2026-08", "pro", Decimal("250.00")),
    ]


def test_read_revenue__every_mistake_at_once(tmp_path: Path, organisation: Organisation) -> None:
    text = (
        "month,feature,cohort,revenue\n"
        "2026-07,a,pro,1\n2026-07,a,pro,2\n2026-07,b,,0.001\n2026-13,c,,1\n2026-07,,,1\n2026-07,d,,\n2026-07,a,,3\n"
    )
    outcome = read(read_revenue, tmp_path, text, organisation)
    assert codes(outcome) == [
        ("revenue-twice", "t.csv:3"),
        ("amount-too-fine", "t.csv:4 (revenue)"),
        ("not-a-month", "t.csv:5 (month)"),
        ("table-cell-empty", "t.csv:6 (feature)"),
        ("table-cell-empty", "t.csv:7 (revenue)"),
    ]
    assert len(outcome.rows) == 2
