"""Each format's small file, line by line; figures by hand from invoice_samples.py."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import zstandard
from openpyxl import Workbook

from finledger.read.invoices import detect, formats, read_invoice
from finledger.read.invoices._export import open_export
from tests.read.invoices import invoice_samples as samples
from tests.read.invoices.invoice_samples import SAMPLES, lines_of, raw_json, told, total

WANTED = {
    # the voided F-78 is left out; 410.125 - 10.125 + 76 = 476
    "detail.csv": [
        "F-77 | 2026-07 | harbour-large | Model use |  | 410.125 EUR | usage",
        "F-77 | 2026-07 |  | Goodwill |  | -10.125 EUR | credit",
        "F-77 | 2026-07 |  | VAT 19 % |  | 76.00 EUR | tax",
    ],
    # 0.15 + 0.25 and 1,000 + 2,000 tokens are one line; June's use on July's invoice another
    "rows.csv": [
        "H-1 | 2026-07 | large | Models | 3000 tokens | 0.40 USD | usage",
        "H-1 | 2026-06 | large | Models | 500 tokens | 2.00 USD | usage",
        "H-1 | 2026-07 | Models | Models |  | -0.10 USD | credit",
        "costs 2026-07 | 2026-07 | pack | Models |  | 7.00 USD | fee",
    ],
    # thirty places are kept; the empty day bills nothing; 1785542400 is August 1st in UTC
    "openai.csv": [
        "costs 2026-07 | 2026-07 | gpt-large | input | 1500 tokens | 0.300000000000000000000000000001 USD | usage",
        "costs 2026-07 | 2026-07 | gpt-large | output | 100 tokens | 0.4 USD | usage",
        "costs 2026-08 | 2026-08 | web search tool calls |  |  | 0.8 USD | usage",
    ],
    "openai.json": [
        "costs 2026-07 | 2026-07 | gpt-large | cached input | 12000 tokens | 0.06 USD | usage",
        "costs 2026-07 | 2026-07 |  |  |  | 0.3000000000000000444 USD | usage",
    ],
    # cents: 123.45 + 0.0001 = 123.4501 cents = 1.234501 dollars; 1000 cents = 10 dollars
    "anthropic.json": [
        "costs 2026-07 | 2026-07 | sonnet | output_tokens |  | 1.234501 USD | usage",
        "costs 2026-07 | 2026-07 | web_search | Web search |  | 10.00 USD | usage",
    ],
    "anthropic.csv": [
        "costs 2026-07 | 2026-07 | Sonnet Five | output |  | 13.00 USD | usage",
        "costs 2026-07 | 2026-07 | web_search | message |  | 1.00 USD | usage",
    ],
    # 1.81E-8 + 0.5; a fee that no invoice has taken up yet
    "cur.csv": [
        "9001 | 2026-07 | USE1-Nova-input-tokens | AmazonBedrock | 20.0 1K tokens | 0.5000000181 USD | usage",
        "9001 | 2026-07 | AmazonBedrock | AmazonBedrock | 1 | 0.1 USD | tax",
        "9001 | 2026-07 | AmazonBedrock | AmazonBedrock |  | -0.05 USD | credit",
        "costs 2026-07 | 2026-07 | USE1-HeavyUsage | AmazonEC2 | 744 Hrs | 10 USD | fee",
    ],
    "cur2.csv": [
        "9002 | 2026-07 | USE1-BoxUsage | AmazonEC2 | 3 Hrs | 0 USD | usage",
        "9002 | 2026-07 | USE1-BoxUsage | AmazonEC2 |  | -4.20 USD | credit",
    ],
    # 0.36 + 9.0E-02 = 0.45
    "ea.csv": [
        "costs 2026-07 | 2026-07 | Large Inp Tokens | Models - Large | 15 1K | 0.450 CHF | usage",
        "costs 2026-07 | 2026-07 | Reserved Unit | Reservation | 1 1 Hour | 100 CHF | fee",
        "costs 2026-07 | 2026-07 | Rounding | Rounding |  | -0.01 CHF | adjustment",
    ],
    "mca.csv": [
        "G-12 | 2026-07 | Large Outp Tokens |  | 2 1K | 0.24 EUR | usage",
        "G-12 | 2026-07 | Large Outp Tokens |  | 2 1K | -0.04 EUR | credit",
    ],
    "gcp.jsonl": [
        "costs 2026-07 | 2026-07 | Flash input | Models | 2000 tokens | 1.10 EUR | usage",
        "costs 2026-07 | 2026-07 | Flash input | July promotion |  | -0.30 EUR | credit",
        "costs 2026-07 | 2026-07 | Flash input | sud |  | -0.05 EUR | credit",
        "costs 2026-07 | 2026-07 | T |  |  | 0.14 EUR | tax",
        "costs 2026-07 | 2026-06 | Flash input | Models | 1000 tokens | 0.9 EUR | usage",
    ],
    "gcp.csv": [
        "costs 2026-07 | 2026-07 | Flash input | Models |  | 1.10 EUR | usage",
        "costs 2026-07 | 2026-07 | Flash input | July promotion |  | -0.30 EUR | credit",
        "costs 2026-07 | 2026-07 | Rounding error | Invoice |  | 0.01 EUR | adjustment",
    ],
}
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "cur": "aws", "cur2": "aws", "ea": "azure", "mca": "azure",
             "gcp": "google", "detail": "Harbour Cloud", "rows": "Harbour"}  # fmt: skip


def test_contract__every_format_has_a_sample() -> None:
    assert {format for format, _ in SAMPLES.values()} | {"column_map"} == set(formats())
    for module in formats().values():
        assert module.DESCRIPTION and callable(module.detect) and callable(module.read)


@pytest.mark.parametrize("name", SAMPLES)
def test_lines(name: str, tmp_path: Path) -> None:
    """Without a hint in the file's name."""
    lines = lines_of(SAMPLES[name][1], tmp_path)
    assert told(lines) == WANTED[name]
    assert {line.provider for line in lines} == {PROVIDERS[name.partition(".")[0]]}


