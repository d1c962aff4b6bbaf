"""Spark is held to the reference, to the other engines' bytes, and to failing in words. One session for all of this file.

`FINLEDGER_SPARK=all` takes every worked example instead of a few.
"""

from __future__ import annotations

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

import pytest
from hypothesis import HealthCheck, given, settings

from finledger import engines
from finledger.core.model import EngineChoice, UsageQuery
from finledger.core.money import EXACT
from finledger.core.period import Month, intervals
from finledger.core.problem import Refused, Unavailable
from finledger.engines import _spark
from finledger.workbench import Workbench
from finledger.write.figures import charges_csv
from tests import test_contracts
from tests.examples import script
from tests.examples.test_examples import CLOSED, EXAMPLES
from tests.support import ROOT, SHARED, copy_books, finledger, needs_shared
from tests.test_contracts import canonical, queries, rows, store_part, tags_where_a_part_lacks_them
from tools.spark_cluster import cluster

pytestmark = [
    pytest.mark.skipif(find_spec("pyspark") is None, reason="needs PySpark: the extra `spark`"),
    pytest.mark.skipif(shutil.which("java") is None, reason="needs Java: apt-get install openjdk-17-jre-headless"),
]
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # code that runs once is not worth a good compiler
CHOICE = EngineChoice("spark", "local[2]", (("spark.driver.extraJavaOptions", QUICK), ("spark.sql.shuffle.partitions", "2")))
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


@settings(max_examples=40 if ALL else 8, deadline=None, suppress_health_check=list(HealthCheck))
@given(usage=rows, query=queries, before=rows)
def test_equals_the_reference(
    usage: list[dict[str, Any]], query: UsageQuery, before: list[dict[str, Any]], tmp_path: Path
) -> None:
    half = len(usage) // 2
    parts = [store_part(tmp_path / "a.parquet", usage[:half] or usage), store_part(tmp_path / "b.parquet", usage[half:])]
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
    """Months in a process of their own, one after the other: their exit codes, and all that stood on standard error.

    A cluster that has lost everything is given up after seconds, not after a minute.
    """
    program = (
        "import sys; from finledger.cli._run import run; from finledger.engines import _spark; _spark.EXECUTOR_SECONDS = 5\n"
        "for month in sys.argv[2:]: print(run(['allocate', '-q', '--format', 'csv', '--month', month, '--books', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", program, str(books), *months]
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
        left, done = list(found.workers), {worker.folder: 0 for worker in found.workers}

        def lose_one() -> None:
            """The first worker that begins to work on July; when July is written, the other one as soon as it works again."""
            if len(left) < 2 and not july.exists():
                done.update({worker.folder: worker.tasks() for worker in left})
                return
            for worker in left:
                if worker.tasks() > done[worker.folder]:
                    worker.kill()
                    left.remove(worker)
                    return

        codes, said = allocate(books, "2026-07", "2026-08", meanwhile=lose_one)
        if ALL:
            assert "[spark-no-executor]" in allocate(books, "2026-08")[1]
    assert codes == [0, 4] and left == [], said
    assert said.startswith("error[spark-failed] finledger.yaml") and said.count("\n") == 4, "nothing else on the terminal"
    assert not august.exists()
    by_spark = july.read_bytes()
    finledger("allocate", "--books", books, "--month", "2026-07", "--engine", "duckdb")
    assert july.read_bytes() == by_spark
