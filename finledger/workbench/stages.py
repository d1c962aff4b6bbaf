"""What people decide about the ladder: promotions, demotions, sign-offs, acknowledgements (rules A3, A4).

Each is an event of the log. A promotion or demotion also writes one line of finledger.yaml; both are one change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any

from finledger.books import ladder_figures as figures
from finledger.core.gates import Criterion
from finledger.core.ladder import LEDGER, Known, Ladder, climb, gate_of, is_above, on_the_way
from finledger.core.model import STAGES, Organisation, Stage, Team
from finledger.core.money import Money
from finledger.core.period import Month, Quarter
from finledger.core.problem import Misused, Problem, Refused, SourceRef
from finledger.workbench import Workbench
from finledger.workbench.change import Change
from finledger.workbench.ladder import (
    ACKNOWLEDGED,
    DEMOTED,
    PROMOTED,
    SIGNED,
    figures_hash,
    journal_formats,
    known_in,
    with_line,
)
from finledger.workbench.open_books import SETTINGS

_IN_SETTINGS = ("gate-journal", "gate-accounts")
_OF_TEAM_S_ENTRY = ("gate-early-adoption", "gate-intercompany")
_OF_TEAM = ("gate-dispute", "gate-baseline", "gate-acknowledged")


@dataclass(frozen=True, slots=True)
class Moved:
    """What a promotion or demotion came to. `evidence`: each criterion that was looked at, as it was met."""

    team: str
    before: Stage
    to: Stage
    month: Month
    by: str
    on: date
    reason: str
    evidence: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    period: str
    role: str
    by: str
    on: date
    close: int
    figures: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A team saw its variance. `counts`: it did before finance closed the month."""

    team: str
    month: Month
    by: str
    on: date
    total: Money
    budget: Money
    counts: bool


# ── up and down ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def promote(bench: Workbench, team: str, to: Stage, month: Month, *, by: str, on: date, dry_run: bool = False) -> Moved:
    """Move a team up one stage from a month on: an event with its evidence, and the line in finledger.yaml.

    `Refused` with every criterion that is not met. `Misused`: no such team, or no step up.
    """
    by = _said("by", by)
    with bench.change(dry_run=dry_run) as change:
        content = _settings(bench, change)
        _known_team(bench.organisation, team)
        journal_formats(bench)
        known = known_in(bench, month.before)
        ladder = climb(known)
        rung = ladder.of(team)
        _refuse_again(known, team, to, month)
        way = on_the_way(rung.standing, to)
        if not way:
            raise Misused(
                f"{team} is at {rung.standing} in {month.before}: a promotion goes up, `finledger stage demote` down"
            )
        asked = [each for stage in way for each in (*_of_organisation(ladder, stage), *gate_of(known, team, stage))]
        problems = (
            *_closed_already(bench, month),
            *_later_stages(rung.team, month),
            *_skipped(team, rung.standing, to, way),
            *(each.problem(*_about(each, rung.team)) for each in asked if not each.met),
        )
        if problems:
            raise Refused(with_line(bench, each) for each in problems)
        moved = Moved(team, rung.standing, to, month, by, on, "", tuple(asked))
        return _moved(bench, change, content, moved, PROMOTED)


def demote(
    bench: Workbench, team: str, to: Stage, month: Month | None, *, by: str, on: date, reason: str, dry_run: bool = False
) -> Moved:
    """Move a team down, by any number of stages, from a month on: by default the first that is not closed, and not begun with.

    `Refused`: the month is closed. `Misused`: no such team, no step down, no reason.
    """
    by, reason = _said("by", by), _said("reason", reason)
    with bench.change(dry_run=dry_run) as change:
        content = _settings(bench, change)
        member = _known_team(bench.organisation, team)
        month = month or _first_open(bench, on)
        known = known_in(bench, month)
        rung = climb(known).of(team)
        if not is_above(rung.stage, to):
            raise Misused(f"{team} is at {rung.stage} in {month}: a demotion goes down, `finledger stage promote` up")
        problems = (*_closed_already(bench, month), *_later_stages(member, month))
        if problems:
            raise Refused(with_line(bench, each) for each in problems)
        return _moved(bench, change, content, Moved(team, rung.stage, to, month, by, on, reason, ()), DEMOTED)


def _first_open(bench: Workbench, on: date) -> Month:
    last = bench.closed_through()
    return last.next if last is not None else max(bench.months(), default=Month(on.year, on.month))


