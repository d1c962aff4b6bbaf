"""A team's own list of what it ran, held against what it is charged for (rule U11): agreed, only ours, only theirs, or not the same.

What is compared is what the list states: calls, tokens, GPU-hours. It is compared by the identity that the list has: a row's id, or
the day with whatever else it names (action, feature, model); then both sides are added up by that. Each identity has its part of
the lines' amounts (portions.py), to the cent: what agrees, what is only ours and what differs make up the charges of usage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from finledger.core.money import Money, parts_of, zero
from finledger.core.problem import SourceRef

IDS = ("usage_id", "request_id", "trace_id")
LABELS = ("action", "feature", "model")
DAY = "day"
MEASURES = (
    "requests", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "tokens", "gpu_hours", "runs",
)  # fmt: skip
Identity = tuple[str, ...]
Quantities = Mapping[str, Decimal]
Status = Literal["agreed", "differs", "only_ours", "only_theirs"]
STATUSES: tuple[Status, ...] = ("agreed", "differs", "only_ours", "only_theirs")


@dataclass(frozen=True, slots=True)
class TeamList:
    """A team's list: by which columns its rows are known, which quantities they state, and the rows added up by identity.

    `by` is `("id",)` where the column does not say which id of ours it is. `rows`: quantities, and where the first row stands.
    `left_out`: rows of other months.
    """

    by: tuple[str, ...]
    measures: tuple[str, ...]
    rows: Mapping[Identity, tuple[Quantities, SourceRef]]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """One identity. `cost` None: nothing of it is ours, so it is not charged. A side without it has no quantities."""

    identity: Identity
    status: Status
    cost: Money | None
    ours: Quantities
    theirs: Quantities
    source: SourceRef | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """`held`: every identity, what does not agree first. `usage`: what usage is charged; `besides`: seats, pools, idle capacity
    and what comes back, which no list of jobs has.
    """

    team: str
    by: tuple[str, ...]
    measures: tuple[str, ...]
    held: tuple[Held, ...]
    usage: Money
    besides: Money
    left_out: int = 0

    def count(self, status: Status) -> int:
        return sum(each.status == status for each in self.held)

    def cost(self, status: Status) -> Money:
        """What the identities of a status are charged."""
        amounts = [each.cost.minor for each in self.held if each.status == status and each.cost is not None]
        return Money(sum(amounts), self.usage.currency)

    @property
    def share_of_rows(self) -> Fraction | None:
        """Agreed ÷ all identities of both sides; None of none."""
        return Fraction(self.count("agreed"), len(self.held)) if self.held else None

    @property
    def share_of_money(self) -> Fraction | None:
        """What agrees of what usage is charged; None where usage is charged nothing."""
        return Fraction(self.cost("agreed").minor, self.usage.minor) if self.usage.minor > 0 else None

    @property
    def total(self) -> Money:
        return self.usage + self.besides

    @property
    def agrees(self) -> bool:
        return bool(self.held) and all(each.status == "agreed" for each in self.held)


def hold(
    team: str,
    listed: TeamList,
    by: tuple[str, ...],
    ours: Mapping[Identity, Quantities],
    costs: Mapping[Identity, Fraction],
    besides: Money,
) -> Agreement:
    """`costs`: each identity's part of the lines of usage, in minor units, exact; together they are whole."""
    currency = besides.currency
    usage = Money(int(sum(costs.values(), Fraction(0))), currency)
    step = Fraction(Money(1, currency).amount)
    parts = parts_of(usage, {key: minor * step for key, minor in costs.items()}) if costs else {}
    held = []
    for identity in sorted({*ours, *listed.rows}):
        mine = ours.get(identity)
        theirs, source = listed.rows.get(identity, (None, None))
        held.append(
            Held(
                identity,
                _status(mine, theirs, listed.measures),
                None if mine is None else parts.get(identity, zero(currency)),
                _stated(mine, MEASURES if theirs is None else listed.measures),
                theirs or {},
                source,
            )
        )
    held.sort(key=lambda each: (each.status == "agreed", STATUSES.index(each.status)))
    return Agreement(team, by, listed.measures, tuple(held), usage, besides, listed.left_out)


def _status(mine: Quantities | None, theirs: Quantities | None, measures: Iterable[str]) -> Status:
    if theirs is None:
        return "only_ours"
    if mine is None:
        return "only_theirs"
    same = all(name not in theirs or mine.get(name, Decimal(0)) == theirs[name] for name in measures)
    return "agreed" if same else "differs"


def _stated(mine: Quantities | None, measures: Sequence[str]) -> Quantities:
    """Of ours, what the list states too; of what is only ours, all that there is."""
    if mine is None:
        return {}
    return {name: mine.get(name, Decimal(0)) for name in measures if mine.get(name) or measures is not MEASURES}
