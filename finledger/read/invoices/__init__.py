"""Formats of providers' invoices and cost reports, one a file: the folder is the registry. A format is a module with

DESCRIPTION                       what the file is, in a few words
detect(head) -> bool              whether a file with these columns is of the format; by content, never by name
read(path, shown_as) -> Outcome   its lines, and everything that is wrong with it

`read_invoices` reads a folder of them, and finds what stands in two of its files. Rule X1.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.provider import ProviderLine
from finledger.read.invoices._export import Record, open_export
from finledger.read.tables import absent
from finledger.read.values import quoted

Lines = tuple[ProviderLine, ...]
Key = tuple[str, str]  # provider, invoice
_BY_MAP = "column_map"
_NOTES = (".md", ".txt")
_MAP_ENDING = ".map.yaml"


@cache
def formats() -> dict[str, ModuleType]:
    """Every format by name, imported on first use."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


def detect(path: Path) -> str:
    """The format of a file by its content, `column_map` where a map lies beside it; "" when none fits or it cannot be read."""
    return _format_of(path, path.name).rows


def read_invoice(path: Path, shown_as: str, format: str | None = None) -> Outcome[Lines]:
    """The lines of one file. `format` None = by the map beside it, or found by its content. Unreadable files raise OSError."""
    if format is not None and format not in formats():
        where, remedy = SourceRef(shown_as), f"use one of: {', '.join(formats())}"
        return Outcome((), (Problem("unknown-format", f"there is no invoice format {format!r}", where, remedy=remedy),))
    found = _format_of(path, shown_as) if format is None else Outcome(format)
    return _read(path, shown_as, found.rows) if found.rows else Outcome((), found.problems)


def _read(path: Path, shown_as: str, format: str) -> Outcome[Lines]:
    found: Outcome[Lines] = formats()[format].read(path, shown_as)
    return found


def _format_of(path: Path, shown_as: str) -> Outcome[str]:
    """The format's name; with "" come the problems that say why there is none."""
    if _mapped(path):
        return Outcome(_BY_MAP)
    opened = open_export(path, shown_as)
    if opened.rows is None:
        return Outcome("", opened.problems)
    for name, module in formats().items():
        if module.detect(opened.rows.head):
            return Outcome(name)
    if opened.rows.names:
        return Outcome("", (*opened.problems, _unknown(shown_as, opened.rows.header)))
    remedy = "export it again, or leave it out"
    problem = Problem("no-rows", "the report holds no results", SourceRef(shown_as), remedy=remedy)
    return Outcome("", (*opened.problems, problem))


def _mapped(path: Path) -> bool:
    from finledger.read.invoices.column_map import map_of

    return map_of(path).is_file()


def _unknown(shown_as: str, header: Record) -> Problem:
    known = "; ".join(module.DESCRIPTION for module in formats().values())
    return Problem(
        "unknown-format", f"no format of an invoice or cost report has these columns; known are: {known}", header.source,
        header.excerpt, f"describe its columns in {Path(shown_as).stem}{_MAP_ENDING} beside it (docs/column-maps.md)",
    )  # fmt: skip


# ── a folder of invoices ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    shown_as: str
    format: str
    lines: Lines

    def first_lines(self) -> dict[Key, ProviderLine]:
        """The first line of each invoice in the file."""
        found: dict[Key, ProviderLine] = {}
        for line in self.lines:
            found.setdefault((line.provider, line.invoice), line)
        return found


def read_invoices(folder: Path, shown_as: str) -> Outcome[Lines]:
    """Every invoice of the folder, in the order of names; none where it is absent.

    Notes, hidden files, maps and the tables that maps look things up in are no invoices. What stands in two files is an error.
    """
    if absent(folder):
        return Outcome(())
    files: list[_File] = []
    found = inbox(folder)
    problems = _maps_of_nothing(folder, shown_as, found)
    for path in found:
        name = f"{shown_as}/{path.relative_to(folder).as_posix()}"
        format = _format_of(path, name)
        outcome = _read(path, name, format.rows) if format.rows else Outcome((), format.problems)
        problems += outcome.problems
        if outcome.rows:
            files.append(_File(path, name, format.rows, outcome.rows))
    problems += _twice(files)
    return Outcome(tuple(line for file in files for line in file.lines), tuple(problems))


