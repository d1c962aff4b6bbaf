"""decisions/draws.csv: what teams ask of the bursting buffer, with cause and disclosure (rule B2).

A row that cannot be understood is an error. One that is only not eligible (no cause that counts, no disclosure, a stage in
which no money moves) is a request like any other: the month refuses it with its reason, and goes on.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.model import DrawRequest, Organisation
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read import values
from finledger.read.tables import Row, absent, parse_table
from finledger.read.values import WrongValue, quoted, suggestion

COLUMNS = ("month", "team", "cause", "disclosure", "requested")


def read_draws(path: Path, shown_as: str, organisation: Organisation) -> Outcome[tuple[DrawRequest, ...]]:
    """Every request, sorted by month and team; none where there is no file. Requested amounts are in the books' currency."""
    if absent(path):
        return Outcome(())
    return parse_draws(path.read_bytes(), shown_as, organisation)


def parse_draws(content: bytes, shown_as: str, organisation: Organisation) -> Outcome[tuple[DrawRequest, ...]]:
    """The requests that a file of this content would hold."""
    table = parse_table(content, shown_as, COLUMNS)
    problems = list(table.problems)
    seen: dict[tuple[Month, str], SourceRef] = {}
    requests = [_request(row, organisation, seen, problems) for row in table.rows]
    found = (request for request in requests if request is not None)
    return Outcome(tuple(sorted(found, key=lambda request: (request.month, request.team))), tuple(problems))


def _request(
    row: Row, organisation: Organisation, seen: dict[tuple[Month, str], SourceRef], problems: list[Problem]
) -> DrawRequest | None:
    before = len(problems)
    month = row.needed("month", values.month, problems)
    team = row.needed("team", lambda name: _team(name, organisation), problems)
    cause = row.value("cause", values.prose, problems) or ""
    disclosure = row.value("disclosure", values.prose, problems) or ""
    requested = row.value("requested", values.amount, problems)
    if month is not None and team is not None:
        first = seen.setdefault((month, team), row.source)
        if first is not row.source:
            message = f"{team} has a request for {month} already, at {first}"
            problems.append(row.problem(WrongValue("draw-twice", message, "keep one: a team draws once in a month")))
    if month is None or team is None or len(problems) > before:
        return None
    return DrawRequest(month, team, cause, disclosure, requested, row.source)


def _team(name: str, organisation: Organisation) -> str:
    if name == organisation.platform_team:
        message = f"{quoted(name)} is the platform's own team, which neither pays into the buffer nor draws on it"
        raise WrongValue("draw-unknown-team", message, "remove the row, or name the team that asks")
    if name not in organisation.teams:
        remedy = f"{suggestion(name, organisation.teams)}write a team of finledger.yaml, or add the team there"
        raise WrongValue("draw-unknown-team", f"the request is of a team that is not declared: {quoted(name)}", remedy)
    return name
