"""Two reports of the same days: what finledger.yaml says of them, when they are loaded and later."""

from __future__ import annotations

from pathlib import Path

import pytest

from finledger.books.overlap import KEYS
from finledger.core.period import Month
from finledger.core.problem import Refused
from finledger.core.usage import LABELS, NATIVE
from finledger.workbench import Workbench
from finledger.workbench.overlapping import month_overlaps, open_overlaps
from tests.errors.test_errors import HERE, lay_out
from tests.support import finledger

JULY = Month(2026, 7)


def declared(root: Path, text: str) -> Workbench:
    """The books with another line about sources."""
    path = root / "finledger.yaml"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("sources:")]
    path.write_text("\n".join((*kept, f"sources: {{{text}}}", "")))
    return Workbench(root)


def codes(bench: Workbench) -> list[str]:
    return [problem.code for problem in month_overlaps(bench, JULY)]


def test_keys__are_columns_that_usage_has() -> None:
    assert set(KEYS) <= {column.name for column in NATIVE} | set(LABELS)


@pytest.mark.parametrize("case", ["usage-from-two-sources--reports", "usage-sources-alike"])
@pytest.mark.parametrize("words", ["console: {role: reconcile}", "api: {beside: [console]}", "console: {beside: [api, x]}"])
def test_two_reports__are_loaded_as_they_are_declared(tmp_path: Path, case: str, words: str) -> None:
    root = lay_out(HERE / case, tmp_path / "books")
    with pytest.raises(Refused):
        Workbench(root).load(Workbench(root).inbox())
    bench = declared(root, words)
    assert [each.file.accepted for each in bench.load(bench.inbox())] == [1, 2]
    assert codes(bench) == []
    # what is no longer declared is said, where it is certain
    again = declared(root, "console: {role: charge}")
    assert codes(again) == (["usage-from-two-sources"] if "reports" in case else [])
    assert [problem.severity for problem in open_overlaps(again)] == ["warning"] * len(codes(again))
    assert codes(declared(root, words)) == []


def test_compared_at_load__nothing_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two charged sources with request ids that have nothing in common: the load has seen it, and a month need not look."""
    root = lay_out(HERE / "usage-from-two-sources", tmp_path / "books")
    (root / "usage/traces/july.csv").write_text((root / "usage/traces/july.csv").read_text().replace("-a2", "-b8"))
    bench = Workbench(root)
    finledger("load", "--books", root)
    monkeypatch.setattr(bench.store, "stored_overlaps", None)
    assert codes(bench) == []
    declared(root, "traces: {role: reconcile}")
    (root / "usage/traces/more.csv").write_text(
        (root / "usage/traces/july.csv").read_text().replace("t1", "t3").replace("t2", "t4")
    )
    finledger("load", "--books", root)
    bench = declared(root, "traces: {role: charge}")
    assert codes(bench) == []
    monkeypatch.setattr(bench.store, "stored_overlaps", None)
    with pytest.raises(TypeError):
        codes(bench)


def test_inclusive__a_source_that_is_named_by_its_format(tmp_path: Path) -> None:
    """Nobody names the source of a file that lies in usage/ itself. A run of 100 + 20 above calls of 90 + 18 bills 10 + 2."""
    (tmp_path / "usage").mkdir()
    (tmp_path / "finledger.yaml").write_text(
        "books: b\ncurrency: USD\nplatform: {team: p, cost_center: cc}\nsources: {native: {inclusive: true}}\n"
    )
    rows = ("t,r0,,100,20", "t,a1,r0,60,15", "t,c3,r0,30,3")
    (tmp_path / "usage/july.csv").write_text(
        "usage_id,ts,trace_id,span_id,parent_span_id,input_tokens,output_tokens\n"
        + "".join(f"{number},2026-07-01T00:00:00Z,{row}\n" for number, row in enumerate(rows))
    )
    finledger("load", "--books", tmp_path)
    (july,) = Workbench(tmp_path).usage_summary()
    assert (july["rows"], july["input_tokens"], july["output_tokens"]) == (3, 100, 20)
