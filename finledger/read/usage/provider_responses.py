"""Logs of the providers' own answers: one JSON object a line, a list, or one document, with the answer's usage block in it.

Known are OpenAI's two (and Azure, Groq, Mistral, DeepSeek, Writer, Together, which write the first), Anthropic, Gemini, Bedrock
(Converse and the answers and headers of invoke), Cohere's billed units, and Voyage's total. The block lies in the record, or in
its `response`, `body` or `response.body`; in the results of batches in `response.body` (OpenAI), `result.message` (Anthropic) or
`modelOutput` (Bedrock). Results of the last two say no time, and none is made up. A streamed answer may hold several blocks: they
are running totals, so a later one replaces the fields it has, and none is added. It may also be the list of its events, or the text
that came (`data: {…}`). Cohere bills `billed_units`; its `tokens` are not counted. An answer that says no usage is refused, since its
tokens would be free; a piece of one (a chunk of a stream, each on a line) is no call. Ordinary records are read in SQL (_answers.py),
the others here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from finledger.read.documents import InSql, Places
from finledger.read.usage._answers import ADDRESS, HTTP_DATE, KINDS, NAMES, ordinary
from finledger.read.usage._declared import Reader, moment, output
from finledger.read.usage._streams import HOLDING, is_piece, opened, packed

Json = Any
_HOSTS = {
    "openai.azure.com": "azure", "api.openai.com": "openai", "api.anthropic.com": "anthropic", "googleapis.com": "gemini",
    "api.cohere.com": "cohere", "api.cohere.ai": "cohere", "api.mistral.ai": "mistral", "api.groq.com": "groq",
    "api.deepseek.com": "deepseek", "api.writer.com": "writer", "api.voyageai.com": "voyage", "api.together.xyz": "together_ai",
    "api.together.ai": "together_ai",
}  # fmt: skip
_FAMILIES = (
    "billed_units",
    "promptTokenCount",
    "inputTokens",
    "inputTokenCount",
    "prompt_tokens",
    "input_tokens",
    "total_tokens",
    "prompt_token_count",
    "inputTextTokenCount",
    "prompt_eval_count",
)
_MADE_BY = {"promptTokenCount": "gemini", "prompt_token_count": "gemini", "billed_units": "cohere"}
_ANSWERED = ("choices", "candidates", "content", "generation", "generations", "completion", "output")
_HTTP_DATE = re.compile(HTTP_DATE)
_WHOLE = re.compile("[0-9]{1,18}")
_MORE_KINDS = {
    "prompt_token_count": {
        "input": "prompt_token_count+tool_use_prompt_token_count", "cached": "cached_content_token_count",
        "output": "candidates_token_count|generation_token_count+thoughts_token_count", "reasoning": "thoughts_token_count",
        "total": "total_token_count",
    },
    "prompt_eval_count": {"input": "prompt_eval_count", "output": "eval_count"},
}  # fmt: skip
_NEVER_SENT = ("canceled", "expired", "batch_cancelled", "batch_expired")  # to the model: no call
_HEADER = "x-amzn-bedrock-{}-token-count"


def _flat(record: dict[str, Json]) -> Iterator[dict[str, Json]]:
    """One row of an answer: who answered what, when, and its counts, the input with what was read from and written to a cache."""
    bodies = [body for body in _bodies(record) if isinstance(body, dict)]
    usage = _merged(bodies) or _headers(record)
    if not usage:
        others = [body for body in (opened(each, _said) for each in packed(record)) if body]
        usage = _merged(others)
        bodies += others if usage else []

    def first(*names: str) -> Json:
        for name in names:
            for body in bodies:
                found = body.get(name)
                if found is not None and found != "":
                    return found
        return None

    host, path, known, named = _address(str(first("uri", "url", "request_url") or ""))
    bedrock = host.startswith("bedrock-runtime.")
    family = next((name for name in _FAMILIES if name in usage), "")
    model = first("response_model", "model", "modelVersion", "model_version", "modelId", "request_model")
    piece = not family and is_piece(bodies)
    flat = {
        "id": (not piece and (first("response_id", "responseId") or _own_id(bodies) or first("request_id", "requestId")))
        or _hash(record),
        "time": _time(first("timestamp", "created_at", "created", "createTime", "create_time", "date", "time", "start_time")),
        "model": (named or model) if bedrock else (model or named),
        "provider": first("provider") or known or _MADE_BY.get(family if "generation_token_count" not in usage else ""),
        "request_id": first("request_id", "requestId"),
        "service_tier": first("service_tier") or usage.get("service_tier"),
        "organization": first("openai_organization", "organization"),
        "call_type": _call(path),
        "region": host.split(".")[1] if bedrock else None,
        "requests": "0" if piece or _ended(record) in _NEVER_SENT else "1",
        "status": _status(first("status_code"), first("error")) or _ended(record),
        **{name: first(name) for name in ("team", "project", "api_key", "user")},
    }  # fmt: skip
    unread = _unreadable(bodies)
    if family:
        flat |= {"usage_block": family, **_counts(family, usage)} | ({"input": unread} if unread else {})
    elif unread:
        flat["input"] = unread
    else:
        # refused: a block of an unknown shape is not nothing, nor is what a batch's model answered
        answered = json.dumps(record["modelOutput"])[:100] if record.get("modelOutput") else None
        silent = _silent(record, bodies) if flat["status"] is None and not piece else None
        flat["input"] = _unread(first("usage", "usageMetadata", "usage_metadata")) or answered or silent
    yield flat


@lru_cache(1 << 10)
def _address(uri: str) -> tuple[str, str, str | None, str | None]:
    """The host and the path of what was called, and the provider and the model that they name: of few addresses come many answers."""
    try:
        where = urlsplit(uri)
        host = where.hostname or ""
    except ValueError:  # [ without ]
        return "", "", None, None
    bedrock = "bedrock" if host.startswith("bedrock-runtime.") else None
    known = next((name for end, name in _HOSTS.items() if host.endswith(end)), bedrock)
    in_uri = re.search(r"/models?/([^/:?]+)", where.path)
    return host, where.path, known, unquote(in_uri[1]) if in_uri else None


@lru_cache(1 << 10)
def _called(uri: str) -> str:
    """What an address says, for the query that reads ordinary answers."""
    host, path, known, named = _address(uri)
    region = host.split(".")[1] if host.startswith("bedrock-runtime.") else ""
    return chr(31).join((known or "", named or "", _call(path) or "", region))


@lru_cache(1 << 10)
def _call(path: str) -> str | None:
    """What was called: the end of the address, without ids."""
    parts = [part for part in path.split("/") if part and not re.match(r"(run|thread|resp|msg)_", part)]
    if not parts:
        return None
    last = parts[-1].rpartition(":")[2]
    return f"chat/{last}" if parts[-2:-1] == ["chat"] else last


def _bodies(record: Mapping[str, Json]) -> Iterator[Json]:
    yield record
    result = record.get("result")
    message = result.get("message") if isinstance(result, dict) else None
    for inner in (record.get("response"), record.get("body"), record.get("modelOutput"), message):
        yield inner
        yield inner.get("body") if isinstance(inner, dict) else None


def _silent(record: Mapping[str, Json], bodies: Sequence[Mapping[str, Json]]) -> str | None:
    """Refused: an answer of which nobody says what it took."""
    answered = any(body.get(name) for body in bodies for name in _ANSWERED)
    return "(no usage)" if answered or (isinstance(record.get("response"), str | list) and record["response"]) else None


def _own_id(bodies: Sequence[Mapping[str, Json]]) -> Json:
    """The innermost id: that of the answer, not that of the log's line."""
    return next((body["id"] for body in reversed(bodies) if body.get("id")), None)


