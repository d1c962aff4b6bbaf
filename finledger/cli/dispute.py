"""Disputes: hold a line with its reason, decide it, list what is open, hand out the evidence.

A line that is disputed is held: its documents say so, and its month does not close before it is decided. Upheld, it is credited
at the price at which it was charged, with all that was charged on it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from finledger.cli._options import AnyMonth, AsOf, Books, DryRun, Format, Quiet, opened
from finledger.cli.explain import Document, LineId

app = typer.Typer(add_completion=False)


def day_of(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day: write it as 2026-08-03") from None


On = Annotated[
    date | None, typer.Option("--on", metavar="YYYY-MM-DD", parser=day_of, help="The day it was done.  [default: today]")
]
Name = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="What is wrong with the line.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What was found, for whoever raised it.")]
DisputeId = Annotated[str, typer.Argument(metavar="ID", help="The dispute: D-2026-0001.")]
Decision = Annotated[
    Literal["upheld", "rejected", "withdrawn"], typer.Option("--outcome", help="What was decided; upheld credits the line.")
]
Quantity = Annotated[
    str,
    typer.Option(
        "--quantity", metavar="N", help="How much of the line's quantity is credited.  [default: all that is left]"
    ),
]
Rebill = Annotated[str, typer.Option("--rebill", metavar="TEAM", help="Charge this team what is credited.")]
OpenOnly = Annotated[bool, typer.Option("--open", help="Only those that are not decided yet.")]
To = Annotated[
    Path | None, typer.Option("--to", metavar="FILE.zip", help="Where it is written.  [default: out/disputes/ID.zip]")
]
BundleFile = Annotated[Path, typer.Argument(metavar="FILE.zip", help="The bundle, or the folder it was unpacked to.")]


@app.command("open")
def open_one(
    books: Books,
    document: Document,
    line: LineId,
    reason: Reason,
    by: Name,
    on: On = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Hold a line of a document, and say why.

    Example: finledger dispute open INV-2026-0001 L458c8c64d0ba55e --reason "These calls were not ours" --by "Ann Lee"
    """
    from finledger.workbench import Workbench
    from finledger.workbench.disputes import open_dispute

    found = open_dispute(Workbench(books), document, line, reason=reason, by=by, on=on or date.today(), dry_run=dry_run)
    following = f"next: finledger dispute bundle {found.dispute_id}"
    _show([found], found.opened, format, quiet, "nothing was written" if dry_run else following)


@app.command("list")
def list_all(
    books: Books,
    open: OpenOnly = False,
    month: AnyMonth = None,
    on: On = None,
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
) -> None:
    """Every dispute with its amount, when it is due, and what is overdue on a day.

    Example: finledger dispute list --open --on 2026-08-31
    """
    from finledger.cli import screen
    from finledger.workbench.disputes import all_disputes, spoilt_credits

    bench = opened(books, as_of)
    found = all_disputes(bench, month, only_open=open)
    _show(found, on or date.today(), format, quiet, "" if found else "no disputes")
    found_wrong = spoilt_credits(bench, bench.months() if month is None else [month])
    spoilt = [replace(each, severity="warning") for each in found_wrong]  # they stop a close, not a look
    screen.problems(spoilt, quiet=quiet, file=books / "out" / "problems.txt")