def _settings(bench: Workbench, change: Change) -> bytes:
    """finledger.yaml as it stands while nobody else writes to the books; the organisation is read from it anew."""
    from finledger.read.settings import read_settings

    assert change.ledger is not None, "whoever reads it holds the lock"
    content = (bench.root / SETTINGS).read_bytes()
    outcome = read_settings(bench.root / SETTINGS, SETTINGS, content)
    if outcome.rows is None:
        raise Refused(outcome.problems)
    bench.__dict__["organisation"] = outcome.rows
    return content


def _moved(bench: Workbench, change: Change, content: bytes, moved: Moved, kind: Any) -> Moved:
    """The event and the line, in one change."""
    edited = _edited(bench, content, moved)
    if edited != content:
        change.put({(bench.root / SETTINGS).resolve(): edited})  # through a link, as an editor would
    said = {
        "from": moved.before,
        "to": moved.to,
        "by": moved.by,
        "on": str(moved.on),
        "reason": moved.reason,
        "evidence": [[each.code, each.figure, each.wanted] for each in moved.evidence],
    }
    change.ledger.add_event(kind, str(moved.month), moved.team, said)
    return moved


def _edited(bench: Workbench, content: bytes, moved: Moved) -> bytes:
    """The file with the team's new stage; `Refused` where it is laid out so that only a person can write it."""
    from finledger.read.yaml_lines import load
    from finledger.write.stage_line import with_stage

    team, day = bench.organisation.teams[moved.team], moved.month.first_day
    if team.stage.at(day) == moved.to:
        return content
    edited = with_stage(content.decode(), moved.team, moved.to, day).encode()
    before, after = load(content, SETTINGS).rows, load(edited, SETTINGS).rows
    wanted = None if before is None else _with_entry(before.root.plain(), team, moved)
    if after is None or after.root.plain() != wanted:
        raise Refused([with_line(bench, _by_hand(team, moved))])
    return edited


def _with_entry(plain: dict[str, Any], team: Team, moved: Moved) -> dict[str, Any]:
    """The file's values, with the entry that was to be added and no other change."""
    day = moved.month.first_day
    kept = [(start, stage) for start, stage in team.stage.changes if start is None or start < day]
    entries: list[dict[str, str]] = [
        {"stage": stage} if start is None else {"stage": stage, "from": str(start)} for start, stage in kept
    ]
    own = {**plain["teams"][team.name], "stage": [*entries, {"stage": moved.to, "from": str(day)}]}
    return {**plain, "teams": {**plain["teams"], team.name: own}}


# ── sign-off and acknowledgement ────────────────────────────────────────────────────────────────────────────────────────


def sign_off(
    bench: Workbench, period: Month | Quarter, *, by: str, role: str = "CFO", on: date, dry_run: bool = False
) -> Signed:
    """Somebody signs the figures of a closed period, by their hash: closed again with others, the sign-off is void (A4).

    `Refused`: the period is open, so nothing is sealed. `Misused`: the role has signed these figures already.
    """
    by, role = _said("by", by), _said("role", role)
    with bench.change(dry_run=dry_run) as change:
        assert change.ledger is not None, "from here on nobody reopens it"
        close = bench.closed(period)
        if close is None:
            raise Refused([_open(period)])
        hashed = figures_hash(bench, close)
        for event in bench.ledger.events(SIGNED, str(period)):
            if event.subject.casefold() == role.casefold() and event.content["figures"] == hashed:
                raise Misused(f"{event.content['by']} signed these figures of {period} as {event.subject} already")
        said = {"by": by, "on": str(on), "close": close.number, "figures": hashed}
        change.ledger.add_event("stage-signoff", str(period), role, said)
    return Signed(str(period), role, by, on, close.number, hashed)


def acknowledge(bench: Workbench, team: str, month: Month, *, by: str, on: date, dry_run: bool = False) -> Acknowledged:
    """A team has seen its variance of a month. It counts for its next stage where finance has not closed the month yet (A4).

    `Refused`: the month is not charged, or the team has no budget in it. `Misused`: it did so already, or there is no such team.
    """
    by = _said("by", by)
    with bench.change(dry_run=dry_run) as change:
        assert change.ledger is not None, "whoever reads the month holds the lock"
        _known_team(bench.organisation, team)
        run = bench.ledger.current_run(month)
        found = {} if run is None else figures.team_totals(bench.ledger, [run], team)
        if run is None or (run, team) not in found:
            raise Refused([_not_charged(team, month)])
        _, minor, planned = found[run, team]
        if planned is None:
            raise Refused([with_line(bench, _no_budget(bench.organisation.teams[team], month))])
        before = [each for each in bench.ledger.events(ACKNOWLEDGED, str(month)) if each.subject == team]
        if before:
            said = before[0].content
            raise Misused(f"{said['by']} acknowledged {month} of {team} on {said['on']} already")
        currency = bench.organisation.currency
        seen = Acknowledged(
            team,
            month,
            by,
            on,
            Money(minor, currency),
            Money(planned, currency),
            not bench.ledger.events("close", str(month)),
        )
        content = {"by": by, "on": str(on), "total": str(seen.total), "budget": str(seen.budget)}
        change.ledger.add_event("stage-ack", str(month), team, content)
    return seen


