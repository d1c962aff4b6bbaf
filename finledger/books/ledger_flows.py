"""What charge lines came to, added up by the database: the flows that later months and the quarter's end need (Q2, B1-B5)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, case, func, select

from finledger.books import ledger_tables as tables
from finledger.core.history import SETTLED, Flow
from finledger.core.model import MONEY_MOVES, UNALLOCATED, ChargeLine, LineKey
from finledger.core.money import Money
from finledger.core.period import Month

OF_A_MONTH = tables.runs.c.month.not_like("%Q%")  # the runs of a quarter's end stand beside those of months


def flows_before(connection: Connection, before: Month, until: Any) -> tuple[Flow, ...]:
    """What the lines of each earlier month's current run came to, and what closed quarters moved. `until`: which runs count."""
    earlier = (tables.runs.c.month < str(before)) & OF_A_MONTH & until
    current = select(func.max(tables.runs.c.run)).where(earlier).group_by(tables.runs.c.month)
    line, part = tables.charge_lines.c, tables.components.c
    keys = (line.posting_month, line.service_month, line.team, line.feature, line.kind, part.component, line.stage)
    query = (
        select(*keys, func.sum(part.amount_minor).label("minor"))
        .join(tables.components, (part.run == line.run) & (part.line_id == line.line_id))
        .where(line.run.in_(current))
        .group_by(*keys)
        .order_by(*keys)
    )
    found = connection.execute(query).all()
    months = {text: Month.parse(text) for text in {text for row in found for text in (row[0], row[1])}}
    charged = tuple(
        Flow(months[posting], months[service], team, feature, kind, component, stage in MONEY_MOVES, minor)
        for posting, service, team, feature, kind, component, stage, minor in found
    )
    return (*charged, *_settled(connection, before, until))


def condensed_lines(connection: Connection, run: int | None) -> tuple[ChargeLine, ...]:
    """A run's charge lines added up to one for each team, feature and kind of work: for trends, which need no more.

    Such a line has neither item nor model, but for what was spread of unallocated cost, and one component.
    """
    if run is None:
        return ()
    currency = connection.execute(select(tables.runs.c.currency).where(tables.runs.c.run == run)).scalar_one()
    line = tables.charge_lines.c
    spread = case((line.item == UNALLOCATED, UNALLOCATED), else_="")
    keys = (
        line.team, line.feature, spread, line.workload_type, line.kind, line.service_month, line.posting_month, line.credit,
        line.stage, line.funding,
    )  # fmt: skip
    query = select(*keys, func.sum(line.amount_minor)).where(line.run == run).group_by(*keys).order_by(*keys)
    return tuple(
        ChargeLine(
            LineKey(team, "", feature, item, work, "", kind, "", Month.parse(service), Month.parse(posting), credit),
            stage,
            Decimal(1),
            "month",
            Decimal(0),
            Money(minor, currency),
            (("condensed", Money(minor, currency)),),
            funding,
        )
        for team, feature, item, work, kind, service, posting, credit, stage, funding, minor in connection.execute(query)
    )


def _settled(connection: Connection, before: Month, until: Any) -> Iterator[Flow]:
    """What the ends of closed quarters moved into the fund or out of it: the other side of the fund's postings (B4, B5)."""
    run, entry, posting = tables.runs.c, tables.entries.c, tables.postings.c
    of_quarters = ~OF_A_MONTH & run.provisional.is_(False) & until
    current = select(func.max(run.run)).where(of_quarters).group_by(run.month)
    keys = (entry.posting_month, entry.team, posting.component)
    query = (
        select(*keys, func.sum(-posting.amount_minor).label("minor"))
        .join(tables.postings, (posting.run == entry.run) & (posting.entry_id == entry.entry_id))
        .where(entry.run.in_(current), entry.posting_month < str(before), posting.account_key == "buffer_fund")
        .group_by(*keys)
        .order_by(*keys)
    )
    for text, team, component, minor in connection.execute(query):
        month = Month.parse(text)
        yield Flow(month, month, team, "", SETTLED, component, True, minor)
