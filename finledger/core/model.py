"""The nouns, in the order in which the data flows. Read this file first.

    usage rows ──engine──▶ UsageGroup ──rate──▶ RatedLine ──allocate──▶ Allocation ──charge──▶ ChargeLine
                                                                                     │
                                                      documents ◀──invoice── Invoice ┴──post──▶ JournalEntry

Glossary: a *line* is what is rounded, once (rule M2); a *component* is a part of a line's amount (C1); a *statement* is a
pro-forma invoice, for a team whose stage moves no money (A3); *unallocated* usage has no owner the organisation knows
(A1). Conventions: debit is positive; period ends are exclusive; every id comes from content or from a numbered sequence
in the books. Money is `Money`; everything before a line's amount is an exact `Decimal` or `Fraction`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Generic, Literal, NamedTuple, TypeVar

from finledger.core.gate_terms import GateTerms
from finledger.core.money import Money, Rounding, total
from finledger.core.period import Interval, Month
from finledger.core.problem import Problem, SourceRef
from finledger.core.provider import Provider
from finledger.core.review_terms import ReviewTerms

Stage = Literal["showback", "allocation", "chargeback", "optimisation"]
STAGES: tuple[Stage, ...] = ("showback", "allocation", "chargeback", "optimisation")
Funding = Literal["consumer", "shared", "platform"]
DocumentKind = Literal["invoice", "statement", "credit_note", "debit_note"]
MONEY_MOVES: frozenset[str] = frozenset({"chargeback", "optimisation"})
UNALLOCATED = "(unallocated)"
POOL_PREFIX = "pool:"
T = TypeVar("T")

# ── the organisation, as finledger.yaml says it ─────────────────────────────────────────────────────────────────────────


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


CompoundCalls = Literal["root_pays", "owner_pays"]
AccountType = Literal["Assets", "Liabilities", "Equity", "Income", "Expenses"]


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the chart: `key` is the role that rule L1 names, `name` and `number` are the controller's."""

    key: str
    name: str
    type: AccountType
    number: str = ""


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
    respond_days: int = 5  # of a dispute (L4), in calendar days from its opening
    resolve_days: int = 20
    require_feature: bool = False  # usage that no feature label reaches is refused when it is loaded (A6)
    ladder: GateTerms = field(default_factory=GateTerms)  # what a team's next stage asks for (A4)
    review: ReviewTerms = field(default_factory=ReviewTerms)

    def traces(self, source: str) -> str:
        found = self.sources.get(source)
        return found.traces if found is not None else "root"

    def role(self, source: str) -> str:
        found = self.sources.get(source)
        return found.role if found is not None else "charge"


# ── the price book ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ModelRates:
    """Rates per 1,000,000 tokens by native bucket (`input_tokens`, …); a bucket that is never billed is absent (P2).

    `source` says where the rates were taken from, and as of which day (P5).
    """

    provider: str
    rates: Mapping[str, Decimal]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    base: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class ActionClass:
    """A billable action: who funds it (C3), how it is priced (P4), and its published price, by model where it differs.

    `scope` says whose evaluation a shared class is, for the split `by_component` (C4). `planned`: actions expected in the
    quarter, which its share of the overhead was set by (X3); None where the book does not say.
    """

    name: str
    funding: Funding
    pricing: Literal["published", "metered"]
    price: Price | None = None
    by_model: Mapping[str, Price] = field(default_factory=dict)
    scope: Literal["domain", "baseline"] = "domain"
    planned: int | None = None

    def price_for(self, model: str) -> Price | None:
        """The model's own price, else the class's, else None: never another model's (rule P2)."""
        return self.by_model.get(model, self.price)


