"""Disputes and credits on a set of books: opening, resolving, giving credit, each in one change of the ledger (rule L4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, localcontext
from difflib import get_close_matches

from finledger.core import credit as crediting
from finledger.core import disputes as disputing
from finledger.core.credit import Credit, Credited, Left
from finledger.core.disputes import Dispute, Outcome
from finledger.core.invoice import on_note
from finledger.core.model import MONEY_MOVES, UNALLOCATED, ChargeLine
from finledger.core.money import EXACT, Rounding
from finledger.core.notes import about
from finledger.core.period import Month
from finledger.core.pricebook import book_at
from finledger.core.problem import Misused, Problem, Refused, SourceRef
from finledger.workbench import Workbench
from finledger.workbench.documents import find_document, find_line
from finledger.workbench.numbers import given_numbers

LEDGER = SourceRef("store/ledger.sqlite")


@dataclass(frozen=True, slots=True)
class Disputed:
    """A line that can be disputed: it is recorded, and a team's. `document` is the one that it stands on."""

    document: str
    line: ChargeLine


def all_disputes(bench: Workbench, month: Month | None = None, *, only_open: bool = False) -> tuple[Dispute, ...]:
    """Every dispute, in the order of opening; of lines that `month` posted; those that are open."""
    found = disputing.disputes(bench.ledger.events())
    return tuple(each for each in found if month in (None, each.posting_month) and (each.is_open or not only_open))


def find_dispute(bench: Workbench, dispute_id: str) -> Dispute:
    """Raises Misused with the nearest ids that there are."""
    known = {each.dispute_id: each for each in disputing.disputes(bench.ledger.events())}
    if dispute_id not in known:
        near = get_close_matches(dispute_id, known, n=3, cutoff=0.8)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}"
        raise Misused(f"no dispute {dispute_id!r}: {hint}")
    return known[dispute_id]


# ── open ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def open_dispute(
    bench: Workbench, document: str, line: str, *, reason: str, by: str, on: date, dry_run: bool = False
) -> Dispute:
    """Hold a line, and say why. Raises Misused for a line that is not there, is nobody's, or is in dispute already."""
    said = _said(reason=reason, by=by)
    with bench.change(dry_run=dry_run) as change:
        ledger = change.ledger  # holds the books' lock from here on, so that what is read now is still so at the end
        found = find_disputed(bench, document, line)
        events = bench.ledger.events()
        _refuse_held(found.line, disputing.held_lines(events))
        key, terms = found.line.key, bench.organisation
        dispute = Dispute(
            dispute_id=disputing.next_id(disputing.DISPUTE, on.year, events),
            document=found.document,
            team=key.team,
            line_id=found.line.line_id,
            posting_month=key.posting_month,
            service_month=key.service_month,
            amount=found.line.amount,
            reason=said["reason"],
            raised_by=said["by"],
            opened=on,
            respond_by=on + timedelta(days=terms.respond_days),
            resolve_by=on + timedelta(days=terms.resolve_days),
        )
        ledger.add_event("dispute-open", str(key.posting_month), dispute.dispute_id, disputing.opening(dispute))
    return dispute


def find_disputed(bench: Workbench, document: str, line: str) -> Disputed:
    """A recorded line of a team's document. Raises Misused, or Refused where the month was never recorded."""
    named = find_document(bench, document)
    if named.team == UNALLOCATED:
        raise Misused(
            f"{UNALLOCATED} usage is nobody's, and nobody is charged for it: give it an owner by a label or a rule"
        )
    if bench.ledger.current_run(named.month) is None:
        raise Refused([_not_recorded(named.month)])
    lines = bench.ledger.charge_rows(named.month, named.team)
    found = find_line(named, line, lines, lambda: bench.ledger.charge_rows(named.month))
    return Disputed(_issued_as(bench, found) or named.name, found)


def _issued_as(bench: Workbench, line: ChargeLine) -> str:
    """The document that a line stands on: its invoice or note, "" while that has no number; or its statement."""
    month, team = line.key.posting_month, line.key.team
    if line.stage not in MONEY_MOVES:
        return f"PRO-{month}-{team}"
    wanted = about(line.key) if on_note(line) else ""
    numbers = given_numbers(bench.ledger, month).items()
    return next((number for key, number in numbers if (key.team, key.about) == (team, wanted)), "")


def _refuse_held(line: ChargeLine, held: Mapping[str, Dispute]) -> None:
    found = held.get(line.line_id)
    if found is not None:
        raise Misused(
            f"{line.line_id} is in dispute already ({found.dispute_id}, since {found.opened}): "
            f"decide it with `finledger dispute resolve {found.dispute_id}`"
        )


def _said(**words: str) -> dict[str, str]:
    """What a person has to say, without the blanks around it; Misused where nothing is left."""
    found = {name: text.strip() for name, text in words.items()}
    for name, text in found.items():
        if not text:
            raise Misused(f"--{name} is empty: it is what somebody reads later")
    return found


# ── resolve, credit ─────────────────────────────────────────────────────────────────────────────────────────────────────


