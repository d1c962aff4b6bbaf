"""AWS Cost and Usage Report, 2.0 and legacy: unblended costs by invoice and usage type, with taxes, credits and fees beside.

Unblended costs, with the rows of discounts, add up to the invoice; net or amortized costs do not. Rows that no invoice has
taken up yet are called after their billing period.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.core.provider import InvoiceCategory, ProviderLine
from finledger.read.invoices._declared import Declared, Source, detected, first, fixed, one_of, read_declared
from finledger.read.invoices._export import Head

DESCRIPTION = "AWS Cost and Usage Report, 2.0 and legacy (CSV, Parquet)"
_KNOWN = one_of(
    {
        "Usage": "usage", "DiscountedUsage": "usage", "SavingsPlanCoveredUsage": "usage",
        "SavingsPlanNegation": "adjustment", "Tax": "tax", "Credit": "credit", "Refund": "credit",
        "BundledDiscount": "credit", "EdpDiscount": "credit", "PrivateRateDiscount": "credit",
        "Fee": "fee", "RIFee": "fee", "SavingsPlanRecurringFee": "fee", "SavingsPlanUpfrontFee": "fee",
    }
)  # fmt: skip


def _column(modern: str, legacy: str) -> Source:
    return first(modern, legacy)


def _category(text: str) -> InvoiceCategory:
    """AWS adds kinds of discounts and fees now and then, and ends their names so."""
    if text.endswith("Discount"):
        return "credit"
    return "fee" if text.endswith("Fee") else _KNOWN(text)


def detect(head: Head) -> bool:
    return detected(head, DECLARED)


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    return read_declared(path, shown_as, DECLARED)


DECLARED = Declared(
    needs=(
        ("line_item_unblended_cost", "lineItem/UnblendedCost"),
        ("line_item_currency_code", "lineItem/CurrencyCode"),
        ("line_item_line_item_type", "lineItem/LineItemType"),
        ("line_item_usage_start_date", "lineItem/UsageStartDate"),
    ),
    provider=fixed("aws"),
    invoice=_column("bill_invoice_id", "bill/InvoiceId"),
    period=_column("bill_billing_period_start_date", "bill/BillingPeriodStartDate"),
    service=_column("line_item_usage_start_date", "lineItem/UsageStartDate"),
    sku=first("line_item_usage_type", "lineItem/UsageType", "line_item_product_code", "lineItem/ProductCode"),
    description=_column("line_item_product_code", "lineItem/ProductCode"),
    quantities=(
        (_column("line_item_usage_amount", "lineItem/UsageAmount"), _column("pricing_unit", "pricing/unit")),
    ),
    amount=_column("line_item_unblended_cost", "lineItem/UnblendedCost"),
    currency=_column("line_item_currency_code", "lineItem/CurrencyCode"),
    category=_column("line_item_line_item_type", "lineItem/LineItemType"),
    categories=_category,
)  # fmt: skip
