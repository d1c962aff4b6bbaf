"""The review of a set of books: its measures, what is to be done, and what people decide about features (rules Q5, U2, U3)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, localcontext
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Any

from finledger.core import review as gate
from finledger.core.label import own
from finledger.core.measures import GpuUse, Sums, measures_table, outcome_table, programme_table, summed, sums_of
from finledger.core.model import MonthCharges
from finledger.core.money import EXACT
from finledger.core.period import Month, Quarter
from finledger.core.problem import Misused, Problem, Refused
from finledger.core.projection import projection_tables
from finledger.core.report import Table
from finledger.core.review import Decision, Evidence, Grade, Review, evidence_of, features_over, reviews, unmet
from finledger.core.review_tables import (
    Situation,
    actions_table,
    bills_of,
    budget_table,
    quality_table,
    quality_trend,
    reviews_table,
)
from finledger.core.unit_use import month_use
from finledger.engines import DEFAULT, empty_columns
from finledger.pipeline import query
from finledger.workbench import Workbench
from finledger.workbench.projecting import Projected, Reach, projected
from finledger.workbench.sealed import as_of
from finledger.workbench.shelf import Shelf


@dataclass(slots=True)
class Charged:
    """Months of the books as they are charged: closed ones as they were sealed. A month that cannot be charged is in `refused`.

    Hand one over from call to call: what it knows is not charged again. `gpu`: how busy each month's GPUs were.
    """

    bench: Workbench
    engine_name: str = DEFAULT
    charges: dict[Month, MonthCharges] = field(default_factory=dict)
    refused: dict[Month, tuple[Problem, ...]] = field(default_factory=dict)
    gpu: dict[Month, GpuUse] = field(default_factory=dict)

    def of(self, months: Sequence[Month]) -> dict[Month, MonthCharges]:
        """The charges of those of the months that have usage or were allocated, in order."""
        return self._by(self._charge, months)

    def recorded(self, months: Sequence[Month]) -> dict[Month, MonthCharges]:
        """The same of months that others are compared with: as they are recorded, where that says enough."""
        shelf = Shelf(self.bench)
        return self._by(lambda month: shelf.recorded(month) or self._charge(month), months)

    def _by(self, charge: Callable[[Month], MonthCharges], months: Sequence[Month]) -> dict[Month, MonthCharges]:
        there = set(self.bench.months())
        for month in months:
            if month in there and month not in self.charges and month not in self.refused:
                try:
                    self.charges[month] = charge(month)
                except Refused as refused:
                    self.refused[month] = refused.problems
        return {month: self.charges[month] for month in months if month in self.charges}

    def _charge(self, month: Month) -> MonthCharges:
        if self.bench.closed(month) is None:
            return self.bench.charge(month, engine_name=self.engine_name)[0]
        return self.bench.allocate(month, engine_name=self.engine_name, record=False)[0]

    def sums(self, months: Sequence[Month], *, with_gpus: bool = True) -> Sums:
        """The months' sums; how busy their GPUs were takes a look at their usage, which can be left out."""
        organisation = self.bench.organisation
        with localcontext(EXACT):
            return summed(
                sums_of(each, organisation, self._gpu(month) if with_gpus else None)
                for month, each in self.of(months).items()
            )

    def _gpu(self, month: Month) -> GpuUse:
        if month not in self.gpu:
            close = self.bench.closed(month)
            books = self.bench if close is None else as_of(self.bench, close, before=True)
            self.gpu[month] = _gpu_of(books, month, self.engine_name)
        return self.gpu[month]


def _gpu_of(books: Workbench, month: Month, engine_name: str) -> GpuUse:
    paths = books.store.paths(books.ledger.parts(month))
    if "gpu_hours" in empty_columns(paths):
        return GpuUse()
    inputs = books.month_inputs(month, engine_name=engine_name)
    asked = query(inputs)
    owned = own(inputs.group(asked).rows, inputs.organisation, asked.intervals).rows
    by_gpu = month_use(owned, inputs.organisation).by_gpu.values()
    none = Decimal(0)
    return GpuUse(
        sum((each.gpu_hours for each in by_gpu), none),
        sum((each.measured_hours for each in by_gpu), none),
        sum((each.busy_hours for each in by_gpu), none),
    )


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A period's review as tables. `problems`: of the months that cannot be charged, which every figure lacks."""

    period: str
    currency: str
    months: tuple[Month, ...]
    provisional: bool
    tables: tuple[Table, ...]
    problems: tuple[Problem, ...] = ()
    projected: Projected | None = None
    reviews: tuple[Review, ...] = ()
    charged: int = 0  # of the months, how many the figures are about

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)


