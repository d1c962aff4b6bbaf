"""A quarter's end on a set of books: its months worked out again on their final data, and all of it settled (B4, L2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from finledger.books.events import in_force
from finledger.books.ledger_rows import quarter_content
from finledger.books.transaction import Transaction
from finledger.core import buffer as fund
from finledger.core.adequacy import roll_forward
from finledger.core.history import SETTLED, Flow, History, flows_of
from finledger.core.model import ActionUse, JournalEntry, MonthCharges, PriceBook
from finledger.core.money import Money, total
from finledger.core.period import Month, Quarter
from finledger.core.post import post_quarter
from finledger.core.pricebook import book_at
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.quarter import MonthEnd, QuarterEnd, quarter_end
from finledger.core.variance import variances
from finledger.engines import DEFAULT
from finledger.pipeline import MonthInputs
from finledger.workbench import Workbench
from finledger.workbench.providers import billed_uses
from finledger.workbench.sealed import as_of


@dataclass(frozen=True, slots=True)
class Settled:
    """A quarter's end, the entries it posts, its months on final data, and what stands in the way of closing it."""

    end: QuarterEnd
    entries: tuple[JournalEntry, ...]
    charges: tuple[MonthCharges, ...]
    problems: tuple[Problem, ...]
    notices: tuple[Problem, ...]
    refused: tuple[Month, ...] = ()  # months that cannot be charged and never were: the figures lack them


def settle(bench: Workbench, quarter: Quarter, engine_name: str = DEFAULT) -> Settled:
    """Work out the quarter's end. Nothing is written; a month that refuses or is missing is a problem of the result."""
    organisation = bench.organisation
    own = quarter.months(organisation.fiscal_year_start)
    history, notices = bench.history(own[0], engine_name)
    closes = in_force(bench.ledger.events())
    recorded = [each for each in bench.ledger.flows(own[-1].next) if each.kind != SETTLED or each.posting_month not in own]
    begins = bench.begins() or own[0]  # a quarter in which the books begin misses no month before the first
    final: tuple[Flow, ...] = ()
    charged: list[MonthCharges] = []
    uses: list[ActionUse] = []
    ends: list[MonthEnd] = []
    problems: list[Problem] = []
    refusing: list[Month] = []
    drawn: dict[str, Money] = {}  # in the quarter so far, on final data: what the cap has left (B2)
    for month in own:
        as_posted = tuple(flow for flow in recorded if flow.posting_month == month)
        closed = closes.get(str(month))
        books = bench if closed is None else as_of(bench, closed)
        inputs = replace(_on_final_data(bench, books, month, history, engine_name), drawn=drawn)
        if closed is None and not as_posted and (not inputs.files or own[0] <= month < begins <= own[-1]):
            if not (own[0] < begins <= own[-1]) or begins < month:
                problems.append(_not_loaded(quarter, month))
            continue
        try:
            charges, _ = books.run(inputs)
        except Refused as refused:
            problems.extend(refused.problems)
            refusing += [] if as_posted else [month]
            ends.append(_as_recorded(bench, month, history, as_posted))  # what was charged and posted stands
            fresh = as_posted
        else:
            fresh = flows_of(charges.lines) if closed is None else as_posted
            if as_posted and sorted(as_posted) != sorted(fresh):
                problems.append(_stale(month))
            charged.append(charges)
            uses += billed_uses(bench, charges, books, engine_name)
            ends.append(_month_end(charges, as_posted or fresh, closed is not None))
        drawn = _added(drawn, ends[-1].due)
        history = history + (as_posted or fresh)
        final += fresh
    whole, varied = history.before(own[0]) + final, variances(uses, bench.pricebooks)
    end = quarter_end(quarter, ends, whole, bench.pricebooks, organisation, bench.platform_costs, varied)
    posted = post_quarter(end, organisation)
    return Settled(
        end,
        posted.rows,
        tuple(charged),
        (*problems, *posted.problems),
        (*notices, *_size_notices(end, bench)),
        tuple(refusing),
    )


