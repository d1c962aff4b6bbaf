"""FOCUS cost and usage, 1.0 to 1.4, CSV or Parquet: a provider's bill, charged at cost (rule C9).

FOCUS rows have no id: it is the hash of the row's content and its ordinal among identical rows of the file, so that the
file again is no news and identical rows inside it all count. The month is that of the charge period's start, which is in UTC
whether it says so or not. Costs are in the billing currency: amounts in a pricing currency of tokens or credits are left alone,
and a prepaid pack costs at its use, by EffectiveCost. Of a cost that was split, the resource is the one that it was split to, and
its tags stand beside the tags. Oracle writes names of an early draft (`Provider`, `Region`), and compartments in a column of its own,
as Microsoft does resource groups: these are projects.
LiteLLM's FOCUS export has six decimals a row, so that what is below a millionth is lost: load its spend logs instead.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._bill import both_tags, utc
from finledger.read.usage._declared import Reader, sql

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
        "provider": "ServiceProviderName|ProviderName|Provider",
        "account": "BillingAccountId",
        "sub_account_id": "SubAccountId",
        "sub_account_name": "SubAccountName",
        "project": "x_ResourceGroupName|oci_CompartmentName",
        "service": "ServiceName",
        "sku": "SkuId|SkuMeter",
        "resource": "AllocatedResourceId|AllocatedResourceName|ResourceId|ResourceName",
        "region": "RegionId|RegionName|Region",
        "charge_category": "ChargeCategory",
        "charge_class": sql(
            "coalesce({0}, CASE WHEN {1} IS NOT NULL THEN 'Correction' END)", "ChargeClass", "oci_BackReferenceNumber"
        ),
        "tag": both_tags("Tags", "AllocatedTags"),
    },
    m5="no tokens: the rows are money.",
)
