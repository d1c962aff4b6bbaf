"""Making a large JSON text into records, one a line, while it is hashed and looked through: Python uses one core a process.

    stage ──found_in_json──▶ UnfoldAhead ──▶ python -m finledger.read.unfold_ahead ──▶ ahead-0.jsonl
          ──open_export────▶ hash, lines, control characters                     ──▶ taken by choose, or thrown away

A text whose records are cut out as they stand is one process's work, as `cut_lines` does it. Lines that a format has to make
flat, as spans are, are parted among several: each takes the lines that begin in its part of the file, as `unfold` would. Where
the processes cannot be had, or one of them dies, these are called as if there had been none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from finledger.read.documents import Places, cut_lines, unfold_part

LEAST = 32 << 20  # bytes: below, a process takes as long to start as it saves
_PART = 16 << 20
_NO_CUT = 3


@dataclass(frozen=True, slots=True)
class UnfoldAhead:
    """A text that is being unfolded. `found`: the format, the path of its records, and whether it is a document.

    `flat`: the records are what the format's shape makes of them; otherwise they were cut out by the look, which is to be proven.
    """

    path: Path
    found: tuple[str, str, bool]
    flat: bool
    targets: tuple[Path, ...]
    processes: tuple[subprocess.Popen[bytes], ...]

    def moved(self, target: Path) -> bool | None:
        """Whether there are records, once the processes have ended: then they lie in `target`. None: nobody knows."""
        ended = {process.wait() for process in self.processes}
        if ended == {0}:
            _joined(self.targets)
            self.targets[0].replace(target)
        return {0: True, _NO_CUT: False}.get(ended.pop()) if len(ended) == 1 else None

    def stop(self) -> None:
        """Nobody waits for them any more."""
        for process in self.processes:
            process.kill()
            process.wait()


def _joined(parts: tuple[Path, ...]) -> None:
    """Every part behind the first one, in it."""
    with parts[0].open("ab") as whole:
        for part in parts[1:]:
            with part.open("rb") as stream:
                shutil.copyfileobj(stream, whole)
            part.unlink()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def begin(path: Path, found: tuple[str, str, bool], places: Places, workspace: Path) -> UnfoldAhead | None:
    """Begin to unfold; None where there is one core only, or no process to be had."""
    if cores() < 2:
        return None
    name, record_path, document = found
    flat, size = places.shape is not None and places.in_sql is None, path.stat().st_size
    parts = max(min(cores(), size // _PART), 1) if flat else 1
    borders = [size * part // parts for part in range(parts + 1)]
    targets = tuple(workspace / f"ahead-{part}.jsonl" for part in range(parts))
    nothing = subprocess.DEVNULL
    started = UnfoldAhead(path, found, flat, targets, ())
    for target, start, end in zip(targets, borders, borders[1:], strict=False):
        said = [str(path), document, record_path, places.carry, str(target), name if flat else "", start, end]
        # -P: nothing in the folder that one stands in is imported in the place of what is ours
        words = [sys.executable, "-P", "-m", __name__, json.dumps(said)]
        try:
            process = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing)
        except OSError:
            started.stop()
            return None
        started = UnfoldAhead(path, found, flat, targets, (*started.processes, process))
    return started


def main() -> int:
    path, document, record_path, carry, target, name, start, end = json.loads(sys.argv[1])
    if name:
        from finledger.read.usage import formats

        unfold_part(Path(path), start, end, record_path, formats()[name].places, Path(target))
        return 0
    cut = cut_lines(Path(path), document, record_path, Places(carry=tuple(carry)), Path(target))
    return 0 if cut else _NO_CUT


if __name__ == "__main__":
    sys.exit(main())
