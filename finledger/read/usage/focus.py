"""FOCUS cost and usage, 1.0 to 1.4, CSV or Parquet: a provider's bill, charged at cost (rule C9).

FOCUS rows have no id: it is the hash of the row's content and its ordinal among identical rows of the file, so that the
file again is no news and identical rows inside it all count. The month is that of the charge period's start.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.read.columns import Field, Layout
from finledger.read.header import Header
from finledger.read.row_hash import row_hash
from finledger.read.usage.native import tag_list

TITLE = "FOCUS cost and usage 1.0 to 1.4 (CSV, Parquet)"
NEEDS = ("BilledCost", "EffectiveCost", "BillingCurrency", "ChargePeriodStart", "ChargeCategory")
_COLUMNS = {
    "ts": ("ChargePeriodStart",),
    "billed_cost": ("BilledCost",),
    "effective_cost": ("EffectiveCost",),
    "billed_currency": ("BillingCurrency",),
    "provider": ("ServiceProviderName", "ProviderName"),
    "account": ("BillingAccountId",),
    "sub_account_id": ("SubAccountId",),
    "sub_account_name": ("SubAccountName",),
    "service": ("ServiceName",),
    "sku": ("SkuId", "SkuMeter"),
    "resource": ("ResourceId", "ResourceName"),
    "region": ("RegionId", "RegionName"),
    "charge_category": ("ChargeCategory",),
    "charge_class": ("ChargeClass",),
    "tag": ("Tags",),
}
_EMPTY = ("NULL", "null")


def layout(header: Header, shown_as: str, map_file: Path | None = None) -> Outcome[Layout | None]:
    """The first of the named columns that is not empty in the row; a column that the version lacks is empty."""
    fields = []
    for name, columns in _COLUMNS.items():
        present = [column for column in columns if header.has(column)]
        if not present:
            continue
        texts = [_emptied(header.ref(column)) for column in present]
        text = texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"
        fields.append(Field(name, tag_list(text) if name == "tag" else text, present[0]))
    return Outcome(Layout(tuple(fields), _EMPTY, row_hash(header, _EMPTY)))


def _emptied(text: str) -> str:
    for word in ("", *_EMPTY):
        text = f"nullif({text}, '{word}')"
    return text
