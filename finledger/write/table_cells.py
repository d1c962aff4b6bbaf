"""Tables of figures as commands show them: rows for people, without columns that say nothing, and rows for programs."""

from __future__ import annotations

from typing import Any

from finledger.core.report import FIGURES, Cell, Field, Missing, Table
from finledger.write.report._cells import exact, shown


def people_rows(table: Table, fields: tuple[Field, ...], currency: str) -> list[list[str]]:
    """The rows, of these fields, as people read them; what is not known says why."""
    places = [(table.index(field.name), field) for field in fields]
    return [[shown(row[place], field, currency) for place, field in places] for row in table.rows]


def program_rows(table: Table) -> list[dict[str, Any]]:
    """The rows by name: counts as numbers, everything else as exact text. What is not known is None, and NAME_missing says why."""
    rows = []
    for cells in table.rows:
        row: dict[str, Any] = {}
        for field, cell in zip(table.fields, cells, strict=True):
            row[field.name] = _program(cell, field)
            if isinstance(cell, Missing):
                row[f"{field.name}_missing"] = cell.why
        rows.append(row)
    return rows


def _program(cell: Cell, field: Field) -> str | int | None:
    return cell if isinstance(cell, int) else exact(cell, field)


def worth_showing(table: Table) -> tuple[Field, ...]:
    """The fields in which any row has something, or something that could have been measured."""
    return tuple(
        field
        for number, field in enumerate(table.fields)
        if field.kind not in FIGURES or any(_says_something(row[number]) for row in table.rows)
    )


def _says_something(cell: Cell) -> bool:
    return cell is not None and not (isinstance(cell, Missing) and not cell.why.startswith("not measur"))
