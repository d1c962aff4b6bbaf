"""Engines group usage: millions of rows in, thousands of exact sums out (rule M1). One engine a file.

An engine is `group(parts, query) -> Outcome[tuple[UsageGroup, ...]]` over the store's Parquet parts. `reference` is plain
Python and defines what is right; the others are held equal to it to the last digit. No engine multiplies money.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, cast

from finledger.core.included import Sums
from finledger.core.model import UsageGroup, UsageQuery
from finledger.core.problem import Outcome

DEFAULT = "duckdb"


class Engine(Protocol):
    def group(self, parts: Sequence[Path], query: UsageQuery) -> Outcome[tuple[UsageGroup, ...]]: ...


def names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def first_calls(parts: Sequence[Path], query: UsageQuery, groups: Sequence[UsageGroup], limit: int) -> Sequence[Sums]:
    """What of the groups is among the first `limit` calls of them all, whichever engine grouped them (rule C5)."""
    from finledger.engines import _first

    return _first.first_calls(parts, query, groups, limit)


def engine(name: str) -> Engine:
    return cast(Engine, import_module(f"{__name__}.{name}"))
