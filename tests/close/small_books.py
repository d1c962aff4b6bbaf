"""Books small enough to add up by hand, whose months have usage on each day, so that only what a test takes away is missing.

A thousand chat calls are 10.00 of base, 2.00 of overhead (0.10 of it the registry's) and 0.60 of buffer: 12.60 a thousand.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from finledger.core.close import Waiver
from finledger.core.money import Money
from finledger.core.period import Month, Quarter
from finledger.workbench import Workbench, closing
from finledger.workbench.closing import Closing
from tests.support import once

SETTINGS = """\
books: Close
currency: USD
platform: {team: ai-platform, cost_center: cc-1000}
teams:
  search: {cost_center: cc-4815, stage: chargeback}
  support: {cost_center: cc-4822, stage: chargeback}
  research: {cost_center: cc-4829, stage: showback}
"""
PRICEBOOK = """\
pricebook: 2026-Q3
version: 1
effective_from: 2026-07-01
effective_until: 2026-10-01
published: 2026-06-24
currency: USD
models:
  gpt-large: {provider: openai, input: 2.50, output: 10.00}
uplift: {overhead: 0.20, registry: 0.05, buffer: 0.05}
actions:
  chat_call: {funding: consumer, pricing: published, base: 0.01, price: 0.0126}
  eval_run: {funding: shared, pricing: published, base: 0.01, price: 0.0126}
eval: {platform_share: 0.50}
"""
HEADER = (
    "usage_id,ts,team,feature,workload_type,action,model,provider,requests,input_tokens,"
    "billed_cost,effective_cost,billed_currency"
)
JULY, AUGUST, SEPTEMBER = Month(2026, 7), Month(2026, 8), Month(2026, 9)
Q3 = Quarter(2026, 3)
NEXT_PRICEBOOK = (
    PRICEBOOK.replace("2026-10-01", "2027-01-01")
    .replace("2026-07-01", "2026-10-01")
    .replace("2026-06-24", "2026-09-24")
    .replace("2026-Q3", "2026-Q4")
)


def row(usage_id: str, day: str, team: str, requests: int = 0, action: str = "chat_call", tokens: str = "") -> str:
    """A row at noon UTC."""
    return f"{usage_id},{day}T12:00:00Z,{team},,inference,{action},gpt-large,,{requests},{tokens},,,"


def bill(usage_id: str, day: str, team: str, cost: str) -> str:
    """A row that has a provider's cost and no action: it is passed through."""
    return f"{usage_id},{day}T12:00:00Z,{team},,,,,aws,,,{cost},{cost},USD"


def daily(month: Month, team: str = "search", requests: int = 1000, without: Iterable[int] = ()) -> list[str]:
    """A row on each day of the month, but on the days left out."""
    days = [day for day in range(1, month.last_day.day + 1) if day not in set(without)]
    return [row(f"{team}-{month}-{day:02}", f"{month}-{day:02}", team, requests) for day in days]


def export(rows: Iterable[str]) -> str:
    return "\n".join((HEADER, *rows)) + "\n"


def make_books(root: Path, usage: Mapping[str, Iterable[str]] | None = None, texts: Mapping[str, str] | None = None) -> Path:
    """Books with these exports (name in usage/ → rows) loaded. `texts`: more files of the books, or other ones."""
    written = {"finledger.yaml": SETTINGS, "pricebooks/2026-Q3.yaml": PRICEBOOK, **(texts or {})}
    written |= {f"usage/{name}": export(rows) for name, rows in (usage or {}).items()}
    for name, text in written.items():
        write(root / name, text)
    once(root, "load", lambda: load(root))
    return root


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def load(root: Path) -> None:
    bench = Workbench(root)
    bench.load(bench.inbox())


def load_late(root: Path, name: str, rows: Iterable[str]) -> None:
    """Another export comes in."""
    write(root / "usage" / name, export(rows))
    load(root)


def close(root: Path, *periods: Month | Quarter, waive: str = "") -> Closing:
    """Close these periods, one after the other; the result of the last."""
    found = None
    for period in periods:
        waivers = [Waiver(str(period), condition, "Ada", "known") for condition in waive.split()]
        if isinstance(period, Month):
            found = closing.close_month(Workbench(root), period, waive=waivers)
        else:
            found = closing.close_quarter(Workbench(root), period, waive=waivers)
    assert found is not None
    return found


def closed_already(root: Path, *periods: Month | Quarter) -> Path:
    """The books with these periods closed, for what comes after that."""
    once(root, f"close {' '.join(map(str, periods))}", lambda: close(root, *periods))
    return root


def charged(root: Path, month: Month) -> dict[tuple[str, str, str], str]:
    """What the month's run holds: (team, service month, item; or the kind, of lines that charge no action) → amount."""
    found: dict[tuple[str, str, str], Money] = {}
    for line in Workbench(root).ledger.charge_rows(month):
        named = line.key.item if line.key.kind in ("action", "shared", "seat") else line.key.kind
        key = (line.key.team, str(line.key.service_month), named)
        found[key] = found[key] + line.amount if key in found else line.amount
    return {key: str(amount) for key, amount in found.items()}


def snapshot(root: Path, *left_out: str) -> dict[str, str]:
    """Every file of the books by its hash, but the ones whose path begins so; a lock or a journal of SQLite's too."""
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in _files(root) if not name.startswith(left_out)
    }


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            path = Path(folder) / name
            yield path.relative_to(root).as_posix(), path
