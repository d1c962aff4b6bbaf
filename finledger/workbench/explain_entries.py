"""From a journal entry to what its postings are sums of: `finledger explain 2026-07/search/cc-4815`.

An entry is explained by the run that posted it. Of a closed period that is the close's own run, and its texts are those that
were sealed; an entry that a later close of the same period cancelled is explained by the close that posted it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import localcontext
from difflib import get_close_matches
from typing import Any

from finledger.books.events import Event, in_force
from finledger.core import explain_entries as entry_facts
from finledger.core import explain_provider as provider_facts
from finledger.core.accounts import accounts_of
from finledger.core.explain import Fact
from finledger.core.explain_entries import EntryExplanation, PostingExplained
from finledger.core.explain_provider import ProviderEntry
from finledger.core.explain_variance import rate_places
from finledger.core.model import ChargeLine, JournalEntry, Organisation, Seal
from finledger.core.money import EXACT
from finledger.core.period import Month, Quarter
from finledger.core.problem import Misused, Problem, SourceRef
from finledger.core.provider_state import ProviderState
from finledger.core.repost import CANCELLED, base_id, posted_as
from finledger.workbench import Workbench
from finledger.workbench.explain import FIRST_ROWS
from finledger.workbench.explain_metered import Metering, metered_rows, price_books_in
from finledger.workbench.explain_quarter import draw_commands, quarter_figures
from finledger.workbench.provider_close import read_inbox, terms_of
from finledger.workbench.sealed import as_of

Period = Month | Quarter


@dataclass(frozen=True, slots=True)
class _Posted:
    """An entry with the run that posted it, all entries of that run, and the close that recorded it, if one did."""

    entry: JournalEntry
    entries: Sequence[JournalEntry]
    period: Period
    run: int
    close: Event | None

    @property
    def named(self) -> str:
        """The entry's id without the version that a second close gave it."""
        return base_id(self.entry.entry_id)


@dataclass(frozen=True, slots=True)
class _Made:
    """What an entry was found to be made of."""

    postings: tuple[PostingExplained, ...]
    facts: tuple[Fact, ...] = ()
    see: tuple[str, ...] = ()
    rows: Any = None


def explain_entry(bench: Workbench, entry_id: str, component: str = "", *, limit: int = FIRST_ROWS) -> EntryExplanation:
    """What each posting of an entry is the sum of; with `component` those of one only. Writes nothing.

    Raises Misused for an entry or a component that is not there, with those that are.
    """
    posted = _find(bench, entry_id)
    then = bench if posted.close is None else as_of(bench, posted.close, before=True)
    with localcontext(EXACT):
        made = _made(bench, then, posted, limit)
    known = {each.posting.component for each in made.postings}
    if component and component not in known:
        raise Misused(f"{entry_id} has no component {component!r}: there are {', '.join(sorted(known))}")
    shown = tuple(each for each in made.postings if component in ("", each.posting.component))
    close = posted.close
    return EntryExplanation(
        entry=posted.entry,
        run=posted.run,
        postings=shown,
        facts=made.facts,
        rows=made.rows,
        seal=None if close is None else Seal(close.number, close.hash),
        see=made.see,
        problems=tuple(_not_its_parts(posted, each) for each in shown if not each.check.holds),
    )


def _not_its_parts(posted: _Posted, each: PostingExplained) -> Problem:
    check, currency = each.check, each.posting.amount.currency
    return Problem(
        "posting-differs",
        f"posting {each.number} of {posted.entry.entry_id} is {check.right:,} {currency}, and what it is made of comes to "
        f"{check.left:,}",
        SourceRef("store/ledger.sqlite"),
        remedy="run `finledger verify`: the ledger is not as it was written",
        severity="warning",
    )


