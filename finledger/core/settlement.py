"""What a quarter's end means for a team, on a document: draws trued up, the fund's excess given back (rules B4, B5, X4).

The journal of a quarter's end debits and credits teams, so each of them gets a note for it: a credit note where it gets
something back, a debit note where it owes, with a line for each true-up and one for the rebate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from finledger.core.invoice import Posted
from finledger.core.model import ChargeLine, Invoice, JournalEntry, LineKey, Organisation
from finledger.core.money import Money
from finledger.core.notes import notes
from finledger.core.period import Month, Quarter
from finledger.core.quarter import QuarterEnd, TrueUp


def settlement_lines(end: QuarterEnd, organisation: Organisation) -> tuple[ChargeLine, ...]:
    """A line for each true-up, of the month whose draw it changes, and for each rebate; posted in the quarter's last month."""
    return lines_of(end.quarter, end.true_ups, end.size.rebates, organisation)


def lines_of(
    quarter: Quarter, true_ups: Iterable[TrueUp], rebates: Mapping[str, Money], organisation: Organisation
) -> tuple[ChargeLine, ...]:
    """The same from what it is made of."""
    last = quarter.months(organisation.fiscal_year_start)[-1]
    amounts = [
        *((each.team, "buffer_true_up", each.month, each.amount) for each in true_ups),
        *((team, "buffer_rebate", last, -amount) for team, amount in rebates.items()),
    ]
    return tuple(
        _line(quarter, last, team, kind, month, amount, organisation)
        for team, kind, month, amount in sorted(amounts, key=lambda each: each[:3])
        if team in organisation.teams and amount
    )


def _line(
    quarter: Quarter, last: Month, team: str, kind: str, month: Month, amount: Money, organisation: Organisation
) -> ChargeLine:
    member = organisation.teams[team]
    cost_center = member.cost_center.at(last.last_day) or ""
    key = LineKey(team, cost_center, "", "", "", "", kind, "", month, last, str(quarter))
    return ChargeLine(key, member.stage_in(month), Decimal(1), "month", amount.amount, amount, ((kind, amount),))


def settlement_notes(end: QuarterEnd, entries: Sequence[JournalEntry], organisation: Organisation) -> tuple[Invoice, ...]:
    """The teams' notes of the quarter's end, without numbers yet; their totals are what its entries debit the teams."""
    last = end.quarter.months(organisation.fiscal_year_start)[-1]
    lines = settlement_lines(end, organisation)
    found = notes(Posted(last, organisation, lines, (), (), entries, ()), {})
    return tuple(
        replace(each, reason=f"The bursting buffer, settled for {end.quarter}", entry_ids=_entries_of(each, entries))
        for each in found
    )


def _entries_of(note: Invoice, entries: Iterable[JournalEntry]) -> tuple[str, ...]:
    return tuple(each.entry_id for each in entries if each.team == note.team)
