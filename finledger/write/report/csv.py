"""A report as CSV: a file for each table, in a folder; exact decimals, empty where there is no figure."""

from __future__ import annotations

from finledger.core.report import Report
from finledger.write.figures import csv_bytes
from finledger.write.table_cells import exact
from finledger.write.templates import Templates


def contents(report: Report, name: str, templates: Templates) -> dict[str, bytes]:
    """Text that a spreadsheet would run as a formula has an apostrophe before it, as in every CSV file of ours."""
    return {
        f"{name}-csv/{table.name}.csv": csv_bytes(
            [field.name for field in table.fields],
            [[exact(cell, field) or "" for cell, field in zip(row, table.fields, strict=True)] for row in table.rows],
        )
        for table in report.tables
    }
