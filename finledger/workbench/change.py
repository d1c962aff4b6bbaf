"""One change to a set of books: what the ledger says and what the books' folder holds, together or not at all.

The files are made ready in store/pending/, the ledger is committed with their token, then they are moved into place. Killed
before the commit, a command has done nothing; killed after it, the next command moves the rest. Only who holds the ledger's
lock touches store/pending/, and whoever takes the lock looks there first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from finledger.books.ledger import Ledger
from finledger.books.transaction import Transaction
from finledger.core.problem import Busy, Refused
from finledger.write.files import Pending

TOKEN = "placed"  # in the ledger's meta table: the token of the files that were last put into place


class Change:
    """What shall be true after `OpenBooks.change()`: rows for the ledger, contents for files."""

    def __init__(self, ledger: ExitStack, source: Ledger, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.changed: tuple[Path, ...] = ()
        self.broken = False
        self._stack = ledger
        self._source = source
        self._contents: dict[Path, bytes | None] = {}

    @cached_property
    def ledger(self) -> Transaction:
        """The ledger to write to; in a dry run a copy in memory, from which nothing is kept."""
        return self._stack.enter_context(self._source.rehearsed() if self.dry_run else self._source.write())

    def put(self, contents: Mapping[Path, bytes]) -> None:
        """The files shall hold these contents; a later content of the same file takes the place of an earlier one."""
        self._contents.update(contents)

    def remove(self, path: Path) -> None:
        """The file shall not be there."""
        self._contents[path] = None

    @contextmanager
    def joined(self) -> Iterator[None]:
        """A part of this change: one that fails makes all of it fail, also where its exception is caught."""
        try:
            yield
        except BaseException:
            self.broken = True
            raise

    @property
    def contents(self) -> Mapping[Path, bytes | None]:
        return self._contents

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that was put, changed or not, in the order in which they were."""
        return tuple(path for path, content in self._contents.items() if content is not None)


@contextmanager
def changing(root: Path, ledger: Ledger, dry_run: bool = False) -> Iterator[Change]:
    """`OpenBooks.change()` on these books."""
    pending = _pending(root)
    token = ""
    try:
        with ExitStack() as stack:
            change = Change(stack, ledger, dry_run)
            if not dry_run:
                pending.settle(change.ledger.meta(TOKEN))
            yield change
            if not dry_run:
                assert not change.broken, "an exception inside a change was swallowed: it must not be committed"
                token, change.changed = pending.stage(change.contents, change.ledger.meta(TOKEN) or "")
                if token:
                    change.ledger.set_meta(TOKEN, token)
    except BaseException:
        if not dry_run:
            with suppress(OSError, Busy, Refused):  # what went wrong first is what is raised
                _settle(ledger, pending, busy_seconds=0)
        raise
    if token:
        try:
            _settle(ledger, pending)
        except Busy:  # another process has the lock, and with it the duty to put the files into place
            if pending.folder.exists():
                raise


def recover(root: Path, ledger: Ledger) -> None:
    """Finish or throw away what a killed command left; nothing while a living one holds the ledger."""
    pending = _pending(root)
    with suppress(Busy):
        _settle(ledger, pending, busy_seconds=0)


def _pending(root: Path) -> Pending:
    return Pending(root / "store" / "pending", root)


def _settle(ledger: Ledger, pending: Pending, busy_seconds: float | None = None) -> None:
    if pending.folder.exists():
        with ledger.write(busy_seconds) as transaction:
            pending.settle(transaction.meta(TOKEN))
