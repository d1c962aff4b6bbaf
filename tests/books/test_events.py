"""The log of the ledger: gapless, chained, and the ledger as it was at a moment (rule L2)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from finledger.books.events import broken_links
from finledger.books.ledger import Ledger
from finledger.core.period import Month

JULY = Month(2026, 7)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "store" / "ledger.sqlite")


def logged(ledger: Ledger) -> None:
    with ledger.write() as writing:
        writing.add_event("close", "2026-07", "", {"run": 1, "waivers": ["é", {"b": 1, "a": 2}]})
        writing.add_event("documents", "2026-07", "", {"files": []})
    with ledger.write() as writing:
        writing.add_event("close", "2026-08", "", {"run": 2})


def test_events__are_chained(ledger: Ledger) -> None:
    logged(ledger)
    first, second, third = ledger.events()
    assert [each.number for each in (first, second, third)] == [1, 2, 3]
    assert first.previous == "" and second.previous == first.hash and third.previous == second.hash
    assert first.content == {"run": 1, "waivers": ["é", {"a": 2, "b": 1}]}
    assert list(broken_links(ledger.events())) == []
    assert [each.number for each in ledger.events("close")] == [1, 3]
    assert [each.number for each in ledger.events(period="2026-07")] == [1, 2]


@pytest.mark.parametrize("column", ["kind", "period", "subject", "content", "previous"])
def test_events__a_change_past_the_guards_breaks_the_chain(ledger: Ledger, tmp_path: Path, column: str) -> None:
    logged(ledger)
    with closing(sqlite3.connect(tmp_path / "store" / "ledger.sqlite")) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute(f"UPDATE events SET {column} = '{{}}' WHERE number = 1")
        connection.commit()
    assert [each.number for each in broken_links(ledger.events())] == [1]


def test_events__one_that_is_taken_out_is_missed(ledger: Ledger, tmp_path: Path) -> None:
    logged(ledger)
    with closing(sqlite3.connect(tmp_path / "store" / "ledger.sqlite")) as connection:
        connection.execute("DROP TRIGGER events_no_delete")
        connection.execute("DELETE FROM events WHERE number = 2")
        connection.commit()
    assert [each.number for each in broken_links(ledger.events())] == [3]


def test_as_of__shows_what_stood_there(ledger: Ledger) -> None:
    with ledger.write() as writing:
        writing.add_event("close", "2026-07", "", {})
        writing.number_invoice("", "INV", 2026, JULY, "search")
        marks = writing.marks()
    with ledger.write() as writing:
        writing.add_event("close", "2026-08", "", {})
        writing.number_invoice("", "INV", 2026, JULY, "support")
        writing.freeze_forecasts(JULY, {})
    before = ledger.as_of(marks)
    assert [each.period for each in before.events()] == ["2026-07"]
    assert [each.team for each in before.invoice_numbers(JULY)] == ["search"]
    assert before.frozen_forecasts(JULY) is None and ledger.frozen_forecasts(JULY) == {}
