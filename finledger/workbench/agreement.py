"""A team's own list held against the rows that it is charged for (rule U11). Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from finledger.core.agree import DAY, IDS, Agreement, Identity, Quantities, TeamList, hold
from finledger.core.invoice import is_own
from finledger.core.label import own
from finledger.core.model import MonthCharges, OwnedGroup
from finledger.core.money import EXACT, Money, total
from finledger.core.period import Month
from finledger.core.portions import Portions, part_of_line, portions
from finledger.core.problem import Misused, Problem, Refused, SourceRef
from finledger.core.quality import PREMIUMS
from finledger.core.usage import TOKEN_BUCKETS
from finledger.engines import DEFAULT
from finledger.pipeline import query
from finledger.workbench import Workbench
from finledger.workbench.units import MonthRun, run_of

ROWS_LIMIT = 500_000  # rows of a month that are told apart by their ids
OF_USAGE = frozenset({"action", "gpu", "egress", "passthrough", *PREMIUMS})


@dataclass(frozen=True, slots=True)
class AgreedMonth:
    """The agreement, what the month was charged, and the list that was held against it by its content."""

    agreement: Agreement
    charges: MonthCharges
    file: str
    sha256: str


def agreement_of(bench: Workbench, team: str, path: Path, month: Month, *, engine_name: str = DEFAULT) -> AgreedMonth:
    """Hold the list against the team's month. Raises Misused for a team that is unknown, Refused where the list is not right."""
    if team not in bench.organisation.teams:
        raise Misused(f"no team {team!r}: there are {', '.join(bench.organisation.teams) or 'none'}")
    shown = bench.shown(path)
    listed = read_list(path, shown, month)
    run = run_of(bench, month, engine_name=engine_name)
    with localcontext(EXACT):
        found = [_held(run, team, replace(listed, by=by)) for by in _ways(listed)]
    best = max(found, key=lambda each: each.count("agreed") + each.count("differs"))
    return AgreedMonth(best, run.charges, shown, sha256(path.read_bytes()).hexdigest())


def read_list(path: Path, shown_as: str, month: Month) -> TeamList:
    from finledger.read.team_list import read_team_list

    outcome = read_team_list(path, shown_as, month)
    if outcome.rows is None:
        raise Refused(outcome.problems)
    return outcome.rows


def _ways(listed: TeamList) -> Sequence[tuple[str, ...]]:
    """An id that does not say which one it is is looked for among all of ours."""
    return [(name,) for name in IDS] if listed.by == ("id",) else [listed.by]


def _held(run: MonthRun, team: str, listed: TeamList) -> Agreement:
    owned = [group for group in _owned(run, team, listed.by) if group.team == team]
    identity = _identity(listed.by)
    ours: dict[Identity, dict[str, Decimal]] = {}
    for group in owned:
        sums = ours.setdefault(identity(group), {})
        for name, number in _quantities(group).items():
            sums[name] = sums.get(name, Decimal(0)) + number
    found = portions(owned, run.pricing, identity)
    costs, besides = _costs(run.charges, team, found)
    for key in costs:
        ours.setdefault(key, {})
    return hold(team, listed, listed.by, ours, costs, besides)


def _costs(charges: MonthCharges, team: str, found: Portions) -> tuple[dict[Identity, Fraction], Money]:
    """What each identity has of the team's lines of usage; and what its other lines come to."""
    costs: dict[Identity, Fraction] = {}
    besides = []
    for line in charges.lines:
        if line.key.team != team or not is_own(line):
            continue
        if line.key.kind not in OF_USAGE:
            besides.append(line.amount)
            continue
        for key, part in part_of_line(line, found, ("",)).items():
            costs[key] = costs.get(key, Fraction(0)) + part
    return costs, total(besides, charges.currency)


def _owned(run: MonthRun, team: str, by: tuple[str, ...]) -> tuple[OwnedGroup, ...]:
    """The month's groups, cut so fine that each is of one identity: by the id, or by days."""
    month = run.inputs.month
    inputs = run.inputs
    if by[0] == DAY:
        days = range(1, month.last_day.day)
        inputs = replace(inputs, also_cut=tuple(month.first_day + timedelta(days=number) for number in days))
        asked = query(inputs)
    else:
        asked = query(inputs)
        asked = replace(asked, labels=tuple(sorted({*asked.labels, *by})), group_limit=ROWS_LIMIT)
    groups = run.inputs.group(asked)
    problems = tuple(_too_many(run, each) if each.code == "too-many-groups" else each for each in groups.problems)
    owned = own(groups.rows, run.organisation, asked.intervals)
    if any(problem.is_error for problem in (*problems, *owned.problems)):
        raise Refused((*problems, *owned.problems))
    return owned.rows


def _too_many(run: MonthRun, problem: Problem) -> Problem:
    return replace(
        problem,
        message=f"{run.inputs.month} has more than {ROWS_LIMIT:,} rows: too many to tell apart by their ids",
        source=SourceRef("usage"),
        remedy="hold a list by days against it: with the columns day, action, requests, tokens",
    )


def _identity(by: tuple[str, ...]) -> Callable[[OwnedGroup], Identity]:
    if by[0] != DAY:
        return lambda group: (group.group.labels[by[0]],)
    return lambda group: (group.day.isoformat(), *(str(getattr(group, name)) for name in by[1:]))


def _quantities(group: OwnedGroup) -> Quantities:
    sums: Mapping[str, int | Decimal] = group.group.sums
    tokens = {bucket: Decimal(sums[bucket]) for bucket in TOKEN_BUCKETS}
    return {
        "requests": Decimal(sums["calls"] if group.action else sums["requests"]),
        **tokens,
        "tokens": sum(tokens.values(), Decimal(0)),
        "gpu_hours": Decimal(sums["gpu_hours"]),
        "runs": Decimal(sums["runs"]),
    }
