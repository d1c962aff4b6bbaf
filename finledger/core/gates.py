"""The gates of the ladder: what is asked before a team takes its next stage, each with its figure (rule A4).

To allocation the figures have to be believed: no open dispute, few disputed lines. To chargeback the organisation passes a gate
of its own first: little unallocated, a finance integration, figures that were signed off; then the team: it is not to experiment
any more, and knows its costs. To optimisation it has owned its variance. Nothing here knows a file or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from shlex import quote

from finledger.core.gate_terms import GateTerms
from finledger.core.model import Stage
from finledger.core.money import Money, rounded_places
from finledger.core.period import Month
from finledger.core.problem import Problem, SourceRef

LEAST_ACCOUNTS = frozenset({"ai_service_expense", "recovery_of_usage"})
LISTED = 5


@dataclass(frozen=True, slots=True)
class TeamMonth:
    """A team in a month that was charged. `lines`: all that it was charged; `own`: those of the month itself.

    `disputed`: how many of its lines were ever disputed. `acknowledged`: of its variance, before the month was first closed.
    """

    month: Month
    stage: Stage
    closed: bool
    lines: int
    own: int
    disputed: int
    total: Money
    budget: Money | None
    acknowledged: bool

    @property
    def variance(self) -> Money | None:
        return None if self.budget is None else self.total - self.budget

    @property
    def dispute_rate(self) -> Fraction | None:
        """None of no lines."""
        return Fraction(self.disputed, self.lines) if self.lines else None


@dataclass(frozen=True, slots=True)
class ClosedMonth:
    """A closed month of the organisation: its exact unallocated share, and the accounts that its charges are of (A2, L1).

    `accounts`: their roles; what a team below chargeback was shown counts as if it were posted.
    """

    month: Month
    unallocated: Fraction
    accounts: frozenset[str]


@dataclass(frozen=True, slots=True)
class SignOff:
    """Somebody signed the figures of a closed period, by their hash. `void`: why it does not count any more, "" while it does."""

    period: str
    months: tuple[Month, ...]
    role: str
    name: str
    on: date
    figures: str
    void: str = ""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that a gate asks. `blocker`: one of the three that keep a whole organisation from chargeback."""

    code: str
    name: str
    figure: str
    wanted: str
    met: bool
    remedy: str
    blocker: str = ""

    def problem(self, who: str, source: SourceRef | None) -> Problem:
        return Problem(self.code, f"{who}, {self.name}: {self.figure}; wanted: {self.wanted}", source, remedy=self.remedy)


# ── the organisation, before any of its teams is charged ────────────────────────────────────────────────────────────────


def organisation_gate(
    closed: Sequence[ClosedMonth], sign_offs: Iterable[SignOff], terms: GateTerms
) -> tuple[Criterion, ...]:
    """What chargeback asks of the organisation. `closed`: all its closed months that count, in order."""
    last = closed[len(closed) - terms.closed_months :] if len(closed) > terms.closed_months else closed
    return (
        _unallocated(last if terms.closed_months else (), terms),
        Criterion(
            code="gate-journal",
            name="journal format",
            figure=", ".join(terms.journal) or "none",
            wanted="the one that the finance system takes",
            met=bool(terms.journal),
            remedy="write `journal: csv` (or another that `finledger formats` lists) into finledger.yaml",
            blocker="finance integration",
        ),
        _accounts(last, terms),
        _signed(closed[-max(terms.closed_months, 1) :], tuple(sign_offs), terms),
    )


def _unallocated(last: Sequence[ClosedMonth], terms: GateTerms) -> Criterion:
    limit, wanted = Fraction(terms.unallocated), terms.closed_months
    figures = [f"{percent(each.unallocated, limit)} in {each.month}" for each in last]
    if len(last) < wanted:
        figures.append(f"{len(last)} of {wanted} months closed")
    return Criterion(
        code="gate-unallocated",
        name="unallocated",
        figure=", ".join(figures) or "not asked",
        wanted=f"under {percent(limit)} in each of the last {months(wanted, 'closed')}",
        met=len(last) >= wanted and all(each.unallocated < limit for each in last),
        remedy="give the rows an owner (labels, or rules in finledger.yaml), and close the months",
        blocker="unallocated spend",
    )


def _accounts(last: Sequence[ClosedMonth], terms: GateTerms) -> Criterion:
    needed = frozenset().union(*(each.accounts for each in last)) or LEAST_ACCOUNTS
    missing = sorted(needed - terms.mapped)
    lacking = f", without {', '.join(missing)}" if missing else ""
    return Criterion(
        code="gate-accounts",
        name="mapped accounts",
        figure=f"{len(needed) - len(missing)} of {len(needed)}{lacking}",
        wanted="every account that the charges post to",
        met=not missing,
        remedy="name the controller's account for each of them under `accounts` in finledger.yaml",
        blocker="finance integration",
    )


def _signed(last: Sequence[ClosedMonth], sign_offs: Sequence[SignOff], terms: GateTerms) -> Criterion:
    """One that stands, of the wanted role, on a month that the gate looks at."""
    looked_at = {each.month for each in last}
    of_role = [each for each in sign_offs if each.role.casefold() == terms.sign_off.casefold()]
    recent = [each for each in of_role if looked_at & set(each.months)]
    standing = [each for each in recent if not each.void]
    if standing:
        figure = f"{standing[-1].period}, by {standing[-1].name} on {standing[-1].on}"
    elif recent:
        figure = f"void: {recent[-1].period} {recent[-1].void}"
    elif of_role:
        figure = f"of {of_role[-1].period}, and of none of the months looked at"
    else:
        figure = "none"
    period = str(last[-1].month) if last else "MONTH"
    return Criterion(
        code="gate-sign-off",
        name=f"{terms.sign_off} sign-off",
        figure=figure,
        wanted=f"figures of one of the last {months(max(terms.closed_months, 1), 'closed')}, signed as they are sealed",
        met=bool(standing),
        remedy=f"let the {terms.sign_off} look at the figures: finledger stage signoff --month {period} --by NAME "
        f"--role {terms.sign_off}",
    )


