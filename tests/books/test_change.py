"""One change to the books: ledger and files together, whatever fails on the way; kills are tried in tests/faults."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finledger.books.ledger import Ledger
from finledger.core.problem import Busy
from finledger.workbench import Workbench
from finledger.workbench.change import TOKEN
from finledger.write.files import Pending
from tests.errors.test_errors import HERE, lay_out

NOTE = "note"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    books = lay_out(HERE / "no-rows", tmp_path / "books")
    make_change(books, "first", {"out/a": b"old a", "out/kept": b"kept"})
    return books


def make_change(books: Path, note: str, files: dict[str, bytes | None]) -> tuple[Path, ...]:
    """A change that says `note` in the ledger and these contents in files; the paths that changed."""
    with Workbench(books).change() as change:
        change.ledger.set_meta(NOTE, note)
        for name, content in files.items():
            if content is None:
                change.remove(books / name)
            else:
                change.put({books / name: content})
    return change.changed


def state(books: Path) -> tuple[str | None, dict[str, bytes]]:
    """What a command that opens the books finds: the note, and every file in out/."""
    note = Workbench(books).ledger.meta(NOTE)
    found = {path.relative_to(books).as_posix(): path for path in (books / "out").rglob("*") if path.is_file()}
    assert not (books / "store" / "pending").exists()
    return note, {name: path.read_bytes() for name, path in found.items()}


BEFORE = ("first", {"out/a": b"old a", "out/kept": b"kept"})
AFTER = ("second", {"out/a": b"new a", "out/2026-07/b": b"b"})
SECOND: dict[str, bytes | None] = {"out/a": b"new a", "out/2026-07/b": b"b", "out/kept": None}


def test_change__ledger_and_files_at_once(root: Path) -> None:
    assert state(root) == BEFORE
    assert make_change(root, "second", SECOND) == (root / "out/a", root / "out/2026-07/b", root / "out/kept")
    assert state(root) == AFTER


def test_change__nothing_is_there_before_its_end(root: Path) -> None:
    bench = Workbench(root)
    with bench.change() as change:
        change.put({root / "out/a": b"never", root / "out/c": b"c"})
        change.put({root / "out/a": b"new a"})
        change.ledger.set_meta(NOTE, "second")
        assert (bench.ledger.meta(NOTE), change.ledger.meta(NOTE)) == ("second", "second")
        assert Ledger.open(root / "store" / "ledger.sqlite").meta(NOTE) == "first"
        assert (root / "out/a").read_bytes() == b"old a" and change.paths == (root / "out/a", root / "out/c")
    assert state(root)[1]["out/a"] == b"new a"


def test_change__what_is_the_same_is_not_touched(root: Path) -> None:
    before = {
        path: path.stat() for path in (root / "out/a", root / "store/ledger.sqlite", root / "store/ledger.sqlite.sha256")
    }
    with Workbench(root).change() as change:
        change.put({root / "out/a": b"old a"})
        change.remove(root / "out/never-there")
    assert (change.changed, change.paths) == ((), (root / "out/a",))
    for path, was in before.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns) == (was.st_ino, was.st_mtime_ns), path


def test_change__inside_another_one_is_part_of_it(root: Path) -> None:
    bench = Workbench(root)
    with pytest.raises(KeyError), bench.change() as outer:
        with bench.change() as inner:
            inner.ledger.set_meta(NOTE, "second")
            inner.put({root / "out/a": b"new a"})
        assert inner is outer and bench.ledger.meta(NOTE) == "second"
        raise KeyError
    assert state(root) == BEFORE
    with pytest.raises(AssertionError, match="swallowed"), bench.change() as outer:
        outer.ledger.set_meta(NOTE, "second")
        try:
            with bench.change():
                raise KeyError
        except KeyError:
            pass
    assert state(root) == BEFORE


def test_dry_run__keeps_nothing_and_waits_for_nobody(root: Path) -> None:
    with Ledger.open(root / "store" / "ledger.sqlite").write():
        bench = Workbench(root)
        with bench.change(dry_run=True) as change:
            change.ledger.set_meta(NOTE, "second")
            change.put({root / "out/a": b"new a"})
            assert bench.ledger.meta(NOTE) == "second"
        assert bench.ledger.meta(NOTE) == "first"
    assert state(root) == BEFORE


def test_busy__before_anything_is_done(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Ledger.open
    monkeypatch.setattr(Ledger, "open", lambda path: opened(path, busy_seconds=0.1))
    with Ledger.open(root / "store" / "ledger.sqlite").write(), pytest.raises(Busy), Workbench(root).change():
        raise AssertionError("two changes at once")
    assert state(root) == BEFORE


# ── what fails before the commit ────────────────────────────────────────────────────────────────────────────────────────


def a_file_for_a_folder(root: Path) -> str:
    (root / "out/2026-07").write_bytes(b"")
    return "out/2026-07"


def a_folder_for_a_file(root: Path) -> str:
    (root / "out/2026-07/b").mkdir(parents=True)
    return "out/2026-07/b"


def a_folder_to_remove(root: Path) -> str:
    (root / "out/kept").unlink()
    (root / "out/kept").mkdir()
    return "out/kept"


def a_link_to_nowhere(root: Path) -> str:
    (root / "out/2026-07").symlink_to("gone")
    return "out/2026-07"


@pytest.mark.parametrize("spoil", [a_file_for_a_folder, a_folder_for_a_file, a_folder_to_remove, a_link_to_nowhere])
def test_place_that_takes_no_file__is_noticed_in_time(root: Path, spoil: Callable[[Path], str]) -> None:
    place = spoil(root)
    before = state(root)
    with pytest.raises(OSError) as failed:
        make_change(root, "second", SECOND)
    assert str(failed.value.filename) == str(root / place)
    assert state(root) == before and before[0] == "first"


@pytest.mark.parametrize("number", range(1, 12))
def test_no_room__is_before_or_after(root: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No flush succeeds from the `number`-th on: 7 make the files ready and announce the commit, 4 follow it."""
    flushed = 0
    flush = os.fsync

    def full(handle: int) -> None:
        nonlocal flushed
        flushed += 1
        if flushed >= number:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            make_change(root, "second", SECOND)
    assert flushed >= number and state(root) == (BEFORE if number < 8 else AFTER)
    make_change(root, "second", SECOND)
    assert state(root) == AFTER


