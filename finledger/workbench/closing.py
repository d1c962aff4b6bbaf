"""Closing a month or a quarter: refused with every reason, or sealed for ever; and reopening (rules L2, L5, X1, X2, X4).

    work the period out · hold it against its conditions · post the provider's side · record the run · number the documents
    · seal inputs, books and figures (event `close`: its hash is the root) · write the files with the root · seal these

All of it is one change: the ledger and every file, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finledger.books import rows
from finledger.books.events import Event, in_force
from finledger.core.checks import broken
from finledger.core.close import (
    Waiver,
    earlier_open,
    missing_days,
    missing_sources,
    not_chargeable,
    unallocated_gate,
    unwaived,
)
from finledger.core.credit import spoilt_credits
from finledger.core.disputes import open_disputes
from finledger.core.model import Invoice, JournalEntry, MonthCharges
from finledger.core.money import total
from finledger.core.notes import with_numbers
from finledger.core.period import Month, Quarter, instant
from finledger.core.problem import Busy, Misused, Problem, Refused, SourceRef
from finledger.core.provider_close import ProviderClose
from finledger.core.provider_state import ProviderState
from finledger.core.repost import posted_as, repost
from finledger.core.settlement import settlement_notes
from finledger.core.tie_out import untied
from finledger.engines import DEFAULT
from finledger.workbench.change import Change
from finledger.workbench.hashed_files import COLUMNS, changed_files, digest
from finledger.workbench.issuing import Workbench
from finledger.workbench.ladder import unearned_stages
from finledger.workbench.numbers import give_numbers, given_numbers
from finledger.workbench.provider_close import close_providers
from finledger.workbench.quarters import Settled, quarter_digest, quarter_files, record_quarter, settle
from finledger.workbench.sealed import as_of, sealed_texts
from finledger.workbench.sealing import hashes, month_files, sealed_notes, stale_documents, superseded_name
from finledger.workbench.tie_out import tie_outs
from finledger.workbench.trends import keep_trends
from finledger.workbench.waivers import standing_waivers, with_waivers

LEDGER = SourceRef("store/ledger.sqlite")
UNTIED = "run `finledger trial-balance` on the period; what does not tie after a new `allocate` is a fault of ours: please report it"
NOTHING_LOADED = "month-not-loaded"


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing a period comes to, with everything that stands in the way; `event` once it is done.

    `already`: it was closed before, and nothing was done.
    """

    period: Month | Quarter
    unmet: tuple[Problem, ...] = ()
    waived: tuple[Waiver, ...] = ()
    notices: tuple[Problem, ...] = ()
    charges: MonthCharges | None = None
    documents: tuple[Invoice, ...] = ()
    providers: ProviderClose | None = None
    settled: Settled | None = None
    event: Event | None = None
    paths: tuple[Path, ...] = ()
    already: bool = False


def close_month(
    bench: Workbench,
    month: Month,
    *,
    waive: Sequence[Waiver] = (),
    engine_name: str = DEFAULT,
    advance: Callable[[int], None] | None = None,
) -> Closing:
    """Close the month. One that is closed stays as it is, and that is said.

    `Refused` with every condition that is not met, or where the month cannot be charged at all: then nothing is written.
    `Busy`: another process changed the books meanwhile.
    """
    closed = bench.closed(month)
    if closed is not None:
        return Closing(month, event=closed, already=True)
    with _alone(bench, month, closed) as change:
        _waive(bench, change, waive)
        found = _allowed(look_at_month(bench, month, (*standing_waivers(bench), *waive), engine_name))
        charges, providers = found.charges, found.providers
        assert charges is not None and providers is not None
        run = bench.record(change.ledger, charges)
        documents = bench.number(change.ledger, month, found.documents)
        content = {
            "figures": _month_figures(charges),
            "parts": [[part.path, part.sha256] for part in bench.ledger.parts(month)],
            "columns": digest(bench.root / COLUMNS) or "",
            "books": [[book.name, book.sha256] for book in charges.books],
            "providers": providers.state.to_json(),
        }
        event = _seal(bench, change, found, run, content)
        contents = month_files(bench, charges, documents, providers, event, advance)
        _put(bench, change, event, month, contents)
    keep_trends(bench, month)
    return replace(found, documents=documents, event=event, paths=tuple(contents))


