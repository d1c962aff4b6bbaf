"""The quarter's end: the fund settled, the reserves released, what prices recovered against what things cost (B4, B5, Q2, X3).

Everything is worked out again on the quarter's final data. What was drawn then and what would be drawn now differ by the
true-ups; what the fund holds above its upper limit is given back; the reserves pay for what they were collected for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from finledger.core import buffer as fund
from finledger.core.eval_share import SUBSIDIES
from finledger.core.history import History
from finledger.core.model import DrawDecision, Organisation, PlatformCost, PriceBook
from finledger.core.money import Money, floored, rounded_places, split, total, zero
from finledger.core.period import Month, Quarter
from finledger.core.pricebook import book_at
from finledger.core.variance import ClassVariance

SURCHARGE = (Decimal("0.03"), Decimal("0.05"))
SURCHARGE_PLACES = 4
EVAL_RESERVE = ("coverage_premium", "coverage_credit")
REGISTRY_RESERVE = ("registry",)
RECOVERS_OVERHEAD = ("overhead", "freshness_premium")
FUNDED_BY_OVERHEAD = ("overhead", "gateway", "retrieval", "observability")


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """A month of the quarter on its final data. `drawn`: what its teams drew when it was charged, as amounts.

    `decisions`: what became of its requests on final data. `stands`: the month cannot be worked out again, and neither can
    its draws.
    """

    month: Month
    opening: Money
    contributions: Money
    repayments: Money
    drawn: Mapping[str, Money]
    decisions: Sequence[DrawDecision]
    stands: bool = False

    @property
    def due(self) -> Mapping[str, Money]:
        """What each team draws on final data; as it was drawn, where that cannot be said."""
        if self.stands:
            return self.drawn
        return {decision.request.team: decision.granted for decision in self.decisions}


@dataclass(frozen=True, slots=True)
class TrueUp:
    """A draw that final data changes (B4): `amount` by its effect on the fund, a claw-back positive, a top-up negative."""

    month: Month
    team: str
    old: Money
    new: Money
    amount: Money


@dataclass(frozen=True, slots=True)
class Reserve:
    """A reserve's quarter: opening + added - released = closing. `cost`: what it was collected for (Q2, P3)."""

    name: str
    opening: Money
    added: Money
    cost: Money
    released: Money

    @property
    def closing(self) -> Money:
        return self.opening + self.added - self.released


@dataclass(frozen=True, slots=True)
class Surcharge:
    """The surcharge that would bring a fund that is too small back to its lower limit (B5).

    `needed` is what the next quarter would have to charge, with this quarter's actions and draws again; `proposed` is that,
    held within 3 to 5 %; `reaches` says whether it is enough.
    """

    current: Decimal
    needed: Decimal
    proposed: Decimal
    reaches: bool


@dataclass(frozen=True, slots=True)
class OverheadRecovery:
    """What the platform recovered as overhead in the quarter, beside what that really cost it (X3).

    `charged`: overhead and freshness premiums that were posted; `pro_forma`: those of teams for whom no money moved.
    """

    charged: Money
    pro_forma: Money
    cost: Money

    @property
    def recovered(self) -> Money:
        """Over-recovery, or under-recovery below zero, of what was posted."""
        return self.charged - self.cost


@dataclass(frozen=True, slots=True)
class QuarterEnd:
    """The bursting buffer's quarter and all that is settled beside it."""

    quarter: Quarter
    currency: str
    opening: Money
    contributions: Money
    contributions_by_team: Mapping[str, Money]
    draws: Money
    draws_by_team: Mapping[str, Money]
    repayments: Money
    true_ups: tuple[TrueUp, ...]
    size: fund.Size
    lent: Mapping[str, Money] = field(default_factory=dict)
    surcharge: Surcharge | None = None
    reserves: tuple[Reserve, ...] = ()
    variances: tuple[ClassVariance, ...] = ()
    overhead: OverheadRecovery | None = None
    months: tuple[MonthEnd, ...] = ()

    @property
    def trued_up(self) -> Money:
        """All true-ups, instalments of loans among them, by their effect on the fund."""
        return total((each.amount for each in self.true_ups), self.currency) + self.repayments

    @property
    def before_rebates(self) -> Money:
        return self.opening + self.contributions - self.draws + self.trued_up

    @property
    def closing(self) -> Money:
        return self.before_rebates - self.size.rebated


