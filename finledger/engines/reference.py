"""The definition of right: plain Python, row by row. Slow, and short enough to check by reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from finledger.core.label import REPEATS, ROOT, ROOT_STATE
from finledger.core.model import UsageGroup, UsageQuery
from finledger.core.problem import Outcome
from finledger.core.usage import GROUP_KEYS, LABELS, NATIVE, SUCCESSFUL, SUMS, TOKEN_BUCKETS
from finledger.engines._repeats import REPEATED
from finledger.engines._traces import asked_of_roots, fields_of

Row = dict[str, Any]
# a part stores the columns that its export has; the others are empty
_NO_VALUES: Row = dict.fromkeys((*(column.name for column in NATIVE), *LABELS))


def group(parts: Sequence[Path], query: UsageQuery, elsewhere: Sequence[Path] = ()) -> Outcome[tuple[UsageGroup, ...]]:
    """Sums of the usage in `parts` by `query`, one row after the other."""
    found: dict[tuple[Any, ...], dict[str, int | Decimal]] = {}
    roots = _roots((*parts, *elsewhere), query)
    repeats = _repeats((*parts, *elsewhere), query)
    for row in _rows(parts):
        row |= _labels_of_root(row, roots, query)
        row[REPEATS] = REPEATED if repeats and (row["file_sha256"], row["record"]) in repeats else ""
        if row["is_aggregate"] or any((row[name] or "") not in values for name, values in query.only):
            continue
        row |= dict.fromkeys(query.ignored)
        key = (_interval(row, query), *(row[name] or "" for name in (*GROUP_KEYS, *query.labels)))
        sums = found.setdefault(key, dict.fromkeys(SUMS, 0))
        for name, quantity in _quantities(row).items():
            sums[name] += quantity
    width = 1 + len(GROUP_KEYS)
    return Outcome(
        tuple(
            UsageGroup(
                interval=key[0],
                keys=dict(zip(GROUP_KEYS, key[1:width], strict=True)),
                labels=dict(zip(query.labels, key[width:], strict=True)),
                sums=sums,
            )
            for key, sums in found.items()
        )
    )


def _roots(parts: Sequence[Path], query: UsageQuery) -> dict[str, set[tuple[str, ...]]]:
    """What the roots of each trace say of themselves: its rows that have no parent (rule A5)."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for row in _rows(parts) if asked_of_roots(query) else ():
        if row["trace_id"] and not row["parent_span_id"]:
            found.setdefault(row["trace_id"], set()).add(tuple(row[name] or "" for name in fields_of(query)))
    return found


def _labels_of_root(row: Row, roots: dict[str, set[tuple[str, ...]]], query: UsageQuery) -> Row:
    """A row without a trace, or without a parent in it, has no root but itself."""
    labels = dict.fromkeys(asked_of_roots(query), "")
    if labels and row["trace_id"] and row["parent_span_id"]:
        said = roots.get(row["trace_id"], set())
        labels[ROOT_STATE] = {0: "none", 1: "one"}.get(len(said), "several")
        if len(said) == 1:
            labels |= {ROOT + name: value for name, value in zip(fields_of(query), *said, strict=True)}
    return labels


def _repeats(parts: Sequence[Path], query: UsageQuery) -> set[tuple[str, int]]:
    """The rows that hold the tokens of their children, or a root those of its trace's leaves, some in another export (C2)."""
    traces: dict[str, list[Row]] = {}
    for row in _rows(parts) if REPEATS in query.labels else ():
        if row["trace_id"] and (row["source"] or "") not in query.reconciled:
            traces.setdefault(row["trace_id"], []).append(row)
    found = set()
    for spans in traces.values():
        below: dict[str, list[Row]] = {}
        for span in spans:
            if span["parent_span_id"] and span["parent_span_id"] != span["span_id"]:
                below.setdefault(span["parent_span_id"], []).append(span)
        leaves = [span for span in spans if span["parent_span_id"] and span["span_id"] not in below]
        for span in spans:
            if span["is_aggregate"] or not span["span_id"] or not any(_tokens([span])):
                continue
            for held in (below.get(span["span_id"], []), [] if span["parent_span_id"] else leaves):
                elsewhere = any(each["file_sha256"] != span["file_sha256"] for each in held)
                if elsewhere and _tokens(held) == _tokens([span]):
                    found.add((span["file_sha256"], span["record"]))
    return found


def _tokens(rows: Sequence[Row]) -> tuple[int, int]:
    """Input of every kind, since a sum may not say what of it was cached, and output."""
    *asked, answered = TOKEN_BUCKETS
    return sum(row[bucket] or 0 for row in rows for bucket in asked), sum(row[answered] or 0 for row in rows)


def _interval(row: Row, query: UsageQuery) -> int:
    foreign = row["billed_currency"] not in (None, query.currency)
    moment: datetime = row["ts"].replace(tzinfo=UTC)
    return max(i.number for i in query.intervals if i.start <= moment and (foreign or not i.rates_only))


def _quantities(row: Row) -> Row:
    """What one row adds to each sum. `calls` are the actions it counts if it has one: 1 where none are stated."""
    calls = 1 if row["requests"] is None else row["requests"]
    effective, billed = row["effective_cost"], row["billed_cost"]
    tokens = {bucket: row[bucket] or 0 for bucket in TOKEN_BUCKETS}
    return {
        "rows": 1,
        "calls": calls,
        "failed_calls": 0 if (row["status"] or "").lower() in SUCCESSFUL else calls,
        "requests": row["requests"] or 0,
        **tokens,
        "gpu_hours": row["gpu_hours"] or 0,
        "gpu_busy_hours": row["gpu_busy_hours"] or 0,
        "measured_gpu_hours": (row["gpu_hours"] or 0) if row["gpu_busy_hours"] is not None else 0,
        "egress_gb": row["egress_gb"] or 0,
        "runs": row["runs"] or 0,
        "runs_completed": row["runs_completed"] or 0,
        "uncosted_tokens": sum(tokens.values()) if effective is None and billed is None else 0,
        "billed_cost": (billed if billed is not None else effective) or 0,
        "effective_cost": (effective if effective is not None else billed) or 0,
    }


def _rows(parts: Sequence[Path]) -> Iterator[Row]:
    with duckdb.connect() as connection:
        for part in parts:
            cursor = connection.execute(f"SELECT * FROM read_parquet({str(part)!r})")
            names = [column[0] for column in cursor.description]
            while batch := cursor.fetchmany(10_000):
                for values in batch:
                    yield _NO_VALUES | dict(zip(names, values, strict=True))
