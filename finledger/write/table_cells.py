"""A cell of a table as text: exactly, for programs, and in words, for people. Neither a format nor a command has rules of its own."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from finledger.core.money import Money, rounded_places, significant
from finledger.core.period import Month
from finledger.core.report import FIGURES, Cell, Field, Missing, Table
from finledger.write import text
from finledger.write.figures import SHARE_PLACES, plain

NOTHING = "–"
_NAMES = {
    "line_id": "Line", "gpu_sku": "GPU", "sku": "SKU", "sha256": "SHA-256", "workload_type": "Workload", "cap_left": "Left of its cap",
    "credit_tax_fee": "Credit, tax, fee", "true_ups": "True-ups",
}  # fmt: skip


_IN_WORDS = frozenset({"component", "kind", "cause", "reserve", "refused", "class"})


def exact(cell: Cell, field: Field) -> str | None:
    """As decimal text without grouping; None where there is no figure. A ratio has 6 places as a share, else 6 digits."""
    if cell is None or isinstance(cell, Missing):
        return None
    if isinstance(cell, Fraction):
        if field.kind == "share":
            return str(rounded_places(cell, SHARE_PLACES))
        return plain(significant(cell))
    if isinstance(cell, Decimal):
        return str(cell) if field.kind == "money" else plain(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)


def number(cell: Cell, field: Field) -> Decimal | None:
    """The figure that `exact` says, None of a cell that is none."""
    if isinstance(cell, (int, Decimal, Fraction, Money)):
        said = exact(cell, field)
        return None if said is None else Decimal(said)
    return None


def shown(cell: Cell, field: Field, currency: str) -> str:
    """As people read it in a column; why there is no figure, where that is known."""
    if isinstance(cell, Missing):
        return text.shown(cell.why)
    if cell is None or cell == "":
        return NOTHING
    if isinstance(cell, Money):
        return text.money(cell)
    if isinstance(cell, (Decimal, Fraction, int)):
        return _figure(cell, field, currency)
    if isinstance(cell, Month):
        return str(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    return text.shown(text.words(cell) if field.name in _IN_WORDS else cell)


def _figure(cell: Decimal | Fraction | int, field: Field, currency: str) -> str:
    if field.kind == "share":
        return text.percent(cell)
    if field.kind == "money":
        return text.cost(cell, currency)
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, Fraction):
        return text.plain(significant(cell))
    return text.unit_price(cell, currency) if field.kind == "rate" else text.plain(rounded_places(cell, 6))


def label(field: Field) -> str:
    """A column's heading: `cost_per_correct_task` is Cost per correct task."""
    if field.unit.startswith("per "):  # it says all that the name does
        return text.shown(field.unit[:1].upper() + field.unit[1:])
    name = _NAMES.get(field.name) or text.words(field.name).replace("gpu", "GPU")
    name = name[:1].upper() + name[1:]
    return f"{name} ({text.shown(field.unit)})" if field.unit else name


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
