"""Credit and debit notes: what an open month posts for closed ones, on documents of its own (rules L3, L4, L5).

A closed month's documents never change. Late usage is posted as corrections, a dispute that was upheld as a credit; both
name the document that they correct. A team has one note a posting month for each closed month that is corrected, and one
for each credit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from finledger.core.invoice import (
    SERIES_OF,
    Posted,
    adopted,
    cost_centers,
    document_order,
    is_of_posting,
    on_note,
    subtotals,
)
from finledger.core.model import (
    UNALLOCATED,
    ChargeLine,
    Disclosure,
    FeatureQuality,
    Invoice,
    LineKey,
    Organisation,
    Stage,
)
from finledger.core.money import Money, total, zero
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef


class DocumentKey(NamedTuple):
    """What a document's number is given for: `about` is what a note corrects, "" of an invoice."""

    series: str
    team: str
    about: str = ""


class Corrected(NamedTuple):
    """What a note says of what it corrects: the number of that document, and why ("" where nobody gave a reason)."""

    original: str
    reason: str = ""


def about(key: LineKey) -> str:
    """What a line on a note belongs to: its credit, or the service month that is corrected."""
    return key.credit or str(key.service_month)


def document_key(document: Invoice) -> DocumentKey | None:
    """The key that an invoice or a note is numbered by; None of a statement, which needs no number."""
    if document.kind == "statement":
        return None
    of = about(document.lines[0].key) if document.is_note else ""
    return DocumentKey(SERIES_OF[document.kind], document.team, of)


def for_others(lines: Sequence[ChargeLine], organisation: Organisation) -> Outcome[tuple[ChargeLine, ...]]:
    """The lines that an open month posts for closed ones, if there is a team for each of them to post to."""
    gone: dict[tuple[str, Month], Money] = {}
    for line in lines:
        key = line.key
        if key.team != UNALLOCATED and key.team not in organisation.teams:
            of = (key.team, key.service_month)
            gone[of] = gone.get(of, zero(organisation.currency)) + line.amount
    return Outcome(tuple(lines), tuple(_gone(*of, amount, organisation) for of, amount in sorted(gone.items())))


def _gone(team: str, month: Month, amount: Money, organisation: Organisation) -> Problem:
    return Problem(
        "note-unknown-team",
        f"{amount:,} {amount.currency} of {month} have to be posted to team {team}, which the organisation does not name any more",
        organisation.source or SourceRef("finledger.yaml"),
        remedy=f"put {team} back among the teams: what it used while it was there is still its own",
    )


def notes(posted: Posted, measured: Mapping[Month, Sequence[FeatureQuality]]) -> tuple[Invoice, ...]:
    """The notes of a month, sorted by team and what they are about, and no number yet: `with_numbers`, `with_originals`.

    `measured`: the quality of each service month that is corrected (rule Q4). Σ invoices + Σ notes + Σ statements +
    unallocated is all that the month posts (rule X4: `checks.documents`).
    """
    by_note: dict[tuple[str, str], list[ChargeLine]] = {}
    for line in sorted(filter(on_note, posted.lines), key=document_order):
        by_note.setdefault((line.key.team, about(line.key)), []).append(line)
    late: dict[tuple[str, str], list[Disclosure]] = {}
    for disclosure in posted.disclosures:
        if not is_of_posting(disclosure):
            late.setdefault((disclosure.key.team, str(disclosure.key.service_month)), []).append(disclosure)
    return tuple(_note(by_note[each], late.get(each, []), posted, measured) for each in sorted(by_note))


def _note(
    lines: Sequence[ChargeLine],
    disclosures: Sequence[Disclosure],
    posted: Posted,
    measured: Mapping[Month, Sequence[FeatureQuality]],
) -> Invoice:
    organisation, month = posted.organisation, posted.month
    team = organisation.teams[lines[0].key.team]
    whole = total((line.amount for line in lines), organisation.currency)
    versions = {key.price_version for key in (*(line.key for line in lines), *(each.key for each in disclosures))}
    service_months = tuple(sorted({line.key.service_month for line in lines}))
    features = {line.key.feature for line in lines} - {""}
    quality = (each for service_month in service_months for each in measured.get(service_month, ()))
    return Invoice(
        number="",
        kind="credit_note" if whole.minor < 0 else "debit_note",
        team=team.name,
        stage=cast(Stage, lines[0].stage),
        adopted=adopted(team, month),
        owner=team.owner.at(month.last_day) or "",
        entity=team.entity,
        cost_centers=cost_centers(team, lines, month),
        month=month,
        issue_date=month.last_day,
        currency=organisation.currency,
        issuer=organisation.books,
        platform_team=organisation.platform_team,
        pricebooks=tuple((book.name, book.sha256) for book in posted.books if book.name in versions),
        lines=tuple(lines),
        components=subtotals(lines, organisation.currency),
        total=whole,
        budget=None,
        forecast=None,
        disclosures=tuple(disclosures),
        quality=tuple({each.feature: each for each in quality if each.feature in features}.values()),
        entry_ids=posted.entry_ids(lines),
        issuer_entity=organisation.platform_entity,
        service_months=service_months,
    )


def with_numbers(documents: Iterable[Invoice], numbers: Mapping[DocumentKey, str]) -> tuple[Invoice, ...]:
    """The documents with the numbers that were given to them; the others as they are."""
    found = ((document, document_key(document)) for document in documents)
    return tuple(
        document if key is None or key not in numbers else replace(document, number=numbers[key]) for document, key in found
    )


def with_originals(documents: Iterable[Invoice], corrected: Mapping[tuple[str, str], Corrected]) -> tuple[Invoice, ...]:
    """The notes with the document that each corrects, by (team, about), and the reason; other documents as they are."""
    nothing = Corrected("")
    return tuple(
        replace(document, **corrected.get((document.team, about(document.lines[0].key)), nothing)._asdict())
        if document.is_note
        else document
        for document in documents
    )


def with_held(documents: Iterable[Invoice], held: Mapping[str, str]) -> tuple[Invoice, ...]:
    """The documents with their lines under dispute: `held` says of a line id "D-2026-0001: reason" (rule L4)."""
    return tuple(
        replace(document, held=tuple((line.line_id, held[line.line_id]) for line in document.lines if line.line_id in held))
        for document in documents
    )
