"""LiteLLM's spend logs (the table LiteLLM_SpendLogs), CSV, JSON or Parquet: one row a request.

`prompt_tokens` includes what was read from and written to the cache; the two stand in `metadata.usage_object`, in the words
of whichever provider answered. The key's alias and team are in the metadata too. `spend` is LiteLLM's own estimate in USD.
LiteLLM's own FOCUS export has six decimals a row: what is below a millionth is lost there, so load these logs instead.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Reader, fixed, output, sql
from finledger.read.usage._in_utc import in_utc

_USAGE = "usage_object"


def _inside(*paths: str) -> str:
    """The first of the paths in the metadata that is filled."""
    return "|".join(f"metadata->{path}" for path in paths)


_REASONING = _inside(f"{_USAGE}.completion_tokens_details.reasoning_tokens")
READER = Reader(
    title="LiteLLM spend logs (CSV, JSON lines, JSON, Parquet)",
    grain="request",
    needs=("request_id", "call_type", "startTime", "spend", "prompt_tokens", "completion_tokens"),
    places=Places(("", "data[]")),
    columns={
        "usage_id": "request_id",
        "request_id": "request_id",
        "ts": in_utc("startTime"),
        "provider": "custom_llm_provider",
        "model": "model|model_group",
        "requests": fixed("1"),
        "input_tokens": "prompt_tokens",
        "cached_input_tokens": _inside(
            f"{_USAGE}.cache_read_input_tokens",
            f"{_USAGE}.prompt_tokens_details.cached_tokens",
            f"{_USAGE}.prompt_cache_hit_tokens",
        ),
        "cache_write_tokens": _inside(
            f"{_USAGE}.cache_creation_input_tokens", f"{_USAGE}.prompt_tokens_details.cache_creation_tokens"
        ),
        "output_tokens": output("completion_tokens", "prompt_tokens", "total_tokens", _REASONING),
        "reasoning_tokens": _REASONING,
        "status": "status",
        "user": "user",
        "billed_cost": "spend",
        "effective_cost": "spend",
        "billed_currency": fixed("USD"),
        "call_type": "call_type",
        "api_key": "api_key",
        "api_key_alias": _inside("user_api_key_alias"),
        "project": _inside("user_api_key_project_id", "project_id"),
        "workspace": "team_id",
        "organization": "organization_id",
        "end_user": "end_user",
        "tag": "request_tags",
    },
    includes=("cached_input_tokens", "cache_write_tokens"),
    total=sql("nullif({0}, '0')", "total_tokens"),  # the table's default: nothing was stated
    m5="prompt_tokens includes what was read from and written to the cache, completion_tokens the reasoning, unless the row's "
    "total says that it stands beside (xAI).",
)
