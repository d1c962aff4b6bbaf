"""An invoice by a column map beside it: what the words of a map mean, and what a map is refused for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import Workbook

from finledger.core.problem import Problem
from finledger.read.invoices import detect, read_invoice
from tests.read.invoices.invoice_samples import told

TABLE = """\
Rechnung;Vom;Zeitraum;Artikel;Text;Menge;Netto (ct);Art
R-5;31.07.2026;07/2026;h100;Server;744;1234567;Leistung
R-5;31.07.2026;07/2026;h100;Nachlass;-;-34567;Gutschrift
R-5;31.07.2026;06/2026;;Steuer;;22800;USt
"""
MAP = """\
nulls: ['-']
columns:
  provider: {value: acme-gpu}
  invoice: {column: Rechnung, prefix: 'ACME-'}
  invoice_date: {column: Vom, pattern: '%d.%m.%Y'}
  service_month: {column: Zeitraum, pattern: '%m/%Y'}
  sku: Artikel
  description: {column: Text}
  quantity: Menge
  unit: {value: hour}
  amount: {column: Netto (ct), divide: 100}
  currency: {value: EUR}
  category: {column: Art, lookup: kinds.csv}
"""
KINDS = "value,meaning\nLeistung,usage\nGutschrift,credit\nUSt,tax\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "july.csv").write_text(TABLE)
    (tmp_path / "july.map.yaml").write_text(MAP)
    (tmp_path / "kinds.csv").write_text(KINDS)
    return tmp_path


def problems(folder: Path, file: str = "july.csv") -> list[str]:
    """Each problem as file:line [code] message."""
    found = read_invoice(folder / file, f"provider-invoices/{file}")
    return [told_of(problem) for problem in found.problems]


def told_of(problem: Problem) -> str:
    assert problem.remedy
    said = f"{problem.source} [{problem.code}] {problem.message}".removeprefix("provider-invoices/")
    return said.replace("july.map.yaml:", "map:").replace("(columns/", "(")


def test_read(folder: Path) -> None:
    """12,345.67 - 345.67 + 228.00 = 12,228.00; every row stays a line."""
    assert detect(folder / "july.csv") == "column_map"
    found = read_invoice(folder / "july.csv", "july.csv")
    assert found.problems == ()
    assert told(found.rows) == [
        "ACME-R-5 | 2026-07 | h100 | Server | 744 hour | 12345.67 EUR | usage",
        "ACME-R-5 | 2026-07 | h100 | Nachlass |  | -345.67 EUR | credit",
        "ACME-R-5 | 2026-06 |  | Steuer |  | 228 EUR | tax",
    ]
    assert {line.invoice_date for line in found.rows} == {date(2026, 7, 31)}
    assert {line.provider for line in found.rows} == {"acme-gpu"}


def test_read__workbook_with_a_sheet(folder: Path) -> None:
    book = Workbook()
    sheet = book.create_sheet("Positionen")
    for line in TABLE.splitlines():
        sheet.append(line.split(";"))
    sheet["G2"] = 1234567
    book.save(folder / "workbook.xlsx")
    (folder / "workbook.map.yaml").write_text("sheet: Positionen\n" + MAP)
    assert told(read_invoice(folder / "workbook.xlsx", "w").rows) == told(read_invoice(folder / "july.csv", "j").rows)
    (folder / "workbook.map.yaml").write_text("sheet: Items\n" + MAP)
    assert problems(folder, "workbook.xlsx") == ["workbook.xlsx [bad-workbook] the workbook has no sheet 'Items'"]


def test_read__without_a_number_and_by_the_day(folder: Path) -> None:
    (folder / "july.csv").write_text("Day,Net,Model\n2026-07-31,1.5,m\n2026-08-01,2.5,m\n")
    (folder / "july.map.yaml").write_text(
        "columns: {provider: {value: p}, date: Day, amount: Net, currency: {value: USD}, sku: Model}\n"
    )
    assert told(read_invoice(folder / "july.csv", "j").rows) == [
        "costs 2026-07 | 2026-07 | m |  |  | 1.5 USD | usage",
        "costs 2026-08 | 2026-08 | m |  |  | 2.5 USD | usage",
    ]


def test_rate__of_the_invoice(folder: Path) -> None:
    (folder / "july.csv").write_text("Day,Net,Kurs\n2026-07-31,1.5,1.0837\n2026-07-31,2.5,\n2026-07-31,2.5,0\n")
    (folder / "july.map.yaml").write_text(
        "columns: {provider: {value: p}, date: Day, amount: Net, currency: {value: EUR}, rate: Kurs}\n"
    )
    found = read_invoice(folder / "july.csv", "july.csv")
    assert [line.rate for line in found.rows] == [Decimal("1.0837"), None]
    assert [told_of(problem) for problem in found.problems] == [
        "july.csv:4 (Kurs) [rate-not-positive] the rate '0' is not above 0"
    ]


def test_divide__keeps_eighteen_places(folder: Path) -> None:
    """1 / 3 rounded half up; 2 / 3 likewise; minus one turns a credit note around."""
    text = "columns: {provider: {value: p}, date: d, amount: {column: n, divide: %s}, currency: {value: USD}}\n"
    (folder / "july.csv").write_text("d,n\n2026-07-01,1\n2026-07-01,2\n")
    for divisor, wanted in (("3", ["0.333333333333333333", "0.666666666666666667"]), ("-1", ["-1", "-2"])):
        (folder / "july.map.yaml").write_text(text % divisor)
        found = read_invoice(folder / "july.csv", "j").rows
        assert [f"{line.amount:f}" for line in found] == wanted


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("1234567", "12.345,67", "july.csv:2 (Netto (ct)) [not-a-number] '12.345,67' is not a decimal number: it has a decimal comma"),
        ("744", "12 h", "july.csv:2 (Menge) [not-a-number] '12 h' is not a decimal number"),
        ("06/2026", "13/2026", "july.csv:4 (Zeitraum) [not-a-date] '13/2026' is not a date written as %m/%Y"),
        ("31.07.2026;07", "31.06.2026;07", "july.csv:2 (Vom) [not-a-date] '31.06.2026' is not a date written as %d.%m.%Y"),
        ("USt", "Zoll", "july.csv:4 (Art) [not-one-of] 'Zoll' does not stand in kinds.csv"),
        ("USt", "", "july.csv:4 (Art) [not-one-of] '' is no kind of charge that is known here"),
        ("R-5;31.07.2026;06", ";31.07.2026;06", "july.csv:4 (Rechnung) [table-cell-empty] the invoice is empty"),
        ("1234567", "", "july.csv:2 (Netto (ct)) [table-cell-empty] the amount is empty"),
    ],
)  # fmt: skip
def test_cells(folder: Path, old: str, new: str, wanted: str) -> None:
    (folder / "july.csv").write_text(TABLE.replace(old, new, 1))
    assert problems(folder) == [wanted]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("nulls", "null", "map:1 (null) [bad-map] 'null' is not a word of an invoice's column map"),
        ("['-']", "'-'", "map:1 (nulls) [bad-map] nulls is a list of words that mean empty"),
        ("  provider: {value: acme-gpu}\n", "", "map:2 (columns) [bad-map] the map does not say where the provider comes from"),
        ("  sku:", "  date: Vom\n  sku:", "map:2 (columns) [bad-map] the month of service comes from one of service_month and date"),
        ("  sku:", "  skuu:", "map:7 (skuu) [bad-map] 'skuu' is not a column of an invoice"),
        ("sku: Artikel", "sku: [Artikel]", "map:7 (sku) [bad-map] sku is a column's name or a mapping"),
        ("sku: Artikel", "sku: Artikle", "map:7 (sku) [bad-map] provider-invoices/july.csv has no column 'Artikle'"),
        ("{column: Text}", "{column: Text, value: x}", "map:8 (description) [bad-map] description comes from one of column and value"),
        ("{column: Text}", "{column: Text, upper: x}", "map:8 (description/upper) [bad-map] 'upper' says nothing about a column"),
        ("{column: Text}", "{column: [Text]}", "map:8 (description/column) [bad-map] column is a single word or number"),
        ("value: hour", "value: hour, prefix: x", "map:10 (unit) [bad-map] a value is taken as it is"),
        ("divide: 100", "divide: 0", "map:11 (amount/divide) [bad-map] amount cannot be divided by '0'"),
        ("%d.%m.%Y", "%d.%m", "map:5 (invoice_date/pattern) [bad-map] '%d.%m' is not a pattern of a day"),
        ("%m/%Y", "%Y", "map:6 (service_month/pattern) [bad-map] '%Y' is not a pattern of a month"),
        ("{column: Text}", "{column: Text, pattern: '%Y-%m-%d'}", "map:8 (description/pattern) [bad-map] description is no date"),
        ("kinds.csv", "kind.csv", "map:13 (category/lookup) [bad-map] there is no table 'kind.csv' beside the map"),
        ("value: EUR", "value: Euro", "july.csv:2 [currency-unknown] 'Euro' is not a currency"),
    ],
)  # fmt: skip
def test_map(folder: Path, old: str, new: str, wanted: str) -> None:
    (folder / "july.map.yaml").write_text(MAP.replace(old, new, 1))
    assert wanted in problems(folder)
    assert all("[bad-map]" in each or "[currency-unknown]" in each for each in problems(folder))


def test_map__that_is_no_yaml_and_the_lookup_that_is_no_table(folder: Path) -> None:
    (folder / "kinds.csv").write_text("value,meaning\nLeistung,usage\nLeistung,fee\n")
    assert "kinds.csv:3 (value) [bad-map] 'Leistung' stands here twice" in problems(folder)
    (folder / "kinds.csv").write_text("art,bedeutung\n")
    assert "kinds.csv:1 [table-header] the column value is missing" in problems(folder)
    (folder / "july.map.yaml").write_text("columns: {provider: a\n")
    assert ["yaml-syntax" in each for each in problems(folder)] == [True]


def test_map__asked_for_and_not_there(folder: Path) -> None:
    found = read_invoice(folder / "kinds.csv", "provider-invoices/kinds.csv", "column_map")
    assert [problem.code for problem in found.problems] == ["bad-map"]
