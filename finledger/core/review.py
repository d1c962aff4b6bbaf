"""The review gate: what a correct task costs now and last quarter, when that opens a review, and what a model swap needs (rule Q5).

A review of a feature and quarter is *opened* by a rise of the cost per correct task, by itself, or by a person. It is decided
by a person; what was decided stands in the books' log with the figures it was decided by. A swap of the model is approved only
while the incumbent is well evaluated and the candidate graded: a swap that cannot be graded is no saving.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from finledger.core.events import Event
from finledger.core.measures import rise
from finledger.core.model import EvalBudget, FeatureQuality, MonthCharges
from finledger.core.money import Money, rounded_places, significant, total
from finledger.core.period import Month, Quarter
from finledger.core.pricebook import book_at
from finledger.core.problem import Problem, SourceRef
from finledger.core.review_terms import ReviewTerms

Decision = Literal["keep", "swap", "evaluate", "retire"]
DECISIONS: tuple[Decision, ...] = ("keep", "swap", "evaluate", "retire")
OPENED, DECIDED = "review-open", "review-decide"
EVALS, BUDGETS = SourceRef("evals"), SourceRef("eval-budgets.csv")
PLACES = 6


@dataclass(frozen=True, slots=True)
class FeaturePeriod:
    """A feature over the months of a period. Coverage and freshness are those of its last month with a bill, `month`.

    `production` is all of it, `measured` that of the months whose correct tasks are known: these alone say what a task costs.
    """

    feature: str
    total: Money
    production: Money
    measured: Money
    tasks: int | None
    correct_tasks: Fraction | None
    coverage: Decimal | None
    in_distribution: Decimal | None
    month: Month | None
    months: int
    months_measured: int
    graded: int | None = None
    correct: int | None = None

    @property
    def cost_per_correct_task(self) -> Fraction | None:
        """None: not measurable (Q4)."""
        return Fraction(self.measured.amount) / self.correct_tasks if self.correct_tasks else None

    @property
    def correct_share(self) -> Fraction | None:
        """Of the graded tasks of the last month; None where none was."""
        return Fraction(self.correct, self.graded) if self.graded and self.correct is not None else None


def features_over(months: Sequence[Month], charges: Mapping[Month, MonthCharges]) -> dict[str, FeaturePeriod]:
    """Every feature of the months that can be charged, by its name, sorted."""
    found: dict[str, list[tuple[Month, FeatureQuality]]] = {}
    for month in months:
        for each in charges[month].features if month in charges else ():
            found.setdefault(each.feature, []).append((month, each))
    return {feature: _over(feature, found[feature]) for feature in sorted(found)}


def _over(feature: str, by_month: Sequence[tuple[Month, FeatureQuality]]) -> FeaturePeriod:
    every = [each for _, each in by_month]
    known = [each for each in every if each.correct_tasks is not None]
    counted = [each.tasks for each in every if each.tasks is not None]
    billed = [(month, each) for month, each in by_month if each.production or each.coverage is not None]
    month, last = billed[-1] if billed else (None, None)
    currency = every[0].total.currency
    return FeaturePeriod(
        feature=feature,
        total=total((each.total for each in every), currency),
        production=total((each.production for each in every), currency),
        measured=total((each.production for each in known), currency),
        tasks=sum(counted) if counted else None,
        correct_tasks=sum((each.correct_tasks or Fraction(0) for each in known), Fraction(0)) if known else None,
        coverage=None if last is None else last.coverage,
        in_distribution=None if last is None else last.in_distribution,
        month=month,
        months=len(every),
        months_measured=len(known),
        graded=None if last is None else last.graded,
        correct=None if last is None else last.correct,
    )


# ── what is open, and what was decided ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Entry:
    """What the log says of a review: who opened or decided it, when, and why. `number` and `hash` are its event's."""

    by: str
    on: str
    reason: str
    number: int
    hash: str
    decision: str = ""
    candidate: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """A feature in a quarter: what a correct task costs, beside the last quarter, and what was recorded of it."""

    quarter: Quarter
    feature: str
    now: FeaturePeriod | None
    last: FeaturePeriod | None
    terms: ReviewTerms
    opened: Entry | None = None
    decided: Entry | None = None

    @property
    def cost(self) -> Fraction | None:
        return None if self.now is None else self.now.cost_per_correct_task

    @property
    def cost_last(self) -> Fraction | None:
        return None if self.last is None else self.last.cost_per_correct_task

    @property
    def rise(self) -> Fraction | None:
        return rise(self.cost, self.cost_last)

    @property
    def opens_itself(self) -> bool:
        """Up by the books' share of the last quarter's cost or more (Q5); exact."""
        return self.rise is not None and self.rise >= Fraction(self.terms.cost_rise)

    @property
    def state(self) -> Literal["", "open", "decided"]:
        """A review that was opened again after its decision is open."""
        if self.decided is not None and (self.opened is None or self.opened.number < self.decided.number):
            return "decided"
        return "open" if self.opened is not None or self.opens_itself else ""


