"""The bursting buffer: a fund that teams pay a surcharge into and draw on in a month of legitimate exploration (B1-B5).

The fund is on the books: opening + surcharges - draws, true-ups, rebates = closing, and never negative. A draw brings a
burst month back to its forecast, within the team's cap for the quarter and what the fund holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core.history import History
from finledger.core.model import (
    CAUSES,
    MONEY_MOVES,
    BufferTerms,
    ChargeLine,
    DrawDecision,
    DrawRequest,
    LineKey,
    Organisation,
    PriceBook,
    RefusalReason,
)
from finledger.core.money import Money, floored, split, total, zero
from finledger.core.period import Month, Quarter
from finledger.core.pricebook import book_at
from finledger.core.problem import Problem, SourceRef

LOW_BALL = Fraction(4, 5)
MONTHS_OF_BASELINE = 3
LENT, GIVEN = "lent", "given"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a team's burst is measured from: its frozen forecast, or 0.8 x its recent mean where that is more (B3)."""

    amount: Fraction | None
    stated: Decimal | None = None
    low_balled: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """All that one month's draws are decided from (rule B2)."""

    terms: BufferTerms | None
    charges: Mapping[str, Money]
    forecasts: Mapping[str, Forecast]
    drawn: Mapping[str, Money]
    fund: Money


# ── forecasts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def forecasts(stated: Mapping[str, Decimal], teams: Iterable[str], history: History, month: Month) -> dict[str, Forecast]:
    """Each team's forecast of the month, lifted to 0.8 x the mean of the three months before where it is lower (B3).

    Only where all three have charges of the team, so that a first quarter is held against nothing.
    """
    before = [month.before, month.before.before, month.before.before.before]
    charges = [history.charges(each) for each in before]
    found = {}
    for team in sorted(teams):
        known = stated.get(team)
        recent = [each[team] for each in charges if team in each]
        if known is None or known <= 0:
            found[team] = Forecast(None, known)
        elif len(recent) < MONTHS_OF_BASELINE:
            found[team] = Forecast(Fraction(known), known)
        else:
            mean = Fraction(total(recent, history.currency).amount) / MONTHS_OF_BASELINE
            low_balled = Fraction(known) < LOW_BALL * mean
            found[team] = Forecast(LOW_BALL * mean if low_balled else Fraction(known), known, low_balled)
    return found


# ── draws ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def decide(requests: Iterable[DrawRequest], organisation: Organisation, claim: Claim) -> tuple[DrawDecision, ...]:
    """Every request with what it is granted or why it is refused, sorted by team (B2).

    What the eligible teams may draw is limited by the fund: when it is short, it is split by what they may draw (M3).
    """
    decisions = [_decide(request, organisation, claim) for request in sorted(requests, key=lambda each: each.team)]
    allowed = {each.request.team: each.allowed for each in decisions if each.reason is None}
    wanted = total(allowed.values(), organisation.currency)
    if not allowed:
        return tuple(decisions)
    limit = max(claim.fund.minor, 0)
    if wanted.minor <= limit:
        granted = allowed
    else:
        weights = {team: amount.minor for team, amount in allowed.items()}
        granted = split(Money(limit, organisation.currency), weights, residual=min(weights))
    return tuple(_settled(each, granted.get(each.request.team)) for each in decisions)


def _decide(request: DrawRequest, organisation: Organisation, claim: Claim) -> DrawDecision:
    """The request before the fund is looked at. The reasons are tried in the order in which B2 names them."""
    none = zero(organisation.currency)
    charges = claim.charges.get(request.team, none)
    forecast = claim.forecasts[request.team]
    terms = claim.terms

    def refused(reason: RefusalReason) -> DrawDecision:
        return DrawDecision(request, charges, forecast.amount, forecast.low_balled, none, none, reason)

    if organisation.teams[request.team].stage_in(request.month) not in MONEY_MOVES:
        return refused("stage")
    if forecast.amount is None:
        return refused("no_forecast")
    if terms is None:
        return refused("fund")
    threshold = Fraction(terms.trigger) * forecast.amount
    free = threshold if terms.above_threshold else forecast.amount
    if Fraction(charges.amount) < threshold or Fraction(charges.amount) <= free:  # where they are equal, nothing is above
        return refused("threshold")
    if request.cause not in CAUSES:
        return refused("cause")
    if not request.disclosure.strip():
        return refused("disclosure")
    cap_left = Fraction(terms.cap_per_team_per_quarter) - Fraction(claim.drawn.get(request.team, none).amount)
    if floored(cap_left, organisation.currency).minor <= 0:
        return refused("cap")
    limits = [Fraction(charges.amount) - free, cap_left]
    if request.requested is not None:
        limits.append(Fraction(request.requested))
    allowed = floored(min(limits), organisation.currency)
    return DrawDecision(request, charges, forecast.amount, forecast.low_balled, allowed, none)


