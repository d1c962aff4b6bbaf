"""An open month before its bill: what it came to so far, and what it comes to if it goes on like this (rule U3).

    projected = fixed for the month + use of the complete days + use of a day that has begun + use a day x days left

*Use* is what usage makes: actions and their premiums, GPU-hours, egress, what is passed through, pools of rows. *Fixed* is
charged whatever is used: seats, pools of a fixed amount, credits, draws, corrections of earlier months. Reserved hours that
lie idle shrink as use grows; those of a pool stay as they are. A day that has begun counts as an average day, or as what it
has already where that is more. All of it is exact until the whole month's sum is rounded, once; nothing of it is posted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from finledger.core.compound import COMPOUND
from finledger.core.invoice import is_own
from finledger.core.model import POOL_PREFIX, UNALLOCATED, ChargeLine, IdleCost, MonthCharges, Organisation, Pool, PoolSplit
from finledger.core.money import Money, minor_digits, rounded_parts, total, zero
from finledger.core.period import Month
from finledger.core.report import Cell, Field, Missing, Table
from finledger.core.review_terms import ReviewTerms, is_alert

Key = tuple[str, str]  # team and feature
BY_USE = frozenset({"action", "gpu", "egress", "passthrough", "coverage_premium", "freshness_premium", *COMPOUND})
NO_DAY = Missing("no complete day yet")
NO_BUDGET, NO_FORECAST = Missing("no budget"), Missing("no forecast")
NONE = Fraction(0)


@dataclass(frozen=True, slots=True)
class Days:
    """How far the usage of a month reaches. `as_of`: the last day that counts, None before the first; `complete`: how many
    days from the month's first are over; `begun`: whether the next one has usage already.
    """

    month: Month
    as_of: date | None
    complete: int
    begun: bool = False

    @property
    def length(self) -> int:
        return self.month.last_day.day

    @property
    def is_whole(self) -> bool:
        return self.complete == self.length

    @property
    def last_complete(self) -> date:
        """The last day that is over; the day before the month's first where none is."""
        return self.month.first_day + timedelta(days=self.complete - 1)


def days_of(month: Month, used: Collection[date], *, at: date | None = None, over: bool = False) -> Days:
    """How far a month is, by the days on which it has usage: no clock is looked at.

    The last day with usage may still be filling, so it is not complete, but for the month's last. `at` names a day of the
    month whose end it is: that day is complete, and later ones do not count. Days without usage are loaded only where a later
    one has some. `over`: the month is closed, or usage of a later one is loaded.

    >>> july = Month(2026, 7)
    >>> days_of(july, {date(2026, 7, 3), date(2026, 7, 14)})
    Days(month=Month(year=2026, number=7), as_of=datetime.date(2026, 7, 14), complete=13, begun=True)
    >>> days_of(july, {date(2026, 7, 3), date(2026, 7, 14)}, at=date(2026, 7, 10)).complete
    10
    """
    last = month.last_day if over else max(used, default=None)
    if last is None:
        return Days(month, None, 0)
    if at is not None:
        reached = min(at, last)
        return Days(month, reached, reached.day)
    whole = last == month.last_day
    return Days(month, last, last.day if whole else last.day - 1, not whole)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a team's feature came to, in minor units: charged for the month whatever is used, and by use. Idle hours apart."""

    fixed: Fraction = NONE
    use: Fraction = NONE


@dataclass(frozen=True, slots=True)
class Part:
    """A team's feature ("" = no feature): month to date, and projected; None before the first complete day."""

    team: str
    feature: str
    to_date: Money
    projected: Money | None


@dataclass(frozen=True, slots=True)
class TeamPart:
    """A team's month, beside its budget and its frozen forecast. `(unallocated)` has neither."""

    team: str
    to_date: Money
    projected: Money | None
    budget: Money | None = None
    forecast: Money | None = None

    @property
    def over_budget(self) -> Money | None:
        return None if self.projected is None or self.budget is None else self.projected - self.budget

    @property
    def over_forecast(self) -> Money | None:
        return None if self.projected is None or self.forecast is None else self.projected - self.forecast

    def alerts(self, terms: ReviewTerms) -> bool:
        """Whether the month is going to pass the limit of its budget (U3)."""
        return self.projected is not None and self.budget is not None and is_alert(self.projected, self.budget, terms)


@dataclass(frozen=True, slots=True)
class Projection:
    """A month as far as it is known. `parts` by team and feature add up to `teams`, and these to the totals."""

    days: Days
    currency: str
    parts: tuple[Part, ...]
    teams: tuple[TeamPart, ...]

    @property
    def to_date(self) -> Money:
        return total((each.to_date for each in self.teams), self.currency)

    @property
    def projected(self) -> Money | None:
        found = [each.projected for each in self.teams if each.projected is not None]
        return total(found, self.currency) if len(found) == len(self.teams) else None


