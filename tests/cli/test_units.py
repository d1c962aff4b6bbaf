"""units and features, as a person or a script meets them (rules U1, U4-U6, A3, A6). Their sums are in tests/examples/74 and 75."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from finledger.workbench import Workbench
from finledger.workbench.units import unit_report
from finledger.write.table_cells import program_rows
from tests.close.small_books import AUGUST, JULY, close, daily, load_late, make_books, row, write
from tests.support import ROOT, copy_books, finledger, finledger_json, prepared

SAMPLES = ROOT / "samples"
TARGETS = """\
books: Targets
currency: USD
platform: {team: ai-platform, cost_center: cc-1000}
teams:
  search: {cost_center: cc-4815, stage: optimisation, features: [find], targets: {"*": {per_1k_inferences: 12.00}}}
  support: {cost_center: cc-4822, stage: chargeback, targets: {"*": {per_1k_inferences: 12.00}}}
  research: {cost_center: cc-4829, stage: showback}
"""
ODD = ("<script>alert(1)</script>", "=HYPERLINK(1)", "a|b,c", "日本")


def loaded(sample: str, folder: Path) -> Path:
    return prepared(copy_books(SAMPLES / sample, folder / sample), ("load", "--quiet"))


def units(capsys: pytest.CaptureFixture[str], books: Path, by: str, *words: object, month: str = "2026-07") -> Any:
    return finledger_json(capsys, "units", "--books", books, "--month", month, "--by", by, *words)


# ── the articles' figures ───────────────────────────────────────────────────────────────────────────────────────────────


def test_u4__a_thousand_inferences_pure_and_fully_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """18,600.00 ÷ 2,000 = 9.30; 33,559.10 ÷ 2,000 = 16.77955 → 16.7796; 14,860.80 ÷ 4 = 3,715.20; 18,600 ÷ 3,800,000 k."""
    books = loaded("u4-inference-team", tmp_path)
    (feature,) = units(capsys, books, "feature")["unit_costs"]
    assert (feature["feature"], feature["cost"], feature["inferences"]) == ("fraud-detector", "33559.10", 2_000_000)
    assert (feature["per_1k_inferences_pure"], feature["per_1k_inferences"]) == ("9.3", "16.7796")
    assert (feature["per_completed_run"], feature["runs"], feature["runs_completed"]) == ("3715.2", 5, 4)
    assert feature["per_1k_tokens"] == "0.00489474"
    assert (feature["gpu_utilisation"], feature["per_useful_gpu_hour"]) == (None, None)  # the sample has no busy hours
    (lever,) = units(capsys, books, "action")["levers"]
    assert (lever["tokens_per_call"], lever["calls_per_day"]) == ("1900", "64516.1")


def test_u5__a_pool_that_is_the_whole_bill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No line says what it is for, and each team does one thing: 21,000.00 ÷ 14 runs, 33,000.00 ÷ 22,000 thousand calls."""
    books = loaded("u5-shared-pool", tmp_path)
    teams = {each["team"]: each for each in units(capsys, books, "team")["unit_costs_by_team"]}
    assert (teams["training"]["runs"], teams["training"]["per_completed_run"]) == (17, "1500")
    assert (teams["inference"]["per_1k_inferences"], teams["inference"]["per_1k_inferences_pure"]) == ("1.5", None)
    assert teams["research"]["per_1k_inferences"] is None


def test_u6__a_day_s_actions_and_the_trend_of_the_months(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """50,000 actions a day at 0.04; 62,000.00 in July, 60,000.00 in September, 40.00 a thousand in both."""
    books = loaded("u6-signal-sentence", tmp_path)
    rows = units(capsys, books, "team", "--months", 3, month="2026-09")["unit_costs_by_team"]
    assert [(each["month"], each["cost"], each["per_1k_inferences"]) for each in rows] == [
        ("2026-07", "62000.00", "40"),
        ("2026-09", "60000.00", "40"),
    ]
    levers = units(capsys, books, "action", month="2026-09")["levers"]
    assert [each["calls_per_day"] for each in levers] == ["50000"]


# ── months that are closed, months without anything ─────────────────────────────────────────────────────────────────────


def test_closed_month__stays_what_it_was_and_revenue_may_come_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """31,000 calls of July are 390.60. A late row is August's business, a new price book nobody's; revenue is known later."""
    books = make_books(tmp_path / "books", {"july.csv": daily(JULY), "august.csv": daily(AUGUST)})
    close(books, JULY)
    before = units(capsys, books, "team")
    load_late(books, "late.csv", [row("late-1", "2026-07-15", "search", 1000)])
    write(books / "finledger.yaml", TARGETS.replace("cost_center: cc-4815", "cost_center: cc-9999"))
    write(books / "revenue.csv", "month,feature,cohort,revenue\n2026-07,find,,500.00\n")
    assert units(capsys, books, "team") == before
    (search,) = before["unit_costs_by_team"]
    assert (search["cost"], search["inferences"], search["per_1k_inferences"]) == ("390.60", 31000, "12.6")
    got = finledger_json(capsys, "features", "--books", books, "--month", "2026-07")
    assert [(each["feature"], each["revenue"]) for each in got["features"]] == [("find", "500.00")]
    then = units(capsys, books, "team", "--as-of", "2026-07")
    assert then == before


def test_empty_month__says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = make_books(tmp_path / "books", {"july.csv": [row("a", "2026-07-01", "search", 1000)]})
    for by in ("feature", "team", "model", "action", "run", "gpu", "cohort", "user", "target"):
        finledger("units", "--books", books, "--month", "2026-09", "--by", by)
        said = capsys.readouterr()
        assert "nothing of that kind" in said.err and "No usage of 2026-09 is loaded" in said.err and not said.out
    finledger("features", "--books", books, "--month", "2026-09")
    assert "no feature was charged" in capsys.readouterr().err
    finledger("features", "--books", books, "--quarter", "2026-Q1", expect=2)
    finledger("features", "--books", books, expect=2)
    finledger("units", "--books", books, "--month", "2026-07", "--by", "user", "--months", "2", expect=2)


# ── targets ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_target__is_said_with_its_figure_to_teams_at_optimisation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both teams pay 12.60 a thousand, for a target of 12.00: search is held to it, support not yet."""
    usage = [row("a", "2026-07-01", "search", 1000), row("b", "2026-07-01", "support", 1000)]
    books = make_books(tmp_path / "books", {"july.csv": usage}, {"finledger.yaml": TARGETS})
    finledger("units", "--books", books, "--month", "2026-07", "--by", "team")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("above target")]
    assert said == ["above target: search in 2026-07: 12.6 per 1,000 inferences, fully loaded: the target is at most 12.00"]
    got = {each["team"]: each for each in units(capsys, books, "target")["targets"]}
    assert (got["search"]["over"], got["support"]["over"]) == ("0.050000", "0.050000")
    assert got["support"]["alert"] is None


