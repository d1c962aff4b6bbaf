"""Langfuse's usage of known keys, which is read as it stands, is what it is when every key is looked at."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finledger.read.columns import Context, select_sql
from finledger.read.header import Header, read_header
from finledger.read.opened import Opened
from finledger.read.usage._declared import Column, Reader
from finledger.read.usage.langfuse import READER

CAREFUL = replace(READER, steps={**READER.steps, "@usual": Column((), "false")})
COLUMNS = ("id", "trace_id", "type", "start_time", "usage_details", "cost_details", "total_cost", "tags")
KEYS = st.sampled_from(
    [
        "input", "prompt_tokens", "input_tokens", "input_cached_tokens", "cache_read_input_tokens", "input_cache_creation", "output",
        "completion_tokens", "output_reasoning_tokens", "total", "Total", "input_audio", "prompt", "", "requests",
    ]
)  # fmt: skip
COUNTS = st.sampled_from(
    ["0", "7", "007", "12", "1.0", "-3", '"5"', "null", "true", "1e3", "12345678901234567", "123456789012345678"]
)
PAIR = st.tuples(st.sampled_from('"""\''), KEYS, st.sampled_from([":", ": ", " :"]), COUNTS)
MAP = st.tuples(
    st.lists(PAIR.map(lambda each: f"{each[0]}{each[1]}{each[0]}{each[2]}{each[3]}"), max_size=5),
    st.sampled_from([",", ", "]),
).map(lambda each: f"{{{each[1].join(each[0])}}}")
USAGE = st.one_of(MAP, MAP, MAP, st.sampled_from(["", "null", "[]", "5", "{", '"{}"', "[1]", '{"input":{"a":1}}']))
COST = st.sampled_from(["{}", '{"total":0.25}', '{"total":1,"total":2}', "{'total':3}", "x", "", "[]"])


def read(reader: Reader, path: Path) -> list[tuple]:
    with duckdb.connect() as connection:
        header = read_header(Opened(path, "", 0, True), path.name, "csv", connection)
        assert isinstance(header, Header)
        layout = reader.layout(header, path.name).rows
        assert layout is not None
        return connection.execute(select_sql(layout, header.relation, Context("UTC", written=True))).fetchall()


@settings(max_examples=25)
@given(rows=st.lists(st.tuples(USAGE, COST), min_size=1, max_size=60))
@example(rows=[(f'{{"input":{count}}}', "{}") for count in ("007", "0", "00", "-0", "1234567890123456789")])
def test_langfuse__known_keys_and_any_keys(rows: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "observations.csv"
        with path.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out)
            table.writerow(COLUMNS)
            for number, (usage, cost) in enumerate(rows):
                table.writerow((number, "t", "GENERATION", "2026-07-01 00:00:00", usage, cost, "", "[]"))
        quick, careful = read(READER, path), read(CAREFUL, path)
    assert len(quick) == len(rows)
    assert [pair for pair in zip(quick, careful, strict=True) if pair[0] != pair[1]] == []
