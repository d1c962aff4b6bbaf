"""OpenTelemetry spans with gen_ai, OpenInference or AI SDK attributes: OTLP JSON (documents, or a document a line), or a span a line.

    resourceSpans | batches            a service, with its resource's attributes
      └─ scopeSpans[].spans[]          a span: ids, times, attributes [{key, value: {stringValue | intValue | …}}]
    data[].spans[]                     Jaeger's: tags [{key, value}], and of which of the trace's processes it is

Every span is kept, with the calls and tokens it has, because one without any may be the root of a trace. A run of an agent, a
tool or a workflow is no call of a model: its requests are 0, and tokens that repeat its children's are an aggregate (C2).
A span whose tokens stand under names that are none of these is refused: read as 0, they would be free.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from finledger.read.columns import one_of
from finledger.read.documents import Places
from finledger.read.header import fold
from finledger.read.unread import is_count
from finledger.read.usage._declared import Column, Reader, sql, unix

_CALLS = (
    "chat", "text_completion", "generate_content", "embeddings", "responses", "completion", "rerank",
    "LLM", "EMBEDDING", "RERANKER",
    "ai.generateText.doGenerate", "ai.streamText.doStream", "ai.generateObject.doGenerate", "ai.streamObject.doStream",
    "ai.embed.doEmbed", "ai.embedMany.doEmbed",
)  # fmt: skip
_NO_CALLS = (
    "invoke_agent", "create_agent", "invoke_workflow", "execute_tool",
    "AGENT", "CHAIN", "TOOL", "RETRIEVER", "GUARDRAIL", "EVALUATOR", "PROMPT",
    "ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject", "ai.embed", "ai.embedMany", "ai.toolCall",
)  # fmt: skip
_INPUT = (
    "gen_ai.usage.input_tokens|gen_ai.usage.prompt_tokens|llm.token_count.prompt|ai.usage.inputTokens|ai.usage.promptTokens"
    "|ai.usage.tokens"
)
_OUTPUT = (
    "gen_ai.usage.output_tokens|gen_ai.usage.completion_tokens|llm.token_count.completion|ai.usage.outputTokens"
    "|ai.usage.completionTokens"
)
_CACHED = (
    "gen_ai.usage.cache_read.input_tokens|gen_ai.usage.cache_read_input_tokens|gen_ai.usage.cache_read_tokens"
    "|gen_ai.usage.cached_input_tokens|gen_ai.usage.cached_tokens|gen_ai.usage.details.cache_read_tokens"
    "|gen_ai.usage.details.cache_read_input_tokens|gen_ai.usage.details.cached_tokens|gen_ai.usage.prompt_tokens_details.cache_read"
    "|gen_ai.usage.prompt_tokens_details.cached_tokens|gen_ai.usage.input_tokens_details.cached_tokens"
    "|gen_ai.usage.input_token_details->cache_read|llm.usage.cache_read_input_tokens"
    "|llm.token_count.prompt_details.cache_read|ai.usage.cachedInputTokens|ai.usage.inputTokenDetails.cacheReadTokens"
)
_CACHE_WRITES = (
    "gen_ai.usage.cache_creation.input_tokens|gen_ai.usage.cache_write.input_tokens|gen_ai.usage.cache_creation_input_tokens"
    "|gen_ai.usage.cache_write_input_tokens|gen_ai.usage.cache_creation_tokens|gen_ai.usage.cache_write_tokens"
    "|gen_ai.usage.details.cache_write_tokens|gen_ai.usage.details.cache_creation_input_tokens"
    "|gen_ai.usage.prompt_tokens_details.cache_write|gen_ai.usage.input_token_details->cache_creation"
    "|llm.usage.cache_creation_input_tokens|llm.token_count.prompt_details.cache_write|ai.usage.inputTokenDetails.cacheWriteTokens"
)
_REASONING = (
    "gen_ai.usage.reasoning.output_tokens|gen_ai.usage.reasoning_tokens|gen_ai.usage.details.reasoning_tokens"
    "|gen_ai.usage.completion_tokens_details.reasoning|gen_ai.usage.completion_tokens_details.reasoning_tokens"
    "|gen_ai.usage.output_tokens_details.reasoning_tokens|gen_ai.usage.output_token_details->reasoning|llm.usage.reasoning_tokens"
    "|llm.token_count.completion_details.reasoning|ai.usage.reasoningTokens|ai.usage.outputTokenDetails.reasoningTokens"
)
_TOTAL = "gen_ai.usage.total_tokens|llm.usage.total_tokens|llm.token_count.total|ai.usage.totalTokens"
_OPERATION = "gen_ai.operation.name|openinference.span.kind|ai.operationId"
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
    "model": "gen_ai.response.model|gen_ai.request.model|llm.model_name|embedding.model_name|ai.response.model|ai.model.id",
    "provider": "gen_ai.provider.name|gen_ai.system|llm.provider|llm.system|ai.model.provider",
    "requests": sql(
        f"CASE WHEN {one_of('{0}', _CALLS)} THEN '1' "
        f"WHEN {one_of('{0}', _NO_CALLS)} OR ({{1}} IS NULL AND {{2}} IS NULL) THEN '0' ELSE '1' END",
        _OPERATION, _INPUT, _OUTPUT,
    ),
    "input_tokens": _INPUT,
    "cached_input_tokens": _CACHED,
    "cache_write_tokens": _CACHE_WRITES,
    "output_tokens": _OUTPUT,
    "reasoning_tokens": _REASONING,
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
    "start_time": ("start_time", "startTime", "start_timestamp", "timestamp"),
}
_RESOURCE = "resourceSpans.resource"
_RESOURCES = ("batches.resource", "trace.resource", "resource", "otel_resource_attributes")
_ALSO_NAMED = {  # by Sentry: a dot below a name that is a count itself would be looked for inside that count
    "gen_ai.usage.input_tokens.cached": "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens.cache_write": "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.output_tokens.reasoning": "gen_ai.usage.reasoning.output_tokens",
}
_UNREAD_COUNT = re.compile(r"token.?usage|token.?count|usage.*tokens?\b|usage.?details", re.I)
_COUNTED = re.compile("token|usage", re.I)
_OF_RUN = "gen_ai.aggregated_usage."  # what the calls below an agent's run used, told once more (Pydantic AI)
_COUNTS = frozenset(f"{_INPUT}|{_OUTPUT}".split("|"))
_SCALARS = ("stringValue", "intValue", "doubleValue", "boolValue")
_NAMES = 1 << 14
_HEX = frozenset("0123456789abcdef")
_PLAIN = {
    each.removeprefix("resource.").partition("->")[0]
    for column in (*_COLUMNS.values(), _TOTAL)
    for names in (column.names if isinstance(column, Column) else (column,))
    for each in names.split("|")
}
_KEPT = frozenset(map(fold, _PLAIN)) - {
    fold(name) for name in ("traceId", "spanId", "parentSpanId", "status", "startTimeUnixNano", "start_time")
}
_INSIDE = [(outer, inner) for inner in sorted(_PLAIN) for outer in sorted(_PLAIN) if inner.startswith(f"{outer}.")]


def _flat(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A span with its own and its resource's attributes beside each other; a record that is no span is left empty."""
    if "processID" in record:
        record = _of_jaeger(record)
    context = record.get("context")
    held = {**context, **record} if isinstance(context, dict) else record
    # written out, not looped over: of millions of spans this takes longest
    trace = _id(held.get("traceId") or held.get("trace_id"), 16)
    span = _id(held.get("spanId") or held.get("span_id"), 8)
    parent = _id(held.get("parentSpanId") or held.get("parent_span_id") or held.get("parent_id"), 8)
    listed = record.get("attributes")
    if not (listed is None or isinstance(listed, dict) or _is_pairs(listed)):
        yield {}  # what the span counted cannot be read
        return
    dotted = {_read_as[name]: value for name, value in record.items() if _read_as[name]}
    if not (trace or span) or not ("attributes" in record or dotted or "startTimeUnixNano" in record):
        yield {}
        return
    flat: dict[str, Any] = {"traceId": trace, "spanId": span, "parentSpanId": parent, "gen_ai.operation.name": None}
    flat["startTimeUnixNano"] = start = held.get("startTimeUnixNano")
    flat["start_time"] = None
    for name, names in _OF_SPAN.items() if start is None else ():
        for each in names:
            if held.get(each) is not None:
                flat[name] = held[each]
                break
    for outer in (_RESOURCE,) if _RESOURCE in record else _RESOURCES:
        resource = record.get(outer)
        if isinstance(resource, dict):
            flat |= _of_resource(resource)
    flat |= dotted
    flat |= _attributes(listed)
    if _COUNTS.isdisjoint(flat):
        flat |= _uncounted(listed)
    if _read_as.empty:
        flat = {**_read_as.empty, **flat}
    flat["status"] = _status(record, flat)
    yield flat


