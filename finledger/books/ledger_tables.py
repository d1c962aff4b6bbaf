"""The tables of the ledger, and the guards inside the database that no program can walk around (rules L1, L5, P1).

Amounts are whole minor units; quantities and prices are decimal text; months are text (2026-07), which sorts as time does.
What is once written stays: triggers abort every UPDATE and DELETE, and every INSERT over an existing key.

A run and an entry are sealed by their own row, which is written last. An entry's row is refused while its postings do not
balance, postings are refused once the entry's row is there, and postings without an entry fail at commit (a deferred foreign
key). So an unbalanced entry cannot be committed, nor a run be added to later, whoever writes to the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

SCHEMA_VERSION = 4  # 4: files may be replaced by later exports, which earlier programs would charge beside them

metadata = MetaData()

# What may change: the schema's version, the time zone the store was cut with.
meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", String, nullable=False))


def _text(name: str, primary_key: bool = False) -> Column[str]:
    return Column(name, String, nullable=False, primary_key=primary_key)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


# ── what was loaded (rule X4), which books are frozen (rule P1) ─────────────────────────────────────────────────────────

files = Table(
    "files",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("sha256", String, nullable=False, unique=True),
    _text("name"),
    _text("format"),
    _text("source"),
    *(_count(name) for name in ("size", "read", "accepted", "duplicate", "aggregate", "rejected")),
    CheckConstraint("read = accepted + duplicate + aggregate + rejected", name="every_record_is_accounted_for"),
)
parts = Table(
    "parts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("path", String, nullable=False, unique=True),
    Column("month", String),
    _text("sha256"),
    _count("rows"),
    Column("file_sha256", String, ForeignKey("files.sha256"), nullable=False),
    Column("rejected", Boolean, nullable=False),
)
frozen_books = Table("frozen_books", metadata, _text("name", primary_key=True), _text("sha256"), _text("file"))
# A month's forecasts as they stood when the month was first seen, as JSON of team to decimal text (rule B3).
frozen_forecasts = Table("frozen_forecasts", metadata, _text("month", primary_key=True), _text("forecasts"))

# ── runs: what a month came to, each time it came to something else ─────────────────────────────────────────────────────

runs = Table(
    "runs",
    metadata,
    Column("run", Integer, primary_key=True),
    _text("month"),
    _text("digest"),
    _text("currency"),
    Column("provisional", Boolean, nullable=False),
    _text("pricebooks"),
    Column("supersedes", Integer, unique=True),
    UniqueConstraint("run", "month"),
    ForeignKeyConstraint(["supersedes", "month"], ["runs.run", "runs.month"]),
)
# A month has one first run; each later one supersedes the one before it: the current run is the one nobody supersedes.
_first = text("supersedes IS NULL")
Index("one_first_run", runs.c.month, unique=True, sqlite_where=_first)


def _run() -> Column[int]:
    return Column("run", Integer, ForeignKey("runs.run", deferrable=True, initially="DEFERRED"), primary_key=True)


_LINE_KEY = (
    "team", "cost_center", "feature", "item", "workload_type", "model", "kind", "price_version", "service_month",
    "posting_month", "credit",
)  # fmt: skip

charge_lines = Table(
    "charge_lines",
    metadata,
    _run(),
    _text("line_id", primary_key=True),
    Column("position", Integer, nullable=False),
    *(_text(name) for name in _LINE_KEY),
    *(_text(name) for name in ("stage", "funding", "quantity", "unit", "unit_price")),
    _count("amount_minor"),
    Column("token_cost", String),
    _count("failed"),
    _text("tokens"),
    _text("rules"),
    sqlite_with_rowid=False,
)
components = Table(
    "components",
    metadata,
    _run(),
    _text("line_id", primary_key=True),
    _text("component", primary_key=True),
    Column("position", Integer, nullable=False),
    _count("amount_minor"),
    ForeignKeyConstraint(
        ["run", "line_id"], ["charge_lines.run", "charge_lines.line_id"], deferrable=True, initially="DEFERRED"
    ),
    sqlite_with_rowid=False,
)
# What of a line others operated (rule A5); the rest the consumer did itself.
operated = Table(
    "operated",
    metadata,
    _run(),
    _text("line_id", primary_key=True),
    _text("operator", primary_key=True),
    _text("cost_center", primary_key=True),
    Column("position", Integer, nullable=False),
    _count("amount_minor"),
    ForeignKeyConstraint(
        ["run", "line_id"], ["charge_lines.run", "charge_lines.line_id"], deferrable=True, initially="DEFERRED"
    ),
    sqlite_with_rowid=False,
)
disclosures = Table(
    "disclosures",
    metadata,
    _run(),
    _text("line_id", primary_key=True),
    *(_text(name) for name in (*_LINE_KEY, "quantity")),
    *(_count(name) for name in ("gross_minor", "platform_share_minor", "paid_minor")),
    CheckConstraint("gross_minor = platform_share_minor + paid_minor", name="shares_add_up"),
)
team_totals = Table(
    "team_totals",
    metadata,
    _run(),
    _text("team", primary_key=True),
    _text("stage"),
    _count("total_minor"),
    *(Column(name, BigInteger) for name in ("budget_minor", "forecast_minor", "buffer_draw_minor")),
)
entries = Table(
    "entries",
    metadata,
    _run(),
    _text("entry_id", primary_key=True),
    Column("position", Integer, nullable=False),
    *(_text(name) for name in ("posting_date", "posting_month", "service_month", "team", "entity", "memo")),
    sqlite_with_rowid=False,
)
postings = Table(
    "postings",
    metadata,
    Column("run", Integer, primary_key=True),
    _text("entry_id", primary_key=True),
    Column("line_no", Integer, primary_key=True),
    *(_text(name) for name in ("account_key", "account_name", "account_type", "account_number")),
    *(_text(name) for name in ("cost_center", "component")),
    _count("amount_minor"),
    _text("currency"),
    _text("entity"),
    ForeignKeyConstraint(["run", "entry_id"], ["entries.run", "entries.entry_id"], deferrable=True, initially="DEFERRED"),
    sqlite_with_rowid=False,
)

# The rows of a run; a quarter's end has entries only.
OF_A_RUN = (charge_lines, components, operated, disclosures, team_totals, entries, postings)
OF_A_QUARTER = (entries, postings)

# ── invoice numbers: gapless per entity, series and year (rule L5) ──────────────────────────────────────────────────────

invoices = Table(
    "invoices",
    metadata,
    _text("entity", primary_key=True),
    _text("series", primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    _text("month"),
    _text("team"),
    UniqueConstraint("entity", "series", "month", "team"),
)


# Credit and debit notes have series of their own; a team has one for each thing that is corrected, `about`, and posting month.
notes = Table(
    "notes",
    metadata,
    _text("entity", primary_key=True),
    _text("series", primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    _text("month"),
    _text("team"),
    _text("about"),
    UniqueConstraint("entity", "series", "month", "team", "about"),
)

# ── the log: closes, reopenings, the documents of closed periods, disputes, credits, exports replaced (L2, L4) ──────────────

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True),
    *(_text(name) for name in ("kind", "period", "subject", "content", "previous")),
    Column("hash", String, nullable=False, unique=True),
)


def added_columns(present: Mapping[str, Collection[str]]) -> Iterator[str]:
    """The columns that a ledger of an earlier version lacks, as SQL; they are text, and empty in the rows that it has.

    `present`: the names of the columns that each table has.
    """
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.name not in present[table.name]:
                yield f"ALTER TABLE {table.name} ADD COLUMN {column.name} VARCHAR NOT NULL DEFAULT ''"


def guards() -> Iterator[str]:
    """SQLite's triggers, as SQL that can be run again on a ledger that has them, or has those of an earlier version."""
    for guard in _guards():
        yield f"DROP TRIGGER IF EXISTS {guard.split()[2]}"
        yield guard


