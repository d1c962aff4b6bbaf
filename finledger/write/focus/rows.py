"""One FOCUS row of a charge line, and the rows of an origin: text by column, and a column that is null is not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from finledger.core.model import UNALLOCATED, ChargeLine, MonthCharges, Organisation
from finledger.core.money import EXACT, Money
from finledger.core.period import Month
from finledger.write.figures import plain
from finledger.write.focus.kinds import KINDS, PRICED, UNITS, kind_of
from finledger.write.focus.origins import Origin, Part, is_part_of_gross, is_pooled, pool_method, priced, reservation_id

Row = dict[str, str]
_ENCODER = json.JSONEncoder(ensure_ascii=False)  # json.dumps would make one for each text
CORRECTION = "Correction"


class Writer:
    """Writes the rows of one month's charges."""

    def __init__(self, charges: MonthCharges, organisation: Organisation) -> None:
        self.charges, self.organisation = charges, organisation
        self._books = {book.name: book for book in charges.books}
        self._drivers = {pool.name: pool.driver for pool in organisation.pools}
        self._drivers |= {pool.name: pool.driver for pool in charges.pools}
        self._holders = {(each.gpu_sku, team): each.holder for each in charges.idle for team in each.parts}
        name = organisation.books
        billed_from, billed_until = self._bounds(charges.month)
        self._account = {
            "BillingCurrency": charges.currency,
            **dict.fromkeys(("BillingAccountId", "BillingAccountName", "InvoiceIssuerName"), name),
            **dict.fromkeys(("ProviderName", "PublisherName", "ServiceProviderName", "HostProviderName"), name),
            "BillingPeriodStart": billed_from,
            "BillingPeriodEnd": billed_until,
        }

    # ── a line that is a charge as it stands ────────────────────────────────────────────────────────────────────────────

    def line(self, line: ChargeLine) -> Row:
        """A line that is no part of an origin of this month, or corrects a part of an earlier one."""
        key, name = line.key, kind_of(line)
        corrects = key.service_month < key.posting_month
        quantity, price = priced(line.quantity, line.unit_price, line.amount)
        # what a correction restates may be another price, or no quantity at all: then there is nothing that it is the price of
        stated = KINDS[name].category in PRICED and not (corrects and abs(quantity) != abs(line.quantity))
        row = {
            **self._base(name, key.service_month),
            **_team(self.organisation.platform_team if name == "shared" else key.team),
            "ChargeClass": CORRECTION if corrects else "",
            "ChargeDescription": _described(line, name),
            **_named(name, _item(line), key.model),
            **_costs(line.amount, EXACT.multiply(quantity, price) if stated else line.amount.amount),
            **(self._pricing(line, name, quantity, UNITS[line.unit], price) if stated else {}),
            "Tags": _tags(line, key.team if name != "shared" else ""),
            **(self._reservation(line) if name == "gpu_idle" else {}),
            **self._own(line),
        }
        method = self._method(line, name)
        if method:
            row |= {"AllocatedMethodId": method, **self._bearer(key.team, key.cost_center), "Tags": _tags(line, "")}
        return _stripped(row)

    def _pricing(self, line: ChargeLine, name: str, quantity: Decimal, unit: str, price: Decimal) -> Row:
        row = {**_sku_price(name, _item(line), line.key.model), **_prices(quantity, unit, price)}
        row["PricingCategory"] = self._pricing_category(line, name)
        if KINDS[name].category == "Usage":
            row |= {"ConsumedQuantity": "0" if name == "gpu_idle" else plain(quantity), "ConsumedUnit": unit}
        return row

    def _pricing_category(self, line: ChargeLine, name: str) -> str:
        """Standard is a price that stands in the price book; what is charged at cost has another one every month."""
        if name in ("passthrough", "shared"):
            return "Other"
        book = self._books.get(line.key.price_version)
        action = None if book is None else book.actions.get(_item(line))
        if name != "action":
            return "Standard"
        price = None if action is None else action.price_for(line.key.model)
        return "Standard" if price is not None and price.price == line.unit_price else "Other"

    def _reservation(self, line: ChargeLine) -> Row:
        """Of a correction only the SKU is known: whose reservation it was, the closed month's charges say."""
        holder = self._holders.get((line.key.item, line.key.team))
        named = reservation_id(line.key.item, holder) if holder is not None else f"reservation/{line.key.item}"
        return _resource(named, named, "GPU reservation") | _unused(named)

    def _method(self, line: ChargeLine, name: str) -> str:
        """How the charge that this line corrects, or gives back, was shared out; "" where it was not."""
        if name == "shared":
            return pool_method(self._drivers.get(line.key.item, ""))
        if name == "action" and is_part_of_gross(line):
            return "evaluation-pooled" if is_pooled(self.charges.books) else "evaluation-share"
        return ""

    # ── the rows of an origin ───────────────────────────────────────────────────────────────────────────────────────────

    def origin(self, origin: Origin) -> list[Row]:
        """A row for each part. What the origin is, all rows say alike; what was used and paid of it, each says in part."""
        model = origin.like.key.model if origin.like is not None else ""
        alike = {
            **self._base(origin.kind, self.charges.month),
            **_team(origin.team),
            "ChargeDescription": origin.name,
            **_named(origin.kind, origin.item, model),
            **_sku_price(origin.kind, origin.item, model),
            "PricingCategory": "Standard" if origin.kind == "gpu_idle" else "Other",
            "Tags": "" if origin.kind != "action" or origin.like is None else _tags(origin.like, ""),
            "AllocatedMethodId": origin.method,
            **(_resource(origin.origin_id, origin.item, origin.resource_type) if origin.resource_type else {}),
            **(_unused(origin.reservation) if origin.reservation else {}),
            "x_OriginId": origin.origin_id,
            "x_OriginCost": str(origin.cost),
        }
        if origin.like is not None:
            alike["PricingCategory"] = self._pricing_category(origin.like, origin.kind)
        return [
            _stripped(alike | self._part(origin, part, ratio))
            for part, ratio in zip(origin.parts, origin.ratios(), strict=True)
        ]

    def _part(self, origin: Origin, part: Part, ratio: Decimal) -> Row:
        quantity = EXACT.multiply(origin.quantity, ratio)
        row = {
            **_costs(part.amount, EXACT.multiply(quantity, origin.price)),
            **_prices(quantity, origin.unit, origin.price),
            "AllocatedMethodDetails": _details(ratio, origin.driven_by, part.driven),
        }
        if origin.consumed is not None:
            row |= {
                "ConsumedQuantity": plain(EXACT.multiply(origin.consumed, ratio)),
                "ConsumedUnit": origin.consumed_unit,
            }
        if part.line is not None:
            row |= self._own(part.line)
            center = part.line.key.cost_center
        else:
            center = self.organisation.platform_cost_center if part.bearer else ""
            row |= {"x_Kind": "kept_by_platform", "x_Team": part.bearer, "x_CostCenter": center, "x_Item": origin.item}
        return row | self._bearer(part.bearer, center)

    # ── what every row has ──────────────────────────────────────────────────────────────────────────────────────────────

    def _base(self, name: str, service_month: Month) -> Row:
        kind, (start, end) = KINDS[name], self._bounds(service_month)
        return {
            **self._account,
            "ChargePeriodStart": start,
            "ChargePeriodEnd": end,
            "ChargeCategory": kind.category,
            "ChargeFrequency": kind.frequency,
            "ServiceName": kind.service,
            "ServiceCategory": kind.service_category,
            "ServiceSubcategory": kind.service_subcategory,
        }

    def _bounds(self, month: Month) -> tuple[str, str]:
        return _instants(month, self.organisation.timezone)

    def _bearer(self, team: str, cost_center: str) -> Row:
        """Who a part is allocated to; of what is nobody's, all three are null."""
        if not team or team == UNALLOCATED:
            return {}
        tags = _json({"cost-center": cost_center, "team": team})
        return {"AllocatedResourceId": team, "AllocatedResourceName": team, "AllocatedTags": tags}

    def _own(self, line: ChargeLine) -> Row:
        key = line.key
        return {
            "x_Components": _json({component: str(part) for component, part in line.components}),
            "x_CostCenter": key.cost_center,
            "x_Feature": key.feature,
            "x_Item": key.item,
            "x_Kind": key.kind,
            "x_LineId": line.line_id,
            "x_Model": key.model,
            "x_PriceVersion": key.price_version,
            "x_Stage": line.stage,
            "x_Team": "" if key.team == UNALLOCATED else key.team,
            "x_WorkloadType": key.workload_type,
        }


