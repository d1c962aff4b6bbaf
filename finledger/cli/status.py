"""What is loaded, what is charged, and what to do next.

Example: finledger status
"""

from __future__ import annotations

from finledger.cli._options import Books, Format, Quiet

COLUMNS = ("month", "rows", "charged", "unallocated", "invoices", "next")


def status(books: Books, format: Format = "table", quiet: Quiet = False) -> None:
    from finledger.cli import screen
    from finledger.workbench import Workbench

    bench = Workbench(books)
    rows = bench.status()
    waiting = bench.waiting()
    if format == "json":
        screen.json_out({"schema": 1, "months": rows, "inbox": waiting})
        return
    if format == "csv":
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, rows))
        return
    if rows:
        screen.table(
            f"{bench.organisation.books}, {bench.organisation.currency}",
            COLUMNS,
            screen.cells(COLUMNS, rows),
            right_align=COLUMNS[1:5],
        )
    if waiting:
        screen.note(f"{len(waiting)} new files are in usage/: finledger load")
    elif not rows:
        screen.note("Nothing is loaded: put exports into usage/, then `finledger load`.")
    elif rows[-1]["next"]:
        following = next(row for row in rows if row["next"])
        screen.note(f"Next: {following['next']}")
