"""Anthropic's usage as the console exports it: a row a day or hour, model, key and workspace (CSV).

It counts no requests, so that actions with a published price cannot be charged from it: price its actions `metered`.
"""

from __future__ import annotations

from finledger.read.usage._declared import Reader, added, fixed
from finledger.read.usage._in_utc import in_utc

READER = Reader(
    title="Anthropic console usage (CSV)",
    grain="report",
    needs=("usage_date_utc", "usage_input_tokens_no_cache", "usage_output_tokens"),
    key=(
        "usage_date_utc",
        "model_version",
        "api_key",
        "workspace",
        "usage_type",
        "context_window",
        "inference_geo",
        "speed",
    ),
    columns={
        "ts": in_utc("usage_date_utc"),
        "provider": fixed("anthropic"),
        "call_type": fixed("messages"),
        "model": "model_version",
        "requests": fixed("0"),
        "input_tokens": "usage_input_tokens_no_cache",
        "cached_input_tokens": "usage_input_tokens_cache_read",
        "cache_write_tokens": added(
            "usage_input_tokens_cache_write_5m|usage_input_tokens_cache_write", "usage_input_tokens_cache_write_1h"
        ),
        "output_tokens": "usage_output_tokens",
        "workspace": "workspace",
        "api_key_alias": "api_key",
        "service_tier": "usage_type",
        "region": "inference_geo",
    },
    m5="input, cache reads and cache writes stand apart; both lifetimes of a cache write are one bucket; thinking is in the output.",
)
