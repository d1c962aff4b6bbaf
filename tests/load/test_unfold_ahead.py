"""A large JSON text is made records by processes of their own while it is hashed: what is read is the same in any case."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from finledger.read import choose, unfold_ahead
from finledger.read.stage import stage

HOURS = [
    {
        "object": "bucket",
        "start_time": 1_782_864_000 + 3600 * hour,
        "end_time": 1_782_867_600 + 3600 * hour,
        "results": [
            {
                "object": "organization.usage.completions.result",
                "input_tokens": 1000 + hour,
                "output_tokens": 70 + number,
                "input_cached_tokens": 300,
                "num_model_requests": 5,
                "project_id": f"proj_{number}",
                "model": "gpt-5-mini",
            }
            for number in range(hour % 3)
        ],
    }
    for hour in range(24)
]
PAGE = json.dumps({"object": "page", "data": HOURS, "has_more": False, "next_page": None})
LINES = "".join(
    json.dumps({"object": "page", "data": [hour], "has_more": False, "next_page": None}) + "\n" for hour in HOURS
)


def read(text: str, name: str, folder: Path, encoding: str = "utf-8") -> list[tuple[Any, ...]]:
    """The rows of a staged export, 8 hours of each number of results, with 1000 + the hour of input."""
    export = folder / name
    folder.mkdir(exist_ok=True)
    export.write_text(text, encoding=encoding)
    found = stage(export, shown_as=name, workspace=folder / "work")
    assert (found.problems, found.format, found.read, found.rejected) == ((), "openai_usage", 24, 0)
    rows = duckdb.sql(
        f"SELECT input_tokens + cached_input_tokens, output_tokens FROM read_parquet('{found.rows}')"
    ).fetchall()
    assert rows == [(1000 + hour, 70 + number) for hour in range(24) for number in range(hour % 3)]
    return rows


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool | None]:
    """What came of each process that was asked; small texts are cut ahead, too."""
    said: list[bool | None] = []
    moved = unfold_ahead.UnfoldAhead.moved

    def listening(self: unfold_ahead.UnfoldAhead, target: Path) -> bool | None:
        said.append(moved(self, target))
        return said[-1]

    monkeypatch.setattr(choose, "LEAST", 0)
    monkeypatch.setattr(unfold_ahead, "cores", lambda: 2)
    monkeypatch.setattr(unfold_ahead.UnfoldAhead, "moved", listening)
    return said


@pytest.mark.parametrize(("text", "name"), [(PAGE, "page.json"), (LINES, "lines.jsonl")])
def test_records__are_those_that_the_process_cut(text: str, name: str, taken: list[bool | None], tmp_path: Path) -> None:
    read(text, name, tmp_path)
    assert taken == [True]


def test_text_that_cannot_be_cut__is_read_the_careful_way(taken: list[bool | None], tmp_path: Path) -> None:
    """A bucket with an object of its own among its keys is no shell of records."""
    odd = PAGE.replace('"end_time"', '"more": {}, "end_time"', 1)
    read(odd, "page.json", tmp_path)
    assert taken == [False]


SPANS = "".join(
    json.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": f"service-{batch}"}}]},
                    "scopeSpans": [
                        {
                            "spans": [
                                {
                                    "traceId": f"{batch + 1:032x}",
                                    "spanId": f"{number + 1:016x}",
                                    "startTimeUnixNano": "1782898200000000000",
                                    "attributes": [
                                        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                                        {
                                            "key": "gen_ai.usage.input_tokens",
                                            "value": {"intValue": str(100 * batch + number)},
                                        },
                                        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "7"}},
                                    ],
                                }
                                for number in range(batch % 4)
                            ]
                        }
                    ],
                }
            ]
        }
    )
    + "\n"
    for batch in range(40)
)


@pytest.mark.parametrize("cores", [2, 3, 8])
def test_spans__are_those_of_every_part_of_the_file_in_order(
    cores: int, taken: list[bool | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfold_ahead, "cores", lambda: cores)
    monkeypatch.setattr(unfold_ahead, "_PART", 1)
    export = tmp_path / "spans.jsonl"
    export.write_text(SPANS + '{"broken": \n')
    found = stage(export, shown_as="spans.jsonl", workspace=tmp_path / "work")
    assert (found.problems, found.format, found.read, found.rejected, taken) == ((), "otel_spans", 61, 1, [True])
    rows = duckdb.sql(f"SELECT service, input_tokens FROM read_parquet('{found.rows}') WHERE faults IS NULL").fetchall()
    assert rows == [(f"service-{batch}", 100 * batch + number) for batch in range(40) for number in range(batch % 4)]
    assert sorted(path.name for path in (tmp_path / "work").glob("ahead-*")) == []


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_process_that_dies__is_as_if_there_had_been_none(
    program: str, taken: list[bool | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda words, **streams: started([sys.executable, "-c", program], **streams))
    read(PAGE, "page.json", tmp_path)
    assert taken == [None]


def test_text_of_another_encoding__is_cut_once_it_is_utf_8(taken: list[bool | None], tmp_path: Path) -> None:
    read(PAGE, "page.json", tmp_path, "utf-16")
    assert taken == []


def test_one_core__has_no_process_beside(taken: list[bool | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfold_ahead, "cores", lambda: 1)
    read(PAGE, "page.json", tmp_path)
    assert taken == []
