"""What every feature cost, what it earned, and its margin, by cohort and user too.

Revenue stands in revenue.csv (month,feature,cohort,revenue); a feature without it has a cost and no margin. A cohort that takes
half of its feature's cost or more at a negative margin is named. What was charged without a feature is listed.

Example: finledger features --quarter 2026-Q3
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finledger.cli._options import AnyMonth, AnyQuarter, AsOf, Books, Format, Quiet, loaded_months, one_period, opened

if TYPE_CHECKING:
    from finledger.core.report import Table

SHORT = {"unallocated"}


def features(
    books: Books,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
) -> None:
    from finledger.cli import screen
    from finledger.workbench.units import features_of
    from finledger.write.table_cells import program_rows

    looked_at, bench = one_period(month, quarter), opened(books, as_of)
    months = loaded_months(bench, looked_at)
    with screen.progress("working out features", quiet=quiet):
        tables, notices = features_of(bench, months)
    period, currency = str(looked_at), bench.organisation.currency
    if format == "json":
        named = {table.name.replace("-", "_"): program_rows(table) for table in tables}
        screen.json_out({"schema": 1, "period": period, "currency": currency, **named})
    elif format == "csv":
        names = [field.name for field in tables[0].fields]
        screen.csv_out(names, screen.cells(names, program_rows(tables[0])))
    else:
        _show([table for table in tables if table.name != "feature-trend"], period, currency, quiet)
    screen.problems(notices, quiet=quiet)


def _show(tables: Sequence[Table], period: str, currency: str, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.core.report import FIGURES
    from finledger.write.table_cells import people_rows, worth_showing

    shown = [table for table in tables if table.rows]
    for number, table in enumerate(shown):
        fields = worth_showing(table)
        names = [field.name for field in fields]
        figures = [field.name for field in fields if field.kind in FIGURES]
        rows = people_rows(table, fields, currency)
        screen.table(f"{table.title}, {period}, {currency}", names, rows, right_align=figures, below=number > 0)
    for table in (table for table in tables if table.name == "segments"):
        at = table.index("flag")
        for row in table.rows:
            if row[at]:
                cohort = row[table.index("cohort")] or "(no cohort)"
                screen.note(f"heavy segment: {cohort} of {row[table.index('feature')]}: {row[at]}", quiet=quiet)
    if not shown:
        screen.note(f"{period}: no feature was charged.", quiet=quiet)
