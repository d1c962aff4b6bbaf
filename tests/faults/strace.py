"""A command under strace, with one of its system calls made to fail, or killed at it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CALLS = (
    "pwrite64", "write", "fsync", "fdatasync", "rename", "renameat2", "unlink", "unlinkat", "mkdir", "rmdir", "ftruncate",
)  # fmt: skip
FAULTS = {"killed": "signal=SIGKILL", "input or output error": "error=EIO", "no space left": "error=ENOSPC"}
_CALLED = re.compile(r"^(\d+) +(\w+)\(")


class Ended(NamedTuple):
    code: int
    said: str


class Moment(NamedTuple):
    """A call of a command: the `number`-th of that name in its thread."""

    call: str
    number: int


def under_strace(books: Path, words: list[str], *options: str, log: str = os.devnull) -> Ended:
    """Run `finledger WORDS` in the books. What strace says itself goes to `log`."""
    # a profiler or a coverage tool of the tests writes files too, which are no part of the command
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    strace = ["strace", "-f", "--seccomp-bpf", "-o", log, "-e", f"trace={','.join(CALLS)}", *options]
    command = [*strace, sys.executable, "-m", "finledger", *words]
    ended = subprocess.run(command, cwd=books, env=environment, capture_output=True, text=True, timeout=120)
    return Ended(ended.returncode, ended.stderr)


def failing(books: Path, words: list[str], fault: str, moment: Moment) -> Ended:
    """Run the command with the fault at that moment."""
    return under_strace(books, words, "-e", f"inject={moment.call}:{FAULTS[fault]}:when={moment.number}")


def moments(log: Path) -> dict[str, list[Moment]]:
    """Every call that a command made, by its name. strace counts in each thread by itself."""
    found: Counter[tuple[str, str]] = Counter()
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        called = _CALLED.match(line)
        if called:
            found[called[1], called[2]] += 1
    most: dict[str, int] = {}
    for (_, call), count in sorted(found.items()):
        most[call] = max(most.get(call, 0), count)
    return {call: [Moment(call, number + 1) for number in range(count)] for call, count in sorted(most.items())}


def spread(found: dict[str, list[Moment]], fault: str, count: int | None) -> list[Moment]:
    """`count` of the moments, other ones for each fault, or all: of each kind of call in turn, from both ends inwards."""
    kinds = [list(_from_the_ends(listed)) for listed in found.values()]
    in_turn = [moment for row in zip_longest(*kinds) for moment in row if moment is not None]
    return in_turn if count is None else in_turn[list(FAULTS).index(fault) :: len(FAULTS)][:count]


def _from_the_ends(listed: list[Moment]) -> Iterator[Moment]:
    """Last, first, middle, then halves of what is left: the last call is the one that decides most."""
    left = list(listed)
    for place in (-1, 0):
        if left:
            yield left.pop(place)
    while left:
        yield left.pop(len(left) // 2)
