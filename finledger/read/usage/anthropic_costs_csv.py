"""Anthropic's costs as the console exports them: dollars, rounded to cents by the console (CSV)."""

from __future__ import annotations

from finledger.read.usage._bill import needed
from finledger.read.usage._declared import Reader, fixed, sql
from finledger.read.usage._in_utc import in_utc

READER = Reader(
    title="Anthropic console costs (CSV)",
    grain="cost",
    needs=("usage_date_utc", "cost_usd", "token_type", "model"),
    key=(
        "usage_date_utc", "model", "workspace", "api_key_id|api_key", "usage_type", "context_window", "token_type", "cost_type",
        "inference_geo", "speed",
    ),
    columns={
        "ts": in_utc("usage_date_utc"),
        "provider": fixed("anthropic"),
        "model": "model",
        "requests": fixed("0"),
        "billed_cost": needed("cost_usd"),
        "effective_cost": needed("cost_usd"),
        "billed_currency": fixed("USD"),
        "sku": sql("concat_ws(', ', {0}, {1})", "model", "token_type"),
        "workspace": "workspace",
        "api_key": "api_key_id",
        "api_key_alias": "api_key",
        "call_type": "cost_type",
        "service_tier": "usage_type",
        "region": "inference_geo",
    },
    m5="money only: no tokens are taken from it.",
)  # fmt: skip
