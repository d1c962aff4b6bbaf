"""What the bill bought: coverage, freshness and cost per correct task of every feature (rules Q4, A6)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from finledger.core.model import UNALLOCATED, ChargeLine, EvalRecord, FeatureQuality, Organisation
from finledger.core.money import Money, total
from finledger.core.period import Month


def measure(
    lines: Iterable[ChargeLine], records: Iterable[EvalRecord], organisation: Organisation, month: Month
) -> tuple[FeatureQuality, ...]:
    """Every feature that is charged, evaluated or declared in the month, sorted by name."""
    by_feature: dict[str, list[ChargeLine]] = {}
    for line in lines:
        if line.key.feature and line.key.team != UNALLOCATED:
            by_feature.setdefault(line.key.feature, []).append(line)
    evals = {record.feature: record for record in records if record.month == month}
    declared = {feature for team in organisation.teams.values() for feature in team.features}
    return tuple(
        _measure_one(feature, by_feature.get(feature, []), evals.get(feature), organisation.currency)
        for feature in sorted({*by_feature, *evals, *declared})
    )


def is_production(line: ChargeLine) -> bool:
    """A feature's production inference line: consumer-funded action, workload type inference, labelled (rule Q1)."""
    key = line.key
    return key.kind == "action" and line.funding == "consumer" and key.workload_type == "inference" and key.feature != ""


def _measure_one(feature: str, lines: list[ChargeLine], record: EvalRecord | None, currency: str) -> FeatureQuality:
    charged = total((line.amount for line in lines), currency)
    production = total((line.amount for line in lines if is_production(line)), currency)
    if record is None:
        return FeatureQuality(feature, charged, production)
    correct_tasks = _correct_tasks(record)
    return FeatureQuality(
        feature=feature,
        total=charged,
        production=production,
        coverage=record.coverage,
        in_distribution=record.in_distribution,
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
