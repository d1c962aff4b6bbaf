"""One table: what finledger costs beside what people would use instead, in one run. `make bench` prints it.

    BENCH_ROWS=20000000 python -m bench [WHAT …]        group, kept, traces, load, dedup, invoices, close, start-up, slope

Sizes are small unless asked for: a million rows of a month, three rounds (one from 50 M rows on), a quarter of that to load, 100
invoices (BENCH_ROWS, BENCH_ROUNDS, BENCH_INVOICES; BENCH_SEED for other rows). Whole processes, started for the run and
alternating, of a program that is compiled as pip leaves it; medians, with the least and the most. `x` is to the first line of a
block, by the clock; `cpu x` by the time of all processors, which other work on the machine disturbs less. The operating system
may hold the files for all of them alike. What is not installed (`pip install 'finledger[bench]'`) is left out; so is pandas above
20 M rows.
The reference engine sums a month of its own, of 100,000 rows: its ratios are by the row.
"""

from __future__ import annotations

import compileall
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import finledger
from bench import _books, _others
from bench._process import Run, timed
from bench._traces import CALLS, TRACES
from bench.allocate import JULY, SHAPES, add_rows, forget, make_books
from bench.generate import usage_csv
from bench.load import SETTINGS
from bench.thousand import FORMATS

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3" if ROWS < 50_000_000 else "1"))
REFERENCE_ROWS, PANDAS_ROWS = 100_000, 20_000_000
INVOICES = int(os.environ.get("BENCH_INVOICES", "100"))
COMPANY = SHAPES["company"]
PROGRAM = [sys.executable, "-m", "finledger"]
NEEDS = {"Polars": "polars", "pandas": "pyarrow"}

Case = tuple[str, list[str], Callable[[], None]]  # what it is called, its command, what is done before each run


def main() -> None:
    asked = sys.argv[1:] or list(BLOCKS)
    unknown = sorted(set(asked) - BLOCKS.keys())
    if unknown:
        raise SystemExit(f"no {', '.join(unknown)}: there are {', '.join(BLOCKS)}")
    compileall.compile_dir(finledger.__path__[0], quiet=1)
    print(f"{'':40}{'rows':>12}{'seconds':>9}{'least':>8}{'most':>8}{'cpu s':>8}{'peak MB':>9}{'x':>7}{'cpu x':>7}")
    for name in asked:
        with tempfile.TemporaryDirectory(prefix="finledger-bench-") as scratch:
            BLOCKS[name](Path(scratch))


def block(title: str, cases: Sequence[Case], rows: int, rows_of: Mapping[str, int] | None = None) -> dict[str, list[Run]]:
    """Run the cases in turns, print a line of each, and hand back the runs. `rows_of`: of cases with other rows."""
    print(title)
    runs: dict[str, list[Run]] = {name: [] for name, _, _ in cases}
    for _ in range(ROUNDS):
        for name, command, before in cases:
            before()
            runs[name].append(timed(command))
    first = next(iter(runs))
    base = [_median(runs[first], which) / (rows_of or {}).get(first, rows) for which in (0, 2)]
    for name, found in runs.items():
        of = (rows_of or {}).get(name, rows)
        seconds, processor = _median(found, 0), _median(found, 2)
        least, most = min(run.seconds for run in found), max(run.seconds for run in found)
        print(
            f"  {name:38}{of:12,}{seconds:9.2f}{least:8.2f}{most:8.2f}{processor:8.2f}{max(run.memory for run in found):9}"
            f"{seconds / of / base[0]:7.2f}{processor / of / base[1]:7.2f}",
            flush=True,
        )
    return runs


def _median(runs: Sequence[Run], which: int) -> float:
    return float(statistics.median(run[which] for run in runs))


def others(texts: Mapping[str, str], rows: int, before: Callable[[], None] = lambda: None) -> Iterator[Case]:
    for name, text in texts.items():
        if (name in NEEDS and find_spec(NEEDS[name]) is None) or (name == "pandas" and rows > PANDAS_ROWS):
            continue
        yield name, [sys.executable, "-c", text], before


