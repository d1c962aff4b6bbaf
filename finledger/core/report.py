"""What a report holds: tables of figures that the page, the workbook, JSON, CSV, OpenMetrics and Markdown are all made from (U2, U3).

A table is worked out in the core and laid out by writers, so that one figure is the same in every form. A cell is exact; None
is "no figure", and where a reason is known a `Missing` says it instead: a measure that nobody tracks is never a zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from finledger.core.money import Money
from finledger.core.period import Month

# text · a name or sentence; money · an amount, rounded (M2); rate · money for a unit, exact or to significant digits;
# count · whole; quantity · exact decimal; share · 0.1234 is 12.34 %; day; month
FieldKind = Literal["text", "money", "rate", "count", "quantity", "share", "day", "month"]
FIGURES: frozenset[FieldKind] = frozenset({"money", "rate", "count", "quantity", "share"})


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no figure: `not tracked`, `not measurable`, `no budget`."""

    why: str


Cell = str | int | Decimal | Fraction | Money | Month | date | Missing | None


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name for programs (snake_case), what it holds, and its unit where the name does not say it."""

    name: str
    kind: FieldKind
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, in the order of `fields`. `name` is kebab-case and names it for ever; `title` is for people.

    `note` says how to read it, and the rule. `team` names the field that says whose a row is: a team's own page shows its rows
    alone; a table without one is the platform's, and is left out there unless `everyone`.
    """

    name: str
    title: str
    fields: tuple[Field, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    team: str = ""
    everyone: bool = False

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        if len(set(names)) != len(names) or any(len(row) != len(names) for row in self.rows):
            raise ValueError(f"table {self.name}: every row has one cell for each of {names}")

    def column(self, name: str) -> tuple[Cell, ...]:
        """All cells of one field."""
        at = self.index(name)
        return tuple(row[at] for row in self.rows)

    def index(self, name: str) -> int:
        """The position of a field."""
        return next(number for number, field in enumerate(self.fields) if field.name == name)

    def where(self, name: str, wanted: Cell) -> Table:
        """The rows in which a field is `wanted`."""
        at = self.index(name)
        return replace(self, rows=tuple(row for row in self.rows if row[at] == wanted))


@dataclass(frozen=True, slots=True)
class Report:
    """All tables of a period (2026-07 or 2026-Q3) of one set of books. `provisional`: a month of it is open; `as_of`: the last
    day that has usage, for an open month; `believed`: the close (its number, or its period) that it was believed at, "" for now."""

    books: str
    period: str
    months: tuple[Month, ...]
    currency: str
    provisional: bool
    tables: tuple[Table, ...]
    as_of: date | None = None
    team: str = ""
    believed: str = ""

    def table(self, name: str) -> Table | None:
        """A table by its name; None where the period has no such figures."""
        return next((table for table in self.tables if table.name == name), None)

    def of_team(self, team: str) -> Report:
        """What a team's lead may see: its own rows, and what is said to everybody."""
        own = (
            table.where(table.team, team) if table.team else table for table in self.tables if table.team or table.everyone
        )
        return replace(self, tables=tuple(own), team=team)


def joined(*groups: Iterable[Table]) -> tuple[Table, ...]:
    """Tables in their order, without those that have no row. Raises ValueError where two have one name."""
    found: Sequence[Table] = [table for group in groups for table in group if table.rows]
    names = [table.name for table in found]
    if len(set(names)) != len(names):
        raise ValueError(f"two tables have one name: {sorted(name for name in names if names.count(name) > 1)}")
    return tuple(found)
