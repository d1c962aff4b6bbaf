"""Helicone requests (JSON, JSON lines, CSV): a row a call. `costUSD` is Helicone's own estimate."""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Reader, added, fixed, sql
from finledger.read.usage._in_utc import SUCCESS, in_utc

READER = Reader(
    title="Helicone requests (JSON, JSON lines, CSV)",
    grain="request",
    needs=("request_id", "request_created_at", "costUSD", "prompt_tokens", "completion_tokens"),
    places=Places(("", "data[]")),
    columns={
        "usage_id": "request_id",
        "request_id": "request_id",
        "ts": in_utc("request_created_at"),
        "provider": "provider",
        "model": "model_override|response_model|request_model|model",
        "requests": fixed("1"),
        "input_tokens": added("prompt_tokens", "prompt_audio_tokens"),
        "cached_input_tokens": "prompt_cache_read_tokens",
        "cache_write_tokens": "prompt_cache_write_tokens",
        "output_tokens": added("completion_tokens", "completion_audio_tokens"),
        "status": sql(SUCCESS, "response_status"),
        "user": "request_user_id|helicone_user",
        "billed_cost": "costUSD",
        "effective_cost": "costUSD",
        "billed_currency": fixed("USD"),
        "route": "target_url",
        "tag": "request_properties|properties",
    },
    m5="prompt_tokens leaves out what was read from and written to the cache, and audio, as Helicone's own pricing has it.",
)
