"""A quarter of closes on the providers' side: an invoice a month late, a credit memo, late usage (rules X1, X2, L2, L3).

The figures of the worked quarter first, then a set of books closed from the command line. All that is posted is written as
journals and looked at by three programs that are not ours.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.model import JournalEntry
from finledger.core.period import Month, Quarter
from finledger.core.provider_state import ProviderState
from finledger.workbench import Workbench
from finledger.workbench.provider_close import close_providers
from finledger.write.journal import Journal, render, suffix
from tests.core.test_post_provider import BOOKS, FEBRUARY, INVOICE, JANUARY, MARCH, USAGE, close
from tests.support import ROOT, SHARED, copy_books, finledger, needs_shared, once

BASE = ROOT / "tests" / "errors" / "_books"
CHECKERS = {
    "bean-check": (".beancount", [str(Path(sys.executable).with_name("bean-check")), "--no-cache"]),
    "hledger": (".journal", ["hledger", "check", "--strict", "ordereddates", "-f"]),
    "ledger": (".journal", ["ledger", "--strict", "--pedantic", "--args-only", "balance", "-f"]),
}
checkers = pytest.mark.parametrize("checker", CHECKERS)
ACCOUNTS = {
    "provider_expense": "Expenses:AI:Provider:CC9000", "provider_variance": "Expenses:AI:Variance:CC9000",
    "accrued_provider_cost": "Liabilities:Accrued:Provider", "provider_payable": "Liabilities:AP:Provider",
}  # fmt: skip


def accepts(checker: str, path: Path) -> None:
    _, command = CHECKERS[checker]
    if shutil.which(command[0]) is None:
        pytest.skip("install the checkers: apt-get install hledger ledger")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    found = subprocess.run([*command, str(path)], capture_output=True, text=True, env=environment, timeout=120)
    assert (found.returncode, found.stderr) == (0, "")


# ── the worked quarter, in its figures ──────────────────────────────────────────────────────────────────────────────────


def worked_quarter() -> tuple[JournalEntry, ...]:
    """January: 100,000.00 metered, INV-881 of 101,250.00 comes on 10 February. In March 310.55 of January's usage is loaded
    late, of a provider that has billed nothing of it.
    """
    late = replace(USAGE, provider="anthropic", sku="claude", quantity=None, unit="", cost=Decimal("310.55"))
    january = close(JANUARY, None, [USAGE], [])
    february = close(FEBRUARY, january.state, [USAGE], [INVOICE])
    march = close(MARCH, february.state, [USAGE, late], [INVOICE])
    assert [(each.provider, str(each.service_month), str(each.amount)) for each in march.accruals] == [
        ("anthropic", "2026-01", "310.55")
    ]
    return (*january.entries, *february.entries, *march.entries)


def by_account(entries: tuple[JournalEntry, ...]) -> dict[str, str]:
    sums: Counter[str] = Counter()
    for entry in entries:
        for posting in entry.postings:
            sums[posting.account.key] += posting.amount.minor
    return {key: str(Decimal(minor).scaleb(-2)) for key, minor in sums.items()}


def test_worked_quarter__ends_with_what_is_owed_and_what_waits() -> None:
    """100,000.00 + 310.55 of expense and 1,250.00 of variance = 101,250.00 to pay + 310.55 that wait."""
    assert by_account(worked_quarter()) == {
        "provider_expense": "100310.55", "provider_variance": "1250.00", "provider_payable": "-101250.00",
        "accrued_provider_cost": "-310.55",
    }  # fmt: skip


@needs_shared
def test_worked_quarter__is_the_reference_journal() -> None:
    """Its entries 1, 7, 8 and 13b; ours accrues the late usage at the month's end, not on the day that it was found."""
    text = (SHARED / "design" / "worked-quarter.beancount").read_text(encoding="utf-8")
    expected = []
    for day, body in re.findall(r'^(\S+) \* "Provider" "(?:1|7|8|13b) .*\n((?:  .*\n)+)', text, re.MULTILINE):
        held = {"2026-03-20": "2026-03-31"}.get(day, day)
        expected.append((held, sorted(tuple(posting.split()[:2]) for posting in body.splitlines())))
    assert len(expected) == 4
    assert [
        (str(entry.posting_date), sorted((ACCOUNTS[each.account.key], str(each.amount)) for each in entry.postings))
        for entry in worked_quarter()
    ] == expected


@checkers
def test_worked_quarter__is_accepted_by_others(checker: str, tmp_path: Path) -> None:
    journal = Journal(BOOKS.books, Quarter(2026, 1), "USD", worked_quarter())
    name = {".beancount": "beancount", ".journal": "hledger"}[CHECKERS[checker][0]]
    path = tmp_path / f"worked{suffix(name)}"
    path.write_bytes(render(name, journal))
    accepts(checker, path)


