"""An explanation as JSON for programs, and as rows of a table for people: every fact with its value and where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from finledger.core.explain import Explanation, Fact, SourceRows, Value
from finledger.core.model import Seal
from finledger.core.usage import TOKEN_BUCKETS
from finledger.write.figures import plain
from finledger.write.text import words

FACT_COLUMNS = ("fact", "value", "where")
_KEY = (
    "team",
    "cost_center",
    "feature",
    "item",
    "workload_type",
    "model",
    "price_version",
    "service_month",
    "posting_month",
)
# The columns of a source row that are shown where any row has them; JSON has all that hold anything.
_ROW_COLUMNS = (
    "ts", "usage_id", "team", "feature", "action", "model", "requests", *TOKEN_BUCKETS, "gpu_sku", "gpu_hours", "egress_sku",
    "egress_gb", "billed_cost", "effective_cost", "billed_currency", "status", "trace_id", "parent_span_id",
)  # fmt: skip
_FIGURES = frozenset({"requests", *TOKEN_BUCKETS, "gpu_hours", "egress_gb", "billed_cost", "effective_cost"})


def explanation_json(found: Explanation) -> dict[str, Any]:
    """The JSON of `explain`, schema 1. A fact is its value; with a place or parts an object of `value`, `where` and these."""
    line = found.line
    return {
        "schema": 1,
        "document": {"name": found.document, "kind": found.kind},
        "line": {
            "line_id": line.line_id,
            "kind": line.key.kind,
            **{name: str(getattr(line.key, name)) for name in _KEY},
            "stage": line.stage,
            "quantity": plain(line.quantity),
            "unit": line.unit,
            "unit_price": plain(line.unit_price),
            "amount": str(line.amount),
            "currency": line.amount.currency,
            "components": {name: str(part) for name, part in line.components},
        },
        "recorded": found.run is not None,
        "close": seal_json(found.seal),
        "fresh": None if found.fresh is None else str(found.fresh),
        "same": found.fresh == line.amount,
        "facts": facts_json(found.facts),
        "rows": rows_json(found.rows),
        "next": list(found.see),
    }


def seal_json(seal: Seal | None) -> dict[str, Any] | None:
    """The close that holds what is explained, by number and root; null while nothing is closed."""
    return None if seal is None else {"number": seal.close, "root": seal.root}


def facts_json(facts: Iterable[Fact]) -> dict[str, Any]:
    """Facts by name."""
    return {fact.name: _json(fact) for fact in facts}


def list_json(facts: Iterable[Fact], named: str = "name", valued: str = "value") -> list[dict[str, Any]]:
    """Facts that are alike, each an object with its name, value, place and parts."""
    found = []
    for fact in facts:
        body = {named: fact.name, **_object(fact)}
        found.append({valued if name == "value" else name: value for name, value in body.items()})
    return found


def _json(fact: Fact) -> Any:
    if fact.alike:
        items = list_json(fact.parts)
        return items if fact.value is None and fact.where is None else {**_own(fact), "parts": items}
    if fact.parts or fact.where is not None:
        return _object(fact)
    return _value(fact.value)


def _object(fact: Fact) -> dict[str, Any]:
    return {**_own(fact), **{part.name: _json(part) for part in fact.parts}}


def _own(fact: Fact) -> dict[str, Any]:
    value = {} if fact.value is None else {"value": _value(fact.value)}
    return value if fact.where is None else {**value, "where": str(fact.where)}


def _value(value: Value) -> str | int | None:
    return value if value is None or isinstance(value, int) else _text(value)


def _text(value: Value) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Fraction):
        return str(value)  # 5/4: exact, whatever its decimals
    return "" if value is None else str(value)


def rows_json(rows: SourceRows | None) -> dict[str, Any] | None:
    """How many source rows there are, what they add up to, and the first of them."""
    if rows is None:
        return None
    return {
        "count": rows.count,
        "checks": [
            {"measure": check.law, "rows": plain(check.left), "must_be": plain(check.right), "holds": check.holds}
            for check in rows.checks
        ],
        "first": [{"where": where, **{name: _cell(value) for name, value in row.items()}} for where, row in rows.first],
    }


def _cell(value: Any) -> str | int:
    if isinstance(value, datetime):
        return value.isoformat(timespec="auto") + "Z"
    return value if isinstance(value, int) else _text(value)


# ── for people ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def fact_rows(found: Explanation) -> list[tuple[str, str, str]]:
    """The rows of a table with `FACT_COLUMNS`: the line, then its facts, what they are made of set in by two spaces."""
    line, key = found.line, found.line.key
    named = [(name, str(getattr(key, name))) for name in ("kind", *_KEY) if name != "posting_month"]
    rows = [(words(name), value, "") for name, value in named if value]
    rows.append(
        ("recorded as", f"run {found.run}" if found.run is not None else "not recorded: as it would be charged now", "")
    )
    rows += seal_rows(found.seal)
    rows.append(("amount", f"{line.amount:,} {line.amount.currency}", ""))
    if found.run is not None and found.fresh != line.amount:
        by = "by the books as they are now" if found.seal is None else "by what was sealed"
        rows.append((by, "no such line" if found.fresh is None else f"{found.fresh:,}", ""))
    return rows + table_rows(found.facts)


def seal_rows(seal: Seal | None) -> list[tuple[str, str, str]]:
    """The close and its root, as rows of a table."""
    return [] if seal is None else [("closed", f"close {seal.close}, root {seal.root}", "")]


def table_rows(facts: Iterable[Fact]) -> list[tuple[str, str, str]]:
    """Facts as rows of a table with `FACT_COLUMNS`."""
    return [row for fact in facts for row in _fact_rows(fact, 0)]


def beside(fact: Fact) -> str:
    """What a fact's parts say that have no place and no parts of their own, on one line."""
    plain_parts = (part for part in fact.parts if not part.parts and part.where is None)
    return ", ".join(f"{words(part.name)} {_text(part.value)}" for part in plain_parts if part.value not in (None, ""))


def _fact_rows(fact: Fact, depth: int) -> Iterator[tuple[str, str, str]]:
    """Parts without a place and parts of their own stand on the fact's row; the others on rows of their own."""
    if fact.alike and not fact.parts and fact.value is None:
        return
    said = "" if fact.alike else beside(fact)
    own = _text(fact.value)
    value = f"{own} ({said})" if own and said else own or said
    yield "  " * depth + words(fact.name), value, "" if fact.where is None else str(fact.where)
    for part in fact.parts:
        if fact.alike or part.parts or part.where is not None:
            yield from _fact_rows(part, depth + 1)


def check_rows(rows: SourceRows) -> list[tuple[str, str, str, str]]:
    """What the rows add up to, less what seats include, beside what it must be."""
    return [
        (words(check.law), plain(check.left), plain(check.right), "equal" if check.holds else "differ")
        for check in rows.checks
    ]


def row_columns(rows: SourceRows) -> tuple[str, ...]:
    """The columns in which any of the rows holds something."""
    return ("where", *(name for name in _ROW_COLUMNS if any(name in row for _, row in rows.first)))


def row_cells(rows: SourceRows, columns: Sequence[str]) -> list[list[str]]:
    return [[where, *(_shown(row, name) for name in columns[1:])] for where, row in rows.first]


def row_figures(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name in _FIGURES]


def _shown(row: Mapping[str, Any], name: str) -> str:
    return str(_cell(row[name])) if name in row else ""
