"""The ladder from showback to optimisation: where each team stands, what its next stage needs, promotions and sign-offs.

A stage is earned. A promotion is refused with every criterion that is not met; granted, it is recorded with its evidence, and
written into finledger.yaml. Money moves from chargeback on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from finledger.cli._options import (
    AnyMonth,
    AnyQuarter,
    AsOf,
    Books,
    DryRun,
    Format,
    Month,
    Quiet,
    month_of,
    one_period,
    opened,
)
from finledger.cli.dispute import On
from finledger.core import period
from finledger.core.problem import Misused

if TYPE_CHECKING:
    from finledger.core.ladder import Ladder
    from finledger.workbench.stages import Moved

app = typer.Typer(add_completion=False)
TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="The team, as finledger.yaml names it.")]
OneTeam = Annotated[str, typer.Option("--team", metavar="TEAM", help="Only this team, with its months.")]
Up = Annotated[
    Literal["allocation", "chargeback", "optimisation"], typer.Option("--to", help="The stage, the next above its own.")
]
Down = Annotated[Literal["showback", "allocation", "chargeback"], typer.Option("--to", help="The stage, below its own.")]
From = Annotated[
    period.Month,
    typer.Option("--from", metavar="YYYY-MM", parser=month_of, help="The first month of the stage: an open one."),
]
AnyFrom = Annotated[
    period.Month | None,
    typer.Option(
        "--from", metavar="YYYY-MM", parser=month_of, help="The first month of the stage.  [default: the first open one]"
    ),
]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="In which role the figures are signed.")]
CRITERIA = ("criterion", "figure", "wanted", "met")
LADDER = ("team", "stage", "since", "how", "next", "ready", "missing")
SIGNED = ("period", "role", "by", "on", "figures", "stands")
MONTHS = ("month", "stage", "closed", "charged", "dispute_rate", "variance", "acknowledged")


@app.command()
def status(
    books: Books,
    month: AnyMonth = None,
    team: OneTeam = "",
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
) -> None:
    """Where each team stands, since when and how it came there, and what it needs for its next stage.

    It is looked at in the last month with usage, unless one is named. --team shows every criterion of one team, and its months.

    Example: finledger stage status --team search
    """
    from finledger.cli import screen
    from finledger.core.ladder import ladder_tables
    from finledger.workbench.ladder import ladder_of, last_month
    from finledger.write.ladder import ladder_json, names, text_rows

    bench = opened(books, as_of)
    today = date.today()
    ladder = ladder_of(bench, month or last_month(bench) or period.Month(today.year, today.month))
    if team and team not in bench.organisation.teams:
        raise Misused(f"no team {team!r} in finledger.yaml")
    if format == "json":
        screen.json_out(ladder_json(ladder, team))
    elif format == "csv":
        name = "gates" if team else "ladder"
        table = next(each for each in ladder_tables(ladder) if each.name == name)
        screen.csv_out(names(table), text_rows(table.where("team", team) if team else table))
    elif team:
        _show_team(ladder, team)
    else:
        _show_all(ladder)
    found = [each for each in ladder.problems if not team or each.message.startswith(f"{team} is at ")]
    screen.problems(found, quiet=quiet, file=books / "out" / "problems.txt")


def _show_all(ladder: Ladder) -> None:
    from finledger.cli import screen
    from finledger.core.ladder import ladder_tables
    from finledger.write.ladder import names, sign_off_rows, text_rows

    tables = {table.name: table for table in ladder_tables(ladder)}
    found = tables["ladder"]
    rows = [dict(zip(names(found), row, strict=True)) for row in text_rows(found)]
    columns = (*LADDER, "planned") if any(row["planned"] for row in rows) else LADDER
    screen.table(f"The ladder in {ladder.at}", columns, screen.cells(columns, rows))
    gate = tables["organisation-gate"]
    screen.table(gate.title, names(gate), text_rows(gate), below=True)
    blockers = tables["blockers"]
    screen.table(blockers.title, names(blockers), text_rows(blockers), below=True)
    if ladder.sign_offs:
        screen.table("Sign-offs", SIGNED, sign_off_rows(ladder.sign_offs), below=True)


def _show_team(ladder: Ladder, team: str) -> None:
    from finledger.cli import screen
    from finledger.core.ladder import ladder_tables
    from finledger.write.ladder import names, text_rows

    rung = ladder.of(team)
    tables = {table.name: table for table in ladder_tables(ladder)}
    at = f"{team} is at {rung.stage}" + (f" since {rung.since}" if rung.since else "")
    title = f"{at}: {rung.how}" if rung.how else at
    found = tables["gates"].where("team", team)
    rows = [row[1:] for row in text_rows(found)]
    if rung.next == "chargeback":
        rows = [*text_rows(tables["organisation-gate"]), *rows]
    if rows:
        screen.table(f"{title}. What {rung.next} asks", CRITERIA, rows)
    else:
        screen.table(f"{title}. No stage is above it", ("",), [])
    months = tables["stage-history"].where("team", team)
    if months.rows:
        cells = [dict(zip(names(months), row, strict=True)) for row in text_rows(months)]
        title = f"Its months, {rung.history[0].total.currency}"
        screen.table(title, MONTHS, screen.cells(MONTHS, cells), right_align=MONTHS[3:6], below=True)


@app.command()
def promote(
    books: Books,
    team: TeamName,
    to: Up,
    month: From,
    by: By,
    on: On = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Move a team up one stage from a month on, or say every criterion that is not met.

    The promotion is recorded with its evidence, and finledger.yaml gets the line; the rest of the file stays as it is.

    Example: finledger stage promote search --to allocation --from 2026-10 --by "Ada Fell"
    """
    from finledger.workbench import Workbench, stages

    moved = stages.promote(Workbench(books), team, to, month, by=by, on=on or date.today(), dry_run=dry_run)
    _show_moved(moved, format, quiet, dry_run)


