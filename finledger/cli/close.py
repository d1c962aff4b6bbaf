"""Look at what closing a quarter would do, and at everything that stands in its way.

Prints the settlement of the bursting buffer, the reserves and the variances, as `reconcile` does, with every condition that
is not met; exit code 1 while there is one. Nothing is written.

Example: finledger close --quarter 2026-Q3 --dry-run
"""

from __future__ import annotations

from dataclasses import replace

from finledger.cli._options import Books, DryRun, Format, Quarter, Quiet


def close(books: Books, quarter: Quarter, format: Format = "table", quiet: Quiet = False, dry_run: DryRun = False) -> None:
    from finledger.cli import screen
    from finledger.cli.reconcile import TEAM_COLUMNS, as_json, show
    from finledger.core.problem import Misused, Refused
    from finledger.workbench import Workbench
    from finledger.workbench.quarters import open_months, settle
    from finledger.write.quarter import team_rows

    if not dry_run:
        raise Misused("this version only looks at what closing would do: add --dry-run")
    bench = Workbench(books)
    with screen.progress(f"settling {quarter}", quiet=quiet):
        settled = settle(bench, quarter)
        settled = replace(settled, problems=(*settled.problems, *open_months(bench, quarter)))
    if format == "json":
        screen.json_out(as_json(settled))
    elif format == "csv":
        screen.csv_out(TEAM_COLUMNS, screen.cells(TEAM_COLUMNS, team_rows(settled.end)))
    else:
        show(settled, quiet)
    screen.problems(settled.notices, quiet=quiet, file=books / "out" / "problems.txt")
    if settled.problems:
        raise Refused(settled.problems)
