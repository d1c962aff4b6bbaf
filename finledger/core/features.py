"""What every feature cost, what it earned, and which cohort of its users the cost is of (rule A6).

A feature's cost is its bill (Q4's `total`): all lines with its label, of all teams, premiums and credits included. What nobody
owns stands apart, and so does what carries no feature: the features, these two, and nothing else make up the month's charges.
A cohort's part of a line is in proportion to what the line is priced by (portions.py), and to the cent over the feature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from finledger.core.invoice import is_own
from finledger.core.model import UNALLOCATED, ChargeLine, MonthCharges, Organisation, OwnedGroup
from finledger.core.money import Money, floored, parts_of, zero
from finledger.core.portions import Portions, part_of_line
from finledger.core.revenue import Revenue

COHORT, USER = "cohort", "user"
HALF = Fraction(1, 2)
Segment = tuple[str, str]  # feature, cohort
_OfRevenue = Callable[[Revenue], Segment]
_OfSegment = Callable[[str, str], Segment]
People = Mapping[tuple[str, str, str], frozenset[str]]  # the users of each team, feature and cohort


@dataclass(frozen=True, slots=True)
class FeatureMonth:
    """A month's charges with what each cohort has of a feature's cost, in minor units and exact; who used it; what it earned.

    `people`: None where nobody counted them. `owners`: the team of each feature, which declares it or was charged most.
    """

    charges: MonthCharges
    segments: Mapping[Segment, Fraction]
    people: People | None
    revenue: tuple[Revenue, ...]
    owners: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FeatureMargin:
    """A feature, or a segment of one, over a period. `revenue` None: nobody recorded any. `users` None: not counted."""

    feature: str
    cohort: str
    cost: Money
    cost_share: Fraction | None
    revenue: Money | None
    users: int | None

    @property
    def margin(self) -> Money | None:
        return None if self.revenue is None else self.revenue - self.cost

    @property
    def flagged(self) -> bool:
        """A cohort with half of the feature's cost or more, at a negative margin (A6)."""
        return self.is_heavy and self.margin is not None and self.margin.minor < 0

    @property
    def is_heavy(self) -> bool:
        return self.cohort != "" and self.cost_share is not None and self.cost_share >= HALF


def feature_month(
    charges: MonthCharges,
    found: Portions,
    people: People | None,
    revenue: Iterable[Revenue],
    organisation: Organisation,
) -> FeatureMonth:
    """`found`: what each cohort, as a label of one word, has of every line of usage."""
    segments: dict[Segment, Fraction] = {}
    charged: dict[str, dict[str, int]] = {}
    for line in feature_lines(charges.lines):
        for (cohort,), part in part_of_line(line, found, ("",)).items():
            key = (line.key.feature, cohort)
            segments[key] = segments.get(key, Fraction(0)) + part
        teams = charged.setdefault(line.key.feature, {})
        teams[line.key.team] = teams.get(line.key.team, 0) + line.amount.minor
    owners = {feature: max(sorted(teams), key=lambda team: teams[team]) for feature, teams in charged.items()}
    for name, team in sorted(organisation.teams.items(), reverse=True):
        owners |= dict.fromkeys(team.features, name)
    own = tuple(each for each in revenue if each.month == charges.month)
    return FeatureMonth(charges, segments, people, own, owners)


def feature_lines(lines: Iterable[ChargeLine]) -> Iterable[ChargeLine]:
    """The lines of features: the month's own, of teams."""
    return (line for line in lines if line.key.feature and line.key.team != UNALLOCATED and is_own(line))


def people_of(owned: Iterable[OwnedGroup], organisation: Organisation) -> People:
    """The named users of each team, feature and cohort; groups have to carry both labels."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for group in owned:
        if group.team in organisation.teams:
            users = found.setdefault((group.team, group.feature, group.group.labels[COHORT]), set())
            users.add(group.group.labels[USER])
    return {key: frozenset(users - {""}) for key, users in found.items()}


def user_counts(people: People) -> dict[tuple[str, ...], int]:
    """How many users each feature of a team has, whatever their cohort."""
    found: dict[tuple[str, ...], set[str]] = {}
    for (team, feature, _), users in people.items():
        found.setdefault((team, feature), set()).update(users)
    return {key: len(users) for key, users in found.items()}


def margins(months: Sequence[FeatureMonth]) -> tuple[FeatureMargin, ...]:
    """Every feature that was charged, measured or earned anything in the months, sorted."""
    currency = months[0].charges.currency
    costs = _totals(months)
    earned = _earned(months, lambda each: (each.feature, ""))
    users = _users(months, lambda feature, cohort: (feature, ""))
    names = sorted({*costs, *(feature for feature, _ in earned)})
    return tuple(
        FeatureMargin(
            name,
            "",
            costs.get(name, zero(currency)),
            None,
            earned.get((name, "")),
            None if users is None else len(users.get((name, ""), ())),
        )
        for name in names
    )


def segment_margins(months: Sequence[FeatureMonth]) -> tuple[FeatureMargin, ...]:
    """Every cohort of every feature that has any, sorted; "" is usage of none. The cohorts' costs add up to the feature's."""
    currency = months[0].charges.currency
    exact: dict[str, dict[str, Fraction]] = {}
    for month in months:
        for (feature, cohort), minor in month.segments.items():
            of_feature = exact.setdefault(feature, {})
            of_feature[cohort] = of_feature.get(cohort, Fraction(0)) + minor
    earned = _earned(months, lambda each: (each.feature, each.cohort))
    for feature, cohort in earned:
        exact.setdefault(feature, {}).setdefault(cohort, Fraction(0))
    users = _users(months, lambda feature, cohort: (feature, cohort))
    found = []
    for feature, cohorts in sorted(exact.items()):
        if not any(cohorts):
            continue
        whole = sum(cohorts.values(), Fraction(0))
        major = {cohort: minor * zero_step(currency) for cohort, minor in cohorts.items()}
        parts = parts_of(Money(int(whole), currency), major)
        for cohort in sorted(cohorts):
            found.append(
                FeatureMargin(
                    feature,
                    cohort,
                    parts[cohort],
                    Fraction(cohorts[cohort]) / whole if whole > 0 else None,
                    earned.get((feature, cohort)),
                    None if users is None else len(users.get((feature, cohort), ())),
                )
            )
    return tuple(found)


def zero_step(currency: str) -> Fraction:
    """One minor unit, in the major one."""
    return Fraction(Money(1, currency).amount)


def _totals(months: Sequence[FeatureMonth]) -> dict[str, Money]:
    costs: dict[str, Money] = {}
    for month in months:
        for each in month.charges.features:
            costs[each.feature] = costs.get(each.feature, zero(month.charges.currency)) + each.total
    return costs


def _earned(months: Sequence[FeatureMonth], of: _OfRevenue) -> dict[Segment, Money]:
    found: dict[Segment, Money] = {}
    for month in months:
        for each in month.revenue:
            amount = floored(each.revenue, month.charges.currency)  # its reader held it to the minor unit: nothing is lost
            found[of(each)] = found.get(of(each), zero(month.charges.currency)) + amount
    return found


def _users(months: Sequence[FeatureMonth], of: _OfSegment) -> dict[Segment, set[str]] | None:
    """The users of each, once for all months."""
    found: dict[Segment, set[str]] = {}
    for month in months:
        if month.people is None:
            return None
        for (_, feature, cohort), users in month.people.items():
            found.setdefault(of(feature, cohort), set()).update(users)
    return found
