"""Spark is held to the reference, to the other engines' bytes, and to failing in words. One session for all of this file.

`FINLEDGER_SPARK=all` takes every worked example instead of a few.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal, localcontext
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from finledger import engines
from finledger.core.model import EngineChoice, UsageQuery
from finledger.core.money import EXACT
from finledger.core.period import Month, intervals
from finledger.core.problem import Refused, Unavailable
from finledger.engines import _spark
from finledger.read.stage import stage
from finledger.workbench import Workbench
from finledger.workbench.spark_loading import SparkLoad, ToRead
from finledger.write.figures import charges_csv
from tests import test_contracts
from tests.examples import script
from tests.examples.test_examples import CLOSED, EXAMPLES
from tests.s3_server import S3Server, needs_s3_server
from tests.support import ROOT, SHARED, copy_books, finledger, finledger_json, needs_shared
from tests.test_contracts import canonical, queries, rows, store_part, store_parts, tags_where_a_part_lacks_them
from tools.spark_cluster import Worker, cluster

pytestmark = [
    pytest.mark.skipif(find_spec("pyspark") is None, reason="needs PySpark: the extra `spark`"),
    pytest.mark.skipif(shutil.which("java") is None, reason="needs Java: apt-get install openjdk-17-jre-headless"),
]
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # code that runs once is not worth a good compiler
QUICKLY = {
    "spark.driver.extraJavaOptions": QUICK,
    "spark.sql.shuffle.partitions": "2",
    "spark.executorEnv.PYTHONPATH": str(ROOT),
}
CHOICE = EngineChoice("spark", "local[2]", tuple(QUICKLY.items()))
ALL = os.environ.get("FINLEDGER_SPARK") == "all"
FEW = ("24-", "26-", "70-")  # provider costs, currencies, traces
BOOKS = ROOT / "tests" / "errors" / "_books"
JULY = UsageQuery("USD", intervals(Month(2026, 7), "UTC", []))
GOLDEN = SHARED / "golden" / "northwind-2026-Q3"


@pytest.fixture(scope="module", autouse=True)
def spark() -> Iterator[None]:
    """Every grouping of this process uses the session that runs."""
    _spark.session(CHOICE)
    yield
    _spark.ended()


# ── the same sums ───────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=40 if ALL else 8, suppress_health_check=list(HealthCheck))
@given(usage=rows, query=queries, before=rows)
def test_equals_the_reference(
    usage: list[dict[str, Any]], query: UsageQuery, before: list[dict[str, Any]], tmp_path: Path
) -> None:
    half = len(usage) // 2
    parts = [*store_parts(tmp_path, b=usage[half:]), store_part(tmp_path / "a.parquet", usage[:half] or usage)]
    elsewhere = [store_part(tmp_path / "before.parquet", before)]
    assert canonical("spark", parts, query, elsewhere) == canonical("reference", parts, query, elsewhere)


def test_spans_that_repeat_another_export(tmp_path: Path) -> None:
    test_contracts.test_engine__spans_that_repeat_another_export("spark", tmp_path)


def test_sums_beyond_every_type(tmp_path: Path) -> None:
    """Counts beyond 64 bits, and costs beyond the 20 digits that a DECIMAL(38,18) has before its point."""
    most, cost = 2**63 - 1, Decimal("99999999999999999999.999999999999999999")

    def call(team: str, effective_cost: Decimal, **more: Any) -> dict[str, Any]:
        shown = {"ts": datetime(2026, 7, 1), "requests": most, "input_tokens": most, "is_aggregate": False}
        return {**shown, "team": team, "effective_cost": effective_cost, **more}

    usage = [
        *(call("search", cost, gpu_hours=cost, gpu_busy_hours=Decimal(1), status="failed") for _ in range(3)),
        *(call("support", cost.copy_negate()) for _ in range(2)),
        call("support", Decimal("-0.000000000000000001")),
    ]
    part = store_part(tmp_path / "a.parquet", usage)
    with localcontext(EXACT):
        found = {group.keys["team"]: group.sums for group in engines.engine("spark").group([part], JULY).rows}
        assert canonical("spark", [part], JULY) == canonical("reference", [part], JULY)
    assert found["search"]["requests"] == found["search"]["failed_calls"] == 27670116110564327421
    assert found["search"]["effective_cost"] == Decimal("299999999999999999999.999999999999999997")
    assert found["search"]["measured_gpu_hours"] == Decimal("299999999999999999999.999999999999999997")
    assert found["support"]["billed_cost"] == Decimal("-199999999999999999999.999999999999999999")


def test_texts_are_themselves(tmp_path: Path) -> None:
    """Quotes, backslashes, line ends and what Spark would put the environment in for; in a folder whose name is a pattern."""
    folder = tmp_path / "a [b]{c} *?\\ é"
    folder.mkdir()
    names = ["O''Brien's \"desk\"", "\\n \\\\ \\'", "line\nend", "${env:HOME} ${system:user.home}", "日本 ñ", "%_ -- /* x"]
    for name in names:  # alone, so that a part's statistics say that every row has it, and it stands in the query itself
        part = store_part(folder / "a.parquet", [{"ts": datetime(2026, 7, 1), "team": name, "is_aggregate": False}])
        narrow = UsageQuery("USD", JULY.intervals, only=(("team", (name, "other")),))
        for query in (JULY, narrow):
            assert [group.keys["team"] for group in engines.engine("spark").group([part], query).rows] == [name]


def test_a_label_that_one_part_lacks_is_empty_there(tmp_path: Path) -> None:
    assert tags_where_a_part_lacks_them("spark", tmp_path) == [("", 1), ('["eval"]', 1)]


def test_too_many_groups__names_the_column(tmp_path: Path) -> None:
    usage = [{"ts": datetime(2026, 7, 1), "team": f"t{n % 3}", "model": f"id-{n}", "is_aggregate": False} for n in range(40)]
    part = store_part(tmp_path / "a.parquet", usage)
    (problem,) = engines.engine("spark").group([part], UsageQuery("USD", JULY.intervals, group_limit=10)).problems
    assert problem.code == "too-many-groups" and "'model'" in problem.message


# ── the same bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def charges_by(engine: str, books: Path, month: Month) -> bytes:
    """What charges.csv holds, or what is said of a month that is refused."""
    bench = Workbench(books)
    try:
        return charges_csv(bench.charge(month, engine_name=engine)[0])
    except Refused as refused:
        return "\n".join(f"{each.code} {each.message}" for each in refused.problems).encode()


@pytest.mark.parametrize("name", [name for name in EXAMPLES if ALL or name.startswith(FEW)])
def test_example__the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    books = copy_books(ROOT / "tests" / "examples" / name, tmp_path / name)
    monkeypatch.chdir(books)
    if name in CLOSED:
        script.run(books / "expected", capsys)
    else:
        finledger("load", "--books", books)
    months = Workbench(books).months()
    assert months
    for month in months:
        assert charges_by("spark", books, month) == charges_by("duckdb", books, month), month


@needs_shared
def test_golden__the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = copy_books(GOLDEN, tmp_path / "books")
    finledger("load", "--books", books)
    for month in ("2026-07", "2026-08", "2026-09"):
        found = {}
        for engine in ("duckdb", "reference", "spark"):
            finledger("allocate", "--books", books, "--month", month, "--engine", engine)
            found[engine] = (books / "out" / month / "charges.csv").read_bytes()
        assert found["spark"] == found["duckdb"] == found["reference"]


# ── loading ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = ("id", "at", "who", "calls", "tokens", "trace", "span", "parent", "cost", "note")
MAP = """
columns: {usage_id: id, ts: at, team: who, action: {value: chat_call}, requests: calls, input_tokens: tokens,
  trace_id: trace, span_id: span, parent_span_id: parent, billed_cost: cost, billed_currency: {value: USD}, api_key_alias: note}
