"""Laws of the review and the projection, over the months of worked examples: what they say ties to what is charged (U2, U3, A2)."""

from __future__ import annotations

from decimal import localcontext
from fractions import Fraction
from pathlib import Path

import pytest

from finledger.core.digest import use_of
from finledger.core.measures import Sums, budgets, over, sums_of
from finledger.core.model import UNALLOCATED
from finledger.core.money import EXACT, total
from finledger.core.projection import NO_BUDGET, Days, costs, project
from finledger.core.review_tables import bills_of, quality_table
from finledger.workbench import Workbench
from tests.support import copy_books, finledger

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = (
    "10-unallocated", "22-pool-of-rows", "34-idle-capacity", "35-chained-pools", "38-seats-include-actions",
    "41-premium-recovered", "44-burst", "50-loan",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_month__every_figure_ties_to_its_charges(name: str, tmp_path: Path) -> None:
    books = copy_books(EXAMPLES / name, tmp_path / "books")
    finledger("load", "--books", books)
    bench = Workbench(books)
    organisation = bench.organisation
    for month in bench.months():
        charges, _ = bench.charge(month)
        days = Days(month, month.last_day, month.last_day.day)
        with localcontext(EXACT):
            sums = sums_of(charges, organisation)
            made = project(charges, charges, days, organisation)
            quality = quality_table((month,), {month: charges}, organisation, str(month))
            split = costs(charges, organisation)
        # the unallocated share is the one that gates compare (A2), and the paved road is never more than what is left of it
        assert over(sums.loose, sums.whole, NO_BUDGET) in (charges.unallocated_share, NO_BUDGET)
        assert sums.paved <= sums.whole - sums.loose
        # a whole month's projection is its bill, by team and in all
        assert {each.team: each.projected for each in made.teams if each.team != UNALLOCATED} == {
            each.team: each.total for each in charges.teams
        }
        assert made.projected == total((line.amount for line in charges.lines), organisation.currency)
        assert sums.bill == sum(each.total.minor for each in charges.teams)
        # what is fixed, what is by use and what lies idle is all that is charged
        idle = sum(line.amount.minor for line in charges.lines if line.key.kind == "gpu_idle")
        assert sum((each.fixed + each.use for each in split.values()), Fraction(0)) + idle == made.to_date.minor
        assert use_of(charges, organisation).whole == sum((each.use for each in split.values()), Fraction(0))
        # the bills beside quality are the features' bills
        bills = bills_of((month,), {month: charges}, organisation)
        for feature in charges.features:
            assert total(bills.by_feature.get(feature.feature, {}).values(), organisation.currency) == feature.total
        assert {row[1] for row in quality.rows} == {feature.feature for feature in charges.features}


def test_sums__of_a_quarter_are_those_of_its_months(tmp_path: Path) -> None:
    books = copy_books(EXAMPLES / "41-premium-recovered", tmp_path / "books")
    finledger("load", "--books", books)
    bench = Workbench(books)
    charges = {month: bench.charge(month)[0] for month in bench.months()}
    with localcontext(EXACT):
        whole = sum((sums_of(each, bench.organisation) for each in charges.values()), Sums())
    assert whole.months == len(charges) > 1
    assert whole.premium == sum(
        line.amount.minor for each in charges.values() for line in each.lines if line.key.kind == "coverage_premium"
    )
    assert whole.credited > 0, "the example gives premiums back"
    by_team = {each.team: each.total for each in budgets(tuple(charges), charges)}
    assert whole.bill == sum(by_team.values())
