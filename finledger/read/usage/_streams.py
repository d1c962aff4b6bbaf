"""Answers that lie in a log otherwise than as one: under another name, as the text that came, or as a stream's events or chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Json = Any
HOLDING = ("usage", "usageMetadata", "usage_metadata", "meta", "amazon-bedrock-invocationMetrics")
# where logs put an answer
_ALSO = ("response_body", "responseBody", "raw_response", "output", "completion", "events", "chunks")
_IN_EVENTS = ("message", "response", "delta", "metadata", "chunk", "data")


def packed(record: Mapping[str, Json]) -> Iterator[Json]:
    """What lies where an answer may, but not as one: a list of events, or a text."""
    for name in ("response", "body", "modelOutput", *_ALSO):
        inner = record.get(name)
        yield inner
        yield inner.get("body") if isinstance(inner, dict) else None


def opened(found: Json, said: Callable[[Mapping[str, Json]], dict[str, Json]]) -> dict[str, Json]:
    """An answer out of a text or a list of a stream's events: its fields, and what they `said` of its usage; {} where it is none."""
    if isinstance(found, str):
        found = _parsed(found)
    if not isinstance(found, list):
        return found if isinstance(found, dict) else {}
    whole: dict[str, Json] = {}
    usage: dict[str, Json] = {}
    for event in found:
        if isinstance(event, dict):
            parts = [event, *(event[name] for name in _IN_EVENTS if isinstance(event.get(name), dict))]
            for part in parts:
                whole |= {
                    key: value for key, value in part.items() if value is not None and (key != "id" or part is not event)
                }
                usage |= said(part)
            whole.setdefault("id", event.get("id"))
    if "input_tokens" in usage:  # what Bedrock measured is said twice, and by Anthropic with the cache
        usage = {key: value for key, value in usage.items() if key not in ("inputTokenCount", "outputTokenCount")}
    return {**{name: value for name, value in whole.items() if name not in HOLDING}, "usage": usage} if usage else {}


def _parsed(text: str) -> Json:
    """JSON, or the events of a stream as they came: lines of `data: {…}`."""
    if text.lstrip()[:1] in ("{", "["):
        lines = [text]
    else:
        lines = [line[5:] for line in text.splitlines() if line.startswith("data:")]
    try:
        values = [json.loads(line, parse_float=str) for line in lines if line.strip() not in ("", "[DONE]")]
    except (ValueError, RecursionError):
        return None
    return values[0] if len(lines) == 1 and values else values


def is_piece(bodies: Sequence[Mapping[str, Json]]) -> bool:
    """Whether the record is a part of a stream, or an answer not yet made, whose usage comes later."""
    for body in bodies:
        if str(body.get("object")).endswith(".chunk"):
            choices = body["choices"] if isinstance(body.get("choices"), list) else []
            ends = any(isinstance(each, dict) and each.get("finish_reason") for each in choices)
            return "usage" in body or not ends
        if body.get("object") == "response" and body.get("status") in ("in_progress", "queued"):
            return True
    return False
