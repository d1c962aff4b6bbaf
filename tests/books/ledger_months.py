"""Months to write into a ledger, and what another process does with one: `python ledger_months.py ACTION LEDGER …`.

`size` scales a month: 1 is three teams, each with a line of 11.12 made of four components, so 24 postings.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from finledger.books.ledger import Ledger
from finledger.core.model import (
    BufferState,
    ChargeLine,
    Dated,
    Disclosure,
    LineKey,
    MonthCharges,
    Operated,
    Organisation,
    PriceBook,
    Team,
    TeamTotal,
    Uplift,
)
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.post import post

JULY, AUGUST, SEPTEMBER = Month(2026, 7), Month(2026, 8), Month(2026, 9)
PARTS = (("base", 930), ("buffer", 42), ("overhead", 135), ("registry", 5))


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def price_book(sha256: str = "f" * 64) -> PriceBook:
    return PriceBook(
        "2026-Q3", 1, date(2026, 7, 1), date(2026, 10, 1), date(2026, 6, 24), "USD", 6, "half_up", {}, {}, {}, {}, Uplift(),
        {}, sha256=sha256,
    )  # fmt: skip


def month_charges(month: Month = JULY, size: int = 1, extra: int = 0) -> MonthCharges:
    """`extra` minor units more base cost on the first line: another content."""
    names = [f"team-{number}" for number in range(3 * size)]
    organisation = Organisation(
        "B", "USD", "UTC", "ai-platform", "cc-1000",
        {name: Team(name, Dated.always(f"cc-{name}"), Dated.always("chargeback")) for name in names},
    )  # fmt: skip
    lines = tuple(_line(name, month, extra if number == 0 else 0) for number, name in enumerate(names))
    return MonthCharges(
        month=month,
        currency="USD",
        provisional=False,
        books=(price_book(),),
        lines=lines,
        disclosures=(Disclosure(lines[0].key, Decimal(10), usd(23), usd(12), usd(11)),),
        teams=(TeamTotal("team-0", "chargeback", usd(1112), usd(2000), None, usd(0)),),
        features=(),
        pools=(),
        unallocated=usd(0),
        unallocated_share=Fraction(0),
        buffer=BufferState(usd(0), usd(0), usd(0)),
        entries=post(lines, organisation, month).rows,
        checks=(),
    )


def _line(name: str, month: Month, extra: int) -> ChargeLine:
    key = LineKey(name, f"cc-{name}", "f", "chat_call", "inference", "gpt", "action", "2026-Q3.v1", month, month)
    parts = tuple((component, usd(minor + (extra if component == "base" else 0))) for component, minor in PARTS)
    return ChargeLine(
        key, "chargeback", Decimal(1000), "action", Decimal("0.011123"), usd(1112 + extra), parts,
        token_cost=Decimal("9.300000001"), failed=2, tokens={"output_tokens": 400, "input_tokens": 1500},
        rules=((1, 990), (4, 10)), operators=(Operated("tools", "cc-tools", usd(200)), Operated("tools", "cc-tools-2", usd(30))),
    )  # fmt: skip


def _hold(ledger: Ledger) -> None:
    with ledger.write() as transaction:
        transaction.set_meta("held", "yes")
        print("holding", flush=True)
        time.sleep(60)


def _rewrite_for_ever(ledger: Ledger) -> None:
    """Two contents in turn, each a run that supersedes the one before: killed wherever it happens to be."""
    contents = [month_charges(JULY, 60), month_charges(JULY, 60, extra=1)]
    print("writing", flush=True)
    for turn in range(100_000):
        with ledger.write() as transaction:
            transaction.record_month(contents[turn % 2])


def _number(ledger: Ledger, worker: str) -> None:
    for count in range(6):
        for entity in ("", "northwind-eu"):
            with ledger.write() as transaction:
                transaction.number_invoice(entity, "INV", 2026, JULY, f"team-{worker}-{count}")


def _record(ledger: Ledger) -> None:
    with ledger.write() as transaction:
        print("recording", flush=True)
        transaction.record_month(replace(month_charges(AUGUST, 60), provisional=True))


if __name__ == "__main__":
    opened = Ledger.open(Path(sys.argv[2]), busy_seconds=30)
    actions = {"hold": _hold, "rewrite": _rewrite_for_ever, "record": _record, "number": _number}
    actions[sys.argv[1]](opened, *sys.argv[3:])
