"""A month's provider invoices held against what was metered, with every cent classified (rules X1, X2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from finledger.core.metering import meter, metering_query
from finledger.core.model import JournalEntry
from finledger.core.money import Money, total
from finledger.core.period import Month
from finledger.core.post_provider import accrue
from finledger.core.pricebook import book_at
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.provider import Accrual, Metered, ProviderLine, SkuReconciliation
from finledger.core.reconcile import Terms, awaited, reconcile
from finledger.engines import DEFAULT, engine
from finledger.workbench import Workbench

INBOX = "provider-invoices"


@dataclass(frozen=True, slots=True)
class MonthReconciled:
    """Each SKU that was invoiced, what waits for an invoice, and the accrual that this makes. `problems` stop a close."""

    month: Month
    currency: str
    rows: tuple[SkuReconciliation, ...]
    accruals: tuple[Accrual, ...]
    entries: tuple[JournalEntry, ...]
    problems: tuple[Problem, ...]
    notices: tuple[Problem, ...]

    @property
    def unclassified(self) -> Money:
        return total((row.unclassified for row in self.rows), self.currency)


def reconcile_month(bench: Workbench, month: Month, engine_name: str = DEFAULT) -> MonthReconciled:
    """The service month against the invoices in provider-invoices/. Nothing is written.

    `Refused`: an invoice cannot be read, usage has no contracted rate, or an amount in another currency has no rate.
    """
    from finledger.read.invoices import read_invoices

    organisation = bench.organisation
    read = read_invoices(bench.root / INBOX, INBOX)
    if read.errors:
        raise Refused(read.problems)
    book = book_at(bench.pricebooks, month.first_day)
    terms = Terms.of(organisation, bench.rates, "half_up" if book is None else book.rounding)
    metered = tuple(each for one in _around(bench, month) for each in _metered(bench, one, engine_name, one == month))
    lines = _of_months(read.rows, {each.service_month for each in metered} | {month})
    outcome = reconcile(month, metered, lines, terms)
    if outcome.errors:
        raise Refused(outcome.problems)
    accruals = awaited(month, metered, read.rows, terms)
    return MonthReconciled(
        month=month,
        currency=organisation.currency,
        rows=outcome.rows,
        accruals=accruals,
        entries=accrue(month, accruals, organisation),
        problems=tuple(_unclassified(outcome.rows)),
        notices=(*read.problems, *outcome.problems, *map(_waits, accruals)),
    )


def write_month(bench: Workbench, found: MonthReconciled, *, dry_run: bool = False) -> list[Path]:
    """out/MONTH/reconciliation.json and .csv, both or neither."""
    from finledger.write import reconciliation as written
    from finledger.write.figures import csv_bytes, json_bytes
    from finledger.write.files import write_all

    folder = bench.root / "out" / str(found.month)
    body = written.month_json(found.month, found.currency, found.rows, found.accruals, found.entries, found.problems)
    contents = {
        folder / "reconciliation.json": json_bytes(body),
        folder / "reconciliation.csv": csv_bytes(written.COLUMNS, written.csv_rows(found.rows)),
    }
    if not dry_run:
        write_all(contents)
    return list(contents)


def _around(bench: Workbench, month: Month) -> list[Month]:
    """The month, and its neighbours that are loaded: usage at a cut-off is invoiced in one of them.

    The next month counts once one after it is loaded: until then its usage and its cost reports may be half there.
    """
    loaded = set(bench.months())
    over = {each for each in (month.before, month.next) if each in loaded and max(loaded) > each}
    return [each for each in (month.before, month, month.next) if each == month or each in over]


def _metered(bench: Workbench, month: Month, engine_name: str, wanted: bool) -> tuple[Metered, ...]:
    """What was metered of a month; a neighbour that cannot be metered is left out, its own reconciliation says why."""
    organisation, books = bench.organisation, bench.frozen_pricebooks()
    asked = metering_query(month, organisation, books)
    groups = engine(engine_name).group(bench.store.paths(bench.ledger.parts(month)), asked)
    found = meter(month, groups.rows, organisation, books, bench.rates)
    problems = (*groups.problems, *found.problems)
    if not any(problem.is_error for problem in problems):
        return found.rows
    if wanted:
        raise bench.refused(month, problems, asked.intervals)
    return ()


def _of_months(lines: Iterable[ProviderLine], months: Iterable[Month]) -> list[ProviderLine]:
    """Whole invoices, all that have a line of one of the months."""
    known = tuple(lines)
    wanted = {(line.provider, line.invoice) for line in known if line.service_month in set(months)}
    return [line for line in known if (line.provider, line.invoice) in wanted]


def _unclassified(rows: Iterable[SkuReconciliation]) -> Iterator[Problem]:
    for row in rows:
        if row.unclassified:
            difference = (
                f"{row.invoiced} invoiced, {row.metered} metered, {row.unclassified} {row.metered.currency} unexplained"
            )
            yield Problem(
                "invoice-unclassified",
                f"{row.provider} {row.sku or 'all of it'} in {row.service_month}: {difference}"
                + (f" ({row.note})" if row.note else ""),
                row.lines[0] if row.lines else SourceRef(INBOX),
                remedy="load what is missing, map the invoice's SKU under `providers`, or state the provider's tolerance there",
            )


def _waits(accrual: Accrual) -> Problem:
    return Problem(
        "invoice-awaited",
        f"{accrual.provider} has sent no invoice for {accrual.service_month}: {accrual.amount} {accrual.amount.currency} are "
        "to be accrued",
        SourceRef("usage"),
        remedy=f"put the invoice into {INBOX}/ when it comes; where none is to come, write `invoice: none` for the provider",
        severity="warning",
    )