# ── what fails after the commit, and who finishes it ────────────────────────────────────────────────────────────────────


@pytest.fixture
def renames(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Makes the next so many renames out of store/pending fail."""
    replace = os.replace
    failing = 0

    def replaced(source: Path, target: Path) -> None:
        nonlocal failing
        if "pending" in Path(source).parts and failing:
            failing -= 1
            raise OSError(errno.EIO, "Input/output error", str(source))
        replace(source, target)

    def fail(count: int) -> None:
        nonlocal failing
        failing = count

    monkeypatch.setattr(os, "replace", replaced)
    yield fail


def test_rename__is_tried_once_more(root: Path, renames: Callable[[int], None]) -> None:
    renames(1)
    make_change(root, "second", SECOND)
    assert state(root) == AFTER


@pytest.mark.parametrize("moved", [False, True])
def test_rename__that_goes_on_failing_is_finished_by_the_next_command(
    root: Path, tmp_path: Path, renames: Callable[[int], None], moved: bool
) -> None:
    renames(2)
    with pytest.raises(OSError) as failed:
        make_change(root, "second", SECOND)
    assert str(failed.value.filename) == str(root / "out/a")
    assert (root / "out/a").read_bytes() == b"old a"
    if moved:  # the books have another place meanwhile
        root = root.rename(tmp_path / "elsewhere")
    assert state(root) == AFTER


def test_recovery__leaves_to_a_living_process_what_is_its_own(root: Path) -> None:
    pending = root / "store" / "pending"
    with Ledger.open(root / "store" / "ledger.sqlite").write():
        Pending(pending, root).stage({root / "out/a": b"new a"}, "")
        assert Workbench(root).ledger.meta(NOTE) == "first" and pending.is_dir()
    assert state(root) == BEFORE


def test_recovery__the_same_contents_again_are_not_the_change_that_was_committed(root: Path) -> None:
    """A file is made again that somebody removed, and the command is killed before its commit: it stays removed."""
    token = Workbench(root).ledger.meta(TOKEN)
    for name in ("out/a", "out/kept"):
        (root / name).unlink()
    again, _ = Pending(root / "store" / "pending", root).stage(
        {root / "out/a": b"old a", root / "out/kept": b"kept"}, str(token)
    )
    assert again != token
    assert state(root) == ("first", {})


def test_recovery__of_a_half_made_folder(root: Path) -> None:
    pending = root / "store" / "pending"
    pending.mkdir()
    (pending / "0").write_bytes(b"half")
    assert state(root) == BEFORE


# ── modes, links, other file systems ────────────────────────────────────────────────────────────────────────────────────


def test_file__keeps_its_mode_and_a_link_is_replaced(root: Path, tmp_path: Path) -> None:
    (root / "out/a").chmod(0o640)
    (tmp_path / "precious").write_bytes(b"precious")
    (root / "out/link").symlink_to(tmp_path / "precious")
    make_change(root, "second", {"out/a": b"new a", "out/link": b"new"})
    assert stat.S_IMODE((root / "out/a").stat().st_mode) == 0o640
    assert not (root / "out/link").is_symlink() and (tmp_path / "precious").read_bytes() == b"precious"


def test_file__on_another_file_system(root: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == root.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=other) as folder:
        (root / "out/2026-07").symlink_to(folder, target_is_directory=True)
        make_change(root, "second", SECOND)
        assert (root / "out/2026-07").is_symlink()
        assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == {"b": b"b"}
        assert state(root)[0] == "second"


def test_file__outside_the_books(root: Path, tmp_path: Path) -> None:
    """A text of people's that is a link is written where it points to."""
    with Workbench(root).change() as change:
        change.put({tmp_path / "shared" / "draws.csv": b"team\n"})
    assert (tmp_path / "shared" / "draws.csv").read_bytes() == b"team\n"
