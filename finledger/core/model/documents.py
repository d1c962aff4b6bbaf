"""What leaves the books: journal entries, invoices, and the month that both are written from (rules L1-L6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal, NamedTuple

from finledger.core.model.charges import (
    ActionUse,
    BufferState,
    Central,
    ChargeLine,
    Check,
    Component,
    Disclosure,
    DrawDecision,
    EvalShare,
    IdleCost,
    PoolSplit,
    TeamTotal,
)
from finledger.core.model.evidence import FeatureQuality, PlatformCost
from finledger.core.model.organisation import Account, Stage
from finledger.core.model.prices import BufferTerms, PriceBook, QualityTerms
from finledger.core.money import Money, total
from finledger.core.period import Month
from finledger.core.problem import Problem

DocumentKind = Literal["invoice", "statement", "credit_note", "debit_note"]


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of an entry on an account and a cost centre: debit positive, credit negative.

    `entity`: the legal entity in whose books it stands, where that is another than the entry's ("" = the entry's own).
    """

    account: Account
    cost_center: str
    amount: Money
    component: Component
    entity: str = ""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A balanced entry, or none: its postings sum to zero per legal entity and currency (rules L1, L6).

    `entity` is the platform's, which issues the charge.
    """

    entry_id: str
    posting_date: date
    posting_month: Month
    service_month: Month
    team: str
    entity: str
    memo: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        sums: dict[tuple[str, str], int] = {}
        for posting in self.postings:
            side = (self.entity_of(posting), posting.amount.currency)
            sums[side] = sums.get(side, 0) + posting.amount.minor
        if not self.postings or any(sums.values()):
            raise ValueError(f"entry {self.entry_id} does not balance: {sums}")

    def entity_of(self, posting: Posting) -> str:
        """The legal entity in whose books a posting of this entry stands."""
        return posting.entity or self.entity

    @property
    def is_intercompany(self) -> bool:
        return any(self.entity_of(posting) != self.entity for posting in self.postings)

    @property
    def debits(self) -> int:
        return sum(posting.amount.minor for posting in self.postings if posting.amount.minor > 0)


class Seal(NamedTuple):
    """The close that a document is part of: its number, and its root, the hash that all that was closed hangs on (L2)."""

    close: int
    root: str


@dataclass(frozen=True, slots=True)
class Invoice:
    """One team's document for a month: an invoice where its stage moves money, a pro-forma statement where not (A3).

    A credit or debit note is posted in `month` and corrects `original`, a document of one of the `service_months` (L3, L4).
    `number` is gapless per entity, series and year for invoices and notes (L5); a statement's is made from month and team.
    `lines` are sorted by feature and item; `components` are the total's subtotals. The terms are those of the book in force
    at the month's first instant; a premium can be recovered up to `quarter_end`; `credited` names the months whose premium a
    feature got back. `eval_share`, `subsidies` and `central` are of all teams: memos, no part of the total. `seal`: None while
    the month is open. `held`: the lines under dispute, as (line id, "D-2026-0001: reason").
    """

    number: str
    kind: DocumentKind
    team: str
    stage: Stage
    adopted: bool
    owner: str
    entity: str
    cost_centers: tuple[str, ...]
    month: Month
    issue_date: date
    currency: str
    issuer: str
    platform_team: str
    pricebooks: tuple[tuple[str, str], ...]
    lines: tuple[ChargeLine, ...]
    components: tuple[tuple[Component, Money], ...]
    total: Money
    budget: Money | None
    forecast: Money | None
    disclosures: tuple[Disclosure, ...]
    quality: tuple[FeatureQuality, ...]
    entry_ids: tuple[str, ...]
    notes: tuple[str, ...] = ()
    quality_terms: QualityTerms | None = None
    buffer_terms: BufferTerms | None = None
    quarter_end: Month | None = None
    credited: tuple[tuple[str, tuple[Month, ...]], ...] = ()
    draw: DrawDecision | None = None
    eval_share: EvalShare | None = None
    subsidies: tuple[PlatformCost, ...] = ()
    central: tuple[Central, ...] = ()
    issuer_entity: str = ""
    original: str = ""
    service_months: tuple[Month, ...] = ()
    reason: str = ""
    seal: Seal | None = None
    held: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if total((line.amount for line in self.lines), self.currency) != self.total:
            raise ValueError(f"lines of {self.number} do not add up to {self.total}")
        if total((part for _, part in self.components), self.currency) != self.total:
            raise ValueError(f"subtotals of {self.number} do not add up to {self.total}")

    @property
    def variance(self) -> Money | None:
        return None if self.budget is None else self.total - self.budget

    @property
    def is_note(self) -> bool:
        return self.kind in ("credit_note", "debit_note")


@dataclass(frozen=True, slots=True)
class MonthCharges:
    """Everything the corridor makes of a month: the one thing that commands and documents are written from."""

    month: Month
    currency: str
    provisional: bool
    books: tuple[PriceBook, ...]
    lines: tuple[ChargeLine, ...]
    disclosures: tuple[Disclosure, ...]
    teams: tuple[TeamTotal, ...]
    features: tuple[FeatureQuality, ...]
    pools: tuple[PoolSplit, ...]
    unallocated: Money
    unallocated_share: Fraction
    buffer: BufferState
    entries: tuple[JournalEntry, ...]
    checks: tuple[Check, ...]
    notices: tuple[Problem, ...] = ()
    uses: tuple[ActionUse, ...] = ()
    eval_share: EvalShare | None = None
    subsidies: tuple[PlatformCost, ...] = ()
    central: tuple[Central, ...] = ()
    idle: tuple[IdleCost, ...] = ()
