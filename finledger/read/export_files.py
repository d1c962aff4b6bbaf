"""Which files a load reads: those that are named, and what is found in folders, by patterns and in archives.

What is named by hand is read or refused. What is found in a folder, by a pattern or in an archive may be no export: notes,
hidden and side files are known by their names, lists of files (manifests, checksums) and FOCUS's tables beside cost and usage
by what is in them. They are left out, and said.
"""

from __future__ import annotations

import csv
import glob
import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath
from typing import Any

from finledger import objects
from finledger.core.problem import Problem, SourceRef
from finledger.read.archive import DAMAGED, archive_of, is_archive, members, opened_bytes, other_archive, size_of

_LARGEST_LIST = 8 << 20
_SHOWN = 6
_SIDE = (".crc", ".md5", ".sha1", ".sha256", ".sha512", ".asc", ".sig")
_LEFT_BY_SYSTEMS = ("desktop.ini", "thumbs.db")
_NOTES = (".md", ".txt")
_EXPORT_NAME = re.compile(r"\S.*\.(?:csv|tsv|jsonl|ndjson|json|parquet|xlsx)(?:\.(?:gz|zst|zip|snappy))?|\S.*\.zip", re.I)
_FOCUS_NAME = re.compile(r"(?:billing[-_ .]?period|contract[-_ .]?commitment|invoice[-_ .]?detail)s?\b.*\.csv(?:\.gz)?$")
_LONGEST_HEADER = 1 << 16
_CHECKSUM = re.compile(r"[0-9a-fA-F]{32,128} [ *]\S.*|[A-Z0-9-]+ \(.+\) = [0-9a-fA-F]{32,128}")
_OF_USAGE = {"usage", "data", "results", "resourceSpans", "object"}
Shown = Callable[[Path], str]


@dataclass(frozen=True, slots=True)
class Chosen:
    """`exports` may lead through archives. `problems`: archives that are refused, and notices of what was left out.

    `refused`: those archives.
    `nothing`: the folders and patterns that hold no export, and files that are not there, each as a sentence.
    """

    exports: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()
    nothing: tuple[str, ...] = ()
    refused: tuple[Path, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.is_error)


def choose(words: Sequence[Path], shown: Shown, *, inbox: bool = False) -> Chosen:
    """The exports that the words mean, in their order; in a folder, by a pattern and in an archive in the order of names.

    `shown` tells how a file is called. `inbox`: of notes and hidden files nothing is said, they may lie in usage/.
    """
    search = _Search(shown, inbox)
    for word in words:
        search.look(word)
    return Chosen(tuple(search.exports), tuple(search.problems), tuple(search.nothing), tuple(search.refused))


class _Search:
    def __init__(self, shown: Shown, inbox: bool) -> None:
        self._shown, self._inbox = shown, inbox
        self.exports: list[Path] = []
        self.problems: list[Problem] = []
        self.nothing: list[str] = []
        self.refused: list[Path] = []
        self._seen: set[Path] = set()

    def look(self, word: Path) -> None:
        if objects.is_url(word):
            self._by_url(word)
        elif word.is_file():
            self._file(word)
        elif word.is_dir():
            self._found(word, _files_in(word))
        elif glob.has_magic(str(word)):
            self._found(word, _matches(word))
        elif (through := archive_of(word)) is not None:
            self._member(word, *through)
        else:
            self.nothing.append(f"no such file: {word}")

    def _by_url(self, word: Path) -> None:
        meant = objects.found(word)
        if meant is None:
            self.nothing.append(f"no such object or bucket: {objects.url_of(word)}")
        elif glob.has_magic(str(word)) or meant.folder:
            self._found(word, meant.paths)
        else:
            self._file(word)

    def _file(self, path: Path) -> None:
        """A file that is an export, or an archive with some in it."""
        problem = other_archive(path, self._shown(path))
        if problem is not None:
            self._refuse(path, problem)
        elif is_archive(path):
            self._archive(path)
        else:
            self.exports.append(path)

    def _archive(self, path: Path) -> None:
        listed = members(path, self._shown(path))
        if listed.problems:
            self._refuse(path, *listed.problems)
            return
        exports = self._without_others(path, [path / name for name in listed.rows])
        self.exports += exports
        if not exports:
            message, remedy = "the archive holds no export", "pack it again with the exports in it, or leave it out"
            self._refuse(path, Problem("no-rows", message, SourceRef(self._shown(path)), remedy=remedy))

    def _refuse(self, path: Path, *problems: Problem) -> None:
        self.refused.append(path)
        self.problems += problems

    def _member(self, word: Path, archive: Path, name: str) -> None:
        listed = members(archive, self._shown(archive))
        self.problems += listed.problems
        if not listed.problems and name not in listed.rows:
            self.nothing.append(f"no such file in the archive: {word}")
        elif not listed.problems:
            self.exports.append(word)

    def _found(self, word: Path, found: Sequence[Path]) -> None:
        fresh = [path for path in found if path not in self._seen]
        self._seen.update(fresh)
        before = len(self.exports), len(self.problems)
        for path in self._without_others(word, fresh):
            self._file(path)
        if (
            before[0] == len(self.exports)
            and not any(problem.is_error for problem in self.problems[before[1] :])
            and not self._inbox
        ):
            pattern = glob.has_magic(str(word)) and not word.is_dir()
            what = "the pattern matches" if pattern else "the folder holds"
            self.nothing.append(f"{what} no {'export' if found else 'file'}: {objects.url_of(word) or word}")

    def _without_others(self, word: Path, found: Sequence[Path]) -> list[Path]:
        """The exports among the files; the others are said."""
        exports, others = [], []
        fixed = Path(*takewhile(lambda part: not glob.has_magic(part), word.parts))  # all of it, where it is no pattern
        for path in found:
            inside = path.relative_to(fixed) if path.is_relative_to(fixed) else PurePath(path.name)
            why = _no_export(path, inside, word)
            if why is None:
                exports.append(path)
            elif not (self._inbox and why in ("hidden", "note")):
                others.append(f"{inside.as_posix()} ({why})")
        if others:
            self.problems.append(_left_out(self._shown(word), others))
        return exports


