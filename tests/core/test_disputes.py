"""Disputes are what the log says of them (rule L4): states, due days, ids without gaps, what is held, how much is disputed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from finledger.books.events import Event
from finledger.core.disputes import (
    Dispute,
    dispute_rate,
    disputes,
    held_lines,
    next_id,
    open_disputes,
    opening,
    resolution,
)
from finledger.core.model import ChargeLine, LineKey
from finledger.core.money import Money
from finledger.core.period import Month

JULY = Month(2026, 7)
DISPUTE = Dispute(
    dispute_id="D-2026-0001",
    document="INV-2026-0001",
    team="ads",
    line_id="L1",
    posting_month=JULY,
    service_month=JULY,
    amount=Money(318240, "USD"),
    reason="Not our calls",
    raised_by="Ann Lee",
    opened=date(2026, 8, 10),
    respond_by=date(2026, 8, 15),
    resolve_by=date(2026, 8, 30),
)


def opened(dispute: Dispute) -> Event:
    return Event(1, "dispute-open", str(dispute.posting_month), dispute.dispute_id, opening(dispute), "", "")


def resolved(dispute_id: str, outcome: str = "upheld") -> Event:
    content = resolution(outcome, "Bo Chen", date(2026, 8, 20), "Search's", "C-2026-0001")
    return Event(2, "dispute-resolve", "2026-07", dispute_id, content, "", "")


def line(team: str, item: str, month: Month = JULY) -> ChargeLine:
    key = LineKey(team, "cc", "f", item, "inference", "m", "action", "2026-Q3.v1", month, month)
    amount = Money(100, "USD")
    return ChargeLine(key, "chargeback", Decimal(1), "action", Decimal(1), amount, (("base", amount),))


def test_disputes__are_read_back_from_the_log() -> None:
    second = replace(DISPUTE, dispute_id="D-2026-0002", line_id="L2")
    events = [opened(DISPUTE), opened(second), resolved("D-2026-0001")]
    first, other = disputes(events)
    assert other == second and other.is_open
    assert (first.state, first.resolved, first.resolved_by) == ("upheld", date(2026, 8, 20), "Bo Chen")
    assert (first.note, first.credit_id) == ("Search's", "C-2026-0001")
    assert replace(first, state="open", resolved=None, resolved_by="", note="", credit_id="") == DISPUTE


@pytest.mark.parametrize(
    ("day", "said"),
    [(10, ""), (15, ""), (16, "response"), (30, "response"), (31, "resolution")],
)
def test_overdue__is_told_of_a_day(day: int, said: str) -> None:
    """Opened on the 10th, 5 and 20 days: the 15th and the 30th are the last days in time."""
    assert DISPUTE.overdue(date(2026, 8, day)) == said
    assert replace(DISPUTE, state="rejected").overdue(date(2026, 8, day)) == ""


def test_next_id__counts_each_year_for_itself() -> None:
    found = [opened(replace(DISPUTE, dispute_id=name)) for name in ("D-2026-0001", "D-2026-0002", "D-2025-0009")]
    assert next_id("D", 2026, found) == "D-2026-0003"
    assert next_id("D", 2025, found) == "D-2025-0010"
    assert next_id("D", 2027, found) == "D-2027-0001"
    assert next_id("C", 2026, found) == "C-2026-0001"


def test_held_lines__until_it_is_decided() -> None:
    assert held_lines([opened(DISPUTE)]) == {"L1": DISPUTE}
    assert held_lines([opened(DISPUTE), resolved("D-2026-0001", "rejected")]) == {}


def test_open_disputes__stop_the_month_of_their_line_only() -> None:
    (problem,) = open_disputes([opened(DISPUTE)], [JULY])
    assert (problem.code, problem.severity) == ("dispute-open", "error")
    assert "3,182.40 USD" in problem.message and "INV-2026-0001" in problem.message and "D-2026-0001" in problem.remedy
    assert list(open_disputes([opened(DISPUTE)], [Month(2026, 8)])) == []
    assert list(open_disputes([opened(DISPUTE), resolved("D-2026-0001", "withdrawn")], [JULY])) == []


def test_dispute_rate__lines_that_were_ever_disputed() -> None:
    """Two of ads's three lines, one of them twice; August's and search's do not count."""
    ads = [line("ads", item) for item in ("chat_call", "tool_call", "eval_run")]
    other = [line("search", "chat_call"), line("ads", "chat_call", Month(2026, 8))]
    found = [
        replace(DISPUTE, line_id=ads[0].line_id, state="rejected"),
        replace(DISPUTE, line_id=ads[0].line_id, dispute_id="D-2026-0002"),
        replace(DISPUTE, line_id=ads[2].line_id, dispute_id="D-2026-0003", state="withdrawn"),
    ]
    assert dispute_rate(found, [*ads, *other], "ads", JULY) == Fraction(2, 3)
    assert dispute_rate(found, [*ads, *other], "search", JULY) == 0
    assert dispute_rate(found, [], "ads", JULY) is None
