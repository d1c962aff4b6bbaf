"""Rows that an export holds more than once (rule C1): the first counts, an equal one is a duplicate, another one a conflict.

Ids are compared by hash first, then, for those that occur twice, by their text; rows by half of the SHA-256 over all their
columns. DuckDB's own hash function may change between versions, so that none of it is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from finledger.read.columns import literal, quoted


@dataclass(frozen=True, slots=True)
class Copies:
    """`conflicts` are pairs of records (the first, the other) with one id, which is the third."""

    duplicates: int
    conflicts: list[tuple[int, int, str]]


def scan(rows: str) -> str:
    """The staged rows with their ordinal, `record`."""
    return f"(SELECT *, file_row_number + 1 AS record FROM read_parquet({literal(rows)}, file_row_number = true))"


def has_repeats(connection: duckdb.DuckDBPyConnection, rows: str, column: str) -> bool:
    """Whether a value of the column may occur twice among the accepted rows: by hash, so never a false "no"."""
    query = f"SELECT count({column}), count(DISTINCT hash({column})) FROM read_parquet({literal(rows)}) WHERE faults IS NULL"
    count, distinct = _one(connection, query)
    return bool(count != distinct)


def number_identical_rows(connection: duckdb.DuckDBPyConnection, rows: str, numbered: str) -> str:
    """Rows whose ids are `<hash of the row>-1`, each with its ordinal among identical rows. Returns the file that holds them.

    It is the same file where no two rows are identical.
    """
    if not has_repeats(connection, rows, "usage_id"):
        return rows
    source = scan(rows)
    repeated = f"SELECT usage_id FROM {source} WHERE faults IS NULL GROUP BY usage_id HAVING count(*) > 1"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE ordinals AS SELECT record, row_number() OVER (PARTITION BY usage_id ORDER BY record) "
        f"AS ordinal FROM {source} WHERE faults IS NULL AND usage_id IN ({repeated})"
    )
    connection.execute(
        f"COPY (SELECT left(r.usage_id, -1) || coalesce(o.ordinal, 1) AS usage_id, r.* EXCLUDE (usage_id, record, "
        f"file_row_number) FROM {source} r LEFT JOIN ordinals o USING (record) ORDER BY r.record) "
        f"TO {literal(numbered)} (FORMAT parquet, PRESERVE_ORDER true)"
    )
    return numbered


def find_copies(connection: duckdb.DuckDBPyConnection, rows: str, columns: list[str]) -> Copies:
    """Fill the table `marks` with the file's duplicates and name its conflicts."""
    if not has_repeats(connection, rows, "usage_id"):
        return Copies(0, [])
    source = scan(rows)
    # no value holds a control character, so that 31 between columns and 30 for an empty one leave no two readings
    texts = ", ".join(f"coalesce(CAST({quoted(column)} AS VARCHAR), chr(30))" for column in columns)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE copies AS SELECT record, usage_id, "
        f"CAST(left(sha256(concat_ws(chr(31), {texts})), 32) AS UUID) AS digest FROM {source} "
        f"WHERE faults IS NULL AND hash(usage_id) IN (SELECT hash(usage_id) FROM {source} WHERE faults IS NULL "
        f"GROUP BY 1 HAVING count(*) > 1)"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE compared AS SELECT c.record, f.record AS first, c.usage_id, c.digest = f.digest AS same "
        "FROM copies c JOIN (SELECT usage_id, min(record) AS record, arg_min(digest, record) AS digest FROM copies "
        "GROUP BY usage_id) f USING (usage_id) WHERE c.record <> f.record"
    )
    connection.execute("INSERT INTO marks (record, fate) SELECT record, 'duplicate' FROM compared WHERE same")
    (duplicates,) = _one(connection, "SELECT count(*) FROM compared WHERE same")
    query = "SELECT first, record, usage_id FROM compared WHERE NOT same ORDER BY record"
    return Copies(int(duplicates), [(int(a), int(b), str(c)) for a, b, c in connection.execute(query).fetchall()])


def insert_rows(connection: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    """Rows into a table by whole columns: one by one, ten thousand take seconds."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        connection.execute(f"INSERT INTO {table} SELECT {', '.join('unnest(?)' for _ in columns)}", columns)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    found = connection.execute(query).fetchone()
    if found is None:
        raise RuntimeError(f"no row from {query}")
    return tuple(found)
