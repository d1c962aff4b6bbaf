"""What charging a month costs beside DuckDB's bare grouping by the same keys and sums. The limit is 1.5 x, in 1 GB.

    python -m bench.allocate [ROWS]

20 M stored rows in 8 Parquet parts; a quarter of the features pay a premium for their coverage. Two shapes: a company of 40
teams with 2 features each, 4 actions and 5 models, which makes 1,600 charge lines without premiums (the limit applies to
it); and 40 teams that each use every one of 36 features, 4 actions and 9
models: 51,840 lines, which shows what a line costs. Each figure is of a whole process started for it: nothing is cached
by finledger, while the operating system may hold the files for both. `allocate` also prices, checks the laws, records the
ledger and writes charges.csv and focus.csv; `bare` only groups. Runs alternate, the medians are compared.
"""

from __future__ import annotations

import hashlib
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import duckdb

from bench._process import timed
from bench.generate import SEED
from finledger.books.ledger import Ledger
from finledger.core.model import LoadedFile, Part
from finledger.core.period import Month
from finledger.core.usage import GROUP_KEYS, LABELS, NATIVE, STORED_AS, TOKEN_BUCKETS

PARTS, ROUNDS, LIMIT = 8, 3, 1.5
JULY = Month(2026, 7)
PLAIN_SUMS = (
    "requests",
    *TOKEN_BUCKETS,
    "gpu_hours",
    "egress_gb",
    "runs",
    "runs_completed",
    "billed_cost",
    "effective_cost",
)

SHAPES = {
    "company": {
        "team": "hash(i + 2000000000) % 40",
        "feature": "hash(i + 2000000000) % 40 * 2 + hash(i + 5000000000) % 2",
        "models": "5",
    },
    "every combination": {"team": "hash(i + 2000000000) % 40", "feature": "hash(i + 5000000000) % 36", "models": "9"},
}

# Every value comes from a hash of the row's number (bench/generate.py: BENCH_SEED).
VALUES = {
    "usage_id": "md5(i::VARCHAR)",
    "ts": "TIMESTAMP '2026-07-01' + to_microseconds((hash(i + 1000000000) % 2678400000000)::BIGINT)",
    "team": "'team-' || {team}",
    "cost_center": "CASE WHEN hash(i + 3000000000) % 2 = 0 THEN 'cc-' || {team} END",
    "workload_type": "'inference'",
    "model": "'model-' || hash(i + 4000000000) % {models}",
    "provider": "'provider'",
    "feature": "'feature-' || {feature}",
    "action": "'action_' || hash(i + 6000000000) % 4",
    "requests": "1 + hash(i + 7000000000) % 300",
    "input_tokens": "hash(i + 8000000000) % 100000",
    "cached_input_tokens": "hash(i + 9000000000) % 5000",
    "cache_write_tokens": "hash(i + 10000000000) % 500",
    "output_tokens": "hash(i + 11000000000) % 9000",
    "source": "'native'",
}
SETTINGS = "books: Bench\ncurrency: USD\ntimezone: UTC\nplatform: {team: platform, cost_center: cc-platform}\nteams:\n"
BOOK = """pricebook: 2026-Q3
version: 1
effective_from: 2026-07-01
effective_until: 2026-10-01
published: 2026-06-24
currency: USD
price_digits: 6
rounding: half_up
models:
MODELS
uplift: {overhead: 0.15, registry: 0.035, registry_basis: carved, buffer: 0.04, applies_to: [actions]}
actions:
  action_0: {funding: consumer, pricing: published, base: 0.0093, price: 0.011123}
  action_1: {funding: consumer, pricing: metered}
  action_2: {funding: shared, pricing: published, base: 0.0093, price: 0.011123}
  action_3: {funding: consumer, pricing: metered}
eval: {platform_share: 0.50}
quality:
  coverage: {target: 0.80, floor: 0.20, max_multiplier: 1.50}
  freshness: {slo: 0.90, step: 0.05, cap: 0.25}
buffer: {trigger: 3.0, cap_per_team_per_quarter: 5000.00, size: [0.05, 0.10]}
"""


