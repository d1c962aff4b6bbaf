"""A quarter closes after its months: draws trued up by late usage, the fund's excess given back, the next quarter's opening."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from finledger.core.money import total
from finledger.core.period import Month, Quarter
from finledger.core.problem import Refused
from finledger.workbench import Workbench
from finledger.workbench.quarters import settle
from finledger.workbench.verify import verify
from tests.close.small_books import (
    AUGUST,
    JULY,
    NEXT_PRICEBOOK,
    PRICEBOOK,
    Q3,
    SEPTEMBER,
    SETTINGS,
    bill,
    charged,
    close,
    edit,
    load_late,
    make_books,
    row,
    snapshot,
)
from tests.support import copy_books, finledger, finledger_json

EXAMPLES = Path(__file__).parents[1] / "examples"
OCTOBER = Month(2026, 10)
FUND = "buffer: {trigger: 3.0, cap_per_team_per_quarter: 400.00, size: [0.05, 1.00], settlement: grant}\n"
DRAWS = "month,team,cause,disclosure,requested\n2026-07,support,backfill,Every ticket was read again,\n"
MONTHS = (JULY, AUGUST, SEPTEMBER)
WAIVE = "days-missing unallocated-high"


def burst(root: Path, calls: int) -> Path:
    """Support, forecast at 126.00, made these calls in July and asks for a draw; the fund begins with 300.00."""
    settings = SETTINGS.replace("cc-4822,", "cc-4822, forecast: {2026-07: 126.00},") + "buffer: {opening: 300.00}\n"
    rows = [row("u7", "2026-07-10", "support", calls)]
    rows += [row(f"s{month.number}", f"{month}-10", "search", 1000) for month in (AUGUST, SEPTEMBER)]
    texts = {
        "finledger.yaml": settings,
        "pricebooks/2026-Q3.yaml": PRICEBOOK + FUND,
        "pricebooks/2026-Q4.yaml": NEXT_PRICEBOOK + FUND,
        "decisions/draws.csv": DRAWS,
    }
    return make_books(root, {"summer.csv": rows}, texts)


def expense(root: Path) -> Mapping[str, str]:
    """What each team was debited with by the quarter's own entries."""
    found = defaultdict(list)
    for entry in Workbench(root).ledger.entries(Q3):
        assert entry.posting_date.isoformat() == "2026-09-30"
        for each in entry.postings:
            if each.account.key == "ai_service_expense":
                found[entry.team].append(each.amount)
    return {team: str(total(amounts, "USD")) for team, amounts in found.items()}


def fund_account(root: Path, *periods: Month | Quarter) -> str:
    """What the entries of the periods moved into the fund's account: a liability, so that credits add to it."""
    entries = [entry for period in periods for entry in Workbench(root).ledger.entries(period)]
    moved = [-each.amount for entry in entries for each in entry.postings if each.account.key == "buffer_fund"]
    return str(total(moved, "USD"))


def test_rebate(tmp_path: Path) -> None:
    """The fund has 650.02 and may hold 86.67: 563.35 go back, 450.62 and 112.73 (tests/examples/49-rebate has the sums)."""
    root = copy_books(EXAMPLES / "49-rebate", tmp_path / "books")
    finledger("load", "-q", "--books", root)
    close(root, *MONTHS, waive=WAIVE)
    closed = close(root, Q3)
    assert closed.event is not None
    figures = closed.event.content["figures"]
    assert (figures["rebates"], figures["true_ups"], figures["buffer"]) == ("563.35", "0.00", "86.67")
    assert expense(root) == {"search": "-450.62", "support": "-112.73"}
    # 500.00 at the beginning, 60.00 + 30.00 + 60.00 + 0.02 of surcharges, 563.35 given back: 86.67
    assert (fund_account(root, *MONTHS), fund_account(root, *MONTHS, Q3)) == ("150.02", "-413.33")
    charges, _ = Workbench(root).charge(OCTOBER)
    assert str(charges.buffer.opening) == "86.67"
    assert verify(Workbench(root)).problems == ()


