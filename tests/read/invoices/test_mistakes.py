"""What is wrong with a provider's file, where, and in which words; everything at once."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from finledger.core.problem import Problem
from finledger.read.invoices import read_invoice
from tests.read.invoices import invoice_samples as samples
from tests.read.invoices.invoice_samples import SAMPLES, raw_json


def problems(content: str | bytes, folder: Path, format: str | None = None) -> tuple[Problem, ...]:
    path = folder / "export"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_invoice(path, "f", format)
    assert all(problem.remedy for problem in found.problems)
    return found.problems


def told(content: str | bytes, folder: Path, format: str | None = None) -> list[str]:
    return [f"{problem.source} [{problem.code}] {problem.message}" for problem in problems(content, folder, format)]


@pytest.mark.parametrize(
    ("name", "old", "new", "wanted"),
    [
        ("rows.csv", "0.25", "1.234,56", "f:3 [table-row-width] the row has 14 cells; the header names 13 columns"),
        ("rows.csv", "0.25", '"1.234,56"', "f:3 (BilledCost) [not-a-number] '1.234,56' {NONE}: it has a decimal comma"),
        ("rows.csv", "0.25", '"1,234.56"', "f:3 (BilledCost) [not-a-number] '1,234.56' {NONE}: it has separators of thousands"),
        ("rows.csv", "0.25", '"1,234"', "f:3 (BilledCost) [not-a-number] '1,234' {NONE}: its comma stands for a decimal point "
                                        "or for thousands, and nobody can say for which"),
        ("rows.csv", "0.25", "(0.25)", "f:3 (BilledCost) [not-a-number] '(0.25)' {NONE}"),
        ("rows.csv", "0.25", "nan", "f:3 (BilledCost) [not-a-number] 'nan' {NONE}"),
        ("rows.csv", "0.25", "", "f:3 (BilledCost) [table-cell-empty] the amount is empty"),
        ("rows.csv", "0.25", "1e-70", "f:3 (BilledCost) [number-too-deep] '1e-70' has more digits than any amount of money"),
        ("rows.csv", "2000", "two", "f:3 (ConsumedQuantity) [not-a-number] 'two' {NONE}"),
        ("rows.csv", "USD", "Dollars", "f:2 (BillingCurrency) [currency-unknown] 'Dollars' is not a currency"),
        ("rows.csv", "2026-07-04T", "04.07.2026 ", "f:2 (ChargePeriodStart) [not-a-date] '04.07.2026 00:00:00Z' is not a date"),
        ("rows.csv", "2026-07-04T", "2026-07-32T", "f:2 (ChargePeriodStart) [not-a-date] '2026-07-32T00:00:00Z' is not a date"),
        ("rows.csv", "Harbour", "", "f:2 (ProviderName) [table-cell-empty] the provider is empty"),
        ("rows.csv", "Credit", "Gift", "f:5 (ChargeCategory) [not-one-of] 'Gift' is no kind of charge that is known here"),
        ("rows.csv", "SkuId", "BilledCost", "f:1 [duplicate-header] the header names the column 'BilledCost' twice"),
        ("rows.csv", "first", '"first', "f:2 [table-quote] a quote is opened here and never closed"),
        ("rows.csv", ",large,", ",la\u202ege,", "f:2 (SkuId) [text-control-character] the text holds the control character U+202E"),
        ("detail.csv", "F-77", "", "f:2 (InvoiceId) [table-cell-empty] the invoice is empty"),
        ("ea.csv", "7/31/2026", "31/7/2026", "f:3 (Date) [not-a-date] '31/7/2026' is not a date written as month/day/year"),
        ("ea.csv", "Purchase", "UnusedReservation", "f:4 (ChargeType) [not-one-of] 'UnusedReservation' stands only in amortized "
         "costs, which add up to no invoice"),
        ("cur.csv", "RIFee", "Gift", "f:6 (lineItem/LineItemType) [not-one-of] 'Gift' is no kind of charge that is known here"),
        ("anthropic.csv", "12.34", "$12.34", "f:2 (cost_usd) [not-a-number] '$12.34' {NONE}"),
        ("anthropic.json", '"123.45"', '"12e"', "f (data/#1/results/#1/amount) [not-a-number] '12e' {NONE}"),
        ("openai.json", "usd", "credits", "f (data/#1/results/#1/amount.currency) [currency-unknown] 'CREDITS' is not a currency"),
        ("openai.json", "0.06", "NaN", "f:1 [not-json] the text is not JSON: it holds NaN"),
        ("openai.json", '"currency"', '"value"', "f:1 [not-json] the text is not JSON: the key 'value' stands twice in an object"),
        ("gcp.jsonl", "202607", "2026-13", "f:1 (invoice.month) [not-a-month] '2026-13' is not a month"),
        ("gcp.jsonl", "-0.30", '"free"', "f:1 (credits/#1/amount) [not-a-number] 'free' {NONE}"),
        ("gcp.csv", "[]", "{}", "f:3 (credits) [not-json] credits is not a list"),
    ],
)  # fmt: skip
def test_one_mistake(name: str, old: str, new: str, wanted: str, tmp_path: Path) -> None:
    text = SAMPLES[name][1]
    assert old in text
    assert wanted.replace("{NONE}", "is not a decimal number") in told(text.replace(old, new, 1), tmp_path)


def test_excerpt_and_remedy(tmp_path: Path) -> None:
    (wrong,) = problems(samples.FOCUS_ROWS.replace("0.25", '"1.234,56"'), tmp_path)
    assert wrong.excerpt.startswith('"1.234,56",0,USD,2026-07-01T00:00:00Z')
    assert wrong.remedy == "export it with a point before the decimals and nothing between thousands: 1234.56"
    (wrong,) = problems(raw_json(samples.OPENAI_JSON).replace("0.06", '"six"'), tmp_path)
    assert wrong.excerpt.startswith('{"object": "organization.costs.result", "amount": {"value": "six", "currency": "usd"}')


def test_all_at_once(tmp_path: Path) -> None:
    """Three cells of one row and one of another."""
    text = (
        samples.FOCUS_ROWS.replace("1.5E-1", "x")
        .replace("2026-07-04T00:00:00Z", "y")
        .replace("Tax", "z")
        .replace("0.25", "w")
    )
    text = text.replace("USD", "usd", 1)
    assert [problem.code for problem in problems(text, tmp_path)] == [
        "currency-unknown", "not-a-number", "not-a-date", "not-a-number",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("", ["f [empty-file] the file is empty"]),
        (" \n\n", ["f [empty-file] the file is empty"]),
        (",,\n", ["f [empty-file] the file has nothing but blank lines"]),
        (b"amount;W\xe4hrung\n", ["f:1 [not-utf8] the file is not UTF-8: byte 9 cannot be read"]),
        ("{", ["f:1 [not-json] the text is not JSON: expecting property name enclosed in double quotes at line 1, character 2"]),
        ("[1, 2]", ["f:1 [not-json] #1 is no object: a report holds objects",
                    "f:1 [not-json] #2 is no object: a report holds objects"]),
        ("[" * 100_000, ["f:1 [not-json] the text is nested too deeply"]),
        ('{"data": [], "has_more": false}', ["f [no-rows] the report holds no results"]),
        (samples.FOCUS_ROWS.splitlines()[0], ["f [no-rows] the file has no line that bills anything"]),
        (b"PK\x03\x04 no zip", ["f [bad-workbook] the file cannot be read as a workbook: File is not a zip file"]),
    ],
)  # fmt: skip
def test_whole_file(content: str | bytes, wanted: list[str], tmp_path: Path) -> None:
    assert told(content, tmp_path) == wanted


@pytest.mark.parametrize("start", [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"])
def test_whole_file__damaged(start: bytes, tmp_path: Path) -> None:
    (problem,) = problems(start + b"rest", tmp_path)
    assert problem.code == ("bad-parquet" if start == b"PAR1" else "truncated-file")


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gz", "zst"])
def test_whole_file__cut_off_anywhere(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Half an invoice is never taken for a whole one."""
    packed = pack(samples.ANTHROPIC_CSV.encode() * 50)
    for length in range(8, len(packed), 7):
        assert [problem.code for problem in problems(packed[:length], tmp_path)] == ["truncated-file"]


