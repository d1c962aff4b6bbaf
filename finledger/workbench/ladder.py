"""The ladder of a set of books: what is known about it, read from the ledger; core/ladder.py says what follows (rules A3, A4).

Closed months are what was sealed, others what was recorded when they were last charged. The stages are text in finledger.yaml;
promotions, demotions, sign-offs and acknowledgements are events of the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from finledger.books import ladder_figures as figures
from finledger.books.events import Event, canonical, in_force
from finledger.core.disputes import Dispute, disputes
from finledger.core.gates import ClosedMonth, SignOff, TeamMonth
from finledger.core.ladder import Known, Ladder, Move, climb, not_earned
from finledger.core.model import Organisation, Stage
from finledger.core.money import Money, minor_digits
from finledger.core.period import Month, Quarter
from finledger.core.post import ACCOUNTS_OF
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.workbench.months import Months
from finledger.workbench.open_books import SETTINGS

PROMOTED, DEMOTED, SIGNED, ACKNOWLEDGED = "stage-promote", "stage-demote", "stage-signoff", "stage-ack"
SHOWN_MONTHS = 12


def ladder_of(bench: Months, month: Month) -> Ladder:
    """The ladder as it is in a month, by what the books know up to it: what reports, `stage status` and promotions go by."""
    found = climb(known_in(bench, month))
    return replace(found, problems=tuple(with_line(bench, each) for each in found.problems))


def last_month(bench: Months) -> Month | None:
    """The last month that has usage or charges; None in empty books."""
    return max(bench.months(), default=None)


def journal_formats(bench: Months) -> tuple[str, ...]:
    """The formats that finledger.yaml names for journals, or all there are; `Refused` for one that does not exist."""
    from finledger.write.journal import formats

    named = bench.organisation.ladder.journal
    unknown = [name for name in named if name not in formats()]
    if unknown:
        raise Refused([_no_format(name, formats()) for name in unknown])
    return named or formats()


def unearned_stages(bench: Months, month: Month) -> tuple[Problem, ...]:
    """A problem for each stage of the month that the books neither began with nor a promotion led to: these do not close (A3)."""
    events = bench.ledger.events()
    closes = _closed_months(events)
    begins = min(closes, default=month)
    begun = _begun(bench, begins, closes)
    known = Known(bench.organisation, month, begins, begun, moves=_moves(events))
    return tuple(with_line(bench, each) for each in not_earned(known, month))


def with_line(bench: Months, problem: Problem) -> Problem:
    """The problem with the line of finledger.yaml that it is about."""
    from finledger.read.yaml_lines import excerpt_of

    where = problem.source
    if where is None or where.file != SETTINGS or where.line is None or problem.excerpt:
        return problem
    lines = (bench.root / SETTINGS).read_text(encoding="utf-8-sig").splitlines()
    return replace(problem, excerpt=excerpt_of(tuple(lines), where.line))


def known_in(bench: Months, month: Month) -> Known:
    """All that the ladder is worked out from, up to a month."""
    events, terms = bench.ledger.events(), bench.organisation.ladder
    closes = _closed_months(events)
    begins = bench.begins()
    looked_at = max(SHOWN_MONTHS, terms.acknowledged_months, terms.baseline, terms.closed_months, terms.dispute_months)
    recorded = [each for each in bench.ledger.months() if each <= month][-looked_at:]
    runs = {each: run for each in recorded if (run := bench.ledger.current_run(each)) is not None}
    found = disputes(events)
    return Known(
        organisation=_with_known_formats(bench.organisation),
        at=month,
        begins=begins,
        begun=_begun(bench, begins, closes),
        closed=_closed(bench, closes, runs),
        history=_history(bench, events, closes, runs, found),
        open_disputes=_open(found),
        moves=_moves(events),
        sign_offs=_sign_offs(bench, events, closes),
    )


def _with_known_formats(organisation: Organisation) -> Organisation:
    """A format that does not exist is no integration."""
    from finledger.write.journal import formats

    known = tuple(name for name in organisation.ladder.journal if name in formats())
    return replace(organisation, ladder=replace(organisation.ladder, journal=known))


def _no_format(name: str, known: Sequence[str]) -> Problem:
    return Problem(
        "journal-format",
        f"finledger.yaml names a journal format that there is not: {name}",
        SourceRef(SETTINGS),
        remedy=f"choose among {', '.join(known)}",
    )


def _closed_months(events: Iterable[Event]) -> dict[Month, Event]:
    found = {Month.parse(period): event for period, event in in_force(events).items() if "Q" not in period}
    return dict(sorted(found.items()))


def _begun(bench: Months, begins: Month | None, closes: Mapping[Month, Event]) -> dict[str, Stage]:
    """The stages that the books begin with: as their first month was closed; before it is, as finledger.yaml says them."""
    teams = bench.organisation.teams
    if begins is not None and begins in closes:
        run = int(closes[begins].content["run"])
        return {team: _stage(stage) for (_, team), (stage, _, _) in figures.team_totals(bench.ledger, [run]).items()}
    if begins is None:
        return {name: team.stage.changes[0][1] for name, team in teams.items()}
    return {name: team.stage_in(begins) for name, team in teams.items() if team.first_day_in(begins) is not None}


def _stage(word: Any) -> Stage:
    """A stage as the ledger holds it."""
    found: Stage = word
    return found


# ── months ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _closed(bench: Months, closes: Mapping[Month, Event], runs: Mapping[Month, int]) -> tuple[ClosedMonth, ...]:
    wanted = {month: run for month, run in runs.items() if month in closes}
    charged = figures.charged_to_teams(bench.ledger, wanted.values())
    components = figures.components(bench.ledger, wanted.values())
    currency = bench.organisation.currency
    found = []
    for month, run in wanted.items():
        loose = _minor(closes[month].content["figures"]["unallocated"], currency)
        whole = charged.get(run, 0) + loose
        roles = frozenset(role for part in components.get(run, ()) for role in ACCOUNTS_OF.get(part, ()))
        found.append(ClosedMonth(month, Fraction(loose, whole) if whole else Fraction(0), roles))
    return tuple(found)


def _minor(amount: str, currency: str) -> int:
    return int(Decimal(amount).scaleb(minor_digits(currency)))


def _history(
    bench: Months,
    events: Sequence[Event],
    closes: Mapping[Month, Event],
    runs: Mapping[Month, int],
    found: Sequence[Dispute],
) -> dict[str, list[TeamMonth]]:
    """Each team's months that were charged, in order."""
    currency = bench.organisation.currency
    totals = figures.team_totals(bench.ledger, runs.values())
    counts = figures.line_counts(bench.ledger, runs.values())
    disputed = _disputed(bench, runs, found)
    acknowledged = _acknowledged(events)
    months = {run: month for month, run in runs.items()}
    history: dict[str, list[TeamMonth]] = {}
    for (run, team), (stage, minor, budget) in sorted(totals.items(), key=lambda each: months[each[0][0]]):
        month = months[run]
        lines, own = counts.get((run, team), (0, 0))
        history.setdefault(team, []).append(
            TeamMonth(
                month=month,
                stage=_stage(stage),
                closed=month in closes,
                lines=lines,
                own=own,
                disputed=disputed.get((month, team), 0),
                total=Money(minor, currency),
                budget=None if budget is None else Money(budget, currency),
                acknowledged=(team, month) in acknowledged,
            )
        )
    return history


