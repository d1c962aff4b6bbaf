"""The trial balance of a set of books with what it is held against: funds and reserves by rule, and the files of out/ (L2, X4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import localcontext
from pathlib import Path

from finledger.core import buffer as fund
from finledger.core.accounts import FUNDS
from finledger.core.history import SETTLED, History
from finledger.core.model import Check
from finledger.core.money import EXACT, Money
from finledger.core.period import Month, Quarter
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.roll_forward import ROLLED, RollForward, intercompany, roll_forward, stated, trued_up, unposted
from finledger.core.tie_out import Finding, untied
from finledger.core.trial_balance import TrialRow, nets_to_zero, totals, trial_balance
from finledger.workbench import Workbench
from finledger.workbench.posted import Posted, PostedPeriod, posted, stretch_label
from finledger.workbench.tie_out import tie_outs

FUND_ORDER = tuple(role for role in ROLLED if role in FUNDS)
LEDGER = SourceRef("store/ledger.sqlite")
UNTIED = (
    "work the months out again with `finledger allocate`, then the quarter with `finledger reconcile --quarter`; "
    "what still differs after that was changed by hand"
)


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """`provisional`: a month of the period, or the quarter itself, is not closed. `problems`: what does not tie."""

    period: Month | Quarter
    currency: str
    provisional: bool
    rows: tuple[TrialRow, ...]
    totals: tuple[TrialRow, ...]
    rolls: tuple[RollForward, ...]
    checks: tuple[Check, ...]
    problems: tuple[Problem, ...]
    notices: tuple[Problem, ...]


def trial_balance_of(bench: Workbench, period: Month | Quarter, *, usage: bool = True, files: bool = True) -> TrialBalance:
    """The period's trial balance as the ledger has it now; `Refused` where none of the period is charged.

    What does not tie is among the problems, and nothing is raised for it. `usage`: open months' usage is added up again too.
    `files`: so is what lies in out/.
    """
    organisation = bench.organisation
    bench.refuse_edited_pricebooks()
    found = posted(bench, period)
    last = period if isinstance(period, Month) else period.months(organisation.fiscal_year_start)[-1]
    notices = tuple(_notices(bench, found, last, period))
    if not any(isinstance(part.period, Month) for part in found.own):
        raise Refused([_not_allocated(period)])
    rows = trial_balance(found.before, found.entries)
    rolls = roll_forward(found.before, found.stretches, str(period))
    with localcontext(EXACT):
        checks = (*nets_to_zero(rows), *_funds(bench, found, rolls, last), *intercompany(rolls))
        parts: list[Month | Quarter] = [part.period for part in found.own]
        outside: list[Finding] = [each for part in parts if files for each in tie_outs(bench, part, usage=usage)]
        problems = untied((*checks, *outside), LEDGER, UNTIED)
    return TrialBalance(
        period,
        organisation.currency,
        not all(part.closed for part in found.own) or (isinstance(period, Quarter) and period not in parts),
        rows,
        totals(rows),
        rolls,
        (*checks, *(each for each in outside if isinstance(each, Check))),
        problems,
        notices,
    )


def write_trial_balance(bench: Workbench, found: TrialBalance, *, dry_run: bool = False) -> list[Path]:
    """out/PERIOD/trial-balance.json and .csv, both or neither."""
    from finledger.write.figures import csv_bytes, json_bytes
    from finledger.write.trial_balance import COLUMNS, csv_cells, trial_balance_json

    folder = bench.root / "out" / str(found.period)
    figures = trial_balance_json(
        str(found.period), found.currency, found.provisional, found.rows, found.totals, found.rolls, found.checks,
        found.problems, found.notices,
    )  # fmt: skip
    contents = {
        folder / "trial-balance.json": json_bytes(figures),
        folder / "trial-balance.csv": csv_bytes(COLUMNS, csv_cells(found.rows)),
    }
    if not dry_run:
        with bench.change() as change:
            change.put(contents)
    return list(contents)


def _funds(bench: Workbench, found: Posted, rolls: Sequence[RollForward], last: Month) -> Iterator[Check]:
    """The fund and the reserves by their postings = by the charge lines, at the end of each part of the period (B1, Q2, P3).

    And what the fund opens with by its postings = what the period's first month was charged with; not while a quarter before
    it is open and has true-ups, which months count once it is closed.
    """
    organisation, start = bench.organisation, bench.organisation.fiscal_year_start
    history = History(organisation.currency, bench.ledger.flows(last.next))
    true_ups = {
        part.period: trued_up(part.entries, organisation.currency)
        for part in (*found.earlier, *found.own)
        if isinstance(part.period, Quarter)
    }
    charged_only = History(organisation.currency, tuple(flow for flow in history.flows if flow.kind != SETTLED))
    by_rule = stated(charged_only, bench.pricebooks, organisation, bench.platform_costs, true_ups)
    own = [roll for roll in rolls if roll.role in FUNDS and roll.currency == organisation.currency]  # whatever its entity is
    none = Money(0, organisation.currency)
    for part in found.own:
        label = stretch_label(part.period)
        for role in FUND_ORDER:
            held = (each for roll in own if roll.role == role for each in roll.stretches if each.label == label)
            left = Money(sum(each.closing for each in held), organisation.currency)
            right = by_rule.get((role, str(part.period)), none)
            if left or right or any(roll.role == role for roll in own):
                law = f"{role.replace('_', ' ')} at {label}: by postings = by charge lines"
                yield Check(law, left.amount, right.amount)
    first = next(part.period for part in found.own if isinstance(part.period, Month))
    over = [month for month in history.months if month.quarter(start) < first.quarter(start)]
    moving = [part for part in found.earlier if part.period in true_ups and not part.closed and true_ups[part.period]]
    if not unposted(over, true_ups, start) and not moving:
        opened = sum(roll.whole.opening for roll in own if roll.role == "buffer_fund")
        charged = fund.opening(first, history, bench.pricebooks, organisation)
        law = f"buffer fund's opening by postings = what {first} was charged with"
        yield Check(law, Money(opened, organisation.currency).amount, charged.amount)


# ── what the trial balance lacks ────────────────────────────────────────────────────────────────────────────────────────


def _notices(bench: Workbench, found: Posted, last: Month, period: Month | Quarter) -> Iterator[Problem]:
    """Months that have usage and are not charged; quarters before the period's end whose own end is not posted."""
    start = bench.organisation.fiscal_year_start
    parts: tuple[PostedPeriod, ...] = (*found.earlier, *found.own)
    charged = [part.period for part in parts if isinstance(part.period, Month)]
    for month in bench.months():
        if month <= last and month not in charged and month != period:
            yield _not_allocated(month, "warning")
    reconciled = [part.period for part in parts if isinstance(part.period, Quarter)]
    for quarter in unposted(charged, reconciled, start):
        ends = quarter.months(start)[-1]
        if ends < last or quarter == period:
            yield Problem(
                "quarter-not-reconciled",
                f"{quarter} is not reconciled: its true-ups, rebates and releases of reserves are not among the postings",
                LEDGER,
                remedy=f"run `finledger reconcile --quarter {quarter}` when its months are complete",
                severity="warning",
            )


def _not_allocated(period: Month | Quarter, severity: str = "error") -> Problem:
    if isinstance(period, Quarter):
        command = "finledger allocate` with each of its months"
    else:
        command = f"finledger allocate --month {period}`"
    return Problem(
        "month-not-allocated",
        f"{period} is not charged: the trial balance has nothing of it",
        LEDGER,
        remedy=f"run `{command} first",
        severity="warning" if severity == "warning" else "error",
    )
