"""OpenAI's usage: pages of /organization/usage/…, one file or many, each bucket's results (JSON, JSON lines), and the dashboard's
exports of the same (`completions_usage_….csv`), which have a column for each field, and a row without any for a bucket of no use.

A bucket has no ids: a row's is made of its time, what it was grouped by, and the kind of usage, so that the pages again, or the
dashboard's export of the same groups, are no news. The kind is in a result's `object`; the CSV does not say it, but each kind has
columns of its own. What OpenAI does not count in tokens (images, seconds, characters, bytes) is kept as requests only.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Column, Reader, fixed, sql, unix

_START, _END = "data.start_time|start_time", "data.end_time|end_time"
_REQUESTS = "num_requests|num_model_requests|num_sessions"  # of a search: the calls, not the answers that called
# by a field that only one kind of result has
_BY_FIELD = {
    "images": "images",
    "characters": "audio_speeches",
    "seconds": "audio_transcriptions",
    "usage_bytes": "vector_stores",
    "num_sessions": "code_interpreter_sessions",
    "vector_store_id": "file_search_calls",
    "context_level": "web_search_calls",
}


def _kind() -> Column:
    """What a result counts; of one that does not say it, by what it has. NULL of a bucket of no use."""
    known = " ".join(f"WHEN {{{number}}} IS NOT NULL THEN '{kind}'" for number, kind in enumerate(_BY_FIELD.values(), 6))
    return sql(
        "CASE WHEN {0} IS NOT NULL THEN regexp_extract({0}, '([a-z_]+)[.]result$', 1) "
        f"{known} WHEN {{1}} IS NOT NULL THEN 'completions' WHEN coalesce({{2}}, {{5}}) IS NULL THEN NULL "
        "WHEN contains({3}, 'moderation') THEN 'moderations' "
        "WHEN {4} IS NOT NULL OR {2} IS NULL THEN 'completions' ELSE 'embeddings' END",
        "object", "output_tokens", "input_tokens", "model", "batch|service_tier|input_cached_tokens", "num_model_requests",
        *_BY_FIELD,
    )  # fmt: skip


def _count(name: str, kinds: str) -> Column:
    """A count that the kind of result has; where it is not there, a text that is refused."""
    return sql(f"CASE WHEN {{0}} IS NULL AND {{1}} IN ({kinds}) THEN '(missing)' ELSE {{0}} END", name, "@kind")


def _requests() -> Column:
    """How many calls there were: of a store's bytes none, nor of a bucket of no use."""
    none = "{1} IS NULL OR {1} = 'vector_stores'"
    return sql(f"CASE WHEN {none} THEN coalesce({{0}}, '0') ELSE {{0}} END", _REQUESTS, "@kind", _START)


READER = Reader(
    title="OpenAI usage, API's pages of buckets and dashboard (JSON, JSON lines, CSV)",
    grain="report",
    needs=(_START, _END, "object|project_id|start_time_iso", f"{_REQUESTS}|usage_bytes|start_time_iso"),
    lacks=("amount", "amount_value", "results", "result"),
    bucket="start_time",
    places=Places(("data[].results|result[]", "results|result[]", "")),
    key=(
        _START, _END, "@kind", "project_id", "user_id", "api_key_id", "model", "@batch", "service_tier", "source", "size",
        "vector_store_id", "context_level",
    ),
    steps={"@kind": _kind(), "@batch": sql("lower({0})", "batch")},
    columns={
        "ts": unix(_START),
        "provider": fixed("openai"),
        "call_type": "@kind",
        "model": "model",
        "requests": _requests(),
        "input_tokens": _count("input_tokens", "'completions', 'embeddings', 'moderations'"),
        "cached_input_tokens": "input_cached_tokens",
        "cache_write_tokens": "input_cache_write_tokens",
        "output_tokens": _count("output_tokens", "'completions'"),
        "project": "project_id",
        "user": "user_id",
        "api_key": "api_key_id",
        "service_tier": sql("CASE WHEN {0} = 'true' THEN 'batch' ELSE {1} END", "@batch", "service_tier"),
    },
    includes=("cached_input_tokens", "cache_write_tokens"),
    told=(
        "input_text_tokens", "output_text_tokens", "input_audio_tokens", "output_audio_tokens", "input_image_tokens",
        "output_image_tokens", "input_cached_text_tokens", "input_cached_audio_tokens", "input_cached_image_tokens",
        "input_uncached_tokens",
    ),
    m5="`input_tokens` includes cached and cache-write tokens; output includes reasoning; audio and image tokens are parts of both.",
)  # fmt: skip
