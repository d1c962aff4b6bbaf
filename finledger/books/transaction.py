"""What can be written to the ledger: by one transaction at a time, as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Table, func, insert, literal_column, select, update

from finledger.books import ledger_rows as rows
from finledger.books import ledger_tables as tables
from finledger.books.events import Event, EventKind, Marks, canonical, event_hash
from finledger.core.model import JournalEntry, LoadedFile, MonthCharges, Part, PriceBook
from finledger.core.period import Month, Quarter
from finledger.core.problem import Problem, Refused, SourceRef


class Transaction:
    """What can be written, inside `Ledger.write()`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_file(self, file: LoadedFile) -> bool:
        """Record a loaded export; False, and nothing is written, when its content was loaded before."""
        known = select(tables.files.c.number).where(tables.files.c.sha256 == file.sha256)
        if self._connection.execute(known).first() is not None:
            return False
        self._connection.execute(insert(tables.files), asdict(file))
        return True

    def add_part(self, part: Part) -> bool:
        """Record a Parquet part of a recorded file; False, and nothing is written, when its path is known."""
        known = select(tables.parts.c.number).where(tables.parts.c.path == part.path)
        if self._connection.execute(known).first() is not None:
            return False
        row = {name: getattr(part, name) for name in ("path", "sha256", "rows", "file_sha256", "rejected")}
        self._connection.execute(insert(tables.parts), {**row, "month": str(part.month) if part.month else None})
        return True

    def freeze_book(self, name: str, sha256: str, file: str) -> None:
        """Freeze a published book; again with the same content is nothing, with another is `Refused` (rule P1)."""
        table = tables.frozen_books
        known = self._connection.execute(select(table.c.sha256).where(table.c.name == name)).scalar()
        if known is None:
            self._connection.execute(insert(table), {"name": name, "sha256": sha256, "file": file})
        elif known != sha256:
            raise Refused([edited_book(name, file, known)])

    def freeze_forecasts(self, month: Month, forecasts: Mapping[str, Decimal]) -> None:
        """Keep the month's forecasts as they stand; once they are kept, later ones do not count (rule B3)."""
        table = tables.frozen_forecasts
        known = self._connection.execute(select(table.c.month).where(table.c.month == str(month))).first()
        if known is None:
            texts = {team: format(amount, "f") for team, amount in sorted(forecasts.items())}
            self._connection.execute(insert(table), {"month": str(month), "forecasts": json.dumps(texts)})

    def add_event(self, kind: EventKind, period: str, subject: str, content: Mapping[str, Any]) -> Event:
        """Append to the log. `content` is plain JSON: texts, whole numbers, lists and mappings of them."""
        table = tables.events
        last = self._connection.execute(
            select(table.c.number, table.c.hash).order_by(table.c.number.desc()).limit(1)
        ).first()
        number, previous = (1, "") if last is None else (int(last.number) + 1, str(last.hash))
        text = canonical(content)
        event = Event(
            number,
            kind,
            period,
            subject,
            json.loads(text),
            previous,
            event_hash(number, kind, period, subject, text, previous),
        )
        row = {name: getattr(event, name) for name in ("number", "kind", "period", "subject", "previous", "hash")}
        self._connection.execute(insert(table), {**row, "content": text})
        return event

    def marks(self) -> Marks:
        """How far the ledger has come, with what this transaction wrote."""
        return marks_of(self._connection)

    def listed(self, marks: Marks) -> str:
        """The digest of what the ledger lists up to the marks."""
        return listed_digest(self._connection, marks)

    def digest_of(self, run: int) -> str:
        """The digest of a run as it was recorded."""
        return str(self._connection.execute(select(tables.runs.c.digest).where(tables.runs.c.run == run)).scalar_one())

    def meta(self, key: str) -> str | None:
        value = self._connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == key)).scalar()
        return None if value is None else str(value)

    def set_meta(self, key: str, value: str) -> None:
        found = self._connection.execute(update(tables.meta).where(tables.meta.c.key == key).values(value=value))
        if found.rowcount == 0:
            self._connection.execute(insert(tables.meta), {"key": key, "value": value})

    def record_month(self, charges: MonthCharges) -> int:
        """Store what the month came to as a run and return its number.

        The same content as the month's current run writes nothing and returns that run's number; another content becomes a
        new run that supersedes it. Rows of older runs stay. Disclosures, totals and entries go with the lines.
        """
        return self._record(charges.month, rows.run_content(charges))

    def record_quarter(
        self,
        quarter: Quarter,
        currency: str,
        books: Sequence[PriceBook],
        entries: Sequence[JournalEntry],
        provisional: bool = True,
    ) -> int:
        """Store the entries of a quarter's end as a run, which supersedes the quarter's last one (rule L2)."""
        return self._record(quarter, rows.quarter_content(quarter, currency, books, entries, provisional))

    def _record(self, period: Month | Quarter, content: rows.RunContent) -> int:
        if not content.fits():
            raise Refused([_too_large(period)])
        digest = content.digest()
        current, current_digest = current_run(self._connection, period)
        if current is not None and current_digest == digest:
            return current
        number = int(self._connection.execute(select(func.coalesce(func.max(tables.runs.c.run), 0) + 1)).scalar_one())
        content.write(self._connection, number, digest, supersedes=current)
        rows.assert_conserved(self._connection, number, content)
        return number

    def number_invoice(self, entity: str, series: str, year: int, month: Month, team: str) -> int:
        """The document's number: the next of its entity, series and year, or the one it was given before (rule L5)."""
        return self._number(tables.invoices, entity, series, year, {"month": str(month), "team": team})

    def number_note(self, entity: str, series: str, year: int, month: Month, team: str, about: str) -> int:
        """The number of the note that corrects `about` for the team in the posting month: the next, or the one it has (L5)."""
        return self._number(tables.notes, entity, series, year, {"month": str(month), "team": team, "about": about})

    def _number(self, table: Table, entity: str, series: str, year: int, document: Mapping[str, str]) -> int:
        mine = (table.c.entity == entity) & (table.c.series == series)
        same = [table.c[name] == value for name, value in document.items()]
        given = self._connection.execute(select(table.c.sequence).where(mine, *same)).scalar()
        if given is not None:
            return int(given)
        last = select(func.coalesce(func.max(table.c.sequence), 0)).where(mine, table.c.year == year)
        sequence = int(self._connection.execute(last).scalar_one()) + 1
        numbered = {"entity": entity, "series": series, "year": year, "sequence": sequence}
        self._connection.execute(insert(table), {**numbered, **document})
        return sequence


