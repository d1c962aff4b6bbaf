"""The weekly digest as Markdown and as JSON: words from templates/digest.md.j2, figures from its tables (rule U3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from markupsafe import Markup

from finledger.core.digest import Week
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.report import Table
from finledger.write import text
from finledger.write.review import cells, figures_of, headings, tables_json
from finledger.write.templates import Templates, markdown

TEMPLATE = "digest.md.j2"
ROWS = 20  # of a table; the rest is counted
ALERTS = frozenset({"over budget", "going over budget"})


def digest_markdown(
    books: str,
    currency: str,
    week: Week,
    month: Month,
    tables: Mapping[str, Table],
    totals: Mapping[str, Money | None],
    templates: Templates,
) -> str:
    """`tables` by name. A figure of the text is one of its tables'."""
    actions = tables["actions"]
    what = actions.index("what")
    alerts = [row for row in actions.rows if row[what] in ALERTS]
    others = [row for row in actions.rows if row[what] not in ALERTS]
    return templates.markdown(
        TEMPLATE,
        books=books,
        currency=currency,
        week=str(week),
        first=text.day(week.first),
        through=text.day(week.through),
        days=week.days,
        month=text.month(month),
        totals={name: None if amount is None else text.money(amount) for name, amount in totals.items()},
        alerts=len(alerts),
        alert_table=_table(_with(actions, alerts), _ACTION_COLUMNS, currency),
        action_count=len(others),
        action_table=_table(_with(actions, others), _ACTION_COLUMNS, currency),
        **{
            "week_rows" if name == "week" else name.replace("-", "_"): _table(tables[name], columns, currency)
            if name in tables
            else None
            for name, columns in _COLUMNS.items()
        },
    )


_ACTION_COLUMNS = ("what", "team", "feature", "figure", "unit", "owner", "action")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "week": ("team", "this_week", "same_days_last_week", "change", "change_share", "last_week"),
    "unallocated-weeks": ("when", "unallocated", "share"),
    "projection": ("team", "to_date", "projected", "budget", "over_budget", "forecast", "over_forecast"),
    "measures": ("measure", "figure", "unit", "last", "change", "basis"),
    "quality": ("team", "feature", "bill", "coverage", "freshness", "cost_per_correct_task"),
    "reviews": ("quarter", "feature", "cost_per_correct_task", "last_quarter", "rise", "coverage", "state", "decision"),
}


def _with(table: Table, rows: list[Any]) -> Table:
    return Table(table.name, table.title, table.fields, tuple(rows), table.note, table.team)


def _table(table: Table, columns: tuple[str, ...], currency: str) -> Markup | None:
    """A table of Markdown, its names as text; None where it has no row."""
    if not table.rows:
        return None
    at = [headings(table).index(name) for name in columns]
    right = set(figures_of(table))
    lines = [
        _line([markdown(text.words(name)) for name in columns]),
        _line(["---:" if name in right else "---" for name in columns]),
    ]
    lines += [_line([markdown(row[number]) for number in at]) for row in cells(table, currency)[:ROWS]]
    more = len(table.rows) - ROWS
    if more > 0:
        lines.append(f"\n… and {more:,} more")
    return Markup("\n".join(lines))  # every cell was escaped on its own


def _line(row: list[str]) -> str:
    return f"| {' | '.join(row)} |"


def digest_json(
    books: str, currency: str, week: Week, month: Month, tables: Mapping[str, Table], totals: Mapping[str, Money | None]
) -> dict[str, Any]:
    """The digest, schema 1: the same figures as the text."""
    days: dict[str, date] = {"first": week.first, "through": week.through, "last": week.last}
    return {
        "schema": 1,
        "books": books,
        "currency": currency,
        "week": str(week),
        **{name: day.isoformat() for name, day in days.items()},
        "month": str(month),
        "totals": {name: None if amount is None else str(amount) for name, amount in totals.items()},
        "tables": tables_json(tables.values()),
    }
