"""From a line of a document to its price, the rules that gave it its labels and its source rows: `finledger explain`.

A line of a closed month is explained from what that close sealed: the texts and the part of the ledger as they were. A
correction is explained by the line restated and what was posted before, a credit by the line that it gives back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import localcontext

from finledger.books.events import Event, in_force
from finledger.core.compound import COMPOUND
from finledger.core.correct import corrections
from finledger.core.credit import credits_of
from finledger.core.disputes import disputes
from finledger.core.explain import RATED, Explanation
from finledger.core.explain_later import adjustment_facts, correction_facts
from finledger.core.invoice import is_own
from finledger.core.model import ChargeLine, Part, Seal
from finledger.core.money import EXACT, Money
from finledger.core.period import Month, Quarter
from finledger.core.problem import Problem, SourceRef
from finledger.workbench import Workbench
from finledger.workbench.documents import Named, find_document, find_line
from finledger.workbench.explain_month import Found, MonthAtHand
from finledger.workbench.explain_quarter import draw_commands, quarter_figures, settlement_facts, settlement_lines
from finledger.workbench.numbers import number_of
from finledger.workbench.sealed import as_of, marks_of

FIRST_ROWS = 20
LEDGER = SourceRef("store/ledger.sqlite")


@dataclass(frozen=True, slots=True)
class _Followed:
    """What was found, and the commands that lead on."""

    found: Found
    see: tuple[str, ...] = ()


def explain(bench: Workbench, document: str, line: str, *, limit: int = FIRST_ROWS) -> Explanation:
    """Explain a line of a document: `document` a number or MONTH/TEAM, `line` an id or the beginning of one.

    `limit`: how many of its source rows are named. Writes nothing. Raises Misused for what is not there; Refused where the
    month was never charged and cannot be, or where what was sealed is not there any more.
    """
    named = find_document(bench, document)
    if named.kind == "note" and "Q" in named.about:
        return _settlement(bench, named, line)
    close = bench.closed(named.month)
    then = bench if close is None else as_of(bench, close, before=True)
    month = MonthAtHand(then, named.month, named.team, bench)
    chosen = find_line(named, line, month.lines, month.everybodys)
    with localcontext(EXACT):
        if chosen.key.kind == "adjustment":
            followed = _adjustment(then, chosen)
        elif not is_own(chosen):
            followed = _correction(then, chosen, bench, limit)
        else:
            stands_on = [each for each, _ in month.compound_sources(chosen.key)] if chosen.key.kind in COMPOUND else []
            see = tuple(explain_command(then, each) for each in stands_on)
            followed = _Followed(month.explained(chosen.key, chosen, limit), see)
    found = followed.found
    fresh = None if found.fresh is None else found.fresh.amount
    differs = month.run is not None and fresh != chosen.amount
    problems = (_differs(chosen, fresh, close),) if differs else ()
    seal = None if close is None else Seal(close.number, close.hash)
    return Explanation(
        named.name, named.kind, chosen, month.run, fresh, found.facts, found.rows, problems, seal, followed.see
    )


def explain_command(bench: Workbench, line: ChargeLine) -> str:
    """The command that explains a recorded line, by the number of its document where it has one."""
    document = number_of(bench.ledger, line) or f"{line.key.posting_month}/{line.key.team}"
    return f"finledger explain {document} {line.line_id}"


def _settlement(bench: Workbench, named: Named, text: str) -> Explanation:
    """A line of the note that a quarter's end sends to a team: its figures are those of the close (B4, B5)."""
    quarter = Quarter.parse(named.about)
    close = bench.closed(quarter)
    then = bench if close is None else as_of(bench, close, before=True)
    figures = quarter_figures(bench, then, quarter, close)
    lines = settlement_lines(then, quarter, figures, named.team)
    chosen = find_line(named, text, lines, lambda: lines)
    facts, see = settlement_facts(chosen, figures), draw_commands(bench, figures, named.team)
    seal = None if close is None else Seal(close.number, close.hash)
    run = bench.ledger.current_run(quarter)
    return Explanation(named.name, named.kind, chosen, run, chosen.amount, facts, seal=seal, see=see)


