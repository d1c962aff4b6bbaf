"""What closing a month, and checking it, cost beside charging it once: at most 2 x for `close`, 3 x for `verify`.

    python -m bench.close [ROWS]

The company of bench.allocate (20 M stored rows of one month, 1,600 charge lines, 40 teams). A round is: allocate, close, verify,
explain a line, reopen. Whole processes; the medians are compared. `explain` has a limit of its own, in seconds.
"""

from __future__ import annotations

import csv
import statistics
import sys
import tempfile
from pathlib import Path

from bench._process import timed
from bench.allocate import JULY, ROUNDS, SHAPES, make_books

LIMITS = {"close": 2.0, "verify": 3.0}
EXPLAIN_SECONDS = 2.0


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    with tempfile.TemporaryDirectory() as scratch:
        books = Path(scratch) / "books"
        make_books(books, rows, SHAPES["company"])
        run, at = [sys.executable, "-m", "finledger"], ["--books", str(books)]
        month, person = ["--month", str(JULY)], ["--by", "bench", "--reason", "bench"]
        timed([*run, "allocate", *month, *at])
        commands = {
            "allocate": [*run, "allocate", *month, *at],
            "close": [*run, "close", *month, *at],
            "verify": [*run, "verify", *at],
            "explain": [*run, "explain", f"{JULY}/team-7", _line_of("team-7", books), *at],
            "reopen": [*run, "reopen", *month, *person, *at],
        }
        runs = [{name: timed(command) for name, command in commands.items()} for _ in range(ROUNDS)]
        print(f"{rows:,} rows\n{'':12}{'seconds':>9}{'peak MB':>9}{'ratio':>7}{'limit':>7}")
        base = statistics.median(each["allocate"][0] for each in runs)
        for name in commands:
            seconds = statistics.median(each[name][0] for each in runs)
            limit = f"{LIMITS[name]:7.1f}" if name in LIMITS else f"{EXPLAIN_SECONDS:5.1f} s" if name == "explain" else ""
            print(f"{name:12}{seconds:9.2f}{max(each[name][1] for each in runs):9}{seconds / base:7.2f}{limit}")


def _line_of(team: str, books: Path) -> str:
    with (books / "out" / str(JULY) / "charges.csv").open(newline="") as stream:
        return next(row["line_id"] for row in csv.DictReader(stream) if row["team"] == team and row["component"] == "base")


if __name__ == "__main__":
    main()
