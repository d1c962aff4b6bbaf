"""The bursting buffer and the reserves, a second time: who draws what, and what a quarter's end leaves (rules B1-B5, Q2)."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from tests.oracle.charges import UNALLOCATED, Entry, LineKey, Month
from tests.oracle.plain_books import Books, month_after, months_of, quarter_of
from tests.oracle.sums import floored, rounded, shared_out, text_of

CAUSES = ("backfill", "evaluation_campaign", "model_migration", "research_exploration")


def forecast_of(books: Books, figures: Month, team: str, earlier: list[Month]) -> Fraction | None:
    """Rule B3: the forecast, lifted to 0.8 × the mean of the three months before where all three have charges."""
    text = books.teams[team].get("forecast", {}).get(figures.month)
    if text is None or Fraction(text) == 0:
        return None
    by_month = {before.month: before.before_draws(team) for before in earlier}
    three = [by_month.get(month_after(figures.month, -back)) for back in (1, 2, 3)]
    if any(charges is None for charges in three):
        return Fraction(text)
    lower = Fraction(4, 5) * Fraction(sum(charges or 0 for charges in three), 3 * 10**books.digits)
    if Fraction(text) < lower:
        figures.low_balled.append(team)
    return max(Fraction(text), lower)


def wanted(books: Books, figures: Month, team: str, earlier: list[Month]) -> int | str:
    """What a request may draw before the fund is looked at, or why not (rule B2)."""
    request = books.requests[figures.month, team]
    terms = books.month_book(figures.month).get("buffer")
    if not books.moves_money(team, figures.month):
        return "stage"
    forecast = forecast_of(books, figures, team, earlier)
    if forecast is None:
        return "no_forecast"
    if terms is None:
        return "fund"
    trigger = Fraction(terms.get("trigger", "3.0"))
    charges = Fraction(figures.before_draws(team) or 0, 10**books.digits)
    above = trigger * forecast if terms.get("above_threshold") == "true" else forecast
    if charges < trigger * forecast or charges <= above:  # where they are equal, nothing is above
        return "threshold"
    if request["cause"] not in CAUSES:
        return "cause"
    if not request["disclosure"].strip():
        return "disclosure"
    drawn = sum(m.draws.get(team, 0) for m in earlier if quarter_of(m.month) == quarter_of(figures.month))
    left = Fraction(terms["cap_per_team_per_quarter"]) - Fraction(drawn, 10**books.digits)
    if floored(left, books.digits) <= 0:
        return "cap"
    bounds = [charges - above, left]
    bounds += [Fraction(request["requested"])] if request["requested"] else []
    return floored(min(bounds), books.digits)


def draw(books: Books, figures: Month, earlier: list[Month]) -> None:
    eligible: dict[str, int] = {}
    for month, team in sorted(books.requests):
        if month == figures.month:
            answer = wanted(books, figures, team, earlier)
            if isinstance(answer, str):
                figures.refused[team] = answer
            else:
                eligible[team] = answer
    fund = figures.opening + sum(figures.buffer_paid(books).values())
    parts = eligible
    if sum(eligible.values()) > fund:
        parts = shared_out(fund, {team: Fraction(asked) for team, asked in eligible.items()}, "")
    for team, amount in parts.items():
        if amount == 0:
            figures.refused[team] = "fund"
            continue
        figures.draws[team] = amount
        cost_center = books.cost_center(team, books.first_day(team, figures.month)) or ""
        key = LineKey(team, cost_center, "", "", "", "", "", "buffer_draw")
        figures.entries.append(Entry(key, "buffer_draw", -amount))


def opening_of(books: Books, month: str, earlier: list[Month]) -> int:
    """The balance the books begin with, what came in and went out since, less the rebates of whole quarters before."""
    balance = rounded(Fraction(books.settings.get("buffer", {}).get("opening", "0")), books.digits, "half_up")
    balance += sum(sum(before.buffer_paid(books).values()) - sum(before.draws.values()) for before in earlier)
    for quarter in sorted({quarter_of(before.month) for before in earlier}):
        if quarter != quarter_of(month):
            balance -= sum(rebates_of(books, quarter, earlier).values())
    return balance


def mean_monthly_base(books: Books, months: list[Month]) -> Fraction:
    """Rule B5: base components of the teams' action lines, as charged, a third of the quarter's."""
    base = 0
    for figures in months:
        base += sum(e.amount for e in figures.entries if e.component == "base" and e.key.team != UNALLOCATED)
    return Fraction(base, 3 * 10**books.digits)


def limits_of(books: Books, quarter: str, months: list[Month]) -> tuple[int, int] | None:
    """The fund's lower and upper limit, each cut to the minor unit; None for a book without terms."""
    terms = books.month_book(months_of(quarter)[-1]).get("buffer")
    if terms is None:
        return None
    size = terms.get("size", ["0.05", "0.10"])
    mean = mean_monthly_base(books, months)
    return floored(mean * Fraction(size[0]), books.digits), floored(mean * Fraction(size[1]), books.digits)


def rebates_of(books: Books, quarter: str, run: list[Month]) -> dict[str, int]:
    """What each team has back at the quarter's end: the excess over the upper limit, by surcharges paid in the quarter."""
    months = [figures for figures in run if quarter_of(figures.month) == quarter]
    paid: dict[str, Fraction] = defaultdict(Fraction)
    for figures in months:
        for team, amount in figures.buffer_paid(books).items():
            paid[team] += amount
    limits = limits_of(books, quarter, months)
    excess = months[-1].closing(books) - limits[1] if limits else 0
    if excess <= 0 or not any(paid.values()):
        return {}
    return {team: part for team, part in shared_out(excess, dict(paid), "").items() if part}


RESERVES = {
    "eval_reserve": (("coverage_premium", "coverage_credit"), ("harness", "judge", "labelling", "trace_capture")),
    "registry_reserve": (("registry",), ("registry",)),
}


def reserves(books: Books, quarter: str, run: list[Month]) -> dict[str, dict[str, str]]:
    """What the teams whose stage moves money paid in, and what of it is released against the platform's cost (rule Q2)."""
    shown = {}
    for reserve, (components, costs) in RESERVES.items():
        amounts = {"opening": 0, "added": 0, "cost": 0, "released": 0, "closing": 0}
        for each in sorted({quarter_of(figures.month) for figures in run}):
            if each > quarter:
                break
            months = [figures for figures in run if quarter_of(figures.month) == each]
            added = sum(
                entry.amount
                for figures in months
                for entry in figures.entries
                if entry.component in components
                and entry.key.team != UNALLOCATED
                and books.moves_money(entry.key.team, figures.month)
            )
            spent = [
                Fraction(r["amount"]) for r in books.costs if r["component"] in costs and quarter_of(r["month"]) == each
            ]
            cost = rounded(sum(spent, Fraction(0)), books.digits, "half_up")
            opening = amounts["closing"]
            released = min(opening + added, cost)
            amounts = {
                "opening": opening,
                "added": added,
                "cost": cost,
                "released": released,
                "closing": opening + added - released,
            }
        shown[reserve] = {name: text_of(amount, books.digits) for name, amount in amounts.items()}
    return shown
