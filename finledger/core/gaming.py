"""Checks for figures that look arranged: each with what it rests on, so that a person can judge (rule U9).

A flag is a question, not a verdict: nothing is charged or refused by it. What the books do not hold is "not measurable".
The thresholds are ours; docs/decisions says why they are what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core.buffer import LOW_BALL, Forecast
from finledger.core.calls import Calls, counted, prompted_share, share, tokens_per_call
from finledger.core.history import History
from finledger.core.model import UNALLOCATED, BufferTerms, DrawDecision, Organisation, PriceBook
from finledger.core.money import Money, rounded_places, total
from finledger.core.period import Month
from finledger.core.pricebook import book_at
from finledger.core.quality import Evals

NEAR_TRIGGER = Fraction(1, 20)  # a draw within 5 % above the trigger
EVAL_RISE = Fraction(1, 10)  # evaluation takes 10 points more of a feature's calls
PRODUCTION_FALL = Fraction(1, 10)  # while its production calls fall by 10 %
TOKENS_ALIKE = Fraction(1, 4)  # and an eval call is within 25 % of what a production call was
UNLABELLED_RISE = Fraction(1, 10)  # unlabelled calls take 10 points more of a team's
LABELLED_FALL = Fraction(1, 10)  # while its labelled calls fall by 10 %
PLACES = 4

Figures = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """What a check found. `team` or `feature` is "" where it is about all of them."""

    month: Month
    team: str
    feature: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Checked:
    """A check with all that it found; `unmeasured` says what the books do not hold for it."""

    check: str
    asks: str
    flags: tuple[Flag, ...] = ()
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the checks of a month look at. `before` is the month before's calls, None where none are loaded."""

    month: Month
    organisation: Organisation
    books: Sequence[PriceBook]
    decisions: Sequence[DrawDecision]
    forecasts: Mapping[str, Forecast]
    history: History
    evals: Evals
    calls: Sequence[Calls]
    before: Sequence[Calls] | None


def inspect(evidence: Evidence) -> tuple[Checked, ...]:
    """Every check, in a fixed order."""
    return (
        draws_near_trigger(evidence),
        low_forecasts(evidence),
        production_as_eval(evidence),
        coverage_at_quarter_end(evidence),
        unlabelled_path(evidence),
    )


# ── the buffer ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def draws_near_trigger(evidence: Evidence) -> Checked:
    """A month that only just reaches the trigger may have been filled up to it (B2)."""
    name, asks = "draw-near-trigger", "Were charges moved into the month to reach the buffer's trigger?"
    book = book_at(evidence.books, evidence.month.first_day)
    terms = None if book is None else book.buffer
    if terms is None:
        return Checked(name, asks, unmeasured=("the price book has no buffer",))
    flags = [_near(decision, terms, evidence.month) for decision in evidence.decisions]
    return Checked(name, asks, tuple(flag for flag in flags if flag is not None))


def _near(decision: DrawDecision, terms: BufferTerms, month: Month) -> Flag | None:
    if not decision.forecast:
        return None
    times = Fraction(decision.charges.amount) / decision.forecast
    trigger = Fraction(terms.trigger)
    if not trigger <= times <= trigger * (1 + NEAR_TRIGGER):
        return None
    figures = (
        ("charges", str(decision.charges)),
        ("forecast", _text(decision.forecast, 2)),
        ("times forecast", _text(times)),
        ("trigger", str(terms.trigger)),
        ("granted", str(decision.granted)),
    )
    return Flag(month, decision.request.team, "", figures)


