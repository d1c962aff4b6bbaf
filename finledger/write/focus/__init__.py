"""A month's charges as FOCUS Cost and Usage rows, 1.3 and 1.4, so that any FOCUS tool can read what was charged internally.

The platform is the provider, the books are the billing account, a team is a sub account. A charge line is a row; what was
shared out is several rows of one origin, the platform's part among them, which come to the origin to the cent. Our own words
are `x_` columns. Why each column holds what it does: docs/decisions/0012-focus-out.md.
"""

from __future__ import annotations

from decimal import localcontext
from itertools import repeat

from finledger.core.model import MonthCharges, Organisation
from finledger.core.money import EXACT
from finledger.write.figures import csv_bytes
from finledger.write.focus.origins import origins
from finledger.write.focus.rows import Row, Writer

LATEST = "1.4"
COLUMNS = (
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "BillingCurrency", "BillingAccountId", "BillingAccountName",
    "InvoiceIssuerName", "ServiceProviderName", "HostProviderName", "BillingPeriodStart", "BillingPeriodEnd",
    "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ServiceName", "ServiceCategory", "ServiceSubcategory", "SubAccountId", "SubAccountName", "SkuId", "SkuMeter",
    "SkuPriceId", "SkuPriceDetails", "PricingCategory", "PricingQuantity", "PricingUnit", "ListUnitPrice",
    "ContractedUnitPrice", "ConsumedQuantity", "ConsumedUnit", "ResourceId", "ResourceName", "ResourceType",
    "CapacityReservationId", "CapacityReservationStatus", "Tags", "AllocatedMethodId", "AllocatedMethodDetails",
    "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags",
)  # fmt: skip
OWN_COLUMNS = (
    "x_Components", "x_CostCenter", "x_Feature", "x_Item", "x_Kind", "x_LineId", "x_Model", "x_OriginCost", "x_OriginId",
    "x_PriceVersion", "x_Stage", "x_Team", "x_WorkloadType",
)  # fmt: skip
# 1.4 took these two away, and a column of another version may not be added to it: so a file is of one version
_ONLY_IN = {"1.3": ("ProviderName", "PublisherName"), "1.4": ()}
VERSIONS = tuple(_ONLY_IN)


def columns(version: str = LATEST) -> tuple[str, ...]:
    """The columns of a file of that version, in order: FOCUS's, then ours."""
    return (*COLUMNS, *_ONLY_IN[version], *OWN_COLUMNS)


def file_name(version: str) -> str:
    """focus.csv is of the latest version; older ones say theirs: focus-1.3.csv."""
    return "focus.csv" if version == LATEST else f"focus-{version}.csv"


def focus_rows(charges: MonthCharges, organisation: Organisation) -> list[Row]:
    """Every row as text by column, of every version; a column that is not there is null.

    The rows of an origin stand where the first of its lines does; one that no team bears any of stands at the end.
    """
    with localcontext(EXACT):
        writer = Writer(charges, organisation)
        found = origins(charges, organisation)
        of_line = {line.line_id: origin for origin in found for line in origin.lines}
        rows: list[Row] = []
        written = set()
        for line in charges.lines:
            origin = of_line.get(line.line_id)
            if origin is None:
                rows.append(writer.line(line))
            elif origin.origin_id not in written:
                written.add(origin.origin_id)
                rows += writer.origin(origin)
        for origin in found:
            if origin.origin_id not in written:
                rows += writer.origin(origin)
        return rows


def focus_csv(charges: MonthCharges, organisation: Organisation, version: str = LATEST) -> bytes:
    """The rows as CSV; nulls are empty cells."""
    return _as_csv(focus_rows(charges, organisation), version)


def focus_files(charges: MonthCharges, organisation: Organisation) -> dict[str, bytes]:
    """The file of every version, by its name."""
    rows = focus_rows(charges, organisation)
    return {file_name(version): _as_csv(rows, version) for version in VERSIONS}


def _as_csv(rows: list[Row], version: str) -> bytes:
    names = columns(version)
    return csv_bytes(names, [list(map(row.get, names, repeat(""))) for row in rows])
