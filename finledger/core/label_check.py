"""What `label check` looked at, and what of it has an owner (rules A1, A2, U7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from finledger.core.label_policy import PodRule
from finledger.core.model import LoadedFile
from finledger.core.problem import Problem, SourceRef

LACKING = ("team", "cost_center", "workload_type", "model", "feature")


@dataclass(slots=True)
class Unowned:
    """Rows of an export that nobody would be charged for, by the reason; `first`: where the first of them stand."""

    reason: str
    rows: int = 0
    first: list[tuple[SourceRef, str]] = field(default_factory=list)
    remedy: str = ""


@dataclass(slots=True)
class CheckedExport:
    """`rows` would be charged or are unallocated; `compared` rows are of a source that is only compared, `refused` of none."""

    file: LoadedFile
    rows: int = 0
    compared: int = 0
    unowned: list[Unowned] = field(default_factory=list)
    lacking: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LACKING, 0))

    @property
    def allocated(self) -> int:
        return self.rows - sum(each.rows for each in self.unowned)


@dataclass(slots=True)
class CheckedManifest:
    """What a manifest holds; `labelled`: workloads without a fault, `exempt`: those in namespaces that are not looked at."""

    file: str
    documents: int
    objects: int
    workloads: int
    labelled: int
    exempt: int
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Checked:
    """What was looked at, and what is wrong with it: `failed` says whether the command says no."""

    rule: PodRule
    exports: list[CheckedExport] = field(default_factory=list)
    manifests: list[CheckedManifest] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def share(self) -> Fraction | None:
        """What of all rows and workloads has an owner; None where there are none."""
        whole = sum(each.rows for each in self.exports) + sum(each.workloads - each.exempt for each in self.manifests)
        good = sum(each.allocated for each in self.exports) + sum(each.labelled for each in self.manifests)
        return Fraction(good, whole) if whole else None

    @property
    def failed(self) -> bool:
        return any(problem.is_error for problem in self.problems)
