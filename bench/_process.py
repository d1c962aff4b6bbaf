"""Time a process of its own: whole seconds of the wall clock and of the processor, and its peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# A process is born with the peak of the one that starts it, so that a small one starts it, and not the one that made the rows.
_START = """
import json, os, subprocess, sys, time
with open(sys.argv[1], "w") as output:
    started = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:], stdout=output, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
print(json.dumps([status, seconds, used.ru_maxrss // 1024, used.ru_utime + used.ru_stime]))
"""


class Run(NamedTuple):
    """Seconds by the clock; peak memory in MB; seconds of all processors, which other work on the machine disturbs less."""

    seconds: float
    memory: int
    processor: float


def timed(command: list[str], printed: Path | None = None) -> Run:
    """Run a command; stops the benchmark when it fails. `printed`: where its standard output goes."""
    starter = [sys.executable, "-I", "-S", "-c", _START, str(printed or os.devnull), *command]
    said = subprocess.run(starter, stdout=subprocess.PIPE, check=True, text=True).stdout
    status, *used = json.loads(said)
    if status:
        raise SystemExit(f"{' '.join(command[:6])} … failed with {status}")
    return Run(*used)
