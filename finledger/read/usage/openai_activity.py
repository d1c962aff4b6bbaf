"""OpenAI's old activity: the dashboard's export and the answers of /v1/usage, a row a model, key and time (CSV, JSON).

The two name a model and a time otherwise. What an answer has of images and speech lies beside its `data`, counts no tokens, and is
not read.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Reader, fixed, sql, unix

_TIME, _MODEL, _USER = "timestamp|aggregation_timestamp", "model|snapshot_id", "user|email"
READER = Reader(
    title="OpenAI activity, before 2025 (CSV, JSON)",
    grain="report",
    needs=("n_requests", "n_context_tokens_total", "n_generated_tokens_total", _TIME),
    places=Places(("", "data[]")),
    key=(
        _TIME, "organization_id", "operation", "usage_type", "request_type", _MODEL, _USER, "project_id", "api_key_id",
        "api_key_name",
    ),
    columns={
        "ts": unix(_TIME),
        "provider": fixed("openai"),
        "call_type": "operation",
        "route": "usage_type",
        "model": _MODEL,
        "requests": "n_requests",
        "input_tokens": "n_context_tokens_total",
        "cached_input_tokens": "n_cached_context_tokens_total",
        "output_tokens": "n_generated_tokens_total",
        "organization": "organization_id",
        "project": "project_id",
        "api_key": "api_key_id",
        "api_key_alias": "api_key_name",
        "user": _USER,
        "service_tier": sql("CASE WHEN lower({0}) = 'batch' THEN 'batch' END", "request_type"),
    },
    includes=("cached_input_tokens",),
    m5="the context tokens include the cached ones; an export that does not tell these apart has them priced as input.",
)  # fmt: skip
