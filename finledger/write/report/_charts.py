"""The pictures of a report, each drawn from the tables that stand beside it, with what it shows in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from finledger.core.model import UNALLOCATED
from finledger.core.money import Money, significant, total
from finledger.core.period import Month
from finledger.core.report import Cell, Report, Table
from finledger.write import text
from finledger.write.report._svg import FIRST, FLAG, INK, QUIET, RULE, SECOND, SOFT, picture

WIDE = 9.6
MOST_BARS, MOST_PANELS = 12, 6
_LONGEST = 26


@dataclass(frozen=True, slots=True)
class Chart:
    """`svg` is ready for the page; `says` is what it shows, for whoever does not see it, and for whoever does."""

    name: str
    svg: str
    says: str
    title: str


def charts(report: Report) -> dict[str, Chart]:
    """Every picture that the report's tables allow, by name."""
    makers: dict[str, Callable[[Report], Chart | None]] = {
        "quality": _quality, "teams": _teams, "dimensions": _dimensions, "variance": _variance,
        "unallocated": _unallocated, "fund": _fund,
    }  # fmt: skip
    if report.team:
        makers = {"quality": _quality}
    found = {name: make(report) for name, make in makers.items()}
    return {name: chart for name, chart in found.items() if chart is not None}


# ── cost per correct task, with coverage on the same chart (S0) ─────────────────────────────────────────────────────────

Point = tuple[Month, Cell, Cell]  # month, coverage, cost per correct task


