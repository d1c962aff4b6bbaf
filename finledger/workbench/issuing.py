"""A set of books at work: a month charged, issued and posted; documents out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from finledger.books.events import Event, in_force
from finledger.books.loads import Advance
from finledger.books.transaction import Transaction
from finledger.core.history import SETTLED
from finledger.core.model import (
    MONEY_MOVES,
    UNALLOCATED,
    Invoice,
    MonthCharges,
    PriceBook,
    Seal,
)
from finledger.core.money import Money, total, zero
from finledger.core.period import Month, Quarter
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.repost import posted_as
from finledger.engines import DEFAULT
from finledger.pipeline import stated_forecasts
from finledger.workbench.change import Change
from finledger.workbench.months import Months
from finledger.workbench.numbers import give_numbers, numbered, void_notes
from finledger.workbench.open_books import OpenBooks
from finledger.workbench.sealed import as_of

UNPOSTED = "intercompany-accounts-missing"


class Workbench(Months):
    """The books in one folder, at work: loading, charging, documents, closing."""

    def allocate(
        self, month: Month, *, engine_name: str = DEFAULT, allow_unpriced: bool = False, record: bool = True
    ) -> tuple[MonthCharges, tuple[Invoice, ...]]:
        """Run the corridor for a month; `record` its result in the ledger, where it supersedes the month's last one.

        A closed month comes to what it was closed with, from what was sealed then, and is not recorded again.
        """
        with self.change(dry_run=not record) as change:
            close = self.closed(month)
            if close is not None:
                return self._as_closed(month, close, engine_name)
            charges, documents = self.charge(month, engine_name=engine_name, allow_unpriced=allow_unpriced)
            if record:
                self.record(change.ledger, charges)
        return charges, documents

    def _as_closed(self, month: Month, close: Event, engine_name: str) -> tuple[MonthCharges, tuple[Invoice, ...]]:
        """A closed month worked out from what was sealed; its entries, the provider's among them, are those it posted."""
        charges, documents = as_of(self, close, before=True).charge(month, engine_name=engine_name)
        charges = replace(charges, provisional=False, entries=self.ledger.entries(month))
        names = posted_as(charges.entries)
        return charges, tuple(
            replace(
                each,
                seal=Seal(close.number, close.hash),
                entry_ids=tuple(names.get(name, name) for name in each.entry_ids),
            )
            for each in documents
        )

    def record(self, ledger: Transaction, charges: MonthCharges) -> int:
        """Keep what the month came to; with it, what it must not differ from later: price books, forecasts (P1, B3).

        Returns the number of its run.
        """
        for book in self.pricebooks:
            if book.published is not None:
                ledger.freeze_book(book.name, book.sha256, book.file)
        ledger.freeze_forecasts(charges.month, stated_forecasts(self.organisation, charges.month))
        return ledger.record_month(charges)

    def issue(
        self, month: Month, *, record: bool = True, engine_name: str = DEFAULT
    ) -> tuple[MonthCharges, tuple[Invoice, ...]]:
        """The month's documents with their numbers, which are given for ever (rule L5); a draft price book issues nothing."""
        with self.change(dry_run=not record) as change:
            charges, documents = self.allocate(month, record=record, engine_name=engine_name)
            self._refuse_unissuable(charges)
            if record and self.closed(month) is None:
                return charges, self.number(change.ledger, month, documents)
        return charges, numbered(self.ledger, documents)

    def number(self, ledger: Transaction, month: Month, documents: Sequence[Invoice]) -> tuple[Invoice, ...]:
        """The documents with their numbers: those that they have, or the next ones (rule L5)."""
        give_numbers(ledger, documents)
        return numbered(self.ledger, documents)

    def journal(self, month: Month, *, record: bool = True, engine_name: str = DEFAULT) -> MonthCharges:
        """The month's charges with the entries to post; refused with a draft price book or across legal entities (L6)."""
        with self.change(dry_run=not record):
            charges, _ = self.allocate(month, record=record, engine_name=engine_name)
            self._refuse_unissuable(charges)
        return charges

    def unissuable(self, charges: MonthCharges) -> tuple[Problem, ...]:
        """Why the month can be looked at, and neither issued nor posted: draft price books, entities without accounts (L6)."""
        drafts = [_draft(book) for book in charges.books if book.published is None]
        return (*drafts, *(replace(each, severity="error") for each in charges.notices if each.code == UNPOSTED))

    def _refuse_unissuable(self, charges: MonthCharges) -> None:
        problems = self.unissuable(charges)
        if problems:
            raise Refused(problems)

    # ── documents ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def write_documents(
        self, documents: Sequence[Invoice], formats: Sequence[str], *, dry_run: bool = False, advance: Advance | None = None
    ) -> list[Path]:
        """Each document in each format, all of them or none: in out/MONTH/invoices/, notes/ and statements/."""
        books = self.books_of(documents[0].month) if documents else self
        contents = self.document_contents(documents, formats, advance, books=books)
        with self.change(dry_run=dry_run) as change:
            for each in documents[:1]:
                self.put(change, each.month, contents)
            for path in void_notes(self.ledger, documents, self.root / "out"):
                change.remove(path)
        return list(contents)

    def document_contents(
        self,
        documents: Sequence[Invoice],
        formats: Sequence[str],
        advance: Advance | None = None,
        quarter: Quarter | None = None,
        books: OpenBooks | None = None,
    ) -> dict[Path, bytes]:
        """Each document in each format, by the path where it belongs: its month's folder, or that of the quarter it settles.

        In the templates of `books`, or of these.
        """
        from finledger.resources import shipped
        from finledger.write import invoice as writers
        from finledger.write.templates import Templates

        folders = [(books or self).root / "templates", shipped("templates")]
        wanted = [(format, each) for each in documents for format in formats]
        contents = {}
        for (format, each), content in zip(wanted, writers.render_all(wanted, lambda: Templates(folders)), strict=True):
            place = self.root / "out" / str(quarter or each.month) / writers.place(each)
            contents[place.with_name(place.name + writers.suffix(format))] = content
            if advance is not None:
                advance(1)
        return contents

    def put(self, change: Change, month: Month, contents: Mapping[Path, bytes]) -> None:
        """Put files of a month in place. Of a closed month, those that it was closed with stay as they are, and new ones are
        put into the log with their hashes; one that is not as it was closed, and cannot be made so again, is `Refused`.
        """
        close = self.closed(month)
        if close is None:
            change.put(contents)
            return
        sealed = dict(pair for event in self.ledger.events("documents", close.period) for pair in event.content["files"])
        fresh: list[list[str]] = []
        lost: list[Problem] = []
        for path, content in contents.items():
            name, sha256 = self.shown(path), hashlib.sha256(content).hexdigest()
            if sealed.get(name, sha256) == sha256:
                change.put({path: content})
                fresh += [] if name in sealed else [[name, sha256]]
            elif not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sealed[name]:
                lost.append(_lost(name, close))
        if lost:
            raise Refused(lost)
        if fresh and not change.dry_run:
            listed = {"close": close.number, "files": sorted(fresh)}
            change.ledger.add_event("documents", close.period, str(close.number), listed)

    def books_of(self, month: Month) -> OpenBooks:
        """The books whose texts (names, templates) the month's files are made from: these; of a closed one those it sealed."""
        close = self.closed(month)
        return self if close is None else as_of(self, close)

    def charge_contents(self, charges: MonthCharges, books: OpenBooks | None = None) -> dict[Path, bytes]:
        """charges.csv and the FOCUS files of the month; with corrections of closed months also what they restate (L3).

        `books`: whose texts count, `books_of` the month; left out, these.
        """
        from finledger.write import restatement as restated
        from finledger.write.figures import charges_csv
        from finledger.write.focus import focus_files

        folder = self.root / "out" / str(charges.month)
        contents = {folder / "charges.csv": charges_csv(charges)}
        contents |= {folder / name: file for name, file in focus_files(charges, (books or self).organisation).items()}
        posted: dict[tuple[Month, str], Money] = {}
        corrects = any(line.key.service_month != charges.month for line in charges.lines)
        for flow in self.ledger.flows(charges.month) if corrects else ():
            if flow.kind not in ("adjustment", SETTLED):
                of = (flow.service_month, flow.team)
                posted[of] = posted.get(of, zero(charges.currency)) + Money(flow.minor, charges.currency)
        found = restated.restatement(charges.lines, posted)
        if found or (folder / "restatement.csv").exists():
            contents[folder / "restatement.csv"] = restated.restatement_csv(found)
            contents[folder / "restatement.json"] = restated.restatement_json(charges.month, charges.currency, found)
        return contents

    def write_journal(self, charges: MonthCharges, formats: Sequence[str], *, dry_run: bool = False) -> list[Path]:
        """The month's entries in each format: out/MONTH/journal/MONTH.csv, …; nothing where nothing is posted, but for a file
        of an earlier run, which is emptied of what is posted no more.
        """
        contents = self.journal_contents(charges, formats, self.books_of(charges.month))
        with self.change(dry_run=dry_run) as change:
            self.put(change, charges.month, contents)
        return list(contents)

    def journal_contents(
        self, charges: MonthCharges, formats: Sequence[str], books: OpenBooks | None = None
    ) -> dict[Path, bytes]:
        """The journal in each format, by the path where it belongs; named as `books` are, or as these."""
        from finledger.write import journal as writers

        journal = writers.Journal((books or self).organisation.books, charges.month, charges.currency, charges.entries)
        folder = self.root / "out" / str(charges.month) / "journal"
        paths = {name: folder / f"{charges.month}{writers.suffix(name)}" for name in formats}
        return {path: writers.render(name, journal) for name, path in paths.items() if charges.entries or path.exists()}

    def status(self) -> list[dict[str, object]]:
        """Every month with what stands in it and the command that comes next ("" when none does)."""
        self.refuse_edited_pricebooks()
        parts = self.ledger.parts()
        closes = in_force(self.ledger.events())
        found: list[dict[str, object]] = []
        for month in self.months():
            run = self.ledger.current_run(month)
            lines = self.ledger.charge_rows(month) if run is not None else ()
            currency = self.organisation.currency
            numbers = self.ledger.invoice_numbers(month)
            loose = total((line.amount for line in lines if line.key.team == UNALLOCATED), currency)
            made = self.root / "out" / str(month)
            moves = any(team.stage_in(month) in MONEY_MOVES for team in self.organisation.teams.values())
            issued = bool(numbers) if moves else (made / "statements").is_dir()
            posted = not moves or (made / "journal").is_dir()
            close = closes.get(str(month))
            done = (run is not None, issued, posted, close is not None)
            steps = zip(
                ("allocate", "invoice", "journal", "close"), (each or close is not None for each in done), strict=True
            )
            following = next((name for name, done in steps if not done), "")
            found.append(
                {
                    "month": str(month),
                    "rows": sum(part.rows for part in parts if part.month == month),
                    "charged": str(total((line.amount for line in lines), currency)) if run is not None else None,
                    "unallocated": str(loose) if run is not None else None,
                    "invoices": len(numbers),
                    "closed": close.number if close is not None else None,
                    "next": f"finledger {following} --month {month}" if following else "",
                }
            )
        return found


def _draft(book: PriceBook) -> Problem:
    return Problem(
        "pricebook-draft",
        f"price book {book.name} is a draft: what it prices can be looked at, not issued or posted",
        SourceRef(book.file, 1),
        remedy="add the line `published: DATE`; from then on the book is frozen",
    )


def _lost(name: str, close: Event) -> Problem:
    return Problem(
        "document-lost",
        f"{name} is not as close {close.number} sealed it, and cannot be written so again: since then a dispute about it was opened "
        "or decided, or finledger words it otherwise",
        SourceRef(name),
        remedy="put it back from a backup; other formats of it can still be written",
    )
