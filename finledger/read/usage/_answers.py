"""Providers' ordinary answers in SQL: what `_flat` (provider_responses.py) makes of a record, without a step through Python.

Ordinary is a record with one body in another at most (`response.body`), one usage block of a known kind in whole numbers, an id, and
no error. Of any other `flat` is NULL, and Python makes it: streams of several blocks, failures, answers without an id, whatever
is wrong. Both agree where both apply (tests/laws/test_answers.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from finledger.read.columns import literal, over, quoted
from finledger.read.header import texts_in
from finledger.read.usage._streams import HOLDING

NAMES = (
    "id", "time", "model", "provider", "request_id", "service_tier", "organization", "call_type", "region", "requests", "status",
    "team", "project", "api_key", "user", "usage_block", "input", "cached", "written", "output", "reasoning", "total",
)  # fmt: skip
HTTP_DATE = r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT"
ADDRESS = "address_of_answer"  # the function of an address: provider, model, call and region, with chr(31) between them
_HOLDING = (*HOLDING, "billed_units")
_INNER = ("response", "body", "modelOutput", "result")
_TIMES = ("timestamp", "created_at", "created", "createTime", "create_time", "date", "time", "start_time")
_FIELDS = (
    "uri", "url", "request_url", "response_model", "model", "modelVersion", "model_version", "modelId", "request_model",
    "response_id", "responseId", "id", "request_id", "requestId", *_TIMES, "provider", "service_tier", "openai_organization",
    "organization", "status_code", "error", "team", "project", "api_key", "user",
)  # fmt: skip
_COUNTS = (
    "promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount",
    "totalTokenCount", "inputTokens", "inputTokenCount", "outputTokens", "outputTokenCount", "cacheReadInputTokens",
    "cacheReadInputTokenCount", "cacheWriteInputTokens", "cacheWriteInputTokenCount", "prompt_tokens", "completion_tokens",
    "total_tokens", "prompt_cache_hit_tokens", "input_tokens", "output_tokens", "cache_read_input_tokens",
    "cache_creation_input_tokens", "cached_tokens", "num_cached_tokens",
)  # fmt: skip
_DETAILS = {
    "prompt_tokens_details": ("cached_tokens", "cache_creation_tokens", "cache_write_tokens"),
    "prompt_token_details": ("cached_tokens",),
    "completion_tokens_details": ("reasoning_tokens",),
    "input_tokens_details": ("cached_tokens", "cache_write_tokens", "cache_creation_tokens"),
    "output_tokens_details": ("reasoning_tokens",),
    "billed_units": ("input_tokens", "output_tokens"),
}
_BLOCK = (*_COUNTS, "service_tier")
_IN_BLOCK = (*_DETAILS, "cache_creation", *_HOLDING[:-1])
_WRITTEN_AS_JSON = (*_HOLDING, *_INNER)
_READ, _WRITTEN = "cacheReadInputTokens|cacheReadInputTokenCount", "cacheWriteInputTokens|cacheWriteInputTokenCount"
_CONVERSE = {"cached": _READ, "written": _WRITTEN, "output": "outputTokens|outputTokenCount"}
# by the kind of block: of which counts each of ours is the sum; the first kind that a block has is its kind
KINDS = {
    "billed_units": {"input": "billed_units.input_tokens", "output": "billed_units.output_tokens"},
    "promptTokenCount": {
        "input": "promptTokenCount+toolUsePromptTokenCount", "cached": "cachedContentTokenCount",
        "output": "candidatesTokenCount+thoughtsTokenCount", "reasoning": "thoughtsTokenCount", "total": "totalTokenCount",
    },
    "inputTokens": {"input": f"inputTokens+{_READ}+{_WRITTEN}", **_CONVERSE},
    "inputTokenCount": {"input": f"inputTokenCount+{_READ}+{_WRITTEN}", **_CONVERSE},
    "prompt_tokens": {
        "input": "prompt_tokens", "output": "completion_tokens", "total": "total_tokens",
        "cached": "prompt_tokens_details.cached_tokens|prompt_token_details.cached_tokens|prompt_cache_hit_tokens|"
                  "cache_read_input_tokens|cached_tokens|num_cached_tokens",
        "written": "prompt_tokens_details.cache_creation_tokens|prompt_tokens_details.cache_write_tokens|cache_creation_input_tokens",
        "reasoning": "completion_tokens_details.reasoning_tokens",
    },
    "input_tokens": {
        "input": "input_tokens+cache_read_input_tokens+cache_creation_input_tokens", "cached": "cache_read_input_tokens",
        "written": "cache_creation_input_tokens", "output": "output_tokens",
    },
    "total_tokens": {"input": "total_tokens"},
    "of responses": {
        "input": "input_tokens", "output": "output_tokens", "total": "total_tokens",
        "cached": "input_tokens_details.cached_tokens", "reasoning": "output_tokens_details.reasoning_tokens",
        "written": "input_tokens_details.cache_write_tokens|input_tokens_details.cache_creation_tokens",
    },
}  # fmt: skip
Level = list[tuple[str, str]]


def ordinary(lines: str, valid: str) -> str:
    """A query of the lines with `flat`, a record of NAMES. `valid`: SQL of whether a line that begins as an object does is JSON."""
    return over(lines, (*_opened(valid), *_looked(), *_settled()))


def _opened(valid: str) -> list[Level]:
    """The fields of the record `r` and of what lies in it, one in the other: `f` has the first of each that is filled."""
    comma = "contains(line, ',}') OR contains(line, ',]')"  # DuckDB reads a comma too many
    whole = f"starts_with(line, '{{') AND {valid} AND NOT ({comma})"
    message = "json_extract(CASE WHEN starts_with(r.result, '{') THEN r.result END, '$.message')"
    inner = [_object(f"r.{name}") for name in _INNER[:-1]] + [_object(message)]
    first = ", ".join(
        [f"{quoted(name)} := {_full(*(f'{level}.{quoted(name)}' for level in 'rnb'))}" for name in _FIELDS]
        + [
            f"{quoted(name)} := coalesce({', '.join(f'{level}.{quoted(name)}' for level in 'rnb')})"
            for name in _WRITTEN_AS_JSON
        ]
    )
    # a request of a batch that ended without an answer is none
    ended = f"CASE WHEN starts_with(r.result, '{{') AND {message} IS NULL THEN 2 ELSE 0 END"
    held = [_number_filled(f"{level}.{quoted(name)}" for name in _HOLDING) for level in "rnb"]
    return [
        [("r", f"CASE WHEN {whole} THEN {texts_in('line', _FIELDS, _WRITTEN_AS_JSON)} END")],
        [("inside", f"coalesce({', '.join(inner)})"), ("bodies", f"{_number_filled(inner)} + {ended}")],
        [("n", f"CASE WHEN inside IS NOT NULL THEN {texts_in('inside', _FIELDS, _WRITTEN_AS_JSON)} END")],
        [("b", f"CASE WHEN starts_with(n.body, '{{') THEN {texts_in('n.body', _FIELDS, _WRITTEN_AS_JSON)} END")],
        [
            ("f", f"CASE WHEN inside IS NULL THEN r ELSE struct_pack({first}) END"),
            ("own", f"CASE WHEN inside IS NULL THEN {_full('r.id')} ELSE {_full('b.id', 'n.id', 'r.id')} END"),
            ("held", f"{held[0]} + CASE WHEN inside IS NULL THEN 0 ELSE {held[1]} + {held[2]} END"),
        ],
    ]  # fmt: skip


def _looked() -> list[Level]:
    """The usage block, as it is or the only one of a list, and its fields `c`; and what was called, and when."""
    block = {**dict.fromkeys(_BLOCK, "VARCHAR"), **dict.fromkeys(_IN_BLOCK, "JSON")}
    shape = {**dict.fromkeys(_HOLDING[1:], "JSON"), "usage": block}
    listed = f"from_json(u, {literal(json.dumps([shape]))})"
    other = ", ".join(f"l[1].{quoted(name)}" for name in _HOLDING[1:])
    alone = f"len(l) = 1 AND coalesce({other}) IS NULL"
    taken = (
        f"CASE WHEN l IS NOT NULL THEN CASE WHEN {alone} THEN l[1].usage END "
        f"WHEN starts_with(u, '{{') THEN {texts_in('u', _BLOCK, _IN_BLOCK)} END"
    )
    return [
        [
            ("u", f"CASE WHEN held = 1 AND bodies < 2 THEN coalesce({', '.join(f'f.{quoted(name)}' for name in _HOLDING[:-1])}) END"),
            ("uri", _first("uri", "url", "request_url")),
            ("stamp", _first(*_TIMES)),
        ],
        [
            ("called", f"string_split({ADDRESS}(uri), chr(31))"),
            ("l", f"CASE WHEN starts_with(u, '[{{\"usage\":{{') THEN {listed} END"),
        ],
        [("c", taken)],
        [
            (name, f"CASE WHEN starts_with(c.{name}, '{{') THEN {texts_in(f'c.{name}', inner)} END")
            for name, inner in _DETAILS.items()
        ],
    ]  # fmt: skip


def _settled() -> list[Level]:
    """`kind` of the block, where all of it is ordinary, and `flat`."""
    counts = [*_COUNTS, *(f"{name}.{field}" for name, fields in _DETAILS.items() for field in fields)]
    numbers = f"concat_ws(',', {', '.join(map(_count, counts))})"
    details = " AND ".join(f"coalesce(starts_with(c.{name}, '{{'), true)" for name in _DETAILS)
    nested = f"coalesce({', '.join(f'c.{quoted(name)}' for name in _HOLDING[:-1])}) IS NULL"
    responses = "c.input_tokens_details IS NOT NULL OR c.total_tokens IS NOT NULL"
    kinds = " ".join(
        f"WHEN c.{name} IS NOT NULL THEN "
        + (f"CASE WHEN {responses} THEN 'of responses' ELSE 'input_tokens' END" if name == "input_tokens" else literal(name))
        for name in KINDS if name != "of responses"
    )  # fmt: skip
    summed = "list_sum(CAST(regexp_extract_all(c.cache_creation, ': ?([0-9]+)', 1) AS BIGINT[]))"
    plain = r"regexp_full_match(c.cache_creation, '\{(\"[a-z0-9_]+\": ?[0-9]{1,18}(, ?)?)*\}')"
    lifetimes = f"c.cache_creation IS NULL OR CASE WHEN {plain} THEN {summed} <= TRY_CAST(c.cache_creation_input_tokens AS BIGINT) END"
    whole = f"regexp_full_match({numbers}, '[0-9]{{1,18}}(,[0-9]{{1,18}})*') AND {details} AND {nested} AND ({lifetimes})"
    id = f"coalesce({_first('response_id', 'responseId')}, own, {_first('request_id', 'requestId')})"
    # DuckDB reads a time with decimals as a float, and writes what should be a text and is none in another way
    odd = " OR ".join(
        f"coalesce({each}, false)"
        for each in (
            "contains(stamp, '.') AND NOT contains(stamp, ':')",
            "uri[1] IN ('{', '[')",
            "f.status_code[1] IN ('{', '[')",
        )
    )
    return [
        [("kind", f"CASE WHEN {whole} AND f.error IS NULL AND NOT ({odd}) THEN CASE {kinds} END END"), ("named", id)],
        [("flat", f"CASE WHEN kind IS NOT NULL AND named NOT IN ('0', 'false', '[]', '{{}}') THEN {_flat()} END")],
    ]


def _flat() -> str:
    known, model_there, call, region = (f"nullif(called[{n}], '')" for n in range(1, 5))
    model, status = (
        _first("response_model", "model", "modelVersion", "model_version", "modelId", "request_model"),
        _first("status_code"),
    )
    iso = "strftime(try_strptime(stamp, '%a, %d %b %Y %H:%M:%S GMT'), '%Y-%m-%dT%H:%M:%SZ')"
    texts = {
        "id": "named",
        "time": f"CASE WHEN ends_with(stamp, ' GMT') AND regexp_full_match(stamp, '{HTTP_DATE}') THEN coalesce({iso}, stamp) "
                "ELSE stamp END",
        "model": f"CASE WHEN {region} IS NULL THEN coalesce({model}, {model_there}) ELSE coalesce({model_there}, {model}) END",
        "provider": f"coalesce({_first('provider')}, {known}, "
                    "CASE kind WHEN 'promptTokenCount' THEN 'gemini' WHEN 'billed_units' THEN 'cohere' END)",
        "request_id": _first("request_id", "requestId"),
        "service_tier": f"coalesce({_first('service_tier')}, CASE WHEN kind <> 'billed_units' THEN c.service_tier END)",
        "organization": _first("openai_organization", "organization"),
        "call_type": call,
        "region": region,
        "requests": "'1'",
        "status": f"CASE WHEN NOT starts_with({status}, '2') THEN {status} END",
        **{name: _first(name) for name in ("team", "project", "api_key", "user")},
        "usage_block": "kind",
        **{name: _bucket(name) for name in ("input", "cached", "written", "output", "reasoning", "total")},
    }  # fmt: skip
    return f"struct_pack({', '.join(f'{quoted(name)} := {texts[name]}' for name in NAMES)})"


def _bucket(name: str) -> str:
    ways = " ".join(f"WHEN {literal(kind)} THEN {_sum(way[name])}" for kind, way in KINDS.items() if name in way)
    return f"CASE kind {ways} END"


def _sum(way: str) -> str:
    """`a|b+c`: the first of a and b that is there, and c; NULL where neither is."""
    parts = [f"coalesce({', '.join(map(_count, part.split('|')))})" for part in way.split("+")]
    if len(parts) == 1:
        return parts[0]
    numbers = " + ".join(f"coalesce(TRY_CAST({part} AS BIGINT), 0)" for part in parts)
    return f"CASE WHEN coalesce({', '.join(parts)}) IS NOT NULL THEN CAST({numbers} AS VARCHAR) END"


def _count(path: str) -> str:
    return path if "." in path else f"c.{path}"


def _first(*names: str) -> str:
    return _full(*(f"f.{quoted(name)}" for name in names))


def _full(*texts: str) -> str:
    return f"coalesce({', '.join(f'''nullif({text}, '')''' for text in texts)})"


def _object(text: str) -> str:
    return f"CASE WHEN starts_with({text}, '{{') THEN {text} END"


def _number_filled(texts: Iterable[str]) -> str:
    return " + ".join(f"CASE WHEN {text} IS NULL THEN 0 ELSE 1 END" for text in texts)
