"""The root of each row's trace, as columns of the row beside its own (rule A5): joined on, never looked up in a window.

    told    what roots say of themselves: one row for each combination of the asked fields, with a number
    roots   one row for each trace: the number of what its roots say; SEVERAL where they do not say the same
    rows    every stored row with `root`: that number; NO_ROOT where nobody knows the root of its trace; NULL where the row is
            in no trace, or is a root itself

A root is a row with a trace and no parent, an aggregate too. Numbers instead of texts keep the join and the grouping narrow:
20 M spans of 4 M traces are grouped in 4 s (docs/decisions/0013). An inner join would lose the rows of traces without a root.
Each SELECT is one portable text; an engine keeps the first two as tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from finledger.core.label import PARTLY, REPEATS, ROOT, ROOT_STATE
from finledger.core.model import UsageQuery
from finledger.core.usage import WHOLE_TOKENS
from finledger.engines._repeats import marked_sql, repeats_table, spilling
from finledger.engines._statistics import filled, has_parents, statistics


@dataclass(frozen=True, slots=True)
class RowTables:
    """Rows of some of the parts, to be read FROM. `repeated`: as `found_repeats` gives it."""

    query: UsageQuery
    traced: bool
    repeated: str

    def __call__(self, parts: Sequence[Path]) -> str:
        """With the labels of their roots, where these are asked for."""
        return _labelled(parts, self.query, self.traced, self.repeated)

    def charged(self, parts: Sequence[Path]) -> str:
        """With what is charged of them, and without what is not."""
        table = stored_rows(parts)
        return (
            f"(SELECT * FROM {marked_sql(table, PARTLY)} WHERE {REPEATS} <> '{PARTLY}')"
            if self.repeated == PARTLY
            else table
        )


NO_ROOT, SEVERAL = 0, -1
STATES = {NO_ROOT: "none", SEVERAL: "several"}
_IS_ROOT = "trace_id <> '' AND coalesce(parent_span_id, '') = ''"


def asked_of_roots(query: UsageQuery) -> tuple[str, ...]:
    """The labels that are of a row's root: `root_state` and `root_` before the name of each field that is asked of roots."""
    return tuple(name for name in query.labels if name.startswith(ROOT))


def without_roots(query: UsageQuery) -> tuple[str, ...]:
    return tuple(name for name in query.labels if not name.startswith(ROOT))


def fields_of(query: UsageQuery) -> tuple[str, ...]:
    """The fields that are asked of roots, in the order of the labels."""
    return tuple(name.removeprefix(ROOT) for name in asked_of_roots(query) if name != ROOT_STATE)


def stored_rows(parts: Sequence[Path]) -> str:
    """The rows of the parts, to be read FROM."""
    return f"read_parquet({[str(part) for part in parts]!r}, union_by_name = true)"


def told_sql(table: str, fields: Sequence[str]) -> str:
    said = ", ".join(f'coalesce("{name}", \'\') AS "{ROOT}{name}"' for name in fields)
    positions = ", ".join(str(position) for position in range(1, len(fields) + 1))
    order = ", ".join(f'"{ROOT}{name}"' for name in fields)
    return (
        f"SELECT CAST(row_number() OVER (ORDER BY {order}) AS INTEGER) AS root, * FROM "
        f"(SELECT {said} FROM {table} WHERE {_IS_ROOT} GROUP BY {positions}) said"
    )


def roots_sql(table: str, fields: Sequence[str], told: str = "told") -> str:
    same = " AND ".join(f'coalesce(stored."{name}", \'\') = told."{ROOT}{name}"' for name in fields)
    return (
        f"SELECT trace_id, CASE WHEN min(root) = max(root) THEN min(root) ELSE {SEVERAL} END AS root "
        f"FROM {table} stored JOIN {told} told ON {same} WHERE {_IS_ROOT} GROUP BY trace_id"
    )


def rows_sql(table: str, roots: str = "roots") -> str:
    """Every row, with its `root`: to be read FROM."""
    return (
        f"(SELECT stored.*, CASE WHEN stored.trace_id <> '' AND stored.parent_span_id <> '' THEN coalesce(roots.root, {NO_ROOT}) "
        f"END AS root FROM {table} stored LEFT JOIN {roots} roots "
        "ON roots.trace_id = CASE WHEN stored.parent_span_id <> '' THEN stored.trace_id END)"
    )