def marks_of(connection: Connection) -> Marks:
    numbers = {
        "files": tables.files.c.number,
        "parts": tables.parts.c.number,
        "runs": tables.runs.c.run,
        "events": tables.events.c.number,
        "invoices": literal_column("invoices.rowid"),
        "notes": literal_column("notes.rowid"),
    }
    last = {}
    for name, column in numbers.items():
        query = select(func.coalesce(func.max(column), 0)).select_from(tables.metadata.tables[name])
        last[name] = int(connection.execute(query).scalar_one())
    months = connection.execute(select(tables.frozen_forecasts.c.month).order_by(tables.frozen_forecasts.c.month)).scalars()
    books = connection.execute(select(tables.frozen_books.c.name).order_by(tables.frozen_books.c.name)).scalars()
    return Marks(**last, forecasts=tuple(months), books=tuple(books))


def listed_digest(connection: Connection, marks: Marks) -> str:
    """SHA-256 of what the ledger lists up to the marks: exports, parts, runs by their digests, frozen texts, numbers given (L2).

    With the digests of the sealed runs, and the chain of the log, that is every row that a close stands on.
    """
    kept = {
        tables.files: tables.files.c.number <= marks.files,
        tables.parts: tables.parts.c.number <= marks.parts,
        tables.runs: tables.runs.c.run <= marks.runs,
        tables.invoices: literal_column("invoices.rowid") <= marks.invoices,
        tables.notes: literal_column("notes.rowid") <= marks.notes,
        tables.frozen_books: tables.frozen_books.c.name.in_(marks.books),
        tables.frozen_forecasts: tables.frozen_forecasts.c.month.in_(marks.forecasts),
    }
    found = hashlib.sha256()
    for table, condition in kept.items():
        for row in connection.execute(select(table).where(condition).order_by(*table.primary_key.columns)):
            found.update(f"{canonical([table.name, *row])}\n".encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def current_run(connection: Connection, period: Month | Quarter, marks: Marks | None = None) -> tuple[int | None, str]:
    """Number and digest of the period's current run. Runs only ever supersede the current one, so it is the last."""
    query = select(tables.runs.c.run, tables.runs.c.digest).where(tables.runs.c.month == str(period))
    if marks is not None:
        query = query.where(tables.runs.c.run <= marks.runs)
    found = connection.execute(query.order_by(tables.runs.c.run.desc()).limit(1)).first()
    return (None, "") if found is None else (int(found.run), str(found.digest))


def _too_large(period: Month | Quarter) -> Problem:
    return Problem(
        code="amount-too-large",
        message=f"{period} comes to amounts of more than 19 digits, which nobody is charged and the ledger cannot hold",
        source=SourceRef("usage"),
        remedy="look for a quantity, a price or an amount that is far too large: --dry-run shows the figures without keeping them",
    )


def removed_book(name: str, file: str) -> Problem:
    return Problem(
        code="pricebook-removed",
        message=f"price book {name} was published and is no longer in pricebooks/",
        source=SourceRef(file),
        remedy="put the file back as it was published; what is published prices its days for ever",
    )


def edited_book(name: str, file: str, frozen: str) -> Problem:
    return Problem(
        code="pricebook-edited",
        message=f"price book {name} was changed after it was published (frozen as {frozen[:12]}…)",
        source=SourceRef(file, 1),
        remedy=f"put {file} back as it was published; publish the change as the next version, with a later effective_from",
    )
