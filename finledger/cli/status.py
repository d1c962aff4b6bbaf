"""What is loaded, what is charged, where the open month is going, what the bursting buffer holds, and what to do next.

The last open month stands with what it came to so far, projected to its end by run rate, against budget and forecast.

Example: finledger status --at 2026-07-15
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from finledger.cli._options import AsOf, Books, Format, Quiet, opened
from finledger.cli.review import At

if TYPE_CHECKING:
    from finledger.workbench import Workbench
    from finledger.workbench.projecting import Projected

COLUMNS = ("month", "rows", "charged", "unallocated", "invoices", "closed", "next")
QUARTER_COLUMNS = ("quarter", "months", "buffer fund", "reconciled", "closed", "next")
Rows = Sequence[Mapping[str, object]]


def status(books: Books, at: At = None, format: Format = "table", as_of: AsOf = "", quiet: Quiet = False) -> None:
    from finledger.cli import screen
    from finledger.workbench.overlapping import open_overlaps
    from finledger.workbench.quarters import quarter_status
    from finledger.write.text import count

    bench = opened(books, as_of)
    rows = bench.status()
    quarters = quarter_status(bench, rows)
    waiting = bench.waiting()
    view = None if format == "csv" else _projected(bench, at, quiet)
    screen.problems(open_overlaps(bench), quiet=quiet)
    if format == "json":
        head = {"schema": 1, "months": rows, "quarters": quarters, "inbox": waiting}
        screen.json_out({**head, "projection": None if view is None else _projection_json(bench, view)})
        return
    if format == "csv":
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, rows))
        return
    if rows:
        _show(f"{bench.organisation.books}, {bench.organisation.currency}", rows, quarters)
    if view is not None:
        _show_projection(bench, view, quiet)
    following = _next(rows, quarters)
    if waiting:
        screen.note(f"{count(len(waiting), 'new file')} in usage/: finledger load", quiet=quiet)
    elif not rows:
        screen.note("Nothing is loaded: put exports into usage/, then `finledger load`.", quiet=quiet)
    elif following:
        screen.note(f"Next: {following}", quiet=quiet)
    elif rows:
        screen.note("All is done that can be. Check what is closed: finledger verify", quiet=quiet)


def _show(title: str, rows: Rows, quarters: Rows) -> None:
    from finledger.cli import screen

    screen.table(title, COLUMNS, screen.cells(COLUMNS, rows), right_align=COLUMNS[1:6])
    cells = [
        [
            each["quarter"],
            f"{each['months']} of 3",
            each["fund"],
            "yes" if each["reconciled"] else "no",
            each["closed"],
            each["next"],
        ]
        for each in quarters
    ]
    screen.table("Quarters", QUARTER_COLUMNS, cells, right_align=("buffer fund",), below=True)


def _projected(bench: Workbench, at: date | None, quiet: bool) -> Projected | None:
    """The open month as far as it is known; None where none is open, or it cannot be charged yet, which is said."""
    from finledger.cli import screen
    from finledger.core.problem import Refused
    from finledger.workbench.projecting import open_month, projected

    month = open_month(bench, at)
    if month is None or month not in bench.months() or bench.closed(month) is not None:
        return None
    try:
        return projected(bench, month, at)
    except Refused as refused:
        first = next(problem for problem in refused.problems if problem.is_error)
        screen.note(f"{month} cannot be projected ({first.code}): {first.message}", quiet=quiet)
        return None


def _projection_json(bench: Workbench, view: Projected) -> dict[str, object]:
    from finledger.core.projection import projection_tables
    from finledger.write import review as written

    sources = {name: day.isoformat() for name, day in view.known.sources.items()}
    return written.projection_json(view.projection, projection_tables(view.projection, bench.organisation), sources)


def _show_projection(bench: Workbench, view: Projected, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.core.projection import projection_tables
    from finledger.workbench.projecting import behind_notice
    from finledger.write import review as written

    table, more = written.most_over(view.projection, projection_tables(view.projection, bench.organisation)[0])
    days = view.projection.days
    title = written.projection_title(days, bench.organisation.currency)
    screen.table(
        title,
        written.headings(table),
        written.cells(table, bench.organisation.currency),
        right_align=written.figures_of(table),
        below=True,
    )
    if more:
        screen.note(f"and {more:,} more teams: finledger review status --month {days.month}", quiet=quiet)
    notice = behind_notice(view.known)
    if notice:
        screen.note(notice, quiet=quiet)


def _next(rows: Rows, quarters: Rows) -> str:
    """The first command that is due: of a month, or of a quarter whose months are done."""
    due = [(str(row["month"]), 0, str(row["next"])) for row in rows]
    due += [(str(each["last_month"]), 1, str(each["next"])) for each in quarters]
    return next((command for *_, command in sorted(due) if command), "")