@lru_cache(maxsize=1024)
def _instants(month: Month, timezone: str) -> tuple[str, str]:
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in month.bounds(timezone))
    return start, end


def _stripped(row: Row) -> Row:
    return {column: text for column, text in row.items() if text}


def _item(line: ChargeLine) -> str:
    """The item of what is charged: of a premium that a dispute gives back, `chat_call/coverage_premium`, the action's."""
    premium = line.key.kind == "adjustment" and KINDS[kind_of(line)].category == "Adjustment"
    return line.key.item.rpartition("/")[0] if premium else line.key.item


def _described(line: ChargeLine, name: str) -> str:
    key = line.key
    words = (key.item,) if name in ("action", "gpu", "egress", "seat") else (name.replace("_", " "), key.feature, key.item)
    said = " ".join(filter(None, (*words, key.model)))
    return f"{said}, {key.credit}" if key.credit else said


def _team(team: str) -> Row:
    return {} if team == UNALLOCATED else {"SubAccountId": team, "SubAccountName": team}


def _named(name: str, item: str, model: str) -> Row:
    """The SKU: one for the item whatever its model costs, or the model where a cost is passed through and has no item."""
    sku = _sku(name, item, model)
    return {"SkuId": sku, "SkuMeter": KINDS[name].meter if sku else ""}