# ── credits ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _adjustment(bench: Workbench, line: ChargeLine) -> _Followed:
    """A line of a credit, from the log: the line that it gives back, and the dispute that led to it (L4)."""
    events = bench.ledger.events()
    for credit in credits_of(events):
        for each in credit.lines:
            if each.line.key == line.key:
                dispute = next((one for one in disputes(events) if one.dispute_id == credit.dispute_id), None)
                facts = adjustment_facts(credit, each, dispute)
                return _Followed(Found(tuple(facts), each.line), (f"finledger explain {credit.document} {each.of}",))
    return _Followed(Found((), None))


# ── corrections ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _correction(bench: Workbench, line: ChargeLine, shelf: Workbench, limit: int) -> _Followed:
    """A line that late usage of a closed month makes: restated - posted so far, with the late rows (L3).

    `bench`: the books as the posting month was charged by them.
    """
    key, service = line.key, line.key.service_month
    closes = _closed_months(bench)
    if not closes:
        return _Followed(Found((), None))
    close = closes.get(service) or closes[min(closes)]
    sealed, parts = as_of(bench, close), bench.ledger.parts(service)
    restated = MonthAtHand(sealed, service, key.team, shelf, parts, bench.ledger.parts(service.before))
    as_charged = key._replace(posting_month=service)
    anew = restated.explained(as_charged, None, 0)
    posted = _posted(bench, line)
    found = corrections([] if anew.fresh is None else [anew.fresh], posted, key.posting_month)
    late = _late_parts(bench, service, closes, parts)
    rows = restated.rows_of_parts(line, late, limit) if key.kind in RATED else None
    commands = tuple(explain_command(bench, each) for each in posted)
    documents = [(each, number_of(bench.ledger, each)) for each in posted]
    facts = correction_facts(line, anew.fresh, anew.facts, documents, close.number)
    return _Followed(Found(tuple(facts), next(iter(found), None), rows), commands)


def _closed_months(bench: Workbench) -> dict[Month, Event]:
    return {Month.parse(period): event for period, event in in_force(bench.ledger.events()).items() if "Q" not in period}


def _posted(bench: Workbench, line: ChargeLine) -> Sequence[ChargeLine]:
    """What was posted for the same line before: in its own month, and as corrections."""
    key = line.key
    return [
        each
        for month in bench.ledger.months()
        if key.service_month <= month < key.posting_month
        for each in bench.ledger.charge_rows(month, key.team)
        if each.key._replace(posting_month=key.posting_month) == key
    ]


def _late_parts(bench: Workbench, service: Month, closes: Mapping[Month, Event], parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts of the service month that came since it was last charged: since its close, or since a later close that
    posted corrections of it.
    """
    last = max(closes)
    if service == last or (service not in closes and len(closes) == 1):
        known = {path for path, *_ in closes[service].content["parts"]} if service in closes else set()
    else:
        known = {part.path for part in bench.ledger.as_of(marks_of(closes[last])).parts(service)}
    return tuple(part for part in parts if part.path not in known)


# ── what does not hold ──────────────────────────────────────────────────────────────────────────────────────────────────


def _differs(line: ChargeLine, fresh: Money | None, close: Event | None) -> Problem:
    if close is not None:
        return _not_as_sealed(line, fresh, close)
    now = "there is no such line" if fresh is None else f"it comes to {fresh:,}"
    return Problem(
        "line-changed",
        f"{line.line_id} is recorded at {line.amount:,} {line.amount.currency}; by the books as they are now, {now}",
        LEDGER,
        remedy=f"the facts are those of now: run `finledger allocate --month {line.key.posting_month}` to record them",
        severity="warning",
    )


def _not_as_sealed(line: ChargeLine, fresh: Money | None, close: Event) -> Problem:
    now = "there is no such line" if fresh is None else f"it comes to {fresh:,}"
    return Problem(
        "sealed-line-differs",
        f"{line.line_id} is recorded at {line.amount:,} {line.amount.currency}; by what close {close.number} "
        f"({close.period}) sealed, {now}",
        LEDGER,
        remedy="run `finledger verify`: it names the first thing that is not as it was sealed",
        severity="warning",
    )
