"""Time a process of its own: whole seconds of the wall clock, and its peak memory."""

from __future__ import annotations

import os
import subprocess
import time


def timed(command: list[str]) -> tuple[float, int]:
    """Seconds and peak memory in MB; stops the benchmark when the process fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command[:4])} … failed with {status}")
    return seconds, used.ru_maxrss // 1024
