"""LiteLLM's daily rollups by team or by user (CSV, JSON lines, JSON, Parquet).

The two cover the same calls: load one of them, not both, and neither beside the spend logs. The rollup by tag counts a call
once for each of its tags: its rows are refused.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Column, Reader, fixed
from finledger.read.usage._in_utc import in_utc

READER = Reader(
    title="LiteLLM daily spend by team or user (CSV, JSON, Parquet)",
    grain="report",
    needs=("date", "api_key", "custom_llm_provider", "prompt_tokens", "completion_tokens", "spend", "api_requests"),
    places=Places(("", "data[]")),
    key=(
        "date", "api_key", "model", "model_group", "custom_llm_provider", "endpoint", "mcp_namespaced_tool_name",
        "team_id", "user_id", "organization_id", "end_user_id", "agent_id", "tag",
    ),
    columns={
        "ts": in_utc("date"),
        "provider": "custom_llm_provider",
        "model": "model|model_group",
        "requests": Column(
            ("tag", "api_requests"),
            "CASE WHEN {0} IS NULL THEN {1} ELSE 'tag ' || {0} END",
            reason="is not a whole number of 0 or more, or is of the rollup by tag, which counts a call once for each of its tags",
        ),
        "input_tokens": "prompt_tokens",
        "cached_input_tokens": "cache_read_input_tokens",
        "cache_write_tokens": "cache_creation_input_tokens",
        "output_tokens": "completion_tokens",
        "user": "user_id",
        "billed_cost": "spend",
        "effective_cost": "spend",
        "billed_currency": fixed("USD"),
        "api_key": "api_key",
        "workspace": "team_id",
        "organization": "organization_id",
        "end_user": "end_user_id",
        "agent": "agent_id",
        "call_type": "mcp_namespaced_tool_name",
        "route": "endpoint",
    },
    includes=("cached_input_tokens", "cache_write_tokens"),
    m5="prompt_tokens includes what was read from and written to the cache.",
)  # fmt: skip
