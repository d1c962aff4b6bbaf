"""FOCUS's rules on Cost and Usage rows, 1.3 and 1.4, as far as they can bear on what we write, held against a CSV file.

Stated here as facts and by hand, so that they hold without the specification at hand; test_focus_model.py compares them with
the machine model where that is there. `violations` says what a file breaks, with its row.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

from finledger.core.money import EXACT, is_currency, minor_digits, rounded

# ── columns: level (M mandatory, C conditional, R recommended), whether null is allowed, and the type ───────────────────

_FACTS = """
AllocatedMethodDetails R null JSON
AllocatedMethodId C null String
AllocatedResourceId C null String
AllocatedResourceName C null String
AllocatedTags C null JSON
BilledCost M - Decimal
BillingAccountId M - String
BillingAccountName M null String
BillingCurrency M - Currency
BillingPeriodEnd M - Date/Time
BillingPeriodStart M - Date/Time
CapacityReservationId C null String
CapacityReservationStatus C null Allowed
ChargeCategory M - Allowed
ChargeClass M null Allowed
ChargeDescription M null String
ChargeFrequency R - Allowed
ChargePeriodEnd M - Date/Time
ChargePeriodStart M - Date/Time
ConsumedQuantity C null Decimal
ConsumedUnit C null Unit
ContractedCost M - Decimal
ContractedUnitPrice C null Decimal
EffectiveCost M - Decimal
HostProviderName M null String
InvoiceIssuerName M - String
ListCost M - Decimal
ListUnitPrice C null Decimal
PricingCategory C null Allowed
PricingQuantity M null Decimal
PricingUnit M null Unit
ResourceId C null String
ResourceName C null String
ResourceType C null String
ServiceCategory M - Allowed
ServiceName M - String
ServiceProviderName M - String
ServiceSubcategory R - Allowed
SkuId C null String
SkuMeter C null String
SkuPriceDetails C null JSON
SkuPriceId C null String
SubAccountId C null String
SubAccountName C null String
Tags C null JSON
"""
FACTS = {name: (level, nulls == "null", kind) for name, level, nulls, kind in map(str.split, _FACTS.strip().splitlines())}
FACTS_OF = {
    "1.3": {**FACTS, "ProviderName": ("M", False, "String"), "PublisherName": ("M", False, "String")},
    "1.4": FACTS,
}
ALLOWED = {
    "CapacityReservationStatus": {"Used", "Unused"},
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": {"AI and Machine Learning", "Compute", "Management and Governance", "Networking"},
    "ServiceSubcategory": {
        "AI Platforms", "Generative AI", "Other (AI and Machine Learning)", "Other (Compute)", "Cost Management",
        "Other (Networking)",
    },
}  # fmt: skip
PARENTS = {
    "AI Platforms": "AI and Machine Learning", "Generative AI": "AI and Machine Learning",
    "Other (AI and Machine Learning)": "AI and Machine Learning", "Other (Compute)": "Compute",
    "Cost Management": "Management and Governance", "Other (Networking)": "Networking",
}  # fmt: skip
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
QUANTITIES = ("PricingQuantity", "ConsumedQuantity")
PRICES = ("ListUnitPrice", "ContractedUnitPrice")
ALLOCATED = tuple(name for name in FACTS if name.startswith("Allocated"))
# what a price belongs to is null where there is no SKU price
_OF_SKU_PRICE = (*PRICES, "PricingCategory", *QUANTITIES, "SkuPriceDetails")

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_OWN = re.compile(r"x_[A-Z][A-Za-z0-9]{0,47}")
_BASE_UNIT = r"(?:[KMGTPE]i?[bB]|[bB]|[A-Z]+[a-z]*s?)"
_UNIT = re.compile(rf"(?:[1-9]\d* )?{_BASE_UNIT}(?:-{_BASE_UNIT})?")
Row = dict[str, str]


def rows_of(content: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def violations(content: bytes, version: str) -> list[str]:
    with localcontext(EXACT):
        rows, facts = rows_of(content), FACTS_OF[version]
        header = next(csv.reader(io.StringIO(content.decode())))
        found = [f"header: {said}" for said in _header(header, facts)]
        for number, row in enumerate(rows, start=2):
            found += [f"row {number}: {said}" for said in _cells(row, facts)]
        if found:  # what is no number cannot be added up
            return found
        for number, row in enumerate(rows, start=2):
            found += [f"row {number}: {said}" for rule in ROW_RULES for said in rule(row)]
        return [*found, *_origins(rows), *_one_to_one(rows)]


# ── the header and each cell ────────────────────────────────────────────────────────────────────────────────────────────


def _header(header: list[str], facts: dict[str, tuple[str, bool, str]]) -> Iterator[str]:
    if len(set(header)) < len(header):
        yield "a column stands twice"
    for name, (level, _, _) in facts.items():
        if level == "M" and name not in header:
            yield f"{name} is mandatory"
    for name in header:
        if name not in facts and not _OWN.fullmatch(name):
            yield f"{name} is no column of this version, and not named x_ and a word"
    for one, other in (("PricingQuantity", "PricingUnit"), ("ConsumedQuantity", "ConsumedUnit")):
        if (one in header) != (other in header):
            yield f"{one} without {other}"


def _cells(row: Row, facts: dict[str, tuple[str, bool, str]]) -> Iterator[str]:
    for name, text in row.items():
        if text is None or text in ("NULL", "null", "None", "{}", "[]", "Not Applicable") or text != text.strip():
            yield f"{name} is {text!r}: a placeholder, or spaces"
            continue
        if name not in facts:
            continue
        _, nulls, kind = facts[name]
        if not text:
            if not nulls:
                yield f"{name} is null"
        elif not _FORMS[kind](name, text):
            yield f"{name} is {text!r}: no {kind}"


def _key_values(text: str) -> bool:
    if text.startswith('{"Elements"'):
        return True  # held to its own schema below
    said = loaded(text)
    return isinstance(said, dict) and all(isinstance(value, str | bool | int | Decimal) for value in said.values())


def loaded(text: str) -> Any:
    """JSON without floats; a key that stands twice is none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    return json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=once)