def _disputed(bench: Months, runs: Mapping[Month, int], found: Sequence[Dispute]) -> dict[tuple[Month, str], int]:
    """How many of a team's lines of a month were ever disputed: those that the month still holds."""
    of_months = [each for each in found if each.posting_month in runs]
    there = figures.lines_there(bench.ledger, runs.values(), (each.line_id for each in of_months)) if of_months else set()
    lines = {
        (each.posting_month, each.team, each.line_id)
        for each in of_months
        if (runs[each.posting_month], each.line_id) in there
    }
    counts: dict[tuple[Month, str], int] = {}
    for month, team, _ in lines:
        counts[month, team] = counts.get((month, team), 0) + 1
    return counts


def _open(found: Iterable[Dispute]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for each in found:
        if each.is_open:
            names.setdefault(each.team, []).append(each.dispute_id)
    return names


# ── what people decided ─────────────────────────────────────────────────────────────────────────────────────────────────


def _moves(events: Iterable[Event]) -> dict[str, list[Move]]:
    found: dict[str, list[Move]] = {}
    for event in events:
        if event.kind in (PROMOTED, DEMOTED):
            said = event.content
            found.setdefault(event.subject, []).append(
                Move(
                    kind="promote" if event.kind == PROMOTED else "demote",
                    team=event.subject,
                    to=_stage(said["to"]),
                    month=Month.parse(event.period),
                    by=said["by"],
                    on=date.fromisoformat(said["on"]),
                    number=event.number,
                    reason=said.get("reason", ""),
                )
            )
    return found


def _acknowledged(events: Iterable[Event]) -> set[tuple[str, Month]]:
    """The (team, month) that were acknowledged before finance first closed the month (A4)."""
    closed: set[str] = set()
    found: set[tuple[str, Month]] = set()
    for event in events:
        if event.kind == "close":
            closed.add(event.period)
        elif event.kind == ACKNOWLEDGED and event.period not in closed:
            found.add((event.subject, Month.parse(event.period)))
    return found


def _sign_offs(bench: Months, events: Sequence[Event], closes: Mapping[Month, Event]) -> tuple[SignOff, ...]:
    found = []
    standing = in_force(events)
    for event in events:
        if event.kind != SIGNED:
            continue
        said, close = event.content, standing.get(event.period)
        if close is None:
            void = "was reopened"
        elif close.number == said["close"] or figures_hash(bench, close, closes) == said["figures"]:
            void = ""
        else:
            void = "was closed again with other figures"
        months = (
            Quarter.parse(event.period).months(bench.organisation.fiscal_year_start)
            if "Q" in event.period
            else (Month.parse(event.period),)
        )
        found.append(
            SignOff(
                period=event.period,
                months=months,
                role=event.subject,
                name=said["by"],
                on=date.fromisoformat(said["on"]),
                figures=said["figures"],
                void=void,
            )
        )
    return tuple(found)


def figures_hash(bench: Months, close: Event, closes: Mapping[Month, Event] | None = None) -> str:
    """The SHA-256 of what a close came to: its figures, and each of its lines; of a quarter, those of its months too.

    How often it was closed, and which entries took back earlier ones, makes no difference: only figures do.
    """
    said = {name: figure for name, figure in close.content["figures"].items() if name != "entries"}
    signed: dict[str, Any] = {"period": close.period, "figures": said}
    if "Q" in close.period:
        closes = _closed_months(bench.ledger.events()) if closes is None else closes
        own = Quarter.parse(close.period).months(bench.organisation.fiscal_year_start)
        signed["months"] = {str(month): figures_hash(bench, closes[month]) for month in own if month in closes}
    else:
        signed["lines"] = figures.line_amounts(bench.ledger, int(close.content["run"]))
    return hashlib.sha256(canonical(signed).encode()).hexdigest()
