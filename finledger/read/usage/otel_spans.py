"""OpenTelemetry spans with gen_ai attributes: OTLP JSON (documents, or a document a line), or a flat span a line.

    resourceSpans | batches            a service, with its resource's attributes
      └─ scopeSpans[].spans[]          a span: ids, times, attributes [{key, value: {stringValue | intValue | …}}]

Every span is kept, with the calls and tokens it has, because one without any may be the root of a trace. A run of an agent, a
tool or a workflow is no call of a model: its requests are 0, and tokens that repeat its children's are an aggregate (C2).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from finledger.read.documents import Places
from finledger.read.header import fold
from finledger.read.usage._declared import Column, Reader, sql, unix

_CALLS = "'chat', 'text_completion', 'generate_content', 'embeddings', 'responses', 'completion', 'rerank'"
_NO_CALLS = "'invoke_agent', 'create_agent', 'invoke_workflow', 'execute_tool'"
_INPUT = "gen_ai.usage.input_tokens|gen_ai.usage.prompt_tokens"
_OUTPUT = "gen_ai.usage.output_tokens|gen_ai.usage.completion_tokens"
_OPERATION = "gen_ai.operation.name"
_START = "startTimeUnixNano|start_time"


def _named(*names: str) -> str:
    """An attribute of the span; where it has none, of the resource."""
    return "|".join([*names, *(f"resource.{name}" for name in names)])


_COLUMNS: dict[str, Column | str] = {
    "usage_id": sql("{0} || '-' || {1}", "traceId", "spanId"),
    "ts": unix(_START, "ns"),
    "team": _named("finledger.team", "team", "team.name"),
    "cost_center": _named("finledger.cost_center", "cost_center", "cost.center"),
    "feature": _named("finledger.feature", "feature"),
    "action": _named("finledger.action"),
    "environment": _named("deployment.environment.name", "deployment.environment"),
    "model": "gen_ai.response.model|gen_ai.request.model",
    "provider": "gen_ai.provider.name|gen_ai.system",
    "requests": sql(
        f"CASE WHEN {{0}} IN ({_CALLS}) THEN '1' "
        f"WHEN {{0}} IN ({_NO_CALLS}) OR ({{1}} IS NULL AND {{2}} IS NULL) THEN '0' ELSE '1' END",
        _OPERATION, _INPUT, _OUTPUT,
    ),
    "input_tokens": _INPUT,
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens|gen_ai.usage.cache_read_input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens|gen_ai.usage.cache_creation_input_tokens",
    "output_tokens": _OUTPUT,
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "status": "status",
    "user": "user.id",
    "end_user": "enduser.id",
    "prompt_id": "gen_ai.prompt.name",
    "trace_id": "traceId",
    "span_id": "spanId",
    "parent_span_id": "parentSpanId",
    "call_type": _OPERATION,
    "request_id": "gen_ai.response.id",
    "service": _named("service.name"),
    "namespace": _named("service.namespace", "k8s.namespace.name"),
    "cluster": _named("k8s.cluster.name"),
    "agent": "gen_ai.agent.name",
    "route": "http.route",
    "account": _named("cloud.account.id"),
    "region": _named("cloud.region"),
    "resource": _named("cloud.resource_id"),
    "service_tier": "openai.response.service_tier|gen_ai.openai.response.service_tier|openai.request.service_tier",
}  # fmt: skip
_OF_SPAN = {
    "startTimeUnixNano": ("startTimeUnixNano", "start_time_unix_nano"),
    "start_time": ("start_time", "startTime", "timestamp"),
}
_SCALARS = ("stringValue", "intValue", "doubleValue", "boolValue")
_HEX = frozenset("0123456789abcdef")
_KEPT = frozenset(
    fold(each.removeprefix("resource."))
    for column in _COLUMNS.values()
    for names in (column.names if isinstance(column, Column) else (column,))
    for each in names.split("|")
) - {fold(name) for name in ("traceId", "spanId", "parentSpanId", "status", "startTimeUnixNano", "start_time")}


def _flat(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A span with its own and its resource's attributes beside each other; a record that is no span is left empty."""
    context = record.get("context")
    held = {**context, **record} if isinstance(context, dict) else record
    trace, span, parent = (
        _id(next((held[name] for name in names if held.get(name)), None), size)
        for names, size in (
            (("traceId", "trace_id"), 16), (("spanId", "span_id"), 8), (("parentSpanId", "parent_span_id", "parent_id"), 8),
        )
    )  # fmt: skip
    listed = record.get("attributes")
    if listed is not None and not isinstance(listed, dict) and not _is_pairs(listed):
        yield {}  # what the span counted cannot be read
        return
    dotted = {name: value for name, value in record.items() if _is_kept(name)}
    if not (trace or span) or not ("attributes" in record or dotted or "startTimeUnixNano" in record):
        yield {}
        return
    flat: dict[str, Any] = {"traceId": trace, "spanId": span, "parentSpanId": parent, _OPERATION: None}
    for name, names in _OF_SPAN.items():
        flat[name] = next((held[each] for each in names if held.get(each) is not None), None)
    for outer in ("resourceSpans.resource", "batches.resource", "resource"):
        resource = record.get(outer)
        if isinstance(resource, dict):
            flat |= _of_resource(resource)
    flat |= dotted | _attributes(listed)
    flat["status"] = _status(record, flat)
    yield flat