def _guards() -> Iterator[str]:
    for table in metadata.sorted_tables:
        if table is not meta:
            yield from _never_changed(table)
        if table is not meta and table not in OF_A_RUN:
            yield from _never_replaced(table)
    for table in OF_A_RUN[:-1]:
        yield _refuse(table, "run_sealed", "EXISTS (SELECT 1 FROM runs WHERE run = NEW.run)", "this run is complete")
    same_entry = "run = NEW.run AND entry_id = NEW.entry_id"
    yield _refuse(postings, "entry_sealed", f"EXISTS (SELECT 1 FROM entries WHERE {same_entry})", "this entry is complete")
    sums = f"SELECT 1 FROM postings WHERE {same_entry} GROUP BY entity, currency HAVING sum(amount_minor) <> 0"
    yield _refuse(entries, "balanced", f"EXISTS ({sums})", "this entry does not balance")
    none = f"NOT EXISTS (SELECT 1 FROM postings WHERE {same_entry})"
    yield _refuse(entries, "not_empty", none, "this entry has no postings")
    current = "SELECT max(run) FROM runs WHERE month = NEW.month"
    yield _refuse(
        runs, "supersedes_current", f"NEW.supersedes IS NOT ({current})", "a run supersedes its month's current one"
    )
    yield _refuse(
        runs, "not_closed", _CLOSED.format(period="NEW.month"), "a closed period is reopened before it is run again"
    )
    for numbered in (invoices, notes):
        last = f"SELECT coalesce(max(sequence), 0) FROM {numbered.name} WHERE entity = NEW.entity AND series = NEW.series"
        gap = f"NEW.sequence IS NOT ({last} AND year = NEW.year) + 1"
        yield _refuse(
            numbered, "gapless", gap, "invoice numbers have no gaps" if numbered is invoices else "note numbers have no gaps"
        )
    yield _refuse(
        events, "gapless", "NEW.number IS NOT (SELECT coalesce(max(number), 0) FROM events) + 1", "the log has no gaps"
    )
    before = "SELECT coalesce((SELECT hash FROM events ORDER BY number DESC LIMIT 1), '')"
    yield _refuse(events, "chained", f"NEW.previous IS NOT ({before})", "an event names the one before it")


_CLOSED = "(SELECT kind FROM events WHERE period = {period} AND kind IN ('close', 'reopen') ORDER BY number DESC LIMIT 1) IS 'close'"


def _never_changed(table: Table) -> Iterator[str]:
    for event in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER {table.name}_no_{event.lower()} BEFORE {event} ON {table.name} "
            f"BEGIN SELECT RAISE(ABORT, '{table.name}: rows are never changed or deleted'); END"
        )


def _never_replaced(table: Table) -> Iterator[str]:
    """INSERT OR REPLACE deletes what has the same key without a DELETE trigger; the rows of a run are sealed already."""
    keys = [
        constraint for constraint in table.constraints if isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint))
    ]
    named = sorted(tuple(column.name for column in key.columns) for key in keys)
    for names in named:
        same = " AND ".join(f"{name} = NEW.{name}" for name in names)
        taken = f"EXISTS (SELECT 1 FROM {table.name} WHERE {same})"
        yield _refuse(table, f"no_replace_{'_'.join(names)}", taken, f"{' and '.join(names)} taken already")


def _refuse(table: Table, name: str, condition: str, reason: str) -> str:
    text = reason.replace("'", "''")
    return (
        f"CREATE TRIGGER {table.name}_{name} BEFORE INSERT ON {table.name} WHEN {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{table.name}: {text}'); END"
    )
