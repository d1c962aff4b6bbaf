"""Notes, seals and disputes on documents: what whoever gets one has to be able to see on it, in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import load_workbook

from finledger.core.model import Invoice
from finledger.core.period import Month
from finledger.resources import shipped
from finledger.write.invoice import formats, place, render
from finledger.write.templates import Templates
from tests.formats.invoice import readings, sample

FORMATS = ("html", "json", "md", "pdf", "xlsx")
ROOT = "5e0c9b1a 7d3f42e8 6b0d9c1f 3a5e7b29 d4f6081c 3e5a7092 b4d6f801 3c5e7a9b"
Shown = Callable[[Invoice, str], str]


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """All text of a document in a format, runs of space made one, as a reader gets it."""
    templates = Templates([shipped("templates")])

    def text(document: Invoice, name: str) -> str:
        content = render(name, document, templates)
        if name == "pdf":
            found = readings.pdf_text(content, tmp_path)
        elif name == "xlsx":
            sheets = load_workbook(BytesIO(content)).sheetnames
            rows = (row for sheet in sheets for row in readings.xlsx_cells(content, sheet))
            found = " ".join(str(cell) for row in rows for cell in row if cell is not None)
        else:
            found = content.decode().replace("<code>", "").replace("</code>", "").replace("`", "").replace("\\|", "|")
        return " ".join(found.replace("&lt;", "<").replace("&gt;", ">").split())

    return text


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "json"])
def test_note__says_what_it_corrects_why_and_of_which_months(name: str, shown: Shown) -> None:
    said = shown(sample.DEBIT_NOTE, name)
    assert "Debit note DN-2026-0001" in said
    assert "Corrects 2026-000017 of July 2026. Reason: Usage of July 2026 that was loaded after the month had been" in said
    assert "owes 9.09 USD more for July 2026." in said
    assert "What it bought in July 2026" in said and "Cost per correct task" in said and "0.0130094 USD" in said
    assert "1 July 2026 to 31 July 2026" in said and "Posted in" in said and "September 2026" in said
    assert said.count("2026-07") >= len(sample.CORRECTED) and "2026-09/r-d/cc-4815/2026-07" in said
    assert "Budget" not in said and "Variance" not in said
    credit = shown(sample.DISPUTED, name)
    assert "Credit note CN-2026-0001" in credit and "is to be credited 328.45 USD for July 2026." in credit
    assert "Reason: The cluster was idle <all> weekend (dispute D-2026-0001)" in credit
    assert "To be credited" in credit and "C-2026-0001" in credit
    assert name == "pdf" or "credit of GPU time" in credit  # narrow cells of a PDF are read in pieces


def test_note__lines_say_both_months_and_premiums_stand_for_themselves(shown: Shown) -> None:
    said = shown(sample.DEBIT_NOTE, "md")
    assert said.count("service month 2026-07, posted 2026-09") == 3
    assert "see the price of quality" not in said and "The price of quality" not in said
    sheet = readings.xlsx_cells(render("xlsx", sample.DEBIT_NOTE, Templates([shipped("templates")])), "Lines")
    at = [sheet[0].index(name) for name in ("Item", "Kind", "Amount", "Service month", "Posted in")]
    assert [[row[column] for column in at] for row in sheet[1:4]] == [
        ["chat_call", "action", 11.12, "2026-07", "2026-09"],
        ["agent_step", "action", -1.68, "2026-07", "2026-09"],
        ["agent_step", "coverage premium", -0.35, "2026-07", "2026-09"],
    ]


def test_note__json_names_the_months_the_original_and_the_credit() -> None:
    found = json.loads(render("json", sample.DISPUTED, Templates([shipped("templates")])))
    assert (found["kind"], found["title"], found["pro_forma"]) == ("credit_note", "Credit note", False)
    assert (found["month"], found["service_months"], found["service_first_day"]) == ("2026-09", ["2026-07"], "2026-07-01")
    assert (found["original"], found["budget"], found["variance"]) == ("2026-000017", None, None)
    assert found["reason"] == sample.DISPUTED.reason
    assert {line["credit"] for line in found["lines"]} == {"C-2026-0001"}
    late = json.loads(render("json", sample.DEBIT_NOTE, Templates([shipped("templates")])))
    assert late["reason"] == "Usage of July 2026 that was loaded after the month had been closed."
    assert late["seal"] == {"close": 3, "root": ROOT.replace(" ", "")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"original": ""}, "Concerns July 2026. Reason: Usage of"),
        ({"original": ""}, "owes 9.09 USD for July 2026."),
        ({"service_months": (Month(2026, 6), Month(2026, 7))}, "Corrects 2026-000017 of June 2026 and July 2026."),
        ({"service_months": (Month(2026, 6), Month(2026, 7))}, "1 June 2026 to 31 July 2026"),
    ],
)
def test_note__without_an_original_or_of_two_months(change: dict, said: str, shown: Shown) -> None:
    assert said in shown(replace(sample.DEBIT_NOTE, **change), "md")


def test_note__that_comes_to_nothing_says_so(shown: Shown) -> None:
    up, down = sample.CORRECTED[0], replace(sample.CORRECTED[0], amount=-sample.CORRECTED[0].amount,
        components=tuple((name, -part) for name, part in sample.CORRECTED[0].components),
        key=sample.CORRECTED[0].key._replace(item="step"))  # fmt: skip
    document = replace(
        sample.DEBIT_NOTE,
        lines=(up, down),
        total=sample.usd("0.00"),
        components=sample.subtotals((up, down)),
        disclosures=(),
    )
    assert "its lines are corrected and come to the same." in shown(document, "md")


@pytest.mark.parametrize("name", FORMATS)
def test_seal__of_a_closed_month_is_on_the_document_and_an_open_one_says_provisional(name: str, shown: Shown) -> None:
    closed = replace(sample.INVOICE, seal=sample.SEAL)
    if name == "json":
        assert '"seal": null' in shown(sample.INVOICE, name) and sample.SEAL.root in shown(closed, name)
        return
    said = shown(closed, name)
    assert ROOT in said and "Closed: close 3" in said and "check with finledger verify" in said.replace("`", "")
    assert "Final: 2026-07 is closed" in said and "Provisional" not in said
    said = shown(sample.INVOICE, name)
    assert "Provisional: 2026-07 is open" in said and "Closed: close" not in said


@pytest.mark.parametrize("name", FORMATS)
def test_held__lines_and_their_sum_are_marked(name: str, shown: Shown) -> None:
    """GPU hours of 300.00 and the premium of 4.92."""
    said = shown(sample.HELD, name)
    assert "D-2026-0002: not our cluster" in said and "D-2026-0003: |tested|" in said
    if name != "json":
        assert "Held in dispute" in said and "304.92" in said
        assert "Held in dispute" not in shown(sample.INVOICE, name)


def test_place__by_kind() -> None:
    assert formats() == FORMATS
    team = place(sample.STATEMENT).removeprefix("statements/")
    assert place(sample.INVOICE) == f"invoices/2026-000017-{team}"
    assert place(sample.DEBIT_NOTE) == f"notes/DN-2026-0001-{team}"
    assert place(sample.DISPUTED) == f"notes/CN-2026-0001-{team}"
