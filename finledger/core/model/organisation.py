"""The organisation, as finledger.yaml says it: teams, rules, pools, sources, accounts (rules A1-A9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Generic, Literal, TypeVar, get_args

from finledger.core.gate_terms import GateTerms
from finledger.core.period import Month
from finledger.core.problem import SourceRef
from finledger.core.provider import Provider
from finledger.core.review_terms import ReviewTerms

Stage = Literal["showback", "allocation", "chargeback", "optimisation"]
STAGES: tuple[Stage, ...] = ("showback", "allocation", "chargeback", "optimisation")
MONEY_MOVES: frozenset[str] = frozenset({"chargeback", "optimisation"})
UNALLOCATED = "(unallocated)"
POOL_PREFIX = "pool:"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """A value that changes by date (rule A7): `(from, value)` in ascending order; None = since ever."""

    changes: tuple[tuple[date | None, T], ...]

    @classmethod
    def always(cls, value: T) -> Dated[T]:
        return cls(((None, value),))

    def at(self, day: date) -> T | None:
        """The value in force on `day`, or None before the first."""
        found: T | None = None
        for start, value in self.changes:
            if start is None or start <= day:
                found = value
        return found

    @property
    def dates(self) -> tuple[date, ...]:
        return tuple(start for start, _ in self.changes if start is not None)


@dataclass(frozen=True, slots=True)
class Team:
    name: str
    cost_center: Dated[str]
    stage: Dated[Stage]
    owner: Dated[str] = Dated(((None, ""),))
    features: tuple[str, ...] = ()
    seats: Mapping[str, int] = field(default_factory=dict)
    budget: Mapping[Month, Decimal] = field(default_factory=dict)
    forecast: Mapping[Month, Decimal] = field(default_factory=dict)
    entity: str = ""
    source: SourceRef | None = None
    targets: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)  # feature, or * → unit → at most (U1)

    def first_day_in(self, month: Month) -> date | None:
        """The first day of the month on which the organisation knows the team (its cost centre is in force)."""
        for day in (month.first_day, *sorted(d for d in self.cost_center.dates if d > month.first_day)):
            if day <= month.last_day and self.cost_center.at(day) is not None:
                return day
        return None

    def stage_in(self, month: Month) -> Stage:
        """A month's stage is that of its first day (rule B1), or of the team's first day in it."""
        return self.stage.at(self.first_day_in(month) or month.first_day) or "showback"


@dataclass(frozen=True, slots=True)
class Rule:
    """A classification rule (A9): where every glob of `when` matches, each field of `set` that is empty is set."""

    number: int
    when: Mapping[str, tuple[str, ...]]
    set: Mapping[str, str]
    start: date | None = None
    until: date | None = None
    source: SourceRef | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """A shared pool (A8): a fixed amount by month, or the rows of team `pool:NAME`; split over `targets` by `driver`.

    `shares` are the fixed shares or the weights read from a file, for these two drivers. `targets` empty = all teams.
    """

    name: str
    driver: str
    amount: Mapping[Month, Decimal] | None = None
    rows: str = ""
    targets: tuple[str, ...] = ()
    shares: Mapping[str, Decimal] = field(default_factory=dict)
    source: SourceRef | None = None


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    role: Literal["charge", "reconcile"] = "charge"
    inclusive: bool = False
    beside: tuple[str, ...] = ()  # sources that tell of other usage than this one's (C1)
    traces: Literal["root", "own"] = "root"  # whose rows inside a trace are: its root's consumer's, or by their own labels


CompoundCalls = Literal["root_pays", "owner_pays", "split"]
EngineKind = Literal["duckdb", "reference", "spark"]
ENGINE_KINDS: tuple[EngineKind, ...] = get_args(EngineKind)
AccountType = Literal["Assets", "Liabilities", "Equity", "Income", "Expenses"]


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the chart: `key` is the role that rule L1 names, `name` and `number` are the controller's."""

    key: str
    name: str
    type: AccountType
    number: str = ""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What groups the usage. `master` and `config` are Spark's: where it runs ("" = on this machine), and its own settings."""

    kind: EngineKind = "duckdb"
    master: str = ""
    config: tuple[tuple[str, str], ...] = ()
    source: SourceRef | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    books: str
    currency: str
    timezone: str
    platform_team: str
    platform_cost_center: str
    teams: Mapping[str, Team]
    operating_model: str = "platform_led"
    platform_entity: str = ""
    unallocated: str = "hold"
    pools: tuple[Pool, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    passthrough_basis: Literal["effective", "billed"] = "effective"
    buffer_opening: Decimal = Decimal(0)
    fiscal_year_start: int = 1
    buffer_priced: bool = False
    source: SourceRef | None = None
    providers: Mapping[str, Provider] = field(default_factory=dict)
    fund_presentation: Literal["liability", "pnl_contra"] = "liability"
    compound_calls: CompoundCalls = "root_pays"
    operator_share: Decimal = Decimal("0.5")  # what an operator bears of what it operated, where calls are split (A5)
    respond_days: int = 5  # of a dispute (L4), in calendar days from its opening
    resolve_days: int = 20
    store: str = ""  # the URL of a bucket's folder that holds the parts; empty: the books' own folder
    require_feature: bool = False  # usage that no feature label reaches is refused when it is loaded (A6)
    ladder: GateTerms = field(default_factory=GateTerms)  # what a team's next stage asks for (A4)
    review: ReviewTerms = field(default_factory=ReviewTerms)
    engine: EngineChoice = EngineChoice()

    @property
    def reconciled(self) -> tuple[str, ...]:
        """The sources that are never charged, only compared (A9)."""
        return tuple(sorted(name for name, source in self.sources.items() if source.role == "reconcile"))

    @property
    def inclusive(self) -> tuple[str, ...]:
        """The sources whose parent spans hold what the spans below them used (C2)."""
        return tuple(sorted(name for name, source in self.sources.items() if source.inclusive))

    def traces(self, source: str) -> str:
        found = self.sources.get(source)
        return found.traces if found is not None else "root"

    def role(self, source: str) -> str:
        found = self.sources.get(source)
        return found.role if found is not None else "charge"
