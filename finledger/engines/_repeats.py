"""Spans that repeat the tokens of spans in another export, as a column of the row beside its own (rule C2).

    agents.csv   run   100 tokens          the run repeats 60 + 40: known, and not charged
    tools.csv    ├─ a   60
                 └─ b   40

Inside one export `load` finds them. Across exports that is known only where all rows are at hand, so it is settled each time that
usage is grouped, like roots: the order of loading is nothing, and an export that comes after its month closed is late usage.
A span repeats others where it holds what its direct children hold together, or a root what all leaves of its trace do, and any
of these lies in another export. A sum may not say what of its input was cached: input of every kind is held against input of
every kind, output against output. What sources to reconcile say counts for nothing: nobody is charged for it.

    crossing    the traces that lie in more than one export, numbered: hardly any where each export is whole
    spans       their rows, with the number of the export
    below       what the children of each span hold together
    repeated    the rows among them that repeat others, by export and record

Numbers instead of texts keep all of them narrow (docs/decisions/0013). Each SELECT is one portable text; an engine keeps them as
tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import duckdb

from finledger.core.label import REPEATS
from finledger.core.model import UsageQuery
from finledger.core.usage import TOKEN_BUCKETS

REPEATED = "yes"
_SPILL = "finledger-spill-"
_EXPORTS = "min(export) AS least, max(export) AS most"
_ELSEWHERE = "(found.least <> held.export OR found.most <> held.export)"
_SAME = "held.asked = found.asked AND held.answered = found.answered"
_HOLDS = "NOT is_aggregate AND span_id <> '' AND (asked > 0 OR answered > 0)"


def crossing_sql(exports: Sequence[str]) -> str:
    """`exports`: the rows of each, to be read FROM; one is known by its position."""
    rows = " UNION ALL ".join(
        f"SELECT trace_id, {number} AS export FROM {rows} WHERE trace_id <> ''" for number, rows in enumerate(exports)
    )
    several = f"SELECT trace_id FROM ({rows}) spans GROUP BY trace_id HAVING min(export) <> max(export)"
    return f"SELECT trace_id, CAST(row_number() OVER (ORDER BY trace_id) AS INTEGER) AS trace FROM ({several}) several"


def spans_sql(exports: Sequence[str], reconciled: Sequence[str]) -> str:
    *asked, answered = (f"CAST(coalesce({bucket}, 0) AS DECIMAL(20, 0))" for bucket in TOKEN_BUCKETS)
    tokens = f"{' + '.join(asked)} AS asked, {answered} AS answered"
    left_out = ", ".join("'" + source.replace("'", "''") + "'" for source in reconciled)
    charged = f" WHERE coalesce(stored.source, '') NOT IN ({left_out})" if left_out else ""
    return " UNION ALL ".join(
        f"SELECT {number} AS export, record, is_aggregate, trace, coalesce(span_id, '') AS span_id, "
        f"coalesce(parent_span_id, '') AS parent, {tokens} FROM {rows} stored "
        f"JOIN crossing ON crossing.trace_id = stored.trace_id{charged}"
        for number, rows in enumerate(exports)
    )


def below_sql() -> str:
    sums = "sum(asked) AS asked, sum(answered) AS answered"
    return f"SELECT trace, parent, {sums}, {_EXPORTS} FROM spans WHERE parent <> '' AND parent <> span_id GROUP BY 1, 2"


def repeated_sql() -> str:
    """Spans that hold what their children hold, whoever they are."""
    return (
        f"SELECT held.export AS export, held.record AS record FROM (SELECT * FROM spans WHERE {_HOLDS}) held "
        f"JOIN below found ON found.trace = held.trace AND found.parent = held.span_id WHERE {_SAME} AND {_ELSEWHERE}"
    )


def other_roots_sql() -> str:
    """The other roots that hold anything: these may hold what the leaves do, with spans that hold nothing between."""
    return (
        f"SELECT held.* FROM (SELECT * FROM spans WHERE parent = '' AND {_HOLDS}) held LEFT JOIN repeated found "
        "ON found.export = held.export AND found.record = held.record WHERE found.record IS NULL"
    )


def of_leaves_sql() -> str:
    """Those of these roots that hold what the leaves of their traces do."""
    leaves = (
        "SELECT leaf.trace AS trace, sum(leaf.asked) AS asked, sum(leaf.answered) AS answered, "
        "min(leaf.export) AS least, max(leaf.export) AS most "
        "FROM (SELECT * FROM spans WHERE parent <> '' AND trace IN (SELECT trace FROM other_roots)) leaf "
        "LEFT JOIN below named ON named.trace = leaf.trace AND named.parent = leaf.span_id "
        "WHERE named.trace IS NULL GROUP BY 1"
    )
    return (
        f"SELECT held.export, held.record FROM other_roots held JOIN ({leaves}) found ON found.trace = held.trace "
        f"WHERE {_SAME} AND {_ELSEWHERE}"
    )


def repeats_sql(hashes: Sequence[str]) -> str:
    """The same, by the export's hash: `hashes` in the order of the exports."""
    named = " UNION ALL ".join(f"SELECT {number} AS export, '{each}' AS file_sha256" for number, each in enumerate(hashes))
    return f"SELECT file_sha256, record FROM repeated found JOIN ({named}) named ON named.export = found.export"


def marked_sql(table: str, repeats: str = "repeats") -> str:
    """Every row, with the column `repeats_spans`: to be read FROM."""
    return (
        f"(SELECT stored.*, CASE WHEN repeats.record IS NULL THEN '' ELSE '{REPEATED}' END AS {REPEATS} FROM {table} stored "
        f"LEFT JOIN {repeats} repeats ON repeats.record = stored.record AND repeats.file_sha256 = stored.file_sha256)"
    )


@contextmanager
def repeats_table(connection: duckdb.DuckDBPyConnection, rows: Mapping[str, str], query: UsageQuery) -> Iterator[bool]:
    """Whether any row repeats others; then the table `repeats` is there. `rows`: of each export, by its hash, to be read FROM."""
    exports = list(rows.values())
    with spilling(connection):
        connection.execute(f"CREATE TEMP TABLE crossing AS {crossing_sql(exports)}")
        connection.execute(f"CREATE TEMP TABLE spans AS {spans_sql(exports, query.reconciled)}")
        connection.execute(f"CREATE TEMP TABLE below AS {below_sql()}")
        connection.execute(f"CREATE TEMP TABLE repeated AS {repeated_sql()}")
        connection.execute(f"CREATE TEMP TABLE other_roots AS {other_roots_sql()}")
        connection.execute(f"INSERT INTO repeated {of_leaves_sql()}")
        for table in ("crossing", "spans", "below", "other_roots"):
            connection.execute(f"DROP TABLE {table}")
        found = connection.execute("SELECT count(*) FROM repeated").fetchall()
        if found[0][0]:
            connection.execute(f"CREATE TEMP TABLE repeats AS {repeats_sql(list(rows))}")
        yield bool(found[0][0])
        connection.execute("DROP TABLE IF EXISTS repeats")
        connection.execute("DROP TABLE repeated")


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
