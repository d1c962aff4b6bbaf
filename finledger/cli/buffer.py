"""The bursting buffer: what it holds, requests to it, and which bursts it could absorb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from finledger.cli._options import AnyMonth, AsOf, Books, DryRun, Format, Month, Quiet, opened

app = typer.Typer(add_completion=False)
Cause = Annotated[
    Literal["backfill", "evaluation_campaign", "model_migration", "research_exploration"],
    typer.Option("--cause", help="What the burst was: only these four count."),
]
Disclosure = Annotated[str, typer.Option("--disclosure", metavar="TEXT", help="What was done, and why, in a sentence.")]
Requested = Annotated[
    str,
    typer.Option("--requested", metavar="AMOUNT", help="Draw at most this; left out, as much as the rule allows."),
]
TeamName = Annotated[str, typer.Option("--team", metavar="TEAM", help="The team that asks.")]
COLUMNS = ("month", "opening", "contributions", "repayments", "draws", "rebates", "closing")


@app.command()
def status(books: Books, format: Format = "table", as_of: AsOf = "", quiet: Quiet = False) -> None:
    """The fund from month to month, and what each team paid, drew and may still draw in the quarter.

    Example: finledger buffer status
    """
    from finledger.cli import screen
    from finledger.workbench.fund import fund_status
    from finledger.write.requests import COLUMNS as REQUESTS
    from finledger.write.requests import FIGURES as REQUEST_FIGURES
    from finledger.write.requests import request_row

    bench = opened(books, as_of)
    found = fund_status(bench)
    months = [{name: str(getattr(row, name)) for name in COLUMNS} for row in found.months]
    columns = ("team", "stage", "contributions", "draws", "cap_left")
    teams = [{name: str(row[name]) for name in columns} for row in found.teams]
    requests = [request_row(each) for each in found.decisions]
    if format == "json":
        quarter = None if found.quarter is None else str(found.quarter)
        head = {"schema": 1, "currency": found.currency, "months": months, "quarter": quarter}
        screen.json_out({**head, "teams": teams, "requests": requests})
    elif format == "csv":
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, months))
    else:
        screen.table(f"Bursting buffer, {found.currency}", COLUMNS, screen.cells(COLUMNS, months), right_align=COLUMNS[1:])
        if teams:
            title = f"Teams in {found.quarter} (cap left: what a team may still draw, if the fund holds it)"
            screen.table(title, columns, screen.cells(columns, teams), right_align=columns[2:], below=True)
        if requests:
            cells = screen.cells(REQUESTS, requests)
            screen.table(f"Requests in {found.quarter}", REQUESTS, cells, right_align=REQUEST_FIGURES, below=True)
    screen.problems(found.notices, quiet=quiet, file=books / "out" / "problems.txt")


@app.command()
def draw(
    books: Books,
    month: Month,
    team: TeamName,
    cause: Cause,
    disclosure: Disclosure,
    requested: Requested = "",
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Record a team's request in decisions/draws.csv, and say what it would be granted by the month's figures so far.

    Example: finledger buffer draw --month 2026-08 --team pricing-science --cause model_migration --disclosure "Rescored the
    archive for the new base model"
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.fund import request_draw
    from finledger.write.requests import REFUSED

    bench = Workbench(books)
    row = {"month": str(month), "team": team, "cause": cause, "disclosure": disclosure, "requested": requested}
    decided = request_draw(bench, row, dry_run=dry_run)
    columns = ("month", "team", "charges", "forecast", "granted", "reason")
    if format == "json":
        screen.json_out({"schema": 1, **decided})
    elif format == "csv":
        screen.csv_out(columns, screen.cells(columns, [decided]))
    else:
        known = "granted" if decided["charges"] is not None else "not yet known"
        shown = {**decided, "outcome": next((said for code, said in REFUSED.items() if code == decided["reason"]), known)}
        columns = (*columns[:-1], "outcome")
        title = f"The request, by the figures of {month} so far, {bench.organisation.currency}"
        screen.table(title, columns, screen.cells(columns, [shown]), right_align=columns[2:5])
        if not quiet:
            _next_of_draw(decided, str(month), dry_run)


def _next_of_draw(decided: Mapping[str, str | None], month: str, dry_run: bool) -> None:
    from finledger.cli import screen

    if decided["reason"] is not None:
        screen.note("By these figures it draws nothing; it is looked at again whenever the month is allocated.")
    if dry_run:
        screen.note("nothing was written")
    elif decided["charges"] is None:
        screen.note("recorded in decisions/draws.csv; it is decided when the month is loaded and allocated")
    else:
        screen.note(f"recorded in decisions/draws.csv; next: finledger allocate --month {month}")


@app.command()
def adequacy(books: Books, month: AnyMonth = None, format: Format = "table", as_of: AsOf = "", quiet: Quiet = False) -> None:
    """Which bursts the fund could absorb: for each team alone, at 3, 5 and 10 times its forecast.

    The month is the one after the last that is loaded, unless named; its forecasts and the price book's terms count.

    Example: finledger buffer adequacy
    """
    from finledger.cli import screen
    from finledger.workbench.fund import fund_adequacy
    from finledger.write.text import grouped

    found, notices = fund_adequacy(opened(books, as_of), month)
    screen.problems(notices, quiet=quiet, file=books / "out" / "problems.txt")
    if format == "json":
        screen.json_out({"schema": 1, **found})
        return
    rows: list[dict[str, Any]] = [
        {**row, **{f"at {burst['times']}x": _granted(burst) for burst in row["bursts"]}} for row in found["teams"]
    ]
    columns = ("team", "forecast", "cap_left", "absorbs", "at 3x", "at 5x", "at 10x")
    if format == "csv":
        screen.csv_out(columns, screen.cells(columns, rows))
        return
    title = f"What a burst of one team alone would be granted in {found['month']}, {found['currency']}"
    screen.table(title, columns, screen.cells(columns, rows), right_align=columns[1:])
    currency = found["currency"]
    screen.done(
        [
            ("the fund holds", f"{grouped(found['balance'])} {currency}"),
            ("its limits", f"{grouped(found['low'])} to {grouped(found['high'])} {currency}"),
            ("surcharges", f"{grouped(found['collected_a_month'])} {currency} a month, the mean of the last three"),
            ("to the lower limit", _in_months(found["months_to_low"])),
            ("to the upper limit", _in_months(found["months_to_high"])),
            ("absorbs", "times its forecast: the largest burst of a team that the fund brings back to the forecast"),
        ],
        quiet=quiet,
    )


def _in_months(months: str | None) -> str:
    return "never: nothing is collected" if months is None else f"{months} months at that pace"


def _granted(burst: dict[str, Any]) -> str:
    return "below the trigger" if burst["granted"] is None else f"{burst['granted']} of {burst['needed']}"
