"""Helicone requests (JSON, JSON lines, CSV): a row a call. `cost`, or `costUSD` as it was, is Helicone's own estimate in USD.

Its total is the prompt, the completion and the reasoning: this stands beside the completion, unless a row's total is the first two.
Its own exporter writes each quote of a CSV's properties twice too often.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Column, Reader, added, fixed, sql
from finledger.read.usage._in_utc import SUCCESS, in_utc

_ANSWERED = added("completion_tokens", "completion_audio_tokens")


def _output() -> Column:
    """What was answered, with the reasoning that the completion leaves out."""
    said, total, before, thought = (f"TRY_CAST({{{number}}} AS BIGINT)" for number in (0, 2, 3, 4))
    inside = f"coalesce({total} = {before} + {said}, false)"
    return Column(
        (*_ANSWERED.names, "total_tokens", "prompt_tokens", "reasoning_tokens"),
        f"CASE WHEN {thought} > 0 AND NOT {inside} AND ({_ANSWERED.template}) SIMILAR TO '[0-9]{{{{1,17}}}}' "
        f"THEN CAST(CAST(({_ANSWERED.template}) AS BIGINT) + {thought} AS VARCHAR) ELSE {_ANSWERED.template} END",
    )


READER = Reader(
    title="Helicone requests (JSON, JSON lines, CSV)",
    grain="request",
    needs=("request_id|response_id", "request_created_at", "costUSD|cost", "prompt_tokens", "completion_tokens"),
    places=Places(("", "data[]")),
    columns={
        "usage_id": "request_id|response_id",
        "request_id": "request_id|response_id",
        "ts": in_utc("request_created_at"),
        "provider": "provider",
        "model": "model_override|response_model|request_model|model",
        "requests": fixed("1"),
        "input_tokens": added("prompt_tokens", "prompt_audio_tokens"),
        "cached_input_tokens": "prompt_cache_read_tokens",
        "cache_write_tokens": "prompt_cache_write_tokens",
        "output_tokens": _output(),
        "reasoning_tokens": "reasoning_tokens",
        "status": sql(SUCCESS, "response_status"),
        "user": "request_user_id|helicone_user",
        "billed_cost": "costUSD|cost",
        "effective_cost": "costUSD|cost",
        "billed_currency": fixed("USD"),
        "route": "target_url",
        "tag": sql(
            "CASE WHEN starts_with({0}, '{{\"\"') THEN replace({0}, '\"\"', '\"') ELSE {0} END",
            "request_properties|properties",
        ),
    },
    m5="prompt_tokens leaves out what was read from and written to the cache, and audio, as Helicone's own pricing has it; "
    "completion_tokens the reasoning, unless the row's total says that it stands inside.",
)
