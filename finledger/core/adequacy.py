"""The bursting buffer as people look at it: its roll-forward, and which bursts it could really absorb (rules B1, B2, B5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core import buffer as fund
from finledger.core.history import History
from finledger.core.model import MONEY_MOVES, BufferTerms, Organisation, PriceBook
from finledger.core.money import Money, floored, rounded_places, total, zero
from finledger.core.period import Month, Quarter

BURSTS = (Decimal(3), Decimal(5), Decimal(10))
PLACES = 2


@dataclass(frozen=True, slots=True)
class FundMonth:
    """A month of the fund's roll-forward; the last month of a quarter that is over has its rebates."""

    month: Month
    opening: Money
    contributions: Money
    repayments: Money
    draws: Money
    rebates: Money

    @property
    def closing(self) -> Money:
        return self.opening + self.contributions + self.repayments - self.draws - self.rebates


@dataclass(frozen=True, slots=True)
class TeamCover:
    """What a burst of one team would find. `absorbs`: the largest multiple of its forecast that is brought back in full.

    `bursts`: for 3, 5 and 10 times the forecast, what the rule would grant (None below the trigger) and what it would need.
    """

    team: str
    forecast: Money
    cap_left: Money
    absorbs: Decimal
    bursts: tuple[tuple[Decimal, Money | None, Money], ...]


def roll_forward(history: History, books: Sequence[PriceBook], organisation: Organisation) -> tuple[FundMonth, ...]:
    """Every month since the books begin, in order."""
    start = organisation.fiscal_year_start
    rows = []
    known = history.months
    for month, following in zip(known, (*known[1:], None), strict=False):
        contributions = _of(history, "buffer", month)
        quarter = month.quarter(start)
        opening = fund.opening(month, history, books, organisation)
        repayments, draws = _of(history, "buffer_true_up", month), -_of(history, "buffer_draw", month)
        rebates = zero(history.currency)
        if month == quarter.months(start)[-1] or (following is not None and following.quarter(start) != quarter):
            balance = opening + contributions + repayments - draws
            rebates = fund.size(balance, quarter, history, books, start).rebated
        rows.append(FundMonth(month, opening, contributions, repayments, draws, rebates))
    return tuple(rows)


def _of(history: History, component: str, month: Month) -> Money:
    return total(history.posted(component, (month,)).values(), history.currency)


def cap_left(team: str, quarter: Quarter, history: History, terms: BufferTerms, fiscal_year_start: int) -> Money:
    """What a team may still draw in the quarter, whatever the fund holds (B2)."""
    drawn = history.posted("buffer_draw", quarter.months(fiscal_year_start)).get(team, zero(history.currency))
    return Money(max(0, (floored(terms.cap_per_team_per_quarter, history.currency) + drawn).minor), history.currency)


def cover(
    month: Month,
    forecasts: Mapping[str, Decimal],
    balance: Money,
    history: History,
    terms: BufferTerms,
    organisation: Organisation,
) -> tuple[TeamCover, ...]:
    """What the fund could absorb in `month`, were one team to burst alone, for every team that may draw and has a forecast."""
    found = []
    quarter = month.quarter(organisation.fiscal_year_start)
    for name, team in sorted(organisation.teams.items()):
        stated = forecasts.get(name)
        if team.stage_in(month) not in MONEY_MOVES or stated is None or stated <= 0:
            continue
        left = cap_left(name, quarter, history, terms, organisation.fiscal_year_start)
        limit = min(left.minor, max(balance.minor, 0))
        forecast = floored(stated, balance.currency)
        free = Fraction(terms.trigger) if terms.above_threshold else Fraction(1)
        absorbs = rounded_places(free + Fraction(limit) / forecast.minor, PLACES) if forecast else Decimal(0)
        bursts = tuple(_burst(times, stated, Money(limit, balance.currency), terms) for times in BURSTS)
        found.append(TeamCover(name, forecast, left, absorbs, bursts))
    return tuple(found)


def _burst(times: Decimal, forecast: Decimal, limit: Money, terms: BufferTerms) -> tuple[Decimal, Money | None, Money]:
    free = Fraction(terms.trigger) if terms.above_threshold else Fraction(1)
    needed = floored((Fraction(times) - free) * Fraction(forecast), limit.currency)
    if times < terms.trigger:
        return times, None, needed
    return times, Money(min(needed.minor, limit.minor), limit.currency), needed
