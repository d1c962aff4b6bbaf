"""The samples are what they say: the articles' sums to the cent, and a company whose quarters run under every law."""

from __future__ import annotations

import csv
import gzip
import io
import json
import runpy
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from finledger.core.accounts import DEFAULT_ACCOUNTS
from tests import support

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLES = REPOSITORY / "samples"
COMPANY = SAMPLES / "kestrel-freight"
THIRD, FOURTH = ("2026-07", "2026-08", "2026-09"), ("2026-10", "2026-11", "2026-12")
MONTHS = (*THIRD, *FOURTH)
CHARGEBACK = {"customer-care", "customs-docs", "pricing-science", "route-planning"}
TEAMS = {*CHARGEBACK, "people-ops", "sales-enablement", "warehouse-vision"}
# The sales team was promoted for the fourth quarter.
PRO_FORMA = {month: TEAMS - CHARGEBACK - ({"sales-enablement"} if month in FOURTH else set()) for month in MONTHS}
ENGINES = ("reference", "duckdb")


def finledger(*words: str, books: Path, code: int = 0) -> str:
    """Run a command; what it printed. Another exit code than `code` fails the test."""
    with redirect_stdout(io.StringIO()) as printed:
        support.finledger(*words, "--books", books, expect=code)
    return printed.getvalue()


def as_json(*words: str, books: Path, code: int = 0) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(finledger(*words, "--format", "json", books=books, code=code))
    return result


def copied(sample: str, folder: Path) -> Path:
    return shutil.copytree(SAMPLES / sample, folder / sample, ignore=shutil.ignore_patterns("store", "out"))


def test_company__posts_to_a_chart_of_its_own() -> None:
    """Four teams stand at chargeback: the finance system takes a journal, and every account of it is mapped."""
    settings = yaml.safe_load((COMPANY / "finledger.yaml").read_text())
    assert settings["journal"] == "csv"
    assert settings["accounts"].keys() == DEFAULT_ACCOUNTS.keys()
    numbers = [account["number"] for account in settings["accounts"].values()]
    assert len(set(numbers)) == len(numbers)


def line_amounts(charges: dict[str, Any], **wanted: str) -> Decimal:
    """The sum of the lines (not their components) whose fields are these."""
    lines = {row["line_id"]: row for row in charges["charges"]}
    chosen = (row for row in lines.values() if all(row[name] == value for name, value in wanted.items()))
    return sum((Decimal(row["line_amount"]) for row in chosen), Decimal(0))


def usage_sum(books: Path, column: str, **wanted: str) -> Decimal:
    """The sum of a column of the sample's usage, read here by the standard library alone."""
    paths = sorted((books / "usage").glob("*.csv"))
    rows = [row for path in paths for row in csv.DictReader(path.read_text().splitlines())]
    chosen = (row for row in rows if all(row[name] == value for name, value in wanted.items()))
    return sum((Decimal(row[column] or 0) for row in chosen), Decimal(0))


def per_thousand(amount: Decimal, count: Decimal) -> Decimal:
    return (amount * 1000 / count).quantize(Decimal("0.01"))


# ── the worked examples of the articles ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("engine", ENGINES)
def test_u4__a_month_from_raw_rates(tmp_path: Path, engine: str) -> None:
    books = copied("u4-inference-team", tmp_path)
    finledger("load", books=books)
    charges = as_json("allocate", "--month", "2026-07", "--engine", engine, books=books)
    assert line_amounts(charges, component="gpu") == Decimal("14860.80")  # 619.2 x 24.00
    assert line_amounts(charges, item="inference") == Decimal("18600.00")  # 3,000 M x 3.00 + 800 M x 12.00
    assert line_amounts(charges, component="egress") == Decimal("98.30")  # 1,228.8 GiB x 0.08 = 98.304
    assert charges["teams"]["fraud-platform"]["total"] == "33559.10"
    inferences = usage_sum(books, "requests", action="inference")
    assert inferences == 2_000_000
    assert per_thousand(line_amounts(charges, item="inference"), inferences) == Decimal("9.30")
    assert per_thousand(Decimal(charges["teams"]["fraud-platform"]["total"]), inferences) == Decimal("16.78")
    assert usage_sum(books, "runs_completed") == 4
    assert Decimal("14860.80") / 4 == Decimal("3715.20")


