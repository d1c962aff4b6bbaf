"""What several tests need: the reference material beside the project, and the command line run in this process."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("FINLEDGER_SHARED", ROOT.parent / "shared"))
KEPT: list[Path] = []  # the folder in which `once` keeps what came of steps, once conftest.py has named it
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the reference data beside the project (../shared)")


def finledger(*words: object, expect: int = 0) -> None:
    """Run a command in this process, and hold it to its exit code."""
    from finledger.cli._run import run

    code = run([str(word) for word in words])
    assert code == expect, f"finledger {' '.join(str(word) for word in words)} exited {code}"


def finledger_json(capsys: pytest.CaptureFixture[str], *words: object, expect: int = 0) -> Any:
    """Run a command with --format json and hand back what it printed: nothing else may be on standard output."""
    capsys.readouterr()
    finledger(*words, "--format", "json", expect=expect)
    return json.loads(capsys.readouterr().out)


def copy_books(source: Path, target: Path) -> Path:
    """A writable copy of a set of books."""
    shutil.copytree(source, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


def prepared(books: Path, *commands: Iterable[object]) -> Path:
    """Bring the books to where these commands leave them, which all have to succeed: for what comes before a test."""
    for words in commands:
        once(books, repr([str(word) for word in words]), lambda words=words: finledger(*words, "--books", books))
    return books


def once(books: Path, step: str, do: Callable[[], object]) -> None:
    """Do a step that changes nothing but the books, or copy what came of it when a test of this run did it to equal books.

    The program does the same to the same files every time, so nothing is lost by it; but what a test is about, it does itself.
    """
    kept = KEPT[0] / hashlib.sha256(f"{step}\n{_state(books)}".encode()).hexdigest()
    if not kept.is_dir():
        do()
        made = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copytree(books, made, symlinks=True)
        with suppress(OSError):  # whole or not at all; another worker may have been quicker
            made.rename(kept)
        return
    for path in books.iterdir():  # what is in it, not the folder: it may be the working directory
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.copytree(kept, books, symlinks=True, dirs_exist_ok=True)


def _state(books: Path) -> str:
    """A hash of every name and every byte below the folder."""
    found = hashlib.sha256()
    for path in sorted(books.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        found.update(f"{path.relative_to(books)}\n{path.is_dir()} {len(content)}\n".encode() + content)
    return found.hexdigest()
