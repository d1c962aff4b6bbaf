"""Disputes and credits from the command line (rule L4), on worked examples; their sums stand in the examples' README.md."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finledger.books.events import broken_links
from finledger.core.credit import credits_of
from finledger.core.period import Month
from finledger.workbench import Workbench
from tests.support import ROOT, copy_books, finledger, finledger_json, prepared

EXAMPLES = ROOT / "tests" / "examples"
ADS, SUPPORT = "L12e4634b0176234", "L4c2e2ca7c020778"
OPEN = ("--reason", "Not our calls", "--by", "Ann Lee", "--on", "2026-02-10")
DECIDE = ("--by", "Bo Chen", "--note", "Looked at", "--on", "2026-02-20")
CREDIT = ("--reason", "A test", "--by", "Bo Chen", "--on", "2026-02-20")
WAIVED = ("--waive", "days-missing", "--by", "Bo Chen", "--reason", "one row a month is all there is")
Run = Callable[..., Any]


def books_of(name: str, folder: Path, *months: str) -> Path:
    invoiced = (("invoice", "--month", month, "--quiet") for month in months)
    return prepared(copy_books(EXAMPLES / name, folder / name), ("load", "--quiet"), *invoiced)


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Example 65 in January: 3,182.40 of ads on INV-2026-0001, 5,304.00 of search, 106.08 of support, pro forma."""
    return books_of("65-dispute-credit-rebill", tmp_path, "2026-01")


def refused(capsys: pytest.CaptureFixture[str], books: Path, *words: object, code: int = 2) -> str:
    """What is said about a command that is refused, on one line; nothing is added to the log."""
    before = Workbench(books).ledger.events()
    capsys.readouterr()
    finledger(*words, "--books", books, expect=code)
    assert Workbench(books).ledger.events() == before
    return " ".join(capsys.readouterr().err.split())


# ── open, list ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_open__and_what_is_due_and_overdue(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = books / "finledger.yaml"
    said = finledger_json(capsys, "dispute", "open", "INV-2026-0001", ADS[:6], *OPEN, "--books", books)
    (one,) = said["disputes"]
    assert (one["dispute"], one["line_id"], one["team"], one["amount"]) == ("D-2026-0001", ADS, "ads", "3182.40")
    assert (one["opened"], one["respond_by"], one["resolve_by"]) == ("2026-02-10", "2026-02-15", "2026-03-02")
    assert (one["document"], one["posting_month"], one["state"]) == ("INV-2026-0001", "2026-01", "open")
    settings.write_text(settings.read_text() + "disputes: {respond_days: 2, resolve_days: 4}\n")
    said = finledger_json(capsys, "dispute", "open", "2026-01/search", "L", *OPEN, "--books", books)
    (two,) = said["disputes"]
    assert (two["dispute"], two["document"]) == ("D-2026-0002", "INV-2026-0002")
    assert (two["respond_by"], two["resolve_by"]) == ("2026-02-12", "2026-02-14")
    for day, overdue in (("2026-02-12", ["", ""]), ("2026-02-16", ["response", "resolution"])):
        said = finledger_json(capsys, "dispute", "list", "--on", day, "--books", books)
        assert [each["overdue"] for each in said["disputes"]] == overdue
    assert finledger_json(capsys, "dispute", "list", "--month", "2026-02", "--books", books)["disputes"] == []


