"""All months of a set of books by the second reading, in the form in which they are compared with the program's."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.oracle.charges import (
    UNALLOCATED,
    Month,
    charge_credits,
    charge_quality,
    charge_seats,
    charge_usage,
    feature_figures,
)
from tests.oracle.compound import share_calls
from tests.oracle.fund import draw, limits_of, mean_monthly_base, opening_of, rebates_of
from tests.oracle.plain_books import Books, quarter_of
from tests.oracle.sums import rounded, share_text, text_of


def work_out(books: Books) -> list[Month]:
    """All months with usage, in order: each knows the ones before it."""
    done: list[Month] = []
    for month in books.usage:
        figures = Month(month)
        charge_usage(books, figures)
        charge_seats(books, figures)
        charge_quality(books, figures)
        share_calls(books, figures)
        charge_credits(books, figures, done)
        figures.opening = opening_of(books, month, done)
        draw(books, figures, done)
        done.append(figures)
    return done


def month_figures(books: Books, figures: Month) -> dict[str, Any]:
    """A month as it is compared: amounts as text, measures as values; lists sorted, as several versions share a key."""
    digits = books.digits
    totals = {team: figures.total(team) for team in books.teams if figures.before_draws(team) is not None}
    unallocated = figures.total(UNALLOCATED)
    credits = sum(e.amount for e in figures.entries if e.component in ("coverage_credit", "buffer_draw"))
    everything = sum(totals.values()) - credits + unallocated
    return {
        "lines": sorted((*e.key[:6], e.component, text_of(e.amount, digits)) for e in figures.entries),
        "disclosures": sorted(
            (d.key.team, *d.key[2:6], *(text_of(part, digits) for part in (d.gross, d.platform_share, d.paid)))
            for d in figures.disclosures
        ),
        "teams": {team: text_of(total, digits) for team, total in totals.items()},
        "variances": {
            team: text_of(total - rounded(Fraction(books.teams[team]["budget"][figures.month]), digits, "half_up"), digits)
            for team, total in totals.items()
            if figures.month in books.teams[team].get("budget", {})
        },
        "draws": {team: text_of(amount, digits) for team, amount in figures.draws.items()},
        "features": feature_figures(books, figures),
        "unallocated": {"amount": text_of(unallocated, digits), "share": share_text(unallocated, everything)},
        "buffer": {
            "opening": text_of(figures.opening, digits),
            "contributions": text_of(sum(figures.buffer_paid(books).values()), digits),
            "draws": text_of(sum(figures.draws.values()), digits),
            "closing": text_of(figures.closing(books), digits),
        },
        "refused": sorted(figures.refused.items()),
    }


def quarter_end(books: Books, quarter: str, run: list[Month]) -> dict[str, Any]:
    """The fund's roll-forward over a quarter (rules B1, B4, B5). On data that is final there is no true-up."""
    months = [figures for figures in run if quarter_of(figures.month) == quarter]
    rebates = rebates_of(books, quarter, run)
    limits = limits_of(books, quarter, months)
    mean = rounded(mean_monthly_base(books, months), books.digits, "half_up")
    amounts = {
        "opening": months[0].opening,
        "contributions": sum(sum(m.buffer_paid(books).values()) for m in months),
        "draws": sum(sum(m.draws.values()) for m in months),
        "true_ups": 0,
        "rebates": sum(rebates.values()),
        "closing": months[-1].closing(books) - sum(rebates.values()),
        "mean_monthly_base": mean,
    }
    shown: dict[str, Any] = {name: text_of(amount, books.digits) for name, amount in amounts.items()}
    if limits:
        shown |= {"low": text_of(limits[0], books.digits), "high": text_of(limits[1], books.digits)}
    return shown | {"by_team": {team: text_of(amount, books.digits) for team, amount in rebates.items()}}