@pytest.mark.parametrize("engine", ENGINES)
def test_u5__a_blended_invoice_by_fixed_shares(tmp_path: Path, engine: str) -> None:
    books = copied("u5-shared-pool", tmp_path)
    finledger("load", books=books)
    charges = as_json("allocate", "--month", "2026-07", "--engine", engine, books=books)
    totals = {team: figures["total"] for team, figures in charges["teams"].items()}
    assert totals == {"training": "21000.00", "inference": "33000.00", "research": "6000.00"}
    assert {row["component"] for row in charges["charges"]} == {"shared"}
    runs, completed = usage_sum(books, "runs"), usage_sum(books, "runs_completed")
    assert (runs, completed) == (17, 14)
    assert Decimal(totals["training"]) / completed == Decimal("1500.00")
    assert per_thousand(Decimal(totals["inference"]), usage_sum(books, "requests", team="inference")) == Decimal("1.50")
    loaded = as_json("usage", "summary", "--month", "2026-07", books=books)["usage"]
    assert sum(int(row["requests"]) for row in loaded) == 22_000_000


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("month", "actions", "total"), [("2026-09", "1500000", "60000.00"), ("2026-07", "1550000", "62000.00")]
)
def test_u6__what_one_feature_costs(tmp_path: Path, engine: str, month: str, actions: str, total: str) -> None:
    books = copied("u6-signal-sentence", tmp_path)
    finledger("load", books=books)
    charges = as_json("allocate", "--month", month, "--engine", engine, books=books)
    assert {(row["quantity"], row["unit_price"]) for row in charges["charges"]} == {(actions, "0.04")}
    assert charges["features"]["claims-helper"]["total"] == total
    assert charges["teams"]["claims"]["total"] == total


# ── the company ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company's books, with both quarters loaded."""
    books = copied("kestrel-freight", tmp_path_factory.mktemp("samples"))
    (books / "loaded.json").write_text(finledger("load", "--format", "json", books=books))
    return books


@cache
def charged(books: Path, month: str, engine: str = "duckdb") -> dict[str, Any]:
    return as_json("allocate", "--month", month, "--engine", engine, books=books)


def test_every_record_read_is_accounted_for(company: Path) -> None:
    loaded = json.loads((company / "loaded.json").read_text())
    for counts in (loaded, *loaded["files"]):
        assert counts["read"] == counts["accepted"] + counts["duplicate"] + counts["aggregate"] + counts["rejected"]
    assert {each["source"]: each["format"] for each in loaded["files"]} == {
        "native": "native", "litellm": "litellm", "focus": "focus", "cloud": "focus",
    }  # fmt: skip
    assert loaded["read"] == sum(records(path) for path in (COMPANY / "usage").glob("*/*.gz"))
    assert loaded["duplicate"] == 9
    assert loaded["rejected"] == 5
    assert loaded["aggregate"] == 3 * 110 + 3 * 22  # the root span of each agent run


def test_loading_again_changes_nothing(company: Path) -> None:
    before = charged(company, "2026-07")
    again = as_json("load", *map(str, sorted((company / "usage").glob("*/*.gz"))), books=company)
    assert again["accepted"] == 0
    assert as_json("allocate", "--month", "2026-07", books=company) == before


def test_quarantine_names_what_is_wrong(company: Path) -> None:
    found = as_json("usage", "quarantine", books=company)["quarantine"]
    assert sorted((row["column"], row["value"]) for row in found) == [
        ("gpu_hours", "n/a"),
        ("input_tokens", "-212"),
        ("requests", "1.5"),
        ("ts", "2026-08-32T09:14:00Z"),
        ("usage_id", ""),
    ]