def close_quarter(
    bench: Workbench, quarter: Quarter, *, waive: Sequence[Waiver] = (), engine_name: str = DEFAULT
) -> Closing:
    """Close the quarter: its months are closed, and its entries post to the adjustment period, its last day (L2, B4)."""
    closed = bench.closed(quarter)
    if closed is not None:
        return Closing(quarter, event=closed, already=True)
    with _alone(bench, quarter, closed) as change:
        _waive(bench, change, waive)
        found = _allowed(look_at_quarter(bench, quarter, (*standing_waivers(bench), *waive), engine_name))
        settled = found.settled
        assert settled is not None
        run = record_quarter(bench, change.ledger, settled, provisional=False)
        notes = settlement_notes(settled.end, settled.entries, bench.organisation)
        give_numbers(change.ledger, notes)
        content = {"figures": _quarter_figures(settled), "parts": [], "books": []}
        event = _seal(bench, change, found, run, content)
        notes = with_numbers(notes, given_numbers(bench.ledger, notes[0].month)) if notes else ()
        contents = {**quarter_files(bench, settled), **sealed_notes(bench, quarter, notes, event)}
        _put(bench, change, event, quarter, contents)
    return replace(found, documents=notes, event=event, paths=tuple(contents))


@contextmanager
def _alone(bench: Workbench, period: Month | Quarter, seen: Event | None, dry_run: bool = False) -> Iterator[Change]:
    """The one change in which a period is closed, or opened again; `seen`: the close that held for it when it was looked at.

    `Busy` where another process closed it, opened it again or changed the books while this one waited for its turn.
    """
    before = len(bench.ledger.events())
    with bench.change(dry_run) as change:
        if len(bench.ledger.events()) != before or bench.closed(period) != seen:
            raise Busy(f"another process changed the books, or {period}, while this one waited for them")
        yield change


def _waive(bench: Workbench, change: Change, waive: Sequence[Waiver]) -> None:
    """Waivers given with the command become part of the books by it."""
    if waive:
        change.put(with_waivers(bench, waive))


def _allowed(found: Closing) -> Closing:
    if found.unmet:
        raise Refused((*found.unmet, *found.notices))
    return found


def _seal(bench: Workbench, change: Change, found: Closing, run: int, content: Mapping[str, Any]) -> Event:
    """The event `close`. Its `marks` count its own run and itself in: what comes later is not of it."""
    inputs, copies = sealed_texts(bench.root, change.contents)
    change.put(copies)
    marks = change.ledger.marks()
    common = {
        "program": version("finledger"),
        "run": run,
        "digest": change.ledger.digest_of(run),
        "inputs": inputs,
        "marks": asdict(replace(marks, events=marks.events + 1)),
        "listed": change.ledger.listed(marks),
        "waivers": [[each.condition, each.name, each.reason] for each in found.waived],
    }
    return change.ledger.add_event("close", str(found.period), "", {**content, **common})


def _put(bench: Workbench, change: Change, event: Event, period: Month | Quarter, contents: Mapping[Path, bytes]) -> None:
    """The period's files in place, and their hashes in the log behind the close. What does not tie out stops it (X4).

    A document of the open period that nothing stands for any more (a team moved to another stage, a note void) goes.
    """
    change.put(contents)
    for path in stale_documents(bench, period, contents):
        change.remove(path)
    untied_ones = untied(tie_outs(bench, period, contents=change.contents, usage=False), LEDGER, UNTIED)
    if untied_ones:
        raise Refused(untied_ones)
    change.ledger.add_event("documents", event.period, str(event.number), hashes(bench, event, contents))


# ── what a period comes to, and what stands in its way ──────────────────────────────────────────────────────────────────


def look_at_month(bench: Workbench, month: Month, waivers: Sequence[Waiver], engine_name: str = DEFAULT) -> Closing:
    """The month as it would be closed, with every condition that is not met and not waived."""
    charges, documents, providers = _worked_out(bench, month, engine_name)
    closes = _closed_months(bench)
    unmet = (
        *_order(bench, month, closes.keys(), engine_name),
        *(() if closes and month < min(closes) else _completeness(bench, month)),  # it never closes: nothing is lacking
        *bench.unissuable(charges),
        *unallocated_gate(charges, bench.organisation),
        *unearned_stages(bench, month),
        *providers.problems,
        *broken(providers.checks),
        *open_disputes(bench.ledger.events(), (month,)),
        *spoilt_credits(bench.ledger.events("credit"), month, charges.lines),
    )
    standing, used = unwaived(unmet, waivers, str(month))
    said = {NOTHING_LOADED, *(each.code for each in unmet)}
    notices = (*(each for each in charges.notices if each.code not in said), *providers.notices)
    return Closing(month, standing, used, notices, charges, documents, providers)


