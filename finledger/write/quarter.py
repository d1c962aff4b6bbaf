"""A quarter's end as JSON and as rows: decimals as text, lists in a fixed order, `null` where a figure is not measurable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from finledger.core.model import JournalEntry, MonthCharges
from finledger.core.money import Money, minor_digits, rounded_places, total
from finledger.core.problem import Problem
from finledger.core.quarter import QuarterEnd, Reserve, Surcharge
from finledger.core.variance import ClassVariance
from finledger.write.figures import plain, text_or_none

VARIANCE_COLUMNS = (
    "class", "actions", "planned", "base", "token_cost", "provider_cost", "rate", "mix", "volume", "recovered",
)  # fmt: skip


def quarter_json(
    end: QuarterEnd,
    entries: Iterable[JournalEntry],
    charges: Sequence[MonthCharges],
    problems: Iterable[Problem],
    notices: Iterable[Problem],
) -> dict[str, Any]:
    """The JSON of `close --quarter --dry-run` and of `reconcile --quarter`, schema 1."""
    return {
        "schema": 1,
        "quarter": str(end.quarter),
        "currency": end.currency,
        "provisional": True,
        "problems": [problem_row(each) for each in problems],
        "notices": [problem_row(each) for each in notices],
        "buffer": buffer_json(end),
        "teams": team_rows(end),
        "requests": request_rows(end),
        "reserves": {each.name: _reserve(each) for each in end.reserves},
        "variances": [variance_row(each, end.currency) for each in end.variances],
        "overhead": overhead_json(end),
        "eval": eval_rows(charges),
        "entries": entry_rows(entries),
    }


def entry_rows(entries: Iterable[JournalEntry]) -> list[dict[str, Any]]:
    """Journal entries with their postings, debit positive."""
    return [
        {
            "entry": entry.entry_id,
            "date": entry.posting_date.isoformat(),
            "team": entry.team,
            "memo": entry.memo,
            "postings": [
                {
                    "account": each.account.name,
                    "cost_center": each.cost_center,
                    "entity": entry.entity_of(each),
                    "amount": str(each.amount),
                }
                for each in entry.postings
            ],
        }
        for entry in entries
    ]


def buffer_json(end: QuarterEnd) -> dict[str, Any]:
    mean = rounded_places(end.size.mean_monthly_base, minor_digits(end.currency))
    return {
        "opening": str(end.opening),
        "contributions": str(end.contributions),
        "draws": str(end.draws),
        "true_ups": str(end.trued_up),
        "rebates": str(end.size.rebated),
        "closing": str(end.closing),
        "mean_monthly_base": str(mean),
        "low": str(end.size.low) if end.size.stated else None,
        "high": str(end.size.high) if end.size.stated else None,
        "by_team": {team: str(amount) for team, amount in sorted(end.size.rebates.items())},
        "repayments": str(end.repayments),
        "lent": {team: str(amount) for team, amount in sorted(end.lent.items())},
        "true_ups_by_draw": [
            {
                "month": str(each.month),
                "team": each.team,
                "drawn": str(each.old),
                "on_final_data": str(each.new),
                "true_up": str(each.amount),
            }
            for each in end.true_ups
        ],
        "surcharge": _surcharge(end.surcharge),
    }


def team_rows(end: QuarterEnd) -> list[dict[str, str]]:
    """What each team paid into the fund in the quarter, drew, and has settled."""
    none = Money(0, end.currency)
    trued: dict[str, Money] = {}
    for each in end.true_ups:
        trued[each.team] = trued.get(each.team, none) + each.amount
    teams = sorted({*end.contributions_by_team, *end.draws_by_team, *trued, *end.size.rebates})
    return [
        {
            "team": team,
            "contributions": str(end.contributions_by_team.get(team, none)),
            "draws": str(end.draws_by_team.get(team, none)),
            "true_ups": str(trued.get(team, none)),
            "rebates": str(end.size.rebates.get(team, none)),
        }
        for team in teams
    ]


def request_rows(end: QuarterEnd) -> list[dict[str, str | None]]:
    """Every request of the quarter on final data, with what it is granted or the reason why not."""
    return [
        {
            "month": str(month.month),
            "team": each.request.team,
            "cause": each.request.cause,
            "disclosure": each.request.disclosure,
            "charges": str(each.charges),
            "granted": str(each.granted),
            "reason": each.reason,
        }
        for month in end.months
        for each in month.decisions
    ]


def variance_row(each: ClassVariance, currency: str) -> dict[str, str | int | None]:
    def money(amount: Decimal | None) -> str | None:
        return None if amount is None else str(rounded_places(amount, minor_digits(currency)))

    return {
        "class": each.item,
        "actions": plain(each.actions),
        "planned": each.planned,
        "base": money(each.base),
        "token_cost": money(each.token_cost),
        "provider_cost": money(each.provider_cost),
        "rate": money(each.rate),
        "mix": money(each.mix),
        "volume": money(each.volume),
        "recovered": money(each.recovered),
    }


def overhead_json(end: QuarterEnd) -> dict[str, str] | None:
    """What was recovered as overhead beside what it really cost, where platform-costs.csv says so (rule X3)."""
    found = end.overhead
    if found is None:
        return None
    return {
        "charged": str(found.charged),
        "pro_forma": str(found.pro_forma),
        "cost": str(found.cost),
        "recovered": str(found.recovered),
    }


def eval_rows(charges: Iterable[MonthCharges]) -> list[dict[str, Any]]:
    """How evaluation was really shared, month by month, with the platform's subsidies (rule C4)."""
    rows = []
    for month in charges:
        share = month.eval_share
        if share is not None:
            part = None if share.share is None else str(rounded_places(share.share, 6))
            rows.append(
                {
                    "month": str(month.month),
                    "gross": str(share.gross),
                    "teams": str(share.teams),
                    "platform": str(share.platform),
                    "subsidies": str(share.subsidies),
                    "platform_share": part,
                }
            )
    return rows


def roll_forward(end: QuarterEnd) -> list[tuple[str, Money]]:
    """The fund's quarter as a person reads it, from the opening to the closing balance (rule B1)."""
    clawed = total((each.amount for each in end.true_ups), end.currency)
    rows = [("opening", end.opening), ("surcharges", end.contributions), ("draws", -end.draws)]
    if end.repayments:
        rows.append(("instalments of loans", end.repayments))
    return [*rows, ("true-ups", clawed), ("rebates", -end.size.rebated), ("closing", end.closing)]


def _reserve(reserve: Reserve) -> dict[str, str]:
    return {
        "opening": str(reserve.opening),
        "added": str(reserve.added),
        "cost": str(reserve.cost),
        "released": str(reserve.released),
        "closing": str(reserve.closing),
    }


def _surcharge(surcharge: Surcharge | None) -> dict[str, Any] | None:
    if surcharge is None:
        return None
    return {
        "current": plain(surcharge.current),
        "needed": plain(surcharge.needed),
        "proposed": plain(surcharge.proposed),
        "reaches": surcharge.reaches,
    }


def problem_row(problem: Problem) -> dict[str, str | None]:
    return {
        "code": problem.code,
        "severity": problem.severity,
        "where": text_or_none(problem.source),
        "message": problem.message,
        "remedy": problem.remedy,
    }
