"""Azure cost details of enterprise agreements, customer agreements and pay-as-you-go: actual costs by meter and month.

Column names differ by agreement, case and language (`Kosten (CostInBillingCurrency)`); dates are American or ISO. Amortized
costs are another export of the same money, which adds up to no invoice, and is refused.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.core.provider import InvoiceCategory, ProviderLine
from finledger.read.invoices._declared import Declared, detected, first, fixed, one_of, read_declared
from finledger.read.invoices._export import Head
from finledger.read.invoices._figures import american_day
from finledger.read.values import WrongValue, quoted

DESCRIPTION = "Azure cost details of EA, MCA and pay-as-you-go, actual costs (CSV, Parquet)"
_COST = ("CostInBillingCurrency", "Cost", "PreTaxCost")
_CURRENCY = ("BillingCurrencyCode", "BillingCurrency", "Currency")
_DATE = ("Date", "UsageDateTime", "ServicePeriodStartDate")
_KNOWN = one_of(
    {
        "Usage": "usage", "Purchase": "fee", "Refund": "credit", "Credit": "credit", "Tax": "tax",
        "RoundingAdjustment": "adjustment", "Adjustment": "adjustment",
    },
    empty="usage",
)  # fmt: skip


def _category(text: str) -> InvoiceCategory:
    if text.lower().startswith("unused"):
        message = f"{quoted(text)} stands only in amortized costs, which add up to no invoice"
        raise WrongValue("not-one-of", message, "export the actual costs of the month instead")
    return _KNOWN(text)


def detect(head: Head) -> bool:
    return detected(head, DECLARED)


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    return read_declared(path, shown_as, DECLARED)


DECLARED = Declared(
    needs=(_COST, _CURRENCY, _DATE, ("MeterId",), ("MeterName",), ("UnitOfMeasure",)),
    provider=fixed("azure"),
    invoice=first("InvoiceId"),
    period=first("BillingPeriodStartDate"),
    service=first(*_DATE),
    read_day=american_day,
    read_period=american_day,
    sku=first("MeterName", "ProductName", "Product"),
    description=first("ProductName", "Product", "MeterSubCategory", "MeterCategory"),
    quantities=((first("Quantity", "UsageQuantity"), first("UnitOfMeasure")),),
    amount=first(*_COST),
    currency=first(*_CURRENCY),
    category=first("ChargeType"),
    categories=_category,
)
