"""A month's provider invoices against metering, as JSON and as rows: amounts as decimal text (rule X1)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from finledger.core.model import JournalEntry
from finledger.core.money import total, zero
from finledger.core.period import Month
from finledger.core.problem import Problem
from finledger.core.provider import DIFFERENCES, Accrual, SkuReconciliation
from finledger.write.figures import plain
from finledger.write.quarter import entry_rows, problem_row

COLUMNS = (
    "provider", "sku", "service_month", "metered", "invoiced", "difference", *DIFFERENCES, "unclassified",
    "within_tolerance", "metered_quantity", "invoiced_quantity", "unit", "invoices", "note",
)  # fmt: skip


def month_json(
    month: Month,
    currency: str,
    rows: Iterable[SkuReconciliation],
    accruals: Iterable[Accrual],
    entries: Iterable[JournalEntry],
    problems: Iterable[Problem],
) -> dict[str, Any]:
    """The JSON of `reconcile --month`, schema 1."""
    known = list(rows)
    return {
        "schema": 1,
        "month": str(month),
        "currency": currency,
        "provisional": True,
        "metered": str(total((row.metered for row in known), currency)),
        "invoiced": str(total((row.invoiced for row in known), currency)),
        "classes": {
            name: str(total((row.classes[name] for row in known if name in row.classes), currency)) for name in DIFFERENCES
        },
        "unclassified": str(total((row.unclassified for row in known), currency)),
        "skus": [sku_row(row) for row in known],
        "accruals": [{"provider": each.provider, "amount": str(each.amount)} for each in accruals],
        "entries": entry_rows(entries),
        "problems": [problem_row(each) for each in problems],
    }


def sku_row(row: SkuReconciliation) -> dict[str, Any]:
    none = zero(row.metered.currency)
    return {
        "provider": row.provider,
        "sku": row.sku,
        "service_month": str(row.service_month),
        "metered": str(row.metered),
        "invoiced": str(row.invoiced),
        "difference": str(row.difference),
        "classes": {name: str(row.classes.get(name, none)) for name in DIFFERENCES},
        "unclassified": str(row.unclassified),
        "within_tolerance": row.within_tolerance,
        "metered_quantity": _quantity(row.metered_quantity),
        "invoiced_quantity": _quantity(row.invoiced_quantity),
        "unit": row.unit,
        "invoices": list(row.invoices),
        "lines": [str(each) for each in row.lines],
        "note": row.note,
    }


def csv_rows(rows: Iterable[SkuReconciliation]) -> list[list[str]]:
    known = [sku_row(row) for row in rows]
    cells = [{**row, **row["classes"], "invoices": " ".join(row["invoices"])} for row in known]
    return [["" if row[name] is None else str(row[name]) for name in COLUMNS] for row in cells]


def _quantity(quantity: Decimal | None) -> str | None:
    return None if quantity is None else plain(quantity)