def test_json_lines__each_bad_line(tmp_path: Path) -> None:
    good = raw_json(samples.GCP_ROWS[0])
    assert told(f"{good}\n{{oops}}\n{good}\n{{\n", tmp_path) == [
        "f:2 [not-json] the text is not JSON: expecting property name enclosed in double quotes at line 1, character 2",
        "f:4 [not-json] the text is not JSON: expecting property name enclosed in double quotes at line 1, character 2",
    ]


def test_unknown_format__lists_what_is_known(tmp_path: Path) -> None:
    (problem,) = problems("colour,size\nred,1\n", tmp_path)
    assert (problem.code, str(problem.source), problem.excerpt) == ("unknown-format", "f:1", "colour,size")
    for known in ("FOCUS 1.4 Invoice Detail", "OpenAI costs", "Azure", "by a column map"):
        assert known in problem.message
    assert "f.map.yaml" in problem.remedy
    assert told("a\n", tmp_path, "sap") == ["f [unknown-format] there is no invoice format 'sap'"]


def test_missing_columns__of_a_format_that_was_named(tmp_path: Path) -> None:
    assert told("start_time,amount_value\n1782864000,1\n", tmp_path, "openai_costs_csv") == [
        "f:1 [missing-column] the export has no column amount_currency",
        "f:1 [missing-column] the export has no column line_item",
    ]
    assert told("x\n1\n", tmp_path, "aws_cur")[0] == (
        "f:1 [missing-column] the export has no column line_item_unblended_cost or lineItem/UnblendedCost"
    )
