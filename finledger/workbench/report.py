"""A report of a month or a quarter: the tables of every part, collected (U2, U3, X4). Nothing is computed and nothing written.

Each part of the figures has a function that makes its tables. What a part cannot make because the books lack something is a
notice of the report, not its end: a page that says "no invoice can be read" is of more use than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from finledger.core import report_rows as rows
from finledger.core.adequacy import FundMonth, TeamCover, roll_forward
from finledger.core.history import History
from finledger.core.model import ChargeLine
from finledger.core.money import Money, floored
from finledger.core.period import Month, Quarter
from finledger.core.problem import Misused, Problem, Refused
from finledger.core.provider import Accrual, SkuReconciliation
from finledger.core.report import Cell, Report, Table, joined
from finledger.workbench import Workbench
from finledger.workbench.kept_months import KeptMonths
from finledger.workbench.report_months import ReportMonths, last_day, report_months
from finledger.workbench.report_origins import Origins
from finledger.workbench.sealed import as_of


@dataclass(frozen=True, slots=True)
class Collected:
    """A report, and what the runs behind it had to say."""

    report: Report
    notices: tuple[Problem, ...]


def collect(bench: Workbench, period: Month | Quarter, *, believed: str = "", keep: bool = False) -> Collected:
    """The report with its notices: months left out, and parts that the books do not allow.

    `believed`: the close that the books are looked at by, as a person named it; the report says so. `keep`: what earlier months
    come to may be kept for the next report.
    """
    found = report_months(bench, period)
    parts = _Parts(bench, period, found, KeptMonths(bench, writes=keep))
    notices = list(found.problems)
    tables: list[Table] = []
    for make in (*parts.makers(), *_other_parts(parts)):
        try:
            tables += make()
        except Refused as refused:
            notices += refused.problems
    notices += parts.notices
    checks = rows.check_table(found.own, tables, bench.organisation.currency)
    last = (checks, rows.notice_table(notices))
    report = Report(
        books=bench.organisation.books,
        period=str(period),
        months=tuple(found.own),
        currency=bench.organisation.currency,
        provisional=len(found.closed) < len(found.own),
        tables=joined(tables, last),
        as_of=last_day(bench, [month for month in found.own if month not in found.closed]),
        believed=believed,
    )
    return Collected(report, tuple(dict.fromkeys(notices)))


def team_reports(report: Report) -> Iterator[Report]:
    """`report.of_team` of every team that is billed, by name; each table is gone through once for all of them."""
    bill = report.table("bill")
    teams = sorted({str(name) for name in bill.column("team")}) if bill is not None else []
    split = {table.name: _by_team(table) for table in report.tables if table.team}
    for team in teams:
        own = [
            replace(table, rows=tuple(split[table.name].get(team, ()))) if table.team else table
            for table in report.tables
            if table.team or table.everyone
        ]
        yield replace(report, tables=tuple(own), team=team)


def _by_team(table: Table) -> dict[str, list[tuple[Cell, ...]]]:
    at = table.index(table.team)
    found: dict[str, list[tuple[Cell, ...]]] = {}
    for row in table.rows:
        found.setdefault(str(row[at]), []).append(row)
    return found


class _Parts:
    """What the parts of a report are made from, worked out once."""

    def __init__(self, bench: Workbench, period: Month | Quarter, found: ReportMonths, kept: KeptMonths) -> None:
        self.bench, self.period, self.found, self.kept = bench, period, found, kept
        self.last = max(found.own)
        self.notices: list[Problem] = []

    def makers(self) -> tuple[Callable[[], Iterable[Table]], ...]:
        return (self._charged, self._lines, self._fund, self._quarter, self._providers)

    def _charged(self) -> Iterable[Table]:
        own = self.found.own
        yield rows.state_table(
            (month, f"closed by close {self.found.closed[month]}" if month in self.found.closed else "provisional: open")
            for month in own
        )
        yield rows.bill_table(own)
        yield rows.spend_table(own)
        yield rows.component_table(own)
        yield rows.unallocated_table(self.found.trend)
        yield rows.request_table(own)

    def _lines(self) -> Iterable[Table]:
        origins = {month: Origins(self.bench, month) for month in self.found.own}
        by_key = {line.key: month for month, charges in self.found.own.items() for line in charges.lines}

        def origin_of(line: ChargeLine) -> rows.Origin:
            return origins[by_key[line.key]].of(line)

        yield rows.line_table(self.found.own, origin_of)
        yield rows.source_table((month, file) for month, each in origins.items() for file in each.exports)

    def _fund(self) -> Iterable[Table]:
        """The fund up to the period's last month, and what it could absorb in the month after."""
        from finledger.workbench.fund import fund_adequacy

        bench = self.bench
        history, notices = bench.history(self.last.next)
        self.notices += notices
        rolled = rows.fund_table(self._rolled(history))
        if any(isinstance(cell, Money) and cell for row in rolled.rows for cell in row):
            yield rolled
        try:
            stated, _ = fund_adequacy(bench, self.last.next, history)
        except Misused:  # no price book has terms for a fund: there is none
            return
        balance, low, high = (self._money(stated[name]) for name in ("balance", "low", "high"))
        covers = [
            TeamCover(
                each["team"],
                self._money(each["forecast"]),
                self._money(each["cap_left"]),
                Decimal(each["absorbs"]),
                (),
            )
            for each in stated["teams"]
        ]
        yield from rows.adequacy_tables(self.last.next, balance, low, high, covers)

    def _rolled(self, history: History) -> Iterable[FundMonth]:
        first = min(self.found.trend)
        return (
            each for each in roll_forward(history, self.bench.pricebooks, self.bench.organisation) if each.month >= first
        )

    def _money(self, text: str) -> Money:
        return floored(Decimal(text), self.bench.organisation.currency)

    def _quarter(self) -> Iterable[Table]:
        """A quarter's end: as it was closed, or as it stands."""
        if not isinstance(self.period, Quarter):
            return
        from finledger.workbench.quarters import settle

        close = self.bench.closed(self.period)
        settled = settle(self.bench if close is None else as_of(self.bench, close, before=True), self.period)
        if settled.refused:
            raise Refused(settled.problems)
        self.notices += settled.notices
        yield from rows.quarter_tables(settled.end)

    def _providers(self) -> Iterable[Table]:
        """Each month against its providers' invoices: those that were there when the period was closed, or that are there now."""
        from finledger.workbench.providers import reconcile_month

        held: dict[Month, tuple[SkuReconciliation, ...]] = {}
        accruals: list[Accrual] = []
        close = self.bench.closed(self.period)
        before = isinstance(self.period, Month)  # as `reconcile --month` shows it; of a quarter as it does with --as-of
        then = self.bench if close is None else as_of(self.bench, close, before=before)
        for month in self.found.own:
            try:
                reconciled = reconcile_month(then, month)
            except Refused as refused:
                self.notices += refused.problems
                continue
            held[month] = reconciled.rows
            accruals += reconciled.accruals
            self.notices += (*reconciled.problems, *reconciled.notices)
        yield from rows.provider_tables(held, accruals, self.bench.organisation.currency)


def _other_parts(parts: _Parts) -> Iterable[Callable[[], Iterable[Table]]]:
    """The review, the ladder, unit economics and labels, each from its own entry point."""
    from finledger.core.ladder import ladder_tables
    from finledger.workbench.labels import report_tables
    from finledger.workbench.ladder import ladder_of
    from finledger.workbench.reviewing import Charged, review_tables
    from finledger.workbench.units import unit_report

    bench, found, kept = parts.bench, parts.found, parts.kept
    return (
        lambda: review_tables(bench, parts.period, Charged(bench, charges=dict(found.trend))),
        lambda: ladder_tables(ladder_of(bench, parts.last)),
        lambda: unit_report(bench, found.own, found.trend, kept),
        lambda: report_tables(bench, found.own, kept),
    )
