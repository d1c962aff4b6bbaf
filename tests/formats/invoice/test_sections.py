"""What explains a bill: the price of quality, the buffer in words and figures, and the memos; and that it all adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from finledger.core.beside import Beside, put_beside
from finledger.core.history import Flow, History
from finledger.core.model import Dated, DrawRequest, Invoice, Organisation, RefusalReason, Team
from finledger.core.period import Month
from finledger.resources import shipped
from finledger.write.invoice import render
from finledger.write.invoice._view import SectionView, view
from finledger.write.templates import Templates
from tests.formats.invoice import readings, sample
from tests.support import SHARED, copy_books, finledger, needs_shared

TEMPLATES = Templates([shipped("templates")])


def section(name: str, invoice: Invoice) -> SectionView:
    (found,) = [each for each in view(invoice).sections if each.name == name]
    return found


def figure(shown: str) -> Decimal:
    return Decimal(shown.replace(",", ""))


# ── the price of quality ────────────────────────────────────────────────────────────────────────────────────────────────


def test_price_of_quality__by_feature_with_its_base_and_what_becomes_of_it() -> None:
    table = section("price-of-quality", sample.BURST)
    assert table.columns[1:] == (
        "Coverage", "Freshness", "Multiplier", "Base", "Coverage premium", "Freshness premium", "Coverage credit",
    )  # fmt: skip
    credited, premium, whole = table.rows
    assert credited.cells[1:] == ("85 %", "91.5 %", "× 1", "930.00", "0.00", "0.00", "-15.50")
    assert credited.fine == "Credited: the coverage premium of June 2026, as coverage reached its target."
    # 119.67 x 0.25 = 29.9175, on two lines 4.92 + 25.00; 119.67 x 0.05 = 5.9835, on two lines 0.98 + 5.00
    assert premium.cells[1:] == ("50 %", "70 %", "× 1.3", "119.67", "29.92", "5.98", "0.00")
    assert premium.fine == (
        "The coverage premium is recoverable in full: credited when coverage reaches 80 % by August 2026. "
        "The freshness premium is not paid back; it ends when freshness is 90 % or more."
    )
    assert whole.cells == ("Total", "", "", "", "1,049.67", "29.92", "5.98", "-15.50") and whole.strong
    assert "rising to 1.5 at 20 % or less, and where coverage is not tracked" in table.says


def test_price_of_quality__the_last_month_of_a_quarter_gives_nothing_back() -> None:
    last = replace(sample.BURST, quarter_end=sample.JULY)
    said = section("price-of-quality", last).rows[1].fine
    assert said.startswith(
        "The quarter ends with this month: the coverage premium stays in the reserve that pays for evaluation."
    )
    pro_forma = replace(sample.BURST, kind="statement", stage="showback")
    said = section("price-of-quality", pro_forma).rows[1].fine
    assert said.startswith("The coverage premium would be recoverable in full: credited when")
    assert section("price-of-quality", pro_forma).rows[0].fine.startswith("Credited pro forma:")


def test_price_of_quality__is_left_out_where_the_book_prices_none() -> None:
    assert [each.name for each in view(sample.CREDIT_NOTE).sections] == []
    bare = replace(sample.only(sample.CHAT), quality_terms=None)
    assert [each.name for each in view(bare).sections] == ["buffer"]


# ── what is grouped still adds up ───────────────────────────────────────────────────────────────────────────────────────


def test_bill__its_parts_add_up_to_what_is_charged() -> None:
    rows = {row.label: figure(row.amount) for row in view(sample.BURST).bill}
    # 1,112.30 + 23.53 + 100.00; 4.92 + 25.00 + 0.98 + 5.00
    assert list(rows.items())[:5] == [
        ("Usage and services", Decimal("1235.83")),
        ("Price of quality", Decimal("35.90")),
        ("Coverage credit", Decimal("-15.50")),
        ("Buffer draw", Decimal("-500.00")),
        ("Charged", Decimal("756.23")),
    ]
    assert sum(list(rows.values())[:4]) == rows["Charged"]
    assert [row.label for row in view(sample.YEN).bill] == ["Charged", "Budget", "Variance"]


def test_lines__premiums_stand_in_one_row_and_every_subtotal_adds_up() -> None:
    document = view(sample.BURST)
    for feature in document.features:
        assert sum(figure(line.amount) for line in feature.lines) == figure(feature.subtotal)
    assert sum(figure(feature.subtotal) for feature in document.features) == figure(document.total)
    long = document.features[1]
    assert [(line.item, line.amount, line.details[-1]) for line in long.lines[2:]] == [
        ("Coverage premium", "29.92", "2 lines, see the price of quality"),
        ("Freshness premium", "5.98", "2 lines, see the price of quality"),
    ]


def test_json_and_xlsx__list_each_premium() -> None:
    fields = json.loads(render("json", sample.BURST, TEMPLATES))
    premiums = [line["amount"] for line in fields["lines"] if line["kind"] == "coverage_premium"]
    assert premiums == ["4.92", "25.00"]
    rows = readings.xlsx_cells(render("xlsx", sample.BURST, TEMPLATES), "Lines")
    assert [row[8] for row in rows if row[2] == "coverage premium"] == [4.92, 25]
    table = [row for row in readings.xlsx_cells(render("xlsx", sample.BURST, TEMPLATES), "Explained") if row[0] == "Total"]
    assert table[0][4:8] == [1049.67, 29.92, 5.98, -15.5]


@pytest.mark.parametrize("name", ["html", "md", "pdf", "xlsx"])
def test_render__every_section_is_on_every_format(name: str, tmp_path: Path) -> None:
    content = render(name, sample.BURST, TEMPLATES)
    if name == "pdf":
        said = readings.pdf_text(content, tmp_path)
    elif name == "xlsx":
        said = str(readings.xlsx_cells(content, "Explained"))
    else:
        said = content.decode()
    said = " ".join(said.split())
    for wanted in ("The price of quality", "The bursting buffer", "How evaluation was shared", "Not priced to teams"):
        assert wanted in said
    for wanted in ("29.92", "5.98", "-15.5", "43.7", "-500", "43.96", "88.8 %", "17.06", "by August 2026"):
        assert wanted in said  # a workbook's numbers have no zeros at their end
    assert "part of this document" in said


# ── the buffer ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_buffer__a_draw_with_its_cause_its_forecast_and_what_held_it_down() -> None:
    rows = section("buffer", sample.BURST).rows
    assert [(row.cells, row.fine) for row in rows] == [
        (("Surcharge paid into the fund", "43.70"), "part of the prices of the actions"),
        (("Draw requested for a backfill", "as much as allowed"), "disclosed: “Re-read *all*|documents”"),
        (("Charges before any draw", "1,256.23"), ""),
        (("Forecast they are measured from", "400.00"), "the month's forecast as it was frozen; later changes do not count"),
        (("Charges in times of the forecast", "3.14 ×"), "a draw needs 3 times the forecast or more"),
        (("Draw granted", "-500.00"), "of 856.23 that were allowed: the fund held no more for all who drew"),
    ]


@pytest.mark.parametrize(
    ("requested", "granted", "said"),
    [
        (None, "856.23", "brings the month back to its forecast"),
        ("300.00", "300.00", "as requested"),
        (None, "650.00", "what was left of the cap of 900.00 a team and quarter"),
    ],
)
def test_buffer__what_a_draw_was_limited_by(requested: str | None, granted: str, said: str) -> None:
    request = replace(sample.DRAW.request, requested=None if requested is None else Decimal(requested))
    draw = replace(sample.DRAW, request=request, allowed=sample.usd(granted), granted=sample.usd(granted))
    assert section("buffer", replace(sample.BURST, draw=draw)).rows[-1].fine == said


def test_buffer__a_low_balled_forecast_is_said_to_be_lifted() -> None:
    draw = replace(sample.DRAW, forecast=Fraction(1234, 3), low_balled=True)  # 411.333…
    row = section("buffer", replace(sample.BURST, draw=draw)).rows[3]
    assert row.cells[1] == "411.33"
    assert row.fine == "0.8 × the mean of the three months before, as the frozen forecast of 400.00 is below that"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("stage", "because the team's stage moves no money: it neither pays into the fund nor draws on it"),
        ("no_forecast", "because the team has no forecast for the month to measure a burst from"),
        ("threshold", "because charges of 1,256.23 do not reach the threshold of 1,200.00"),
        (
            "cause",
            "because a draw is for a backfill, an evaluation campaign, a model migration or research and exploration",
        ),
        ("disclosure", "because the request does not say what the burst was for"),
        ("cap", "because the team has drawn its cap of 900.00 for the quarter"),
        ("fund", "because the fund held nothing for it"),
    ],
)
def test_buffer__a_refusal_in_words_and_figures(reason: RefusalReason, said: str) -> None:
    request = DrawRequest(sample.JULY, sample.AWKWARD, "party", " ")
    forecast = None if reason == "no_forecast" else Fraction(400)
    draw = replace(sample.DRAW, request=request, forecast=forecast, granted=sample.usd("0"), reason=reason)
    rows = section("buffer", replace(sample.BURST, draw=draw)).rows
    assert (rows[-1].cells, rows[-1].fine) == (("Draw refused", "0.00"), said)
    assert (rows[1].cells[0], rows[1].fine) == ("Draw requested for “party”", "nothing was disclosed")


def test_buffer__a_statement_says_that_nothing_is_paid_in() -> None:
    rows = section("buffer", replace(sample.BURST, kind="statement", draw=None)).rows
    assert [(row.cells, row.fine) for row in rows] == [(("Surcharge, pro forma", "43.70"), "nothing is paid in")]


def test_credit_note__says_what_is_to_be_credited() -> None:
    rows = [(row.label, row.amount, row.strong) for row in view(sample.CREDIT_NOTE).bill]
    assert rows[:2] == [("Charged", "-45.25", True), ("To be credited", "45.25", True)]
    page = render("html", sample.CREDIT_NOTE, TEMPLATES).decode()
    assert "<h1>Credit note <small>" in page and "is to be credited 45.25 USD for July 2026" in page


# ── memos ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_memos__are_marked_and_count_nothing_twice() -> None:
    shared, central = section("shared-evaluation", sample.BURST), section("not-priced", sample.BURST)
    assert shared.memo and central.memo and not section("buffer", sample.BURST).memo
    assert [row.cells for row in shared.rows[3:]] == [
        ("Subsidy: Labelling", "30.00"),
        ("Subsidy: Judge models", "12.00"),
        ("The platform's part of it all", "43.96"),  # 13.96 + 30.00
    ]
    assert shared.rows[4].fine == "not counted below: judge calls are in the figures above"
    assert shared.rows[-1].fine == "88.8 % of 49.53 that evaluation cost in all"  # 43.96 / 49.53 = 0.88754
    assert central.rows[-1].cells == ("Total", "17.06")


# ── where it comes from ─────────────────────────────────────────────────────────────────────────────────────────────────


def flow(month: str, component: str, minor: int, posted: bool = True, feature: str = "f") -> Flow:
    at = Month.parse(month)
    return Flow(at, at, "search", feature, component, component, posted, minor)


@pytest.mark.parametrize(
    ("flows", "months"),
    [
        ([flow("2026-07", "coverage_premium", 1732)], ["2026-07"]),
        ([flow("2026-07", "coverage_premium", 5), flow("2026-08", "coverage_premium", 6)], ["2026-07", "2026-08"]),
        ([flow("2026-07", "coverage_premium", 5), flow("2026-08", "coverage_credit", -5)], []),
        ([flow("2026-06", "coverage_premium", 5)], []),  # of the quarter before
        ([flow("2026-07", "coverage_premium", 5, posted=False)], []),  # pro forma premium is credited pro forma only
        ([flow("2026-07", "coverage_premium", 5, feature="g")], []),
    ],
)
def test_put_beside__a_credit_says_of_which_months_it_is(flows: list[Flow], months: list[str]) -> None:
    credit = sample.line("f", "", "coverage_credit", "1", "month", "-17.32", {"coverage_credit": sample.usd("-17.32")})
    document = replace(sample.only(credit), team="search", month=Month(2026, 9))
    team = Team("search", Dated.always("cc-1"), Dated.always("chargeback"))
    organisation = Organisation("B", "USD", "UTC", "ai-platform", "cc-1000", {"search": team})
    found = put_beside(document, Beside(history=History("USD", tuple(flows))), organisation)
    assert [(feature, [str(month) for month in of]) for feature, of in found.credited] == [("f", months)]
    assert str(found.quarter_end) == "2026-09" and found.draw is None and found.quality_terms is None


@needs_shared
def test_invoice__the_quarter_of_the_golden_books(tmp_path: Path) -> None:
    books = copy_books(SHARED / "golden" / "northwind-2026-Q3", tmp_path / "books")
    finledger("load", "--books", books, "-q")
    for month in ("2026-07", "2026-08", "2026-09"):
        finledger("invoice", "--books", books, "--month", month, "--to", "json,md", "-q")

    def document(month: str, team: str) -> tuple[dict, str]:
        (path,) = (books / "out" / month / "invoices").glob(f"*-{team}.json")
        return json.loads(path.read_text()), path.with_suffix(".md").read_text()

    search, said = document("2026-08", "search")
    assert search["credited"] == [{"feature": "search-f1", "months": ["2026-07"]}]
    assert "the coverage premium of July 2026" in said
    research, said = document("2026-08", "research")
    assert (research["draw"]["granted"], research["draw"]["allowed"], research["draw"]["forecast"]) == (
        "106.71", "900.00", "400.000000000000",
    )  # fmt: skip
    assert "disclosed: “Re-embedded the corpus for the new model”" in said and "8.05 ×" in said
    support, said = document("2026-09", "support")
    assert support["draw"]["reason"] == "threshold"
    assert "charges of 1,148.24 do not reach the threshold of 1,200.00" in said
