"""What usage is loaded, and what was refused and why."""

from __future__ import annotations

import typer

from finledger.cli._options import AnyMonth, AsOf, Books, Format, Quiet, opened

app = typer.Typer(add_completion=False)


@app.command()
def summary(books: Books, month: AnyMonth = None, format: Format = "table", as_of: AsOf = "", quiet: Quiet = False) -> None:
    """Rows, tokens, GPU-hours, egress and provider cost by month and source.

    Example: finledger usage summary --month 2026-07
    """
    from finledger.books.rows import SUMMARY_COLUMNS, as_text
    from finledger.cli import screen

    columns = ("month", *SUMMARY_COLUMNS)
    rows = [{name: as_text(value) for name, value in row.items()} for row in opened(books, as_of).usage_summary(month)]
    if format == "json":
        screen.json_out({"schema": 1, "usage": rows})
    elif format == "csv":
        screen.csv_out(columns, screen.cells(columns, rows))
    else:
        figures = [name for name in SUMMARY_COLUMNS if name not in ("source", "billed_currency")]
        screen.table("Usage", columns, screen.cells(columns, rows), right_align=figures)


@app.command()
def quarantine(books: Books, format: Format = "table", as_of: AsOf = "", quiet: Quiet = False) -> None:
    """Every rejected record: where it stands, which column, its value, and why.

    Example: finledger usage quarantine --format csv > rejected.csv
    """
    from finledger.cli import screen

    columns = ("where", "column", "value", "reason")
    rows = opened(books, as_of).quarantine()
    if format == "json":
        screen.json_out({"schema": 1, "quarantine": rows})
    elif format == "csv":
        screen.csv_out(columns, screen.cells(columns, rows))
    elif rows:
        screen.table("Quarantine", columns, screen.cells(columns, rows))
    else:
        screen.note("Nothing is in quarantine.")