def _merged(bodies: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    usage: dict[str, Json] = {}
    for body in reversed(bodies):
        usage |= _said(body)
    return usage


def _said(body: Mapping[str, Json]) -> dict[str, Json]:
    return _usage(body) or _in_body(body)


def _usage(body: Mapping[str, Json]) -> dict[str, Json]:
    """The usage block inside a body, or a list of blocks put together."""
    found: dict[str, Json] = {}
    for name in HOLDING:
        held = body.get(name)
        if held is None:
            continue
        for block in held if isinstance(held, list) else [held]:
            if isinstance(block, dict):
                inner = _usage(block)
                counted = {key: value for key, value in block.items() if value is not None and key not in HOLDING}
                found |= inner or (counted if any(key in counted for key in (*_FAMILIES, "output_tokens")) else {})
    if not found and isinstance(body.get("billed_units"), dict):
        found = {"billed_units": body["billed_units"]}
    return found


def _in_body(body: Mapping[str, Json]) -> dict[str, Json]:
    """What Llama, Titan and Ollama say in the answer itself, as a usage block."""
    if "inputTextTokenCount" in body:
        results = [each for each in body.get("results") or () if isinstance(each, dict)]
        return {
            "inputTextTokenCount": body["inputTextTokenCount"],
            "tokenCount": [each.get("tokenCount") for each in results],
        }
    names = ("prompt_token_count", "generation_token_count", "prompt_eval_count", "eval_count")
    found = {name: body[name] for name in names if body.get(name) is not None}
    return found if any(name in found for name in _FAMILIES) else {}


def _unreadable(bodies: Sequence[Mapping[str, Json]]) -> str | None:
    """What stands in a usage's place, or among the blocks of an answer, and is no block."""
    for value in (body.get(name) for body in bodies for name in ("usage", "usageMetadata")):
        for block in value if isinstance(value, list) else [value]:
            inner = block.get("usage") if isinstance(block, dict) and "usage" in block else block
            if inner is not None and not isinstance(inner, dict):
                return f"{str(inner)[:100]} (no usage block)"
    return None


def _unread(block: Json) -> str | None:
    blocks = block if isinstance(block, list) else [block]
    timed = isinstance(block, dict) and block.get("type") == "duration"  # speech is billed by its seconds
    held = any(isinstance(each, dict) and any(value is not None for value in each.values()) for each in blocks) and not timed
    return json.dumps(block, default=str)[:100] if held else None


def _headers(record: Mapping[str, Json]) -> dict[str, Json]:
    """What Bedrock says in an answer's headers."""
    for name in ("amzn", "headers", "response_headers"):
        headers = record.get(name)
        if isinstance(headers, dict) and _HEADER.format("input") in headers:
            parts = {"inputTokenCount": "input", "outputTokenCount": "output"}
            parts |= {"cacheReadInputTokenCount": "cache-read-input", "cacheWriteInputTokenCount": "cache-write-input"}
            return {key: headers.get(_HEADER.format(part)) for key, part in parts.items()}
    return {}


def _counts(family: str, usage: Mapping[str, Json]) -> dict[str, Json]:
    """Each of our counts, in the ways of its family; what Anthropic wrote to its cache is held against its lifetimes."""

    def at(path: str) -> Json:
        value: Json = usage
        for name in path.split("."):
            if value is None or isinstance(value, dict):
                value = value.get(name) if value is not None else None
            else:
                value = f"{value} without {name}"  # refused: where the details should be is something else
        return value

    def summed(way: str) -> Json:
        parts = [next(filter(lambda each: each is not None, map(at, part.split("|"))), None) for part in way.split("+")]
        return _plus(*parts) if len(parts) > 1 else parts[0]

    if family == "inputTextTokenCount":
        return {"input": at(family), "output": _plus(*at("tokenCount"))}
    if family == "input_tokens" and ("input_tokens_details" in usage or "total_tokens" in usage):
        family = "of responses"
    found = {name: summed(way) for name, way in (KINDS | _MORE_KINDS)[family].items()}
    if family == "input_tokens":
        found["written"] = _written(found["written"], usage.get("cache_creation"))
        found["input"] = _plus(at("input_tokens"), found["cached"], found["written"])
    return found


def _written(total: Json, by_lifetime: Json) -> Json:
    """What Anthropic wrote to its cache; where the lifetimes hold more than their sum says, a text that is refused."""
    parts = by_lifetime.values() if isinstance(by_lifetime, dict) else ()
    said, *each = (int(str(part)) if _WHOLE.fullmatch(str(part)) else 0 for part in (total, *parts))
    beyond = sum(each) > said and (total is None or _WHOLE.fullmatch(str(total)))
    return f"{said} of {sum(each)} in cache_creation" if beyond else total


def _plus(*parts: Json) -> Json:
    """The sum of those that are there; written out, and so refused, when one of them is no whole number of 0 or more."""
    there = [str(part) for part in parts if part is not None]
    if all(map(_WHOLE.fullmatch, there)):
        return sum(map(int, there)) if there else None
    return " + ".join(there)


def _time(value: Json) -> Json:
    if isinstance(value, str) and _HTTP_DATE.fullmatch(value):
        try:
            return parsedate_to_datetime(value).strftime("%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            return value
    return value


def _status(code: Json, error: Json) -> str | None:
    if code is not None and not str(code).startswith("2"):
        return str(code)
    return "error" if error else None


def _ended(record: Mapping[str, Json]) -> str | None:
    """How a request in a batch ended without an answer, as Anthropic (errored, canceled, expired) or OpenAI says it."""
    result, error = record.get("result"), record.get("error")
    how = result.get("type") if isinstance(result, dict) else error.get("code") if isinstance(error, dict) else None
    return str(how) if how in ("errored", *_NEVER_SENT) else None


def _hash(record: Mapping[str, Json]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()[:32]


READER = Reader(
    title="Providers' own answers with their usage blocks (JSON, JSON lines)",
    grain="request",
    needs=("usage_block", "time"),
    places=Places(("",), (), _flat, InSql(NAMES, ordinary, {ADDRESS: _called})),
    columns={
        "usage_id": "id",
        "ts": moment("time"),
        "team": "team",
        "model": "model",
        "provider": "provider",
        "requests": "requests",
        "input_tokens": "input",
        "cached_input_tokens": "cached",
        "cache_write_tokens": "written",
        "output_tokens": output("output", "input", "total", "reasoning"),
        "reasoning_tokens": "reasoning",
        "status": "status",
        "user": "user",
        "call_type": "call_type",
        "request_id": "request_id",
        "service_tier": "service_tier",
        "organization": "organization",
        "project": "project",
        "api_key": "api_key",
        "region": "region",
    },
    includes=("cached_input_tokens", "cache_write_tokens"),
    total="total",
    m5="OpenAI's input includes cached tokens, Anthropic's and Bedrock's leave them out; Gemini's thoughts are added to its "
    "output, and xAI's reasoning where the answer's total says that it stands beside.",
)
