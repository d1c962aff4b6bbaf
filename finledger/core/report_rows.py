"""What a period came to, as the tables of its report: the bill, spend, lines, the fund, the providers' side (A2, B1, B5, X1).

Nothing is worked out here but sums over charge lines: every other figure is taken from where it was made. So that a table is
the same whatever it is written as, its rows are sorted by their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from finledger.core.adequacy import FundMonth, TeamCover
from finledger.core.close import GATE
from finledger.core.invoice import is_own
from finledger.core.model import UNALLOCATED, ChargeLine, LineKey, LoadedFile, MonthCharges
from finledger.core.money import Money, minor_digits, rounded_places, total, zero
from finledger.core.period import Month
from finledger.core.problem import Problem
from finledger.core.provider import DIFFERENCES, Accrual, SkuReconciliation
from finledger.core.quarter import QuarterEnd
from finledger.core.report import Cell, Field, Missing, Table

Months = Mapping[Month, MonthCharges]
Rows = tuple[tuple[Cell, ...], ...]
NO_BUDGET, NO_BILL, NO_PLAN = Missing("no budget"), Missing("no provider's bill"), Missing("nothing planned")
MONTH, TEAM = Field("month", "month"), Field("team", "text")
FEATURE, MODEL, WORKLOAD = Field("feature", "text"), Field("model", "text"), Field("workload_type", "text")
AMOUNT = Field("amount", "money")


class Origin(NamedTuple):
    """Where a line can be followed to: the document it stands on, what explains it, and the exports its usage is in."""

    document: str
    command: str
    files: tuple[str, ...]


# ── what was charged ────────────────────────────────────────────────────────────────────────────────────────────────────


def state_table(months: Iterable[tuple[Cell, ...]]) -> Table:
    """The months of the period, and whether their figures can still change."""
    fields = (MONTH, Field("status", "text"))
    note = "The figures of an open month change with what is loaded; those of a closed one never do (L2)."
    return Table("months", "The months", fields, tuple(months), note, everyone=True)


def bill_table(months: Months) -> Table:
    """Every team's total, as `allocate` gives it: draws and credits included; variance = total - budget (U2)."""
    fields = (
        MONTH, TEAM, Field("stage", "text"), Field("total", "money"), Field("buffer_draw", "money"),
        Field("budget", "money"), Field("variance", "money"),
    )  # fmt: skip
    rows = tuple(
        (
            month, each.team, each.stage, each.total, each.buffer_draw or zero(charges.currency),
            NO_BUDGET if each.budget is None else each.budget, NO_BUDGET if each.variance is None else each.variance,
        )
        for month, charges in sorted(months.items())
        for each in charges.teams
    )  # fmt: skip
    note = (
        "A team's total is the sum of its lines, draws and credits included. Variance = total - budget: positive is over. At the "
        "stages showback and allocation no money moves."
    )
    return Table("bill", "The bill of every team", fields, rows, note, team="team")


def spend_table(months: Months) -> Table:
    """All charge lines by team, feature, model and workload type; what belongs to nobody stands under (unallocated)."""
    sums = _summed(months, lambda key: (key.team, key.feature, key.model, key.workload_type))
    rows: Rows = tuple((month, *words, amount) for (month, words), amount in sorted(sums.items()))
    note = "Every charge line, premiums, pools, seats, credits and draws included: it adds up to the bill and what is unallocated."
    title = "Spend by team, feature, model and workload type"
    return Table("spend", title, (MONTH, TEAM, FEATURE, MODEL, WORKLOAD, AMOUNT), rows, note, team="team")


def component_table(months: Months) -> Table:
    """What each team's total is made of (C1)."""
    sums: dict[tuple[Month, str, str], Money] = {}
    for month, charges in months.items():
        for line in charges.lines:
            for component, amount in line.components:
                key = (month, line.key.team, component)
                sums[key] = sums[key] + amount if key in sums else amount
    rows = tuple((*key, amount) for key, amount in sorted(sums.items()))
    note = (
        "Usage, overhead, registry and buffer are parts of a line's rounded amount; premiums, credits and draws are lines."
    )
    fields = (MONTH, TEAM, Field("component", "text"), AMOUNT)
    return Table("components", "What the totals are made of", fields, rows, note, team="team")