@lru_cache(1 << 14)
def _is_kept(name: str) -> bool:
    return fold(name) in _KEPT


_last: tuple[dict[str, Any], dict[str, Any]] = ({}, {})


def _of_resource(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource's attributes; the spans of a batch share theirs, so that the last ones are kept."""
    global _last
    if _last[0] is not resource:
        found = _attributes(resource.get("attributes", resource))
        _last = (resource, {f"resource.{name}": value for name, value in found.items()})
    return _last[1]


def _attributes(listed: Any) -> dict[str, Any]:
    """Of a list of {key, value}, or a mapping, those that a column is made of."""
    if isinstance(listed, dict):
        return {name: value for name, value in listed.items() if _is_kept(name)}
    found = {}
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            name = each.get("key")
            if isinstance(name, str) and _is_kept(name):
                found[name] = _value(each.get("value"))
    return found


def _is_pairs(listed: Any) -> bool:
    return isinstance(listed, list) and all(isinstance(each, dict) and "key" in each for each in listed)


def _value(wrapped: Any) -> Any:
    """What an attribute holds; of a kind that is no scalar, the JSON of it, which no number passes for."""
    if not isinstance(wrapped, dict) or not wrapped:
        return None if isinstance(wrapped, dict) else wrapped
    for kind in _SCALARS:
        if kind in wrapped:
            return wrapped[kind]
    return json.dumps(wrapped, default=str)


def _id(text: Any, size: int) -> str | None:
    """An id in lower-case hexadecimal digits, whether it is written so, with 0x before it, or in base64; None for all zeros."""
    if not isinstance(text, str):
        return None
    plain = text.strip().lower().removeprefix("0x")
    if len(text) == -(-size // 3) * 4 and not _HEX.issuperset(plain):
        try:
            plain = base64.b64decode(text, validate=True).hex()
        except binascii.Error:
            plain = text
    return plain if plain.strip("0") else None


def _status(record: Mapping[str, Any], flat: Mapping[str, Any]) -> str | None:
    status = record.get("status")
    code = (
        next((status[name] for name in ("code", "status_code") if name in status), "")
        if isinstance(status, dict)
        else status
    )
    word = str(code or "").upper().removeprefix("STATUS_CODE_")
    failed = word in ("2", "ERROR") or flat.get("error.type")
    return "error" if failed else "ok" if word in ("1", "OK") else None


READER = Reader(
    title="OpenTelemetry spans with gen_ai attributes (OTLP JSON, JSON lines)",
    grain="request",
    needs=("traceId", "spanId", _START, f"{_OPERATION}|{_INPUT}"),
    places=Places(
        ("resourceSpans|batches[].scopeSpans|instrumentationLibrarySpans[].spans[]", ""),
        ("resourceSpans.resource", "batches.resource"),
        _flat,
    ),
    columns=_COLUMNS,
    includes=("cached_input_tokens", "cache_write_tokens"),
    m5="`gen_ai.usage.input_tokens` includes cache reads and cache creation, and output includes reasoning, as the conventions say.",
)
