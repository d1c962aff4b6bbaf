"""What a unit of useful work costs: a thousand inferences or tokens, a completed run, a busy GPU-hour, a correct task (rule U1).

Numerators are charge lines of the month itself, before what comes back: credits, draws and instalments are left out, as in Q4.
Denominators are usage (unit_use.py). *Pure* is the base component of inference calls: their tokens, and nothing on top. *Fully
loaded* is all that is charged on the same subject: training, egress, idle capacity, uplift, premiums, seats, pools.

What a run costs is all that is charged as training, whatever became of it: failed and restarted runs burn GPU-hours and stay in
the numerator. Idle capacity (C6) is borne by what ran on the SKU, by used hours. Lines that say no workload type (seats, pools)
are training's where the team does nothing else. A figure without its denominator is `Missing`, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from finledger.core.invoice import is_own
from finledger.core.model import UNALLOCATED, ChargeLine, MonthCharges
from finledger.core.money import Money, minor_digits, significant
from finledger.core.period import Month
from finledger.core.report import Cell, Field, Missing, Table
from finledger.core.unit_use import INFERENCE, TRAINING, Grain, MonthUse, Use

THOUSAND = 1000
NOTHING = Fraction(0)
# What is paid back, or borne by the buffer fund, is no cost of a unit.
COMES_BACK = frozenset(
    {"coverage_credit", "buffer_draw", "buffer_repayment", "adjustment", "buffer_true_up", "buffer_rebate"}
)
NOT_MEASURED = Missing("not measured")
Ratio = Fraction | Missing
Subject = tuple[str, ...]
Row = tuple[Cell, ...]
# The figures that a target may be set for, and what people call them.
UNITS: Mapping[str, str] = {
    "per_1k_inferences": "per 1,000 inferences, fully loaded",
    "per_1k_inferences_pure": "per 1,000 inferences, pure: their tokens alone",
    "per_1k_tokens": "per 1,000 tokens",
    "per_completed_run": "per completed run",
    "per_useful_gpu_hour": "per busy GPU-hour",
    "per_user": "per user",
    "per_correct_task": "per correct task",
}
OF_FEATURES = frozenset({"per_user", "per_correct_task"})  # no figure of a whole team
WHOLE_TEAM = "*"


@dataclass(slots=True)
class Cost:
    """What lines come to, in minor units. `idle` is a part of gpu_idle lines, exact; it is in `total` of their own subject."""

    total: int = 0
    pure: int = 0
    metered: int = 0  # inference calls that state tokens, with their uplift
    tokens: int = 0  # of these
    gpu: int = 0
    training: int = 0
    idle: Fraction = NOTHING
    training_idle: Fraction = NOTHING

    def add(self, other: Cost) -> None:
        self.total += other.total
        self.pure += other.pure
        self.metered += other.metered
        self.tokens += other.tokens
        self.gpu += other.gpu
        self.training += other.training
        if other.idle:  # hardly ever, and fractions are slow to add
            self.idle += other.idle
            self.training_idle += other.training_idle


@dataclass(frozen=True)
class UnitMonth:
    """A month as unit costs need it: what it was charged, what was used, and what its lines come to by grain.

    `users`: how many named users each (team, feature) has, None where nobody counted them. `days`: of the month, up to its last
    day with usage.
    """

    charges: MonthCharges
    use: MonthUse
    costs: Mapping[Grain, Cost]
    days: int
    users: Mapping[Subject, int] | None = None
    of_pools: tuple[ChargeLine, ...] = ()  # what the rows of pools come to before they are shared out (A8)

    @cached_property
    def by_feature(self) -> dict[Subject, UnitCost]:
        return unit_costs(self, BY_FEATURE)

    @cached_property
    def by_team(self) -> dict[Subject, UnitCost]:
        return unit_costs(self, BY_TEAM)


@dataclass(frozen=True, slots=True)
class UnitCost:
    """The unit costs of one subject: a feature of a team, a team, a model. Amounts are in the currency's major unit, exact."""

    cost: Money
    use: Use
    figures: Mapping[str, Ratio]


def unit_month(
    charges: MonthCharges,
    use: MonthUse,
    days: int,
    users: Mapping[Subject, int] | None = None,
    of_pools: Iterable[ChargeLine] = (),
) -> UnitMonth:
    """The month's lines by grain, with the idle capacity of each team beside what ran on it."""
    costs: dict[Grain, Cost] = {}
    hours = _hours(use)
    trains = _only_training(use)
    for line in unit_lines(charges.lines):
        grain = Grain(line.key.team, line.key.feature, line.key.model, line.key.workload_type)
        costs.setdefault(grain, Cost()).add(_cost_of(line, line.key.team in trains))
        if line.key.kind == "gpu_idle":
            _spread_idle(line, hours.get((line.key.team, line.key.item), {}), costs)
    return UnitMonth(charges, use, costs, days, users, tuple(of_pools))


def unit_lines(lines: Iterable[ChargeLine]) -> Iterable[ChargeLine]:
    """The lines that unit costs are made of: the month's own, before what comes back."""
    return (line for line in lines if is_own(line) and line.key.kind not in COMES_BACK)


