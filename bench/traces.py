"""What traces cost `allocate`: the same spans with and without their trace's columns. No limit; the ratio is what counts.

    python -m bench.traces [ROWS]

20 M stored spans in 8 Parquet parts, five to a trace. The first of each is its root and names one of 40 teams with its feature;
the others name one of six tools' teams, and no feature. `plain` has the same rows without trace, span and parent: nothing has a
root. Each figure is of a
whole process; runs alternate, the medians are compared.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from bench._process import timed
from bench.allocate import JULY, SHAPES, VALUES, make_books

ROUNDS = 3
SHAPE = SHAPES["company"]
CHILD = {"team": "'team-' || hash(i + 2000000000) % 6", "cost_center": "NULL", "feature": "NULL"}
SPANS = {name: f"CASE WHEN i % 5 = 0 THEN {VALUES[name].format(**SHAPE)} ELSE {value} END" for name, value in CHILD.items()}
TRACES = {
    "trace_id": "md5('t' || (i // 5)::VARCHAR)",
    "span_id": "substr(md5('s' || i::VARCHAR), 1, 16)",
    "parent_span_id": "CASE WHEN i % 5 > 0 THEN substr(md5('s' || (i // 5 * 5)::VARCHAR), 1, 16) END",
}


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    with tempfile.TemporaryDirectory() as scratch:
        books = {"plain": Path(scratch) / "plain", "traces": Path(scratch) / "traces"}
        make_books(books["plain"], rows, SHAPE, SPANS)
        make_books(books["traces"], rows, SHAPE, {**SPANS, **TRACES})
        runs: dict[str, list[tuple[float, int]]] = {name: [] for name in books}
        for _ in range(ROUNDS):
            for name, folder in books.items():
                shutil.rmtree(folder / "out", ignore_errors=True)
                words = ["allocate", "--month", str(JULY), "--books", str(folder)]
                runs[name].append(timed([sys.executable, "-m", "finledger", *words]))
    seconds = {name: statistics.median(run[0] for run in found) for name, found in runs.items()}
    print(f"{rows:,} spans\n{'':22}{'seconds':>9}{'peak MB':>9}")
    for name, found in runs.items():
        print(f"{name:22}{seconds[name]:9.2f}{max(run[1] for run in found):9}")
    print(f"ratio {seconds['traces'] / seconds['plain']:.2f}")


if __name__ == "__main__":
    main()
