"""The ledger keeps what it was given, whatever happens to the process, the file or the rows (rules L1, L5, P1, X4)."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from finledger.books.ledger import InvoiceNumber, Ledger
from finledger.core.history import History, flows_of
from finledger.core.model import Account, JournalEntry, LoadedFile, MonthCharges, Part, Posting
from finledger.core.money import Money
from finledger.core.problem import Busy, Refused
from tests.books.ledger_months import AUGUST, JULY, SEPTEMBER, month_charges, price_book

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("ledger_months.py")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "store" / "ledger.sqlite", busy_seconds=0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "ledger.sqlite"


def fingerprint(path: Path) -> Path:
    return path.with_name("ledger.sqlite.sha256")


def record(ledger: Ledger, charges: MonthCharges) -> int:
    with ledger.write() as transaction:
        return transaction.record_month(charges)


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@contextmanager
def worker(action: str, path: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Another process at the ledger, past its first line of output; killed at the end."""
    command = [sys.executable, str(WORKER), action, str(path), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None and process.stdout.readline()
            yield process
        finally:
            process.kill()


# ── loaded files and parts ──────────────────────────────────────────────────────────────────────────────────────────────

EXPORT = LoadedFile("a" * 64, "july.csv", "native_csv", "gateway", 1234, 10, 7, 1, 1, 1)


def test_files_and_parts__as_they_were_added(ledger: Ledger) -> None:
    other = replace(EXPORT, sha256="0" * 64, name="again.csv")
    accepted = Part(JULY, "2026-07/p1.parquet", "b" * 64, 7, EXPORT.sha256)
    late = Part(AUGUST, "2026-08/p2.parquet", "c" * 64, 1, EXPORT.sha256)
    quarantine = Part(None, "rejected/p3.parquet", "d" * 64, 1, EXPORT.sha256, rejected=True)
    with ledger.write() as transaction:
        assert [transaction.add_file(file) for file in (EXPORT, other, EXPORT)] == [True, True, False]
        assert [transaction.add_part(part) for part in (accepted, late, quarantine, late)] == [True, True, True, False]
    assert ledger.files() == (EXPORT, other)
    assert ledger.parts() == (accepted, late)
    assert ledger.parts(JULY) == (accepted,)
    assert ledger.parts(rejected=True) == (quarantine,)


def test_add_part__needs_its_file(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY"), ledger.write() as transaction:
        transaction.add_part(Part(JULY, "p", "b" * 64, 7, "no such file"))
    assert ledger.parts() == ()


def test_meta__the_last_value(ledger: Ledger) -> None:
    assert ledger.meta("timezone") is None
    for value in ("UTC", "Europe/Berlin"):
        with ledger.write() as transaction:
            transaction.set_meta("timezone", value)
    assert ledger.meta("timezone") == "Europe/Berlin"


def test_freeze_book__another_content_is_refused(ledger: Ledger) -> None:
    with ledger.write() as transaction:
        transaction.freeze_book("2026-Q3.v1", "a" * 64, "pricebooks/2026-Q3.yaml")
        transaction.freeze_book("2026-Q3.v1", "a" * 64, "pricebooks/2026-Q3.yaml")
    with pytest.raises(Refused) as refused, ledger.write() as transaction:
        transaction.freeze_book("2026-Q3.v2", "c" * 64, "pricebooks/2026-Q3.v2.yaml")
        transaction.freeze_book("2026-Q3.v1", "b" * 64, "pricebooks/2026-Q3.yaml")
    (problem,) = refused.value.problems
    assert (problem.code, str(problem.source)) == ("pricebook-edited", "pricebooks/2026-Q3.yaml:1")
    assert ledger.frozen_books() == {"2026-Q3.v1": "a" * 64}  # nothing of the refused transaction


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_record_month__reads_back_as_the_nouns_it_was(ledger: Ledger) -> None:
    charges = month_charges()
    assert record(ledger, charges) == 1
    assert ledger.entries(JULY) == charges.entries
    assert ledger.charge_rows(JULY) == charges.lines
    assert (ledger.months(), ledger.current_run(JULY), ledger.current_run(AUGUST)) == ((JULY,), 1, None)
    assert (ledger.entries(AUGUST), ledger.charge_rows(AUGUST)) == ((), ())


def test_record_month__same_content_is_nothing(ledger: Ledger, path: Path) -> None:
    record(ledger, month_charges())
    before = path.read_bytes()
    assert record(ledger, month_charges()) == 1
    assert path.read_bytes() == before


def test_record_month__another_content_supersedes(ledger: Ledger, path: Path) -> None:
    assert [record(ledger, month_charges(extra=extra)) for extra in (0, 3, 3, 0)] == [1, 2, 2, 3]
    assert record(ledger, month_charges(AUGUST)) == 4
    assert query(path, "SELECT run, month, supersedes FROM runs ORDER BY run") == [
        (1, "2026-07", None), (2, "2026-07", 1), (3, "2026-07", 2), (4, "2026-08", None),
    ]  # fmt: skip
    assert ledger.current_run(JULY) == 3
    assert query(path, "SELECT run, sum(amount_minor) FROM charge_lines GROUP BY run") == [
        (1, 3336), (2, 3339), (3, 3336), (4, 3336),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"provisional": True},
        {"books": (price_book("e" * 64),)},
        {"disclosures": ()},
        {"teams": ()},
        {"entries": ()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_record_month__everything_stored_is_content(ledger: Ledger, change: dict[str, object]) -> None:
    charges = month_charges()
    assert [record(ledger, charges), record(ledger, replace(charges, **change))] == [1, 2]


def test_record_month__what_is_stored(ledger: Ledger, path: Path) -> None:
    record(ledger, month_charges())
    assert query(path, "SELECT gross_minor, platform_share_minor, paid_minor, quantity, item FROM disclosures") == [
        (23, 12, 11, "10", "chat_call")
    ]
    assert query(
        path, "SELECT team, stage, total_minor, budget_minor, forecast_minor, buffer_draw_minor FROM team_totals"
    ) == [("team-0", "chargeback", 1112, 2000, None, 0)]
    assert query(path, "SELECT typeof(amount_minor), count(*) FROM postings GROUP BY 1") == [("integer", 24)]


def test_record_month__a_large_amount_stays_exact(ledger: Ledger) -> None:
    charges = month_charges(extra=9_007_199_254_740_993)  # 2^53 + 1: a float would lose the last unit
    record(ledger, charges)
    assert ledger.charge_rows(JULY)[0].amount.minor == 9_007_199_254_742_105
    assert ledger.entries(JULY) == charges.entries


def test_flows__of_current_runs_before_the_month(ledger: Ledger) -> None:
    """Three teams at 0.42 each: 1.26 from July; a superseded run does not count twice; August is not before August."""
    assert ledger.flows(JULY) == ()
    record(ledger, month_charges(JULY))
    record(ledger, month_charges(JULY, extra=5))
    record(ledger, month_charges(AUGUST, size=2))
    paid = [History("USD", ledger.flows(month)).posted("buffer", (JULY, AUGUST)) for month in (JULY, AUGUST, SEPTEMBER)]
    assert [sum(amount.minor for amount in by_team.values()) for by_team in paid] == [0, 126, 126 + 252]
    assert ledger.flows(AUGUST) == flows_of(month_charges(JULY, extra=5).lines)


def test_record_quarter__stands_beside_the_months_and_supersedes_itself(ledger: Ledger) -> None:
    record(ledger, month_charges(JULY))
    quarter = JULY.quarter()
    for count, entries in enumerate((month_charges(JULY).entries[:1], month_charges(JULY).entries[:2]), start=1):
        with ledger.write() as transaction:
            transaction.record_quarter(quarter, "USD", (), entries)
        assert len(ledger.entries(quarter)) == count
    assert ledger.months() == (JULY,)
    assert ledger.flows(AUGUST.next) == flows_of(month_charges(JULY).lines)


def test_freeze_forecasts__the_first_ones_stay(ledger: Ledger) -> None:
    assert ledger.frozen_forecasts(JULY) is None
    for forecasts in ({"search": Decimal("400.00")}, {"search": Decimal("100.00"), "support": Decimal(1)}):
        with ledger.write() as transaction:
            transaction.freeze_forecasts(JULY, forecasts)
    assert ledger.frozen_forecasts(JULY) == {"search": Decimal("400.00")}
    with ledger.write() as transaction:
        transaction.freeze_forecasts(AUGUST, {})
    assert ledger.frozen_forecasts(AUGUST) == {}


def test_open__a_ledger_of_version_1_gains_what_is_new(ledger: Ledger, path: Path) -> None:
    record(ledger, month_charges(JULY))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE frozen_forecasts")
        connection.execute("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
        connection.commit()
    fingerprint(path).unlink()  # earlier versions made none
    again = Ledger.open(path)
    assert (again.months(), again.frozen_forecasts(JULY)) == ((JULY,), None)
    with again.write() as transaction:
        transaction.freeze_forecasts(JULY, {"search": Decimal(1)})
    assert "never changed" in attempt(path, "DELETE FROM frozen_forecasts")


OLD_BALANCE = "GROUP BY currency HAVING"
VERSION_2 = (
    "charge_lines", "components", "disclosures", "entries", "files", "frozen_books", "frozen_forecasts", "invoices", "meta",
    "parts", "postings", "runs", "team_totals",
)  # fmt: skip


def as_version_2(path: Path) -> None:
    """The file as version 2 made it: no log, no notes, no column for entities and credits, and triggers that know of none."""
    with closing(sqlite3.connect(path)) as connection:
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        for table, column in (("postings", "entity"), ("charge_lines", "credit"), ("disclosures", "credit")):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
        later = set(tables) - set(VERSION_2)
        for table in later:
            connection.execute(f"DROP TABLE {table}")
        for _, sql in guards:
            if later.isdisjoint(sql.split()):
                connection.execute(sql.replace("GROUP BY entity, currency HAVING", OLD_BALANCE))
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")
        connection.commit()
    fingerprint(path).unlink()  # earlier versions made none
    path.with_name(f"{path.name}.sha256").unlink(missing_ok=True)


def test_open__a_ledger_of_version_2_keeps_its_rows_and_learns_of_entities(ledger: Ledger, path: Path) -> None:
    charges = month_charges(JULY)
    record(ledger, charges)
    as_version_2(path)
    balances = "SELECT sql FROM sqlite_master WHERE name = 'entries_balanced'"
    assert OLD_BALANCE in str(query(path, balances))
    rows = query(path, "SELECT * FROM postings ORDER BY entry_id, line_no")

    again = Ledger.open(path)
    assert query(path, "SELECT value FROM meta WHERE key = 'schema_version'") == [("4",)]
    assert [row[: len(rows[0])] for row in query(path, "SELECT * FROM postings ORDER BY entry_id, line_no")] == rows
    assert again.entries(JULY) == charges.entries
    assert [(line.line_id, line.amount) for line in again.charge_rows(JULY)] == [
        (line.line_id, line.amount) for line in charges.lines
    ]
    assert attempt(path, "UPDATE postings SET entity = 'x'") == "postings: rows are never changed or deleted"
    assert OLD_BALANCE not in str(query(path, balances))
    again = Ledger.open(path)  # a second time there is nothing to do
    record(again, replace(month_charges(AUGUST), entries=(between_entities(),)))
    assert again.entries(AUGUST) == (between_entities(),)


def between_entities() -> JournalEntry:
    """9.30 of base cost that ES01's team owes DE01, in both companies' books (rule L6)."""
    parts = [
        ("ai_service_expense", "Expenses", "cc-4815", 930, "ES01"),
        ("intercompany_payable", "Liabilities", "DE01", -930, "ES01"),
        ("intercompany_receivable", "Assets", "ES01", 930, ""),
        ("intercompany_income", "Income", "cc-1000", -930, ""),
    ]
    postings = tuple(
        Posting(Account(key, key, kind), center, Money(minor, "USD"), "base", entity)  # type: ignore[arg-type]
        for key, kind, center, minor, entity in parts
    )
    return JournalEntry("2026-08/search/cc-4815", AUGUST.last_day, AUGUST, AUGUST, "search", "DE01", "memo", postings)


def test_write__an_exception_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="after"), ledger.write() as transaction:
        transaction.record_month(month_charges())
        transaction.number_invoice("", "INV", 2026, JULY, "team-0")
        raise RuntimeError("after")
    assert (ledger.months(), ledger.invoice_numbers(JULY)) == ((), ())


# ── guards inside the database, for whoever writes to the file ──────────────────────────────────────────────────────────


@pytest.fixture
def full(ledger: Ledger, path: Path) -> Path:
    with ledger.write() as transaction:
        transaction.add_file(EXPORT)
        transaction.add_part(Part(JULY, "p1", "b" * 64, 7, EXPORT.sha256))
        transaction.freeze_book("2026-Q3.v1", "a" * 64, "pricebooks/2026-Q3.yaml")
        transaction.record_month(month_charges())
        transaction.number_invoice("", "INV", 2026, JULY, "team-0")
        transaction.number_note("", "CN", 2026, JULY, "team-0", "2026-06")
        transaction.freeze_forecasts(JULY, {"team-0": Decimal("10.00")})
        transaction.add_event("dispute-open", "2026-07", "D-1", {"line": "L1"})
    return path


PROTECTED = (
    "charge_lines", "components", "disclosures", "entries", "events", "files", "frozen_books", "frozen_forecasts", "invoices",
    "notes", "operated", "parts", "postings", "runs", "team_totals",
)  # fmt: skip


def test_guards__every_table_but_meta(full: Path) -> None:
    names = [name for (name,) in query(full, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    assert names == sorted([*PROTECTED, "meta"])
    assert all(query(full, f"SELECT count(*) FROM {name}") != [(0,)] for name in names)


def attempt(path: Path, *statements: str) -> str:
    """Run in one transaction by a program that is not ours, foreign keys on; the error, "" when it was committed."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        except sqlite3.IntegrityError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("table", PROTECTED)
def test_guards__nothing_is_changed_deleted_or_replaced(full: Path, table: str) -> None:
    before = query(full, f"SELECT * FROM {table}")
    column = query(full, f"SELECT name FROM pragma_table_info('{table}') LIMIT 1")[0][0]
    assert attempt(full, f"UPDATE {table} SET {column} = {column}") == f"{table}: rows are never changed or deleted"
    assert attempt(full, f"DELETE FROM {table}") == f"{table}: rows are never changed or deleted"
    assert attempt(full, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}").startswith(f"{table}: ")
    assert query(full, f"SELECT * FROM {table}") == before


def test_guards__replacing_by_another_unique_key(full: Path) -> None:
    assert attempt(full, "INSERT OR REPLACE INTO invoices VALUES ('', 'INV', 2026, 2, '2026-07', 'team-0')") == (
        "invoices: entity and series and month and team taken already"
    )
    columns = "sha256, name, format, source, size, read, accepted, duplicate, aggregate, rejected"
    again = f"INSERT OR REPLACE INTO files ({columns}) SELECT {columns} FROM files"
    assert attempt(full, again) == "files: sha256 taken already"


def posting(line_no: int, minor: int, entry: str = "new", run: int = 1, entity: str = "") -> str:
    row = f"{run}, '{entry}', {line_no}, 'k', 'A', 'Expenses', '', 'cc', 'base', {minor}, 'USD', '{entity}'"
    return f"INSERT INTO postings VALUES ({row})"


def entry(name: str = "new", run: int = 1) -> str:
    return f"INSERT INTO entries VALUES ({run}, '{name}', 9, '2026-07-31', '2026-07', '2026-07', 't', '', 'm')"


NEW_RUN = "INSERT INTO runs VALUES (2, '2026-07', 'digest', 'USD', 0, '[]', 1)"


def test_guards__a_complete_run_takes_nothing_more(full: Path) -> None:
    assert attempt(full, posting(1, 5), posting(2, -5), entry()) == "entries: this run is complete"
    assert attempt(full, posting(9, 0, "2026-07/team-0/cc-team-0")) == "postings: this entry is complete"
    assert attempt(full, posting(1, 5), posting(2, -5)) == "FOREIGN KEY constraint failed"  # postings without an entry
    for table in ("charge_lines", "components", "disclosures", "operated", "team_totals"):
        assert attempt(full, f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1") == f"{table}: this run is complete"


def test_guards__an_unbalanced_entry_cannot_be_committed(full: Path) -> None:
    unbalanced = "entries: this entry does not balance"
    assert attempt(full, posting(1, 5, run=2), posting(2, -4, run=2), entry(run=2), NEW_RUN) == unbalanced
    assert attempt(full, entry(run=2), NEW_RUN) == "entries: this entry has no postings"
    two = posting(2, -5, run=2).replace("'USD'", "'EUR'")
    assert attempt(full, posting(1, 5, run=2), two, entry(run=2), NEW_RUN) == unbalanced
    other = posting(2, -5, run=2, entity="northwind-eu")  # balanced as a whole, in neither company's books
    assert attempt(full, posting(1, 5, run=2), other, entry(run=2), NEW_RUN) == unbalanced
    assert attempt(full, posting(1, 5, run=2), posting(2, -5, run=2), entry(run=2)) == "FOREIGN KEY constraint failed"
    assert attempt(full, posting(1, 5, run=2), posting(2, -5, run=2), entry(run=2), NEW_RUN) == ""  # the whole of it passes


def test_guards__a_month_has_one_current_run(full: Path) -> None:
    second_first = NEW_RUN.replace(", 1)", ", NULL)")
    assert attempt(full, second_first) == "runs: a run supersedes its month's current one"
    assert attempt(full, NEW_RUN.replace("2026-07", "2026-08")) == "runs: a run supersedes its month's current one"


def test_guards__numbers_have_no_gaps(full: Path) -> None:
    for sequence in (0, 1, 3):
        number = f"INSERT INTO invoices VALUES ('', 'INV', 2026, {sequence}, '2026-07', 'team-9')"
        assert attempt(full, number) in ("invoices: invoice numbers have no gaps", _TAKEN), sequence
    assert attempt(full, "INSERT INTO invoices VALUES ('', 'INV', 2026, 2, '2026-07', 'team-9')") == ""


_TAKEN = "invoices: entity and series and year and sequence taken already"


def test_record_month__python_and_sql_add_up_apart(ledger: Ledger) -> None:
    """An entry whose balance was falsified behind the constructor's back is stopped by the database."""
    charges = month_charges()
    first = charges.entries[0].postings[0]
    object.__setattr__(charges.entries[0], "postings", (replace(first, amount=replace(first.amount, minor=931)),
                                                        *charges.entries[0].postings[1:]))  # fmt: skip
    with pytest.raises(Exception, match="this entry does not balance"):
        record(ledger, charges)
    assert ledger.months() == ()


def test_record_month__components_that_do_not_make_the_line(ledger: Ledger) -> None:
    charges = month_charges()
    object.__setattr__(charges.lines[0], "components", charges.lines[0].components[1:])
    with pytest.raises(ValueError, match="lines of run 1 come to 3336, their components to 2406"):
        record(ledger, charges)
    assert ledger.months() == ()


# ── invoice numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_number_invoice__gapless_and_for_ever(ledger: Ledger) -> None:
    asked = [("", 2026, JULY, "b"), ("", 2026, JULY, "a"), ("", 2026, JULY, "b"), ("eu", 2026, JULY, "a"),
             ("", 2026, AUGUST, "b"), ("", 2027, AUGUST, "a"), ("", 2027, JULY, "b")]  # fmt: skip
    given = []
    for entity, year, month, team in asked:
        with ledger.write() as transaction:
            given.append(transaction.number_invoice(entity, "INV", year, month, team))
    assert given == [1, 2, 1, 1, 3, 1, 1]
    assert ledger.invoice_numbers(JULY) == (
        InvoiceNumber("", "INV", 2026, 1, JULY, "b"),
        InvoiceNumber("", "INV", 2026, 2, JULY, "a"),
        InvoiceNumber("eu", "INV", 2026, 1, JULY, "a"),
    )


def test_number_invoice__gapless_among_processes(path: Path) -> None:
    """Four processes at once, none of which finds a ledger yet."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    commands = [[sys.executable, str(WORKER), "number", str(path), str(number)] for number in range(4)]
    running = [subprocess.Popen(command, env=environment) for command in commands]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0, 0]
    ledger = Ledger.open(path)
    for entity in ("", "northwind-eu"):
        numbers = [given for given in ledger.invoice_numbers(JULY) if given.entity == entity]
        assert [given.sequence for given in numbers] == list(range(1, 25))
        assert len({given.team for given in numbers}) == 24


# ── other processes, kills, broken files ────────────────────────────────────────────────────────────────────────────────


def test_busy__names_the_file(ledger: Ledger, path: Path) -> None:
    with worker("hold", path):
        started = time.monotonic()
        with pytest.raises(Busy, match=r"ledger\.sqlite is held by another process"), ledger.write():
            raise AssertionError("two writers at once")
        assert time.monotonic() - started > 0.1, "it waits for a moment"
        assert ledger.meta("held") is None  # reading goes on, and sees what was committed
    assert ledger.meta("held") is None  # the killed process left nothing
    record(ledger, month_charges())


def assert_whole(path: Path) -> None:
    """Every run in the file is complete and what it says: nothing between before and after."""
    assert query(path, "PRAGMA integrity_check") == [("ok",)] and query(path, "PRAGMA foreign_key_check") == []
    reopened = Ledger.open(path)
    kinds = {0: month_charges(JULY, 60), 1: month_charges(JULY, 60, extra=1)}
    runs = query(
        path, "SELECT run, supersedes, (SELECT sum(amount_minor) FROM charge_lines c WHERE c.run = r.run) FROM runs r"
    )
    assert [(run, before) for run, before, _ in runs] == [(run, run - 1 or None) for run in range(1, len(runs) + 1)]
    if runs:
        kind = (len(runs) - 1) % 2
        assert reopened.entries(JULY) == kinds[kind].entries and reopened.charge_rows(JULY) == kinds[kind].lines


def test_kill__at_any_moment_leaves_whole_runs(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    runs_seen = []
    for delay in (0.002, 0.03, 0.09, 0.2, 0.5, None):
        with worker("rewrite", path) as process:
            while delay is None and not query(path, "SELECT count(*) FROM runs")[0][0]:
                time.sleep(0.1)
            time.sleep(delay or 0.1)
            process.send_signal(signal.SIGKILL)
            assert process.wait(timeout=30) == -signal.SIGKILL
        assert_whole(path)
        runs_seen.append(query(path, "SELECT count(*) FROM runs")[0][0])
        assert Ledger.open(path).fingerprint() is None
        path.unlink()
        fingerprint(path).unlink()
    assert runs_seen[-1] > 0, runs_seen


@pytest.mark.skipif(
    shutil.which("strace") is None, reason="install strace to kill at a chosen write: apt-get install strace"
)
@pytest.mark.parametrize(
    ("call", "number"), [("pwrite64", 2), ("pwrite64", 30), ("fdatasync", 1), ("fdatasync", 3), ("unlink", 1)]
)
def test_kill__at_a_chosen_system_call(tmp_path: Path, call: str, number: int) -> None:
    """Killed at a write to journal or file, at a sync, before the journal goes: July as it was, no August."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(path)
    record(ledger, month_charges())
    before = query(path, "SELECT * FROM postings")
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    command = ["strace", "-f", "-o", os.devnull, "-P", str(path), "-P", f"{path}-journal", "-e", inject]
    result = subprocess.run([*command, sys.executable, str(WORKER), "record", str(path)], capture_output=True, text=True,
                            env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120)  # fmt: skip
    assert (result.returncode, result.stdout) == (-signal.SIGKILL, "recording\n"), result.stderr
    assert (Ledger.open(path).months(), Ledger.open(path).fingerprint()) == ((JULY,), None)
    assert query(path, "SELECT * FROM postings") == before
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert record(ledger, month_charges(AUGUST, 60)) == 2


def test_open__newer_version_is_refused(ledger: Ledger, path: Path) -> None:
    with ledger.write() as transaction:
        transaction.set_meta("schema_version", "99")
    with pytest.raises(Refused) as refused:
        Ledger.open(path)
    (problem,) = refused.value.problems
    assert problem.code == "ledger-newer" and "version 99" in problem.message and "install" in problem.remedy


@pytest.mark.parametrize("content", [b"not a database " * 100, b"SQLite format 3\x00" + b"\xff" * 4080])
def test_open__damaged_file_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(Refused) as refused:
        Ledger.open(path)
    assert refused.value.problems[0].code == "ledger-damaged"
    assert path.read_bytes() == content


def test_open__damaged_inside(full: Path) -> None:
    content = bytearray(full.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    full.write_bytes(content)
    with pytest.raises(Refused) as refused:
        Ledger.open(full).entries(JULY)
    assert refused.value.problems[0].code == "ledger-damaged"


def test_open__another_programs_database(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    with pytest.raises(Refused, match="other tables"):
        Ledger.open(path)
    assert query(path, "SELECT name FROM sqlite_master") == [("recipes",)]


def test_open__an_empty_file_becomes_a_ledger(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert Ledger.open(path).months() == ()


def test_open__a_name_that_looks_like_a_url(tmp_path: Path) -> None:
    path = tmp_path / "50% off?mode=ro#x" / "ledger.sqlite"
    assert record(Ledger.open(path), month_charges()) == 1
    assert path.stat().st_size > 10_000


def test_open__not_a_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="unable to open"):
        Ledger.open(tmp_path)
