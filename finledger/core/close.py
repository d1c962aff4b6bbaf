"""What a period needs before it is closed, and who may waive what of it (rules L2, A4, X1, C1).

A condition that is not met is a `Problem`. Some can be waived by a person who gives a name and a reason; the waiver is kept
with the close. What would make figures wrong cannot be waived: an order of months, an unexplained difference, a draft.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from finledger.core.gates import percent
from finledger.core.model import MONEY_MOVES, MonthCharges, Organisation
from finledger.core.period import Month
from finledger.core.problem import Problem, SourceRef

WAIVERS = "decisions/waivers.csv"
GATE = Fraction(5, 100)  # where finledger.yaml says no other
DAILY = Fraction(4, 5)  # a source with rows on this share of a month's days is one that writes every day (ours)
LISTED = 10
WAIVABLE: Mapping[str, str] = {
    "earlier-month-refused": "a month before the first that is closed has usage and cannot be charged",
    "month-not-loaded": "no usage of the month is loaded",
    "days-missing": "usage of whole days is missing",
    "source-missing": "a source that had usage the month before has none",
    "unallocated-high": "5 % or more is unallocated (`gates` in finledger.yaml may say another share)",
    "stage-not-earned": "a team is at a stage that it was not promoted to",
    "dispute-open": "a line of the month is in dispute",
    "provider-missing": "a provider has neither an invoice nor usage to accrue",
}


@dataclass(frozen=True, slots=True)
class Waiver:
    """Somebody's decision to close a period although a condition is not met (decisions/waivers.csv)."""

    period: str
    condition: str
    name: str
    reason: str
    source: SourceRef | None = None


def unwaived(
    unmet: Iterable[Problem], waivers: Iterable[Waiver], period: str
) -> tuple[tuple[Problem, ...], tuple[Waiver, ...]]:
    """The conditions that stand in the way, and the waivers that were used."""
    by_condition = {each.condition: each for each in waivers if each.period == period}
    standing: list[Problem] = []
    used: dict[str, Waiver] = {}
    for problem in unmet:
        if problem.code in by_condition and problem.code in WAIVABLE:
            used[problem.code] = by_condition[problem.code]
        else:
            standing.append(problem)
    return tuple(standing), tuple(used[code] for code in sorted(used))


# ── completeness ────────────────────────────────────────────────────────────────────────────────────────────────────────


def missing_days(month: Month, days: Mapping[str, Collection[date]], organisation: Organisation) -> Iterator[Problem]:
    """Days without any usage; and days without usage of a source that writes every day (L2).

    `days`: of each source, the days of the month on which it has usage, in the books' time zone.
    """
    charged = {source: set(found) for source, found in days.items() if organisation.role(source) == "charge"}
    every = [date.fromordinal(number) for number in range(month.first_day.toordinal(), month.last_day.toordinal() + 1)]
    none = [day for day in every if not any(day in found for found in charged.values())]
    if charged and none:
        yield _days_missing(f"no usage at all of {month}", none)
    for source, found in sorted(charged.items()):
        lacking = [day for day in every if day not in found and day not in none]
        if lacking and Fraction(len(found), len(every)) >= DAILY:
            yield _days_missing(f"no usage of {source or 'the unnamed source'} in {month}", lacking)


def _days_missing(what: str, days: Sequence[date]) -> Problem:
    listed = ", ".join(str(day) for day in days[:LISTED])
    more = f" and {len(days) - LISTED} more" if len(days) > LISTED else ""
    return Problem(
        "days-missing",
        f"{what} on {len(days)} {'day' if len(days) == 1 else 'days'}: {listed}{more}",
        SourceRef("usage"),
        remedy="load the export that holds them; where nothing ran, waive it: --waive days-missing --by NAME --reason TEXT",
    )


def missing_sources(
    month: Month, sources: Collection[str], before: Collection[str], organisation: Organisation
) -> Iterator[Problem]:
    """A source that had usage in the month before, and has none in this one: most likely a forgotten export."""
    for source in sorted(set(before) - set(sources)):
        if organisation.role(source) == "charge":
            yield Problem(
                "source-missing",
                f"{source or 'the unnamed source'} has usage in {month.before}, and none in {month}",
                SourceRef("usage"),
                remedy="load its export; where it was switched off, waive it: --waive source-missing --by NAME --reason TEXT",
            )


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def unallocated_gate(charges: MonthCharges, organisation: Organisation) -> Iterator[Problem]:
    """5 % or more unallocated stops the month of an organisation in which money moves (A4); the exact ratio is compared.

    The limit is the one that promotes to chargeback, where finledger.yaml says another.
    """
    month = charges.month
    if not any(team.stage_in(month) in MONEY_MOVES for team in organisation.teams.values()):
        return
    limit = Fraction(organisation.ladder.unallocated)
    if charges.unallocated_share >= limit:
        yield Problem(
            "unallocated-high",
            f"{charges.unallocated:,} {charges.currency} of {month}, {percent(charges.unallocated_share, limit)} of all charges, is "
            f"unallocated: {percent(limit)} is the limit",
            SourceRef("usage"),
            remedy="give the rows an owner (labels, or rules in finledger.yaml), or waive it: --waive unallocated-high "
            "--by NAME --reason TEXT",
        )


# ── order ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def earlier_open(month: Month, begin: Month, closed: Collection[Month]) -> Iterator[Problem]:
    """Months close in order, from the one in which the books begin: each begins with what the one before it left."""
    each = begin
    while each < month:
        if each not in closed:
            remedy = f"run `finledger close --month {each}` first"
            yield _out_of_order(f"{each} is not closed: months close in order", remedy)
        each = each.next
    if month < begin and closed:
        remedy = "leave it: its usage is posted as corrections in the month that is open"
        yield _out_of_order(f"the books begin with {begin}, which is closed: no month closes behind it", remedy)


def _out_of_order(message: str, remedy: str) -> Problem:
    return Problem("month-order", message, SourceRef("store/ledger.sqlite"), remedy=remedy)


def not_chargeable(earlier: Month, month: Month, why: Problem) -> Problem:
    """A month before the first close that has usage and cannot be charged, nor closed: most often rows of a stray hour."""
    return Problem(
        "earlier-month-refused",
        f"{earlier} has usage and cannot be charged ({why.code}: {why.message}), so it cannot be closed before {month}",
        SourceRef("usage"),
        remedy=f"run `finledger allocate --month {earlier}` to see what it needs; where the books begin with {month}, waive it: "
        "--waive earlier-month-refused --by NAME --reason TEXT",
    )