def _find(bench: Workbench, entry_id: str) -> _Posted:
    """The entry in its period's current run, or in that of the close which posted it, where a later one cancelled it."""
    period = _period(entry_id.partition("/")[0])
    run, entries = bench.ledger.current_run(period), bench.ledger.entries(period)
    entry = next((each for each in entries if each.entry_id == entry_id), None)
    if run is None or entry is None:
        raise Misused(_nothing(entry_id, period, run, entries))
    closes = bench.ledger.events("close", str(period))
    if entry_id + CANCELLED in {each.entry_id for each in entries}:
        for close in closes:
            first = bench.ledger.entries_of(close.content["run"])
            if any(each.entry_id == entry_id for each in first):
                return _Posted(entry, first, period, close.content["run"], close)
    own = next((close for close in closes if close.content["run"] == run), None)
    return _Posted(entry, entries, period, run, own)


def _period(text: str) -> Period:
    try:
        return Quarter.parse(text) if "Q" in text else Month.parse(text)
    except ValueError as wrong:
        raise Misused(str(wrong)) from None


def _nothing(entry_id: str, period: Period, run: int | None, entries: Sequence[JournalEntry]) -> str:
    if run is not None and not entries:
        return f"nothing is posted in {period}: no charge of it moves money"
    if run is None:
        command = "reconcile --quarter" if isinstance(period, Quarter) else "allocate --month"
        return f"{period} has no entries: run `finledger {command} {period}` first"
    ids = [each.entry_id for each in entries]
    near = get_close_matches(entry_id, ids, n=3, cutoff=0.7)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(ids[:8])}{', …' if len(ids) > 8 else ''}"
    return f"no entry {entry_id!r} in {period}: {hint}"


def _made(bench: Workbench, then: Workbench, posted: _Posted, limit: int) -> _Made:
    organisation = then.organisation
    if posted.entry.entry_id.endswith(CANCELLED):
        return _cancelled(posted, organisation)
    if isinstance(posted.period, Quarter):
        return _quarter(bench, then, posted, posted.period)
    of_provider = provider_facts.provider_entry(posted.named)
    if of_provider is not None:
        return _provider(bench, then, posted, of_provider, limit)
    lines = _lines(bench, posted)
    make = entry_facts.pair_postings if entry_facts.VIA in posted.named else entry_facts.charge_postings
    postings = make(replace(posted.entry, entry_id=posted.named), lines, organisation)
    named = dict.fromkeys(part.name for each in postings for part in each.parts)
    return _Made(postings, (), tuple(f"finledger explain {posted.period}/{posted.entry.team} {line}" for line in named))


def _lines(bench: Workbench, posted: _Posted) -> Sequence[ChargeLine]:
    """The team's lines of the run that posted the entry."""
    team = posted.entry.team
    if isinstance(posted.period, Month) and posted.run == bench.ledger.current_run(posted.period):
        return bench.ledger.charge_rows(posted.period, team)
    return [each for each in bench.ledger.lines_of(posted.run) if each.key.team == team]


def _cancelled(posted: _Posted, organisation: Organisation) -> _Made:
    """An entry that takes another back by name: its postings with the signs turned round (L1)."""
    taken = posted.entry.entry_id.removesuffix(CANCELLED)
    before = next(each for each in posted.entries if each.entry_id == taken)
    sides = Fact("rule", "L1", None, (Fact("turned_round", "a later close took the entry back by name"),))
    postings = tuple(
        PostingExplained(number, posting, sides, (Fact(taken, -old.amount),))
        for number, (posting, old) in enumerate(zip(posted.entry.postings, before.postings, strict=True), 1)
    )
    return _Made(postings, (Fact("cancels", taken),), (f"finledger explain {taken}",))


# ── the provider's side ─────────────────────────────────────────────────────────────────────────────────────────────────


def _provider(bench: Workbench, then: Workbench, posted: _Posted, named: ProviderEntry, limit: int) -> _Made:
    if named.kind == "reversal":
        return _reversal(bench, posted, then.organisation)
    assert posted.close is not None, "only a close posts for providers"
    after = ProviderState.from_json(posted.close.content["providers"])
    if named.kind == "accrual":
        return _accrual(Metering(bench, then, named.service_month), posted, named, after, limit)
    return _changed(then, posted, named, after)


