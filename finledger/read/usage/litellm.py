"""LiteLLM's spend logs (the table LiteLLM_SpendLogs), CSV, JSON lines or Parquet: one row a request.

`prompt_tokens` includes what was read from and written to the cache; the two stand in `metadata.usage_object`, in the words
of whichever provider answered. The key's alias and team are in the metadata too. `spend` is LiteLLM's own estimate in USD.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.read.columns import Field, Layout
from finledger.read.header import Header
from finledger.read.usage.native import tag_list

TITLE = "LiteLLM spend logs (CSV, JSON lines, Parquet)"
NEEDS = ("request_id", "call_type", "startTime", "spend", "prompt_tokens", "completion_tokens")
_COLUMNS = {
    "usage_id": "request_id",
    "ts": "startTime",
    "provider": "custom_llm_provider",
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "status": "status",
    "user": "user",
    "billed_cost": "spend",
    "effective_cost": "spend",
    "call_type": "call_type",
    "api_key": "api_key",
    "workspace": "team_id",
    "organization": "organization_id",
    "end_user": "end_user",
}
_USAGE = "$.usage_object"
_CACHE_READ = (
    f"{_USAGE}.cache_read_input_tokens",
    f"{_USAGE}.prompt_tokens_details.cached_tokens",
    f"{_USAGE}.prompt_cache_hit_tokens",
)
_CACHE_WRITE = (f"{_USAGE}.cache_creation_input_tokens", f"{_USAGE}.prompt_tokens_details.cache_creation_tokens")
_REASONING = (f"{_USAGE}.completion_tokens_details.reasoning_tokens",)


def layout(header: Header, shown_as: str, map_file: Path | None = None) -> Outcome[Layout | None]:
    metadata = header.ref("metadata")
    valid = f"CASE WHEN json_valid({metadata}) THEN {metadata} END"

    def inside(*paths: str) -> str:
        found = [f"json_extract_string({valid}, '{path}')" for path in paths]
        return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"

    fields = [Field(name, header.ref(column), column) for name, column in _COLUMNS.items() if header.has(column)]
    model = f"coalesce(nullif({header.ref('model')}, ''), {header.ref('model_group')})"
    project = inside("$.user_api_key_project_id", "$.project_id")
    fields += [
        Field("model", model, "model"),
        Field("requests", "'1'", "requests"),
        Field("cached_input_tokens", inside(*_CACHE_READ), "metadata.usage_object"),
        Field("cache_write_tokens", inside(*_CACHE_WRITE), "metadata.usage_object"),
        Field("reasoning_tokens", inside(*_REASONING), "metadata.usage_object"),
        Field("api_key_alias", inside("$.user_api_key_alias"), "metadata.user_api_key_alias"),
        Field("project", project, "metadata.project_id"),
        Field("tag", tag_list(header.ref("request_tags")), "request_tags"),
        Field("billed_currency", "'USD'", "spend"),
    ]
    return Outcome(Layout(tuple(fields), input_includes_cached=True))
