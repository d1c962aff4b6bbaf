"""Costs by what is no part of a charge line: the cohort and the user of a feature; and training by its runs (rules U1, A6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from finledger.core.model import UNALLOCATED, MonthCharges, OwnedGroup
from finledger.core.money import Money, parts_of, significant
from finledger.core.period import Month
from finledger.core.portions import Portions, part_of_line
from finledger.core.report import Cell, Field, Missing, Table
from finledger.core.unit_use import Use, use_of
from finledger.core.units import THOUSAND, By, UnitMonth, shown, unit_costs, unit_lines, utilisation

BY_RUN: By = lambda grain: (grain.team, grain.feature, grain.model)  # noqa: E731
OF_TEAM = (Field("month", "month"), Field("team", "text"), Field("feature", "text"))


def label_table(charges: MonthCharges, owned: Iterable[OwnedGroup], found: Portions, label: str) -> Table:
    """`unit-costs-by-cohort` or `-by-user`: what each value of the label used and has of its feature's lines, dearest first.

    `found`: the parts of lines by the label as one word; the groups carry it. Costs add up to the feature's, to the cent.
    """
    currency = charges.currency
    exact: dict[tuple[str, str], dict[str, Fraction]] = {}
    for line in unit_lines(charges.lines):
        if line.key.team != UNALLOCATED:
            values = exact.setdefault((line.key.team, line.key.feature), {})
            for (value,), part in part_of_line(line, found, ("",)).items():
                values[value] = values.get(value, Fraction(0)) + part
    uses: dict[tuple[str, str, str], Use] = {}
    teams = {each.team for each in charges.teams}
    for group in owned:
        if group.team in teams:
            uses.setdefault((group.team, group.feature, group.group.labels[label]), Use()).add(use_of(group))
    for team, feature, value in uses:
        exact.setdefault((team, feature), {}).setdefault(value, Fraction(0))
    rows = [
        (team, feature, value, cost, uses.get((team, feature, value), Use()))
        for (team, feature), values in exact.items()
        for value, cost in _to_the_cent(values, currency).items()
    ]
    rows.sort(key=lambda row: (-row[3].minor, *row[:3]))
    return Table(
        f"unit-costs-by-{label}",
        f"Unit costs by {label}",
        (*OF_TEAM, Field(label, "text"), Field("cost", "money"), Field("calls", "count"), Field("inferences", "count"),
         Field("tokens", "count"), Field("per_1k_inferences", "rate"), Field("failed", "count")),
        tuple((charges.month, *row[:4], *_figures(row[3], row[4])) for row in rows),
        f"A line's cost is each {label}'s in proportion to what the line is priced by; what names none, and what no usage makes, "
        "stands in a row without one (A6).",
        team="team",
    )  # fmt: skip


def _to_the_cent(values: Mapping[str, Fraction], currency: str) -> dict[str, Money]:
    step = Fraction(Money(1, currency).amount)
    whole = Money(int(sum(values.values(), Fraction(0))), currency)
    return parts_of(whole, {value: minor * step for value, minor in values.items()})


def _figures(cost: Money, use: Use) -> tuple[Cell, ...]:
    per_1k: Cell = Missing("no inferences")
    if use.inferences:
        per_1k = significant(Fraction(cost.amount) / use.inferences * THOUSAND)
    return use.calls, use.inferences, use.all_tokens, per_1k, use.failed


def run_table(months: Mapping[Month, UnitMonth]) -> Table:
    """`runs`: what training cost by team, feature and model, and how many of its runs came to an end."""
    rows: list[tuple[Cell, ...]] = []
    for month in sorted(months.values(), key=lambda each: each.charges.month):
        for subject, unit in unit_costs(month, BY_RUN).items():
            use = unit.use
            if use.runs and subject[0] != UNALLOCATED:
                per_run = unit.figures["per_completed_run"]
                hours: Cell = Missing("no run completed" if use.gpu_hours else "no GPU-hours")
                if use.runs_completed and use.gpu_hours:
                    hours = significant(Fraction(use.gpu_hours) / use.runs_completed)
                counts = (use.runs, use.runs_completed, use.runs - use.runs_completed)
                success = Fraction(use.runs_completed, use.runs)
                rows.append((month.charges.month, *subject, *counts, success, shown(per_run), hours, utilisation(use)))
    return Table(
        "runs",
        "Training runs",
        (*OF_TEAM, Field("model", "text"), Field("runs", "count"), Field("runs_completed", "count"),
         Field("runs_not_completed", "count"), Field("success", "share"), Field("per_completed_run", "rate"),
         Field("gpu_hours_per_completed_run", "rate", "GPU-hours"), Field("gpu_utilisation", "share")),
        tuple(rows),
        "All that is charged as training, idle capacity with it, over the runs that completed: failed and restarted ones are paid "
        "for too (U1).",
        team="team",
    )  # fmt: skip
