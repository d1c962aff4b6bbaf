"""A week of the books: what was used so far, beside the same days of the week before (rule U3).

A week runs from Monday to Sunday. What it comes to is the month's use by its last day less that by the day before its first,
so that the weeks of a month add up to the month. What is fixed for a month (seats, fixed pools, reserved hours that lie idle)
is no week's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from finledger.core.model import UNALLOCATED, MonthCharges, Organisation
from finledger.core.money import Money, minor_digits, rounded_parts, total
from finledger.core.projection import costs, owner_of
from finledger.core.report import Cell, Field, Missing, Table

NOT_LOADED = Missing("not loaded")
NONE = Fraction(0)


@dataclass(frozen=True, slots=True)
class Week:
    """The week of a day, as far as that day.

    >>> week = Week(date(2026, 7, 15))
    >>> str(week), week.first.isoformat(), week.last.isoformat(), week.before.through.isoformat()
    ('2026-W29', '2026-07-13', '2026-07-19', '2026-07-08')
    """

    through: date

    def __str__(self) -> str:
        year, number, _ = self.through.isocalendar()
        return f"{year:04d}-W{number:02d}"

    @property
    def first(self) -> date:
        return self.through - timedelta(days=self.through.weekday())

    @property
    def last(self) -> date:
        return self.first + timedelta(days=6)

    @property
    def before(self) -> Week:
        """The week before, as far as the same day of it."""
        return Week(self.through - timedelta(days=7))

    @property
    def days(self) -> int:
        return self.through.weekday() + 1


@dataclass(frozen=True, slots=True)
class Use:
    """What use came to, in minor units, by team; `loose` of it has no owner, also where the teams bear it."""

    by_team: Mapping[str, Fraction]
    loose: Fraction = NONE

    @property
    def whole(self) -> Fraction:
        return sum(self.by_team.values(), NONE)

    def __add__(self, other: Use) -> Use:
        return self._with(other, 1)

    def __sub__(self, other: Use) -> Use:
        return self._with(other, -1)

    def _with(self, other: Use, sign: int) -> Use:
        names = sorted({*self.by_team, *other.by_team})
        sums = {name: self.by_team.get(name, NONE) + sign * other.by_team.get(name, NONE) for name in names}
        return Use(sums, self.loose + sign * other.loose)


NO_USE = Use({})


def use_of(charges: MonthCharges, organisation: Organisation) -> Use:
    """What use came to in a month, as far as it was charged."""
    found: dict[str, Fraction] = {}
    for (team, _), cost in costs(charges, organisation).items():
        found[team] = found.get(team, NONE) + cost.use
    return Use(found, Fraction(charges.unallocated.minor))


@dataclass(frozen=True, slots=True)
class Weeks:
    """Use of this week so far, of the same days of the last, and of all of the last; None where its month is not there."""

    week: Week
    this: Use
    same_days: Use | None
    last: Use | None


_WEEK_FIELDS = (
    Field("team", "text"),
    Field("this_week", "money"),
    Field("same_days_last_week", "money"),
    Field("change", "money"),
    Field("change_share", "share"),
    Field("last_week", "money"),
    Field("owner", "text"),
)


def week_table(weeks: Weeks, organisation: Organisation) -> Table:
    """`week`: every team's use of the week so far against the same days of the week before, the largest change first."""
    currency = organisation.currency
    this, same, last = (_amounts(use, currency) for use in (weeks.this, weeks.same_days, weeks.last))
    names = sorted({*(this or {}), *(same or {}), *(last or {})})
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        now = _of(this, name, currency)
        earlier, whole = _of(same, name, currency), _of(last, name, currency)
        if not any(isinstance(each, Money) and each for each in (now, earlier, whole)):
            continue
        both = isinstance(now, Money) and isinstance(earlier, Money)
        change = now - earlier if isinstance(now, Money) and isinstance(earlier, Money) else None
        share = Fraction(change.minor, earlier.minor) if both and change and isinstance(earlier, Money) and earlier else None
        rows.append((name, now, earlier, change, share, whole, owner_of(name, organisation, weeks.week.through)))
    rows.sort(key=lambda row: (-abs(row[3].minor) if isinstance(row[3], Money) else 0, str(row[0])))
    note = f"{weeks.week.first} to {weeks.week.through}, {weeks.week.days} of 7 days. What is fixed for a month is left out."
    return Table("week", f"Week {weeks.week} to date against last week", _WEEK_FIELDS, tuple(rows), note, team="team")


def _amounts(use: Use | None, currency: str) -> dict[str, Money] | None:
    if use is None:
        return None
    unit = 10 ** minor_digits(currency)
    return rounded_parts({name: Fraction(minor) / unit for name, minor in use.by_team.items()}, currency, "half_up")


def _of(amounts: Mapping[str, Money] | None, name: str, currency: str) -> Money | Missing:
    return NOT_LOADED if amounts is None else amounts.get(name, Money(0, currency))


def week_totals(weeks: Weeks, currency: str) -> dict[str, Money | None]:
    """The sums of the table's columns."""
    every = {"this_week": weeks.this, "same_days_last_week": weeks.same_days, "last_week": weeks.last}
    amounts = {name: _amounts(use, currency) for name, use in every.items()}
    return {name: None if parts is None else total(parts.values(), currency) for name, parts in amounts.items()}


def unallocated_table(weeks: Weeks, months: Mapping[str, MonthCharges], organisation: Organisation) -> Table:
    """`unallocated-weeks`: what nobody owns, this week and last, and in the months so far: is it shrinking? (A2)"""
    fields = (Field("when", "text"), Field("unallocated", "money"), Field("share", "share"))
    spans = (
        (f"week {weeks.week} so far", weeks.this),
        ("the same days of last week", weeks.same_days),
        ("last week", weeks.last),
    )
    rows: list[tuple[Cell, ...]] = []
    for when, use in spans:
        if use is None:
            rows.append((when, NOT_LOADED, NOT_LOADED))
            continue
        amount = Money(int(use.loose), organisation.currency)
        rows.append((when, amount, Fraction(use.loose) / use.whole if use.whole else Missing("no use")))
    rows += [(name, each.unallocated, each.unallocated_share) for name, each in months.items()]
    title = f"What is {UNALLOCATED.strip('()')}"
    return Table(
        "unallocated-weeks", title, fields, tuple(rows), "A share of all use of the days; of a month, of all charges."
    )
