"""What earlier months came to, kept: the same as their lines added up, and nothing that a close rests on (rules Q2, B1-B5)."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from finledger.core.period import Month
from finledger.workbench import Workbench, months
from tests.close.small_books import AUGUST, JULY, SEPTEMBER, close, daily, make_books
from tests.support import ROOT, copy_books, finledger, prepared


def entries(books: Path) -> list[Path]:
    """Those of flows: what reports look back on is kept beside them."""
    return sorted(path for path in (books / "store/figures").rglob("*.json") if "flows" in json.loads(path.read_bytes()))


def kept_and_added_up(books: Path, month: Month) -> None:
    assert Workbench(books).history(month)[0].flows == Workbench(books).ledger.flows(month)


def allocate(books: Path, *wanted: Month) -> None:
    for month in wanted:
        finledger("allocate", "--month", month, "--books", books, "--quiet")


def test_kept_flows__are_the_lines_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample company's quarter, with premiums and credits by feature, draws and loans; then July once more, with a credit gone."""
    monkeypatch.setattr(months, "LEAST_FLOWS", 0)
    books = prepared(copy_books(ROOT / "samples" / "kestrel-freight", tmp_path / "books"), ("load", "--quiet"))
    allocate(books, JULY, AUGUST, SEPTEMBER)
    made = {path: path.read_bytes() for path in entries(books)}
    assert {path.parent.name for path in made} == {"month=2026-07", "month=2026-08"}
    kept_and_added_up(books, SEPTEMBER)
    charges = (books / "out/2026-09/charges.csv").read_bytes()
    shutil.rmtree(books / "store/figures")
    allocate(books, SEPTEMBER)
    assert {path: path.read_bytes() for path in entries(books)} == made
    assert (books / "out/2026-09/charges.csv").read_bytes() == charges
    for path in (books / "evals").glob("*"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "2026-07" not in line))
    allocate(books, JULY)
    kept_and_added_up(books, SEPTEMBER)
    finledger("allocate", "--month", SEPTEMBER, "--books", books, "--quiet", "--dry-run")
    assert {path: path.read_bytes() for path in entries(books)} == made


def test_kept_flows__are_nothing_that_a_close_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of July says another fund, under a name that fits: August closes with July's lines."""
    monkeypatch.setattr(months, "LEAST_FLOWS", 0)
    books = make_books(tmp_path / "books", {f"{month}.csv": daily(month) for month in (JULY, AUGUST)})
    close(books, JULY)
    allocate(books, AUGUST)
    opening = Workbench(books).allocate(AUGUST, record=False)[0].buffer.opening
    (entry,) = entries(books)
    said = json.loads(entry.read_bytes())
    for flow in said["flows"]:
        flow[-1] += 1_000_000
    content = json.dumps(said).encode()
    entry.unlink()
    entry.with_name(f"{entry.name.split('-')[0]}-{hashlib.sha256(content).hexdigest()}.json").write_bytes(content)
    assert Workbench(books).allocate(AUGUST, record=False)[0].buffer.opening != opening
    close(books, AUGUST)
    assert Workbench(books).allocate(AUGUST, record=False)[0].buffer.opening == opening
