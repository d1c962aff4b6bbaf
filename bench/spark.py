"""What charging a month costs on Spark beside DuckDB, on one machine, and what Spark sends between its tasks. No limit.

    python -m bench.spark [ROWS]

4 M stored rows in 8 Parquet parts, and a tenth of them, so that the slope is seen without the start. Two shapes: 1,600 groups of
usage and 51,840. Each figure is of a whole process; runs alternate, the medians are compared. charges.csv has to be the same.
What is sent between tasks is what decides how far a cluster carries: each task sends its groups once, however many rows it read.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from bench._process import timed
from bench.allocate import JULY, SHAPES, make_books

ROUNDS = 3


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000_000
    print(
        f"{'shape':20}{'rows':>12}{'engine':>10}{'seconds':>9}{'CPU s':>9}{'tasks':>7}{'sent MB':>9}{'bytes a group and task':>24}"
    )
    for name, shape in SHAPES.items():
        for count in (rows // 10, rows):
            with tempfile.TemporaryDirectory() as scratch:
                compare(name, shape, count, Path(scratch))


def compare(name: str, shape: dict[str, str], rows: int, scratch: Path) -> None:
    books, log = scratch / "books", scratch / "log"
    log.mkdir()
    make_books(books, rows, shape)
    config = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": log.as_uri(), "spark.eventLog.compress": "false"}
    choice = {"kind": "spark", "master": "local[2]", "config": {**config, "spark.eventLog.rolling.enabled": "false"}}
    with (books / "finledger.yaml").open("a") as settings:
        settings.write(f"engine: {json.dumps(choice)}\n")
    written = books / "out" / str(JULY) / "charges.csv"
    seconds: dict[str, list[float]] = {"duckdb": [], "spark": []}
    contents: dict[str, bytes] = {}
    for _ in range(ROUNDS):
        for engine, found in seconds.items():
            shutil.rmtree(books / "out", ignore_errors=True)
            words = ["allocate", "--month", str(JULY), "--books", str(books), "--engine", engine]
            found.append(timed([sys.executable, "-m", "finledger", *words])[0])
            contents[engine] = written.read_bytes()
    assert contents["duckdb"] == contents["spark"], "Spark gave other charges than DuckDB"
    tasks, sent, records, worked = measured(next(log.iterdir()))
    print(f"{name:20}{rows:>12,}{'duckdb':>10}{statistics.median(seconds['duckdb']):9.1f}")
    figures = f"{worked / 1e9:9.1f}{tasks:>7}{sent / 1e6:>9.1f}{sent / max(records, 1):>24.0f}"
    print(f"{name:20}{rows:>12,}{'spark':>10}{statistics.median(seconds['spark']):9.1f}{figures}", flush=True)


def measured(log: Path) -> tuple[int, int, int, int]:
    """Tasks that sent anything to others, the bytes and the records that they sent, and the nanoseconds that all tasks worked."""
    tasks = sent = records = worked = 0
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["Event"] == "SparkListenerTaskEnd":
            worked += event["Task Metrics"]["Executor CPU Time"]
            metrics = event["Task Metrics"]["Shuffle Write Metrics"]
            tasks += metrics["Shuffle Records Written"] > 0
            sent += metrics["Shuffle Bytes Written"]
            records += metrics["Shuffle Records Written"]
    return tasks, sent, records, worked


if __name__ == "__main__":
    main()
