"""The small CSV tables: evals and currency rates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

from finledger.core.model import EvalRecord
from finledger.core.period import Month
from finledger.read.evals import read_evals
from finledger.read.rates import read_rates
from finledger.read.tables import read_table
from tests.support import SHARED, needs_shared

HEADER = "month,feature,coverage,in_distribution,tasks,graded,correct\n"


def test_read_table__lines_of_records_that_span_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbf b , a\r\n1,"x\r\ny"\r\n\r\n 2 ,z\r\n')
    outcome = read_table(path, "t.csv", ("a", "b"))
    assert outcome.problems == ()
    assert [(row.cells, row.source.line) for row in outcome.rows] == [
        ({"b": "1", "a": "x\r\ny"}, 2),
        ({"b": "2", "a": "z"}, 5),
    ]


def test_read_evals__empty_is_not_tracked(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(HEADER + "2026-08,search,,0.70,87420,,\n")
    (tmp_path / "a.csv").write_text(
        "feature,month,coverage,in_distribution,tasks,graded,correct\nsearch,2026-07,0.85,,,0,0\n"
    )
    outcome = read_evals(tmp_path, "evals")
    assert outcome.problems == ()
    july, august = outcome.rows
    assert july == EvalRecord(Month(2026, 7), "search", Decimal("0.85"), None, None, 0, 0, july.source)
    assert august == EvalRecord(Month(2026, 8), "search", None, Decimal("0.70"), 87420, None, None, august.source)
    assert [str(record.source) for record in outcome.rows] == ["evals/a.csv:2", "evals/b.csv:2"]
    assert read_evals(tmp_path / "none", "evals").rows == ()


def test_read_evals__a_bad_cell_keeps_no_record(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        HEADER + "2026-07,a,80%,0.9,10,5,4\n2026-07,b,0.8,0.9,10,5,6\n2026-07,c,0.8,0.9,10,5,4\n"
    )
    outcome = read_evals(tmp_path, "evals")
    assert [record.feature for record in outcome.rows] == ["c"]
    assert [(problem.code, str(problem.source)) for problem in outcome.problems] == [
        ("not-a-number", "evals/a.csv:2 (coverage)"),
        ("eval-counts", "evals/a.csv:3 (correct)"),
    ]


@needs_shared
def test_read_evals__the_golden_quarter() -> None:
    outcome = read_evals(SHARED / "golden" / "northwind-2026-Q3" / "evals", "evals")
    assert outcome.problems == () and len(outcome.rows) == 15
    assert [record.coverage for record in outcome.rows if record.feature == "support-f1"][1] is None


def test_read_rates__sorted_and_exact(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("date,from,to,rate,source\n2026-08-01,EUR,USD,1.1,ECB\n2026-07-01,EUR,USD,1.123456789,\n")
    outcome = read_rates(path, "rates.csv")
    assert outcome.problems == ()
    assert [(rate.date, rate.rate, rate.source) for rate in outcome.rows] == [
        (date(2026, 7, 1), Decimal("1.123456789"), ""),
        (date(2026, 8, 1), Decimal("1.1"), "ECB"),
    ]
    assert read_rates(tmp_path / "none.csv", "rates.csv").rows == ()
