"""Credits (rule L4): at the price that was charged, with all that was charged on the line, and never more than the line."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finledger.books.events import Event
from finledger.core.credit import (
    Credit,
    Credited,
    content,
    credit_lines,
    credits_of,
    left_of,
    lines_of,
    posting_month,
    rebilled,
    share_of,
    standing_on,
)
from finledger.core.model import ChargeLine, LineKey, Operated, Organisation
from finledger.core.money import Money, split
from finledger.core.period import Month

JULY, AUGUST, SEPTEMBER = Month(2026, 7), Month(2026, 8), Month(2026, 9)
HERE = Organisation("x", "USD", "UTC", "ai-platform", "cc-1000", {})


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def made(kind: str, quantity: int, components: dict[str, int], month: Month = JULY, **key: object) -> ChargeLine:
    named = LineKey("ads", "cc-4700", "bidding", "chat_call", "inference", "gpt", kind, "2026-Q3.v1", JULY, month)
    parts = tuple((name, usd(minor)) for name, minor in sorted(components.items()))
    amount = usd(sum(components.values()))
    return ChargeLine(named._replace(**key), "chargeback", Decimal(quantity), "action", Decimal("0.01"), amount, parts)


LINE = made("action", 3, {"base": 79, "buffer": 5, "overhead": 16})
COVERAGE = replace(made("coverage_premium", 1, {"coverage_premium": 20}), unit="month")
FRESHNESS = replace(made("freshness_premium", 1, {"freshness_premium": 7}), unit="month")


def credited(
    line: ChargeLine, quantity: int, before: list[Credit], attached: tuple[ChargeLine, ...] = (), later: tuple = ()
) -> Credit:
    """A credit of August, with the id that comes next."""
    left = {each.line_id: left_of(each, before, later, HERE) for each in (line, *attached)}
    credit_id = f"C-2026-{len(before) + 1:04d}"
    lines = credit_lines(line, attached, Decimal(quantity), credit_id, AUGUST, left=left, rounding="half_up")
    share = share_of(Decimal(quantity), left[line.line_id])
    return Credit(
        credit_id,
        AUGUST,
        "INV-2026-0001",
        "ads",
        line.line_id,
        JULY,
        "r",
        "Bo",
        "2026-08-20",
        "",
        "",
        share,
        "half_up",
        lines,
    )


def amounts(credit: Credit) -> list[tuple[str, str, dict[str, int]]]:
    return [
        (each.line.key.item, str(each.line.amount), {name: part.minor for name, part in each.line.components})
        for each in credit.lines
    ]


def test_whole_line__goes_back_component_by_component() -> None:
    credit = credited(LINE, 3, [])
    assert amounts(credit) == [("chat_call", "-1.00", {"base": -79, "buffer": -5, "overhead": -16})]
    (line,) = (each.line for each in credit.lines)
    assert (line.key.kind, line.key.posting_month, line.key.service_month) == ("adjustment", AUGUST, JULY)
    assert (line.quantity, line.unit_price, line.key.credit, line.stage) == (
        -3,
        Decimal("0.01"),
        "C-2026-0001",
        "chargeback",
    )
    assert line.line_id != LINE.line_id


def test_thirds__add_up_to_the_line_and_to_each_component() -> None:
    """1.00 in three: 1/3 of 1.00 is 0.33; 1/2 of the 0.67 that are left is 0.335, 0.34 half up; 0.33 is left.

    0.33 of 0.79, 0.05, 0.16 is 26.07, 1.65, 5.28 cents: 26, 2, 5. 0.34 of 0.53, 0.03, 0.11 is 26.89, 1.52, 5.58 cents: 27, 1, 6.
    """
    first = credited(LINE, 1, [])
    second = credited(LINE, 1, [first])
    third = credited(LINE, 1, [first, second])
    assert amounts(first) == [("chat_call", "-0.33", {"base": -26, "buffer": -2, "overhead": -5})]
    assert amounts(second) == [("chat_call", "-0.34", {"base": -27, "buffer": -1, "overhead": -6})]
    assert amounts(third) == [("chat_call", "-0.33", {"base": -26, "buffer": -2, "overhead": -5})]
    left = left_of(LINE, [first, second, third], (), HERE)
    assert (left.quantity, left.amount, set(left.components.values())) == (0, usd(0), {usd(0)})


def test_more_than_is_left__is_refused() -> None:
    first = credited(LINE, 2, [])
    with pytest.raises(ValueError, match="2 is not a part of the 1"):
        credited(LINE, 2, [first])
    for quantity in (0, -1, 4):
        with pytest.raises(ValueError):
            credited(LINE, quantity, [])


def test_premiums__go_back_in_proportion() -> None:
    """2 of 3 calls: 2/3 of 1.00 is 0.67, of the premium 0.20 is 0.1333 → 0.13, of 0.07 is 0.04666 → 0.05."""
    credit = credited(LINE, 2, [], (COVERAGE, FRESHNESS))
    assert [(item, amount) for item, amount, _ in amounts(credit)] == [
        ("chat_call", "-0.67"),
        ("chat_call/coverage_premium", "-0.13"),
        ("chat_call/freshness_premium", "-0.05"),
    ]
    assert [part for _, _, parts in amounts(credit) for part in parts] == [
        "base", "buffer", "overhead", "coverage_premium", "freshness_premium",
    ]  # fmt: skip
    assert len({each.line.line_id for each in credit.lines}) == 3
    rest = credited(LINE, 1, [credit], (COVERAGE, FRESHNESS))
    assert [amount for _, amount, _ in amounts(rest)] == ["-0.33", "-0.07", "-0.02"]


def test_premium_alone__and_then_its_line() -> None:
    alone = credited(COVERAGE, 1, [])
    assert amounts(alone) == [("chat_call", "-0.20", {"coverage_premium": -20})]
    with_line = credited(LINE, 3, [alone], (COVERAGE,))
    assert [amount for _, amount, _ in amounts(with_line)] == ["-1.00"]


@pytest.mark.parametrize(
    ("month", "stage", "quarter_start", "given_back"),
    [
        (SEPTEMBER, "chargeback", 1, True),
        (JULY, "chargeback", 1, False),  # the credits of a month are for the months before it
        (Month(2026, 10), "chargeback", 1, False),  # another quarter
        (SEPTEMBER, "chargeback", 9, False),  # the fiscal year begins in September
        (SEPTEMBER, "showback", 1, False),  # pro forma gives back what was pro forma
    ],
)
def test_coverage_that_came_back__is_not_given_twice(month: Month, stage: str, quarter_start: int, given_back: bool) -> None:
    """Q2 gave all of the feature's premium back: a credit of the line has none of it left to give."""
    organisation = replace(HERE, fiscal_year_start=quarter_start)
    back = made("coverage_credit", 1, {"coverage_credit": -500}, month=month, item="", service_month=month)
    left = left_of(COVERAGE, [], [replace(back, stage=stage)], organisation)
    assert left.amount == usd(0 if given_back else 20)


