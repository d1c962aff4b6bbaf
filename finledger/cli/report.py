"""Write the page of a month or a quarter: one HTML file for people, and its figures for programs.

Writes out/PERIOD/report.html, which needs no network and can be mailed, a page for each team's lead with only its own figures in
out/PERIOD/report/, and report.json, report.xlsx, report.md, report.prom (OpenMetrics for Prometheus) and report-csv/. Figures of
an open month are provisional, and marked so everywhere.

Example: finledger report --quarter 2026-Q3 --to html,xlsx
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finledger.cli._options import AnyMonth, AnyQuarter, Books, DryRun, Format, Quiet, chosen_formats, one_period, opened

if TYPE_CHECKING:
    from finledger.core.report import Report

TeamName = Annotated[
    str | None, typer.Option("--team", metavar="TEAM", help="Only this team's own report, with nobody else's figures.")
]
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORMATS",
        help="Formats, with commas: html,json,csv,xlsx,openmetrics,md.  [default: html]",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Another folder than out/PERIOD.", show_default=False)
]
Believed = Annotated[
    str,
    typer.Option(
        "--as-of",
        metavar="CLOSE",
        help="As it was believed at a close: its number, or its period. It is shown, and written only with --out.",
    ),
]
EveryTeam = Annotated[
    bool, typer.Option("--every-team", help="Write each team's page, also where there are more than 100 teams.")
]


def report(
    books: Books,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    to: To = "html",
    team: TeamName = None,
    out: Out = None,
    every_team: EveryTeam = False,
    as_of: Believed = "",
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.problem import Misused
    from finledger.workbench.report import collect
    from finledger.workbench.report_files import billed, put_files, report_files
    from finledger.write import report as writers

    period = one_period(month, quarter)
    formats = chosen_formats(to, writers.formats(), "report")
    bench, dry_run = opened(books, as_of), dry_run or bool(as_of and out is None)
    if team is not None and team not in bench.organisation.teams:
        raise Misused(f"no team {team!r} in finledger.yaml: there are {', '.join(sorted(bench.organisation.teams))}")
    with screen.progress(f"collecting {period}", quiet=quiet):
        found = collect(bench, period, believed=as_of, keep=not dry_run)
    whole = found.report if team is None else found.report.of_team(team)
    with screen.progress("writing pages", unit="files", quiet=quiet) as advance:
        contents = report_files(bench, whole, formats, every_team=every_team, advance=advance)
    paths = put_files(bench, str(period), contents, out, dry_run)
    if format == "json":
        from finledger.write.report.json import report_json

        screen.json_out(report_json(whole))
    else:
        _show(whole, format)
    screen.problems(found.notices, quiet=quiet, file=books / "out" / "problems.txt")
    if format == "table" and not quiet:
        screen.note(_written(paths, bench, whole, len(billed(whole)), dry_run))


def _show(whole: Report, format: str) -> None:
    """The bill by team, as a table or as CSV."""
    from finledger.cli import screen
    from finledger.write.report._words import sentence
    from finledger.write.table_cells import exact, shown

    bill = whole.table("bill")
    if bill is None:
        return
    columns = [field.name for field in bill.fields]
    if format == "csv":
        rows = [[exact(cell, field) or "" for cell, field in zip(row, bill.fields, strict=True)] for row in bill.rows]
        screen.csv_out(columns, rows)
        return
    rows = [[shown(cell, field, whole.currency) for cell, field in zip(row, bill.fields, strict=True)] for row in bill.rows]
    state = " (provisional)" if whole.provisional else ""
    screen.table(f"{sentence(whole)}{state}", columns, rows, right_align=columns[3:])


def _written(paths: list[Path], bench: Any, whole: Report, teams: int, dry_run: bool) -> str:
    from finledger.write.text import count

    if dry_run:
        return "nothing was written"
    first = bench.shown(paths[0])
    said = f"{count(len(paths), 'file')}; open {first}"
    has_pages = any(path.parent.name == "report" for path in paths)
    if not whole.team and teams and not has_pages and any(path.suffix == ".html" for path in paths):
        said += f"; {count(teams, 'team')}: their own pages are written with --every-team, or with --team NAME"
    return said