@pytest.mark.parametrize("month", MONTHS)
def test_a_month_holds_under_every_law(company: Path, month: str) -> None:
    charges = charged(company, month)
    assert charges["checks"]
    assert [check for check in charges["checks"] if not check["holds"]] == []
    assert Decimal(0) < Decimal(charges["unallocated"]["share"]) < Decimal("0.05")
    assert set(charges["teams"]) == TEAMS
    for team, figures in charges["teams"].items():
        assert sum(Decimal(row["amount"]) for row in charges["charges"] if row["team"] == team) == Decimal(figures["total"])


@pytest.mark.parametrize("month", MONTHS)
def test_engines_agree_on_the_company(company: Path, month: str) -> None:
    assert charged(company, month, "reference") == charged(company, month, "duckdb")


def test_a_team_that_moves_is_charged_where_it_was(company: Path) -> None:
    centers = {
        month: {row["cost_center"] for row in charged(company, month)["charges"] if row["team"] == "customer-care"}
        for month in THIRD
    }
    assert centers == {"2026-07": {"cc-2120"}, "2026-08": {"cc-2120", "cc-2125"}, "2026-09": {"cc-2125"}}


def test_the_front_desks_key_changes_hands_in_september(company: Path) -> None:
    """A dated rule: the same key is care's until August and the sales team's from September (rule A9)."""

    def owners(month: str) -> set[str]:
        rows = charged(company, month)["charges"]
        chats = (row for row in rows if row["item"] == "chat_call" and row["model"] == "chat-small")
        return {row["team"] for row in chats if row["feature"] in ("reply-drafts", "proposal-writer")}

    assert [owners(month) for month in THIRD] == [{"customer-care"}, {"customer-care"}, {"sales-enablement"}]


@pytest.mark.parametrize("month", MONTHS)
def test_cloud_services_are_passed_through_at_effective_cost(company: Path, month: str) -> None:
    """By account, by tag, and for the team that moved, a line for each of its cost centres, each rounded once (rule C9)."""
    path = COMPANY / "usage" / "cloud" / f"cumulus-services-{month}.csv.gz"
    exact: dict[tuple[str, str], Decimal] = {}
    for row in csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())):
        key = ("", "")
        if row["SubAccountId"] == "4102-11":
            key = ("customs-docs", "cc-2130")
        elif "customer-care" in row["Tags"]:
            key = ("customer-care", "cc-2120" if row["ChargePeriodStart"] < "2026-08-17" else "cc-2125")
        exact[key] = exact.get(key, Decimal(0)) + Decimal(row["EffectiveCost"])
    charges = charged(company, month)
    for (team, center), cost in exact.items():
        if team:
            line = line_amounts(charges, component="passthrough", team=team, cost_center=center)
            assert line == cost.quantize(Decimal("0.01"), ROUND_HALF_UP)


@pytest.mark.parametrize("month", MONTHS)
def test_pools_are_shared_out_whole(company: Path, month: str) -> None:
    charges = charged(company, month)
    safety = next(pool for pool in charges["pools"] if pool["pool"] == "content-safety")
    shared = line_amounts(charges, component="shared", item="content-safety")
    assert shared + Decimal(safety["platform"]) == Decimal("3600.00")  # what the platform used itself stays with it
    users = {row["team"] for row in charges["charges"] if row["item"] == "experiment-cluster"}
    assert users == {"customs-docs", "pricing-science", "warehouse-vision"}
    assert not any(row["team"].startswith("pool:") for row in charges["charges"])


def test_each_team_gets_its_document(company: Path) -> None:
    for month in (*THIRD, FOURTH[0]):
        charged(company, month)
        issued = as_json("invoice", "--month", month, "--to", "html,json,md", books=company)["documents"]
        assert {each["team"] for each in issued if each["kind"] == "invoice"} == TEAMS - PRO_FORMA[month]
        assert {each["team"] for each in issued if each["kind"] != "invoice"} == PRO_FORMA[month]
        for team in TEAMS - PRO_FORMA[month]:
            page = next((company / "out" / month / "invoices").glob(f"*{team}*.html")).read_text()
            assert team in page and ("2026-Q3" if month in THIRD else "2026-Q4") in page


