"""What is kept of a month's figures is read back exactly, or worked out again; nothing that happens to it is an error."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from finledger.books.kept_figures import MOST, KeptFigures, Rows
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.report import Missing

JULY = Month(2026, 7)
ASKED = {"kind": "trend"}
ROWS: dict[str, Rows] = {
    "by_team": (
        (JULY, "search", Money(-1_00, "USD"), 2**70, Decimal("0.10"), Fraction(1, 3), Missing("no runs"), None),
        (JULY, '=a,"b"\n日本', Money(0, "JPY"), 0, Decimal("1E+3"), Fraction(4), Missing(""), None),
    ),
    "of_everything": (),
}


def never() -> dict[str, Rows]:
    raise AssertionError("worked out once more")


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_a_second_look__has_every_cell_as_it_was(tmp_path: Path) -> None:
    kept = KeptFigures(tmp_path, writes=True)
    assert kept.of(JULY, ASKED, lambda: ROWS) == ROWS
    found = kept.of(JULY, ASKED, never)
    assert found == ROWS
    assert [[type(cell) for cell in row] for row in found["by_team"]] == [
        [type(cell) for cell in row] for row in ROWS["by_team"]
    ]
    assert [str(row[4]) for row in found["by_team"]] == ["0.10", "1E+3"]  # equal decimals may have other digits


def test_another_question_or_month__is_worked_out(tmp_path: Path) -> None:
    kept, other = KeptFigures(tmp_path, writes=True), {"of_everything": ((JULY, 1),)}
    kept.of(JULY, ASKED, lambda: ROWS)
    assert kept.of(JULY, {**ASKED, "run": "abc"}, lambda: other) == other
    assert kept.of(JULY.next, ASKED, lambda: other) == other
    assert kept.of(JULY, ASKED, never) == ROWS


def test_looking__writes_nothing(tmp_path: Path) -> None:
    assert KeptFigures(tmp_path, writes=False).of(JULY, ASKED, lambda: ROWS) == ROWS
    assert entries(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", None], ids=["empty", "another", "no-text", "a-digit"])
def test_a_damaged_entry__is_as_if_it_were_not_there(tmp_path: Path, content: bytes | None) -> None:
    kept = KeptFigures(tmp_path, writes=True)
    kept.of(JULY, ASKED, lambda: ROWS)
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(path.read_bytes().replace(b"-100", b"-101") if content is None else content)
    assert kept.of(JULY, ASKED, lambda: ROWS) == ROWS
    assert kept.of(JULY, ASKED, never) == ROWS  # and it is kept again


def test_a_folder_that_cannot_be_written__is_no_error(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("in the way")
    kept = KeptFigures(tmp_path / "figures", writes=True)
    assert kept.of(JULY, ASKED, lambda: ROWS) == ROWS
    assert kept.of(JULY, ASKED, lambda: ROWS) == ROWS


def test_old_entries__go(tmp_path: Path) -> None:
    kept = KeptFigures(tmp_path, writes=True)
    for number in range(MOST + 3):
        kept.of(JULY, {"run": number}, lambda: ROWS)
    assert len(list(tmp_path.rglob("*.json"))) == MOST
