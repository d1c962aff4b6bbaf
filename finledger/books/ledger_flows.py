"""What charge lines came to, added up by the database: the flows that later months and the quarter's end need (Q2, B1-B5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, case, func, or_, select

from finledger.books import ledger_tables as tables
from finledger.core.history import OF_A_FEATURE, SETTLED, Flow
from finledger.core.model import MONEY_MOVES, UNALLOCATED, ChargeLine, LineKey
from finledger.core.money import Money
from finledger.core.period import Month

OF_A_MONTH = tables.runs.c.month.not_like("%Q%")  # the runs of a quarter's end stand beside those of months


def runs_before(connection: Connection, before: Month, until: Any) -> list[tuple[Month, int, str]]:
    """The current run of each earlier month: the month, the run and its digest, in their order. `until`: which runs count."""
    run = tables.runs.c
    earlier = (run.month < str(before)) & OF_A_MONTH & until
    current = select(func.max(run.run)).where(earlier).group_by(run.month)
    found = connection.execute(select(run.month, run.run, run.digest).where(run.run.in_(current)).order_by(run.month))
    return [(Month.parse(month), number, digest) for month, number, digest in found]


def flows_of_run(connection: Connection, run: int) -> tuple[Flow, ...]:
    """What the lines of a run came to."""
    line, part = tables.charge_lines.c, tables.components.c
    feature = case((part.component.in_(OF_A_FEATURE), line.feature), else_="")
    keys = (line.posting_month, line.service_month, line.team, feature, line.kind, part.component, line.stage)
    query = (
        select(*keys, func.sum(part.amount_minor).label("minor"))
        .join(tables.components, (part.run == line.run) & (part.line_id == line.line_id))
        .where(line.run == run)
        .group_by(*keys)
        .order_by(*keys)
    )
    found = connection.execute(query).all()
    months = {text: Month.parse(text) for text in {text for row in found for text in (row[0], row[1])}}
    return tuple(
        Flow(months[posting], months[service], team, feature, kind, component, stage in MONEY_MOVES, minor)
        for posting, service, team, feature, kind, component, stage, minor in found
    )


def condensed_lines(connection: Connection, run: int | None) -> tuple[ChargeLine, ...]:
    """A run's charge lines added up by team, feature, model and kind of work: for figures of months that are only compared with.

    Such a line has no item but for what was spread of unallocated cost and for idle capacity, of its components the base one
    alone, the others as one, and its tokens in one sum. Lines with and without tokens are kept apart.
    """
    if run is None:
        return ()
    currency = connection.execute(select(tables.runs.c.currency).where(tables.runs.c.run == run)).scalar_one()
    line, part = tables.charge_lines.c, tables.components.c
    item = case((or_(line.item == UNALLOCATED, line.kind == "gpu_idle"), line.item), else_="")
    bucket = func.json_each(line.tokens).table_valued("value")
    tokens = select(func.coalesce(func.sum(bucket.c.value), 0)).scalar_subquery()
    keys = (
        line.team, line.feature, item, line.workload_type, line.model, line.kind, line.service_month, line.posting_month,
        line.credit, line.stage, line.funding, tokens != 0,
    )  # fmt: skip
    base = (part.run == line.run) & (part.line_id == line.line_id) & (part.component == "base")
    query = (
        select(*keys[:-1], func.sum(line.amount_minor), func.sum(func.coalesce(part.amount_minor, 0)), func.sum(tokens))
        .join_from(tables.charge_lines, tables.components, base, isouter=True)
        .where(line.run == run)
        .group_by(*keys)
        .order_by(*keys)
    )
    found = connection.execute(query).all()
    months = {text: Month.parse(text) for text in {text for row in found for text in row[6:8]}}
    return tuple(_condensed(row, currency, months) for row in found)


def _condensed(row: Any, currency: str, months: Mapping[str, Month]) -> ChargeLine:
    team, feature, item, work, model, kind, service, posting, credit, stage, funding, minor, base, tokens = row
    return ChargeLine(
        LineKey(team, "", feature, item, work, model, kind, "", months[service], months[posting], credit),
        stage,
        Decimal(1),
        "month",
        Decimal(0),
        Money(minor, currency),
        (("base", Money(base, currency)), ("others", Money(minor - base, currency))),
        funding,
        tokens={"all": tokens} if tokens else {},
    )


def settled(connection: Connection, before: Month, until: Any) -> Iterator[Flow]:
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
