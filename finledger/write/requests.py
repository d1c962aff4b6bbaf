"""Requests to the bursting buffer as a person reads them: what was asked for, by which figures, and what became of it (B2)."""

from __future__ import annotations

from collections.abc import Mapping

from finledger.core.model import DrawDecision, RefusalReason
from finledger.core.money import floored
from finledger.write.text import words

COLUMNS = ("month", "team", "cause", "charges", "forecast", "granted", "outcome")
FIGURES = ("charges", "forecast", "granted")
REFUSED: Mapping[RefusalReason, str] = {
    "stage": "refused: its stage moves no money",
    "no_forecast": "refused: no forecast",
    "threshold": "refused: below the trigger",
    "cause": "refused: not one of the four causes",
    "disclosure": "refused: nothing disclosed",
    "cap": "refused: the team's cap is used up",
    "fund": "refused: the fund is empty",
}


def request_row(decision: DrawDecision) -> dict[str, str]:
    """A request by the names of `COLUMNS`: charges before any draw, the forecast that counts ("" without one)."""
    forecast = decision.forecast
    return {
        "month": str(decision.request.month),
        "team": decision.request.team,
        "cause": words(decision.request.cause),
        "charges": str(decision.charges),
        "forecast": "" if forecast is None else str(floored(forecast, decision.charges.currency)),
        "granted": str(decision.granted),
        "outcome": outcome(decision),
    }


def outcome(decision: DrawDecision) -> str:
    if decision.reason is not None:
        return REFUSED[decision.reason]
    return "granted" if decision.granted == decision.allowed else "granted as far as the fund reached"