def _on_final_data(bench: Workbench, books: Workbench, month: Month, history: History, engine_name: str) -> MonthInputs:
    """All usage of the month, late rows and all, by the `books` as they were sealed or, of an open month, as they are.

    What an open month posts for closed ones belongs to its own figures; a closed one is looked at by itself.
    """
    parts = bench.ledger.parts(month)
    inputs = books.month_inputs(month, engine_name=engine_name, history=history, parts=parts)
    return bench.with_corrections(inputs, engine_name) if books is bench else inputs


def quarter_status(bench: Workbench, months: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Every quarter with usage, beside its months as `Workbench.status` gives them: how many are loaded, what the fund holds
    after the last one that is charged (None where none is), whether it is reconciled, and the command that comes next.
    """
    organisation = bench.organisation
    start = organisation.fiscal_year_start
    stated = {Month.parse(str(row["month"])): str(row["next"]) for row in months}
    if not stated:
        return []
    history = History(organisation.currency, bench.ledger.flows(max(stated).next))
    held = {row.month: row.closing for row in roll_forward(history, bench.pricebooks, organisation)}
    closes = in_force(bench.ledger.events())
    found: list[dict[str, object]] = []
    for quarter in sorted({month.quarter(start) for month in stated}):
        own = quarter.months(start)
        charged = [month for month in own if month in held]
        reconciled = bench.ledger.current_run(quarter) is not None
        close = closes.get(str(quarter))
        step = "close" if reconciled else "reconcile"
        due = all(month in stated for month in own) and not any(stated.get(month) for month in own)
        found.append(
            {
                "quarter": str(quarter),
                "last_month": str(own[-1]),
                "months": sum(month in stated for month in own),
                "fund": str(held[charged[-1]]) if charged else None,
                "reconciled": reconciled,
                "closed": close.number if close is not None else None,
                "next": f"finledger {step} --quarter {quarter}" if due and close is None else "",
            }
        )
    return found


def write_settled(bench: Workbench, settled: Settled, *, dry_run: bool = False) -> list[Path]:
    """out/QUARTER/reconciliation.json and the journal of the quarter's end in every format; all of them or none.

    The entries are kept in the ledger, where they supersede those of the quarter's last reconciliation; both, or neither.
    """
    contents = quarter_files(bench, settled)
    with bench.change(dry_run=dry_run) as change:
        change.put(contents)
        if not dry_run:
            record_quarter(bench, change.ledger, settled)
    return list(contents)


def record_quarter(bench: Workbench, ledger: Transaction, settled: Settled, *, provisional: bool = True) -> int:
    """Keep the entries of the quarter's end as a run, and return its number."""
    end = settled.end
    return ledger.record_quarter(end.quarter, end.currency, _books(bench, end), settled.entries, provisional)


def quarter_digest(bench: Workbench, settled: Settled) -> str:
    """The digest of the run that closing the quarter records."""
    end = settled.end
    return quarter_content(end.quarter, end.currency, _books(bench, end), settled.entries, provisional=False).digest()


def _books(bench: Workbench, end: QuarterEnd) -> list[PriceBook]:
    """The price books in force in some part of the quarter."""
    own = end.quarter.months(bench.organisation.fiscal_year_start)
    until, since = own[-1].last_day, own[0].first_day
    return [book for book in bench.pricebooks if book.effective_from <= until and since < book.effective_until]


def quarter_files(bench: Workbench, settled: Settled) -> dict[Path, bytes]:
    """out/QUARTER/reconciliation.json and the journal of the quarter's end in every format."""
    from finledger.write import journal as writers
    from finledger.write.figures import json_bytes
    from finledger.write.quarter import quarter_json

    end = settled.end
    folder = bench.root / "out" / str(end.quarter)
    figures = quarter_json(end, settled.entries, settled.charges, settled.problems, settled.notices)
    contents = {folder / "reconciliation.json": json_bytes(figures)}
    journal = writers.Journal(bench.organisation.books, end.quarter, end.currency, settled.entries)
    for name in writers.formats():
        path = folder / "journal" / f"{end.quarter}{writers.suffix(name)}"
        if settled.entries or path.exists():  # what is posted no more does not stay behind in a file
            contents[path] = writers.render(name, journal)
    return contents


def _month_end(charges: MonthCharges, as_posted: Sequence[Flow], closed: bool) -> MonthEnd:
    """A closed month's surcharges are those that it posted: what late usage adds is posted, and counted, in a later month."""
    buffer, own = charges.buffer, History(charges.currency, tuple(as_posted))
    posted = total(own.posted("buffer", (charges.month,)).values(), charges.currency)
    return MonthEnd(
        month=charges.month,
        opening=buffer.opening,
        contributions=posted if closed else buffer.contributions,
        repayments=buffer.repaid,
        drawn=_drawn(own, charges.month),
        decisions=buffer.decisions,
    )


def _as_recorded(bench: Workbench, month: Month, history: History, as_posted: Sequence[Flow]) -> MonthEnd:
    """A month that cannot be worked out again, as it was recorded: its draws stand, and nothing is trued up."""
    own = History(bench.organisation.currency, tuple(as_posted))
    return MonthEnd(
        month=month,
        opening=fund.opening(month, history, bench.pricebooks, bench.organisation),
        contributions=total(own.posted("buffer", (month,)).values(), own.currency),
        repayments=total(own.posted("buffer_true_up", (month,)).values(), own.currency),
        drawn=_drawn(own, month),
        decisions=(),
        stands=True,
    )


def _drawn(history: History, month: Month) -> dict[str, Money]:
    return {team: -amount for team, amount in history.posted("buffer_draw", (month,)).items()}


def _added(drawn: Mapping[str, Money], more: Mapping[str, Money]) -> dict[str, Money]:
    return {**drawn, **{team: drawn[team] + amount if team in drawn else amount for team, amount in more.items()}}


# ── what stands in the way ──────────────────────────────────────────────────────────────────────────────────────────────


def _not_loaded(quarter: Quarter, month: Month) -> Problem:
    return Problem(
        "quarter-month-missing",
        f"{month} of {quarter} has no usage: the quarter is not complete",
        SourceRef("usage"),
        remedy="load the month's exports; until then the figures are those of the months that are there",
    )


def _stale(month: Month) -> Problem:
    return Problem(
        "month-changed",
        f"{month} comes to other charges than when it was last allocated",
        SourceRef("store"),
        remedy=f"run `finledger allocate --month {month}` again, and what is made from it; draws are trued up meanwhile",
    )


def _size_notices(end: QuarterEnd, bench: Workbench) -> Iterator[Problem]:
    """A fund under its lower limit: by how much, and the surcharge that would bring it back (B5)."""
    missing = end.size.low - end.before_rebates
    if missing.minor <= 0:
        return
    own = end.quarter.months(bench.organisation.fiscal_year_start)
    book = book_at(bench.pricebooks, own[-1].first_day)
    surcharge = end.surcharge
    if surcharge is None:
        remedy = "no surcharge was collected to go by: see `finledger buffer adequacy`"
    elif surcharge.reaches:
        remedy = (
            f"with this quarter's actions and draws again, a surcharge of {surcharge.proposed:f} restores it in a quarter"
        )
    else:
        remedy = f"it would take a surcharge of {surcharge.needed:f}; {surcharge.proposed:f} is the most, and takes longer"
    yield Problem(
        "buffer-short",
        f"the fund holds {end.before_rebates:,} {end.currency} at the end of {end.quarter}, {missing:,} less than its lower limit "
        f"{end.size.low:,}",
        book.where("buffer", "size") if book is not None else SourceRef("pricebooks"),
        remedy=remedy,
        severity="warning",
    )