# ── the team ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def team_gate(
    to: Stage, team: str, history: Sequence[TeamMonth], open_disputes: Sequence[str], terms: GateTerms
) -> tuple[Criterion, ...]:
    """What the gate to a stage asks of the team itself. `history`: its months that count, in order."""
    if to == "allocation":
        return (_open_disputes(open_disputes), _dispute_rate(history, terms))
    if to == "chargeback":
        return (_early(team, terms), _baseline(history, terms))
    return (_acknowledged(team, history, terms),) if to == "optimisation" else ()


def _open_disputes(found: Sequence[str]) -> Criterion:
    return Criterion(
        code="gate-dispute-open",
        name="open disputes",
        figure=f"{len(found)} ({_some(found)})" if found else "none",
        wanted="none",
        met=not found,
        remedy=f"decide them: finledger dispute resolve {found[0] if found else 'ID'} --outcome upheld --by NAME --note TEXT",
    )


def _dispute_rate(history: Sequence[TeamMonth], terms: GateTerms) -> Criterion:
    limit, wanted = Fraction(terms.dispute_rate), terms.dispute_months
    charged = [each for each in history if each.lines]
    last = charged[-wanted:] if wanted else []
    rates = [(each.month, each.dispute_rate or Fraction(0)) for each in last]
    figures = [f"{percent(rate, limit)} in {month}" for month, rate in rates]
    if len(last) < wanted:
        figures.append(f"{len(last)} of {months(wanted)} charged")
    return Criterion(
        code="gate-dispute-rate",
        name="disputed lines",
        figure=", ".join(figures) or "not asked",
        wanted=f"{percent(limit)} of its lines or less in each of its last {months(wanted)}",
        met=len(last) >= wanted and all(rate <= limit for _, rate in rates),
        remedy="wait until the team's figures are believed: charge its months (finledger allocate) and let it look at them",
    )


def _early(team: str, terms: GateTerms) -> Criterion:
    marked = team in terms.early
    return Criterion(
        code="gate-early-adoption",
        name="early adoption",
        figure="marked" if marked else "not marked",
        wanted="not marked",
        met=not marked,
        remedy="leave it where it is while it is to experiment; then remove `early_adoption: true` from finledger.yaml",
        blocker="early adoption",
    )


def _baseline(history: Sequence[TeamMonth], terms: GateTerms) -> Criterion:
    charged = [each for each in history if each.closed and each.own]
    return Criterion(
        code="gate-baseline",
        name="baseline",
        figure=months(len(charged), "closed"),
        wanted=f"{months(terms.baseline, 'closed')} with charges of its own, or more",
        met=len(charged) >= terms.baseline,
        remedy="close the months that it was charged in, or wait until there are enough",
        blocker="early adoption",
    )


def between_entities(entity: str, missing: Sequence[str]) -> Criterion:
    """Asked of a team of another legal entity than the platform's alone: a charge to it posts in both (L6)."""
    return Criterion(
        code="gate-intercompany",
        name="intercompany accounts",
        figure=f"without {', '.join(missing)}" if missing else "all",
        wanted=f"those that a charge to {entity} posts to",
        met=not missing,
        remedy="name them in finledger.yaml, and the platform's entity",
        blocker="finance integration",
    )


def _acknowledged(team: str, history: Sequence[TeamMonth], terms: GateTerms) -> Criterion:
    last: list[TeamMonth] = []
    for each in reversed([each for each in history if each.closed]):
        if each.stage != "chargeback" or len(last) == terms.acknowledged_months:
            break
        last.append(each)
    done = sum(each.acknowledged for each in last)
    share, limit = Fraction(done, len(last)) if last else Fraction(0), Fraction(terms.acknowledged)
    asked = terms.acknowledged_months > 0
    return Criterion(
        code="gate-acknowledged",
        name="acknowledged variance",
        figure=f"{done} of {months(len(last), 'closed')} at chargeback" + (f", {percent(share, limit)}" if last else ""),
        wanted=f"{percent(limit)} of them or more, before the month was closed" if asked else "not asked",
        met=not asked or (bool(last) and share >= limit),
        remedy=f"let the team look at each month before finance closes it: finledger stage ack {quote(team)} --month MONTH --by NAME",
    )


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def percent(share: Fraction, limit: Fraction | None = None) -> str:
    """A limit as it is written; a share with two decimals, or as many as it takes to tell it from its limit.

    >>> limit = Fraction(5, 100)
    >>> percent(limit), percent(Fraction(6, 1000), limit), percent(Fraction(4_999_999, 100_000_000), limit)
    ('5 %', '0.60 %', '4.999999 %')
    """
    if limit is None:
        return f"{_plain(rounded_places(share * 100, 6))} %"
    places = 2
    while share != limit and places < 12 and rounded_places(share * 100, places) == limit * 100:
        places += 2
    return f"{rounded_places(share * 100, places):f} %"


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def months(count: int, word: str = "") -> str:
    """1 month, 3 closed months."""
    return " ".join(filter(None, (str(count), word, "month" if count == 1 else "months")))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