# ── the price of quality ────────────────────────────────────────────────────────────────────────────────────────────────


def premiums(books: Path, month: str, feature: str) -> dict[str, Decimal]:
    """What a feature's teams paid and got back in a month, by component."""
    found: dict[str, Decimal] = {}
    for row in charged(books, month)["charges"]:
        if row["feature"] == feature and row["component"] in ("coverage_premium", "coverage_credit", "freshness_premium"):
            found[row["component"]] = found.get(row["component"], Decimal(0)) + Decimal(row["amount"])
    return found


def test_coverage_that_recovers_within_the_quarter_gives_the_premium_back(company: Path) -> None:
    """Rule Q2: reply-drafts 0.50, 0.65, 0.82; document-extraction 0.62 while old declarations are read, then 0.83."""
    july, august, september = (premiums(company, month, "reply-drafts") for month in THIRD)
    assert july["coverage_premium"] > august["coverage_premium"] > 0
    assert september == {"coverage_credit": -(july["coverage_premium"] + august["coverage_premium"])}
    before, burst, after = (premiums(company, month, "document-extraction") for month in FOURTH)
    assert before == {}
    assert after == {"coverage_credit": -burst["coverage_premium"]}
    readme = (COMPANY / "README.md").read_text()
    assert f"{july['coverage_premium']} + {august['coverage_premium']} = {-september['coverage_credit']:,}" in readme
    assert f"its premium of {burst['coverage_premium']:,}" in readme


def test_what_nobody_grades_prices_as_at_the_floor_and_gets_nothing_back(company: Path) -> None:
    for month in MONTHS:
        feature = charged(company, month)["features"]["tariff-lookup"]
        assert (feature["coverage"], feature["multiplier"]) == (None, "1.5")
        assert set(premiums(company, month, "tariff-lookup")) == {"coverage_premium"}


def test_stale_evals_float_the_rate_across_the_quarters(company: Path) -> None:
    """Rule Q3: case-summaries is below 0.90 in August, September and October: 5, 10, 15 % of each line's base."""
    for month, months_stale in zip(MONTHS, (0, 1, 2, 3, 0, 0), strict=True):
        wanted = {"feature": "case-summaries", "workload_type": "inference", "team": "customer-care", "component": "base"}
        rows = charged(company, month)["charges"]
        bases = (Decimal(row["amount"]) for row in rows if all(row[name] == value for name, value in wanted.items()))
        parts = ((base * 5 * months_stale / 100).quantize(Decimal("0.01"), ROUND_HALF_UP) for base in bases)
        assert premiums(company, month, "case-summaries").get("freshness_premium", 0) == sum(parts)


def test_graded_cases_give_the_advisors_coverage(company: Path) -> None:
    """The sums are done by hand in the company's README. December is on target: October and November come back."""
    shown = [charged(company, month)["features"]["route-advisor"] for month in FOURTH]
    assert [Decimal(each["coverage"]) for each in shown] == [Decimal("0.52"), Decimal("0.61"), Decimal("0.95")]
    assert [Decimal(each["in_distribution"]) for each in shown] == [Decimal("0.95"), Decimal("0.95"), 1]
    paid = [premiums(company, month, "route-advisor") for month in FOURTH]
    assert paid[2] == {"coverage_credit": -(paid[0]["coverage_premium"] + paid[1]["coverage_premium"])}


# ── the bursting buffer, over two quarters ──────────────────────────────────────────────────────────────────────────────


@cache
def settled(books: Path, quarter: str) -> dict[str, Any]:
    """What closing a quarter would do. Its months are open, and that is all that stands in the way."""
    for month in MONTHS:
        charged(books, month)
    found = as_json("close", "--quarter", quarter, "--dry-run", books=books, code=1)
    assert {problem["code"] for problem in found["problems"]} == {"month-open"}
    return found


