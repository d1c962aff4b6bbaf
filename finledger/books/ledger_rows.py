"""A month's charges as rows of the ledger, and back into the nouns they were.

The digest of a run is the SHA-256 of its rows in canonical JSON: the same charges give the same digest, so a month that is
worked out again without a change adds nothing to the ledger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, func, insert, select

from finledger.books import ledger_tables as tables
from finledger.core.model import (
    Account,
    ChargeLine,
    Disclosure,
    JournalEntry,
    LineKey,
    MonthCharges,
    Operated,
    Posting,
    PriceBook,
    TeamTotal,
)
from finledger.core.money import Money
from finledger.core.period import Month, Quarter

Row = dict[str, Any]
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_LARGEST = 2**63 - 1
_KEY_FIELDS = LineKey._fields
_KEY_CELLS = itemgetter(*_KEY_FIELDS)
_LINE_COLUMNS = tuple(column.name for column in tables.charge_lines.columns)  # plain rows are read faster than mappings


@dataclass(frozen=True, slots=True)
class RunContent:
    """A run's rows by table, without the run's number, in the order in which they must be written."""

    run: Row
    rows: Mapping[Table, list[Row]]

    def digest(self) -> str:
        canonical = {"runs": self.run, **{table.name: rows for table, rows in self.rows.items()}}
        return hashlib.sha256(_json(canonical).encode()).hexdigest()

    def fits(self) -> bool:
        """Whether SQLite can hold the amounts, and add them up: it counts to 2⁶³ - 1."""
        for table, rows in self.rows.items():
            for name in (column.name for column in table.columns if column.name.endswith("_minor")):
                if sum(abs(row[name] or 0) for row in rows) > _LARGEST:
                    return False
        return True

    def write(self, connection: Connection, number: int, digest: str, supersedes: int | None) -> None:
        """Details before what they belong to: an entry's row seals its postings, the run's row seals all."""
        for table, rows in self.rows.items():
            if rows:
                _insert_many(connection, table, [{"run": number, **row} for row in rows])
        connection.execute(insert(tables.runs), {**self.run, "run": number, "digest": digest, "supersedes": supersedes})


def _insert_many(connection: Connection, table: Table, rows: list[Row]) -> None:
    """One executemany of the driver's own: SQLAlchemy would take longer over the parameters than SQLite over the rows."""
    compiled = insert(table).compile(dialect=connection.dialect)
    if compiled.positiontup is None:
        connection.exec_driver_sql(str(compiled), rows)
    else:
        ordered = itemgetter(*compiled.positiontup)
        connection.exec_driver_sql(str(compiled), [ordered(row) for row in rows])


def run_content(charges: MonthCharges) -> RunContent:
    run = _run_row(str(charges.month), charges.currency, charges.provisional, charges.books)
    rows = {
        **_entry_tables(charges.entries),
        tables.components: [row for line in charges.lines for row in _component_rows(line, charges.currency)],
        tables.operated: [row for line in charges.lines for row in _operated_rows(line)],
        tables.charge_lines: [_line_row(position, line) for position, line in enumerate(charges.lines)],
        tables.disclosures: [_disclosure_row(disclosure) for disclosure in charges.disclosures],
        tables.team_totals: [_total_row(team) for team in charges.teams],
    }
    return RunContent(run, rows)


def quarter_content(
    quarter: Quarter, currency: str, books: Iterable[PriceBook], entries: Sequence[JournalEntry], provisional: bool
) -> RunContent:
    return RunContent(_run_row(str(quarter), currency, provisional, books), _entry_tables(entries))


def _run_row(period: str, currency: str, provisional: bool, books: Iterable[PriceBook]) -> Row:
    named = [{"name": book.name, "sha256": book.sha256} for book in books]
    return {"month": period, "currency": currency, "provisional": provisional, "pricebooks": _json(named)}


def _entry_tables(entries: Sequence[JournalEntry]) -> dict[Table, list[Row]]:
    return {
        tables.postings: [row for entry in entries for row in _posting_rows(entry)],
        tables.entries: [_entry_row(position, entry) for position, entry in enumerate(entries)],
    }


def assert_conserved(connection: Connection, number: int, content: RunContent) -> None:
    """Add up in SQL what the constructors added up in Python (rules L1, C1); a difference is a bug and raises."""
    postings = tables.postings.c
    sums = (
        select(postings.entry_id)
        .where(postings.run == number)
        .group_by(postings.entry_id, postings.entity, postings.currency)
    )
    unbalanced = connection.execute(sums.having(func.sum(postings.amount_minor) != 0)).first()
    if unbalanced is not None:
        raise ValueError(f"entry {unbalanced.entry_id} does not balance in the ledger")
    lines = _sum_of(connection, tables.charge_lines, number)
    components = _sum_of(connection, tables.components, number)
    if lines != components:
        raise ValueError(f"lines of run {number} come to {lines}, their components to {components}")
    for table, rows in content.rows.items():
        stored = connection.execute(select(func.count()).select_from(table).where(table.c.run == number)).scalar_one()
        if stored != len(rows):
            raise ValueError(f"{table.name} of run {number}: {stored} rows stored of {len(rows)}")


