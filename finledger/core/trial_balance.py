"""The trial balance of a month or a quarter: what each account opened with, its debits and credits, what it closes with (L1, L2).

Made straight from journal entries, and from nothing else. A quarter's own entries are dated its last day and come after the
last month's: they are an adjustment period of their own, which belongs to the quarter and to no month.

The balance that the buffer fund brings along (`buffer: {opening}`, rule B1) was posted before these books began, so no journal
of theirs posts it. So that the trial balance is whole, it stands in it as an entry of the day before the first month: equity
"Opening balances" debited, the fund credited.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from finledger.core.accounts import accounts_of
from finledger.core.model import Account, AccountType, Check, JournalEntry, Organisation, Posting
from finledger.core.money import Money, floored
from finledger.core.period import Month

TYPES: tuple[AccountType, ...] = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
OPENING_BALANCES = Account("opening_balances", "Opening balances", "Equity")
_Place = tuple[str, str, int, str, str, str]  # currency, entity, place of the type, number, name, cost centre


@dataclass(frozen=True, slots=True)
class TrialRow:
    """An account at a cost centre, in minor units: opening and closing are debit positive, debits and credits never negative."""

    account: Account
    cost_center: str
    entity: str
    currency: str
    opening: int
    debits: int
    credits: int

    @property
    def closing(self) -> int:
        return self.opening + self.debits - self.credits


def trial_balance(before: Iterable[JournalEntry], period: Iterable[JournalEntry]) -> tuple[TrialRow, ...]:
    """A row for each account, cost centre and legal entity, by entity, type of account, number and name, cost centre.

    `before`: every entry of the months and quarters before the period. What opens with zero and has no posting is left out.
    Accounts are told apart by what the controller calls them: two roles that are posted to one account are one row.
    """
    accounts: dict[_Place, Account] = {}
    sums: dict[_Place, list[int]] = {}
    for moves, entries in ((False, before), (True, period)):
        for entry in entries:
            for posting in entry.postings:
                place, minor = _place(entry, posting), posting.amount.minor
                accounts[place] = posting.account
                row = sums.setdefault(place, [0, 0, 0])
                row[(1 if minor > 0 else 2) if moves else 0] += abs(minor) if moves else minor
    return tuple(
        TrialRow(accounts[place], place[5], place[1], place[0], *row)
        for place, row in sorted(sums.items(), key=lambda item: (item[0][1], item[0][0], item[0][2:]))
        if any(row)
    )


def _place(entry: JournalEntry, posting: Posting) -> _Place:
    account = posting.account
    entity, currency = entry.entity_of(posting), posting.amount.currency
    return (currency, entity, TYPES.index(account.type), account.number, account.name, posting.cost_center)


def totals(rows: Iterable[TrialRow]) -> tuple[TrialRow, ...]:
    """The sums of each entity and currency, in that order, on an account without a name."""
    sums: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        whole = sums.setdefault((row.entity, row.currency), [0, 0, 0])
        for position, minor in enumerate((row.opening, row.debits, row.credits)):
            whole[position] += minor
    none = Account("", "", "Equity")
    return tuple(TrialRow(none, "", entity, currency, *whole) for (entity, currency), whole in sorted(sums.items()))


def nets_to_zero(rows: Iterable[TrialRow]) -> tuple[Check, ...]:
    """Debits = credits, and opening and closing net to zero, in each entity and currency (X4)."""
    found = totals(rows)
    several = len(found) > 1
    checks = []
    for each in found:
        of = f" of {each.entity or 'no entity'} in {each.currency}" if several else ""
        opening, debits, credits, closing, none = (
            Money(minor, each.currency).amount for minor in (each.opening, each.debits, each.credits, each.closing, 0)
        )
        checks += [
            Check(f"trial balance{of}: debits = credits", debits, credits),
            Check(f"trial balance{of}: opening balances net to zero", opening, none),
            Check(f"trial balance{of}: closing balances net to zero", closing, none),
        ]
    return tuple(checks)


def opening_entries(organisation: Organisation, first: Month) -> tuple[JournalEntry, ...]:
    """What the fund brought along when the books began with `first`, as the entry that no journal of theirs has (B1)."""
    amount = floored(organisation.buffer_opening, organisation.currency)
    if not amount:
        return ()
    fund, home = accounts_of(organisation)["buffer_fund"], organisation.platform_cost_center
    return (
        JournalEntry(
            entry_id="opening/buffer_fund",
            posting_date=first.first_day - timedelta(days=1),
            posting_month=first.before,
            service_month=first.before,
            team=organisation.platform_team,
            entity=organisation.platform_entity,
            memo=f"{fund.name} as the books begin",
            postings=(
                Posting(OPENING_BALANCES, home, amount, "opening"),
                Posting(fund, home, -amount, "opening"),
            ),
        ),
    )
