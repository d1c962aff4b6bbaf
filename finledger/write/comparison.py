"""A month's charges before and after a change, for people and programs: JSON, rows, and Markdown for a pull request (U8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from finledger.core.compare import Change, Comparison
from finledger.core.money import rounded_places
from finledger.write.text import grouped, shown, words

COLUMNS = ("team", "component", "before", "after", "change", "change_percent")
PERCENT_PLACES = 2


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Amounts as decimal text; `change_percent` is null where nothing was before."""
    return {
        "currency": comparison.currency,
        "total": _figures(comparison.total),
        "teams": {each.team: _figures(each) for each in comparison.teams},
        "components": {each.component: _figures(each) for each in comparison.components},
        "by_team_and_component": [
            {"team": each.team, "component": each.component, **_figures(each)} for each in comparison.cells
        ],
        "platform": {each.component: _figures(each) for each in comparison.platform},
        "winners": [each.team for each in comparison.winners],
        "losers": [each.team for each in comparison.losers],
    }


def comparison_rows(comparison: Comparison) -> list[list[str]]:
    """Every cell, then the teams (no component), the components (no team) and the total, in the order of `COLUMNS`."""
    changes = (*comparison.cells, *comparison.teams, *comparison.components, comparison.total)
    return [[each.team, each.component, *plain_amounts(each)] for each in changes]


def amounts(change: Change) -> list[str]:
    """Before, after, change and change in per cent, with its sign; the last is empty where nothing was before."""
    before, after, delta, percent = plain_amounts(change)
    return [before, after, signed(delta), signed(percent)]


def plain_amounts(change: Change) -> list[str]:
    """The same for programs, without a plus."""
    ratio = change.ratio
    percent = "" if ratio is None else str(rounded_places(ratio * 100, PERCENT_PLACES))
    return [str(change.before), str(change.after), str(change.delta), percent]


def signed(text: str) -> str:
    """An amount with its sign, so that more and less are told apart at a glance; zero has none."""
    return text if text.startswith("-") or not text.strip("0.") else f"+{text}"


def comparison_markdown(comparison: Comparison, title: str) -> str:
    """Tables for a pull request: teams, components, and what the platform bears."""
    parts = [f"### {_cell(title)}", ""]
    teams = [[each.team, *amounts(each)] for each in comparison.teams]
    teams.append(["**total**", *amounts(comparison.total)])
    parts += _table(("team", "before", "after", "change", "%"), teams)
    components = [[words(each.component), *amounts(each)] for each in comparison.components]
    parts += ["", *_table(("component", "before", "after", "change", "%"), components)]
    if comparison.platform:
        borne = [[words(each.component), *amounts(each)] for each in comparison.platform]
        parts += ["", *_table(("borne by the platform", "before", "after", "change", "%"), borne)]
    more, less = len(comparison.losers), len(comparison.winners)
    parts += ["", f"Amounts in {comparison.currency}. Teams that would pay more: {more}; that would pay less: {less}.", ""]
    return "\n".join(parts)


def _figures(change: Change) -> dict[str, str | None]:
    before, after, delta, percent = plain_amounts(change)
    return {"before": before, "after": after, "change": delta, "change_percent": percent or None}


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    return head + [f"| {' | '.join(_cell(grouped(cell)) for cell in row)} |" for row in rows]


def _cell(text: str) -> str:
    """A team's name may hold what Markdown would read as its own."""
    return shown(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
