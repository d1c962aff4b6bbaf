"""The numbers of invoices and notes, given once and never again, and what each note corrects (rules L3, L4, L5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from finledger.books.ledger import Ledger
from finledger.books.transaction import Transaction
from finledger.core.disputes import held_lines
from finledger.core.invoice import SERIES, invoice_number, on_note
from finledger.core.model import ChargeLine, Invoice
from finledger.core.notes import (
    Corrected,
    DocumentKey,
    about,
    document_key,
    with_held,
    with_numbers,
    with_originals,
)
from finledger.core.period import Month


def give_numbers(ledger: Transaction, documents: Iterable[Invoice]) -> None:
    """Give every invoice and note its number, the next of its entity, series and year, or the one it has."""
    for document in documents:
        key, month = document_key(document), document.month
        if key is None:
            continue
        if document.is_note:
            ledger.number_note(document.entity, key.series, month.year, month, key.team, key.about)
        else:
            ledger.number_invoice(document.entity, key.series, month.year, month, key.team)


def given_numbers(ledger: Ledger, month: Month) -> dict[DocumentKey, str]:
    """The numbers of the month's invoices and notes, as far as they were given."""
    found = {
        DocumentKey(each.series, each.team): invoice_number(each.entity, each.year, each.sequence, each.series)
        for each in ledger.invoice_numbers(month)
    }
    for note in ledger.note_numbers(month):
        number = invoice_number(note.entity, note.year, note.sequence, note.series)
        found[DocumentKey(note.series, note.team, note.about)] = number
    return found


def numbered(ledger: Ledger, documents: Sequence[Invoice]) -> tuple[Invoice, ...]:
    """The month's documents as they can be sent: with the numbers they were given, notes with what they correct and why,
    and lines under dispute marked.
    """
    if not documents:
        return ()
    notes = [document for document in documents if document.is_note]
    found = with_numbers(documents, given_numbers(ledger, documents[0].month))
    held = {line_id: f"{each.dispute_id}: {each.reason}" for line_id, each in held_lines(ledger.events()).items()}
    return with_held(with_originals(found, _corrected(ledger, notes) if notes else {}), held)


def number_of(ledger: Ledger, line: ChargeLine) -> str:
    """The number of the invoice or note that a line stands on; "" where none was given, or needs to be."""
    key = line.key
    of = about(key) if on_note(line) else ""
    given = given_numbers(ledger, key.posting_month).items()
    return next((number for each, number in given if (each.team, each.about) == (key.team, of)), "")


def void_notes(ledger: Ledger, documents: Sequence[Invoice], out: Path) -> tuple[Path, ...]:
    """Files of the same teams' notes whose number no document carries any more: more late usage made a credit a debit."""
    if not documents:
        return ()
    month, teams, carried = documents[0].month, {each.team for each in documents}, {each.number for each in documents}
    given = given_numbers(ledger, month).items()
    void = tuple(f"{number}-" for key, number in given if key.about and key.team in teams and number not in carried)
    return tuple(sorted(path for path in (out / str(month) / "notes").glob("*") if void and path.name.startswith(void)))


def _corrected(ledger: Ledger, notes: Sequence[Invoice]) -> dict[tuple[str, str], Corrected]:
    """What each note corrects: the invoice of the service month, or the document whose line was credited."""
    found: dict[tuple[str, str], Corrected] = {}
    for month in sorted({month for note in notes for month in note.service_months}):
        for key, number in given_numbers(ledger, month).items():
            if key.series == SERIES:
                found[key.team, str(month)] = Corrected(number)
    credits = {event.subject: event.content for event in ledger.events("credit", str(notes[0].month))}
    for note in notes:
        content = credits.get(about(note.lines[0].key))
        if content is not None:
            reason = str(content["reason"])
            dispute = f" (dispute {content['dispute']})" if content.get("dispute") else ""
            if content["team"] == note.team:
                said = Corrected(str(content["document"]), f"{reason}{dispute}")
            else:  # a rebill: the other team's document is not the one that is corrected
                said = Corrected("", f"Billed to {content['team']} before, on {content['document']}: {reason}{dispute}")
            found[note.team, about(note.lines[0].key)] = said
    return found
