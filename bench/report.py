"""A report over a year of a thousand teams: 12 months of 20 lines a team, each allocated; the page, and opening it.

    python -m bench.report [TEAMS]

Limits: 20 s and 5 MB for the page of the last month with its trends, 2 s to open it in Chromium (tests/report/test_forms.py
measures that). The books of bench.thousand, with usage in every month.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from bench._process import timed
from bench.thousand import ACTIONS, BOOK, FEATURES, MODELS

LIMIT_SECONDS, LIMIT_BYTES = 20, 5_000_000
YEAR = 2026


def make_books(root: Path, teams: int) -> None:
    """Books with a year of usage in their inbox, and a price book for each quarter."""
    (root / "pricebooks").mkdir(parents=True)
    (root / "usage").mkdir()
    budget = ", ".join(f"{YEAR}-{month:02}: 900.00" for month in range(1, 13))
    declared = "".join(
        f"  team-{n}: {{cost_center: cc-{n}, stage: chargeback, owner: owner-{n}, budget: {{{budget}}}}}\n"
        for n in range(teams)
    )
    head = "books: Bench\ncurrency: USD\ntimezone: UTC\nplatform: {team: platform, cost_center: cc-platform}\nteams:\n"
    (root / "finledger.yaml").write_text(head + declared)
    actions = "".join(f"  action_{n}: {{funding: consumer, pricing: metered}}\n" for n in range(ACTIONS))
    for quarter in range(4):
        until = f"{YEAR}-{3 * quarter + 4:02}-01" if quarter < 3 else f"{YEAR + 1}-01-01"
        text = BOOK.replace("2026-10-01", until).replace("2026-07-01", f"{YEAR}-{3 * quarter + 1:02}-01")
        text = text.replace("2026-Q3", f"{YEAR}-Q{quarter + 1}").replace("2026-06-24", f"{YEAR - 1}-12-20")
        (root / "pricebooks" / f"{YEAR}-Q{quarter + 1}.yaml").write_text(text + actions)
    for month in range(1, 13):
        _usage(root / "usage" / f"{YEAR}-{month:02}.csv", month, teams)


def _usage(path: Path, month: int, teams: int) -> None:
    columns = (
        "usage_id",
        "ts",
        "team",
        "workload_type",
        "model",
        "feature",
        "action",
        "requests",
        "input_tokens",
        "output_tokens",
    )
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for team in range(teams):
            for line in range(ACTIONS * MODELS * FEATURES):
                number = team * 20 + line
                action, model, feature = line % ACTIONS, line // ACTIONS % MODELS, line // (ACTIONS * MODELS)
                when = f"{YEAR}-{month:02}-{number % 28 + 1:02}T12:00:00Z"
                names = (f"team-{team}", "inference", f"model-{model}", f"team-{team}-feature-{feature}", f"action_{action}")
                tokens = (10_000_000 + 1000 * number, 2_000_000 + 500 * number)
                writer.writerow((f"u{month}-{number}", when, *names, 100 + line, *tokens))


def main() -> None:
    teams = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as scratch:
        books = Path(scratch) / "books"
        make_books(books, teams)
        run, at = [sys.executable, "-m", "finledger"], ["--books", str(books), "--quiet"]
        for words in (["load"], *(["allocate", "--month", f"{YEAR}-{month:02}"] for month in range(1, 13))):
            subprocess.run([*run, *words, *at], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds, memory = timed([*run, "report", "--month", f"{YEAR}-12", *at])
        size = (books / "out" / f"{YEAR}-12" / "report.html").stat().st_size
        print(f"{teams:,} teams, 12 months: {seconds:.2f} s, {memory} MB at most, page of {size:,} bytes")
        print(f"limits: {LIMIT_SECONDS} s, {LIMIT_BYTES:,} bytes")


if __name__ == "__main__":
    main()
