"""A set of books as it lies in its folder: people's decisions as text, checked; and the program's own store and ledger."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from finledger import objects
from finledger.books.ledger import Ledger
from finledger.books.store import Store
from finledger.books.transaction import edited_book, removed_book
from finledger.core.currency import CurrencyRate
from finledger.core.model import (
    DrawRequest,
    EvalBudget,
    EvalRecord,
    Organisation,
    PlatformCost,
    PriceBook,
    Reservation,
)
from finledger.core.problem import Misused, Outcome, Problem, Refused, SourceRef
from finledger.core.revenue import Revenue
from finledger.engines import DEFAULT, Engine, engine
from finledger.workbench.change import Change, changing, recover

SETTINGS = "finledger.yaml"
T = TypeVar("T")


class OpenBooks:
    """The books in one folder. Opening reads and checks the text files; the store and ledger are opened on first use."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._change: Change | None = None
        self.uses_kept_groups = True
        if not (root / SETTINGS).is_file():
            raise Misused(f"{root} holds no {SETTINGS}: it is not a set of books")

    # ── people's decisions: the text files ──────────────────────────────────────────────────────────────────────────────

    @cached_property
    def organisation(self) -> Organisation:
        from finledger.read.settings import read_settings

        organisation = _needed(read_settings(self.root / SETTINGS, SETTINGS))
        assert organisation is not None, "settings without an error are an organisation"
        return organisation

    @cached_property
    def pricebooks(self) -> tuple[PriceBook, ...]:
        """Every version in pricebooks/, checked among one another and against the organisation's currency."""
        from finledger.read.pricebook import check_currency, read_pricebooks

        outcome = read_pricebooks(self.root / "pricebooks", "pricebooks")
        books = _needed(outcome)
        problems = check_currency(books, self.organisation.currency)
        if problems:
            raise Refused(problems)
        return books

    def frozen_pricebooks(self) -> tuple[PriceBook, ...]:
        """The price books, none of which was edited or taken away after it was published (rule P1)."""
        frozen = self.ledger.frozen_books()
        edited = [book for book in self.pricebooks if frozen.get(book.name, book.sha256) != book.sha256]
        problems = [edited_book(book.name, book.file, frozen[book.name]) for book in edited]
        gone = sorted(frozen.keys() - {book.name for book in self.pricebooks})
        if gone:
            files = self.ledger.frozen_files()
            problems += [removed_book(name, files[name]) for name in gone]
        if problems:
            raise Refused(problems)
        return self.pricebooks

    def refuse_edited_pricebooks(self) -> None:
        """Stop a command that needs no prices, too, when a frozen book is not what it was (P1)."""
        if self.ledger.frozen_books():
            self.frozen_pricebooks()

    @cached_property
    def evals(self) -> tuple[EvalRecord, ...]:
        from finledger.read.evals import read_evals

        return _needed(read_evals(self.root / "evals", "evals"))

    @cached_property
    def rates(self) -> tuple[CurrencyRate, ...]:
        from finledger.read.rates import read_rates

        return _needed(read_rates(self.root / "rates.csv", "rates.csv"))

    @cached_property
    def draws(self) -> tuple[DrawRequest, ...]:
        from finledger.read.draws import read_draws

        return _needed(read_draws(self.root / "decisions" / "draws.csv", "decisions/draws.csv", self.organisation))

    @cached_property
    def platform_costs(self) -> tuple[PlatformCost, ...]:
        from finledger.read.platform_costs import read_platform_costs

        return _needed(read_platform_costs(self.root / "platform-costs.csv", "platform-costs.csv", self.organisation))

    @cached_property
    def capacity(self) -> tuple[Reservation, ...]:
        from finledger.read.capacity import read_capacity

        return _needed(read_capacity(self.root / "capacity.csv", "capacity.csv", self.organisation))

    @cached_property
    def eval_budgets(self) -> tuple[EvalBudget, ...]:
        from finledger.read.eval_budgets import read_eval_budgets

        return _needed(read_eval_budgets(self.root / "eval-budgets.csv", "eval-budgets.csv", self.organisation))

    @cached_property
    def revenue(self) -> tuple[Revenue, ...]:
        from finledger.read.revenue import read_revenue

        return _needed(read_revenue(self.root / "revenue.csv", "revenue.csv", self.organisation))

    # ── the program's own: store and ledger ─────────────────────────────────────────────────────────────────────────────

    @cached_property
    def ledger(self) -> Ledger:
        (self.root / "store").mkdir(exist_ok=True)
        ledger = Ledger.open(self.root / "store" / "ledger.sqlite")
        recorded, wanted = ledger.currency(), self.organisation.currency
        if recorded not in (None, wanted):
            raise Refused([ledger.fingerprint() or _other_currency(str(recorded), wanted)])
        recover(self.root, ledger)
        return ledger

    @contextmanager
    def change(self, dry_run: bool = False) -> Iterator[Change]:
        """One change to the books: `change.ledger` is the transaction, `change.put({path: content})` says what files hold.

        All of it is done at the end of the block, or nothing when anything is raised in it; whoever kills the process cannot
        make it half. A change inside another one joins it. In a dry run the ledger is a copy in memory and nothing is
        written. `Busy`: another process is changing the books. `OSError`: no room, or a place that cannot be written to.
        """
        if self._change is not None:
            assert self._change.dry_run == dry_run, "a change is a dry run as a whole, or not at all"
            with self._change.joined():
                yield self._change
            return
        with changing(self.root, self.ledger, dry_run) as change:
            self._change = change
            try:
                yield change
            finally:
                self._change = None

    def engine(self, name: str = DEFAULT) -> Engine:
        """What groups usage: the engine of that name, or the one that the settings choose."""
        choice = self.organisation.engine
        return engine(name or choice.kind, choice)

    @property
    def writes(self) -> bool:
        """Whether a change is being made that is no dry run."""
        return self._change is not None and not self._change.dry_run

    @contextmanager
    def from_rows(self) -> Iterator[None]:
        """All usage is read, row by row, and nothing that was kept of it counts: what is sealed rests on rows alone."""
        before, self.uses_kept_groups = self.uses_kept_groups, False
        try:
            yield
        finally:
            self.uses_kept_groups = before

    @cached_property
    def store(self) -> Store:
        if not self.organisation.store:
            return Store(self.root / "store")
        from finledger.books.remote_store import RemoteStore

        return RemoteStore(self.root / "store", self.organisation.store)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A folder for what is being made, inside the books so that finished files can be moved into place by rename.

        Whoever holds one holds the ledger too, so one that is found was left by a process that was killed.
        """
        (self.root / "store").mkdir(exist_ok=True)
        for left in (self.root / "store").glob("work-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="work-", dir=self.root / "store"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def shown(self, path: Path) -> str:
        """A file's name as messages show it: relative to the books where it lies in them; an object's URL."""
        url = objects.url_of(path)
        if url is not None:
            return url
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return str(path)


def _needed(outcome: Outcome[T]) -> T:
    """The rows of a reader that found no error; warnings of text files are for `pricebook lint`, not for every run."""
    if outcome.errors:
        raise Refused(outcome.problems)
    return outcome.rows


def _other_currency(recorded: str, wanted: str) -> Problem:
    return Problem(
        "currency-changed",
        f"the books are in {wanted}, and their charges so far are in {recorded}: credits, draws and the fund carry on from them",
        SourceRef(SETTINGS),
        remedy=f"write `currency: {recorded}` again, or begin new books in {wanted}",
    )
