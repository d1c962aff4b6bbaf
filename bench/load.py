"""What loading costs beside DuckDB's bare copy of the same CSV into Parquet. The limit is 2 x, in 1 GB.

    python -m bench.load [ROWS]

5 M native rows of 18 columns and three months, unique ids. `bare` is COPY (SELECT * FROM read_csv(FILE)) TO PARQUET: types
guessed, nothing validated, no ids compared. `load` hashes the file, validates and casts every value, finds duplicates, cuts
by month, and records it all. Each is a whole process on an empty target; the operating system may hold the CSV for both.
docs/decisions/0023-what-a-load-costs.md has where the time goes, and what is in the way.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from bench._process import timed
from bench.generate import usage_csv

ROUNDS, LIMIT = 3, 2.0
SETTINGS = "books: Bench\ncurrency: USD\ntimezone: UTC\nplatform: {team: platform, cost_center: cc-0}\nteams: {}\n"


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        export = usage_csv(folder / "usage.csv", rows)
        runs = [
            (timed(bare(export, folder / f"{n}.parquet")), timed(ours(export, folder / f"books-{n}"))) for n in range(ROUNDS)
        ]
        size = export.stat().st_size
    bare_seconds, our_seconds = (statistics.median(run[which][0] for run in runs) for which in (0, 1))
    print(f"{rows:,} rows, {size / 1e6:,.0f} MB of CSV")
    print(f"{'':22}{'seconds':>9}{'peak MB':>9}")
    print(f"{'bare DuckDB copy':22}{bare_seconds:9.2f}{max(run[0][1] for run in runs):9}")
    print(f"{'finledger load':22}{our_seconds:9.2f}{max(run[1][1] for run in runs):9}")
    print(f"ratio {our_seconds / bare_seconds:.2f} (limit {LIMIT})")


def bare(export: Path, target: Path) -> list[str]:
    sql = f"COPY (SELECT * FROM read_csv('{export}')) TO '{target}' (FORMAT parquet)"
    return [
        sys.executable,
        "-c",
        f"import duckdb; duckdb.execute('SET enable_progress_bar = false'); duckdb.execute({sql!r})",
    ]


def ours(export: Path, books: Path) -> list[str]:
    books.mkdir()
    (books / "finledger.yaml").write_text(SETTINGS)
    return [sys.executable, "-m", "finledger", "load", str(export), "--books", str(books)]


if __name__ == "__main__":
    main()