def _quality(report: Report) -> Chart | None:
    table = report.table("quality-trend")
    if table is None:
        return None
    series = _by_feature(table)
    months = sorted({month for points in series.values() for month, _, _ in points})
    drawn = [name for name, points in series.items() if any(_figure(cost) is not None for _, _, cost in points)][
        :MOST_PANELS
    ]
    if not drawn:
        return None
    columns = min(3, len(drawn))
    lines = -(-len(drawn) // columns)

    def draw(figure: Any) -> None:
        axes = figure.subplots(lines, columns, squeeze=False).flatten()
        for number, axis in enumerate(axes):
            if number < len(drawn):
                _quality_panel(axis, drawn[number], series[drawn[number]], months, number % columns == columns - 1)
            else:
                axis.set_axis_off()

    says = " ".join(_said(name, series[name], report.currency) for name in drawn)
    more = len(series) - len(drawn)
    if more:
        says += f" {text.count(more, 'more feature')} in the table: not measurable, or smaller."
    title = f"{report.currency} per correct task (line, left) and coverage (columns, right), by month"
    return Chart("quality", picture("quality", WIDE, 2.5 * lines, draw), says, title)


def _by_feature(table: Table) -> dict[str, list[Point]]:
    """The points of each feature, those with the largest bills first. Several teams of a feature share its quality."""
    at = {name: table.index(name) for name in ("month", "feature", "bill", "coverage", "cost_per_correct_task")}
    points: dict[str, dict[Month, Point]] = {}
    bills: dict[str, int] = {}
    for row in table.rows:
        feature, month, bill = str(row[at["feature"]]), row[at["month"]], row[at["bill"]]
        assert isinstance(month, Month)
        points.setdefault(feature, {})[month] = (month, row[at["coverage"]], row[at["cost_per_correct_task"]])
        bills[feature] = bills.get(feature, 0) + (bill.minor if isinstance(bill, Money) else 0)
    names = sorted(points, key=lambda name: (-bills[name], name))
    return {name: [points[name][month] for month in sorted(points[name])] for name in names}


def _quality_panel(axis: Any, name: str, points: Sequence[Point], months: Sequence[Month], is_last: bool) -> None:
    place = {month: number for number, month in enumerate(months)}
    coverage = axis.twinx()
    known = [(place[month], float(share)) for month, share, _ in points if isinstance(share, (Decimal, Fraction))]
    coverage.bar([x for x, _ in known], [100 * share for _, share in known], width=0.62, color=SOFT, zorder=1)
    coverage.set_ylim(0, 100)
    coverage.set_yticks([0, 50, 100], ["0 %", "50 %", "100 %"] if is_last else [])
    coverage.spines["left"].set_visible(False)
    costs = [(place[month], _figure(cost)) for month, _, cost in points]
    held = [(x, cost) for x, cost in costs if cost is not None]
    axis.plot([x for x, _ in held], [cost for _, cost in held], color=FIRST, marker="o", zorder=3)
    axis.set_ylim(0, max((cost for _, cost in held), default=1) * 1.25 or 1)
    axis.set_xlim(-0.6, len(months) - 0.4)
    axis.set_xticks(range(len(months)), [_short(month) for month in months])
    if len(months) > 6:
        axis.tick_params(axis="x", labelrotation=60)
    axis.yaxis.set_major_formatter(lambda value, _: text.plain(significant(Fraction(value), 3)) if value else "0")
    axis.locator_params(axis="y", nbins=4)
    axis.set_zorder(coverage.get_zorder() + 1)
    axis.patch.set_visible(False)
    axis.set_title(_cut(name))


def _said(name: str, points: Sequence[Point], currency: str) -> str:
    """reply-drafts: 0.0123 USD in 2026-07 at 50 % coverage, 0.0101 USD in 2026-09 at 82 %."""
    held = [point for point in points if _figure(point[2]) is not None]
    ends = held if len(held) == 1 else [held[0], held[-1]]
    return f"{text.shown(name)}: {', '.join(_said_point(point, currency) for point in ends)}."


def _said_point(point: Point, currency: str) -> str:
    month, coverage, cost = point
    assert isinstance(cost, (Decimal, Fraction))
    of = f"{text.percent(coverage)} coverage" if isinstance(coverage, (Decimal, Fraction)) else "coverage not tracked"
    return f"{text.plain(significant(cost))} {currency} in {month} at {of}"


# ── who spends, and on what ─────────────────────────────────────────────────────────────────────────────────────────────


def _teams(report: Report) -> Chart | None:
    table = report.table("bill")
    if table is None:
        return None
    totals, budgets = _sums(table, "team", "total"), _sums(table, "team", "budget")
    bars = _largest(totals, report.currency)
    whole = total(totals.values(), report.currency)

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        marks = {name: float(amount.amount) for name, amount in budgets.items()}
        _bars(axis, bars, FIRST, marks=marks)
        for position, (name, _) in enumerate(bars):
            if name in marks:
                axis.plot([marks[name]] * 2, [position - 0.38, position + 0.38], color=INK, linewidth=2)
        _room_for_figures(axis, [float(budgets[name].amount) for name, _ in bars if name in budgets])

    first = ", ".join(f"{_plain_name(name)} {text.money(amount)}" for name, amount in bars[:3])
    says = f"{first}; all teams {text.money(whole)} {report.currency}. An upright mark is the budget, where one is set."
    return Chart("teams", picture("teams", WIDE, _height(bars), draw), says, f"Spend by team, {report.currency}")


def _dimensions(report: Report) -> Chart | None:
    table = report.table("spend")
    if table is None:
        return None
    names = ("feature", "model", "workload_type")
    panels = {name: _largest(_sums(table, name, "amount"), report.currency, 7) for name in names}

    def draw(figure: Any) -> None:
        for axis, (name, bars) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            _bars(axis, bars, FIRST, none=f"(no {text.words(name)})")
            _room_for_figures(axis, [])
            axis.set_title(f"By {text.words(name)}")

    says = " ".join(
        f"By {text.words(name)}: {', '.join(f'{_plain_name(each)} {text.money(amount)}' for each, amount in bars[:3])}."
        for name, bars in panels.items()
    )
    height = max(_height(bars) for bars in panels.values()) + 0.3
    title = f"Spend by feature, model and workload type, {report.currency}, with what is unallocated"
    return Chart("dimensions", picture("dimensions", WIDE, height, draw), says, title)


def _variance(report: Report) -> Chart | None:
    table = report.table("bill")
    if table is None:
        return None
    found = _sums(table, "team", "variance")
    bars = sorted(found.items(), key=lambda item: (-abs(item[1].minor), item[0]))[:MOST_BARS]
    if not bars:
        return None
    bars.sort(key=lambda item: -item[1].minor)

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        amounts = [float(amount.amount) for _, amount in bars]
        axis.barh(range(len(bars)), amounts, color=[FLAG if amount > 0 else FIRST for amount in amounts], height=0.66)
        axis.axvline(0, color=INK, linewidth=1)
        _named(axis, [_cut(name) for name, _ in bars])
        widest = max(abs(amount) for amount in amounts) or 1
        for position, (_, amount) in enumerate(bars):
            beyond, side = (1, "left") if amount.minor >= 0 else (-1, "right")
            at = float(amount.amount) + beyond * widest * 0.015
            axis.text(at, position, text.signed(amount), va="center", ha=side, color=INK, fontsize=9)
        axis.set_xlim(min(0, *amounts) - widest * 0.22, max(0, *amounts) + widest * 0.22)

    over = [each for each in found.values() if each.minor > 0]
    says = (
        f"{len(over)} of {text.count(len(found), 'team')} with a budget {'is' if len(over) == 1 else 'are'} over it, by "
        f"{text.money(total(over, report.currency))} {report.currency} together."
    )
    title = f"Total less budget, {report.currency}: to the right of the line is over"
    return Chart("variance", picture("variance", WIDE, _height(bars), draw), says, title)


# ── over the months ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _unallocated(report: Report) -> Chart | None:
    table = report.table("unallocated-trend")
    if table is None or len(table.rows) < 2:
        return None
    months, shares = table.column("month"), table.column("share")
    values = [float(share) * 100 for share in shares if isinstance(share, Fraction)]
    limit = next(float(each) * 100 for each in table.column("limit") if isinstance(each, Fraction))

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        axis.axhline(limit, color=FLAG, linewidth=1.5, linestyle=(0, (5, 3)))
        axis.text(len(values) - 0.6, limit, f"limit {limit:g} %", color=FLAG, ha="right", va="bottom", fontsize=9)
        axis.plot(range(len(values)), values, color=FIRST, marker="o")
        axis.set_ylim(0, max(*values, limit) * 1.25)
        _months(axis, months)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")

    last = shares[-1]
    assert isinstance(last, Fraction)
    says = f"{text.percent(last)} in {months[-1]}; the limit is {limit:g} %."
    return Chart("unallocated", picture("unallocated", WIDE, 2.4, draw), says, "Unallocated share of all charges, by month")


def _fund(report: Report) -> Chart | None:
    table = report.table("fund")
    if table is None or len(table.rows) < 2:
        return None
    names = ("contributions", "repayments", "draws", "rebates", "closing")
    paid, repaid, drawn, rebated, closing = (
        [float(cell.amount) for cell in table.column(name) if isinstance(cell, Money)] for name in names
    )

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        places = range(len(closing))
        into = [one + other for one, other in zip(paid, repaid, strict=True)]
        out = [-(one + other) for one, other in zip(drawn, rebated, strict=True)]
        axis.bar(places, into, width=0.62, color=SOFT, label="paid in")
        axis.bar(places, out, width=0.62, color=SECOND, label="drawn and given back")
        axis.plot(places, closing, color=FIRST, marker="o", label="closing balance")
        axis.axhline(0, color=INK, linewidth=1)
        _months(axis, table.column("month"))
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.legend(loc="upper left", bbox_to_anchor=(0, 1.18), ncols=3, labelcolor=QUIET)

    last = table.column("closing")[-1]
    assert isinstance(last, Money)
    says = f"It holds {text.money(last)} {report.currency} at the end of {table.column('month')[-1]}."
    return Chart("fund", picture("fund", WIDE, 2.8, draw), says, f"The bursting buffer, {report.currency}, by month")


# ── marks that charts share ─────────────────────────────────────────────────────────────────────────────────────────────


def _bars(
    axis: Any, bars: Sequence[tuple[str, Money]], colour: str, none: str = "", marks: Mapping[str, float] | None = None
) -> None:
    """Bars with their figures behind them, and behind what else is marked on them."""
    amounts = [float(amount.amount) for _, amount in bars]
    axis.barh(range(len(bars)), amounts, color=[SOFT if _is_rest(name) else colour for name, _ in bars], height=0.66)
    _named(axis, [_cut(name) or none for name, _ in bars])
    widest = max(map(abs, amounts), default=0) or 1
    for position, (name, amount) in enumerate(bars):
        at = max(0.0, float(amount.amount), (marks or {}).get(name, 0.0)) + widest * 0.015
        axis.text(at, position, text.money(amount), va="center", ha="left", color=INK, fontsize=9)


def _named(axis: Any, names: Sequence[str]) -> None:
    axis.set_yticks(range(len(names)), names, color=INK)
    axis.invert_yaxis()
    axis.set_xticks([])
    for side in ("bottom", "left"):
        axis.spines[side].set_visible(False)
    axis.set_ylim(len(names) - 0.4, -0.6)


def _room_for_figures(axis: Any, more: Sequence[float]) -> None:
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, 0), max(high, *more, 1e-9) * 1.22 if more else max(high, 1e-9) * 1.4)


