"""Time a process of its own: whole seconds of the wall clock and of the processor, and its peak memory."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """Seconds by the clock; peak memory in MB; seconds of all processors, which other work on the machine disturbs less."""

    seconds: float
    memory: int
    processor: float


def timed(command: list[str], printed: Path | None = None) -> Run:
    """Run a command; stops the benchmark when it fails. `printed`: where its standard output goes."""
    with open(printed or os.devnull, "w") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command[:6])} … failed with {status}")
    return Run(seconds, used.ru_maxrss // 1024, used.ru_utime + used.ru_stime)
