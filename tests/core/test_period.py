"""Months and the instants inside them (rules M4, A7). Offsets written out: Berlin is +02:00 in summer, +01:00 in winter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from finledger.core.period import Interval, Month, instant, intervals


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize("text", ["2026-01", "2026-12", "0999-06"])
def test_month_parse__gives_back_what_it_reads(text: str) -> None:
    assert str(Month.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["2026-13", "2026-00", "2026-7", "2026-07-01", "2026", "", "26-07", " 2026-07", "2026-07\n", "2026/07", "²026-07"],
)
def test_month_parse__refuses_anything_else_and_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 2026-07"):
        Month.parse(text)


@pytest.mark.parametrize(("month", "following"), [("2026-07", "2026-08"), ("2026-11", "2026-12"), ("2026-12", "2027-01")])
def test_month_next__turns_the_year(month: str, following: str) -> None:
    assert Month.parse(month).next == Month.parse(following)


@pytest.mark.parametrize(
    ("month", "last"), [("2026-07", 31), ("2026-09", 30), ("2026-02", 28), ("2028-02", 29), ("2100-02", 28), ("2000-02", 29)]
)
def test_month_last_day__knows_leap_years(month: str, last: int) -> None:
    assert Month.parse(month).last_day.day == last


def test_month__sorts_by_time() -> None:
    months = [Month.parse(text) for text in ("2027-01", "2026-02", "2026-12", "2026-10")]
    assert [str(month) for month in sorted(months)] == ["2026-02", "2026-10", "2026-12", "2027-01"]


def test_month_bounds__in_utc_are_midnights() -> None:
    assert Month(2026, 7).bounds("UTC") == (at("2026-07-01T00:00:00+00:00"), at("2026-08-01T00:00:00+00:00"))


def test_month_bounds__in_berlin_begin_two_hours_earlier_in_summer() -> None:
    assert Month(2026, 7).bounds("Europe/Berlin") == (at("2026-06-30T22:00:00+00:00"), at("2026-07-31T22:00:00+00:00"))


def test_month_bounds__are_an_hour_longer_or_shorter_when_the_clocks_change() -> None:
    lengths = {}
    for text in ("2026-03", "2026-07", "2026-10"):
        start, end = Month.parse(text).bounds("Europe/Berlin")
        lengths[text] = end - start
    assert lengths == {
        "2026-03": timedelta(days=31, hours=-1),
        "2026-07": timedelta(days=31),
        "2026-10": timedelta(days=31, hours=1),
    }


def test_month_bounds__leave_no_gap_and_no_overlap_over_a_year() -> None:
    month = Month(2026, 1)
    for _ in range(24):
        assert month.bounds("America/New_York")[1] == month.next.bounds("America/New_York")[0]
        month = month.next


def test_instant__before_and_after_the_clocks_change() -> None:
    # On 29 March 2026 Berlin goes from +01:00 to +02:00 at 01:00 UTC: that day still begins at +01:00.
    assert instant(date(2026, 3, 29), "Europe/Berlin") == at("2026-03-28T23:00:00+00:00")
    assert instant(date(2026, 3, 30), "Europe/Berlin") == at("2026-03-29T22:00:00+00:00")


def test_instant__where_midnight_does_not_exist_is_when_the_day_begins() -> None:
    # In Beirut the clocks go from 00:00 to 01:00 on 29 March 2026: the day begins at 22:00 UTC, as 28 March ends.
    assert instant(date(2026, 3, 29), "Asia/Beirut") == at("2026-03-28T22:00:00+00:00")


def test_instant__of_a_half_hour_zone() -> None:
    assert instant(date(2026, 7, 1), "Asia/Kolkata") == at("2026-06-30T18:30:00+00:00")


def test_intervals__without_a_change_are_the_whole_month() -> None:
    assert intervals(Month(2026, 7), "UTC", []) == (Interval(0, at("2026-07-01T00:00:00+00:00"), date(2026, 7, 1)),)


def test_intervals__cut_only_inside_the_month_once_a_day_in_order() -> None:
    changes = [
        date(2026, 7, 31),
        date(2026, 7, 16),
        date(2026, 7, 1),
        date(2026, 8, 1),
        date(2026, 6, 30),
        date(2026, 7, 16),
    ]
    assert intervals(Month(2026, 7), "Europe/Berlin", changes) == (
        Interval(0, at("2026-06-30T22:00:00+00:00"), date(2026, 7, 1)),
        Interval(1, at("2026-07-15T22:00:00+00:00"), date(2026, 7, 16)),
        Interval(2, at("2026-07-30T22:00:00+00:00"), date(2026, 7, 31)),
    )


def test_intervals__begin_where_the_month_begins_and_ascend() -> None:
    cuts = intervals(Month(2026, 10), "Europe/Berlin", [date(2026, 10, day) for day in range(2, 32)])
    assert cuts[0].start == Month(2026, 10).bounds("Europe/Berlin")[0]
    assert [cut.number for cut in cuts] == list(range(31))
    steps = [after.start - before.start for before, after in pairwise(cuts)]
    assert steps.count(timedelta(hours=25)) == 1
    assert steps.count(timedelta(hours=24)) == 29
