"""A report over a year of a thousand teams: 12 months of 20 lines a team, each allocated; the page, and what else looks at a year.

    python -m bench.report [TEAMS]

Limits: 20 s and 5 MB for the page of the last month with its trends, 2 s to open it in Chromium (tests/report/test_forms.py
measures that). The books of bench._books, with usage in every month.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench._books import make_books
from bench._process import timed
from finledger.core.period import Month

LIMIT_SECONDS, LIMIT_BYTES = 20, 5_000_000
YEAR = tuple(Month(2026, number) for number in range(1, 13))


def main() -> None:
    teams = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    last = str(YEAR[-1])
    with tempfile.TemporaryDirectory() as scratch:
        books = Path(scratch) / "books"
        make_books(books, teams, YEAR, budget="900.00")
        run, at = [sys.executable, "-m", "finledger"], ["--books", str(books), "--quiet"]
        for words in (["load"], *(["allocate", "--month", str(month)] for month in YEAR)):
            timed([*run, *words, *at])
        print(f"{teams:,} teams, 12 months\n{'':24}{'seconds':>9}{'peak MB':>9}")
        for words in (["report", "--month", last], ["digest", "--at", f"{last}-20"], ["review", "status", "--month", last]):
            seconds, memory, _ = timed([*run, *words, *at])
            print(f"{' '.join(words):24}{seconds:9.2f}{memory:9}", flush=True)
        size = (books / "out" / last / "report.html").stat().st_size
        print(f"page of {size:,} bytes; limits of the report: {LIMIT_SECONDS} s, {LIMIT_BYTES:,} bytes")


if __name__ == "__main__":
    main()
