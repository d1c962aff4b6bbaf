"""Two bills of the cloud provider in FOCUS 1.2: of its models (to reconcile with), and of its services (passed through)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from generator.world import BUCKETS, Dice, Meter, Month, provider_rate, stamp

COLUMNS = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "CapacityReservationId", "CapacityReservationStatus", "ChargeCategory",
    "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart",
    "CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit",
    "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice",
    "PricingCategory", "PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId",
    "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory",
    "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
)  # fmt: skip
BUCKET_METERS = ("Input Tokens", "Cached Input Tokens", "Cache Write Tokens", "Output Tokens")


def charge_row(month: Month, day: int, quantity: Decimal, price: Decimal, **columns: str) -> dict[str, str]:
    """A charge of one day (day 0: of the whole month); list, contracted, billed and effective cost are quantity x price."""
    first = datetime(month[0], month[1], 1, tzinfo=UTC)
    period = (first, first + timedelta(days=month[2]))
    start = first + timedelta(days=day - 1) if day else first
    cost, unit_price = format(quantity * price, "f"), format(price, "f")
    return {
        **dict.fromkeys(COLUMNS, ""),
        "BilledCost": cost, "EffectiveCost": cost, "ListCost": cost, "ContractedCost": cost,
        "BillingAccountId": "4100-77", "BillingAccountName": "Kestrel Freight", "BillingAccountType": "Billing Account",
        "BillingCurrency": "USD", "BillingPeriodStart": stamp(period[0]), "BillingPeriodEnd": stamp(period[1]),
        "ChargeCategory": "Usage", "ChargeFrequency": "Usage-Based", "ChargePeriodStart": stamp(start),
        "ChargePeriodEnd": stamp(start + timedelta(days=1) if day else period[1]),
        "ConsumedQuantity": format(quantity, "f"), "PricingQuantity": format(quantity, "f"),
        "ContractedUnitPrice": unit_price, "ListUnitPrice": unit_price, "PricingCategory": "Standard",
        "PricingCurrencyContractedUnitPrice": unit_price, "PricingCurrencyListUnitPrice": unit_price,
        "PricingCurrency": "USD", "PricingCurrencyEffectiveCost": cost,
        "InvoiceId": f"CU-{month[0]}-{month[1]:02d}", "InvoiceIssuerName": "Cumulus",
        "ProviderName": "Cumulus", "PublisherName": "Cumulus", "RegionId": "eu-central", "RegionName": "Central Europe",
        "SubAccountType": "Project", **columns,
    }  # fmt: skip


def unmetered(row: dict[str, str]) -> dict[str, str]:
    """A row of a category that has neither a quantity, a unit nor a price: a tax, a credit, an adjustment."""
    empty = (
        "ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit", "ContractedUnitPrice", "ListUnitPrice",
        "PricingCategory", "PricingCurrencyContractedUnitPrice", "PricingCurrencyListUnitPrice",
    )  # fmt: skip
    return {**row, **dict.fromkeys(empty, ""), "ChargeFrequency": "One-Time"}


def model_bill(month: Month, meter: Meter) -> Iterator[dict[str, str]]:
    """The metered tokens by day, model and bucket, with the differences that a reconciliation has to find and name."""
    common = {
        "ServiceCategory": "AI and Machine Learning", "ServiceName": "Cumulus Models", "ServiceSubcategory": "Generative AI",
        "SubAccountId": "4150-01", "SubAccountName": "ai-platform", "ResourceType": "Model Endpoint",
    }  # fmt: skip
    for (date, model, bucket), tokens in sorted(meter.tokens.items()):
        if not date.startswith(f"{month[0]}-{month[1]:02d}"):
            continue
        rate, meter_name = provider_rate(model, bucket, month[1]), BUCKET_METERS[BUCKETS.index(bucket)]
        if date == "2026-07-14" and (model, bucket) == ("chat-large", "output_tokens"):
            rate = Decimal("12.40")  # a day at another rate
        if date == "2026-08-20" and model == "embed-small":
            continue  # never invoiced
        row = charge_row(
            month, int(date[-2:]), Decimal(tokens) / 1_000_000, rate, **common,
            ChargeDescription=f"{model} {meter_name.lower()}", PricingUnit="1000000 Tokens", ConsumedUnit="Tokens",
            ResourceId=f"endpoint/{model}", ResourceName=model, SkuId=f"MODEL-{model}", SkuMeter=meter_name,
            SkuPriceId=f"MODEL-{model}-{meter_name.replace(' ', '')}", Tags='{"team":"ai-platform"}',
        )  # fmt: skip
        row["ConsumedQuantity"] = str(tokens)
        yield row
        if date == "2026-09-03" and (model, bucket) == ("reason-mid", "input_tokens"):
            yield row  # invoiced twice
    one = Decimal(1)
    levy = {"ChargeCategory": "Tax", "ChargeDescription": "Digital services levy"}
    yield unmetered(charge_row(month, 0, one, Decimal("41.17"), **common, **levy))
    if month[1] == 9:
        credit = {"ChargeCategory": "Credit", "ChargeDescription": "Service level credit, August"}
        yield unmetered(charge_row(month, 0, one, Decimal("-3.85"), **common, **credit))


# category, subcategory, meter, unit, price of a unit
SERVICES: dict[str, tuple[str, str, str, str, str]] = {
    "Document Reader": ("AI and Machine Learning", "Natural Language Processing", "Pages", "1000 Pages", "1.2500"),
    "Image Labelling": ("AI and Machine Learning", "Machine Learning", "Images", "1000 Images", "6.4000"),
    "Speech to Text": ("AI and Machine Learning", "Natural Language Processing", "Audio Hours", "Hours", "0.7200"),
    "Vector Search": ("Databases", "Other (Databases)", "Query Units", "1000 Units", "0.3100"),
    "Object Store": ("Storage", "Object Storage", "Stored Gigabytes", "GB-Days", "0.000766"),
    "Block Store": ("Storage", "Block Storage", "Provisioned Gigabytes", "GB-Days", "0.0026315"),
}
# sub-account, its name, service, tenths of a unit a day, tags
USED: tuple[tuple[str, str, str, int, str], ...] = (
    ("4102-11", "customs-docs", "Document Reader", 172, '{"team":"customs-docs"}'),
    ("4102-11", "customs-docs", "Object Store", 21400, '{"team":"customs-docs"}'),
    ("4106-20", "warehouse-vision", "Image Labelling", 41, '{"team":"warehouse-vision"}'),
    ("4106-20", "warehouse-vision", "Object Store", 98000, "{}"),
    ("4180-02", "experiment-cluster", "Block Store", 40960, "{}"),
    ("4199-00", "shared-services", "Speech to Text", 262, '{"team":"customer-care","channel":"phone"}'),
    ("4199-00", "shared-services", "Vector Search", 540, '{"team":"route-planning"}'),
    ("4199-00", "shared-services", "Vector Search", 118, "{}"),
)
PACK = {
    "CommitmentDiscountId": "pack/speech-2026", "CommitmentDiscountName": "Speech pack 2026",
    "CommitmentDiscountCategory": "Usage", "CommitmentDiscountType": "Prepaid pack",
}  # fmt: skip


def cloud_bill(month: Month, seed: int) -> Iterator[dict[str, str]]:
    """A bill that is passed through at cost: by the day, with speech hours that are paid for a quarter in advance."""
    dice = Dice(seed, "cloud", month[1])
    for day in range(1, month[2] + 1):
        for account, name, service, tenths, tags in USED:
            category, subcategory, meter_name, unit, price = SERVICES[service]
            sku = service.upper().replace(" ", "-")
            row = charge_row(
                month, day, Decimal(dice.around(tenths)) / 10, Decimal(price),
                ServiceCategory=category, ServiceName=service, ServiceSubcategory=subcategory, SubAccountId=account,
                SubAccountName=name, ChargeDescription=f"{service}, {meter_name.lower()}", PricingUnit=unit,
                ConsumedUnit=unit, ResourceId=f"{account}/{sku.lower()}", ResourceName=service, ResourceType=service,
                SkuId=sku, SkuMeter=meter_name, SkuPriceId=f"{sku}-1", Tags=tags,
            )  # fmt: skip
            if service == "Speech to Text":  # paid for already: billed 0, effective at its price
                row |= {**PACK, "BilledCost": "0", "PricingCategory": "Committed", "CommitmentDiscountStatus": "Used"}
                row |= {"CommitmentDiscountQuantity": row["ConsumedQuantity"], "CommitmentDiscountUnit": "Hours"}
            yield row
    shared = {"SubAccountId": "4199-00", "SubAccountName": "shared-services"}
    speech = {"ServiceCategory": "AI and Machine Learning", "ServiceName": "Speech to Text"}
    if month[1] in (7, 10):
        bought = charge_row(
            month, 1, Decimal(3000), Decimal("0.7200"), **shared, **speech, **PACK, ChargeCategory="Purchase",
            ChargeDescription="Speech pack, 3,000 hours", ChargeFrequency="One-Time", PricingUnit="Hours",
            SkuId="SPEECH-PACK", SkuPriceId="SPEECH-PACK-1", Tags='{"team":"customer-care"}',
        )  # fmt: skip
        yield bought | {"EffectiveCost": "0", "PricingCurrencyEffectiveCost": "0", "ConsumedQuantity": ""}
    reader = {"ServiceCategory": "AI and Machine Learning", "ServiceName": "Document Reader", "SubAccountId": "4102-11"}
    named = {"SubAccountName": "customs-docs", "Tags": '{"team":"customs-docs"}'}
    levy = {"ChargeCategory": "Tax", "ChargeDescription": "Digital services levy"}
    yield unmetered(charge_row(month, 0, Decimal(1), Decimal("18.42"), **reader, **named, **levy))
    if month[1] == 9:
        pages = {
            "ChargeCategory": "Adjustment",
            "ChargeClass": "Correction",
            "ChargeDescription": "Pages of August counted twice",
        }
        yield unmetered(charge_row(month, 0, Decimal(1), Decimal("-27.5125"), **reader, **named, **pages))
