"""Files that people keep and commands add to, and what becomes of them when something goes wrong half-way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from finledger.books.ledger import Ledger
from finledger.workbench import Workbench
from tests.errors.test_errors import HERE as CASES
from tests.errors.test_errors import lay_out
from tests.support import finledger, prepared

HEADER = b"month,team,cause,disclosure,requested"
SUPPORT = b"2026-08,support,backfill,Tickets were read again,"
DRAW = ("buffer", "draw", "--month", "2026-08", "--team", "search", "--cause", "backfill", "--disclosure")


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A quarter of search that is loaded; 10,000 calls at 0.0126 a month."""
    books = prepared(lay_out(CASES / "buffer-short", tmp_path / "books"), ("load", "--quiet"))
    settings = books / "finledger.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + "  support: {cost_center: cc-1}\n", encoding="utf-8")
    return books


def draws(books: Path) -> Path:
    return books / "decisions" / "draws.csv"


def everything(books: Path) -> dict[str, bytes]:
    return {path.relative_to(books).as_posix(): path.read_bytes() for path in sorted(books.rglob("*")) if path.is_file()}


# ── buffer draw ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, HEADER + b"\n2026-08,search,backfill,Again,\n"),
        (b"", HEADER + b"\n2026-08,search,backfill,Again,\n"),
        (HEADER + b"\n" + SUPPORT, HEADER + b"\n" + SUPPORT + b"\n2026-08,search,backfill,Again,\n"),
        (b"\n\n" + HEADER + b"\n", b"\n\n" + HEADER + b"\n2026-08,search,backfill,Again,\n"),
        (
            b"\xef\xbb\xbf" + HEADER + b"\r\n" + SUPPORT + b"\r\n",
            b"\xef\xbb\xbf" + HEADER + b"\r\n" + SUPPORT + b"\r\n2026-08,search,backfill,Again,\r\n",
        ),
        (b"requested, team ,cause,disclosure,month\n", b"requested, team ,cause,disclosure,month\n,search,backfill,Again,2026-08\n"),
    ],
)  # fmt: skip
def test_draw__adds_a_row_and_leaves_every_other_byte(books: Path, before: bytes | None, after: bytes) -> None:
    if before is not None:
        draws(books).parent.mkdir()
        draws(books).write_bytes(before)
    finledger(*DRAW, " Again ", "--books", books)
    assert draws(books).read_bytes() == after


def test_draw__goes_through_a_link(books: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "shared.csv"
    elsewhere.write_bytes(HEADER + b"\n")
    draws(books).parent.mkdir()
    draws(books).symlink_to(elsewhere)
    finledger(*DRAW, "Again", "--books", books)
    assert draws(books).is_symlink()
    assert elsewhere.read_bytes() == HEADER + b"\n2026-08,search,backfill,Again,\n"


def test_draw__a_link_to_nowhere_is_not_an_empty_file(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever mounts the shared file later would find it without the requests that were charged by."""
    draws(books).parent.mkdir()
    draws(books).symlink_to(books / "nowhere.csv")
    finledger("allocate", "--month", "2026-08", "--books", books, expect=4)
    finledger(*DRAW, "Again", "--books", books, expect=4)
    assert "draws.csv: No such file" in capsys.readouterr().err


def test_draw__bytes_that_are_no_text(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a terminal in another encoding passes on."""
    finledger(*DRAW, "R\udce9sum\udce9s", "--books", books, expect=2)
    assert "UTF-8" in capsys.readouterr().err
    assert not draws(books).exists()


def test_draw__two_at_once_lose_none(books: Path) -> None:
    program = [sys.executable, "-m", "finledger"]
    rest = [*DRAW[4:], "Again", "--books", str(books), "--quiet"]
    started = [
        subprocess.Popen([*program, "buffer", "draw", "--month", month, *rest])
        for month in ("2026-07", "2026-08", "2026-09")
    ]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert sorted(line[:7] for line in draws(books).read_text(encoding="utf-8").splitlines()[1:]) == [
        "2026-07", "2026-08", "2026-09",
    ]  # fmt: skip


def test_draw__waits_for_whoever_holds_the_books(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    with Workbench(books).ledger.write():
        finledger(*DRAW, "Again", "--books", books, expect=3)
    assert not draws(books).exists()


# ── reconcile ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The books' ledger is waited for no longer than a test takes."""
    opened = Ledger.open
    monkeypatch.setattr(Ledger, "open", lambda path: opened(path, busy_seconds=0.1))


def test_reconcile__busy_books_get_no_files(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    before = everything(books)
    with Workbench(books).ledger.write():
        finledger("reconcile", "--quarter", "2026-Q3", "--books", books, expect=3)
    assert everything(books) == before
    assert not (books / "out").exists()


def test_reconcile__dry_run_leaves_every_file_as_it_was(books: Path) -> None:
    before = everything(books)
    finledger("reconcile", "--quarter", "2026-Q3", "--dry-run", "--books", books)
    finledger("close", "--quarter", "2026-Q3", "--dry-run", "--books", books, expect=1)
    assert everything(books) == before


def test_reconcile__a_month_that_cannot_be_charged_and_never_was(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its figures would lack the month, and be kept."""
    book = books / "pricebooks" / "2026-Q3.yaml"
    book.write_text(book.read_text(encoding="utf-8").replace("until: 2026-10-01", "until: 2026-09-01"), encoding="utf-8")
    before = everything(books)
    finledger("reconcile", "--quarter", "2026-Q3", "--books", books, expect=1)
    assert "error[pricebook-missing]" in capsys.readouterr().err
    assert everything(books) == before


# ── months out of this world ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [
        ("allocate", "--month", "9999-12"),
        ("evals", "--month", "0001-01"),
        ("buffer", "adequacy", "--month", "0001-01"),
        ("pricebook", "new", "9999-Q4"),
        ("pricebook", "new", "0001-Q1"),
        ("close", "--quarter", "9999-Q4", "--dry-run"),
    ],
)
def test_months_before_and_after_everything__are_wrong_usage(
    books: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    finledger(*words, "--books", books, expect=2)
    assert "of our time" in capsys.readouterr().err