def _reversal(bench: Workbench, posted: _Posted, organisation: Organisation) -> _Made:
    before = posted.entry.posting_month.before
    accrued = bench.ledger.entries(before)
    id_of_accrual = f"{before}/{posted.named.split('/', 1)[1].removesuffix('reversal')}accrual"
    wanted = posted_as(accrued).get(id_of_accrual)
    accrual = next((each for each in accrued if each.entry_id == wanted), None)
    if accrual is None:
        return _Made((), (Fact("reverses", id_of_accrual),))
    postings = provider_facts.reversal_postings(posted.entry, accrual, accounts_of(organisation))
    return _Made(postings, (Fact("reverses", accrual.entry_id),), (f"finledger explain {accrual.entry_id}",))


def _accrual(metering: Metering, posted: _Posted, named: ProviderEntry, after: ProviderState, limit: int) -> _Made:
    then, service = metering.then, named.service_month
    terms = terms_of(then, posted.entry.posting_month)
    provider = terms.provider(named.provider)
    known = next((each for each in after.metered if each.month == service), None)
    metered = [each for each in (known.metered if known else ()) if terms.provider(each.provider).name == named.provider]
    skus = tuple(dict.fromkeys(each.sku for each in metered))
    rows = metered_rows(metering, provider, skus, metered, limit).rows
    rates = Fact("rates", None, None, tuple(rate_places(metered, provider, price_books_in(then, service))), alike=True)
    postings = provider_facts.accrual_postings(posted.entry, metered, terms, accounts_of(then.organisation))
    return _Made(postings, (rates,), _sku_commands(named, skus), rows)


def _changed(then: Workbench, posted: _Posted, named: ProviderEntry, after: ProviderState) -> _Made:
    """An invoice's entry, that of costs without an invoice, or of late usage alone."""
    entry = posted.entry
    terms, before = terms_of(then, entry.posting_month), _state_before(then, entry.posting_month)
    standing = set(posted_as(posted.entries).values()) | {entry.entry_id}
    entries = [each for each in posted.entries if each.entry_id in standing]
    change = provider_facts.change_of(entry, entries, before.rows, after.rows, read_inbox(then).rows.lines, terms)
    postings = provider_facts.change_postings(entry, change, terms, accounts_of(then.organisation))
    listed = tuple(provider_facts.invoice_line_facts(change.invoice, named.service_month, terms))
    facts = (Fact("invoice", named.number or "(no number)", None, listed, alike=True),) if listed else ()
    skus = tuple(dict.fromkeys(row.sku for row in (*change.before, *change.after)))
    return _Made(postings, facts, _sku_commands(named, skus))


def _state_before(then: Workbench, month: Month) -> ProviderState:
    """What the last close before the month's own knew."""
    closes = {Month.parse(period): event for period, event in in_force(then.ledger.events()).items() if "Q" not in period}
    earlier = [each for each in closes if each < month]
    return ProviderState.from_json(closes[max(earlier)].content["providers"]) if earlier else ProviderState(month)


def _sku_commands(named: ProviderEntry, skus: Sequence[str]) -> tuple[str, ...]:
    asked = f"finledger explain {named.service_month}/provider/{shlex.quote(named.provider)}"
    return tuple(f"{asked} {shlex.quote(sku)}" for sku in skus)


# ── a quarter's end ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _quarter(bench: Workbench, then: Workbench, posted: _Posted, quarter: Quarter) -> _Made:
    figures = quarter_figures(bench, then, quarter, posted.close)
    entry = posted.entry
    postings = entry_facts.quarter_postings(entry, figures, then.organisation)
    facts = entry_facts.quarter_facts({each.component for each in entry.postings}, figures)
    return _Made(postings, facts, draw_commands(bench, figures, entry.team))
