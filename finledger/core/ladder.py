"""The ladder: where each team stands between showback and optimisation, how it came there, and what its next stage needs (A3, A4).

A stage is earned: the books begin with it (*adopted*), or it was promoted to it, one stage at a time, by gates.py. What
finledger.yaml says beyond that is *not earned*; it counts, and is said wherever somebody decides on it. `ladder_tables` are what
reports show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from shlex import quote
from typing import Literal

from finledger.core.accounts import missing_between_entities
from finledger.core.gates import (
    ClosedMonth,
    Criterion,
    SignOff,
    TeamMonth,
    between_entities,
    organisation_gate,
    team_gate,
)
from finledger.core.model import STAGES, Dated, Organisation, Stage, Team
from finledger.core.period import Month
from finledger.core.post import other_entity
from finledger.core.problem import Problem, SourceRef
from finledger.core.report import Cell, Field, FieldKind, Missing, Table

SETTINGS = SourceRef("finledger.yaml")
LEDGER = SourceRef("store/ledger.sqlite")
ABOVE: Mapping[str, Stage] = dict(pairwise(STAGES))
_FREE = ("showback", "allocation")  # no money moves
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Move:
    """A recorded promotion or demotion: the team is at `to` from the month on. `number` is that of its event."""

    kind: Literal["promote", "demote"]
    team: str
    to: Stage
    month: Month
    by: str
    on: date
    number: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """All that the ladder is worked out from.

    `at`: the month that it is looked at in; what is later does not count. `begins`: the month in which the books begin, None
    while they are empty; `begun`: the stages they begin with. `closed` and each team's `history` are in order.
    """

    organisation: Organisation
    at: Month
    begins: Month | None = None
    begun: Mapping[str, Stage] = field(default_factory=dict)
    closed: Sequence[ClosedMonth] = ()
    history: Mapping[str, Sequence[TeamMonth]] = field(default_factory=dict)
    open_disputes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    moves: Mapping[str, Sequence[Move]] = field(default_factory=dict)
    sign_offs: Sequence[SignOff] = ()


@dataclass(frozen=True, slots=True)
class Rung:
    """A team on the ladder. `stage` is what finledger.yaml says of the month, `earned` the highest that it may be.

    `since`: the stage's first day, None where it was always so. `move`: the promotion or demotion that led to it. `gate`: what
    the next stage asks of the team itself; `missing`: the names of all that is not met, the organisation's part too.
    """

    team: Team
    stage: Stage
    since: date | None
    earned: Stage
    adopted: bool
    move: Move | None
    next: Stage | None
    gate: tuple[Criterion, ...]
    missing: tuple[str, ...]
    planned: tuple[tuple[date, Stage], ...]
    history: tuple[TeamMonth, ...]

    @property
    def standing(self) -> Stage:
        """The stage that the next one stands on: what is not earned is no step of the ladder."""
        return lower(self.stage, self.earned)

    @property
    def ready(self) -> bool:
        return self.next is not None and not self.missing

    @property
    def how(self) -> str:
        """How the team came to its stage: adopted, promoted, demoted, not earned; "" for the first rung."""
        if is_above(self.stage, self.earned):
            return "not earned"
        if self.move is not None and self.move.to == self.stage:
            return "promoted" if self.move.kind == "promote" else "demoted"
        return "adopted" if self.adopted else ""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One of the three that keep an organisation, or teams of it, from chargeback whatever else is ready. `stands`: it does."""

    name: str
    figure: str
    why: str
    stands: bool


@dataclass(frozen=True, slots=True)
class Ladder:
    at: Month
    rungs: tuple[Rung, ...]
    organisation: tuple[Criterion, ...]
    blockers: tuple[Blocker, ...]
    sign_offs: tuple[SignOff, ...]
    problems: tuple[Problem, ...]

    def of(self, team: str) -> Rung:
        return next(rung for rung in self.rungs if rung.team.name == team)


# ── stages ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def is_above(one: Stage, other: Stage) -> bool:
    return STAGES.index(one) > STAGES.index(other)


def lower(one: Stage, other: Stage) -> Stage:
    return other if is_above(one, other) else one


def earned(begun: Stage, moves: Iterable[Move], month: Month) -> tuple[Stage, Move | None]:
    """The stage that a team has earned by a month, and the move that led to it.

    >>> Dated.always("showback").at(Month(2026, 7).first_day), earned("allocation", (), Month(2026, 7))
    ('showback', ('allocation', None))
    """
    last = max((move for move in moves if move.month <= month), key=lambda move: (move.month, move.number), default=None)
    return (begun, None) if last is None else (last.to, last)


