"""FOCUS cost and usage, 1.0 to 1.4, CSV or Parquet: a provider's bill, charged at cost (rule C9).

FOCUS rows have no id: it is the hash of the row's content and its ordinal among identical rows of the file, so that the
file again is no news and identical rows inside it all count. The month is that of the charge period's start, which is in UTC
whether it says so or not. Costs are in the billing currency: amounts in a pricing currency of tokens or credits are left alone,
and a prepaid pack costs at its use, by EffectiveCost. Of a cost that was split, the resource is the one that it was split to, and
its tags stand beside the tags.
LiteLLM's FOCUS export has six decimals a row, so that what is below a millionth is lost: load its spend logs instead.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.tags import tag_list
from finledger.read.usage._bill import utc
from finledger.read.usage._declared import Column, Reader, sql


def _tags() -> Column:
    """Tags; where the cost was split, with the tags of what it was split to."""
    lists = ", ".join(f"CAST(CAST({tag_list(each)} AS JSON) AS VARCHAR[])" for each in ("@0", "@1"))
    both = f"CAST(to_json(list_sort(list_distinct(list_concat({lists})))) AS VARCHAR)"
    text = f"CASE WHEN coalesce(@1, '{{}}') = '{{}}' THEN @0 WHEN @0 IS NULL THEN @1 ELSE {both} END"
    return sql(text.replace("{", "{{").replace("}", "}}").replace("@0", "{0}").replace("@1", "{1}"), "Tags", "AllocatedTags")


READER = Reader(
    title="FOCUS cost and usage 1.0 to 1.4 (CSV, Parquet)",
    grain="cost",
    needs=("BilledCost", "EffectiveCost", "BillingCurrency", "ChargePeriodStart", "ChargeCategory"),
    places=Places(("", "data[]")),
    columns={
        "ts": utc("ChargePeriodStart"),
        "billed_cost": "BilledCost",
        "effective_cost": "EffectiveCost",
        "billed_currency": sql("upper({0})", "BillingCurrency"),
        "provider": "ServiceProviderName|ProviderName",
        "account": "BillingAccountId",
        "sub_account_id": "SubAccountId",
        "sub_account_name": "SubAccountName",
        "service": "ServiceName",
        "sku": "SkuId|SkuMeter",
        "resource": "AllocatedResourceId|AllocatedResourceName|ResourceId|ResourceName",
        "region": "RegionId|RegionName",
        "charge_category": "ChargeCategory",
        "charge_class": "ChargeClass",
        "tag": _tags(),
    },
    m5="no tokens: the rows are money.",
)