def _worked_out(bench: Workbench, month: Month, engine_name: str) -> tuple[MonthCharges, tuple[Invoice, ...], ProviderClose]:
    """The month's final charges, with the entries of the provider's side among its own."""
    with bench.from_rows():
        charges, documents = bench.charge(month, engine_name=engine_name)
    closes = _closed_months(bench)
    last = closes[max(closes)] if closes else None
    before = ProviderState.from_json(last.content["providers"]) if last is not None else None
    books_of = lambda each: as_of(bench, closes[each]) if each in closes else bench  # noqa: E731
    providers = close_providers(bench, month, before, min(closes, default=month), books_of)
    entries = repost((*charges.entries, *providers.entries), _posted_before(bench, month))
    names = posted_as(entries)
    documents = tuple(replace(each, entry_ids=tuple(names.get(name, name) for name in each.entry_ids)) for each in documents)
    return replace(charges, provisional=False, entries=entries), documents, providers


def _posted_before(bench: Workbench, period: Month | Quarter) -> tuple[JournalEntry, ...]:
    """What an earlier close of the period posted, before it was reopened."""
    earlier = bench.ledger.events("close", str(period))
    return bench.ledger.entries_of(earlier[-1].content["run"]) if earlier else ()


def look_at_quarter(bench: Workbench, quarter: Quarter, waivers: Sequence[Waiver], engine_name: str = DEFAULT) -> Closing:
    """The quarter as it would be closed, with every condition that is not met and not waived."""
    settled = _settled(bench, quarter, engine_name)
    own = quarter.months(bench.organisation.fiscal_year_start)
    unmet = (
        *settled.problems,
        *_open_months(bench, own),
        *_quarter_order(bench, quarter),
        *open_disputes(bench.ledger.events(), own),
    )
    standing, used = unwaived(unmet, waivers, str(quarter))
    return Closing(quarter, standing, used, settled.notices, settled=settled)


def _settled(bench: Workbench, quarter: Quarter, engine_name: str) -> Settled:
    with bench.from_rows():
        settled = settle(bench, quarter, engine_name)
    return replace(settled, entries=repost(settled.entries, _posted_before(bench, quarter)))


def _closed_months(bench: Workbench) -> dict[Month, Event]:
    return {Month.parse(period): event for period, event in in_force(bench.ledger.events()).items() if "Q" not in period}


def _order(bench: Workbench, month: Month, closed: Collection[Month], engine_name: str) -> Iterator[Problem]:
    """Months that have to be closed first. Before the first close, one that cannot be charged is told apart: it never can."""
    begin = min(closed, default=month)
    if not closed:
        for earlier in reversed([each for each in bench.months() if each < month]):
            try:
                with bench.from_rows():
                    bench.charge(earlier, engine_name=engine_name)
            except Refused as refused:
                if bench.ledger.current_run(earlier) is None:
                    yield not_chargeable(earlier, month, refused.problems[0])
                    continue
            begin = earlier
    yield from earlier_open(month, begin, closed)


def _completeness(bench: Workbench, month: Month) -> Iterator[Problem]:
    """Days and sources that the month lacks, as far as its usage shows; or all of it."""
    zone, first = bench.organisation.timezone, month.first_day
    starts = [instant(first.replace(day=day), zone) for day in range(1, month.last_day.day + 1)]
    found = rows.days(bench.store.paths(bench.ledger.parts(month)), starts)
    days = {source: {first.replace(day=number + 1) for number in numbers} for source, numbers in found.items()}
    if not any(bench.organisation.role(source) == "charge" for source in days):
        yield _not_loaded(month, sorted(days))
        return
    yield from missing_days(month, days, bench.organisation)
    parts = bench.ledger.parts(month.before)
    if parts:
        files = {part.file_sha256 for part in parts}
        before = {file.source for file in bench.ledger.files() if file.sha256 in files}
        yield from missing_sources(month, days.keys(), before, bench.organisation)


def _not_loaded(month: Month, compared: Sequence[str]) -> Problem:
    but = f" but what is only compared ({', '.join(compared)})" if compared else ""
    return Problem(
        NOTHING_LOADED,
        f"no usage of {month} is loaded{but}",
        SourceRef("usage"),
        remedy="run `finledger load` with the month's exports; where nothing ran, waive it: --waive month-not-loaded "
        "--by NAME --reason TEXT",
    )


def _open_months(bench: Workbench, own: Sequence[Month]) -> Iterator[Problem]:
    """A problem for each month of the quarter that is not closed (L2); of those before the books begin there is none."""
    closed = _closed_months(bench)
    begins = bench.begins() or own[0]
    for month in own:
        if month not in closed and (month >= begins or begins > own[-1]):
            yield Problem(
                "month-open",
                f"{month} is not closed: a quarter closes after its months",
                SourceRef("store/ledger.sqlite"),
                remedy=f"run `finledger close --month {month}` first; until then the figures are provisional",
            )


