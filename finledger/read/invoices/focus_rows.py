"""FOCUS cost and usage, 1.0 to 1.4, as an invoice: what was billed (BilledCost), by InvoiceId, SKU and charge period.

The month of service is that of the charge period. Rows without an InvoiceId (versions before 1.2 have none, and open periods
have it empty) are called after their billing period.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.core.provider import ProviderLine
from finledger.read.invoices._declared import Declared, detected, first, one_of, read_declared
from finledger.read.invoices._export import Head

DESCRIPTION = "FOCUS cost and usage 1.0 to 1.4 (CSV, Parquet)"
DECLARED = Declared(
    needs=(("BilledCost",), ("EffectiveCost",), ("BillingCurrency",), ("ChargePeriodStart",), ("ChargeCategory",)),
    provider=first("ServiceProviderName", "ProviderName", "InvoiceIssuerName"),
    invoice=first("InvoiceId"),
    period=first("BillingPeriodStart"),
    service=first("ChargePeriodStart"),
    sku=first("SkuId", "SkuMeter", "ServiceName"),
    description=first("ServiceName"),
    quantities=((first("ConsumedQuantity"), first("ConsumedUnit")), (first("PricingQuantity"), first("PricingUnit"))),
    amount=first("BilledCost"),
    currency=first("BillingCurrency"),
    category=first("ChargeCategory"),
    categories=one_of({"Usage": "usage", "Credit": "credit", "Tax": "tax", "Purchase": "fee", "Adjustment": "adjustment"}),
)


def detect(head: Head) -> bool:
    return detected(head, DECLARED)


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    return read_declared(path, shown_as, DECLARED)
