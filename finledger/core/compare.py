"""Two versions of the same months' charges, side by side: what each team, each component and all of it would change by (U8).

`simulate` and `pricebook diff --month` both show what is made here. Every figure is a sum of charge lines as they were
rounded, so that the changes of the teams, of the components, and of their cells add up to the same total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from finledger.core.model import UNALLOCATED, MonthCharges
from finledger.core.money import Money, zero

EVAL = "eval"


@dataclass(frozen=True, slots=True)
class Change:
    """An amount before and after. `team` or `component` is "" where it stands for all of them."""

    team: str
    component: str
    before: Money
    after: Money

    @property
    def delta(self) -> Money:
        return self.after - self.before

    @property
    def ratio(self) -> Fraction | None:
        """The change as a share of what was before, positive for more; None where nothing was."""
        return Fraction(self.delta.minor, abs(self.before.minor)) if self.before else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Before and after: `total`, by `teams` ((unallocated) last), by `components`, and by both (`cells`).

    `platform` is what the teams are not charged and the platform bears instead: its part of evaluation, and what the model
    of operation funds centrally (C4, C7). It is no part of `total`.
    """

    currency: str
    total: Change
    teams: tuple[Change, ...]
    components: tuple[Change, ...]
    cells: tuple[Change, ...]
    platform: tuple[Change, ...]

    @property
    def winners(self) -> tuple[Change, ...]:
        """Teams that would pay less, the one that saves most first."""
        less = (each for each in self.teams if each.delta.minor < 0 and each.team != UNALLOCATED)
        return tuple(sorted(less, key=lambda each: (each.delta.minor, each.team)))

    @property
    def losers(self) -> tuple[Change, ...]:
        """Teams that would pay more, the one that pays most more first."""
        more = (each for each in self.teams if each.delta.minor > 0 and each.team != UNALLOCATED)
        return tuple(sorted(more, key=lambda each: (-each.delta.minor, each.team)))

    @property
    def same(self) -> bool:
        """Whether no team and no component changes."""
        return not any(each.delta for each in (*self.cells, *self.platform))


def compare(before: Sequence[MonthCharges], after: Sequence[MonthCharges]) -> Comparison:
    """What becomes of the charges of one month or several. Raises ValueError for other months, or another currency."""
    left_months, right_months = ([(str(each.month), each.currency) for each in side] for side in (before, after))
    if left_months != right_months or not before:
        raise ValueError(f"{left_months} and {right_months} do not compare")
    currency = before[0].currency
    left, right = _cells(before), _cells(after)
    named = {(each.team, "") for charges in (*before, *after) for each in charges.teams}
    keys = left.keys() | right.keys()
    return Comparison(
        currency=currency,
        total=_change("", "", left, right, keys, currency),
        teams=tuple(
            _change(team, "", left, right, [key for key in keys if key[0] == team], currency)
            for team in sorted({team for team, _ in keys | named}, key=lambda name: (name == UNALLOCATED, name))
        ),
        components=tuple(
            _change("", component, left, right, [key for key in keys if key[1] == component], currency)
            for component in sorted({component for _, component in keys})
        ),
        cells=tuple(
            _change(*key, left, right, [key], currency)
            for key in sorted(keys, key=lambda key: (key[0] == UNALLOCATED, *key))
        ),
        platform=_platform(_borne(before), _borne(after), zero(currency)),
    )


def _cells(months: Sequence[MonthCharges]) -> dict[tuple[str, str], int]:
    """Minor units by team and component."""
    sums: dict[tuple[str, str], int] = {}
    for line in (line for charges in months for line in charges.lines):
        for component, amount in line.components:
            key = (line.key.team, component)
            sums[key] = sums.get(key, 0) + amount.minor
    return sums


def _change(
    team: str,
    component: str,
    before: dict[tuple[str, str], int],
    after: dict[tuple[str, str], int],
    keys: Iterable[tuple[str, str]],
    currency: str,
) -> Change:
    wanted = tuple(keys)
    return Change(
        team,
        component,
        Money(sum(before.get(key, 0) for key in wanted), currency),
        Money(sum(after.get(key, 0) for key in wanted), currency),
    )


def _platform(left: Mapping[str, Money], right: Mapping[str, Money], none: Money) -> tuple[Change, ...]:
    return tuple(
        Change("", name, left.get(name, none), right.get(name, none)) for name in sorted(left.keys() | right.keys())
    )


def _borne(months: Sequence[MonthCharges]) -> dict[str, Money]:
    """What the platform bears by component; evaluation is the platform's part of every disclosure."""
    minors: dict[str, int] = {}
    for charges in months:
        parts = [(each.component, each.amount) for each in charges.central if each.component != EVAL]
        for component, amount in (*parts, *((EVAL, each.platform_share) for each in charges.disclosures)):
            minors[component] = minors.get(component, 0) + amount.minor
    return {component: Money(minor, months[0].currency) for component, minor in minors.items() if minor}
