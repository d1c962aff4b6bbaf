"""Charge a month: rate its usage, allocate it, and make its charge lines.

Writes out/MONTH/charges.csv and, as FOCUS 1.4 and 1.3, focus.csv and focus-1.3.csv, and records the charges in the ledger;
nothing is invoiced or posted.
The month stays provisional until it is closed: run it again after loading more, and the newer charges take its place.

Example: finledger allocate --month 2026-07
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from finledger.cli._options import AsOf, Books, DryRun, Format, Month, Quiet, opened

EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        show_default=False,
        help="What groups the usage; every engine gives the same cents.  [default: `engine` in finledger.yaml, or duckdb]",
    ),
]
AllowUnpriced = Annotated[
    bool,
    typer.Option("--allow-unpriced", help="Leave usage without a price out of the charges, as a named part of unallocated."),
]


def allocate(
    books: Books,
    month: Month,
    format: Format = "table",
    engine: EngineName = "",
    allow_unpriced: AllowUnpriced = False,
    as_of: AsOf = "",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger import engines
    from finledger.cli import screen
    from finledger.core.problem import Misused
    from finledger.workbench.trends import keep_trends
    from finledger.write import figures

    if engine and engine not in engines.names():
        raise Misused(f"no engine {engine!r}: there are {', '.join(engines.names())}")
    bench, dry_run = opened(books, as_of), dry_run or bool(as_of)
    folder = books / "out" / str(month)
    known = bench.ledger.months()
    with screen.progress(f"charging {month}", quiet=quiet):
        with bench.change(dry_run=dry_run) as change:
            charges, _ = bench.allocate(month, engine_name=engine, allow_unpriced=allow_unpriced, record=not dry_run)
            bench.put(change, month, bench.charge_contents(charges, bench.books_of(month)))
        if not dry_run and month not in known and month.before in known:  # once a month, so that no report has a year to do
            keep_trends(bench, month.before)
    if format == "json":
        screen.json_out(figures.month_json(charges))
    elif format == "csv":
        screen.csv_out(figures.CHARGE_COLUMNS, figures.charge_cells(charges.lines))
    else:
        _show(charges, quiet)
    screen.problems(charges.notices, quiet=quiet, file=books / "out" / "problems.txt")
    if format == "table" and not quiet:
        written = "nothing was written" if dry_run else f"charges.csv and focus.csv are in {bench.shown(folder)}/"
        closed = bench.closed(month)
        following = f"closed: as close {closed.number} has it" if closed else f"next: finledger invoice --month {month}"
        screen.note(f"{written}; {following}")


def _show(charges: Any, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.write.figures import shown
    from finledger.write.requests import COLUMNS, FIGURES, request_row
    from finledger.write.text import words

    title = f"Charges of {charges.month}, {charges.currency}" + (" (provisional)" if charges.provisional else "")
    rows = [[t.team, t.stage, t.total, t.budget, t.variance] for t in charges.teams]
    rows.append(["(unallocated)", "", charges.unallocated, None, None])
    columns = ("team", "stage", "total", "budget", "variance")
    screen.table(title, columns, rows, right_align=columns[2:])
    if charges.features:
        bought = ("feature", "charged", "coverage", "freshness", "multiplier", "cost per correct task")
        measures = [
            [
                f.feature,
                f.total,
                "not tracked" if f.coverage is None else f.coverage,
                "not tracked" if f.in_distribution is None else f.in_distribution,
                shown(f.multiplier) or "-",
                shown(f.cost_per_correct_task) or "not measurable",
            ]
            for f in charges.features
        ]
        screen.table("What it bought", bought, measures, right_align=bought[1:], below=True)
    requests = [request_row(each) for each in charges.buffer.decisions]
    if requests:
        rows = screen.cells(COLUMNS[1:], requests)
        screen.table("Requests to the bursting buffer", COLUMNS[1:], rows, right_align=FIGURES, below=True)
    if charges.central:
        rows = [[words(each.component), each.amount] for each in charges.central]
        title = "Not priced to teams, funded centrally"
        screen.table(title, ("component", "amount"), rows, right_align=("amount",), below=True)
    if quiet:
        return
    from finledger.core.money import rounded_places
    from finledger.write.text import money

    holding = sum(check.holds for check in charges.checks)
    share = rounded_places(charges.unallocated_share * 100, 2)
    screen.done(
        [
            ("price book", ", ".join(f"{book.name} {book.sha256[:12]}" for book in charges.books) or "none"),
            ("unallocated", f"{money(charges.unallocated)} {charges.currency}, {share} % of all charges"),
            ("buffer fund", _fund(charges.buffer)),
            *([("evaluation", _evaluation(charges.eval_share))] if charges.eval_share and charges.eval_share.share else []),
            ("checks", f"{holding} of {len(charges.checks)} laws hold"),
        ]
    )


def _fund(buffer: Any) -> str:
    """opening + surcharges + instalments - draws = closing, without what is nothing."""
    from finledger.write.text import money

    parts = [f"{money(buffer.opening)} + surcharges {money(buffer.contributions)}"]
    if buffer.repaid:
        parts.append(f"+ instalments of loans {money(buffer.repaid)}")
    if buffer.draws:
        parts.append(f"- draws {money(buffer.draws)}")
    return " ".join([*parts, f"= {money(buffer.closing)} {buffer.closing.currency}"])


def _evaluation(share: Any) -> str:
    from finledger.core.money import rounded_places
    from finledger.write.text import money

    percent = rounded_places(share.share * 100, 1)
    return f"{money(share.gross + share.subsidies)} {share.gross.currency} in all, {percent} % of it borne by the platform"
