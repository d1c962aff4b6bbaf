"""A month's forecasts are those that stood when the month was first seen; what is written later is listed and does not count.

Search has 40,000 calls at 0.0126 = 504.00 in a month, 400.00 of it base. From a forecast of 100.00 it may draw 404.00; from
one of 160.00, 344.00; from one of 200.00 nothing, as 504.00 is less than 3 x 200.00 (rules B2, B3).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import finledger, finledger_json

BOOK = """\
pricebook: 2026-Q3
version: 1
effective_from: 2026-07-01
effective_until: 2026-10-01
published: 2026-06-24
currency: USD
uplift: {overhead: 0.20, registry: 0.05, buffer: 0.05}
actions:
  chat_call: {funding: consumer, pricing: published, base: 0.01, price: 0.0126}
buffer: {cap_per_team_per_quarter: 5000.00}
"""
SETTINGS = """\
books: Forecasts
currency: USD
platform: {team: ai-platform, cost_center: cc-1000}
buffer: {opening: 9000.00}
teams:
"""
SEARCH = "  search: {cost_center: cc-4815, stage: chargeback, forecast: %s}\n"
HEADER = "usage_id,ts,team,action,requests\n"
Charged = Callable[..., tuple[str, list[dict[str, str]], str]]


@pytest.fixture
def books(tmp_path: Path) -> Path:
    for folder in ("usage", "pricebooks", "decisions"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pricebooks" / "2026-Q3.yaml").write_text(BOOK)
    rows = "".join(f"{month},search,backfill,The corpus was embedded again,\n" for month in ("2026-07", "2026-08"))
    (tmp_path / "decisions" / "draws.csv").write_text("month,team,cause,disclosure,requested\n" + rows)
    return tmp_path


@pytest.fixture
def charged(books: Path, capsys: pytest.CaptureFixture[str]) -> Charged:
    """What search draws in a month, which requests are refused, and what is said about it."""

    def allocate(month: str = "2026-07") -> tuple[str, list[dict[str, str]], str]:
        capsys.readouterr()
        finledger("allocate", "--books", books, "--month", month, "--format", "json")
        printed = capsys.readouterr()
        figures: dict[str, Any] = json.loads(printed.out)
        return figures["teams"]["search"]["buffer_draw"], figures["buffer"]["refused"], printed.err

    return allocate


def _teams(books: Path, *lines: str) -> None:
    (books / "finledger.yaml").write_text(SETTINGS + "".join(lines))


def _usage(books: Path, name: str, month: str = "2026-07", team: str = "search", calls: int = 40_000) -> Path:
    path = books / "usage" / f"{name}.csv"
    path.write_text(f"{HEADER}{name},{month}-10T12:00:00Z,{team},chat_call,{calls}\n")
    return path


@pytest.mark.parametrize(
    ("later", "said"),
    [("{2026-07: 160.00}", "is 160.00 now"), ("{2026-07: 200.00}", "is 200.00 now"), ("{2026-08: 90.00}", "is missing now")],
)
def test_load_alone_freezes__an_edited_forecast_does_not_count(books: Path, charged: Charged, later: str, said: str) -> None:
    _teams(books, SEARCH % "{2026-07: 100.00}")
    _usage(books, "july")
    finledger("load", "--books", books)
    _teams(books, SEARCH % later)
    draw, refused, err = charged()
    assert draw == "404.00" and refused == []
    assert "warning[forecast-edited] finledger.yaml:6" in err
    assert "the forecast of search for 2026-07 was 100.00 when the month was first seen, and " + said in " ".join(
        err.split()
    )
    draw, _, err = charged()
    assert draw == "404.00" and "forecast-edited" in err, "it is said in every run"


def test_put_back__says_nothing(books: Path, charged: Charged) -> None:
    _teams(books, SEARCH % "{2026-07: 100.00}")
    _usage(books, "july")
    finledger("load", "--books", books)
    _teams(books, SEARCH % "{2026-07: 160.00}")
    assert "forecast-edited" in charged()[2]
    _teams(books, SEARCH % "{2026-07: 100.00}")
    assert charged()[0] == "404.00"
    assert "forecast-edited" not in charged()[2]


def test_forecast_written_after_the_load__is_none(books: Path, charged: Charged) -> None:
    _teams(books, SEARCH % "{}")
    _usage(books, "july")
    finledger("load", "--books", books)
    _teams(books, SEARCH % "{2026-07: 100.00}")
    draw, refused, err = charged()
    assert draw == "0.00" and refused == [{"team": "search", "reason": "no_forecast"}]
    assert "was missing when the month was first seen, and is 100.00 now" in " ".join(err.split())


def test_team_added_later__has_no_forecast(books: Path, charged: Charged) -> None:
    _teams(books, SEARCH % "{2026-07: 100.00}")
    _usage(books, "july")
    finledger("load", "--books", books)
    _teams(
        books,
        SEARCH % "{2026-07: 100.00}",
        "  support: {cost_center: cc-4822, stage: chargeback, forecast: {2026-07: 50}}\n",
    )
    with (books / "decisions" / "draws.csv").open("a") as draws:
        draws.write("2026-07,support,backfill,Tickets were read again,\n")
    finledger("load", _usage(books, "late", team="support"), "--books", books)
    draw, refused, err = charged()
    assert draw == "404.00" and refused == [{"team": "support", "reason": "no_forecast"}]
    assert "warning[forecast-edited] finledger.yaml:7" in err


def test_second_load_of_the_month__freezes_nothing_new(books: Path, charged: Charged) -> None:
    _teams(books, SEARCH % "{2026-07: 100.00}")
    _usage(books, "first", calls=30_000)
    finledger("load", "--books", books)
    _teams(books, SEARCH % "{2026-07: 160.00}")
    _usage(books, "second", calls=10_000)
    finledger("load", "--books", books)
    assert charged()[0] == "404.00"


def test_each_month_is_frozen_by_its_own_load(books: Path, charged: Charged) -> None:
    """Until August is loaded its forecast is open; a file with rows of both months freezes both."""
    _teams(books, SEARCH % "{2026-07: 100.00, 2026-08: 100.00}")
    _usage(books, "july")
    finledger("load", "--books", books)
    _teams(books, SEARCH % "{2026-07: 160.00, 2026-08: 160.00}")
    _usage(books, "august", "2026-08")
    finledger("load", "--books", books)
    assert charged("2026-07")[0] == "404.00"
    draw, _, err = charged("2026-08")
    assert draw == "344.00" and "forecast-edited" not in err


def test_rows_of_two_months_in_one_file__freeze_both(books: Path, charged: Charged) -> None:
    _teams(books, SEARCH % "{2026-07: 100.00, 2026-08: 100.00}")
    path = _usage(books, "both")
    path.write_text(path.read_text() + "a,2026-08-10T12:00:00Z,search,chat_call,40000\n")
    finledger("load", "--books", books)
    _teams(books, SEARCH % "{2026-07: 160.00, 2026-08: 160.00}")
    assert (charged("2026-07")[0], charged("2026-08")[0]) == ("404.00", "404.00")


def test_allocate_freezes_a_month_without_usage(books: Path, charged: Charged) -> None:
    _teams(books, SEARCH % "{2026-07: 100.00}")
    assert charged()[1] == [{"team": "search", "reason": "threshold"}]
    _teams(books, SEARCH % "{2026-07: 160.00}")
    _usage(books, "july")
    finledger("load", "--books", books)
    assert charged()[0] == "404.00"


def test_dry_runs_and_refused_loads__freeze_nothing(
    books: Path, charged: Charged, capsys: pytest.CaptureFixture[str]
) -> None:
    _teams(books, SEARCH % "{2026-07: 100.00}")
    _usage(books, "july")
    finledger("load", "--books", books, "--dry-run")
    finledger("allocate", "--books", books, "--month", "2026-07", "--dry-run")
    broken = books / "usage" / "broken.csv"
    broken.write_text(f"{HEADER}x,yesterday,search,chat_call,1\n")
    finledger("load", "--books", books, expect=1)
    broken.unlink()
    _teams(books, SEARCH % "{2026-07: 160.00}")
    assert finledger_json(capsys, "load", "--books", books)["accepted"] == 1
    draw, _, err = charged()
    assert draw == "344.00" and "forecast-edited" not in err
