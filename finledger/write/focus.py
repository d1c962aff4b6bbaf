"""A month's charges as FOCUS cost and usage rows, so that any FOCUS tool can read what was charged internally.

One row a charge line: its cost is its quantity x its unit price, rounded once. The organisation's platform is the provider,
the team is the sub account. Our own words are `x_` columns, as the specification asks; `x_Components` is the line's split.

What is given back or borne by the fund is a Credit. A premium, and an instalment of a draw that was lent, is no quantity of
anything consumed, so it is an Adjustment; it keeps its item and model. Idle capacity is Usage of which nothing was consumed.
"""

from __future__ import annotations

from finledger.core.model import ChargeLine, MonthCharges, Organisation
from finledger.write.figures import csv_bytes, plain

COLUMNS = (
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "BillingCurrency", "BillingAccountId", "BillingAccountName",
    "ProviderName", "PublisherName", "InvoiceIssuerName", "HostProviderName", "ServiceProviderName", "ServiceName",
    "ServiceCategory", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory",
    "ChargeClass", "ChargeDescription", "ChargeFrequency", "ConsumedQuantity", "ConsumedUnit", "PricingCategory",
    "PricingQuantity", "PricingUnit", "ListUnitPrice", "ContractedUnitPrice", "SkuId", "SkuPriceId", "SubAccountId",
    "SubAccountName", "Tags", "x_Components", "x_CostCenter", "x_Feature", "x_LineId", "x_Model", "x_PriceVersion", "x_Stage",
    "x_WorkloadType",
)  # fmt: skip
UNITS = {"action": "Actions", "gpu_hour": "Hours", "GB": "GB", "GiB": "GiB", "seat": "Seats", "month": "Months"}
_CATEGORIES = {
    "seat": "Purchase", "shared": "Purchase", "coverage_premium": "Adjustment", "freshness_premium": "Adjustment",
    "buffer_repayment": "Adjustment", "coverage_credit": "Credit", "buffer_draw": "Credit",
}  # fmt: skip
_FREQUENCIES = {"Usage": "Usage-Based", "Purchase": "Recurring"}
_PRICED = frozenset({"Usage", "Purchase"})


def focus_csv(charges: MonthCharges, organisation: Organisation) -> bytes:
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in charges.month.bounds(organisation.timezone))
    name = organisation.books
    account = (organisation.currency, *(name,) * 8, "AI and Machine Learning", start, end, start, end)
    return csv_bytes(COLUMNS, [_cells(line, account) for line in charges.lines])


def _cells(line: ChargeLine, account: tuple[str, ...]) -> tuple[str, ...]:
    key = line.key
    category = _CATEGORIES.get(key.kind, "Usage")
    metered = category == "Usage" and line.unit != "month" and key.kind != "gpu_idle"
    named = key.item if category in _PRICED else " ".join(filter(None, (key.kind.replace("_", " "), key.feature, key.item)))
    unit, quantity, price, cost = UNITS[line.unit], plain(line.quantity), plain(line.unit_price), str(line.amount)
    # a shared line charges its team's part: its unit price is that of the gross, so it is no price of this cost (rule C1)
    priced = price if line.funding == "consumer" and category in _PRICED else ""
    return (
        *(cost,) * 4,
        *account,
        category,
        "",
        " ".join(filter(None, (named or key.kind, key.model))),
        _FREQUENCIES.get(category, "One-Time"),
        quantity if metered else "",
        unit if metered else "",
        "Standard" if category in _PRICED else "",
        quantity if category in _PRICED else "",
        unit if category in _PRICED else "",
        priced,
        priced,
        key.item,
        f"{key.price_version}/{key.item}" if key.price_version else "",
        key.team,
        key.team,
        "{}",
        "{" + ", ".join(f'"{component}": "{part}"' for component, part in line.components) + "}",
        key.cost_center,
        key.feature,
        line.line_id,
        key.model,
        key.price_version,
        line.stage,
        key.workload_type,
    )
