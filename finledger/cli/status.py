"""What is loaded, what is charged, what the bursting buffer holds, and what to do next.

Example: finledger status
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from finledger.cli._options import AsOf, Books, Format, Quiet, opened

COLUMNS = ("month", "rows", "charged", "unallocated", "invoices", "closed", "next")
QUARTER_COLUMNS = ("quarter", "months", "buffer fund", "reconciled", "closed", "next")
Rows = Sequence[Mapping[str, object]]


def status(books: Books, format: Format = "table", as_of: AsOf = "", quiet: Quiet = False) -> None:
    from finledger.cli import screen
    from finledger.workbench.overlapping import open_overlaps
    from finledger.workbench.quarters import quarter_status
    from finledger.write.text import count

    bench = opened(books, as_of)
    rows = bench.status()
    quarters = quarter_status(bench, rows)
    waiting = bench.waiting()
    screen.problems(open_overlaps(bench), quiet=quiet)
    if format == "json":
        screen.json_out({"schema": 1, "months": rows, "quarters": quarters, "inbox": waiting})
        return
    if format == "csv":
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, rows))
        return
    if rows:
        _show(f"{bench.organisation.books}, {bench.organisation.currency}", rows, quarters)
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


def _next(rows: Rows, quarters: Rows) -> str:
    """The first command that is due: of a month, or of a quarter whose months are done."""
    due = [(str(row["month"]), 0, str(row["next"])) for row in rows]
    due += [(str(each["last_month"]), 1, str(each["next"])) for each in quarters]
    return next((command for *_, command in sorted(due) if command), "")
