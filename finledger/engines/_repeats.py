"""Spans that repeat the tokens of spans in another export, as a column of the row beside its own (rule C2).

    agents.csv   run   100 tokens          the run repeats 60 + 40: known, and not charged
    tools.csv    ├─ a   60
                 └─ b   40

Inside one export `load` finds them. Across exports that is known only where all rows are at hand, so it is settled each time that
usage is grouped, like roots: the order of loading is nothing, and an export that comes after its month closed is late usage.
A span repeats others where it holds what its direct children hold together, or a root what all leaves of its trace do, and any
of these lies in another export. What sources to reconcile say counts for nothing: nobody is charged for it.

    crossing    the traces that lie in more than one export: hardly any where each export is whole
    spans       their rows
    repeats     the rows among them that repeat others, by export and record

Each SELECT is one portable text; an engine keeps them as tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import duckdb

from finledger.core.label import REPEATS
from finledger.core.model import UsageQuery
from finledger.core.usage import TOKEN_BUCKETS

REPEATED = "yes"
_SPILL = "finledger-spill-"
_SUMS = ", ".join(f"sum({bucket}) AS {bucket}" for bucket in TOKEN_BUCKETS)
_ELSEWHERE = "(found.least <> held.file_sha256 OR found.most <> held.file_sha256)"
_SAME = " AND ".join(f"held.{bucket} = found.{bucket}" for bucket in TOKEN_BUCKETS)
_ANY = " + ".join(TOKEN_BUCKETS)


def crossing_sql(spans: str) -> str:
    """`spans`: the rows of traces, each with its `export`."""
    return f"SELECT trace_id FROM ({spans}) spans GROUP BY trace_id HAVING min(export) <> max(export)"


def numbered(exports: Sequence[str]) -> str:
    """The rows of traces in each of the exports. Their numbers tell them apart in a third of the time of their hashes."""
    return " UNION ALL ".join(
        f"SELECT trace_id, {number} AS export FROM {rows} WHERE trace_id <> ''" for number, rows in enumerate(exports)
    )


def spans_sql(table: str, reconciled: Sequence[str], crossing: str = "crossing") -> str:
    tokens = ", ".join(f"coalesce({bucket}, 0) AS {bucket}" for bucket in TOKEN_BUCKETS)
    left_out = ", ".join("'" + source.replace("'", "''") + "'" for source in reconciled)
    charged = f" AND coalesce(stored.source, '') NOT IN ({left_out})" if left_out else ""
    return (
        "SELECT file_sha256, record, is_aggregate, stored.trace_id AS trace_id, coalesce(span_id, '') AS span_id, "
        f"coalesce(parent_span_id, '') AS parent, {tokens} FROM {table} stored "
        f"JOIN {crossing} crossing ON crossing.trace_id = stored.trace_id WHERE stored.trace_id <> ''{charged}"
    )


def repeats_sql(spans: str = "spans") -> str:
    """The rows that repeat what their children hold, and roots that repeat what the leaves of their traces hold."""
    files = "min(file_sha256) AS least, max(file_sha256) AS most"
    held = f"(SELECT * FROM {spans} WHERE NOT is_aggregate AND span_id <> '' AND {_ANY} > 0) held"
    below = f"SELECT trace_id, parent, {_SUMS}, {files} FROM {spans} WHERE parent <> '' AND parent <> span_id GROUP BY 1, 2"
    named = f"(SELECT DISTINCT trace_id, parent FROM {spans} WHERE parent <> '' AND parent <> span_id) named"
    leaves = (
        f"SELECT leaf.trace_id AS trace_id, {', '.join(f'sum(leaf.{bucket}) AS {bucket}' for bucket in TOKEN_BUCKETS)}, "
        f"min(leaf.file_sha256) AS least, max(leaf.file_sha256) AS most FROM {spans} leaf "
        f"LEFT JOIN {named} ON named.trace_id = leaf.trace_id AND named.parent = leaf.span_id "
        "WHERE leaf.parent <> '' AND named.trace_id IS NULL GROUP BY 1"
    )
    return (
        f"SELECT held.file_sha256 AS file_sha256, held.record AS record FROM {held} JOIN ({below}) found "
        f"ON found.trace_id = held.trace_id AND found.parent = held.span_id WHERE {_SAME} AND {_ELSEWHERE} "
        f"UNION SELECT held.file_sha256, held.record FROM {held} JOIN ({leaves}) found "
        f"ON found.trace_id = held.trace_id WHERE held.parent = '' AND {_SAME} AND {_ELSEWHERE}"
    )


def marked_sql(table: str, repeats: str = "repeats") -> str:
    """Every row, with the column `repeats_spans`: to be read FROM."""
    return (
        f"(SELECT stored.*, CASE WHEN repeats.record IS NULL THEN '' ELSE '{REPEATED}' END AS {REPEATS} FROM {table} stored "
        f"LEFT JOIN {repeats} repeats ON repeats.record = stored.record AND repeats.file_sha256 = stored.file_sha256)"
    )


@contextmanager
def repeats_table(
    connection: duckdb.DuckDBPyConnection, table: str, exports: Sequence[str], query: UsageQuery
) -> Iterator[bool]:
    """Whether any row repeats others; then the table `repeats` is there. `table` holds the rows of all `exports`."""
    with spilling(connection):
        connection.execute(f"CREATE TEMP TABLE crossing AS {crossing_sql(numbered(exports))}")
        connection.execute(f"CREATE TEMP TABLE spans AS {spans_sql(table, query.reconciled)}")
        connection.execute(f"CREATE TEMP TABLE repeats AS {repeats_sql()}")
        connection.execute("DROP TABLE crossing")
        connection.execute("DROP TABLE spans")
        found = connection.execute("SELECT count(*) FROM repeats").fetchall()
        yield bool(found[0][0])
        connection.execute("DROP TABLE repeats")


@contextmanager
def spilling(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A folder for what does not fit into memory. A connection that has spilled cannot take another one: it keeps its first."""
    found = connection.execute("SELECT current_setting('temp_directory')").fetchall()
    if _SPILL in str(found[0][0]):
        yield
        return
    with TemporaryDirectory(prefix=_SPILL) as spill:
        connection.execute(f"SET temp_directory = '{spill}'")
        yield