# ── books of our own, closed from the command line ──────────────────────────────────────────────────────────────────────

HEADER = "usage_id,ts,team,feature,workload_type,model,action,requests,input_tokens,output_tokens\n"
INVOICES = "invoice,date,month,sku,quantity,unit,amount,currency,category\n"
MAP = "columns:\n  provider: {value: openai}\n  invoice_date: date\n  service_month: month\n  description: sku\n" + "".join(
    f"  {name}: {name}\n" for name in ("invoice", "sku", "quantity", "unit", "amount", "currency", "category")
)
WAIVED = ("--waive", "days-missing", "--by", "M. Weber", "--reason", "one call a month")


def use(books: Path, name: str, month: str, input_tokens: int, output_tokens: int) -> None:
    row = f"{name},{month}-15T09:00:00Z,search,ask,inference,gpt-large,chat_call,1000,{input_tokens},{output_tokens}\n"
    (books / "usage").mkdir(exist_ok=True)
    (books / "usage" / f"{name}.csv").write_text(HEADER + row)
    finledger("load", "--books", books, "--quiet", books / "usage" / f"{name}.csv")


def bill(books: Path, name: str, *lines: str) -> None:
    inbox = books / "provider-invoices"
    inbox.mkdir(exist_ok=True)
    (inbox / f"{name}.csv").write_text(INVOICES + "".join(f"{line}\n" for line in lines))
    (inbox / f"{name}.map.yaml").write_text(MAP)


def close_month(books: Path, month: str) -> None:
    finledger("close", "--books", books, "--month", month, "--quiet", *WAIVED)


@pytest.fixture
def quarter(tmp_path: Path) -> Path:
    """gpt-large at 3.00 in and 12.00 out a million. Closed month by month:

    July: 2 M in, 0.5 M out = 12.00; no invoice yet. August: the same again; July's invoice of 4 August bills 2.1 M in and tax
    of 1.00: 13.30. September: the same again, and 1 M in of July loaded late = 3.00; August's invoice of 12.00, and a
    credit memo that takes July's 0.1 M too many back.
    """
    books = copy_books(BASE, tmp_path / "books")
    with (books / "finledger.yaml").open("a") as settings:
        settings.write("providers:\n  openai: {invoice: expected}\n")
    once(books, "a quarter of closes on the providers' side", lambda: _close_quarter(books))
    return books


def _close_quarter(books: Path) -> None:
    use(books, "july", "2026-07", 2_000_000, 500_000)
    close_month(books, "2026-07")
    use(books, "august", "2026-08", 2_000_000, 500_000)
    bill(
        books,
        "INV-7",
        "INV-7,2026-08-04,2026-07,gpt-large input,2100000,tokens,6.30,USD,usage",
        "INV-7,2026-08-04,2026-07,gpt-large output,500000,tokens,6.00,USD,usage",
        "INV-7,2026-08-04,2026-07,VAT,,,1.00,USD,tax",
    )
    close_month(books, "2026-08")
    use(books, "september", "2026-09", 2_000_000, 500_000)
    use(books, "july-late", "2026-07", 1_000_000, 0)
    bill(
        books,
        "INV-8",
        "INV-8,2026-09-03,2026-08,gpt-large input,2000000,tokens,6.00,USD,usage",
        "INV-8,2026-09-03,2026-08,gpt-large output,500000,tokens,6.00,USD,usage",
    )
    bill(books, "CM-7", "CM-7,2026-09-20,2026-07,gpt-large input,-100000,tokens,-0.30,USD,usage")
    close_month(books, "2026-09")


def provider_postings(books: Path) -> list[tuple[str, str, str]]:
    found = []
    for path in sorted(books.glob("out/2026-??/journal/*.csv")):
        with path.open(newline="") as rows:
            for row in csv.DictReader(rows):
                if "/provider/" in row["journal_id"]:
                    amount = Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
                    found.append((row["journal_id"], row["posting_date"], f"{row['component']} {amount}"))
    return found


