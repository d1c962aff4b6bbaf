"""The files of a report: in every format that is asked for, and the pages of the teams (U3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from finledger.core.report import Report
from finledger.workbench import Workbench
from finledger.workbench.report import team_reports

MOST_PAGES = 100  # teams whose pages are written without being asked for: each takes its time


def report_files(
    bench: Workbench,
    report: Report,
    formats: Sequence[str],
    *,
    every_team: bool = False,
    advance: Callable[[int], None] | None = None,
) -> dict[str, bytes]:
    """The report's files by their names below its folder; of a whole report with a page for each team, in report/.

    Of more than 100 teams only with `every_team`. In the templates of the books, or those that came with the program.
    """
    from finledger.resources import shipped
    from finledger.write import report as writers
    from finledger.write.report import html
    from finledger.write.templates import Templates

    templates = Templates([bench.root / "templates", shipped("templates")])
    pages = "html" in formats and not report.team and (every_team or len(billed(report)) <= MOST_PAGES)
    contents: dict[str, bytes] = {}
    for format in formats:
        if format == "html":
            contents |= html.contents(report, writers.name_of(report), templates, pages)
        else:
            contents |= writers.contents(format, report, templates)
        if advance is not None:
            advance(1)
    for own in team_reports(report) if pages else ():
        contents |= html.contents(own, writers.name_of(own), templates)
        if advance is not None:
            advance(1)
    return contents


def billed(report: Report) -> list[str]:
    """The teams that the report bills, by name."""
    bill = report.table("bill")
    return sorted({str(name) for name in bill.column("team")}) if bill is not None else []


def put_files(bench: Workbench, period: str, contents: dict[str, bytes], out: Path | None, dry_run: bool) -> list[Path]:
    """Put them into out/PERIOD/, or into a folder that is named: all of them, or none. What no file is made for any more stays."""
    from finledger.write.files import write_all

    folder = bench.root / "out" / period if out is None else out
    placed = {folder / name: content for name, content in contents.items()}
    if out is not None:
        if not dry_run:
            write_all(placed)
        return list(placed)
    with bench.change(dry_run=dry_run) as change:
        change.put(placed)
    return list(placed)
