"""Two processes close the same month at once, or open it again: that is done once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from finledger.books.events import Event
from finledger.core.period import Month, Quarter
from finledger.core.problem import Busy
from finledger.workbench import Workbench
from finledger.workbench.closing import close_month, reopen
from finledger.workbench.verify import verify
from tests.close.small_books import AUGUST, JULY, daily, make_books, snapshot

ROOT = Path(__file__).parents[2]
ROUNDS = 100 if os.environ.get("FAULTS") == "all" else 10


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_books(tmp_path_factory.mktemp("race") / "books", {"all.csv": [*daily(JULY), *daily(AUGUST)]})


def at_once(*commands: list[str]) -> list[tuple[int, str]]:
    """The exit codes, with what was said."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "finledger", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    said = [process.communicate(timeout=120) for process in running]
    return [(process.returncode, "".join(texts)) for process, texts in zip(running, said, strict=True)]


def test_one_closes(books: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(books, tmp_path / "alone")
    ((code, _),) = at_once(["close", "--month", "2026-07", "--books", str(alone)])
    assert code == 0
    for number in range(ROUNDS):
        root = shutil.copytree(books, tmp_path / str(number))
        ended = at_once(*[["close", "--month", "2026-07", "--books", str(root)]] * 2)
        assert sorted(code for code, _ in ended) in ([0, 0], [0, 3]), ended
        if [code for code, _ in ended] == [0, 0]:
            assert sum("was closed before" in said for _, said in ended) == 1, ended
        else:
            (said,) = [said for code, said in ended if code == 3]
            assert "another process" in said, said
        events = Workbench(root).ledger.events()
        assert [event.kind for event in events] == ["close", "documents"]
        assert snapshot(root, "store/ledger") == snapshot(alone, "store/ledger")
        assert verify(Workbench(root)).problems == ()
        shutil.rmtree(root)


def test_close_and_allocate(books: Path, tmp_path: Path) -> None:
    """The allocate of a month that is being closed comes before the close, or shows what was closed."""
    for number in range(3):
        root = shutil.copytree(books, tmp_path / str(number))
        words = ["--month", "2026-07", "--books", str(root)]
        ended = at_once(["close", *words], ["allocate", *words])
        assert sorted(code for code, _ in ended) in ([0, 0], [0, 3]), ended
        if Workbench(root).closed(JULY) is not None:
            assert verify(Workbench(root)).problems == ()


class Overtaken(Workbench):
    """Books that another process closes, or opens again, right after this one has looked whether they are closed."""

    def __init__(self, root: Path, other: Callable[[], object]) -> None:
        super().__init__(root)
        self.other: Callable[[], object] | None = other

    def closed(self, period: Month | Quarter) -> Event | None:
        found = super().closed(period)
        other, self.other = self.other, None
        if other is not None:
            other()
        return found


def test_overtaken_close(books: Path, tmp_path: Path) -> None:
    root = shutil.copytree(books, tmp_path / "books")
    with pytest.raises(Busy, match="another process"):
        close_month(Overtaken(root, lambda: close_month(Workbench(root), JULY)), JULY)
    assert [event.kind for event in Workbench(root).ledger.events()] == ["close", "documents"]


def test_overtaken_reopen(books: Path, tmp_path: Path) -> None:
    root = shutil.copytree(books, tmp_path / "books")
    close_month(Workbench(root), JULY)
    with pytest.raises(Busy, match="another process"):
        reopen(Overtaken(root, lambda: reopen(Workbench(root), JULY, "why", "Ada")), JULY, "why", "Bo")
    assert [event.kind for event in Workbench(root).ledger.events()] == ["close", "documents", "reopen"]
