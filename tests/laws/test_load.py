"""What must hold of every load: nothing is lost, nothing counts twice, and a load happens as a whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger.core.label import REPEATS, root_labels
from finledger.core.model import Check, UsageQuery
from finledger.core.period import Month, intervals
from finledger.core.problem import Refused
from finledger.engines import engine
from finledger.workbench import Workbench
from finledger.workbench.tie_usage import usage_ties
from tests.formats.usage.test_usage_formats import SETTINGS, stored
from tests.support import finledger, finledger_json

HEADER = "usage_id,ts,input_tokens,billed_cost,billed_currency,x_note\n"
TRACE = ("usage_id", "ts", "trace_id", "span_id", "parent_span_id", "input_tokens", "output_tokens")
MANY = 200_000


def books(folder: Path, more: str = "", timezone: str = "UTC") -> Workbench:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "finledger.yaml").write_text(SETTINGS.replace("timezone: UTC", f"timezone: {timezone}") + more)
    return Workbench(folder)


def export(path: Path, rows: Iterable[Sequence[object]], header: Sequence[str] = ("usage_id", "ts", "input_tokens")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return path


def run_sql(statement: str) -> None:
    """On a connection of its own: an open result on the process's would be in everybody's way."""
    with duckdb.connect() as connection:
        connection.execute(statement)


def usage(numbers: Iterable[int], day: int = 1) -> list[tuple[object, ...]]:
    return [(f"id-{number}", f"2026-07-{day:02d}T00:00:00Z", number) for number in numbers]


def counts(bench: Workbench, *files: Path, **words: Any) -> list[tuple[int, ...]]:
    loaded = [each.file for each in bench.load(files, **words)]
    assert all(each.read == each.accepted + each.duplicate + each.aggregate + each.rejected for each in loaded)
    return [(each.read, each.accepted, each.duplicate, each.aggregate, each.rejected) for each in loaded]


def tokens(bench: Workbench) -> tuple[int, int]:
    """Rows and input tokens that lie in the store."""
    paths = [str(path) for path in bench.store.paths(bench.ledger.parts())]
    if not paths:
        return 0, 0
    with duckdb.connect() as connection:
        query = f"SELECT count(*), coalesce(sum(input_tokens), 0) FROM read_parquet({paths!r}, union_by_name = true)"
        (found,) = connection.execute(query).fetchall()
    return int(found[0]), int(found[1])


def written(bench: Workbench) -> list[str]:
    """Every part in the store's folders, listed or not, and what a load may have left half done."""
    root = bench.root / "store"
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if (path.suffix == ".parquet" and path.name != "schema.parquet") or path.name.startswith("work-")
    )


# ── every record has one fate, and its line ─────────────────────────────────────────────────────────────────────────────

