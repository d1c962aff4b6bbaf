"""A report as JSON, schema 1: exact decimals as text, a row an object, null where there is no figure."""

from __future__ import annotations

from typing import Any

from finledger.core.report import Report, Table
from finledger.write.figures import json_bytes, text_or_none
from finledger.write.table_cells import program_rows
from finledger.write.templates import Templates


def contents(report: Report, name: str, templates: Templates) -> dict[str, bytes]:
    return {f"{name}.json": json_bytes(report_json(report))}


def report_json(report: Report) -> dict[str, Any]:
    """The JSON of `report`. A figure that nobody can give is null, and `FIELD_missing` beside it says why."""
    return {
        "schema": 1,
        "books": report.books,
        "period": report.period,
        "months": [str(month) for month in report.months],
        "currency": report.currency,
        "provisional": report.provisional,
        "as_of": text_or_none(report.as_of),
        "believed_at_close": report.believed or None,
        "team": report.team or None,
        "tables": {table.name: table_json(table) for table in report.tables},
    }


def table_json(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "note": table.note,
        "fields": [{"name": field.name, "kind": field.kind, "unit": field.unit} for field in table.fields],
        "rows": program_rows(table),
    }
