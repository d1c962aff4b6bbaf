"""The books as pandas frames, for notebooks: charges, postings, usage. Nothing in the corridor uses them.

    from finledger.api import Books
    Books("northwind").charges("2026-07").groupby("team")["amount"].sum()

Amounts, quantities and unit prices are `decimal.Decimal` objects: sums of them are exact.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pandas as pd

from finledger.core.money import Money
from finledger.core.period import Month
from finledger.workbench import Workbench
from finledger.write.figures import CHARGE_COLUMNS, charge_rows

_DECIMALS = ("line_amount", "quantity", "unit_price", "amount")
POSTING_COLUMNS = (
    "entry_id",
    "posting_date",
    "service_month",
    "team",
    "entity",
    "account",
    "cost_center",
    "component",
    "debit",
    "credit",
)


class Books:
    """A set of books, read only. Charges and postings are those that `finledger allocate` last recorded."""

    def __init__(self, folder: str | Path) -> None:
        self._bench = Workbench(Path(folder))

    def charges(self, month: str) -> pd.DataFrame:
        """One row a component of a charge line; the columns of charges.csv."""
        rows = charge_rows(self._bench.ledger.charge_rows(Month.parse(month)))
        frame = pd.DataFrame(rows, columns=list(CHARGE_COLUMNS), dtype=object)
        for name in _DECIMALS:
            frame[name] = pd.Series([Decimal(text) for text in frame[name]], index=frame.index, dtype=object)
        return frame

    def postings(self, month: str) -> pd.DataFrame:
        """One row a posting; debit or credit is None on the other side."""
        rows = [
            (
                entry.entry_id,
                entry.posting_date,
                str(entry.service_month),
                entry.team,
                entry.entity_of(posting),
                posting.account.name,
                posting.cost_center,
                posting.component,
                posting.amount.amount if posting.amount.minor > 0 else None,
                Money(-posting.amount.minor, posting.amount.currency).amount if posting.amount.minor < 0 else None,
            )
            for entry in self._bench.ledger.entries(Month.parse(month))
            for posting in entry.postings
        ]
        return pd.DataFrame(rows, columns=list(POSTING_COLUMNS), dtype=object)

    def usage(self, month: str | None = None) -> pd.DataFrame:
        """Sums of stored usage by month and source."""
        rows = self._bench.usage_summary(None if month is None else Month.parse(month))
        return pd.DataFrame(rows, dtype=object)
