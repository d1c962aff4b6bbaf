"""Grouped usage of a month, kept so that its rows need not be read again: a cache, which nothing depends on.

    store/grouped/month=2026-07/<query>-<sha256>.groups

An entry holds the groups of some of the month's parts by one query: a line of JSON that says for which question and which parts,
these by the hash of their content and with their size, then the groups by column, deflated. That of rows inside traces says
also around which parts these were looked at, since roots and repeats lie in any of them. Parts never change, so an entry
never grows old: it is of use as long as all of its parts are in the month, and lie there in their size. Its name ends with the
hash of its bytes and begins with the hash of what was asked, of the form of entries and of the version of the program; what
does not fit its name or does not read is as if it were not there, and nothing is said of a failure to write. Figures are
integers, and decimals as text: nothing goes through a float.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finledger.books.kept import keep
from finledger.books.kept_columns import KeptColumns
from finledger.core.model import UsageGroup, UsageQuery
from finledger.core.period import Month
from finledger.core.usage import GROUP_KEYS, SUCCESSFUL, SUMS

FORM = 3  # of an entry, and of what the groups of a query are: raise it where either changes
SUFFIX = ".groups"
TRACED = ("parent_span_id", "trace_id")
MOST = 8  # entries a month: a few questions, and of each the last few states of the month


@dataclass(frozen=True, slots=True)
class Kept:
    """The groups of `parts` (bytes by the hash of their content); `rows`: how many of these parts need not be read again.

    `around`: all parts that were there, where the groups depend on them; empty where on `parts` alone.
    """

    parts: Mapping[str, int]
    rows: int
    groups: tuple[UsageGroup, ...]
    around: frozenset[str] = frozenset()


class KeptGroups:
    """The entries of one month, and what is kept of the parts' columns that say whether rows lie in traces.

    `around`: all parts that groups depend on, by their hash; empty where on their own only.
    """

    def __init__(self, folder: Path, month: Month) -> None:
        self._folder = folder / f"month={month}"
        self.traced = KeptColumns(folder, TRACED)

    def best(self, asked: UsageQuery, within: Mapping[str, int], around: Collection[str] = ()) -> Kept | None:
        """The sound entry of the most rows that holds none but these parts, each of the same size; None where there is none.

        One that was made around parts of which any is not there now does not count.
        """
        found: list[tuple[int, int, Path]] = []
        identity, there = _identity(asked, bool(around)), frozenset(around)
        for path in self._of(identity):
            head = _head(path, identity)
            if head is not None and within.items() >= head["parts"].items() and there.issuperset(head["around"]):
                found.append((-head["rows"], -len(head["around"]), path))
        for _, _, path in sorted(found):
            kept = _read(path, asked)
            if kept is not None:
                with suppress(OSError):
                    os.utime(path)  # what is used is what is kept longest
                return kept
        return None

    def keep(
        self,
        asked: UsageQuery,
        parts: Mapping[str, int],
        rows: int,
        groups: Sequence[UsageGroup],
        around: Collection[str] = (),
    ) -> None:
        """Keep the groups of the parts (bytes by the hash of their content), and no more than `MOST` entries in all.

        Where it cannot be written (a full disk, a folder that may only be read) nothing is kept, and nothing is said.
        """
        identity = _identity(asked, bool(around))
        held = {"parts": dict(sorted(parts.items())), "around": sorted(around)}
        head = {"form": FORM, "asked": identity, "rows": rows, "groups": len(groups), **held}
        content = json.dumps(head).encode() + b"\n" + zlib.compress(json.dumps(_columns(groups, asked)).encode(), 1)
        name = f"{identity}-{hashlib.sha256(content).hexdigest()}{SUFFIX}"
        keep(self._folder / name, content, most=MOST)

    def _of(self, identity: str) -> list[Path]:
        try:
            return sorted(self._folder.glob(f"{identity}-*{SUFFIX}"))
        except OSError:
            return []


def _identity(asked: UsageQuery, inside_traces: bool) -> str:
    """What makes groups those of a question: everything about it that can change a sum, and by what program it was answered."""
    if asked.only:
        raise ValueError("groups of some of the rows are not kept")
    said = {
        "form": FORM,
        "version": version("finledger"),
        "keys": GROUP_KEYS,
        "sums": SUMS,
        "successful": SUCCESSFUL,
        "currency": asked.currency,
        "intervals": [(each.number, each.start.isoformat(), each.rates_only) for each in asked.intervals],
        "labels": asked.labels,
        "ignored": sorted(set(asked.ignored)),
        "reconciled": sorted(set(asked.reconciled)),
        "inclusive": sorted(set(asked.inclusive)),
        "inside_traces": inside_traces,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def _head(path: Path, identity: str) -> dict[str, Any] | None:
    """What an entry says of itself, before its bytes are held against its name."""
    try:
        with path.open("rb") as stream:
            head = json.loads(stream.readline(1 << 24))
        fits = (head["form"], head["asked"]) == (FORM, identity) and isinstance(head["rows"], int)
        return head if fits and head["parts"].items() and isinstance(head["around"], list) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _read(path: Path, asked: UsageQuery) -> Kept | None:
    """An entry whose bytes are those that its name tells; None for any other."""
    try:
        content = path.read_bytes()
        if path.name.removesuffix(SUFFIX).split("-")[1] != hashlib.sha256(content).hexdigest():
            return None
        line, body = content.split(b"\n", 1)
        head = json.loads(line)
        groups = tuple(_groups(json.loads(zlib.decompress(body)), asked))
    except (OSError, ValueError, TypeError, KeyError, IndexError, ArithmeticError, zlib.error):
        return None
    return Kept(head["parts"], head["rows"], groups, frozenset(head["around"])) if len(groups) == head["groups"] else None


def _columns(groups: Sequence[UsageGroup], asked: UsageQuery) -> list[list[Any]]:
    """The groups by column: the interval, keys, labels and sums, in the order of the query."""
    return [
        [group.interval for group in groups],
        *_texts([group.keys[name] for group in groups] for name in GROUP_KEYS),
        *_texts([group.labels[name] for group in groups] for name in asked.labels),
        *(_figures([group.sums[name] for group in groups]) for name in SUMS),
    ]


def _texts(columns: Iterable[list[str]]) -> Iterator[list[Any]]:
    """Each column as its values, and the position of each group's value among them."""
    for column in columns:
        values = list(dict.fromkeys(column))
        at = {value: position for position, value in enumerate(values)}
        yield [values, [at[value] for value in column]]


def _figures(column: list[int | Decimal]) -> list[Any]:
    """Integers as they are, decimals as text."""
    if set(map(type, column)) == {int}:
        return column
    return [quantity if type(quantity) is int else str(quantity) for quantity in column]


def _groups(columns: list[Any], asked: UsageQuery) -> Iterator[UsageGroup]:
    intervals, *rest = columns
    texts = [[values[position] for position in at] for values, at in rest[: len(GROUP_KEYS) + len(asked.labels)]]
    figures = [[each if type(each) is int else Decimal(each) for each in column] for column in rest[len(texts) :]]
    every = zip(
        intervals,
        zip(*texts[: len(GROUP_KEYS)], strict=True),
        zip(*texts[len(GROUP_KEYS) :], strict=True) if asked.labels else ((),) * len(intervals),
        zip(*figures, strict=True),
        strict=True,
    )
    for interval, keys, labels, sums in every:
        yield UsageGroup(
            interval=interval,
            keys=dict(zip(GROUP_KEYS, keys, strict=True)),
            labels=dict(zip(asked.labels, labels, strict=True)),
            sums=dict(zip(SUMS, sums, strict=True)),
        )
