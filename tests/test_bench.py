"""`make bench` prints its table: each block has a line for finledger. Sizes are tiny; what it measures is no matter of tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = ("kept", "invoices")


def test_blocks_print(tmp_path: Path) -> None:
    sizes = {"BENCH_ROWS": "2000", "BENCH_ROUNDS": "1", "BENCH_INVOICES": "2", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "bench", *BLOCKS],
        cwd=ROOT, env={**os.environ, **sizes}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("  finledger") for line in lines) >= len(BLOCKS), done.stdout
