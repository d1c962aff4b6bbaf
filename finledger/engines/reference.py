"""The definition of right: plain Python, row by row. Slow, and short enough to check by reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from finledger.core.label import PARTLY, REPEATED, REPEATS, ROOT, ROOT_STATE, UNCLEAR
from finledger.core.model import UsageGroup, UsageQuery
from finledger.core.problem import Outcome
from finledger.core.usage import GROUP_KEYS, LABELS, NATIVE, SUCCESSFUL, SUMS, TOKEN_BUCKETS, WHOLE_TOKENS
from finledger.engines._traces import asked_of_roots, fields_of

Row = dict[str, Any]
Tokens = tuple[int, ...]
NO_FATE = ("", (0, 0, 0, 0))
# a part stores the columns that its export has; the others are empty
_NO_VALUES: Row = dict.fromkeys((*(column.name for column in NATIVE), *LABELS, *WHOLE_TOKENS))


def group(parts: Sequence[Path], query: UsageQuery, elsewhere: Sequence[Path] = ()) -> Outcome[tuple[UsageGroup, ...]]:
    """Sums of the usage in `parts` by `query`, one row after the other."""
    found: dict[tuple[Any, ...], dict[str, int | Decimal]] = {}
    roots = _roots((*parts, *elsewhere), query)
    repeats = _repeats((*parts, *elsewhere), query)
    charged = (
        each for row in _rows(parts) for each in _split(row, repeats.get((row["file_sha256"], row["record"]), NO_FATE))
    )
    for row in charged:
        row |= _labels_of_root(row, roots, query)
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


def _repeats(parts: Sequence[Path], query: UsageQuery) -> dict[tuple[str, int], tuple[str, Tokens]]:
    """The rows above such as hold tokens, some in another export: their fate, and their remainders (C2).

    What a row holds is held against the nearest below it that hold anything, and of a root against the leaves of its trace.
    """
    traces: dict[str, list[Row]] = {}
    for row in _rows(parts) if REPEATS in query.labels else ():
        if row["trace_id"] and (row["source"] or "") not in query.reconciled:
            traces.setdefault(row["trace_id"], []).append(row)
    found = {}
    for spans in traces.values():
        holding = {span["span_id"] for span in spans if any(_said(span))}
        above = _above(spans, holding)
        parents = {span["parent_span_id"] or "" for span in spans if span["parent_span_id"] != span["span_id"]} - {""}
        leaves = [span for span in spans if span["parent_span_id"] and span["span_id"] not in parents]
        for span in spans:
            if span["is_aggregate"] or not span["span_id"] or not any(_said(span)):
                continue
            below = [each for each in spans if any(_said(each)) and above(each) == span["span_id"] != each["span_id"]]
            fate = _fate(span, below, [] if span["parent_span_id"] else leaves, query)
            if fate is not None:
                found[span["file_sha256"], span["record"]] = fate
    return found


def _above(spans: Sequence[Row], holding: Collection[str]) -> Callable[[Row], str]:
    """What finds the first span above another that holds anything; where none does, the last above."""
    parents: dict[str, str] = {}
    for span in spans:
        name, parent = span["span_id"], span["parent_span_id"] or ""
        if name and name not in holding:
            parents[name] = min(parent, parents.get(name, parent))
    through = {name: parent for name, parent in parents.items() if parent not in ("", name)}

    def above(span: Row) -> str:
        found = span["parent_span_id"] or ""
        for _ in through:
            found = through.get(found, found)
        return found

    return above


def _fate(span: Row, below: Sequence[Row], leaves: Sequence[Row], query: UsageQuery) -> tuple[str, Tokens] | None:
    for held in (below, leaves):
        elsewhere = any(each["file_sha256"] != span["file_sha256"] for each in held)
        if elsewhere and _in_all(_added(held)) == _in_all(_said(span)):
            return REPEATED, (0, 0, 0, 0)
    if all(each["file_sha256"] == span["file_sha256"] for each in below):
        return None
    rest = tuple(own - others for own, others in zip(_said(span), _added(below), strict=True))
    if (span["source"] or "") in query.inclusive and min(rest) >= 0:
        return PARTLY, rest
    return UNCLEAR, (0, 0, 0, 0)


def _said(row: Row) -> Tokens:
    """What the row said of itself, before `load` took off what is below it in its own export."""
    wholes = zip(TOKEN_BUCKETS, WHOLE_TOKENS, strict=True)
    return tuple(next((row[name] for name in (whole, bucket) if row[name] is not None), 0) for bucket, whole in wholes)


def _added(rows: Sequence[Row]) -> Tokens:
    return tuple(map(sum, zip((0, 0, 0, 0), *map(_said, rows), strict=True)))


def _in_all(tokens: Tokens) -> tuple[int, int]:
    """Input of every kind, since a sum may not say what of it was cached, and output."""
    *asked, answered = tokens
    return sum(asked), answered


def _split(row: Row, fate: tuple[str, Tokens]) -> Iterator[Row]:
    """The row as it is charged; where that is a remainder, also what it repeats, as a row that is not charged and calls nobody."""
    if fate[0] != PARTLY:
        yield row | {REPEATS: fate[0]}
        return
    kept = {bucket: min(row[bucket] or 0, rest) for bucket, rest in zip(TOKEN_BUCKETS, fate[1], strict=True)}
    yield row | kept | {REPEATS: ""}
    taken = {bucket: (row[bucket] or 0) - rest for bucket, rest in kept.items()}
    nothing = {column.name: None for column in NATIVE if column.kind not in ("text", "time")}
    yield row | nothing | taken | {"requests": 0, REPEATS: PARTLY}


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