def _only_training(use: MonthUse) -> set[str]:
    """The teams that do nothing else."""
    work: dict[str, set[str]] = {}
    for grain in use.by_grain:
        work.setdefault(grain.team, set()).add(grain.workload_type)
    return {team for team, found in work.items() if found == {TRAINING}}


def _hours(use: MonthUse) -> dict[tuple[str, str], dict[Grain, Decimal]]:
    found: dict[tuple[str, str], dict[Grain, Decimal]] = {}
    for (team, sku, grain), each in use.by_gpu.items():
        if each.gpu_hours:
            found.setdefault((team, sku), {})[grain] = each.gpu_hours
    return found


def _spread_idle(line: ChargeLine, hours: Mapping[Grain, Decimal], costs: dict[Grain, Cost]) -> None:
    whole = sum(hours.values(), Decimal(0))
    for grain, used in hours.items():
        part = Fraction(used) / Fraction(whole) * line.amount.minor
        training = part if grain.workload_type == TRAINING else Fraction(0)
        costs.setdefault(grain, Cost()).add(Cost(idle=part, training_idle=training))


def _cost_of(line: ChargeLine, trains: bool) -> Cost:
    kind, amount, workload = line.key.kind, line.amount.minor, line.key.workload_type
    inference = kind == "action" and workload == INFERENCE
    tokens = sum(line.tokens.values()) if inference else 0
    return Cost(
        total=amount,
        pure=sum(part.minor for name, part in line.components if name == "base") if inference else 0,
        metered=amount if tokens else 0,
        tokens=tokens,
        gpu=amount if kind == "gpu" else 0,
        training=amount if workload == TRAINING or (trains and not workload and kind != "gpu_idle") else 0,
    )


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

By = Callable[[Grain], Subject]
BY_FEATURE: By = lambda grain: (grain.team, grain.feature)  # noqa: E731
BY_TEAM: By = lambda grain: (grain.team,)  # noqa: E731
BY_MODEL: By = lambda grain: (grain.model,)  # noqa: E731
BY_NOTHING: By = lambda grain: ()  # noqa: E731


def unit_costs(month: UnitMonth, by: By) -> dict[Subject, UnitCost]:
    """The unit costs of every subject that was charged or used anything, sorted."""
    uses: dict[Subject, Use] = {}
    costs: dict[Subject, Cost] = {}
    for grain, use in month.use.by_grain.items():
        uses.setdefault(by(grain), Use()).add(use)
    for grain, cost in month.costs.items():
        costs.setdefault(by(grain), Cost()).add(cost)
    users = users_by(month, by)
    return {
        subject: _unit_cost(
            uses.get(subject, Use()),
            costs.get(subject, Cost()),
            None if users is None else users.get(subject, 0),
            month.charges.currency,
        )
        for subject in sorted({*uses, *costs})
    }


def users_by(month: UnitMonth, by: By) -> dict[Subject, int] | None:
    """Users of each subject as far as they were counted: of a (team, feature), not of what is cut otherwise."""
    if month.users is None or by is not BY_FEATURE:
        return None
    return dict(month.users)


def _unit_cost(use: Use, cost: Cost, users: int | None, currency: str) -> UnitCost:
    scale = 10 ** minor_digits(currency)
    runs_cost = cost.training + cost.training_idle if cost.training_idle else cost.training
    pure = cost.pure or not use.inferences
    figures: dict[str, Ratio] = {
        "per_1k_inferences_pure": _ratio(cost.pure * THOUSAND, use.inferences * scale, "no inferences")
        if pure
        else Missing("no call is charged by its tokens"),
        "per_1k_inferences": _ratio(cost.total * THOUSAND, use.inferences * scale, "no inferences"),
        "per_1k_tokens": _ratio(cost.metered * THOUSAND, cost.tokens * scale, "no tokens"),
        "per_completed_run": _ratio(runs_cost, use.runs_completed * scale, "no run completed" if use.runs else "no runs"),
        "per_useful_gpu_hour": useful_hour(cost.gpu, cost.idle, use, scale),
        "per_user": Missing("not counted") if users is None else _ratio(cost.total, users * scale, "no users named"),
    }
    return UnitCost(Money(cost.total, currency), use, figures)


def useful_hour(used: int, idle: Fraction | int, use: Use, scale: int) -> Ratio:
    """Cost ÷ (hours × utilisation), over the hours that are measured: these cost as much an hour as all; idle ones are none.

    `used`: what the used hours cost, `idle` the reserved ones beside them, in minor units, of which `scale` are a major one.
    """
    if not use.gpu_hours:
        return Missing("no GPU-hours")
    if not use.measured_hours:
        return NOT_MEASURED
    share = Fraction(use.measured_hours) / Fraction(use.gpu_hours)
    return _ratio(used * share + idle, use.busy_hours * scale, "no busy GPU-hour")


def _ratio(cost: int | Fraction, units: int | Decimal, why: str) -> Ratio:
    if not units:
        return Missing(why)
    return Fraction(cost, units) if isinstance(units, int) else Fraction(cost) / Fraction(units)