@dataclass(frozen=True, slots=True)
class Sku:
    """A rate by unit. `included`: for a seat, the actions by class that it includes each month in it_led (C5)."""

    rate: Decimal
    unit: str
    included: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Uplift:
    """Overhead, registry and buffer rates on base cost, and what they apply to (rule P3)."""

    overhead: Decimal = Decimal(0)
    registry: Decimal = Decimal(0)
    registry_basis: Literal["carved", "additive", "of_price"] = "carved"
    buffer: Decimal = Decimal(0)
    applies_to: tuple[str, ...] = ("actions",)


EvalSplit = Literal["line", "by_component", "pooled"]


@dataclass(frozen=True, slots=True)
class QualityTerms:
    """What unmeasured quality costs: the coverage multiplier (Q1) and the freshness float (Q3)."""

    target: Decimal
    floor: Decimal
    max_multiplier: Decimal
    slo: Decimal
    step: Decimal
    cap: Decimal


Settlement = Literal["grant", "loan", "mixed"]


@dataclass(frozen=True, slots=True)
class BufferTerms:
    """The bursting buffer's terms (B2, B4, B5). `loan_share` of a draw is paid back: 0 of a grant, 1 of a loan.

    `above_threshold`: a draw covers only what exceeds trigger x forecast.
    """

    trigger: Decimal
    cap_per_team_per_quarter: Decimal
    size: tuple[Decimal, Decimal]
    settlement: Settlement = "grant"
    loan_share: Decimal = Decimal(0)
    above_threshold: bool = False


