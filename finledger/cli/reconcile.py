"""Reconcile a quarter: settle the bursting buffer, release the reserves, hold prices against costs.

Works the quarter's months out again on their final data. Draws that are no longer due are clawed back, what the fund holds
above its limit is given back by the surcharges paid, and what prices recovered is compared with what the work cost, class by
class. Writes out/QUARTER/reconciliation.json and the entries that the quarter's end posts, in out/QUARTER/journal/; all of it
is provisional until the quarter is closed.

Example: finledger reconcile --quarter 2026-Q3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from finledger.cli._options import Books, DryRun, Format, Quarter, Quiet

if TYPE_CHECKING:
    from finledger.core.quarter import QuarterEnd
    from finledger.workbench.quarters import Settled

TEAM_COLUMNS = ("team", "contributions", "draws", "true_ups", "rebates")


def reconcile(
    books: Books, quarter: Quarter, format: Format = "table", quiet: Quiet = False, dry_run: DryRun = False
) -> None:
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.quarters import record, settle, write_settled
    from finledger.write import quarter as written
    from finledger.write.text import count

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
        screen.csv_out(TEAM_COLUMNS, screen.cells(TEAM_COLUMNS, rows))
    else:
        show(settled, quiet)
    unmet = [replace(each, severity="warning") for each in settled.problems]  # they stop a close, not a look at the figures
    screen.problems((*unmet, *settled.notices), quiet=quiet, file=books / "out" / "problems.txt")
    if format == "table" and not quiet:
        made = f"{count(len(paths), 'file')} in {bench.shown(paths[0].parent)}/"
        following = f"next: finledger close --quarter {quarter} --dry-run"
        screen.note("nothing was written" if dry_run else f"{made}; {following}")


def as_json(settled: Settled) -> dict[str, Any]:
    from finledger.write.quarter import quarter_json

    return quarter_json(settled.end, settled.entries, settled.charges, settled.problems, settled.notices)


def show(settled: Settled, quiet: bool) -> None:
    """The quarter's end for a person: the fund, its teams, requests, reserves, evaluation, variances."""
    from finledger.cli import screen
    from finledger.core.money import minor_digits, rounded_places
    from finledger.write import quarter as written
    from finledger.write import requests
    from finledger.write.text import share

    end = settled.end
    title = f"Bursting buffer, {end.quarter}, {end.currency}"
    screen.table(title, ("", "amount"), [list(row) for row in written.roll_forward(end)], right_align=("amount",))
    if end.size.stated:
        mean = rounded_places(end.size.mean_monthly_base, minor_digits(end.currency))
        sizes = [["mean monthly action base", mean], ["lower limit", end.size.low], ["upper limit", end.size.high]]
        screen.table("Its size", ("", "amount"), sizes, right_align=("amount",), below=True)
    _listed("By team", TEAM_COLUMNS, written.team_rows(end), TEAM_COLUMNS[1:])
    asked = [requests.request_row(each) for month in end.months for each in month.decisions]
    _listed("Requests, on final figures", requests.COLUMNS, asked, requests.FIGURES)
    _show_reserves(end)
    evals = [{**row, "platform share": share(row["platform_share"])} for row in written.eval_rows(settled.charges)]
    columns = ("month", "gross", "teams", "platform", "subsidies", "platform share")
    _listed("Evaluation, as it was really shared", columns, evals, columns[1:])
    _show_variances(end, quiet)


def _show_reserves(end: QuarterEnd) -> None:
    from finledger.cli import screen
    from finledger.write import quarter as written
    from finledger.write.text import words

    columns = ("reserve", "opening", "added", "cost", "released", "closing")
    reserves = [
        [words(each.name), each.opening, each.added, each.cost, each.released, each.closing] for each in end.reserves
    ]
    screen.table("Reserves", columns, reserves, right_align=columns[1:], below=True)
    if end.overhead is not None and end.overhead.cost:
        overhead = written.overhead_json(end) or {}
        columns = ("charged", "pro_forma", "cost", "recovered")
        _listed("Overhead, charged and spent (recovered: + over, - under)", columns, [overhead], columns)


def _show_variances(end: QuarterEnd, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.write import quarter as written

    rows: list[dict[str, Any]] = [
        {key: "n/a" if cell is None else cell for key, cell in written.variance_row(each, end.currency).items()}
        for each in end.variances
    ]
    columns = written.VARIANCE_COLUMNS
    _listed("Published prices against what the work cost", columns, rows, columns[1:])
    if rows:
        screen.note(
            "rate = provider cost - token cost; mix = token cost - base; volume: overhead of actions beyond plan;\n"
            "recovered = volume - rate - mix, + over and - under. n/a: no provider's bill, or nothing planned, to measure by.",
            quiet=quiet,
        )


def _listed(title: str, columns: tuple[str, ...], rows: list[Any], figures: Sequence[str]) -> None:
    """A table of rows known by name, below another; none where no row is."""
    from finledger.cli import screen

    if rows:
        screen.table(title, columns, screen.cells(columns, rows), right_align=figures, below=True)
