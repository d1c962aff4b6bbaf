"""The trial balance of a month or a quarter, reserves and clearing accounts rolled forward, and everything tied out.

Each account with its opening, debits, credits and closing, straight from what is posted; the buffer fund, the reserves and the
provider's accounts component by component; then what a controller ticks off: postings against charge lines, and charges.csv,
focus.csv, invoices, notes and journals in out/ against the ledger, figure by figure. Exit code 1 when something does not tie,
with file and line. A month that is open counts as it was last allocated, and the whole is provisional.

Writes out/PERIOD/trial-balance.json and .csv, unless something does not tie.

Example: finledger trial-balance --quarter 2026-Q3
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finledger.cli._options import AnyMonth, AnyQuarter, AsOf, Books, DryRun, Format, Quiet, one_period, opened

if TYPE_CHECKING:
    from finledger.workbench.trial_balance import TrialBalance


def trial_balance(
    books: Books,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.problem import Refused
    from finledger.workbench.trial_balance import trial_balance_of, write_trial_balance
    from finledger.write import trial_balance as written

    period = one_period(month, quarter)
    bench, dry_run = opened(books, as_of), dry_run or bool(as_of)
    with screen.progress(f"adding up {period}", quiet=quiet):
        found = trial_balance_of(bench, period, files=not as_of)
        paths = write_trial_balance(bench, found, dry_run=dry_run or bool(found.problems))
    if format == "json":
        screen.json_out(
            written.trial_balance_json(
                str(period), found.currency, found.provisional, found.rows, found.totals, found.rolls, found.checks,
                found.problems, found.notices,
            )
        )  # fmt: skip
    elif format == "csv":
        screen.csv_out(written.COLUMNS, written.csv_cells(found.rows))
    else:
        _show(found)
    if found.problems:
        raise Refused((*found.problems, *found.notices))
    screen.problems(found.notices, quiet=quiet, file=books / "out" / "problems.txt")
    if format == "table" and not quiet:
        made = f"trial-balance.json and .csv are in {bench.shown(paths[0].parent)}/"
        screen.note(f"everything ties out; {'nothing was written' if dry_run else made}")


def _show(found: TrialBalance) -> None:
    from finledger.cli import screen
    from finledger.write import trial_balance as written

    several = len({row.entity for row in found.totals}) > 1
    currencies = len({row.currency for row in found.totals}) > 1
    hidden = {*(() if several else ("entity",)), *(() if currencies else ("currency",))}
    hidden |= set() if any(row.account.number for row in found.rows) else {"number"}
    columns = [column for column in written.COLUMNS if column not in hidden]
    rows = [dict(zip(written.COLUMNS, cells, strict=True)) for cells in written.csv_cells(found.rows)]
    sums = [dict(zip(written.COLUMNS, cells, strict=True)) for cells in written.csv_cells(found.totals)]
    rows += [{**each, "type": "total"} for each in sums]
    title = f"Trial balance of {found.period}, {found.currency}{' (provisional)' if found.provisional else ''}"
    screen.table(title, columns, screen.cells(columns, rows), right_align=written.FIGURES)
    _show_rolls(found)
    ties: list[list[Any]] = [[each.law, each.left, each.right, "yes" if each.holds else "NO"] for each in found.checks]
    screen.table("Tied out", ("law", "left", "right", "ties"), ties, right_align=("left", "right"), below=True)


def _show_rolls(found: TrialBalance) -> None:
    """An account below another, each from its opening to its closing; the parts of a quarter side by side."""
    from finledger.cli import screen
    from finledger.write.text import words
    from finledger.write.trial_balance import roll_forward_rows

    if not found.rolls:
        return
    labels = [each.label for each in found.rolls[0].stretches]
    columns = [*labels, str(found.period)] if len(labels) > 1 else [str(found.period)]
    several = len({roll.entity for roll in found.rolls}) > 1
    rows = [
        [words(roll.role) + (f", {roll.entity}" if several else "") if name == "opening" else "", words(name), *amounts]
        for roll in found.rolls
        for name, amounts in roll_forward_rows(roll)
    ]
    screen.table("Rolled forward", ("account", "", *columns), rows, right_align=columns, below=True)