"""
SETTINGS = "timezone: Europe/Berlin\nsources: {gateway: {inclusive: true}}\n"
Cells = tuple[str, ...]


def use(number: int, team: str = "search", *, at: str = "", **more: str) -> Cells:
    told = {
        "id": f"u-{number}",
        "at": at or f"2026-07-{number % 28 + 1:02}T09:00:00Z",
        "who": team,
        "calls": str(number % 7 + 1),
    }
    return tuple({**dict.fromkeys(NAMES, ""), **told, **more}[name] for name in NAMES)


def odd(number: int) -> Cells:
    """A row with all that is written differently in different places: places of decimals, signs, quotes."""
    return use(number, "support", note="O'Brien \\\\ ${env:HOME}", cost=f"-{number}.{number:018}")


STORED = [use(n) for n in range(30)]
PARTS = [
    [
        *map(odd, range(30, 60)),
        use(60, at="2026-06-30T22:00:00Z"),  # midnight in Berlin
        use(61, at="2026-06-30T21:59:59.999999Z"),
        use(62, trace="t", span="run", tokens="100"),  # an aggregate
        use(63, trace="t", span="a", parent="run", tokens="60"),
        use(64, trace="t", span="b", parent="run", tokens="40"),
        use(65, trace="r", span="run", tokens="100"),  # a remainder
        use(66, trace="r", span="a", parent="run", tokens="60"),
    ],
    [use(5), use(6), *map(use, range(70, 90)), use(70), odd(31)],
    [*map(use, range(90, 99)), use(99, at="yesterday"), use(100, calls="-1"), use(71), use(71)],
]


def export(path: Path, usage: list[Cells], container: str) -> None:
    if container == "csv":
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows([NAMES, *usage])
        return
    lines = path if container == "jsonl" else path.with_suffix(".lines")
    lines.write_text("\n".join(json.dumps(dict(zip(NAMES, row, strict=True))) for row in usage) + "\n")
    if container == "parquet":
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in NAMES)
        duckdb.sql(f"COPY (FROM read_json('{lines}', columns = {{{columns}}})) TO '{path}' (FORMAT parquet)")
        lines.unlink()


def folder_of(folder: Path, parts: list[list[Cells]], container: str = "csv", columns: str = MAP) -> Path:
    folder.mkdir(parents=True)
    for number, usage in enumerate(parts):
        export(folder / f"part-{number}.{container}", usage, container)
    (folder.parent / "map.yaml").write_text(f"format: {container}{columns}")
    return folder


def empty_books(folder: Path, engine: object) -> Path:
    shutil.copytree(BOOKS, folder)
    with (folder / "finledger.yaml").open("a") as settings_file:
        settings_file.write(f"{SETTINGS}engine: {json.dumps(engine)}\n")
    return folder


def both(folder: Path) -> list[Path]:
    """Two sets of books that say the same, but for what their usage is loaded by."""
    return [
        empty_books(folder / "duckdb", "duckdb"),
        empty_books(folder / "spark", {"kind": "spark", "master": "local[2]", "config": QUICKLY}),
    ]


def rows_of(books: Path) -> list[tuple[Any, ...]]:
    """All that is stored, in every column, with where each row stands."""
    parts = sorted(str(path) for path in (books / "store" / "usage").rglob("*.parquet"))
    return duckdb.sql(f"FROM read_parquet({parts}, union_by_name = true) ORDER BY ALL").fetchall()


@pytest.mark.parametrize("container", ["csv", "jsonl", "parquet"])
def test_load__the_same_rows_as_duckdb(container: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copies in a part, of another part and of what is stored; rejects; months of Berlin; aggregates and remainders."""
    columns = MAP if container != "parquet" else MAP.replace("usage_id: id", "usage_id: {row_hash: true}")
    stored = folder_of(tmp_path / "before", [STORED], container, columns)
    exports = folder_of(tmp_path / "exports", PARTS, container, columns)
    found = []
    for books in both(tmp_path):
        words = ("--map", tmp_path / "map.yaml", "--source", "gateway", "--books", books)
        finledger("load", stored, *words)
        told = [finledger_json(capsys, "load", exports, *words) for _ in range(2)]
        place = f"{exports}/part-1.{container}:3"
        asked = ["usage quarantine", "usage summary", "status", f"label explain {place}"]
        asked = asked[: 3 if container == "parquet" else 4]
        told += [finledger_json(capsys, *words.split(), "--books", books) for words in asked]
        charged = [charges_by("duckdb", books, month) for month in Workbench(books).months()]
        found.append((told, rows_of(books), charged))
        assert not list((books / "store").glob("work-*"))
    by_duckdb, by_spark = found
    assert by_spark == by_duckdb
    first, again = by_spark[0][:2]
    copies = 4 if container == "parquet" else 6  # of rows known by what they say, equal ones in one export are two uses
    assert [first[name] for name in ("read", "duplicate", "aggregate", "rejected")] == [74, copies, 1, 2]
    assert again["duplicate"] == again["read"] == 74 and again["accepted"] == 0
    assert by_spark[2][-1].startswith(b"line_id,")


