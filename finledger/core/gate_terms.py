"""What the gates of the ladder ask for, as finledger.yaml says it (rule A4)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class GateTerms:
    """The thresholds, and what the organisation states beside them. A number of months of 0 asks for nothing.

    To allocation: `dispute_rate` of lines at most, in the last `dispute_months`. To chargeback: under `unallocated` in each of
    the last `closed_months`, figures signed by `sign_off`, `baseline` months of charges, journals in the formats of `journal`,
    accounts `mapped` by their roles, and the team not `early`. To optimisation: variance acknowledged in `acknowledged` of
    the last `acknowledged_months` at chargeback.
    """

    dispute_rate: Decimal = Decimal("0.02")
    dispute_months: int = 2
    unallocated: Decimal = Decimal("0.05")
    closed_months: int = 3
    baseline: int = 3
    sign_off: str = "CFO"
    acknowledged: Decimal = Decimal("0.80")
    acknowledged_months: int = 12
    journal: tuple[str, ...] = ()
    mapped: frozenset[str] = frozenset()
    early: frozenset[str] = frozenset()
