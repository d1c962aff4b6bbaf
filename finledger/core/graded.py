"""From graded cases to what a feature's eval set covers: weighed by what production really asks (rules Q1, Q3, Q4).

Production is cut into segments (intent, language, customer size: whatever the team samples by), each with its tasks of the
month. An eval set *knows* a segment in which it has a case, and *covers* one in which enough of its cases were graded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from finledger.core.model import EvalRecord
from finledger.core.period import Month
from finledger.core.problem import SourceRef

_PLACES = 6


@dataclass(frozen=True, slots=True)
class Case:
    """A case of an eval set. `correct` None: not graded this month."""

    segment: str
    correct: bool | None


@dataclass(frozen=True, slots=True)
class Segment:
    """Tasks of production in a month that are alike, and how many graded cases it needs to count as covered."""

    name: str
    tasks: int
    needed: int = 1


def evaluated(
    month: Month, feature: str, cases: Sequence[Case], segments: Iterable[Segment], source: SourceRef | None = None
) -> EvalRecord:
    """A feature's month. Every case lies in one of the segments; where there are cases, there are tasks too.

    coverage = tasks in covered segments / tasks; in_distribution = tasks in known segments / tasks. Both are cut to 6
    places, never rounded up, so that no feature reaches a target that it missed. Without a case they are not tracked.

    >>> made = evaluated(Month(2026, 7), "f", [Case("a", True), Case("b", None)], [Segment("a", 2), Segment("c", 1)])
    >>> made.coverage, made.in_distribution, made.tasks, made.graded, made.correct
    (Decimal('0.666666'), Decimal('0.666666'), 3, 1, 1)
    """
    segments = tuple(segments)
    tasks = sum(segment.tasks for segment in segments)
    if not cases:
        return EvalRecord(month, feature, None, None, tasks, None, None, source)
    known = {case.segment for case in cases}
    graded = Counter(case.segment for case in cases if case.correct is not None)
    return EvalRecord(
        month=month,
        feature=feature,
        coverage=_cut(sum(segment.tasks for segment in segments if graded[segment.name] >= segment.needed), tasks),
        in_distribution=_cut(sum(segment.tasks for segment in segments if segment.name in known), tasks),
        tasks=tasks,
        graded=graded.total(),
        correct=sum(case.correct is True for case in cases),
        source=source,
    )


def _cut(part: int, whole: int) -> Decimal:
    """part / whole, cut to 6 places, without the zeros behind it."""
    return Decimal(part * 10**_PLACES // whole).scaleb(-_PLACES).normalize()
