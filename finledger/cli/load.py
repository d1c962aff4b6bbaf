"""Read exports of usage into the books.

Without FILE, everything in usage/ that is new. A file's format is found by its content; `finledger formats` lists them. Rows
that cannot be read are put into quarantine with their reason, and read = accepted + duplicate + aggregate + rejected.
Loading the same file, or the same rows in another file, changes nothing. All files of one command are loaded, or none.

FILE may be packed (.gz, .zst), a zip archive, a folder, which is read with all that is below it, or a pattern in quotes (* ?
[ ] and ** for folders). What is found in those and is no export, as a manifest or _SUCCESS, is left out and said. Text is UTF-8,
or UTF-16 and UTF-32 by their BOM; --encoding says what else it is.

A FILE that begins with s3://, gs:// or abfss:// is an object of a bucket, a folder there or a pattern; each object is copied to
store/ while it is read. Who may read it is set where the service's own tools look for it (AWS_PROFILE, …). It needs one more
package: pip install 'finledger[s3]', [gcs] or [azure].

A report that was exported again, with more in its last day, takes the place of the earlier export: --replaces.

Example: finledger load usage/gateway-2026-07.jsonl.gz --source litellm

More of them:

  finledger load exports/ invoices-2026-07.zip

  finledger load 'exports/month=2026-07/**/*.parquet'

  finledger load 's3://acme-exports/gateway/2026-07/*.csv.gz'

  finledger load july.csv --encoding cp1252

  finledger load usage/report-of-the-5th.csv --replaces usage/report-of-the-4th.csv
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finledger.cli._options import AnyMonth, Books, DryRun, Format, Quiet

if TYPE_CHECKING:
    from finledger.books.loads import Loaded


Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE]...", help="Exports, zip archives, folders, patterns, URLs; all that is new in usage/ when left out."
    ),
]
As = Annotated[str | None, typer.Option("--as", metavar="FORMAT", help="Read as this format instead of finding it out.")]
Source = Annotated[str | None, typer.Option("--source", metavar="NAME", help="The source's name, for rules and roles.")]
Map = Annotated[Path | None, typer.Option("--map", metavar="MAP.yaml", help="A column map, for a format of your own.")]
Replaces = Annotated[
    list[str] | None,
    typer.Option(
        "--replaces", metavar="FILE", help="A loaded file whose place these take, by name or beginning of SHA-256."
    ),
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="The text's encoding where it is not Unicode, as cp1252.")
]
COLUMNS = ("file", "format", "source", "read", "accepted", "duplicate", "aggregate", "rejected")
COUNTS = COLUMNS[3:]


def load(
    books: Books,
    files: Files = None,
    as_format: As = None,
    source: Source = None,
    month: AnyMonth = None,
    column_map: Map = None,
    encoding: Encoding = None,
    replaces: Replaces = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.problem import Misused, Refused
    from finledger.workbench import Workbench

    bench = Workbench(books)
    chosen = bench.chosen(files or ())
    if column_map is not None and not files:
        raise Misused("--map says how to read the files that are named: name them too")
    if replaces and not files:
        raise Misused("--replaces says what the files that are named take the place of: name them too")
    if chosen.nothing:
        raise Misused("; ".join(chosen.nothing))
    if chosen.errors:
        raise Refused(chosen.problems)
    watched = sys.stderr.isatty() and not quiet
    with screen.file_progress(bench.size(chosen.exports) if watched else 0, len(chosen.exports), quiet=quiet) as advance:
        loaded = bench.load(
            chosen.exports,
            format=as_format,
            source=source,
            month=month,
            column_map=column_map,
            encoding=encoding,
            dry_run=dry_run,
            replaces=replaces or (),
            named=bool(files),
            advance=advance if watched else None,
        )
    rows = _shown(loaded, format, dry_run)
    screen.problems(
        [*chosen.problems, *(problem for each in loaded for problem in each.problems)],
        quiet=quiet,
        file=books / "out" / "problems.txt",
    )
    if not quiet and format == "table":
        if not rows:
            screen.note("Nothing to load: put exports into usage/, or name files.")
        elif any(int(row["rejected"]) for row in rows) and not dry_run:
            screen.note("Rejected rows and their reasons: finledger usage quarantine")
        elif not dry_run:
            screen.note("Next: finledger allocate --month MONTH (`finledger status` knows which)")


def _shown(loaded: Sequence[Loaded], format: str, dry_run: bool) -> list[dict[str, Any]]:
    """What became of each file, on standard output, and the same as rows."""
    from finledger.cli import screen

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
    return rows
