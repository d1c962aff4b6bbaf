"""Whether a month has all its usage: days in the books' time zone, sources that fell silent, months without any."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from finledger.core.period import Month
from finledger.workbench import Workbench, closing
from tests.close.small_books import (
    AUGUST,
    JULY,
    PRICEBOOK,
    SETTINGS,
    charged,
    close,
    daily,
    load_late,
    make_books,
    row,
)

MARCH, OCTOBER = Month(2026, 3), Month(2026, 10)
YEAR = PRICEBOOK.replace("2026-07-01", "2026-01-01").replace("2026-10-01", "2027-01-01").replace("2026-06-24", "2025-12-20")


def missing(root: Path, month: Month) -> list[str]:
    """The messages of what the month lacks."""
    return [problem.message for problem in closing.look_at_month(Workbench(root), month, ()).unmet]


def in_zone(root: Path, zone: str, instants: Iterable[str]) -> Path:
    rows = [row(f"r{number}", "day", "search", 100).replace("dayT12:00:00Z", ts) for number, ts in enumerate(instants)]
    texts = {"finledger.yaml": f"{SETTINGS}timezone: {zone}\n", "pricebooks/2026-Q3.yaml": YEAR}
    return make_books(root, {"daily.csv": rows}, texts)


def moved(instants: list[str], old: str, seconds: int) -> list[str]:
    """One of the instants this much later."""
    at = datetime.fromisoformat(old.replace("Z", "+00:00")) + timedelta(seconds=seconds)
    new = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert old in instants
    return [new if each == old else each for each in instants]


def last_seconds(month: Month, ends: Iterable[tuple[int, str]]) -> list[str]:
    """The last second of each day, in UTC: `ends` holds from which day on it is which time."""
    times = dict(ends)
    found, time = [], ""
    for day in range(1, month.last_day.day + 1):
        time = times.get(day, time)
        found.append(f"{month}-{day:02}T{time}Z")
    return found


# What the last second of a day is in UTC. Kolkata is 5:30 h ahead; Berlin 1 h, from 29 March until 25 October 2 h. The day of
# the change in spring has 23 h and ends in summer time; that in autumn has 25 h and ends in winter time.
ZONES = {
    "Asia/Kolkata": (JULY, [(1, "18:29:59")], "2026-07-20T18:29:59Z", "2026-07-20"),
    "Europe/Berlin, spring": (MARCH, [(1, "22:59:59"), (29, "21:59:59")], "2026-03-29T21:59:59Z", "2026-03-29"),
    "Europe/Berlin, the day before": (MARCH, [(1, "22:59:59"), (29, "21:59:59")], "2026-03-28T22:59:59Z", "2026-03-28"),
    "Europe/Berlin, autumn": (OCTOBER, [(1, "21:59:59"), (25, "22:59:59")], "2026-10-25T22:59:59Z", "2026-10-25"),
    "Europe/Berlin, the day after": (OCTOBER, [(1, "21:59:59"), (25, "22:59:59")], "2026-10-26T22:59:59Z", "2026-10-26"),
}


@pytest.mark.parametrize("case", ZONES)
def test_days__end_in_the_books_time_zone(case: str, tmp_path: Path) -> None:
    """A row in each day's last second: none is missing. The same a second later belongs to the next day: one is."""
    month, ends, instant, day = ZONES[case]
    instants = last_seconds(month, ends)
    zone = case.partition(",")[0]
    assert missing(in_zone(tmp_path / "all", zone, instants), month) == []
    one_less = in_zone(tmp_path / "less", zone, moved(instants, instant, 1))
    assert missing(one_less, month) == [f"no usage at all of {month} on 1 day: {day}"]


@pytest.mark.parametrize("case", ZONES)
def test_days__begin_in_the_books_time_zone(case: str, tmp_path: Path) -> None:
    """The first second of each day is the one after the last of the day before."""
    month, ends, instant, _ = ZONES[case]
    zone = case.partition(",")[0]
    before = f"{month.before.last_day}T{ends[0][1]}Z"
    instants = [before, *last_seconds(month, ends)[:-1]]
    firsts = [moved([each], each, 1)[0] for each in instants]
    assert missing(in_zone(tmp_path / "all", zone, firsts), month) == []
    last, following = moved([instant], instant, 1)[0], str(int(instant[8:10]) + 1)
    one_less = in_zone(tmp_path / "less", zone, moved(firsts, last, -1))
    assert missing(one_less, month) == [f"no usage at all of {month} on 1 day: {instant[:8]}{following}"]


def test_days__ten_are_listed(tmp_path: Path) -> None:
    make_books(tmp_path, {"daily.csv": daily(JULY, without=range(2, 15))})
    (said,) = missing(tmp_path, JULY)
    days = ", ".join(f"2026-07-{day:02}" for day in range(2, 12))
    assert said == f"no usage at all of 2026-07 on 13 days: {days} and 3 more"


