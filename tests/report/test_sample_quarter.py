"""The sample company's third quarter: every figure of the page is that of `allocate` and `reconcile`; and the page in a browser."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from finledger.core.money import rounded_places
from finledger.core.period import Month
from finledger.workbench import Workbench
from finledger.workbench.shelf import Shelf
from finledger.write.figures import shown
from tests.chromium import Browser, browser, needs_chromium
from tests.report.pages import Row, feet_of, plain, printed, tables_of
from tests.support import ROOT, finledger

MONTHS = ("2026-07", "2026-08", "2026-09")
AXE = """axe.run(document, {resultTypes: ["violations"]}).then((found) => JSON.stringify(
  found.violations.map((each) => [each.id, each.help, each.nodes.slice(0, 3).map((node) => node.html)])))"""
SHOWN = """[...document.querySelectorAll("#table-%s tbody tr")].filter((each) => !each.hidden).map(
  (each) => each.cells[%d].textContent)"""


class Sample(NamedTuple):
    books: Path
    page: str
    tables: dict[str, list[Row]]
    allocated: dict[str, Any]
    reconciled: dict[str, Any]
    quarter: dict[str, Any]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The sample's books with the third quarter charged and open, and its report."""
    books = tmp_path_factory.mktemp("report") / "books"
    shutil.copytree(ROOT / "samples" / "kestrel-freight", books)
    for path in books.glob("usage/*/*2026-1*"):
        path.unlink()
    finledger("load", "--books", books, "--quiet")
    at = ("--books", books)
    allocated = {month: printed("allocate", "--month", month, *at) for month in MONTHS}
    reconciled = {month: printed("reconcile", "--month", month, "--dry-run", *at) for month in MONTHS}
    quarter = printed("reconcile", "--quarter", "2026-Q3", "--dry-run", *at)
    finledger("report", "--quarter", "2026-Q3", "--to", "html,json,csv,xlsx,openmetrics,md", "--quiet", *at)
    page = (books / "out/2026-Q3/report.html").read_text()
    return Sample(books, page, tables_of(page), allocated, reconciled, quarter)


def sums(rows: list[Any], keys: tuple[str, ...], amount: str) -> dict[tuple[str, ...], Decimal]:
    found: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for row in rows:
        found[tuple("" if row[key] == "–" else row[key] for key in keys)] += Decimal(plain(row[amount]))
    return dict(found)


def charges(sample: Sample) -> list[Row]:
    return [row for month in MONTHS for row in sample.allocated[month]["charges"]]


# ── the figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_bill__is_that_of_allocate(sample: Sample) -> None:
    expected = {(month, team): each for month in MONTHS for team, each in sample.allocated[month]["teams"].items()}
    shown = {(row["Month"], row["Team"]): row for row in sample.tables["bill"]}
    assert shown.keys() == expected.keys()
    for key, each in expected.items():
        row = shown[key]
        figures = [plain(row[name]) for name in ("Total", "Buffer draw", "Budget", "Variance")]
        none = "no budget"
        assert row["Stage"] == each["stage"]
        assert figures == [each["total"], each["buffer_draw"], each["budget"] or none, each["variance"] or none]
    whole = sum(Decimal(each["total"]) for each in expected.values())
    assert Decimal(plain(feet_of(sample.page)["bill"][3])) == whole


def test_spend_components_and_lines__are_the_charges_of_allocate(sample: Sample) -> None:
    rows = charges(sample)
    shown = sums(sample.tables["spend"], ("Month", "Team", "Feature", "Model", "Workload"), "Amount")
    assert shown == sums(rows, ("posting_month", "team", "feature", "model", "workload_type"), "amount")
    named = [{**row, "component": row["component"].replace("_", " ")} for row in rows]
    shown = sums(sample.tables["components"], ("Month", "Team", "Component"), "Amount")
    assert shown == sums(named, ("posting_month", "team", "component"), "amount")
    amounts = {row["line_id"]: row["line_amount"] for row in rows}
    lines = [row for name, table in sample.tables.items() if name.startswith("lines-") for row in table]
    assert {row["Item"].split("finledger explain ")[1].split()[-1]: plain(row["Amount"]) for row in lines} == amounts


def test_quality__is_that_of_allocate_month_by_month(sample: Sample) -> None:
    bills: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in sample.tables["quality-trend"]:
        key = (row["Month"], row["Feature"])
        bills[key] += Decimal(plain(row["Bill"]))
        each = sample.allocated[row["Month"]]["features"][row["Feature"]]
        coverage, fresh = (
            None if each[name] is None else Decimal(each[name]) * 100 for name in ("coverage", "in_distribution")
        )
        assert row["Coverage"] == ("not tracked" if coverage is None else f"{coverage.normalize():f} %")
        assert row["Freshness"] == ("not tracked" if fresh is None else f"{fresh.normalize():f} %")
        assert plain(row["Cost per correct task"]) == (each["cost_per_correct_task"] or "not measurable")
    assert bills == {
        (month, name): Decimal(each["total"])
        for month in MONTHS
        for name, each in sample.allocated[month]["features"].items()
    }


