"""A quarter's end when its months changed after they were charged, through the command line (rules B1, B2, B4, L1).

1,000 chat calls are 12.60: base 10.00, buffer 0.60, overhead 1.90, registry 0.10. A burst is 3 x 126.00; a team may draw
400.00 in a quarter.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finledger.core.period import Month
from finledger.workbench import Workbench
from finledger.workbench.fund import fund_status
from tests.support import ROOT, finledger, finledger_json

HEADER = "usage_id,ts,team,workload_type,model,action,requests\n"
SETTINGS = """books: Quarter
currency: USD
platform: {team: ai-platform, cost_center: cc-1000}
buffer: {opening: 500.00}
teams:
  search: {cost_center: cc-1, stage: chargeback, forecast: {2026-07: 126.00, 2026-08: 126.00}}
  support: {cost_center: cc-2, stage: chargeback}
"""
DRAWS = """month,team,cause,disclosure,requested
2026-07,search,backfill,last year again,
2026-08,search,backfill,last year again,
"""
SUMMER = (("2026-07", "search", 30_000), ("2026-08", "search", 40_000), ("2026-09", "support", 1_000))
LATE = (("2026-07", "search", 10_000),)
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(usage: tuple[tuple[str, str, int], ...] = SUMMER, *, action: str = "chat_call") -> Path:
        book = (ROOT / "tests/examples/50-loan/pricebooks/2026-Q3.yaml").read_text()
        terms = "buffer: {trigger: 3.0, cap_per_team_per_quarter: 400.00, size: [0.05, 0.90]}\n"
        _write(tmp_path / "finledger.yaml", SETTINGS)
        _write(tmp_path / "pricebooks/2026-Q3.yaml", book.partition("buffer: {trigger")[0] + terms)
        _write(tmp_path / "decisions/draws.csv", DRAWS)
        _load(tmp_path, "summer", usage, action)
        return tmp_path

    return made


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _load(books: Path, name: str, usage: tuple[tuple[str, str, int], ...], action: str = "chat_call") -> None:
    rows = [f"{name}-{month},{month}-10T12:00:00Z,{team},inference,gpt-large,{action},{n}\n" for month, team, n in usage]
    _write(books / "usage" / f"{name}.csv", HEADER + "".join(rows))
    finledger("load", books / "usage" / f"{name}.csv", "--books", books)


def _allocate(books: Path, *months: str) -> None:
    for month in months:
        finledger("allocate", "--month", month, "--books", books)


def _settled(books: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    return finledger_json(capsys, "close", "--quarter", "2026-Q3", "--dry-run", "--books", books, expect=1)


def test_true_ups__hold_the_cap_of_the_quarter(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """July draws 378 - 126 = 252.00, August what the cap leaves, 148.00. With 126.00 more in July, that draw is 378.00 and
    leaves 22.00: what July is topped up by, August gives back. 500.00 + 48.60 - 400.00 = 148.60, as when both are charged anew.
    """
    books = make()
    _allocate(books, "2026-07", "2026-08", "2026-09")
    assert _settled(books, capsys)["buffer"]["true_ups_by_draw"] == []
    _load(books, "late", LATE)
    late = _settled(books, capsys)
    assert [(each["month"], each["drawn"], each["on_final_data"], each["true_up"]) for each in late["buffer"]["true_ups_by_draw"]] == [
        ("2026-07", "252.00", "378.00", "-126.00"),
        ("2026-08", "148.00", "22.00", "126.00"),
    ]  # fmt: skip
    figures = ("opening", "contributions", "draws", "true_ups", "rebates", "closing")
    assert [late["buffer"][name] for name in figures] == ["500.00", "48.60", "400.00", "0.00", "0.00", "148.60"]
    assert [each["code"] for each in late["problems"]][:2] == ["month-changed", "month-changed"]
    _allocate(books, "2026-07", "2026-08", "2026-09")
    anew = _settled(books, capsys)
    assert {each["code"] for each in anew["problems"]} == {"month-open"}
    assert [anew["buffer"][name] for name in figures] == ["500.00", "48.60", "400.00", "0.00", "0.00", "148.60"]
    assert fund_status(Workbench(books)).months[-1].closing.minor == 148_60


def test_quarter__counts_a_month_that_is_refused_as_it_was_charged(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """July has a class without a price, and was let through: its surcharge of 18.00 and its draw of 252.00 are posted."""
    books = make()
    _load(books, "unpriced", (("2026-07", "support", 5),), action="tool_call")
    finledger("allocate", "--month", "2026-07", "--allow-unpriced", "--books", books)
    _allocate(books, "2026-08", "2026-09")
    end = _settled(books, capsys)
    assert "action-unpriced" in {each["code"] for each in end["problems"]}
    figures = [end["buffer"][name] for name in ("contributions", "draws", "true_ups", "closing", "mean_monthly_base")]
    assert figures == ["42.60", "400.00", "0.00", "142.60", "236.67"]  # 710.00 of base / 3
    assert end["reserves"]["registry_reserve"]["added"] == "7.10"


def test_roll_forward__has_the_rebates_of_a_quarter_without_a_last_month(make: Make) -> None:
    """July leaves 500.00 + 18.00 - 252.00 = 266.00; 90 % of 300.00 / 3 is 90.00, so that October opens with 90.00."""
    books = make((("2026-07", "search", 30_000), ("2026-10", "support", 1_000)))
    text = (books / "pricebooks/2026-Q3.yaml").read_text().replace("2026-Q3", "2026-Q4").replace("2026-10-01", "2027-01-01")
    _write(books / "pricebooks/2026-Q4.yaml", text.replace("2026-07-01", "2026-10-01"))
    _allocate(books, "2026-07", "2026-10")
    july, october = fund_status(Workbench(books)).months
    assert (july.month, july.rebates.minor, july.closing.minor) == (Month(2026, 7), 176_00, 90_00)
    assert october.opening == july.closing


def test_journal__that_posts_nothing_any_more_does_not_stay_behind(make: Make) -> None:
    """A rebate that was posted is taken back when the surcharge turns out not to have been paid: the files are emptied."""
    books = make((("2026-07", "support", 30_000),))
    _allocate(books, "2026-07")
    finledger("journal", "--month", "2026-07", "--books", books)
    finledger("reconcile", "--quarter", "2026-Q3", "--books", books)
    quarter, month = books / "out/2026-Q3/journal/2026-Q3.csv", books / "out/2026-07/journal/2026-07.csv"
    assert "buffer_rebate" in quarter.read_text() and "recovery" in month.read_text().lower()
    _write(books / "finledger.yaml", SETTINGS.replace("cc-2, stage: chargeback", "cc-2, stage: showback"))
    _allocate(books, "2026-07")
    finledger("journal", "--month", "2026-07", "--books", books)
    finledger("reconcile", "--quarter", "2026-Q3", "--books", books)
    assert [len(path.read_text().splitlines()) for path in (quarter, month)] == [1, 1]  # the header
