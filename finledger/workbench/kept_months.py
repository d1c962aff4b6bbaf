"""Months that a report looks back on, as its trends show them: each is worked out once, and then kept (rules U1, A1).

What is kept stands in for what would be worked out again, so its question names all that the figures follow from: of a closed
month the close, of an open one its run, its usage, and what says whose that is and what it costs. `--as-of` reads and keeps
nothing: those books are copies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from finledger.books.kept_figures import KeptFigures, Rows
from finledger.core.period import Month
from finledger.workbench import Workbench

WorkOut = Callable[[], Mapping[str, Rows]]


class KeptMonths:
    """`of_run` for what follows from a month's recorded run and its usage, `of_usage` for what the books say of it now."""

    def __init__(self, bench: Workbench, *, writes: bool = False) -> None:
        self._bench = bench
        self._kept = KeptFigures(bench.root / "store" / "figures", writes=writes)

    def of_run(self, kind: str, month: Month, work_out: WorkOut) -> Mapping[str, Rows]:
        if not self._bench.uses_kept_groups:
            return work_out()
        close = self._bench.closed(month)
        about = {"close": close.hash} if close is not None else self._usage(month)
        return self._kept.of(month, {"kind": kind, "run": self._bench.ledger.run_digest(month), **about}, work_out)

    def of_usage(self, kind: str, month: Month, work_out: WorkOut) -> Mapping[str, Rows]:
        if not self._bench.uses_kept_groups:
            return work_out()
        return self._kept.of(month, {"kind": kind, **self._usage(month)}, work_out)

    def _usage(self, month: Month) -> dict[str, Any]:
        """The parts of the month, and of the one before, where its traces may begin; and all that labels and prices them."""
        ledger, root = self._bench.ledger, self._bench.store.root
        parts = [
            sorted((part.sha256, (root / part.path).exists()) for part in ledger.parts(each))
            for each in (month, month.before)
        ]
        return {"parts": parts, "terms": self._terms(month)}

    def _terms(self, month: Month) -> str:
        """What labels and prices the month's usage, as a hash; the prices, rates and reservations of other months do not count."""
        bench, first, last = self._bench, month.first_day, month.last_day
        held = [book for book in bench.frozen_pricebooks() if book.effective_from <= last and first < book.effective_until]
        books = [(book.name, book.sha256) for book in held]
        rates = [rate for rate in bench.rates if rate.date <= last]
        reserved = [each for each in bench.capacity if each.month == month]
        return hashlib.sha256(f"{self._organisation}{(books, rates, reserved)!r}".encode()).hexdigest()

    @cached_property
    def _organisation(self) -> str:
        """Whose usage is, as text: the organisation but for what is only planned."""
        organisation = self._bench.organisation
        said = replace(
            organisation,
            source=None,
            teams={
                name: replace(team, budget={}, forecast={}, targets={}, source=None)
                for name, team in organisation.teams.items()
            },
            rules=tuple(replace(rule, source=None) for rule in organisation.rules),
            pools=tuple(replace(pool, source=None) for pool in organisation.pools),
        )
        return repr(said)
