"""A report over a year of a thousand teams: 12 months of 20 lines a team, each allocated; the page, and what else looks at a year.

    python -m bench.report [TEAMS]

What earlier months come to is kept, by the close of each, the first `allocate` of the next one, or the first report that looks back
on it. Measured are the first report, one with a month that changed since, and one of which nothing is kept; and the `allocate` of
the first and the last month, which should cost the same but for what it keeps.

Limits: 20 s and 5 MB for the page of the last month with its trends, 2 s to open it in Chromium, where one
is installed. The books of bench._books, with usage in every month.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from bench._books import make_books
from bench._process import timed
from finledger.core.period import Month
from tests.chromium import PROGRAM, browser

LIMIT_SECONDS, LIMIT_BYTES, LIMIT_OPEN = 20, 5_000_000, 2
YEAR = tuple(Month(2026, number) for number in range(1, 13))


def main() -> None:
    teams = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    last = str(YEAR[-1])
    with tempfile.TemporaryDirectory() as scratch:
        books = Path(scratch) / "books"
        make_books(books, teams, YEAR, budget="900.00")
        run, at = [sys.executable, "-m", "finledger"], ["--books", str(books), "--quiet"]
        print(f"{teams:,} teams, 12 months\n{'':34}{'seconds':>9}{'cpu':>9}{'peak MB':>9}")
        timed([*run, "load", *at])
        for month in YEAR:
            _measure(
                f"allocate {month}", [*run, "allocate", "--month", str(month), *at], prints=month in (YEAR[0], YEAR[-1])
            )
        report = [*run, "report", "--month", last, *at]
        looked_back = books / "store" / "figures"
        _measure("the first report", report)
        shutil.rmtree(looked_back / f"month={YEAR[-2]}")
        _measure("with a month to look back on anew", report)
        shutil.rmtree(looked_back)
        _measure("with nothing kept", report)
        for words in (["digest", "--at", f"{last}-20"], ["review", "status", "--month", last]):
            _measure(" ".join(words), [*run, *words, *at])
        page = books / "out" / last / "report.html"
        if PROGRAM is not None:
            with browser() as opened:
                opened.open(page)
                print(f"{'its page, opened in Chromium':34}{opened.seconds_to_load():9.2f}")
        print(
            f"page of {page.stat().st_size:,} bytes; limits of the report: {LIMIT_SECONDS} s, {LIMIT_BYTES:,} bytes,"
            f" {LIMIT_OPEN} s to open it"
        )


def _measure(name: str, command: list[str], prints: bool = True) -> None:
    seconds, memory, processor = timed(command)
    if prints:
        print(f"{name:34}{seconds:9.2f}{processor:9.2f}{memory:9}", flush=True)


if __name__ == "__main__":
    main()