def test_corrections__below_zero_leave_less() -> None:
    """Late rows took 2 of the 3 calls back: 0.67 of the 1.00. One above zero is a line of its own, and adds nothing."""
    down = made("action", -2, {"base": -53, "buffer": -3, "overhead": -11}, month=AUGUST)
    up = made("action", 5, {"base": 130}, month=SEPTEMBER)
    left = left_of(LINE, [], [down, up], HERE)
    assert (left.quantity, left.amount) == (1, usd(33))
    credit = credited(LINE, 1, [], later=(down, up))
    assert amounts(credit) == [("chat_call", "-0.33", {"base": -26, "buffer": -2, "overhead": -5})]


def test_standing_on__premiums_of_the_very_line() -> None:
    other = replace(COVERAGE, key=COVERAGE.key._replace(model="gpt-small"))
    assert standing_on(LINE, [LINE, other, FRESHNESS, COVERAGE]) == (COVERAGE, FRESHNESS)
    assert standing_on(COVERAGE, [LINE, COVERAGE]) == ()


def test_rebill__the_same_lines_for_another_team() -> None:
    """What search operated of it for ads is search's own use now; what retrieval operated stays retrieval's."""
    operated = (Operated("retrieval", "cc-7", usd(30)), Operated("search", "cc-4815", usd(20)))
    credit = credited(replace(LINE, operators=operated), 3, [], (COVERAGE,))
    assert [part.amount for part in credit.lines[0].line.operators] == [usd(-30), usd(-20)]
    debit = rebilled(credit.lines, "search", "cc-4815", "showback")
    for back, charged in zip(credit.lines, debit, strict=True):
        assert charged.line.amount == -back.line.amount and charged.of == back.of
        assert charged.line.key == back.line.key._replace(team="search", cost_center="cc-4815")
        assert charged.line.stage == "showback" and charged.line.quantity == -back.line.quantity
    assert debit[0].line.operators == (Operated("retrieval", "cc-7", usd(30)),)