def _of_jaeger(record: dict[str, Any]) -> dict[str, Any]:
    """A span as Jaeger's API writes it: its time in microseconds, attributes as tags, its resource among the trace's processes."""
    trace, start = record.get("traceID"), record.get("startTime")
    parents = [
        each.get("spanID")
        for each in record.get("references") or ()
        if isinstance(each, dict) and each.get("refType") == "CHILD_OF" and each.get("traceID") == trace
    ]
    tags = record.get("tags")
    said = {each.get("key"): each.get("value") for each in tags if isinstance(each, dict)} if isinstance(tags, list) else {}
    processes = record.get("data.processes")
    process = processes.get(record["processID"]) if isinstance(processes, dict) else None
    found = {
        "traceId": trace,
        "spanId": record.get("spanID"),
        "parentSpanId": parents[0] if parents else record.get("parentSpanID"),
        "startTimeUnixNano": start * 1000 if isinstance(start, int) else start,
        "attributes": tags,
        "status": said.get("otel.status_code") or ("ERROR" if said.get("error") in (True, "true") else None),
    }
    if isinstance(process, dict):
        service = [{"key": "service.name", "value": process.get("serviceName")}]
        found["resource"] = {"attributes": [*service, *(process.get("tags") or ())]}
    return found


class _ReadAs(dict[str, str]):
    empty: dict[str, Any]  # names that would be looked for inside a value of a shorter name, where no span has them

    def __init__(self) -> None:
        super().__init__()
        self.empty = {}

    """By an attribute's name, the one that columns are made of, or that is a count which nobody reads; "" otherwise. There are few."""

    def __missing__(self, name: str) -> str:
        counted = _COUNTED.search(name) and not name.startswith(_OF_RUN) and is_count(name)
        found = _ALSO_NAMED.get(name) or (name if counted or fold(name) in _KEPT else "")
        for outer, inner in _INSIDE:
            if fold(found) == fold(outer):
                self.empty |= {inner: None, f"resource.{inner}": None}
        if len(self) < _NAMES:
            self[name] = found
        return found


