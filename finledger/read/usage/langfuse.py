"""Langfuse observations: the API's answer or lines (JSON), the blob storage export (CSV, JSON lines, Parquet).

Every observation is kept, as a trace's root may be one that is no call; only generations and embeddings count as requests.
The keys of `usageDetails` are the sender's own: one that speaks of input is input, unless it speaks of the cache. Usage with
nothing but a total is refused, because nobody can say what it was (M5), and so are tokens under a key that says neither. What is
counted in no tokens (characters, searches) is left out, also of a total that Langfuse made of all keys. The cost is Langfuse's own
estimate, or the sender's, in USD.
"""

from __future__ import annotations

import itertools

from finledger.read.documents import Places
from finledger.read.usage._declared import Column, Reader, fixed, sql
from finledger.read.usage._in_utc import in_utc

# ClickHouse writes a map in CSV with single quotes
_MAP = "CASE WHEN json_valid(@) THEN @ WHEN json_valid(replace(@, '''', '\"')) THEN replace(@, '''', '\"') END"
_READ = "(contains(KEY, 'cache_read') OR contains(KEY, 'cached'))"
_WRITE = "(contains(KEY, 'cache_creation') OR contains(KEY, 'cache_write'))"
_REASONING = "(contains(KEY, 'reasoning') OR contains(KEY, 'thoughts'))"
_INPUT = f"((contains(KEY, 'input') OR contains(KEY, 'prompt')) AND NOT {_READ} AND NOT {_WRITE})"
_ANSWERED = "regexp_matches(KEY, 'output|completion|candidates')"  # the last is Gemini's
_OUTPUT = f"({_ANSWERED} AND NOT {_REASONING} AND NOT {_INPUT} AND NOT {_READ} AND NOT {_WRITE})"
_TOTAL = "KEY IN ('total', 'total_tokens', 'totaltokens', 'totaltokencount', 'total_token_count')"


_BUCKETS = {
    "@input": _INPUT,
    "@read": _READ,
    "@write": _WRITE,
    "@output": _OUTPUT,
    "@reasoning": _REASONING,
    "@total": _TOTAL,
}
_OTHER = f"NOT ({' OR '.join(_BUCKETS.values())})"

# Usage as nearly all is: whole numbers by keys that are known, no two of them of one bucket.
_USUAL = {
    "@input": ("input", "input_tokens", "prompt_tokens"),
    "@read": ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens"),
    "@write": ("input_cache_creation", "cache_creation_input_tokens"),
    "@output": ("output", "output_tokens", "completion_tokens"),
    "@reasoning": ("output_reasoning_tokens", "output_reasoning"),
    "@total": ("total", "total_tokens"),
}
_COUNT = "[''\"][a-z_]+[''\"]: ?(0|[1-9][0-9]{0,16})"
_FLAT = f"[{{]({_COUNT}(, ?{_COUNT})*)?[}}]"


def _in_template(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}").replace("@", "{0}")


def _known() -> Column:
    """The counts of the known keys of a map of whole numbers; NULL of another."""
    paths = ", ".join(f"'$.{key}'" for keys in _USUAL.values() for key in keys)
    read = f"json_extract_string(replace(@, '''', '\"'), [{paths}])"
    return sql(_in_template(f"CASE WHEN regexp_full_match(@, '{_FLAT}') THEN {read} END"), "usageDetails")


def _one(bucket: str) -> Column:
    """The count of the bucket's known keys."""
    first = 1 + sum(len(keys) for keys in itertools.takewhile(lambda keys: keys != _USUAL[bucket], _USUAL.values()))
    return sql(f"coalesce({', '.join(f'{{0}}[{first + n}]' for n in range(len(_USUAL[bucket])))})", "@known")


def _usual() -> Column:
    """Whether every key of the map is a known one, and the only one of its bucket."""
    counted = " + ".join(f"CAST({{{number}}} IS NOT NULL AS INTEGER)" for number in range(2, 2 + len(_USUAL)))
    keys = "length({1}) - length(replace({1}, ':', ''))"
    return sql(f"{{0}} IS NOT NULL AND {counted} = {keys}", "@known", "usageDetails", *(f"{each} known" for each in _USUAL))


def _entries() -> Column:
    """The counts of any other usage map with their keys in lower case, empty ones left out; NULL where it is no map."""
    entries = f"TRY(map_entries(CAST(CAST({_MAP} AS JSON) AS MAP(VARCHAR, VARCHAR))))"
    found = _in_template(f"list_filter({entries}, lambda e: e.value IS NOT NULL)")
    return sql(f"CASE WHEN NOT {{1}} THEN {found} END", "usageDetails", "@usual")


def _values(condition: str) -> Column:
    """The counts whose key is meant."""
    chosen = condition.replace("KEY", "lower(e.key)")
    found = f"list_transform(list_filter({{0}}, lambda e: {chosen}), lambda e: e.value)"
    return sql(f"CASE WHEN {{0}} IS NOT NULL THEN {found} END", "@entries")


