"""A thousand teams of twenty lines: documents in four formats, the journal, and how long hledger and ledger take over it.

    python -m bench.thousand [TEAMS]

The books of bench._books with one month. Limits: 120 s for the documents (four formats, written to disk), 10 s for both checkers
together.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from bench._books import LINES, make_books
from bench._process import timed
from finledger.core.period import Month

FORMATS = "html,pdf,xlsx,json"
DOCUMENTS_SECONDS, CHECKS_SECONDS = 120, 10
MONTH = Month(2026, 7)


def main() -> None:
    teams = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as scratch:
        books = Path(scratch) / "books"
        make_books(books, teams, [MONTH])
        run, at = [sys.executable, "-m", "finledger"], ["--books", str(books)]
        month = ["--month", str(MONTH)]
        steps = {
            "load": [*run, "load", *at],
            f"invoice --to {FORMATS}": [*run, "invoice", *month, "--to", FORMATS, *at],
            "journal": [*run, "journal", *month, *at],
            "close": [*run, "close", *month, *at],
            "verify": [*run, "verify", *at],
        }
        journal = books / "out" / str(MONTH) / "journal" / f"{MONTH}.journal"
        if shutil.which("hledger"):
            steps["hledger check --strict"] = ["hledger", "-f", str(journal), "check", "--strict"]
        if shutil.which("ledger"):
            steps["ledger --strict balance"] = ["ledger", "-f", str(journal), "--strict", "balance"]
        print(f"{teams:,} teams, {teams * LINES:,} charge lines\n{'':32}{'seconds':>9}{'peak MB':>9}")
        for name, command in steps.items():
            seconds, memory, _ = timed(command)
            print(f"{name:32}{seconds:9.2f}{memory:9}", flush=True)
        print(f"limits: documents {DOCUMENTS_SECONDS} s, checkers together {CHECKS_SECONDS} s")


if __name__ == "__main__":
    main()
