"""Engines group usage: millions of rows in, thousands of exact sums out (rule M1). One engine a file.

An engine is `group(parts, query, elsewhere) -> Outcome[tuple[UsageGroup, ...]]` over the store's Parquet parts; `elsewhere` are
parts of other months, in which the roots of their traces may lie (rule A5). `reference` is plain
Python and defines what is right; the others are held equal to it to the last digit. No engine multiplies money.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol, cast

from finledger.core.included import Sums
from finledger.core.model import EngineChoice, UsageGroup, UsageQuery
from finledger.core.problem import Outcome

if TYPE_CHECKING:
    from finledger.engines._rows import FirstRow, GroupRows, PartRows

DEFAULT = ""  # the one that the books' settings choose
LOCAL = "duckdb"  # for a few rows, whichever engine groups a month


class Engine(Protocol):
    def group(
        self, parts: Sequence[Path], query: UsageQuery, elsewhere: Sequence[Path] = ()
    ) -> Outcome[tuple[UsageGroup, ...]]: ...


def names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def first_calls(
    parts: Sequence[Path], query: UsageQuery, groups: Sequence[UsageGroup], limit: int, elsewhere: Sequence[Path] = ()
) -> Sequence[Sums]:
    """What of the groups is among the first `limit` calls of them all, whichever engine grouped them (rule C5)."""
    from finledger.engines import _first

    return _first.first_calls(parts, query, groups, limit, elsewhere)


def group_rows(
    parts: Sequence[Path],
    query: UsageQuery,
    groups: Sequence[UsageGroup],
    measures: Iterable[str],
    limit: int,
    elsewhere: Sequence[Path] = (),
) -> GroupRows:
    """The stored rows of the groups: their sums, and the first of them."""
    from finledger.engines import _rows

    return _rows.group_rows(parts, query, groups, measures, limit, elsewhere)


def first_rows(
    parts: Sequence[Path], query: UsageQuery, groups: Sequence[UsageGroup], limit: int, elsewhere: Sequence[Path] = ()
) -> tuple[FirstRow, ...]:
    """The first stored rows of the groups; no more is read than it takes to find them."""
    from finledger.engines import _rows

    return _rows.first_rows(parts, query, groups, limit, elsewhere)


def empty_columns(parts: Sequence[Path]) -> frozenset[str]:
    """The columns that hold nothing in any row, as far as the statistics of the parts say so."""
    from finledger.engines import duckdb

    return duckdb.empty_columns(parts)


def has_traces(parts: Sequence[Path]) -> bool:
    """Whether any row may have a parent span, as far as the statistics of the parts say so."""
    return any(filled(parts, ("parent_span_id",)).values())


def filled(parts: Sequence[Path], columns: Sequence[str]) -> dict[Path, frozenset[str]]:
    """Those of the columns in which any row of each part may have something, as far as the statistics of the parts say so."""
    import duckdb

    from finledger.engines import _statistics

    if not parts:
        return {}
    with duckdb.connect() as connection:
        found = {column: _statistics.filled(connection, parts, column) for column in columns}
    return {part: frozenset(column for column in columns if part in found[column]) for part in parts}


def rows_in_traces_of(new: Sequence[Path], parts: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """For each of the parts with rows in a trace of the new ones: a part of these rows alone, in the folder."""
    from finledger.engines import _traces_in

    return _traces_in.rows_in_traces_of(new, parts, folder)


@contextmanager
def lost_parts_named(parts: Sequence[Path]) -> Iterator[None]:
    """Where parts cannot be read inside: `Unavailable` with every one that is missing or not what it was."""
    from finledger.engines import _parts

    with _parts.named(parts):
        yield


def each_row(
    parts: Sequence[Path], query: UsageQuery, groups: Sequence[UsageGroup], limit: int, elsewhere: Sequence[Path] = ()
) -> Iterator[PartRows]:
    """The stored rows of the groups one after another, part by part."""
    from finledger.engines import _rows

    return _rows.each_row(parts, query, groups, limit, elsewhere)


def engine(name: str, choice: EngineChoice | None = None) -> Engine:
    """The engine of that name: its module, or what the module's `chosen` makes of the books' settings."""
    module = import_module(f"{__name__}.{name}")
    return cast(Engine, module.chosen(choice or EngineChoice()) if hasattr(module, "chosen") else module)