def project(so_far: MonthCharges, complete: MonthCharges, days: Days, organisation: Organisation) -> Projection:
    """The month from its charges by all days so far, and from those by its complete days. A whole month is what it came to."""
    now, done = costs(so_far, organisation), costs(complete, organisation)
    idle: dict[Key, Fraction] = {}
    for each in so_far.idle:  # a team may hold several SKUs
        for key, part in _idle_parts(each):
            idle[key] = idle.get(key, NONE) + part.minor
    keys = sorted({*now, *done, *idle})
    currency = so_far.currency
    to_date = {key: now.get(key, Cost()) for key in keys}
    come_to = {key: cost.fixed + cost.use + idle.get(key, NONE) for key, cost in to_date.items()}
    known = days.is_whole or days.complete > 0
    exact: dict[Key, Fraction] = {}
    if known:
        idle_then = _idle_projected(so_far.idle, complete.idle, days)
        for key, cost in to_date.items():
            use = done.get(key, Cost()).use
            exact[key] = cost.fixed + grown(use, cost.use - use, days) + idle_then.get(key, NONE)
    shown = {key: Money(int(minor), currency) for key, minor in _whole(come_to, currency).items()}
    then = _whole(exact, currency)
    parts = tuple(Part(*key, shown[key], Money(then[key], currency) if known else None) for key in keys)
    return Projection(days, currency, parts, _by_team(parts, so_far, known))


def grown(done: Fraction, begun: Fraction, days: Days) -> Fraction:
    """What use comes to by the month's end: `done` on the complete days, `begun` so far on the one after them."""
    if days.is_whole:
        return done
    rate = Fraction(done) / days.complete
    left = days.length - days.complete - days.begun
    return done + (max(rate, begun) if days.begun else NONE) + rate * left


def costs(charges: MonthCharges, organisation: Organisation) -> dict[Key, Cost]:
    """Every team's features, in minor units; idle capacity is left out."""
    pools = pools_by_use(charges.pools, organisation.pools, charges.idle)
    whole: dict[Key, int] = {}
    by_use: dict[Key, Fraction | int] = {}
    for line in charges.lines:
        if line.key.kind == "gpu_idle" and is_own(line):
            continue
        key, minor = (line.key.team, line.key.feature), line.amount.minor
        whole[key] = whole.get(key, 0) + minor
        by_use[key] = by_use.get(key, 0) + minor * _part_by_use(line, pools)
    return {key: Cost(minor - Fraction(by_use[key]), Fraction(by_use[key])) for key, minor in whole.items()}


def pools_by_use(splits: Iterable[PoolSplit], pools: Collection[Pool], idle: Iterable[IdleCost] = ()) -> dict[str, Fraction]:
    """The part of each pool that usage makes: all of a pool of rows but its idle hours, none of a fixed amount, and what each
    was fed."""
    fixed: dict[str, int] = {}  # of a pool's own amount; a pool that is not in here has none
    own_rows = {pool.rows: pool.name for pool in pools if pool.rows}
    still = {pool.name for pool in pools if pool.amount is not None}
    for cost in idle:
        for team, part in cost.parts.items():
            if team in own_rows:
                fixed[own_rows[team]] = fixed.get(own_rows[team], 0) + part.minor
    found: dict[str, Fraction] = {}
    before: list[PoolSplit] = []
    for each in splits:  # in the order in which they run: what feeds a pool stands before it
        fed = {other.name: other.fed[each.name].minor for other in before if each.name in other.fed}
        own = 0 if each.name in still else each.amount.minor - sum(fed.values()) - fixed.get(each.name, 0)
        use = sum((minor * found[name] for name, minor in fed.items()), Fraction(own))
        found[each.name] = Fraction(use) / each.amount.minor if each.amount else NONE
        before.append(each)
    return found


def _part_by_use(line: ChargeLine, pools: Mapping[str, Fraction]) -> Fraction | int:
    if not is_own(line):
        return 0
    if line.key.kind == "shared":
        return pools.get(line.key.item, 0)
    return int(line.key.kind in BY_USE)


def _idle_parts(each: IdleCost) -> Iterable[tuple[Key, Money]]:
    """By team; what is a pool's is shared out with the pool."""
    return (((team, ""), part) for team, part in each.parts.items() if part and not team.startswith(POOL_PREFIX))


