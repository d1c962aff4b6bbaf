"""A month's charges as JSON and as tables: the keys that programs rely on, decimals as text, lists in a fixed order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import Any

from finledger.core.model import ChargeLine, Disclosure, FeatureQuality, IdleCost, Invoice, MonthCharges, PoolSplit
from finledger.core.money import Money, rounded_places, significant
from finledger.write.text import formula_safe

CHARGE_COLUMNS = (
    "line_id", "line_amount", "price_version", "posting_month", "service_month", "team", "cost_center", "stage", "feature",
    "item", "workload_type", "model", "component", "quantity", "unit", "unit_price", "amount",
)  # fmt: skip
SHARE_PLACES = 6


def month_json(charges: MonthCharges) -> dict[str, Any]:
    """The JSON of `allocate`, schema 1."""
    book = charges.books[0] if charges.books else None
    return {
        "schema": 1,
        "month": str(charges.month),
        "currency": charges.currency,
        "provisional": charges.provisional,
        "pricebook": None if book is None else {"quarter": book.quarter, "version": book.version, "sha256": book.sha256},
        "charges": charge_rows(charges.lines),
        "disclosures": [disclosure_row(disclosure) for disclosure in charges.disclosures],
        "teams": {
            each.team: {
                "stage": each.stage,
                "total": str(each.total),
                "buffer_draw": str(each.buffer_draw or Money(0, charges.currency)),
                "budget": text_or_none(each.budget),
                "variance": text_or_none(each.variance),
            }
            for each in charges.teams
        },
        "features": {each.feature: feature_row(each) for each in charges.features},
        "pools": [pool_row(pool) for pool in charges.pools],
        "idle": [idle_row(each) for each in charges.idle],
        "operated": operated_rows(charges.lines),
        "unallocated": {
            "amount": str(charges.unallocated),
            "share": str(rounded_places(charges.unallocated_share, SHARE_PLACES)),
        },
        "buffer": {
            "opening": str(charges.buffer.opening),
            "contributions": str(charges.buffer.contributions),
            "draws": str(charges.buffer.draws),
            "repayments": str(charges.buffer.repaid),
            "closing": str(charges.buffer.closing),
            "refused": [{"team": team, "reason": reason} for team, reason in charges.buffer.refused],
        },
        "central": [{"component": each.component, "amount": str(each.amount)} for each in charges.central],
        "checks": [
            {"law": check.law, "left": plain(check.left), "right": plain(check.right), "holds": check.holds}
            for check in charges.checks
        ],
    }


def charge_rows(lines: Iterable[ChargeLine]) -> list[dict[str, str]]:
    """One row a component, sorted by team, cost centre, feature, item, workload type, model and component."""
    return [dict(zip(CHARGE_COLUMNS, row, strict=True)) for row in charge_cells(lines)]


def charge_cells(lines: Iterable[ChargeLine]) -> list[tuple[str, ...]]:
    """The same rows as plain tuples, in the order of `CHARGE_COLUMNS`."""
    return sorted((row for line in lines for row in _component_cells(line)), key=_ORDER)


# team, cost_center, feature, item, workload_type, model, component; then price_version and line_id
_ORDER = itemgetter(5, 6, 8, 9, 10, 11, 12, 2, 0)


def _component_cells(line: ChargeLine) -> Iterable[tuple[str, ...]]:
    key = line.key
    head = (line.line_id, str(line.amount), key.price_version, str(key.posting_month), str(key.service_month), key.team)
    grain = (key.cost_center, line.stage, key.feature, key.item, key.workload_type, key.model)
    tail = (plain(line.quantity), line.unit, plain(line.unit_price))
    for component, amount in line.components:
        yield (*head, *grain, component, *tail, str(amount))


def operated_rows(lines: Iterable[ChargeLine]) -> list[dict[str, str]]:
    """What of the charges another team than the consumer operated, by both, feature and item (A5): part of the charges."""
    sums: dict[tuple[str, str, str, str], Money] = {}
    for line in lines:
        for part in line.operators:
            key = (line.key.team, part.team, line.key.feature, line.key.item)
            sums[key] = sums[key] + part.amount if key in sums else part.amount
    names = ("consumer", "operator", "feature", "item")
    return [{**dict(zip(names, key, strict=True)), "amount": str(amount)} for key, amount in sorted(sums.items())]


def disclosure_row(disclosure: Disclosure) -> dict[str, str]:
    key = disclosure.key
    return {
        "team": key.team,
        "cost_center": key.cost_center,
        "feature": key.feature,
        "item": key.item,
        "workload_type": key.workload_type,
        "model": key.model,
        "price_version": key.price_version,
        "quantity": plain(disclosure.quantity),
        "gross": str(disclosure.gross),
        "platform_share": str(disclosure.platform_share),
        "paid": str(disclosure.paid),
    }


def feature_row(feature: FeatureQuality) -> dict[str, Any]:
    return {
        "total": str(feature.total),
        "production": str(feature.production),
        "coverage": text_or_none(feature.coverage),
        "in_distribution": text_or_none(feature.in_distribution),
        "multiplier": shown(feature.multiplier),
        "tasks": feature.tasks,
        "correct_tasks": shown(feature.correct_tasks),
        "cost_per_correct_task": shown(feature.cost_per_correct_task),
    }


def pool_row(pool: PoolSplit) -> dict[str, Any]:
    """A pool's amount, with what earlier pools fed it, and where it went: to teams, on to later pools, to the platform."""
    return {
        "pool": pool.name,
        "driver": pool.driver,
        "amount": str(pool.amount),
        "parts": _by_name(pool.parts),
        "fed": _by_name(pool.fed),
        "platform": str(pool.residual),
    }


