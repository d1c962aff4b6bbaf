"""What a what-if on a real month costs beside charging it once. The limit is 1.2 x: the usage is grouped once for both runs.

    python -m bench.whatif [ROWS]

The company of bench.allocate (20 M stored rows, 1,600 charge lines), with a second price book. `simulate` rates the month
under another share and multiplier, `pricebook diff --month` under the other book; each rates it twice. Whole processes,
alternating; the medians are compared.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from bench._process import timed
from bench.allocate import JULY, ROUNDS, SHAPES, forget, make_books

LIMIT = 1.2


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    with tempfile.TemporaryDirectory() as scratch:
        books = Path(scratch) / "books"
        make_books(books, rows, SHAPES["company"])
        _add_second_book(books)
        run = [sys.executable, "-m", "finledger"]
        month = ["--month", str(JULY), "--books", str(books)]
        commands = {
            "finledger allocate": [*run, "allocate", *month],
            "finledger simulate": [*run, "simulate", "--share", "0.40", *month],
            "finledger pricebook diff": [*run, "pricebook", "diff", "2026-Q3", "2026-Q4", *month],
        }
        runs = []
        for _ in range(ROUNDS):
            forget(books)
            runs.append({name: timed(command) for name, command in reversed(commands.items())})  # all of them read the rows
        print(f"{rows:,} rows\n{'':26}{'seconds':>9}{'peak MB':>9}{'ratio':>7}")
        base = statistics.median(each["finledger allocate"][0] for each in runs)
        for name in commands:
            seconds = statistics.median(each[name][0] for each in runs)
            print(f"{name:26}{seconds:9.2f}{max(each[name][1] for each in runs):9}{seconds / base:7.2f}")
        print(f"limit {LIMIT}")


def _add_second_book(books: Path) -> None:
    text = (books / "pricebooks" / "2026-Q3.yaml").read_text()
    for old, new in (
        ("pricebook: 2026-Q3", "pricebook: 2026-Q4"),
        ("effective_from: 2026-07-01", "effective_from: 2026-10-01"),
        ("effective_until: 2026-10-01", "effective_until: 2027-01-01"),
        ("published: 2026-06-24", "published: 2026-09-24"),
        ("base: 0.0093, price: 0.011123", "base: 0.0090, price: 0.010764"),
    ):
        text = text.replace(old, new)
    (books / "pricebooks" / "2026-Q4.yaml").write_text(text)


if __name__ == "__main__":
    main()
