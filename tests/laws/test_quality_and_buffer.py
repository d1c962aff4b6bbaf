"""Laws of the quality price and of the bursting buffer, on random quarters (rules Q1-Q3, B1-B5)."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.buffer import Claim, Forecast, decide, size
from finledger.core.history import History, flows_of
from finledger.core.model import (
    CAUSES,
    MONEY_MOVES,
    BufferTerms,
    Dated,
    DrawRequest,
    EvalRecord,
    MonthCharges,
    Organisation,
    PriceBook,
    QualityTerms,
    Team,
    UsageGroup,
)
from finledger.core.money import Money
from finledger.core.period import Month, Quarter
from finledger.core.problem import Outcome
from finledger.core.quality import Evals, coverage_multiplier, freshness_multiplier
from finledger.core.quarter import MonthEnd, quarter_end
from finledger.pipeline import MonthInputs, run_month
from finledger.write.figures import month_json
from tests.laws.test_corridor import book, group

MONTHS = Quarter(2026, 3).months()
TERMS = QualityTerms(*(Decimal(text) for text in ("0.80", "0.20", "1.50", "0.90", "0.05", "0.25")))
TEAMS = ("ask", "beam", "core")

shares = st.one_of(st.none(), st.decimals(0, 1, places=2))
money = st.integers(0, 50_000).map(lambda minor: Decimal(minor) / 100)


@st.composite
def terms(draw: st.DrawFn) -> BufferTerms:
    low, high = sorted(draw(st.tuples(st.decimals(0, 1, places=2), st.decimals(0, 1, places=2))))
    return BufferTerms(
        trigger=draw(st.sampled_from([Decimal("1.5"), Decimal("3.0")])),
        cap_per_team_per_quarter=draw(money),
        size=(low, high),
        above_threshold=draw(st.booleans()),
    )


@st.composite
def quarters(
    draw: st.DrawFn,
) -> tuple[Organisation, PriceBook, list[EvalRecord], list[DrawRequest], dict[Month, list[UsageGroup]]]:
    teams = {
        name: Team(
            name,
            Dated.always(f"cc-{name}"),
            Dated(
                (
                    (None, draw(st.sampled_from(["showback", "chargeback"]))),
                    (MONTHS[1].first_day, draw(st.sampled_from(["showback", "chargeback", "optimisation"]))),
                )
            ),
            features=(f"{name}-f",),
            forecast={month: draw(money) for month in MONTHS if draw(st.booleans())},
        )
        for name in TEAMS
    }
    organisation = Organisation("Test", "USD", "UTC", "platform", "cc-0", teams, buffer_opening=draw(money))
    prices = replace(book(), quality=TERMS, buffer=draw(terms()))
    evals = [
        EvalRecord(month, f"{name}-f", draw(shares), draw(shares), 100, 10, 9)
        for month in MONTHS
        for name in TEAMS
        if draw(st.booleans())
    ]
    requests = [
        DrawRequest(
            month,
            name,
            draw(st.sampled_from([*CAUSES, "party"])),
            draw(st.sampled_from(["moved the model", " "])),
            draw(st.one_of(st.none(), money)),
        )
        for month in MONTHS
        for name in TEAMS
        if draw(st.booleans())
    ]
    usage = {
        month: [
            replace_feature(
                group(
                    draw(st.sampled_from(TEAMS)), "chat", "", draw(st.integers(0, 100_000)), 0, Decimal(0), Decimal(0), ""
                ),
                draw,
            )
            for _ in range(draw(st.integers(0, 5)))
        ]
        for month in MONTHS
    }
    return organisation, prices, evals, requests, usage


def replace_feature(one: UsageGroup, draw: st.DrawFn) -> UsageGroup:
    feature = draw(st.sampled_from([f"{name}-f" for name in TEAMS]))
    return replace(one, keys={**one.keys, "feature": feature})


def run(case, order=None) -> list[MonthCharges]:  # type: ignore[no-untyped-def]
    organisation, prices, evals, requests, usage = case
    history = History("USD")
    charged = []
    for month in MONTHS:
        rows, asked, graded = list(usage[month]), list(requests), list(evals)
        if order is not None:
            for each in (rows, asked, graded):
                order.shuffle(each)
        inputs = MonthInputs(
            month,
            organisation,
            [prices],
            lambda query, rows=rows: Outcome(tuple(rows)),
            evals=graded,
            requests=asked,
            history=history,
        )
        charges, _ = run_month(inputs)
        history = history + flows_of(charges.lines)
        charged.append(charges)
    return charged


@settings(max_examples=120)
@given(case=quarters())
def test_fund__is_never_negative_and_rolls_forward(case) -> None:  # type: ignore[no-untyped-def]
    charged = run(case)
    balance = Money(int(case[0].buffer_opening * 100), "USD")
    for charges in charged:
        assert charges.buffer.opening == balance
        balance = charges.buffer.closing
        assert balance.minor >= 0
        assert all(check.holds for check in charges.checks)


@settings(max_examples=120)
@given(case=quarters())
def test_draws__are_capped_by_team_and_quarter_and_never_exceed_the_burst(case) -> None:  # type: ignore[no-untyped-def]
    cap = case[1].buffer.cap_per_team_per_quarter
    drawn = dict.fromkeys(TEAMS, Decimal(0))
    for charges in run(case):
        for each in charges.buffer.decisions:
            drawn[each.request.team] += each.granted.amount
            if each.granted:
                assert each.reason is None and each.forecast is not None
                assert each.request.cause in CAUSES and each.request.disclosure.strip()
                assert Fraction(each.charges.amount) >= Fraction(case[1].buffer.trigger) * each.forecast
                assert Fraction(each.granted.amount) <= Fraction(each.charges.amount) - each.forecast
                assert each.request.requested is None or each.granted.amount <= each.request.requested
            if each.reason is not None:
                assert not each.granted
    assert all(amount <= cap for amount in drawn.values())


@settings(max_examples=120)
@given(case=quarters())
def test_credits__never_exceed_the_premium_paid_on_the_same_terms(case) -> None:  # type: ignore[no-untyped-def]
    """By team and feature, posted and pro forma apart: what was paid so far is at least what came back."""
    left: dict[tuple[str, str, bool], int] = {}
    for charges in run(case):
        for line in charges.lines:
            if line.key.kind in ("coverage_premium", "coverage_credit"):
                key = (line.key.team, line.key.feature, line.stage in MONEY_MOVES)
                left[key] = left.get(key, 0) + line.amount.minor
        assert all(amount >= 0 for amount in left.values())
        for line in charges.lines:
            assert (line.amount.minor < 0) == (line.key.kind in ("coverage_credit", "buffer_draw"))


@settings(max_examples=60)
@given(case=quarters(), seed=st.integers(0, 2**32))
def test_quarter__the_order_of_rows_records_and_requests_is_nothing(case, seed: int) -> None:  # type: ignore[no-untyped-def]
    straight = [month_json(charges) for charges in run(case)]
    assert straight == [month_json(charges) for charges in run(case, random.Random(seed))]


@settings(max_examples=120)
@given(case=quarters())
def test_quarter_end__clean_data_trues_nothing_up_and_rebates_end_at_the_limit(case) -> None:  # type: ignore[no-untyped-def]
    organisation, prices = case[0], case[1]
    charged = run(case)
    history = History("USD", tuple(flow for charges in charged for flow in flows_of(charges.lines)))
    ends = [
        MonthEnd(
            each.month, each.buffer.opening, each.buffer.contributions, each.buffer.repaid,
            {d.request.team: d.granted for d in each.buffer.decisions if d.granted}, each.buffer.decisions,
        )
        for each in charged
    ]  # fmt: skip
    end = quarter_end(Quarter(2026, 3), ends, history, [prices], organisation, [], [])
    assert end.true_ups == ()
    assert end.before_rebates == charged[-1].buffer.closing
    assert end.closing.minor >= 0
    if end.size.rebates:
        assert end.closing == end.size.high
    else:
        assert end.closing == end.before_rebates
    paid = history.posted("buffer", MONTHS)
    assert set(end.size.rebates) <= set(paid)


@settings(max_examples=120)
@given(
    case=quarters(),
    redrawn=st.lists(st.tuples(st.sampled_from(MONTHS), st.sampled_from(TEAMS), st.integers(0, 20_000)), max_size=6),
)
def test_quarter_end__other_draws_than_final_data_gives_are_trued_up_within_the_fund(case, redrawn) -> None:  # type: ignore[no-untyped-def]
    """Whatever was drawn then: a claw-back is the whole difference, a top-up never takes the fund below nothing."""
    organisation, prices = case[0], case[1]
    charged = run(case)
    posted = {month: {} for month in MONTHS}
    for month, team, minor in redrawn:
        posted[month][team] = Money(minor, "USD")
    history = History("USD", tuple(flow for charges in charged for flow in flows_of(charges.lines)))
    ends = [
        MonthEnd(
            each.month,
            each.buffer.opening,
            each.buffer.contributions,
            each.buffer.repaid,
            posted[each.month],
            each.buffer.decisions,
        )
        for each in charged
    ]
    end = quarter_end(Quarter(2026, 3), ends, history, [prices], organisation, [], [])
    for each in end.true_ups:
        if each.amount.minor > 0:
            assert each.amount == each.old - each.new
    available = (end.opening + end.contributions - end.draws).minor
    clawed = sum(each.amount.minor for each in end.true_ups if each.amount.minor > 0)
    topped = -sum(each.amount.minor for each in end.true_ups if each.amount.minor < 0)
    assert topped <= max(available + clawed, 0)


@given(low=st.decimals(0, 1, places=3), more=st.decimals(0, 1, places=3))
def test_coverage__more_of_it_never_costs_more(low: Decimal, more: Decimal) -> None:
    higher = min(low + more, Decimal(1))
    assert coverage_multiplier(higher, TERMS) <= coverage_multiplier(low, TERMS) <= Fraction(TERMS.max_multiplier)
    assert coverage_multiplier(higher, TERMS) >= 1


@given(history=st.lists(shares, min_size=1, max_size=8))
def test_freshness__floats_by_the_unbroken_run_up_to_the_cap(history: list[Decimal | None]) -> None:
    month = Month(2026, 9)
    records = []
    for share in history:  # back in time from September
        records.append(EvalRecord(month, "f", None, share, None, None, None))
        month = month.before
    run_length = 0
    for share in history:
        if share is None or share >= TERMS.slo:
            break
        run_length += 1
    floated = freshness_multiplier("f", Month(2026, 9), Evals(records), TERMS) - 1
    assert floated == min(Fraction(TERMS.step) * run_length, Fraction(TERMS.cap))


@given(
    excesses=st.lists(st.integers(1, 10**6), min_size=1, max_size=3),
    held=st.integers(0, 10**6),
)
def test_short_fund__is_split_whole_and_nobody_gets_more_than_allowed(excesses: list[int], held: int) -> None:
    teams = {name: Team(name, Dated.always("cc"), Dated.always("chargeback")) for name in TEAMS}
    organisation = Organisation("Test", "USD", "UTC", "platform", "cc-0", teams)
    requests = [DrawRequest(MONTHS[0], name, "backfill", "said", None) for name, _ in zip(TEAMS, excesses)]
    claim = Claim(
        BufferTerms(Decimal(1), Decimal(10**6), (Decimal(0), Decimal(1))),
        {name: Money(100 + excess, "USD") for name, excess in zip(TEAMS, excesses)},
        dict.fromkeys(TEAMS, Forecast(Fraction(1))),
        {},
        Money(held, "USD"),
    )
    decisions = decide(requests, organisation, claim)
    assert sum(each.granted.minor for each in decisions) == min(held, sum(excesses))
    assert all(each.granted.minor <= each.allowed.minor for each in decisions)


@given(balance=st.integers(0, 10**7), paid=st.dictionaries(st.sampled_from(TEAMS), st.integers(1, 10**6), max_size=3))
def test_rebates__give_back_exactly_the_excess(balance: int, paid: dict[str, int]) -> None:
    from finledger.core.history import Flow

    flows = [Flow(MONTHS[0], MONTHS[0], team, "f", "action", "buffer", True, minor) for team, minor in paid.items()]
    flows += [Flow(MONTHS[0], MONTHS[0], "ask", "f", "action", "base", True, 300_000)]
    terms = BufferTerms(Decimal(3), Decimal(0), (Decimal("0.05"), Decimal("0.10")))
    found = size(Money(balance, "USD"), Quarter(2026, 3), History("USD", tuple(flows)), [replace(book(), buffer=terms)], 1)
    assert found.high == Money(10_000, "USD")
    assert found.rebated.minor == (max(0, balance - 10_000) if paid else 0)