def test_open__dry_run_writes_nothing(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = finledger_json(capsys, "dispute", "open", "INV-2026-0001", ADS, *OPEN, "--dry-run", "--books", books)
    assert said["disputes"][0]["dispute"] == "D-2026-0001"
    assert Workbench(books).ledger.events() == ()


def test_open__what_cannot_be_disputed(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def says(*words: str) -> str:
        return refused(capsys, books, "dispute", "open", *words, *OPEN)

    assert "did you mean INV-2026-0001" in says("INV-2026-001", ADS)
    assert "did you mean L12e4634b0176234" in says("INV-2026-0001", "L12e4634b0176235")
    assert "no line of INV-2026-0001, but of 2026-01/support" in says("INV-2026-0001", SUPPORT)
    assert "is nobody's" in says("2026-01/(unallocated)", "L")
    assert "no team 'ai-platform'" in says("2026-01/ai-platform", "L")
    finledger("dispute", "open", "INV-2026-0001", ADS, *OPEN, "--books", books)
    assert "is in dispute already (D-2026-0001, since 2026-02-10)" in says("2026-01/ads", ADS)
    said = refused(capsys, books, "dispute", "open", "2026-01/search", "L", "--reason", " ", "--by", "Ann")
    assert "--reason is empty" in said
    assert "[line-not-recorded]" in refused(capsys, books, "dispute", "open", "2026-02/ads", "L", *OPEN, code=1)


def test_open__again_once_it_is_decided(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("dispute", "open", "INV-2026-0001", ADS, *OPEN, "--books", books)
    done = finledger_json(capsys, "dispute", "resolve", "D-2026-0001", "--outcome", "rejected", *DECIDE, "--books", books)
    assert (done["state"], done["note"], done["credited"], done["credit"]) == ("rejected", "Looked at", None, "")
    finledger("dispute", "open", "INV-2026-0001", ADS, *OPEN, "--books", books)
    said = finledger_json(capsys, "dispute", "list", "--open", "--on", "2026-02-10", "--books", books)
    assert [each["dispute"] for each in said["disputes"]] == ["D-2026-0002"]
    assert list(broken_links(Workbench(books).ledger.events())) == []


def test_held__stands_on_the_invoice_and_stops_the_close(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("dispute", "open", "INV-2026-0001", ADS, *OPEN, "--books", books)
    said = refused(capsys, books, "close", "--month", "2026-01", *WAIVED, code=1)
    assert "[dispute-open]" in said and "3,182.40 USD" in said
    finledger("invoice", "--month", "2026-01", "--books", books, "--quiet")
    document = json.loads((books / "out/2026-01/invoices/INV-2026-0001-ads.json").read_text())
    assert "D-2026-0001" in json.dumps(document)


# ── resolve ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_resolve__what_cannot_be_decided(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("dispute", "open", "INV-2026-0001", ADS, *OPEN, "--books", books)

    def says(*words: str) -> str:
        return refused(capsys, books, "dispute", "resolve", *words, *DECIDE)

    upheld = ("D-2026-0001", "--outcome", "upheld")
    assert "did you mean D-2026-0001" in says("D-2026-0002", "--outcome", "upheld")
    assert "--quantity belongs to --outcome upheld" in says("D-2026-0001", "--outcome", "rejected", "--quantity", "1")
    assert "--rebill belongs to --outcome upheld" in says("D-2026-0001", "--outcome", "withdrawn", "--rebill", "search")
    assert "that is the team that is credited" in says(*upheld, "--rebill", "ads")
    assert "did you mean search?" in says(*upheld, "--rebill", "serch")
    assert "what the platform uses is its own cost" in says(*upheld, "--rebill", "ai-platform")
    assert "credit more than nothing" in says(*upheld, "--quantity", "0")
    assert "has 300000 left to credit" in says(*upheld, "--quantity", "300001")
    assert "actions are counted in whole numbers" in says(*upheld, "--quantity", "1.5")
    assert "write a number" in says(*upheld, "--quantity", "many")
    early = ("--by", "Bo", "--note", "x", "--on", "2026-02-09")
    assert "was opened on 2026-02-10" in refused(capsys, books, "dispute", "resolve", *upheld, *early)
    finledger("dispute", "resolve", *upheld, *DECIDE, "--books", books)
    assert "was upheld on 2026-02-20 by Bo Chen" in says(*upheld)


def test_upheld__in_an_open_month_and_the_credit_is_of_that_month(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("dispute", "open", "INV-2026-0001", ADS, *OPEN, "--books", books)
    words = (
        "dispute",
        "resolve",
        "D-2026-0001",
        "--outcome",
        "upheld",
        "--quantity",
        "240000",
        "--rebill",
        "search",
        *DECIDE,
    )
    rehearsed = finledger_json(capsys, *words, "--dry-run", "--books", books)
    assert rehearsed["credited"]["credit"] == "C-2026-0001"
    done = finledger_json(capsys, *words, "--books", books)
    assert done == rehearsed
    credit = done["credited"]
    assert (credit["posting_month"], credit["amount"], credit["rebilled"]) == ("2026-01", "-2545.92", "search")
    assert [(each["team"], each["amount"], each["quantity"]) for each in credit["lines"]] == [
        ("ads", "-2545.92", "-240000"),
        ("search", "2545.92", "240000"),
    ]
    finledger("journal", "--month", "2026-01", "--books", books, "--quiet")
    entries = {each.entry_id: each.debits for each in Workbench(books).ledger.entries(Month(2026, 1))}
    assert entries == {
        "2026-01/ads/cc-4700": 318240,
        "2026-01/ads/cc-4700/credit": 254592,
        "2026-01/search/cc-4815": 530400,
        "2026-01/search/cc-4815/credit": 254592,
    }


def test_rebill__of_a_team_that_was_not_there_yet(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = books / "finledger.yaml"
    settings.write_text(
        settings.read_text() + "  maps: {cost_center: [{code: cc-9, from: 2026-02-01}], stage: chargeback}\n"
    )
    finledger("dispute", "open", "INV-2026-0001", ADS, *OPEN, "--books", books)
    words = ("dispute", "resolve", "D-2026-0001", "--outcome", "upheld", "--rebill", "maps", *DECIDE)
    assert "does not know the team in 2026-01" in refused(capsys, books, *words)


def test_rebilled_line__can_be_disputed_in_its_turn(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Search shows that the job was ads's after all: its debit of 3,182.40 is credited, and billed to ads again."""
    finledger("close", "--month", "2026-01", *WAIVED, "--books", books)
    finledger("credit", "INV-2026-0001", ADS, "--rebill", "search", *CREDIT, "--books", books)
    finledger("invoice", "--month", "2026-02", "--books", books, "--quiet")
    lines = Workbench(books).ledger.charge_rows(Month(2026, 2), "search")
    (debit,) = (line for line in lines if line.key.credit)
    finledger("dispute", "open", "2026-02/search", debit.line_id, *OPEN, "--books", books)
    words = ("dispute", "resolve", "D-2026-0001", "--outcome", "upheld", "--rebill", "ads", *DECIDE)
    again = finledger_json(capsys, *words, "--books", books)["credited"]
    assert [(each["team"], each["amount"]) for each in again["lines"]] == [("search", "-3182.40"), ("ads", "3182.40")]
    got = finledger_json(capsys, "allocate", "--month", "2026-02", "--books", books)
    assert {team: each["total"] for team, each in got["teams"].items()} == {
        "ads": "1060.80",
        "search": "1060.80",
        "support": "10.61",
    }
    assert all(check["holds"] for check in got["checks"])


# ── credit ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_credit__bit_by_bit_and_no_more_than_the_line(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """100,000 calls are 1,060.80, three times; then nothing is left."""
    words = ("credit", "INV-2026-0001", ADS, "--quantity", "100000", *CREDIT)
    given = [finledger_json(capsys, *words, "--books", books) for _ in range(3)]
    assert [(each["credit"], each["amount"]) for each in given] == [
        ("C-2026-0001", "-1060.80"),
        ("C-2026-0002", "-1060.80"),
        ("C-2026-0003", "-1060.80"),
    ]
    assert "is credited in full already" in refused(capsys, books, *words)


def test_credit__more_than_is_left(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("credit", "INV-2026-0001", ADS, "--quantity", "200000", *CREDIT, "--books", books)
    said = refused(capsys, books, "credit", "INV-2026-0001", ADS, "--quantity", "100001", *CREDIT)
    assert "has 100000 left of its 300000 to credit" in said
    rest = finledger_json(capsys, "credit", "INV-2026-0001", ADS, *CREDIT, "--books", books)
    assert rest["amount"] == "-1060.80"


def test_credit__of_a_held_line_is_for_its_dispute(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("dispute", "open", "INV-2026-0001", ADS, *OPEN, "--books", books)
    assert "finledger dispute resolve D-2026-0001" in refused(capsys, books, "credit", "INV-2026-0001", ADS, *CREDIT)


def test_credit__of_a_statement_moves_no_money(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = finledger_json(capsys, "credit", "PRO-2026-01-support", SUPPORT, *CREDIT, "--books", books)
    assert made["lines"][0]["stage"] == "showback"
    got = finledger_json(capsys, "allocate", "--month", "2026-01", "--books", books)
    assert got["teams"]["support"]["total"] == "0.00"
    finledger("journal", "--month", "2026-01", "--books", books, "--quiet")
    assert {each.team for each in Workbench(books).ledger.entries(Month(2026, 1))} == {"ads", "search"}


def test_credit__of_what_was_not_issued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = books_of("65-dispute-credit-rebill", tmp_path)
    finledger("allocate", "--month", "2026-01", "--books", books, "--quiet")
    assert "[credit-not-issued]" in refused(capsys, books, "credit", "2026-01/ads", ADS, *CREDIT, code=1)
    finledger("credit", "2026-01/support", SUPPORT, *CREDIT, "--books", books)


def test_explain__of_a_credit(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("credit", "INV-2026-0001", ADS, "--quantity", "100000", *CREDIT, "--books", books)
    finledger("invoice", "--month", "2026-01", "--books", books, "--quiet")
    lines = Workbench(books).ledger.charge_rows(Month(2026, 1), "ads")
    (credit,) = (line for line in lines if line.key.credit)
    said = finledger_json(capsys, "explain", "CN-2026-0001", credit.line_id, "--books", books)
    facts = said["facts"]
    assert (facts["credit"]["value"], facts["of"]["value"], facts["share"]) == ("C-2026-0001", ADS, "1/3")
    assert (facts["left"]["value"], facts["exact"], said["same"]) == ("3182.40", "1060.8", True)


# ── premiums ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_premium__is_given_back_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Example 41. July's premium on answers is 2.50 + 2.50 of search and 5.00 of support; August reaches the target.

    July is closed. Search's first line, 12.60 and its premium of 2.50, is credited in August and billed to support; August's
    coverage credit then gives back the 2.50 that are left of search's, and 7.50 of support's: 10.00 in all, as it would have.
    August is closed too. Search's other line is credited in September: 12.60, for its premium has come back.
    """
    books = books_of("41-premium-recovered", tmp_path, "2026-07")
    finledger("close", "--month", "2026-07", *WAIVED, "--books", books)
    lines = Workbench(books).ledger.charge_rows(Month(2026, 7), "search")
    large, small = (
        next(line for line in lines if (line.key.feature, line.key.model, line.key.kind) == ("answers", model, "action"))
        for model in ("gpt-large", "gpt-small")
    )
    made = finledger_json(
        capsys, "credit", "2026-07/search", large.line_id, "--rebill", "support", *CREDIT, "--books", books
    )
    assert [(each["team"], each["item"], each["amount"]) for each in made["lines"]] == [
        ("search", "chat_call", "-12.60"),
        ("search", "chat_call/coverage_premium", "-2.50"),
        ("support", "chat_call", "12.60"),
        ("support", "chat_call/coverage_premium", "2.50"),
    ]
    got = finledger_json(capsys, "allocate", "--month", "2026-08", "--books", books)
    back = {row["team"]: row["amount"] for row in got["charges"] if row["component"] == "coverage_credit"}
    assert back == {"search": "-2.50", "support": "-7.50"}
    assert all(check["holds"] for check in got["checks"])
    finledger("invoice", "--month", "2026-08", "--books", books, "--quiet")
    finledger("close", "--month", "2026-08", *WAIVED, "--books", books)
    made = finledger_json(capsys, "credit", "2026-07/search", small.line_id, *CREDIT, "--books", books)
    assert [(each["item"], each["amount"]) for each in made["lines"]] == [("chat_call", "-12.60")]
    got = finledger_json(capsys, "allocate", "--month", "2026-09", "--books", books)
    assert [row for row in got["charges"] if row["component"] == "coverage_credit"] == []
    assert got["teams"]["search"]["total"] == str(Decimal("30.20") - Decimal("12.60"))


# ── two at once ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_at_once__one_line_is_credited_once(books: Path) -> None:
    """Four people credit two thirds of a line at the same moment: one does, the others are told what is left."""
    words = ["credit", "INV-2026-0001", ADS, "--quantity", "200000", *CREDIT, "--books", str(books)]
    running = [
        subprocess.Popen([sys.executable, "-m", "finledger", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    codes = sorted(process.wait() for process in running if process.communicate())
    assert codes[0] == 0 and set(codes[1:]) <= {2, 3}, codes
    (credit,) = credits_of(Workbench(books).ledger.events("credit"))
    assert str(credit.amount) == "-2121.60"