def test_unallocated_and_fund__are_those_of_allocate_and_reconcile(sample: Sample) -> None:
    for row in sample.tables["unallocated-trend"]:
        each = sample.allocated[row["Month"]]["unallocated"]
        assert plain(row["Unallocated"]) == each["amount"]
        assert Decimal(row["Share"].removesuffix(" %")) == round(Decimal(each["share"]) * 100, 2)
    for row in sample.tables["fund"]:
        each = sample.allocated[row["Month"]]["buffer"]
        assert [plain(row[name]) for name in ("Opening", "Contributions", "Repayments", "Draws")] == [
            each[name] for name in ("opening", "contributions", "repayments", "draws")
        ]
    (row,) = sample.tables["fund-quarter"]
    names = {"True-ups": "true_ups"}
    for heading in ("Opening", "Contributions", "Draws", "True-ups", "Rebates", "Closing", "Low", "High"):
        assert plain(row[heading]) == sample.quarter["buffer"][names.get(heading, heading.lower())], heading
    reserves = {row["Reserve"].replace(" ", "_"): row for row in sample.tables["reserves"]}
    for name, each in sample.quarter["reserves"].items():
        assert {key: plain(reserves[name][key.capitalize()]) for key in each} == each
    assert reserves.keys() == sample.quarter["reserves"].keys()
    by_class = {row["Class"].replace(" ", "_"): row for row in sample.tables["variances"]}
    assert by_class.keys() == {each["class"] for each in sample.quarter["variances"]}
    for each in sample.quarter["variances"]:
        row = by_class[each["class"]]
        for name in ("base", "token_cost", "provider_cost", "rate", "mix", "volume", "recovered"):
            text = plain(row[name.replace("_", " ").capitalize()])
            assert text == each[name] if each[name] is not None else text.startswith("no"), (each["class"], name)


def test_providers__are_those_of_reconcile(sample: Sample) -> None:
    rows = {row["Month"]: row for row in sample.tables["providers"]}
    assert rows.keys() == set(MONTHS)
    for month, row in rows.items():
        each = sample.reconciled[month]
        assert [plain(row[name]) for name in ("Metered", "Invoiced", "Unclassified")] == [
            each[name] for name in ("metered", "invoiced", "unclassified")
        ]
        for name, amount in each["classes"].items():
            heading = "Credit, tax, fee" if name == "credit_tax_fee" else name.replace("_", " ").capitalize()
            assert plain(row.get(heading, "0.00")) == amount, (month, name)


def test_recorded_months__say_what_allocate_says(sample: Sample) -> None:
    """What trends are made from in a year of which only the last month is charged anew."""
    bench = Workbench(sample.books)
    bench.__dict__[
        "capacity"
    ] = ()  # with reservations a month is charged anew: the ledger has no idle hours of the platform's
    for month in MONTHS:
        found = Shelf(bench).recorded(Month.parse(month))
        assert found is not None
        said = sample.allocated[month]
        assert {each.team: str(each.total) for each in found.teams} == {
            team: each["total"] for team, each in said["teams"].items()
        }
        assert {each.feature: (str(each.total), shown(each.cost_per_correct_task)) for each in found.features} == {
            name: (each["total"], each["cost_per_correct_task"]) for name, each in said["features"].items()
        }
        assert str(found.unallocated) == said["unallocated"]["amount"]
        assert str(rounded_places(found.unallocated_share, 6)) == said["unallocated"]["share"]


def test_checks__hold_and_every_law_of_allocate_is_there(sample: Sample) -> None:
    assert {row["Holds"] for row in sample.tables["checks"]} == {"yes"}
    said = {(row["Month"], row["Check"]) for row in sample.tables["checks"]}
    assert {(month, check["law"]) for month in MONTHS for check in sample.allocated[month]["checks"]} <= said


