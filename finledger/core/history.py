"""What earlier months left behind: the sums of their charge lines that later months and the quarter's end need.

A month's credits, draws and the fund's opening follow from lines that other months posted (rules Q2, B1-B5). They are
needed as sums only, so that a year of history is a few thousand rows, whatever was charged.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

from finledger.core.model import MONEY_MOVES, UNALLOCATED, ChargeLine
from finledger.core.money import Money
from finledger.core.period import Month

K = TypeVar("K", str, tuple[str, str])

# What flows into the buffer fund when it is posted: draws and rebates are negative (rule B1).
FUND_COMPONENTS = frozenset({"buffer", "buffer_draw", "buffer_true_up", "buffer_rebate"})
# What is held against a feature (rule Q2); of everything else a flow is a team's, whatever the feature.
OF_A_FEATURE = ("coverage_premium", "coverage_credit")
SETTLED = "settled"  # the kind of what a closed quarter's end posted: true-ups and rebates
# What is left out of a team's charges of a month before any draw: corrections count, what a dispute credited does not (B2, B4).
AFTER_CHARGES = frozenset({"buffer_draw", "buffer_repayment", "adjustment", SETTLED})


class Flow(NamedTuple):
    """What the lines of one month, team, kind and component came to, in minor units; of premiums and credits each feature."""

    posting_month: Month
    service_month: Month
    team: str
    feature: str
    kind: str
    component: str
    posted: bool
    minor: int


@dataclass(frozen=True)
class History:
    """The flows of the months before, each month's from its latest run."""

    currency: str
    flows: tuple[Flow, ...] = ()

    def __add__(self, flows: Iterable[Flow]) -> History:
        return History(self.currency, (*self.flows, *flows))

    @cached_property
    def _by_month(self) -> Mapping[Month, Sequence[Flow]]:
        """The flows by the month that posts them: most questions are about a few months of a year."""
        found: dict[Month, list[Flow]] = {}
        for flow in self.flows:
            found.setdefault(flow.posting_month, []).append(flow)
        return found

    def _of(self, months: Iterable[Month]) -> Iterator[Flow]:
        return (flow for month in sorted(set(months)) for flow in self._by_month.get(month, ()))

    @property
    def months(self) -> tuple[Month, ...]:
        return tuple(sorted(self._by_month))

    def before(self, month: Month) -> History:
        return History(self.currency, tuple(flow for flow in self.flows if flow.posting_month < month))

    def charges(self, month: Month) -> dict[str, Money]:
        """Each team's charges of the service month before any draw, whenever posted (B2). Teams without a line are missing."""
        return self._sums(
            (flow.team, flow)
            for flow in self.flows
            if flow.service_month == month and flow.kind not in AFTER_CHARGES and flow.team != UNALLOCATED
        )

    def posted(self, component: str, months: Iterable[Month], moves_money: bool = True) -> dict[str, Money]:
        """What teams whose stage moves money, or the others, were charged as `component` in these months."""
        return self._sums(
            (flow.team, flow)
            for flow in self._of(months)
            if flow.component == component and flow.posted == moves_money and flow.team != UNALLOCATED
        )

    def fund_flow(self, month: Month) -> Money:
        """What the month moved into the buffer fund, less what it took out (B1)."""
        return self._total(flow for flow in self._of((month,)) if flow.component in FUND_COMPONENTS and flow.posted)

    def premium_left(self, months: Container[Month], posted: bool) -> dict[tuple[str, str], Money]:
        """Coverage premium by team and feature that these months charged and did not credit, posted or pro forma (Q2).

        What a dispute credited or rebilled counts with the month of the service, whenever it was posted (L4).
        """
        return self._sums(
            ((flow.team, flow.feature), flow)
            for flow in self.flows
            if flow.component in OF_A_FEATURE
            and flow.posted == posted
            and (flow.service_month if flow.kind == "adjustment" else flow.posting_month) in months
        )

    def action_base(self, months: Iterable[Month]) -> Money:
        """Base components of all action lines of teams at every stage (B5)."""
        return self._total(
            flow
            for flow in self._of(months)
            if flow.kind == "action" and flow.component == "base" and flow.team != UNALLOCATED
        )

    def _sums(self, flows: Iterable[tuple[K, Flow]]) -> dict[K, Money]:
        minors: dict[K, int] = {}
        for key, flow in flows:
            minors[key] = minors.get(key, 0) + flow.minor
        return {key: Money(minor, self.currency) for key, minor in sorted(minors.items())}

    def _total(self, flows: Iterable[Flow]) -> Money:
        return Money(sum(flow.minor for flow in flows), self.currency)


def flows_of(lines: Iterable[ChargeLine]) -> tuple[Flow, ...]:
    """The flows of charge lines, sorted."""
    minors: dict[tuple[Month, Month, str, str, str, str, bool], int] = {}
    for line in lines:
        key = line.key
        head = (key.posting_month, key.service_month, key.team)
        for component, amount in line.components:
            feature = key.feature if component in OF_A_FEATURE else ""
            whole = (*head, feature, key.kind, component, line.stage in MONEY_MOVES)
            minors[whole] = minors.get(whole, 0) + amount.minor
    return tuple(Flow(*key, minor) for key, minor in sorted(minors.items()))
