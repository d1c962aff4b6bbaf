"""A later export of the same report takes the place of the earlier one: `finledger load NEW --replaces OLD`."""

from __future__ import annotations

from pathlib import Path

import pytest

from finledger.core.problem import Refused
from finledger.workbench import Workbench
from finledger.workbench.sealed import as_of, close_named
from finledger.workbench.verify import verify
from tests.errors.made import days
from tests.errors.test_errors import HERE, lay_out
from tests.laws.test_load import books, counts, export, tokens, usage
from tests.support import finledger

FOURTH = [("a", "2026-07-01T09:00:00Z", 100), ("b", "2026-07-04T09:00:00Z", 10)]
FIFTH = [("a", "2026-07-01T09:00:00Z", 100), ("b", "2026-07-04T23:00:00Z", 25), ("c", "2026-07-05T09:00:00Z", 7)]


def names(bench: Workbench) -> list[str]:
    by_hash = {file.sha256: Path(file.name).name for file in bench.ledger.files()}
    return sorted({by_hash[part.file_sha256] for part in bench.ledger.parts()})


def codes(bench: Workbench, *files: Path, replaces: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(Refused) as raised:
        bench.load(files, replaces=replaces)
    return [problem.code for problem in raised.value.problems]


def test_replaces__the_later_rows_alone_count(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    old, new = export(bench.root / "4.csv", FOURTH), export(bench.root / "5.csv", FIFTH)
    assert counts(bench, old) == [(2, 2, 0, 0, 0)]
    assert codes(bench, new) == ["conflicting-usage"]
    assert tokens(bench) == (2, 110)
    assert counts(bench, new, replaces=["4.csv"]) == [(3, 3, 0, 0, 0)]
    assert (tokens(bench), names(bench)) == ((3, 132), ["5.csv"])
    assert [file.name for file in bench.ledger.files()] == ["4.csv", "5.csv"]
    (event,) = bench.ledger.events("replace")
    assert ([name for _, name in event.content["old"]], [name for _, name in event.content["new"]]) == (["4.csv"], ["5.csv"])
    assert verify(bench).problems == ()
    assert bench.usage_summary()[0]["input_tokens"] == 132
    # the next load sweeps the old part away, and nobody misses it
    assert counts(bench, export(bench.root / "x.csv", usage([1], day=9))) == [(1, 1, 0, 0, 0)]
    assert len(list((bench.root / "store/usage").rglob("month*/*.parquet"))) == 2
    assert verify(bench).problems == ()


def test_replaces__by_the_beginning_of_its_hash_where_both_have_one_name(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    path = export(bench.root / "report.csv", FOURTH)
    bench.load([path])
    (known,) = bench.ledger.files()
    export(path, FIFTH)
    assert counts(bench, path, replaces=[known.sha256[:8]]) == [(3, 3, 0, 0, 0)]
    assert tokens(bench) == (3, 132)
    export(path, [*FIFTH, ("d", "2026-07-06T09:00:00Z", 1)])
    assert counts(bench, path, replaces=["report.csv"]) == [(4, 4, 0, 0, 0)]
    assert tokens(bench) == (4, 133)


def test_replaces__several_at_once(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    first, second = export(bench.root / "1.csv", usage([1])), export(bench.root / "2.csv", usage([2]))
    bench.load([first, second])
    whole = export(bench.root / "whole.csv", usage([1, 2, 3]))
    assert counts(bench, whole, replaces=["1.csv", "2.csv"]) == [(3, 3, 0, 0, 0)]
    assert (tokens(bench), names(bench)) == ((3, 6), ["whole.csv"])


def test_replaced__is_refused_when_it_is_named_and_passed_over_when_it_is_found(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    (bench.root / "usage").mkdir()
    old, new = export(bench.root / "usage/4.csv", FOURTH), export(bench.root / "usage/5.csv", FIFTH)
    bench.load([old])
    bench.load([new], replaces=["usage/4.csv"])
    assert codes(bench, old) == ["replaced-file"]
    assert bench.waiting() == []
    finledger("load", "--books", bench.root)
    assert tokens(bench) == (3, 132)


def test_replaces__back_to_the_earlier_one(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    old, new = export(bench.root / "4.csv", FOURTH), export(bench.root / "5.csv", FIFTH)
    bench.load([old])
    for _ in range(2):
        assert counts(bench, new, replaces=["4.csv"]) == [(3, 3, 0, 0, 0)]
        assert codes(bench, old) == ["replaced-file"]
        assert counts(bench, old, replaces=["5.csv"]) == [(2, 2, 0, 0, 0)]
        assert (tokens(bench), names(bench), codes(bench, new)) == ((2, 110), ["4.csv"], ["replaced-file"])
        assert verify(bench).problems == ()


def test_replaces__rows_that_another_file_was_left_without_are_read_again(tmp_path: Path) -> None:
    """week.csv came with row a, which 4.csv had already; 5.csv has it no more. Named too, week.csv gets it back."""
    bench = books(tmp_path / "books")
    old, week = export(bench.root / "4.csv", FOURTH), export(bench.root / "week.csv", [FOURTH[0], FIFTH[2]])
    new = export(bench.root / "5.csv", FIFTH[1:2])
    assert counts(bench, old) + counts(bench, week) == [(2, 2, 0, 0, 0), (2, 1, 1, 0, 0)]
    lost = bench.load([new], replaces=["4.csv"], dry_run=True)[0].problems
    assert [(each.code, each.severity) for each in lost] == [("rows-withdrawn", "warning")]
    assert (tokens(bench), names(bench)) == ((3, 117), ["4.csv", "week.csv"])
    assert counts(bench, new, week, replaces=["4.csv"]) == [(1, 1, 0, 0, 0), (2, 2, 0, 0, 0)]
    assert (tokens(bench), names(bench)) == ((3, 132), ["5.csv", "week.csv"])
    assert {file.name: (file.accepted, file.duplicate) for file in bench.ledger.files()}["week.csv"] == (2, 0)
    assert verify(bench).problems == ()


def test_replaces__a_file_that_was_left_without_rows_is_read_again_when_it_is_named(tmp_path: Path) -> None:
    """As above, but afterwards. What is only found in usage/ is not read again: it may say what the new report corrected."""
    bench = books(tmp_path / "books")
    (bench.root / "usage").mkdir()
    old, week = export(bench.root / "4.csv", FOURTH), export(bench.root / "usage/week.csv", [FOURTH[0], FIFTH[2]])
    bench.load([old, week])
    bench.load([export(bench.root / "5.csv", FIFTH[1:2])], replaces=["4.csv"])
    finledger("load", "--books", bench.root)
    assert tokens(bench) == (2, 32)
    assert counts(bench, week) == [(2, 2, 0, 0, 0)]
    assert (tokens(bench), names(bench)) == ((3, 132), ["5.csv", "week.csv"])
    assert counts(bench, week) == [(2, 0, 2, 0, 0)]
    assert [event.subject for event in bench.ledger.events()] == ["4.csv", "usage/week.csv"]
    assert verify(bench).problems == ()


def test_replaces__a_file_that_was_loaded_beside_the_old_one(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    old, new = export(bench.root / "4.csv", FOURTH[:1]), export(bench.root / "5.csv", [FOURTH[0], FIFTH[2]])
    assert counts(bench, old, new) == [(1, 1, 0, 0, 0), (2, 1, 1, 0, 0)]
    assert counts(bench, new, replaces=["4.csv"]) == [(2, 2, 0, 0, 0)]
    assert (tokens(bench), names(bench)) == ((2, 107), ["5.csv"])


def test_replaces__quarantine_goes_with_its_file(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    bad = ("x", "2026-07-01T09:00:00Z", "many")
    old, new = export(bench.root / "4.csv", [*FOURTH, bad]), export(bench.root / "5.csv", FIFTH)
    assert counts(bench, old) == [(3, 2, 0, 0, 1)]
    counts(bench, new, replaces=["4.csv"])
    assert bench.quarantine() == []
    assert counts(bench, old, replaces=["5.csv"]) == [(3, 2, 0, 0, 1)]
    assert [row["where"] for row in bench.quarantine()] == ["4.csv:4"]
    assert verify(bench).problems == ()


def test_replaces__nothing_is_replaced_by_what_is_refused(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    bench.load([export(bench.root / "4.csv", FOURTH), export(bench.root / "other.csv", [("c", "2026-07-05T00:00:00Z", 1)])])
    new = export(bench.root / "5.csv", FIFTH)
    assert codes(bench, new, replaces=("4.csv",)) == ["conflicting-usage"]
    assert (tokens(bench), bench.ledger.events()) == ((3, 111), ())
    assert codes(bench, new, replaces=("6.csv", "4.csv", "5.csv")) == ["replaced-not-loaded", "replaced-not-loaded"]


def test_replaces__the_two_are_not_held_against_each_other(tmp_path: Path) -> None:
    """The old one's requests are no second use of the new one's, though the new one is loaded as another source."""
    bench = books(tmp_path / "books")
    head = ("usage_id", "ts", "request_id", "input_tokens")
    old = export(bench.root / "4.csv", [("a", "2026-07-01T09:00:00Z", "r1", 5)], head)
    new = export(bench.root / "5.csv", [("b", "2026-07-01T09:00:00Z", "r1", 5)], head)
    bench.load([old], source="gateway")
    with pytest.raises(Refused):
        bench.load([new], source="traces")
    assert counts(bench, new, source="traces", replaces=["4.csv"]) == [(1, 1, 0, 0, 0)]


def test_replaces__after_a_reopening_the_first_close_still_has_what_it_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """31 days of 1,000 calls are closed; reopened, the report of 2,000 a day takes their place."""
    root = lay_out(HERE / "replaces-closed-month", tmp_path / "books")
    monkeypatch.chdir(root)
    days("4.csv", "2026-07", "search", "1000")
    days("5.csv", "2026-07", "search", "2000")
    who = ("--month", "2026-07", "--by", "Ada Fell", "--reason", "The report grew")
    finledger("load", "4.csv")
    finledger("close", "--month", "2026-07")
    assert codes(Workbench(root), root / "5.csv", replaces=("4.csv",)) == ["replaces-closed-month"]
    finledger("reopen", *who)
    finledger("load", "5.csv", "--replaces", "4.csv")
    days("x.csv", "2026-08", "support", "1")
    finledger("load", "x.csv")
    bench = Workbench(root)
    then = as_of(bench, close_named(bench, "1"))
    assert [[row["requests"] for row in each.usage_summary()] for each in (then, bench)] == [[31_000], [62_000, 31]]
    assert verify(bench).problems == ()
    finledger("close", "--month", "2026-07")
    assert verify(Workbench(root)).problems == ()