@pytest.mark.parametrize("name", SAMPLES)
def test_detected__by_one_format_alone(name: str, tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_text(SAMPLES[name][1])
    export = open_export(path, "export").rows
    assert export is not None
    assert [found for found, module in formats().items() if module.detect(export.head)] == [SAMPLES[name][0]]
    assert detect(path) == SAMPLES[name][0]
    assert read_invoice(path, "export", SAMPLES[name][0]).rows == read_invoice(path, "export").rows


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gz", "zst"])
def test_packed__is_the_same(name: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    text = SAMPLES[name][1]
    assert lines_of(pack(text.encode()), tmp_path) == lines_of(text, tmp_path)


def test_places__line_of_a_table_and_path_in_a_document(tmp_path: Path) -> None:
    assert [str(line.source) for line in lines_of(SAMPLES["rows.csv"][1], tmp_path)] == [
        "export:2", "export:4", "export:5", "export:6",
    ]  # fmt: skip
    assert [str(line.source) for line in lines_of(SAMPLES["openai.json"][1], tmp_path)] == [
        "export (data/#1/results/#1)",
        "export (data/#1/results/#2)",
    ]


def test_grouped__tells_of_how_many_rows(tmp_path: Path) -> None:
    """What the provider rounded by the row can be off by half a cent a row (X1)."""
    assert [line.rows for line in lines_of(SAMPLES["openai.csv"][1], tmp_path)] == [2, 1, 1]
    assert [line.rows for line in lines_of(SAMPLES["detail.csv"][1], tmp_path)] == [1, 1, 1]


def test_focus_detail__dates_and_the_voided_invoice(tmp_path: Path) -> None:
    path = tmp_path / "detail.csv"
    path.write_text(samples.FOCUS_DETAIL)
    found = read_invoice(path, "provider-invoices/detail.csv")
    assert {line.invoice_date for line in found.rows} == {date(2026, 8, 3)}
    (voided,) = found.problems
    assert (voided.code, voided.severity, voided.source.line) == ("invoice-voided", "notice", 5)
    assert "'F-78' of Harbour Cloud" in voided.message


def test_openai__pages_in_one_file_are_pages_one_a_line(tmp_path: Path) -> None:
    page = samples.OPENAI_JSON
    both = f"{raw_json(page)}\n{raw_json(page)}\n"
    as_list = raw_json([page, page])
    assert total(lines_of(both, tmp_path)) == total(lines_of(as_list, tmp_path)) == 2 * Decimal("0.3600000000000000444")


def test_openai__a_last_page_that_is_not_the_last(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text(raw_json({**samples.OPENAI_JSON, "has_more": True, "next_page": "p2"}))
    found = read_invoice(path, "page.json")
    assert len(found.rows) == 2
    assert [(problem.code, problem.severity) for problem in found.problems] == [("invoice-incomplete", "warning")]


def test_anthropic__a_yen_has_no_cents(tmp_path: Path) -> None:
    report = json.loads(raw_json(samples.ANTHROPIC_JSON).replace('"USD"', '"JPY"'))
    assert total(lines_of(json.dumps(report), tmp_path)) == Decimal("123.45") + Decimal("0.0001") + 1000


def test_negative_invoice_and_currencies_side_by_side(tmp_path: Path) -> None:
    rows = samples.FOCUS_ROWS.splitlines(keepends=True)
    credit = rows[0] + rows[4] + rows[4].replace("USD", "EUR")
    assert told(lines_of(credit, tmp_path)) == [
        "H-1 | 2026-07 | Models | Models |  | -0.10 USD | credit",
        "H-1 | 2026-07 | Models | Models |  | -0.10 EUR | credit",
    ]


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_tables__as_office_programs_write_them(separator: str, ends: str, tmp_path: Path) -> None:
    text = SAMPLES["anthropic.csv"][1].replace(",", separator).replace("\n", ends)
    assert told(lines_of(text, tmp_path)) == WANTED["anthropic.csv"]


def test_workbook__numbers_and_dates_as_cells(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(samples.columns(samples.AZURE_EA))
    sheet.append([date(2026, 7, 2), "m1", "Large Inp Tokens", "Models", "1K", 12, 0.1, "CHF", "Usage", date(2026, 7, 1)])
    sheet.append([])
    sheet.append([date(2026, 7, 3), "m1", "Large Inp Tokens", "Models", "1K", 3, 0.2, "CHF", "Usage", date(2026, 7, 1)])
    book.save(tmp_path / "ea.xlsx")
    found = read_invoice(tmp_path / "ea.xlsx", "ea.xlsx")
    assert told(found.rows) == ["costs 2026-07 | 2026-07 | Large Inp Tokens | Models | 15 1K | 0.3 CHF | usage"]


def test_parquet__is_the_same(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(samples.FOCUS_ROWS)
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * REPLACE (CAST(BilledCost AS DECIMAL(38,18)) AS BilledCost, "
            f"CAST(ChargePeriodStart AS TIMESTAMPTZ) AS ChargePeriodStart) "
            f"FROM read_csv('{tmp_path}/rows.csv', all_varchar = true)) TO '{tmp_path}/rows.parquet' (FORMAT parquet)"
        )
    as_table = read_invoice(tmp_path / "rows.csv", "rows").rows
    as_parquet = read_invoice(tmp_path / "rows.parquet", "rows").rows
    assert [(line.invoice, line.sku, line.quantity, line.amount) for line in as_parquet] == [
        (line.invoice, line.sku, line.quantity, line.amount) for line in as_table
    ]
    assert str(as_parquet[1].source) == "rows (record 3)"