def fund(charges: dict[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(charges["buffer"][name]) for name in ("opening", "contributions", "draws", "closing")}


def test_the_fund_carries_over_from_month_to_month_and_quarter_to_quarter(company: Path) -> None:
    third, fourth = settled(company, "2026-Q3")["buffer"], settled(company, "2026-Q4")["buffer"]
    assert (third["opening"], fourth["opening"]) == ("900.00", third["closing"])
    balance = Decimal("900.00")
    for quarter, months in ((third, THIRD), (fourth, FOURTH)):
        funds = [fund(charged(company, month)) for month in months]
        for each in funds:
            assert each["opening"] == balance
            balance = each["opening"] + each["contributions"] - each["draws"]
            assert each["closing"] == balance >= 0
        for name in ("contributions", "draws"):
            assert sum(each[name] for each in funds) == Decimal(quarter[name])
        assert sum(map(Decimal, quarter["by_team"].values())) == Decimal(quarter["rebates"])
        balance -= Decimal(quarter["rebates"])
        assert balance == Decimal(quarter["closing"])


def test_the_surcharges_are_those_of_teams_whose_stage_moves_money(company: Path) -> None:
    for month in MONTHS:
        charges = charged(company, month)
        payers = TEAMS - PRO_FORMA[month]
        paid = (row["amount"] for row in charges["charges"] if row["component"] == "buffer" and row["team"] in payers)
        assert sum(map(Decimal, paid)) == fund(charges)["contributions"] > 0


def test_the_readmes_table_of_the_fund(company: Path) -> None:
    settled(company, "2026-Q4")
    amounts = ("opening", "contributions", "draws", "rebates", "closing")
    months = as_json("buffer", "status", books=company)["months"]
    rows = [" | ".join([f"| {each['month']}", *(f"{Decimal(each[name]):,}" for name in amounts)]) + " |" for each in months]
    assert len(rows) == 6
    assert "\n".join(rows) in (COMPANY / "README.md").read_text(), "the README's table should be:\n" + "\n".join(rows)


def test_august_is_a_burst_whose_draw_the_cap_limits(company: Path) -> None:
    """Rule B2: three times the forecast of 6,800.00 and more, so 1,000.00, the book's cap. Route planning has no burst."""
    charges = charged(company, "2026-08")
    science = charges["teams"]["pricing-science"]
    assert science["buffer_draw"] == "1000.00"
    assert Decimal(science["total"]) + 1000 >= 3 * Decimal("6800.00")
    assert charges["buffer"]["refused"] == [{"team": "route-planning", "reason": "threshold"}]
    assert [row["amount"] for row in charges["charges"] if row["component"] == "buffer_draw"] == ["-1000.00"]


def test_november_is_a_burst_that_empties_the_fund(company: Path) -> None:
    """Customs could draw 2,500.00, the new cap; there is less, and it gets all of that. A showback team draws nothing."""
    charges = charged(company, "2026-11")
    state, customs = fund(charges), charges["teams"]["customs-docs"]
    draw = Decimal(customs["buffer_draw"])
    before = Decimal(customs["total"]) + draw
    assert before >= 3 * Decimal("5700.00")
    assert draw == state["opening"] + state["contributions"] < min(Decimal("2500.00"), before - Decimal("5700.00"))
    assert state["closing"] == 0
    assert charges["buffer"]["refused"] == [{"team": "warehouse-vision", "reason": "stage"}]


def test_one_quarter_gives_back_and_the_next_falls_short(company: Path) -> None:
    """Rule B5: what is above 10 % of a month's base is rebated; below 5 % a surcharge is proposed, 5 % at the most."""
    third, fourth = settled(company, "2026-Q3"), settled(company, "2026-Q4")
    above, below = third["buffer"], fourth["buffer"]
    assert above["closing"] == above["high"] and Decimal(above["rebates"]) > 0
    assert set(above["by_team"]) == TEAMS - PRO_FORMA["2026-09"]
    short = Decimal(below["low"]) - Decimal(below["closing"])
    assert short > 0 and below["rebates"] == "0.00"
    needed = Decimal("0.04") * (short + Decimal(below["draws"])) / Decimal(below["contributions"])
    surcharge = below["surcharge"]
    assert Decimal(surcharge["needed"]) == needed.quantize(Decimal("0.0001"), ROUND_HALF_UP) > Decimal("0.05")
    assert (surcharge["current"], surcharge["proposed"], surcharge["reaches"]) == ("0.04", "0.05", False)
    assert "buffer-short" in {notice["code"] for notice in fourth["notices"]}


def test_the_reserves_pay_for_what_they_were_collected_for(company: Path) -> None:
    """Rules P3 and Q2: each holds what teams that pay were charged, and releases its costs, never more than it holds."""
    costs = list(csv.DictReader((COMPANY / "platform-costs.csv").read_text().splitlines()))
    paid_for = {
        "registry_reserve": (["registry"], ["registry"]),
        "eval_reserve": (["coverage_premium", "coverage_credit"], ["judge", "labelling", "harness", "trace_capture"]),
    }
    for name, (components, subsidies) in paid_for.items():
        held = Decimal(0)
        for quarter, months in (("2026-Q3", THIRD), ("2026-Q4", FOURTH)):
            reserve = {key: Decimal(value) for key, value in settled(company, quarter)["reserves"][name].items()}
            lines = [(month, row) for month in months for row in charged(company, month)["charges"]]
            paid = [
                row for month, row in lines if row["team"] in TEAMS - PRO_FORMA[month] and row["component"] in components
            ]
            cost = sum(Decimal(row["amount"]) for row in costs if row["month"] in months and row["component"] in subsidies)
            added = sum(Decimal(row["amount"]) for row in paid)
            assert (reserve["opening"], reserve["added"], reserve["cost"]) == (held, added, cost)
            assert reserve["released"] == min(held + added, cost) > 0
            held += added - reserve["released"]
            assert reserve["closing"] == held
            figures = (f"{reserve[key]:,}" for key in ("opening", "added", "cost", "released", "closing"))
            assert (
                " | ".join([f"| {name.replace('_', ' ')} | {quarter}", *figures]) + " |"
                in (COMPANY / "README.md").read_text()
            )


def test_reserved_accelerators_that_stood_idle_are_charged(company: Path) -> None:
    """Rule C6, from the exports by the standard library: 2.10 an hour that warehouse-vision reserved and did not use."""
    used: dict[str, dict[str, Decimal]] = {month: {} for month in MONTHS}
    for path in sorted((COMPANY / "usage" / "native").glob("*.gz")):
        for row in csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())):
            if (row["team"], row["gpu_sku"]) == ("warehouse-vision", "l40s") and row["gpu_hours"] != "n/a":
                used[row["ts"][:7]][row["usage_id"]] = Decimal(row["gpu_hours"])
    for row in csv.DictReader((COMPANY / "capacity.csv").read_text().splitlines()):
        if row["holder"] == "warehouse-vision":
            idle = max(Decimal(0), Decimal(row["reserved_hours"]) - sum(used[row["month"]].values()))
            line = line_amounts(charged(company, row["month"]), component="gpu_idle", team="warehouse-vision")
            assert line == (idle * Decimal("2.10")).quantize(Decimal("0.01"), ROUND_HALF_UP)