def test_quarter__every_entry(quarter: Path) -> None:
    """July's row of input is 1 M short of what was metered in the end: 2.0 M invoiced less the memo, 3.0 M metered = -3.00."""
    assert provider_postings(quarter) == [
        ("2026-07/provider/openai/2026-07/accrual", "2026-07-31", "provider_expense 12.00"),
        ("2026-07/provider/openai/2026-07/accrual", "2026-07-31", "accrued_provider_cost -12.00"),
        ("2026-08/provider/openai/2026-07/reversal", "2026-08-01", "provider_expense -12.00"),
        ("2026-08/provider/openai/2026-07/reversal", "2026-08-01", "accrued_provider_cost 12.00"),
        ("2026-08/provider/openai/2026-07/invoice/INV-7", "2026-08-04", "provider_expense 12.00"),
        ("2026-08/provider/openai/2026-07/invoice/INV-7", "2026-08-04", "credit_tax_fee 1.00"),
        ("2026-08/provider/openai/2026-07/invoice/INV-7", "2026-08-04", "quantity 0.30"),
        ("2026-08/provider/openai/2026-07/invoice/INV-7", "2026-08-04", "provider_payable -13.30"),
        ("2026-08/provider/openai/2026-08/accrual", "2026-08-31", "provider_expense 12.00"),
        ("2026-08/provider/openai/2026-08/accrual", "2026-08-31", "accrued_provider_cost -12.00"),
        ("2026-09/provider/openai/2026-08/reversal", "2026-09-01", "provider_expense -12.00"),
        ("2026-09/provider/openai/2026-08/reversal", "2026-09-01", "accrued_provider_cost 12.00"),
        ("2026-09/provider/openai/2026-08/invoice/INV-8", "2026-09-03", "provider_expense 12.00"),
        ("2026-09/provider/openai/2026-08/invoice/INV-8", "2026-09-03", "provider_payable -12.00"),
        ("2026-09/provider/openai/2026-07/invoice/CM-7", "2026-09-20", "provider_expense 3.00"),
        ("2026-09/provider/openai/2026-07/invoice/CM-7", "2026-09-20", "quantity -3.30"),
        ("2026-09/provider/openai/2026-07/invoice/CM-7", "2026-09-20", "provider_payable 0.30"),
        ("2026-09/provider/openai/2026-09/accrual", "2026-09-30", "provider_expense 12.00"),
        ("2026-09/provider/openai/2026-09/accrual", "2026-09-30", "accrued_provider_cost -12.00"),
    ]


@checkers
def test_quarter__is_accepted_by_others(checker: str, quarter: Path) -> None:
    for month in ("2026-07", "2026-08", "2026-09"):
        accepts(checker, quarter / "out" / month / "journal" / f"{month}{CHECKERS[checker][0]}")


def test_quarter__a_closed_month_is_metered_again_only_for_what_came_late(quarter: Path) -> None:
    """The books of a month's close are asked for when it has to be metered again: for none of them, then for August."""
    bench = Workbench(quarter)
    state = ProviderState.from_json(bench.ledger.events("close")[-1].content["providers"])
    asked: list[str] = []

    def books_of(month: Month) -> Workbench:
        asked.append(str(month))
        return bench

    found = close_providers(bench, Month(2026, 10), state, Month(2026, 7), books_of)
    assert asked == []
    assert [(str(each.service_month), str(each.amount)) for each in found.accruals] == [("2026-09", "12.00")]
    assert [each.code for each in found.problems] == ["provider-missing"]
    use(quarter, "august-late", "2026-08", 1_000_000, 0)
    found = close_providers(bench, Month(2026, 10), state, Month(2026, 7), books_of)
    assert asked == ["2026-08"]
    late = next(entry for entry in found.entries if entry.entry_id == "2026-10/provider/openai/2026-08/usage")
    assert {each.component: str(each.amount) for each in late.postings} == {"provider_expense": "3.00", "quantity": "-3.00"}


def test_late_usage__is_metered_by_the_rules_of_its_month(tmp_path: Path) -> None:
    """July's rule says which model calls without one are of; it is gone in August. A late call of July is one of gpt-large."""
    books = copy_books(BASE, tmp_path / "books")
    settings = (books / "finledger.yaml").read_text() + "providers:\n  openai: {invoice: expected}\n"
    rule = 'rules:\n  - {when: {model: ""}, set: {model: gpt-large}}\n'
    (books / "finledger.yaml").write_text(settings + rule)
    use(books, "july", "2026-07", 2_000_000, 500_000)
    close_month(books, "2026-07")
    (books / "finledger.yaml").write_text(settings)
    use(books, "august", "2026-08", 2_000_000, 500_000)
    (books / "usage" / "late.csv").write_text(
        HEADER + "late,2026-07-15T09:00:00Z,search,ask,inference,,chat_call,1000,1000000,0\n"
    )
    finledger("load", "--books", books, "--quiet", books / "usage" / "late.csv")
    close_month(books, "2026-08")
    accrued = [each for each in provider_postings(books) if each[2].startswith("accrued") and each[0].endswith("accrual")]
    assert accrued == [
        ("2026-07/provider/openai/2026-07/accrual", "2026-07-31", "accrued_provider_cost -12.00"),
        ("2026-08/provider/openai/2026-07/accrual", "2026-08-31", "accrued_provider_cost -15.00"),
        ("2026-08/provider/openai/2026-08/accrual", "2026-08-31", "accrued_provider_cost -12.00"),
    ]
