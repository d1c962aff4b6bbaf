"""What a unit of work costs: a thousand inferences or tokens, a completed run, a busy GPU-hour, a correct task.

By feature, team, model, action, training run, GPU, cohort or user. Pure is the base price of the calls' tokens; fully loaded
is all that is charged on the same subject. Failed and restarted runs stay in the cost of completed ones, and reserved GPU-hours
that nobody used in the cost of busy ones. --by action shows what moves the cost: tokens per call beside the class's average, the
cached share, calls a day, failures. --months shows the trend. Targets stand in finledger.yaml, under a team; from the stage
optimisation on, one that is missed is said.

Example: finledger units --month 2026-07 --by feature --months 3
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from finledger.cli._options import AsOf, Books, Format, Month, Quiet, opened

if TYPE_CHECKING:
    from finledger.core.report import Table

By = Annotated[
    Literal["feature", "team", "model", "action", "run", "gpu", "cohort", "user", "target"],
    typer.Option("--by", help="What the costs are of."),
]
Months = Annotated[int, typer.Option("--months", min=1, max=36, help="How many months, the last of which is --month.")]
TABLES = {
    "feature": ("unit-costs",),
    "team": ("unit-costs-by-team",),
    "model": ("unit-costs-by-model",),
    "action": ("levers",),
    "run": ("runs",),
    "gpu": ("gpu", "gpu-by-team"),
    "target": ("targets",),
}
PEOPLE = ("cohort", "user")
SHOWN = 25


def units(
    books: Books,
    month: Month,
    by: By = "feature",
    months: Months = 1,
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.problem import Misused
    from finledger.workbench.units import by_label, units_of

    bench = opened(books, as_of)
    period = [month]
    while len(period) < months:
        period.insert(0, period[0].before)
    loaded = [each for each in period if each in bench.months()] or [month]
    if by in PEOPLE and months > 1:
        raise Misused(f"--by {by} shows one month: leave --months out")
    with screen.progress("working out unit costs", quiet=quiet):
        if by in PEOPLE:
            found: tuple[Table, ...] = tuple(by_label(bench, each, by)[1] for each in loaded)
        else:
            found = units_of(bench, loaded, people=by in ("feature", "target"))
    wanted = TABLES.get(by, (f"unit-costs-by-{by}",))
    tables = [table for table in found if table.name in wanted]
    _out(tables, format, f"{loaded[0]} to {month}" if len(loaded) > 1 else str(month), bench.organisation.currency, quiet)
    if month not in bench.months():
        screen.note(f"No usage of {month} is loaded: only seats and fixed pools cost anything.", quiet=quiet)
    if format == "table":
        _alerts(found, quiet)


def _out(tables: Sequence[Table], format: str, period: str, currency: str, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.write.table_cells import program_rows

    if format == "json":
        named = {table.name.replace("-", "_"): program_rows(table) for table in tables}
        screen.json_out({"schema": 1, "period": period, "currency": currency, **named})
    elif format == "csv":
        table = tables[-1]
        names = [field.name for field in table.fields]
        screen.csv_out(names, screen.cells(names, program_rows(table)))
    else:
        for number, table in enumerate(tables):
            _show(table, period, currency, number > 0, quiet)


def _show(table: Table, period: str, currency: str, below: bool, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.core.report import FIGURES
    from finledger.write.table_cells import people_rows, worth_showing

    title = f"{table.title}, {period}, {currency}"
    if not table.rows:
        screen.note(f"{title}: nothing of that kind.", quiet=quiet)
        return
    fields = worth_showing(table)
    if len(set(table.column("month"))) == 1:
        fields = tuple(field for field in fields if field.name != "month")
    rows = people_rows(table, fields, currency)
    names = [field.name for field in fields]
    figures = [field.name for field in fields if field.kind in FIGURES]
    screen.table(title, names, rows[:SHOWN] if table.name.endswith("-user") else rows, right_align=figures, below=below)
    if len(rows) > SHOWN and table.name.endswith("-user"):
        screen.note(f"… and {len(rows) - SHOWN:,} more: --format csv has all of them", quiet=quiet)


def _alerts(tables: Sequence[Table], quiet: bool) -> None:
    """Every target that is missed by a team it is meant for, with its figure."""
    from finledger.cli import screen

    table = next((each for each in tables if each.name == "targets"), None)
    for row in table.rows if table is not None else ():
        month, team, feature, *_, alert = row
        if isinstance(alert, str) and alert:
            whose = f"{team}, {feature}" if feature else str(team)
            screen.note(f"above target: {whose} in {month}: {alert}", quiet=quiet)
