"""What the last close knew of the providers, as it is kept in the ledger's log: exact, and the same text for the same state.

A close posts what changed since (rules X1, X2, L3), so it has to know what is posted, what is accrued, which invoices that
came from, and from which usage each service month was metered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.provider import DIFFERENCES, Accrual, InvoiceCategory, Metered, SkuReconciliation


@dataclass(frozen=True, slots=True)
class MonthMetered:
    """What was metered of a service month, from which usage, and by which names.

    `parts`: the sha256 of every part of the store that it was metered from, sorted; none where no usage is loaded. `naming`:
    a digest of how the providers were declared.
    """

    month: Month
    parts: tuple[str, ...]
    metered: tuple[Metered, ...]
    naming: str = ""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The providers' side as the close of `month` left it.

    `rows`: the comparison of every service month that has an invoice, as it is posted; without the places of the lines, which
    are those of their files. `accrued`: what waits for its invoice. `invoices`: the sha256 of each file that something was
    posted from, and of the maps that it was read by. `metered`: every service month since the books began.
    """

    month: Month
    rows: tuple[SkuReconciliation, ...] = ()
    accrued: tuple[Accrual, ...] = ()
    invoices: Mapping[str, str] = field(default_factory=dict)
    metered: tuple[MonthMetered, ...] = ()

    def __post_init__(self) -> None:
        """In one order, so that the same state is the same text."""
        rows = (replace(row, lines=()) for row in self.rows)
        ordered = {
            "rows": tuple(sorted(rows, key=lambda row: (row.service_month, row.provider, row.sku))),
            "accrued": tuple(sorted(self.accrued, key=lambda each: (each.service_month, each.provider))),
            "invoices": dict(sorted(self.invoices.items())),
            "metered": tuple(sorted(self.metered, key=lambda each: each.month)),
        }
        for name, value in ordered.items():
            object.__setattr__(self, name, value)

    def to_json(self) -> dict[str, Any]:
        """Decimals as text, money as whole minor units and currency."""
        return {
            "month": str(self.month),
            "rows": [_row(row) for row in self.rows],
            "accrued": [[each.provider, str(each.service_month), _money(each.amount)] for each in self.accrued],
            "invoices": dict(self.invoices),
            "metered": [_month(each) for each in self.metered],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ProviderState:
        """What `to_json` made, also when it was written as text and read again."""
        return cls(
            month=Month.parse(body["month"]),
            rows=tuple(_row_of(row) for row in body["rows"]),
            accrued=tuple(Accrual(name, Month.parse(month), _money_of(amount)) for name, month, amount in body["accrued"]),
            invoices=dict(body["invoices"]),
            metered=tuple(_month_of(each) for each in body["metered"]),
        )


def _money(amount: Money) -> list[int | str]:
    return [amount.minor, amount.currency]


def _money_of(stated: Sequence[Any]) -> Money:
    return Money(stated[0], stated[1])


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _decimal_of(stated: str | None) -> Decimal | None:
    return None if stated is None else Decimal(stated)


def _row(row: SkuReconciliation) -> dict[str, Any]:
    return {
        "provider": row.provider,
        "sku": row.sku,
        "month": str(row.service_month),
        "metered": _money(row.metered),
        "invoiced": _money(row.invoiced),
        "classes": {name: _money(row.classes[name]) for name in DIFFERENCES if name in row.classes},
        "within_tolerance": row.within_tolerance,
        "invoices": list(row.invoices),
        "metered_quantity": _text(row.metered_quantity),
        "invoiced_quantity": _text(row.invoiced_quantity),
        "unit": row.unit,
        "note": row.note,
    }


def _row_of(body: Mapping[str, Any]) -> SkuReconciliation:
    return SkuReconciliation(
        provider=body["provider"],
        sku=body["sku"],
        service_month=Month.parse(body["month"]),
        metered=_money_of(body["metered"]),
        invoiced=_money_of(body["invoiced"]),
        classes={name: _money_of(body["classes"][name]) for name in DIFFERENCES if name in body["classes"]},
        within_tolerance=body["within_tolerance"],
        invoices=tuple(body["invoices"]),
        metered_quantity=_decimal_of(body["metered_quantity"]),
        invoiced_quantity=_decimal_of(body["invoiced_quantity"]),
        unit=body["unit"],
        note=body["note"],
    )


def _month(each: MonthMetered) -> dict[str, Any]:
    skus = [
        [one.provider, one.sku, _text(one.quantity), one.unit, str(one.cost), _text(one.as_billed), one.category]
        for one in each.metered
    ]
    return {"month": str(each.month), "parts": list(each.parts), "naming": each.naming, "metered": skus}


def _month_of(body: Mapping[str, Any]) -> MonthMetered:
    month = Month.parse(body["month"])
    metered = tuple(
        Metered(
            provider=provider,
            sku=sku,
            service_month=month,
            quantity=_decimal_of(quantity),
            unit=unit,
            cost=Decimal(cost),
            as_billed=_decimal_of(as_billed),
            category=cast(InvoiceCategory, category),
        )
        for provider, sku, quantity, unit, cost, as_billed, category in body["metered"]
    )
    return MonthMetered(month, tuple(body["parts"]), metered, body["naming"])
