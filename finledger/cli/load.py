"""Read exports of usage into the books.

Without FILE, everything in usage/ that is new. A file's format is found by its content; `finledger formats` lists them. Rows
that cannot be read are put into quarantine with their reason, and read = accepted + duplicate + aggregate + rejected.
Loading the same file, or the same rows in another file, changes nothing.

Example: finledger load usage/gateway-2026-07.jsonl.gz --source litellm
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from finledger.cli._options import AnyMonth, Books, DryRun, Format, Quiet

Files = Annotated[
    list[Path] | None, typer.Argument(metavar="[FILE]...", help="Exports; all that is new in usage/ when left out.")
]
As = Annotated[str | None, typer.Option("--as", metavar="FORMAT", help="Read as this format instead of finding it out.")]
Source = Annotated[str | None, typer.Option("--source", metavar="NAME", help="The source's name, for rules and roles.")]
Map = Annotated[Path | None, typer.Option("--map", metavar="MAP.yaml", help="A column map, for a format of your own.")]
COLUMNS = ("file", "format", "source", "read", "accepted", "duplicate", "aggregate", "rejected")
COUNTS = COLUMNS[3:]


def load(
    books: Books,
    files: Files = None,
    as_format: As = None,
    source: Source = None,
    month: AnyMonth = None,
    column_map: Map = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.problem import Misused
    from finledger.workbench import Workbench

    bench = Workbench(books)
    chosen = files or bench.inbox()
    if column_map is not None and not files:
        raise Misused("--map says how to read the files that are named: name them too")
    missing = [path for path in chosen if not path.is_file()]
    if missing:
        raise Misused(f"no such file: {', '.join(str(path) for path in missing)}")
    watched = sys.stderr.isatty() and not quiet
    with screen.progress("loading", sum(path.stat().st_size for path in chosen), unit="bytes", quiet=quiet) as advance:
        loaded = bench.load(
            chosen,
            format=as_format,
            source=source,
            month=month,
            column_map=column_map,
            dry_run=dry_run,
            advance=advance if watched else None,
        )
    rows = [
        {
            "file": each.file.name,
            "format": each.file.format,
            "source": each.file.source,
            **{name: getattr(each.file, name) for name in COUNTS},
        }
        for each in loaded
    ]
    sums = {name: sum(int(row[name]) for row in rows) for name in COUNTS}
    if format == "json":
        screen.json_out({"schema": 1, "files": rows, **sums})
    elif format == "csv":
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, rows))
    else:
        title = "Would be loaded" if dry_run else "Loaded"
        screen.table(title, COLUMNS, screen.cells(COLUMNS, [*rows, {"file": "all", **sums}]), right_align=COUNTS)
    problems = [problem for each in loaded for problem in each.problems]
    screen.problems(problems, quiet=quiet, file=books / "out" / "problems.txt")
    if not quiet and format == "table":
        if not rows:
            screen.note("Nothing to load: put exports into usage/, or name files.")
        elif sums["rejected"] and not dry_run:
            screen.note("Rejected rows and their reasons: finledger usage quarantine")
        elif not dry_run:
            screen.note("Next: finledger allocate --month MONTH (`finledger status` knows which)")
