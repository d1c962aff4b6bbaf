"""The one place where a report becomes a page: what stands in which section, which rows, in which words.

The template gets one `Page` under the name `page`. Everything in it is text that is ready to be shown, but not escaped, and
pictures, which are ready. A page that would hold every row of a thousand teams could not be opened: each table has the rows that
there is room for, the largest, and says where the rest is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from finledger.core.model import UNALLOCATED
from finledger.core.money import Money, total
from finledger.core.provider import DIFFERENCES
from finledger.core.report import FIGURES, Cell, Field, Missing, Report, Table
from finledger.write import text
from finledger.write.report import _words as words
from finledger.write.report._charts import Chart
from finledger.write.report._team_lines import LINE_FIELDS, TeamView, team_views
from finledger.write.table_cells import label, shown

ROOM = 42_000  # cells of a page, so that it opens at once and can be sent by mail
ALWAYS = 2_500  # rows of the bill that are never cut
LONG = 16  # rows from which on a table scrolls in its own box
PRINTED = 60  # rows of a long table that are printed
_ADDED = {
    "bill": ("total", "buffer_draw"), "spend": ("amount",), "components": ("amount",), "budget": ("total",),
    "providers": ("metered", "invoiced", "difference", *DIFFERENCES, "unclassified"), "quality": ("bill",),
    "provider-accruals": ("amount",), "fund-requests": ("charges", "granted"), "unlabelled": ("cost",),
}  # fmt: skip
_FLAGS = {"holds": "NO", "met": "no", "alert": "yes", "stands": "yes", "severity": "error"}
_CODE = frozenset({"sha256", "rule", "where", "code"})


class Section(NamedTuple):
    """`tables` stand open; `more` of them can be opened."""

    name: str
    title: str
    says: str
    tables: tuple[str, ...]
    charts: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


SECTIONS = (
    Section(
        "bought", "The bill, and what it bought",
        "No figure of cost stands here without what it bought: coverage is the share of production that is evaluated, freshness "
        "the share of recent traffic that the evaluations still look like.",
        ("quality", "quality-trend", "measures", "programme", "outcomes"), ("quality",),
    ),
    Section("actions", "What is to be done", "Each with its figure, its owner and the action.", ("actions", "reviews")),
    Section(
        "ladder", "The ladder",
        "Showback, allocation, chargeback, optimisation: a stage is earned by evidence, and money moves from chargeback on.",
        ("ladder", "blockers"), (), ("organisation-gate", "gates", "stage-history"),
    ),
    Section("spend", "Spend", "", ("bill", "spend"), ("teams", "dimensions"), ("components",)),
    Section(
        "budget", "Budgets", "Variance is the total less the budget: positive is over.",
        ("budget", "projection"), ("variance",), ("projection-features",),
    ),
    Section(
        "units", "Unit economics", "What a unit of work costs, and the levers that move it.",
        ("targets", "unit-costs-by-team", "gpu"), (),
        ("unit-costs", "unit-cost-trend", "unit-costs-by-model", "levers", "runs", "gpu-by-team", "features", "segments",
         "feature-trend",
         "without-feature"),
    ),
    Section(
        "nobody", "What belongs to nobody",
        "Usage that no team can be found for stays with the platform. It is measured before anything is spread.",
        ("unallocated-trend", "unlabelled-owners"), ("unallocated",), ("label-coverage", "unlabelled"),
    ),
    Section(
        "fund", "The bursting buffer", "Teams at chargeback pay a surcharge into a fund, which bears bursts that were disclosed.",
        ("fund", "fund-quarter", "fund-size", "fund-requests"), ("fund",), ("fund-adequacy", "reserves"),
    ),
    Section(
        "providers", "The providers' side", "What was metered against what was invoiced, every cent of difference in a class.",
        ("providers", "provider-skus", "provider-accruals"), (), ("variances",),
    ),
    Section("more", "More figures", "", ()),
    Section("record", "Where the figures come from", "", ("months", "notices"), (), ("checks", "sources")),
)  # fmt: skip


class RowView(NamedTuple):
    """`cells`: (kind, text), the kind one of h (the row's name), n (figure), m (none, and why), f (flagged), c (code),
    w (never folded), "" (text).

    `team`: the team's number among the page's teams, "" where the row is nobody's. `href`: where the row's name leads to.
    """

    cells: tuple[tuple[str, str], ...]
    team: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class TableView:
    """`columns`: (label, whether it holds figures). `total`: a cell for each column, () without one. `sums`: the columns that
    are added up again when rows are filtered. `left_out` says which rows are not here, and where they are."""

    name: str
    title: str
    note: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[RowView, ...]
    total: tuple[str, ...] = ()
    sums: tuple[int, ...] = ()
    left_out: str = ""
    long: bool = False
    folded: bool = False
    counted: str = ""
    filtered: bool = False


@dataclass(frozen=True, slots=True)
class SectionView:
    name: str
    title: str
    says: str
    charts: tuple[Chart, ...]
    tables: tuple[TableView, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the four figures that stand side by side in one size. `change`: against the last period."""

    name: str
    figure: str
    unit: str
    basis: str
    change: str


@dataclass(frozen=True, slots=True)
class Page:
    """A report, in the order in which it is read. `teams`: their names, for the filter; the position is their number."""

    title: str
    books: str
    period: str
    team: str
    currency: str
    provisional: str
    standing: str
    sentence: str
    tiles: tuple[Tile, ...]
    sections: tuple[SectionView, ...]
    lines: tuple[TeamView, ...]
    lines_says: str
    teams: tuple[str, ...]
    command: str


def page(report: Report, charts: dict[str, Chart], pages: bool) -> Page:
    """`pages`: whether the pages of the teams lie beside this one."""
    teams = _teams(report)
    numbers = {name: str(number) for number, name in enumerate(teams)}
    lines, lines_says = team_views(report, pages)
    anchors = {each.name: each.anchor for each in lines}
    layout = _Layout(report, numbers, anchors)
    return Page(
        title=words.title(report),
        books=text.shown(report.books),
        period=words.period(report),
        team=text.shown(report.team),
        currency=report.currency,
        provisional="Provisional" if report.provisional else "",
        standing=words.standing(report),
        sentence=words.sentence(report),
        tiles=_tiles(report),
        sections=tuple(each for each in layout.sections(charts) if each.charts or each.tables),
        lines=tuple(replace(each, number=numbers.get(each.name, "")) for each in lines),
        lines_says=lines_says,
        teams=tuple(text.shown(each) for each in teams) if len(teams) > 1 else (),
        command=words.command(report),
    )


def _teams(report: Report) -> tuple[str, ...]:
    names = {
        str(name)
        for table in report.tables
        if table.team
        for name in table.column(table.team)
        if name not in ("", None) and not isinstance(name, Missing)
    }
    return tuple(sorted(names, key=lambda name: (name == UNALLOCATED, name)))


def _tiles(report: Report) -> tuple[Tile, ...]:
    """Bill, coverage, freshness, cost per correct task: of the whole, as the review's measures have them (Q4)."""
    table = report.table("measures")
    if table is None or report.team:
        return ()
    at = {name: table.index(name) for name in ("measure", "unit", "figure", "change", "basis")}
    rows = {row[at["measure"]]: row for row in table.rows}
    tiles = []
    for name in ("bill", "coverage", "freshness", "cost per correct task"):
        if name not in rows:
            return ()
        row = rows[name]
        cell, change = (_measured(row[at[column]], row[at["unit"]], report.currency) for column in ("figure", "change"))
        known = not isinstance(row[at["figure"]], Missing)
        unit = str(row[at["unit"]]) if known and name != "cost per correct task" else report.currency if known else ""
        said = "" if row[at["change"]] is None else f"{'' if change.startswith('-') else '+'}{change}"
        points = " points" if said and unit == "%" else ""
        last = f"{said}{points} on the last period" if said else ""
        tiles.append(Tile(name.capitalize(), cell, unit, text.shown(str(row[at["basis"]] or "")), last))
    return tuple(tiles)


def _measured(cell: Cell, unit: Cell, currency: str) -> str:
    kind = "money" if unit == currency else "quantity"
    said = shown(cell, Field("figure", kind), currency)  # type: ignore[arg-type]
    if unit == "%" and not isinstance(cell, (Missing, type(None))):
        whole, _, part = said.partition(".")
        return f"{whole}.{part[:2]}" if part else whole
    return said


class _Layout:
    """Tables as a page shows them."""

    def __init__(self, report: Report, numbers: dict[str, str], anchors: dict[str, str]) -> None:
        self.report, self.numbers, self.anchors = report, numbers, anchors
        placed = {name for section in SECTIONS for name in (*section.tables, *section.more)}
        self.more = tuple(each.name for each in report.tables if each.name not in placed and each.name != "lines")
        self.most = _most_rows(report.tables)
        self.elsewhere = f"{words.command(report)} --to xlsx,csv"

    def sections(self, charts: dict[str, Chart]) -> Sequence[SectionView]:
        found = []
        for section in SECTIONS:
            opened = self.more if section.name == "more" else section.tables
            found_here = [(name in opened, self.report.table(name)) for name in (*opened, *section.more)]
            found.append(
                SectionView(
                    section.name,
                    section.title,
                    section.says,
                    tuple(charts[name] for name in section.charts if name in charts),
                    tuple(self.table(each, is_open) for is_open, each in found_here if each is not None),
                )
            )
        return found

    def table(self, table: Table, is_open: bool) -> TableView:
        empty = _empty(table)
        kept = [
            number for number, field in enumerate(table.fields) if self._is_shown(table, field) and field.name not in empty
        ]
        fields = [table.fields[number] for number in kept]
        head = next((at for at, field in enumerate(fields) if field.kind == "text"), 0)
        rows, left = self._rows(table)
        team = table.index(table.team) if table.team else None
        return TableView(
            name=table.name,
            title=text.shown(table.title),
            note=" ".join(filter(None, (text.shown(table.note), *_left_out(table, empty)))),
            columns=tuple((label(field), field.kind in FIGURES) for field in fields),
            rows=tuple(
                self._row([row[number] for number in kept], fields, head, "" if team is None else row[team]) for row in rows
            ),
            total=self._total(table, fields, head),
            sums=tuple(at for at, field in enumerate(fields) if field.name in _ADDED.get(table.name, ())),
            left_out=left,
            long=len(rows) > LONG,
            folded=not is_open,
            counted=text.count(len(table.rows), "row"),
            filtered=bool(self.numbers) and table.team != "" and not self.report.team,
        )

    def _is_shown(self, table: Table, field: Field) -> bool:
        """Neither a month that is the same in every row, nor the team on its own page, nor a class of difference that is nil."""
        if field.name == "month" and field.kind == "month":
            return len(set(table.column("month"))) > 1 or table.name in ("months", "unallocated-trend", "fund", "fund-size")
        if field.name == table.team:
            return not self.report.team
        if table.name == "providers" and field.name in DIFFERENCES:
            return any(isinstance(cell, Money) and bool(cell) for cell in table.column(field.name))
        return True

    def _rows(self, table: Table) -> tuple[Sequence[tuple[Cell, ...]], str]:
        most = max(self.most, ALWAYS) if table.name == "bill" else self.most
        if len(table.rows) <= most:
            return table.rows, ""
        by = next((number for number, field in enumerate(table.fields) if field.kind == "money"), None)
        rows = table.rows
        if by is not None:
            rows = tuple(sorted(table.rows, key=lambda row: -_size(row[by])))
        which = "largest by " + label(table.fields[by]).lower() if by is not None else "first"
        return rows[:most], f"The {most:,} {which} of {len(table.rows):,} rows. All of them: {self.elsewhere}"

    def _row(self, cells: Sequence[Cell], fields: Sequence[Field], head: int, team: Cell) -> RowView:
        currency = self.report.currency
        made = []
        for at, (cell, field) in enumerate(zip(cells, fields, strict=True)):
            made.append((_kind(cell, field, at == head), shown(cell, field, currency)))
        name = str(team)
        leads = name and fields[head].name == "team"
        return RowView(tuple(made), self.numbers.get(name, ""), self.anchors.get(name, "") if leads else "")

    def _total(self, table: Table, fields: Sequence[Field], head: int) -> tuple[str, ...]:
        """The sums of all rows of the table, also of those that there is no room for."""
        added = _ADDED.get(table.name, ())
        if not added or len(table.rows) < 2:
            return ()
        cells = []
        for at, field in enumerate(fields):
            amounts = [each for each in table.column(field.name) if isinstance(each, Money)] if field.name in added else None
            said = "" if amounts is None else text.money(total(amounts, self.report.currency))
            cells.append("Total" if at == head else said)
        return tuple(cells)


def _empty(table: Table) -> dict[str, str]:
    """The columns in which no row has anything, with the reason where all of them have the same; never those of quality."""
    if table.name in ("quality", "quality-trend"):
        return {}
    found = {}
    for at, field in enumerate(table.fields):
        cells: set[Cell] = set()
        for row in table.rows:  # most columns show in their first rows that there is something
            cells.add(row[at])
            if not (cells <= {None, ""} or (len(cells) == 1 and isinstance(row[at], Missing))):
                break
        else:
            only = next(iter(cells), None)
            found[field.name] = only.why if isinstance(only, Missing) else ""
    return found


def _left_out(table: Table, empty: dict[str, str]) -> list[str]:
    """Not shown: Revenue, Margin (no revenue recorded)."""
    reasons: dict[str, list[str]] = {}
    for field in table.fields:
        if empty.get(field.name):
            reasons.setdefault(empty[field.name], []).append(label(field))
    said = [f"{', '.join(names)} ({text.shown(why)})" for why, names in reasons.items()]
    return [f"Not shown: {'; '.join(said)}."] if said else []


def _size(cell: Cell) -> int:
    return abs(cell.minor) if isinstance(cell, Money) else 0


def _kind(cell: Cell, field: Field, is_head: bool) -> str:
    if is_head:
        return "h"
    if isinstance(cell, Missing) or cell is None:
        return "m" if field.kind in FIGURES else ""
    if field.kind in FIGURES:
        return "n"
    if _FLAGS.get(field.name) == cell:
        return "f"
    if field.kind in ("day", "month"):
        return "w"
    return "c" if field.name in _CODE and cell else ""


def _most_rows(tables: Collection[Table]) -> int:
    """How many rows of each table a page has room for: the same number for all, as large as it can be."""
    sizes = [(len(each.rows), len(each.fields)) for each in tables if each.name != "lines"]
    low, high = 50, max((rows for rows, _ in sizes), default=50)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(rows, middle) * width for rows, width in sizes) <= ROOM:
            low = middle
        else:
            high = middle - 1
    return max(low, 50)


__all__ = ["LINE_FIELDS", "Page", "page"]
