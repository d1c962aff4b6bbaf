"""How long `finledger --help` takes, as a multiple of Python that does nothing: at most ten times.

Each process is run 20 times, in turns, and the median counts. Everything is in the file cache, as it is for a person who
asks for help a second time.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 20
MOST = 10


def main() -> int:
    program = Path(sys.executable).parent / "finledger"
    cases = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "finledger --help": [str(program), "--help"],
        "finledger --version": [str(program), "--version"],
        "finledger load --help": [str(program), "load", "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, words in cases.items():
            start = time.perf_counter()
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    bare = statistics.median(seconds["python -c pass"])
    for name, measured in seconds.items():
        print(f"{name:<24}{statistics.median(measured) * 1000:8.1f} ms{statistics.median(measured) / bare:8.1f} x")
    held = statistics.median(seconds["finledger --help"]) <= MOST * bare
    print(f"finledger --help is at most {MOST} times bare Python: {'yes' if held else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
