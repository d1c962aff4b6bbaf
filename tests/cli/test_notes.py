"""Notes from the command line: late usage and a credit of a closed month, on documents that name what they correct (L3, L4).

1,000 chat calls are 12.60. July is closed with 30,000 of search (378.00) and 500 of support (6.30). 10,000 more of search come
in late: 126.00 on a debit note of August. Support's 500 were search's: 6.30 are credited, and billed to search.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finledger.books.ledger import Ledger
from finledger.workbench import Workbench
from finledger.workbench.numbers import number_of, void_notes
from tests.support import ROOT, finledger, finledger_json, once

SETTINGS = """books: Notes
currency: USD
platform: {team: ai-platform, cost_center: cc-1000}
teams:
  search: {cost_center: cc-1, stage: chargeback, features: [answers]}
  support: {cost_center: cc-2, stage: chargeback}
"""
HEADER = "usage_id,ts,team,feature,workload_type,model,action,requests\n"
EVALS = "month,feature,coverage,in_distribution,tasks,graded,correct\n2026-07,answers,0.90,0.95,1000,100,80\n"
WAIVED = ("--waive", "days-missing", "--by", "Bo Chen", "--reason", "one row a month is all there is")
Run = Callable[..., Any]


def _load(books: Path, name: str, month: str, team: str, feature: str, calls: int) -> None:
    row = f"{name},{month}-10T12:00:00Z,{team},{feature},inference,gpt-large,chat_call,{calls}\n"
    (books / "usage").mkdir(exist_ok=True)
    (books / "usage" / f"{name}.csv").write_text(HEADER + row)
    finledger("load", books / "usage" / f"{name}.csv", "--books", books)


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """July closed; late usage of July and a rebilled credit of July are posted in August."""
    once(tmp_path, "books with notes in August", lambda: _make(tmp_path))
    return tmp_path


def _make(tmp_path: Path) -> None:
    (tmp_path / "pricebooks").mkdir()
    (tmp_path / "evals").mkdir()
    (tmp_path / "finledger.yaml").write_text(SETTINGS)
    (tmp_path / "evals/july.csv").write_text(EVALS)
    (tmp_path / "pricebooks/2026-Q3.yaml").write_text((ROOT / "tests/examples/50-loan/pricebooks/2026-Q3.yaml").read_text())
    _load(tmp_path, "search-july", "2026-07", "search", "answers", 30_000)
    _load(tmp_path, "support-july", "2026-07", "support", "", 500)
    _load(tmp_path, "search-august", "2026-08", "search", "answers", 40_000)
    finledger("invoice", "--month", "2026-07", "--to", "json,md", "--books", tmp_path)
    finledger("close", "--month", "2026-07", *WAIVED, "--books", tmp_path)
    _load(tmp_path, "late", "2026-07", "search", "answers", 10_000)
    line = _lines(tmp_path / "out/2026-07/invoices/INV-2026-0002-support.json")[0]
    said = ("--reason", "Our load test", "--by", "Bo Chen", "--on", "2026-09-03", "--rebill", "search")
    finledger("credit", "INV-2026-0002", line, *said, "--books", tmp_path)


def _lines(document: Path) -> list[str]:
    return [line["line_id"] for line in json.loads(document.read_text())["lines"]]


def _documents(books: Path, capsys: pytest.CaptureFixture[str], month: str = "2026-08") -> dict[str, dict[str, Any]]:
    made = finledger_json(capsys, "invoice", "--month", month, "--to", "json,md", "--books", books)
    return {each["number"]: each for each in made["documents"]}


def test_invoice__gives_notes_numbers_of_their_own_and_the_originals(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = {path: path.read_bytes() for path in (books / "out/2026-07").rglob("*") if path.is_file()}
    found = _documents(books, capsys)
    assert {number: (each["kind"], each["team"], each["original"], each["total"]) for number, each in found.items()} == {
        "INV-2026-0003": ("invoice", "search", "", "504.00"),
        "INV-2026-0004": ("invoice", "support", "", "0.00"),
        "DN-2026-0001": ("debit_note", "search", "INV-2026-0001", "126.00"),
        "DN-2026-0002": ("debit_note", "search", "", "6.30"),
        "CN-2026-0001": ("credit_note", "support", "INV-2026-0002", "-6.30"),
    }
    assert sorted(path.name for path in (books / "out/2026-08/notes").glob("*.json")) == [
        "CN-2026-0001-support.json", "DN-2026-0001-search.json", "DN-2026-0002-search.json",
    ]  # fmt: skip
    assert _documents(books, capsys) == found  # numbers are given once
    assert closed == {path: path.read_bytes() for path in closed}  # and the closed month's documents never change


def test_notes__say_why_and_what_the_restated_month_bought(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """July's answers: 40,000 calls are 504.00 for 1,000 x 80 / 100 = 800 correct tasks: 0.63 each."""
    _documents(books, capsys)
    debit = json.loads((books / "out/2026-08/notes/DN-2026-0001-search.json").read_text())
    assert [(each["feature"], each["charged"], each["total"], each["coverage"]) for each in debit["quality"]] == [
        ("answers", "126.00", "504.00", "0.90")
    ]
    assert debit["quality"][0]["cost_per_correct_task"] == "0.63"
    assert debit["reason"] == "Usage of July 2026 that was loaded after the month had been closed."
    assert debit["entry_ids"] == ["2026-08/search/cc-1/2026-07"]
    rebilled = (books / "out/2026-08/notes/DN-2026-0002-search.md").read_text()
    assert "Concerns July 2026. Reason: Billed to support before, on INV-2026-0002: Our load test" in rebilled
    credit = (books / "out/2026-08/notes/CN-2026-0001-support.md").read_text()
    assert "Corrects INV-2026-0002 of July 2026. Reason: Our load test" in credit
    assert "Provisional: 2026-08 is open" in credit