def on_the_way(standing: Stage, to: Stage) -> tuple[Stage, ...]:
    """The stages whose gates lie between: the first of them is the only one that can be taken.

    >>> on_the_way("showback", "chargeback"), on_the_way("chargeback", "allocation")
    (('allocation', 'chargeback'), ())
    """
    return STAGES[STAGES.index(standing) + 1 : STAGES.index(to) + 1]


def not_earned(known: Known, month: Month) -> Iterator[Problem]:
    """A problem for each team whose stage in the month is above the one it has earned (A3)."""
    for name, team in sorted(known.organisation.teams.items()):
        if team.first_day_in(month) is None:
            continue
        stage, (right, _) = team.stage_in(month), earned(known.begun.get(name, "showback"), known.moves.get(name, ()), month)
        if is_above(stage, right):
            yield Problem(
                "stage-not-earned",
                f"{name} is at {stage} in {month}, and has come no further than {right} by a promotion or when the books began",
                team.source or SETTINGS,
                remedy=f"write its stage as {right} and promote it (finledger stage promote {quote(name)} --to {ABOVE[right]} "
                f"--from {month} --by NAME), or waive it: --waive stage-not-earned --by NAME --reason TEXT",
            )


# ── the ladder ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def climb(known: Known) -> Ladder:
    """Every team on its rung, by name, with what stands between it and the next."""
    counted = [each for each in known.closed if each.month <= known.at]
    terms = known.organisation.ladder
    gate = organisation_gate(counted, known.sign_offs, terms)
    lacking = tuple(each.name for each in gate if not each.met)
    rungs = tuple(_rung(known, team, lacking) for _, team in sorted(known.organisation.teams.items()))
    warnings = tuple(replace(each, severity="warning") for each in not_earned(known, known.at))  # who closes is stopped
    return Ladder(known.at, rungs, gate, blockers(known, gate, rungs), tuple(known.sign_offs), warnings)


def _rung(known: Known, team: Team, lacking: tuple[str, ...]) -> Rung:
    name, at = team.name, known.at
    stage, begun = team.stage_in(at), known.begun.get(name, "showback")
    right, move = earned(begun, known.moves.get(name, ()), at)
    following = ABOVE.get(lower(stage, right))
    history = tuple(each for each in known.history.get(name, ()) if each.month <= at)
    gate = () if following is None else gate_of(known, name, following)
    missing = (*(lacking if following == "chargeback" else ()), *(each.name for each in gate if not each.met))
    return Rung(
        team=team,
        stage=stage,
        since=_since(team.stage, at) or (None if known.begins is None else known.begins.first_day),
        earned=right,
        adopted=move is None and stage == begun != "showback",
        move=move,
        next=following,
        gate=gate,
        missing=missing,
        planned=tuple((start, to) for start, to in team.stage.changes if start is not None and start > at.last_day),
        history=history,
    )


def gate_of(known: Known, team: str, to: Stage) -> tuple[Criterion, ...]:
    """What the gate to a stage asks of a team itself, in the month that the ladder is looked at in."""
    history = [each for each in known.history.get(team, ()) if each.month <= known.at]
    asked = team_gate(to, team, history, known.open_disputes.get(team, ()), known.organisation.ladder)
    entity = other_entity(known.organisation.teams[team], known.organisation)
    if to != "chargeback" or not entity:
        return asked
    return (*asked, between_entities(entity, missing_between_entities(known.organisation)))


def _since(stage: Dated[Stage], at: Month) -> date | None:
    """The first day of the stage in force at the month's first day, earlier entries of the same stage included."""
    since: date | None = None
    before: Stage | None = None
    for start, value in stage.changes:
        if start is not None and start > at.first_day:
            break
        since, before = (start, value) if value != before else (since, before)
    return since