def review_of(
    bench: Workbench,
    period: Month | Quarter,
    *,
    known: Charged | None = None,
    at: date | None = None,
    reach: Reach | None = None,
) -> Reviewed:
    """The review's tables of a month or a quarter: measures, quality, quality-trend, budget, actions, reviews, projection.

    `known`: months that are charged already; the trend shows all of them up to the period's end. `at`: the day whose end an
    open month is looked at by, its last day with usage when left out. `reach`: that month, cut behind the days that this takes.
    """
    known = Charged(bench) if known is None else known
    organisation, start = bench.organisation, bench.organisation.fiscal_year_start
    months = _months_of(period, start)
    before = _before(period, start)
    charges, last = known.of(months), known.recorded(_months_of(before, start))
    view = _projection(known, [month for month in months if month in charges], at, reach)
    sums = known.sums(months)
    known.recorded(_looked_at(months[-1].quarter(start), start))
    found = _reviews(known, months[-1].quarter(start))
    ends = months[-1]
    trend = sorted(month for month in known.charges if month <= ends)
    with localcontext(EXACT):
        bills = bills_of(tuple(charges), charges, organisation)
        situation = Situation(
            months, charges, organisation, sums, found, None if view is None else view.projection, str(ends.quarter(start))
        )
        tables = (
            measures_table(sums, known.sums(tuple(last)), str(period), str(before), organisation.currency),
            quality_table(months, charges, organisation, str(period)),
            quality_trend(trend, known.charges, organisation),
            budget_table(months, charges, organisation, str(period)),
            *(() if view is None else projection_tables(view.projection, organisation)),
            actions_table(situation),
            reviews_table(found, bills),
        )
    return Reviewed(
        period=str(period),
        currency=organisation.currency,
        months=months,
        provisional=any(each.provisional for each in charges.values()),
        tables=tables,
        problems=tuple(problem for month in months for problem in known.refused.get(month, ())),
        projected=view,
        reviews=found,
        charged=len(charges),
    )


def review_tables(bench: Workbench, period: Month | Quarter, known: Charged | None = None) -> tuple[Table, ...]:
    """What a report takes of the review: every table of `review_of`, and the year's two with its last quarter."""
    known = Charged(bench) if known is None else known
    tables = review_of(bench, period, known=known).tables
    if isinstance(period, Quarter) and period.number == 4:
        tables = (*tables, *year_review(bench, period.year, known=known).tables)
    return tables


def _projection(known: Charged, months: Sequence[Month], at: date | None, reach: Reach | None) -> Projected | None:
    """Of the last of the months, where it is open."""
    wanted = [month for month in months if known.bench.closed(month) is None][-1:]
    if not wanted:
        return None
    month = wanted[0]
    inside = at if at is not None and Month(at.year, at.month) == month else None
    reach = reach if reach is not None and reach.month == month else None
    charges = known.charges.get(month)
    try:
        return projected(known.bench, month, inside, known.engine_name, charges=charges, reach=reach)
    except Refused:  # by a part of its days it lacks a rate or a price that it has later: there is nothing to project
        return None


def _reviews(known: Charged, quarter: Quarter) -> tuple[Review, ...]:
    bench, start = known.bench, known.bench.organisation.fiscal_year_start
    months, before = quarter.months(start), _months_of(_before(quarter, start), start)
    with localcontext(EXACT):
        now, last = features_over(months, known.of(months)), features_over(before, known.of(before))
        return reviews(quarter, now, last, bench.ledger.events(), bench.organisation.review)


