"""Books of many small teams: each with two features, five action classes and two models, which makes twenty lines a month."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from finledger.core.period import Month

ACTIONS, MODELS, FEATURES = 5, 2, 2
LINES = ACTIONS * MODELS * FEATURES  # of a team in a month
_HEAD = "books: Bench\ncurrency: USD\ntimezone: UTC\nplatform: {team: platform, cost_center: cc-platform}\nteams:\n"
_COLUMNS = (
    "usage_id", "ts", "team", "workload_type", "model", "feature", "action", "requests", "input_tokens", "output_tokens",
)  # fmt: skip
_BOOK = """pricebook: {quarter}
version: 1
effective_from: {first}
effective_until: {until}
published: {published}
currency: USD
price_digits: 6
rounding: half_up
models:
  model-0: {{provider: p, input: 3.00, output: 12.00}}
  model-1: {{provider: q, input: 1.00, output: 4.00}}
uplift: {{overhead: 0.15, registry: 0.035, registry_basis: carved, buffer: 0.04, applies_to: [actions]}}
actions:
"""


def make_books(root: Path, teams: int, months: Iterable[Month], budget: str = "") -> None:
    """Books with those months of usage in their inbox, a price book for each of their quarters, and `budget` for every team in
    every month."""
    wanted = tuple(months)
    for name in ("pricebooks", "usage"):
        (root / name).mkdir(parents=True)
    each_month = ", ".join(f"{month}: {budget}" for month in wanted)
    said = f", budget: {{{each_month}}}" if budget else ""
    declared = (f"  team-{n}: {{cost_center: cc-{n}, stage: chargeback, owner: owner-{n}{said}}}\n" for n in range(teams))
    (root / "finledger.yaml").write_text(_HEAD + "".join(declared))
    for year, quarter in sorted({(month.year, (month.number - 1) // 3) for month in wanted}):
        (root / "pricebooks" / f"{year}-Q{quarter + 1}.yaml").write_text(_price_book(year, quarter))
    for month in wanted:
        _usage(root / "usage" / f"{month}.csv", month, teams)


def _price_book(year: int, quarter: int) -> str:
    first, until = Month(year, 3 * quarter + 1), Month(year, 3 * quarter + 3).next
    published = first.before.first_day.replace(day=20)
    head = _BOOK.format(quarter=f"{year}-Q{quarter + 1}", first=first.first_day, until=until.first_day, published=published)
    return head + "".join(f"  action_{n}: {{funding: consumer, pricing: metered}}\n" for n in range(ACTIONS))


def _usage(path: Path, month: Month, teams: int) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        for number in range(teams * LINES):
            team, line = divmod(number, LINES)
            action, model, feature = line % ACTIONS, line // ACTIONS % MODELS, line // (ACTIONS * MODELS)
            when = f"{month}-{number % month.last_day.day + 1:02}T12:00:00Z"
            names = (f"team-{team}", "inference", f"model-{model}", f"team-{team}-feature-{feature}", f"action_{action}")
            tokens = (10_000_000 + 1000 * number, 2_000_000 + 500 * number)
            writer.writerow((f"u{month}-{number}", when, *names, 100 + line, *tokens))
