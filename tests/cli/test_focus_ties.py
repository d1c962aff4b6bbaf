"""focus.csv is held against the ledger, and its rows of one origin against each other: also those that are no charge."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.period import Month
from finledger.core.problem import Problem
from finledger.workbench import Workbench
from finledger.workbench.tie_out import tie_outs
from tests.formats.focus_rules import Row, csv_of, rows_of
from tests.support import ROOT, copy_books, finledger

JULY = Month(2026, 7)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy_books(ROOT / "tests" / "examples" / "68-focus", tmp_path_factory.mktemp("focus") / "books")
    finledger("load", "--books", root)
    finledger("allocate", "--month", "2026-07", "--books", root)
    return root


def lines_said(books: Path, name: str, rows: list[Row]) -> set[int | None]:
    """The lines of the file, with these rows, that something does not tie on."""
    path = books / "out" / "2026-07" / name
    found = tie_outs(Workbench(books), JULY, contents={path: csv_of(rows)}, usage=False)
    return {each.source.line for each in found if isinstance(each, Problem) and each.source is not None}


@pytest.mark.parametrize("name", ["focus.csv", "focus-1.3.csv"])
def test_focus__any_figure_of_any_row_that_was_changed_is_found(books: Path, name: str) -> None:
    rows = rows_of((books / "out" / "2026-07" / name).read_bytes())
    assert lines_said(books, name, rows) == set()
    assert [row["BilledCost"] for row in rows if not row["x_LineId"]] == ["250.00", "5.56"]
    columns = (
        "BilledCost",
        "EffectiveCost",
        "ListCost",
        "ContractedCost",
        "ListUnitPrice",
        "PricingQuantity",
        "x_OriginCost",
    )
    for number, row in enumerate(rows):
        for column in columns:
            if row[column]:
                more = {**row, column: str(Decimal(row[column]) + Decimal("0.01"))}
                assert number + 2 in lines_said(books, name, [*rows[:number], more, *rows[number + 1 :]]), (number, column)


def test_focus__a_row_of_the_platform_that_is_gone_or_stands_twice_is_found(books: Path) -> None:
    rows = rows_of((books / "out" / "2026-07" / "focus.csv").read_bytes())
    kept = next(number for number, row in enumerate(rows) if not row["x_LineId"])
    assert lines_said(books, "focus.csv", rows[:kept] + rows[kept + 1 :])
    assert lines_said(books, "focus.csv", [*rows, rows[kept]])
    assert lines_said(books, "focus.csv", [*rows, {**rows[kept], "x_OriginId": "", "BilledCost": "1.00"}])
