"""Anthropic's costs: pages of /cost_report, amounts in cents as decimal texts (JSON, JSON lines)."""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Reader, cents, fixed

_START, _END = "data.starting_at|starting_at", "data.ending_at|ending_at"
READER = Reader(
    title="Anthropic cost API, pages of buckets (JSON, JSON lines)",
    grain="cost",
    needs=(_START, "amount", "currency", "cost_type|description"),
    places=Places(("data[].results[]", "results[]")),
    key=(
        _START, _END, "workspace_id", "description", "cost_type", "context_window", "model", "service_tier", "token_type",
        "inference_geo", "currency",
    ),
    columns={
        "ts": _START,
        "provider": fixed("anthropic"),
        "model": "model",
        "requests": fixed("0"),
        "billed_cost": cents("amount"),
        "effective_cost": cents("amount"),
        "billed_currency": "currency",
        "sku": "description",
        "workspace": "workspace_id",
        "call_type": "cost_type",
        "service_tier": "service_tier",
        "region": "inference_geo",
    },
    m5="money only: no tokens are taken from it.",
)  # fmt: skip