def _quarter_order(bench: Workbench, quarter: Quarter) -> Iterator[Problem]:
    """Quarters close in order, too: the fund and the reserves of one begin with what the one before left."""
    closes = in_force(bench.ledger.events())
    start = bench.organisation.fiscal_year_start
    for earlier in sorted({month.quarter(start) for month in _closed_months(bench)}):
        if earlier < quarter and str(earlier) not in closes:
            yield Problem(
                "quarter-order",
                f"{earlier} is not closed: quarters close in order",
                SourceRef("store/ledger.sqlite"),
                remedy=f"run `finledger close --quarter {earlier}` first",
            )


# ── figures for the seal ────────────────────────────────────────────────────────────────────────────────────────────────


def _month_figures(charges: MonthCharges) -> dict[str, Any]:
    """What a person compares; the root stands for these figures, too."""
    return {
        "currency": charges.currency,
        "charged": str(total((line.amount for line in charges.lines), charges.currency)),
        "unallocated": str(charges.unallocated),
        "teams": {each.team: str(each.total) for each in charges.teams},
        "buffer": str(charges.buffer.closing),
        "lines": len(charges.lines),
        "entries": len(charges.entries),
    }


def _quarter_figures(settled: Settled) -> dict[str, Any]:
    end = settled.end
    return {
        "currency": end.currency,
        "buffer": str(end.closing),
        "true_ups": str(end.trued_up),
        "rebates": str(end.size.rebated),
        "reserves": {each.name: str(each.closing) for each in end.reserves},
        "entries": len(settled.entries),
    }


# ── worked out again ────────────────────────────────────────────────────────────────────────────────────────────────────


def rederived_month(bench: Workbench, close: Event, engine_name: str = DEFAULT) -> MonthCharges:
    """The closed month worked out again from what its close sealed, provider's side and all."""
    return _worked_out(as_of(bench, close, before=True), Month.parse(close.period), engine_name)[0]


def rederived_quarter(bench: Workbench, close: Event, engine_name: str = DEFAULT) -> tuple[tuple[JournalEntry, ...], str]:
    """The entries of the closed quarter worked out again from what its close sealed, and the digest of their run."""
    then = as_of(bench, close, before=True)
    settled = _settled(then, Quarter.parse(close.period), engine_name)
    return settled.entries, quarter_digest(then, settled)


# ── reopening ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def reopen(bench: Workbench, period: Month | Quarter, reason: str, by: str, *, dry_run: bool = False) -> Event:
    """Open the last closed period again, with a reason that stays in the log. Its files are kept beside as they were closed.

    Closing it again makes new versions. `Misused`: it is not closed, or no reason; `Refused`: a later one is closed.
    """
    if not reason.strip() or not by.strip():
        raise Misused("say who reopens it, and why: --by NAME --reason TEXT")
    close = bench.closed(period)
    if close is None:
        raise Misused(f"{period} is not closed")
    with _alone(bench, period, close, dry_run) as change:
        later = [event for event in in_force(bench.ledger.events()).values() if event.number > close.number]
        if later:
            raise Refused([_later_closed(event, period) for event in sorted(later, key=lambda event: -event.number)])
        moved = _moved_aside(bench, change, close)
        content = {"close": close.number, "reason": reason, "by": by, "moved": moved}
        return change.ledger.add_event("reopen", str(period), str(close.number), content)


def _moved_aside(bench: Workbench, change: Change, close: Event) -> list[list[str]]:
    """Copies of the close's files as [name, new name]. `Refused` where one is not as it was: the copy would stay so."""
    sealed = dict(
        pair
        for event in bench.ledger.events("documents", close.period)
        if event.content["close"] == close.number
        for pair in event.content["files"]
    )
    problems = tuple(changed_files({bench.root / name: (sha256, name) for name, sha256 in sealed.items()}, "document"))
    if problems:
        raise Refused(problems)
    moved = [[name, superseded_name(name, close.number)] for name in sorted(sealed)]
    change.put({bench.root / new: (bench.root / name).read_bytes() for name, new in moved})
    signature = f"out/{close.period}/seal.json.sig"
    if (bench.root / signature).is_file():  # it is of this close's seal, and of no later one
        change.put({bench.root / superseded_name(signature, close.number): (bench.root / signature).read_bytes()})
        change.remove(bench.root / signature)
    return moved


def _later_closed(event: Event, period: Month | Quarter) -> Problem:
    return Problem(
        "later-closed",
        f"{event.period} was closed after {period} and stands on it",
        SourceRef("store/ledger.sqlite"),
        remedy=f"reopen {event.period} first; or leave {period} closed: late usage is posted as corrections in the open month",
    )
