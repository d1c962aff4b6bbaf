"""The ledger: what was loaded, what each month came to, what was posted and numbered. One SQLite file, append-only.

A change is one exclusive transaction: `with ledger.write() as tx:` commits as a whole or leaves everything as it was, also
when the process is killed. Inside the block the ledger's readers see what was written so far; everybody else sees the last
committed state. Money is whole minor units (rule M1).
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from sqlite3 import DatabaseError, connect
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    NullPool,
    StaticPool,
    Table,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    select,
    true,
)
from sqlalchemy.exc import DBAPIError

from finledger.books import ledger_rows as rows
from finledger.books import ledger_tables as tables
from finledger.books.events import Event, Marks
from finledger.books.fingerprint import Fingerprint
from finledger.books.ledger_flows import OF_A_MONTH as _OF_A_MONTH
from finledger.books.ledger_flows import condensed_lines, flows_of_run, runs_before, settled
from finledger.books.ledger_problems import newer, not_a_ledger
from finledger.books.replaced import Replaced, replaced
from finledger.books.transaction import Transaction, current_run, listed_digest, marks_of
from finledger.core.history import Flow
from finledger.core.model import ChargeLine, Disclosure, JournalEntry, LoadedFile, Part
from finledger.core.period import Month, Quarter
from finledger.core.problem import Busy, Misused, Problem, Refused

# SQLite's primary result codes (the low byte of the extended one).
_BUSY = frozenset({5, 6})
_DAMAGED = frozenset({11, 26})
_SYSTEM = {3: errno.EACCES, 8: errno.EROFS, 10: errno.EIO, 13: errno.ENOSPC, 14: errno.EACCES, 23: errno.EACCES}
_WRITING = "finledger_writing"
_WAITS = "finledger_waits"
KeptFlows = Callable[[Month, str, Callable[[], tuple[Flow, ...]]], tuple[Flow, ...]]  # of a month's run, by its digest


@dataclass(frozen=True, slots=True)
class InvoiceNumber:
    """A number that was given: `sequence` is gapless in its entity, series and year (rule L5)."""

    entity: str
    series: str
    year: int
    sequence: int
    month: Month
    team: str


@dataclass(frozen=True, slots=True)
class NoteNumber:
    """The number of a credit or debit note: gapless in its entity, series and year. `about`: what it corrects (L3, L4)."""

    entity: str
    series: str
    year: int
    sequence: int
    month: Month
    team: str
    about: str


class Ledger:
    """The set of books' ledger, open. Holds no connection between calls, so nothing has to be closed.

    With `marks` it shows what stood in it at that moment, and is not written to.
    """

    def __init__(
        self, engine: Engine, path: Path, marks: Marks | None = None, inside: list[Connection] | None = None
    ) -> None:
        self._engine = engine
        self._path = path
        self._marks = marks
        self._fingerprint = Fingerprint(path)
        self._inside = [] if inside is None else inside  # the connection of the transaction that is open, where one is
        self._flows: dict[str, tuple[Flow, ...]] = {}  # of runs that were added up, by their digest

    @classmethod
    def open(cls, path: Path, busy_seconds: float = 5.0) -> Ledger:
        """Open the ledger, or make it where there is none.

        `Refused`: the file is damaged, is something else, or was written by a newer version. `Busy`: another process holds
        it for longer than `busy_seconds`. `OSError`: the file cannot be opened.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        ledger = cls(_engine(path, busy_seconds), path)
        with ledger._connection() as connection:
            version = _schema_version(connection, path)
        if version is None:
            with ledger._sealed() as connection:
                if _schema_version(connection, path) is None:  # another process may have been quicker
                    _create(connection)
        elif version > tables.SCHEMA_VERSION:
            raise Refused([newer(path, version)])
        elif version < tables.SCHEMA_VERSION:  # every version so far only added tables, and columns of text
            with ledger._sealed() as connection:
                _create(connection)
        if ledger._fingerprint.announced:
            with suppress(Busy, OSError), ledger._connection(writing=True, busy_seconds=0):
                ledger._fingerprint.resume()
        return ledger

    @contextmanager
    def write(self, busy_seconds: float | None = None) -> Iterator[Transaction]:
        """One exclusive transaction: committed at the end of the block, rolled back when anything is raised in it.

        `Busy` when another process holds the ledger for longer than `busy_seconds` (left out: as it was opened with).
        """
        if self._marks is not None:
            raise Misused("the books as they were at an earlier close are only read")
        assert not self._inside, "a transaction inside another one would wait for it for ever"
        with self._sealed(busy_seconds) as connection, self._reading_inside(connection):
            yield Transaction(connection)

    @contextmanager
    def rehearsed(self) -> Iterator[Transaction]:
        """A transaction on a copy in memory, of which nothing is kept: no lock is taken, and nothing is written."""
        with self._connection(), closing(connect(self._path)) as file, closing(connect(":memory:")) as copy:
            file.backup(copy)
            engine = create_engine("sqlite://", creator=lambda: copy, poolclass=StaticPool)
            _listen(engine)
            with engine.connect() as connection, connection.begin() as rehearsal, self._reading_inside(connection):
                yield Transaction(connection)
                rehearsal.rollback()

    def fingerprint(self) -> Problem | None:
        """Whether each byte of the file is as it was written (code ledger-tampered); reads all of it.

        None too while a command writes, or after one was killed, if the file is as it was or one commit further.
        """
        with self._connection() as connection:
            _schema_version(connection, self._path)  # from here on nobody commits
            return self._fingerprint.problem()

    @contextmanager
    def _sealed(self, busy_seconds: float | None = None) -> Iterator[Connection]:
        """A connection that writes, with the fingerprint of what comes of it."""
        wrote = False
        with self._connection(writing=True, busy_seconds=busy_seconds) as connection:
            before = _changes(connection)
            yield connection
            wrote = _changes(connection) != before
            if wrote:
                self._fingerprint.announce()
        if wrote:
            with suppress(Busy), self._connection(writing=True):  # who has the lock then seals what it writes
                self._fingerprint.seal()

    @contextmanager
    def _reading_inside(self, connection: Connection) -> Iterator[None]:
        self._inside.append(connection)
        try:
            yield
        finally:
            self._inside.clear()

    # ── the log, and the ledger as it was ───────────────────────────────────────────────────────────────────────────────

    def events(self, kind: str | None = None, period: str | None = None) -> tuple[Event, ...]:
        """The log in its order: all of it, of one kind, of one period."""
        table = tables.events
        query = select(table).where(self._until(table.c.number, "events")).order_by(table.c.number)
        for column, wanted in ((table.c.kind, kind), (table.c.period, period)):
            query = query if wanted is None else query.where(column == wanted)
        return tuple(Event(**{**row, "content": json.loads(row["content"])}) for row in self._rows(query))

    def as_of(self, marks: Marks) -> Ledger:
        """The ledger as it was when it had come to `marks`; nothing can be written to it."""
        ledger = Ledger(self._engine, self._path, marks, self._inside)
        ledger._flows = self._flows
        return ledger

    def marks(self) -> Marks:
        """How far the ledger has come by now."""
        with self._connection() as connection:
            return marks_of(connection)

    def listed(self, marks: Marks) -> str:
        """The digest of what the ledger lists up to the marks: exports, parts, runs, frozen texts, numbers given (L2)."""
        with self._connection() as connection:
            return listed_digest(connection, marks)

    def _until(self, column: Any, name: str) -> Any:
        """The condition that leaves out what was written after the marks."""
        return column <= getattr(self._marks, name) if self._marks is not None else true()

    # ── what was loaded ─────────────────────────────────────────────────────────────────────────────────────────────────

    def files(self) -> tuple[LoadedFile, ...]:
        """Every loaded export, in the order of loading; those that were replaced by a later one, too."""
        numbers = tables.files.c.number
        query = select(*_without(tables.files, "number")).where(self._until(numbers, "files")).order_by(numbers)
        again = self.replaced().again
        return tuple(again.get(row["sha256"]) or LoadedFile(**row) for row in self._rows(query))

    def replaced(self) -> Replaced:
        """The exports that later ones took the place of."""
        return replaced(self.events("replace"))

    def parts(self, month: Month | None = None, rejected: bool = False) -> tuple[Part, ...]:
        """Parts of accepted rows, of one month or of all; with `rejected` the quarantine's. In the order of loading.

        Those of exports that were replaced are not among them.
        """
        query = select(*_without(tables.parts, "number")).where(tables.parts.c.rejected == rejected)
        query = query.where(self._until(tables.parts.c.number, "parts"))
        if month is not None:
            query = query.where(tables.parts.c.month == str(month))
        found = self._rows(query.order_by(tables.parts.c.number))
        withdrawn = self.replaced().parts
        return tuple(_part(row) for row in found if row["path"] not in withdrawn)

    def parts_of_closes(self) -> tuple[Part, ...]:
        """The parts that were withdrawn after a close had counted them: what the close came to is worked out from them."""
        withdrawn = self.replaced().parts
        last = max((int(event.content["marks"]["parts"]) for event in self.events("close")), default=0)
        if not withdrawn or not last:
            return ()
        query = select(*_without(tables.parts, "number")).where(tables.parts.c.number <= last)
        return tuple(_part(row) for row in self._rows(query.order_by(tables.parts.c.number)) if row["path"] in withdrawn)

    def frozen_books(self) -> dict[str, str]:
        """Published price books: name → SHA-256 of the file (rule P1)."""
        query = select(tables.frozen_books.c.name, tables.frozen_books.c.sha256).order_by(tables.frozen_books.c.name)
        return {
            row["name"]: row["sha256"]
            for row in self._rows(query)
            if self._marks is None or row["name"] in self._marks.books
        }

    def frozen_files(self) -> dict[str, str]:
        """Published price books: name → the file that each stood in when it was frozen."""
        query = select(tables.frozen_books.c.name, tables.frozen_books.c.file).order_by(tables.frozen_books.c.name)
        return {row["name"]: row["file"] for row in self._rows(query)}

    def meta(self, key: str) -> str | None:
        found = self._rows(select(tables.meta.c.value).where(tables.meta.c.key == key))
        return str(found[0]["value"]) if found else None

    # ── what the months came to ─────────────────────────────────────────────────────────────────────────────────────────

    def months(self) -> tuple[Month, ...]:
        """The months that have a run, in order."""
        known = _OF_A_MONTH & self._until(tables.runs.c.run, "runs")
        query = select(tables.runs.c.month).where(known).distinct().order_by(tables.runs.c.month)
        return tuple(Month.parse(row["month"]) for row in self._rows(query))

    def currency(self) -> str | None:
        """The currency in which the first run was recorded, and with it every amount; None before any run."""
        found = self._rows(select(tables.runs.c.currency).order_by(tables.runs.c.run).limit(1))
        return str(found[0]["currency"]) if found else None

    def current_run(self, period: Month | Quarter) -> int | None:
        """The number of the period's run that no later one supersedes; None before the first."""
        with self._connection() as connection:
            return self._run_of(connection, period)

    def run_digest(self, period: Month | Quarter) -> str:
        """The digest of the period's current run; "" before the first."""
        with self._connection() as connection:
            return current_run(connection, period, self._marks)[1]

    def charge_rows(self, month: Month, team: str | None = None) -> tuple[ChargeLine, ...]:
        """The charge lines of the month's current run, of one team or of all, in their order."""
        with self._connection() as connection:
            return rows.read_lines(connection, self._run_of(connection, month), team)

    def condensed_rows(self, month: Month) -> tuple[ChargeLine, ...]:
        """The same lines added up by team, feature, model and kind of work, for months that are only compared with."""
        with self._connection() as connection:
            return condensed_lines(connection, self._run_of(connection, month))

    def service_rows(self, service_month: Month, before: Month) -> tuple[ChargeLine, ...]:
        """The lines of a service month that its own run and those of later months before `before` posted (rule L3)."""
        with self._connection() as connection:
            return tuple(
                line
                for run in self._runs_between(connection, service_month, before)
                for line in rows.read_lines(connection, run, service_month=service_month)
            )

    def service_disclosures(self, service_month: Month, before: Month) -> tuple[Disclosure, ...]:
        """The disclosures of a service month, in the same runs."""
        with self._connection() as connection:
            return tuple(
                each
                for run in self._runs_between(connection, service_month, before)
                for each in rows.read_disclosures(connection, run)
                if each.key.service_month == service_month
            )

    def _runs_between(self, connection: Connection, first: Month, before: Month) -> list[int]:
        within = (tables.runs.c.month >= str(first)) & (tables.runs.c.month < str(before)) & _OF_A_MONTH
        query = select(func.max(tables.runs.c.run)).where(within & self._until(tables.runs.c.run, "runs"))
        return [int(run) for run in connection.execute(query.group_by(tables.runs.c.month)).scalars()]

    def entries(self, period: Month | Quarter) -> tuple[JournalEntry, ...]:
        """The journal entries of the period's current run, in their order; each is checked to balance as it is built."""
        with self._connection() as connection:
            return rows.read_entries(connection, self._run_of(connection, period))

    def lines_of(self, run: int) -> tuple[ChargeLine, ...]:
        """The charge lines of a run by its number."""
        with self._connection() as connection:
            return rows.read_lines(connection, run)

    def entries_of(self, run: int) -> tuple[JournalEntry, ...]:
        """The journal entries of a run by its number."""
        with self._connection() as connection:
            return rows.read_entries(connection, run)

    def stored_digest(self, run: int) -> str:
        """The digest of a run, worked out from its rows as they stand."""
        with self._connection() as connection:
            return rows.stored_digest(connection, run)

    def _run_of(self, connection: Connection, period: Month | Quarter) -> int | None:
        return current_run(connection, period, self._marks)[0]

    def flows(self, before: Month, kept: KeptFlows | None = None) -> tuple[Flow, ...]:
        """What the lines of each earlier month's current run came to, for credits, draws and the fund (rules Q2, B1-B5).

        What a run of that digest came to never changes: it is added up once, or taken from what is `kept` of it.
        """
        with self._connection() as connection:
            until = self._until(tables.runs.c.run, "runs")
            found: list[Flow] = []
            for month, run, digest in runs_before(connection, before, until):
                if kept is not None:
                    found += kept(month, digest, partial(self._flows_of, connection, run, digest))
                else:
                    found += self._flows_of(connection, run, digest)
            return (*found, *settled(connection, before, until))

    def _flows_of(self, connection: Connection, run: int, digest: str) -> tuple[Flow, ...]:
        if digest not in self._flows:
            self._flows[digest] = flows_of_run(connection, run)
        return self._flows[digest]

    def frozen_forecasts(self, month: Month) -> dict[str, Decimal] | None:
        """The month's forecasts by team as they were first seen; None while nobody looked at the month (rule B3)."""
        table = tables.frozen_forecasts
        if self._marks is not None and str(month) not in self._marks.forecasts:
            return None
        found = self._rows(select(table.c.forecasts).where(table.c.month == str(month)))
        return {team: Decimal(text) for team, text in json.loads(found[0]["forecasts"]).items()} if found else None

    def invoice_numbers(self, month: Month) -> tuple[InvoiceNumber, ...]:
        """The numbers given to the month's documents, by entity, series, year and sequence."""
        return tuple(InvoiceNumber(**row) for row in self._numbers(tables.invoices, month))

    def note_numbers(self, month: Month) -> tuple[NoteNumber, ...]:
        """The numbers of the credit and debit notes that the month posts."""
        return tuple(NoteNumber(**row) for row in self._numbers(tables.notes, month))

    def _numbers(self, table: Table, month: Month) -> list[dict[str, Any]]:
        query = select(table).where(table.c.month == str(month), self._until(literal_column("rowid"), table.name))
        found = self._rows(query.order_by(table.c.entity, table.c.series, table.c.year, table.c.sequence))
        return [{**row, "month": Month.parse(row["month"])} for row in found]

    def selected(self, query: Any) -> list[dict[str, Any]]:
        """The rows of a query that another module of this folder makes, as they stand in its tables."""
        return self._rows(query)

    # ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _rows(self, query: Any) -> list[dict[str, Any]]:
        with self._connection() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    @contextmanager
    def _connection(self, writing: bool = False, busy_seconds: float | None = None) -> Iterator[Connection]:
        """A connection in a transaction; what SQLite reports is raised as what it means for a person."""
        if self._inside:
            yield self._inside[0]
            return
        try:
            options = {_WRITING: writing, _WAITS: busy_seconds}
            with self._engine.connect().execution_options(**options) as connection, connection.begin():
                yield connection
        except (DBAPIError, DatabaseError, UnicodeDecodeError) as error:  # the last: of a message about a damaged file
            raised = None if isinstance(error, UnicodeDecodeError) else _meaning(error, self._path)
            if raised is None:
                problem = self._fingerprint.problem()
                if problem is None:
                    raise
                raised = Refused([problem])
            raise raised from error


