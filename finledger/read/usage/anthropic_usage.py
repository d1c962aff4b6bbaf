"""Anthropic's usage API: pages of /usage_report/messages, one file or many (JSON, JSON lines), or its results with their bucket's
times beside them (also CSV).

It counts no requests, so that actions with a published price cannot be charged from it: price its actions `metered`.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Column, Reader, added, fixed

_WRITTEN = added("cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens")


def _cache_writes() -> Column:
    """Both lifetimes of a cache write; where tokens stand under another, a text that is refused and not free."""
    made, known = "{2}", ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    others = made
    for name in known:
        others = f"replace({others}, '\"{name}\"', '')"
    whole = f"CASE WHEN json_valid({made}) THEN {made} END"
    value = f"json_extract_string({whole}, '/' || name)"
    unread = f"lambda name: name NOT IN {known} AND coalesce({value}, '0') NOT IN ('0', '')"
    told = f"list_transform(list_filter(json_keys({whole}), {unread}), lambda name: {value} || ' in ' || name)"
    refused = f"nullif(array_to_string({told}, ' + '), '')"
    return Column(
        (*_WRITTEN.names, "cache_creation"),
        f"CASE WHEN contains({others}, '\"') AND json_type({whole}) = 'OBJECT' "
        f"THEN coalesce({refused}, {_WRITTEN.template}) ELSE {_WRITTEN.template} END",
    )


_START, _END = "data.starting_at|starting_at", "data.ending_at|ending_at"
READER = Reader(
    title="Anthropic usage API, pages of buckets (JSON, JSON lines, CSV)",
    grain="report",
    needs=(_START, "uncached_input_tokens", "output_tokens"),
    lacks=("results",),
    places=Places(("data[].results[]", "results[]", "")),
    bucket="starting_at",
    key=(
        _START, _END, "api_key_id", "workspace_id", "account_id", "service_account_id", "model", "service_tier",
        "context_window", "inference_geo", "speed",
    ),
    columns={
        "ts": _START,
        "provider": fixed("anthropic"),
        "call_type": fixed("messages"),
        "model": "model",
        "requests": fixed("0"),
        "input_tokens": "uncached_input_tokens",
        "cached_input_tokens": "cache_read_input_tokens",
        "cache_write_tokens": _cache_writes(),
        "output_tokens": "output_tokens",
        "workspace": "workspace_id",
        "api_key": "api_key_id",
        "user": "account_id|service_account_id",
        "service_tier": "service_tier",
        "region": "inference_geo",
    },
    m5="input, cache reads and cache writes stand apart; both lifetimes of a cache write are one bucket; thinking is in the output.",
)  # fmt: skip
