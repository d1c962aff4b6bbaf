"""Tables of figures as people and programs read them: cells as text, rows as JSON (rules U2, U3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from finledger.core.projection import Days, Projection
from finledger.core.report import FIGURES, Cell, Field, Table
from finledger.write import text
from finledger.write.table_cells import exact, shown

TOP = 10


def headings(table: Table) -> tuple[str, ...]:
    return tuple(field.name for field in table.fields)


def figures_of(table: Table) -> tuple[str, ...]:
    """The columns that hold figures, and stand on the right."""
    return tuple(field.name for field in table.fields if field.kind in FIGURES)


def cells(table: Table, currency: str) -> list[list[str]]:
    """Every cell as a person reads it; why there is no figure, where that is known."""
    return [[_shown(cell, field, currency) for cell, field in zip(row, table.fields, strict=True)] for row in table.rows]


def _shown(cell: Cell, field: Field, currency: str) -> str:
    return "" if cell is None or cell == "" else shown(cell, field, currency)


def rows_json(table: Table) -> list[dict[str, Any]]:
    """A table's rows by the names of its fields: figures as decimal text, counts as numbers, None where there is no figure."""
    return [
        {field.name: cell_json(cell, field) for cell, field in zip(row, table.fields, strict=True)} for row in table.rows
    ]


def cell_json(cell: Cell, field: Field) -> str | int | None:
    """Shares to 6 places, rates to 6 significant digits, amounts at the currency's minor unit."""
    return cell if type(cell) is int else exact(cell, field)


def csv_rows(table: Table) -> list[list[str | int]]:
    """Cells for programs; a name that a spreadsheet would run is made safe."""
    found: list[list[str | int]] = []
    for row in table.rows:
        said = (cell_json(cell, field) for cell, field in zip(row, table.fields, strict=True))
        safe = (
            text.formula_safe(cell) if isinstance(cell, str) and field.kind == "text" else cell
            for cell, field in zip(said, table.fields, strict=True)
        )
        found.append(["" if cell is None else cell for cell in safe])
    return found


def tables_json(tables: Iterable[Table]) -> dict[str, Any]:
    return {table.name: rows_json(table) for table in tables}


# ── the projection ──────────────────────────────────────────────────────────────────────────────────────────────────────


def projection_json(projection: Projection, tables: Iterable[Table], sources: dict[str, str]) -> dict[str, Any]:
    """An open month: as of which day, by how many complete days, its totals, and its rows by team and by feature."""
    days = projection.days
    found = {table.name: rows_json(table) for table in tables}
    return {
        "month": str(days.month),
        "projection": True,
        "as_of": None if days.as_of is None else days.as_of.isoformat(),
        "complete_days": days.complete,
        "days": days.length,
        "last_day_may_be_filling": days.begun,
        "sources": sources,
        "to_date": str(projection.to_date),
        "projected": None if projection.projected is None else str(projection.projected),
        "teams": found["projection"],
        "features": found["projection-features"],
    }


def projection_title(days: Days, currency: str) -> str:
    """What the table of a month to date is called."""
    if days.is_whole:
        return f"{days.month}, whole, {currency}"
    if days.as_of is None:
        return f"{days.month}, without usage so far, {currency}"
    begun = f"; {days.as_of} may still be filling" if days.begun else ""
    return f"{days.month} to date, and projected by {days.complete} of {days.length} days{begun}, {currency}"


def most_over(projection: Projection, table: Table) -> tuple[Table, int]:
    """The teams whose month is going to be most over its budget, ten at most, and how many more there are."""
    over = {each.team: each.over_budget.minor if each.over_budget is not None else None for each in projection.teams}
    size = {each.team: each.to_date.minor for each in projection.teams}

    def order(row: tuple[Cell, ...]) -> tuple[int, int, str]:
        team = str(row[table.index("team")])
        found = over[team]
        return (1, -size[team], team) if found is None else (0, -found, team)

    ordered = sorted(table.rows, key=order)
    kept = ordered[:TOP]
    return Table(table.name, table.title, table.fields, tuple(kept), table.note, table.team), len(ordered) - len(kept)
