"""Unit costs, levers, GPU-hours, targets and features of a set of books, month by month (rules U1, A6). Nothing is written.

A closed month is worked out from what was sealed with it, an open one from the books as they are: what `allocate` shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import localcontext
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path

from finledger.books.kept_figures import Rows
from finledger.books.rows import days as days_with_usage
from finledger.core.allocate import allocate
from finledger.core.capacity import idle_hours
from finledger.core.charge import charge, charge_idle
from finledger.core.feature_tables import feature_tables
from finledger.core.features import COHORT, USER, FeatureMonth, People, feature_month, people_of, user_counts
from finledger.core.history import History
from finledger.core.label import own
from finledger.core.levers import lever_tables
from finledger.core.model import POOL_PREFIX, ChargeLine, MonthCharges, Organisation, OwnedGroup
from finledger.core.money import EXACT
from finledger.core.period import Month, instant
from finledger.core.portions import portions
from finledger.core.problem import Problem, Refused
from finledger.core.rate import Pricing, rate
from finledger.core.report import Table
from finledger.core.revenue import Revenue
from finledger.core.targets import target_tables
from finledger.core.unit_labels import label_table, run_table
from finledger.core.unit_use import month_use
from finledger.core.units import TrendRows, UnitMonth, trend_rows, unit_month, unit_tables
from finledger.engines import DEFAULT, empty_columns
from finledger.pipeline import MonthInputs, eval_split_in, query
from finledger.workbench import Workbench
from finledger.workbench.kept_months import KeptMonths
from finledger.workbench.sealed import as_of, marks_of, texts
from finledger.workbench.strays import stray_revenue

USERS_LIMIT = 500_000  # groups of a month by cohort and user; with more, users are not counted


@dataclass(frozen=True)
class MonthRun:
    """A month that was run by the books as they are or, of a closed month, as they were; `paths`: the store's parts of it.

    `revenue` is what the books say now: what a month earned is often known after its close, and nothing is charged by it.
    """

    paths: tuple[Path, ...]
    inputs: MonthInputs
    charges: MonthCharges
    revenue: tuple[Revenue, ...]

    @property
    def organisation(self) -> Organisation:
        return self.inputs.organisation

    @property
    def pricing(self) -> Pricing:
        inputs = self.inputs
        return Pricing(inputs.month, inputs.organisation, inputs.books, inputs.rates, inputs.allow_unpriced)

    @cached_property
    def owned(self) -> tuple[OwnedGroup, ...]:
        """The month's groups with their owners, as it is charged by them. Raises Refused where they cannot be made."""
        return _owned(self, ())


def run_of(bench: Workbench, month: Month, *, engine_name: str = DEFAULT) -> MonthRun:
    """The month's charges as `allocate` has them, with what they are made from. Raises Refused where it cannot be charged."""
    close = bench.closed(month)
    then = bench if close is None else as_of(bench, close, before=True)
    history, notices = then.history(month, engine_name)
    inputs = then.with_corrections(then.month_inputs(month, engine_name=engine_name, history=history), engine_name)
    charges, _ = then.run(replace(inputs, notices=(*inputs.notices, *notices)))
    return MonthRun(_paths(then, month), inputs, replace(charges, provisional=close is None), bench.revenue)


def run_with(bench: Workbench, charges: MonthCharges, texts_now: Mapping[str, str]) -> MonthRun:
    """A month whose charges are known, by its own usage: what corrects other months and what came before is not looked at.

    `texts_now`: the books' texts with their SHA-256. A closed month is looked at by these books while they say what was sealed.
    """
    month, nothing = charges.month, History(charges.currency)
    close = bench.closed(month)
    if close is None:
        return MonthRun(_paths(bench, month), bench.month_inputs(month, history=nothing), charges, bench.revenue)
    sealed = {name: sha256 for name, sha256 in close.content["inputs"] if _counts(name)}
    same = sealed == {name: sha256 for name, sha256 in texts_now.items() if _counts(name)}
    then = bench if same else as_of(bench, close, before=True)
    ledger = bench.ledger.as_of(marks_of(close))
    parts = ledger.parts(month)
    inputs = then.month_inputs(month, history=nothing, parts=parts, before=ledger.parts(month.before))
    return MonthRun(tuple(bench.store.paths(parts)), inputs, charges, bench.revenue)


