"""What people say and decide beside the usage: evaluation, draws, budgets, reservations, the platform's own costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import SourceRef

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
