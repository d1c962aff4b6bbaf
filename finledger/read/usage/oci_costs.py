"""Oracle Cloud cost reports: a line for each resource, product and hour. Times stand with and without seconds in one row.

A correction is a row of its own that names the one it corrects: both count.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from finledger.core.problem import Outcome
from finledger.read.columns import Field, Layout
from finledger.read.header import Header
from finledger.read.usage._bill import needed, tag_columns, utc
from finledger.read.usage._declared import Reader, fixed, sql

_COST = "cost/myCost"


class _Oci(Reader):
    """Each tag is a column of its own: `tags/NAMESPACE.KEY`."""

    def layout(self, header: Header, shown_as: str, map_file: Path | None = None) -> Outcome[Layout | None]:
        found = Reader.layout(self, header, shown_as, map_file)
        tags = tag_columns(header, ("tags/",))
        if found.rows is None or not tags:
            return found
        return Outcome(replace(found.rows, fields=(*found.rows.fields, Field("tag", tags, "tags"))))


READER = _Oci(
    title="Oracle Cloud cost reports (CSV)",
    grain="cost",
    needs=("lineItem/intervalUsageStart", _COST, "cost/currencyCode", "lineItem/referenceNo", "cost/productSku"),
    columns={
        "ts": utc("lineItem/intervalUsageStart"),
        "provider": fixed("oracle"),
        "requests": fixed("0"),
        "billed_cost": needed(_COST),
        "effective_cost": needed(_COST),
        "billed_currency": "cost/currencyCode",
        "request_id": "lineItem/referenceNo",
        "account": "lineItem/tenantId",
        "sub_account_id": "product/compartmentId",
        "sub_account_name": "product/compartmentName",
        "service": "product/service",
        "sku": "cost/productSku",
        "resource": "product/resourceId",
        "region": "product/region",
        "charge_category": fixed("Usage"),
        "charge_class": sql("CASE WHEN lower({0}) = 'true' THEN 'Correction' END", "lineItem/isCorrection"),
    },
    m5="money only: no tokens are taken from it.",
)
