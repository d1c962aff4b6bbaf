"""A Spark session on our own terms, and what can go wrong on the way to it: each failure says what to install or look at."""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, TypeVar

from finledger.core.model import EngineChoice
from finledger.core.problem import Problem, SourceRef, Unavailable
from finledger.core.usage import LABELS, NATIVE, STORED_AS, WHOLE_TOKENS
from finledger.engines._parts import lost

Job = TypeVar("Job")
Result = TypeVar("Result")
OLDEST_JAVA = 17
CONNECT_SECONDS = 10  # until a master's port has answered
EXECUTOR_SECONDS = 60  # until a cluster has given the first executor, and until it has given another where all were lost
_INSTALL_JAVA = "install Java 17 or later (Debian, Ubuntu: openjdk-17-jre-headless) and put it on PATH or into JAVA_HOME"
_OR_DUCKDB = "or write `engine: duckdb`, which gives the same cents"

# What the figures rest on, for each grouping, whatever a platform's own defaults are: no sum that wraps around, no row of a
# damaged part left out without a word, no text that is read as anything but itself.
_TERMS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.ansi.enforceReservedKeywords": "false",
    "spark.sql.groupByOrdinal": "true",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.legacy.consecutiveStringLiterals.enabled": "false",
    "spark.sql.variable.substitute": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
}
# A part is read as it is said here, and no footer to find that out; a column that it does not have is empty.
_TYPES = {"VARCHAR": "STRING", "TIMESTAMP": "TIMESTAMP_NTZ"}
COLUMNS = {
    **{column.name: _TYPES.get(STORED_AS[column.kind], STORED_AS[column.kind]) for column in NATIVE},
    **dict.fromkeys(LABELS, "STRING"),
    **dict.fromkeys(WHOLE_TOKENS, STORED_AS["count"]),
    "record": "BIGINT",
    "file_sha256": "STRING",
    "is_aggregate": "BOOLEAN",
}
_SCHEMA = ", ".join(f"`{name}` {kind}" for name, kind in COLUMNS.items())
# How a session is started, where the books' settings say nothing else: no pages on a port, nothing in the working folder.
_STARTED_WITH = {
    "spark.app.name": "finledger",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.log.level": "WARN",
}
_ON_THIS_MACHINE = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
_OTHER_VERSION = "the worker has"
_OTHER_PYTHON = re.compile(rf"({_OTHER_VERSION}|No module named|\[PYTHON_VERSION_MISMATCH\]|Cannot run program) .*")
_SAME_PYTHON = (
    f"install this finledger for Python {sys.version_info.major}.{sys.version_info.minor} on every worker, at the path of this "
    "one or at one that `spark.pyspark.python` names under `engine: config`"
)
_GLOB = re.compile(r"([\\{}\[\]*?])")
_LOGGED = re.compile(r"\s*at |WARNING:|Using Spark|Setting default|To adjust|[0-9/]{8} ")
_JAVA_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


class TooLarge(Exception):
    """A sum does not fit its type."""


@dataclass(frozen=True, slots=True)
class _Started:
    """Spark as it runs for this process, and what it writes of itself."""

    session: Any
    log: IO[bytes] | None


def session(choice: EngineChoice) -> Any:
    """A session of its own over the Spark that runs in this process; over one that is started where none does."""
    started = _started(choice.master or "local[*]", choice.config)
    made = started.session.newSession()
    for name, value in _TERMS.items():
        made.conf.set(name, value)
    return made


def ended() -> None:
    """End the Spark of this process, which the end of the process does otherwise."""
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        running.stop()
    _started.cache_clear()


def frame(session: Any, query: str) -> Any:
    """What a portable SQL text selects. Its backslashes stand for themselves, which Spark has to be told."""
    return session.sql(query.replace("\\", "\\\\"))


def collected(session: Any, query: str, limit: int | None = None) -> list[tuple[Any, ...]]:
    """The rows of a query. `TooLarge`: a sum overflows."""
    from pyspark.errors import PySparkException

    found = frame(session, query)
    try:
        with _watched(session):
            return [tuple(row) for row in (found if limit is None else found.limit(limit)).collect()]
    except PySparkException as failed:
        if str(failed.getCondition()).startswith(("ARITHMETIC_OVERFLOW", "NUMERIC_VALUE_OUT_OF_RANGE")):
            raise TooLarge from None
        raise


