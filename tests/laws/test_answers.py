"""What providers answered is read in SQL where it is ordinary and in Python where it is not: both say the same where both apply."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from finledger.read.choose import choose
from finledger.read.opened import open_export
from finledger.read.stage import connect, stage
from finledger.read.usage import formats
from finledger.read.usage._answers import NAMES, ordinary
from tests.support import SHARED, needs_shared

CASES = Path(__file__).parents[1] / "formats" / "usage" / "provider_responses"
COUNTS: list[Any] = [0, 5, 12, 1_000, "7", "007", None, -1, 1.5, "", "NULL", "12k", True, 10**19, {}, [], {"a": 1}]
WORDS: list[Any] = ["x", "", None, "NULL", 0, "0", 7, False, "ü\u2028", '{"a": 1}', "{", ["a"], {"a": "b"}]
TIMES: list[Any] = [
    "Wed, 01 Jul 2026 09:30:00 GMT", "Tue, 31 Feb 2026 09:30:00 GMT", "Wed, 1 Jul 2026 9:30:00 GMT", 1782898200, "1782898200.5",
    1782898200.123456789, "2026-07-01T11:30:00+02:00", "2026-07-01", "x GMT", None, "", "Wed, 01 Jul 2026 24:30:00 GMT",
]  # fmt: skip
URIS: list[Any] = [
    "https://api.openai.com/v1/chat/completions", "https://API.cohere.com/v1/chat", "http://[", "", None, 5, "x",
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-lite-v1%3A0/converse", {"a": 1},
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
]  # fmt: skip
KINDS: list[list[str]] = [
    ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_cache_hit_tokens"],
    ["prompt_tokens", "completion_tokens", "cached_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"],
    ["prompt_token_count", "candidates_token_count"],
    ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "service_tier"],
    ["input_tokens", "output_tokens", "total_tokens"],
    ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount", "toolUsePromptTokenCount"],
    ["inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"],
    ["inputTokenCount", "outputTokenCount", "cacheReadInputTokenCount"], ["total_tokens"], ["output_tokens"], ["other"], [],
]  # fmt: skip
DETAILS: list[dict[str, list[str]]] = [
    {"prompt_tokens_details": ["cached_tokens", "cache_creation_tokens"], "completion_tokens_details": ["reasoning_tokens"]},
    {"input_tokens_details": ["cached_tokens", "cache_write_tokens"], "output_tokens_details": ["reasoning_tokens"]},
    {"prompt_token_details": ["cached_tokens"], "billed_units": ["input_tokens", "output_tokens"]},
    {"cache_creation": [f"ephemeral_{lifetime}_input_tokens" for lifetime in ("5m", "1h", "24h")]}, {}, {},
]  # fmt: skip
FIELDS = (
    "id", "response_id", "responseId", "request_id", "requestId", "model", "modelVersion", "modelId", "model_version",
    "request_model", "provider", "team", "service_tier", "organization", "user", "api_key", "project", "status_code", "error",
    "other", "meta", "result", "body", "response",
)  # fmt: skip


def one_of(draw: random.Random, common: Any, rare: list[Any]) -> Any:
    return draw.choice(rare) if draw.random() < 0.04 else common


def block(draw: random.Random) -> Any:
    names = draw.choice(KINDS)
    found: dict[str, Any] = {name: one_of(draw, draw.randrange(1_000), COUNTS) for name in names if draw.random() < 0.9}
    for name, fields in draw.choice(DETAILS).items():
        inner = {each: one_of(draw, draw.randrange(9), COUNTS) for each in fields if draw.random() < 0.8}
        found[name] = one_of(draw, inner, COUNTS)
    return one_of(draw, found, [*COUNTS, {"usage": found}, {"meta": found}])


def answer(draw: random.Random, depth: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in FIELDS:
        if draw.random() < (0.12 if name not in ("error", "meta", "body", "response", "result") else 0.01):
            # a model, a provider or a status that is `false` or 0 is none, to Python
            words = [each for each in WORDS if each or each in ("", None) or name.endswith("id")]
            found[name] = one_of(draw, f"{name}-{draw.randrange(9)}", words)
    if draw.random() < 0.8:
        found[draw.choice(["date", "timestamp", "created", "created_at"])] = one_of(draw, draw.choice(TIMES[:4]), TIMES)
    if draw.random() < 0.7:
        found[draw.choice(["uri", "url"])] = one_of(draw, draw.choice(URIS[:1]), URIS)
    if draw.random() < 0.8:
        found["id"] = one_of(draw, f"id-{draw.randrange(10**6)}", WORDS)
    inside = draw.random()
    if depth < 2 and inside < 0.4:
        name = draw.choice(["response", "body", "modelOutput", "result"])
        found[name] = (
            one_of(draw, {"type": "succeeded", "message": answer(draw, 2)}, [{"type": "expired"}])
            if name == "result"
            else answer(draw, depth + 1)
        )
    if (depth == 0 and inside > 0.4) or draw.random() < 0.5:
        name = draw.choice(["usage", "usage", "usage", "usageMetadata", "meta", "billed_units"])
        held = block(draw)
        found[name] = draw.choice(
            [held, held, [{"usage": held}], [{"usage": held}, {"usage": block(draw)}], [held], [None, {"usage": held}]]
        )
    return found


def lines(draw: random.Random) -> Iterator[str]:
    for _ in range(4_000):
        text = json.dumps(answer(draw), ensure_ascii=draw.random() < 0.5)
        yield one_of(draw, text, [text[:-3], " " + text, text[:-1] + ",}", "no json", '"x"', "[1]", "5", text + text, "{}"])


def differing(path: Path, folder: Path) -> tuple[int, int, list[str]]:
    """How many lines there are, how many of them SQL reads, and where it says something else than the shape does."""
    places = formats()["provider_responses"].places
    assert places.shape is not None
    with connect(folder) as connection:
        opened = open_export(path, path.name, folder)
        choose(path, path.name, opened, connection, folder, "provider_responses", None)  # type: ignore[arg-type]
        connection.execute("CREATE TABLE lines AS SELECT line FROM read_csv(?, header = false, delim = chr(30), quote = '', "
                           "escape = '', columns = {'line': 'VARCHAR'}, auto_detect = false)", [str(path)])  # fmt: skip
        listed = ", ".join(f'flat."{name}"' for name in NAMES)
        rows = connection.execute(
            f"SELECT line, flat IS NOT NULL, [{listed}] FROM {ordinary('lines', 'json_valid(line)')}"
        ).fetchall()
        wrong = []
        for line, plain, got in rows:
            if not plain:
                continue
            (flat,) = places.shape(json.loads(line, parse_float=str))
            texts = connection.execute(
                "SELECT json_extract_string(?, ?)", [json.dumps(flat), [f'$."{name}"' for name in NAMES]]
            ).fetchone()
            wanted = [value if value != "" else None for value in (texts or ([],))[0]]
            wanted = [kinds(value) if name == "usage_block" else value for name, value in zip(NAMES, wanted, strict=True)]
            got = [kinds(value) if name == "usage_block" else value or None for name, value in zip(NAMES, got, strict=True)]
            if got != wanted:
                wrong.append(f"{line}: {[each for each in zip(NAMES, wanted, got, strict=True) if each[1] != each[2]]}")
        return len(rows), sum(plain for _, plain, _ in rows), wrong


def kinds(block: str | None) -> str | None:
    return "input_tokens" if block == "of responses" else block


@pytest.mark.parametrize("seed", range(3))
def test_answers__sql_and_python_say_the_same(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(lines(random.Random(seed))) + "\n", encoding="utf-8")
    read, plain, wrong = differing(path, tmp_path)
    assert wrong == [], "\n".join(wrong[:20])
    assert read == 4_000
    assert 400 < plain < 3_600  # each of the two ways is taken


@pytest.mark.parametrize("held", ["x", [{"id": "y"}, {"id": "z"}]])
@pytest.mark.parametrize("way", ["lines", "compact", "pretty", "a record a line"])
def test_answers__however_they_are_written(way: str, held: Any, tmp_path: Path) -> None:
    """A stream, an answer without an id and one with a list like a list of records in it, among 300 that are ordinary."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    answers = [
        {"id": f"a{n}", "created": 1782898200 + n, "model": "m", "usage": dict(usage, prompt_tokens=n)} for n in range(300)
    ]
    answers[7]["usage"] = [{"usage": {"input_tokens": 4, "output_tokens": 1}}, {"usage": {"output_tokens": 90}}]
    answers[100] = {"id": "with more", "held": held, **{key: value for key, value in answers[100].items() if key != "id"}}
    answers[200].pop("id")
    written = {
        "lines": "\n".join(map(json.dumps, answers)) + "\n",
        "compact": json.dumps(answers, separators=(",", ":")),
        "pretty": json.dumps(answers, indent=1),
        "a record a line": "[" + ",\n".join(map(json.dumps, answers)) + "]\n",
    }[way]
    path = tmp_path / ("answers.jsonl" if way == "lines" else "answers.json")
    path.write_text(written, encoding="utf-8")
    staged = stage(path, shown_as=path.name, workspace=tmp_path / "work")
    assert (staged.format, staged.read, staged.rejected, staged.problems) == ("provider_responses", 300, 0, ())
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT usage_id, input_tokens, output_tokens FROM read_parquet(?)", [staged.rows]
        ).fetchall()
    wanted = [(f"a{n}", n, 2) for n in range(300)]
    wanted[7], wanted[100] = ("a7", 4, 90), ("with more", 100, 2)
    wanted[200] = (hashlib.sha256(json.dumps(answers[200], sort_keys=True).encode()).hexdigest()[:32], 200, 2)
    assert rows == wanted


@needs_shared
def test_answers__most_of_recorded_ones_are_ordinary(tmp_path: Path) -> None:
    read, plain, wrong = differing(SHARED / "data/llm_api_responses/usage_blocks.jsonl", tmp_path)
    assert wrong == []
    assert read == 308
    assert plain > 154
