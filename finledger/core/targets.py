"""Unit-cost targets of teams, and which are missed (rules A3, U1). From the stage optimisation on, a miss is an alert.

A team on a lower rung sees its figures beside its targets, and nobody is alerted: there is no unit cost to hold it to yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import Organisation
from finledger.core.money import significant
from finledger.core.period import Month
from finledger.core.report import Cell, Field, Missing, Table
from finledger.core.units import UNITS, WHOLE_TEAM, Ratio, UnitMonth, shown

FIELDS = (
    Field("month", "month"),
    Field("team", "text"),
    Field("feature", "text"),
    Field("unit", "text"),
    Field("figure", "rate"),
    Field("at_most", "rate"),
    Field("over", "share"),
    Field("alert", "text"),
)
OPTIMISATION = "optimisation"


def target_tables(months: Mapping[Month, UnitMonth], organisations: Mapping[Month, Organisation]) -> tuple[Table, ...]:
    """`targets`: every target of every month, in order, by the organisation of that month (A7)."""
    ordered = sorted(months, key=lambda key: months[key].charges.month)
    rows = (row for key in ordered for row in _rows(months[key], organisations[key]))
    note = "At most: what a unit may cost. Over: how far it is above. Alerts begin with the stage optimisation (A3)."
    return (Table("targets", "Unit-cost targets", FIELDS, tuple(rows), note, team="team"),)


def _rows(month: UnitMonth, organisation: Organisation) -> Iterable[tuple[Cell, ...]]:
    if not any(team.targets for team in organisation.teams.values()):
        return
    measured = {each.feature: each.cost_per_correct_task for each in month.charges.features}
    for name, team in sorted(organisation.teams.items()):
        stage = team.stage_in(month.charges.month)
        for feature, units in sorted(team.targets.items()):
            found = month.by_team.get((name,)) if feature == WHOLE_TEAM else month.by_feature.get((name, feature))
            figures: dict[str, Ratio] = {} if found is None else dict(found.figures)
            correct = measured.get(feature)
            figures["per_correct_task"] = Missing("not measurable") if correct is None else correct
            for unit in (unit for unit in UNITS if unit in units):
                figure = figures.get(unit, Missing("nothing was used"))
                whole = "" if feature == WHOLE_TEAM else feature
                yield (month.charges.month, name, whole, unit, *_held(figure, units[unit], unit, stage))


def _held(figure: Ratio, at_most: Decimal, unit: str, stage: str) -> tuple[Cell, ...]:
    """The figure, the target, how far it is over, and what is said."""
    if isinstance(figure, Missing):
        return figure, at_most, figure, figure
    exact = Fraction(figure)
    over: Cell = Fraction(figure) / Fraction(at_most) - 1 if at_most else Missing("the target is 0")
    if exact <= at_most:
        return shown(exact), at_most, over, ""
    if stage != OPTIMISATION:
        return shown(exact), at_most, over, Missing(f"no alert at {stage}")
    return shown(exact), at_most, over, f"{significant(exact)} {UNITS[unit]}: the target is at most {at_most}"
