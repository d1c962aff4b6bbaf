"""The bursting buffer: what it holds, requests to it, and which bursts it could absorb."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from finledger.cli._options import AnyMonth, Books, DryRun, Format, Month, Quiet

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
def status(books: Books, format: Format = "table", quiet: Quiet = False) -> None:
    """The fund from month to month, and what each team paid, drew and may still draw in the quarter.

    Example: finledger buffer status
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.fund import fund_status

    bench = Workbench(books)
    found = fund_status(bench)
    months = [{name: str(getattr(row, name)) for name in COLUMNS} for row in found.months]
    columns = ("team", "stage", "contributions", "draws", "cap_left")
    teams = [{name: str(row[name]) for name in columns} for row in found.teams]
    if format == "json":
        quarter = None if found.quarter is None else str(found.quarter)
        screen.json_out({"schema": 1, "currency": found.currency, "months": months, "quarter": quarter, "teams": teams})
    elif format == "csv":
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, months))
    else:
        screen.table(f"Bursting buffer, {found.currency}", COLUMNS, screen.cells(COLUMNS, months), right_align=COLUMNS[1:])
        if teams:
            screen.table(f"Teams in {found.quarter}", columns, screen.cells(columns, teams), right_align=columns[2:])
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

    bench = Workbench(books)
    row = {"month": str(month), "team": team, "cause": cause, "disclosure": disclosure, "requested": requested}
    decided = request_draw(bench, row, dry_run=dry_run)
    columns = ("month", "team", "charges", "forecast", "granted", "reason")
    if format == "json":
        screen.json_out({"schema": 1, **decided})
    elif format == "csv":
        screen.csv_out(columns, screen.cells(columns, [decided]))
    else:
        screen.table(
            "The request, by the month's figures so far", columns, screen.cells(columns, [decided]), right_align=columns[2:5]
        )
        if not quiet:
            screen.note(
                "nothing was written"
                if dry_run
                else "recorded in decisions/draws.csv; it is granted when the month is allocated"
            )


@app.command()
def adequacy(books: Books, month: AnyMonth = None, format: Format = "table", quiet: Quiet = False) -> None:
    """Which bursts the fund could absorb: for each team alone, at 3, 5 and 10 times its forecast.

    The month is the one after the last that is loaded, unless named; its forecasts and the price book's terms count.

    Example: finledger buffer adequacy
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.fund import fund_adequacy

    found = fund_adequacy(Workbench(books), month)
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
    title = f"What a burst of one team alone would find in {found['month']}, {found['currency']}"
    screen.table(title, columns, screen.cells(columns, rows), right_align=columns[1:])
    if not quiet:
        screen.done(
            [
                (name.replace("_", " "), found[name] if found[name] is not None else "-")
                for name in ("balance", "low", "high", "collected_a_month", "months_to_low", "months_to_high")
            ]
        )


def _granted(burst: dict[str, Any]) -> str:
    return "below the trigger" if burst["granted"] is None else f"{burst['granted']} of {burst['needed']}"