def _looked_at(quarter: Quarter, start: int) -> tuple[Month, ...]:
    """The months of the quarter before, and its own."""
    return (*_months_of(_before(quarter, start), start), *quarter.months(start))


def _months_of(period: Month | Quarter, start: int) -> tuple[Month, ...]:
    return (period,) if isinstance(period, Month) else period.months(start)


def _before(period: Month | Quarter, start: int) -> Month | Quarter:
    return period.before if isinstance(period, Month) else period.months(start)[0].before.quarter(start)


def year_review(bench: Workbench, year: int, *, known: Charged | None = None) -> Reviewed:
    """The programme's fiscal year: its quarters, and whether it bought quality or only hit its plan."""
    known = Charged(bench) if known is None else known
    start = bench.organisation.fiscal_year_start
    quarters = [(str(quarter), quarter.months(start)) for quarter in (Quarter(year, number) for number in (1, 2, 3, 4))]
    sums = [(name, known.sums(months, with_gpus=False)) for name, months in quarters]
    costs = []
    with localcontext(EXACT):
        for _, months in quarters:
            found = features_over(months, known.of(months)).values()
            by_feature = {each.feature: each.cost_per_correct_task for each in found}
            costs.append({name: cost for name, cost in by_feature.items() if cost is not None})
        tables = (
            programme_table(sums, str(year), bench.organisation.currency),
            outcome_table(sums, costs, str(year), bench.organisation.ladder.unallocated),
        )
    every = tuple(month for _, months in quarters for month in months)
    problems = tuple(problem for month in every for problem in known.refused.get(month, ()))
    charges = known.of(every)
    provisional = any(each.provisional for each in charges.values())
    currency = bench.organisation.currency
    return Reviewed(str(year), currency, every, provisional, tables, problems, charged=len(charges))


# ── opening and deciding ────────────────────────────────────────────────────────────────────────────────────────────────


def open_review(
    bench: Workbench, feature: str, quarter: Quarter, *, by: str, on: date, reason: str = "", dry_run: bool = False
) -> Review:
    """Open a review, and say who does. Raises Misused for a feature that the quarter does not know, or that is open already."""
    said = _said(by=by)
    with bench.change(dry_run=dry_run) as change:
        ledger = change.ledger  # holds the books' lock from here on
        found = _review(Charged(bench), feature, quarter)
        if found.opened is not None and found.state == "open":
            raise Misused(
                f"the review of {feature} in {quarter} is open already, since {found.opened.on} by {found.opened.by}: decide it "
                f"with `finledger review decide {quote(feature)} --quarter {quarter}`"
            )
        content = gate.opening_content(found, said["by"], on.isoformat(), reason.strip())
        event = ledger.add_event("review-open", str(quarter), feature, content)
    entry = gate.Entry(said["by"], on.isoformat(), reason.strip(), event.number, event.hash)
    return replace(found, opened=entry)


def decide_review(
    bench: Workbench,
    feature: str,
    quarter: Quarter,
    decision: Decision,
    *,
    by: str,
    on: date,
    reason: str,
    candidate: str = "",
    grade: str = "",
    dry_run: bool = False,
) -> tuple[Review, Evidence]:
    """Decide a review that is open, by its evidence, and keep both in the log.

    Raises Refused with every condition that a swap (or `evaluate`, which needs a budget) lacks; Misused where nothing is open.
    """
    said = _said(by=by, reason=reason)
    if (decision == "swap") != bool(candidate.strip()):
        raise Misused(
            "a swap names the model to swap to: --candidate MODEL" if decision == "swap" else "only a swap has a --candidate"
        )
    graded = _grade(feature, candidate.strip(), grade)
    with bench.change(dry_run=dry_run) as change:
        ledger = change.ledger
        known = Charged(bench)
        found = _review(known, feature, quarter)
        if found.state != "open":
            raise Misused(_not_open(found))
        evidence = evidence_of(found, known.charges, bench.eval_budgets, bench.organisation.fiscal_year_start, graded)
        problems = tuple(unmet(evidence, decision))
        if problems:
            raise Refused(problems)
        content = gate.decision_content(evidence, decision, said["by"], on.isoformat(), said["reason"])
        content["made_from"] = _made_from(known, quarter)
        event = ledger.add_event("review-decide", str(quarter), feature, content)
    entry = gate.Entry(said["by"], on.isoformat(), said["reason"], event.number, event.hash, decision, content["candidate"])
    return replace(found, decided=entry), evidence