def _settled(decision: DrawDecision, granted: Money | None) -> DrawDecision:
    if granted is None or decision.reason is not None:
        return decision
    reason: RefusalReason | None = "fund" if decision.allowed and not granted else None
    return DrawDecision(
        decision.request,
        decision.charges,
        decision.forecast,
        decision.low_balled,
        decision.allowed,
        granted,
        reason,
    )


def draw_lines(decisions: Iterable[DrawDecision], organisation: Organisation, month: Month) -> tuple[ChargeLine, ...]:
    """A line for each draw, with the amount taken off the team's charges."""
    return tuple(
        _fund_line(each.request.team, "buffer_draw", "buffer_draw", -each.granted, organisation, month)
        for each in decisions
        if each.granted
    )


def _fund_line(team: str, kind: str, component: str, amount: Money, organisation: Organisation, month: Month) -> ChargeLine:
    member = organisation.teams[team]
    cost_center = member.cost_center.at(member.first_day_in(month) or month.first_day) or ""
    key = LineKey(team, cost_center, "", "", "", "", kind, "", month, month)
    return ChargeLine(key, member.stage_in(month), Decimal(1), "month", amount.amount, amount, ((component, amount),))


# ── loans (the settlements `loan` and `mixed`, B4) ──────────────────────────────────────────────────────────────────────


def repayment_lines(
    history: History, books: Sequence[PriceBook], organisation: Organisation, month: Month
) -> tuple[ChargeLine, ...]:
    """This month's instalment of each team's draws of the quarter before, as far as they were lent.

    A draw is repaid in three equal parts over the next quarter's months; the cents that are left over come first. A team
    below chargeback repays nothing: no money moves.
    """
    start = organisation.fiscal_year_start
    own = month.quarter(start).months(start)
    earlier = own[0].before.quarter(start).months(start)
    lines = []
    for team, lent in lent_in(history, books, earlier, organisation.currency).items():
        member = organisation.teams.get(team)
        if member is None or member.stage_in(month) not in MONEY_MOVES:
            continue
        instalment = split(lent, dict.fromkeys(own, 1), residual=own[0])[month]
        if instalment:
            lines.append(_fund_line(team, "buffer_repayment", "buffer_true_up", instalment, organisation, month))
    return tuple(lines)


def lent_in(history: History, books: Sequence[PriceBook], months: Iterable[Month], currency: str) -> dict[str, Money]:
    """What each team drew in these months as a loan, by the terms of the book of each month's first instant."""
    lent: dict[str, Money] = {}
    for month in months:
        terms = terms_in(books, month)
        if terms is None or not terms.loan_share:
            continue
        for team, drawn in history.posted("buffer_draw", (month,)).items():
            parts = split(-drawn, {LENT: terms.loan_share, GIVEN: 1 - terms.loan_share}, residual=GIVEN)
            lent[team] = lent.get(team, zero(currency)) + parts[LENT]
    return dict(sorted(lent.items()))


def terms_in(books: Sequence[PriceBook], month: Month) -> BufferTerms | None:
    """The buffer's terms by the book in force at the month's first instant (P1)."""
    book = book_at(books, month.first_day)
    return None if book is None else book.buffer


# ── the fund from month to month, and its size at the quarter's end ─────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Size:
    """The fund's limits at a quarter's end, and what is above the upper one (B5). Without buffer terms none is `stated`."""

    mean_monthly_base: Fraction
    low: Money
    high: Money
    rebates: Mapping[str, Money]
    stated: bool = True

    @property
    def rebated(self) -> Money:
        return total(self.rebates.values(), self.low.currency)


