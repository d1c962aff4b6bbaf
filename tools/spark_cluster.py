"""A standalone Spark cluster on this machine: a master and its workers, each a process of its own, on the loopback only.

    python -m tools.spark_cluster [WORKERS]     says the master's address, and runs until it is interrupted

All of it comes with PySpark. What the processes write lies in a folder that goes with them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

START_SECONDS = 120
_DEPLOY = "org.apache.spark.deploy"
_QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # they have little to do themselves


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker: its process, whose group holds its executors too, and the folder in which these write."""

    process: subprocess.Popen[bytes]
    folder: Path

    def tasks(self) -> int:
        """How many tasks its executors have begun."""
        return sum(log.read_text(errors="replace").count("Running task") for log in self.folder.glob("app-*/*/stderr"))

    def kill(self) -> None:
        """As a machine that loses its power: the worker and its executors are gone at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Cluster:
    master: str
    workers: tuple[Worker, ...]


@contextmanager
def cluster(workers: int = 2, cores: int = 1, memory: str = "1g") -> Iterator[Cluster]:
    """A cluster that ends with the block. `cores` and `memory`: of each worker."""
    with TemporaryDirectory(prefix="spark-cluster-") as name, ExitStack() as running:
        folder = Path(name)
        master = _started(running, folder / "master.log", f"{_DEPLOY}.master.Master", "--port", "0")
        address = _said(master, folder / "master.log", r"Starting Spark master at (spark://\S+)")
        made = []
        for number in range(workers):
            log, work = folder / f"worker-{number}.log", folder / f"worker-{number}"
            words = ("--port", "0", "--cores", str(cores), "--memory", memory, "--work-dir", str(work), address)
            made.append((Worker(_started(running, log, f"{_DEPLOY}.worker.Worker", *words), work), log))
        for worker, log in made:
            _said(worker.process, log, r"Successfully registered with (master)")
        yield Cluster(address, tuple(worker for worker, _ in made))


def _started(running: ExitStack, log: Path, program: str, *words: str) -> subprocess.Popen[bytes]:
    found = find_spec("pyspark")
    assert found is not None and found.origin is not None, "PySpark is not installed"
    home = Path(found.origin).parent
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": _QUICK,
        "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
    }
    command = [str(home / "bin" / "spark-class"), program, "--host", "127.0.0.1", "--webui-port", "0", *words]
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written, env=environment, start_new_session=True)
    running.callback(_ended, process)
    return process


def _ended(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _said(process: subprocess.Popen[bytes], log: Path, words: str) -> str:
    """The group of the pattern, once the process has written it."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        found = re.search(words, log.read_text(errors="replace"))
        if found:
            return found.group(1)
        time.sleep(0.05)
    raise RuntimeError(f"Spark did not say {words!r} in {START_SECONDS} seconds:\n{log.read_text(errors='replace')[-2000:]}")


if __name__ == "__main__":
    with cluster(int(sys.argv[1]) if len(sys.argv) > 1 else 2) as found:
        print(found.master, flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
