"""Spans that hold the tokens of spans in another export: what of them is charged, as columns of the row beside its own (rule C2).

    agents.csv   run   100 tokens          the run repeats 60 + 40: known, and not charged
    tools.csv    ├─ a   60
                 └─ b   40

Inside one export `load` finds them. Across exports that is known only where all rows are at hand, so it is settled each time that
usage is grouped, like roots: the order of loading is nothing, and an export that comes after its month closed is late usage.
What a span holds is held against the spans nearest below it that hold anything, a root also against the leaves of its trace,
where any of these lies in another export. A sum may not say what of its input was cached: input of every kind is held against
input of every kind, output against output. A span that holds more is charged for the remainder of each bucket where its source is
declared inclusive. Any other is not charged, since nobody can say what was used. What sources to reconcile say counts for nothing:
nobody is charged for it.

    crossing    the traces that lie in more than one export, numbered: hardly any where each export is whole
    spans       their rows, with the number of the export and what each said of itself, before `load` took anything off
    through     the spans among them that hold nothing, and the span above each; in the end, the first above that holds anything
    below       what the spans nearest below each span hold together
    repeated    the rows among them that repeat others, by export and record: their fate, and the remainders

Numbers instead of texts keep all of them narrow (docs/decisions/0013). Each SELECT is one portable text; an engine keeps them as
tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import duckdb

from finledger.core.label import PARTLY, REPEATED, REPEATS, UNCLEAR
from finledger.core.model import UsageQuery
from finledger.core.usage import LABELS, NATIVE, STORED_AS, TOKEN_BUCKETS, WHOLE_TOKENS

Keep = Callable[[str, str], None]
Count = Callable[[str], int]
_SPILL = "finledger-spill-"
_DEEPEST = (
    12  # times that the way up through spans without tokens is doubled: 4,096 of them, and an end where they go in a circle
)
_EXPORTS = "min(export) AS least, max(export) AS most"
_ELSEWHERE = "(found.least <> held.export OR found.most <> held.export)"
*_INPUT, _OUTPUT = TOKEN_BUCKETS


def _asked(table: str) -> str:
    return "(" + " + ".join(f"{table}.{bucket}" for bucket in _INPUT) + ")"


_SAME = f"{_asked('held')} = {_asked('found')} AND held.{_OUTPUT} = found.{_OUTPUT}"
_SOME = f"({' + '.join(TOKEN_BUCKETS)}) > 0"
_HOLDS = f"NOT is_aggregate AND span_id <> '' AND {_SOME}"
_SUMS = ", ".join(f"sum({bucket}) AS {bucket}" for bucket in TOKEN_BUCKETS)


def crossing_sql(exports: Sequence[str]) -> str:
    """`exports`: the rows of each, to be read FROM; one is known by its position."""
    rows = " UNION ALL ".join(
        f"SELECT trace_id, {number} AS export FROM {rows} WHERE trace_id <> ''" for number, rows in enumerate(exports)
    )
    several = f"SELECT trace_id FROM ({rows}) spans GROUP BY trace_id HAVING min(export) <> max(export)"
    return f"SELECT trace_id, CAST(row_number() OVER (ORDER BY trace_id) AS INTEGER) AS trace FROM ({several}) several"


def spans_sql(exports: Sequence[str], query: UsageQuery) -> str:
    tokens = ", ".join(
        f"CAST(coalesce({whole}, {bucket}, 0) AS DECIMAL(20, 0)) AS {bucket}"
        for bucket, whole in zip(TOKEN_BUCKETS, WHOLE_TOKENS, strict=True)
    )
    charged = f" WHERE NOT {_among(query.reconciled)}" if query.reconciled else ""
    return " UNION ALL ".join(
        f"SELECT {number} AS export, record, is_aggregate, trace, coalesce(span_id, '') AS span_id, "
        f"coalesce(parent_span_id, '') AS parent, {_among(query.inclusive)} AS inclusive, {tokens} FROM {rows} stored "
        f"JOIN crossing ON crossing.trace_id = stored.trace_id{charged}"
        for number, rows in enumerate(exports)
    )


def _among(sources: Sequence[str]) -> str:
    named = ", ".join("'" + source.replace("'", "''") + "'" for source in sources)
    return f"(coalesce(stored.source, '') IN ({named}))" if sources else "false"


def through_sql() -> str:
    """The spans that hold nothing and have a parent: what lies below one counts below its parent."""
    return (
        "SELECT trace, span_id, min(parent) AS parent FROM spans WHERE span_id <> '' "
        f"GROUP BY 1, 2 HAVING sum(CASE WHEN {_SOME} THEN 1 ELSE 0 END) = 0 AND min(parent) <> '' AND min(parent) <> span_id"
    )


def chained_sql() -> str:
    """Those of them whose parent is one of them."""
    return "SELECT low.span_id FROM through low JOIN through high ON high.trace = low.trace AND high.span_id = low.parent"


def doubled_sql() -> str:
    """The same spans, each with the parent of its parent where that holds nothing either."""
    return (
        "SELECT low.trace AS trace, low.span_id AS span_id, coalesce(high.parent, low.parent) AS parent FROM through low "
        "LEFT JOIN through high ON high.trace = low.trace AND high.span_id = low.parent"
    )


def below_sql() -> str:
    holding = f"(SELECT * FROM spans WHERE parent <> '' AND {_SOME})"
    lifted = (
        "SELECT low.*, coalesce(high.parent, low.parent) AS above "
        f"FROM {holding} low LEFT JOIN through high ON high.trace = low.trace AND high.span_id = low.parent"
    )
    return f"SELECT trace, above, {_SUMS}, {_EXPORTS} FROM ({lifted}) lifted WHERE above <> span_id GROUP BY 1, 2"


def repeated_sql() -> str:
    """Spans above such as hold anything, whoever they are."""
    fits = " AND ".join(f"held.{bucket} >= found.{bucket}" for bucket in TOKEN_BUCKETS)
    rest = ", ".join(f"CAST(held.{bucket} - found.{bucket} AS BIGINT) AS {bucket}" for bucket in TOKEN_BUCKETS)
    fate = f"CASE WHEN {_SAME} THEN '{REPEATED}' WHEN held.inclusive AND {fits} THEN '{PARTLY}' ELSE '{UNCLEAR}' END"
    return (
        f"SELECT held.export AS export, held.record AS record, {fate} AS fate, {rest} "
        f"FROM (SELECT * FROM spans WHERE {_HOLDS}) held "
        f"JOIN below found ON found.trace = held.trace AND found.above = held.span_id WHERE {_ELSEWHERE}"
    )


def other_roots_sql() -> str:
    """The other roots that hold anything: these may hold what the leaves do, whatever the spans between say."""
    return (
        f"SELECT held.* FROM (SELECT * FROM spans WHERE parent = '' AND {_HOLDS}) held LEFT JOIN repeated found "
        f"ON found.export = held.export AND found.record = held.record AND found.fate = '{REPEATED}' WHERE found.record IS NULL"
    )


def of_leaves_sql() -> str:
    """Those of these roots that hold what the leaves of their traces do."""
    named = "SELECT DISTINCT trace, parent FROM spans WHERE parent <> '' AND parent <> span_id"
    leaves = (
        f"SELECT trace, {_SUMS}, {_EXPORTS} FROM (SELECT leaf.* FROM "
        "(SELECT * FROM spans WHERE parent <> '' AND trace IN (SELECT trace FROM other_roots)) leaf "
        f"LEFT JOIN ({named}) named ON named.trace = leaf.trace AND named.parent = leaf.span_id "
        "WHERE named.trace IS NULL) leaves GROUP BY 1"
    )
    return (
        f"SELECT held.export AS export, held.record AS record FROM other_roots held JOIN ({leaves}) found "
        f"ON found.trace = held.trace WHERE {_SAME} AND {_ELSEWHERE}"
    )


def repeats_sql(hashes: Sequence[str]) -> str:
    """The rows by the export's hash: `hashes` in the order of the exports."""
    named = " UNION ALL ".join(f"SELECT {number} AS export, '{each}' AS file_sha256" for number, each in enumerate(hashes))
    rest = ", ".join(f"found.{bucket} AS {bucket}" for bucket in TOKEN_BUCKETS)
    nothing = ", ".join(f"CAST(0 AS BIGINT) AS {bucket}" for bucket in TOKEN_BUCKETS)
    every = (
        f"SELECT found.export, found.record, found.fate, {rest} FROM repeated found LEFT JOIN of_leaves leaf "
        "ON leaf.export = found.export AND leaf.record = found.record WHERE leaf.record IS NULL "
        f"UNION ALL SELECT export, record, '{REPEATED}' AS fate, {nothing} FROM of_leaves"
    )
    return f"SELECT named.file_sha256 AS file_sha256, found.record AS record, found.fate AS fate, {rest} FROM ({every}) found " \
        f"JOIN ({named}) named ON named.export = found.export"  # fmt: skip


