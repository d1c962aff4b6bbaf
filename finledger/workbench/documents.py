"""Which document is meant, and which of its lines: by a number, by month and team, by the beginning of a line's id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Literal, NamedTuple

from finledger.core.invoice import document_order, on_note
from finledger.core.model import MONEY_MOVES, UNALLOCATED, ChargeLine
from finledger.core.notes import about
from finledger.core.period import Month
from finledger.core.problem import Misused
from finledger.workbench import Workbench
from finledger.workbench.numbers import given_numbers

_MONTH_AND_TEAM = re.compile(r"([0-9]{4}-[0-9]{2})/(.+)")
LISTED = 8


class Named(NamedTuple):
    """A document by its name: an invoice, a note, a statement, or a month of a team for which nothing has to be issued.

    `about`: what a note corrects, a service month or a credit.
    """

    name: str
    kind: Literal["invoice", "note", "statement", "month"]
    month: Month
    team: str
    about: str = ""

    def holds(self, line: ChargeLine) -> bool:
        """Whether a line that the team was charged in the month stands on this document."""
        if self.kind == "note":
            return on_note(line) and about(line.key) == self.about
        return self.kind == "month" or not on_note(line)


def find_document(bench: Workbench, text: str) -> Named:
    """INV-2026-0001, CN-2026-0001, PRO-2026-07-support, or 2026-07/search. Raises Misused with the nearest that there is."""
    by_month = _MONTH_AND_TEAM.fullmatch(text)
    if by_month is not None:
        return _of_month(bench, text, by_month[1], by_month[2])
    known = {each.name: each for each in _documents(bench)}
    if text not in known:
        near = get_close_matches(text, known, n=3, cutoff=0.7)
        raise Misused(f"no document {text!r}: {_or(near) or 'name one, or a month and team as 2026-07/search'}")
    return known[text]


def _of_month(bench: Workbench, text: str, month_text: str, team: str) -> Named:
    try:
        month = Month.parse(month_text)
    except ValueError as wrong:
        raise Misused(str(wrong)) from None
    months = bench.months()
    if month not in months:
        known = f"there are {', '.join(map(str, months))}" if months else "nothing is loaded"
        raise Misused(f"{month} has no usage and no charges: {known}")
    teams = [*sorted(bench.organisation.teams), UNALLOCATED]
    if team not in teams and not bench.ledger.charge_rows(month, team):  # one that is gone was charged all the same
        near = get_close_matches(team, teams, n=3, cutoff=0.6)
        there = ", ".join(teams)
        raise Misused(f"no team {team!r} in finledger.yaml: {_or(near) or f'there are {there}'}")
    return Named(text, "month", month, team)


def _documents(bench: Workbench) -> Iterator[Named]:
    """Every invoice and note with a number, and every statement that a month has."""
    for month in bench.months():
        for key, number in given_numbers(bench.ledger, month).items():
            yield Named(number, "note" if key.about else "invoice", month, key.team, key.about)
        for name, team in sorted(bench.organisation.teams.items()):
            if name != bench.organisation.platform_team and team.stage_in(month) not in MONEY_MOVES:
                yield Named(f"PRO-{month}-{name}", "statement", month, name)


def find_line(
    document: Named, text: str, lines: Iterable[ChargeLine], everybodys: Callable[[], Iterable[ChargeLine]]
) -> ChargeLine:
    """The document's line of that id, or the only one whose id begins so. Raises Misused with what there is instead.

    `everybodys`: the lines of the whole month, which are asked for only to say whose line it is.
    """
    own = sorted(filter(document.holds, lines), key=document_order)
    found = [line for line in own if line.line_id.startswith(text)] if text else []
    if len(found) == 1:
        return found[0]
    if found:
        raise Misused(f"{text!r} begins {len(found)} lines of {document.name}: {_listed(found)}")
    if not own:
        raise Misused(f"{document.name} has no lines")
    elsewhere = [line for line in everybodys() if len(text) > 4 and line.line_id.startswith(text)]
    if elsewhere:
        raise Misused(f"{text!r} is no line of {document.name}, but of {document.month}/{elsewhere[0].key.team}")
    near = get_close_matches(text, [line.line_id for line in own], n=3, cutoff=0.6)
    raise Misused(f"no line {text!r} in {document.name}: {_or(near) or f'there are {_listed(own)}'}")


def _listed(lines: Sequence[ChargeLine]) -> str:
    """L458c8c64d0ba55e (chat_call), …"""
    named = [f"{line.line_id} ({line.key.item or line.key.kind.replace('_', ' ')})" for line in lines[:LISTED]]
    return ", ".join([*named, *([f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else [])])


def _or(near: Sequence[str]) -> str:
    return f"did you mean {' or '.join(near)}?" if near else ""