# ── names that are not only names ───────────────────────────────────────────────────────────────────────────────────────


def test_names__that_are_markup_or_formulas_stay_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each in the place of feature, cohort and user: a row of its own, and the same text in what programs read."""
    books = make_books(tmp_path / "books")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow("usage_id,ts,team,workload_type,action,model,requests,feature,cohort,user".split(","))
    for number, name in enumerate(ODD):
        fixed = [f"o{number}", "2026-07-01T12:00:00Z", "search", "inference", "chat_call", "gpt-large", "1000"]
        writer.writerow([*fixed, name, name, name])
    write(books / "usage" / "odd.csv", out.getvalue())
    finledger("load", "--books", books, "--quiet")
    capsys.readouterr()
    features = units(capsys, books, "feature")["unit_costs"]
    assert {each["feature"] for each in features} == set(ODD)
    assert {(each["users"], each["per_user"], each["per_correct_task"]) for each in features} == {(1, "12.6", None)}
    assert {each["cohort"] for each in units(capsys, books, "cohort")["unit_costs_by_cohort"]} == set(ODD)
    assert {each["user"] for each in units(capsys, books, "user")["unit_costs_by_user"]} == set(ODD)
    got = finledger_json(capsys, "features", "--books", books, "--month", "2026-07")
    assert {each["feature"]: each["cost"] for each in got["features"]} == dict.fromkeys(ODD, "12.60")
    assert [each["flag"] for each in got["segments"]] == ["", "", "", ""]
    finledger("features", "--books", books, "--month", "2026-07")
    assert all(name in capsys.readouterr().out for name in ODD[:1])


def test_features__everybody_s_charges_are_a_feature_s_or_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the sample's July: features, what nobody owns of them, and what has none, against `allocate`."""
    books = loaded("kestrel-freight", tmp_path)
    charges = finledger_json(capsys, "allocate", "--books", books, "--month", "2026-07")["charges"]
    got = finledger_json(capsys, "features", "--books", books, "--month", "2026-07")

    def cents(rows: list[dict[str, Any]], name: str) -> int:
        return sum(int(each[name].replace(".", "")) for each in rows)

    listed = cents(got["features"], "cost") + cents(got["features"], "unallocated") + cents(got["without_feature"], "cost")
    assert listed == cents(charges, "amount")
    by_feature = {each["feature"]: each["cost"] for each in got["features"]}
    mine = [each for each in charges if each["feature"] == "reply-drafts" and each["team"] != "(unallocated)"]
    assert cents([{"a": by_feature["reply-drafts"]}], "a") == cents(mine, "amount")
    gpu = units(capsys, books, "gpu")
    assert {each["team"] for each in gpu["gpu_by_team"]} >= {"pool:experiment-cluster", "warehouse-vision"}
    used = {each["gpu_sku"]: each["used_hours"] for each in gpu["gpu"]}
    assert set(used) == {"h100", "l40s"}


# ── a report's tables ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("moved", [False, True], ids=["books-as-they-were", "reorganised-since"])
def test_report__has_of_closed_months_what_units_has(
    moved: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From charges that are known already: July closed with late usage since, August open."""
    books = make_books(tmp_path / "books", {"july.csv": daily(JULY), "august.csv": daily(AUGUST, requests=2000)})
    close(books, JULY)
    load_late(books, "late.csv", [row("late-1", "2026-07-15", "search", 1000)])
    if moved:
        write(books / "finledger.yaml", TARGETS.replace("cost_center: cc-4815", "cost_center: cc-9999"))
    bench = Workbench(books)
    charges = {month: bench.allocate(month, record=False)[0] for month in (JULY, AUGUST)}
    tables = {table.name: table for table in unit_report(bench, {AUGUST: charges[AUGUST]}, charges)}
    assert list(tables)[:4] == ["unit-costs", "unit-costs-by-team", "unit-costs-by-model", "unit-cost-trend"]
    trend = program_rows(tables["unit-cost-trend"])
    assert [(each["month"], each["cost"], each["inferences"]) for each in trend] == [
        ("2026-07", "390.60", 31000),
        ("2026-08", "781.20", 62000),
    ]
    assert (
        program_rows(tables["unit-costs-by-team"])
        == units(capsys, books, "team", "--months", 2, month="2026-08")["unit_costs_by_team"]
    )
    assert {each["month"] for each in program_rows(tables["unit-costs"])} == {"2026-08"}