@app.command()
def demote(
    books: Books,
    team: TeamName,
    to: Down,
    by: By,
    reason: Reason,
    month: AnyFrom = None,
    on: On = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Move a team down, by any number of stages, with a reason that stays in the log.

    Example: finledger stage demote search --to allocation --by "Ada Fell" --reason "Its key was shared with another team"
    """
    from finledger.workbench import Workbench, stages

    moved = stages.demote(Workbench(books), team, to, month, by=by, on=on or date.today(), reason=reason, dry_run=dry_run)
    _show_moved(moved, format, quiet, dry_run)


def _show_moved(moved: Moved, format: str, quiet: bool, dry_run: bool) -> None:
    from finledger.cli import screen
    from finledger.write.ladder import criterion_json

    row: dict[str, Any] = {
        "team": moved.team,
        "from": moved.before,
        "to": moved.to,
        "month": str(moved.month),
        "by": moved.by,
        "on": str(moved.on),
        "reason": moved.reason,
    }
    if format == "json":
        screen.json_out({"schema": 1, **row, "evidence": [criterion_json(each) for each in moved.evidence]})
        return
    if format == "csv":
        _csv(row)
        return
    if moved.evidence:
        rows = [[each.name, each.figure, each.wanted, "yes"] for each in moved.evidence]
        screen.table(f"What {moved.to} asks", CRITERIA, rows)
    if dry_run:
        screen.note("nothing stands in the way; nothing was written", quiet=quiet)
    else:
        said = f"{moved.team} is at {moved.to} from {moved.month} on: recorded, and written into finledger.yaml"
        screen.note(said, quiet=quiet)


def _csv(row: Mapping[str, Any]) -> None:
    """One row; a name that a spreadsheet would run gets an apostrophe."""
    from finledger.cli import screen
    from finledger.write.text import formula_safe

    words = ("team", "by", "role", "reason")
    screen.csv_out(tuple(row), [[formula_safe(cell) if name in words else cell for name, cell in row.items()]])


@app.command()
def signoff(
    books: Books,
    by: By,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    role: Role = "CFO",
    on: On = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Sign the figures of a closed month or quarter. They are signed by their hash: closed again with others, it is void.

    Example: finledger stage signoff --month 2026-09 --by "Cleo Vance"
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, stages

    named = one_period(month, quarter)
    done = stages.sign_off(Workbench(books), named, by=by, role=role, on=on or date.today(), dry_run=dry_run)
    row = {
        "period": done.period,
        "role": done.role,
        "by": done.by,
        "on": str(done.on),
        "close": done.close,
        "figures": done.figures,
    }
    if format == "json":
        screen.json_out({"schema": 1, **row})
    elif format == "csv":
        _csv(row)
    elif dry_run:
        screen.note("nothing was written", quiet=quiet)
    else:
        screen.note(f"{done.by} signed {done.period} as {done.role}: figures {done.figures}", quiet=quiet)


@app.command()
def ack(
    books: Books,
    team: TeamName,
    month: Month,
    by: By,
    on: On = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Record that a team has seen its variance of a month. It counts for the next stage while the month is not closed.

    Example: finledger stage ack search --month 2026-09 --by "Eve Lark"
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, stages

    seen = stages.acknowledge(Workbench(books), team, month, by=by, on=on or date.today(), dry_run=dry_run)
    variance = seen.total - seen.budget
    row = {
        "team": seen.team,
        "month": str(seen.month),
        "by": seen.by,
        "on": str(seen.on),
        "charged": str(seen.total),
        "budget": str(seen.budget),
        "variance": str(variance),
        "counts": seen.counts,
    }
    if format == "json":
        screen.json_out({"schema": 1, **row})
    elif format == "csv":
        _csv(row)
    else:
        late = "" if seen.counts else "; the month was closed before, so it does not count for the next stage"
        of = f"charged {seen.total:,}, budget {seen.budget:,}{late}"
        said = f"{team} saw {variance:,} {variance.currency} of variance in {month}: {of}"
        screen.note("nothing was written" if dry_run else said, quiet=quiet)