def line_table(months: Months, origin_of: Callable[[ChargeLine], Origin]) -> Table:
    """Every charge line with its id, its components, and the way on: the command that explains it, the exports it is from."""
    fields = (
        MONTH, TEAM, Field("line_id", "text"), FEATURE, Field("item", "text"), Field("kind", "text"), WORKLOAD, MODEL,
        Field("quantity", "quantity"), Field("unit", "text"), Field("unit_price", "rate"), AMOUNT,
        Field("components", "text"), Field("document", "text"), Field("explain", "text"), Field("sources", "text"),
    )  # fmt: skip
    rows = tuple(
        _line_row(month, line, origin_of(line))
        for month, charges in sorted(months.items())
        for line in sorted(charges.lines, key=lambda each: (each.key.team, each.key))
    )
    note = "The command leads from the line to its price, the rules that labelled its usage, and its rows as file:line."
    return Table("lines", "Lines", fields, rows, note, team="team")


def _line_row(month: Month, line: ChargeLine, origin: Origin) -> tuple[Cell, ...]:
    key = line.key
    parts = "; ".join(f"{component} {amount}" for component, amount in line.components)
    return (
        month, key.team, line.line_id, key.feature, key.item, key.kind, key.workload_type, key.model, line.quantity,
        line.unit, line.unit_price, line.amount, parts, origin.document, origin.command, ", ".join(origin.files),
    )  # fmt: skip


def _summed(months: Months, words: Callable[[LineKey], tuple[str, ...]]) -> dict[tuple[Month, tuple[str, ...]], Money]:
    sums: dict[tuple[Month, tuple[str, ...]], Money] = {}
    for month, charges in months.items():
        for line in charges.lines:
            key = (month, words(line.key))
            sums[key] = sums[key] + line.amount if key in sums else line.amount
    return sums


# ── what belongs to nobody ──────────────────────────────────────────────────────────────────────────────────────────────


def unallocated_table(months: Months) -> Table:
    """The unallocated share of each month, before anything of it is spread, against the 5 % of the gate (A2, A4)."""
    fields = (
        MONTH,
        Field("unallocated", "money"),
        Field("share", "share"),
        Field("limit", "share"),
        Field("status", "text"),
    )
    rows = tuple(
        (month, each.unallocated, each.unallocated_share, GATE, "provisional" if each.provisional else "closed")
        for month, each in sorted(months.items())
    )
    note = "Of all charge lines, credits and draws left out. A month of 5 % or more does not close without a named waiver."
    return Table("unallocated-trend", "Unallocated, month by month", fields, rows, note)


# ── the fund ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def fund_table(months: Iterable[FundMonth]) -> Table:
    """opening + contributions + repayments - draws - rebates = closing, month by month (B1)."""
    names = ("opening", "contributions", "repayments", "draws", "rebates", "closing")
    rows: Rows = tuple((each.month, *(getattr(each, name) for name in names)) for each in months)
    note = "opening + contributions + repayments - draws - rebates = closing (B1)."
    return Table("fund", "The bursting buffer, rolled forward", (MONTH, *_money(*names)), rows, note)


def request_table(months: Months) -> Table:
    """Every request to the fund, with what it is granted or the reason why not (B2)."""
    fields = (MONTH, TEAM, Field("cause", "text"), *_money("charges", "granted"), Field("refused", "text"))
    rows = tuple(
        (month, each.request.team, each.request.cause, each.charges, each.granted, each.reason or "")
        for month, charges in sorted(months.items())
        for each in charges.buffer.decisions
    )
    return Table("fund-requests", "Requests to the bursting buffer", fields, rows, team="team")


def adequacy_tables(month: Month, balance: Money, low: Money, high: Money, teams: Iterable[TeamCover]) -> tuple[Table, ...]:
    """What the fund would hold in `month` against its limits (B5), and which bursts it could absorb, team by team."""
    size = Table(
        "fund-size",
        "The size of the fund",
        (MONTH, *_money("balance", "low", "high")),
        ((month, balance, low, high),),
        "What it holds at the beginning of the month, beside the limits of its size: shares of a mean month's action base (B5).",
    )
    fields = (MONTH, TEAM, *_money("forecast", "cap_left"), Field("absorbs", "quantity", "x forecast"))
    rows = tuple((month, each.team, each.forecast, each.cap_left, each.absorbs) for each in teams)
    note = "The largest multiple of its forecast that a team, were it to burst alone, would be brought back from in full."
    return (size, Table("fund-adequacy", "Bursts that the fund could absorb", fields, rows, note, team="team"))


