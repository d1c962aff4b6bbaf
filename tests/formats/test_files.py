"""Files are written whole or not at all, only when they change, and under names that cannot escape their folder."""

from __future__ import annotations

import doctest
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finledger.write import files
from finledger.write.files import safe_name, write, write_all


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_write__makes_folders_and_says_whether_anything_changed(tmp_path: Path) -> None:
    path = tmp_path / "out" / "2026-07" / "a.csv"
    assert write(path, b"one") is True
    before = path.stat()
    assert write(path, b"one") is False
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert write(path, b"two") is True
    assert tree(tmp_path) == {"out/2026-07/a.csv": b"two"}


def test_write__keeps_the_mode_and_replaces_a_link_instead_of_writing_through_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    write(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink() and (tmp_path / "elsewhere").read_bytes() == b"precious"
    (tmp_path / "kept").write_bytes(b"old")
    (tmp_path / "kept").chmod(0o640)
    write(tmp_path / "kept", b"new")
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o640


def test_write_all__only_what_changed_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a", b"1")
    assert write_all({tmp_path / "a": b"1", tmp_path / "b": b"2"}) == (tmp_path / "b",)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_write_all__a_failure_at_any_rename_leaves_everything_as_it_was(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", b"old a")
    write(tmp_path / "c", b"old c")
    replaced = os.replace
    renames = 0

    def failing_replace(source: Path, target: Path) -> None:
        nonlocal renames
        renames += 1
        if renames == failing + 1:
            raise OSError(28, "No space left on device")
        replaced(source, target)

    monkeypatch.setattr(os, "replace", failing_replace)
    with pytest.raises(OSError, match="No space left"):
        write_all({tmp_path / "a": b"new a", tmp_path / "new" / "b": b"new b", tmp_path / "c": b"new c"})
    assert tree(tmp_path) == {"a": b"old a", "c": b"old c"}
    assert not (tmp_path / "new").exists()


def test_write_all__a_disk_that_does_not_keep_what_was_written_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", b"old")
    sync = os.fsync

    def spoil(handle: int) -> None:
        sync(handle)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            os.pwrite(handle, b"X", 0)

    monkeypatch.setattr(os, "fsync", spoil)
    with pytest.raises(OSError, match="does not read back the same"):
        write_all({tmp_path / "a": b"new"})
    assert tree(tmp_path) == {"a": b"old"}


def test_write_all__nothing_is_written_when_one_path_is_impossible(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError):
        write_all({tmp_path / "a": b"1", tmp_path / "file" / "b": b"2"})
    with pytest.raises(OSError):
        write_all({tmp_path / "a": b"1", tmp_path: b"2"})
    assert tree(tmp_path) == {"file": b""}


def test_write__a_failure_names_the_file_and_not_the_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as failed:
        write(tmp_path / "a", b"1")
    assert failed.value.filename == str(tmp_path / "a")
    assert tree(tmp_path) == {}


def test_doctests() -> None:
    assert doctest.testmod(files) == (0, 1)


@pytest.mark.parametrize("name", ["search", "ai-platform", "team-2", "x" * 60])
def test_safe_name__keeps_a_plain_name(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../../etc", "a/b", "a\\b", "con", "lpt1", "日本", "=1+1", "\ud800", "x" * 300, "a\x00b"]
)
def test_safe_name__changes_any_other(name: str) -> None:
    changed = safe_name(name)
    assert changed != name and len(changed) <= 69 and changed.replace("-", "").isalnum() and changed.isascii()


@given(st.lists(st.text(st.sampled_from("aA-_. /é1f"), max_size=6), min_size=2, max_size=2, unique=True))
def test_safe_name__different_names_get_files_that_differ_in_more_than_case(names: list[str]) -> None:
    first, second = (safe_name(name) for name in names)
    assert first.casefold() != second.casefold()


def test_safe_name__a_name_cannot_be_chosen_to_meet_another() -> None:
    assert safe_name(safe_name("a b")) != safe_name("a b")
