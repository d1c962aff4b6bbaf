"""A month's provider invoices held against what was metered, with every cent classified (rules X1, X2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finledger.core.billed_rates import with_billed
from finledger.core.model import ActionUse, JournalEntry, MonthCharges
from finledger.core.money import Money, total
from finledger.core.period import Month
from finledger.core.post_provider import accrue
from finledger.core.problem import Problem, Refused
from finledger.core.provider import Accrual, Metered, SkuReconciliation
from finledger.core.provider_checks import unclassified, waits
from finledger.core.provider_close import compare
from finledger.core.reconcile import awaited
from finledger.engines import DEFAULT
from finledger.workbench import Workbench
from finledger.workbench.provider_close import metered_in, read_inbox, terms_of


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
    read = read_inbox(bench)
    if read.errors:
        raise Refused(read.problems)
    terms, lines = terms_of(bench, month), read.rows.lines
    metered = {each: _metered(bench, each, engine_name, each == month) for each in months_around(bench, month)}
    outcome = compare(month, metered, lines, terms)
    if outcome.errors:
        raise Refused(outcome.problems)
    accruals = awaited(month, metered[month], lines, terms)
    return MonthReconciled(
        month=month,
        currency=bench.organisation.currency,
        rows=outcome.rows,
        accruals=accruals,
        entries=accrue(month, accruals, bench.organisation),
        problems=tuple(unclassified(outcome.rows)),
        notices=(*read.problems, *outcome.problems, *map(waits, accruals)),
    )


def billed_uses(
    bench: Workbench, charges: MonthCharges, books: Workbench, engine_name: str = DEFAULT
) -> tuple[ActionUse, ...]:
    """A month's uses, with what the provider billed for them where rows of its own say it and theirs do not (X3).

    `books`: those that the month was charged by. Without a source to reconcile with there are no such rows.
    """
    stated = any(source.role == "reconcile" for source in books.organisation.sources.values())
    if not stated or all(use.provider_cost is not None for use in charges.uses):
        return charges.uses
    metered = metered_in(bench, charges.month, books, engine_name).rows
    return with_billed(charges.uses, metered, charges.books, bench.organisation.providers)


def write_month(bench: Workbench, found: MonthReconciled, *, dry_run: bool = False) -> list[Path]:
    """out/MONTH/reconciliation.json and .csv, both or neither."""
    from finledger.write import reconciliation as written
    from finledger.write.figures import csv_bytes, json_bytes

    folder = bench.root / "out" / str(found.month)
    body = written.month_json(found.month, found.currency, found.rows, found.accruals, found.entries, found.problems)
    contents = {
        folder / "reconciliation.json": json_bytes(body),
        folder / "reconciliation.csv": csv_bytes(written.COLUMNS, written.csv_rows(found.rows)),
    }
    with bench.change(dry_run=dry_run) as change:
        change.put(contents)
    return list(contents)


def months_around(bench: Workbench, month: Month) -> list[Month]:
    """The month, and its neighbours that are loaded: usage at a cut-off is invoiced in one of them.

    The next month counts once one after it is loaded: until then its usage and its cost reports may be half there.
    """
    loaded = set(bench.months())
    over = {each for each in (month.before, month.next) if each in loaded and max(loaded) > each}
    return [each for each in (month.before, month, month.next) if each == month or each in over]


def _metered(bench: Workbench, month: Month, engine_name: str, wanted: bool) -> tuple[Metered, ...]:
    """What was metered of a month; a neighbour that cannot be metered is left out, its own reconciliation says why."""
    found = metered_in(bench, month, bench, engine_name)
    if found.errors and wanted:
        raise Refused(found.problems)
    return found.rows
