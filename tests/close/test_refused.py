"""What stops a close: all of it is said at once and nothing is written; what can be waived is waived by a name and a reason."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from finledger.core.close import WAIVABLE
from finledger.core.period import Month
from finledger.core.problem import Misused, Refused
from finledger.workbench import Workbench, closing
from finledger.workbench.waivers import given_waivers
from tests.close.small_books import (
    AUGUST,
    JULY,
    PRICEBOOK,
    SEPTEMBER,
    SETTINGS,
    charged,
    close,
    daily,
    edit,
    export,
    load,
    load_late,
    make_books,
    row,
    snapshot,
    write,
)
from tests.support import finledger, finledger_json

PROVIDERS = """\
providers:
  openai: {invoice: expected}
  anthropic: {invoice: expected}
"""
INVOICE_MAP = """\
columns:
  provider: {value: openai}
  invoice: invoice
  invoice_date: date
  service_month: month
  sku: sku
  quantity: quantity
  unit: unit
  amount: amount
  currency: currency
"""
INVOICE = "invoice,date,month,sku,quantity,unit,amount,currency\nINV-1,2026-09-04,2026-08,gpt-large input,,,9.00,USD\n"


def codes(root: Path, month: Month = AUGUST) -> list[str]:
    return [problem.code for problem in closing.look_at_month(Workbench(root), month, ()).unmet]


def unmet(root: Path, month: Month) -> list[str]:
    """The messages of what stands in the way."""
    return [problem.message for problem in closing.look_at_month(Workbench(root), month, ()).unmet]


def in_dispute(root: Path, month: Month = AUGUST) -> None:
    """The month's first invoice is issued, and its line is disputed."""
    finledger("invoice", "--month", month, "--books", root, "-q")
    bench = Workbench(root)
    line = bench.ledger.charge_rows(month, "search")[0]
    words = ("--reason", "twice the usage", "--by", "Bo", "--on", "2026-09-02", "-q")
    finledger("dispute", "open", f"{month}/search", line.line_id, *words, "--books", root)


def everything_wrong(root: Path) -> Path:
    """August with all of it: July is open, the 20th is missing, `daily` misses the 5th, `crm` wrote only in July; 10 % of the
    charges are nobody's, the second half of the month has a draft price book; a line is in dispute; an invoice of 9.00 is
    for 5.00 that were metered, and the other provider has sent none.
    """
    usage = {
        "crm/july.csv": daily(JULY, "support"),
        "daily/july.csv": daily(JULY),
        "daily/august.csv": daily(AUGUST, without=(5, *range(16, 32))),
        "other/august.csv": [row("x1", "2026-08-05", "", 3300, tokens="2000000")],
    }
    make_books(root, usage, {"pricebooks/2026-Q3.yaml": PRICEBOOK.replace("2026-10-01", "2026-08-16")})
    in_dispute(root)
    write(root / "usage/daily/later.csv", export(daily(AUGUST, without=(*range(1, 16), 20))))
    load(root)
    edit(root / "finledger.yaml", "teams:", f"{PROVIDERS}teams:")
    write(root / "provider-invoices/august.csv", INVOICE)
    write(root / "provider-invoices/august.map.yaml", INVOICE_MAP)
    draft = PRICEBOOK.replace("2026-Q3", "2026-Q4").replace("published: 2026-06-24\n", "")
    write(root / "pricebooks/2026-Q4.yaml", draft.replace("effective_from: 2026-07-01", "effective_from: 2026-08-16"))
    return root


def test_refused__with_every_condition_at_once(tmp_path: Path) -> None:
    root = everything_wrong(tmp_path / "books")
    assert sorted(codes(root)) == [
        "days-missing",
        "days-missing",
        "dispute-open",
        "invoice-unclassified",
        "month-order",
        "pricebook-draft",
        "provider-missing",
        "source-missing",
        "unallocated-high",
    ]


