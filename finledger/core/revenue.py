"""What a feature earned in a month, by the cohort of its users (rule A6): people's figures, from revenue.csv."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from finledger.core.period import Month
from finledger.core.problem import SourceRef


@dataclass(frozen=True, slots=True)
class Revenue:
    """`cohort` "" = of no cohort; below zero: more was given back than earned. In the currency's major unit, to its places."""

    month: Month
    feature: str
    cohort: str
    revenue: Decimal
    source: SourceRef | None = None