def quarter_tables(end: QuarterEnd) -> tuple[Table, ...]:
    """The quarter's end: the fund settled (B4, B5), the reserves, prices held against costs (X3)."""
    names = ("opening", "contributions", "draws", "true_ups", "rebates", "closing", "low", "high")
    settled = (
        end.opening, end.contributions, end.draws, end.trued_up, end.size.rebated, end.closing, end.size.low, end.size.high,
    )  # fmt: skip
    quarter = Field("quarter", "text")
    fund = Table(
        "fund-quarter", "The fund at the end of the quarter", (quarter, *_money(*names)), ((str(end.quarter), *settled),),
        "closing = opening + contributions - draws + true-ups - rebates, on the quarter's final data (B4).",
    )  # fmt: skip
    reserves = Table(
        "reserves",
        "Reserves",
        (Field("reserve", "text"), *_money("opening", "added", "cost", "released", "closing")),
        tuple((each.name, each.opening, each.added, each.cost, each.released, each.closing) for each in end.reserves),
        "What was collected for a purpose pays for what it cost, as far as it reaches; the rest stays.",
    )
    fields = (
        Field("class", "text"), Field("actions", "quantity"), Field("planned", "count"),
        *_money("base", "token_cost", "provider_cost", "rate", "mix", "volume", "recovered"),
    )  # fmt: skip

    def shown(amount: Decimal | None, why: Missing) -> Cell:
        return why if amount is None else rounded_places(amount, minor_digits(end.currency))

    rows = tuple(
        (
            each.item, each.actions, NO_PLAN if each.planned is None else each.planned, shown(each.base, NO_PLAN),
            shown(each.token_cost, Missing("no rate")), shown(each.provider_cost, NO_BILL), shown(each.rate, NO_BILL),
            shown(each.mix, Missing("no rate")), shown(each.volume, NO_PLAN), shown(each.recovered, NO_BILL),
        )
        for each in end.variances
    )  # fmt: skip
    note = "rate = provider's cost - token cost; mix = token cost - base; recovered = volume - rate - mix: + over, - under (X3)."
    return (fund, reserves, Table("variances", "Published prices against what the work cost", fields, rows, note))


# ── the providers' side ─────────────────────────────────────────────────────────────────────────────────────────────────


def provider_tables(
    reconciled: Mapping[Month, Sequence[SkuReconciliation]], accruals: Iterable[Accrual], currency: str
) -> tuple[Table, ...]:
    """Each provider's invoice against what was metered, every cent of the difference in a class (X1); what waits (X2)."""
    sides = ("metered", "invoiced", "difference")
    rows: list[tuple[Cell, ...]] = []
    for month, sides_of in sorted(reconciled.items()):
        for name in sorted({each.provider for each in sides_of}):
            own = [each for each in sides_of if each.provider == name]
            classes = (total((each.classes[kind] for each in own if kind in each.classes), currency) for kind in DIFFERENCES)
            summed = (total((getattr(each, side) for each in own), currency) for side in (*sides, "unclassified"))
            metered, invoiced, difference, unclassified = summed
            rows.append((month, name, metered, invoiced, difference, *classes, unclassified))
    fields = (MONTH, Field("provider", "text"), *_money(*sides, *DIFFERENCES, "unclassified"))
    note = "Invoiced - metered = the classes + unclassified. A month with an unclassified cent does not close."
    skus: Rows = tuple(
        (month, each.provider, each.sku, each.metered, each.invoiced, each.difference, _classes(each), each.unclassified)
        for month, found in sorted(reconciled.items())
        for each in found
        if each.difference
    )
    by_sku = (
        MONTH,
        Field("provider", "text"),
        Field("sku", "text"),
        *_money(*sides),
        Field("classes", "text"),
        *_money("unclassified"),
    )
    waiting: Rows = tuple((each.service_month, each.provider, each.amount) for each in accruals)
    return (
        Table("providers", "Providers' invoices against metering", fields, tuple(rows), note),
        Table("provider-skus", "SKUs with a difference", by_sku, skus),
        Table("provider-accruals", "Usage whose invoice has not come", (MONTH, Field("provider", "text"), AMOUNT), waiting),
    )


