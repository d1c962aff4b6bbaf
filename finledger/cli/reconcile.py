"""Reconcile a month's provider invoices with what was metered, or a quarter: its buffer, reserves, prices against costs.

--month holds the invoices in provider-invoices/ against the usage of that service month, by provider and SKU, classifies
every cent of difference, and says what is to be accrued because its invoice has not come. Writes out/MONTH/reconciliation.json
and .csv.

--quarter works the quarter's months out again on their final data. Draws that are no longer due are clawed back, what the fund holds
above its limit is given back by the surcharges paid, and what prices recovered is compared with what the work cost, class by
class. Writes out/QUARTER/reconciliation.json and the entries that the quarter's end posts, in out/QUARTER/journal/; all of it
is provisional until the quarter is closed.

Example: finledger reconcile --quarter 2026-Q3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finledger.cli._options import AnyMonth, AnyQuarter, AsOf, Books, DryRun, Format, Quiet, opened

if TYPE_CHECKING:
    from finledger.core.quarter import QuarterEnd
    from finledger.workbench.providers import MonthReconciled
    from finledger.workbench.quarters import Settled

TEAM_COLUMNS = ("team", "contributions", "draws", "true_ups", "rebates")


def reconcile(
    books: Books,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.core.problem import Misused
    from finledger.workbench import sealed

    bench, dry_run = opened(books, as_of), dry_run or bool(as_of)
    period = month if quarter is None else quarter
    close = None if period is None else bench.closed(period)
    if close is not None and (quarter is not None or not as_of):  # shown as it was closed, and not written again
        bench, dry_run = sealed.as_of(bench, close, before=True), True
    if month is not None and quarter is None:
        _reconcile_month(bench, books, month, format, quiet, dry_run, closed=close is not None)
    elif quarter is not None and month is None:
        _reconcile_quarter(bench, books, quarter, format, quiet, dry_run)
    else:
        raise Misused("name a month with --month (provider invoices) or a quarter with --quarter")


def _reconcile_month(bench: Any, books: Path, month: Any, format: str, quiet: bool, dry_run: bool, closed: bool) -> None:
    from finledger.cli import screen
    from finledger.workbench import providers
    from finledger.write import reconciliation as written
    from finledger.write.text import count

    with screen.progress(f"reconciling {month}", quiet=quiet), bench.change(dry_run=dry_run):
        found = providers.reconcile_month(bench, month)
        paths = providers.write_month(bench, found, dry_run=dry_run)
    if format == "json":
        screen.json_out(written.month_json(month, found.currency, found.rows, found.accruals, found.entries, found.problems))
    elif format == "csv":
        screen.csv_out(written.COLUMNS, written.csv_rows(found.rows))
    else:
        _show_month(found)
    unmet = [replace(each, severity="warning") for each in found.problems]  # they stop a close, not a look at the figures
    screen.problems((*unmet, *found.notices), quiet=quiet, file=books / "out" / "problems.txt")
    if format == "table" and not quiet:
        if found.problems:
            said = f"{found.unclassified:,} {found.currency} is not explained: the month does not close"
        elif found.rows:
            said = "every cent of the difference is classified"
        elif closed:
            said = "no provider had invoiced the month when it was closed; what came since is shown by --as-of and a later close"
        else:
            said = "no provider has invoiced the month yet"
        made = "nothing was written" if dry_run else f"{count(len(paths), 'file')} in {bench.shown(paths[0].parent)}/"
        screen.note(f"{said}; {made}")


def _show_month(found: MonthReconciled) -> None:
    """A row a SKU with the classes that are not zero anywhere; then what is to be accrued. One provider is named once."""
    from finledger.cli import screen
    from finledger.core.money import total
    from finledger.core.provider import DIFFERENCES

    used = [name for name in DIFFERENCES if any(name in row.classes for row in found.rows)]
    columns = ("provider", "SKU", "metered", "invoiced", "difference", *used, "unclassified")
    rows: list[list[Any]] = [
        [row.provider, row.sku or "(all)", row.metered, row.invoiced, row.difference]
        + [row.classes.get(name) for name in used]
        + [row.unclassified]
        for row in found.rows
    ]
    if rows:
        sums = [
            total((row[column] for row in rows if row[column] is not None), found.currency)
            for column in range(2, len(columns))
        ]
        rows.append(["total", "", *sums])
    names = {row.provider for row in found.rows}
    if len(names) == 1:
        title = f"Invoices of {min(names)} for {found.month} against metering, {found.currency}"
        rows = [[row[1] or row[0], *row[2:]] for row in rows]
        screen.table(title, columns[1:], rows, right_align=columns[2:])
    elif rows:
        title = f"Provider invoices of {found.month} against metering, {found.currency}"
        screen.table(title, columns, rows, right_align=columns[2:])
    if found.accruals:
        waiting = [[each.provider, each.amount] for each in found.accruals]
        screen.table(
            "To accrue: not invoiced yet", ("provider", "amount"), waiting, right_align=("amount",), below=bool(rows)
        )


def _reconcile_quarter(bench: Any, books: Path, quarter: Any, format: str, quiet: bool, dry_run: bool) -> None:
    from finledger.cli import screen
    from finledger.core.problem import Refused
    from finledger.workbench.quarters import settle, write_settled
    from finledger.write import quarter as written
    from finledger.write.text import count

    with screen.progress(f"reconciling {quarter}", quiet=quiet), bench.change(dry_run=dry_run):
        settled = settle(bench, quarter)
        if settled.refused:  # the figures would lack whole months: there is nothing to settle
            raise Refused(settled.problems)
        paths = write_settled(bench, settled, dry_run=dry_run)
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
        names = ("charged", "pro_forma", "cost", "recovered")
        _listed("Overhead, charged and spent (recovered: + over, - under)", names, [overhead], names)


def _show_variances(end: QuarterEnd, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.write import quarter as written

    rows: list[dict[str, Any]] = [
        {key: "n/a" if cell is None else cell for key, cell in written.variance_row(each, end.currency).items()}
        for each in end.variances
    ]
    columns = written.VARIANCE_COLUMNS
    _listed(f"Published prices against what the work cost, {end.currency}", columns, rows, columns[1:])
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