def idle_row(idle: IdleCost) -> dict[str, Any]:
    """What a reservation's idle hours cost, and who bears it; the holder of a shared pool is empty."""
    return {
        "gpu_sku": idle.gpu_sku,
        "holder": idle.holder,
        "reserved_hours": plain(idle.reserved),
        "used_hours": plain(idle.used),
        "idle_hours": plain(idle.idle),
        "amount": str(idle.amount),
        "parts": _by_name(idle.parts),
        "platform": str(idle.residual),
    }


def _by_name(parts: Mapping[str, Money]) -> dict[str, str]:
    return {name: str(part) for name, part in sorted(parts.items())}


def invoice_row(document: Invoice) -> dict[str, Any]:
    return {
        "number": document.number,
        "kind": document.kind,
        "team": document.team,
        "stage": document.stage,
        "original": document.original,
        "total": str(document.total),
        "budget": text_or_none(document.budget),
        "variance": text_or_none(document.variance),
    }


def shown(value: Decimal | Fraction | None) -> str | None:
    """A ratio to 6 significant digits, as text; None where it is not measurable."""
    return None if value is None else plain(significant(value))


def text_or_none(value: object) -> str | None:
    return None if value is None else str(value)


def plain(value: Decimal) -> str:
    """A quantity or unit price in plain notation, without zeros that say nothing."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def charges_csv(charges: MonthCharges) -> bytes:
    return csv_bytes(CHARGE_COLUMNS, charge_cells(charges.lines))


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """CSV in UTF-8 with Unix line ends; a text that a spreadsheet would run as a formula is given an apostrophe."""
    buffer, safe = io.StringIO(), _SafeCells()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(safe.__getitem__, row) for row in rows)
    return buffer.getvalue().encode()


class _SafeCells(dict[str, str]):
    """Cells by their text, worked out once: most cells of a file stand in it many times."""

    def __missing__(self, cell: str) -> str:
        found = self[cell] = cell if cell[:1].isalnum() or _is_amount(cell) else formula_safe(cell)
        return found


def _is_amount(cell: str) -> bool:
    return cell[:1] == "-" and cell[1:].replace(".", "", 1).isdecimal()


def json_bytes(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