@contextmanager
def root_tables(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Path], elsewhere: Sequence[Path], query: UsageQuery
) -> Iterator[bool]:
    """Whether the query asks for roots and any row can have one; then the tables `told` and `roots` are there.

    `elsewhere`: parts beside these in which the roots of their traces may lie.
    """
    if not asked_of_roots(query) or not has_parents(connection, parts):
        yield False
        return
    with spilling(connection):
        table = stored_rows(tuple(dict.fromkeys((*parts, *elsewhere))))
        fields = fields_of(query)
        connection.execute(f"CREATE TEMP TABLE told AS {told_sql(table, fields)}")
        connection.execute(f"CREATE TEMP TABLE roots AS {roots_sql(table, fields)}")
        yield True
        connection.execute("DROP TABLE roots")


def numbers_sql(query: UsageQuery) -> str:
    """SELECT the numbers of `told` and what each stands for, as `labels_by_number` takes them."""
    return f"SELECT {', '.join(['root', *(f'{chr(34)}{ROOT}{name}{chr(34)}' for name in fields_of(query))])} FROM told"


def labels_by_number(query: UsageQuery, rows: Iterable[Sequence[Any]]) -> Mapping[Any, Mapping[str, str]]:
    """The labels of each number of `root`, None among them, as `asked_of_roots` names them."""
    fields = [name for name in asked_of_roots(query) if name != ROOT_STATE]
    nothing = dict.fromkeys(fields, "")
    found: dict[Any, Mapping[str, str]] = {number: {**nothing, ROOT_STATE: state} for number, state in STATES.items()}
    found[None] = {**nothing, ROOT_STATE: ""}
    for number, *values in rows:
        found[number] = {**dict(zip(fields, values, strict=True)), ROOT_STATE: "one"}
    return found


@contextmanager
def row_tables(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Path], elsewhere: Sequence[Path], query: UsageQuery
) -> Iterator[RowTables]:
    """What gives the rows of some of the parts, to be read FROM, with the labels of their roots where these are asked for."""
    with (
        root_tables(connection, parts, elsewhere, query) as traced,
        span_repeats(connection, parts, elsewhere, query) as some,
    ):
        yield RowTables(query, traced, some)


@contextmanager
def span_repeats(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Path], elsewhere: Sequence[Path], query: UsageQuery
) -> Iterator[str]:
    """`repeats_table` over all parts in which the spans below a row may lie; nothing where no row has a parent."""
    every = tuple(dict.fromkeys((*parts, *elsewhere)))
    exports = exports_with_traces(connection, every, query)
    if len(exports) < 2:
        yield ""
        return
    with repeats_table(connection, {sha256: _with_wholes(each) for sha256, each in exports.items()}, query) as some:
        yield some


def exports_with_traces(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Path], query: UsageQuery
) -> dict[str, list[Path]]:
    """The parts with rows of traces, by the hash of the export that each is of: one has a part in each of its months.

    None where the query does not ask which spans repeat others, or no row has a parent.
    """
    found: dict[str, list[Path]] = {}
    if REPEATS in query.labels and has_parents(connection, parts):
        known, traced = statistics(connection, parts), filled(connection, parts, "trace_id")
        schema = [part for part in parts if not known[part]]  # which has every column and no row
        for part in parts:
            if part in traced:
                found.setdefault(known[part]["file_sha256"].value or _hash_in(connection, part), [*schema]).append(part)
    return found


def _with_wholes(parts: Sequence[Path]) -> str:
    """The rows with the columns `WHOLE_TOKENS`, which few parts have."""
    wholes = ", ".join(f"CAST(NULL AS BIGINT) AS {name}" for name in WHOLE_TOKENS)
    return f"(SELECT * FROM {stored_rows(parts)} UNION ALL BY NAME SELECT {wholes} WHERE false)"


def _hash_in(connection: duckdb.DuckDBPyConnection, part: Path) -> str:
    """The same where the part's statistics do not say it."""
    return str(connection.execute("SELECT min(file_sha256) FROM read_parquet(?)", [str(part)]).fetchall()[0][0])


def _labelled(parts: Sequence[Path], query: UsageQuery, traced: bool, repeated: str) -> str:
    asked, table = asked_of_roots(query), stored_rows(parts)
    if repeated:
        table = marked_sql(table, repeated)
    elif REPEATS in query.labels:
        table = f"(SELECT *, '' AS {REPEATS} FROM {table})"
    if not traced:
        nothing = "".join(f", '' AS \"{name}\"" for name in asked)
        return f"(SELECT *{nothing} FROM {table})" if asked else table
    labels = "".join(f', coalesce(told."{ROOT}{name}", \'\') AS "{ROOT}{name}"' for name in fields_of(query))
    states = " ".join(f"WHEN numbered.root = {number} THEN '{state}'" for number, state in STATES.items())
    state = f"CASE {states} WHEN numbered.root IS NULL THEN '' ELSE 'one' END AS {ROOT_STATE}"
    return (
        f"(SELECT numbered.*, {state}{labels} FROM {rows_sql(table)} numbered LEFT JOIN told ON told.root = numbered.root)"
    )