def _sum_of(connection: Connection, table: Table, number: int) -> int:
    query = select(func.coalesce(func.sum(table.c.amount_minor), 0)).where(table.c.run == number)
    return int(connection.execute(query).scalar_one())


def stored_digest(connection: Connection, number: int) -> str:
    """The digest of a run worked out from its rows as they stand in the tables: another one than its own is tampering (L2)."""
    run = connection.execute(select(tables.runs).where(tables.runs.c.run == number)).mappings().one()
    kept = {name: value for name, value in run.items() if name not in ("run", "digest", "supersedes")}
    stored = tables.OF_A_QUARTER if "Q" in kept["month"] else tables.OF_A_RUN
    content = {table: _stored_rows(connection, table, number) for table in stored}
    return RunContent(kept, content).digest()


def _stored_rows(connection: Connection, table: Table, number: int) -> list[Row]:
    """A run's rows in the order in which they were written."""
    query = select(table).where(table.c.run == number)
    line, entry = tables.charge_lines, tables.entries
    if "line_id" in table.c and "position" in table.c and table is not line:
        query = query.join(line, (line.c.run == table.c.run) & (line.c.line_id == table.c.line_id))
        query = query.order_by(line.c.position, table.c.position)
    elif "line_no" in table.c:
        query = query.join(entry, (entry.c.run == table.c.run) & (entry.c.entry_id == table.c.entry_id))
        query = query.order_by(entry.c.position, table.c.line_no)
    elif "position" in table.c:
        query = query.order_by(table.c.position)
    else:  # disclosures and totals stand in the order of their keys
        query = query.order_by(*(table.c[name] for name in ("team", *_KEY_FIELDS[1:]) if name in table.c))
    return [{name: value for name, value in row.items() if name != "run"} for row in connection.execute(query).mappings()]


# ── into rows ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _json(content: Any) -> str:
    return _ENCODER.encode(content)


def _plain(number: Decimal) -> str:
    return format(number, "f")


def _key_row(key: LineKey) -> Row:
    return {**key._asdict(), "service_month": str(key.service_month), "posting_month": str(key.posting_month)}


def _line_row(position: int, line: ChargeLine) -> Row:
    return {
        "line_id": line.line_id,
        "position": position,
        **_key_row(line.key),
        "stage": line.stage,
        "funding": line.funding,
        "quantity": _plain(line.quantity),
        "unit": line.unit,
        "unit_price": _plain(line.unit_price),
        "amount_minor": line.amount.minor,
        "token_cost": None if line.token_cost is None else _plain(line.token_cost),
        "failed": line.failed,
        "tokens": _json(dict(line.tokens)),
        "rules": _json(line.rules),
    }


def _component_rows(line: ChargeLine, currency: str) -> Iterable[Row]:
    for position, (component, amount) in enumerate(line.components):
        if amount.currency != currency:
            raise ValueError(f"{line.line_id} is in {amount.currency}, the run in {currency}")
        yield {"line_id": line.line_id, "component": component, "position": position, "amount_minor": amount.minor}


def _operated_rows(line: ChargeLine) -> Iterable[Row]:
    for position, part in enumerate(line.operators):
        yield {
            "line_id": line.line_id,
            "operator": part.team,
            "cost_center": part.cost_center,
            "position": position,
            "amount_minor": part.amount.minor,
        }


def _disclosure_row(disclosure: Disclosure) -> Row:
    return {
        "line_id": disclosure.key.line_id,
        **_key_row(disclosure.key),
        "quantity": _plain(disclosure.quantity),
        "gross_minor": disclosure.gross.minor,
        "platform_share_minor": disclosure.platform_share.minor,
        "paid_minor": disclosure.paid.minor,
    }


def _total_row(team: TeamTotal) -> Row:
    row: Row = {"team": team.team, "stage": team.stage, "total_minor": team.total.minor}
    for name in ("budget", "forecast", "buffer_draw"):
        amount = getattr(team, name)
        row[f"{name}_minor"] = None if amount is None else amount.minor
    return row


def _entry_row(position: int, entry: JournalEntry) -> Row:
    return {
        "entry_id": entry.entry_id,
        "position": position,
        "posting_date": entry.posting_date.isoformat(),
        "posting_month": str(entry.posting_month),
        "service_month": str(entry.service_month),
        "team": entry.team,
        "entity": entry.entity,
        "memo": entry.memo,
    }


def _posting_rows(entry: JournalEntry) -> Iterable[Row]:
    for line_no, posting in enumerate(entry.postings, start=1):
        yield {
            "entry_id": entry.entry_id,
            "line_no": line_no,
            "account_key": posting.account.key,
            "account_name": posting.account.name,
            "account_type": posting.account.type,
            "account_number": posting.account.number,
            "cost_center": posting.cost_center,
            "component": posting.component,
            "amount_minor": posting.amount.minor,
            "currency": posting.amount.currency,
            "entity": "" if posting.entity == entry.entity else posting.entity,
        }


