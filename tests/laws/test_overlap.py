"""What must hold of overlapping exports: no request is charged twice, in whatever order they come, and none is lost or doubled
when a later export takes the place of an earlier one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger.core.problem import Refused
from finledger.workbench import Workbench
from tests.laws.test_load import books, export

HEAD = ("usage_id", "ts", "request_id", "input_tokens")
SOURCES = ("gateway", "traces", "responses")
few = settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])


def stored(bench: Workbench, columns: str) -> list[tuple[object, ...]]:
    paths = [str(path) for path in bench.store.paths(bench.ledger.parts())]
    if not paths:
        return []
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT {columns} FROM read_parquet({paths!r}, union_by_name = true)").fetchall()


@few
@given(
    exports=st.lists(
        st.tuples(st.sampled_from(SOURCES), st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True)),
        min_size=2,
        max_size=4,
    ),
    role=st.sampled_from(["charge", "reconcile"]),
    together=st.booleans(),
)
def test_no_request_is_charged_by_two_sources(exports: list[tuple[str, list[int]]], role: str, together: bool) -> None:
    """Request 7 has no id. What is refused leaves nothing, and what is loaded is there whole."""
    with tempfile.TemporaryDirectory() as folder:
        bench = books(Path(folder) / "books", f"sources: {{responses: {{role: {role}}}}}\n")
        paths = []
        for number, (source, requests) in enumerate(exports):
            inbox = bench.root / "usage" / source
            inbox.mkdir(parents=True, exist_ok=True)
            day = f"2026-07-{number + 1:02d}T09:00:00Z"
            rows = [(f"{source}-{number}-{each}", day, f"r{each}" if each < 7 else "", 1) for each in requests]
            paths.append(export(inbox / f"{number}.csv", rows, HEAD))
        loaded = []
        for files in [paths] if together else [[path] for path in paths]:
            try:
                loaded += [each.file for each in bench.load(files)]
            except Refused as refused:
                assert {problem.code for problem in refused.problems} == {"usage-from-two-sources"}
        found = stored(bench, "source, request_id, usage_id")
        assert len(found) == sum(file.accepted for file in loaded) == sum(file.read for file in loaded)
        charged: dict[object, set[object]] = {}
        for source, request, _ in found:
            if request is not None and bench.organisation.role(str(source)) == "charge":
                charged.setdefault(request, set()).add(source)
        assert all(len(sources) == 1 for sources in charged.values())
        assert together or loaded, "the first one is never refused"


@few
@given(
    contents=st.lists(st.frozensets(st.integers(0, 5), min_size=1, max_size=4), min_size=3, max_size=5, unique=True),
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=7),
)
def test_replacing__each_row_counts_once_and_every_record_is_accounted_for(
    contents: list[frozenset[int]], steps: list[tuple[int, int]]
) -> None:
    """`owners` says whose each row is. A replacement frees the rows of both files, and the new one takes what is free."""
    with tempfile.TemporaryDirectory() as folder:
        bench = books(Path(folder) / "books")
        paths = [
            export(bench.root / f"{number}.csv", [(f"u{n}", "2026-07-01T09:00:00Z", "", n) for n in sorted(rows)], HEAD)
            for number, rows in enumerate(contents)
        ]
        owners: dict[int, int] = {}
        standing: list[int] = []
        gone: set[int] = set()
        for new, old in ((a % len(paths), b % len(paths)) for a, b in steps):
            replaces = old in standing and old != new
            if not replaces and new in gone:
                continue
            loaded = (
                bench.load([paths[new]], replaces=[f"{old}.csv"] if replaces else ()) if replaces or new not in gone else []
            )
            if replaces:
                owners = {row: owner for row, owner in owners.items() if owner not in (new, old)}
                standing.remove(old)
                gone = (gone | {old}) - {new}
            for row in contents[new]:
                owners.setdefault(row, new)
            if new not in standing:
                standing.append(new)
            for each in (*(one.file for one in loaded), *bench.ledger.files()):
                assert each.read == each.accepted + each.duplicate + each.aggregate + each.rejected
            assert sorted(stored(bench, "usage_id")) == sorted((f"u{row}",) for row in owners)
            accepted = {file.name: file.accepted for file in bench.ledger.files()}
            assert all(accepted[f"{number}.csv"] == list(owners.values()).count(number) for number in standing)
            assert set(bench.ledger.replaced().files) == {
                file.sha256 for file in bench.ledger.files() if int(file.name.removesuffix(".csv")) in gone
            }
