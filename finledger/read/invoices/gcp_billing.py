"""Google Cloud's billing export, as JSON lines or a flat CSV: the cost of each row, and each of its credits as its own line.

The invoice is the month that the row is billed in; the month of service is that in which its use began, in UTC. Nested columns
are written with points or underscores in a CSV (`invoice.month`, `invoice_month`), its credits as a JSON list.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.core.provider import ProviderLine
from finledger.read.invoices._declared import Declared, detected, first, fixed, one_of, read_declared
from finledger.read.invoices._export import Head
from finledger.read.invoices._figures import first_of_month

DESCRIPTION = "Google Cloud billing export (JSON lines, CSV)"
_MONTH = ("invoice.month", "invoice_month")
DECLARED = Declared(
    needs=(_MONTH, ("cost",), ("currency",), ("sku.description", "sku_description", "sku.id", "sku_id")),
    provider=fixed("google"),
    period=first(*_MONTH),
    read_period=first_of_month,
    service=first("usage_start_time", *_MONTH),
    read_day=first_of_month,
    sku=first("sku.description", "sku_description", "sku.id", "sku_id"),
    description=first("service.description", "service_description", "service.id", "service_id"),
    quantities=(
        (
            first("usage.amount_in_pricing_units", "usage_amount_in_pricing_units"),
            first("usage.pricing_unit", "usage_pricing_unit"),
        ),
        (first("usage.amount", "usage_amount"), first("usage.unit", "usage_unit")),
    ),
    amount=first("cost"),
    currency=first("currency"),
    category=first("cost_type"),
    categories=one_of(
        {"regular": "usage", "tax": "tax", "adjustment": "adjustment", "rounding_error": "adjustment"}, "usage"
    ),
    credits="credits",
)


def detect(head: Head) -> bool:
    return detected(head, DECLARED)


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    return read_declared(path, shown_as, DECLARED)
