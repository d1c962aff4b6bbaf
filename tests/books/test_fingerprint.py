"""Every changed byte of the ledger's file is found, and a command that was killed while it wrote is no change."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from finledger.books.ledger import Ledger
from finledger.core.period import Month
from finledger.core.problem import Busy, Problem, Refused

JULY = Month.parse("2026-07")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with something in it, and with pages that hold nothing any more."""
    path = tmp_path / "store" / "ledger.sqlite"
    ledger = Ledger.open(path)
    with ledger.write() as transaction:
        transaction.set_meta("note", "x" * 20_000)
    with ledger.write() as transaction:
        transaction.set_meta("note", "short")
    assert unused_pages(path) > 2
    return path


def unused_pages(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def beside(path: Path) -> Path:
    return path.with_name("ledger.sqlite.sha256")


def note(path: Path, value: str) -> None:
    with Ledger.open(path).write() as transaction:
        transaction.set_meta("note", value)


def code(problem: Problem | None) -> str:
    assert problem is not None and problem.is_error and problem.remedy
    return problem.code


def test_fingerprint__is_what_sha256sum_reads(path: Path) -> None:
    assert beside(path).read_text() == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ledger.sqlite\n"
    assert Ledger.open(path).fingerprint() is None


def test_fingerprint__a_flipped_bit_is_found_wherever_it_is(path: Path) -> None:
    """In each byte of the header, in table names, in rows, in pages that hold nothing: each bit in turn."""
    sound = path.read_bytes()
    for place in (*range(100), *range(100, len(sound), 397)):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ (1 << place % 8)]) + sound[place + 1 :])
        try:
            assert code(Ledger.open(path).fingerprint()) == "ledger-tampered", place
        except Refused as refused:  # SQLite found it before
            assert refused.problems[0].code in ("ledger-damaged", "ledger-tampered"), place
    path.write_bytes(sound)
    assert Ledger.open(path).fingerprint() is None


def test_fingerprint__a_ledger_put_back_from_a_copy_is_found_and_not_written_to(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "copy")
    note(path, "later")
    shutil.copy(tmp_path / "copy", path)
    assert code(Ledger.open(path).fingerprint()) == "ledger-tampered"
    before = path.read_bytes()
    with pytest.raises(Refused) as refused:
        note(path, "on top of it")
    assert refused.value.problems[0].code == "ledger-tampered" and path.read_bytes() == before


def test_fingerprint__a_change_that_was_meant_is_taken_over(path: Path) -> None:
    """As the remedy says: without the fingerprint the next command that writes makes a new one."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    beside(path).unlink()
    assert code(Ledger.open(path).fingerprint()) == "ledger-tampered"
    note(path, "after")
    assert Ledger.open(path).fingerprint() is None


@pytest.mark.parametrize("text", ["", "nonsense", "0" * 64 + "  other.sqlite\n", "\xff"])
def test_fingerprint__a_broken_one_is_found(path: Path, text: str) -> None:
    beside(path).write_bytes(text.encode("latin-1"))
    assert code(Ledger.open(path).fingerprint()) == "ledger-tampered"


def announced(path: Path) -> str:
    """What stands beside the ledger when a command is killed before its commit."""
    changes = int.from_bytes(path.read_bytes()[24:28], "big")
    return f"{beside(path).read_text()}# a command began to write at change {changes}\n"


def test_killed_before_the_commit__is_as_it_was(path: Path) -> None:
    beside(path).write_text(announced(path))
    assert Ledger.open(path).fingerprint() is None
    assert "#" not in beside(path).read_text(), "the next command that opens the ledger seals it again"


def test_killed_after_the_commit__is_one_commit_further(path: Path) -> None:
    text = announced(path)
    note(path, "committed")
    beside(path).write_text(text)
    assert Ledger.open(path).fingerprint() is None
    assert beside(path).read_text() == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ledger.sqlite\n"


def test_killed__does_not_excuse_another_change(path: Path) -> None:
    beside(path).write_text(announced(path))
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    assert code(Ledger.open(path).fingerprint()) == "ledger-tampered"
    with pytest.raises(Refused):
        note(path, "more")


def test_announcement_of_a_command_that_lives__is_left_to_it(path: Path) -> None:
    ledger = Ledger.open(path, busy_seconds=0.1)
    text = announced(path)
    with ledger.write():
        beside(path).write_text(text)
        assert Ledger.open(path).fingerprint() is None and beside(path).read_text() == text
        with pytest.raises(Busy), Ledger.open(path, busy_seconds=0).write():
            raise AssertionError("two writers at once")


def test_fingerprint__is_not_written_by_a_reader_or_a_command_that_changes_nothing(path: Path) -> None:
    before = (beside(path).stat().st_mtime_ns, path.stat().st_mtime_ns, os.listdir(path.parent))
    ledger = Ledger.open(path)
    with ledger.write():
        assert ledger.meta("note") == "short"
    assert (ledger.months(), ledger.entries(JULY)) == ((), ())
    assert (beside(path).stat().st_mtime_ns, path.stat().st_mtime_ns, os.listdir(path.parent)) == before


def test_rehearsal__sees_what_it_writes_and_keeps_nothing(path: Path) -> None:
    ledger, before = Ledger.open(path), path.read_bytes()
    with ledger.rehearsed() as transaction:
        transaction.set_meta("note", "rehearsed")
        assert transaction.number_invoice("", "INV", 2026, JULY, "search") == 1
        assert (ledger.meta("note"), len(ledger.invoice_numbers(JULY))) == ("rehearsed", 1)
        assert Ledger.open(path).meta("note") == "short"
        note(path, "meanwhile")  # no lock is held
    assert (ledger.meta("note"), ledger.invoice_numbers(JULY), path.read_bytes() == before) == ("meanwhile", (), False)
