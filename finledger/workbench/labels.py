"""How much of the loaded usage is labelled, month by month, and what would label the rest (rules A2, A6, A9).

Nothing is written. Groups are those that a month is charged by, cut further by the exported fields that tell callers apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from functools import partial
from pathlib import Path
from typing import Any

from finledger.books.kept_figures import Rows
from finledger.books.label_fields import groupable
from finledger.core.included import take_included
from finledger.core.label import REPEATS, ROOT, own
from finledger.core.label_coverage import ASPECTS, Basis, Measured, aspects, charged, provider_costs, summed, tokens_of
from finledger.core.label_suggest import CALLERS, Advice, advise
from finledger.core.label_tables import label_tables
from finledger.core.model import MonthCharges, OwnedGroup, PriceBook, UsageQuery
from finledger.core.money import EXACT
from finledger.core.period import Month
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.rate import Pricing
from finledger.core.report import Table
from finledger.core.usage import GROUP_KEYS
from finledger.engines import DEFAULT, empty_columns, first_calls
from finledger.pipeline import MonthInputs, query
from finledger.workbench import Workbench
from finledger.workbench.kept_months import KeptMonths

TREND = 12  # months
GROUPS = 50_000  # that the fields beyond those of the rules may make of a month


@dataclass(frozen=True, slots=True)
class MonthBasis:
    """What the cost of a month is: charges, the provider's cost, or nothing. `why`: the first thing without a price."""

    month: Month
    basis: Basis
    why: str = ""


@dataclass(slots=True)
class Coverage:
    """`measured`: sums with the month, source and team they go under; `unlabelled`: what each advice would label.

    Sources that are only compared (role `reconcile`) stand in `compared` with their rows: they are nobody's and in no share.
    `left_out`: currencies of providers' costs that have no rate.
    """

    currency: str
    bases: list[MonthBasis] = field(default_factory=list)
    measured: list[tuple[Mapping[str, str], Measured]] = field(default_factory=list)
    unlabelled: dict[Advice, Measured] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)


def coverage(bench: Workbench, month: Month | None = None, *, engine_name: str = DEFAULT) -> Coverage:
    """Every loaded month, or one. By the rules as they are now, for closed months too. Raises Refused as grouping does."""
    found = Coverage(bench.organisation.currency)
    loaded = sorted({part.month for part in bench.ledger.parts() if part.month is not None})
    wanted = loaded if month is None else [month]
    if not loaded or wanted[0] not in loaded:
        raise Refused([_not_loaded(month, loaded)])
    for each in wanted:
        with localcontext(EXACT):
            _add_month(bench, each, found, engine_name)
    return found


def report_tables(
    bench: Workbench, own_months: Mapping[Month, MonthCharges], kept: KeptMonths | None = None
) -> tuple[Table, ...]:
    """The tables of a report on months that are charged: coverage of up to a year of loaded months that ends with them, so that
    it is a trend, and what of the months themselves is not labelled (`core/label_tables.py`). Empty where none is loaded.
    """
    months = own_months.keys()
    loaded = sorted({part.month for part in bench.ledger.parts() if part.month is not None})
    trend = [month for month in loaded if month <= max(months)][-TREND:] if months & set(loaded) else []
    measured: list[tuple[Mapping[str, str], Measured]] = []
    unlabelled: dict[Advice, Measured] = {}
    for month in trend:
        if month not in months:
            measured += look_back(bench, month, kept)
            continue
        charges = own_months[month]  # of a closed month by the prices of its close; labels are as they are now
        part = _month_of(bench, month, charges if charges.provisional else None)
        measured += part.measured
        for advice, each in part.unlabelled.items():
            unlabelled.setdefault(advice, Measured()).plus(each)
    return label_tables(measured, unlabelled, bench.organisation.currency) if trend else ()


def look_back(
    bench: Workbench, month: Month, kept: KeptMonths | None = None
) -> Sequence[tuple[Mapping[str, str], Measured]]:
    """What the trend shows of an earlier month: as it is kept, or worked out."""
    work_out = partial(_trend_of, bench, month)
    rows = work_out() if kept is None else kept.of_usage("label-coverage", month, work_out)
    return [_measured(month, row) for row in rows["sources"]]


def _month_of(bench: Workbench, month: Month, charges: MonthCharges | None = None) -> Coverage:
    found = Coverage(bench.organisation.currency)
    with localcontext(EXACT):
        _add_month(bench, month, found, DEFAULT, charges)
    return found


def _trend_of(bench: Workbench, month: Month) -> Mapping[str, Rows]:
    """The month as a trend shows it: the sums of each source."""
    rows = (
        (source, each.rows, each.tokens, each.cost, *each.rows_with.values(), *each.cost_with.values())
        for (source,), each in summed(_month_of(bench, month).measured, ("source",)).items()
    )
    return {"sources": tuple(rows)}


