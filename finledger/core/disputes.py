"""Disputes: a team says that a line is not right; it is held until somebody decides (rule L4).

A dispute is what the log says of it, and nothing else: an event that opened it, and one that resolved it. No clock is looked
at: whether it is overdue is asked with a date.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any, Literal

from finledger.core.events import Event
from finledger.core.model import ChargeLine
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import Problem, SourceRef

Outcome = Literal["upheld", "rejected", "withdrawn"]
State = Literal["open", "upheld", "rejected", "withdrawn"]
OUTCOMES: tuple[Outcome, ...] = ("upheld", "rejected", "withdrawn")
OPENED, RESOLVED, CREDITED = "dispute-open", "dispute-resolve", "credit"
DISPUTE, CREDIT = "D", "C"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A disputed line, with its amount when the dispute was opened. `dispute_id` is gapless by year: D-2026-0001.

    `document` is the one that the line stands on. `respond_by` and `resolve_by` are the last days of the terms that held on
    the day of opening. `credit_id`: the credit that an upheld dispute led to. `rebilled`: the team that bears the cost then.
    """

    dispute_id: str
    document: str
    team: str
    line_id: str
    posting_month: Month
    service_month: Month
    amount: Money
    reason: str
    raised_by: str
    opened: date
    respond_by: date
    resolve_by: date
    state: State = "open"
    resolved: date | None = None
    note: str = ""
    resolved_by: str = ""
    credit_id: str = ""

    @property
    def is_open(self) -> bool:
        return self.state == "open"

    def overdue(self, day: date) -> Literal["", "response", "resolution"]:
        """What has been waited for too long on that day: a first look, or the outcome. Nothing once it is resolved."""
        if not self.is_open or day <= self.respond_by:
            return ""
        return "resolution" if day > self.resolve_by else "response"


def next_id(letter: str, year: int, events: Iterable[Event]) -> str:
    """The next of the ids that count disputes or credits of a year (L5): D-2026-0001, C-2026-0001."""
    begin = f"{letter}-{year:04d}-"
    given = [int(event.subject.removeprefix(begin)) for event in events if event.subject.startswith(begin)]
    return f"{begin}{max(given, default=0) + 1:04d}"


def disputes(events: Iterable[Event]) -> tuple[Dispute, ...]:
    """Every dispute as the log has it, in the order of opening."""
    found: dict[str, Dispute] = {}
    for event in events:
        if event.kind == OPENED:
            found[event.subject] = _opened(event)
        elif event.kind == RESOLVED:
            found[event.subject] = _resolved(found[event.subject], event)
    return tuple(found.values())


def opening(dispute: Dispute) -> dict[str, Any]:
    """The content of the event that opens it."""
    return {
        "document": dispute.document,
        "team": dispute.team,
        "line_id": dispute.line_id,
        "service_month": str(dispute.service_month),
        "amount_minor": dispute.amount.minor,
        "currency": dispute.amount.currency,
        "reason": dispute.reason,
        "by": dispute.raised_by,
        "on": dispute.opened.isoformat(),
        "respond_by": dispute.respond_by.isoformat(),
        "resolve_by": dispute.resolve_by.isoformat(),
    }


def resolution(outcome: Outcome, by: str, on: date, note: str, credit_id: str) -> dict[str, Any]:
    """The content of the event that resolves one."""
    return {"outcome": outcome, "by": by, "on": on.isoformat(), "note": note, "credit": credit_id}


def _opened(event: Event) -> Dispute:
    said = event.content
    return Dispute(
        dispute_id=event.subject,
        document=said["document"],
        team=said["team"],
        line_id=said["line_id"],
        posting_month=Month.parse(event.period),
        service_month=Month.parse(said["service_month"]),
        amount=Money(said["amount_minor"], said["currency"]),
        reason=said["reason"],
        raised_by=said["by"],
        opened=date.fromisoformat(said["on"]),
        respond_by=date.fromisoformat(said["respond_by"]),
        resolve_by=date.fromisoformat(said["resolve_by"]),
    )


def _resolved(dispute: Dispute, event: Event) -> Dispute:
    said = event.content
    return replace(
        dispute,
        state=said["outcome"],
        resolved=date.fromisoformat(said["on"]),
        note=said["note"],
        resolved_by=said["by"],
        credit_id=said["credit"],
    )


def held_lines(events: Iterable[Event]) -> dict[str, Dispute]:
    """The lines that are held, by their ids, each with its open dispute."""
    return {each.line_id: each for each in disputes(events) if each.is_open}


def open_disputes(events: Iterable[Event], months: Collection[Month]) -> Iterator[Problem]:
    """A problem for each open dispute on a line that one of the months posted: these do not close before it is decided (L2)."""
    for each in disputes(events):
        if each.is_open and each.posting_month in months:
            yield Problem(
                "dispute-open",
                f"{each.line_id} of {each.document} ({each.team}, {each.amount:,} {each.amount.currency}) is in dispute since "
                f"{each.opened}: {each.reason}",
                SourceRef("store/ledger.sqlite"),
                excerpt=f"{each.dispute_id}, raised by {each.raised_by}, to be resolved by {each.resolve_by}",
                remedy=f"run `finledger dispute resolve {each.dispute_id} --outcome upheld --by NAME --note TEXT` (or rejected, "
                "withdrawn); to close without a decision, waive it: --waive dispute-open --by NAME --reason TEXT",
            )


def dispute_rate(found: Iterable[Dispute], lines: Iterable[ChargeLine], team: str, month: Month) -> Fraction | None:
    """The share of a team's lines of a posting month that were ever disputed, whatever came of it (A4); None of no lines."""
    own = {line.line_id for line in lines if (line.key.team, line.key.posting_month) == (team, month)}
    disputed = own & {each.line_id for each in found}
    return Fraction(len(disputed), len(own)) if own else None