def test_true_up__a_draw_that_late_usage_makes_possible(tmp_path: Path) -> None:
    """29,900 calls are 376.74, 2.99 times the forecast: refused. With 100 late ones they are 378.00, 3.00 times: the quarter
    grants 252.00. The fund: 300.00 + 18.00 + 0.60 + 0.60 of surcharges - 252.00 = 67.20, below its limit of 106.66 (320.00 of
    base in three months).
    """
    root = burst(tmp_path, 29_900)
    close(root, JULY, waive=WAIVE)
    load_late(root, "late.csv", [row("l1", "2026-07-20", "support", 100)])
    close(root, AUGUST, SEPTEMBER, waive=WAIVE)
    assert charged(root, AUGUST)["support", "2026-07", "chat_call"] == "1.26"
    closed = close(root, Q3)
    assert closed.event is not None
    assert closed.event.content["figures"]["true_ups"] == "-252.00"
    assert closed.event.content["figures"]["buffer"] == "67.20"
    assert expense(root) == {"support": "-252.00"}
    assert fund_account(root, *MONTHS, Q3) == "-232.80"
    charges, _ = Workbench(root).charge(OCTOBER)
    assert str(charges.buffer.opening) == "67.20"
    assert verify(Workbench(root)).problems == ()


def test_true_up__a_draw_that_late_usage_takes_back(tmp_path: Path) -> None:
    """30,000 calls are 378.00: 252.00 were drawn. A refund of 5.00 that comes late makes it 373.00, 2.96 times: support owes the
    252.00. The fund: 300.00 + 19.20 = 319.20; above its limit of 106.66, so 212.54 go back: 212.54 x 18.00 / 19.20 = 199.25625
    to support, 13.28375 to search; rounded down 199.25 and 13.28, the cent left to support, whose rest is larger.
    """
    root = burst(tmp_path, 30_000)
    close(root, JULY, waive=WAIVE)
    assert charged(root, JULY)["support", "2026-07", "buffer_draw"] == "-252.00"
    load_late(root, "late.csv", [bill("b1", "2026-07-20", "support", "-5.00")])
    close(root, AUGUST, SEPTEMBER, waive=WAIVE)
    closed = close(root, Q3)
    assert closed.event is not None
    figures = closed.event.content["figures"]
    assert (figures["true_ups"], figures["rebates"], figures["buffer"]) == ("252.00", "212.54", "106.66")
    assert expense(root) == {"support": "52.74", "search": "-13.28"}  # 252.00 - 199.26
    assert fund_account(root, *MONTHS, Q3) == "-193.34"
    assert verify(Workbench(root)).problems == ()


def test_loan__instalments_of_the_next_quarter(tmp_path: Path) -> None:
    """100.00 drawn in July are paid back in October, November and December: 33.34, 33.33, 33.33. The quarter's closing is the
    next one's opening (tests/examples/50-loan has the sums).
    """
    root = copy_books(EXAMPLES / "50-loan", tmp_path / "books")
    finledger("load", "-q", "--books", root)
    close(root, JULY, waive=WAIVE)
    close(root, AUGUST, SEPTEMBER, waive="month-not-loaded")
    closed = close(root, Q3)
    assert closed.settled is not None
    months = [Month(2026, number) for number in (10, 11, 12)]
    close(root, *months, waive=WAIVE)
    assert [charged(root, month)["search", str(month), "buffer_repayment"] for month in months] == [
        "33.34",
        "33.33",
        "33.33",
    ]
    end = settle(Workbench(root), Quarter(2026, 4)).end
    assert end.opening == closed.settled.end.closing
    close(root, Quarter(2026, 4))
    assert verify(Workbench(root)).problems == ()


