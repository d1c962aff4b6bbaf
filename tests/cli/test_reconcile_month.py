"""A month's provider invoices held against what was metered, through the command line (rules X1, X2)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.support import ROOT, copy_books, finledger, finledger_json

BASE = ROOT / "tests" / "errors" / "_books"
USAGE = (
    "usage_id,ts,team,feature,workload_type,model,action,requests,input_tokens,output_tokens\n"
    "a-1,2026-07-02T09:00:00Z,search,ask,inference,gpt-large,chat_call,1000,2000000,500000\n"
    "a-2,2026-07-03T09:00:00Z,,,inference,gpt-large,chat_call,10,1000000,0\n"
    "a-3,2026-07-04T09:00:00Z,ai-platform,,inference,gpt-large,chat_call,10,1000000,0\n"
)
MAP = "columns:\n" + "".join(
    f"  {name}: {{column: {name}}}\n" if name != "provider" else "  provider: {value: openai}\n"
    for name in ("provider", "invoice", "service_month", "sku", "quantity", "unit", "amount", "currency", "category")
)
HEADER = "invoice,service_month,sku,quantity,unit,amount,currency,category\n"


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Metered: 4,000,000 input tokens x 3.00 = 12.00 (nobody's and the platform's own too), 500,000 output x 12.00 = 6.00."""
    folder = copy_books(BASE, tmp_path / "books")
    (folder / "usage").mkdir()
    (folder / "usage" / "july.csv").write_text(USAGE)
    with (folder / "finledger.yaml").open("a") as settings:
        settings.write("providers:\n  openai: {invoice: expected}\n")
    finledger("load", "--books", folder, "--quiet")
    return folder


def invoice(books: Path, *lines: str) -> None:
    inbox = books / "provider-invoices"
    inbox.mkdir()
    (inbox / "july.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    (inbox / "july.map.yaml").write_text(MAP)


def test_month__every_cent_has_its_class(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Input: 4,100,000 invoiced at 3.00 is 0.30 of quantity. Output: 500,000 at 12.50 is 0.25 of rate. VAT 2.00. A fine-tuning
    fee of 5.00 that nobody metered.
    """
    invoice(
        books,
        "INV-7,2026-07,gpt-large input,4100000,tokens,12.30,USD,usage",
        "INV-7,2026-07,gpt-large output,500000,tokens,6.25,USD,usage",
        "INV-7,2026-07,fine-tuning,1,job,5.00,USD,usage",
        "INV-7,2026-07,VAT,,,2.00,USD,tax",
    )
    got = finledger_json(capsys, "reconcile", "--month", "2026-07", "--books", books)
    assert (got["metered"], got["invoiced"], got["unclassified"]) == ("18.00", "25.55", "0.00")
    assert {name: amount for name, amount in got["classes"].items() if amount != "0.00"} == {
        "quantity": "0.30", "rate": "0.25", "missing_from_metering": "5.00", "credit_tax_fee": "2.00",
    }  # fmt: skip
    assert (got["accruals"], got["problems"]) == ([], [])
    by_sku = {row["sku"]: row for row in got["skus"]}
    assert by_sku["gpt-large input"]["lines"] == ["provider-invoices/july.csv:2"]
    folder = books / "out" / "2026-07"
    assert json.loads((folder / "reconciliation.json").read_text()) == got
    with (folder / "reconciliation.csv").open(newline="") as rows:
        assert sorted(row["difference"] for row in csv.DictReader(rows)) == ["0.25", "0.30", "2.00", "5.00"]


def test_month__without_an_invoice_its_usage_is_to_be_accrued(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = finledger_json(capsys, "reconcile", "--month", "2026-07", "--books", books, "--dry-run")
    assert got["accruals"] == [{"provider": "openai", "amount": "18.00"}]
    (entry,) = got["entries"]
    assert {each["account"]: each["amount"] for each in entry["postings"]} == {
        "Provider expense": "18.00", "Accrued provider cost": "-18.00",
    }  # fmt: skip
    assert not (books / "out").exists()


def test_month__what_nothing_explains_is_said_with_its_line(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No quantity, nothing billed in the rows, no tolerance: 1.00 more than the 12.00 of input cannot be told apart."""
    invoice(books, "INV-7,2026-07,gpt-large input,,,13.00,USD,usage", "INV-7,2026-07,gpt-large output,,,6.00,USD,usage")
    got = finledger_json(capsys, "reconcile", "--month", "2026-07", "--books", books)
    assert got["unclassified"] == "1.00"
    (problem,) = got["problems"]
    assert (problem["code"], problem["where"]) == ("invoice-unclassified", "provider-invoices/july.csv:2")


def test_reconcile__needs_a_month_or_a_quarter(books: Path) -> None:
    finledger("reconcile", "--books", books, expect=2)
    finledger("reconcile", "--month", "2026-07", "--quarter", "2026-Q3", "--books", books, expect=2)