_read_as = _ReadAs()


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
        found = {_read_as[name]: value for name, value in listed.items() if _read_as[name]}
        for name, value in listed.items():
            if isinstance(value, dict):  # names that were cut at their dots
                found |= _attributes({f"{name}.{inner}": each for inner, each in value.items()})
        return found
    return {
        _read_as[each["key"]]: _value(each.get("value"))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and isinstance(each.get("key"), str) and _read_as[each["key"]]
    }


def _uncounted(listed: Any) -> dict[str, Any]:
    """A span whose tokens stand under names that are not read here: a text in their place, so that it is refused and not free."""
    pairs = listed.items() if isinstance(listed, dict) else ((each.get("key"), each.get("value")) for each in listed or ())
    for name, value in pairs:
        unread = isinstance(name, str) and _UNREAD_COUNT.search(name) and not name.startswith(_OF_RUN)
        if unread and _value(value) not in (None, "", 0, "0"):
            return {"gen_ai.usage.input_tokens": f"{_value(value)} in {name}"}
    return {}


def _is_pairs(listed: Any) -> bool:
    if not isinstance(listed, list):
        return False
    for each in listed:  # noqa: SIM110  (all() takes twice as long)
        if not isinstance(each, dict) or "key" not in each:
            return False
    return True


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
    if len(text) == 2 * size and not text.strip("0123456789abcdef"):
        return text if text.strip("0") else None
    plain = text.strip().lower().removeprefix("0x")
    if len(text) == -(-size // 3) * 4 and not _HEX.issuperset(plain):
        try:
            plain = base64.b64decode(text, validate=True).hex()
        except binascii.Error:
            plain = text
    return plain if plain.strip("0") else None


def _status(record: Mapping[str, Any], flat: Mapping[str, Any]) -> str | None:
    status = record.get("status", record.get("otel_status_code"))
    code = status.get("code", status.get("status_code", "")) if isinstance(status, dict) else status
    word = str(code or "").upper().removeprefix("STATUS_CODE_")
    failed = word in ("2", "ERROR") or flat.get("error.type")
    return "error" if failed else "ok" if word in ("1", "OK") else None


READER = Reader(
    title="OpenTelemetry spans with gen_ai attributes (OTLP JSON, JSON lines, Jaeger's JSON)",
    grain="request",
    needs=("traceId", "spanId", _START, f"{_OPERATION}|{_INPUT}"),
    places=Places(
        (
            "resourceSpans|batches[].scopeSpans|instrumentationLibrarySpans[].spans[]",
            "",
            "trace{}[].scopeSpans|instrumentationLibrarySpans[].spans[]",
            "data[].spans[]",
        ),
        ("resourceSpans.resource", "batches.resource", "trace.resource", "data.processes"),
        _flat,
    ),
    columns=_COLUMNS,
    includes=("cached_input_tokens", "cache_write_tokens"),
    total=_TOTAL,
    told=(
        "ai.usage.inputTokenDetails.noCacheTokens",
        "ai.usage.outputTokenDetails.textTokens",
        "gen_ai.usage.details.input_tokens",
        "gen_ai.usage.details.output_tokens",
        "gen_ai.usage.details.accepted_prediction_tokens",
        "gen_ai.usage.details.rejected_prediction_tokens",
    ),
    m5="`gen_ai.usage.input_tokens` includes cache reads and cache creation, and output includes reasoning, as the conventions say; "
    "so do OpenInference's `llm.token_count.*` and the AI SDK's `ai.usage.*`.",
)