LINES = {
    "good": '{id},2026-07-01T00:00:00Z,{n},{n}.5,USD,\n',
    "quoted": '{id},2026-07-01T00:00:00Z,{n},,,"a, ""b""\n\nc"\n',
    "again": "",
    "blank": "\n",
    "number": "{id},2026-07-01T00:00:00Z,{n}.5,,,\n",
    "cost": '{id},2026-07-01T00:00:00Z,{n},"1,5",USD,"x\ny"\n',
    "narrow": "{id},2026-07-01T00:00:00Z,{n}\n",
    "wide": "{id},2026-07-01T00:00:00Z,{n},,,,,x\n",
    "trailing": "{id},2026-07-01T00:00:00Z,{n},,,,,\n",
    "time": "{id},1 July 2026,{n},,,\n",
    "nameless": ",2026-07-01T00:00:00Z,{n},,,\n",
}  # fmt: skip


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(
    kinds=st.lists(st.sampled_from(sorted(LINES)), min_size=3, max_size=15),
    ends=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
def test_fates__of_a_messy_csv(kinds: list[str], ends: str, last: bool) -> None:
    text, line, good = HEADER, 2, 0
    fates = {"accepted": 0, "duplicate": 0}
    rejected: list[int] = []
    for number, kind in enumerate(["good", *kinds], 1):
        record = LINES[kind].format(id=f"id-{number}", n=number) or LINES["good"].format(id="id-1", n=1)
        text += record
        if kind in ("good", "quoted", "trailing"):
            fates["accepted"] += 1
            good += number
        elif kind == "again":
            fates["duplicate"] += 1
        elif kind != "blank":
            rejected.append(line)
        line += record.count("\n")
    if not last and LINES["narrow"].count(",") == text.rstrip("\n").rpartition("\n")[2].count(","):
        text += LINES["good"].format(id="id-0", n=0)  # a short record without a line end would be a file that was cut off
        fates["accepted"] += 1
    text = text.replace("\n", ends)
    with tempfile.TemporaryDirectory() as folder:
        bench = books(Path(folder))
        file = Path(folder) / "messy.csv"
        file.write_text(text if last else text.rstrip("\r\n"), encoding="utf-8", newline="")
        read = sum(fates.values()) + len(rejected)
        assert counts(bench, file) == [(read, fates["accepted"], fates["duplicate"], 0, len(rejected))]
        assert tokens(bench) == (fates["accepted"], good)
        assert sorted({int(str(row["where"]).rsplit(":", 1)[1]) for row in bench.quarantine()}) == rejected


# ── the same again changes nothing ──────────────────────────────────────────────────────────────────────────────────────


def test_again__the_file_and_a_copy_of_it(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    first = export(tmp_path / "a.csv", usage(range(100)))
    copy = tmp_path / "b.csv"
    copy.write_bytes(first.read_bytes())
    assert counts(bench, first, copy) == [(100, 100, 0, 0, 0), (100, 0, 100, 0, 0)]
    before = written(bench), bench.ledger.files()
    assert counts(bench, copy, first) == [(100, 0, 100, 0, 0)] * 2
    assert (written(bench), bench.ledger.files()) == before


@pytest.mark.parametrize("container", ["csv", "jsonl", "parquet"])
def test_again__the_rows_in_another_file(container: str, tmp_path: Path) -> None:
    """Other order, other container, more rows: only what is new counts."""
    bench = books(tmp_path / "books")
    counts(bench, export(tmp_path / "a.csv", usage(range(100))))
    other = tmp_path / f"b.{container}"
    rows = usage(reversed(range(90, 110)))
    if container == "csv":
        export(other, [(n, ts, name) for name, ts, n in rows], ("input_tokens", "ts", "usage_id"))
    elif container == "jsonl":
        other.write_text("".join(json.dumps({"ts": ts, "usage_id": name, "input_tokens": n}) + "\n" for name, ts, n in rows))
    else:
        listed = ", ".join(f"('{name}', TIMESTAMP '2026-07-01', {n}::INTEGER)" for name, _, n in rows)
        run_sql(f"COPY (SELECT * FROM (VALUES {listed}) AS t(usage_id, ts, input_tokens)) TO '{other}'")
    assert counts(bench, other, source="native") == [(20, 10, 10, 0, 0)]
    assert tokens(bench) == (110, sum(range(110)))


def test_order__of_files_is_irrelevant(tmp_path: Path) -> None:
    files = [export(tmp_path / f"{name}.csv", usage(numbers)) for name, numbers in
             {"a": range(60), "b": range(40, 100), "c": range(20, 80)}.items()]  # fmt: skip
    found = set()
    for number, order in enumerate(list(permutations(files))[::2]):
        bench = books(tmp_path / str(number))
        if number == 1:
            counts(bench, *order)
        else:
            for file in order:
                counts(bench, file)
        found.add(tokens(bench))
    assert found == {(100, sum(range(100)))}


def test_conflict__names_both_places_and_writes_nothing(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    (bench.root / "usage").mkdir()
    loaded = export(bench.root / "usage" / "a.csv", usage(range(10)))
    counts(bench, loaded)
    before = written(bench), bench.ledger.files()
    sound = export(tmp_path / "sound.csv", usage(range(20, 30)))
    other = tmp_path / "b.jsonl"
    other.write_text('\n{"usage_id": "id-3", "ts": "2026-07-01T00:00:00Z", "input_tokens": 4}\n')
    with pytest.raises(Refused) as refused:
        bench.load([sound, other])
    (problem,) = refused.value.problems
    assert problem.code == "conflicting-usage"
    assert problem.source is not None and str(problem.source).startswith(f"{other}:2")
    assert "usage/a.csv:5" in problem.message
    assert (written(bench), bench.ledger.files()) == before


# ── as a whole or not at all ────────────────────────────────────────────────────────────────────────────────────────────


def started(bench: Workbench, *files: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "finledger", "load", "--books", str(bench.root), "--quiet", *map(str, files)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"NO_COLOR": "1"})


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.csv"
    run_sql(
        f"COPY (SELECT 'id-' || range AS usage_id, TIMESTAMP '2026-06-30' + to_seconds(range) AS ts, range AS input_tokens "
        f"FROM range({MANY})) TO '{path}' (HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')"
    )
    return path


def test_kill__leaves_before_or_after(big: Path, tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    for delay in (0.3, 0.5, 0.7, 0.9):
        process = started(bench, big)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        files = bench.ledger.files()
        assert tokens(bench) == ((MANY, sum(range(MANY))) if files else (0, 0))
    fresh = 0 if bench.ledger.files() else MANY
    assert counts(bench, big) == [(MANY, fresh, MANY - fresh, 0, 0)]
    assert tokens(bench) == (MANY, sum(range(MANY)))
    assert written(bench) == sorted(part.path for part in bench.ledger.parts())


def test_two_loads__at_once_count_once(big: Path, tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    other = export(tmp_path / "other.csv", usage(range(10)))  # ten of the same ids on another day: a conflict with `big`
    same = tmp_path / "same.csv"
    same.write_bytes(big.read_bytes() + b"\n")
    processes = [started(bench, file) for file in (big, same)]
    codes = sorted(process.wait() for process in processes)
    assert codes in ([0, 0], [0, 3])
    assert tokens(bench) == (MANY, sum(range(MANY)))
    finledger("load", "--books", bench.root, other, "--quiet", expect=1)
    assert tokens(bench) == (MANY, sum(range(MANY)))


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_time__naive_in_the_books_zone(tmp_path: Path) -> None:
    """Berlin: July is UTC+2, the hour from 2 to 3 on 25 October comes twice, the one on 29 March never; months are local."""
    bench = books(tmp_path / "books", timezone="Europe/Berlin")
    times = {
        "a": ("2026-07-01 00:00:00", "2026-06-30T22:00:00Z", "2026-07"),
        "b": ("2026-06-30T23:59:59.999999", "2026-06-30T21:59:59.999999Z", "2026-06"),
        "c": ("2026-06-30T22:00:00Z", "2026-06-30T22:00:00Z", "2026-07"),
        "d": ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z", "2026-10"),
        "e": ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z", "2026-10"),
        "f": ("2026-10-31T23:30:00", "2026-10-31T22:30:00Z", "2026-10"),
        "g": ("2026-10-31T23:30:00Z", "2026-10-31T23:30:00Z", "2026-11"),
        "h": ("2026-12-31T23:30:00", "2026-12-31T22:30:00Z", "2026-12"),
    }
    counts(bench, export(tmp_path / "a.csv", [(name, text, 1) for name, (text, _, _) in times.items()]))
    assert {row["usage_id"]: row["ts"] for row in stored(bench)} == {name: utc for name, (_, utc, _) in times.items()}
    rows = {str(month): sum(part.rows for part in bench.ledger.parts(month)) for month in bench.months()}
    assert rows == {"2026-06": 1, "2026-07": 2, "2026-10": 3, "2026-11": 1, "2026-12": 1}


def test_time__the_hour_that_comes_twice_or_never_loses_no_row(tmp_path: Path) -> None:
    bench = books(tmp_path / "books", timezone="Europe/Berlin")
    texts = ["2026-10-25T02:30:00", "2026-03-29T02:30:00", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
    assert counts(bench, export(tmp_path / "a.csv", [(number, text, 1) for number, text in enumerate(texts)])) == [
        (4, 4, 0, 0, 0)
    ]
    twice, never, first, second = (row["ts"] for row in stored(bench))
    assert (first, second) == ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")
    assert twice in (first, second)
    assert never in ("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z")


def test_month__holds_the_others_for_review(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = books(tmp_path / "books", timezone="Europe/Berlin")
    rows = [("a", "2026-06-30T21:59:59Z", 1), ("b", "2026-06-30T22:00:00Z", 2), ("c", "2026-07-31T22:00:00Z", 4)]
    file = export(tmp_path / "a.csv", rows)
    found = finledger_json(capsys, "load", "--books", bench.root, file, "--month", "2026-07")
    assert {name: found[name] for name in ("read", "accepted", "duplicate", "aggregate", "rejected")} == {
        "read": 3, "accepted": 1, "duplicate": 0, "aggregate": 0, "rejected": 2,
    }  # fmt: skip
    assert tokens(bench) == (1, 2)
    assert [row["value"] for row in bench.quarantine()] == ["2026-06-30T21:59:59Z", "2026-07-31T22:00:00Z"]
    assert all("held for review" in str(row["reason"]) and "2026-07" in str(row["reason"]) for row in bench.quarantine())


def test_dry_run__tells_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = books(tmp_path / "books")
    file = export(tmp_path / "a.csv", [*usage(range(5)), ("x", "yesterday", 1)])
    for already in (0, 5):
        before = written(bench), bench.ledger.files(), bench.ledger.parts(), bench.ledger.parts(rejected=True)
        told = finledger_json(capsys, "load", "--books", bench.root, file, "--dry-run")
        assert (told["read"], told["accepted"], told["duplicate"]) == (6, 5 - already, 6 if already else 0)
        assert (written(bench), bench.ledger.files(), bench.ledger.parts(), bench.ledger.parts(rejected=True)) == before
        counts(bench, file)


# ── spans (C2) ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SPANS = {
    "repeats": ((5, 7), (2, 3), (3, 4)),
    "more": ((9, 7), (2, 3), (3, 4)),
    "less": ((4, 7), (2, 3), (3, 4)),
    "mixed": ((9, 6), (2, 3), (3, 4)),
    "nothing": ((0, 0), (2, 3), (3, 4)),
}


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("name", SPANS)
def test_spans__a_parent_and_two_children(name: str, inclusive: bool, tmp_path: Path) -> None:
    bench = books(tmp_path / "books", "sources: {traces: {role: charge, inclusive: true}}\n" if inclusive else "")
    parent, left, right = SPANS[name]
    spans = [("p", "", parent), ("l", "p", left), ("r", "p", right)]
    rows = [(span, "2026-07-01T00:00:00Z", "t", span, above, *held) for span, above, held in reversed(spans)]
    file = export(tmp_path / "a.csv", rows, TRACE)
    billed = {"repeats": None, "nothing": (0, 0), "more": (4, 0) if inclusive else None}.get(name)
    aggregate = name == "repeats"
    rejected = not aggregate and billed is None
    assert counts(bench, file, source="traces") == [(3, 2 + (billed is not None), 0, int(aggregate), int(rejected))]
    rows_of = {row["usage_id"]: row for row in stored(bench) if not row.get("is_aggregate")}
    assert {span: (rows_of[span]["input_tokens"], rows_of[span]["output_tokens"]) for span in ("l", "r")} == {
        "l": left,
        "r": right,
    }
    found = rows_of.get("p")
    assert (found and (found["input_tokens"], found["output_tokens"])) == billed
    reasons = [(str(row["where"]).rsplit(":", 1)[1], str(row["reason"])) for row in bench.quarantine()]
    if rejected:
        ((line, reason),) = reasons
        assert line == "4"
        assert f"{parent[0]} + 0 + 0 + {parent[1]} against 5 + 0 + 0 + 7" in reason
    again = tmp_path / "b.csv"
    again.write_bytes(file.read_bytes() + b"\n")
    assert counts(bench, again, source="traces") == [(3, 0, 3 - rejected, 0, int(rejected))]


@settings(max_examples=10)
@given(texts=st.lists(st.text(alphabet="ab ,;\"'é日|=[]{}\\", max_size=8), min_size=1, max_size=8))
def test_text__comes_back_as_it_was_written(texts: list[str]) -> None:
    """Whatever stands in a label, also quotes, delimiters, brackets, spaces; an empty one is empty."""
    with tempfile.TemporaryDirectory() as folder:
        bench = books(Path(folder))
        rows = [(f"id-{number}", "2026-07-01T00:00:00Z", text) for number, text in enumerate(texts)]
        counts(bench, export(Path(folder) / "a.csv", rows, ("usage_id", "ts", "user")))
        assert [row.get("user", "") for row in stored(bench)] == texts


nodes = st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))


@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(made=st.lists(nodes, min_size=2, max_size=7), together=st.booleans(), order=st.permutations(range(3)))
def test_spans__what_a_span_used_itself_is_charged_once_whatever_the_files(
    made: list[tuple[int, bool, int, int, int]], together: bool, order: list[int]
) -> None:
    """Each span says what it used with all that is below it, or nothing; they lie in three files, loaded in any order."""
    own = {number: (asked, answered) for number, (_, _, asked, answered, _) in enumerate(made)}
    own[0] = (own[0][0] + 1, own[0][1])  # a root that says something
    parents = {number: above % number for number, (above, *_) in enumerate(made) if number}
    silent = {number for number, (_, silent, *_) in enumerate(made) if silent and number in parents.values() and number}
    whole = dict(own)
    for number in reversed(range(len(made))):
        if number in silent:
            own[number] = (0, 0)
        below = [whole[child] for child, parent in parents.items() if parent == number]
        whole[number] = tuple(map(sum, zip(own[number], *below, strict=True)))  # type: ignore[assignment]
    header = (*TRACE, "user")
    rows: list[list[tuple[object, ...]]] = [[], [], []]
    for number, (*_, file) in enumerate(made):
        said = ("", "") if number in silent else whole[number]
        above = f"s{parents[number]}" if number else ""
        rows[0 if together else file].append(
            (f"u{number}", "2026-07-01T00:00:00Z", "t", f"s{number}", above, *said, f"s{number}")
        )
    with tempfile.TemporaryDirectory() as folder:
        bench = books(Path(folder), "sources: {traces: {inclusive: true}}\n")
        for number in order:
            if rows[number]:
                (found,) = counts(bench, export(Path(folder) / f"{number}.csv", rows[number], header), source="traces")
                assert found[-1] == 0
        asked = UsageQuery(
            "USD", intervals(Month(2026, 7), "UTC", []), (REPEATS, "user"), inclusive=bench.organisation.inclusive
        )
        for name in ("duckdb", "reference"):
            groups = engine(name).group(bench.store.paths(bench.ledger.parts()), asked).rows
            charged = {
                each.labels["user"]: (each.sums["input_tokens"], each.sums["output_tokens"])
                for each in groups
                if not each.labels[REPEATS] and each.sums["input_tokens"] + each.sums["output_tokens"]
            }
            assert charged == {f"s{number}": tokens for number, tokens in own.items() if any(tokens)}


@pytest.mark.parametrize("run", [90, 100, 110])
@pytest.mark.parametrize("files", [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 2)])
def test_spans__a_root_that_cannot_be_charged_is_still_whose_calls_they_are(
    run: int, files: tuple[int, int, int], tmp_path: Path
) -> None:
    """A run of 100 repeats its calls of 60 and 40; of 90 or 110 nobody can say what it used. In any order of the files."""
    header = (*TRACE[:-1], "team")
    spans = [("run", "", run, "search"), ("a", "run", 60, "tools"), ("b", "run", 40, "tools")]
    rows: dict[int, list[tuple[object, ...]]] = {}
    for file, (span, above, asked, team) in zip(files, spans, strict=True):
        rows.setdefault(file, []).append((f"u-{span}", "2026-07-01T00:00:00Z", "t", span, above, asked, team))
    for order in permutations(rows):
        bench = books(tmp_path / "".join(map(str, order)))
        for file in order:
            (found,) = counts(bench, export(tmp_path / f"{file}.csv", rows[file], header))
            assert found[0] == len(rows[file])
        asked = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []), (REPEATS, *root_labels(())))
        groups = engine("duckdb").group(bench.store.paths(bench.ledger.parts()), asked).rows
        charged = [each for each in groups if not each.labels[REPEATS]]
        assert [(each.keys["team"], each.labels["root_team"], each.sums["input_tokens"]) for each in charged] == [
            ("tools", "search", 100)
        ]
        assert all(
            each.holds for each in usage_ties(bench, Month(2026, 7)) if isinstance(each, Check) and "rows" in each.law
        )