def shown(figure: Ratio) -> Decimal | Missing:
    """A figure as it is shown: to 6 significant digits."""
    return figure if isinstance(figure, Missing) else significant(figure)


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

FIGURES = (
    Field("cost", "money"),
    Field("inferences", "count"),
    *(Field(name, "rate", words) for name, words in list(UNITS.items())[:3]),
    Field("runs", "count"),
    Field("runs_completed", "count"),
    Field("per_completed_run", "rate", UNITS["per_completed_run"]),
    Field("gpu_hours", "quantity"),
    Field("gpu_utilisation", "share"),
    Field("per_useful_gpu_hour", "rate", UNITS["per_useful_gpu_hour"]),
)
OF_FEATURE = (
    Field("users", "count"),
    Field("per_user", "rate", UNITS["per_user"]),
    Field("per_correct_task", "rate", UNITS["per_correct_task"]),
)
NOTE = (
    "Pure is the base price of inference calls; fully loaded is all that is charged on the same subject. Failed runs stay in "
    "the cost of completed ones. Before credits and draws (U1)."
)


class TrendRows(NamedTuple):
    """What a month is in the tables that show how unit costs go on: by team, by model, and of everything."""

    by_team: tuple[Row, ...]
    by_model: tuple[Row, ...]
    of_everything: tuple[Row, ...]


def trend_rows(month: UnitMonth) -> TrendRows:
    return TrendRows(
        tuple(_rows(month, month.by_team)),
        tuple(row for row in _rows(month, unit_costs(month, BY_MODEL)) if row[1]),
        tuple(_rows(month, unit_costs(month, BY_NOTHING))),
    )


def unit_tables(months: Mapping[Month, UnitMonth], before: Mapping[Month, TrendRows]) -> tuple[Table, ...]:
    """`unit-costs` by team and feature, of the `months`; by team, by model and of everything, of those `before` them too."""
    about = [months[month] for month in sorted(months)]
    trend = [each for _, each in sorted({**before, **{month: trend_rows(each) for month, each in months.items()}}.items())]
    first = (Field("month", "month"), Field("team", "text"))
    return (
        Table(
            "unit-costs",
            "Unit costs by feature",
            (*first, Field("feature", "text"), *FIGURES, *OF_FEATURE),
            tuple(row for month in about for row in feature_rows(month)),
            NOTE + " What a team is charged without a feature (seats, pools) stands in a row without one.",
            team="team",
        ),
        Table(
            "unit-costs-by-team",
            "Unit costs by team",
            (*first, *FIGURES),
            tuple(row for month in trend for row in month.by_team),
            NOTE,
            team="team",
        ),
        Table(
            "unit-costs-by-model",
            "Unit costs by model",
            (Field("month", "month"), Field("model", "text"), *FIGURES),
            tuple(row for month in trend for row in month.by_model),
            NOTE,
        ),
        Table(
            "unit-cost-trend",
            "Unit costs of everything",
            (Field("month", "month"), *FIGURES),
            tuple(row for month in trend for row in month.of_everything),
            NOTE + " Usage of nobody is in it.",
        ),
    )


def feature_rows(month: UnitMonth) -> Iterable[Row]:
    """A row for each feature of a team. What a correct task costs is the feature's, of all teams (Q4)."""
    measured = {each.feature: each.cost_per_correct_task for each in month.charges.features}
    for (team, feature), unit in month.by_feature.items():
        if team == UNALLOCATED:
            continue
        users = None if month.users is None else month.users.get((team, feature), 0)
        correct = measured.get(feature)
        yield (
            month.charges.month,
            team,
            feature,
            *_cells(unit),
            Missing("not counted") if users is None else users or Missing("no users named"),
            shown(unit.figures["per_user"]),
            (Missing("not measurable") if correct is None else significant(correct)) if feature else Missing("no feature"),
        )


def _rows(month: UnitMonth, units: Mapping[Subject, UnitCost]) -> Iterable[Row]:
    for subject, unit in units.items():
        if subject != (UNALLOCATED,):
            yield (month.charges.month, *subject, *_cells(unit))


def _cells(unit: UnitCost) -> tuple[Cell, ...]:
    use, figures = unit.use, unit.figures
    return (
        unit.cost,
        use.inferences,
        *(shown(figures[name]) for name in list(UNITS)[:3]),
        use.runs,
        use.runs_completed,
        shown(figures["per_completed_run"]),
        use.gpu_hours,
        utilisation(use),
        shown(figures["per_useful_gpu_hour"]),
    )


def utilisation(use: Use, idle: Decimal | Fraction = Decimal(0)) -> Fraction | Missing:
    """Busy ÷ measured GPU-hours, computed, never assumed; with reserved hours that nobody used, these were not busy."""
    if not use.gpu_hours and not idle:
        return Missing("no GPU-hours")
    if not use.measured_hours and use.gpu_hours:
        return NOT_MEASURED
    return Fraction(use.busy_hours) / (Fraction(use.measured_hours) + Fraction(idle))
