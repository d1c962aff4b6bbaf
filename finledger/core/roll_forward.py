"""Reserves and clearing accounts from opening to closing, component by component, straight from postings (L2, B1, Q2, P3).

The buffer fund and the reserves are known twice: by what was posted to their accounts, and by the charge lines, the price
books' limits and the platform's costs. Both ways must come to the same cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from finledger.core import buffer as fund
from finledger.core.accounts import FUNDS, INTERCOMPANY
from finledger.core.history import SETTLED, History
from finledger.core.model import Check, JournalEntry, Organisation, PlatformCost, Posting, PriceBook
from finledger.core.money import Money, floored, total, zero
from finledger.core.period import Month, Quarter
from finledger.core.quarter import EVAL_RESERVE, REGISTRY_RESERVE, reserves

ROLLED = (
    "buffer_fund", "eval_reserve", "registry_reserve", "accrued_provider_cost", "provider_payable",
    *(key for key, kind in INTERCOMPANY.items() if kind != "Income"),
)  # fmt: skip
Moves = tuple[tuple[str, int], ...]


class Stretch(NamedTuple):
    """The entries of a part of the period: a month, or the adjustment period of a quarter's end."""

    label: str
    entries: Sequence[JournalEntry]


@dataclass(frozen=True, slots=True)
class Rolled:
    """An account in one stretch: opening + additions - reductions = closing, in minor units; balances are shown positive.

    `additions` and `reductions` are by component, both positive; a component that was corrected stands in both.
    """

    label: str
    opening: int
    additions: Moves
    reductions: Moves

    @property
    def closing(self) -> int:
        return self.opening + sum(minor for _, minor in self.additions) - sum(minor for _, minor in self.reductions)


@dataclass(frozen=True, slots=True)
class RollForward:
    """A role's account in an entity and currency, stretch by stretch, and over all of them (`whole`)."""

    role: str
    entity: str
    currency: str
    stretches: tuple[Rolled, ...]
    whole: Rolled


def roll_forward(before: Iterable[JournalEntry], stretches: Sequence[Stretch], label: str) -> tuple[RollForward, ...]:
    """Every rolled account that has a balance or a posting, in the order of `ROLLED`, entity and currency.

    What a role's account is called may change: the role is what is followed.
    """
    opening: dict[tuple[int, str, str], int] = {}
    for place, _, minor in _moves(before):
        opening[place] = opening.get(place, 0) + minor
    moved = [list(_moves(stretch.entries)) for stretch in stretches]
    places = sorted({*(place for place, minor in opening.items() if minor), *(each[0] for part in moved for each in part)})
    found = []
    for place in places:
        balance = opening.get(place, 0)
        parts = []
        for stretch, moves in zip(stretches, moved, strict=True):
            parts.append(_rolled(stretch.label, balance, moves, place))
            balance = parts[-1].closing
        whole = _rolled(label, opening.get(place, 0), [each for moves in moved for each in moves], place)
        found.append(RollForward(ROLLED[place[0]], place[1], place[2], tuple(parts), whole))
    return tuple(found)


def _moves(entries: Iterable[JournalEntry]) -> Iterable[tuple[tuple[int, str, str], str, int]]:
    """Place, component, and by how much the balance rises: credits do where the account is no asset."""
    for entry in entries:
        for posting in entry.postings:
            if posting.account.key in ROLLED:
                place = (ROLLED.index(posting.account.key), entry.entity_of(posting), posting.amount.currency)
                yield place, posting.component, _sign(posting) * posting.amount.minor


def _sign(posting: Posting) -> int:
    return 1 if posting.account.type in ("Assets", "Expenses") else -1


def _rolled(
    label: str, opening: int, moves: Iterable[tuple[tuple[int, str, str], str, int]], place: tuple[int, str, str]
) -> Rolled:
    more: dict[str, int] = {}
    less: dict[str, int] = {}
    for where, component, minor in moves:
        if where == place and minor:
            sums = more if minor > 0 else less
            sums[component] = sums.get(component, 0) + abs(minor)
    return Rolled(label, opening, tuple(sorted(more.items())), tuple(sorted(less.items())))


# ── the same, from the charge lines ─────────────────────────────────────────────────────────────────────────────────────


def stated(
    history: History,
    books: Sequence[PriceBook],
    organisation: Organisation,
    costs: Sequence[PlatformCost],
    true_ups: Mapping[Quarter, Money],
) -> dict[tuple[str, str], Money]:
    """What the fund and the reserves close with, by role and month or quarter as text, by rules B1, B5, Q2 and P3.

    `history`: every month that is charged; what it knows of quarters' ends is left out, they are worked out here. `true_ups`:
    what each quarter that is reconciled trued up, by its effect on the fund; of a quarter that is not among them no rebate
    and no release is posted yet, so none is counted.
    """
    start, currency = organisation.fiscal_year_start, organisation.currency
    history = History(currency, tuple(flow for flow in history.flows if flow.kind != SETTLED))
    balances = {role: zero(currency) for role in FUNDS}
    balances["buffer_fund"] = floored(organisation.buffer_opening, currency)
    filled = {"eval_reserve": EVAL_RESERVE, "registry_reserve": REGISTRY_RESERVE}
    found: dict[tuple[str, str], Money] = {}
    for quarter in sorted({*true_ups, *(month.quarter(start) for month in history.months)}):
        for month in quarter.months(start):
            balances["buffer_fund"] += history.fund_flow(month)
            for role, components in filled.items():
                added = (amount for name in components for amount in history.posted(name, (month,)).values())
                balances[role] += total(added, currency)
            found.update({(role, str(month)): balance for role, balance in balances.items()})
        if quarter in true_ups:
            balance = balances["buffer_fund"] + true_ups[quarter]
            balances["buffer_fund"] = balance - fund.size(balance, quarter, history, books, start).rebated
            for reserve in reserves(quarter, history, organisation, costs):
                balances[reserve.name] -= reserve.released
        found.update({(role, str(quarter)): balance for role, balance in balances.items()})
    return found


def trued_up(entries: Iterable[JournalEntry], currency: str) -> Money:
    """What the entries of a quarter's end trued up, by its effect on the fund (B4)."""
    return total(
        (
            -posting.amount
            for entry in entries
            for posting in entry.postings
            if posting.account.key == "buffer_fund" and posting.component == "buffer_true_up"
        ),
        currency,
    )


def unposted(months: Iterable[Month], reconciled: Iterable[Quarter], fiscal_year_start: int) -> tuple[Quarter, ...]:
    """The quarters with charges whose end is not posted, in order."""
    return tuple(sorted({month.quarter(fiscal_year_start) for month in months} - set(reconciled)))


def intercompany(rolls: Iterable[RollForward]) -> tuple[Check, ...]:
    """What entities are owed = what entities owe, in each currency: on consolidation both vanish (L6)."""
    sums: dict[str, list[int]] = {}
    for each in rolls:
        if each.role in INTERCOMPANY:
            sides = sums.setdefault(each.currency, [0, 0])
            sides[each.role == "intercompany_payable"] += each.whole.closing
    law = "intercompany receivables = intercompany payables, in"
    return tuple(
        Check(f"{law} {currency}", *(Money(minor, currency).amount for minor in sides))
        for currency, sides in sorted(sums.items())
    )