def _unread() -> Column:
    """Tokens under a key of no bucket, with the key."""
    chosen = f"{_OTHER} AND contains(KEY, 'token') AND e.value NOT IN ('0', '')".replace("KEY", "lower(e.key)")
    found = f"list_transform(list_filter({{0}}, lambda e: {chosen}), lambda e: e.value || ' in ' || e.key)"
    return sql(f"CASE WHEN {{0}} IS NOT NULL THEN {found} END", "@entries")


_SUM = (
    "CASE len({0}) WHEN 0 THEN NULL WHEN 1 THEN {0}[1] ELSE CASE "
    "WHEN len(list_filter({0}, lambda v: NOT regexp_full_match(v, '[0-9]{{1,17}}'))) = 0 "
    "THEN CAST(list_sum(list_transform({0}, lambda v: TRY_CAST(v AS BIGINT))) AS VARCHAR) ELSE array_to_string({0}, ' + ') END END"
)


def _sum(bucket: str) -> Column:
    """The sum of those counts; where one is no whole number, a text that is none either."""
    return sql(f"CASE WHEN {{1}} THEN {{2}} ELSE {_SUM} END", bucket, "@usual", f"{bucket} known")


def _input() -> Column:
    """The sum of the input's counts; what the map is, where it is none."""
    return sql(
        f"CASE WHEN {{3}} THEN {{4}} WHEN {{1}} IS NOT NULL AND {{2}} IS NULL THEN {{1}} "
        f"WHEN len({{5}}) > 0 AND len({{6}}) = 0 THEN array_to_string({{5}}, ' + ') ELSE {_SUM} END",
        "@input", "usageDetails", "@entries", "@usual", "@input known", "@unread", "@total",
    )  # fmt: skip


def _total() -> Column:
    """The sender's own sum of the tokens. Langfuse makes one of all keys where there is none, also of those that count no tokens."""
    numbers = ", ".join(f"{{{number}}}" for number in range(3, 3 + len(_BUCKETS)))
    every = f"list_sum(list_transform(flatten([{numbers}]), lambda v: TRY_CAST(v AS HUGEINT)))"
    other = "list_sum(list_transform({3}, lambda v: TRY_CAST(v AS HUGEINT)))"
    less = f"len({{0}}) = 1 AND len({{3}}) > 0 AND TRY_CAST({{0}}[1] AS HUGEINT) = {every}"
    return sql(
        f"CASE WHEN {{1}} THEN {{2}} WHEN {less} THEN CAST(TRY_CAST({{0}}[1] AS HUGEINT) - {other} AS VARCHAR) ELSE {_SUM} END",
        "@total", "@usual", "@total known", "@other", *(name for name in _BUCKETS if name != "@total"),
    )  # fmt: skip


def _cost() -> Column:
    costs = _MAP.replace("{", "{{").replace("}", "}}").replace("@", "{1}")
    found = f"CASE WHEN {{1}} <> '{{{{}}}}' THEN json_extract_string({costs}, '$.total') END"
    return sql(f"coalesce({{0}}, {found})", "totalCost|calculatedTotalCost", "costDetails")


READER = Reader(
    title="Langfuse observations (JSON, JSON lines, CSV, Parquet)",
    grain="request",
    needs=("id", "traceId", "type", "startTime", "usageDetails"),
    places=Places(("", "data[]")),
    steps={
        "@known": _known(),
        **{f"{name} known": _one(name) for name in _USUAL},
        "@usual": _usual(),
        "@entries": _entries(),
        **{name: _values(condition) for name, condition in _BUCKETS.items()},
        "@other": _values(_OTHER),
        "@unread": _unread(),
    },
    columns={
        "usage_id": "id",
        "request_id": "id",
        "ts": in_utc("startTime"),
        "model": "model|providedModelName",
        "requests": sql("CASE WHEN upper({0}) IN ('GENERATION', 'EMBEDDING') THEN '1' ELSE '0' END", "type"),
        "input_tokens": _input(),
        "cached_input_tokens": _sum("@read"),
        "cache_write_tokens": _sum("@write"),
        "output_tokens": _sum("@output"),
        "reasoning_tokens": _sum("@reasoning"),
        "status": sql("CASE WHEN upper({0}) = 'ERROR' THEN 'error' WHEN {0} IS NOT NULL THEN 'success' END", "level"),
        "environment": "environment",
        "user": "userId",
        "prompt_id": "promptId|promptName",
        "trace_id": "traceId",
        "span_id": "id",
        "parent_span_id": "parentObservationId",
        "billed_cost": _cost(),
        "effective_cost": _cost(),
        "billed_currency": fixed("USD"),
        "call_type": "type",
        "route": "traceName|name",
        "project": "projectId",
        "agent": sql("CASE WHEN upper({0}) = 'AGENT' THEN {1} END", "type", "name"),
        "service_tier": "usagePricingTierName",
        "tag": "tags",
    },
    reasoning="beside",
    total=_total(),
    told=("promptTokens", "completionTokens"),
    m5="the keys of usageDetails do not overlap: cached, written and reasoning tokens stand beside input and output; where "
    "the sender's own total is not the keys together, the row is refused.",
)