def reviews(
    quarter: Quarter,
    now: Mapping[str, FeaturePeriod],
    last: Mapping[str, FeaturePeriod],
    events: Iterable[Event],
    terms: ReviewTerms,
) -> tuple[Review, ...]:
    """Every feature of the quarter, and every one that has a review on record, sorted by name."""
    opened: dict[str, Entry] = {}
    decided: dict[str, Entry] = {}
    for event in events:
        if event.period == str(quarter) and event.kind in (OPENED, DECIDED):
            (opened if event.kind == OPENED else decided)[event.subject] = _entry(event)
    return tuple(
        Review(quarter, name, now.get(name), last.get(name), terms, opened.get(name), decided.get(name))
        for name in sorted({*now, *opened, *decided})
    )


def _entry(event: Event) -> Entry:
    said = event.content
    words = {name: str(said.get(name) or "") for name in ("by", "on", "reason", "decision", "candidate")}
    return Entry(**words, number=event.number, hash=event.hash)


# ── deciding ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Grade:
    """How a candidate did on the feature's cases. `file` and `sha256` name what it was read from, "" where it was typed."""

    candidate: str
    graded: int
    correct: int
    file: str = ""
    sha256: str = ""

    @property
    def share(self) -> Fraction | None:
        return Fraction(self.correct, self.graded) if self.graded else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a decision is taken by. `target` and `slo`: of the price book in force at the first instant of the evidence's month,
    None where it states none. `budgets`: evaluation planned for the feature in the quarter or the one after it (U10).
    """

    review: Review
    target: Decimal | None
    slo: Decimal | None
    grade: Grade | None = None
    budgets: tuple[EvalBudget, ...] = ()

    @property
    def coverage(self) -> Decimal | None:
        return None if self.review.now is None else self.review.now.coverage

    @property
    def freshness(self) -> Decimal | None:
        return None if self.review.now is None else self.review.now.in_distribution

    @property
    def month(self) -> Month | None:
        return None if self.review.now is None else self.review.now.month

    @property
    def is_short(self) -> bool:
        """Whether coverage is below the target, or nobody tracks it."""
        return self.coverage is None or self.target is None or self.coverage < self.target


def evidence_of(
    review: Review, charges: Mapping[Month, MonthCharges], budgets: Iterable[EvalBudget], start: int, grade: Grade | None
) -> Evidence:
    """`start`: the calendar month in which the fiscal year begins."""
    month = None if review.now is None else review.now.month
    book = book_at(charges[month].books, month.first_day) if month is not None else None
    quality = book.quality if book is not None else None
    near = {*review.quarter.months(start), *review.quarter.next.months(start)}
    planned = tuple(
        each for each in budgets if each.feature == review.feature and each.month in near and (each.runs or each.amount)
    )
    return Evidence(
        review,
        None if quality is None else quality.target,
        None if quality is None else quality.slo,
        grade,
        planned,
    )


def unmet(evidence: Evidence, decision: Decision) -> Iterator[Problem]:
    """Every condition that the decision lacks, with its figure: of a swap all four, of evaluation first its budget (Q5)."""
    feature = evidence.review.feature
    when = f"in {evidence.month}" if evidence.month is not None else f"in {evidence.review.quarter}"
    if decision == "swap" and evidence.is_short:
        yield Problem(
            "review-coverage-short",
            f"coverage of {feature} {when} is {_said(evidence.coverage)}, and a swap needs {_wanted(evidence.target)}: what the "
            "model does today is not known well enough to compare another with it",
            EVALS,
            remedy=f"grade more of the production of {feature} with the model it has, then decide again",
        )
    if decision == "swap" and (evidence.freshness is None or evidence.slo is None or evidence.freshness < evidence.slo):
        yield Problem(
            "review-not-fresh",
            f"freshness of {feature} {when} is {_said(evidence.freshness)}, and a swap needs {_wanted(evidence.slo)}: its eval set "
            "is not what users ask today",
            EVALS,
            remedy=f"bring the eval set of {feature} up to recent traffic, then decide again",
        )
    if decision == "swap" and (evidence.grade is None or not evidence.grade.graded):
        graded = (
            "none of its cases in the file is" if evidence.grade is not None and evidence.grade.file else "no grade is given"
        )
        candidate = evidence.grade.candidate if evidence.grade is not None else "the candidate"
        yield Problem(
            "review-not-graded",
            f"{candidate} is not graded on {feature}: {graded}",
            EVALS,
            remedy="run the feature's cases on the candidate, and name the result: --grade CASES.jsonl, or --grade CORRECT/GRADED",
        )
    if decision in ("swap", "evaluate") and evidence.is_short and not evidence.budgets:
        quarter = evidence.review.quarter
        yield Problem(
            "review-without-budget",
            f"coverage of {feature} {when} is {_said(evidence.coverage)} (wanted: {_wanted(evidence.target)}), and no evaluation of "
            f"it is planned in {quarter} or {quarter.next}",
            BUDGETS,
            remedy=f"add a row for {feature} to eval-budgets.csv: month,feature,runs,amount",
        )


def _said(share: Decimal | None) -> str:
    return "not tracked" if share is None else f"{share:f}"


def _wanted(share: Decimal | None) -> str:
    return "a target in the price book" if share is None else f"{share:f}"


def opening_content(review: Review, by: str, on: str, reason: str) -> dict[str, Any]:
    """What the log keeps of an opening."""
    return {"by": by, "on": on, "reason": reason, "figures": figures(review)}


def decision_content(evidence: Evidence, decision: Decision, by: str, on: str, reason: str) -> dict[str, Any]:
    """What the log keeps of a decision, without the hashes of what the figures were made from."""
    grade = evidence.grade
    share = None if grade is None else grade.share
    return {
        "decision": decision,
        "by": by,
        "on": on,
        "reason": reason,
        "candidate": "" if grade is None else grade.candidate,
        "grade": None
        if grade is None
        else {
            "graded": grade.graded,
            "correct": grade.correct,
            "share": None if share is None else str(rounded_places(share, PLACES)),
            "file": grade.file,
            "sha256": grade.sha256,
        },
        "figures": figures(evidence.review) | {"target": _text(evidence.target), "slo": _text(evidence.slo)},
        "budgets": [
            {"month": str(each.month), "runs": each.runs, "amount": _text(each.amount)} for each in evidence.budgets
        ],
    }


def figures(review: Review) -> dict[str, Any]:
    """The figures of a review as plain JSON: amounts and ratios as decimal text, None where there is none."""
    now, last = review.now, review.last
    share = None if now is None else now.correct_share
    return {
        "bill": None if now is None else str(now.total),
        "production": None if now is None else str(now.production),
        "tasks": None if now is None else now.tasks,
        "months_measured": 0 if now is None else now.months_measured,
        "cost_per_correct_task": _ratio(review.cost),
        "last_cost_per_correct_task": _ratio(review.cost_last),
        "last_bill": None if last is None else str(last.total),
        "rise": None if review.rise is None else str(rounded_places(review.rise, PLACES)),
        "opened_by_rise": review.opens_itself,
        "month": None if now is None or now.month is None else str(now.month),
        "coverage": None if now is None else _text(now.coverage),
        "in_distribution": None if now is None else _text(now.in_distribution),
        "correct_share": None if share is None else str(rounded_places(share, PLACES)),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _ratio(value: Fraction | None) -> str | None:
    return None if value is None else f"{significant(value):f}"
