"""Write a month's journal entries as files that an accounting system can import.

Only teams whose stage moves money have entries. Files go to out/MONTH/journal/: csv is the canonical form, beancount and
hledger (which ledger reads too) can be checked by those programs.

Example: finledger journal --month 2026-07 --to csv,beancount
"""

from __future__ import annotations

from typing import Annotated

import typer

from finledger.cli._options import AsOf, Books, DryRun, Format, Month, Quiet, chosen_formats, opened

To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORMATS",
        help="Formats, with commas: csv,beancount,hledger.  [default: those that `journal` in finledger.yaml names, or all]",
        show_default=False,
    ),
]
COLUMNS = ("entry", "date", "team", "postings", "debits", "credits")


def journal(
    books: Books,
    month: Month,
    to: To = "",
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.money import Money
    from finledger.workbench.ladder import journal_formats
    from finledger.write import journal as writers
    from finledger.write.text import count

    formats = chosen_formats(to, writers.formats(), "journal")
    bench, dry_run = opened(books, as_of), dry_run or bool(as_of)
    formats = formats if to else journal_formats(bench)
    with bench.change(dry_run=dry_run):
        charges = bench.journal(month, record=not dry_run)
        written = bench.write_journal(charges, formats, dry_run=dry_run)
    rows = [
        {
            "entry": entry.entry_id,
            "date": str(entry.posting_date),
            "team": entry.team,
            "postings": len(entry.postings),
            "debits": str(Money(entry.debits, charges.currency)),
            "credits": str(Money(-sum(min(posting.amount.minor, 0) for posting in entry.postings), charges.currency)),
        }
        for entry in charges.entries
    ]
    if format == "json":
        files = [bench.shown(path) for path in written]
        screen.json_out({"schema": 1, "month": str(month), "currency": charges.currency, "entries": rows, "files": files})
    elif format == "csv":
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, rows))
    else:
        screen.table(
            f"Journal of {month}, {charges.currency}", COLUMNS, screen.cells(COLUMNS, rows), right_align=COLUMNS[3:]
        )
    screen.problems(charges.notices, quiet=quiet, file=books / "out" / "problems.txt")
    if format == "table" and not quiet:
        if not rows:
            screen.note("No team's stage moves money this month: there is nothing to post.")
        elif dry_run:
            screen.note("nothing was written")
        else:
            place = bench.shown(written[0].parent)
            screen.note(f"{count(len(written), 'file')} in {place}; next: finledger status")
