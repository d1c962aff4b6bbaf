"""The quarter that an independent implementation of the rulebook worked out, to the cent, with both engines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import SHARED, copy_books, finledger, finledger_json, needs_shared

GOLDEN = SHARED / "golden" / "northwind-2026-Q3"
LINE = ("team", "cost_center", "feature", "item", "workload_type", "model", "component")
DISCLOSURE = ("team", "feature", "item", "workload_type", "model")


@needs_shared
@pytest.mark.parametrize("engine", ["duckdb", "reference"])
def test_quarter__every_line_total_disclosure_and_fund(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    books = copy_books(GOLDEN, tmp_path / "books")
    loaded = finledger_json(capsys, "load", "--books", books)
    assert loaded["read"] == 1240 == loaded["accepted"] + loaded["duplicate"]
    for month in ("2026-07", "2026-08", "2026-09"):
        got = finledger_json(capsys, "allocate", "--books", books, "--month", month, "--engine", engine)
        want = json.loads((GOLDEN / "expected" / f"{month}.json").read_text())
        lines = {tuple(row[name] for name in LINE): row["amount"] for row in got["charges"]}
        assert lines == {tuple(row[name] for name in LINE): row["amount"] for row in want["lines"]}
        assert len(lines) == len(got["charges"])
        assert _disclosures(got) == _disclosures(want)
        assert {team: figures["total"] for team, figures in got["teams"].items()} == want["teams"]
        assert got["unallocated"] == want["unallocated"]
        assert {name: got["buffer"][name] for name in want["buffer"]} == want["buffer"]
        assert all(check["holds"] for check in got["checks"])


def _disclosures(figures: dict) -> dict:
    return {
        tuple(row[name] for name in DISCLOSURE): (row["gross"], row["platform_share"], row["paid"])
        for row in figures["disclosures"]
    }


@needs_shared
def test_quarter_end__as_expected_and_the_same_without_allocating(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    books = copy_books(GOLDEN, tmp_path / "books")
    finledger_json(capsys, "load", "--books", books)
    want = json.loads((GOLDEN / "expected" / "2026-Q3.json").read_text())
    at_once = finledger_json(capsys, "close", "--quarter", "2026-Q3", "--dry-run", "--books", books, expect=1)
    assert {name: at_once["buffer"][name] for name in want if name != "quarter"} == {
        name: figure for name, figure in want.items() if name != "quarter"
    }
    for month in ("2026-07", "2026-08", "2026-09"):
        finledger_json(capsys, "allocate", "--books", books, "--month", month)
    after = finledger_json(capsys, "close", "--quarter", "2026-Q3", "--dry-run", "--books", books, expect=1)
    assert after == at_once
    assert {problem["code"] for problem in after["problems"]} == {"month-open"}


@needs_shared
def test_load__again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = copy_books(GOLDEN, tmp_path / "books")
    first = finledger_json(capsys, "load", "--books", books)
    before = finledger_json(capsys, "allocate", "--books", books, "--month", "2026-07")
    again = finledger_json(capsys, "load", "--books", books)
    assert (again["read"], again["accepted"], again["duplicate"]) == (first["read"], 0, first["read"])
    assert finledger_json(capsys, "allocate", "--books", books, "--month", "2026-07") == before


@needs_shared
def test_quarter__documents_and_journals(tmp_path: Path) -> None:
    books = copy_books(GOLDEN, tmp_path / "books")
    finledger("load", "--books", books)
    for month in ("2026-07", "2026-08", "2026-09"):
        finledger("invoice", "--books", books, "--month", month)
        finledger("journal", "--books", books, "--month", month)
    numbers = sorted(path.name for path in (books / "out").glob("*/invoices/*.pdf"))
    assert [name[:13] for name in numbers] == [f"INV-2026-{number:04d}" for number in range(1, 10)]
    assert len(list((books / "out").glob("*/statements/*.html"))) == 3
