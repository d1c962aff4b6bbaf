"""The weekly digest as Markdown: the week against the last, alerts, the month's projection, quality, reviews to decide.

It is about the week of the last complete day that has usage; --at or --week name another. The words are in
templates/digest.md.j2; a file of that name in the books' templates/ takes its place.

Example: finledger digest --at 2026-07-15
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Literal

import typer

from finledger.cli._options import Books, Quiet
from finledger.cli.review import At, refuse_if_nothing
from finledger.core.problem import Misused

_WEEK = re.compile(r"([0-9]{4})-W([0-5][0-9])")


def week_end(text: str) -> date:
    """The Sunday of a week that is written 2026-W30."""
    match = _WEEK.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        return date.fromisocalendar(int(match[1]), int(match[2]), 1) + timedelta(days=6)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a week: write it as 2026-W30") from None


WeekEnd = Annotated[
    date | None, typer.Option("--week", metavar="YYYY-WNN", parser=week_end, help="The week, as 2026-W30: by its last day.")
]
Form = Annotated[Literal["md", "json"], typer.Option("--format", help="Markdown, or the same figures for programs.")]


def digest(books: Books, week: WeekEnd = None, at: At = None, format: Form = "md", quiet: Quiet = False) -> None:
    from finledger.cli import screen
    from finledger.resources import shipped
    from finledger.workbench import Workbench
    from finledger.workbench.digesting import digest_of
    from finledger.write.digest import digest_json, digest_markdown
    from finledger.write.templates import Templates

    if week is not None and at is not None:
        raise Misused("choose one of --week and --at")
    bench = Workbench(books)
    with screen.progress("charging", quiet=quiet):
        found = digest_of(bench, week or at)
    warnings = refuse_if_nothing(found.reviewed)
    tables = {table.name: table for table in found.tables}
    figures = (found.books, found.currency, found.week, found.month, tables, found.totals)
    if format == "json":
        screen.json_out(digest_json(*figures))
    else:
        templates = Templates([bench.root / "templates", shipped("templates")])
        typer.echo(digest_markdown(*figures, templates), nl=False)
    screen.problems(warnings, quiet=quiet, file=books / "out" / "problems.txt")
