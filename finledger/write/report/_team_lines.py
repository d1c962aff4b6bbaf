"""From team to line to source: every team with its lines, as far as there is room, and where the others are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from finledger.core.model import UNALLOCATED
from finledger.core.money import Money, total
from finledger.core.report import Cell, Report, Table
from finledger.write import text
from finledger.write.files import safe_name
from finledger.write.report._words import command
from finledger.write.table_cells import NOTHING

MOST_LINES = 1_200
LINE_FIELDS = (
    "month", "line_id", "feature", "item", "kind", "workload_type", "model", "quantity", "unit", "unit_price", "amount",
    "components", "explain", "sources",
)  # fmt: skip
_UNITS = {"action": "actions", "gpu_hour": "GPU-hours", "seat": "seats"}
_PLAIN = frozenset({"action", "gpu", "egress"})


@dataclass(frozen=True, slots=True)
class LineView:
    """A line with its small print: its parts, the command that explains it, the exports that its usage is in."""

    line_id: str
    feature: str
    item: str
    model: str
    workload_type: str
    quantity: str
    unit_price: str
    amount: str
    parts: str
    explain: str
    sources: str


@dataclass(frozen=True, slots=True)
class TeamView:
    """`lines` is empty where there is no room for them; `page` is then, and otherwise, the team's own page, "" without one."""

    name: str
    shown: str
    anchor: str
    stage: str
    total: str
    counted: str
    lines: tuple[LineView, ...]
    page: str
    number: str = ""


def team_views(report: Report, pages: bool) -> tuple[tuple[TeamView, ...], str]:
    """The teams, the largest first, with the lines of as many as there is room for; and what has to be said about the others."""
    table = report.table("lines")
    if table is None:
        return (), ""
    by_team: dict[str, list[tuple[Cell, ...]]] = {}
    team, amount = table.index("team"), table.index("amount")
    for row in table.rows:
        by_team.setdefault(str(row[team]), []).append(row)
    totals = {
        name: total((row[amount] for row in rows if isinstance(row[amount], Money)), report.currency)  # type: ignore[misc]
        for name, rows in by_team.items()
    }
    stages = _stages(report)
    views, room, without = [], len(table.rows) if report.team else MOST_LINES, 0
    for name in sorted(by_team, key=lambda name: (-totals[name].minor, name)):
        rows = by_team[name]
        fits = len(rows) <= room
        room -= len(rows) if fits else room
        without += not fits
        views.append(
            TeamView(
                name=name,
                shown=text.shown(name),
                anchor=f"team-{safe_name(name)}",
                stage=stages.get(name, ""),
                total=text.money(totals[name]),
                counted=text.count(len(rows), "line"),
                lines=tuple(_line(row, table, report) for row in rows) if fits else (),
                page=f"report/{safe_name(name)}.html" if pages and name != UNALLOCATED and not report.team else "",
            )
        )
    return tuple(views), _says(without, len(views), pages, report)


def _says(without: int, teams: int, pages: bool, report: Report) -> str:
    if not without:
        return ""
    own = "on each team's own page, and in full " if pages else ""
    return (
        f"There is room for the lines of the {teams - without:,} largest of {teams:,} teams. All lines are {own}by: "
        f"{command(report)} --to xlsx,csv"
    )


def _stages(report: Report) -> dict[str, str]:
    bill = report.table("bill")
    if bill is None:
        return {}
    return dict(zip(map(str, bill.column("team")), map(str, bill.column("stage")), strict=True))


def _line(row: Sequence[Cell], table: Table, report: Report) -> LineView:
    said = dict(zip((field.name for field in table.fields), row, strict=True))
    several = len(report.months) > 1
    quantity, price, amount = said["quantity"], said["unit_price"], said["amount"]
    kind = str(said["kind"])
    item = text.shown(str(said["item"] or ""))
    name = item if kind in _PLAIN and item else f"{text.words(kind)}{f': {item}' if item else ''}"
    parts = [str(said["month"])] if several else []
    components = str(said["components"])
    parts += [text.words(components)] if ";" in components else []
    unit, is_amount = str(said["unit"]), said["unit"] == "month"  # an amount is no quantity at a price
    return LineView(
        line_id=str(said["line_id"]),
        feature=text.shown(str(said["feature"])) or NOTHING,
        item=name,
        model=text.shown(str(said["model"])) or NOTHING,
        workload_type=text.shown(str(said["workload_type"])) or NOTHING,
        quantity=""
        if is_amount or not isinstance(quantity, Decimal)
        else f"{text.plain(quantity)} {_UNITS.get(unit, unit)}",
        unit_price="" if is_amount or not isinstance(price, Decimal) else text.unit_price(price, report.currency),
        amount=text.money(amount) if isinstance(amount, Money) else "",
        parts=" · ".join(parts),
        explain=text.shown(str(said["explain"])),
        sources=text.shown(str(said["sources"])),
    )
