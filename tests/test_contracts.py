"""Every engine found in its folder gives the reference's sums, to the last digit, on usage made to be awkward."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger import engines
from finledger.core.label import PARTLY, REPEATED, REPEATS, UNCLEAR, root_labels
from finledger.core.model import ENGINE_KINDS, UsageQuery
from finledger.core.period import Month, intervals
from finledger.core.usage import GROUP_KEYS, LABELS, NATIVE, STORED_AS, TOKEN_BUCKETS, WHOLE_TOKENS

# Spark takes seconds to start: test_spark.py holds it to the same, with one session
OTHERS = [name for name in engines.names() if name not in ("reference", "spark")]
ALL = ["reference", *OTHERS]
rows = st.lists(
    st.fixed_dictionaries(
        {
            "ts": st.datetimes(datetime(2026, 7, 1), datetime(2026, 7, 31, 23, 59, 59)),
            "team": st.sampled_from([None, "search", "R&D", "日本"]),
            "operator_team": st.sampled_from([None, "search", "retrieval"]),
            "feature": st.sampled_from([None, "", "find"]),
            "trace_id": st.sampled_from([None, "", "t1", "t2", "t3", "t4"]),
            "parent_span_id": st.sampled_from([None, None, "", "s1", "s2"]),
            "action": st.sampled_from([None, "chat_call"]),
            "model": st.sampled_from([None, "m1"]),
            "status": st.sampled_from([None, "success", "Failure", "OK"]),
            "requests": st.one_of(st.none(), st.integers(0, 10**15)),
            "input_tokens": st.one_of(st.none(), st.integers(0, 10**15)),
            "output_tokens": st.one_of(st.none(), st.integers(0, 10**15)),
            "gpu_hours": st.one_of(st.none(), st.decimals(0, 10**9, places=18)),
            "gpu_busy_hours": st.one_of(st.none(), st.decimals(0, 10**9, places=18)),
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
    st.one_of(
        st.lists(st.sampled_from(["call_type", "tag", "user", "operator_team"]), unique=True),
        st.sampled_from(
            [root_labels(()), ("tag", *root_labels(()), "root_call_type", "root_model"), ("root_state", "root_tag")]
        ),
    ),
    st.sampled_from(
        [(), (), (("team", ("日本",)),), (("team", ("R&D", "")), ("action", ("",))), (("model", ("m1", "m'2")),)]
    ),
    st.lists(st.sampled_from(["team", "action", "requests", "status", "runs", "gpu_hours", "gpu_busy_hours"]), unique=True),
)


def store_part(
    path: Path, usage: list[dict[str, Any]], export: str = "", first: int = 1, *, empty_columns: bool = True
) -> Path:
    """A Parquet part as the store has them, with the given rows. `export`: the hash of its own, else its name.

    `empty_columns`: as earlier versions made parts; without, a schema has to be read before it.
    """
    with duckdb.connect() as connection:
        columns = [f'"{c.name}" {STORED_AS[c.kind]}' for c in NATIVE] + [f'"{name}" VARCHAR' for name in LABELS]
        own = ", ".join(("is_aggregate BOOLEAN, file_sha256 VARCHAR, record BIGINT", *(f"{n} BIGINT" for n in WHOLE_TOKENS)))
        connection.execute(f"CREATE TABLE part ({', '.join(columns)}, {own})")
        for record, row in enumerate(usage, first):
            row = {**row, "file_sha256": export or path.stem, "record": record}
            names = ", ".join(f'"{name}"' for name in row)
            connection.execute(f"INSERT INTO part ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
        held = {name for row in usage for name, value in row.items() if value is not None}
        lean = ", ".join(f'"{name}"' for name in sorted({*held, "is_aggregate", "file_sha256", "record"}))
        whole = "*" if held & set(WHOLE_TOKENS) else f"* EXCLUDE ({', '.join(WHOLE_TOKENS)})"  # few parts have them
        connection.execute(f"COPY (SELECT {whole if empty_columns else lean} FROM part) TO '{path}' (FORMAT parquet)")
    return path


def store_parts(folder: Path, **usage: list[dict[str, Any]]) -> list[Path]:
    """The schema, and parts of exports by their hash, as this version makes them."""
    made = [store_part(folder / f"{name}.parquet", each, empty_columns=False) for name, each in usage.items()]
    return [store_part(folder / "schema.parquet", []), *made]


def canonical(name: str, parts: list[Path], query: UsageQuery, elsewhere: list[Path] | None = None) -> dict[Any, Any]:
    groups = engines.engine(name).group(parts, query, elsewhere or []).rows
    found = {
        (group.interval, *group.keys.items(), *group.labels.items()): {k: Decimal(v) for k, v in group.sums.items()}
        for group in groups
    }
    assert len(found) == len(groups)
    return found


@pytest.mark.parametrize("engine", OTHERS)
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(usage=rows, query=queries)
def test_engine__equals_the_reference(engine: str, usage: list[dict[str, Any]], query: UsageQuery, tmp_path: Path) -> None:
    half = len(usage) // 2
    parts = [*store_parts(tmp_path, b=usage[half:]), store_part(tmp_path / "a.parquet", usage[:half] or usage)]
    assert canonical(engine, parts, query) == canonical("reference", parts, query)


asked_of_roots = st.sampled_from([(), ("tag",), ("call_type", "model"), ("source", "user")])


@pytest.mark.parametrize("engine", OTHERS)
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(usage=rows, before=rows, fields=asked_of_roots, order=st.randoms(use_true_random=False))
def test_engine__says_of_roots_what_the_reference_says(
    engine: str,
    usage: list[dict[str, Any]],
    before: list[dict[str, Any]],
    fields: tuple[str, ...],
    order: Any,
    tmp_path: Path,
) -> None:
    """Roots lie in the same part, in another, or in the month before; in whatever order, each row is counted once (A5)."""
    labels = (*root_labels(()), *(f"root_{name}" for name in fields))
    query = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []), labels)
    half = len(usage) // 2
    parts = [store_part(tmp_path / "a.parquet", usage[:half] or usage[:1]), store_part(tmp_path / "b.parquet", usage[half:])]
    stored = [*(usage[:half] or usage[:1]), *usage[half:]]
    elsewhere = [store_part(tmp_path / "before.parquet", before)]
    want = canonical("reference", parts, query, elsewhere)
    assert canonical(engine, parts, query, elsewhere) == want
    assert sum(sums["rows"] for sums in want.values()) == sum(not row["is_aggregate"] for row in stored)
    shuffled = order.sample(stored, len(stored))
    assert canonical(engine, [store_part(tmp_path / "c.parquet", shuffled)], query, elsewhere) == want


@pytest.mark.parametrize("engine", ALL)
def test_engine__root_states(engine: str, tmp_path: Path) -> None:
    """One root, none, two that differ, two that say the same; a root in the month before; a row outside traces."""

    def span(trace: str, parent: str | None, team: str | None, aggregate: bool = False) -> dict[str, Any]:
        names = {"trace_id": trace, "parent_span_id": parent, "team": team}
        return {"ts": datetime(2026, 7, 1), "requests": 1, "is_aggregate": aggregate, **names}

    usage = [
        *(span("one", None, "search", True), span("one", "s1", "tools"), span("none", "s1", "tools")),
        *(span("differ", None, "search"), span("differ", "", "support"), span("differ", "s1", "tools")),
        *(span("same", None, "search"), span("same", None, "search"), span("same", "s1", "tools")),
        *(span("before", "s1", "tools"), span("", "s1", "tools")),
    ]
    part = store_part(tmp_path / "july.parquet", usage)
    june = store_part(tmp_path / "june.parquet", [span("before", None, "support")])
    query = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []), root_labels(()))
    groups = engines.engine(engine).group([part], query, [june]).rows
    found = {
        (group.keys["team"], group.labels["root_state"], group.labels["root_team"]): group.sums["calls"] for group in groups
    }
    assert found == {
        ("search", "", ""): 3,
        ("support", "", ""): 1,
        ("tools", "", ""): 1,
        ("tools", "one", "search"): 2,
        ("tools", "one", "support"): 1,
        ("tools", "none", ""): 1,
        ("tools", "several", ""): 1,
    }


spans = st.lists(
    st.fixed_dictionaries(
        {
            "ts": st.just(datetime(2026, 7, 1)),
            "source": st.sampled_from([None, "gateway", "console"]),
            "team": st.sampled_from(["search", "tools"]),
            "trace_id": st.sampled_from([None, "t1", "t1", "t2"]),
            "span_id": st.sampled_from([None, "s1", "s2", "s3", "s4"]),
            "parent_span_id": st.sampled_from([None, "s1", "s1", "s2", "s3"]),
            "input_tokens": st.sampled_from([None, 0, 1, 1, 2]),
            "output_tokens": st.sampled_from([None, 0, 1]),
            "whole_input_tokens": st.sampled_from([None, None, 2, 3]),
            "is_aggregate": st.sampled_from([False, False, False, True]),
        }
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("engine", OTHERS)
@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(
    one=spans,
    other=spans,
    before=spans,
    reconciled=st.sampled_from([(), ("console",)]),
    inclusive=st.sampled_from([(), ("gateway",), ("console", "gateway")]),
)
def test_engine__finds_the_spans_that_repeat_another_export_as_the_reference_does(
    engine: str,
    one: list[dict[str, Any]],
    other: list[dict[str, Any]],
    before: list[dict[str, Any]],
    reconciled: tuple[str, ...],
    inclusive: tuple[str, ...],
    tmp_path: Path,
) -> None:
    """One export has a part in the month before, too: what lies there is of the same export."""
    labels = (REPEATS, *root_labels(()))
    query = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []), labels, reconciled=reconciled, inclusive=inclusive)
    parts = store_parts(tmp_path, a=one, b=other)
    elsewhere = [store_part(tmp_path / "c.parquet", before, export="a", first=len(one) + 1)]
    want = canonical("reference", parts, query, elsewhere)
    assert canonical(engine, parts, query, elsewhere) == want == canonical(engine, parts[::-1], query, elsewhere)
    at = 1 + len(GROUP_KEYS)
    rows_of = [sums["rows"] for key, sums in want.items() if dict(key[at:])[REPEATS] != PARTLY]
    assert sum(rows_of) == sum(not row["is_aggregate"] for row in [*one, *other])
    for bucket in TOKEN_BUCKETS:
        stored = sum(row.get(bucket) or 0 for row in [*one, *other] if not row["is_aggregate"])
        assert sum(sums[bucket] for sums in want.values()) == stored


@pytest.mark.parametrize("engine", ALL)
def test_engine__spans_that_repeat_another_export(engine: str, tmp_path: Path) -> None:
    """Of eight traces over two exports, by the tokens of the root, of what is below it, and of what is below that."""

    def span(
        team: str,
        trace: str,
        name: str,
        parent: str | None,
        tokens: int | None,
        source: str = "agents",
        **others: int,
    ) -> dict[str, Any]:
        names = {"team": team, "trace_id": trace, "span_id": name, "parent_span_id": parent, "source": source}
        return {"ts": datetime(2026, 7, 1), "input_tokens": tokens, "is_aggregate": False, **names, **others}

    agents = [
        span("repeats its children", "t1", "r", None, 100),
        span("repeats its leaves", "t2", "r", None, 50),
        span("passes on", "t2", "a", "r", None),
        span("holds more", "t3", "r", None, 101),
        span("is compared", "t4", "r", None, 7),
        span("root without tokens", "t5", "r", None, None),
        span("repeats without the split", "t6", "r", None, 100, output_tokens=5),
        span("answers are not asked", "t7", "r", None, 100, output_tokens=5),
        *(span("holds much more", "t8", "r", None, 101, output_tokens=9), span("passes on", "t8", "a", "r", None)),
    ]
    tools = [
        *(span("leaf", "t1", "a", "r", 60), span("leaf", "t1", "b", "r", 40), span("leaf", "t2", "b", "a", 50)),
        *(span("leaf", "t3", "a", "r", 100), span("leaf", "t4", "a", "r", 7, "console")),
        *(span("in the middle", "t5", "a", "r", 9), span("leaf", "t5", "b", "a", 9)),
        span("leaf", "t6", "a", "r", 20, cached_input_tokens=70, cache_write_tokens=10, output_tokens=5),
        span("leaf", "t7", "a", "r", 100, output_tokens=4, cached_input_tokens=1),
        *(span("leaf", "t8", "b", "a", 60, output_tokens=8), span("leaf", "t8", "c", "a", 40)),
    ]
    console = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []), (REPEATS,), reconciled=("console",))
    parts = [store_part(tmp_path / "agents.parquet", agents), store_part(tmp_path / "tools.parquet", tools)]
    groups = engines.engine(engine).group(parts, console).rows
    found = {group.keys["team"]: group.labels[REPEATS] for group in groups if group.labels[REPEATS]}
    # what one export holds whole is looked at when it is loaded: t5's span in the middle is its business
    whole = dict.fromkeys(("repeats its children", "repeats its leaves", "repeats without the split"), REPEATED)
    assert found == {**whole, **dict.fromkeys(("holds more", "holds much more", "answers are not asked"), UNCLEAR)}
    assert sum(group.sums["rows"] for group in groups) == len(agents) + len(tools)
    groups = engines.engine(engine).group(parts, replace(console, inclusive=("agents",))).rows
    sums = {
        (group.keys["team"], group.labels[REPEATS]): tuple(
            group.sums[name] for name in ("calls", "input_tokens", "output_tokens")
        )
        for group in groups
    }
    assert sums["holds more", ""] == (1, 1, 0) and sums["holds more", PARTLY] == (0, 100, 0)
    assert sums["holds much more", ""] == (1, 1, 1) and sums["holds much more", PARTLY] == (0, 100, 8)
    assert sums["answers are not asked", UNCLEAR] == (1, 100, 5)


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
    for name in ALL:
        calls = {group.interval: group.sums["calls"] for group in engines.engine(name).group([part], query).rows}
        assert calls == {0: 1, 1: 10}
    assert query.intervals[1].start == datetime(2026, 7, 15, 22, tzinfo=UTC)


def test_duckdb__too_many_groups_names_the_column(tmp_path: Path) -> None:
    usage = [{"ts": datetime(2026, 7, 1), "team": f"t{n % 3}", "model": f"id-{n}", "is_aggregate": False} for n in range(40)]
    part = store_part(tmp_path / "a.parquet", usage)
    query = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []), group_limit=10)
    (problem,) = engines.engine("duckdb").group([part], query).problems
    assert problem.code == "too-many-groups" and "'model'" in problem.message


def tags_where_a_part_lacks_them(engine: str, folder: Path) -> list[tuple[str, int | Decimal]]:
    """The calls by tag, of one row in a part that has tags and the same row in one that has not."""
    usage = [{"ts": datetime(2026, 7, 1), "requests": 1, "tag": '["eval"]', "is_aggregate": False}]
    with_tag = store_part(folder / "a.parquet", usage)
    without = folder / "b.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * EXCLUDE (tag) FROM read_parquet('{with_tag}')) TO '{without}' (FORMAT parquet)")
    query = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []), ("tag",))
    groups = engines.engine(engine).group([with_tag, without], query).rows
    return sorted((group.labels["tag"], group.sums["calls"]) for group in groups)


def test_engine__a_label_that_one_part_lacks_is_empty_there(tmp_path: Path) -> None:
    """A column that holds one value in the parts that have it is not of one value in all rows."""
    for engine in ALL:
        assert tags_where_a_part_lacks_them(engine, tmp_path) == [("", 1), ('["eval"]', 1)]


def test_settings__name_every_engine() -> None:
    assert sorted(ENGINE_KINDS) == list(engines.names())
