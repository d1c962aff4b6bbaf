"""A report's forms, with names that want to be more than text; and a report too large for a page."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from finledger.core.problem import Refused
from finledger.core.report import Report
from finledger.resources import shipped
from finledger.workbench.report import team_reports
from finledger.write import report as writers
from finledger.write.templates import Templates
from finledger.write.text import shown
from tests.chromium import browser, needs_chromium
from tests.report.made import AUGUST, JULY, NASTY, report
from tests.report.pages import feet_of, tables_of

SHIPPED = shipped("templates")


def made(format: str, of: Report) -> bytes:
    (content,) = writers.contents(format, of, Templates([SHIPPED])).values()
    return content


@pytest.fixture(scope="module")
def nasty() -> Report:
    return report(NASTY, (JULY, AUGUST))


@pytest.mark.parametrize("format", writers.formats())
def test_form__is_the_same_to_the_byte_every_time(format: str, nasty: Report) -> None:
    first = writers.contents(format, nasty, Templates([SHIPPED]))
    assert first == writers.contents(format, nasty, Templates([SHIPPED]))
    assert all(first.values())


def test_html__shows_names_as_text(nasty: Report) -> None:
    page = made("html", nasty).decode()
    assert [row["Team"] for row in tables_of(page)["bill"]] == [" ".join(shown(name).split()) for name in NASTY]
    assert page.count("<script") == 1, "the page's own, and no other"
    assert "<img" not in page and "<b>" not in page


@needs_chromium
def test_html__runs_nothing_that_a_name_says(nasty: Report, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_bytes(made("html", nasty))
    with browser() as page:
        page.open(tmp_path / "report.html")
        assert page.evaluate("window.broken === undefined")
        assert page.logged == []
        assert [url for url in page.requested if not url.endswith("report.html")] == []
        assert page.evaluate("document.querySelector('#filter-team').options.length") == len(NASTY) + 1


def test_json__is_exact_and_says_why_a_figure_is_missing(nasty: Report) -> None:
    found = json.loads(made("json", nasty))
    assert (found["schema"], found["provisional"], found["as_of"]) == (1, True, "2026-08-20")
    row = found["tables"]["quality"]["rows"][0]
    assert row["team"] == NASTY[0]
    assert [row[name] for name in ("bill", "coverage", "freshness", "cost_per_correct_task")] == [
        "50.00",
        "0.5",
        None,
        "0.25",
    ]
    assert row["freshness_missing"] == "not tracked"


def test_csv__is_a_file_a_table_and_no_cell_is_a_formula(nasty: Report) -> None:
    files = writers.contents("csv", nasty, Templates([SHIPPED]))
    assert set(files) == {f"report-csv/{table.name}.csv" for table in nasty.tables}
    rows = list(csv.DictReader(io.StringIO(files["report-csv/bill.csv"].decode(), newline="")))
    assert [row["team"].removeprefix("'") for row in rows] == list(NASTY)
    assert not [cell for row in rows for cell in row.values() if cell.lstrip()[:1] in tuple("=+@")]
    assert rows[0]["variance"] == "100.00"


def test_xlsx__has_a_sheet_a_table_with_numbers_and_frozen_headers(nasty: Report) -> None:
    book = openpyxl.load_workbook(io.BytesIO(made("xlsx", nasty)))
    assert book.sheetnames == ["Contents", *(table.name for table in nasty.tables)]
    sheet = book["bill"]
    assert sheet.freeze_panes == "A2"
    assert [sheet.cell(row, 2).value for row in range(2, 2 + len(NASTY))] == [shown(name) for name in NASTY]
    assert {cell.data_type for each in book for row in each for cell in row} <= {"s", "n"}
    assert (sheet["D2"].value, sheet["D2"].number_format) == (1000, "#,##0.00;[Red]-#,##0.00")
    assert book["quality"]["D2"].number_format == "0.00 %"
    assert book["quality"]["E2"].value == "not tracked"
    assert [cell.value for cell in book["checks"][2]][1:] == ["lines = bill", 1.5, 1.5, "yes"]


def test_openmetrics__is_read_by_prometheus(nasty: Report) -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="pip install prometheus-client")
    text = made("openmetrics", nasty).decode()
    assert text.endswith("# EOF\n")
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    bill = families["finledger_bill_total_usd"]
    assert (bill.unit, bill.type) == ("usd", "gauge")
    assert [sample.labels["team"] for sample in bill.samples] == list(NASTY)
    assert [sample.value for sample in bill.samples] == [1000 + number / 100 for number in range(len(NASTY))]
    assert "finledger_quality_freshness_ratio" not in families, "what is not tracked is no zero"
    assert [sample.value for sample in families["finledger_checks_hold"].samples] == [1]


def test_markdown__keeps_names_as_text(nasty: Report) -> None:
    page = made("md", nasty).decode()
    assert "<script" not in page and "<img" not in page
    assert "**PROVISIONAL**" in page
    assert len([line for line in page.splitlines() if "chargeback" in line]) == len(NASTY)


def test_template__without_quality_or_mark_is_refused(nasty: Report, tmp_path: Path) -> None:
    folder = tmp_path / "templates" / "report"
    folder.mkdir(parents=True)
    page = (SHIPPED / "report" / "page.html.j2").read_text()
    for content, missing in (
        ('{% extends "finledger/report/page.html.j2" %}{% block sections %}{% endblock %}', "quality table"),
        (page.replace("{{ page.provisional }}", ""), "provisional"),
    ):
        (folder / "page.html.j2").write_text(content)
        with pytest.raises(Refused) as refused:
            writers.contents("html", nasty, Templates([tmp_path / "templates", SHIPPED]))
        assert refused.value.problems[0].code == "template-incomplete"
        assert missing in refused.value.problems[0].message


def test_team_reports__are_what_of_team_gives(nasty: Report) -> None:
    found = list(team_reports(nasty))
    assert [each.team for each in found] == sorted(NASTY)
    assert found == [nasty.of_team(each.team) for each in found]


def test_one_team__has_a_page_without_a_filter() -> None:
    page = made("html", report(("alone",))).decode()
    assert 'id="filter"' not in page
    assert [row["Team"] for row in tables_of(page)["bill"]] == ["alone"]


@needs_chromium
def test_two_thousand_teams__fit_a_page(tmp_path: Path) -> None:
    """What a page takes to open grows with its bytes and its elements; `python -m bench.report` has the seconds."""
    months = tuple(sorted({JULY, AUGUST}))
    large = report(tuple(f"team-{number:04}" for number in range(2000)), months, lines=10)
    page = made("html", large)
    assert len(page) < 5_000_000
    tables = tables_of(page.decode())
    assert len(tables["bill"]) == 2000
    assert len(tables["spend"]) < 4000
    assert "largest by amount of 4,000 rows. All of them: finledger report --month 2026-08 --to xlsx,csv" in page.decode()
    total = sum(Decimal("500.00") for _ in range(4000))
    assert feet_of(page.decode())["spend"][-1] == f"{total:,f}", "the total is of all rows"
    assert "the 120 largest of 2,000 teams" in page.decode()
    (tmp_path / "report.html").write_bytes(page)
    with browser() as opened:
        opened.open(tmp_path / "report.html")
        assert opened.evaluate("document.getElementsByTagName('*').length") < 100_000
        assert opened.logged == []