def test_dispute__marks_the_line_on_its_note_and_closing_seals_it(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _documents(books, capsys)
    (line,) = _lines(books / "out/2026-08/notes/DN-2026-0001-search.json")
    said = ("--by", "Ada Byte", "--reason", "we ran nothing", "--on", "2026-09-04")
    finledger("dispute", "open", "DN-2026-0001", line, *said, "--books", books)
    _documents(books, capsys)
    note = (books / "out/2026-08/notes/DN-2026-0001-search.md").read_text()
    assert "held: D-2026-0001: we ran nothing" in note and "| Held in dispute | 126.00 | 1 line |" in note
    finledger("close", "--month", "2026-08", "--waive", "dispute-open", *WAIVED, "--books", books)
    sealed = (books / "out/2026-08/notes/DN-2026-0001-search.md").read_text()
    root = re.search(r"Closed: close (\d+), root `([0-9a-f ]+)`", sealed)
    assert root is not None and "Final: 2026-08 is closed" in sealed
    closes = {event.number: event.hash for event in Ledger.open(books / "store/ledger.sqlite").events("close")}
    assert closes[int(root[1])] == root[2].replace(" ", "")


def test_explain__a_note_has_its_own_lines_and_the_invoice_does_not(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _documents(books, capsys)
    (line,) = _lines(books / "out/2026-08/notes/DN-2026-0001-search.json")
    assert finledger_json(capsys, "explain", "DN-2026-0001", line, "--books", books)["document"] == {
        "name": "DN-2026-0001", "kind": "note",
    }  # fmt: skip
    finledger("explain", "INV-2026-0003", line, "--books", books, expect=2)
    assert f"'{line}' is no line of INV-2026-0003, but of 2026-08/search" in capsys.readouterr().err


def test_numbers__of_a_line_and_files_whose_number_nobody_carries(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A note that was a credit first and is a debit now has a number of each series: the first one's files go."""
    _documents(books, capsys)
    bench = Workbench(books)
    lines = bench.ledger.charge_rows(bench.months()[-1])
    assert sorted(number_of(bench.ledger, line) for line in lines) == [
        "CN-2026-0001",
        "DN-2026-0001",
        "DN-2026-0002",
        "INV-2026-0003",
    ]
    with bench.ledger.write() as ledger:
        ledger.number_note("", "CN", 2026, bench.months()[-1], "search", "2026-07")
    stale = books / "out/2026-08/notes/CN-2026-0002-search.md"
    stale.write_text("a credit, once")
    _, documents = Workbench(books).issue(bench.months()[-1], record=False)
    assert void_notes(bench.ledger, documents, books / "out") == (stale,)
    _documents(books, capsys)
    assert not stale.exists() and (books / "out/2026-08/notes/CN-2026-0001-support.md").exists()
