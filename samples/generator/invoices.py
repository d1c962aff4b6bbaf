"""The model provider's invoices of the third quarter: what its two bills come to, by item, meter and rate, each line in cents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from generator import focus
from generator.world import BUCKETS, Meter, Month

COLUMNS = ("invoice", "date", "month", "item", "meter", "quantity", "unit", "rate", "amount", "currency", "category")
ISSUED = {7: "2026-08-04", 8: "2026-09-14", 9: "2026-10-02"}  # August's comes when August is closed
METERS = dict(zip(focus.BUCKET_METERS, (bucket.removesuffix("_tokens") for bucket in BUCKETS), strict=True))
CATEGORIES = {"Usage": "usage", "Purchase": "fee", "Tax": "tax", "Credit": "credit", "Adjustment": "adjustment"}


class Item(NamedTuple):
    """What a line is for. A row that a bill has twice is two lines: `again` tells them apart."""

    item: str
    category: str
    meter: str = ""
    rate: str = ""
    again: int = 0


def invoice_of(month: Month, meter: Meter, seed: int) -> Iterator[dict[str, object]]:
    """The lines of the month's invoice: models by meter and rate, services, and what is no usage."""
    seen: Counter[tuple[str, ...]] = Counter()
    bill = [*focus.model_bill(month, meter), *focus.cloud_bill(month, seed)]
    repeated = {row for row, count in Counter(map(_identity, bill)).items() if count > 1}
    sums: dict[Item, tuple[int, Decimal]] = {}
    for row in bill:
        item, identity = _item(row), _identity(row)
        if identity in repeated and item.meter:
            seen[identity] += 1
            item = item._replace(again=seen[identity])
        tokens, cost = sums.get(item, (0, Decimal(0)))
        sums[item] = (tokens + (int(row["ConsumedQuantity"]) if item.meter else 0), cost + Decimal(row["BilledCost"]))
    for item, (tokens, cost) in sorted(sums.items(), key=lambda pair: (not pair[0].meter, pair[0])):
        amount = cost.quantize(Decimal("0.01"), ROUND_HALF_UP)
        if amount:  # what was prepaid costs nothing when it is used
            yield {
                "invoice": f"CU-{month[0]}-{month[1]:02d}", "date": ISSUED[month[1]], "month": f"{month[0]}-{month[1]:02d}",
                "item": item.item, "meter": item.meter, "quantity": tokens if item.meter else "",
                "unit": "tokens" if item.meter else "", "rate": item.rate, "amount": amount, "currency": "USD",
                "category": item.category,
            }  # fmt: skip


def _item(row: dict[str, str]) -> Item:
    category = CATEGORIES[row["ChargeCategory"]]
    if row["SkuMeter"] in METERS:
        return Item(row["ResourceName"], category, METERS[row["SkuMeter"]], row["ListUnitPrice"])
    return Item(row["SkuId"] if category == "usage" else row["ChargeDescription"], category)


def _identity(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("ChargePeriodStart", "ResourceName", "SkuMeter", "ConsumedQuantity", "BilledCost"))