def _is_moment(text: str) -> bool:
    return bool(_MOMENT.fullmatch(text)) and datetime.fromisoformat(text) is not None


_FORMS: dict[str, Callable[[str, str], bool]] = {
    "String": lambda name, text: bool(text.strip()),
    "Decimal": lambda name, text: bool(_NUMBER.fullmatch(text)),
    "Date/Time": lambda name, text: _is_moment(text),
    "Currency": lambda name, text: is_currency(text),
    "Unit": lambda name, text: bool(_UNIT.fullmatch(text)),
    "Allowed": lambda name, text: text in ALLOWED[name],
    "JSON": lambda name, text: _key_values(text),
}


# ── rules of a row ──────────────────────────────────────────────────────────────────────────────────────────────────────


def periods(row: Row) -> Iterator[str]:
    for name in ("BillingPeriod", "ChargePeriod"):
        if not row[f"{name}Start"] < row[f"{name}End"]:
            yield f"{name} ends before it begins"
    # a correction is of a period that was closed before the one it is billed in; everything else is of this one
    earlier = row["ChargePeriodEnd"] <= row["BillingPeriodStart"]
    if earlier != (row["ChargeClass"] == "Correction"):
        yield "a charge of an earlier period is a Correction, and no other is"
    if not earlier and not row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["BillingPeriodEnd"]:
        yield "the charge period is not of the billing period"


