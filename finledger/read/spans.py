"""Parent spans that repeat their children's tokens (rule C2): an agent run is the sum of its leaves.

    run   100 tokens          the run repeats 60 + 40: an aggregate, known but not billed
    ├─ a   60
    └─ b   40

The run may not say what of its input was cached: input of every kind is held against input of every kind, output against output.
A parent that holds more bills the remainder when its source says that its spans are inclusive; otherwise, and when it holds
less than its children, nobody can say what was used, and the row is refused with both sums. It is kept in the store beside, as one
that is not charged, because it may be the root of its trace, and other children of it may lie in another file (`unclear`). A
parent without tokens, or over children without any, repeats nothing. Only spans of the same trace in the same file are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import duckdb

from finledger.core.usage import TOKEN_BUCKETS
from finledger.read.copies import insert_rows, scan

Tokens = tuple[int, ...]
_NONE: Tokens = (0,) * len(TOKEN_BUCKETS)


@dataclass(slots=True)
class Span:
    record: int
    parent: str
    tokens: Tokens
    children: list[str] = field(default_factory=list)


def find_aggregates(
    connection: duckdb.DuckDBPyConnection, rows: str, columns: list[str], *, inclusive: bool
) -> tuple[int, dict[int, str]]:
    """Mark aggregates and remainders in the table `marks`. Returns how many aggregates, and record → why it is refused."""
    if not {"span_id", "parent_span_id", "trace_id"} <= set(columns) or not set(columns) & set(TOKEN_BUCKETS):
        return 0, {}
    buckets = ", ".join(f"coalesce({name}, 0) AS {name}" if name in columns else f"0 AS {name}" for name in TOKEN_BUCKETS)
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in TOKEN_BUCKETS)
    any_tokens = " + ".join(f"p.{name}" for name in TOKEN_BUCKETS)
    equal = " AND ".join(f"p.{name} = c.{name}" for name in TOKEN_BUCKETS)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE spans AS SELECT record, trace_id, span_id, parent_span_id, {buckets} FROM {scan(rows)} "
        f"WHERE faults IS NULL AND trace_id IS NOT NULL AND span_id IS NOT NULL "
        f"AND record NOT IN (SELECT record FROM marks)"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE parents AS SELECT p.record, p.trace_id, {equal} AS repeats FROM spans p JOIN "
        f"(SELECT trace_id, parent_span_id, {sums} FROM spans WHERE parent_span_id <> span_id GROUP BY 1, 2) c "
        f"ON p.trace_id = c.trace_id AND p.span_id = c.parent_span_id WHERE {any_tokens} > 0"
    )
    connection.execute("INSERT INTO marks (record, fate) SELECT record, 'aggregate' FROM parents WHERE repeats")
    found = connection.execute("SELECT count(*) FROM parents WHERE repeats").fetchone()
    aggregates = int(found[0]) if found else 0
    refused: dict[int, str] = {}
    settled: list[tuple[int | str, ...]] = []
    unclear = {int(record) for (record,) in connection.execute("SELECT record FROM parents WHERE NOT repeats").fetchall()}
    for trace in _traces(connection) if unclear else ():
        for span in trace.values():
            if span.record in unclear:
                mark, reason = _settle(span, trace, inclusive)
                if reason:
                    refused[span.record] = reason
                if mark:
                    settled.append(mark)
                    aggregates += mark[1] == "aggregate"
    insert_rows(connection, "marks", settled)
    return aggregates, refused


def _traces(connection: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Span]]:
    """The traces that hold a parent whose tokens are not its direct children's sum, one at a time."""
    cursor = connection.execute(
        f"SELECT trace_id, span_id, coalesce(parent_span_id, ''), record, {', '.join(TOKEN_BUCKETS)} FROM spans WHERE trace_id "
        f"IN (SELECT trace_id FROM parents WHERE NOT repeats) ORDER BY trace_id, record"
    )
    current, trace = None, dict[str, Span]()
    while batch := cursor.fetchmany(10_000):
        for trace_id, span_id, parent, record, *tokens in batch:
            if trace_id != current:
                if trace:
                    yield _linked(trace)
                current, trace = trace_id, {}
            trace.setdefault(span_id, Span(int(record), parent, tuple(int(token) for token in tokens)))
    if trace:
        yield _linked(trace)


def _linked(trace: dict[str, Span]) -> dict[str, Span]:
    for span_id, span in trace.items():
        parent = trace.get(span.parent)
        if parent is not None and parent is not span:
            parent.children.append(span_id)
    return trace


def _settle(span: Span, trace: dict[str, Span], inclusive: bool) -> tuple[tuple[int | str, ...] | None, str]:
    below, leaves = _below(span, trace)
    if _in_all(span.tokens) in (_in_all(below), _in_all(leaves)):
        return (span.record, "aggregate", None, None, None, None), ""  # type: ignore[return-value]
    if not any(below):
        return None, ""
    remainder = tuple(own - held for own, held in zip(span.tokens, below, strict=True))
    if inclusive and min(remainder) >= 0:
        return (span.record, "remainder", *remainder), ""
    sums = f"{_sums(span.tokens)} against {_sums(below)} of its child spans"
    if min(remainder) >= 0:
        return None, f"holds more tokens than its children: {sums}; declare the source inclusive to bill the remainder (C2)"
    return None, f"holds fewer tokens than its children: {sums} (C2)"


def _below(span: Span, trace: dict[str, Span]) -> tuple[Tokens, Tokens]:
    """What the spans nearest below with tokens of their own report, and what the leaves report."""
    below, leaves = _NONE, _NONE
    seen = {span.record}
    stack = [(child, True) for child in span.children]
    while stack:
        name, counts = stack.pop()
        child = trace[name]
        if child.record in seen:
            continue
        seen.add(child.record)
        if counts and any(child.tokens):
            below = _added(below, child.tokens)
            counts = False
        if not child.children:
            leaves = _added(leaves, child.tokens)
        stack.extend((grandchild, counts) for grandchild in child.children)
    return below, leaves


def _in_all(tokens: Tokens) -> tuple[int, int]:
    """Input of every kind, and output."""
    *asked, answered = tokens
    return sum(asked), answered


def _added(left: Tokens, right: Tokens) -> Tokens:
    return tuple(a + b for a, b in zip(left, right, strict=True))


def _sums(tokens: Tokens) -> str:
    return " + ".join(str(token) for token in tokens)
