"""The gateway's spend logs, as LiteLLM keeps them: a request a record, without an action, often without a team."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from generator.world import BUCKETS, Dice, Meter, Month, provider_cost, summed


@dataclass(frozen=True)
class Key:
    """A key of the gateway: what it asks for, how often a month, and the mean tokens of a request by bucket."""

    alias: str
    team_id: str | None
    call_type: str
    model: str
    tags: tuple[str, ...]
    records: int
    tokens: tuple[int, int, int, int]


KEYS = (
    Key("care-helpdesk", "customer-care", "acompletion", "chat-large", ("prod",), 430, (1500, 1100, 90, 390)),
    Key(
        "care-triage", "customer-care", "acompletion", "reason-mid", ("prod", "agent:triage"), 520, (5200, 38000, 2600, 1100)
    ),
    Key("sales-proposals", "sales-enablement", "acompletion", "chat-large", ("prod",), 420, (2600, 900, 0, 640)),
    Key("sales-research", None, "acompletion", "reason-mid", ("prod", "agent:research"), 260, (9000, 52000, 5200, 1900)),
    Key("route-copilot", "route-planning", "acompletion", "chat-small", ("prod",), 160, (1300, 500, 0, 280)),
    Key("route-copilot", "route-planning", "aembedding", "embed-small", ("prod",), 120, (800, 0, 0, 0)),
    Key("quote-lab", "pricing-science", "acompletion", "reason-mid", ("eval:quotes-holdout",), 180, (1900, 400, 0, 310)),
    Key("quote-lab", "pricing-science", "acompletion", "chat-large", ("judge:quotes-holdout",), 90, (1500, 500, 0, 110)),
    Key("hr-helper", None, "acompletion", "chat-small", ("pilot",), 170, (1000, 800, 40, 260)),
    Key("shared-frontdesk", None, "acompletion", "chat-small", ("prod",), 110, (1200, 300, 0, 270)),
    Key("platform-smoke", "ai-platform", "acompletion", "chat-small", ("smoke",), 60, (300, 0, 0, 40)),
    Key("", None, "acompletion", "chat-large", (), 78, (1600, 700, 0, 400)),
)


def record(key: Key, when: datetime, dice: Dice, meter: Meter) -> dict[str, Any]:
    failed = dice.one_in(60)
    means = (0, 0, 0, 0) if failed else key.tokens
    tokens = {bucket: dice.around(mean) for bucket, mean in zip(BUCKETS, means, strict=True)}
    meter.add(when, key.model, tokens)
    prompt = sum(tokens[bucket] for bucket in BUCKETS[:3])
    counts = {"prompt_tokens": prompt, "completion_tokens": tokens["output_tokens"]}
    counts["total_tokens"] = sum(counts.values())
    ended = when + timedelta(milliseconds=dice.between(400, 9000))
    reasoning = {"reasoning_tokens": tokens["output_tokens"] // 3} if key.model == "reason-mid" else {}
    return {
        "request_id": ("req_failed_" if failed else "chatcmpl-") + dice.hex(16),
        "call_type": key.call_type,
        "api_key": sha256(f"kestrel {key.alias}".encode()).hexdigest(),
        "spend": sum((provider_cost(key.model, bucket, tokens[bucket], when.month) for bucket in BUCKETS), Decimal(0)),
        **counts,
        "startTime": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "endTime": ended.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "model": key.model,
        "model_group": key.model,
        "custom_llm_provider": "openai",
        "api_base": "https://models.cumulus.example/v1",
        "user": "" if key.alias else "default_user_id",
        "metadata": {
            "user_api_key_alias": key.alias or None,
            "user_api_key_team_id": key.team_id,
            "usage_object": {
                **counts,
                "completion_tokens_details": reasoning,
                "cache_read_input_tokens": tokens["cached_input_tokens"],
                "cache_creation_input_tokens": tokens["cache_write_tokens"],
            },
        },
        "cache_hit": "False",
        "request_tags": list(key.tags),
        "team_id": key.team_id,
        "end_user": f"agent-{dice.between(1, 60)}" if key.alias.startswith("care") else "",
        "session_id": dice.hex(12),
        "status": "failure" if failed else "success",
    }


def records_of(month: Month, seed: int, meter: Meter, scale: int) -> list[dict[str, Any]]:
    dice = Dice(seed, "gateway", month[1])
    counts = {key: key.records * scale // (1 if key.alias.startswith("sales") else summed(month)) for key in KEYS}
    records = [record(key, dice.moment(month), dice, meter) for key, count in counts.items() for _ in range(count)]
    return sorted(records, key=lambda record: (record["startTime"], record["request_id"]))


def json_line(record: Mapping[str, Any]) -> str:
    """One record as JSON; a Decimal goes in as the number it is, which the json module would not do."""
    return "{" + ",".join(f'"{key}":{_json_value(value)}' for key, value in record.items()) + "}\n"


def _json_value(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value, separators=(",", ":"))
