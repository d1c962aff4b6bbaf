"""Every cent of random quarters, against a second reading of the rules that shares no line with the program.

ORACLE_SEEDS=200 tries that many books, ORACLE_FIRST=1000 begins with another seed.
"""

from __future__ import annotations

import json
import os
import random
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.books import write_books
from tests.oracle.fund import reserves
from tests.oracle.oracle import month_figures, quarter_end, work_out
from tests.oracle.plain_books import read_books
from tests.support import SHARED, finledger, finledger_json, needs_shared

GOLDEN = SHARED / "golden" / "northwind-2026-Q3"
LINE = ("team", "cost_center", "feature", "item", "workload_type", "model", "component", "amount")
DISCLOSURE = ("team", "feature", "item", "workload_type", "model", "gross", "platform_share", "paid")
MEASURES = ("total", "coverage", "in_distribution", "multiplier", "correct_tasks", "cost_per_correct_task")
AS_WRITTEN = ("total", "coverage", "in_distribution")
ENGINES = ("duckdb", "reference")
FIRST = int(os.environ.get("ORACLE_FIRST", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("ORACLE_SEEDS", "40")))


def _columns(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    return sorted(tuple(row[column] for column in columns) for row in rows)


@needs_shared
def test_second_reading__golden_quarter() -> None:
    books = read_books(GOLDEN)
    run = work_out(books)
    for figures in run:
        want = json.loads((GOLDEN / "expected" / f"{figures.month}.json").read_text())
        got = month_figures(books, figures)
        assert got["lines"] == _columns(want["lines"], LINE)
        assert got["disclosures"] == _columns(want["disclosures"], DISCLOSURE)
        for part in ("teams", "unallocated", "buffer"):
            assert got[part] == want[part], part
    want = json.loads((GOLDEN / "expected" / "2026-Q3.json").read_text())
    end = quarter_end(books, "2026-Q3", run)
    assert {name: end[name] for name in want if name != "quarter"} | {"quarter": "2026-Q3"} == want


def as_compared(figures: dict[str, Any], want: dict[str, Any]) -> dict[str, Any]:
    """The program's month in the form of the second reading's; a team or feature without a line comes to nothing."""
    lines = {row["line_id"]: row["line_amount"] for row in figures["charges"]}
    for line, amount in lines.items():
        parts = [Fraction(row["amount"]) for row in figures["charges"] if row["line_id"] == line]
        assert sum(parts) == Fraction(amount), f"line {line} is not the sum of its components"
    teams, features, buffer = figures["teams"], figures["features"], dict(figures["buffer"])
    return {
        "lines": _columns(figures["charges"], LINE),
        "disclosures": _columns(figures["disclosures"], DISCLOSURE),
        "teams": {team: row["total"] for team, row in teams.items() if team in want["teams"] or Fraction(row["total"])},
        "variances": {team: row["variance"] for team, row in teams.items() if team in want["variances"]},
        "draws": {team: row["buffer_draw"] for team, row in teams.items() if Fraction(row["buffer_draw"])},
        "features": {
            feature: {name: _value(row[name], name) for name in MEASURES}
            for feature, row in features.items()
            if feature in want["features"] or Fraction(row["total"])
        },
        "unallocated": figures["unallocated"],
        "buffer": {name: buffer[name] for name in ("opening", "contributions", "draws", "closing")},
        "refused": [(row["team"], row["reason"]) for row in buffer["refused"]],
    }


def _value(text: str | None, name: str) -> str | Fraction | None:
    return text if text is None or name in AS_WRITTEN else Fraction(text)


def differences(got: dict[str, Any], want: dict[str, Any]) -> list[str]:
    """What differs, one line each: the program's `-`, the second reading's `+`."""
    found = []
    for part, wanted in want.items():
        mine = got[part]
        if isinstance(wanted, dict):
            mine, wanted = list(mine.items()), list(wanted.items())
        found += [f"- {part}: {entry}" for entry in mine if entry not in wanted]
        found += [f"+ {part}: {entry}" for entry in wanted if entry not in mine]
        if len(mine) != len(wanted) and not found:
            found.append(f"{part}: {len(mine)} entries, {len(wanted)} in the second reading")
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_random_books__every_cent(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "books"
    plan = write_books(folder, seed)
    books = read_books(folder)
    run = work_out(books)
    assert finledger_json(capsys, "load", "--books", folder)["rejected"] == 0
    # a month's figures do not hang on whether, or when, the others were looked at
    for figures in random.Random(seed).sample(run, len(run)):
        want = month_figures(books, figures)
        got = finledger_json(capsys, "allocate", "--books", folder, "--month", figures.month, "--engine", ENGINES[seed % 2])
        found = differences(as_compared(got, want), want)
        assert not found, f"seed {seed}, {figures.month}:\n" + "\n".join(found[:40])
        assert all(check["holds"] for check in got["checks"])
    for quarter in plan.quarters:
        got = _closed(folder, quarter, capsys)
        want = quarter_end(books, quarter, run)
        assert {name: got["buffer"][name] for name in want} == want, f"seed {seed}, {quarter}"
        assert got["reserves"] == reserves(books, quarter, run), f"seed {seed}, {quarter}"


def test_forecasts_edited_after_the_load__count_for_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule B3: forecasts are those of the load. Lowered to a cent afterwards, they would make every month a burst."""
    folder = tmp_path / "books"
    write_books(folder, 2)
    books = read_books(folder)
    run = work_out(books)
    assert "threshold" in {reason for figures in run for reason in figures.refused.values()}
    finledger("load", "--books", folder)
    settings = folder / "finledger.yaml"
    text = settings.read_text(encoding="utf-8")
    edited = re.sub(r"forecast: \{.*\}", "forecast: {" + ", ".join(f"{m}: 1" for m in books.usage) + "}", text)
    assert edited != text
    settings.write_text(edited, encoding="utf-8")
    for figures in run:
        want = month_figures(books, figures)
        got = finledger_json(capsys, "allocate", "--books", folder, "--month", figures.month)
        assert not differences(as_compared(got, want), want)


def _closed(folder: Path, quarter: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the quarter's end would be; the figures are printed also where a gate would refuse it."""
    from finledger.cli._run import run

    capsys.readouterr()
    assert run(["close", "--books", str(folder), "--quarter", quarter, "--dry-run", "--format", "json"]) in (0, 1)
    return json.loads(capsys.readouterr().out)
