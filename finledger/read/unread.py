"""Counts that an export has and its reader does not look at: a load says so, since they may be usage that somebody pays for.

A column is taken for a count by its name (`audio_tokens`, `num_images`, `search_count`), and by a number above 0 in some row. What
is a part or a sum of what is read is no other usage, and the format says so (`told`); rows of money are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import duckdb

from finledger.core.problem import Problem, SourceRef
from finledger.read.columns import Layout, literal, unread_mark
from finledger.read.header import Header, fold

_COUNT = re.compile(
    r"(?i:token[_.]?count)|(?i:tokens)$|^(?i:tokens?)(?=[A-Z_. ])|(?:^|[_. -])(?i:count)$|[a-z]Count$|^(?i:num)(?=[A-Z_. ])"
    r"|^(images|characters|searches)$"
)
# what was asked for, allowed or worked out, and not used
_NO_COUNT = re.compile(
    r"(?i)(^|[^a-z])(max|min|limit|budget|context|per|price|cost|rate|remaining|avg|mean|total)(?![a-z])|max(?=[A-Z])"
)
_SHOWN = 5


def unread_counts(header: Header, layout: Layout, told: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The columns that are counts by their names and that the layout does not look at, and SQL of the text of each."""
    known = {fold(name) for name in told}
    named = [name for name in header.names if is_count(name) and fold(name) not in known]
    looked_at = layout.looked_at() if named else ""
    texts = {name: header.refs[name] for name in named}
    return tuple(
        (name, text) for name, text in texts.items() if not re.search(rf"(?<!\w){re.escape(text)}(?!\w)", looked_at)
    )


def is_count(name: str) -> bool:
    """Whether a column's name says that it is a count of what was used.

    >>> [is_count(name) for name in ("audio_tokens", "inputTokenCount", "num_images", "search_count", "tokens_cached")]
    [True, True, True, True, True]
    >>> [is_count(name) for name in ("max_tokens", "account", "number", "discount", "total_tokens", "tokens_per_second", "model")]
    [False, False, False, False, False, False, False]
    """
    return _COUNT.search(name) is not None and _NO_COUNT.search(name) is None


def unread_problem(
    connection: duckdb.DuckDBPyConnection, rows: str, unread: Sequence[tuple[str, str]], shown_as: str
) -> list[Problem]:
    """A line about the columns that have anything in a row that was read."""
    if not unread:
        return []
    counted = ", ".join(f"count(*) FILTER (WHERE {unread_mark(number)})" for number in range(len(unread)))
    found = connection.execute(f"SELECT {counted} FROM read_parquet({literal(rows)})").fetchall()[0]
    held = [
        f"{name!r} ({count:,} {'row' if count == 1 else 'rows'})"
        for (name, _), count in zip(unread, found, strict=True)
        if count
    ]
    if not held:
        return []
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    message = f"counts that are not read: {', '.join(held[:_SHOWN])}{more}"
    remedy = "nothing to do if they are parts of what is read; usage that is paid for beside it can be read by a map (--map)"
    return [Problem("counts-not-read", message, SourceRef(shown_as), remedy=remedy, severity="notice")]