def prices(row: Row) -> Iterator[str]:
    sold = row["ChargeCategory"] in ("Usage", "Purchase")
    if sold and not row["ChargeClass"]:
        for name in ("SkuId", "SkuPriceId", "PricingCategory", "PricingQuantity", "PricingUnit", *PRICES):
            if not row[name]:
                yield f"{name} is null for {row['ChargeCategory']}"
    if row["SkuPriceId"]:
        for name in PRICES:
            if not row[name]:
                yield f"{name} is null beside a SkuPriceId"
    else:
        for name in _OF_SKU_PRICE:
            if row[name]:
                yield f"{name} without SkuPriceId"
    if row["SkuMeter"] and not row["SkuId"]:
        yield "SkuMeter without SkuId"
    if row["SkuPriceId"] and not row["SkuId"]:
        yield "SkuPriceId without SkuId"
    for quantity, unit in (("PricingQuantity", "PricingUnit"), ("ConsumedQuantity", "ConsumedUnit")):
        if bool(row[quantity]) != bool(row[unit]):
            yield f"{quantity} and {unit} are not both there"
    if row["SkuPriceDetails"] and not all(key.startswith("x_") for key in loaded(row["SkuPriceDetails"])):
        yield "a key of SkuPriceDetails is not FOCUS's and not named x_"


def costs(row: Row) -> Iterator[str]:
    billed, effective, listed, contracted = (Decimal(row[name]) for name in COSTS)
    if billed != effective:
        yield "nothing covers anything here, so that EffectiveCost is BilledCost"
    if row["ChargeCategory"] == "Credit" and contracted != billed:
        yield "ContractedCost of a Credit is its BilledCost"
    if contracted != listed:
        yield "no price is negotiated, so that ContractedCost is ListCost"
    for cost, price in zip((listed, contracted), PRICES, strict=True):
        if row[price] and Decimal(row[price]) < 0:
            yield f"{price} is below zero"
        if row[price] and row["PricingQuantity"]:
            if Decimal(row[price]) * Decimal(row["PricingQuantity"]) != cost:
                yield f"a cost is not {price} x PricingQuantity"
        elif cost != billed:
            yield "a cost without a unit price is what was billed"
    unit = Decimal(1).scaleb(-minor_digits(row["BillingCurrency"]))
    if abs(listed - billed) > unit:
        yield f"ListCost {listed} and BilledCost {billed} differ by more than rounding"


def consumption(row: Row) -> Iterator[str]:
    used = row["ChargeCategory"] == "Usage"
    if row["ConsumedQuantity"] and not used:
        yield "only Usage consumes"
    if used and not row["ChargeClass"] and not row["ConsumedQuantity"]:
        yield "Usage says what was consumed"
    if row["ChargeCategory"] == "Purchase" and row["ChargeFrequency"] == "Usage-Based":
        yield "a Purchase is not Usage-Based"


def reservations(row: Row) -> Iterator[str]:
    if row["CapacityReservationStatus"] and not row["CapacityReservationId"]:
        yield "CapacityReservationStatus without CapacityReservationId"
    if row["CapacityReservationId"] and row["ChargeCategory"] == "Usage" and not row["CapacityReservationStatus"]:
        yield "CapacityReservationId of Usage without its status"
    if row["x_Kind"] == "gpu_idle" and row["CapacityReservationStatus"] != "Unused":
        yield "idle capacity is the unused part of a reservation"
    if row["CapacityReservationStatus"] == "Unused" and row["ConsumedQuantity"] not in ("", "0"):
        yield "something was consumed of what was not used"


def names(row: Row) -> Iterator[str]:
    if PARENTS[row["ServiceSubcategory"]] != row["ServiceCategory"]:
        yield f"{row['ServiceSubcategory']} is no {row['ServiceCategory']}"
    for one, other in (("SubAccountId", "SubAccountName"), ("AllocatedResourceId", "AllocatedResourceName")):
        if bool(row[one]) != bool(row[other]):
            yield f"{one} and {other} are not both there"
    for name in ("ResourceName", "ResourceType"):
        if row[name] and not row["ResourceId"]:
            yield f"{name} without ResourceId"


