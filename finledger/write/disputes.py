"""Disputes and credits as rows of a table and as JSON, schema 1: amounts as decimal text, days and months as text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from finledger.core.credit import Credit, Credited
from finledger.core.disputes import Dispute
from finledger.write.figures import plain

DISPUTE_COLUMNS = (
    "dispute", "document", "line_id", "team", "amount", "state", "opened", "respond_by", "resolve_by", "overdue", "credit",
    "reason",
)  # fmt: skip
CREDIT_COLUMNS = ("credit", "of", "team", "cost_center", "item", "quantity", "unit", "unit_price", "amount", "components")
CREDIT_FIGURES = ("quantity", "unit_price", "amount")


def dispute_json(dispute: Dispute, on: date) -> dict[str, Any]:
    """A dispute; `overdue` is what has been waited for too long on that day, "" where nothing is."""
    return {
        "dispute": dispute.dispute_id,
        "document": dispute.document,
        "team": dispute.team,
        "line_id": dispute.line_id,
        "posting_month": str(dispute.posting_month),
        "service_month": str(dispute.service_month),
        "amount": str(dispute.amount),
        "currency": dispute.amount.currency,
        "reason": dispute.reason,
        "raised_by": dispute.raised_by,
        "opened": dispute.opened.isoformat(),
        "respond_by": dispute.respond_by.isoformat(),
        "resolve_by": dispute.resolve_by.isoformat(),
        "overdue": dispute.overdue(on),
        "state": dispute.state,
        "resolved": None if dispute.resolved is None else dispute.resolved.isoformat(),
        "resolved_by": dispute.resolved_by,
        "note": dispute.note,
        "credit": dispute.credit_id,
    }


def list_json(found: Iterable[Dispute], on: date) -> dict[str, Any]:
    return {"schema": 1, "on": on.isoformat(), "disputes": [dispute_json(each, on) for each in found]}


def dispute_rows(found: Iterable[Dispute], on: date) -> list[dict[str, Any]]:
    """Rows by `DISPUTE_COLUMNS`."""
    return [{name: row[name] for name in DISPUTE_COLUMNS} for each in found for row in (dispute_json(each, on),)]


def credit_json(credit: Credit) -> dict[str, Any]:
    """A credit with its lines: those that give back, and those that charge another team."""
    return {
        "credit": credit.credit_id,
        "posting_month": str(credit.posting_month),
        "document": credit.document,
        "team": credit.team,
        "line_id": credit.line_id,
        "amount": str(credit.amount),
        "currency": credit.amount.currency,
        "reason": credit.reason,
        "by": credit.by,
        "on": credit.on,
        "dispute": credit.dispute_id,
        "rebilled": credit.rebilled,
        "lines": [_line_json(each) for each in credit.lines],
    }


def _line_json(each: Credited) -> dict[str, Any]:
    line, key = each.line, each.line.key
    return {
        "line_id": line.line_id,
        "of": each.of,
        "team": key.team,
        "cost_center": key.cost_center,
        "stage": line.stage,
        "feature": key.feature,
        "item": key.item,
        "workload_type": key.workload_type,
        "model": key.model,
        "price_version": key.price_version,
        "service_month": str(key.service_month),
        "quantity": plain(line.quantity),
        "unit": line.unit,
        "unit_price": plain(line.unit_price),
        "amount": str(line.amount),
        "components": {name: str(part) for name, part in line.components},
    }


def credit_rows(credit: Credit) -> list[dict[str, str]]:
    """Rows by `CREDIT_COLUMNS`: one for each line."""
    rows = []
    for each in credit.lines:
        said = _line_json(each)
        parts = ", ".join(f"{name.replace('_', ' ')} {part}" for name, part in said["components"].items())
        rows.append({**said, "credit": credit.credit_id, "components": parts})
    return rows