@contextmanager
def kept(session: Any, name: str, query: str) -> Iterator[None]:
    """A view whose rows are worked out once.

    To Spark it is a table of its own: a plan that names kept rows would hold theirs, and one that names them twice holds it twice.
    Where an executor is lost, its rows are worked out again.
    """
    query_of = frame(session, query)
    rows = session._jsparkSession.createDataFrame(query_of._jdf.javaRDD(), query_of._jdf.schema())
    found = type(query_of)(rows, session).persist()
    found.createOrReplaceTempView(name)
    try:
        yield
    finally:
        found.unpersist()


def view(session: Any, name: str, parts: Sequence[Path]) -> None:
    """The rows of parts, under a name."""
    session.read.schema(_SCHEMA).parquet(*(literal_path(part) for part in parts)).createOrReplaceTempView(name)


def written(session: Any, query: str, folder: Path, by: str) -> None:
    """The rows of a query as Parquet, a folder for each value of a column; the whole of it, or none where Spark fails."""
    with _watched(session):
        frame(session, query).repartition(by).write.partitionBy(by).parquet(str(folder))


def each(session: Any, work: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    """What `work` makes of each job, a task of its own in an executor's Python; in the order of the jobs.

    A task that is lost with its executor is done again elsewhere, so that what it writes is its own until this returns.
    """
    task = partial(_done_there, work, _versions())
    with _watched(session):
        return list(session.sparkContext.parallelize(jobs, len(jobs)).map(task).collect())


def _done_there(work: Callable[[Job], Result], asked: str, job: Job) -> Result:
    if _versions() != asked:
        raise RuntimeError(f"{_OTHER_VERSION} {_versions()}, and {asked} where it was asked to work")
    return work(job)


def _versions() -> str:
    """What decides how an export is read."""
    return ", ".join(f"{name} {version(name)}" for name in ("finledger", "duckdb"))


def literal_path(part: Path) -> str:
    """A path that Spark takes for no pattern."""
    return _GLOB.sub(r"\\\1", str(part))


@contextmanager
def told_apart(choice: EngineChoice, parts: Sequence[Path]) -> Iterator[None]:
    """What fails inside is `Unavailable`: for a part of the store that is missing or damaged, or for Spark's own reasons."""
    try:
        yield
    except Unavailable:
        raise
    except Exception as failed:
        if not _is_spark(failed):
            raise
        raise Unavailable(tuple(lost(parts)) or [_failed(choice, failed)]) from None


# ── what failed ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_spark(failed: Exception) -> bool:
    return type(failed).__module__.partition(".")[0] in ("py4j", "pyspark") or isinstance(failed, ConnectionError)


def _failed(choice: EngineChoice, failed: Exception) -> Problem:
    other_python = _OTHER_PYTHON.search(str(failed))
    if other_python is not None:
        message = "the Python of Spark's workers cannot read exports as this one does"
        return Problem("spark-python", message, choice.source, other_python.group()[:300], f"{_SAME_PYTHON}, {_OR_DUCKDB}")
    said = _said(failed)
    if any(sign in said for sign in ("FAILED_READ_FILE", "FileNotFound", "PATH_NOT_FOUND")):
        message = "Spark cannot read the store, whose parts are whole where finledger runs"
        remedy = "the store has to lie on a file system that every worker sees at the same path"
        return Problem("spark-store-unseen", message, choice.source, said, remedy)
    remedy = f"see what the cluster's master and workers say, then run it again, {_OR_DUCKDB}"
    return Problem("spark-failed", "Spark did not finish: nothing was written", choice.source, said, remedy)


def _said(failed: Exception) -> str:
    """The first lines of what an exception of Spark says, without Java's stack."""
    lines = [line.strip() for line in str(failed).splitlines()]
    told = [line for line in lines if line and not line.startswith(("at ", "JVM stacktrace", ": "))]
    return " ".join(told[:3])[:300]


# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _started(master: str, config: tuple[tuple[str, str], ...]) -> _Started:
    """Started once a process, and ended with it."""
    warnings.filterwarnings("ignore", module=r"pyspark\.")  # about a pandas that is not handed to it
    try:
        from pyspark import SparkConf
        from pyspark.sql import SparkSession
    except ImportError:
        raise _problem(
            "spark-missing", "the engine is Spark, and PySpark is not installed", 'run `pip install "finledger[spark]"`'
        ) from None
    running = SparkSession.getActiveSession()
    if running is not None:
        return _Started(running, None)
    _check_java()
    _check_reachable(master)
    for name in ("py4j", "SQLQueryContextLogger"):  # what fails is said once, by us
        logging.getLogger(name).setLevel(logging.CRITICAL)
    conf = SparkConf().setMaster(master)
    local = _ON_THIS_MACHINE if master.startswith("local") else {}
    for name, value in {**_STARTED_WITH, **local, **dict(config)}.items():
        conf.set(name, value)
    return _launched(conf, master)


def _launched(conf: Any, master: str) -> _Started:
    """Java writes to a file, not into the terminal: what it says is looked at where it fails."""
    from pyspark import SparkContext, java_gateway
    from pyspark.sql import SparkSession

    log = tempfile.TemporaryFile(prefix="finledger-spark-")  # noqa: SIM115 (Java writes to it as long as it runs)
    atexit.register(log.close)
    try:
        launch: Any = java_gateway.launch_gateway
        gateway = launch(conf, popen_kwargs={"stdout": log, "stderr": log})
        context = SparkContext(conf=conf, gateway=gateway)
        context.pythonExec = conf.get("spark.pyspark.python") or os.environ.get("PYSPARK_PYTHON") or sys.executable
        made = SparkSession(context)
    except Exception as failed:
        if not _is_spark(failed):
            raise
        raise _problem("spark-not-started", "Spark does not start", _START_REMEDY, _from_log(log) or _said(failed)) from None
    if not _on_cluster(made):
        return _Started(made, log)
    waited = time.monotonic() + EXECUTOR_SECONDS
    while not _executors(made):
        if time.monotonic() > waited:
            made.stop()
            message = f"{master} gave no executor in {EXECUTOR_SECONDS} seconds"
            remedy = "see that workers are registered with the master, with the cores and the memory that are asked for"
            raise _problem("spark-no-executor", message, remedy, _from_log(log))
        time.sleep(0.1)
    return _Started(made, log)


_START_REMEDY = "see what it says and the settings under `engine`"


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        where = f"JAVA_HOME is {home}, where there is none" if home else "there is none on PATH"
        raise _problem("java-missing", f"Spark needs Java, and {where}", _INSTALL_JAVA)
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    found = _JAVA_VERSION.search(said)
    if found is None or int(found.group(1)) < OLDEST_JAVA:
        version = f"Java {found.group(1)}" if found else "a program that does not say which Java it is"
        message = f"Spark needs Java {OLDEST_JAVA} or later, and {java} is {version}"
        raise _problem("java-too-old", message, _INSTALL_JAVA)


def _check_reachable(master: str) -> None:
    """Spark itself would try for minutes, and then say so in its log only."""
    if not master.startswith("spark://"):
        return
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS):
                return
        except (OSError, OverflowError):
            continue
    remedy = "start the cluster, or name the master that it says at its start"
    raise _problem("spark-unreachable", f"no Spark master answers at {master}", remedy)