def _idle_projected(so_far: Iterable[IdleCost], complete: Iterable[IdleCost], days: Days) -> dict[Key, Fraction]:
    """What of the idle hours is left when use has grown: a reservation's parts in proportion to its idle hours."""
    done = {(each.gpu_sku, each.holder): each.used for each in complete}
    found: dict[Key, Fraction] = {}
    for each in so_far:
        used = Fraction(done.get((each.gpu_sku, each.holder), each.used))
        then = Fraction(each.reserved) - grown(used, Fraction(each.used) - used, days)
        left = Fraction(max(NONE, then)) / Fraction(each.idle) if each.idle else NONE
        for key, part in _idle_parts(each):
            found[key] = found.get(key, NONE) + part.minor * left
    return found


def _whole(exact: Mapping[Key, Fraction], currency: str) -> dict[Key, int]:
    """Minor units that add up to the rounded sum of them all."""
    unit = 10 ** minor_digits(currency)
    parts = rounded_parts({key: Fraction(minor) / unit for key, minor in exact.items()}, currency, "half_up")
    return {key: part.minor for key, part in parts.items()}


def _by_team(parts: Iterable[Part], charges: MonthCharges, known: bool) -> tuple[TeamPart, ...]:
    none = zero(charges.currency)
    to_date: dict[str, Money] = {each.team: none for each in charges.teams}
    projected = dict(to_date)
    for part in parts:
        to_date[part.team] = to_date.get(part.team, none) + part.to_date
        projected[part.team] = projected.get(part.team, none) + (part.projected or none)
    planned = {each.team: each for each in charges.teams}
    return tuple(
        TeamPart(
            team,
            to_date[team],
            projected[team] if known else None,
            planned[team].budget if team in planned else None,
            planned[team].forecast if team in planned else None,
        )
        for team in sorted(to_date)
    )


def projection_tables(projection: Projection, organisation: Organisation) -> tuple[Table, ...]:
    """`projection` by team beside budget and forecast, and `projection-features` by team and feature (U3)."""
    days = projection.days
    note = f"By {_counted(days)}. Projected = fixed for the month + use of the complete days + use a day x days left; not posted."
    return (
        Table(
            "projection",
            f"{days.month}: month to date, and projected to its end",
            _TEAM_FIELDS,
            tuple(_team_row(each, organisation, days.month) for each in projection.teams),
            note,
            team="team",
        ),
        Table(
            "projection-features",
            f"{days.month}: month to date and projected, by feature",
            _FEATURE_FIELDS,
            tuple(
                (each.team, each.feature, each.to_date, each.projected if each.projected is not None else NO_DAY)
                for each in projection.parts
            ),
            note,
            team="team",
        ),
    )


_TEAM_FIELDS = (
    Field("team", "text"),
    Field("to_date", "money"),
    Field("projected", "money"),
    Field("budget", "money"),
    Field("over_budget", "money"),
    Field("forecast", "money"),
    Field("over_forecast", "money"),
    Field("alert", "text"),
    Field("owner", "text"),
)
_FEATURE_FIELDS = (
    Field("team", "text"),
    Field("feature", "text"),
    Field("to_date", "money"),
    Field("projected", "money"),
)


def _team_row(each: TeamPart, organisation: Organisation, month: Month) -> tuple[Cell, ...]:
    projected: Cell = NO_DAY if each.projected is None else each.projected
    budget: Cell = NO_BUDGET if each.budget is None else each.budget
    forecast: Cell = NO_FORECAST if each.forecast is None else each.forecast
    alert = "yes" if each.alerts(organisation.review) else "no"
    over = (each.over_budget, each.over_forecast)
    owner = owner_of(each.team, organisation, month.last_day)
    return (each.team, each.to_date, projected, budget, over[0], forecast, over[1], alert, owner)


def owner_of(team: str, organisation: Organisation, day: date) -> str | Missing:
    """Who answers for a team on a day; for what nobody owns, the platform's team."""
    if team in ("", UNALLOCATED, organisation.platform_team):
        return organisation.platform_team
    member = organisation.teams.get(team)
    owner = member.owner.at(day) if member is not None else None
    return owner or Missing("no owner in finledger.yaml")


def _counted(days: Days) -> str:
    """How far the month is, in words.

    >>> _counted(Days(Month(2026, 7), date(2026, 7, 14), 13, True))
    '13 complete days of 31, and 2026-07-14, which may still be filling'
    """
    if days.as_of is None:
        return "no usage yet"
    whole = f"{days.complete} complete {'day' if days.complete == 1 else 'days'} of {days.length}"
    return f"{whole}, and {days.as_of}, which may still be filling" if days.begun else whole
