"""OpenRouter's export of generations: a row a call (CSV).

`cost_total` is what OpenRouter takes, in credits of one USD. What a call on one's own key costs (`byok_usage_inference`) is
billed by that provider, and is not read.
"""

from __future__ import annotations

from finledger.read.usage._declared import Reader, fixed, sql
from finledger.read.usage._in_utc import in_utc

READER = Reader(
    title="OpenRouter generations (CSV)",
    grain="request",
    needs=("generation_id", "created_at", "cost_total", "tokens_prompt", "tokens_completion"),
    columns={
        "usage_id": "generation_id",
        "request_id": "generation_id",
        "ts": in_utc("created_at"),
        "provider": fixed("openrouter"),
        "route": "provider_name",
        "model": "model_permaslug",
        "requests": fixed("1"),
        "input_tokens": "tokens_prompt",
        "cached_input_tokens": "tokens_cached",
        "output_tokens": "tokens_completion",
        "reasoning_tokens": "tokens_reasoning",
        "billed_cost": "cost_total",
        "effective_cost": "cost_total",
        "billed_currency": fixed("USD"),
        "status": sql(
            "CASE WHEN lower({0}) = 'true' THEN 'cancelled' WHEN lower({1}) = 'error' THEN 'error' ELSE 'success' END",
            "cancelled", "finish_reason_normalized",
        ),
        "user": "user",
        "api_key_alias": "api_key_name",
        "service": "app_name",
        "service_tier": "variant",
    },
    includes=("cached_input_tokens",),
    told=("native_tokens_prompt", "native_tokens_completion", "native_tokens_reasoning", "native_tokens_cached"),
    m5="tokens_prompt includes the cached tokens, tokens_completion the reasoning.",
)  # fmt: skip
