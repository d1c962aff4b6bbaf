"""The closed quarter of example 66, whose figures its README adds up by hand: the page and its JSON are what was closed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.examples import script
from tests.report.pages import Row, plain, printed, tables_of
from tests.support import ROOT, copy_books, finledger

MONTHS = ("2026-07", "2026-08", "2026-09")
FUND = {  # opening, contributions, draws, closing
    "2026-07": ("700.00", "27.60", "0.00", "727.60"),
    "2026-08": ("727.60", "54.60", "630.00", "152.20"),
    "2026-09": ("152.20", "24.90", "0.00", "59.50"),  # with the quarter's true-up of 6.30 and rebate of 111.30
}
OPENAI = {  # metered, invoiced, rate, tax: by the books of the quarter's close
    "2026-07": ("384.00", "392.66", "0.96", "7.70"),
    "2026-08": ("732.00", "732.00", "0.00", "0.00"),
    "2026-09": ("312.00", "312.00", "0.00", "0.00"),
}
TOTALS = {
    ("2026-07", "ads"): "189.00", ("2026-07", "search"): "390.60",
    ("2026-08", "ads"): "63.00", ("2026-08", "search"): "453.60",
    ("2026-09", "ads"): "132.30", ("2026-09", "search"): "390.60",
}  # fmt: skip
Rows = list[dict[str, Any]]


class Quarter(NamedTuple):
    books: Path
    page: str
    shown: dict[str, list[Row]]
    tables: dict[str, Rows]
    provisional: bool
    allocated: dict[str, Any]
    settled: dict[str, Any]


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Quarter:
    books = copy_books(ROOT / "tests/examples/66-quarter-closed", tmp_path_factory.mktemp("closed") / "books")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(books)
        script.run(books / "expected", None, before="finledger verify")
    at = ("--books", books)
    finledger("report", "--quarter", "2026-Q3", "--to", "html,json", "--quiet", *at)
    page = (books / "out/2026-Q3/report.html").read_text()
    whole = json.loads((books / "out/2026-Q3/report.json").read_text())
    allocated = {month: printed("allocate", "--month", month, *at) for month in MONTHS}
    settled = printed("reconcile", "--quarter", "2026-Q3", *at)
    tables = {name: table["rows"] for name, table in whole["tables"].items()}
    return Quarter(books, page, tables_of(page), tables, whole["provisional"], allocated, settled)


def test_bill_and_components__are_those_that_were_closed(quarter: Quarter) -> None:
    assert {(row["month"], row["team"]): row["total"] for row in quarter.tables["bill"]} == TOTALS
    assert {(row["Month"], row["Team"]): plain(row["Total"]) for row in quarter.shown["bill"]} == TOTALS
    for month in MONTHS:
        teams = quarter.allocated[month]["teams"]
        assert {team: each["total"] for team, each in teams.items()} == {
            team: total for (of, team), total in TOTALS.items() if of == month
        }
    base = sum(Decimal(row["amount"]) for row in quarter.tables["components"] if row["component"] == "base")
    assert base == Decimal("1785.00")
    amounts = {row["line_id"]: row["line_amount"] for month in MONTHS for row in quarter.allocated[month]["charges"]}
    assert {row["line_id"]: row["amount"] for row in quarter.tables["lines"]} == amounts


def test_fund__is_rolled_forward_and_settled_as_it_was_closed(quarter: Quarter) -> None:
    names = ("opening", "contributions", "draws", "closing")
    assert {row["month"]: tuple(row[name] for name in names) for row in quarter.tables["fund"]} == FUND
    shown = {row["Month"]: tuple(plain(row[name.capitalize()]) for name in names) for row in quarter.shown["fund"]}
    assert shown == FUND
    (row,), (on_page,) = quarter.tables["fund-quarter"], quarter.shown["fund-quarter"]
    expected = {"opening": "700.00", "contributions": "107.10", "draws": "630.00", "true_ups": "-6.30", "rebates": "111.30"}
    for name, amount in {**expected, "closing": "59.50"}.items():
        assert row[name] == amount
        assert plain(on_page[name.replace("_", "-").capitalize()]) == amount
        assert quarter.settled["buffer"][name] == amount


def test_providers__are_those_that_the_quarter_was_closed_with(quarter: Quarter) -> None:
    names = ("metered", "invoiced", "rate", "credit_tax_fee")
    assert {row["month"]: tuple(row[name] for name in names) for row in quarter.tables["providers"]} == OPENAI
    for row in quarter.shown["providers"]:
        shown = tuple(plain(row[name]) for name in ("Metered", "Invoiced", "Rate", "Credit, tax, fee"))
        assert shown == OPENAI[row["Month"]]
    for month in MONTHS:
        then = printed("reconcile", "--month", month, "--as-of", "2026-Q3", "--books", quarter.books)
        said = (then["metered"], then["invoiced"], *(then["classes"].get(name, "0.00") for name in names[2:]))
        assert said == OPENAI[month]
        assert then["unclassified"] == "0.00"


def test_closed__is_final_everywhere(quarter: Quarter) -> None:
    assert not quarter.provisional
    assert "Provisional" not in quarter.page
    assert "Final: every month of it is closed." in quarter.page
    assert all(row["status"].startswith("closed by close ") for row in quarter.tables["months"])
    assert {row["holds"] for row in quarter.tables["checks"]} == {"yes"}


def test_as_of__is_what_a_close_believed_and_leaves_the_books_alone(quarter: Quarter, tmp_path: Path) -> None:
    """When July was closed, OpenAI's invoice had not come, and the worker's calls were not known."""
    words = ("report", "--month", "2026-07", "--as-of", "2026-07", "--to", "html,json", "--quiet", "--books", quarter.books)
    finledger(*words)
    assert not (quarter.books / "out/2026-07/report.html").exists()
    finledger(*words, "--out", tmp_path)
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["believed_at_close"] == "2026-07"
    assert [row["closing"] for row in found["tables"]["fund"]["rows"]] == ["727.60"]
    assert "providers" not in found["tables"]
    (accrual,) = found["tables"]["provider-accruals"]["rows"]
    assert accrual["amount"] == "368.00"
    page = (tmp_path / "report.html").read_text()
    assert "As it was believed at the close 2026-07." in page
    assert "finledger report --month 2026-07 --as-of 2026-07 --out DIR" in page
    finledger("report", "--month", "2026-07", "--as-of", "2026-11", "--books", quarter.books, expect=2)