def test_lines__lead_to_their_exports_and_explain_agrees(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    lines = json.loads((sample.books / "out/2026-Q3/report.json").read_text())["tables"]["lines"]["rows"]
    line = next(
        row for row in lines if row["feature"] == "reply-drafts" and row["kind"] == "action" and "," in row["sources"]
    )
    words = line["explain"].split()[1:]
    found = printed(*words, "--books", sample.books)
    assert found["line"]["line_id"] == line["line_id"]
    files = {row["where"].rsplit(":", 1)[0].split("!")[0] for row in found["rows"]["first"]}
    assert files and all(any(file.startswith(name) for name in line["sources"].split(", ")) for file in files)


def test_provisional__is_marked_all_over(sample: Sample) -> None:
    headings = sample.page.count("<h2 ")
    assert sample.page.count('<span class="flag">Provisional</span>') == headings + 1
    assert "<title>Provisional: " in sample.page
    assert "**PROVISIONAL**" in (sample.books / "out/2026-Q3/report.md").read_text()


# ── a team's own page ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_team_pages__hold_nobody_elses_name_or_figure(sample: Sample) -> None:
    teams = sorted({team for month in MONTHS for team in sample.allocated[month]["teams"]})
    rows = charges(sample)
    for team in teams:
        page = (sample.books / f"out/2026-Q3/report/{team}.html").read_text()
        others = [name for name in (*teams, "(unallocated)") if name != team]
        features = {row["feature"] for row in rows if row["team"] != team} - {
            row["feature"] for row in rows if row["team"] == team
        }
        assert [name for name in (*others, *features) if name and name in page] == []
        assert [row["line_id"] for row in rows if row["team"] != team and row["line_id"] in page] == []
        own = {row["line_id"] for row in rows if row["team"] == team}
        assert all(line_id in page for line_id in own)
        totals = [sample.allocated[month]["teams"][name]["total"] for month in MONTHS for name in others if name in teams]
        assert [each for each in totals if len(each) > 5 and each in page.replace(",", "")] == []


def test_team__alone_is_the_same_page(sample: Sample, tmp_path: Path) -> None:
    words = ("--quarter", "2026-Q3", "--team", "customs-docs", "--out", tmp_path, "--quiet", "--books", sample.books)
    finledger("report", *words)
    alone = (tmp_path / "report/customs-docs.html").read_bytes()
    assert alone == (sample.books / "out/2026-Q3/report/customs-docs.html").read_bytes()


# ── in a browser ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@needs_chromium
@pytest.mark.parametrize("width", [1300, 900, 390])
@pytest.mark.parametrize("name", ["report.html", "report/customer-care.html"])
def test_page__fits_every_width_and_asks_nothing(sample: Sample, chromium: Browser, width: int, name: str) -> None:
    chromium.open(sample.books / "out/2026-Q3" / name, width)
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in chromium.requested if not url.endswith(name)] == []
    assert chromium.logged == []
    assert (
        chromium.evaluate("document.querySelectorAll('figure svg').length") == sample.page.count("<figure>") or "/" in name
    )


@needs_chromium
def test_filter__keeps_a_team_and_adds_up_what_is_shown(sample: Sample, chromium: Browser) -> None:
    chromium.open(sample.books / "out/2026-Q3/report.html")
    chosen = "[...document.querySelector('#filter-team').options].find(each => each.text === 'customs-docs').value"
    chromium.evaluate(f"document.querySelector('#filter-team').value = {chosen}")
    chromium.evaluate("document.querySelector('#filter-team').dispatchEvent(new Event('change', {bubbles: true}))")
    shown = SHOWN % ("bill", 1)
    assert chromium.evaluate(shown) == ["customs-docs"] * 3
    total = sum(Decimal(sample.allocated[month]["teams"]["customs-docs"]["total"]) for month in MONTHS)
    assert chromium.evaluate("document.querySelector('#table-bill tfoot').rows[0].cells[3].textContent") == f"{total:,f}"
    assert chromium.evaluate("document.querySelector('#filter-said').textContent").startswith(tuple("123456789"))
    chromium.type_into("#filter-words", "tariff-lookup")
    chromium.evaluate("new Promise(done => setTimeout(done, 300))")
    assert set(chromium.evaluate(SHOWN % ("spend", 2))) == {"tariff-lookup"}
    chromium.evaluate("document.querySelector('#filter button').click()")
    chromium.evaluate("new Promise(done => setTimeout(done, 50))")
    assert len(chromium.evaluate(shown)) == 21
    assert chromium.evaluate("document.querySelector('#filter-said').textContent") == ""


@needs_chromium
def test_keyboard__skips_to_the_figures_and_opens_a_team(sample: Sample, chromium: Browser) -> None:
    chromium.open(sample.books / "out/2026-Q3/report.html")
    chromium.press("Tab")
    assert chromium.evaluate("document.activeElement.textContent") == "Skip to the figures"
    chromium.evaluate("location.hash = '#team-customs-docs'; new Promise(done => setTimeout(done, 50))")
    assert chromium.evaluate("document.querySelector('#team-customs-docs').open")


@needs_chromium
def test_page__is_whole_without_its_script(sample: Sample, chromium: Browser) -> None:
    chromium.open(sample.books / "out/2026-Q3/report.html", script=False)
    found = chromium.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    form = chromium.call("DOM.querySelector", nodeId=found, selector="#filter[hidden]")["nodeId"]
    assert form, "a filter that cannot work is not shown"
    rows = chromium.call("DOM.querySelectorAll", nodeId=found, selector="#table-bill tbody tr")["nodeIds"]
    assert len(rows) == 21


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["report.html", "report/people-ops.html"])
def test_page__has_no_accessibility_violation(sample: Sample, chromium: Browser, name: str, dark: bool) -> None:
    axe = pytest.importorskip("axe_core_python", reason="install axe-core: pip install axe-core-python")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text()
    chromium.open(sample.books / "out/2026-Q3" / name, dark=dark)
    chromium.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    chromium.evaluate(script + "; 0")
    assert json.loads(chromium.evaluate(AXE)) == []
