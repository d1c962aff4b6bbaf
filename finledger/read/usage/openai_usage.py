"""OpenAI's usage API: pages of /organization/usage/…, one file or many, each bucket's results (JSON, JSON lines).

A bucket has no ids: a row's is made of its time, what it was grouped by, and the kind of usage, so that the pages again are no
news. What the API does not count in tokens (images, seconds, characters, bytes) is kept as requests only.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Column, Reader, fixed, sql, unix

_BY_TOKEN = "(completions|embeddings|moderations)[.]result$"  # these state their tokens always, and completions both kinds


def _count(name: str, kinds: str) -> Column:
    """A count that the kind of result has; where it is not there, a text that is refused."""
    return sql(
        f"CASE WHEN {{0}} IS NULL AND regexp_matches({{1}}, '{kinds}') THEN '(missing)' ELSE {{0}} END", name, "object"
    )


_START, _END = "data.start_time|start_time", "data.end_time|end_time"
READER = Reader(
    title="OpenAI usage API, pages of buckets (JSON, JSON lines)",
    grain="report",
    needs=(_START, _END, "object", "project_id", "num_model_requests|num_requests|num_sessions|usage_bytes"),
    lacks=("amount",),
    bucket="start_time",
    places=Places(("data[].results|result[]", "results|result[]")),
    key=(
        _START, _END, "object", "project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "source", "size",
        "vector_store_id", "context_level",
    ),
    columns={
        "ts": unix(_START),
        "provider": fixed("openai"),
        "call_type": sql("regexp_extract({0}, '([a-z_]+)[.]result$', 1)", "object"),
        "model": "model",
        "requests": "num_model_requests|num_requests|num_sessions",
        "input_tokens": _count("input_tokens", _BY_TOKEN),
        "cached_input_tokens": "input_cached_tokens",
        "cache_write_tokens": "input_cache_write_tokens",
        "output_tokens": _count("output_tokens", "completions[.]result$"),
        "project": "project_id",
        "user": "user_id",
        "api_key": "api_key_id",
        "service_tier": sql("CASE WHEN lower({0}) = 'true' THEN 'batch' ELSE {1} END", "batch", "service_tier"),
    },
    includes=("cached_input_tokens", "cache_write_tokens"),
    m5="`input_tokens` includes cached and cache-write tokens; output includes reasoning; audio and image tokens are parts of both.",
)  # fmt: skip