# ── what stands in the way ──────────────────────────────────────────────────────────────────────────────────────────────


def _said(option: str, text: str) -> str:
    """What a person says on the command line, on one line; Misused where it is empty or holds what moves a cursor."""
    from finledger.read.values import WrongValue, prose

    try:
        found = prose(text)
    except WrongValue as wrong:
        raise Misused(f"--{option}: {wrong.message}") from None
    if not found:
        raise Misused(f"--{option} is empty: it is what somebody reads later")
    return found


def _known_team(organisation: Organisation, team: str) -> Team:
    if team not in organisation.teams:
        near = get_close_matches(team, organisation.teams, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(organisation.teams)[:20])}"
        raise Misused(f"no team {team!r} in finledger.yaml: {hint}")
    return organisation.teams[team]


def _of_organisation(ladder: Ladder, stage: Stage) -> tuple[Criterion, ...]:
    return ladder.organisation if stage == "chargeback" else ()


def _about(criterion: Criterion, team: Team) -> tuple[str, SourceRef | None]:
    """Whose criterion it is, and the file that says so."""
    if criterion.code in _IN_SETTINGS:
        return "the organisation", SourceRef(SETTINGS)
    if criterion.code in _OF_TEAM_S_ENTRY:
        return team.name, team.source
    return (team.name if criterion.code.startswith(_OF_TEAM) else "the organisation"), LEDGER


def _refuse_again(known: Known, team: str, to: Stage, month: Month) -> None:
    for move in known.moves.get(team, ()):
        if (move.kind, move.to, move.month) == ("promote", to, month):
            raise Misused(f"{team} was promoted to {to} from {month} by {move.by} already")


def _skipped(team: str, standing: Stage, to: Stage, way: tuple[Stage, ...]) -> Iterator[Problem]:
    if len(way) > 1:
        yield Problem(
            "stage-skipped",
            f"{team} is at {standing}: {way[0]} comes before {to}, and no stage is skipped",
            LEDGER,
            excerpt=" → ".join(STAGES),
            remedy=f"promote it to {way[0]} first; what stands in the way of {to} is listed too",
        )


def _closed_already(bench: Workbench, month: Month) -> Iterable[Problem]:
    last = bench.closed_through()
    if last is not None and month <= last:
        yield Problem(
            "stage-month-closed",
            f"{month} is closed: what was posted in it stays as it was",
            LEDGER,
            remedy=f"let the stage begin with {last.next}, the first month that is open: --from {last.next}",
        )


def _later_stages(team: Team, month: Month) -> Iterator[Problem]:
    for start, stage in team.stage.changes:
        if start is not None and start > month.first_day:
            yield Problem(
                "stage-later",
                f"finledger.yaml has {team.name} at {stage} from {start} on, after {month} begins",
                team.source,
                remedy="remove that entry of its stage: a later step is taken when its own gate is passed",
            )


def _by_hand(team: Team, moved: Moved) -> Problem:
    return Problem(
        "stage-by-hand",
        f"the stage of {team.name} is laid out so that a new entry cannot be written into it",
        team.source,
        remedy=f"write `{{stage: {moved.to}, from: {moved.month.first_day}}}` at the end of its stages yourself, then run the "
        "command again to record it",
    )


def _open(period: Month | Quarter) -> Problem:
    option = "quarter" if isinstance(period, Quarter) else "month"
    return Problem(
        "sign-off-open",
        f"{period} is not closed: its figures can still change, and there is no seal to sign",
        LEDGER,
        remedy=f"run `finledger close --{option} {period}` first",
    )


def _not_charged(team: str, month: Month) -> Problem:
    return Problem(
        "month-not-allocated",
        f"{month} was not charged to {team}: there is no variance to acknowledge",
        LEDGER,
        remedy=f"run `finledger allocate --month {month}` first",
    )


def _no_budget(team: Team, month: Month) -> Problem:
    return Problem(
        "ack-without-budget",
        f"{team.name} had no budget for {month} when it was charged: there is no variance to acknowledge",
        team.source,
        remedy=f"write its budget ({{{month}: …}}) into finledger.yaml, and run `finledger allocate --month {month}`",
    )
