"""Open the last closed month or quarter again, with a reason that stays in the log.

Its documents are kept in out/PERIOD/closed-N/ as they were; closing it again makes new ones with the same numbers. Late usage
needs no reopening: it is posted as corrections in the month that is open. Evaluation records of a closed month do.

Example: finledger reopen --month 2026-07 --by "Ada Fell" --reason "Coverage of July was recorded in the wrong column"
"""

from __future__ import annotations

from typing import Annotated

import typer

from finledger.cli._options import AnyMonth, AnyQuarter, Books, DryRun, Format, Quiet, one_period

By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who reopens it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is reopened.")]


def reopen(
    books: Books,
    by: By,
    reason: Reason,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.cli import screen
    from finledger.workbench import Workbench, closing

    period = one_period(month, quarter)
    event = closing.reopen(Workbench(books), period, reason, by, dry_run=dry_run)
    row = {"period": str(period), "close": event.content["close"], "by": by, "reason": reason, "event": event.number}
    if format == "json":
        screen.json_out({"schema": 1, **row})
    elif format == "csv":
        screen.csv_out(tuple(row), screen.cells(tuple(row), [row]))
    elif not quiet:
        kept = f"its documents are kept in out/{period}/closed-{row['close']}/"
        screen.note("nothing was written" if dry_run else f"{period} is open again; {kept}")
