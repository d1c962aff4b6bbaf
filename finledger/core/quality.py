"""What the bill bought: coverage, freshness and cost per correct task of every feature, and what their lack costs.

The multiplier of a feature is exact; premiums are rounded where all charges are, in charge.py (rules Q1-Q4, A6).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core.history import History
from finledger.core.model import (
    MONEY_MOVES,
    POOL_PREFIX,
    UNALLOCATED,
    ChargeLine,
    EvalRecord,
    FeatureQuality,
    LineKey,
    Organisation,
    QualityTerms,
)
from finledger.core.money import Money, total
from finledger.core.period import Month

ONE = Fraction(1)
PREMIUMS = ("coverage_premium", "freshness_premium")


@dataclass(frozen=True, slots=True)
class Multiplier:
    """What a feature's base is multiplied by for its coverage (Q1), and for stale eval sets (Q3): the larger counts."""

    coverage: Fraction
    freshness: Fraction

    @property
    def whole(self) -> Fraction:
        return max(self.coverage, self.freshness)


class Evals:
    """The eval records of a set of books, by feature and month."""

    def __init__(self, records: Iterable[EvalRecord]) -> None:
        self._records = {(record.feature, record.month): record for record in records}

    def record(self, feature: str, month: Month) -> EvalRecord | None:
        return self._records.get((feature, month))

    def features(self, month: Month) -> set[str]:
        return {feature for feature, each in self._records if each == month}

    def coverage(self, feature: str, month: Month) -> Decimal | None:
        record = self.record(feature, month)
        return None if record is None else record.coverage

    def in_distribution(self, feature: str, month: Month) -> Decimal | None:
        record = self.record(feature, month)
        return None if record is None else record.in_distribution


def coverage_multiplier(coverage: Decimal | None, terms: QualityTerms) -> Fraction:
    """1 at the target and above, `max_multiplier` at the floor, below it and untracked, linear between (Q1).

    >>> terms = QualityTerms(*map(Decimal, ("0.80", "0.20", "1.50", "0.90", "0.05", "0.25")))
    >>> [str(coverage_multiplier(Decimal(each), terms)) for each in ("0.80", "0.50", "0.35", "0.10")]
    ['1', '5/4', '11/8', '3/2']
    """
    highest = Fraction(terms.max_multiplier)
    if coverage is None or coverage <= terms.floor:
        return highest
    if coverage >= terms.target:
        return ONE
    missing = Fraction(terms.target - coverage) / Fraction(terms.target - terms.floor)
    return ONE + (highest - 1) * missing


def freshness_multiplier(feature: str, month: Month, evals: Evals, terms: QualityTerms) -> Fraction:
    """1 + a step for each month in breach of the SLO, up to the cap (Q3)."""
    return ONE + min(Fraction(terms.step) * len(stale_months(feature, month, evals, terms)), Fraction(terms.cap))


def stale_months(feature: str, month: Month, evals: Evals, terms: QualityTerms) -> list[Month]:
    """The months in breach of the SLO, back from this one without a gap (Q3)."""
    breaches = []
    share = evals.in_distribution(feature, month)
    while share is not None and share < terms.slo:
        breaches.append(month)
        month = month.before
        share = evals.in_distribution(feature, month)
    return breaches


def multipliers(features: Iterable[str], evals: Evals, terms: QualityTerms, month: Month) -> dict[str, Multiplier]:
    return {
        feature: Multiplier(
            coverage_multiplier(evals.coverage(feature, month), terms), freshness_multiplier(feature, month, evals, terms)
        )
        for feature in sorted(set(features))
    }


def is_production(line: ChargeLine) -> bool:
    """A feature's production inference line: consumer-funded action, workload type inference, labelled, owned (rule Q1)."""
    key = line.key
    owned = key.team != UNALLOCATED and not key.team.startswith(POOL_PREFIX)
    usual = key.kind == "action" and line.funding == "consumer" and key.workload_type == "inference"
    return owned and usual and key.feature != ""


def coverage_credits(
    history: History,
    quarter: Container[Month],
    evals: Evals,
    terms: QualityTerms,
    organisation: Organisation,
    month: Month,
) -> tuple[ChargeLine, ...]:
    """Coverage premium of the quarter's earlier months, given back for features that reached the target (Q2).

    A line for each team and feature. A team whose stage moves money gets back what was posted, another what was pro forma.
    """
    left = {posted: history.premium_left(quarter, posted) for posted in (True, False)}
    lines = []
    for team, feature in sorted({*left[True], *left[False]}):
        coverage = evals.coverage(feature, month)
        member = organisation.teams.get(team)
        if coverage is None or coverage < terms.target or member is None:
            continue
        stage = member.stage_in(month)
        owed = left[stage in MONEY_MOVES].get((team, feature))
        if owed:
            cost_center = member.cost_center.at(member.first_day_in(month) or month.first_day) or ""
            key = LineKey(team, cost_center, feature, "", "", "", "coverage_credit", "", month, month)
            parts = (("coverage_credit", -owed),)
            lines.append(ChargeLine(key, stage, Decimal(1), "month", -owed.amount, -owed, parts))
    return tuple(lines)


def measure(
    lines: Iterable[ChargeLine],
    evals: Evals,
    multiplied: Mapping[str, Multiplier],
    organisation: Organisation,
    month: Month,
) -> tuple[FeatureQuality, ...]:
    """Every feature that is charged, evaluated or declared in the month, sorted by name."""
    by_feature: dict[str, list[ChargeLine]] = {}
    for line in lines:
        if line.key.feature and line.key.team != UNALLOCATED:
            by_feature.setdefault(line.key.feature, []).append(line)
    return tuple(
        _measure_one(
            feature,
            by_feature.get(feature, []),
            evals.record(feature, month),
            multiplied.get(feature),
            organisation.currency,
        )
        for feature in sorted({*by_feature, *features_of(organisation), *evals.features(month)})
    )


def features_of(organisation: Organisation) -> set[str]:
    """The features that teams declare."""
    return {feature for team in organisation.teams.values() for feature in team.features}


def _measure_one(
    feature: str, lines: list[ChargeLine], record: EvalRecord | None, multiplier: Multiplier | None, currency: str
) -> FeatureQuality:
    charged = total((line.amount for line in lines), currency)
    counted = (line.amount for line in lines if is_production(line) or line.key.kind in PREMIUMS)
    production = total(counted, currency)
    whole = None if multiplier is None else multiplier.whole
    if record is None:
        return FeatureQuality(feature, charged, production, multiplier=whole)
    correct_tasks = _correct_tasks(record)
    return FeatureQuality(
        feature=feature,
        total=charged,
        production=production,
        coverage=record.coverage,
        in_distribution=record.in_distribution,
        multiplier=whole,
        tasks=record.tasks,
        graded=record.graded,
        correct=record.correct,
        correct_tasks=correct_tasks,
        cost_per_correct_task=_per_task(production, correct_tasks),
    )


def _correct_tasks(record: EvalRecord) -> Fraction | None:
    """Tasks x graded correct / graded; None where nothing was graded: not measurable, never a guess (Q4)."""
    if record.tasks is None or record.correct is None or not record.graded:
        return None
    return Fraction(record.tasks * record.correct, record.graded)


def _per_task(production: Money, correct_tasks: Fraction | None) -> Fraction | None:
    return None if not correct_tasks else Fraction(production.amount) / correct_tasks
