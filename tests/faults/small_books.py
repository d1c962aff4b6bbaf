"""Small books in which every command has something to do, and what can be told apart in them afterwards."""

from __future__ import annotations

import hashlib
import sqlite3
import zipfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tests.support import prepared

SETTINGS = """\
books: Faults
currency: USD
platform: {team: ai-platform, cost_center: cc-1000}
teams:
  search: {cost_center: cc-4815, stage: chargeback}
  support: {cost_center: cc-4822, stage: showback}
"""
PRICEBOOK = """\
pricebook: 2026-Q3
version: 1
effective_from: 2026-07-01
effective_until: 2026-10-01
published: 2026-06-24
currency: USD
models:
  gpt-large: {provider: openai, input: 3.00, cached_input: 0.30, cache_write: 3.75, output: 12.00}
uplift: {overhead: 0.15, registry: 0.035, buffer: 0.04}
actions:
  chat_call: {funding: consumer, pricing: published, base: 0.0093, price: 0.011123}
"""
HEADER = "usage_id,ts,team,action,model,requests,input_tokens,output_tokens\n"


def make_books(books: Path, before: tuple[tuple[str, ...], ...]) -> Path:
    """The books after the commands that come before the one that is tried."""
    rows = [
        f"{team}-{day},2026-07-{day:02}T09:00:00Z,{team},chat_call,gpt-large,{1000 * day},{1500 * day},{400 * day}\n"
        for day in range(1, 32)
        for team in ("search", "support")
    ]
    texts = {
        "finledger.yaml": SETTINGS,
        "pricebooks/2026-Q3.yaml": PRICEBOOK,
        "usage/july.csv": HEADER + "".join(rows),
        "usage/july-again.csv": HEADER
        + rows[0]
        + "late,2026-08-01T09:00:00Z,search,chat_call,gpt-large,many,1,1\n"
        + rows[0],
    }
    for name, text in texts.items():
        (books / name).parent.mkdir(parents=True, exist_ok=True)
        (books / name).write_text(text, encoding="utf-8")
    with zipfile.ZipFile(books / "usage" / "two.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.csv"), HEADER + rows[1].replace("support-1,", "zipped-1,"))
        archive.writestr(zipfile.ZipInfo("b/b.csv"), HEADER + rows[3].replace("support-2,", "zipped-2,"))
    return prepared(books, *before)


def content(books: Path) -> Mapping[str, str]:
    """What the books say, by its place: the ledger's rows, the stored parts that it lists, every file that a person sees.

    Parts that no row lists are nobody's, and the fingerprint of the ledger's file says only how its bytes lie: both left out.
    """
    with closing(sqlite3.connect(f"file:{books}/store/ledger.sqlite?mode=ro", uri=True)) as ledger:
        names = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
        found = {f"ledger {name}": repr(sorted(ledger.execute(f"SELECT * FROM {name}").fetchall())) for name in names}
        listed = [books / "store" / path for (path,) in ledger.execute("SELECT path FROM parts").fetchall()]
    seen = [path for path in books.rglob("*") if path.is_file() and not path.relative_to(books).is_relative_to("store")]
    for path in (*listed, *seen, *(books / "store" / "sealed").glob("*")):
        found[path.relative_to(books).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def in_store(books: Path) -> set[str]:
    """Every name in store/ but for what is kept of months, a cache: what a fault leaves out there is worked out later."""
    every = {path.relative_to(books).as_posix() for path in (books / "store").rglob("*")}
    return {name for name in every if not name.startswith("store/figures")}
