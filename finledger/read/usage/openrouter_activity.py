"""OpenRouter's activity API: a row a day, model and endpoint (JSON).

`usage` is what OpenRouter takes, in credits of one USD. What a call on one's own key costs (`byok_usage_inference`) is billed
by that provider, and is not read.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Reader, fixed
from finledger.read.usage._in_utc import in_utc

READER = Reader(
    title="OpenRouter activity API (JSON)",
    grain="report",
    needs=("date", "model_permaslug", "endpoint_id", "usage", "requests", "prompt_tokens", "completion_tokens"),
    places=Places(("", "data[]")),
    key=("date", "model", "model_permaslug", "endpoint_id", "provider_name", "workspace_id"),
    columns={
        "ts": in_utc("date"),
        "provider": fixed("openrouter"),
        "route": "provider_name",
        "model": "model|model_permaslug",
        "sku": "model_permaslug",
        "resource": "endpoint_id",
        "workspace": "workspace_id",
        "requests": "requests",
        "input_tokens": "prompt_tokens",
        "cached_input_tokens": "cached_tokens",
        "output_tokens": "completion_tokens",
        "reasoning_tokens": "reasoning_tokens",
        "billed_cost": "usage",
        "effective_cost": "usage",
        "billed_currency": fixed("USD"),
    },
    includes=("cached_input_tokens",),
    m5="prompt_tokens includes the cached tokens, completion_tokens the reasoning.",
)