@app.command()
def resolve(
    books: Books,
    dispute: DisputeId,
    outcome: Decision,
    by: Name,
    note: Note,
    quantity: Quantity = "",
    rebill: Rebill = "",
    on: On = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Decide a dispute. Upheld, the line is credited, all of it or --quantity; with --rebill another team is charged.

    Example: finledger dispute resolve D-2026-0001 --outcome upheld --by "Bo Chen" --note "The key was search's" --rebill search
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.disputes import resolve_dispute
    from finledger.write.disputes import credit_json, dispute_json

    done, credit = resolve_dispute(
        Workbench(books),
        dispute,
        outcome=outcome,
        by=by,
        note=note,
        on=on or date.today(),
        quantity=amount_of(quantity),
        rebill=rebill,
        dry_run=dry_run,
    )
    assert done.resolved is not None, "it is resolved"
    if format == "json":
        said = None if credit is None else credit_json(credit)
        screen.json_out({"schema": 1, **dispute_json(done, done.resolved), "credited": said})
    elif credit is not None:
        show_credit(credit, format, quiet, dry_run)
    else:
        _show([done], done.resolved, format, quiet, "nothing was written" if dry_run else f"{dispute} is {outcome}")


@app.command()
def bundle(books: Books, dispute: DisputeId, to: To = None, quiet: Quiet = False, dry_run: DryRun = False) -> None:
    """Write the evidence of a disputed line: its rows, price, rules and hashes, and a program that works it out again.

    Whoever gets the file needs Python, and nothing else: neither finledger nor these books, nor a network.

    Example: finledger dispute bundle D-2026-0001
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.bundle import write_bundle
    from finledger.write.text import count

    bench = Workbench(books)
    with screen.progress(f"bundling {dispute}", quiet=quiet):
        made = write_bundle(bench, dispute, to, dry_run=dry_run)
    screen.problems(made.problems, quiet=quiet, file=books / "out" / "problems.txt")
    rows = count(made.rows, "source row")
    if made.rows < made.all_rows:
        rows = f"the first {rows} of {made.all_rows}: check.py cannot add up what is not there"
    shown = bench.shown(made.path)
    screen.done(
        [
            ("bundle", f"{shown} (nothing was written)" if dry_run else shown),
            ("holds", f"{count(len(made.members), 'file')}, {rows}"),
            ("sha256", made.sha256),
            ("to check it", f"unpack it, then: python3 -I check.py (in {made.path.stem}/)"),
        ],
        quiet=quiet,
    )


@app.command()
def check(file: BundleFile, quiet: Quiet = False) -> None:
    """Work a bundle out again, as the program in it does, with this program's own copy of that one. Needs no books.

    Example: finledger dispute check D-2026-0001.zip
    """
    from finledger.cli import screen
    from finledger.core.problem import Refused
    from finledger.workbench.bundle import check_bundle

    problems = check_bundle(file)
    if problems:
        raise Refused(problems)
    screen.note(f"all of {file.name} holds: the line is what it should be", quiet=quiet)


def amount_of(text: str) -> Any:
    """The quantity that was typed, None where none was."""
    from decimal import Decimal, InvalidOperation

    from finledger.core.problem import Misused

    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Misused(f"--quantity {text}: write a number, as 1200 or 2.5")
    return number


def show_credit(credit: Any, format: str, quiet: bool, dry_run: bool) -> None:
    """The lines of a credit; `credit` shows them too."""
    from finledger.cli import screen
    from finledger.write import disputes as written

    rows = written.credit_rows(credit)
    if format == "json":
        screen.json_out({"schema": 1, **written.credit_json(credit)})
    elif format == "csv":
        screen.csv_out(written.CREDIT_COLUMNS, screen.cells(written.CREDIT_COLUMNS, rows))
    else:
        title = f"{credit.credit_id} on {credit.document}, posted in {credit.posting_month}, {credit.amount.currency}"
        columns = written.CREDIT_COLUMNS[1:]
        screen.table(title, columns, screen.cells(columns, rows), right_align=written.CREDIT_FIGURES)
        following = f"next: finledger invoice --month {credit.posting_month}"
        screen.note("nothing was written" if dry_run else following, quiet=quiet)


def _show(found: Any, on: date, format: str, quiet: bool, note: str) -> None:
    from finledger.cli import screen
    from finledger.write import disputes as written

    rows = written.dispute_rows(found, on)
    if format == "json":
        screen.json_out(written.list_json(found, on))
    elif format == "csv":
        screen.csv_out(written.DISPUTE_COLUMNS, screen.cells(written.DISPUTE_COLUMNS, rows))
    else:
        if rows:
            title = f"Disputes on {on}, {found[0].amount.currency}"
            screen.table(
                title, written.DISPUTE_COLUMNS, screen.cells(written.DISPUTE_COLUMNS, rows), right_align=("amount",)
            )
        if note:
            screen.note(note, quiet=quiet)