def blockers(known: Known, gate: Sequence[Criterion], rungs: Sequence[Rung]) -> tuple[Blocker, ...]:
    """The three conditions under which showback stays showback, however ready the rest is (S3)."""
    by_name = {
        name: [each for each in gate if each.blocker == name] for name in ("unallocated spend", "finance integration")
    }
    why = {
        "unallocated spend": "teams would dispute bills that leave out what nobody owns",
        "finance integration": "a charge that no system posts is a spreadsheet",
    }
    organisation = tuple(
        Blocker(
            name, "; ".join(f"{each.name} {each.figure}" for each in found), why[name], not all(each.met for each in found)
        )
        for name, found in by_name.items()
    )
    early = [
        rung.team.name
        for rung in rungs
        if rung.standing in _FREE
        and any(not each.met for each in gate_of(known, rung.team.name, "chargeback") if each.blocker == "early adoption")
    ]
    named = ", ".join(early[:_NAMED]) + (f" and {len(early) - _NAMED} more" if len(early) > _NAMED else "")
    teams = Blocker(
        "early adoption",
        f"{len(early)} of the teams that are not charged yet: {named}" if early else "no team that is not charged yet",
        "a wrong bill for an experiment ends the experiments; these teams lack a baseline or are marked",
        bool(early),
    )
    return (*organisation, teams)


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def ladder_tables(ladder: Ladder) -> tuple[Table, ...]:
    """`ladder`, `gates` (what the next stage asks of a team), `organisation-gate`, `blockers` and `stage-history` (A3, A4)."""
    return (_rungs(ladder), _gates(ladder), _organisation(ladder), _blockers(ladder), _history(ladder))


def _fields(**kinds: FieldKind) -> tuple[Field, ...]:
    return tuple(Field(name, kind) for name, kind in kinds.items())


def _yes(said: bool) -> str:
    return "yes" if said else "no"


def _rungs(ladder: Ladder) -> Table:
    fields = _fields(
        team="text", stage="text", since="day", adopted="text", next="text", ready="text", missing="text", how="text",
        earned="text", owner="text", planned="text",
    )  # fmt: skip
    rows: Iterable[tuple[Cell, ...]] = (
        (
            rung.team.name,
            rung.stage,
            rung.since,
            _yes(rung.adopted),
            rung.next or "",
            "" if rung.next is None else _yes(rung.ready),
            ", ".join(rung.missing),
            rung.how,
            rung.earned,
            rung.team.owner.at(ladder.at.last_day) or "",
            ", ".join(f"{stage} from {start}" for start, stage in rung.planned),
        )
        for rung in ladder.rungs
    )
    note = (
        f"Where each team stands in {ladder.at}. Money moves from chargeback on. Adopted: the books began at this stage; other "
        "stages are earned by a recorded promotion (A3)."
    )
    return Table("ladder", "The ladder", fields, tuple(rows), note, team="team")


def _gates(ladder: Ladder) -> Table:
    fields = _fields(team="text", criterion="text", figure="text", wanted="text", met="text")
    rows = tuple(
        (rung.team.name, each.name, each.figure, each.wanted, _yes(each.met)) for rung in ladder.rungs for each in rung.gate
    )
    return Table("gates", "What the next stage asks of each team", fields, rows, "Rule A4.", team="team")


def _organisation(ladder: Ladder) -> Table:
    fields = _fields(criterion="text", figure="text", wanted="text", met="text")
    rows = tuple((each.name, each.figure, each.wanted, _yes(each.met)) for each in ladder.organisation)
    note = "Before any team is charged, the organisation passes this gate (A4)."
    return Table("organisation-gate", "What chargeback asks of the organisation", fields, rows, note, everyone=True)


def _blockers(ladder: Ladder) -> Table:
    fields = _fields(blocker="text", stands="text", figure="text", why="text")
    rows = tuple((each.name, _yes(each.stands), each.figure, each.why) for each in ladder.blockers)
    return Table("blockers", "What blocks chargeback", fields, rows, "Each of the three blocks by itself (A4).")


def _history(ladder: Ladder) -> Table:
    fields = _fields(
        team="text", month="month", stage="text", closed="text", charged="money", dispute_rate="share", variance="money",
        acknowledged="text",
    )  # fmt: skip
    rows: Iterable[tuple[Cell, ...]] = (
        (
            rung.team.name,
            each.month,
            each.stage,
            _yes(each.closed),
            each.total,
            Missing("no lines") if each.dispute_rate is None else each.dispute_rate,
            Missing("no budget") if each.variance is None else each.variance,
            _yes(each.acknowledged),
        )
        for rung in ladder.rungs
        for each in rung.history
    )
    note = "Acknowledged: the team looked at its variance before the month was closed (A4)."
    return Table("stage-history", "The ladder from month to month", fields, tuple(rows), note, team="team")
