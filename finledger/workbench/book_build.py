"""A price book drafted from the usage of a past period, and from what models and accelerators cost now (rule P5).

Composes readers, workbench and core; computes no figure, and shows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

from finledger.core.build import Draft, draft, recovered, used_buckets
from finledger.core.currency import rate_at
from finledger.core.model import ActionUse, ModelRates, PriceBook
from finledger.core.model_rates import GpuCost, converted, settled
from finledger.core.period import Month, Quarter
from finledger.core.pricebook import previous
from finledger.core.problem import Misused, Problem, Refused, SourceRef
from finledger.core.variance import variances
from finledger.workbench import Workbench
from finledger.workbench.book_life import FOLDER, NewBook, free_path, head_of, looked_at, read_back
from finledger.workbench.simulation import other_book

GPU_COSTS = "gpu-costs.csv"
Rates = Literal["genai-prices", "book"]


@dataclass(frozen=True, slots=True)
class Built:
    """A draft made from usage, with how each figure was made; `notices` are the period's own."""

    new: NewBook
    draft: Draft
    months: tuple[Month, ...]
    notes: tuple[str, ...]
    notices: tuple[Problem, ...]


def period_before(bench: Workbench, quarter: Quarter) -> tuple[Month, ...]:
    """The months of the quarter before."""
    start = bench.organisation.fiscal_year_start
    return quarter.months(start)[0].before.quarter(start).months(start)


def build(
    bench: Workbench,
    quarter: Quarter,
    months: Sequence[Month],
    *,
    terms: str = "",
    rates: Rates = "genai-prices",
    gpu_costs: Path | None = None,
    by_model: bool = False,
    replacing: bool = False,
) -> Built:
    """A draft for a quarter, priced from what the actions of `months` really used (rule P5). Writes nothing.

    `terms`: the book whose terms are taken; left out, the one in force before the quarter. `replacing`: go on where the
    quarter has a book, to look at the figures. Refused: a month that cannot be charged, no actions, a model without rates.
    """
    books = looked_at(bench)
    head = head_of(bench, books, quarter, None)
    path = bench.root / FOLDER / f"{quarter}.yaml" if replacing else free_path(bench, books, head)
    last = other_book(bench, terms) if terms else previous(books, head.effective_from)
    if last is None:
        raise Misused(f"no price book holds before {head.effective_from}: write the first with `finledger pricebook new`")
    used, notices = _uses(bench, months)
    models, notes = _models(bench, last, used, head.effective_from, rates)
    made = draft(last, head, used, models, _gpu_costs(bench, gpu_costs), months=len(months), by_model=by_model)
    made = replace(made, recovered=recovered(variances(used, books), last.currency))
    new = read_back(bench, path, _draft_text(made, months), last)
    return Built(new, made, tuple(months), (*notes, *made.notes), notices)


def _uses(bench: Workbench, months: Sequence[Month]) -> tuple[list[ActionUse], tuple[Problem, ...]]:
    used: list[ActionUse] = []
    notices: list[Problem] = []
    for month in months:
        charges, _ = bench.allocate(month, record=False)
        used += charges.uses
        notices += [each for each in charges.notices if each.code in ("month-not-loaded", "rows-in-quarantine")]
    if not used:
        raise Refused([*notices, _no_usage(months)])
    return used, tuple(dict.fromkeys(notices))


def _models(
    bench: Workbench, last: PriceBook, used: Sequence[ActionUse], day: date, rates: Rates
) -> tuple[dict[str, ModelRates], tuple[str, ...]]:
    """Rates for the draft's models, in the books' currency, with what is to be known of them."""
    from finledger.read.model_catalogue import CURRENCY, Catalogue, catalogue_rates

    buckets = used_buckets(used)
    wanted = {**dict.fromkeys(sorted(buckets), ""), **{name: model.provider for name, model in last.models.items()}}
    catalogue = catalogue_rates(wanted, day) if rates == "genai-prices" else Catalogue({})
    currency = bench.organisation.currency
    rate = rate_at(bench.rates, CURRENCY, currency, day)
    if currency != CURRENCY and catalogue.models and rate is None:
        raise Refused([_no_rate(CURRENCY, currency, day)])
    in_currency = {
        name: converted(each, None if currency == CURRENCY else rate, last.price_digits)
        for name, each in catalogue.models.items()
    }
    outcome = settled(last, buckets, in_currency, looked=rates == "genai-prices")
    if outcome.errors:
        raise Refused(outcome.problems)
    return dict(outcome.rows.models), (*outcome.rows.notes, *catalogue.notes)


def _gpu_costs(bench: Workbench, file: Path | None) -> tuple[GpuCost, ...]:
    """The costs of a file, or of gpu-costs.csv in the books where there is one."""
    from finledger.read.gpu_costs import read_gpu_costs

    path = file or bench.root / GPU_COSTS
    if file is None and not path.exists():
        return ()
    outcome = read_gpu_costs(path, bench.shown(path))
    if outcome.errors:
        raise Refused(outcome.problems)
    return outcome.rows


def _draft_text(made: Draft, months: Sequence[Month]) -> str:
    from finledger.write.pricebook import pricebook_yaml
    from finledger.write.pricebook_rows import remarks

    book = made.book
    heading = (
        f"Price book {book.quarter}, drafted from the usage of {', '.join(map(str, months))}.",
        f"What usage does not say is as in {made.last.name}. What it would do to a month:",
        f"finledger pricebook diff {made.last.name} {book.quarter} --month {months[-1]}",
    )
    return pricebook_yaml(book, heading, remarks(made))


def _no_usage(months: Sequence[Month]) -> Problem:
    return Problem(
        "build-without-actions",
        f"nobody ran an action in {', '.join(map(str, months))}: there is nothing to make prices from",
        SourceRef("usage"),
        remedy="name a period that has usage with --from-quarter or --from-month, or load its exports first",
    )


def _no_rate(catalogue: str, currency: str, day: date) -> Problem:
    return Problem(
        "currency-rate-missing",
        f"model prices are in {catalogue}, and no rate from {catalogue} to {currency} is known on {day}",
        SourceRef("rates.csv"),
        remedy=f"add a line to rates.csv dated {day} or before: DATE,{catalogue},{currency},RATE,SOURCE, or use --rates book",
    )