def size(balance: Money, quarter: Quarter, history: History, books: Sequence[PriceBook], fiscal_year_start: int) -> Size:
    """The fund against its limits: shares of the quarter's mean monthly action base (B5).

    What exceeds the upper limit is given back by the surcharges that teams paid in the quarter; where none paid any, it
    stays. The terms are those of the quarter's last month.
    """
    months = quarter.months(fiscal_year_start)
    mean = Fraction(history.action_base(months).amount) / len(months)
    terms = terms_in(books, months[-1])
    if terms is None:
        return Size(mean, zero(balance.currency), zero(balance.currency), {}, stated=False)
    low, high = (floored(Fraction(limit) * mean, balance.currency) for limit in terms.size)
    paid = {team: amount.minor for team, amount in history.posted("buffer", months).items() if amount.minor > 0}
    excess = balance - high
    if excess.minor <= 0 or not paid:
        return Size(mean, low, high, {})
    rebates = split(excess, paid, residual=min(paid))
    return Size(mean, low, high, {team: part for team, part in rebates.items() if part})


def opening(month: Month, history: History, books: Sequence[PriceBook], organisation: Organisation) -> Money:
    """What the fund holds when the month begins: rolled forward from the books' first balance (B1).

    A quarter that is over counts with its rebates, whether or not it was closed yet: the next month does not depend on when
    somebody closes it.
    """
    start = organisation.fiscal_year_start
    balance = floored(organisation.buffer_opening, organisation.currency)
    earlier = [each for each in history.months if each < month]
    for quarter in sorted({each.quarter(start) for each in earlier}):
        for each in quarter.months(start):
            if each in earlier:
                balance = balance + history.fund_flow(each)
        if quarter.months(start)[-1] < month:
            balance = balance - size(balance, quarter, history, books, start).rebated
    return balance


# ── what a person is told ───────────────────────────────────────────────────────────────────────────────────────────────

_SAID: Mapping[str, str] = {
    "stage": "its stage moves no money",
    "no_forecast": "it has no forecast for the month",
    "threshold": "its charges are below the trigger",
    "cause": f"its cause is none of {', '.join(CAUSES)}",
    "disclosure": "nothing is disclosed",
    "cap": "it has drawn all that a team may in a quarter",
    "fund": "the fund holds nothing for it",
}
_REMEDY: Mapping[str, str] = {
    "stage": "a team draws from chargeback on, where it also pays the surcharge",
    "no_forecast": "write next month's forecast before its first load: a month's own is frozen by then",
    "threshold": "nothing to do: the month is no burst by the price book's trigger",
    "cause": "write the cause, if it is one of these",
    "disclosure": "write what the burst was for",
    "cap": "the cap stands in the price book",
    "fund": "see `finledger buffer status`, and `buffer adequacy` for what the fund can absorb",
}


def notices(
    decisions: Iterable[DrawDecision], forecasts: Mapping[str, Forecast], organisation: Organisation, month: Month
) -> tuple[Problem, ...]:
    """A warning for each refused request and for each forecast that was lifted; the run goes on (B2, B3)."""
    found = []
    for each in decisions:
        if each.reason is not None:
            request = each.request
            where = request.source or SourceRef("decisions/draws.csv")
            refused = f"the draw of {request.team} for {request.month} is refused ({each.reason}): {_SAID[each.reason]}"
            message = refused + _figures(each)
            found.append(Problem("draw-refused", message, where, remedy=_REMEDY[each.reason], severity="warning"))
    for team, forecast in forecasts.items():
        if forecast.low_balled and forecast.amount is not None:
            floor = floored(forecast.amount, organisation.currency)
            message = (
                f"the forecast of {team} for {month}, {forecast.stated:,f}, is below 0.8 x the mean of the months before"
            )
            where = organisation.teams[team].source or SourceRef("finledger.yaml")
            remedy = f"a draw is measured from 0.8 x the mean of these three months, {floor:,}"
            found.append(Problem("forecast-low", message, where, remedy=remedy, severity="warning"))
    return tuple(found)


def _figures(decision: DrawDecision) -> str:
    if decision.reason != "threshold" or decision.forecast is None:
        return ""
    forecast = floored(decision.forecast, decision.charges.currency)
    return f" (charges {decision.charges:,}, forecast {forecast:,})"
