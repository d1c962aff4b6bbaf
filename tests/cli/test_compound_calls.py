"""Compound calls from the command line (rule A5): one journal says who caused a call and who operated it, in every program."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.model import Operated
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.workbench import Workbench
from tests.support import ROOT, copy_books, finledger, finledger_json, prepared

JULY = Month(2026, 7)
EXAMPLE = ROOT / "tests" / "examples" / "63-compound-call"
# 5.42 in all: insights caused everything and ran 0.63 + 1.58 of it itself; retrieval ran 0.13 + 1.51, ranking 0.25 + 1.32.
CAUSED = {"cc-4815": "5.42"}
OPERATED = {"cc-4815": "2.21", "cc-4822": "1.64", "cc-4829": "1.57"}
INSTALL = "install the checkers: apt-get install hledger ledger"


@pytest.fixture
def books(tmp_path: Path) -> Path:
    return prepared(copy_books(EXAMPLE, tmp_path / "books"), ("load", "--quiet"))


def journal(books: Path, form: str) -> Path:
    finledger("journal", "--books", books, "--month", JULY, "--to", form)
    (path,) = (books / "out" / "2026-07" / "journal").iterdir()
    return path


def said_by(*words: object) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(shutil.which("hledger") is None, reason=INSTALL)
@pytest.mark.parametrize(("without", "want"), [((), CAUSED), (("not:tag:component=passed_on",), OPERATED)])
def test_hledger__who_caused_and_who_operated(books: Path, without: tuple[str, ...], want: dict[str, str]) -> None:
    """The net of income and expenses by cost centre, the platform's left out; then without what is passed on."""
    asked = ("expenses", "income", *without, "not:acct:1000$")
    path = journal(books, "hledger")
    got = said_by("hledger", "-f", path, "bal", "--pivot", "cost_center", "-N", "--layout=bare", "-O", "csv", *asked)
    rows = list(csv.DictReader(got.splitlines()))
    assert {row["account"]: Decimal(row["balance"]) for row in rows} == {name: Decimal(text) for name, text in want.items()}


@pytest.mark.skipif(shutil.which("hledger") is None, reason=INSTALL)
def test_hledger__by_account_and_cost_centre(books: Path) -> None:
    asked = ("bal", "-N", "--layout=bare", "-O", "csv", "expenses", "acct:passthrough")
    rows = list(csv.DictReader(said_by("hledger", "-f", journal(books, "hledger"), *asked).splitlines()))
    assert {row["account"]: row["balance"].rstrip("0") for row in rows} == {
        "Expenses:AI-service-expense:Cc-4815": "5.42",
        "Expenses:AI-service-expense:Cc-4822": "1.64",
        "Expenses:AI-service-expense:Cc-4829": "1.57",
        "Income:Recovery-of-passthrough:Cc-4822": "-1.64",
        "Income:Recovery-of-passthrough:Cc-4829": "-1.57",
    }


@pytest.mark.skipif(shutil.which("ledger") is None, reason=INSTALL)
def test_ledger__who_operated(books: Path) -> None:
    path = journal(books, "hledger")
    words = ("bal", "expenses", "and", "not", "%component=passed_on", "--flat", "--no-total")
    got = {
        line.split()[2][-7:].lower(): line.split()[0].rstrip("0")
        for line in said_by("ledger", "-f", path, *words).splitlines()
    }
    assert got == OPERATED


@pytest.mark.parametrize(("without", "want"), [((), CAUSED), (("passed_on",), OPERATED)])
def test_csv__who_caused_and_who_operated(books: Path, without: tuple[str, ...], want: dict[str, str]) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    with journal(books, "csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["component"] not in without and row["cost_center"] != "cc-1000":
                sums[row["cost_center"]] += Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
    assert {name: str(amount) for name, amount in sums.items() if amount} == want


def test_ledger_file__keeps_who_operated_each_line(books: Path) -> None:
    bench = Workbench(books)
    charges, _ = bench.allocate(JULY)
    kept = Workbench(books).ledger.charge_rows(JULY)
    assert kept == charges.lines
    by_item = {(line.key.item, line.key.model): line.operators for line in kept if line.operators}
    assert by_item["model_call", "gpt-large"] == (Operated("retrieval", "cc-4822", Money(151, "USD")),)


def test_invoice__is_the_consumers_as_ever(books: Path, tmp_path: Path) -> None:
    """With and without operator_team: the same document, to the byte."""
    plain = copy_books(EXAMPLE, tmp_path / "plain")
    usage = plain / "usage" / "july.csv"
    usage.write_text("\n".join(line.rpartition(",")[0] for line in usage.read_text().splitlines()) + "\n")
    finledger("load", "--books", plain, "--quiet")
    for each in (books, plain):
        finledger("invoice", "--books", each, "--month", JULY, "--to", "html,json")
    made = {path.relative_to(books): path.read_bytes() for path in (books / "out/2026-07/invoices").iterdir()}
    assert made and made == {
        path.relative_to(plain): path.read_bytes() for path in (plain / "out/2026-07/invoices").iterdir()
    }


def test_owner_pays__operators_are_charged_and_explained(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = books / "finledger.yaml"
    settings.write_text(settings.read_text() + "compound_calls: owner_pays\n")
    got = finledger_json(capsys, "allocate", "--books", books, "--month", JULY)
    # insights 0.63 + 1.25 x 1.26 = 1.575 → 1.58; retrieval 0.13 + 1.20 x 1.26 = 1.512 → 1.51; ranking 0.25 + 1.32
    assert {name: team["total"] for name, team in got["teams"].items()} == {
        "insights": "2.21",
        "retrieval": "1.64",
        "ranking": "1.57",
    }
    assert got["operated"] == []
    (line,) = {row["line_id"] for row in got["charges"] if (row["team"], row["item"]) == ("retrieval", "model_call")}
    told = finledger_json(capsys, "explain", "2026-07/retrieval", line, "--books", books)
    assert "1.51" in str(told) and "usage/july.csv:4" in str(told)
    assert not any("/via/" in entry.entry_id for entry in Workbench(books).ledger.entries(JULY))
