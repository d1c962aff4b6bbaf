"""What a report says of earlier months is what their own reports say, worked out or kept (rules U1, A1, Q4)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from finledger.workbench import Workbench
from finledger.workbench.closing import reopen
from tests.close.small_books import (
    AUGUST,
    JULY,
    NEXT_PRICEBOOK,
    SEPTEMBER,
    close,
    daily,
    edit,
    load_late,
    make_books,
    row,
    write,
)
from tests.report.pages import printed
from tests.support import ROOT, copy_books, finledger, prepared

TRENDS = (
    "unit-costs-by-team", "unit-costs-by-model", "unit-cost-trend", "label-coverage", "unallocated-trend", "quality-trend",
)  # fmt: skip
MONTHS = ("2026-07", "2026-08", "2026-09")
Figures = dict[str, list[dict[str, Any]]]


def report(books: Path, month: str, *words: str) -> dict[str, Any]:
    return dict(printed("report", "--month", month, "--books", books, *words)["tables"])


def figures(tables: dict[str, Any], month: str) -> Figures:
    """The rows of the month in every table that shows a trend."""
    rows = {name: tables[name]["rows"] if name in tables else [] for name in TRENDS}
    return {name: [each for each in found if each["month"] == month] for name, found in rows.items()}


def entries(books: Path) -> list[Path]:
    return sorted((books / "store/figures").rglob("*.json"))


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The sample's third quarter, charged and open: pools, GPUs, training, features, sources; in July nothing was evaluated.

    What `allocate` kept of it is not there.
    """
    books = copy_books(ROOT / "samples" / "kestrel-freight", tmp_path / "books")
    for path in (*books.glob("usage/*/*2026-1*"), books / "capacity.csv"):
        path.unlink()
    for path in books.glob("evals/*"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "2026-07" not in line))
    prepared(books, ("load", "--quiet"), *(("allocate", "--month", month, "--quiet") for month in MONTHS))
    shutil.rmtree(books / "store/figures")
    return books


def test_a_month_looked_back_on__has_the_figures_of_its_own_report(sample: Path) -> None:
    own = {month: figures(report(sample, month, "--dry-run"), month) for month in MONTHS}
    assert entries(sample) == [] and all(own["2026-07"].values())
    assert all(each["coverage"] is None for each in own["2026-07"]["quality-trend"])
    for words in (["--dry-run"], [], []):  # worked out; worked out and kept; as kept
        tables = report(sample, "2026-09", *words)
        assert {month: figures(tables, month) for month in MONTHS} == own
    assert {path.parent.name for path in entries(sample)} == {"month=2026-07", "month=2026-08"}


def test_with_reservations__earlier_months_are_charged_anew(sample: Path) -> None:
    """The ledger does not say what idle hours the platform bears, so that such a month is not taken as it was recorded."""
    shutil.copy(ROOT / "samples/kestrel-freight/capacity.csv", sample)
    own = figures(report(sample, "2026-07", "--dry-run"), "2026-07")
    assert figures(report(sample, "2026-09", "--dry-run"), "2026-07") == own


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """July is closed, with late usage since; August was closed, reopened and allocated again with it; September is open."""
    usage = {f"{month}.csv": daily(month) for month in (JULY, AUGUST, SEPTEMBER)}
    books = make_books(tmp_path / "books", usage)
    close(books, JULY, AUGUST)
    load_late(books, "late.csv", [row("l1", "2026-07-15", "search", 1000), row("l2", "2026-08-15", "support", 2000)])
    reopen(Workbench(books), AUGUST, by="Ada", reason="late usage")
    for month in MONTHS[1:]:
        finledger("allocate", "--month", month, "--books", books, "--quiet")
    return books


def test_closed_and_reopened_months__have_the_figures_of_their_own_reports(three: Path) -> None:
    own = {month: figures(report(three, month, "--dry-run"), month) for month in MONTHS[:2]}
    assert [each["inferences"] for month in own for each in own[month]["unit-cost-trend"]] == [31000, 33000]
    for _ in range(2):
        tables = report(three, "2026-09")
        assert {month: figures(tables, month) for month in own} == own


def test_kept_figures__follow_the_books(three: Path) -> None:
    """Usage that comes late with the run that charges it, and a team that is known by another name: both are seen."""
    report(three, "2026-09")
    load_late(three, "later.csv", [row("l3", "2026-08-20", "support", 500)])
    for renamed in (False, True):
        if renamed:
            edit(three / "finledger.yaml", "support: {", "help: {")
        finledger("allocate", "--month", "2026-08", "--books", three, "--quiet")
        own = figures(report(three, "2026-08", "--dry-run"), "2026-08")
        assert figures(report(three, "2026-09"), "2026-08") == own
        assert own["unit-cost-trend"][0]["inferences"] == 33500
        assert own["label-coverage"][0]["cost_center"] == ("0.925373" if renamed else "1.000000")


def test_what_a_close_keeps__is_what_a_report_works_out(tmp_path: Path) -> None:
    """July and August are closed, so that September's first report looks them up; without what was kept it is the same to the byte.

    A price book for the next quarter says nothing of these months, nor does a rate of a later day.
    """
    books = make_books(tmp_path / "books", {f"{month}.csv": daily(month) for month in (JULY, AUGUST, SEPTEMBER)})
    close(books, JULY, AUGUST)
    kept = {path: path.read_bytes() for path in entries(books)}
    assert [path.parent.name for path in kept] == ["month=2026-07"] * 2 + ["month=2026-08"] * 2
    write(books / "pricebooks/2026-Q4.yaml", NEXT_PRICEBOOK)
    write(books / "rates.csv", "date,from,to,rate,source\n2026-09-30,EUR,USD,1.10,ECB\n")
    pages = []
    for _ in range(2):
        finledger("report", "--month", "2026-09", "--books", books, "--to", "html,json", "--quiet")
        assert {path: path.read_bytes() for path in entries(books)} == kept
        pages.append([(books / "out/2026-09" / name).read_bytes() for name in ("report.html", "report.json")])
        shutil.rmtree(books / "store/figures")
    assert pages[0] == pages[1]


def test_what_an_allocate_keeps__is_of_the_month_before_and_what_a_report_works_out(tmp_path: Path) -> None:
    """The first of a month, when the one before is done as a rule; another one of the same month has nothing to keep."""
    books = make_books(tmp_path / "books", {f"{month}.csv": daily(month) for month in (JULY, AUGUST, SEPTEMBER)})
    for month in ("2026-07", "2026-08", "2026-08", "2026-09"):
        finledger("allocate", "--month", month, "--books", books, "--quiet")
    kept = {path: path.read_bytes() for path in entries(books)}
    assert [path.parent.name for path in kept] == ["month=2026-07"] * 2 + ["month=2026-08"] * 2
    shutil.rmtree(books / "store/figures")
    finledger("report", "--month", "2026-09", "--books", books, "--quiet")
    assert {path: path.read_bytes() for path in entries(books)} == kept
