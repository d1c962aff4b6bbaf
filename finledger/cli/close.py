"""Close a month or a quarter: seal it, or refuse with every reason.

A month is closed when its usage is complete, its owners are known, every cent of the providers' invoices is classified (what has
not been invoiced is accrued), and nothing is in dispute. Closing charges it for the last time, posts it, writes its documents,
and seals inputs, price books, figures and documents in a chain of hashes; its root stands on every document. Months close in
order. From then on late usage is posted as corrections, in the month that is open.

A quarter closes after its months: draws are trued up, what the buffer holds above its limit is given back, reserves are released; the
entries are dated its last day.

--dry-run looks at all of it and writes nothing; exit code 1 while a condition is not met. What can be waived is waived by
--waive CONDITION --by NAME --reason TEXT, which goes into decisions/waivers.csv.

Example: finledger close --month 2026-07
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finledger.cli._options import AnyMonth, AnyQuarter, Books, DryRun, Format, Quiet, one_period

if TYPE_CHECKING:
    from finledger.workbench.closing import Closing

Waive = Annotated[
    list[str] | None, typer.Option("--waive", metavar="CONDITION", help="Close although this is not met; may be repeated.")
]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who waives it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is waived.")]
Sign = Annotated[
    Path | None,
    typer.Option("--sign", metavar="KEY", help="Sign the seal with this private SSH key, kept outside the books."),
]


def close(
    books: Books,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    waive: Waive = None,
    by: By = "",
    reason: Reason = "",
    sign: Sign = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.problem import Refused
    from finledger.workbench import Workbench, closing, signing
    from finledger.workbench.waivers import given_waivers, standing_waivers

    period = one_period(month, quarter)
    bench = Workbench(books)
    given = given_waivers(period, waive or (), by, reason)
    if sign is not None:
        signing.usable(sign, books)
    problems = books / "out" / "problems.txt"
    with screen.progress(f"closing {period}", quiet=quiet):
        if dry_run:
            found = _looked_at(bench, month, quarter, (*standing_waivers(bench), *given))
        elif month is not None:
            found = closing.close_month(bench, month, waive=given)
        else:
            assert quarter is not None
            found = closing.close_quarter(bench, quarter, waive=given)
    _show(found, format, quiet)
    screen.problems(found.notices, quiet=quiet, file=problems)
    if found.unmet:
        raise Refused(found.unmet)
    if sign is not None and not dry_run:
        signature = signing.sign(books / "out" / str(period) / "seal.json", sign)
        if format == "table" and not quiet:
            screen.note(f"signed: {bench.shown(signature)}")
    if format == "table" and not quiet:
        _note(bench, found, dry_run)


def _looked_at(bench: Any, month: Any, quarter: Any, waivers: Any) -> Closing:
    from finledger.workbench import closing

    period = month if quarter is None else quarter
    event = bench.closed(period)
    if event is not None:
        return closing.Closing(period, event=event, already=True)
    if quarter is None:
        return closing.look_at_month(bench, month, waivers)
    return closing.look_at_quarter(bench, quarter, waivers)


def _show(found: Closing, format: str, quiet: bool) -> None:
    from finledger.cli import reconcile, screen
    from finledger.write import closing as written
    from finledger.write.quarter import team_rows

    if format == "json":
        screen.json_out(_as_json(found))
    elif format == "csv":
        if found.settled is not None:
            screen.csv_out(reconcile.TEAM_COLUMNS, screen.cells(reconcile.TEAM_COLUMNS, team_rows(found.settled.end)))
        else:
            screen.csv_out(written.COLUMNS, written.condition_rows(found.unmet, found.waived))
    elif not found.already:
        if found.settled is not None:
            reconcile.show(found.settled, quiet)
        elif found.charges is not None and found.providers is not None:
            title = f"What {found.period} comes to, {found.charges.currency}"
            rows = [list(row) for row in written.month_figures(found.charges, found.providers)]
            screen.table(title, ("", "amount"), rows, right_align=("amount",))
        if found.waived:
            waived = written.condition_rows((), found.waived)
            screen.table(f"Waived for {found.period}", written.COLUMNS, waived, below=True)


def _as_json(found: Closing) -> dict[str, Any]:
    from finledger.cli import reconcile
    from finledger.write import closing as written

    event = found.event
    seal = {"seal": None if event is None else written.seal_row(event.number, event.hash, found.already)}
    conditions = written.conditions_json(found.unmet, found.waived, found.notices)
    if found.settled is not None:
        return {**reconcile.as_json(found.settled), "provisional": event is None, **conditions, **seal}
    if found.charges is not None and found.providers is not None:
        return {**written.month_json(found.charges, found.providers, found.unmet, found.waived, found.notices), **seal}
    return {"schema": 1, "period": str(found.period), **conditions, **seal}


def _note(bench: Any, found: Closing, dry_run: bool) -> None:
    from finledger.cli import screen
    from finledger.write.text import count

    event = found.event
    if dry_run and not found.already:
        screen.note(f"nothing stands in the way: finledger close --{'quarter' if found.settled else 'month'} {found.period}")
        return
    assert event is not None, "what is closed has its event"
    said = "was closed before" if found.already else "is closed"
    screen.note(f"{found.period} {said}: close {event.number}, root {event.hash}")
    if not found.already:
        screen.note(f"{count(len(found.paths), 'file')} in out/{found.period}/; check it any time with `finledger verify`")
