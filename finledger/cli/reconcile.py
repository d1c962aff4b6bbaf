"""Reconcile a quarter: settle the bursting buffer, release the reserves, hold prices against costs.

Works the quarter's months out again on their final data. Draws that are no longer due are clawed back, what the fund holds
above its limit is given back by the surcharges paid, and what prices recovered is compared with what the work cost, class by
class. Writes out/QUARTER/reconciliation.json and the entries that the quarter's end posts, in out/QUARTER/journal/; all of it
is provisional until the quarter is closed.

Example: finledger reconcile --quarter 2026-Q3
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from finledger.cli._options import Books, DryRun, Format, Quarter, Quiet

if TYPE_CHECKING:
    from finledger.workbench.quarters import Settled


def reconcile(
    books: Books, quarter: Quarter, format: Format = "table", quiet: Quiet = False, dry_run: DryRun = False
) -> None:
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.quarters import record, settle, write_settled
    from finledger.write import quarter as written

    bench = Workbench(books)
    with screen.progress(f"reconciling {quarter}", quiet=quiet):
        settled = settle(bench, quarter)
        paths = write_settled(bench, settled, dry_run=dry_run)
        if not dry_run:
            record(bench, settled)
    if format == "json":
        screen.json_out(as_json(settled))
    elif format == "csv":
        rows = written.team_rows(settled.end)
        columns = ("team", "contributions", "draws", "true_ups", "rebates")
        screen.csv_out(columns, screen.cells(columns, rows))
    else:
        show(settled)
    unmet = [replace(each, severity="warning") for each in settled.problems]  # they stop a close, not a look at the figures
    screen.problems((*unmet, *settled.notices), quiet=quiet, file=books / "out" / "problems.txt")
    if format == "table" and not quiet:
        names = ", ".join(bench.shown(path) for path in paths)
        screen.note("nothing was written" if dry_run else f"written: {names}")


def as_json(settled: Settled) -> dict[str, Any]:
    from finledger.write.quarter import quarter_json

    return quarter_json(settled.end, settled.entries, settled.charges, settled.problems, settled.notices)


def show(settled: Settled) -> None:
    """The quarter's end for a person: the fund, its teams, requests, reserves, evaluation, variances."""
    from finledger.cli import screen
    from finledger.core.money import minor_digits, rounded_places
    from finledger.write import quarter as written

    end = settled.end
    screen.table(
        f"Bursting buffer, {end.quarter}, {end.currency}",
        ("", "amount"),
        [list(row) for row in written.roll_forward(end)],
        right_align=("amount",),
    )
    mean = rounded_places(end.size.mean_monthly_base, minor_digits(end.currency))
    sizes = [["mean monthly action base", mean], ["lower limit", end.size.low], ["upper limit", end.size.high]]
    screen.table("Its size", ("", "amount"), sizes, right_align=("amount",))
    _listed("By team", ("team", "contributions", "draws", "true_ups", "rebates"), written.team_rows(end), 1)
    requests = [{**row, "reason": row["reason"] or "granted"} for row in written.request_rows(end)]
    _listed("Requests", ("month", "team", "cause", "charges", "granted", "reason"), requests, 3, 5)
    reserves = [
        [each.name.replace("_", " "), each.opening, each.added, each.cost, each.released, each.closing]
        for each in end.reserves
    ]
    columns = ("reserve", "opening", "added", "cost", "released", "closing")
    screen.table("Reserves", columns, reserves, right_align=columns[1:])
    if end.overhead is not None and end.overhead.cost:
        figures = written.overhead_json(end) or {}
        screen.table("Overhead, charged and spent", tuple(figures), [list(figures.values())], right_align=tuple(figures))
    columns = ("month", "gross", "teams", "platform", "subsidies", "platform_share")
    _listed("Evaluation, as it was really shared", columns, written.eval_rows(settled.charges), 1)
    rows: list[dict[str, Any]] = [
        {key: "n/a" if cell is None else cell for key, cell in written.variance_row(each, end.currency).items()}
        for each in end.variances
    ]
    title = "Prices against costs (n/a: the books do not hold what it takes)"
    _listed(title, written.VARIANCE_COLUMNS, rows, 1)


def _listed(title: str, columns: tuple[str, ...], rows: list[Any], first: int, after: int | None = None) -> None:
    """A table of rows known by name, with figures in the columns from `first` to before `after`; none where no row is."""
    from finledger.cli import screen

    if rows:
        screen.table(title, columns, screen.cells(columns, rows), right_align=columns[first:after])