def _months(axis: Any, months: Sequence[Cell]) -> None:
    axis.set_xticks(range(len(months)), [_short(month) for month in months if isinstance(month, Month)])
    axis.set_xlim(-0.6, len(months) - 0.4)
    axis.grid(True, axis="y", color=RULE)


def _sums(table: Table, by: str, of: str) -> dict[str, Money]:
    """Amounts by a name. What is unallocated has a name of its own only where the name is a team's."""
    named, amounts = table.index(by), table.index(of)
    sums: dict[str, Money] = {}
    for row in table.rows:
        amount = row[amounts]
        if isinstance(amount, Money):
            name = str(row[named])
            sums[name] = sums[name] + amount if name in sums else amount
    return sums


def _largest(sums: dict[str, Money], currency: str, most: int = MOST_BARS) -> list[tuple[str, Money]]:
    """The largest, and the rest as one bar at the end."""
    ordered = sorted(sums.items(), key=lambda item: (-item[1].minor, item[0]))
    if len(ordered) <= most:
        return ordered
    rest = ordered[most - 1 :]
    return [*ordered[: most - 1], (f"{_REST} {len(rest)} others", total((amount for _, amount in rest), currency))]


_REST = "\u2211"  # the sum of


def _is_rest(name: str) -> bool:
    return name.startswith(f"{_REST} ") or name in (UNALLOCATED, "")


def _height(bars: Iterable[object]) -> float:
    return 0.32 * len(list(bars)) + 0.35


def _figure(cell: Cell) -> float | None:
    return float(cell) if isinstance(cell, (Decimal, Fraction)) else None


def _plain_name(name: str) -> str:
    return text.shown(name) or "(none)"


def _short(month: Month) -> str:
    return f"{text.MONTHS[month.number - 1][:3]} {month.year % 100:02d}"


def _cut(name: str) -> str:
    shown = text.shown(name)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