_CLASSES = {"credit_tax_fee": "credit, tax or fee"}


def _classes(sku: SkuReconciliation) -> str:
    return "; ".join(
        f"{_CLASSES.get(name, name.replace('_', ' '))} {sku.classes[name]}" for name in DIFFERENCES if name in sku.classes
    )


# ── what holds it together ──────────────────────────────────────────────────────────────────────────────────────────────


def source_table(files: Iterable[tuple[Month, LoadedFile]]) -> Table:
    """The exports that the months' usage is from, with what became of their records (X4)."""
    counts = ("read", "accepted", "duplicate", "aggregate", "rejected")
    fields = (MONTH, Field("file", "text"), Field("format", "text"), *(Field(name, "count") for name in counts))
    rows = tuple(
        (month, each.name, each.format, *(getattr(each, name) for name in counts), each.sha256) for month, each in files
    )
    note = "read = accepted + duplicate + aggregate + rejected, of the whole file; its months are counted together."
    return Table("sources", "The exports it is made from", (*fields, Field("sha256", "text")), rows, note)


def check_table(months: Months, tables: Iterable[Table], currency: str) -> Table:
    """Each law of each month's run with both sides, and the tables of this report against them (X4)."""
    found: list[tuple[Cell, ...]] = [
        (month, check.law, check.left, check.right, _holds(check.left == check.right))
        for month, charges in sorted(months.items())
        for check in charges.checks
    ]
    by_name = {table.name: table for table in tables}
    for month, charges in sorted(months.items()):
        for law, left, right in _of_tables(month, charges, by_name, currency):
            found.append((month, law, left.amount, right.amount, _holds(left == right)))
    fields = (
        MONTH,
        Field("check", "text"),
        Field("left", "quantity"),
        Field("right", "quantity"),
        Field("holds", "text"),
    )
    return Table("checks", "Checks", fields, tuple(found), "Both sides of each law, exactly, as they were compared.")


def _of_tables(
    month: Month, charges: MonthCharges, tables: Mapping[str, Table], currency: str
) -> Iterator[tuple[str, Money, Money]]:
    charged = total((line.amount for line in charges.lines), currency)
    teams = total((each.total for each in charges.teams), currency)
    known = {each.team for each in charges.teams}
    nobody = total((line.amount for line in charges.lines if line.key.team not in known), currency)
    for name, column in (("spend", "amount"), ("components", "amount"), ("lines", "amount")):
        if name in tables:
            yield f"Table {name} = the month's charge lines", _added(tables[name], column, month, currency), charged
    if "bill" in tables:
        billed = _added(tables["bill"], "total", month, currency)
        yield "Table bill = the teams' totals of allocate", billed, teams
        yield "Table bill + what is no team's = the month's charge lines", billed + nobody, charged
    features = total((each.total for each in charges.features), currency)
    own = (line for line in charges.lines if line.key.feature and line.key.team != UNALLOCATED and is_own(line))
    yield (
        "The features' totals of allocate = the month's own lines with a feature",
        features,
        total((line.amount for line in own), currency),
    )


def _added(table: Table, column: str, month: Month, currency: str) -> Money:
    cells = table.where("month", month).column(column)
    return total((cell for cell in cells if isinstance(cell, Money)), currency)


def _holds(holds: bool) -> str:
    return "yes" if holds else "NO"


def notice_table(problems: Iterable[Problem]) -> Table:
    """What the runs had to say: what is missing, what looks wrong, and what to do about it."""
    fields = tuple(Field(name, "text") for name in ("severity", "code", "where", "message", "remedy"))
    rows = [
        (each.severity, each.code, "" if each.source is None else str(each.source), each.message, each.remedy)
        for each in problems
    ]
    return Table("notices", "Notices", fields, tuple(dict.fromkeys(rows)))


def _money(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "money") for name in names)