def test_load__a_file_twice_and_a_known_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exports = folder_of(tmp_path / "exports", [PARTS[1], PARTS[1], STORED])
    found = []
    for books in both(tmp_path):
        words = ("--map", tmp_path / "map.yaml", "--books", books)
        finledger("load", exports / "part-2.csv", *words)
        found.append((finledger_json(capsys, "load", exports, *words), rows_of(books)))
    assert found[0] == found[1]
    assert [file["accepted"] for file in found[1][0]["files"]] == [20 + 1, 0, 0]


def test_load__tried_before_and_replaced_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--dry-run writes nothing; --replaces with parts of which one is known; `require_feature` refuses rows in quarantine."""
    columns = MAP.replace("team: who,", "team: who, model: {value: m-1}, feature: note,")
    exports = folder_of(tmp_path / "exports", [PARTS[0], PARTS[1]], columns=columns)
    later = folder_of(
        tmp_path / "later", [[*PARTS[1], use(111, note="odd")], [use(112, note="odd"), use(3)]], columns=columns
    )
    found = []
    for books in both(tmp_path):
        with (books / "finledger.yaml").open("a") as settings_file:
            settings_file.write("require_feature: true\n")
        words = ("--map", tmp_path / "map.yaml", "--source", "gateway", "--books", books)
        told = [finledger_json(capsys, "load", exports, *words, "--dry-run")]
        assert not list((books / "store").rglob("month=*/*"))
        told.append(finledger_json(capsys, "load", exports, *words))
        told.append(finledger_json(capsys, "load", later, *words, "--replaces", exports / "part-1.csv"))
        told.append(finledger_json(capsys, "usage", "quarantine", "--books", books))
        capsys.readouterr()
        finledger("load", exports, *words, expect=1)  # a file of it was replaced
        told.append(capsys.readouterr().err.replace(str(books), "."))
        found.append((told, rows_of(books)))
    assert found[0] == found[1]


@needs_s3_server
def test_load__into_a_store_in_a_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exports = folder_of(tmp_path / "exports", PARTS)
    found = []
    with S3Server(tmp_path / "buckets") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for books in both(tmp_path):
            bucket = server.bucket(books.name)
            with (books / "finledger.yaml").open("a") as settings_file:
                settings_file.write(f"store: s3://{books.name}/store\n")
            finledger("load", exports, "--map", tmp_path / "map.yaml", "--books", books)
            kept = sorted(path.stem for path in bucket.rglob("*.parquet"))
            assert len(kept) == len(Workbench(books).ledger.parts()) + len(Workbench(books).ledger.parts(rejected=True))
            shutil.rmtree(books / "store" / "usage")  # what is read comes from the bucket
            again = finledger_json(capsys, "load", exports, "--map", tmp_path / "map.yaml", "--books", books)
            found.append((again, charges_by("duckdb", books, Month(2026, 7)), rows_of(books)))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("parts", "columns", "code"),
    [
        ([PARTS[1], [use(70, calls="99"), use(5, "support")], [use(70, "support")]], MAP, "conflicting-usage"),
        ([STORED, [use(200), use(200, calls="99")]], MAP, "conflicting-usage"),  # in one file
        (PARTS, MAP.replace("team: who", "team: owner"), "bad-map"),
        (PARTS, MAP.replace("team: who", "team: {column: who, lookup: teams.csv}"), "bad-map"),
        ([PARTS[1], [use(1, at="now")]], MAP, "all-rows-rejected"),
    ],
    ids=["conflicts", "conflict-in-a-file", "map", "lookup", "rejected"],
)
def test_load__refused_in_the_same_words(
    parts: list[list[Cells]],
    columns: str,
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ids of other files and of the store, with both places by line; a map by the path that was given; nothing is written."""
    folder_of(tmp_path / "exports", [*parts, [use(300)]], columns=columns)
    folder_of(tmp_path / "before" / "exports", [STORED])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "teams.csv").write_text("value,team\nsearch,search\nsupport\n")
    said = []
    for books in both(tmp_path):
        finledger("load", "before/exports", "--map", "before/map.yaml", "--books", books)
        before = rows_of(books)
        capsys.readouterr()
        finledger("load", "exports", "--map", "map.yaml", "--books", books, expect=1)
        said.append(capsys.readouterr().err.replace(str(books), "."))
        assert rows_of(books) == before
    assert said[0] == said[1]
    assert f"error[{code}]" in said[1]


