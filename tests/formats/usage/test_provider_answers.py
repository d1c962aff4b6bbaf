"""Recorded answers of eleven providers and two local servers: the sums by provider are those of the blocks, made another way."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from finledger.workbench import Workbench
from tests.formats.usage.test_usage_formats import SETTINGS, quarantined, stored
from tests.support import SHARED, needs_shared

pytestmark = needs_shared
COLUMNS = ("requests", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
HOSTS = {
    "localhost:5002": "", "localhost:8000": "", "api.together.xyz": "together_ai", "api.voyageai.com": "voyage",
    "generativelanguage.googleapis.com": "gemini",
}  # fmt: skip


def provider(uri: str) -> str:
    host = uri.split("/")[2]
    if host in HOSTS:
        return HOSTS[host]
    return next(name for name in ("azure", "bedrock", host.split(".")[-2]) if name in host)


def billed(answer: dict[str, Any]) -> list[int]:
    """Input, read from the cache, written to it, output, reasoning: every block's last word, whatever wraps it."""
    numbers: dict[str, int] = {}
    for block in answer["usage"]:
        text = json.dumps(block)
        if "billed_units" in text:
            text = text[text.index('"billed_units"') : text.index("}", text.index('"billed_units"'))] + "}"
            text = "{" + text + "}"
        json.loads(text, object_pairs_hook=lambda pairs: numbers.update((k, v) for k, v in pairs if isinstance(v, int)))
    see = numbers.get
    read = see("cached_tokens", 0) or see("cache_read_input_tokens", 0) or see("prompt_cache_hit_tokens", 0)
    written = see("cache_creation_input_tokens", 0)
    asked = next(
        (numbers[name] for name in ("prompt_tokens", "inputTokens", "promptTokenCount", "input_tokens") if name in numbers),
        None,
    )
    if asked is None:
        asked = numbers["total_tokens"]
    if "cached_tokens" in numbers or "prompt_cache_hit_tokens" in numbers:
        asked -= read
    reasoning = see("reasoning_tokens", 0) or see("thoughtsTokenCount", 0)
    answered = see("completion_tokens", 0) or see("outputTokens", 0) or see("output_tokens", 0)
    answered += see("candidatesTokenCount", 0) + see("thoughtsTokenCount", 0)
    return [asked, read, written, answered, reasoning]


def test_provider_responses__recorded_answers_sum_by_provider(tmp_path: Path) -> None:
    (tmp_path / "finledger.yaml").write_text(SETTINGS)
    bench = Workbench(tmp_path)
    path = SHARED / "data/llm_api_responses/usage_blocks.jsonl"
    (loaded,) = bench.load([path])
    answers = [json.loads(line) for line in path.read_text().splitlines()]
    undated = [number for number, answer in enumerate(answers, 1) if answer["date"] is None]
    assert loaded.file.format == "provider_responses"
    assert (loaded.file.read, loaded.file.accepted, loaded.file.rejected) == (308, 302, 6)
    assert [(row["record"], row["column"], row["reason"]) for row in quarantined(bench)] == [
        (n, "time", "is missing") for n in undated
    ]
    wanted: dict[str, Counter[str]] = {}
    for answer in answers:
        if answer["date"] is not None:
            counts = wanted.setdefault(provider(answer["uri"]), Counter())
            counts.update(dict(zip(COLUMNS, [1, *billed(answer)], strict=True)))
    got: dict[str, Counter[str]] = {}
    for row in stored(bench):
        got.setdefault(row.get("provider", ""), Counter()).update({name: row.get(name, 0) for name in COLUMNS})
    assert got == wanted
    assert len(got) == 12  # the local servers together; Writer's five answers are among the undated
    assert (
        got["gemini"]["output_tokens"] - got["gemini"]["reasoning_tokens"] == 711
    )  # of 1,807: 1,096 thoughts lie beside the 711 in the answer
