"""A quarter's end on a set of books: its months worked out again on their final data, and all of it settled (B4, L2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from finledger.core import buffer as fund
from finledger.core.adequacy import roll_forward
from finledger.core.history import Flow, History, flows_of
from finledger.core.model import JournalEntry, MonthCharges
from finledger.core.money import Money, total
from finledger.core.period import Month, Quarter
from finledger.core.post import post_quarter
from finledger.core.pricebook import book_at
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.quarter import MonthEnd, QuarterEnd, quarter_end
from finledger.core.variance import variances
from finledger.engines import DEFAULT
from finledger.workbench import Workbench


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
    recorded = bench.ledger.flows(own[-1].next)
    begins = next(iter(bench.months()), own[0])  # a quarter in which the books begin misses no month before the first
    final: tuple[Flow, ...] = ()
    charged: list[MonthCharges] = []
    ends: list[MonthEnd] = []
    problems: list[Problem] = []
    refusing: list[Month] = []
    drawn: dict[str, Money] = {}  # in the quarter so far, on final data: what the cap has left (B2)
    for month in own:
        as_posted = tuple(flow for flow in recorded if flow.posting_month == month)
        inputs = bench.month_inputs(month, engine_name=engine_name, history=history)
        inputs = replace(inputs, drawn=drawn)
        if not inputs.files and not as_posted:
            if not (own[0] < begins <= own[-1]) or begins < month:
                problems.append(_not_loaded(quarter, month))
            continue
        try:
            charges, _ = bench.run(inputs)
        except Refused as refused:
            problems.extend(refused.problems)
            refusing += [] if as_posted else [month]
            ends.append(_as_recorded(bench, month, history, as_posted))  # what was charged and posted stands
            fresh = as_posted
        else:
            fresh = flows_of(charges.lines)
            if as_posted and sorted(as_posted) != sorted(fresh):
                problems.append(_stale(month))
            charged.append(charges)
            ends.append(_month_end(charges, as_posted or fresh))
        drawn = _added(drawn, ends[-1].due)
        history = history + (as_posted or fresh)
        final += fresh
    before = history.before(own[0])
    uses = [use for each in charged for use in each.uses]
    end = quarter_end(
        quarter,
        ends,
        before + final,
        bench.pricebooks,
        organisation,
        bench.platform_costs,
        variances(uses, bench.pricebooks),
    )
    posted = post_quarter(end, organisation)
    return Settled(
        end,
        posted.rows,
        tuple(charged),
        (*problems, *posted.problems),
        (*notices, *_size_notices(end, bench)),
        tuple(refusing),
    )


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
    found: list[dict[str, object]] = []
    for quarter in sorted({month.quarter(start) for month in stated}):
        own = quarter.months(start)
        charged = [month for month in own if month in held]
        reconciled = bench.ledger.current_run(quarter) is not None
        due = all(month in stated for month in own) and not any(stated.get(month) for month in own)
        found.append(
            {
                "quarter": str(quarter),
                "last_month": str(own[-1]),
                "months": sum(month in stated for month in own),
                "fund": str(held[charged[-1]]) if charged else None,
                "reconciled": reconciled,
                "next": f"finledger reconcile --quarter {quarter}" if due and not reconciled else "",
            }
        )
    return found


def write_settled(bench: Workbench, settled: Settled, *, dry_run: bool = False) -> list[Path]:
    """out/QUARTER/reconciliation.json and the journal of the quarter's end in every format; all of them or none.

    The entries are kept in the ledger, where they supersede those of the quarter's last reconciliation; both, or neither.
    """
    from finledger.write import journal as writers
    from finledger.write.figures import json_bytes
    from finledger.write.files import placed
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
    if not dry_run:
        own = end.quarter.months(bench.organisation.fiscal_year_start)
        until, since = own[-1].last_day, own[0].first_day
        books = [book for book in bench.pricebooks if book.effective_from <= until and since < book.effective_until]
        with placed(contents), bench.ledger.write() as ledger:
            ledger.record_quarter(end.quarter, end.currency, books, settled.entries)
    return list(contents)


def _month_end(charges: MonthCharges, as_posted: Sequence[Flow]) -> MonthEnd:
    buffer = charges.buffer
    return MonthEnd(
        month=charges.month,
        opening=buffer.opening,
        contributions=buffer.contributions,
        repayments=buffer.repaid,
        drawn=_drawn(History(charges.currency, tuple(as_posted)), charges.month),
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


def open_months(bench: Workbench, quarter: Quarter) -> Iterator[Problem]:
    """A problem for each month of the quarter that is not closed (L2)."""
    for month in quarter.months(bench.organisation.fiscal_year_start):
        yield Problem(
            "month-open",
            f"{month} is not closed: a quarter closes after its months",
            SourceRef("store/ledger.sqlite"),
            remedy="this version closes no month: look at the figures, and go on; those of open months are provisional",
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
        f"the fund holds {end.before_rebates} {end.currency} at the end of {end.quarter}, {missing} less than its lower limit "
        f"{end.size.low}",
        book.where("buffer", "size") if book is not None else SourceRef("pricebooks"),
        remedy=remedy,
        severity="warning",
    )
