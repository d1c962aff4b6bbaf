"""A report as OpenMetrics text, for Prometheus: one gauge for each figure of a table, the row's names as its labels.

`finledger_spend_amount_usd{books="…",period="2026-07",month="2026-07",team="search",…} 1234.50`. The lines of the bill, texts and
what is about the report itself (sources, checks, notices) are no metrics: they would be a series for each line of each month.
"""

from __future__ import annotations

import re

from finledger.core.report import FIGURES, Field, Report, Table
from finledger.write.table_cells import exact
from finledger.write.templates import Templates

LEFT_OUT = frozenset({"lines", "sources", "notices", "months", "checks", "actions", "reviews"})
_NOT_NAME = re.compile(r"[^a-z0-9_]+")


def contents(report: Report, name: str, templates: Templates) -> dict[str, bytes]:
    lines = [line for table in report.tables if table.name not in LEFT_OUT for line in _metrics(table, report)]
    held = "1" if all(row[-1] == "yes" for row in _rows(report, "checks")) else "0"
    of = _labels([("books", report.books), ("period", report.period)])
    lines += [
        "# TYPE finledger_checks_hold gauge",
        "# HELP finledger_checks_hold Whether every check of the report holds.",
        f"finledger_checks_hold{of} {held}",
        "# TYPE finledger_provisional gauge",
        "# HELP finledger_provisional Whether a month of the period is open, so that its figures can change.",
        f"finledger_provisional{of} {int(report.provisional)}",
        "# EOF\n",
    ]
    return {f"{name}.prom": "\n".join(lines).encode()}


def _rows(report: Report, name: str) -> tuple[tuple[object, ...], ...]:
    found = report.table(name)
    return () if found is None else found.rows


def _metrics(table: Table, report: Report) -> list[str]:
    """Every figure's family: its type, unit, help, and a sample for each row that has it."""
    named = [(position, field) for position, field in enumerate(table.fields) if field.kind not in FIGURES]
    lines = []
    for position, field in enumerate(table.fields):
        if field.kind not in FIGURES:
            continue
        samples: dict[str, str] = {}
        for row in table.rows:
            figure = exact(row[position], field)
            if figure is not None:
                said = [(each.name, exact(row[at], each) or "") for at, each in named]
                labels = _labels([("books", report.books), ("period", report.period), *said])
                samples.setdefault(
                    labels, figure
                )  # rows of the same names are told apart by figures alone: the first stands
        if samples:
            name, unit = _name(table, field, report.currency)
            lines += [f"# TYPE {name} gauge", *([f"# UNIT {name} {unit}"] if unit else [])]
            lines.append(f"# HELP {name} {_escaped(table.title)}: {_escaped(field.name.replace('_', ' '))}.")
            lines += [f"{name}{labels} {figure}" for labels, figure in samples.items()]
    return lines


def _name(table: Table, field: Field, currency: str) -> tuple[str, str]:
    """(finledger_budget_variance_usd, usd): the unit ends the name, as OpenMetrics asks."""
    unit = {"money": currency.lower(), "share": "ratio"}.get(field.kind, "")
    words = _NOT_NAME.sub("_", f"finledger_{table.name}_{field.name}".lower().replace("-", "_"))
    return (f"{words}_{unit}", unit) if unit else (words, "")


def _labels(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _escaped(value: str) -> str:
    """Text in a label or a help line; what is no text in UTF-8 is replaced."""
    plain = value.encode("utf-8", "replace").decode()
    return plain.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