def low_forecasts(evidence: Evidence) -> Checked:
    """A low forecast makes a burst of an ordinary month (B3)."""
    name, asks = "low-forecast", "Was the forecast set low, so that an ordinary month counts as a burst?"
    flags, unmeasured = [], []
    months = [evidence.month.before, evidence.month.before.before, evidence.month.before.before.before]
    charges = [evidence.history.charges(each) for each in months]
    for team, forecast in sorted(evidence.forecasts.items()):
        recent = [each[team] for each in charges if team in each]
        if forecast.stated is None:
            unmeasured.append(f"{team} has no forecast")
        elif len(recent) < len(months):
            unmeasured.append(f"{team} has charges in {len(recent)} of the three months before")
        elif forecast.low_balled:
            mean = Fraction(total(recent, evidence.history.currency).amount) / len(months)
            figures = (
                ("forecast", str(forecast.stated)),
                ("mean of three months", _text(mean, 2)),
                ("forecast to mean", _text(Fraction(forecast.stated) / mean)),
                ("limit", _text(LOW_BALL)),
            )
            flags.append(Flag(evidence.month, team, "", figures))
    return Checked(name, asks, tuple(flags), tuple(unmeasured))


# ── labels ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def production_as_eval(evidence: Evidence) -> Checked:
    """Production that is called evaluation is half paid by the platform, and carries no premium (C3, C4, Q1)."""
    name, asks = "production-as-eval", "Was production relabelled as evaluation, which the platform pays for in part?"
    if evidence.before is None:
        return Checked(name, asks, unmeasured=(f"no usage of {evidence.month.before} is loaded",))
    before, flags = _by_owner(evidence.before), []
    for owner, calls in _by_owner(evidence.calls).items():
        flag = _relabelled(evidence.month, owner, before.get(owner, []), calls)
        if flag is not None:
            flags.append(flag)
    return Checked(name, asks, tuple(flags))


def _relabelled(month: Month, owner: tuple[str, str], before: list[Calls], now: list[Calls]) -> Flag | None:
    was, made = _kinds(before), _kinds(now)
    share_before, share_now = (share(counted(each[1]), counted(each[0]) + counted(each[1])) for each in (was, made))
    fell = _fall(counted(was[0]), counted(made[0]))
    if share_before is None or share_now is None or share_now - share_before < EVAL_RISE or fell < PRODUCTION_FALL:
        return None
    usual, now_eval = tokens_per_call(was[0]), tokens_per_call(made[1])
    if usual is not None and now_eval is not None and abs(now_eval - usual) > TOKENS_ALIKE * usual:
        return None
    figures = (
        ("eval share before", _text(share_before)),
        ("eval share", _text(share_now)),
        ("production calls before", str(counted(was[0]))),
        ("production calls", str(counted(made[0]))),
        ("tokens a production call before", _tokens(usual)),
        ("tokens an eval call", _tokens(now_eval)),
    )
    return Flag(month, *owner, figures)


def _kinds(calls: list[Calls]) -> tuple[list[Calls], list[Calls]]:
    """Production, and evaluation."""
    return [each for each in calls if each.production], [each for each in calls if each.evaluation]


def unlabelled_path(evidence: Evidence) -> Checked:
    """Calls without a feature carry no premium, without a prompt no owner of it, without a team no bill (A1, Q1)."""
    name, asks = "unlabelled-path", "Were calls moved to a path without team, feature or registered prompt?"
    if evidence.before is None:
        return Checked(name, asks, unmeasured=(f"no usage of {evidence.month.before} is loaded",))
    moved = [("", _moved("team", _owned(evidence.before), _owned(evidence.calls)))]
    unmeasured = []
    before, now = _by_team(evidence.before), _by_team(evidence.calls)
    for team in sorted(before.keys() & now.keys() - {UNALLOCATED}):
        moved.append((team, _moved("feature", _featured(before[team]), _featured(now[team]))))
        if prompted_share(before[team]):
            moved.append((team, _moved("registered prompt", _prompted(before[team]), _prompted(now[team]))))
        else:
            unmeasured.append(f"{team} ran no registered prompt in {evidence.month.before}")
    flags = tuple(Flag(evidence.month, team, "", figures) for team, figures in moved if figures)
    return Checked(name, asks, flags, tuple(unmeasured))


