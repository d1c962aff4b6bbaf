"""The store: what is known already, months in the books' zone, conflicts across files, parts that nobody lists."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from finledger.books.store import Store
from finledger.core.model import Part, StagedFile
from finledger.core.problem import Refused
from finledger.core.usage import LABELS, NATIVE
from finledger.read.stage import stage

HEAD = "usage_id,ts,team,input_tokens\n"


def staged(
    folder: Path, name: str, rows: str, head: str = HEAD, timezone: str = "UTC", source: str | None = None
) -> StagedFile:
    (folder / name).write_text(head + rows)
    return stage(folder / name, shown_as=name, workspace=folder / f"work-{name}", timezone=timezone, source=source)


def loaded(
    store: Store, folder: Path, *files: StagedFile, stored: list[Part] | None = None
) -> tuple[list[tuple[int, ...]], list[Part]]:
    published = store.publish(files, stored or [], folder / "publish").files
    return [(f.read, f.accepted, f.duplicate, f.aggregate, f.rejected) for f, _ in published], [
        p for _, ps in published for p in ps
    ]


def rows(store: Store, parts: list[Part], columns: str) -> list[tuple[object, ...]]:
    paths = [str(path) for path in store.paths(parts)]
    return duckdb.sql(f"SELECT {columns} FROM read_parquet({paths!r}, union_by_name = true) ORDER BY ALL").fetchall()


def test_publish__parts_have_the_columns_that_hold_anything_and_are_named_by_their_bytes(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    head = "usage_id,ts,team,input_tokens,cost_center\n"
    file = staged(tmp_path, "a.csv", "1,2026-07-31T23:59:59Z,s,5,\n2,2026-08-01T00:00:00Z,s,6,\n", head)
    _, parts = loaded(store, tmp_path, file)
    assert [(str(part.month), part.rows) for part in parts] == [("2026-07", 1), ("2026-08", 1)]
    own = ["record", "file_sha256", "is_aggregate"]
    for part in parts:
        content = (store.root / part.path).read_bytes()
        assert part.path == f"usage/month={part.month}/{hashlib.sha256(content).hexdigest()}.parquet"
        held = duckdb.sql(f"FROM read_parquet('{store.root / part.path}', hive_partitioning = false)").columns
        assert held == ["usage_id", "ts", "team", "input_tokens", "source", *own]  # no row has a cost center
    described = duckdb.sql(
        f"SELECT * FROM read_parquet({[str(p) for p in store.paths(parts)]!r}, union_by_name = true)"
    ).columns
    assert set(described) == {c.name for c in NATIVE} | set(LABELS) | {*own}
    assert rows(store, parts, "usage_id, record, file_sha256, source, is_aggregate") == [
        ("1", 1, file.sha256, "native", False),
        ("2", 2, file.sha256, "native", False),
    ]


def test_publish__months_are_those_of_the_books_zone(tmp_path: Path) -> None:
    file = staged(tmp_path, "a.csv", "1,2026-07-31T22:00:00Z,s,5\n2,2026-07-31T21:59:59Z,s,6\n", timezone="Europe/Berlin")
    _, parts = loaded(Store(tmp_path / "store"), tmp_path, file)
    assert [(str(part.month), part.rows) for part in parts] == [("2026-07", 1), ("2026-08", 1)]


def test_publish__the_same_rows_in_another_file_are_no_news(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    counts, parts = loaded(
        store, tmp_path, staged(tmp_path, "a.csv", "1,2026-07-01T00:00:00Z,s,5\n2,2026-07-01T00:00:00Z,s,6\n")
    )
    again = staged(
        tmp_path, "b.csv", "6,s,2,2026-07-01T00:00:00Z\n7,s,3,2026-07-01T00:00:00Z\n", "input_tokens,team,usage_id,ts\n"
    )
    more, added = loaded(store, tmp_path, again, stored=parts)
    assert (counts, more) == ([(2, 2, 0, 0, 0)], [(2, 1, 1, 0, 0)])
    assert rows(store, [*parts, *added], "usage_id, input_tokens") == [("1", 5), ("2", 6), ("3", 7)]


def test_publish__two_files_of_one_load_know_each_other(tmp_path: Path) -> None:
    a = staged(tmp_path, "a.csv", "1,2026-07-01T00:00:00Z,s,5\n")
    b = staged(tmp_path, "b.csv", "1,2026-07-01T00:00:00Z,s,5\n2,2026-07-01T00:00:00Z,s,5\n")
    counts, _ = loaded(Store(tmp_path / "store"), tmp_path, a, b)
    assert counts == [(1, 1, 0, 0, 0), (2, 1, 1, 0, 0)]


def test_publish__an_id_with_other_content_names_both_places_and_moves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = staged(tmp_path, "a.csv", "0,2026-07-01T00:00:00Z,s,5\n1,2026-07-01T00:00:00Z,s,5\n")
    _, parts = loaded(store, tmp_path, first)
    before = sorted(store.root.rglob("*.parquet"))
    stored = staged(tmp_path, "b.csv", "\n1,2026-07-01T00:00:00Z,s,6\n")
    beside = staged(tmp_path, "c.csv", "9,2026-07-01T00:00:00Z,s,1\n1,2026-08-01T00:00:00Z,s,5\n")
    with pytest.raises(Refused) as refused:
        store.publish([stored, beside], parts, tmp_path / "publish", {first.sha256: "a.csv"})
    places = [(str(problem.source), problem.message.rsplit("also at ", 1)[1]) for problem in refused.value.problems]
    assert places == [
        ("b.csv:3 (usage_id)", "a.csv:3"),
        ("c.csv:3 (usage_id)", "a.csv:3"),
        ("c.csv:3 (usage_id)", "b.csv:3"),
    ]
    assert sorted(store.root.rglob("*.parquet")) == before


def test_publish__every_files_problems_at_once(tmp_path: Path) -> None:
    bad = [staged(tmp_path, "a.csv", ""), staged(tmp_path, "b.csv", "1,never,s,5\n")]
    with pytest.raises(Refused) as refused:
        Store(tmp_path / "store").publish(bad, [], tmp_path / "publish")
    assert [problem.code for problem in refused.value.problems] == ["no-rows", "all-rows-rejected"]
    assert not (tmp_path / "store").exists()


def test_publish__remainders_duplicates_and_aggregates_lie_as_they_were_settled(tmp_path: Path) -> None:
    head = "usage_id,ts,trace_id,span_id,parent_span_id,input_tokens\n"
    lines = [("run", "t", "r", "", 100), ("a", "t", "a", "r", 90), ("agg", "u", "r", "", 7), ("b", "u", "b", "r", 7)]
    text = "".join(
        f"{usage_id},2026-07-01T00:00:00Z,{trace},{span},{parent},{n}\n" for usage_id, trace, span, parent, n in lines
    )
    (tmp_path / "a.csv").write_text(head + text + text.splitlines()[1] + "\n")
    store = Store(tmp_path / "store")
    file = stage(tmp_path / "a.csv", shown_as="a.csv", workspace=tmp_path / "work", inclusive={"native"})
    counts, parts = loaded(store, tmp_path, file)
    assert counts == [(5, 3, 1, 1, 0)]
    assert rows(store, parts, "usage_id, input_tokens, is_aggregate") == [
        ("a", 90, False), ("agg", 7, True), ("b", 7, False), ("run", 10, False),
    ]  # fmt: skip
    again = staged(tmp_path, "b.csv", text, head)
    assert again.rejected == 1  # not declared inclusive, so the run is refused; the rest is known
    more, _ = loaded(store, tmp_path, again, stored=parts)
    assert more == [(4, 0, 3, 0, 1)]


def test_publish__identical_rows_without_ids_count_each_and_the_file_again_does_not(tmp_path: Path) -> None:
    head = "BilledCost,EffectiveCost,BillingCurrency,ChargePeriodStart,ChargeCategory\n"
    same = "1.50,1.25,USD,2026-07-01T00:00:00Z,Usage\n"
    store = Store(tmp_path / "store")
    counts, parts = loaded(store, tmp_path, staged(tmp_path, "a.csv", same + same, head))
    more, _ = loaded(store, tmp_path, staged(tmp_path, "b.csv", same * 3, head), stored=parts)
    assert (counts, more) == ([(2, 2, 0, 0, 0)], [(3, 1, 2, 0, 0)])


def test_sweep__removes_what_nobody_lists(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    _, parts = loaded(store, tmp_path, staged(tmp_path, "a.csv", "1,2026-07-01T00:00:00Z,s,5\n2,x,s,5\n"))
    assert store.sweep(parts) == 0
    assert store.sweep(parts[:1]) == 1 and store.sweep([]) == 1
    assert [path.name for path in store.root.rglob("*.parquet")] in ([], ["schema.parquet"])


def test_lines_of__records_of_quoted_lines_and_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,note\n\n1,"two\nlines"\n2,plain\n\n3,"a ""b"""\n')
    store = Store(tmp_path)
    assert store.lines_of(path, [1, 2, 3, 4]) == {1: 3, 2: 5, 3: 7}
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    assert store.lines_of(tmp_path / "a.jsonl", [2]) == {2: 3}