def test_rebilled_lines__can_be_credited_with_their_premiums() -> None:
    first = credited(LINE, 3, [], (COVERAGE,))
    debit = rebilled(first.lines, "search", "cc-4815", "chargeback")
    charged, premium = (each.line for each in debit)
    assert standing_on(charged, [premium, charged]) == (premium,)
    again = replace(credited(charged, 3, [first], (premium,)), team="search")
    assert amounts(again) == [
        ("chat_call", "-1.00", {"base": -79, "buffer": -5, "overhead": -16}),
        ("chat_call/coverage_premium", "-0.20", {"coverage_premium": -20}),
    ]


def test_posting_month__the_first_open_one_and_not_before_the_line() -> None:
    assert posting_month(LINE, None) == JULY
    assert posting_month(LINE, Month(2026, 6)) == JULY
    assert posting_month(LINE, JULY) == AUGUST
    assert posting_month(LINE, Month(2026, 12)) == Month(2027, 1)


def test_log__gives_back_what_was_written() -> None:
    credit = replace(credited(LINE, 2, [], (COVERAGE,)), rebilled="search")
    credit = replace(credit, lines=(*credit.lines, *rebilled(credit.lines, "search", "cc-4815", "chargeback")))
    event = Event(1, "credit", "2026-08", credit.credit_id, content(credit), "", "")
    (found,) = credits_of([event])
    assert [each.line for each in found.lines] == [each.line for each in credit.lines]
    assert (found.amount, found.share, len(found.given)) == (usd(-80), Fraction(2, 3), 2)
    assert lines_of([event], JULY) == ()
    assert sum(line.amount.minor for line in lines_of([event], AUGUST)) == 0
    assert [line.key for line in lines_of([event], AUGUST)] == sorted(each.line.key for each in credit.lines)


@given(
    minors=st.lists(st.integers(0, 10_000), min_size=3, max_size=3),
    pieces=st.lists(st.integers(1, 50), min_size=1, max_size=6),
)
def test_any_pieces__add_up_to_the_line(minors: list[int], pieces: list[int]) -> None:
    """However a line is credited bit by bit, all of it comes back, each component too, and no bit is below zero."""
    parts = dict(zip(("base", "buffer", "overhead"), minors, strict=True))
    line = made("action", sum(pieces), parts)
    before: list[Credit] = []
    for quantity in pieces:
        credit = credited(line, quantity, before)
        assert all(each.line.amount.minor < 0 for each in credit.lines)
        assert all(part.minor < 0 for each in credit.lines for _, part in each.line.components)
        before.append(credit)
        if not credit.lines:  # this bit rounds to nothing: nothing is written, and nothing is gone
            before.pop()
            break
    else:
        left = left_of(line, before, (), HERE)
        assert left.quantity == 0 and set(left.components.values()) <= {usd(0)}


def test_operated__in_proportion() -> None:
    """A third of 1.00, of which retrieval operated 0.40: 0.33, of it 13.2 cents → 0.13."""
    credit = credited(replace(LINE, operators=(Operated("retrieval", "cc-7", usd(40)),)), 1, [])
    assert credit.lines[0].line.operators == (Operated("retrieval", "cc-7", usd(-13)),)
    assert split(usd(33), {0: 60, 1: 40}, 0)[1] == usd(13)


def test_nothing_left__credits_nothing() -> None:
    none = credit_lines(
        LINE,
        (),
        Decimal(0),
        "C-2026-0002",
        AUGUST,
        left={LINE.line_id: left_of(LINE, [credited(LINE, 3, [])], (), HERE)},
        rounding="half_up",
    )
    assert none == ()
    assert isinstance(credited(LINE, 3, []).lines[0], Credited)