def _moved(label: str, before: tuple[int, int], now: tuple[int, int]) -> Figures:
    """Labelled calls and all calls, before and now: the figures where calls left the label, else none."""
    share_before, share_now = (share(whole - labelled, whole) for labelled, whole in (before, now))
    if share_before is None or share_now is None or share_now - share_before < UNLABELLED_RISE:
        return ()
    if _fall(before[0], now[0]) < LABELLED_FALL:
        return ()
    return (
        (f"share without {label} before", _text(share_before)),
        (f"share without {label}", _text(share_now)),
        (f"calls with {label} before", str(before[0])),
        (f"calls with {label}", str(now[0])),
    )


def _owned(calls: Iterable[Calls]) -> tuple[int, int]:
    listed = tuple(calls)
    return counted(each for each in listed if each.team != UNALLOCATED), counted(listed)


def _featured(calls: Sequence[Calls]) -> tuple[int, int]:
    return counted(each for each in calls if each.feature), counted(calls)


def _prompted(calls: Sequence[Calls]) -> tuple[int, int]:
    return sum(each.prompted for each in calls), counted(calls)


# ── coverage ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def coverage_at_quarter_end(evidence: Evidence) -> Checked:
    """Coverage at target in a quarter's last month alone gives its premium back; a fall after it says it was for that (Q2).

    Seen from a month of the next quarter. Coverage is recorded by month, so that a rise inside one is not measurable.
    """
    name, asks = "coverage-at-quarter-end", "Did coverage reach its target only when the premium was to be had back?"
    start = evidence.organisation.fiscal_year_start
    months = evidence.month.quarter(start).months(start)[0].before.quarter(start).months(start)
    book = book_at(evidence.books, months[-1].first_day)
    if book is None or book.quality is None:
        return Checked(name, asks, unmeasured=(f"no price book of {months[-1]} has a coverage target",))
    flags, unmeasured = [], ["a rise within a month: coverage is recorded by month"]
    for feature in sorted(evidence.evals.features(months[-1])):
        first, second, last = (evidence.evals.coverage(feature, month) for month in months)
        target = book.quality.target
        if last is None or last < target or any(each is not None and each >= target for each in (first, second)):
            continue
        now = evidence.evals.coverage(feature, evidence.month)
        if now is None:
            unmeasured.append(f"{feature} has no coverage in {evidence.month}")
        elif now < target:
            figures = (
                *((f"coverage {month}", _tracked(each)) for month, each in zip(months, (first, second, last), strict=True)),
                (f"coverage {evidence.month}", str(now)),
                ("target", str(target)),
                ("premium given back", str(_given_back(evidence.history, feature, months[-1]))),
            )
            flags.append(Flag(evidence.month, "", feature, figures))
    return Checked(name, asks, tuple(flags), tuple(unmeasured))


def _given_back(history: History, feature: str, month: Month) -> Money:
    credited = (
        flow.minor
        for flow in history.flows
        if flow.component == "coverage_credit" and flow.feature == feature and flow.posting_month == month
    )
    return -Money(sum(credited), history.currency)


# ── groups of calls, and figures as text ────────────────────────────────────────────────────────────────────────────────


def _by_owner(calls: Iterable[Calls]) -> dict[tuple[str, str], list[Calls]]:
    """By team and feature; what nobody owns is left out."""
    found: dict[tuple[str, str], list[Calls]] = {}
    for each in calls:
        if each.team != UNALLOCATED:
            found.setdefault((each.team, each.feature), []).append(each)
    return found


def _by_team(calls: Iterable[Calls]) -> dict[str, list[Calls]]:
    found: dict[str, list[Calls]] = {}
    for each in calls:
        found.setdefault(each.team, []).append(each)
    return found


def _fall(before: int, now: int) -> Fraction:
    """How much of what was is gone; nothing where nothing was."""
    return Fraction(before - now, before) if before else Fraction(0)


def _text(ratio: Fraction, places: int = PLACES) -> str:
    return str(rounded_places(ratio, places))


def _tokens(each: Fraction | None) -> str:
    return "not stated" if each is None else _text(each, 1)


def _tracked(coverage: Decimal | None) -> str:
    return "not tracked" if coverage is None else str(coverage)