def _problem(code: str, message: str, remedy: str, excerpt: str = "") -> Unavailable:
    return Unavailable([Problem(code, message, SourceRef("finledger.yaml"), excerpt, f"{remedy}, {_OR_DUCKDB}")])


def _from_log(log: IO[bytes]) -> str:
    """The first errors that Java wrote; where it did not come so far, its first words."""
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    errors = [line.partition(" ERROR ")[2] for line in lines if " ERROR " in line]
    told = errors[:1] or [line for line in lines if not _LOGGED.match(line)]
    return " ".join(told[:2])[:300]


# ── a cluster while it works ────────────────────────────────────────────────────────────────────────────────────────────


def _on_cluster(session: Any) -> bool:
    return not str(session.sparkContext.master).startswith("local")


def _executors(session: Any) -> int:
    """How many executors there are, beside the driver."""
    return len(session.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1


@contextmanager
def _watched(session: Any) -> Iterator[None]:
    """Spark waits for ever where a cluster has lost its last executor: the work is called off after a while."""
    if not _on_cluster(session):
        yield
        return
    done = threading.Event()
    watcher = threading.Thread(target=_call_off, args=(session, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _call_off(session: Any, done: threading.Event) -> None:
    last_seen = time.monotonic()
    while not done.wait(0.5):
        try:
            if _executors(session) > 0:
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > EXECUTOR_SECONDS:
                session.sparkContext.cancelAllJobs()
                return
        except Exception:  # the driver is gone: the work ends of itself
            return