def test_refused__before_its_months(tmp_path: Path) -> None:
    root = burst(tmp_path, 100)
    close(root, JULY, waive=WAIVE)
    before = snapshot(root)
    with pytest.raises(Refused) as refused:
        close(root, Q3)
    found = [(each.code, each.message.split()[0]) for each in refused.value.problems if each.is_error]
    assert found == [("month-open", "2026-08"), ("month-open", "2026-09")]
    assert snapshot(root) == before


def test_refused__before_the_quarter_before(tmp_path: Path) -> None:
    root = burst(tmp_path, 100)
    months = [Month(2026, number) for number in (10, 11, 12)]
    close(root, *MONTHS, *months, waive=f"{WAIVE} month-not-loaded")
    with pytest.raises(Refused) as refused:
        close(root, Quarter(2026, 4))
    assert [each.code for each in refused.value.problems if each.is_error] == ["quarter-order"]
    close(root, Q3, Quarter(2026, 4))


def test_a_month_that_was_closed_without_usage_is_none_missing(tmp_path: Path) -> None:
    """August had none, which somebody waived: the quarter closes."""
    make_books(tmp_path, {"july.csv": [row("a", "2026-07-10", "search", 1000), row("b", "2026-09-10", "search", 1000)]})
    close(tmp_path, *MONTHS, waive="days-missing month-not-loaded")
    close(tmp_path, Q3)
    assert verify(Workbench(tmp_path)).problems == ()


def test_books_that_begin_within_the_quarter(tmp_path: Path) -> None:
    """August is the first month that is closed. A row of July that comes late is charged in September, and stops nothing."""
    make_books(tmp_path, {"august.csv": [row("a", "2026-08-10", "search", 1000)]})
    close(tmp_path, AUGUST, waive=WAIVE)
    load_late(tmp_path, "late.csv", [row("l", "2026-07-10", "search", 1000), row("b", "2026-09-10", "search", 1000)])
    close(tmp_path, SEPTEMBER, waive=WAIVE)
    assert charged(tmp_path, SEPTEMBER)["search", "2026-07", "chat_call"] == "12.60"
    close(tmp_path, Q3)
    assert verify(Workbench(tmp_path)).problems == ()


def test_closed__stays_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Late usage and other terms after the quarter's close change neither its files nor its entries; a second close says so."""
    root = burst(tmp_path, 30_000)
    close(root, *MONTHS, waive=WAIVE)
    close(root, Q3)
    files, entries = snapshot(root / "out/2026-Q3"), Workbench(root).ledger.entries(Q3)
    load_late(root, "late.csv", [bill("b1", "2026-07-20", "support", "-5.00"), row("o", "2026-10-05", "search", 1)])
    edit(root / "finledger.yaml", "opening: 300.00", "opening: 900.00")
    event = Workbench(root).closed(Q3)
    shown = finledger_json(capsys, "close", "--quarter", "2026-Q3", "--books", root)
    assert event is not None and shown["seal"]["root"] == event.hash and shown["seal"]["already"] is True
    assert (snapshot(root / "out/2026-Q3"), Workbench(root).ledger.entries(Q3)) == (files, entries)
    assert json.loads((root / "out/2026-Q3/seal.json").read_bytes())["hash"] == event.hash
    assert verify(Workbench(root)).problems == ()


def test_reconcile__of_a_closed_quarter_writes_nothing_else(tmp_path: Path) -> None:
    """`reconcile --quarter` after late usage: the closed quarter's files and entries are not overwritten."""
    root = burst(tmp_path, 30_000)
    close(root, *MONTHS, waive=WAIVE)
    close(root, Q3)
    files, entries = snapshot(root / "out/2026-Q3"), Workbench(root).ledger.entries(Q3)
    load_late(root, "late.csv", [bill("b1", "2026-07-20", "support", "-5.00"), row("o", "2026-10-05", "search", 1)])
    finledger("reconcile", "--quarter", "2026-Q3", "-q", "--books", root)
    assert (snapshot(root / "out/2026-Q3"), Workbench(root).ledger.entries(Q3)) == (files, entries)
    assert verify(Workbench(root)).problems == ()
