"""An open month to its end: by hand, and what has to hold of any month (rule U3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.model import (
    UNALLOCATED,
    BufferState,
    ChargeLine,
    Dated,
    IdleCost,
    LineKey,
    MonthCharges,
    Organisation,
    Pool,
    PoolSplit,
    Team,
    TeamTotal,
)
from finledger.core.money import Money, total
from finledger.core.period import Month
from finledger.core.projection import Days, days_of, grown, pools_by_use, project, projection_tables
from finledger.core.report import Missing
from finledger.core.review_terms import ReviewTerms, is_alert

JULY = Month(2026, 7)
NONE = Money(0, "USD")
KINDS = ("action", "gpu", "egress", "passthrough", "coverage_premium", "seat", "coverage_credit", "buffer_draw", "shared")


def usd(amount: str) -> Money:
    return Money(int(Decimal(amount) * 100), "USD")


def day(number: int) -> date:
    return date(2026, 7, number)


def line(team: str, feature: str, kind: str, amount: Money, service: Month = JULY) -> ChargeLine:
    item = "notebooks" if kind == "shared" else "x"
    key = LineKey(team, "cc-1", feature, item, "", "", kind, "", service, JULY)  # type: ignore[arg-type]
    return ChargeLine(key, "showback", Decimal(1), "month", amount.amount, amount, ((kind, amount),))


def organisation(**teams: Team) -> Organisation:
    return Organisation(
        "Test",
        "USD",
        "UTC",
        "platform",
        "cc-0",
        teams,
        pools=(Pool("notebooks", "even", amount={JULY: Decimal(1)}),),
    )


def team(name: str, owner: str = "") -> Team:
    return Team(name, Dated.always("cc-1"), Dated.always("showback"), Dated.always(owner))


def charges(lines: list[ChargeLine], budget: Money | None = None, idle: tuple[IdleCost, ...] = ()) -> MonthCharges:
    names = sorted({each.key.team for each in lines} - {UNALLOCATED} | {"search"})
    totals = tuple(
        TeamTotal(name, "showback", total((e.amount for e in lines if e.key.team == name), "USD"), budget, budget)
        for name in names
    )
    return MonthCharges(
        JULY, "USD", True, (), tuple(lines), (), totals, (), (), NONE, Fraction(0), BufferState(NONE, NONE, NONE), (), (), idle=idle
    )  # fmt: skip


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_days__no_clock_says_how_far_a_month_is() -> None:
    used = {day(2), day(5), day(14)}
    assert days_of(JULY, used) == Days(JULY, day(14), 13, True)
    assert days_of(JULY, used, at=day(14)) == Days(JULY, day(14), 14)  # a person says that the day is over
    assert days_of(JULY, used, at=day(9)) == Days(JULY, day(9), 9)  # days without usage, with some behind them, are over
    assert days_of(JULY, used, at=day(20)) == Days(JULY, day(14), 14)  # behind the last usage nothing is loaded
    assert days_of(JULY, {day(31)}) == Days(JULY, day(31), 31)
    assert days_of(JULY, used, over=True) == Days(JULY, day(31), 31)
    assert days_of(JULY, set()) == Days(JULY, None, 0)
    assert days_of(JULY, {day(1)}) == Days(JULY, day(1), 0, True)


def test_grown__a_day_that_has_begun_is_an_average_day_or_more() -> None:
    """13 days of 31 are over: 10.00 a day, 17 days left behind the one that has begun."""
    days = Days(JULY, day(14), 13, True)
    assert grown(Fraction(130), Fraction(4), days) == 130 + 10 + 170
    assert grown(Fraction(130), Fraction(40), days) == 130 + 40 + 170
    assert grown(Fraction(130), Fraction(0), Days(JULY, day(13), 13)) == 310


def test_project__fixed_and_idle_beside_use() -> None:
    """Use 130.00 in 13 days, 4.00 on the 14th: 310.00. Seats 30.00 stay. Of 100 reserved hours 13 were used: by the end 31,
    and idle are 69 instead of 87: 174.00 × 69 ÷ 87 = 138.00."""
    done = [line("search", "f", "action", usd("130.00"))]
    now = [line("search", "f", "action", usd("134.00")), line("search", "", "seat", usd("30.00")),
           line("search", "", "gpu_idle", usd("174.00"))]  # fmt: skip
    idle = IdleCost("h100", "search", Decimal(100), Decimal(13), usd("174.00"), {"search": usd("174.00")}, NONE)
    made = project(
        charges(now, usd("450.00"), (idle,)), charges(done, None, (idle,)), Days(JULY, day(14), 13, True), organisation()
    )
    (search,) = made.teams
    assert (search.to_date, search.projected) == (usd("338.00"), usd("478.00"))
    assert (search.over_budget, search.over_forecast) == (usd("28.00"), usd("28.00"))
    assert [(part.feature, str(part.to_date), str(part.projected)) for part in made.parts] == [
        ("", "204.00", "168.00"),
        ("f", "134.00", "310.00"),
    ]


def test_project__two_reservations_of_one_team_each_by_its_own_use() -> None:
    """On day 10 of 31: h100 10 of 62 hours used, 31 by the end: idle 31 of 52. a10g 1 of 5 used, 3.1 by the end: 1.9 of 4.
    104.00 × 31 ÷ 52 = 62.00, and 4.00 × 1.9 ÷ 4 = 1.90."""
    now = [line("search", "", "gpu_idle", usd("104.00")), line("search", "", "gpu_idle", usd("4.00"))]
    h100 = IdleCost("h100", "search", Decimal(62), Decimal(10), usd("104.00"), {"search": usd("104.00")}, NONE)
    a10g = IdleCost("a10g", "search", Decimal(5), Decimal(1), usd("4.00"), {"search": usd("4.00")}, NONE)
    both = charges(now, None, (h100, a10g))
    (search,) = project(both, both, Days(JULY, day(10), 10), organisation()).teams
    assert (search.to_date, search.projected) == (usd("108.00"), usd("63.90"))
    more = replace(h100, used=Decimal(30))  # what is used beyond the reservation makes no idle hour less than none
    full = charges(now, None, (more, a10g))
    (search,) = project(full, full, Days(JULY, day(10), 10), organisation()).teams
    assert search.projected == usd("1.90")


def test_project__before_the_first_complete_day_nothing_is_said() -> None:
    made = project(
        charges([line("search", "f", "action", usd("4.00"))]), charges([]), Days(JULY, day(1), 0, True), organisation()
    )
    assert (made.projected, made.teams[0].projected, made.teams[0].over_budget) == (None, None, None)
    table, features = projection_tables(made, organisation(search=team("search")))
    assert table.column("projected") == (Missing("no complete day yet"),)
    assert features.column("projected") == (Missing("no complete day yet"),)
    assert table.column("owner") == (Missing("no owner in finledger.yaml"),)
    assert table.column("budget") == (Missing("no budget"),)


def test_pools__of_rows_grow_and_fixed_ones_do_not_also_where_one_feeds_another() -> None:
    """b has 60.00 of its own rows and 20.00 from a, which is fixed: three quarters of it are use. c has 30.00 of b alone."""
    a = PoolSplit("a", "even", usd("50.00"), {"search": usd("30.00")}, NONE, {}, {"b": usd("20.00")})
    b = PoolSplit("b", "even", usd("80.00"), {"search": usd("50.00")}, NONE, {}, {"c": usd("30.00")})
    c = PoolSplit("c", "even", usd("30.00"), {"search": usd("30.00")}, NONE, {})
    pools = (Pool("a", "even", amount={JULY: Decimal(50)}), Pool("b", "even", rows="pool:b"), Pool("c", "even", amount={}))
    own_idle = IdleCost("h100", "", Decimal(9), Decimal(1), usd("24.00"), {"pool:b": usd("24.00")}, NONE)
    assert pools_by_use((a, b, c), pools, [own_idle])["b"] == Fraction(36, 80)  # its idle hours stay: 60.00 - 24.00
    assert pools_by_use((a, b, c), pools) == {"a": 0, "b": Fraction(3, 4), "c": Fraction(3, 4)}


# ── whatever the month ──────────────────────────────────────────────────────────────────────────────────────────────────

amounts = st.integers(-(10**7), 10**8).map(lambda minor: Money(minor, "USD"))
rows = st.lists(
    st.builds(
        line,
        st.sampled_from(["ads", "search", UNALLOCATED]),
        st.sampled_from(["", "f", "g"]),
        st.sampled_from(KINDS),
        amounts,
        st.sampled_from([JULY, JULY.before]),
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(rows, rows, st.integers(1, 31), st.booleans())
def test_project__parts_add_up_and_a_whole_month_is_its_actuals(
    done: list[ChargeLine], more: list[ChargeLine], complete: int, begun: bool
) -> None:
    begun = begun and complete < 31
    days = Days(JULY, day(complete + begun), complete, begun)
    made = project(charges(done + more), charges(done), days, organisation())
    assert total((each.amount for each in done + more), "USD") == made.to_date
    assert made.projected == total((part.projected for part in made.parts if part.projected), "USD")
    for each in made.teams:
        own = [part for part in made.parts if part.team == each.team]
        assert each.to_date == total((part.to_date for part in own), "USD")
        assert each.projected == total((part.projected for part in own if part.projected), "USD")
    whole = project(charges(done), charges(done), Days(JULY, day(31), 31), organisation())
    by_team = {each.team: each for each in whole.teams}
    for name in {each.key.team for each in done}:
        actual = total((each.amount for each in done if each.key.team == name), "USD")
        assert by_team[name].to_date == by_team[name].projected == actual


@settings(max_examples=100)
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(["0.10", "0", "0.333", "1"]), st.integers(0, 10**6))
def test_alert__iff_the_variance_is_over_the_larger_of_share_and_amount(
    spent: int, planned: int, share: str, amount: int
) -> None:
    """Held against whole numbers: variance > share × budget and variance > amount, both strictly."""
    terms = ReviewTerms(Decimal(share), Decimal(amount))
    over = spent - planned
    numerator, denominator = Decimal(share).as_integer_ratio()
    wanted = over * denominator > numerator * planned and over > amount * 100
    assert is_alert(Money(spent, "USD"), Money(planned, "USD"), terms) == wanted


@pytest.mark.parametrize(("spent", "budget", "alert"), [("11000.00", "10000.00", False), ("11000.01", "10000.00", True),
    ("1500.00", "500.00", False), ("1500.01", "500.00", True), ("22000.00", "20000.00", False), ("22000.01", "20000.00", True),
    ("0.00", "20000.00", False), ("1000.01", "0.00", True)])  # fmt: skip
def test_alert__at_the_limit_is_none(spent: str, budget: str, alert: bool) -> None:
    assert is_alert(usd(spent), usd(budget), ReviewTerms()) == alert


def test_alert__of_a_projection_is_the_same_rule() -> None:
    done = [line("search", "f", "action", usd("1000.00"))]
    made = project(charges(done, usd("30000.00")), charges(done), Days(JULY, day(1), 1), organisation())
    (search,) = made.teams
    assert (search.projected, search.alerts(ReviewTerms())) == (usd("31000.00"), False)
    assert replace(search, budget=usd("28000.00")).alerts(ReviewTerms()) is True