@dataclass(frozen=True, slots=True)
class PriceBook:
    """One version of a quarter's prices. Published = frozen by `sha256` (rule P1). `lines`: where each entry stands."""

    quarter: str
    version: int
    effective_from: date
    effective_until: date
    published: date | None
    currency: str
    price_digits: int
    rounding: Rounding
    models: Mapping[str, ModelRates]
    gpu: Mapping[str, Sku]
    egress: Mapping[str, Sku]
    seats: Mapping[str, Sku]
    uplift: Uplift
    actions: Mapping[str, ActionClass]
    platform_share: Decimal | None = None
    eval_split: EvalSplit = "line"
    quality: QualityTerms | None = None
    buffer: BufferTerms | None = None
    sha256: str = ""
    file: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How a document cites the book: 2026-Q3.v1."""
        return f"{self.quarter}.v{self.version}"

    def where(self, *path: str) -> SourceRef:
        """The line of an entry: `where("actions", "chat_call")`; of its nearest parent when the entry is missing."""
        for depth in range(len(path), 0, -1):
            line = self.lines.get("/".join(path[:depth]))
            if line is not None:
                return SourceRef(self.file, line)
        return SourceRef(self.file, 1)


# ── evidence of quality, beside every bill ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class EvalRecord:
    """One feature in one month (evals/*.csv). None = the value was left empty: not tracked."""

    month: Month
    feature: str
    coverage: Decimal | None
    in_distribution: Decimal | None
    tasks: int | None
    graded: int | None
    correct: int | None
    source: SourceRef | None = None


# ── people's decisions and the platform's own costs ─────────────────────────────────────────────────────────────────────

CAUSES = ("backfill", "evaluation_campaign", "model_migration", "research_exploration")


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """A team's request to the bursting buffer (decisions/draws.csv, rule B2). `requested` None = as much as the rule allows."""

    month: Month
    team: str
    cause: str
    disclosure: str
    requested: Decimal | None = None
    source: SourceRef | None = None


@dataclass(frozen=True, slots=True)
class PlatformCost:
    """What a component really cost the platform in a month (platform-costs.csv, rules C4, X3)."""

    month: Month
    component: str
    amount: Decimal
    account: str = ""
    source: SourceRef | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """GPU-hours reserved for a month (capacity.csv, rule C6). `holder` "" = a shared pool."""

    month: Month
    gpu_sku: str
    reserved_hours: Decimal
    holder: str = ""
    source: SourceRef | None = None


@dataclass(frozen=True, slots=True)
class EvalBudget:
    """What a feature's evaluation is planned to be in a month, in runs and in money (rule U10)."""

    month: Month
    feature: str
    runs: int | None = None
    amount: Decimal | None = None
    source: SourceRef | None = None


@dataclass(frozen=True, slots=True)
class FeatureQuality:
    """A feature's bill beside what it bought (rules Q4, A6). `production` is what cost per correct task divides."""

    feature: str
    total: Money
    production: Money
    coverage: Decimal | None = None
    in_distribution: Decimal | None = None
    multiplier: Fraction | None = None
    tasks: int | None = None
    graded: int | None = None
    correct: int | None = None
    correct_tasks: Fraction | None = None
    cost_per_correct_task: Fraction | None = None


# ── what is loaded ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """An export that was loaded, known by its content: read = accepted + duplicate + aggregate + rejected (rule X4)."""

    sha256: str
    name: str
    format: str
    source: str
    size: int
    read: int
    accepted: int
    duplicate: int
    aggregate: int
    rejected: int

    def __post_init__(self) -> None:
        if self.read != self.accepted + self.duplicate + self.aggregate + self.rejected:
            raise ValueError(f"{self.name}: {self.read} records read are not the sum of what became of them")


@dataclass(frozen=True, slots=True)
class Part:
    """A Parquet file of the store: one month's rows of one export, immutable, named by its content.

    `path` is relative to the store. `rejected` parts hold the quarantine of an export; their month is None.
    """

    month: Month | None
    path: str
    sha256: str
    rows: int
    file_sha256: str
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class StagedFile:
    """An export read into typed rows in a workspace, checked, but not yet in the store.

    `rows`, `rejects` and `marks` are Parquet files of the workspace ("" = none). `rows` has a row for every record, in
    order, so that a record's ordinal is its position; `marks` says which records are a duplicate, an aggregate, rejected
    for their trace, or bill a remainder (rule C2). With an error among `problems` there are no rows.
    """

    sha256: str
    name: str
    format: str
    source: str
    size: int
    read: int = 0
    rejected: int = 0
    duplicate: int = 0
    aggregate: int = 0
    rows: str = ""
    rejects: str = ""
    marks: str = ""
    timezone: str = "UTC"
    path: str = ""
    problems: tuple[Problem, ...] = ()


# ── the corridor ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class UsageGroup:
    """Usage summed by an engine: keys of `usage.GROUP_KEYS`, the labels rules look at, the interval; sums of `usage.SUMS`.

    Empty keys are "". Sums of counts are int, of quantities and costs Decimal (exact).
    """

    interval: int
    keys: Mapping[str, str]
    labels: Mapping[str, str]
    sums: Mapping[str, int | Decimal]


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """What an engine is asked: how a month's usage is cut by date, and which of its labels the rules need.

    Rows in another currency than `currency` are cut by every interval, the rest only by those that are not `rates_only`.
    `only`: columns with the values that rows have to have in them ("" = empty); no other row is looked at. `ignored`: columns
    that are not looked at, as if they were empty in every row.
    """

    currency: str
    intervals: tuple[Interval, ...]
    labels: tuple[str, ...] = ()
    group_limit: int = 200_000
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnedGroup:
    """A group with its labels completed (A9) and its owner settled (A1): a team, the platform, a pool or (unallocated).

    `operator`: who operated the calls, where that is another than who caused them (A5), and its cost centre on that day, ""
    where the organisation does not know it.
    """

    group: UsageGroup
    day: date
    team: str
    cost_center: str
    feature: str
    action: str
    workload_type: str
    model: str
    rules: tuple[tuple[str, int], ...] = ()
    reason: str = ""
    operator: str = ""
    operator_cost_center: str = ""
    root: str = ""  # of its rows' trace (A5): "" where their own labels count, else one, none or several


LineKind = Literal[
    "action", "gpu", "gpu_idle", "egress", "passthrough", "seat", "shared", "coverage_premium", "freshness_premium",
    "coverage_credit", "buffer_draw", "buffer_repayment", "adjustment", "buffer_true_up", "buffer_rebate",
]  # fmt: skip
Component = str


class LineKey(NamedTuple):
    """The grain of a charge line (rule C1). Sorted as documents are: by team, cost centre, feature, item, …"""

    team: str
    cost_center: str
    feature: str
    item: str
    workload_type: str
    model: str
    kind: str
    price_version: str
    service_month: Month
    posting_month: Month
    credit: str = ""  # what a line on a note belongs to: its credit (L4), C-2026-0001, or the quarter it settles (B4)

    @property
    def line_id(self) -> str:
        """A stable name made of the key, so that the same line has the same id in every run (rule L5)."""
        words = [str(self.posting_month), str(self.service_month), *self[:6], self.price_version, self.kind]
        if self.credit:
            words.append(self.credit)
        return "L" + hashlib.sha256("\x1f".join(words).encode()).hexdigest()[:15]


class Operator(NamedTuple):
    """Who operated a part of a line, and its cost centre on that day: "" where the organisation does not know it (A5)."""

    team: str
    cost_center: str


OWN_PART = Operator("", "")  # sorts first, so that an exact tie is the consumer's


@dataclass(frozen=True, slots=True)
class RatedLine:
    """Usage of one line with its exact, unrounded price (rules P3, P4).

    `weights` are the unrounded component prices, which the line's amount is split by. `token_cost` is what the actual
    tokens cost at the book's rates (X3), None where the book has no rate for the model; `base` the whole line's base cost
    of an action, before the stack; `provider_cost` what the provider
    billed for the rows, None where not every row with tokens says so. `failed` counts the actions whose status says so.
    `operators`: the weights, in proportion to the price, of what others than the consumer operated, and of the consumer's own
    part as `OWN_PART` (A5); empty where nobody else operated any of it.
    """

    key: LineKey
    quantity: Decimal
    unit: str
    unit_price: Decimal
    exact: Decimal
    weights: Mapping[Component, Decimal]
    funding: Funding = "consumer"
    token_cost: Decimal | None = None
    failed: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    rules: tuple[tuple[str, int], ...] = ()
    base: Decimal | None = None
    provider_cost: Decimal | None = None
    operators: Mapping[Operator, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActionUse:
    """A class's actions of a month by model and price version, everybody's but the platform's own (rules P5, X3).

    `base` is actions x the published base, or what the tokens of a metered class cost. `token_cost` and `provider_cost` as
    on `RatedLine`: None as soon as they are not known for every line.
    """

    item: str
    model: str
    price_version: str
    funding: Funding
    actions: Decimal
    failed: int
    tokens: Mapping[str, int]
    base: Decimal
    token_cost: Decimal | None
    provider_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who bears a rated line: the consumer's part and the platform's, as weights, not yet multiplied (rules C3, C4, A1)."""

    line: RatedLine
    consumer: Decimal
    platform: Decimal
    disclosed: bool


class Operated(NamedTuple):
    """What of a line's amount another team than the consumer operated (A5). `cost_center` as on `Operator`."""

    team: str
    cost_center: str
    amount: Money


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """The first rounded amount. `components` sum to `amount`; zero components are left out (rules M2, C1).

    `operators`: what of the amount others operated, sorted by them; the rest the consumer did itself (A5).
    """

    key: LineKey
    stage: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: Money
    components: tuple[tuple[Component, Money], ...]
    funding: str = "consumer"
    token_cost: Decimal | None = None
    failed: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    rules: tuple[tuple[str, int], ...] = ()
    operators: tuple[Operated, ...] = ()

    line_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "line_id", self.key.line_id)
        if total((part for _, part in self.components), self.amount.currency) != self.amount:
            raise ValueError(f"components of {self.line_id} do not add up to {self.amount}")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a shared or platform-funded line would have cost, and who bore it (rule C4)."""

    key: LineKey
    quantity: Decimal
    gross: Money
    platform_share: Money
    paid: Money

    def __post_init__(self) -> None:
        if self.platform_share + self.paid != self.gross:
            raise ValueError(f"disclosure of {self.key.line_id}: {self.platform_share} + {self.paid} is not {self.gross}")


@dataclass(frozen=True, slots=True)
class PoolSplit:
    """How a pool was shared out (rule A8): amount = its teams' `parts` + `fed` on to later pools + `residual`.

    `amount` holds what earlier pools fed it; `residual` stayed with the platform. `driver_quantities` by target.
    """

    name: str
    driver: str
    amount: Money
    parts: Mapping[str, Money]
    residual: Money
    driver_quantities: Mapping[str, Decimal]
    fed: Mapping[str, Money] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IdleCost:
    """Reserved GPU-hours that nobody used, and who bears them (rule C6): amount = `parts` by team + `residual`.

    `residual` stays with the platform. `holder` "" = a shared pool.
    """

    gpu_sku: str
    holder: str
    reserved: Decimal
    used: Decimal
    amount: Money
    parts: Mapping[str, Money]
    residual: Money

    @property
    def idle(self) -> Decimal:
        return max(Decimal(0), self.reserved - self.used)


@dataclass(frozen=True, slots=True)
class Check:
    """A conservation law, both sides, as figures a person can compare (rule X4)."""

    law: str
    left: Decimal
    right: Decimal

    @property
    def holds(self) -> bool:
        return self.left == self.right


@dataclass(frozen=True, slots=True)
class TeamTotal:
    team: str
    stage: Stage
    total: Money
    budget: Money | None
    forecast: Money | None = None
    buffer_draw: Money | None = None

    @property
    def variance(self) -> Money | None:
        """Total less budget: positive is over (rule U2)."""
        return None if self.budget is None else self.total - self.budget


RefusalReason = Literal["stage", "no_forecast", "threshold", "cause", "disclosure", "cap", "fund"]


@dataclass(frozen=True, slots=True)
class DrawDecision:
    """What became of a request to the buffer (rule B2). `allowed` is the amount before the fund is looked at.

    `charges` are the team's of the service month before any draw; `forecast` is the frozen one, or its floor where it was
    low-balled (B3). Refused with a reason, or granted with an amount.
    """

    request: DrawRequest
    charges: Money
    forecast: Fraction | None
    low_balled: bool
    allowed: Money
    granted: Money
    reason: RefusalReason | None = None


@dataclass(frozen=True, slots=True)
class BufferState:
    """The fund's roll-forward for a month (rule B1): opening + contributions + repayments - draws = closing.

    `repayments` are instalments of draws that were granted as a loan (B4), part of the true-ups.
    """

    opening: Money
    contributions: Money
    draws: Money
    decisions: tuple[DrawDecision, ...] = ()
    repayments: Money | None = None

    @property
    def repaid(self) -> Money:
        return self.repayments or Money(0, self.opening.currency)

    @property
    def closing(self) -> Money:
        return self.opening + self.contributions + self.repaid - self.draws

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        return tuple((each.request.team, each.reason) for each in self.decisions if each.reason is not None)


@dataclass(frozen=True, slots=True)
class EvalShare:
    """How the cost of evaluation was really shared in a month (rule C4): gross = teams' part + the platform's.

    `subsidies` is what the platform paid besides, from platform-costs.csv; `share` the platform's part of it all, None
    where nothing was spent.
    """

    gross: Money
    teams: Money
    platform: Money
    subsidies: Money

    @property
    def share(self) -> Fraction | None:
        whole = self.gross + self.subsidies
        return Fraction((self.platform + self.subsidies).minor, whole.minor) if whole else None


@dataclass(frozen=True, slots=True)
class Central:
    """What the model of operation funds centrally instead of pricing it to teams, with its amount (rule C7)."""

    component: str
    amount: Money


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