def test_refused__nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither by the close nor by a look at it; nor a waiver that was given on the way."""
    root = everything_wrong(tmp_path / "books")
    before = snapshot(root)
    waived = ("--waive", "days-missing", "--by", "Ada", "--reason", "a holiday")
    for words in ((), ("--dry-run",), waived, (*waived, "--dry-run")):
        finledger("close", "--month", "2026-08", *words, "-q", "--books", root, expect=1)
        after = snapshot(root, "out/problems.txt")
        assert after == {name: sha256 for name, sha256 in before.items() if name != "out/problems.txt"}
    assert not Workbench(root).ledger.events("close")


# ── one at a time, and waived ───────────────────────────────────────────────────────────────────────────────────────────


def _no_usage(root: Path) -> None:
    make_books(root, {"daily/july.csv": daily(JULY)})
    close(root, JULY)


def _missing_day(root: Path) -> None:
    make_books(root, {"daily/august.csv": daily(AUGUST, without=(20,))})


def _missing_source(root: Path) -> None:
    make_books(root, {"crm/july.csv": daily(JULY, "support"), "daily/august.csv": daily(AUGUST)})
    close(root, JULY)


def _unallocated(root: Path) -> None:
    make_books(root, {"daily/august.csv": [*daily(AUGUST), row("x1", "2026-08-05", "", 3100)]})


def _dispute(root: Path) -> None:
    make_books(root, {"daily/august.csv": daily(AUGUST)})
    in_dispute(root)


def _silent_provider(root: Path) -> None:
    make_books(root, {"daily/august.csv": daily(AUGUST)}, {"finledger.yaml": f"{SETTINGS}{PROVIDERS}"})
    edit(root / "finledger.yaml", "  openai: {invoice: expected}\n", "")


def _unpriced_june(root: Path) -> None:
    """The books begin with August, and an hour of June that nothing prices is in the export."""
    make_books(root, {"daily/august.csv": [row("stray", "2026-06-30", "search", 10), *daily(AUGUST)]})


def _unearned(root: Path) -> None:
    """Research was at showback when the books began, and somebody only wrote another stage."""
    make_books(root, {"daily/all.csv": [*daily(JULY), *daily(AUGUST)]})
    close(root, JULY)
    edit(root / "finledger.yaml", "cc-4829, stage: showback", "cc-4829, stage: allocation")


ONE: dict[str, Callable[[Path], None]] = {
    "earlier-month-refused": _unpriced_june,
    "month-not-loaded": _no_usage,
    "days-missing": _missing_day,
    "source-missing": _missing_source,
    "unallocated-high": _unallocated,
    "stage-not-earned": _unearned,
    "dispute-open": _dispute,
    "provider-missing": _silent_provider,
}


def test_waivable__is_what_is_tried_here() -> None:
    assert ONE.keys() == WAIVABLE.keys()


@pytest.mark.parametrize("condition", ONE)
def test_waived__by_a_name_and_a_reason(condition: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "books"
    ONE[condition](root)
    assert codes(root) == [condition]
    finledger("close", "--month", "2026-08", "-q", "--books", root, expect=1)
    waived = ("--waive", condition, "--by", "Ada Fell", "--reason", "known, and agreed")
    closed = finledger_json(capsys, "close", "--month", "2026-08", *waived, "--books", root)
    assert closed["seal"]["close"] == Workbench(root).closed(AUGUST).number
    with (root / "decisions/waivers.csv").open(newline="") as file:
        (stands,) = csv.DictReader(file)
    assert stands == {"period": "2026-08", "condition": condition, "name": "Ada Fell", "reason": "known, and agreed"}
    seal = json.loads((root / "out/2026-08/seal.json").read_bytes())
    assert seal["content"]["waivers"] == [[condition, "Ada Fell", "known, and agreed"]]
    assert "decisions/waivers.csv" in {name for name, _ in seal["content"]["inputs"]}


@pytest.mark.parametrize("condition", ONE)
def test_waived__in_the_books(condition: str, tmp_path: Path) -> None:
    root = tmp_path / "books"
    ONE[condition](root)
    text = f"period,condition,name,reason\n2026-07,{condition},Bo,of another month\n2026-08,{condition},Ada,agreed\n"
    write(root / "decisions/waivers.csv", text)
    event = close(root, AUGUST).event
    assert event is not None and event.content["waivers"] == [[condition, "Ada", "agreed"]]
    assert (root / "decisions/waivers.csv").read_text() == text


@pytest.mark.parametrize("reached", ["books", "link"])
def test_waived__in_books_that_are_named_another_way(
    reached: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a relative path, or through a link: the waiver given with the command is sealed by its name in the books."""
    root = tmp_path / "books"
    ONE["days-missing"](root)
    (tmp_path / "link").symlink_to(root, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    waived = ("--waive", "days-missing", "--by", "Ada Fell", "--reason", "known, and agreed")
    finledger("close", "--month", "2026-08", *waived, "--books", reached)
    assert finledger_json(capsys, "verify", "--books", reached)["problems"] == []


def test_waiver__of_another_month_does_not_count(tmp_path: Path) -> None:
    _missing_day(tmp_path)
    write(tmp_path / "decisions/waivers.csv", "period,condition,name,reason\n2026-07,days-missing,Ada,agreed\n")
    with pytest.raises(Refused):
        close(tmp_path, AUGUST)


def test_waiver__that_nothing_needed_is_not_in_the_seal(tmp_path: Path) -> None:
    make_books(tmp_path, {"daily/august.csv": daily(AUGUST)})
    event = close(tmp_path, AUGUST, waive="unallocated-high").event
    assert event is not None and event.content["waivers"] == []


def test_waivers__two_commands_add_two_rows(tmp_path: Path) -> None:
    make_books(tmp_path, {"daily/july.csv": daily(JULY, without=(4,)), "daily/august.csv": daily(AUGUST, without=(20,))})
    close(tmp_path, JULY, AUGUST, waive="days-missing")
    rows = (tmp_path / "decisions/waivers.csv").read_text().splitlines()
    assert rows[1:] == ["2026-07,days-missing,Ada,known", "2026-08,days-missing,Ada,known"]


@pytest.mark.parametrize(
    ("conditions", "by", "reason", "said"),
    [
        (["month-order"], "Ada", "why", "month-order cannot be waived"),
        (["days-missing"], " ", "why", "needs a name and a reason"),
        (["days-missing"], "Ada", "", "needs a name and a reason"),
    ],
)
def test_waiver__misused(conditions: list[str], by: str, reason: str, said: str) -> None:
    with pytest.raises(Misused, match=said):
        given_waivers(AUGUST, conditions, by, reason)


@pytest.mark.parametrize("condition", ["month-order", "pricebook-draft", "invoice-unclassified"])
def test_waiver__of_what_cannot_be_waived(condition: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither with the command nor by a row."""
    root = everything_wrong(tmp_path / "books")
    words = ("--waive", condition, "--by", "Ada", "--reason", "why")
    finledger("close", "--month", "2026-08", *words, "-q", "--books", root, expect=2)
    write(root / "decisions/waivers.csv", f"period,condition,name,reason\n2026-08,{condition},Ada,why\n")
    finledger("close", "--month", "2026-08", "-q", "--books", root, expect=1)
    assert "waiver-condition" in capsys.readouterr().err


# ── how near is near ────────────────────────────────────────────────────────────────────────────────────────────────────


class Loose(NamedTuple):
    """31 days of 1,000 calls less what support's day lacks, and calls of nobody."""

    owned: int
    nobodys: int
    stopped: bool


@pytest.mark.parametrize(
    "case",
    [
        # 19,000 owned and 1,000 of nobody: 239.40 and 12.60 of 252.00, exactly 5 %: this stops
        Loose(19_000, 1_000, True),
        # 19,010 and 1,000: 239.53 (239.526) and 12.60 of 252.13, 4.997 %
        Loose(19_010, 1_000, False),
        # 19,000 and 1,001: 239.40 and 12.61 (12.6126) of 252.01, 5.004 %
        Loose(19_000, 1_001, True),
    ],
)
def test_unallocated__five_percent_is_the_limit(case: Loose, tmp_path: Path) -> None:
    rows = daily(JULY, requests=case.owned // 31, without=(31,))
    rest = case.owned - 30 * (case.owned // 31)
    rows += [row("s31", "2026-07-31", "search", rest), row("x1", "2026-07-15", "", case.nobodys)]
    make_books(tmp_path, {"daily/july.csv": rows})
    assert codes(tmp_path, JULY) == (["unallocated-high"] if case.stopped else [])


def test_unallocated__stops_only_where_money_moves(tmp_path: Path) -> None:
    """All teams at showback: 100 % is unallocated, and nothing is posted of it."""
    settings = SETTINGS.replace("chargeback", "showback")
    make_books(tmp_path, {"daily/july.csv": daily(JULY, "")}, {"finledger.yaml": settings})
    assert codes(tmp_path, JULY) == []


# ── order ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_order__each_month_that_is_open_before(tmp_path: Path) -> None:
    usage = {"daily/all.csv": [*daily(JULY), *daily(AUGUST), *daily(SEPTEMBER)]}
    make_books(tmp_path, usage)
    assert unmet(tmp_path, SEPTEMBER) == [
        "2026-07 is not closed: months close in order",
        "2026-08 is not closed: months close in order",
    ]


def test_order__a_month_without_usage_is_closed_too(tmp_path: Path) -> None:
    """Seats and pools are charged in it, and the fund goes through it."""
    make_books(tmp_path, {"daily/all.csv": [*daily(JULY), *daily(SEPTEMBER)]})
    close(tmp_path, JULY)
    assert unmet(tmp_path, SEPTEMBER) == ["2026-08 is not closed: months close in order"]
    close(tmp_path, AUGUST, waive="month-not-loaded")
    assert unmet(tmp_path, SEPTEMBER) == []


def test_order__no_month_closes_behind_the_first(tmp_path: Path) -> None:
    make_books(tmp_path, {"daily/august.csv": daily(AUGUST)})
    close(tmp_path, AUGUST)
    load_late(tmp_path, "daily/july.csv", daily(JULY))
    assert "the books begin with 2026-08, which is closed: no month closes behind it" in unmet(tmp_path, JULY)


def test_order__a_stray_row_before_the_first_close_is_waived(tmp_path: Path) -> None:
    """An hour of June that no price book prices lies in July's export. It can be closed as little as it can be charged."""
    make_books(tmp_path, {"daily/all.csv": [row("stray", "2026-06-30", "search", 1000), *daily(JULY)]})
    assert codes(tmp_path, JULY) == ["earlier-month-refused"]
    close(tmp_path, JULY, waive="earlier-month-refused")
    assert [key[1] for key in charged(tmp_path, JULY)] == ["2026-07"]
    load_late(tmp_path, "daily/august.csv", daily(AUGUST))
    assert codes(tmp_path) == []


def test_order__a_stray_row_after_the_first_close_stops_nothing(tmp_path: Path) -> None:
    make_books(tmp_path, {"daily/all.csv": [*daily(JULY), *daily(AUGUST)]})
    close(tmp_path, JULY)
    load_late(tmp_path, "late.csv", [row("stray", "2026-06-30", "search", 1000)])
    assert codes(tmp_path) == []


# ── rows of decisions/waivers.csv that are wrong ────────────────────────────────────────────────────────────────────────


def test_waivers_csv__every_wrong_row_at_once(tmp_path: Path) -> None:
    _missing_day(tmp_path)
    rows = (
        "2026-08,days-missing,Ada,agreed",
        "2026-08,days-missing,Bo,again",
        "August,days-missing,Ada,agreed",
        "2026-08,day-missing,Ada,agreed",
        "2026-08,unallocated-high,,agreed",
        "2026-08,unallocated-high,Ada,",
    )
    write(tmp_path / "decisions/waivers.csv", "\n".join(("period,condition,name,reason", *rows, "")))
    with pytest.raises(Refused) as refused:
        close(tmp_path, AUGUST)
    found = [(problem.code, problem.source.line) for problem in refused.value.problems]
    assert found[:3] == [("waiver-twice", 3), ("waiver-period", 4), ("waiver-condition", 5)]
    assert {line for _, line in found[3:]} == {6, 7}
