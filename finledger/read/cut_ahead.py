"""Cutting a large JSON text into records while it is hashed and looked through: both are Python's own work, so each has a process.

    stage ──found_in_json──▶ CutAhead ──▶ python -m finledger.read.cut_ahead ──▶ ahead.records.jsonl
          ──open_export────▶ hash, lines, control characters                    ──▶ taken by choose, or thrown away

What it cuts is what `cut_lines` would; where the process cannot be had, or dies, that is called as if there had been none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from finledger.read.documents import Places, cut_lines

LEAST = 32 << 20  # bytes: below, the process takes as long to start as it saves
_NO_CUT = 3


@dataclass(frozen=True, slots=True)
class CutAhead:
    """A text that is being cut. `found`: the format, the path of its records, and whether it is a document."""

    path: Path
    found: tuple[str, str, bool]
    target: Path
    process: subprocess.Popen[bytes]

    def moved(self, target: Path) -> bool | None:
        """Whether the text could be cut, once the process has ended: then its records lie in `target`. None: nobody knows."""
        ended = self.process.wait()
        if ended == 0:
            self.target.replace(target)
        return {0: True, _NO_CUT: False}.get(ended)

    def stop(self) -> None:
        """Nobody waits for it any more."""
        self.process.kill()
        self.process.wait()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def begin(path: Path, found: tuple[str, str, bool], carry: tuple[str, ...], workspace: Path) -> CutAhead | None:
    """Begin to cut; None where there is one core only, or no process to be had."""
    if cores() < 2:
        return None
    target = workspace / "ahead.records.jsonl"
    said = json.dumps([str(path), found[2], found[1], carry, str(target)])
    # -P: nothing in the folder that one stands in is imported in the place of what is ours
    words = [sys.executable, "-P", "-m", __name__, said]
    try:
        nothing = subprocess.DEVNULL
        return CutAhead(path, found, target, subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing))
    except OSError:
        return None


def main() -> int:
    path, document, record_path, carry, target = json.loads(sys.argv[1])
    cut = cut_lines(Path(path), document, record_path, Places(carry=tuple(carry)), Path(target))
    return 0 if cut else _NO_CUT


if __name__ == "__main__":
    sys.exit(main())
