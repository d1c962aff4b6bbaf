"""Every format shows the same document: the same total, the same lines, the quality beside the bill, names as they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
import typst
from openpyxl import load_workbook

from finledger.core.model import Invoice
from finledger.core.problem import Misused, Refused
from finledger.resources import shipped
from finledger.write.invoice import FEW, formats, render, render_all, suffix
from finledger.write.invoice import _words as words
from finledger.write.templates import Templates
from tests.formats.invoice import readings, sample

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FORMATS = ("html", "json", "md", "pdf", "xlsx")
Rendering = Callable[[str, str], bytes]


@pytest.fixture(scope="module")
def rendered() -> Rendering:
    """`rendered("invoice", "pdf")`: a document of the sample in a format, made once."""
    templates = Templates([shipped("templates")])
    return lambda document, name: templates.keep(
        ("test", document, name), lambda: render(name, sample.ALL[document], templates)
    )


def everything(name: str, content: bytes, folder: Path) -> str:
    """All text of a document, commas taken out of figures, runs of space made one."""
    if name == "pdf":
        text = readings.pdf_text(content, folder)
    elif name == "xlsx":
        sheets = load_workbook(BytesIO(content)).sheetnames
        cells = [
            str(cell) for each in sheets for row in readings.xlsx_cells(content, each) for cell in row if cell is not None
        ]
        text = " ".join(cells)
    elif name == "html":
        text = " ".join(" ".join(row) for row in readings.html_rows(content)) + content.decode().split("<body>")[1]
    else:
        text = content.decode()
    return " ".join(text.replace(",", "").split())


def test_many_documents__are_the_same_bytes_in_the_order_asked(rendered: Rendering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are many PDFs several threads make them; one that cannot be made stops the run with its own error."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    wanted = [(name, document) for _ in range(FEW) for name in ("pdf", "json") for document in ("invoice", "statement")]
    found = render_all([(name, sample.ALL[each]) for name, each in wanted], lambda: Templates([shipped("templates")]))
    assert list(found) == [rendered(each, name) for name, each in wanted]
    asked = [("pdf", sample.INVOICE)] * (FEW + 1)
    with pytest.raises(Refused) as refused:
        list(render_all(asked, lambda: Templates([HERE])))
    assert [problem.code for problem in refused.value.problems] == ["template-missing"]


def test_formats__are_the_files_of_the_folder() -> None:
    assert formats() == FORMATS
    assert [suffix(name) for name in formats()] == [".html", ".json", ".md", ".pdf", ".xlsx"]
    with pytest.raises(Misused, match="no document format '_view': choose from html, json, md, pdf, xlsx"):
        render("_view", sample.INVOICE, Templates([shipped("templates")]))


# ── the same figures everywhere ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("document", ["invoice", "statement", "burst", "credit-note", "debit", "yen", "dinar", "huge"])
@pytest.mark.parametrize("name", FORMATS)
def test_render__every_format_has_the_same_lines_and_total(
    document: str, name: str, rendered: Rendering, tmp_path: Path
) -> None:
    found = readings.lines_of(name, rendered(document, name), tmp_path)
    every = sample.ALL[document].lines
    lines = [line for line in every if name in ("json", "xlsx") or line.key.kind not in words.AMOUNTS]
    assert [line[0] for line in found] == [line.line_id for line in lines]
    for line, (_, quantity, price, amount) in zip(lines, found, strict=True):
        assert Decimal(quantity) == line.quantity
        assert Decimal(amount) == line.amount.amount
        assert name == "xlsx" or amount == str(line.amount)  # a workbook's cell format shows the decimals
        assert abs(Decimal(price) - line.unit_price) < Decimal("1E-12")
    assert str(sample.ALL[document].total) in everything(name, rendered(document, name), tmp_path)


def test_html__says_what_a_finance_director_asks_first(rendered: Rendering) -> None:
    page = rendered("invoice", "html").decode()
    assert (
        '<p class="sentence">Team R&amp;D &lt;b&gt; owes 2,683.01 USD for July 2026: 183.01 over its budget of 2,500.00.</p>'
        in page
    )
    rows = readings.html_rows(page.encode())
    assert rows[:7] == [
        ["July 2026", "USD"],
        ["Usage and services", "2,678.09"],
        ["Price of quality", "4.92"],
        ["Charged", "2,683.01"],
        ["Budget", "2,500.00"],
        ["Variance", "+183.017.3 % of the budget"],
        ["Forecast", "2,400.00"],
    ]
    assert rows[7] == ["Feature", "Charged", "Coverage", "Freshness", "Cost per correct task"]
    assert rows[8] == [
        "=1+1950 of 1,000 graded tasks correct, 90,000 tasks", "1,117.87", "85 %", "91.5 %", "0.0130094 USD",
    ]  # fmt: skip
    assert rows[9][1:] == ["28.45", "50 %", "not tracked", "not measurable"]
    assert rows[10] == ["autosuggest", "0.01", "not tracked", "not tracked", "not measurable"]
    assert rows[11] == ["(no feature)", "1,536.68", "not tracked", "not tracked", "not measurable"]
    assert ["Usage", "what the models cost at the price book's rates", "954.34"] in rows  # 930 + 4.66 + 19.67 + 0.01
    assert ["Total", "19.53", "13.9671.5 %", "5.57"] in rows  # 11.13 + 8.40; 13.96 / 19.53 = 71.48 %
    judge = next(row for row in rows if row[0].startswith("judge_call"))
    assert judge[3:] == ["2,002", "8.40", "8.40100 %", "0.00"]
    assert page.index("owes 2,683.01") < page.index(">What it bought<") < page.index(">Lines<")


def test_html__asks_nothing_of_the_network_and_says_its_language(rendered: Rendering) -> None:
    page = rendered("invoice", "html").decode()
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert "<title>Invoice 2026-000017: R&amp;D &lt;b&gt;, July 2026</title>" in page
    for forbidden in ("http:", "https:", "//", "<script", "<link", "<img", "@import", "src="):
        assert forbidden not in page, forbidden
    assert page.count("<th scope=") == page.count("<th ")
    assert "prefers-color-scheme: dark" in page and "@media print" in page


@pytest.mark.parametrize("name", FORMATS)
def test_render__what_an_invoice_must_hold(name: str, rendered: Rendering, tmp_path: Path) -> None:
    said = everything(name, rendered("invoice", name), tmp_path)
    wanted = [
        "2026-000017", "cc-4815", "cc-4900", "research-leads@northwind.example", "Northwind AI platform", "ai-platform",
        "2026-Q3.v1", sample.SHA, "2026-07-0017", "2026-07-0018", "The price of gpt-large changed on 16 July.",
    ]  # fmt: skip
    if name == "json":
        wanted += ['"stage": "chargeback"', '"adopted": true', '"service_first_day": "2026-07-01"']
        wanted += ['"service_last_day": "2026-07-31"', '"issue_date": "2026-08-01"']
    else:
        wanted += ["1 July 2026 to 31 July 2026", "1 August 2026", "Chargeback (adopted", "it is not a tax invoice"]
        wanted += ["Cost per correct task", "not measurable", "0.0130094 USD"]
    if name not in ("json", "pdf"):
        wanted += ["Each line id can be traced to its line of the price book"]
    if name != "json":
        assert "PRO FORMA" not in said
    missing = [text for text in wanted if text not in said]
    assert not missing


@pytest.mark.parametrize("name", FORMATS)
def test_render__a_statement_says_that_it_is_one(name: str, rendered: Rendering, tmp_path: Path) -> None:
    said = everything(name, rendered("statement", name), tmp_path)
    if name == "json":
        assert '"kind": "statement"' in said and '"pro_forma": true' in said and '"entry_ids": []' in said
    else:
        assert "Pro-forma statement" in said and "PRO FORMA" in said
        assert "nothing is posted and nothing is owed" in said
        assert "would owe 2683.01 USD for July 2026; it has no budget for the month." in said.replace("&#39;", "'")


def test_pdf__every_page_of_a_statement_has_the_watermark(rendered: Rendering, tmp_path: Path) -> None:
    pages = readings.pdf_text(rendered("statement", "pdf"), tmp_path).rstrip("\f").split("\f")
    assert len(pages) == 2
    assert [page.split()[-1] for page in pages] == ["1/2", "2/2"]
    grey = bytes.fromhex("e9ecec")  # the watermark's colour, which nothing else has
    marked = [page.count(grey) for page in readings.pdf_pixels(rendered("statement", "pdf"), tmp_path)]
    plain = [page.count(grey) for page in readings.pdf_pixels(rendered("invoice", "pdf"), tmp_path)]
    assert plain == [0, 0] and min(marked) > 500


@pytest.mark.parametrize(
    ("document", "title", "sentence"),
    [
        ("credit-note", "Credit note", "is to be credited 45.25 USD for July 2026; it has no budget"),
        ("nothing", "Invoice", "owes nothing for July 2026"),
        ("yen", "Invoice", "owes 185,185,184 JPY for"),
        ("dinar", "Invoice", "owes 0.001 KWD for"),
        ("huge", "Invoice", "owes 123,456,789,012,345,678.90 USD for"),
    ],
)
def test_json__title_and_sentence(document: str, title: str, sentence: str, rendered: Rendering) -> None:
    fields = json.loads(rendered(document, "json"))
    assert fields["title"] == title
    assert sentence in fields["summary"]


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("2683.01", "owes 2,683.01 USD for July 2026: exactly its budget of 2,683.01."),
        ("3000.00", "owes 2,683.01 USD for July 2026: 316.99 under its budget of 3,000.00."),
        ("0.00", "owes 2,683.01 USD for July 2026: 2,683.01 over its budget of 0.00."),
    ],
)
def test_render__the_budget_in_words(budget: str, said: str) -> None:
    document = replace(sample.INVOICE, budget=sample.usd(budget))
    assert said in render("md", document, Templates([shipped("templates")])).decode()
    assert render("html", document, Templates([shipped("templates")]))  # a budget of nothing divides by nothing


def test_render__two_entities_are_named_and_not_called_internal() -> None:
    document = replace(sample.INVOICE, issuer_entity="Northwind Inc.", entity="Northwind EU B.V.")
    page = render("md", document, Templates([shipped("templates")])).decode()
    assert "intercompany charge from Northwind Inc. to Northwind EU B.V." in page and "internal allocation" not in page
    assert re.search(r"Billed entity\W+Northwind EU B\.V\.", page) and re.search(r"Issuing entity\W+Northwind Inc\.", page)
    inside = replace(document, entity="Northwind Inc.")
    assert (
        "internal allocation of cost inside Northwind Inc.; it is not a tax"
        in render("md", inside, Templates([shipped("templates")])).decode()
    )


# ── workbook ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_xlsx__sheets_numbers_and_checks(rendered: Rendering) -> None:
    book = load_workbook(BytesIO(rendered("invoice", "xlsx")))
    assert book.sheetnames == ["Summary", "Explained", "Lines", "Disclosures", "Quality", "Checks"]
    amounts = [cell for cell in book["Lines"]["I"][1:]]
    assert all(cell.data_type == "n" and cell.number_format == "#,##0.00" for cell in amounts)
    assert amounts[-1].value == 2683.01
    assert book["Lines"].freeze_panes == "A2" and book["Lines"]["H4"].number_format == "#,##0.00##########"
    checks = readings.xlsx_cells(rendered("invoice", "xlsx"), "Checks")
    assert checks[1][:3] == ["Sum of the lines = total", "2,683.01", "2,683.01"]
    assert checks[1][3] == "=ROUND(SUM(Lines!$I$2:$I$10),2)"
    assert checks[1][4] == '=IF(ROUND(SUM(Lines!$I$2:$I$10),2)=ROUND(Lines!$I$11,2),"yes","NO")'
    assert [row[1:3] + row[4:] for row in checks[2:]] == [
        ["2,683.01", "2,683.01", "yes"], ["2,683.01", "2,683.01", "yes"], ["19.53", "19.53", "yes"],
    ]  # fmt: skip
    cached = load_workbook(BytesIO(rendered("invoice", "xlsx")), data_only=True)["Checks"]
    assert (cached["D2"].value, cached["E2"].value) == (2683.01, "yes")


def test_xlsx__only_its_own_sums_are_formulas_and_long_figures_are_text(rendered: Rendering) -> None:
    book = load_workbook(BytesIO(rendered("invoice", "xlsx")))
    formulas = [(sheet.title, cell.coordinate) for sheet in book for row in sheet for cell in row if cell.data_type == "f"]
    assert formulas == [("Checks", "D2"), ("Checks", "E2")]
    assert book["Lines"]["A2"].value == sample.FORMULA and book["Lines"]["A2"].data_type == "s"
    assert not any(cell.hyperlink for sheet in book for row in sheet for cell in row)
    huge = load_workbook(BytesIO(rendered("huge", "xlsx")))
    assert huge["Lines"]["I2"].data_type == "s" and huge["Lines"]["I2"].value == "123,456,789,012,345,678.90"
    assert huge["Checks"]["D2"].value is None and huge["Checks"]["E2"].value == "yes"


@pytest.mark.parametrize(("document", "shown"), [("yen", "#,##0"), ("dinar", "#,##0.000")])
def test_xlsx__currency_decides_the_decimals(document: str, shown: str, rendered: Rendering) -> None:
    assert load_workbook(BytesIO(rendered(document, "xlsx")))["Lines"]["I2"].number_format == shown


def test_xlsx__a_budget_of_nothing_is_not_no_budget() -> None:
    for budget, shown in ((sample.usd("0.00"), 0), (None, "none set")):
        content = render("xlsx", replace(sample.INVOICE, budget=budget), Templates([shipped("templates")]))
        assert [row[1] for row in readings.xlsx_cells(content, "Summary") if row[0] == "Budget"] == [shown]


def test_xlsx__a_text_longer_than_a_cell_is_cut_and_says_so() -> None:
    content = render("xlsx", replace(sample.INVOICE, owner="x" * 40_000), Templates([shipped("templates")]))
    (owner,) = [row[1] for row in readings.xlsx_cells(content, "Summary") if row[0] == "Owner"]
    assert isinstance(owner, str) and len(owner) == 32_767 and owner.endswith("x…")


# ── names that break documents ──────────────────────────────────────────────────────────────────────────────────────────


def test_html__markup_in_a_name_is_text() -> None:
    hostile = replace(sample.INVOICE, team="<script>alert(1)</script>", owner='"><img src=x>', notes=("{{ 7*7 }} </style>",))
    page = render("html", hostile, Templates([shipped("templates")])).decode()
    assert "<script" not in page and "<img" not in page and page.count("</style>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "{{ 7*7 }}" in page


def test_md__a_reader_sees_the_names_as_they_are(rendered: Rendering) -> None:
    rows = readings.md_rows(rendered("invoice", "md"))
    assert ["Billed team", "R&D <b>"] in rows
    assert [row[1] for row in rows if row[0] == "agent_step"] == ["claude|`mid`"]
    hostile = "[x](http://evil.example) ![y](z) <img src=x> *a* _b_ ~~c~~ # d \\| e"
    page = render("md", replace(sample.INVOICE, team=hostile), Templates([shipped("templates")]))
    assert ["Billed team", hostile] in readings.md_rows(page)


def test_typst__text_is_never_markup(tmp_path: Path) -> None:
    hostile = "#panic() *b* $x$ @ref // c \\ [d] `e`"
    content = render("pdf", replace(sample.INVOICE, team=hostile), Templates([shipped("templates")]))
    assert hostile in " ".join(readings.pdf_text(content, tmp_path).split())


@pytest.mark.parametrize("name", FORMATS)
def test_render__characters_that_hide_or_do_not_print_never_break_a_document(name: str, tmp_path: Path) -> None:
    document = replace(sample.INVOICE, team="a\x00b\u202ec\ud800\n\ue123d")
    said = everything(name, render(name, document, Templates([shipped("templates")])), tmp_path)
    if name == "json":
        assert json.loads(render(name, document, Templates([shipped("templates")])))["team"] == document.team
    else:
        private = "U+E123" if name == "pdf" else "\ue123"
        assert f"aU+0000bU+202EcU+D800 {private}d" in said


def test_pdf__a_character_without_a_font_is_written_as_its_code_point(tmp_path: Path) -> None:
    templates = Templates([shipped("templates")])
    templates.keep(("pdf fonts", True), lambda: typst.Fonts(include_system_fonts=False))  # a machine without fonts
    text = readings.pdf_text(render("pdf", sample.INVOICE, templates), tmp_path)
    assert "U+65E5U+672C" in "".join(text.split())
    assert "2,683.01" in text


def test_pdf__declares_an_archive_and_accessible_pdf(rendered: Rendering) -> None:
    content = rendered("yen", "pdf")
    assert b"<pdfaid:part>3</pdfaid:part>" in content and b"<pdfuaid:part>1</pdfuaid:part>" in content
    assert b"D:20260801000000Z" in content


# ── the same bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────

DIGESTS = """
import hashlib, sys
from finledger.resources import shipped
from finledger.write.invoice import formats, render
from finledger.write.templates import Templates
from tests.formats.invoice import sample
for name in formats():
    print(name, hashlib.sha256(render(name, sample.INVOICE, Templates([shipped("templates")]))).hexdigest())