def allocate(books: Path, *more: str) -> list[str]:
    return [*PROGRAM, "allocate", "--month", str(JULY), "--books", str(books), *more]


def reference(scratch: Path, more: dict[str, str] | None = None) -> Case:
    books = scratch / "reference"
    make_books(books, REFERENCE_ROWS, COMPANY, more)
    return "finledger --engine reference", allocate(books, "--engine", "reference"), lambda: None


def group(scratch: Path) -> None:
    books = scratch / "books"
    paths = make_books(books, ROWS, COMPANY)
    again = scratch / "again"
    shutil.copytree(books, again)
    timed(allocate(again))
    cases = [
        *others(_others.group(paths), ROWS),
        ("finledger allocate", allocate(books), lambda: forget(books)),
        ("finledger allocate, nothing new", allocate(again), lambda: None),
        reference(scratch),
    ]
    block("group and charge a month", cases, ROWS, {"finledger --engine reference": REFERENCE_ROWS})


def kept(scratch: Path) -> None:
    """The first line is a full run, the next the same after 1 % more was loaded: whole commands, then the grouping in them."""
    grouping = [sys.executable, "-m", "bench._grouping"]
    for title, name, program, columns in (
        ("a load of 1 % more: allocate", "allocate", [], {}),
        ("a load of 1 % more: its grouping alone", "grouping", grouping, {}),
        ("a load of 1 % more, all in traces: its grouping alone", "traces", grouping, {**CALLS, **TRACES}),
    ):
        books = scratch / name
        make_books(books, ROWS, COMPANY, columns)
        command = [*program, str(books)] if program else allocate(books)
        number = iter(range(ROUNDS))

        def more(books: Path = books, columns: dict[str, str] = columns, number: Iterator[int] = number) -> None:
            add_rows(books, ROWS // 100, next(number), columns)

        full = ("full", command, lambda books=books: forget(books))
        if program:
            _print_grouping(title, books, command, more)
        else:
            block(title, [full, ("after 1 % more", command, more), ("after nothing", command, lambda: None)], ROWS)


def _print_grouping(title: str, books: Path, command: list[str], more: Callable[[], None]) -> None:
    """Seconds of all processors inside a process that has imported all."""
    found: dict[str, list[float]] = {"full": [], "after 1 % more": [], "after nothing": []}
    printed = books.parent / "seconds"
    for _ in range(ROUNDS):
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("full", partial(forget, books)), ("after 1 % more", more), ("after nothing", lambda: None),
        )  # fmt: skip
        for name, before in steps:
            before()
            timed(command, printed)
            found[name].append(float(printed.read_text().split()[1]))
    print(title)
    base = statistics.median(found["full"])
    for name, seconds in found.items():
        middle = statistics.median(seconds)
        print(
            f"  {name:38}{ROWS:12,}{middle:9.3f}{min(seconds):8.3f}{max(seconds):8.3f}{'':17}{middle / base:7.3f}",
            flush=True,
        )


def traces(scratch: Path) -> None:
    plain, books = scratch / "plain", scratch / "books"
    make_books(plain, ROWS, COMPANY, CALLS)
    paths = make_books(books, ROWS, COMPANY, {**CALLS, **TRACES})
    cases = [
        *others(_others.traces(paths), ROWS),
        ("finledger allocate", allocate(books), lambda: forget(books)),
        ("finledger allocate, same without traces", allocate(plain), lambda: forget(plain)),
        reference(scratch, {**CALLS, **TRACES}),
    ]
    block("attribute the calls of traces to their roots", cases, ROWS, {"finledger --engine reference": REFERENCE_ROWS})


def load(scratch: Path) -> None:
    rows = ROWS // 4
    export, books = usage_csv(scratch / "usage.csv", rows), scratch / "books"
    ours = ("finledger load", [*PROGRAM, "load", str(export), "--books", str(books)], lambda: empty(books))
    block("load a CSV", [*others(_others.load(export, scratch / "other.parquet"), rows), ours], rows)


