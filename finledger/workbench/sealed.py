"""What a close seals, and the books as they were at it: the same texts, the same part of the ledger (rules L2, A7).

The texts that people wrote (settings, price books, evaluations, decisions, providers' invoices, templates) go on changing.
A close keeps a copy of each, named by its SHA-256, in store/sealed/; `as_of` opens the books over these copies and over the
ledger as far as it had come. Everything that a workbench can work out, it works out again there, and nothing is written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from finledger.books.events import Event, Marks
from finledger.core.problem import Misused, Problem, Refused, SourceRef
from finledger.workbench.hashed_files import SEALED_BACK
from finledger.workbench.open_books import SETTINGS, OpenBooks

COPIES = "store/sealed"
_WRITTEN = frozenset({"store", "out", "usage"})
_TEXTS = frozenset({".yaml", ".yml", ".csv", ".tsv", ".txt", ".json", ".jsonl"})
_WHOLE = ("provider-invoices", "templates")  # folders of which every file counts
B = TypeVar("B", bound=OpenBooks)


def texts(root: Path) -> dict[str, Path]:
    """Every file of the books that figures or documents are made from, usage apart: name in the books → path, sorted."""
    found = {path.relative_to(root).as_posix(): path for path in _files(root, root)}
    return dict(sorted(found.items()))


def _files(folder: Path, root: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.name.startswith(".") or (folder == root and entry.name in _WRITTEN):
            continue
        if entry.is_dir():
            if not (path / SETTINGS).is_file():  # other books inside these
                yield from _files(path, root)
        elif path.suffix in _TEXTS or path.relative_to(root).parts[0] in _WHOLE:
            yield path


def sealed_texts(root: Path, written: Mapping[Path, bytes | None]) -> tuple[list[list[str]], dict[Path, bytes]]:
    """The texts as [name, sha256] for the seal, and their copies as contents of store/sealed/.

    `written`: what the close itself writes into the books, which counts as if it stood there.
    """
    found = {**texts(root), **{path.relative_to(root).as_posix(): path for path in written}}
    listed, copies = [], {}
    for name, path in sorted(found.items()):
        content = written.get(path) or path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        listed.append([name, sha256])
        copies[root / COPIES / sha256] = content
    return listed, copies


def as_of(bench: B, close: Event, *, before: bool = False) -> B:
    """The books as they were at a close: to be read, never to be written to. `Refused` where a sealed text is not what it was.

    `before`: without the close itself, as they were when its period was run for the last time.
    """
    folder = TemporaryDirectory(prefix="finledger-as-of-")
    root = Path(folder.name).resolve()
    _lay_out(root, bench.root, close)
    then = type(bench)(root)
    marks = marks_of(close)
    marks = replace(marks, events=marks.events - 1) if before else marks
    then.uses_kept_groups = False
    # what groups the usage is the books' choice of now: the cluster of then may be gone, and every engine gives the same
    then.__dict__.update(ledger=bench.ledger.as_of(marks), store=bench.store, folder=folder, engine=bench.engine)
    return then


def marks_of(close: Event) -> Marks:
    """How far the ledger had come when the close was made, the close itself included."""
    stored = close.content["marks"]
    return Marks(**{**stored, "forecasts": tuple(stored["forecasts"]), "books": tuple(stored["books"])})


def close_named(bench: OpenBooks, name: str) -> Event:
    """The close of that number, or the last of that period; `Misused` with those that there are."""
    closes = bench.ledger.events("close")
    found = [event for event in closes if name in (str(event.number), event.period)]
    if not found:
        there = ", ".join(f"{event.number} ({event.period})" for event in closes) or "none yet"
        raise Misused(f"no close {name!r}: there are {there}")
    return found[-1]


def _lay_out(root: Path, books: Path, close: Event) -> None:
    """The sealed texts under their names, and the exports and documents where they lie."""
    problems = []
    for name, sha256 in close.content["inputs"]:
        copy, path = books / COPIES / sha256, root / name
        content = copy.read_bytes() if copy.is_file() else None
        if content is None or hashlib.sha256(content).hexdigest() != sha256:
            problems.append(_lost(name, sha256, close, content is not None))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if problems:
        raise Refused(problems)
    for name in ("usage", "store", "out"):
        if (books / name).exists():
            (root / name).symlink_to((books / name).resolve(), target_is_directory=True)


def _lost(name: str, sha256: str, close: Event, changed: bool) -> Problem:
    return Problem(
        "sealed-text-changed" if changed else "sealed-text-missing",
        f"the copy of {name} that close {close.number} ({close.period}) sealed is {'changed' if changed else 'missing'}",
        SourceRef(f"{COPIES}/{sha256}"),
        remedy=SEALED_BACK,
    )