def _counts(name: str) -> bool:
    """Whether a text says whose usage is, or what it costs."""
    return name in ("finledger.yaml", "capacity.csv", "rates.csv") or name.startswith("pricebooks/")


def _paths(bench: Workbench, month: Month) -> tuple[Path, ...]:
    return tuple(bench.store.paths(bench.ledger.parts(month)))


def unit_month_of(run: MonthRun, people: People | None = None) -> UnitMonth:
    """What unit costs need of a month; the usage is not grouped again. `people` as `people_in` gives them."""
    with localcontext(EXACT):
        use = month_use(run.owned, run.organisation)
        of_pools = _lines_of_pools(run, run.owned)
        users = None if people is None else user_counts(people)
        return unit_month(run.charges, use, _days(run), users, of_pools)


def feature_month_of(run: MonthRun) -> FeatureMonth:
    """What A6 needs of a month: its usage once more by cohort and user, where it has any."""
    with localcontext(EXACT):
        labels, owned = _by_people(run)
        found = portions(owned, run.pricing, lambda group: (group.group.labels.get(COHORT, ""),))
        people = _people(owned, labels, run)
        return feature_month(run.charges, found, people, run.revenue, run.organisation)


def unit_report(
    bench: Workbench,
    own_months: Mapping[Month, MonthCharges],
    trend: Mapping[Month, MonthCharges],
    kept: KeptMonths | None = None,
) -> tuple[Table, ...]:
    """The tables of units and features of a report: of the period's own months, and of those that its trends begin with.

    The charges are given, as `allocate` has them or as they were recorded. Raises Refused where the usage cannot be grouped.
    """
    texts_now = _texts_now(bench)
    before = {
        month: look_back(bench, charges, kept, texts_now) for month, charges in trend.items() if month not in own_months
    }
    runs = [run_with(bench, charges, texts_now) for _, charges in sorted(own_months.items())]
    return report_tables(runs, [feature_month_of(run) for run in runs], before)


def look_back(
    bench: Workbench, charges: MonthCharges, kept: KeptMonths | None = None, texts_now: Mapping[str, str] | None = None
) -> TrendRows:
    """What trends show of an earlier month: as it is kept, or worked out."""
    work_out = partial(_trend_of, bench, charges, _texts_now(bench) if texts_now is None else texts_now)
    may_be = kept if not charges.checks else None  # what is not as recorded follows from more than its run
    return TrendRows(**(work_out() if may_be is None else may_be.of_run("unit-costs", charges.month, work_out)))


def _texts_now(bench: Workbench) -> dict[str, str]:
    return {name: sha256(path.read_bytes()).hexdigest() for name, path in texts(bench.root).items() if _counts(name)}


def _trend_of(bench: Workbench, charges: MonthCharges, texts_now: Mapping[str, str]) -> Mapping[str, Rows]:
    """The month's rows of the tables that show a trend."""
    run = run_with(bench, charges, texts_now)
    with localcontext(EXACT):
        return trend_rows(unit_month(charges, month_use(run.owned, run.organisation), 0))._asdict()


def report_tables(
    runs: Sequence[MonthRun], features: Sequence[FeatureMonth], before: Mapping[Month, TrendRows] | None = None
) -> tuple[Table, ...]:
    """Everything of this part: unit costs, levers and targets of the months, with segments where `features` has them; of the
    months `before` them what shows a trend."""
    people = {each.charges.month: each.people for each in features}
    months = {run.charges.month: unit_month_of(run, people.get(run.charges.month)) for run in runs}
    organisations = {run.charges.month: run.organisation for run in runs}
    with localcontext(EXACT):
        return (
            *unit_tables(months, before or {}),
            *lever_tables(months),
            run_table(months),
            *target_tables(months, organisations),
            *feature_tables(features),
        )


def units_of(bench: Workbench, months: Sequence[Month], *, people: bool = True) -> tuple[Table, ...]:
    """All tables of unit costs over the months; `people`: with users counted, which takes the usage once more."""
    runs = [run_of(bench, month) for month in months]
    return report_tables(runs, [feature_month_of(run) for run in runs] if people else ())