# ── the third quarter is closed ─────────────────────────────────────────────────────────────────────────────────────────

CLASSES = ("rate", "quantity", "duplicate", "rounding")
POSTED = {"2026-07": "12131.74", "2026-08": None, "2026-09": "20211.59"}  # of invoices; 10,185.72 + 10,025.87 in September


@pytest.fixture(scope="module")
def closed(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company's books with the third quarter closed, each month in its turn; August's invoice comes when August is closed."""
    books = shutil.copytree(company, tmp_path_factory.mktemp("closed") / "books")
    late = sorted((books / "provider-invoices").glob("cumulus-2026-08.*"))
    kept = {path: path.read_bytes() for path in late}
    for path in late:
        path.unlink()
    for month in THIRD:
        done = as_json("close", "--month", month, books=books)
        assert (done["problems"], done["waived"]) == ([], [])
        assert done["figures"].get("invoiced by providers") == POSTED[month]
        for path, content in kept.items() if month == "2026-08" else ():
            path.write_bytes(content)
    assert as_json("close", "--quarter", "2026-Q3", books=books)["problems"] == []
    return books


def test_closing_changes_no_figure(company: Path, closed: Path) -> None:
    """A month that is closed is what it was when it was open."""
    for month in THIRD:
        again = as_json("allocate", "--month", month, books=closed)
        assert again["charges"] == charged(company, month)["charges"]
    before, after = settled(company, "2026-Q3"), as_json("reconcile", "--quarter", "2026-Q3", books=closed)
    assert after["problems"] == []
    assert {part: after[part] for part in ("buffer", "reserves", "teams")} == {
        part: before[part] for part in ("buffer", "reserves", "teams")
    }


def test_every_cent_of_the_providers_invoices_has_a_class(closed: Path) -> None:
    readme = (COMPANY / "README.md").read_text()
    for month in THIRD:
        found = as_json("reconcile", "--month", month, "--as-of", "2026-Q3", books=closed)
        assert (found["unclassified"], found["accruals"], found["problems"]) == ("0.00", [], [])
        figures = [Decimal(found[name]) for name in ("metered", "invoiced")]
        figures += [Decimal(found["classes"][name]) for name in ("credit_tax_fee", *CLASSES)]
        assert figures[1] - figures[0] == sum(figures[2:])
        row = " | ".join([f"| CU-{month}", *(f"{amount:,}" for amount in figures)]) + " |"
        assert row in readme, f"the README's table should have\n{row}"
        sent = list(csv.DictReader((COMPANY / "provider-invoices" / f"cumulus-{month}.csv").read_text().splitlines()))
        assert sum(Decimal(line["amount"]) for line in sent) == figures[1]


def test_the_late_invoice_is_accrued_and_posted_when_it_comes(closed: Path) -> None:
    """Accrued on 31 August, taken back on 1 September, posted on 14 September; each exported journal says so."""
    entries = {}
    for path in sorted(closed.glob("out/2026-??/journal/*.csv")):
        for row in csv.DictReader(path.read_text().splitlines()):
            if "/provider/" in row["journal_id"] and row["component"] in ("accrued_provider_cost", "provider_payable"):
                amount = Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
                entries[row["journal_id"].partition("/provider/cumulus/")[2], row["posting_date"]] = amount
    assert entries == {
        ("2026-07/invoice/CU-2026-07", "2026-07-31"): Decimal("-12131.74"),  # of 4 August, before July was closed
        ("2026-08/accrual", "2026-08-31"): Decimal("-10146.46"),
        ("2026-08/reversal", "2026-09-01"): Decimal("10146.46"),
        ("2026-08/invoice/CU-2026-08", "2026-09-14"): Decimal("-10185.72"),
        ("2026-09/invoice/CU-2026-09", "2026-09-30"): Decimal("-10025.87"),
    }


def test_the_closed_quarter_is_verified_ties_and_is_blocked_by_nothing(closed: Path) -> None:
    """Graded cases and their segments are sealed, too: the quarter is worked out again from what was sealed."""
    found = as_json("verify", books=closed)
    assert [each["period"] for each in found["closes"]] == [*THIRD, "2026-Q3"] and found["problems"] == []
    accounts = as_json("trial-balance", "--quarter", "2026-Q3", books=closed)["accounts"]
    closing = {row["account"]: Decimal(row["closing"]) for row in accounts if row["cost_center"] == "cc-2000"}
    assert closing["Provider invoices to come"] == 0
    assert closing["Trade payables"] == -Decimal("32343.33")
    assert closing["Differences of provider invoices"] == Decimal("29.69")
    assert closing["Bursting buffer"] == -Decimal("778.75")
    assert sum(Decimal(row["closing"]) for row in accounts) == 0
    blockers = as_json("stage", "status", books=closed)["blockers"]
    assert [each["blocker"] for each in blockers if each["stands"]] == [], "four teams are charged: nothing blocks it"


# ── how they are made ───────────────────────────────────────────────────────────────────────────────────────────────────


def records(path: Path) -> int:
    """The records of an export, counted by its lines: none of the samples has a line break inside a field."""
    return gzip.decompress(path.read_bytes()).count(b"\n") - (0 if ".jsonl" in path.name else 1)


def generated(folder: Path, *options: str) -> None:
    command = [sys.executable, "-B", str(SAMPLES / "generate.py"), str(folder), *options]
    subprocess.run(command, check=True, capture_output=True)


def test_the_generator_writes_what_is_committed(tmp_path: Path) -> None:
    generated(tmp_path / "once")
    generated(tmp_path / "twice")
    committed = {path.relative_to(COMPANY): path for path in (COMPANY / "usage").rglob("*.gz")}
    assert len(committed) == 24
    for name, path in committed.items():
        once = (tmp_path / "once" / name).read_bytes()
        assert once == (tmp_path / "twice" / name).read_bytes()
        # compressed bytes depend on the machine's zlib; what is compressed does not
        assert gzip.decompress(once) == gzip.decompress(path.read_bytes()), f"run python samples/generate.py: {name} is old"
    for text in (COMPANY / "finledger.yaml", *sorted((COMPANY / "provider-invoices").iterdir())):
        assert (tmp_path / "once" / text.relative_to(COMPANY)).read_bytes() == text.read_bytes(), f"{text.name} is old"


def test_seed_and_scale_change_the_exports(tmp_path: Path) -> None:
    generated(tmp_path, "--seed", "7", "--scale", "2")
    path = Path("usage", "litellm", "spendlogs-2026-07.jsonl.gz")
    assert records(tmp_path / path) == 2 * records(COMPANY / path)
    assert (tmp_path / path).read_bytes() != (COMPANY / path).read_bytes()


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in COMPANY.rglob("*.gz")) < 3_000_000


@pytest.mark.parametrize("quarter", ["2026-Q3", "2026-Q4"])
def test_published_prices_are_their_stack(quarter: str) -> None:
    """base x (1 + overhead) x (1 + buffer), rounded to price_digits (rule P3)."""
    book = yaml.load((COMPANY / "pricebooks" / f"{quarter}.yaml").read_text(), yaml.BaseLoader)
    factor = (1 + Decimal(book["uplift"]["overhead"])) * (1 + Decimal(book["uplift"]["buffer"]))
    stated = [each for action in book["actions"].values() for each in (action, *action.get("by_model", {}).values())]
    prices = [each for each in stated if "price" in each]
    assert len(prices) == 10
    for price in prices:
        assert Decimal(price["price"]) == (Decimal(price["base"]) * factor).quantize(Decimal("0.000001")), price
    for rates in book["models"].values():
        assert "output" not in rates or 3 <= Decimal(rates["output"]) / Decimal(rates["input"]) <= 5


@pytest.mark.parametrize("quarter", ["2026-Q3", "2026-Q4"])
def test_the_provider_charges_what_the_book_says(quarter: str) -> None:
    book = yaml.load((COMPANY / "pricebooks" / f"{quarter}.yaml").read_text(), yaml.BaseLoader)
    charged_by_provider = runpy.run_path(str(SAMPLES / "generator" / "world.py"))["PROVIDER_RATES"][quarter]
    names = ("input", "cached_input", "cache_write", "output")
    for model, rates in charged_by_provider.items():
        assert rates == tuple(book["models"][model].get(name, "0") for name in names)