"""


def test_render__the_same_bytes_in_another_process() -> None:
    def digests(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "TZ": ["UTC", "Asia/Tokyo"][int(seed)]}
        words = [sys.executable, "-c", DIGESTS]
        return subprocess.run(words, check=True, capture_output=True, text=True, env=environment, cwd=ROOT).stdout

    first = digests("0")
    assert [row.split()[0] for row in first.splitlines()] == list(FORMATS)
    assert digests("1") == first


@pytest.mark.parametrize("document", ["invoice", "statement", "burst", "debit", "credit"])
@pytest.mark.parametrize("name", ["html", "json", "md"])
def test_render__golden(document: str, name: str, rendered: Rendering, request: pytest.FixtureRequest) -> None:
    expected = HERE / "expected" / f"{document}{suffix(name)}"
    if request.config.getoption("--update-goldens"):
        expected.write_bytes(rendered(document, name))
    assert rendered(document, name).decode() == expected.read_text(encoding="utf-8")


def test_json__has_every_field_of_the_invoice(rendered: Rendering) -> None:
    fields = json.loads(rendered("invoice", "json"))
    assert set(Invoice.__slots__) <= set(fields)
    line = fields["lines"][0]
    assert line["unit_price"] == "0.011123" and line["tokens"] == {"input_tokens": 150000000, "output_tokens": 40000000}
    assert line["components"][0] == {"component": "base", "amount": "930.00"}
    assert line["rules"] == [{"field": "feature", "rule": 3}] and line["token_cost"] == "930.0012345678"
    assert fields["quality"][0]["cost_per_correct_task"] == "0.0130094" and fields["quality"][2]["coverage"] is None