def make_books(root: Path, rows: int, shape: dict[str, str], more: dict[str, str] | None = None) -> list[Path]:
    """Books whose store holds `rows` rows of one month, as `load` would have left them; `more` columns, or other ones."""
    values = {**VALUES, **(more or {})}
    teams = "".join(f"  team-{n}: {{cost_center: cc-{n}, stage: chargeback}}\n" for n in range(40))
    (root / "pricebooks").mkdir(parents=True)
    (root / "finledger.yaml").write_text(SETTINGS + teams)
    rates = "{provider: p, input: 3.00, cached_input: 0.30, cache_write: 3.75, output: 12.00}"
    models = "\n".join(f"  model-{n}: {rates}" for n in range(9))
    (root / "pricebooks" / "2026-Q3.yaml").write_text(BOOK.replace("MODELS", models))
    (root / "evals").mkdir()
    evaluated = "".join(f"2026-07,feature-{n},{'0.85' if n % 4 else '0.50'},0.95,1000,100,90\n" for n in range(100))
    (root / "evals" / "2026-Q3.csv").write_text("month,feature,coverage,in_distribution,tasks,graded,correct\n" + evaluated)
    folder = root / "store" / "usage" / f"month={JULY}"
    folder.mkdir(parents=True)
    paths = []
    for part in range(PARTS):
        first, after = rows * part // PARTS, rows * (part + 1) // PARTS
        paths.append(write_part(folder, first, after, shape, values))
    with Ledger.open(root / "store" / "ledger.sqlite").write() as ledger:
        ledger.set_meta("timezone", "UTC")
        ledger.set_meta("compared", '{"beside": [], "pairs": [["native", "native"]], "sources": ["native"]}')
        ledger.add_file(LoadedFile("bench", "bench.csv", "native", "native", rows, rows, rows, 0, 0, 0))
        for path in paths:
            ledger.add_part(part_at(root, path, rows // PARTS))
    return paths


def add_rows(books: Path, rows: int, number: int = 0, columns: dict[str, str] | None = None) -> None:
    """One more part with rows of its own, as a load leaves it."""
    first = 10**10 + number * rows
    folder = books / "store" / "usage" / f"month={JULY}"
    path = write_part(folder, first, first + rows, SHAPES["company"], {**VALUES, **(columns or {})})
    with Ledger.open(books / "store" / "ledger.sqlite").write() as ledger:
        ledger.add_part(part_at(books, path, rows))


def part_at(root: Path, path: Path, rows: int) -> Part:
    return Part(JULY, path.relative_to(root / "store").as_posix(), path.stem, rows, "bench")


def write_part(folder: Path, first: int, after: int, shape: dict[str, str], values: dict[str, str] | None = None) -> Path:
    """The rows of these numbers as a part of the store, named by its content."""
    values = values or VALUES
    columns = [f'({values.get(c.name, "NULL").format(**shape)})::{STORED_AS[c.kind]} AS "{c.name}"' for c in NATIVE]
    columns += [f'NULL::VARCHAR AS "{name}"' for name in LABELS]
    columns += ["'bench' AS file_sha256", "i AS record", "false AS is_aggregate"]
    path = folder / f"{first}-{after}.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET memory_limit = '2GB'")
        connection.execute(
            f"COPY (SELECT {', '.join(columns)} FROM range({SEED + first}, {SEED + after}) r(i)) TO '{path}' (COMPRESSION zstd)"
        )
    with path.open("rb") as stream:
        return path.rename(folder / f"{hashlib.file_digest(stream, 'sha256').hexdigest()}.parquet")


def forget(books: Path) -> None:
    """What finledger kept of the month's grouping goes: the next run reads every row."""
    shutil.rmtree(books / "store" / "grouped", ignore_errors=True)


def bare_sql(paths: list[Path]) -> str:
    keys = ", ".join(f'"{key}"' for key in GROUP_KEYS)
    sums = ", ".join(["count(*)", *(f"sum({name})" for name in PLAIN_SUMS)])
    return f"SELECT {keys}, {sums} FROM read_parquet({[str(path) for path in paths]!r}) GROUP BY ALL"


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    print(f"keys: {', '.join(GROUP_KEYS)}; sums: rows, {', '.join(PLAIN_SUMS)}; {rows:,} rows")
    for name, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as scratch:
            compare(name, Path(scratch) / "books", rows, shape)


def compare(name: str, books: Path, rows: int, shape: dict[str, str]) -> None:
    paths = make_books(books, rows, shape)
    bare = [sys.executable, "-c", f"import duckdb; duckdb.sql({bare_sql(paths)!r}).fetchall()"]
    ours = [sys.executable, "-m", "finledger", "allocate", "--month", str(JULY), "--books", str(books)]
    runs = []
    for _ in range(ROUNDS):
        forget(books)
        runs.append((timed(bare), timed(ours)))
    bare_seconds, our_seconds = (statistics.median(run[which][0] for run in runs) for which in (0, 1))
    print(f"\n{name:22}{'seconds':>9}{'peak MB':>9}")
    print(f"{'bare DuckDB grouping':22}{bare_seconds:9.2f}{max(run[0][1] for run in runs):9}")
    print(f"{'finledger allocate':22}{our_seconds:9.2f}{max(run[1][1] for run in runs):9}")
    print(f"ratio {our_seconds / bare_seconds:.2f}" + (f" (limit {LIMIT})" if name == "company" else ""))


if __name__ == "__main__":
    main()