def test_load__what_workers_do_not_see(tmp_path: Path) -> None:
    load = SparkLoad(CHOICE, tmp_path / "map.yaml", tmp_path)
    with pytest.raises(Unavailable) as failed:
        load.read([ToRead(tmp_path / "part.csv", {})], stage, ())
    (problem,) = failed.value.problems
    assert problem.code == "spark-file-unseen" and str(tmp_path / "part.csv") in problem.message


def test_load__workers_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would read by other rules, and nobody would know."""
    monkeypatch.setattr(_spark, "_versions", lambda: "finledger 0.0.1")
    load = SparkLoad(CHOICE, tmp_path / "map.yaml", tmp_path)
    with pytest.raises(Unavailable) as failed:
        load.read([ToRead(tmp_path / "part.csv", {})], stage, ())
    (problem,) = failed.value.problems
    assert problem.code == "spark-python" and "finledger 0.0.1" in problem.excerpt


# ── failing in words ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_damaged_part__is_named(tmp_path: Path) -> None:
    """Its footer is whole, so that nothing is noticed before Spark reads its rows."""
    usage = [{"ts": datetime(2026, 7, 1), "team": f"team-{n}", "is_aggregate": False} for n in range(200)]
    whole = store_part(tmp_path / "a.parquet", usage)
    content = bytearray(whole.read_bytes())
    part = tmp_path / f"{sha256(content).hexdigest()}.parquet"
    part.write_bytes(bytes(content[:4]) + bytes(400) + bytes(content[404:]))
    with pytest.raises(Unavailable) as failed:
        engines.engine("spark").group([whole, part], JULY)
    (problem,) = failed.value.problems
    assert problem.code == "part-changed" and part.name in problem.message


def test_a_store_that_workers_do_not_see(tmp_path: Path) -> None:
    """Every part is whole here, and Spark finds none at its path."""
    part = store_part(tmp_path / "a.parquet", [{"ts": datetime(2026, 7, 1), "is_aggregate": False}])
    with pytest.raises(Unavailable) as failed, _spark.told_apart(CHOICE, [part]):
        _spark.session(CHOICE).read.parquet(str(tmp_path / "elsewhere.parquet"))
    (problem,) = failed.value.problems
    assert problem.code == "spark-store-unseen" and "elsewhere.parquet" in problem.excerpt


# ── a cluster ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def loaded(folder: Path, settings_line: str) -> Path:
    """Books whose usage of two months lies in two files each."""
    books = folder / "books"
    (books / "usage").mkdir(parents=True)
    for path in BOOKS.iterdir():
        (shutil.copytree if path.is_dir() else shutil.copy)(path, books / path.name)
    with (books / "finledger.yaml").open("a") as settings_file:
        settings_file.write(f"{settings_line}\n")
    for month in ("07", "08"):
        for half, team in enumerate(("search", "support")):
            lines = [f"{month}-{half}-{n},2026-{month}-{n % 28 + 1:02}T09:00:00Z,{team},chat_call,{n}" for n in range(500)]
            text = "\n".join(["usage_id,ts,team,action,requests", *lines, ""])
            (books / "usage" / f"{month}-{team}.csv").write_text(text)
    finledger("load", "--books", books)
    return books


def allocate(books: Path, *months: str, meanwhile: Callable[[], None] = lambda: None) -> tuple[list[int], str]:
    commands = [["allocate", "-q", "--format", "csv", "--month", month, "--books", str(books)] for month in months]
    return commanded(*commands, meanwhile=meanwhile)


def commanded(*commands: list[str], meanwhile: Callable[[], None] = lambda: None) -> tuple[list[int], str]:
    """Commands in a process of their own, one after the other: their exit codes, and all that stood on standard error.

    A cluster that has lost everything is given up after seconds, not after a minute.
    """
    program = (
        "import json, sys; from finledger.cli._run import run; from finledger.engines import _spark; _spark.EXECUTOR_SECONDS = 5\n"
        "for words in json.loads(sys.argv[1]): print(run(words))"
    )
    command = [sys.executable, "-c", program, json.dumps(commands)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        while process.poll() is None:
            meanwhile()
            time.sleep(0.02)
        out, err = process.communicate(timeout=300)
    return [int(line) for line in out.splitlines() if line.isdigit()], err


def test_settings_that_java_does_not_take(tmp_path: Path) -> None:
    """In a process of its own: what Java says is in the message, and no more than that on the terminal."""
    books = loaded(tmp_path, 'engine: {kind: spark, master: "local[1]", config: {spark.driver.memory: plenty}}')
    codes, said = allocate(books, "2026-07")
    assert codes == [4] and "[spark-not-started]" in said and "plenty" in said, said
    assert not (books / "out").exists()


def losing(left: list[Worker], written: Callable[[], object]) -> Callable[[], None]:
    """Kills the first worker that begins to work, and, when the first command has written, the other as soon as it works again."""
    done = {worker.folder: 0 for worker in left}

    def lose_one() -> None:
        if len(left) < 2 and not written():
            done.update({worker.folder: worker.tasks() for worker in left})
            return
        for worker in left:
            if worker.tasks() > done[worker.folder]:
                worker.kill()
                left.remove(worker)
                return

    return lose_one


def test_cluster__loses_a_worker_and_then_the_other(tmp_path: Path) -> None:
    """One is gone while July is added up: the same bytes. In August the last one is: that ends in words, and writes nothing."""
    with cluster(workers=2) as found:
        config = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.executor.memory": "512m",
            "spark.driver.extraJavaOptions": QUICK,
            "spark.executor.extraJavaOptions": QUICK,
            "spark.sql.shuffle.partitions": "2",
        }
        books = loaded(tmp_path, f"engine: {json.dumps({'kind': 'spark', 'master': found.master, 'config': config})}")
        july, august = (books / "out" / month / "charges.csv" for month in ("2026-07", "2026-08"))
        left = list(found.workers)
        lose_one = losing(left, july.exists)
        codes, said = allocate(books, "2026-07", "2026-08", meanwhile=lose_one)
        if ALL:
            assert "[spark-no-executor]" in allocate(books, "2026-08")[1]
    assert codes == [0, 4] and left == [], said
    assert said.startswith("error[spark-failed] finledger.yaml") and said.count("\n") == 4, "nothing else on the terminal"
    assert not august.exists()
    by_spark = july.read_bytes()
    finledger("allocate", "--books", books, "--month", "2026-07", "--engine", "duckdb")
    assert july.read_bytes() == by_spark


def test_cluster__loses_a_worker_and_then_the_other_while_it_loads(tmp_path: Path) -> None:
    """One is gone while parts are read: the same rows. With the last one the next load ends in words, and writes nothing."""
    first = folder_of(
        tmp_path / "first" / "exports",
        [[*PARTS[0], *(use(n) for n in range(1100, 1900))], PARTS[1], *([use(n)] for n in range(1000, 1010))],
    )
    second = folder_of(tmp_path / "second" / "exports", [[use(n)] for n in range(2000, 2010)])
    with cluster(workers=2) as found:
        config = {
            **QUICKLY,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.executor.memory": "512m",
            "spark.executor.extraJavaOptions": QUICK,
        }
        books = empty_books(tmp_path / "spark", {"kind": "spark", "master": found.master, "config": config})
        parts = books / "store" / "usage"
        left = list(found.workers)
        lose_one = losing(left, lambda: bool(list(parts.rglob("month*/*.parquet"))))
        loads = [
            ["load", "-q", str(folder), "--map", str(folder.parent / "map.yaml"), "--books", str(books)]
            for folder in (first, second)
        ]
        codes, said = commanded(*loads, meanwhile=lose_one)
    assert codes == [0, 4] and left == [], said
    assert "error[spark-failed] finledger.yaml" in said and said.count("\n") < 6, said
    by_spark = rows_of(books)
    assert not list((books / "store").glob("work-*"))
    other = empty_books(tmp_path / "duckdb", "duckdb")
    finledger("load", first, "--map", first.parent / "map.yaml", "--books", other)
    assert rows_of(other) == by_spark


def test_cluster__whose_workers_have_no_such_python(tmp_path: Path) -> None:
    exports = folder_of(tmp_path / "exports", [STORED, PARTS[2]])
    config = {**QUICKLY, "spark.pyspark.python": str(tmp_path / "python3")}
    books = empty_books(tmp_path / "spark", {"kind": "spark", "master": "local[1]", "config": config})
    codes, said = commanded(["load", str(exports), "--map", str(tmp_path / "map.yaml"), "--books", str(books)])
    assert codes == [4] and "[spark-python]" in said and str(tmp_path / "python3") in said, said
    assert not list((books / "store").rglob("*.parquet"))
