"""What reading each export costs beside DuckDB's bare read of the same file into Parquet: at least 40 % of its speed, in 1 GB.

    python -m bench.readers [FORMAT …] [--rows 1000000] [--rounds 3] [--odd]

The exports have the shape and the mix of real ones (bench/_ordinary.py); of formats that have none of those, and of all with
--odd, they are the cases of tests/formats/usage, full of rarities, many times over (bench/_exports.py). `bare` is COPY (SELECT *
FROM the file) TO PARQUET, every column as text where DuckDB can, a document's records by unnest, the columns known before,
nothing checked. `ours` is what `load` does before it publishes: find the format, hash the file, check and cast every value,
make ids, compare them. Each is a process of its own that times the work without its imports; of the rounds, which alternate,
the fastest counts. `ratio` is of speeds by the clock, `cpu` by processor time, which other work disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import duckdb

from bench._exports import Case, cases, made
from bench._ordinary import Ordinary, ordinary
from finledger.read.columns import literal
from finledger.read.usage import formats

LIMIT, MOST_MB = 0.40, 1024
_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
_LARGE = 1 << 31


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("formats", nargs="*")
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--odd", action="store_true")
    words = asked.parse_args()
    print(f"{'':38}{'rows':>9}{'bare rows/s':>13}{'ours rows/s':>13}{'ratio':>7}{'cpu':>7}{'bare MB':>9}{'our MB':>8}")
    below = 0
    for case in _cases(words.odd):
        if words.formats and case.format not in words.formats:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            below += not _compared(case, words.rows, words.rounds, Path(scratch))
    print(f"limit {LIMIT:.2f}" + (f": {below} below it" if below else ""))
    return 0


def _cases(odd: bool) -> Iterator[Case | Ordinary]:
    usual = [] if odd else list(ordinary())
    covered = {(case.format, case.container) for case in usual}
    others = [case for case in cases() if (case.format, case.container) not in covered]
    found: list[Case | Ordinary] = [*usual, *others]
    yield from sorted(found, key=lambda case: case.format)


def _compared(case: Case | Ordinary, rows: int, rounds: int, folder: Path) -> bool:
    with ProcessPoolExecutor(1) as apart:  # a process that has once been large starts no small one
        export = apart.submit(_made, case, rows, folder).result()
    query = bare_sql(case, export)
    runs: dict[str, list[tuple[float, int, int, float]]] = {"bare": [], "ours": []}
    for number in range(rounds):
        runs["bare"].append(_child("bare", query, str(folder / "bare.parquet")))
        runs["ours"].append(_child("ours", str(export), str(folder / f"work-{number}")))
    bare, ours = (min(runs[which]) for which in ("bare", "ours"))
    # a page that DuckDB leaves in one piece is as many rows as it is for us
    speeds = [ours[1] / each[0] for each in (bare, ours)]
    memory = [max(each[2] for each in runs[which]) for which in ("bare", "ours")]
    ratio = speeds[1] / speeds[0]
    name = f"{case.format} {case.container} ({case.name})"
    processor = min(each[3] for each in runs["bare"]) / min(each[3] for each in runs["ours"])
    mark = "" if ratio >= LIMIT else "  below"
    print(
        f"{name:38}{ours[1]:9,}{speeds[0]:13,.0f}{speeds[1]:13,.0f}{ratio:7.2f}{processor:7.2f}{memory[0]:9}{memory[1]:8}{mark}",
        flush=True,
    )
    return ratio >= LIMIT


def _made(case: Case | Ordinary, rows: int, folder: Path) -> Path:
    return case.made(rows, folder) if isinstance(case, Ordinary) else made(case, rows, folder)


def bare_sql(case: Case | Ordinary, export: Path) -> str:
    """DuckDB's own way to the records of a file, with the columns and types of the small one, so that it need not guess."""
    path = literal(str(export))
    if case.container == "parquet":
        return f"SELECT * FROM read_parquet({path})"
    if case.container == "csv":
        return f"SELECT * FROM read_csv({path}, all_varchar = true)"
    if case.container == "txt":
        whole = f"delim = {literal(chr(30))}, quote = '', escape = '', columns = {{'line': 'VARCHAR'}}"
        return f"SELECT * FROM read_csv({path}, auto_detect = false, header = false, {whole})"
    with duckdb.connect() as connection, tempfile.TemporaryDirectory() as scratch:
        small = str(case.made(400, Path(scratch)) if isinstance(case, Ordinary) else case.source)
        described = connection.execute(
            f"DESCRIBE SELECT * FROM read_json({literal(small) if case.container == 'json' else path})"
        ).fetchall()
    types = {str(name): str(kind) for name, kind, *_ in described}
    steps = _steps(case, types)
    if not steps:
        types = {name: "VARCHAR" for name in types}
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    shape = "newline_delimited" if case.container == "jsonl" else "auto"
    query = f"SELECT * FROM read_json({path}, format = '{shape}', columns = {{{columns}}}, maximum_object_size = {_LARGE})"
    place = ""
    for step in steps:
        query = f"SELECT unnest({place}{step}) AS r FROM ({query})"
        place = "r."
    return query


def _steps(case: Case | Ordinary, types: dict[str, str]) -> list[str]:
    """The lists to go through, of the first of the format's paths that the document has."""
    if any(kind.endswith("[]") for name, kind in types.items() if name == "data") and case.format == "opencost":
        return ["data"]
    if case.format == "dcgm":
        return ["data.result", '"values"']
    for path in formats()[case.format].places.paths:
        steps = [part for part in path.replace("[]", "").replace("{}", "").split(".") if part]
        first = next((name for name in steps[0].split("|") if name in types), "") if steps else ""
        if first:
            whole = types[first]
            return [first, *(next(name for name in step.split("|") if f"{name} " in whole) for step in steps[1:])]
    return []


def _child(which: str, *words: str) -> tuple[float, int, int, float]:
    """Seconds, rows, peak memory in MB, and seconds of processor time."""
    call = f"from bench.readers import {which}; {which}(*{words!r})"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{which} {words[0][:200]} failed\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return said["seconds"], said["rows"], said["peak"], said["processor"]


def _now() -> tuple[float, float]:
    """The wall's clock, and the processor's, with that of processes that were started and have ended."""
    return time.perf_counter(), sum(os.times()[:4])


def _said(started: tuple[float, float], rows: int) -> None:
    seconds, processor = (now - before for now, before in zip(_now(), started, strict=True))
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024
    print(json.dumps({"seconds": seconds, "processor": processor, "rows": rows, "peak": peak}))


def bare(query: str, target: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        started = _now()
        (rows,) = connection.execute(f"COPY ({query}) TO {literal(target)} ({_PARQUET})").fetchone() or (0,)
        _said(started, rows)


def ours(export: str, workspace: str) -> None:
    from finledger.read.stage import stage

    formats()
    started = _now()
    staged = stage(Path(export), shown_as=Path(export).name, workspace=Path(workspace))
    if any(each.is_error for each in staged.problems):
        raise SystemExit("\n".join(str(each) for each in staged.problems[:3]))
    _said(started, staged.read)


if __name__ == "__main__":
    sys.exit(main())