def resolve_dispute(
    bench: Workbench,
    dispute_id: str,
    *,
    outcome: Outcome,
    by: str,
    note: str,
    on: date,
    quantity: Decimal | None = None,
    rebill: str = "",
    dry_run: bool = False,
) -> tuple[Dispute, Credit | None]:
    """Decide a dispute. Upheld, the line is credited: all that is left of it, or `quantity`; `rebill`: another team pays it.

    Raises Misused for a dispute that is not there or was resolved before, and for a credit that cannot be given; Refused as
    `give_credit` does.
    """
    said = _said(by=by, note=note)
    if outcome != "upheld" and (quantity is not None or rebill):
        raise Misused(f"--{'rebill' if rebill else 'quantity'} belongs to --outcome upheld: {outcome} credits nothing")
    with bench.change(dry_run=dry_run) as change:
        ledger = change.ledger
        dispute = find_dispute(bench, dispute_id)
        if not dispute.is_open:
            raise Misused(f"{dispute_id} was {dispute.state} on {dispute.resolved} by {dispute.resolved_by}: open another")
        if on < dispute.opened:
            raise Misused(f"{dispute_id} was opened on {dispute.opened}: it cannot be resolved on {on}")
        credit = None
        if outcome == "upheld":
            disputed = Disputed(dispute.document, _line_of(bench, dispute))
            made = _Asked(disputed, dispute.reason, said["by"], on, dispute_id, quantity, rebill)
            credit = _credited(bench, made)
            ledger.add_event("credit", str(credit.posting_month), credit.credit_id, crediting.content(credit))
        credit_id = "" if credit is None else credit.credit_id
        content = disputing.resolution(outcome, said["by"], on, said["note"], credit_id)
        ledger.add_event("dispute-resolve", str(dispute.posting_month), dispute_id, content)
    resolved = replace(dispute, state=outcome, resolved=on, note=said["note"], resolved_by=said["by"], credit_id=credit_id)
    return resolved, credit


def _line_of(bench: Workbench, dispute: Dispute) -> ChargeLine:
    lines = bench.ledger.charge_rows(dispute.posting_month, dispute.team)
    found = next((line for line in lines if line.line_id == dispute.line_id), None)
    if found is None:
        raise Refused([_line_gone(dispute.line_id, dispute.posting_month, dispute.dispute_id)])
    return found


