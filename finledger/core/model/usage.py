"""What is loaded, and what an engine makes of it: exports, Parquet parts, groups, and groups with their owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from finledger.core.period import Interval, Month
from finledger.core.problem import Problem


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

    @property
    def is_blank(self) -> bool:
        """Whether it is of a known format, and no record is in it: nothing was used in its time."""
        return bool(self.format) and not self.rows and not any(problem.is_error for problem in self.problems)


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
    that are not looked at, as if they were empty in every row. `reconciled`: the sources whose rows nobody is charged for (A9).
    `inclusive`: the sources whose parent spans hold what the spans below them used (C2).
    """

    currency: str
    intervals: tuple[Interval, ...]
    labels: tuple[str, ...] = ()
    group_limit: int = 200_000
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ignored: tuple[str, ...] = ()
    reconciled: tuple[str, ...] = ()
    inclusive: tuple[str, ...] = ()


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
