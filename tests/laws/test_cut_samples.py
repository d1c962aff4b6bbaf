"""Samples that are cut out of a text by the look of it are those that are read of it character by character, in the same order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger.read.usage import _cut_samples
from finledger.read.usage._cut_samples import cut_answer, cut_scrapes
from finledger.read.usage._samples import answered, scraped

GPU, RATIO = "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
METRICS = (GPU, RATIO)
names = st.sampled_from(["__name__", "UUID", "gpu", "pod"])
plain = st.sampled_from(["GPU-1", "GPU-2", "é x", "rag-0"])
rare = st.sampled_from(["", "a} 1", "}", "{", ']],"', "],[", '"values":[[', "\\", '"', "\n", "\u2028", "#"])
labels = st.dictionaries(names, plain, min_size=1) | st.dictionaries(names, plain | rare)
times = st.integers(1_784_412_000, 1_784_412_600) | st.just(1784412000.781)
odd_times = times | st.sampled_from([0, -1, 1.5e-7, 1784412000123, None, "1784412000"])
values = st.sampled_from(["0", "73", "100", "0.25", "9.5e-05", "NaN", "+Inf"])
odd_values = values | rare | st.sampled_from([5, 0.5, None, " 7", "7,3", ["1"], "x y"])
damage = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([*'{}[]",\\ \t0a#\n', "", "} ", '"],["'])), max_size=2)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_cut_samples, "_PIECE", 50)
        yield


def found(connection: duckdb.DuckDBPyConnection, target: Path) -> list[tuple[Any, ...]]:
    relation = f"read_parquet('{target}', file_row_number = true) LEFT JOIN series USING (series)"
    return connection.execute(f"SELECT labels, metric, time, value FROM {relation} ORDER BY file_row_number").fetchall()


def of_answer(text: str, folder: Path, *, cut: bool) -> list[tuple[Any, ...]] | None:
    """The samples; None where the text was not cut, or is no JSON."""
    path, target = folder / "answer.json", folder / "answer.parquet"
    path.write_text(text, encoding="utf-8", newline="")
    with duckdb.connect() as connection:
        done = cut_answer(path, connection, target) if cut else answered(path, "answer.json", connection, target) is None
        return found(connection, target) if done else None


def of_scrapes(text: str, folder: Path, *, cut: bool) -> list[tuple[Any, ...]] | None:
    path, target = folder / "scrapes.txt", folder / "scrapes.parquet"
    path.write_text(text, encoding="utf-8", newline="")
    with duckdb.connect() as connection:
        if not cut:
            scraped(path, connection, target, METRICS)
        elif not cut_scrapes(path, connection, target, METRICS):
            return None
        return found(connection, target)


def answer(series: list[tuple[dict[str, str], list[tuple[Any, Any]]]]) -> dict[str, Any]:
    result = [{"metric": said, "values": [list(pair) for pair in pairs]} for said, pairs in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def damaged(text: str, where: list[tuple[float, str]]) -> str:
    for share, put in where:
        at = int(share * (len(text) - 1))
        text = text[:at] + put + text[at + (not put) :]
    return text


def compact(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


@quick
@given(
    st.lists(
        st.tuples(st.dictionaries(names, plain), st.lists(st.tuples(times, values), min_size=1, max_size=4)), max_size=4
    )
)
def test_an_answer_as_prometheus_writes_it_is_cut(tmp_path: Path, series: list[Any]) -> None:
    text = compact(answer(series))
    assert of_answer(text, tmp_path, cut=True) == of_answer(text, tmp_path, cut=False)


@quick
@given(
    st.lists(st.tuples(labels, st.lists(st.tuples(odd_times, odd_values), max_size=4)), max_size=4),
    st.lists(st.lists(st.tuples(labels, st.lists(st.tuples(times, values), min_size=1, max_size=2)), max_size=2), max_size=2),
    st.sampled_from([(",", ":"), (", ", ": ")]), damage,
)  # fmt: skip
def test_an_answer_that_is_cut_is_read_as_it_is(
    tmp_path: Path, series: list[Any], others: list[Any], separators: tuple[str, str], where: list[tuple[float, str]]
) -> None:
    document = [answer(each) for each in (series, *others)] if others else answer(series)
    text = damaged(json.dumps(document, ensure_ascii=False, separators=separators), where)
    taken = of_answer(text, tmp_path, cut=True)
    assert taken is None or taken == of_answer(text, tmp_path, cut=False)


def line(metric: str, said: dict[str, str], value: str, time: str) -> str:
    inside = ",".join(f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in said.items())
    return f"{metric}{{{inside}}} {value}{time}"


comments = st.sampled_from(
    [f"# HELP {GPU} GPU utilization (in %).", f"# TYPE {GPU} gauge", "", "go_goroutines 12 1784412000000"]
)
moments = st.integers(1_784_412_000_000, 1_784_412_600_000).map(lambda time: f" {time}")
sampled = st.builds(line, st.sampled_from([*METRICS, f"{GPU}_X", "up"]), st.dictionaries(names, plain), values, moments)
odd_metrics = st.sampled_from([*METRICS, f"{GPU} ", f"{GPU}-", "", " up"])
odd_moments = moments | st.sampled_from(["", " ", "  1784412000"])
no_samples = st.sampled_from(
    [GPU, f"{GPU} 5 1784412000000", f"\t{GPU}{{}} 5", f"{GPU}{{}}\t5\t1784412000000", "x", "# a} b} c", "up{} ", "} 1 2"]
)
odd_lines = st.builds(line, odd_metrics, labels, values | rare, odd_moments) | no_samples


@quick
@given(st.lists(sampled, min_size=1, max_size=5), st.lists(comments, max_size=3))
def test_scrapes_as_an_exporter_writes_them_are_cut(tmp_path: Path, lines: list[str], others: list[str]) -> None:
    text = "\n".join([line(GPU, {"UUID": "GPU-1"}, "5", " 1784412000000"), *others, *lines]) + "\n"
    assert of_scrapes(text, tmp_path, cut=True) == of_scrapes(text, tmp_path, cut=False)


@quick
@given(st.lists(sampled | comments | odd_lines, min_size=1, max_size=5), damage)
def test_scrapes_that_are_cut_are_read_as_they_are(tmp_path: Path, lines: list[str], where: list[tuple[float, str]]) -> None:
    text = damaged("\n".join([*lines, line(GPU, {"UUID": "GPU-1"}, "5", " 1784412000000")]), where) + "\n"
    taken = of_scrapes(text, tmp_path, cut=True)
    assert taken is None or taken == of_scrapes(text, tmp_path, cut=False)
