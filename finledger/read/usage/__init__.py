"""Export formats, one a file: the folder is the registry. A format is a module with READER, its declaration (_declared.py), or with

TITLE              what the export is, in a few words
NEEDS              the columns by which its header is known (`a|b`: one of them); a format without any is never detected
GRAIN              what a row is: one call (request), a sum over a day or another bucket (report), money (cost)
M5                 what its token counts include, in a sentence
TOLD               counts that need no word where they are not read; None where no column can be passed over
layout(header, shown_as, map_file) -> Outcome[Layout | None]     which native column comes from where

A format that is neither a table nor records has, beside READER,

table(opened, shown_as, connection, workspace) -> Opened | Problem | None     its Parquet; None: it is no such text
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from finledger.core.usage import Grain
from finledger.read.documents import HEADS, Places, empty_bucket, is_document, sampled

if TYPE_CHECKING:
    import duckdb

    from finledger.core.problem import Outcome, Problem
    from finledger.read.columns import Layout
    from finledger.read.header import Header
    from finledger.read.opened import Opened


_AT_TOP = Places()


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format as loading sees it."""

    name: str
    title: str
    needs: tuple[str, ...]
    grain: Grain
    layout: Callable[[Header, str, Path | None], Outcome[Layout | None]]
    places: Places = _AT_TOP
    lacks: tuple[str, ...] = ()
    m5: str = ""
    table: Callable[[Opened, str, duckdb.DuckDBPyConnection, Path], Opened | Problem | None] | None = None
    bucket: str = ""
    told: tuple[str, ...] | None = ()  # counts that are parts or sums of what is read; None: no column can be passed over

    def fits(self, has: Callable[[str], bool]) -> bool:
        """Whether an export with these columns may be of the format."""
        return bool(self.needs) and self.missing(has) == () and not any(has(name) for name in self.lacks)

    def missing(self, has: Callable[[str], bool]) -> tuple[str, ...]:
        return tuple(names for names in self.needs if not any(has(name) for name in names.split("|")))


@cache
def formats() -> Mapping[str, ExportFormat]:
    """Every export format by name, imported on first use."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return {name: _format(name, importlib.import_module(f"{__name__}.{name}")) for name in names}


def _format(name: str, module: ModuleType) -> ExportFormat:
    reader = getattr(module, "READER", None)
    if reader is None:
        return ExportFormat(
            name,
            module.TITLE,
            module.NEEDS,
            module.GRAIN,
            module.layout,
            Places(("", "data[]")),
            m5=module.M5,
            told=module.TOLD,
        )
    return ExportFormat(
        name, reader.title, reader.needs, reader.grain, reader.layout, reader.places, reader.lacks, reader.m5,
        getattr(module, "table", None), reader.bucket, None if reader.grain == "cost" else reader.told,
    )  # fmt: skip


def map_module() -> ModuleType:
    """The format that a map describes."""
    return importlib.import_module(f"{__name__}.column_map")


def grains() -> dict[str, Grain]:
    """What a row of each format is."""
    return {name: each.grain for name, each in formats().items()}


def detected(has: Callable[[str], bool]) -> str:
    """The format whose columns the header has; the one that needs the most where several fit; "" for none."""
    fitting = [(len(each.needs), name) for name, each in formats().items() if each.fits(has) and "" in each.places.paths]
    return max(fitting)[1] if fitting else ""


def of_empty_pages(path: Path, wanted: str | None) -> tuple[str, ...]:
    """The formats that pages without a record may be of, () where the text is none: nothing was used in that time.

    A bucket says which by its fields; pages without any may be of every format that has pages, unless one was asked for.
    """
    found = empty_bucket(path)
    if found is None:
        return ()
    asked = {name: each for name, each in formats().items() if each.needs and wanted in (None, name)}
    said = tuple(name for name, each in asked.items() if each.bucket in found)
    if said or (found and wanted is None):
        return said[:1]
    paged = (name for name, each in asked.items() if any(place.startswith("data[]") for place in each.places.paths))
    return tuple(name for name in paged if not (found and asked[name].bucket))


def found_in_json(path: Path, wanted: str | None) -> tuple[str, str, bool] | None:
    """The format of a JSON text that is not one record a line, the path of its records, and whether it is a document.

    None: the lines are records as they stand. `wanted`: the format that was asked for, whatever the text holds.
    """
    document = is_document(path)
    for size in HEADS:
        best, plain, full = _best_place(path, document, wanted, size)
        if full or path.stat().st_size <= size:
            break  # more of the text shows no more of the records that are looked at
    if best is None:
        return ("", "", True) if document else None
    return None if plain else (best[1], best[2], document)


def _best_place(path: Path, document: bool, wanted: str | None, size: int) -> tuple[tuple[int, str, str] | None, bool, bool]:
    """The format that needs the most, with its place; whether its lines are records as they stand; whether enough lie there."""
    from finledger.read.header import fold

    best: tuple[int, str, str] | None = None
    plain = full = False
    seen: dict[tuple[object, ...], tuple[frozenset[str], bool]] = {}  # many formats look at the same place
    for name, each in formats().items():
        if not each.needs or wanted not in (None, name):
            continue
        for record_path in each.places.paths:
            looked = (record_path, each.places.carry, each.places.shape)
            if looked not in seen:
                seen[looked] = sampled(path, document, each.places, record_path, size)
            names, enough = seen[looked]
            known = {fold(found) for found in names}

            def has(column: str, known: set[str] = known) -> bool:
                outer = column.split(".")
                return any(fold(".".join(outer[:depth])) in known for depth in range(1, len(outer) + 1))

            fits = each.fits(has) or (wanted == name and bool(names))
            if fits and (best is None or len(each.needs) > best[0]):
                best = (len(each.needs), name, record_path)
                plain, full = not document and not record_path and each.places.shape is None, enough
    return best, plain, full
