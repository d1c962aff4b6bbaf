"""The inbox provider-invoices/: what counts as an invoice, and what would count twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finledger.read.invoices import inbox, read_invoices
from tests.read.invoices import invoice_samples as samples
from tests.read.invoices.invoice_samples import raw_json, total

NAME = "provider-invoices"
MAP = """\
columns:
  provider: {value: acme}
  invoice: No
  service_month: Month
  amount: Net
  currency: {value: EUR}
  category: {column: Kind, lookup: kinds.csv}
"""
MAPPED = "No,Month,Net,Kind\nA-1,2026-07,10.00,work\nA-2,2026-07,5.00,work\n"
KINDS = "value,meaning\nwork,usage\n"


def told(folder: Path) -> list[str]:
    return [f"{problem.source} [{problem.code}] {problem.message}" for problem in read_invoices(folder, NAME).problems]


def test_absent__is_none(tmp_path: Path) -> None:
    found = read_invoices(tmp_path / NAME, NAME)
    assert (found.rows, found.problems) == ((), ())


def test_inbox__leaves_out_notes_maps_and_tables(tmp_path: Path) -> None:
    """10.00 + 5.00 in euro and, from the other file, 12.34 + 0.66 + 1.00 in dollars."""
    (tmp_path / "2026").mkdir()
    (tmp_path / ".cache").mkdir()
    for name, text in {
        "README.md": "x", "notes.txt": "x", ".hidden.csv": "x", ".cache/a.csv": "x", "acme.csv": MAPPED, "acme.map.yaml": MAP,
        "kinds.csv": KINDS, "2026/claude.csv": samples.ANTHROPIC_CSV,
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    assert [path.relative_to(tmp_path).as_posix() for path in inbox(tmp_path)] == ["2026/claude.csv", "acme.csv"]
    found = read_invoices(tmp_path, NAME)
    assert found.problems == ()
    assert [f"{line.amount:f} {line.currency} {line.source}" for line in found.rows] == [
        f"13.00 USD {NAME}/2026/claude.csv:2",
        f"1.00 USD {NAME}/2026/claude.csv:4",
        f"10.00 EUR {NAME}/acme.csv:2",
        f"5.00 EUR {NAME}/acme.csv:3",
    ]


def test_all_files_tell_what_is_wrong_with_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("colour,size\nred,1\n")
    (tmp_path / "b.csv").write_text(samples.ANTHROPIC_CSV.replace("12.34,", "many,", 1))
    (tmp_path / "c.csv").write_text(samples.FOCUS_DETAIL)
    (tmp_path / "d.map.yaml").write_text(MAP)
    found = read_invoices(tmp_path, NAME)
    assert [(problem.code, str(problem.source)) for problem in found.problems] == [
        ("bad-map", f"{NAME}/d.map.yaml"),
        ("unknown-format", f"{NAME}/a.csv:1"),
        ("not-a-number", f"{NAME}/b.csv:2 (cost_usd)"),
        ("invoice-voided", f"{NAME}/c.csv:5 (InvoiceIssueStatus)"),
    ]


def test_twice__the_same_invoice_in_two_files(tmp_path: Path) -> None:
    """Under any name: both files are told, and whether the figures agree."""
    detail = samples.FOCUS_DETAIL.replace("Voided", "Issued")
    (tmp_path / "a.csv").write_text(detail)
    (tmp_path / "b.csv").write_text(detail.replace("76.00", "77.00"))
    assert told(tmp_path) == [
        f"{NAME}/b.csv:2 [invoice-twice] invoice 'F-77' of Harbour Cloud stands already at {NAME}/a.csv:2, "
        "with other amounts: it would count twice",
        f"{NAME}/b.csv:5 [invoice-twice] invoice 'F-78' of Harbour Cloud stands already at {NAME}/a.csv:5, "
        "with the same amounts: it would count twice",
    ]
    first = read_invoices(tmp_path, NAME).problems[0]
    assert first.excerpt.startswith("d1,F-77,Harbour Cloud,")
    assert first.remedy == f"take one of {NAME}/a.csv and {NAME}/b.csv out of the folder"


def test_twice__by_a_map(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(MAPPED if name == "a" else MAPPED.replace("A-1", "A-3"))
        (tmp_path / f"{name}.map.yaml").write_text(MAP)
    (tmp_path / "kinds.csv").write_text(KINDS)
    assert [problem.split("] ")[1] for problem in told(tmp_path)] == [
        f"invoice 'A-2' of acme stands already at {NAME}/a.csv:3, with the same amounts: it would count twice"
    ]


def test_twice__a_report_in_two_formats(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(samples.OPENAI_CSV)
    (tmp_path / "b.json").write_text(raw_json(samples.OPENAI_JSON))
    assert told(tmp_path) == [
        f"{NAME}/b.json (data/#1/results/#1) [invoice-twice] invoice 'costs 2026-07' of openai stands already at {NAME}/a.csv:2, "
        "with other amounts: it would count twice"
    ]


def test_twice__an_invoice_beside_its_own_cost_and_usage(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(samples.FOCUS_ROWS.replace("Harbour", "Harbour Cloud").replace("H-1", "F-77"))
    (tmp_path / "detail.csv").write_text(samples.FOCUS_DETAIL)
    assert ["invoice-twice" in each for each in told(tmp_path)] == [False, True]


def test_parts__of_one_report_are_one_invoice(tmp_path: Path) -> None:
    """Two pages of July, in two files: both count. The month again with a day more does not."""
    page = samples.ANTHROPIC_JSON
    second = json.loads(json.dumps(page).replace("2026-07-01", "2026-07-03").replace("2026-07-02", "2026-07-04"))
    (tmp_path / "page1.json").write_text(json.dumps(page))
    (tmp_path / "page2.json").write_text(json.dumps(second))
    assert told(tmp_path) == []
    assert total(read_invoices(tmp_path, NAME).rows) == 2 * total(read_invoices(tmp_path, NAME).rows[:2])
    (tmp_path / "whole.json").write_text(json.dumps({"data": [*page["data"], *second["data"]]}))
    assert told(tmp_path) == [
        f"{NAME}/whole.json (data/#1/results/#1) [invoice-twice] invoice 'costs 2026-07' of anthropic: 3 of the file's 6 rows "
        f"stand in {NAME}/page1.json too, the first at {NAME}/page1.json (data/#1/results/#1)",
        f"{NAME}/whole.json (data/#2/results/#1) [invoice-twice] invoice 'costs 2026-07' of anthropic: 3 of the file's 6 rows "
        f"stand in {NAME}/page2.json too, the first at {NAME}/page2.json (data/#1/results/#1)",
    ]


def test_same_number__of_two_providers_is_two_invoices(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(samples.FOCUS_DETAIL)
    (tmp_path / "b.csv").write_text(samples.FOCUS_DETAIL.replace("Harbour Cloud", "Quay Cloud"))
    assert [problem.code for problem in read_invoices(tmp_path, NAME).errors] == []


def test_unreadable__is_the_machines_fault(tmp_path: Path) -> None:
    """A link to nowhere is an invoice that is missing, and says so."""
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    with pytest.raises(FileNotFoundError):
        read_invoices(tmp_path, NAME)
