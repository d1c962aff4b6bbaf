"""Write a month's invoices, and pro-forma statements for teams whose stage moves no money.

What the month posts for earlier, closed months stands on credit and debit notes, which name the document that they correct.
Documents go to out/MONTH/invoices/, notes/ and statements/. A number is given once and never again; the same figures give the
same bytes. Words and looks are templates: put your own into the books' templates/ folder.

Example: finledger invoice --month 2026-07 --team search --to html,pdf
"""

from __future__ import annotations

from typing import Annotated

import typer

from finledger.cli._options import AsOf, Books, DryRun, Format, Month, Quiet, chosen_formats, opened

TeamName = Annotated[str | None, typer.Option("--team", metavar="TEAM", help="Only this team's document.")]
To = Annotated[
    str,
    typer.Option(
        "--to", metavar="FORMATS", help="Formats, with commas: html,pdf,xlsx,json,md.  [default: all]", show_default=False
    ),
]
COLUMNS = ("number", "kind", "team", "stage", "original", "total", "budget", "variance")


def invoice(
    books: Books,
    month: Month,
    team: TeamName = None,
    to: To = "",
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.problem import Misused
    from finledger.write import figures
    from finledger.write import invoice as writers
    from finledger.write.text import count

    formats = chosen_formats(to, writers.formats(), "document")
    bench, dry_run = opened(books, as_of), dry_run or bool(as_of)
    if team is not None and team not in bench.organisation.teams:
        raise Misused(f"no team {team!r} in finledger.yaml: there are {', '.join(sorted(bench.organisation.teams))}")
    with bench.change(dry_run=dry_run):
        charges, documents = bench.issue(month, record=not dry_run)
        chosen = [each for each in documents if team in (None, each.team)]
        with screen.progress("writing documents", len(chosen) * len(formats), unit="documents", quiet=quiet) as advance:
            written = bench.write_documents(chosen, formats, dry_run=dry_run, advance=advance)
    rows = [figures.invoice_row(each) for each in chosen]
    if format == "json":
        files = [bench.shown(path) for path in written]
        screen.json_out({"schema": 1, "month": str(month), "currency": charges.currency, "documents": rows, "files": files})
    elif format == "csv":
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, rows))
    else:
        columns = [name for name in COLUMNS if name != "original" or any(row[name] for row in rows)]
        title = f"Documents of {month}, {charges.currency}"
        screen.table(title, columns, screen.cells(columns, rows), right_align=COLUMNS[5:])
    screen.problems(charges.notices, quiet=quiet, file=books / "out" / "problems.txt")
    if format == "table" and not quiet:
        places = sorted({bench.shown(path.parent) for path in written})
        made = f"{count(len(written), 'file')} in {' and '.join(places)}" if written else "no document to write"
        moves = any(each.kind != "statement" for each in chosen)
        following = f"; next: finledger journal --month {month}" if moves else ""
        screen.note("nothing was written" if dry_run else made + following)