def _measured(month: Month, row: tuple[Any, ...]) -> tuple[Mapping[str, str], Measured]:
    source, count, tokens, cost, *with_aspect = row
    rows_with, cost_with = with_aspect[: len(ASPECTS)], with_aspect[len(ASPECTS) :]
    each = Measured(
        count, tokens, cost, dict(zip(ASPECTS, rows_with, strict=True)), dict(zip(ASPECTS, cost_with, strict=True))
    )
    return {"month": str(month), "source": source}, each


@dataclass(frozen=True, slots=True)
class _OneMonth:
    """A month's usage with its owners, all that prices it, and why its books cannot, where they cannot even be read."""

    pricing: Pricing
    paths: Sequence[Path]
    asked: UsageQuery
    owned: Sequence[OwnedGroup]
    unreadable: str
    charges: MonthCharges | None = None

    @property
    def month(self) -> Month:
        return self.pricing.month

    def billed(self) -> Sequence[OwnedGroup]:
        """The usage without the calls that seats include: they are not charged (C5)."""
        return take_included(self.owned, self.pricing, partial(first_calls, self.paths, self.asked)).rows


def _add_month(
    bench: Workbench, month: Month, found: Coverage, engine_name: str, charges: MonthCharges | None = None
) -> None:
    paths = bench.store.paths(bench.ledger.parts(month))
    organisation = bench.organisation
    books: Sequence[PriceBook] = ()
    unreadable = ""
    try:
        books = bench.frozen_pricebooks()
    except Refused as refused:  # labels can be looked at while prices are being mended
        unreadable = refused.problems[0].message
    group = partial(bench.engine(engine_name).group, paths, elsewhere=bench.store.paths(bench.ledger.parts(month.before)))
    asked = _cut_further(query(MonthInputs(month, organisation, books, group, rates=bench.rates)), paths)
    groups = group(asked)
    owned = own(groups.rows, organisation, asked.intervals)
    problems = [problem for problem in (*groups.problems, *owned.problems) if problem.is_error]
    if problems:
        raise Refused(problems)
    for each in groups.rows:
        source = each.keys["source"]
        if organisation.role(source) == "reconcile":
            found.compared[source] = found.compared.get(source, 0) + int(each.sums["rows"])
    pricing = Pricing(month, organisation, books, bench.rates)
    _add_cells(found, _OneMonth(pricing, paths, asked, owned.rows, unreadable, charges))


def _cut_further(asked: UsageQuery, paths: Sequence[Path]) -> UsageQuery:
    """Grouped by the exported fields that tell callers apart, too, as far as that makes no group of every row."""
    base = (*GROUP_KEYS, *(name for name in asked.labels if name != REPEATS and not name.startswith(ROOT)))
    empty = empty_columns(paths)
    more = groupable(paths, base, [name for name in CALLERS if name not in (*base, *empty)], GROUPS)
    return replace(asked, labels=tuple(sorted({*asked.labels, *more})))


def _add_cells(found: Coverage, this: _OneMonth) -> None:
    """A cell is what the report does not tell apart: usage of one source and team, with the same labels and advice."""
    advised = advise(this.owned, this.pricing.organisation)
    cells: dict[tuple[str, str, tuple[str, ...], Advice | None], list[int]] = {}
    for number, owned in enumerate(this.owned):
        key = (owned.group.keys["source"], owned.team, aspects(owned), advised[number])
        cells.setdefault(key, []).append(number)
    costs = _costs(found, this, list(cells.values()))
    for ((source, team, has, advice), numbers), cost in zip(cells.items(), costs, strict=True):
        rows = sum(int(this.owned[number].group.sums["rows"]) for number in numbers)
        measured = Measured()
        measured.add(rows, sum(tokens_of(this.owned[number]) for number in numbers), cost, has)
        found.measured.append(({"month": str(this.month), "source": source, "team": team}, measured))
        if advice is not None:
            found.unlabelled.setdefault(advice, Measured()).plus(measured)


def _costs(found: Coverage, this: _OneMonth, cells: Sequence[Sequence[int]]) -> Sequence[Decimal | None]:
    """The cost of each cell, by the best that there is, which is noted."""
    why = this.unreadable
    if not why:
        billed = this.billed()
        priced = charged([[billed[number] for number in cell] for cell in cells], this.pricing, this.charges)
        if not priced.errors:
            found.bases.append(MonthBasis(this.month, "charges"))
            return [amount.amount for amount in priced.rows]
        why = priced.errors[0].message
    costs, no_rate = provider_costs([[this.owned[number] for number in cell] for cell in cells], this.pricing)
    found.bases.append(MonthBasis(this.month, "provider_cost" if any(cost is not None for cost in costs) else "rows", why))
    found.left_out |= {f"{currency} in {this.month}" for currency in no_rate}
    return costs


def _not_loaded(month: Month | None, loaded: Sequence[Month]) -> Problem:
    what = "no usage is loaded" if month is None else f"no usage of {month} is loaded"
    there = f"; there is {', '.join(map(str, loaded))}" if loaded else ""
    return Problem("usage-not-loaded", what, SourceRef("usage"), remedy=f"run `finledger load` with the exports{there}")
