"""How long `explain` takes on a big month. The limit is 2 s for any line, posting or variance of 20 M stored rows.

    python -m bench.explain [ROWS]

The company of bench.allocate (1,600 charge lines without premiums), with two pools, a draw and a provider's invoice; the month
is closed, and each kind of thing is asked for in a process of its own. Nothing is cached by finledger, while the operating
system may hold the files.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from bench._process import timed
from bench.allocate import JULY, ROUNDS, SHAPES, make_books
from finledger.workbench import Workbench

LIMIT_SECONDS = 2
TEAM = "team-0"
POOLS = "pools:\n  gateway: {amount: {2026-07: 12000.00}, driver: tokens}\n  vectors: {amount: {2026-07: 3000.00}, driver: charges}\n"
DRAWS = "month,team,cause,disclosure,requested\n2026-07,team-0,backfill,reprocessing,\n"
COLUMNS = ("invoice", "invoice_date", "service_month", "sku", "quantity", "unit", "amount", "currency")
MAP = "columns:\n  provider: {value: p}\n  description: sku\n" + "".join(f"  {name}: {name}\n" for name in COLUMNS)
INVOICE = ",".join(COLUMNS) + "\nI-1,2026-08-04,2026-07,model-0 input,1000000,tokens,3.00,USD\n"


def main() -> int:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    with tempfile.TemporaryDirectory() as scratch:
        books = Path(scratch) / "books"
        make_books(books, rows, SHAPES["company"])
        _add(books)
        run = [sys.executable, "-m", "finledger"]
        timed([*run, "close", "--month", str(JULY), "--books", str(books)])
        print(f"{rows:,} rows\n{'':24}{'seconds':>9}{'peak MB':>9}")
        worst = 0.0
        for name, words in _asked(books).items():
            taken = [timed([*run, "explain", *words, "--books", str(books)]) for _ in range(ROUNDS)]
            seconds = statistics.median(each[0] for each in taken)
            worst = max(worst, seconds)
            print(f"{name:24}{seconds:9.2f}{max(each[1] for each in taken):9}")
        print(f"limit {LIMIT_SECONDS} s")
    return 0 if worst <= LIMIT_SECONDS else 1


def _add(books: Path) -> None:
    settings = (books / "finledger.yaml").read_text()
    forecast = f"  {TEAM}: {{cost_center: cc-0, stage: chargeback, forecast: {{2026-07: 10.00}}}}\n"
    settings = settings.replace(f"  {TEAM}: {{cost_center: cc-0, stage: chargeback}}\n", forecast)
    (books / "finledger.yaml").write_text(f"{settings}providers: {{p: {{invoice: expected}}}}\n{POOLS}")
    for name, text in {
        "decisions/draws.csv": DRAWS,
        "provider-invoices/july.csv": INVOICE,
        "provider-invoices/july.map.yaml": MAP,
    }.items():
        (books / name).parent.mkdir(exist_ok=True)
        (books / name).write_text(text)


def _asked(books: Path) -> dict[str, tuple[str, ...]]:
    """What to explain, by what it is."""
    lines = Workbench(books).ledger.charge_rows(JULY, TEAM)
    by_kind = {f"{each.key.kind} {each.key.item if each.key.kind == 'shared' else ''}".strip(): each for each in lines}
    asked = {f"line: {name}": (f"{JULY}/{TEAM}", line.line_id) for name, line in sorted(by_kind.items())}
    return {
        **asked,
        "entry: charges": (f"{JULY}/{TEAM}/cc-0",),
        "entry: invoice": (f"{JULY}/provider/p/{JULY}/invoice/I-1",),
        "variance": (f"{JULY}/p", "model-0 input"),
    }


if __name__ == "__main__":
    sys.exit(main())