def dedup(scratch: Path) -> None:
    """A file of which every second row is stored already."""
    rows = ROWS // 4
    old, new = usage_csv(scratch / "old.csv", rows), usage_csv(scratch / "new.csv", rows, rows // 2)
    stored, books, loaded = scratch / "old.parquet", scratch / "books", scratch / "loaded"
    timed([sys.executable, "-c", _others.load(old, stored)["bare DuckDB"]])
    empty(loaded)
    timed([*PROGRAM, "load", str(old), "--books", str(loaded)])

    def fresh() -> None:
        shutil.rmtree(books, ignore_errors=True)
        shutil.copytree(loaded, books)

    ours = ("finledger load", [*PROGRAM, "load", str(new), "--books", str(books)], fresh)
    block(
        "load a CSV of which half is known",
        [*others(_others.dedup(new, stored, scratch / "other.parquet"), rows), ours],
        rows,
    )


def empty(books: Path) -> None:
    shutil.rmtree(books, ignore_errors=True)
    books.mkdir()
    (books / "finledger.yaml").write_text(SETTINGS)


def invoices(scratch: Path) -> None:
    """Documents of 20 lines; `rows` are documents."""
    books = scratch / "books"
    _books.make_books(books, INVOICES, [JULY])
    at = ["--month", str(JULY), "--books", str(books)]
    timed([*PROGRAM, "load", "--books", str(books)])
    cases = [
        ("finledger allocate", [*PROGRAM, "allocate", *at], lambda: None),
        (f"finledger invoice --to {FORMATS}", [*PROGRAM, "invoice", *at, "--to", FORMATS], lambda: remove_out(books)),
    ]
    block("invoices", cases, INVOICES)


def remove_out(books: Path) -> None:
    shutil.rmtree(books / "out", ignore_errors=True)


def close(scratch: Path) -> None:
    books = scratch / "books"
    make_books(books, ROWS, COMPANY)
    month, at = ["--month", str(JULY)], ["--books", str(books)]
    reopen = [*PROGRAM, "reopen", *month, "--by", "bench", "--reason", "bench", *at]
    cases = [
        ("finledger allocate", allocate(books), lambda: forget(books)),
        ("finledger close", [*PROGRAM, "close", *month, *at], lambda: None),
        ("finledger verify", [*PROGRAM, "verify", *at], lambda: None),
        ("finledger reopen", reopen, lambda: None),
    ]
    block("close a month and verify it", cases, ROWS)


def start_up(scratch: Path) -> None:
    program = str(Path(sys.executable).parent / "finledger")
    commands = {"python -c pass": [sys.executable, "-c", "pass"], "finledger --help": [program, "--help"]}
    commands["finledger load --help"] = [program, "load", "--help"]
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(20):
        for name, command in commands.items():
            found[name].append(timed(command).seconds * 1000)
    print("start-up, milliseconds of 20 rounds")
    base = statistics.median(found["python -c pass"])
    for name, taken in found.items():
        middle = statistics.median(taken)
        print(f"  {name:38}{'':12}{middle:9.0f}{min(taken):8.0f}{max(taken):8.0f}{'':17}{middle / base:7.2f}")


def slope(scratch: Path) -> None:
    """What a row costs as the month grows tenfold: `x` is by the row."""
    cases: list[Case] = []
    sizes: dict[str, int] = {}
    for rows in (ROWS // 10, ROWS):
        books = scratch / str(rows)
        paths = make_books(books, rows, COMPANY)
        bare = _others.group(paths)["bare DuckDB"]
        cases.append((f"finledger allocate, {rows:,}", allocate(books), partial(forget, books)))
        cases.append((f"bare DuckDB, {rows:,}", [sys.executable, "-c", bare], lambda: None))
        sizes |= {name: rows for name, _, _ in cases[-2:]}
    block("cost of a row", cases, ROWS, sizes)


BLOCKS: dict[str, Callable[[Path], None]] = {
    "group": group, "kept": kept, "traces": traces, "load": load, "dedup": dedup, "invoices": invoices, "close": close,
    "start-up": start_up, "slope": slope,
}  # fmt: skip


if __name__ == "__main__":
    main()
