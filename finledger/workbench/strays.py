"""Rows of people's tables that nothing of the books goes with: valid on their own, and most likely a slip of the pen.

A request for a month of no price book, an evaluation of a feature that nobody has: neither is charged, so both are said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches

from finledger.core.model import DrawRequest, EvalRecord, MonthCharges, Organisation, PriceBook
from finledger.core.period import Month
from finledger.core.problem import Problem
from finledger.core.revenue import Revenue


def stray_requests(
    requests: Sequence[DrawRequest], books: Sequence[PriceBook], loaded: Collection[Month]
) -> Iterator[Problem]:
    """A warning for each request of a month that has no usage, and that no price book holds in."""
    for request in requests:
        month = request.month
        held = any(book.effective_from <= month.last_day and month.first_day < book.effective_until for book in books)
        if not held and month not in loaded:
            yield Problem(
                "draw-unknown-month",
                f"{request.team} has a request for {month}, of which no usage is loaded and in which no price book holds",
                request.source,
                remedy="correct the month; nothing to do where it is still to come",
                severity="warning",
            )


def stray_evals(records: Sequence[EvalRecord], charges: MonthCharges, organisation: Organisation) -> Iterator[Problem]:
    """A warning for each evaluation of the month whose feature no team declares and no charge has."""
    declared = {feature for team in organisation.teams.values() for feature in team.features}
    used = {line.key.feature for line in charges.lines} | {each.key.feature for each in charges.disclosures}
    known = sorted((declared | used) - {""})
    for record in records:
        if record.month != charges.month or record.feature in known:
            continue
        near = get_close_matches(record.feature, known, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}? " if near else ""
        yield Problem(
            "eval-unknown-feature",
            f"{record.feature!r} was evaluated in {record.month}, and no team and no usage of the month has that feature",
            record.source,
            remedy=f"{hint}correct the feature; one without a record is charged as not tracked",
            severity="warning",
        )


def stray_revenue(
    revenue: Sequence[Revenue], months: Sequence[MonthCharges], organisation: Organisation
) -> Iterator[Problem]:
    """A warning for each row of the months whose feature no team declares and no charge has (A6)."""
    known = {feature for team in organisation.teams.values() for feature in team.features}
    for charges in months:
        known |= {line.key.feature for line in charges.lines} | {each.key.feature for each in charges.disclosures}
    wanted = {charges.month for charges in months}
    for row in revenue:
        if row.month not in wanted or row.feature in known:
            continue
        near = get_close_matches(row.feature, sorted(known - {""}), n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}? " if near else ""
        yield Problem(
            "revenue-unknown-feature",
            f"{row.feature!r} earned {row.revenue:,f} in {row.month}, and no team and no usage has that feature",
            row.source,
            remedy=f"{hint}correct the feature; its revenue stands beside no cost",
            severity="warning",
        )