def read_with(folder: Path) -> dict[Path, tuple[Path, ...]]:
    """What each invoice of the folder is read from: itself, its map, and the tables that the map looks values up in."""
    from finledger.read.invoices.column_map import lookups, map_of

    found = {}
    for path in inbox(folder) if not absent(folder) else ():
        map_file = map_of(path)
        tables = sorted(path.parent / name for name in lookups(map_file)) if map_file.is_file() else []
        found[path] = (path, map_file, *tables) if map_file.is_file() else (path,)
    return found


def inbox(folder: Path) -> list[Path]:
    """The files that are invoices. A link to nowhere is among them: reading it raises OSError, and no invoice is missing unseen."""
    from finledger.read.invoices.column_map import lookups

    there = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    visible = sorted(path for path in there if not path.is_dir() and not _hidden(path, folder))
    tables = {path.parent / name for path in visible if _is_map(path) for name in lookups(path)}
    return [path for path in visible if path.suffix not in _NOTES and not _is_map(path) and path not in tables]


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _is_map(path: Path) -> bool:
    return path.name.endswith(_MAP_ENDING)


def _maps_of_nothing(folder: Path, shown_as: str, found: Iterable[Path]) -> list[Problem]:
    from finledger.read.invoices.column_map import map_of

    used = {map_of(path) for path in found}
    problems = []
    for path in sorted(path for path in folder.rglob("*") if _is_map(path) and not _hidden(path, folder)):
        if path not in used:
            where = SourceRef(f"{shown_as}/{path.relative_to(folder).as_posix()}")
            remedy = f"name it after the file that it reads: {path.name.removesuffix(_MAP_ENDING)}.csv has this map"
            problems.append(Problem("bad-map", "the map has no file beside it that it could read", where, remedy=remedy))
    return problems


def _twice(files: list[_File]) -> list[Problem]:
    """An invoice that stands in two files would count twice.

    An export may lie in parts (pages, projects): then the same number in two files is fine, as long as no record is in both.
    """
    problems: list[Problem] = []
    for number, file in enumerate(files):
        own = file.first_lines()
        for earlier in files[:number]:
            shared = [key for key in earlier.first_lines() if key in own]
            if not shared:
                continue
            if file.format == earlier.format and _in_parts(file.format):
                problems += _same_records(file, earlier, shared)
                continue
            problems += [_stands_twice(file, earlier, key, own[key]) for key in shared]
    return problems


def _in_parts(format: str) -> bool:
    declared = getattr(formats()[format], "DECLARED", None)
    return declared is not None and bool(declared.grouped)


def _stands_twice(file: _File, earlier: _File, key: Key, line: ProviderLine) -> Problem:
    provider, invoice = key
    first = earlier.first_lines()[key]
    amounts = [sorted(each.amount for each in one.lines if (each.provider, each.invoice) == key) for one in (earlier, file)]
    alike = "with the same amounts" if amounts[0] == amounts[1] else "with other amounts"
    message = f"invoice {quoted(invoice)} of {provider} stands already at {first.source}, {alike}: it would count twice"
    remedy = f"take one of {earlier.shown_as} and {file.shown_as} out of the folder"
    excerpt = _excerpt(file, line)
    return Problem("invoice-twice", message, line.source, excerpt, remedy)


def _excerpt(file: _File, line: ProviderLine) -> str:
    export = open_export(file.path, file.shown_as).rows
    records = export.records if export is not None else ()
    return next((record.excerpt for record in records if record.where == line.source), "")


def _same_records(file: _File, earlier: _File, shared: list[Key]) -> list[Problem]:
    """One problem for two parts of a report that overlap, at the first record that is in both."""
    exports = [open_export(each.path, each.shown_as).rows for each in (earlier, file)]
    known, own = (tuple(export.records) if export is not None else () for export in exports)
    seen = {frozenset(record.cells.items()): record for record in known}
    both = [record for record in own if frozenset(record.cells.items()) in seen]
    if not both:
        return []
    first = both[0]
    other = seen[frozenset(first.cells.items())]
    names = ", ".join(f"{quoted(invoice)} of {provider}" for provider, invoice in shared[:3])
    message = f"invoice {names}: {len(both)} of the file's {len(own)} rows stand in {earlier.shown_as} too, the first at {other.where}"
    remedy = f"take one of the two files out of the folder; together they would count {len(both)} rows twice"
    return [Problem("invoice-twice", message, first.where, first.excerpt, remedy)]
