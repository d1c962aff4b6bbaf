"""What looks arranged in a month: draws, forecasts, evaluation, coverage and labels, each with its figures.

Looks for draws just above the buffer's trigger, forecasts set low, production relabelled as evaluation, coverage that
reaches its target only when the premium comes back, and calls moved to an unlabelled path. A flag is a question for a
person, not a verdict: nothing is charged or refused by it. What the books do not hold is said to be not measurable.

Example: finledger gaming --month 2026-08
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from finledger.cli._options import AnyMonth, AnyQuarter, AsOf, Books, Format, Quiet, loaded_months, one_period, opened

if TYPE_CHECKING:
    from finledger.core.gaming import Checked

COLUMNS = ("month", "check", "team", "feature", "figures")


def gaming(
    books: Books,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
) -> None:
    from finledger.cli import screen
    from finledger.workbench.inspection import gaming as look

    period, bench = one_period(month, quarter), opened(books, as_of)
    months = loaded_months(bench, period)
    with screen.progress("looking at the labels", quiet=quiet):
        found = {str(each): look(bench, each) for each in months}
    rows = [
        [
            str(flag.month),
            checked.check,
            flag.team,
            flag.feature,
            "; ".join(f"{name} {value}" for name, value in flag.figures),
        ]
        for checks in found.values()
        for checked in checks
        for flag in checked.flags
    ]
    if format == "json":
        screen.json_out(
            {"schema": 1, "months": {name: [_check(checked) for checked in checks] for name, checks in found.items()}}
        )
    elif format == "csv":
        screen.csv_out(COLUMNS, rows)
    else:
        if rows:
            screen.table("What looks arranged", COLUMNS, rows)
        else:
            screen.note("Nothing looks arranged.")
        names = [*bench.organisation.teams, *(name for team in bench.organisation.teams.values() for name in team.features)]
        for name, checks in found.items():
            _explain(name, checks, sorted(names, key=len, reverse=True), quiet)


def _check(checked: Checked) -> dict[str, Any]:
    flags = [{"team": each.team, "feature": each.feature, "figures": dict(each.figures)} for each in checked.flags]
    return {"check": checked.check, "asks": checked.asks, "flags": flags, "not_measurable": list(checked.unmeasured)}


def _explain(month: str, checks: Sequence[Checked], names: Sequence[str], quiet: bool) -> None:
    from finledger.cli import screen

    for checked in checks:
        said = f"{len(checked.flags)} to look at. {checked.asks}" if checked.flags else "nothing found"
        screen.note(f"{month} {checked.check}: {said}", quiet=quiet)
        for reason in _together(checked.unmeasured, names):
            screen.note(f"  not measurable: {reason}", quiet=quiet)


def _together(reasons: Sequence[str], names: Sequence[str]) -> list[str]:
    """What is said of several teams or features in the same words, once: has no forecast (people-ops, warehouse-vision)."""
    found: dict[str, list[str]] = {}
    for reason in reasons:
        name = next((each for each in names if reason.startswith(f"{each} ")), "")
        found.setdefault(reason.removeprefix(name).strip(), []).append(name)
    return [f"{said} ({', '.join(whose)})" if any(whose) else said for said, whose in found.items()]