def found_repeats(keep: Keep, count: Count, exports: Mapping[str, str], query: UsageQuery) -> str:
    """The fates of rows that repeat others, joined; then `repeats` is there. `exports`: the rows of each, by its hash.

    `keep`: has a table or view of that name worked out from SQL that may name the last one. `count`: how many rows SQL gives.
    """
    keep("crossing", crossing_sql(list(exports.values())))
    if not count("SELECT 1 FROM crossing"):
        return ""
    keep("spans", spans_sql(list(exports.values()), query))
    keep("through", through_sql())
    for _ in range(_DEEPEST):
        if not count(chained_sql()):
            break
        keep("through", doubled_sql())
    keep("below", below_sql())
    keep("repeated", repeated_sql())
    keep("other_roots", other_roots_sql())
    keep("of_leaves", of_leaves_sql())
    keep("repeats", repeats_sql(list(exports)))
    if count(f"SELECT 1 FROM repeats WHERE fate = '{PARTLY}'"):
        return PARTLY
    return REPEATED if count("SELECT 1 FROM repeats") else ""


def marked_sql(table: str, found: str) -> str:
    """Every row, with the column `repeats_spans`: to be read FROM. `found`: as `found_repeats` gives it.

    A row that is charged for its remainder has that in its buckets, and stands there once more with what is not charged.
    """
    joined = f"{table} stored {{0}} repeats ON repeats.record = stored.record AND repeats.file_sha256 = stored.file_sha256"
    if found != PARTLY:
        return f"(SELECT stored.*, coalesce(repeats.fate, '') AS {REPEATS} FROM {joined.format('LEFT JOIN')})"
    part = f"repeats.fate = '{PARTLY}'"
    kept, taken = [], []
    for column in NATIVE:
        name, kind = column.name, STORED_AS[column.kind]
        plain = f'stored."{name}"'
        if name in TOKEN_BUCKETS:
            # what was taken off for spans of its own export that lie in another month stays off
            rest = f"least(repeats.{name}, coalesce({plain}, 0))"
            kept.append(f"CASE WHEN {part} THEN {rest} ELSE {plain} END AS {name}")
            taken.append(f"coalesce({plain}, 0) - {rest} AS {name}")
        elif column.kind in ("text", "time"):
            kept.append(plain)
            taken.append(plain)
        else:
            kept.append(plain)
            taken.append(f'CAST({0 if name == "requests" else "NULL"} AS {kind}) AS "{name}"')
    same = [f'stored."{name}"' for name in (*LABELS, "record", "file_sha256", "is_aggregate")]
    return (
        f"(SELECT {', '.join([*kept, *same])}, CASE WHEN {part} THEN '' ELSE coalesce(repeats.fate, '') END AS {REPEATS} "
        f"FROM {joined.format('LEFT JOIN')} "
        f"UNION ALL SELECT {', '.join([*taken, *same])}, '{PARTLY}' AS {REPEATS} FROM {joined.format('JOIN')} WHERE {part})"
    )


def marked_constants(same: Mapping[str, str | None], found: str, query: UsageQuery) -> dict[str, str | None]:
    """The columns that hold one value in every row of `marked_sql`; `same`: in every stored row."""
    if not found:
        return {**same, REPEATS: None}
    added = {"requests"} - {*query.ignored} if found == PARTLY else set()  # what is not charged is no call
    return {name: value for name, value in same.items() if name not in added}


@contextmanager
def repeats_table(connection: duckdb.DuckDBPyConnection, rows: Mapping[str, str], query: UsageQuery) -> Iterator[str]:
    """What of DuckDB's tables `found_repeats` says; where any row repeats others, `repeats` is there."""
    made: list[str] = []

    def keep(name: str, sql: str) -> None:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")
        made.append(name)

    def count(sql: str) -> int:
        return int(connection.execute(f"SELECT count(*) FROM ({sql}) counted").fetchall()[0][0])

    with spilling(connection):
        found = found_repeats(keep, count, rows, query)
        for name in set(made) - {"repeats"}:
            connection.execute(f"DROP TABLE {name}")
        yield found
        connection.execute("DROP TABLE IF EXISTS repeats")


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
