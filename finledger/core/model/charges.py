"""From a group to an amount: lines before and after the one rounding, and what is shared, disclosed and drawn (C, B, M2)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from finledger.core.model.evidence import DrawRequest
from finledger.core.model.organisation import Stage
from finledger.core.model.prices import Funding
from finledger.core.money import Money, total
from finledger.core.period import Month

LineKind = Literal[
    "action", "gpu", "gpu_idle", "egress", "passthrough", "seat", "shared", "coverage_premium", "freshness_premium",
    "coverage_credit", "buffer_draw", "buffer_repayment", "adjustment", "buffer_true_up", "buffer_rebate",
    "compound_relief", "compound_share",
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