def quarter_end(
    quarter: Quarter,
    months: Sequence[MonthEnd],
    history: History,
    books: Sequence[PriceBook],
    organisation: Organisation,
    costs: Iterable[PlatformCost],
    variances: Sequence[ClassVariance],
) -> QuarterEnd:
    """The quarter settled. `history` holds every month before the quarter and, on final data, the quarter's own."""
    currency, start = organisation.currency, organisation.fiscal_year_start
    own = quarter.months(start)
    opening = fund.opening(own[0], history, books, organisation)
    contributions = total((each.contributions for each in months), currency)
    repayments = total((each.repayments for each in months), currency)
    drawn = _by_team((team, amount) for each in months for team, amount in each.drawn.items())
    draws = total(drawn.values(), currency)
    true_ups = _true_ups(months, opening + contributions + repayments - draws)
    balance = opening + contributions + repayments - draws + total((each.amount for each in true_ups), currency)
    size = fund.size(balance, quarter, history, books, start)
    short = balance.minor < size.low.minor
    known = list(costs)
    return QuarterEnd(
        quarter=quarter,
        currency=currency,
        opening=opening,
        contributions=contributions,
        contributions_by_team=history.posted("buffer", own),
        draws=draws,
        draws_by_team=drawn,
        repayments=repayments,
        true_ups=true_ups,
        size=size,
        lent=fund.lent_in(history, books, own, currency),
        surcharge=_surcharge(size.low - balance, contributions, draws, own, books) if short else None,
        reserves=reserves(quarter, history, organisation, known),
        variances=tuple(variances),
        overhead=_overhead(own, history, known),
        months=tuple(months),
    )


def _overhead(own: Sequence[Month], history: History, costs: Iterable[PlatformCost]) -> OverheadRecovery:
    both = {
        moves: total(
            (amount for name in RECOVERS_OVERHEAD for amount in history.posted(name, own, moves).values()), history.currency
        )
        for moves in (True, False)
    }
    exact = sum((cost.amount for cost in costs if cost.month in own and cost.component in FUNDED_BY_OVERHEAD), Decimal(0))
    return OverheadRecovery(both[True], both[False], floored(exact, history.currency))


def _by_team(amounts: Iterable[tuple[str, Money]]) -> dict[str, Money]:
    sums: dict[str, Money] = {}
    for team, amount in amounts:
        sums[team] = sums[team] + amount if team in sums else amount
    return dict(sorted(sums.items()))


def _true_ups(months: Sequence[MonthEnd], balance: Money) -> tuple[TrueUp, ...]:
    """Old draw - new draw of every month and team (B4). Top-ups are held to what the fund has: it is never negative (B1)."""
    changed: list[TrueUp] = []
    for each in months:
        new = each.due
        for team in sorted({*new, *each.drawn}):
            was, now = each.drawn.get(team, zero(balance.currency)), new.get(team, zero(balance.currency))
            if was != now:
                changed.append(TrueUp(each.month, team, was, now, was - now))
    back = total((each.amount for each in changed if each.amount.minor > 0), balance.currency)
    more = {number: -each.amount.minor for number, each in enumerate(changed) if each.amount.minor < 0}
    available = max((balance + back).minor, 0)
    if sum(more.values()) <= available:
        return tuple(changed)
    paid = split(Money(available, balance.currency), more, residual=min(more))
    for number, amount in paid.items():
        one = changed[number]
        changed[number] = TrueUp(one.month, one.team, one.old, one.old + amount, -amount)
    return tuple(each for each in changed if each.amount)


def _surcharge(
    shortfall: Money, contributions: Money, draws: Money, own: Sequence[Month], books: Sequence[PriceBook]
) -> Surcharge | None:
    """By what rate the next quarter's actions would restore the fund; None where nothing was charged to go by (B5)."""
    book = book_at(books, own[-1].first_day)
    if book is None or not book.uplift.buffer or contributions.minor <= 0:
        return None
    current = book.uplift.buffer
    exact = Fraction(current) * Fraction((shortfall + draws).minor, contributions.minor)
    low, high = SURCHARGE
    needed = rounded_places(exact, SURCHARGE_PLACES)
    return Surcharge(current, needed, min(max(needed, low), high), Fraction(exact) <= Fraction(high))


# ── reserves ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def reserves(
    quarter: Quarter, history: History, organisation: Organisation, costs: Sequence[PlatformCost]
) -> tuple[Reserve, Reserve]:
    """The eval reserve, which premiums fill and eval subsidies use up; and the registry's, which pays for the registry."""
    return (
        _reserve("eval_reserve", EVAL_RESERVE, SUBSIDIES, quarter, history, organisation, costs),
        _reserve("registry_reserve", REGISTRY_RESERVE, ("registry",), quarter, history, organisation, costs),
    )


def _reserve(
    name: str,
    components: Sequence[str],
    paid_for: Sequence[str],
    quarter: Quarter,
    history: History,
    organisation: Organisation,
    costs: Sequence[PlatformCost],
) -> Reserve:
    """Rolled forward over the quarters since the books begin; each releases min(reserve, cost), never more than there is."""
    start, currency = organisation.fiscal_year_start, organisation.currency
    earlier = {month.quarter(start) for month in history.months if month.quarter(start) < quarter}
    opening = zero(currency)
    for each in [*sorted(earlier), quarter]:
        months = each.months(start)
        flows = [amount for component in components for amount in history.posted(component, months).values()]
        added = total(flows, currency)
        exact = sum((cost.amount for cost in costs if cost.month in months and cost.component in paid_for), Decimal(0))
        cost = floored(max(exact, Decimal(0)), currency)
        released = Money(max(0, min((opening + added).minor, cost.minor)), currency)
        if each == quarter:
            break
        opening = opening + added - released
    return Reserve(name, opening, added, cost, released)