def _review(known: Charged, feature: str, quarter: Quarter) -> Review:
    every = {each.feature: each for each in _reviews(known, quarter)}
    problems = [problem for month in quarter.months(known.bench.organisation.fiscal_year_start)
                for problem in known.refused.get(month, ())]  # fmt: skip
    if problems:
        raise Refused(problems)
    if feature not in every:
        near = get_close_matches(feature, every, n=3, cutoff=0.6)
        there = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(every) or 'none'}"
        raise Misused(f"{quarter} knows no feature {feature!r}: {there}")
    return every[feature]


def _not_open(found: Review) -> str:
    if found.decided is not None:
        done = f"was decided on {found.decided.on} by {found.decided.by}: {found.decided.decision}"
    else:
        done = "is not open: its cost per correct task did not rise so far, and nobody opened it"
    return (
        f"the review of {found.feature} in {found.quarter} {done}; open it with `finledger review open {quote(found.feature)} "
        f"--quarter {found.quarter} --by NAME`"
    )


def _said(**words: str) -> dict[str, str]:
    """What a person has to say, without spaces around it."""
    said = {name: " ".join(word.split()) for name, word in words.items()}
    for name, word in said.items():
        if not word:
            raise Misused(f"--{name} is empty: say {'who decides' if name == 'by' else 'why'}")
    return said


def _grade(feature: str, candidate: str, said: str) -> Grade | None:
    """A grade as it was typed, CORRECT/GRADED, or as cases in a file; without one, a candidate that nobody graded."""
    if not said:
        return Grade(candidate, 0, 0) if candidate else None
    if not candidate:
        raise Misused("--grade is of a candidate: name it with --candidate MODEL")
    correct, slash, graded = said.partition("/")
    if slash and correct.strip().isdecimal() and graded.strip().isdecimal():
        if int(correct) > int(graded):
            raise Misused(f"--grade {said}: {correct.strip()} correct are more than {graded.strip()} graded")
        return Grade(candidate, int(graded), int(correct))
    path = Path(said)
    if not path.is_file():
        raise Misused(f"--grade {said}: write CORRECT/GRADED, as 480/500, or name a file of graded cases (.jsonl)")
    return _grade_of_file(feature, candidate, path, said)


def _grade_of_file(feature: str, candidate: str, path: Path, shown_as: str) -> Grade:
    from finledger.read.graded import read_cases

    outcome = read_cases(path, shown_as)
    if outcome.errors:
        raise Refused(outcome.problems)
    own_cases = [case for name, case in outcome.rows if name == feature]
    graded = [case for case in own_cases if case.correct is not None]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Grade(candidate, len(graded), sum(case.correct is True for case in graded), path.name, sha256)


def _made_from(known: Charged, quarter: Quarter) -> dict[str, Any]:
    """The hashes of what the evidence was made from: closes and price books of this quarter's months and the last's; evals/."""
    bench = known.bench
    months: dict[str, Any] = {}
    start = bench.organisation.fiscal_year_start
    for month in (*_months_of(_before(quarter, start), start), *quarter.months(start)):
        charges, close = known.charges.get(month), bench.closed(month)
        if charges is not None:
            months[str(month)] = {
                "close": "" if close is None else close.hash,
                "pricebooks": [[book.name, book.sha256] for book in charges.books],
            }
    texts: Mapping[str, Path] = {
        path.relative_to(bench.root).as_posix(): path for path in sorted((bench.root / "evals").glob("*")) if path.is_file()
    }
    budgets = bench.root / "eval-budgets.csv"
    texts = {**texts, **({"eval-budgets.csv": budgets} if budgets.is_file() else {})}
    hashes = [[name, hashlib.sha256(path.read_bytes()).hexdigest()] for name, path in texts.items()]
    return {"months": months, "texts": hashes}