@pytest.mark.parametrize(
    ("written", "daily_source"),
    [
        (25, True),  # 25 of 31 days are 80.6 %
        (24, False),  # 24 of 31 are 77.4 %: it writes on working days only
    ],
)
def test_days__of_a_source_that_writes_each_day(written: int, daily_source: bool, tmp_path: Path) -> None:
    usage = {"gateway/july.csv": daily(JULY), "crm/july.csv": daily(JULY, "support", without=range(written + 1, 32))}
    make_books(tmp_path, usage)
    lacking = ", ".join(f"2026-07-{day}" for day in range(written + 1, 32))
    assert missing(tmp_path, JULY) == ([f"no usage of crm in 2026-07 on 6 days: {lacking}"] if daily_source else [])


def test_days__that_nobody_wrote_are_named_once(tmp_path: Path) -> None:
    """A day on which no source wrote is not each source's own."""
    usage = {"gateway/july.csv": daily(JULY, without=(9,)), "crm/july.csv": daily(JULY, "support", without=(9, 10))}
    make_books(tmp_path, usage)
    assert missing(tmp_path, JULY) == [
        "no usage at all of 2026-07 on 1 day: 2026-07-09",
        "no usage of crm in 2026-07 on 1 day: 2026-07-10",
    ]


def test_days__of_what_is_only_compared_do_not_count(tmp_path: Path) -> None:
    """The provider's own view covers each day, the gateway's does not: the 9th is missing. That the view ends is no matter."""
    settings = f"{SETTINGS}sources: {{focus: {{role: reconcile}}}}\n"
    usage = {"gateway/july.csv": daily(JULY, without=(9,)), "focus/july.csv": daily(JULY, "support")}
    make_books(tmp_path, usage, {"finledger.yaml": settings})
    assert missing(tmp_path, JULY) == ["no usage at all of 2026-07 on 1 day: 2026-07-09"]
    close(tmp_path, JULY, waive="days-missing")
    load_late(tmp_path, "gateway/august.csv", daily(AUGUST))
    assert missing(tmp_path, AUGUST) == []


def test_not_loaded__where_only_the_providers_view_is(tmp_path: Path) -> None:
    """The rows of a source that is only compared charge nobody: the export that is charged was forgotten."""
    settings = f"{SETTINGS}sources: {{focus: {{role: reconcile}}}}\n"
    make_books(tmp_path, {"focus/july.csv": daily(JULY)}, {"finledger.yaml": settings})
    assert missing(tmp_path, JULY) == ["no usage of 2026-07 is loaded but what is only compared (focus)"]


def test_sources__that_fell_silent(tmp_path: Path) -> None:
    usage = {"gateway/all.csv": [*daily(JULY), *daily(AUGUST)], "crm/july.csv": [row("c1", "2026-07-31", "support", 10)]}
    make_books(tmp_path, usage)
    close(tmp_path, JULY)
    assert missing(tmp_path, AUGUST) == ["crm has usage in 2026-07, and none in 2026-08"]
    load_late(tmp_path, "crm/august.csv", [row("c2", "2026-08-01", "support", 10)])
    assert missing(tmp_path, AUGUST) == []


def test_seats_only__close_with_a_waiver(tmp_path: Path) -> None:
    """Nothing ran in August; 40 seats at 30.00 are charged all the same: 1,200.00."""
    settings = SETTINGS.replace("cc-4815,", "cc-4815, seats: {assistant: 40},")
    texts = {"finledger.yaml": settings, "pricebooks/2026-Q3.yaml": f"{PRICEBOOK}seats: {{assistant: {{rate: 30.00}}}}\n"}
    make_books(tmp_path, {"july.csv": daily(JULY)}, texts)
    close(tmp_path, JULY)
    assert missing(tmp_path, AUGUST) == ["no usage of 2026-08 is loaded"]
    close(tmp_path, AUGUST, waive="month-not-loaded")
    assert charged(tmp_path, AUGUST) == {("search", "2026-08", "assistant"): "1200.00"}


def test_seats_only__from_the_beginning(tmp_path: Path) -> None:
    settings = SETTINGS.replace("cc-4815,", "cc-4815, seats: {assistant: 40},")
    texts = {"finledger.yaml": settings, "pricebooks/2026-Q3.yaml": f"{PRICEBOOK}seats: {{assistant: {{rate: 30.00}}}}\n"}
    make_books(tmp_path, {}, texts)
    close(tmp_path, JULY, AUGUST, waive="month-not-loaded")
    assert [charged(tmp_path, month) for month in (JULY, AUGUST)] == [
        {("search", str(month), "assistant"): "1200.00"} for month in (JULY, AUGUST)
    ]