def _sku(name: str, item: str, model: str) -> str:
    kind = KINDS[name]
    named = item or (model or "other" if kind.category in PRICED else "")
    return f"{kind.prefix}/{named}" if named else ""


def _sku_price(name: str, item: str, model: str) -> Row:
    """A price of its own for each model. It names no version of the price book, since it has to stay the same for ever."""
    sku = _sku(name, item, model)
    if not model or not item:
        return {"SkuPriceId": sku}
    return {"SkuPriceId": f"{sku}/{model}", "SkuPriceDetails": _json({"x_Model": model})}


def _costs(amount: Money, listed: Decimal) -> Row:
    """Billed is what was rounded; list and contracted cost are price x quantity, unrounded, as the specification has them."""
    billed = str(amount)
    return {
        **dict.fromkeys(("BilledCost", "EffectiveCost"), billed),
        **dict.fromkeys(("ListCost", "ContractedCost"), billed if listed == amount.amount else plain(listed)),
    }


def _prices(quantity: Decimal, unit: str, price: Decimal) -> Row:
    return {
        "PricingQuantity": plain(quantity),
        "PricingUnit": unit,
        **dict.fromkeys(("ListUnitPrice", "ContractedUnitPrice"), plain(price)),
    }


def _resource(resource_id: str, name: str, resource_type: str) -> Row:
    return {"ResourceId": resource_id, "ResourceName": name, "ResourceType": resource_type}


def _unused(reservation: str) -> Row:
    return {"CapacityReservationId": reservation, "CapacityReservationStatus": "Unused"}


def _tags(line: ChargeLine, team: str) -> str:
    """The labels of rule A1 as tags: what was used, and by whom where nobody else bears a part of it."""
    key = line.key
    labels = {"feature": key.feature, "model": key.model, "workload-type": key.workload_type}
    if team and team != UNALLOCATED:
        labels |= {"cost-center": key.cost_center, "team": team}
    return _json(dict(sorted(labels.items())))


def _details(ratio: Decimal, unit: str, driven: Decimal | None) -> str:
    """FOCUS's object, written as text: its numbers are decimals, which a float would not keep."""
    said = [f'"AllocatedRatio":{plain(ratio)}']
    if unit:
        said.append(f'"UsageUnit":{json.dumps(unit)}')
    if unit and driven is not None:
        said.append(f'"UsageQuantity":{plain(driven)}')
    return '{"Elements":[{' + ",".join(said) + "}]}"


def _json(pairs: Mapping[str, str]) -> str:
    """The pairs that say something as a JSON object; "" where none does."""
    found = {name: text for name, text in pairs.items() if text}
    return _ENCODER.encode(found) if found else ""
