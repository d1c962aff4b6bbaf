"""Every command that writes, killed and failed at its system calls: before or after, never between.

For each command the calls that write are counted first. Then it is run again and again on a copy of the same books, each time
with another call killed or failing. Afterwards the books must be as they were or as they shall be; the next run must
bring them to the very bytes of a run that nothing happened to. By default a spread of the calls is tried, with FAULTS=all in the
environment every one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from finledger.cli._run import run
from tests.faults.small_books import content, in_store, make_books
from tests.faults.strace import FAULTS, ROOT, Ended, Moment, failing, moments, spread, under_strace
from tests.support import finledger, finledger_json

LOAD = ("load",)
ALLOCATE = ("allocate", "--month", "2026-07")
INVOICE = ("invoice", "--month", "2026-07", "--to", "md,json")
CLOSE = ("close", "--month", "2026-07")
REOPEN = ("reopen", "--month", "2026-07", "--by", "Ada Fell", "--reason", "a column was wrong")
# command → what was run before it
COMMANDS: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
    LOAD: (),
    ALLOCATE: (LOAD,),
    INVOICE: (LOAD, ALLOCATE),
    CLOSE: (LOAD,),
    REOPEN: (LOAD, CLOSE),
}
EACH = None if os.environ.get("FAULTS") == "all" else 4  # calls tried for a command and a fault
ROUNDS = 4  # of two at once, for each command

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="install strace to make system calls fail: apt-get install strace"
)


class Tried(NamedTuple):
    """A command's books before it, and what they hold before it and after a run to which nothing happened."""

    books: Path
    before: Mapping[str, str]
    after: Mapping[str, str]
    stored: set[str]
    calls: dict[str, list[Moment]]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Callable[[tuple[str, ...]], Tried]:
    """What is known of each command, found out when it is first asked for; its books outlast the test that asked."""

    @cache
    def tried(words: tuple[str, ...]) -> Tried:
        folder = tmp_path_factory.mktemp(words[0])
        books = make_books(folder / "before", COMMANDS[words])
        finledger("status", "--books", books)
        done = shutil.copytree(books, folder / "after")
        log = folder / "log"
        ended = under_strace(done, list(words), log=str(log))
        assert ended.code == 0, ended.said
        return Tried(books, content(books), content(done), in_store(done), moments(log))

    return tried


@needs_strace
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_command__is_done_or_not_begun(
    words: tuple[str, ...],
    fault: str,
    known: Callable[[tuple[str, ...]], Tried],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = known(words)
    assert command.before != command.after and len(command.calls) > 3
    for number, moment in enumerate(spread(command.calls, fault, EACH)):
        books = shutil.copytree(command.books, tmp_path / str(number))
        at = f"{words[0]}, {fault} at {moment.call} {moment.number}"
        ended = failing(books, list(words), fault, moment)
        expect_said(ended, fault, moment, at, books)
        finledger_json(capsys, "status", "--books", books)
        left = content(books)
        assert left in (command.before, command.after), f"{at}: {different(left, command)}"
        assert ended.code != 0 or left == command.after, f"{at}: said to be done, and is not"
        again = run([*words, "--books", str(books)])
        assert again == 0 or left == command.after, f"{at}: exit {again} of another run"  # what is reopened stays open
        assert content(books) == command.after, f"{at}: {different(content(books), command)} after another run"
        assert in_store(books) == command.stored, f"{at}: left behind in store/"
        shutil.rmtree(books)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_two_at_once__come_to_what_one_does(words: tuple[str, ...], tmp_path: Path) -> None:
    before = make_books(tmp_path / "before", COMMANDS[words])
    alone = shutil.copytree(before, tmp_path / "alone")
    finledger(*words, "--books", alone)
    for number in range(ROUNDS):
        books = shutil.copytree(before, tmp_path / str(number))
        command = [sys.executable, "-m", "finledger", *words, "--books", str(books)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        running = [
            subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = [process.communicate(timeout=120)[1] for process in running]
        codes = sorted(process.returncode for process in running)
        # the second one does it again, finds it done (exit 2: nothing is closed any more), or does not wait
        assert codes in ([0, 0], [0, 2], [0, 3]), said
        assert content(books) == content(alone)
        assert in_store(books) == in_store(alone)


def expect_said(ended: Ended, fault: str, moment: Moment, at: str, books: Path) -> None:
    """Killed, or a line that says what failed and where; a fault that is got over is none."""
    told = f"{at}: exit {ended.code}, {ended.said}"
    assert "Traceback" not in ended.said, told
    if fault == "killed":
        assert ended.code in (0, -signal.SIGKILL, 128 + signal.SIGKILL), told
    else:
        assert ended.code in (0, 4), told
        if ended.code == 4:
            line = ended.said.splitlines()[-2]
            assert line.startswith("error: "), told
            assert str(books) in line or moment.call == "write", told  # what cannot be written may be the output itself


def different(left: Mapping[str, str], command: Tried) -> str:
    """The places that are neither before nor after, or of both."""
    of_before = [name for name in sorted({*left, *command.after}) if left.get(name) != command.after.get(name)]
    of_after = [name for name in sorted({*left, *command.before}) if left.get(name) != command.before.get(name)]
    return f"not as after: {of_before}; not as before: {of_after}"
