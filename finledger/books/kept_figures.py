"""What a month comes to in tables that show many months, kept so that it need not be worked out again: a cache, nothing more.

    store/figures/month=2026-07/<question>-<sha256>.json

An entry holds rows of cells by the name of their table. Its name begins with the hash of the question, which says everything that
the rows follow from, and ends with the hash of its bytes: what does not fit its name or does not read is as if it were not there,
and nothing is said of a failure to write. Figures are integers, and decimals and fractions as text: nothing goes through a float.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finledger.books.kept import keep
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.report import Cell, Missing

FORM = 1  # of an entry, and of what the rows of a question are: raise it where either changes
SUFFIX = ".json"
MOST = 6  # entries a month: the last few states of each question
Rows = tuple[tuple[Cell, ...], ...]


class KeptFigures:
    """The entries below a folder. `writes`: whether what was worked out may be kept; `least`: rows that are worth it."""

    def __init__(self, folder: Path, *, writes: bool, least: int = 0) -> None:
        self._folder, self._writes, self._least = folder, writes, least

    def of(self, month: Month, asked: Mapping[str, Any], work_out: Callable[[], Mapping[str, Rows]]) -> Mapping[str, Rows]:
        """The rows of a month as they are kept, or worked out. `asked`: all that they follow from, as JSON can say it."""
        said = {"form": FORM, "version": version("finledger"), "month": str(month), **asked}
        question = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]
        folder = self._folder / f"month={month}"
        known = _read(folder, question)
        if known is None:
            known = work_out()
            if self._writes and sum(map(len, known.values())) >= self._least:
                _write(folder, question, known)
        return known


def _read(folder: Path, question: str) -> Mapping[str, Rows] | None:
    try:
        for path in sorted(folder.glob(f"{question}-*{SUFFIX}")):
            content = path.read_bytes()
            if path.name == f"{question}-{hashlib.sha256(content).hexdigest()}{SUFFIX}":
                return {name: tuple(tuple(map(_cell, row)) for row in rows) for name, rows in json.loads(content).items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return None


def _write(folder: Path, question: str, known: Mapping[str, Rows]) -> None:
    said = {name: [[_said(cell) for cell in row] for row in rows] for name, rows in known.items()}
    content = json.dumps(said, separators=(",", ":")).encode()
    keep(folder / f"{question}-{hashlib.sha256(content).hexdigest()}{SUFFIX}", content, most=MOST)


def _said(cell: Cell) -> Any:
    """Text, counts and nothing as they are, the rest as its kind and its text."""
    if cell is None or isinstance(cell, str | int):
        return cell
    if isinstance(cell, Money):
        return ["money", cell.minor, cell.currency]
    if isinstance(cell, Missing):
        return ["missing", cell.why]
    kind = {Decimal: "decimal", Fraction: "fraction", Month: "month"}[type(cell)]
    return [kind, str(cell)]


def _cell(said: Any) -> Cell:
    if not isinstance(said, list):
        return said  # type: ignore[no-any-return]
    kind, *rest = said
    return _KINDS[kind](*rest)


_KINDS: Mapping[str, Callable[..., Cell]] = {
    "money": Money,
    "missing": Missing,
    "decimal": Decimal,
    "fraction": Fraction,
    "month": lru_cache(Month.parse),
}
