"""What a month's usage did, by whom and for what: the denominators of unit costs (rule U1).

Calls, tokens, runs and GPU-hours are counted from the usage, not from what was charged for it, so that a month whose whole cost
is a pool has unit costs too. The platform's own use is left out, and so are the rows of pools, which are shared out (C8, A8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from finledger.core.model import POOL_PREFIX, Organisation, OwnedGroup
from finledger.core.usage import TOKEN_BUCKETS

NONE = Decimal(0)
INFERENCE, TRAINING = "inference", "training"


class Grain(NamedTuple):
    """Whose usage, for which feature, on which model, for which kind of work; the same four fields as on a charge line."""

    team: str
    feature: str
    model: str
    workload_type: str


@dataclass(slots=True)
class Use:
    """Sums of usage. `calls` are actions, and the requests of rows without one; `failed` are those whose status says so.

    `busy_hours` is what the GPUs were at work, `measured_hours` the GPU-hours of the rows that say so.
    """

    calls: int = 0
    inferences: int = 0
    failed: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_BUCKETS, 0))
    runs: int = 0
    runs_completed: int = 0
    gpu_hours: Decimal = NONE
    measured_hours: Decimal = NONE
    busy_hours: Decimal = NONE

    def add(self, other: Use) -> None:
        self.calls += other.calls
        self.inferences += other.inferences
        self.failed += other.failed
        for bucket, count in other.tokens.items():
            self.tokens[bucket] += count
        self.runs += other.runs
        self.runs_completed += other.runs_completed
        self.gpu_hours += other.gpu_hours
        self.measured_hours += other.measured_hours
        self.busy_hours += other.busy_hours

    @property
    def all_tokens(self) -> int:
        return sum(self.tokens.values())

    @property
    def prompt_tokens(self) -> int:
        """What was read: uncached, from the cache and into it."""
        return self.all_tokens - self.tokens["output_tokens"]


class ActionKey(NamedTuple):
    """An action line as a team looks at it: whose, for what, which class, on which model."""

    team: str
    feature: str
    action: str
    model: str


@dataclass(frozen=True, slots=True)
class MonthUse:
    """A month's usage three times over: by grain, by action, and by team, SKU and grain what has GPU-hours.

    The last holds the rows of pools too, as the team pool:NAME.
    """

    by_grain: Mapping[Grain, Use]
    by_action: Mapping[ActionKey, Use]
    by_gpu: Mapping[tuple[str, str, Grain], Use]


def summed(uses: Iterable[Use]) -> Use:
    found = Use()
    for use in uses:
        found.add(use)
    return found


def month_use(owned: Iterable[OwnedGroup], organisation: Organisation) -> MonthUse:
    """Everybody's use but the platform's own."""
    by_grain: dict[Grain, Use] = {}
    by_action: dict[ActionKey, Use] = {}
    by_gpu: dict[tuple[str, str, Grain], Use] = {}
    for group in owned:
        if group.team == organisation.platform_team:
            continue
        use = use_of(group)
        grain = Grain(group.team, group.feature, group.model, group.workload_type)
        sku = group.group.keys["gpu_sku"]
        if sku:
            by_gpu.setdefault((group.team, sku, grain), Use()).add(use)
        if group.team.startswith(POOL_PREFIX):
            continue
        by_grain.setdefault(grain, Use()).add(use)
        if group.action:
            by_action.setdefault(ActionKey(group.team, group.feature, group.action, group.model), Use()).add(use)
    return MonthUse(by_grain, by_action, by_gpu)


def use_of(group: OwnedGroup) -> Use:
    """The sums of one group."""
    sums = group.group.sums
    calls = int(sums["calls"] if group.action else sums["requests"])
    hours = bool(group.group.keys["gpu_sku"])  # without a SKU no line has them
    return Use(
        calls=calls,
        inferences=calls if group.workload_type == INFERENCE else 0,
        failed=int(sums["failed_calls"]) if group.action else 0,
        tokens={bucket: int(sums[bucket]) for bucket in TOKEN_BUCKETS},
        runs=int(sums["runs"]),
        runs_completed=int(sums["runs_completed"]),
        gpu_hours=Decimal(sums["gpu_hours"]) if hours else NONE,
        measured_hours=Decimal(sums["measured_gpu_hours"]) if hours else NONE,
        busy_hours=Decimal(sums["gpu_busy_hours"]) if hours else NONE,
    )
