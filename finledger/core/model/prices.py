"""The price book: one version of a quarter's prices and the terms beside them (rules P1-P4, Q1, B2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from finledger.core.money import Rounding
from finledger.core.problem import SourceRef

Funding = Literal["consumer", "shared", "platform"]


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
