"""Months as the ledger has them: the lines that were recorded, with what follows from lines alone (rules L2, X4).

What is compared with other months, and trends, take earlier months from here: charging each of them again would say the same,
and take as long as the month that is looked at.
"""

from __future__ import annotations

import hashlib
from functools import cached_property

from finledger.books.events import Event
from finledger.core.invoice import is_own, team_totals
from finledger.core.model import BufferState, MonthCharges
from finledger.core.money import zero
from finledger.core.period import Month
from finledger.core.quality import Evals, measure
from finledger.pipeline import stated_forecasts, unallocated_share
from finledger.workbench import Workbench
from finledger.workbench.open_books import OpenBooks
from finledger.workbench.sealed import as_of, texts

_MOVED = frozenset({"buffer_draw", "buffer_repayment"})  # after the share is measured (A2)


class Shelf:
    """Months as the ledger has them, with the organisation and the evaluations of their closes."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    @cached_property
    def _texts(self) -> dict[str, str]:
        """The texts that figures of quality and budgets are from, as they are now: name → SHA-256."""
        return {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in texts(self._bench.root).items()
            if _counts(name)
        }

    def _books(self, close: Event | None) -> OpenBooks:
        """These books while they say what was sealed; else those of the close."""
        if close is None:
            return self._bench
        sealed = {name: sha256 for name, sha256 in close.content["inputs"] if _counts(name)}
        return self._bench if sealed == self._texts else as_of(self._bench, close)

    def recorded(self, month: Month) -> MonthCharges | None:
        """What the month's current run holds, its lines condensed (`ledger.condensed_rows`), and of the fund nothing.

        None where nobody allocated it, or where it does not say enough.
        """
        bench = self._bench
        close = bench.closed(month)
        books = self._books(close)
        organisation = books.organisation
        if bench.ledger.current_run(month) is None or organisation.unallocated != "hold":
            return None  # what was spread over teams is not recorded as unallocated any more
        if any(each.month == month for each in bench.capacity):
            return None  # nor are the reserved hours that nobody used and the platform bears
        lines = bench.ledger.condensed_rows(month)
        currency = organisation.currency
        loose, share = unallocated_share((each for each in lines if each.key.kind not in _MOVED and is_own(each)), currency)
        none = zero(currency)
        state = BufferState(none, none, none)
        forecasts = bench.ledger.frozen_forecasts(month) or stated_forecasts(organisation, month)
        held = [book for book in books.pricebooks if book.effective_from <= month.last_day]
        return MonthCharges(
            month=month,
            currency=currency,
            provisional=close is None,
            books=tuple(book for book in held if month.first_day < book.effective_until),
            lines=lines,
            disclosures=(),
            teams=team_totals(lines, organisation, month, forecasts, state),
            features=measure(filter(is_own, lines), Evals(books.evals), {}, organisation, month),
            pools=(),
            unallocated=loose,
            unallocated_share=share,
            buffer=state,
            entries=(),
            checks=(),
        )


def _counts(name: str) -> bool:
    return name == "finledger.yaml" or name.startswith(("evals/", "pricebooks/"))