# ── and back ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_lines(
    connection: Connection, run: int | None, team: str | None = None, service_month: Month | None = None
) -> tuple[ChargeLine, ...]:
    """The run's charge lines, of one team or of all, of one service month or of all; none for no run."""
    if run is None:
        return ()
    currency = connection.execute(select(tables.runs.c.currency).where(tables.runs.c.run == run)).scalar_one()
    line, part = tables.charge_lines.c, tables.components.c
    lines, components = _of_run(tables.charge_lines, run), _of_run(tables.components, run)
    if team is not None:
        lines = lines.where(line.team == team)
        components = components.where(part.line_id.in_(select(line.line_id).where(line.run == run, line.team == team)))
    operated: dict[str, list[Operated]] = {}
    for row in _rows_of(connection, tables.operated, run):
        part_of_it = Operated(row["operator"], row["cost_center"], Money(row["amount_minor"], currency))
        operated.setdefault(row["line_id"], []).append(part_of_it)
    if service_month is not None:
        lines = lines.where(line.service_month == str(service_month))
    parts: dict[str, list[tuple[str, Money]]] = {}
    stated = components.with_only_columns(part.line_id, part.component, part.amount_minor)
    for line_id, component, minor in connection.execute(stated).all():
        parts.setdefault(line_id, []).append((component, Money(minor, currency)))
    return tuple(
        _line(row, currency, tuple(parts.get(row["line_id"], ())), tuple(operated.get(row["line_id"], ())))
        for row in (dict(zip(_LINE_COLUMNS, cells)) for cells in connection.execute(lines).all())
    )


def read_disclosures(connection: Connection, run: int) -> tuple[Disclosure, ...]:
    """The run's disclosures, in the order of their keys."""
    currency = connection.execute(select(tables.runs.c.currency).where(tables.runs.c.run == run)).scalar_one()
    found = connection.execute(select(tables.disclosures).where(tables.disclosures.c.run == run)).mappings()
    amounts = ("gross_minor", "platform_share_minor", "paid_minor")
    return tuple(
        sorted(
            (
                Disclosure(_key(row), Decimal(row["quantity"]), *(Money(row[name], currency) for name in amounts))
                for row in found
            ),
            key=lambda each: each.key,
        )
    )


def read_entries(connection: Connection, run: int | None) -> tuple[JournalEntry, ...]:
    """The run's journal entries; none for no run."""
    if run is None:
        return ()
    postings: dict[str, list[Posting]] = {}
    for row in _rows_of(connection, tables.postings, run, "line_no"):
        account = Account(row["account_key"], row["account_name"], row["account_type"], row["account_number"])
        amount = Money(row["amount_minor"], row["currency"])
        posting = Posting(account, row["cost_center"], amount, row["component"], row["entity"])
        postings.setdefault(row["entry_id"], []).append(posting)
    return tuple(_entry(row, tuple(postings[row["entry_id"]])) for row in _rows_of(connection, tables.entries, run))


def _rows_of(connection: Connection, table: Table, run: int, order: str = "position") -> Sequence[RowMapping]:
    return connection.execute(_of_run(table, run, order)).mappings().all()


def _of_run(table: Table, run: int, order: str = "position") -> Select[Any]:
    return select(table).where(table.c.run == run).order_by(table.c[order])


def _line(
    row: Mapping[str, Any], currency: str, components: tuple[tuple[str, Money], ...], operators: tuple[Operated, ...]
) -> ChargeLine:
    return ChargeLine(
        key=_key(row),
        stage=row["stage"],
        quantity=Decimal(row["quantity"]),
        unit=row["unit"],
        unit_price=Decimal(row["unit_price"]),
        amount=Money(row["amount_minor"], currency),
        components=components,
        funding=row["funding"],
        token_cost=None if row["token_cost"] is None else Decimal(row["token_cost"]),
        failed=row["failed"],
        tokens=json.loads(row["tokens"]),
        rules=tuple((number, count) for number, count in json.loads(row["rules"])),
        operators=operators,
    )


def _key(row: RowMapping | Mapping[str, Any]) -> LineKey:
    *words, service_month, posting_month, credit = _KEY_CELLS(row)
    return LineKey._make((*words, _month(service_month), _month(posting_month), credit))


@lru_cache(maxsize=1000)
def _month(text: str) -> Month:
    return Month.parse(text)


def _entry(row: RowMapping, postings: tuple[Posting, ...]) -> JournalEntry:
    return JournalEntry(
        entry_id=row["entry_id"],
        posting_date=date.fromisoformat(row["posting_date"]),
        posting_month=Month.parse(row["posting_month"]),
        service_month=Month.parse(row["service_month"]),
        team=row["team"],
        entity=row["entity"],
        memo=row["memo"],
        postings=postings,
    )