def allocation(row: Row) -> Iterator[str]:
    if not row["AllocatedMethodId"]:
        yield from (f"{name} without AllocatedMethodId" for name in ALLOCATED if row[name])
        return
    if bool(row["AllocatedMethodDetails"]) != bool(row["x_OriginId"]):
        yield "AllocatedMethodDetails are of a part of an origin"
    if row["AllocatedMethodDetails"]:
        yield from (f"AllocatedMethodDetails: {said}" for said in method_details(loaded(row["AllocatedMethodDetails"])))
    if row["AllocatedTags"]:
        ours = loaded(row["AllocatedTags"]).keys()
        if not row["AllocatedResourceId"]:
            yield "AllocatedTags of nobody"
        if row["Tags"] and ours & loaded(row["Tags"]).keys():
            yield "a tag stands in Tags and in AllocatedTags"


def method_details(said: Any) -> Iterator[str]:
    """The object's JSON schema: Elements with a ratio from 0 to 1, a quantity only with its unit, our own keys named x_."""
    if not isinstance(said, dict) or not all(key == "Elements" or _OWN.fullmatch(key) for key in said):
        yield "no object of Elements"
        return
    elements = said.get("Elements")
    if not isinstance(elements, list) or not elements:
        yield "Elements is no list with something in it"
        return
    for each in elements:
        if not all(key in ("AllocatedRatio", "UsageUnit", "UsageQuantity") or _OWN.fullmatch(key) for key in each):
            yield "a key of no meaning"
        if not isinstance(each.get("AllocatedRatio"), Decimal) or not 0 <= each["AllocatedRatio"] <= 1:
            yield "AllocatedRatio is no number from 0 to 1"
        if "UsageQuantity" in each and not (isinstance(each["UsageQuantity"], Decimal) and each.get("UsageUnit")):
            yield "UsageQuantity is no number, or has no UsageUnit"
        if "UsageUnit" in each and not _UNIT.fullmatch(each["UsageUnit"]):
            yield "UsageUnit is no unit"


ROW_RULES = (periods, prices, costs, consumption, reservations, names, allocation)


# ── rules over rows ─────────────────────────────────────────────────────────────────────────────────────────────────────


def ratio(row: Row) -> Decimal:
    return sum((each["AllocatedRatio"] for each in loaded(row["AllocatedMethodDetails"])["Elements"]), Decimal(0))


def by_origin(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["x_OriginId"]:
            found[row["x_OriginId"]].append(row)
    return found


def _origins(rows: list[Row]) -> Iterator[str]:
    """Rows of one origin repeat all that describes it and its prices, and add up to it."""
    summed = {*COSTS, *QUANTITIES, *ALLOCATED} - {"AllocatedMethodId"}
    for origin, parts in by_origin(rows).items():
        for name in parts[0]:
            if not name.startswith("x_") and name not in summed and len({row[name] for row in parts}) > 1:
                yield f"{origin}: {name} differs between its rows"
        if sum(map(ratio, parts)) != 1:
            yield f"{origin}: the ratios do not add up to 1"
        cost = sum(Decimal(row["BilledCost"]) for row in parts)
        if {Decimal(row["x_OriginCost"]) for row in parts} != {cost}:
            yield f"{origin}: its rows come to {cost}"
        for row in parts:
            if rounded(cost * ratio(row), row["BillingCurrency"], "half_up").amount != Decimal(row["BilledCost"]):
                yield f"{origin}: a row is not its ratio of {cost}"
        bearers = [row["AllocatedResourceId"] for row in parts if not row["x_LineId"]]
        if len(bearers) > 1:
            yield f"{origin}: the platform keeps {len(bearers)} rows"


def _one_to_one(rows: list[Row]) -> Iterator[str]:
    for name, parent in (
        ("SkuPriceId", "SkuId"), ("SkuPriceId", "SkuPriceDetails"), ("SkuId", "SkuMeter"),
        ("ServiceName", "ServiceCategory"), ("ServiceName", "ServiceSubcategory"),
    ):  # fmt: skip
        found = defaultdict(set)
        for row in rows:
            if row[name]:
                found[row[name]].add(row[parent])
        yield from (f"{name} {each} has more than one {parent}: {of}" for each, of in found.items() if len(of) > 1)


def csv_of(rows: list[Row]) -> bytes:
    """Rows as a file again, with what a test changed in them."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()