def give_credit(
    bench: Workbench,
    document: str,
    line: str,
    *,
    reason: str,
    by: str,
    on: date,
    quantity: Decimal | None = None,
    rebill: str = "",
    dry_run: bool = False,
) -> Credit:
    """Credit a line that nobody disputed: all that is left of it, or `quantity`; with `rebill` another team is charged.

    Raises Misused for what is not there or cannot be credited; Refused for a line of an invoice that was not issued, and for
    a team that the organisation does not name any more.
    """
    said = _said(reason=reason, by=by)
    with bench.change(dry_run=dry_run) as change:
        ledger = change.ledger
        found = find_disputed(bench, document, line)
        _refuse_held(found.line, disputing.held_lines(bench.ledger.events()))
        credit = _credited(bench, _Asked(found, said["reason"], said["by"], on, "", quantity, rebill))
        ledger.add_event("credit", str(credit.posting_month), credit.credit_id, crediting.content(credit))
    return credit


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a person asks to be credited."""

    disputed: Disputed
    reason: str
    by: str
    on: date
    dispute_id: str
    quantity: Decimal | None
    rebill: str


def _credited(bench: Workbench, asked: _Asked) -> Credit:
    """The credit, not yet in the log."""
    line = asked.disputed.line
    _refuse_unpostable(bench, asked.disputed)
    events = bench.ledger.events()
    credit_id = disputing.next_id(disputing.CREDIT, asked.on.year, events)
    month = crediting.posting_month(line, bench.closed_through())
    with localcontext(EXACT):
        attached, left = left_on(bench, line, crediting.credits_of(events))
        quantity = _quantity(line, left[line.line_id], asked.quantity)
        rounding, share = _rounding(bench, line), crediting.share_of(quantity, left[line.line_id])
        given = crediting.credit_lines(line, attached, quantity, credit_id, month, left=left, rounding=rounding)
        if not given:
            raise Misused(f"{quantity} of {line.line_id} comes to {line.amount.currency} 0: there is nothing to credit")
        charged = _rebilled(bench, line, given, asked.rebill) if asked.rebill else ()
    return Credit(
        credit_id=credit_id,
        posting_month=month,
        document=asked.disputed.document,
        team=line.key.team,
        line_id=line.line_id,
        line_month=line.key.posting_month,
        reason=asked.reason,
        by=asked.by,
        on=asked.on.isoformat(),
        dispute_id=asked.dispute_id,
        rebilled=asked.rebill,
        share=share,
        rounding=rounding,
        lines=(*given, *charged),
    )


def left_on(
    bench: Workbench, line: ChargeLine, credits: Iterable[Credit]
) -> tuple[tuple[ChargeLine, ...], Mapping[str, Left]]:
    """What stands on a line, and what is left of it and of each of these, by the months as they are recorded.

    Coverage that an open month gives back counts for nothing: that is worked out with the credits which the month posts.
    """
    month, team = line.key.posting_month, line.key.team
    attached = crediting.standing_on(line, bench.ledger.charge_rows(month, team))
    last = bench.closed_through()
    later = [
        each
        for other in bench.ledger.months()
        if other > month
        for each in bench.ledger.charge_rows(other, team)
        if each.key.kind != "coverage_credit" or (last is not None and other <= last)
    ]
    credits = tuple(credits)
    left = {each.line_id: crediting.left_of(each, credits, later, bench.organisation) for each in (line, *attached)}
    return attached, left


def _quantity(line: ChargeLine, left: Left, wanted: Decimal | None) -> Decimal:
    if line.amount.minor <= 0:
        raise Misused(f"{line.line_id} comes to {line.amount}: it charges nothing that could be credited")
    if left.amount.minor <= 0:
        raise Misused(f"{line.line_id} is credited in full already: nothing is left of its {line.amount}")
    if wanted is None:
        return left.quantity
    if wanted <= 0:
        raise Misused(f"--quantity is {wanted}: credit more than nothing, or leave it out for all of the line")
    if line.unit in crediting.WHOLE_UNITS and wanted % 1:
        raise Misused(f"--quantity is {wanted}: {line.unit}s are counted in whole numbers")
    if wanted > left.quantity:
        of = f"of its {_plain(line.quantity)} " if left.quantity != line.quantity else ""
        raise Misused(f"--quantity is {wanted}: {line.line_id} has {_plain(left.quantity)} left {of}to credit")
    return wanted


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _rounding(bench: Workbench, line: ChargeLine) -> Rounding:
    """How the book that priced the line rounds or, of a line that no book priced, the one in force in its month (M2)."""
    books = bench.frozen_pricebooks()
    named = next((book for book in books if book.name == line.key.price_version), None)
    found = named if named is not None else book_at(books, line.key.service_month.first_day)
    return "half_up" if found is None else found.rounding


def _rebilled(bench: Workbench, line: ChargeLine, given: Sequence[Credited], team: str) -> tuple[Credited, ...]:
    """The debit of another team, at its cost centre and stage in the service month."""
    month, teams = line.key.service_month, bench.organisation.teams
    if team == line.key.team:
        raise Misused(f"--rebill {team}: that is the team that is credited")
    if team == bench.organisation.platform_team:
        raise Misused(f"--rebill {team}: what the platform uses is its own cost; leave --rebill out")
    if team not in teams:
        near = get_close_matches(team, teams, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(teams))}"
        raise Misused(f"--rebill {team}: no such team in finledger.yaml: {hint}")
    day = teams[team].first_day_in(month)
    if day is None:
        raise Misused(f"--rebill {team}: the organisation does not know the team in {month}")
    return crediting.rebilled(given, team, teams[team].cost_center.at(day) or "", teams[team].stage_in(month))


# ── what stands in the way ──────────────────────────────────────────────────────────────────────────────────────────────


def spoilt_credits(bench: Workbench, months: Iterable[Month]) -> Iterator[Problem]:
    """Credits that are more than their line, by the months as they are recorded."""
    events = bench.ledger.events("credit")
    for month in sorted(months):
        yield from crediting.spoilt_credits(events, month, bench.ledger.charge_rows(month))


def _refuse_unpostable(bench: Workbench, disputed: Disputed) -> None:
    """A note names the invoice that it corrects, and is posted for a team that the organisation names."""
    line = disputed.line
    if line.key.team not in bench.organisation.teams:
        raise Refused([_team_gone(line)])
    if not _issued_as(bench, line):
        raise Refused([_not_issued(line)])


def _not_recorded(month: Month) -> Problem:
    return Problem(
        "line-not-recorded",
        f"{month} was looked at and never recorded: its lines can still change with every look",
        LEDGER,
        remedy=f"run `finledger allocate --month {month}` first",
    )


def _line_gone(line_id: str, month: Month, dispute_id: str) -> Problem:
    return Problem(
        "line-gone",
        f"{line_id}, which {dispute_id} is about, is no line of {month} any more: the month was charged anew without it",
        LEDGER,
        remedy=f"run `finledger dispute resolve {dispute_id} --outcome withdrawn --by NAME --note TEXT`",
    )


def _not_issued(line: ChargeLine) -> Problem:
    month, team = line.key.posting_month, line.key.team
    return Problem(
        "credit-not-issued",
        f"{line.line_id} stands on no invoice yet: a credit note names the invoice that it corrects",
        LEDGER,
        remedy=f"run `finledger invoice --month {month}`; or, since {month} is open, correct what {team} is charged by and "
        f"run `finledger allocate --month {month}` again",
    )


def _team_gone(line: ChargeLine) -> Problem:
    team = line.key.team
    return Problem(
        "credit-unknown-team",
        f"{line.line_id} is {team}'s, which the organisation does not name any more: there is nobody to post the credit to",
        SourceRef("finledger.yaml"),
        remedy=f"put {team} back among the teams; its cost centre and stage are those of the line",
    )