def _changes(connection: Connection) -> int:
    driver: Any = connection.connection.driver_connection
    return int(driver.total_changes)


def _part(row: dict[str, Any]) -> Part:
    return Part(**{**row, "month": Month.parse(row["month"]) if row["month"] else None})


def _without(table: Any, name: str) -> list[Any]:
    return [column for column in table.columns if column.name != name]


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _engine(path: Path, busy_seconds: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path.absolute())), poolclass=NullPool, connect_args={"timeout": busy_seconds}
    )
    _listen(engine)
    return engine


def _listen(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy says when a transaction begins, not the driver
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")
        connection.execute("PRAGMA synchronous = EXTRA")  # FULL, and the folder too once the rollback journal is gone
        connection.execute("PRAGMA cache_spill = OFF")  # readers wait for a commit only, not for a long transaction

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_WAITS) is not None:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(options[_WAITS] * 1000)}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITING) else "BEGIN")


def _schema_version(connection: Connection, path: Path) -> int | None:
    """None: an empty file, or none. A database that holds other tables is not a ledger."""
    names = set(inspect(connection).get_table_names())
    if not names:
        return None
    if tables.meta.name in names:
        query = select(tables.meta.c.value).where(tables.meta.c.key == "schema_version")
        version = connection.execute(query).scalar()
        if version is not None and version.isdecimal():
            return int(version)
    raise Refused([not_a_ledger(path, "it holds other tables than a ledger's")])


def _create(connection: Connection) -> None:
    tables.metadata.create_all(connection)
    known = inspect(connection)
    present = {name: {column["name"] for column in known.get_columns(name)} for name in tables.metadata.tables}
    for statement in tables.added_columns(present):
        connection.exec_driver_sql(statement)
    for guard in tables.guards():
        connection.exec_driver_sql(guard)
    Transaction(connection).set_meta("schema_version", str(tables.SCHEMA_VERSION))


def _meaning(error: DBAPIError | DatabaseError, path: Path) -> Exception | None:
    """Busy, Refused or OSError for what can happen to any file; None for what would be a bug of ours."""
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return Busy(f"{path} is held by another process")
    if code in _DAMAGED:
        return Refused([not_a_ledger(path, str(original))])
    if code in _SYSTEM:
        return OSError(_SYSTEM[code], str(original), str(path))
    return None
