"""Laws of unit costs and features on random usage: nothing is lost between lines and figures, and no denominator is made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.feature_tables import feature_tables
from finledger.core.features import feature_month, people_of
from finledger.core.invoice import is_own
from finledger.core.label import own
from finledger.core.levers import lever_tables
from finledger.core.model import UNALLOCATED, MonthCharges, OwnedGroup, UsageGroup
from finledger.core.money import EXACT, Money
from finledger.core.period import intervals
from finledger.core.portions import part_of_line, portions
from finledger.core.rate import Pricing
from finledger.core.report import Missing, Table
from finledger.core.revenue import Revenue
from finledger.core.unit_labels import label_table, run_table
from finledger.core.unit_use import month_use
from finledger.core.units import (
    BY_FEATURE,
    BY_MODEL,
    BY_NOTHING,
    BY_TEAM,
    UnitMonth,
    unit_costs,
    unit_lines,
    unit_month,
    unit_tables,
)
from tests.laws.test_corridor import JULY, ORGANISATION, book, group, run

ORDER = intervals(JULY, "UTC", [date(2026, 7, 16)])
AS_OF = replace(ORGANISATION, pools=ORGANISATION.pools)


def labelled(
    feature: str, cohort: str, user: str, work: str, completed: int, busy: Decimal | None, *meters: object
) -> UsageGroup:
    team, action, gpu, calls, tokens, hours, cost = meters
    made = group(team, action, gpu, calls, tokens, hours, cost, "")  # type: ignore[arg-type]
    sums = {**made.sums, "runs": completed + 1, "runs_completed": completed}
    if busy is not None:
        sums |= {"gpu_busy_hours": busy, "measured_gpu_hours": made.sums["gpu_hours"]}
    return replace(
        made,
        keys={**made.keys, "feature": feature, "workload_type": work},
        labels={"cohort": cohort, "user": user},
        sums=sums,
    )


usage = st.lists(
    st.builds(
        labelled,
        st.sampled_from(["", "f", "<script>", "=1+1"]),
        st.sampled_from(["", "free", "pro"]),
        st.sampled_from(["", "ann", "ben"]),
        st.sampled_from(["inference", "training", "notebook", "evaluation"]),
        st.integers(0, 2),
        st.one_of(st.none(), st.decimals(0, 10**4, places=3)),
        st.sampled_from(["", "search", "support", "growth", "nobody", "platform", "pool:cluster"]),
        st.sampled_from(["", "chat", "step", "eval", "judge"]),
        st.sampled_from(["", "h100"]),
        st.integers(0, 10**6),
        st.integers(0, 10**9),
        st.decimals(0, 10**4, places=3),
        st.decimals(0, 10**4, places=6),
    ),
    max_size=25,
)


def worked(groups: list[UsageGroup]) -> tuple[MonthCharges, tuple[OwnedGroup, ...], UnitMonth, Pricing]:
    charges, _ = run(groups, book())
    with localcontext(EXACT):
        owned = own(groups, ORGANISATION, ORDER).rows
        month = unit_month(charges, month_use(owned, ORGANISATION), 31)
    return charges, owned, month, Pricing(JULY, ORGANISATION, [book()])


def column_sum(table: Table, name: str) -> int:
    return sum(cell.minor for cell in table.column(name) if isinstance(cell, Money))


@settings(max_examples=120)
@given(groups=usage)
def test_units__every_cut_adds_up_and_fully_loaded_is_never_below_pure(groups: list[UsageGroup]) -> None:
    charges, _, month, _ = worked(groups)
    whole = sum(line.amount.minor for line in unit_lines(charges.lines))
    for by in (BY_FEATURE, BY_TEAM, BY_MODEL, BY_NOTHING):
        found = unit_costs(month, by)
        assert sum(each.cost.minor for each in found.values()) == whole
        for unit in found.values():
            loaded, pure = unit.figures["per_1k_inferences"], unit.figures["per_1k_inferences_pure"]
            assert isinstance(loaded, Missing) == (unit.use.inferences == 0)
            if isinstance(loaded, Fraction) and isinstance(pure, Fraction):
                assert loaded >= pure >= 0
            per_run = unit.figures["per_completed_run"]
            assert isinstance(per_run, Missing) == (unit.use.runs_completed == 0)
            hour = unit.figures["per_useful_gpu_hour"]
            assert not isinstance(hour, Missing) or hour.why in ("no GPU-hours", "not measured", "no busy GPU-hour")


@settings(max_examples=60)
@given(groups=usage)
def test_portions__of_a_line_are_the_line(groups: list[UsageGroup]) -> None:
    charges, owned, _, pricing = worked(groups)
    with localcontext(EXACT):
        found = portions(owned, pricing, lambda each: (each.group.labels["cohort"],))
        for line in charges.lines:
            assert sum(part_of_line(line, found, ("",)).values()) == line.amount.minor


@settings(max_examples=60)
@given(groups=usage, earned=st.integers(-1000, 10**7))
def test_features__with_what_has_none_and_what_nobody_owns_are_all_charges(groups: list[UsageGroup], earned: int) -> None:
    charges, owned, _, pricing = worked(groups)
    revenue = (Revenue(JULY, "f", "free", Decimal(earned).scaleb(-2)), Revenue(JULY.next, "f", "free", Decimal(1)))
    with localcontext(EXACT):
        found = portions(owned, pricing, lambda each: (each.group.labels["cohort"],))
        month = feature_month(charges, found, people_of(owned, ORGANISATION), revenue, ORGANISATION)
        tables = {table.name: table for table in feature_tables([month])}
    features = tables["features"]
    whole = sum(line.amount.minor for line in charges.lines if is_own(line))
    left = column_sum(tables["without-feature"], "cost") + column_sum(features, "unallocated")
    assert column_sum(features, "cost") + left == whole
    segments = tables["segments"]
    for name in set(segments.column("feature")):
        own_rows, parts = features.where("feature", name), segments.where("feature", name)
        assert column_sum(parts, "cost") == column_sum(own_rows, "cost")
    assert column_sum(features.where("feature", "f"), "revenue") == earned
    for row in segments.rows:
        cost, revenue_cell = row[segments.index("cost")], row[segments.index("revenue")]
        if row[segments.index("flag")] and isinstance(revenue_cell, Money) and isinstance(cost, Money):
            assert revenue_cell.minor < cost.minor and row[segments.index("cost_share")] >= Fraction(1, 2)  # type: ignore[operator]


@settings(max_examples=60)
@given(groups=usage)
def test_labels__costs_by_cohort_and_user_add_up_to_the_teams(groups: list[UsageGroup]) -> None:
    charges, owned, _, pricing = worked(groups)
    whole = sum(line.amount.minor for line in unit_lines(charges.lines) if line.key.team != UNALLOCATED)
    for label in ("cohort", "user"):
        with localcontext(EXACT):
            found = portions(owned, pricing, lambda each: (each.group.labels[label],))  # noqa: B023
            assert column_sum(label_table(charges, owned, found, label), "cost") == whole


@settings(max_examples=40)
@given(groups=usage)
def test_tables__hold_for_any_usage(groups: list[UsageGroup]) -> None:
    """Every table can be made, of a month with nothing in it too, and no share of what is counted is outside 0 to 1."""
    charges, _, month, _ = worked(groups)
    with localcontext(EXACT):
        tables = (*unit_tables({JULY: month}, {}), *lever_tables({JULY: month}), run_table({JULY: month}))
    shares = {"levers": ("cached_share", "failed_share"), "runs": ("success",)}
    for table in tables:
        for name in shares.get(table.name, ()):
            assert all(isinstance(cell, Missing) or 0 <= cell <= 1 for cell in table.column(name))  # type: ignore[operator]
    by_sku = next(table for table in tables if table.name == "gpu")
    hours = sum((Decimal(each.sums["gpu_hours"]) for each in groups if each.keys["team"] != "platform"), Decimal(0))
    assert sum((cell for cell in by_sku.column("used_hours") if isinstance(cell, Decimal)), Decimal(0)) == hours
    assert charges.month == JULY
