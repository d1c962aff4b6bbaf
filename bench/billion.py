"""A month of a billion rows on one machine beside DuckDB's bare grouping of them, then what a load of 1 % more and of nothing costs.

    python -m bench.billion [ROWS] [TIMES]

ROWS (100 M) rows of the company of bench.allocate in 8 parts, each of them under TIMES (10) names of the store, as links: the
disk, and what the operating system holds of it, is that of ROWS. For the program they are TIMES as many parts, each read whole,
with its footer, its kept groups and its line in the ledger. One run each: whole processes, nothing kept before the first.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from bench._process import timed
from bench.allocate import JULY, PARTS, SHAPES, add_rows, bare_sql, make_books, part_at
from finledger.books.ledger import Ledger


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000_000
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory(prefix="finledger-bench-") as scratch:
        books = Path(scratch) / "books"
        paths = multiplied(books, make_books(books, rows, SHAPES["company"]), rows // PARTS, times)
        print(f"{rows * times:,} rows in {len(paths)} parts\n{'':28}{'seconds':>9}{'cpu s':>9}{'peak MB':>9}")
        measure("bare DuckDB grouping", [sys.executable, "-c", f"import duckdb; duckdb.sql({bare_sql(paths)!r}).fetchall()"])
        allocate = [sys.executable, "-m", "finledger", "allocate", "--month", str(JULY), "--books", str(books)]
        measure("allocate, nothing kept", allocate)
        add_rows(books, rows * times // 100)
        measure("allocate after 1 % more", allocate)
        measure("allocate after nothing", allocate)


def multiplied(books: Path, paths: list[Path], rows: int, times: int) -> list[Path]:
    """Each part under `times` names in all."""
    links = []
    with Ledger.open(books / "store" / "ledger.sqlite").write() as ledger:
        for path in paths:
            for number in range(1, times):
                link = path.with_stem(hashlib.sha256(f"{path.stem} {number}".encode()).hexdigest())
                os.link(path, link)
                ledger.add_part(part_at(books, link, rows))
                links.append(link)
    return paths + links


def measure(name: str, command: list[str]) -> None:
    run = timed(command)
    print(f"{name:28}{run.seconds:9.2f}{run.processor:9.2f}{run.memory:9}", flush=True)


if __name__ == "__main__":
    main()
