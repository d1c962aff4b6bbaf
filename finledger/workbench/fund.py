"""The bursting buffer of a set of books: its months, a request to it, what it could absorb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from finledger.core import adequacy
from finledger.core import buffer as fund
from finledger.core.history import History
from finledger.core.model import MONEY_MOVES, DrawDecision
from finledger.core.money import floored, rounded_places, total, zero
from finledger.core.period import Month, Quarter
from finledger.core.problem import Misused, Problem, Refused
from finledger.pipeline import stated_forecasts
from finledger.workbench import Workbench

DRAWS = "decisions/draws.csv"


@dataclass(frozen=True, slots=True)
class FundStatus:
    """The roll-forward, and of the last month's quarter what each team paid, drew and may still draw."""

    currency: str
    months: tuple[adequacy.FundMonth, ...]
    quarter: Quarter | None
    teams: tuple[Mapping[str, Any], ...]
    notices: tuple[Problem, ...]
    decisions: tuple[DrawDecision, ...] = ()  # of the quarter's loaded months


def fund_status(bench: Workbench) -> FundStatus:
    """As recorded; a loaded month that nobody allocated is worked out on the way."""
    organisation = bench.organisation
    bench.frozen_pricebooks()
    history, notices = _whole_history(bench)
    months = adequacy.roll_forward(history, bench.pricebooks, organisation)
    if not months:
        return FundStatus(organisation.currency, (), None, (), notices)
    last, start = months[-1].month, organisation.fiscal_year_start
    quarter = last.quarter(start)
    paid, drawn = (history.posted(component, quarter.months(start)) for component in ("buffer", "buffer_draw"))
    terms, none = fund.terms_in(bench.pricebooks, last), zero(organisation.currency)
    teams = [
        {
            "team": name,
            "stage": team.stage_in(last),
            "contributions": paid.get(name, none),
            "draws": -drawn.get(name, none),
            "cap_left": none if terms is None else adequacy.cap_left(name, quarter, history, terms, start),
        }
        for name, team in sorted(organisation.teams.items())
        if team.stage_in(last) in MONEY_MOVES
    ]
    asked = {each.month for each in bench.draws}
    decided = [
        decision
        for month in quarter.months(start)
        if month in asked and bench.ledger.parts(month)
        for decision in bench.run(bench.month_inputs(month))[0].buffer.decisions
    ]
    return FundStatus(organisation.currency, months, quarter, tuple(teams), notices, tuple(decided))


def _whole_history(bench: Workbench) -> tuple[History, tuple[Problem, ...]]:
    months = bench.months()
    after = months[-1].next if months else Month(1, 1)
    return bench.history(after)


def request_draw(bench: Workbench, row: Mapping[str, str], *, dry_run: bool) -> dict[str, str | None]:
    """Add the request to decisions/draws.csv and say what it is granted by the month's figures so far.

    `Refused` when the file or the row is not right, `Busy` when somebody else writes to the books: then the file stays as it
    was. What stands in it stays to the byte; a link is written through.
    """
    from finledger.read.draws import COLUMNS, parse_draws
    from finledger.read.tables import absent
    from finledger.write.csv_rows import with_row

    path = bench.root / DRAWS
    row = {name: cell.strip() for name, cell in row.items()}
    with bench.change(dry_run=dry_run) as change:  # one request after another: none is lost
        content = with_row(b"" if absent(path) else path.read_bytes(), row, COLUMNS)
        outcome = parse_draws(content, DRAWS, bench.organisation)
        if outcome.errors:
            raise Refused(outcome.problems)
        bench.__dict__["draws"] = outcome.rows
        decision = _decision(bench, Month.parse(row["month"]), row["team"])
        change.put({path.resolve(): content})
    return {
        **row,
        "charges": None if decision is None else str(decision.charges),
        "forecast": None
        if decision is None or decision.forecast is None
        else str(floored(decision.forecast, decision.charges.currency)),
        "granted": None if decision is None else str(decision.granted),
        "reason": None if decision is None else decision.reason,
    }


def _decision(bench: Workbench, month: Month, team: str) -> DrawDecision | None:
    """What the month decides today; None while it has no usage."""
    inputs = bench.month_inputs(month)
    if not inputs.files:
        return None
    charges, _ = bench.run(inputs)
    return next(each for each in charges.buffer.decisions if each.request.team == team)


def fund_adequacy(
    bench: Workbench, month: Month | None, known_history: History | None = None
) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """With notices: what the fund could absorb in a month, team by team, and how long it takes to fill.

    It would hold what it opens with and what the month's surcharges bring: by the last three months' mean. `known_history`: of
    the months before, where it is at hand."""
    organisation = bench.organisation
    bench.frozen_pricebooks()
    known = bench.months()
    if month is None:
        if not known:
            raise Misused("no month is loaded: name one with --month")
        month = known[-1].next
    history, notices = bench.history(month) if known_history is None else (known_history, ())
    terms = fund.terms_in(bench.pricebooks, month) or fund.terms_in(bench.pricebooks, month.before)
    if terms is None:
        raise Misused(f"no price book with buffer terms holds in {month} or the month before")
    balance = fund.opening(month, history, bench.pricebooks, organisation)
    forecasts = (
        bench.ledger.frozen_forecasts(month)
        or stated_forecasts(organisation, month)
        or stated_forecasts(organisation, month.before)
    )
    recent = [each for each in history.months if each < month][-3:]
    mean = Fraction(history.action_base(recent).amount) / max(len(recent), 1)
    low, high = (floored(Fraction(limit) * mean, organisation.currency) for limit in terms.size)
    paid = total(history.posted("buffer", recent).values(), organisation.currency)
    monthly = Fraction(paid.minor) / max(len(recent), 1)
    mean_paid = floored(Fraction(paid.amount) / max(len(recent), 1), organisation.currency)

    def months_to(limit: Any) -> str | None:
        if not monthly:
            return None
        return str(rounded_places(max(Fraction(0), Fraction((limit - balance).minor) / monthly), 1))

    found = {
        "month": str(month),
        "currency": organisation.currency,
        "balance": str(balance),
        "low": str(low),
        "high": str(high),
        "collected_a_month": str(mean_paid),
        "months_to_low": months_to(low),
        "months_to_high": months_to(high),
        "teams": [
            {
                "team": each.team,
                "forecast": str(each.forecast),
                "cap_left": str(each.cap_left),
                "absorbs": f"{each.absorbs:f}",
                "bursts": [
                    {"times": f"{times:f}", "granted": None if granted is None else str(granted), "needed": str(needed)}
                    for times, granted, needed in each.bursts
                ],
            }
            for each in adequacy.cover(month, forecasts, balance + mean_paid, history, terms, organisation)
        ],
    }
    return found, notices