def _left_out(shown: str, others: Sequence[str]) -> Problem:
    listed = ", ".join(others[:_SHOWN]) + (f" and {len(others) - _SHOWN:,} more" if len(others) > _SHOWN else "")
    remedy = "nothing to do; a file that is an export after all is read when it is named by itself"
    return Problem("left-out", f"no exports, and left out: {listed}", SourceRef(shown), remedy=remedy, severity="notice")


def _files_in(folder: Path) -> list[Path]:
    """Every file below the folder, through links too, but through no folder twice."""
    found: list[Path] = []
    walked: set[Path] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = Path(here).resolve()
        if real in walked:
            folders.clear()
            continue
        walked.add(real)
        found += [Path(here) / name for name in names]
    return sorted(path for path in found if path.is_file())


def _matches(pattern: Path) -> list[Path]:
    """What a pattern matches: files, and of folders what they hold."""
    found: set[Path] = set()
    for name in glob.glob(str(pattern), recursive=True):
        path = Path(name)
        found.update(_files_in(path) if path.is_dir() else [path] if path.is_file() else [])
    return sorted(found)


# ── what is no export ───────────────────────────────────────────────────────────────────────────────────────────────────


def _no_export(path: Path, inside: PurePath, word: Path) -> str | None:
    """What a file that was found is if it is no export; None for all that may be one."""
    name = path.name.lower()
    if name in _LEFT_BY_SYSTEMS or any(part.startswith(".") or part == "__MACOSX" for part in inside.parts):
        return "hidden"
    if name.endswith(_SIDE) or any(part.startswith("_") and "=" not in part for part in inside.parts):
        return "side file"
    if path.suffix.lower() in _NOTES and not str(word).lower().endswith(path.suffix.lower()):
        return "note"
    if path.suffix.lower() in ("", ".json") and _is_list_of_files(path):
        return "list of files"
    if _FOCUS_NAME.search(name) and (table := _focus_table(path)):
        return f"FOCUS's table of {table}"
    return None


def _focus_table(path: Path) -> str:
    """What a table of FOCUS beside cost and usage holds, by the first line of a CSV; "" for all else."""
    from finledger.read.header import focus_table

    try:
        with opened_bytes(path) as stream:
            content = gzip.GzipFile(fileobj=stream) if path.suffix.lower() == ".gz" else stream
            first = content.readline(_LONGEST_HEADER).decode("utf-8-sig")
    except (OSError, ValueError, *DAMAGED):
        return ""
    return focus_table(next(csv.reader([first]), []))


def _is_list_of_files(path: Path) -> bool:
    """A manifest (JSON that names export files) or a list of checksums, by its content."""
    try:
        if size_of(path) > _LARGEST_LIST:
            return False
        with opened_bytes(path) as stream:
            content = stream.read(_LARGEST_LIST + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError, *DAMAGED):  # what cannot be read says so when it is loaded
        return False
    if len(content) > _LARGEST_LIST or not text.strip():
        return False
    if path.suffix.lower() != ".json":
        return all(_CHECKSUM.fullmatch(line) for line in text.splitlines() if line.strip())
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(held, dict) and not _OF_USAGE & held.keys() and any(_lists_in(held, 3))


def _lists_in(held: Mapping[str, Any], depth: int) -> Iterator[bool]:
    """For each list and mapping in a JSON object, whether all its members name export files."""
    for value in held.values():
        if isinstance(value, dict):
            yield bool(value) and all(_EXPORT_NAME.fullmatch(name) for name in value)
            if depth:
                yield from _lists_in(value, depth - 1)
        elif isinstance(value, list):
            yield bool(value) and all(_names_export(each) for each in value)


def _names_export(member: Any) -> bool:
    texts = member.values() if isinstance(member, dict) else [member]
    return any(isinstance(text, str) and _EXPORT_NAME.fullmatch(text) is not None for text in texts)
