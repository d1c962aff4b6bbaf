"""FOCUS 1.4 Invoice Detail: the lines of an issued invoice. A voided invoice is left out, and said to be.

The dataset has no SKU. Where the issuer's grain (InvoiceDetailGrain) names a SKU or a service, that is the line's; else the
line is of no SKU, and stands for all that its category covers.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.core.provider import ProviderLine
from finledger.read.invoices._declared import Declared, Taken, detected, first, one_of, read_declared
from finledger.read.invoices._export import Head, Record
from finledger.read.invoices._json import parsed
from finledger.read.values import WrongValue

DESCRIPTION = "FOCUS 1.4 Invoice Detail (CSV, Parquet)"
_GRAIN = first("InvoiceDetailGrain")


def detect(head: Head) -> bool:
    return detected(head, DECLARED)


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    return read_declared(path, shown_as, DECLARED)


def _sku(record: Record) -> Taken:
    text, column = _GRAIN(record)
    try:
        grain = parsed(text) if text else {}
    except WrongValue:  # the grain is the issuer's own note: no amount hangs on it
        grain = {}
    for name in ("SkuId", "SkuMeter", "ServiceName") if isinstance(grain, dict) else ():
        if isinstance(grain.get(name), str) and grain[name]:
            return Taken(grain[name], column)
    return Taken("", column)


DECLARED = Declared(
    needs=(
        ("InvoiceDetailId",), ("InvoiceIssueStatus",), ("InvoiceId",), ("InvoiceIssuerName",), ("BilledCost",),
        ("BillingCurrency",), ("BillingPeriodStart",), ("ChargeCategory",),
    ),
    provider=first("InvoiceIssuerName"),
    invoice=first("InvoiceId"),
    invoice_date=first("InvoiceIssueDate"),
    service=first("BillingPeriodStart"),
    sku=_sku,
    description=first("InvoiceDetailDescription"),
    amount=first("BilledCost"),
    currency=first("BillingCurrency"),
    category=first("ChargeCategory"),
    categories=one_of({"Usage": "usage", "Credit": "credit", "Tax": "tax", "Purchase": "fee", "Adjustment": "adjustment"}),
    voided=("InvoiceIssueStatus", "Voided"),
    numbered=True,
    grouped=False,
)  # fmt: skip