def features_of(bench: Workbench, months: Sequence[Month]) -> tuple[tuple[Table, ...], tuple[Problem, ...]]:
    """The tables of features over the months, with revenue of features that nobody has."""
    found = [feature_month_of(run_of(bench, month)) for month in months]
    strays = stray_revenue(bench.revenue, [each.charges for each in found], bench.organisation)
    with localcontext(EXACT):
        return feature_tables(found), tuple(strays)


def by_label(bench: Workbench, month: Month, label: str) -> tuple[MonthCharges, Table]:
    """What each cohort, or each user, used and costs. Raises Refused where there are too many to tell apart."""
    run = run_of(bench, month)
    with localcontext(EXACT):
        owned = _owned(run, (label,), USERS_LIMIT)
        found = portions(owned, run.pricing, lambda group: (group.group.labels[label],))
        return run.charges, label_table(run.charges, owned, found, label)


def _by_people(run: MonthRun) -> tuple[tuple[str, ...], tuple[OwnedGroup, ...]]:
    """The usage by those of cohort and user that any row has; without users where these are too many."""
    empty = empty_columns(run.paths)
    labels = tuple(name for name in (COHORT, USER) if name not in empty)
    if not labels:
        return labels, run.owned
    try:
        return labels, _owned(run, labels, USERS_LIMIT)
    except Refused as refused:
        if USER not in labels or {each.code for each in refused.problems if each.is_error} != {"too-many-groups"}:
            raise
    labels = tuple(name for name in labels if name != USER)
    return labels, _owned(run, labels, USERS_LIMIT)


def _people(owned: Sequence[OwnedGroup], labels: Sequence[str], run: MonthRun) -> People | None:
    if USER in labels:
        carried = (replace(each, group=replace(each.group, labels={COHORT: "", **each.group.labels})) for each in owned)
        return people_of(carried, run.organisation)
    asked = run.paths
    return {} if USER in empty_columns(asked) or not asked else None


def _owned(run: MonthRun, labels: Sequence[str], limit: int | None = None) -> tuple[OwnedGroup, ...]:
    """The month's groups with their owners; with more labels than the rules look at, the usage is grouped once more."""
    asked = query(run.inputs)
    if labels:
        asked = replace(asked, labels=tuple(sorted({*asked.labels, *labels})))
        asked = replace(asked, group_limit=limit or asked.group_limit)
    groups = run.inputs.group(asked)
    owned = own(groups.rows, run.organisation, asked.intervals)
    problems = (*groups.problems, *owned.problems)
    if any(problem.is_error for problem in problems):
        raise Refused(problems)
    return owned.rows


def _lines_of_pools(run: MonthRun, owned: Sequence[OwnedGroup]) -> tuple[ChargeLine, ...]:
    """What the rows of pools come to, and what idled for them, before the pools are shared out (A8)."""
    of_pools = [each for each in owned if each.team.startswith(POOL_PREFIX)]
    if not of_pools:
        return ()
    pricing, organisation = run.pricing, run.organisation
    rounding = pricing.terms.rounding if pricing.terms is not None else "half_up"
    allocations = allocate(rate(of_pools, pricing).rows, pricing.terms, pricing.books).rows
    lines, _ = charge(allocations, organisation, rounding, eval_split_in(pricing.terms, run.inputs)).rows
    idle, _ = charge_idle(idle_hours(run.inputs.reservations, owned, pricing).rows, organisation, run.inputs.month, rounding)
    return tuple(line for line in (*lines, *idle) if line.key.team.startswith(POOL_PREFIX))


def _days(run: MonthRun) -> int:
    """The days of the month, up to the last one that has usage while it is open."""
    month, zone = run.inputs.month, run.organisation.timezone
    if not run.charges.provisional:
        return month.last_day.day
    starts = [instant(month.first_day.replace(day=number), zone) for number in range(1, month.last_day.day + 1)]
    found = days_with_usage(run.paths, starts)
    charged = [days for source, days in found.items() if run.organisation.role(source) == "charge"]
    return max((day for days in charged for day in days), default=-1) + 1
