"""A thousand teams of twenty lines: documents in four formats, the journal, and how long hledger and ledger take over it.

    python -m bench.thousand [TEAMS]

Real books, made from native usage: each team has two features, five action classes and two models. Limits: 120 s for the
documents (four formats, written to disk), 10 s for both checkers together.
"""

from __future__ import annotations

import csv
import shutil
import sys
import tempfile
from pathlib import Path

from bench._process import timed

FORMATS = "html,pdf,xlsx,json"
DOCUMENTS_SECONDS, CHECKS_SECONDS = 120, 10
MONTH = "2026-07"
ACTIONS, MODELS, FEATURES = 5, 2, 2
BOOK = """pricebook: 2026-Q3
version: 1
effective_from: 2026-07-01
effective_until: 2026-10-01
published: 2026-06-24
currency: USD
price_digits: 6
rounding: half_up
models:
  model-0: {provider: p, input: 3.00, output: 12.00}
  model-1: {provider: q, input: 1.00, output: 4.00}
uplift: {overhead: 0.15, registry: 0.035, registry_basis: carved, buffer: 0.04, applies_to: [actions]}
actions:
"""


def make_books(root: Path, teams: int) -> int:
    """Books with one month of usage in their inbox; returns how many charge lines it makes."""
    (root / "pricebooks").mkdir(parents=True)
    (root / "usage").mkdir()
    declared = "".join(f"  team-{n}: {{cost_center: cc-{n}, stage: chargeback, owner: owner-{n}}}\n" for n in range(teams))
    head = "books: Bench\ncurrency: USD\ntimezone: UTC\nplatform: {team: platform, cost_center: cc-platform}\nteams:\n"
    (root / "finledger.yaml").write_text(head + declared)
    actions = "".join(f"  action_{n}: {{funding: consumer, pricing: metered}}\n" for n in range(ACTIONS))
    (root / "pricebooks" / "2026-Q3.yaml").write_text(BOOK + actions)
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
    with (root / "usage" / "july.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        number = 0
        for team in range(teams):
            for line in range(ACTIONS * MODELS * FEATURES):
                action, model, feature = line % ACTIONS, line // ACTIONS % MODELS, line // (ACTIONS * MODELS)
                when = f"{MONTH}-{number % 31 + 1:02d}T12:00:00Z"
                names = (f"team-{team}", "inference", f"model-{model}", f"team-{team}-feature-{feature}", f"action_{action}")
                writer.writerow(
                    (f"u{number}", when, *names, 100 + line, 10_000_000 + 1000 * number, 2_000_000 + 500 * number)
                )
                number += 1
    return number


def main() -> None:
    teams = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as scratch:
        books = Path(scratch) / "books"
        lines = make_books(books, teams)
        run, at = [sys.executable, "-m", "finledger"], ["--books", str(books)]
        month = ["--month", MONTH]
        steps = {
            "load": [*run, "load", *at],
            f"invoice --to {FORMATS}": [*run, "invoice", *month, "--to", FORMATS, *at],
            "journal": [*run, "journal", *month, *at],
            "close": [*run, "close", *month, *at],
            "verify": [*run, "verify", *at],
        }
        journal = books / "out" / MONTH / "journal" / f"{MONTH}.journal"
        if shutil.which("hledger"):
            steps["hledger check --strict"] = ["hledger", "-f", str(journal), "check", "--strict"]
        if shutil.which("ledger"):
            steps["ledger --strict balance"] = ["ledger", "-f", str(journal), "--strict", "balance"]
        print(f"{teams:,} teams, {lines:,} charge lines\n{'':32}{'seconds':>9}{'peak MB':>9}")
        for name, command in steps.items():
            seconds, memory = timed(command)
            print(f"{name:32}{seconds:9.2f}{memory:9}", flush=True)
        print(f"limits: documents {DOCUMENTS_SECONDS} s, checkers together {CHECKS_SECONDS} s")


if __name__ == "__main__":
    main()
