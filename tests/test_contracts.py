"""Every engine found in its folder gives the reference's sums, to the last digit, on usage made to be awkward."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger import engines
from finledger.core.model import UsageQuery
from finledger.core.period import Month, intervals
from finledger.core.usage import LABELS, NATIVE, STORED_AS

OTHERS = [name for name in engines.names() if name != "reference"]
rows = st.lists(
    st.fixed_dictionaries(
        {
            "ts": st.datetimes(datetime(2026, 7, 1), datetime(2026, 7, 31, 23, 59, 59)),
            "team": st.sampled_from([None, "search", "R&D", "日本"]),
            "operator_team": st.sampled_from([None, "search", "retrieval"]),
            "action": st.sampled_from([None, "chat_call"]),
            "model": st.sampled_from([None, "m1"]),
            "status": st.sampled_from([None, "success", "Failure", "OK"]),
            "requests": st.one_of(st.none(), st.integers(0, 10**15)),
            "input_tokens": st.one_of(st.none(), st.integers(0, 10**15)),
            "output_tokens": st.one_of(st.none(), st.integers(0, 10**15)),
            "gpu_hours": st.one_of(st.none(), st.decimals(0, 10**9, places=18)),
            "effective_cost": st.one_of(st.none(), st.decimals(-(10**9), 10**9, places=18)),
            "billed_cost": st.one_of(st.none(), st.decimals(-(10**9), 10**9, places=18)),
            "billed_currency": st.sampled_from([None, "USD", "EUR"]),
            "call_type": st.sampled_from([None, "aembedding", "acompletion"]),
            "tag": st.sampled_from([None, json.dumps(["eval:x"]), json.dumps(["a", "b"])]),
            "is_aggregate": st.booleans(),
        }
    ),
    min_size=1,
    max_size=30,
)
queries = st.builds(
    lambda changes, rates, labels, only, ignored: UsageQuery(
        "USD", intervals(Month(2026, 7), "Europe/Berlin", changes, rates), tuple(labels), only=only, ignored=tuple(ignored)
    ),
    st.lists(st.dates(date(2026, 6, 20), date(2026, 8, 5)), max_size=3),
    st.lists(st.dates(date(2026, 6, 20), date(2026, 8, 5)), max_size=3),
    st.lists(st.sampled_from(["call_type", "tag", "user", "operator_team"]), unique=True),
    st.sampled_from(
        [(), (), (("team", ("日本",)),), (("team", ("R&D", "")), ("action", ("",))), (("model", ("m1", "m'2")),)]
    ),
    st.lists(st.sampled_from(["team", "action", "requests", "status", "runs"]), unique=True),
)


def store_part(path: Path, usage: list[dict[str, Any]]) -> Path:
    """A Parquet part as the store has them, with the given rows."""
    with duckdb.connect() as connection:
        columns = [f'"{c.name}" {STORED_AS[c.kind]}' for c in NATIVE] + [f'"{name}" VARCHAR' for name in LABELS]
        connection.execute(f"CREATE TABLE part ({', '.join(columns)}, is_aggregate BOOLEAN)")
        for row in usage:
            names = ", ".join(f'"{name}"' for name in row)
            connection.execute(f"INSERT INTO part ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
        connection.execute(f"COPY part TO '{path}' (FORMAT parquet)")
    return path


def canonical(name: str, parts: list[Path], query: UsageQuery) -> dict[Any, Any]:
    groups = engines.engine(name).group(parts, query).rows
    found = {
        (group.interval, *group.keys.items(), *group.labels.items()): {k: Decimal(v) for k, v in group.sums.items()}
        for group in groups
    }
    assert len(found) == len(groups)
    return found


@pytest.mark.parametrize("engine", OTHERS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(usage=rows, query=queries)
def test_engine__equals_the_reference(engine: str, usage: list[dict[str, Any]], query: UsageQuery, tmp_path: Path) -> None:
    half = len(usage) // 2
    parts = [store_part(tmp_path / "a.parquet", usage[:half] or usage), store_part(tmp_path / "b.parquet", usage[half:])]
    assert canonical(engine, parts, query) == canonical("reference", parts, query)


@pytest.mark.parametrize("engine", engines.names())
def test_engine__no_parts_no_groups(engine: str) -> None:
    assert engines.engine(engine).group([], UsageQuery("USD", intervals(Month(2026, 7), "UTC", []))).rows == ()


def test_interval__an_event_at_the_very_instant_of_a_change_belongs_to_what_follows(tmp_path: Path) -> None:
    query = UsageQuery("USD", intervals(Month(2026, 7), "Europe/Berlin", [date(2026, 7, 16)]))
    usage = [
        {"ts": datetime(2026, 7, 15, 21, 59, 59, 999999), "requests": 1, "is_aggregate": False},
        {"ts": datetime(2026, 7, 15, 22, 0, 0), "requests": 10, "is_aggregate": False},
    ]
    part = store_part(tmp_path / "a.parquet", usage)
    for name in engines.names():
        calls = {group.interval: group.sums["calls"] for group in engines.engine(name).group([part], query).rows}
        assert calls == {0: 1, 1: 10}
    assert query.intervals[1].start == datetime(2026, 7, 15, 22, tzinfo=UTC)


def test_duckdb__too_many_groups_names_the_column(tmp_path: Path) -> None:
    usage = [{"ts": datetime(2026, 7, 1), "team": f"t{n % 3}", "model": f"id-{n}", "is_aggregate": False} for n in range(40)]
    part = store_part(tmp_path / "a.parquet", usage)
    query = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []), group_limit=10)
    (problem,) = engines.engine("duckdb").group([part], query).problems
    assert problem.code == "too-many-groups" and "'model'" in problem.message


def test_engine__a_label_that_one_part_lacks_is_empty_there(tmp_path: Path) -> None:
    """A column that holds one value in the parts that have it is not of one value in all rows."""
    usage = [{"ts": datetime(2026, 7, 1), "requests": 1, "tag": '["eval"]', "is_aggregate": False}]
    with_tag = store_part(tmp_path / "a.parquet", usage)
    without = tmp_path / "b.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * EXCLUDE (tag) FROM read_parquet('{with_tag}')) TO '{without}' (FORMAT parquet)")
    query = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []), ("tag",))
    groups = engines.engine("duckdb").group([with_tag, without], query).rows
    assert sorted((group.labels["tag"], group.sums["calls"]) for group in groups) == [("", 1), ('["eval"]', 1)]
