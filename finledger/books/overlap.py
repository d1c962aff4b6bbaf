"""The same usage from two sources that are both charged (rules C1, A9): found by request id, or by day and key.

A side is what one source has in one format, stored or staged. Two requests with one id are the same. Reports have no ids: two
of one provider overlap on a day when what both say of whose usage it is (`KEYS`) is equal, or when they say nothing that could
tell them apart. Ids are compared by hash first, and what is left by their text, as in known_usage.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import duckdb

from finledger.core import usage

Grain = Literal["request", "report", "cost"]
# What of a row says whose usage it is; a report is cut by some of them.
KEYS = ("api_key", "api_key_alias", "project", "workspace", "organization", "account", "sub_account_id", "user")
_TOKENS = " + ".join(f"coalesce({bucket}, 0)" for bucket in usage.TOKEN_BUCKETS)
_COST = "coalesce(nullif(billed_cost, 0), effective_cost, 0)"
_KEY_COLUMNS = ", ".join(f"""coalesce("{name}", '') AS "{name}\"""" for name in KEYS)
# A model without who makes it and of which day it is: a gateway calls openai/gpt-4o what its provider calls gpt-4o-2024-08-06.
# The console writes Claude Haiku 4.5 for claude-haiku-4-5-20251001.
_FAMILY = (
    "regexp_replace(translate(regexp_replace(lower(model), '^.*/', ''), ' ._', '---'), "
    "'[-@](20[0-9]{2}-?[0-9]{2}-?[0-9]{2}|latest)$', '')"
)
_OWN_ID = "^(wrkspc_|apikey_|key_|proj_|user-|user_|org-)"  # by what the ids of OpenAI's and Anthropic's begin with
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Terms:
    """What the organisation says of its sources. `charged`: whether the rows of a source are; `declared`: the sources that have
    an entry; `grains`: of formats, the others have a row for each request; `beside`: pairs of sources that were declared to be
    different usage; `provider`: a provider's one name by what a row calls it."""

    charged: Callable[[str], bool]
    declared: AbstractSet[str] = frozenset()
    grains: Mapping[str, str] = field(default_factory=dict)
    beside: AbstractSet[frozenset[str]] = frozenset()
    provider: Callable[[str], str] = str.casefold

    @property
    def only_compared(self) -> frozenset[str]:
        """The sources that are not charged; one that is not declared is."""
        return frozenset(name for name in self.declared if not self.charged(name))

    def grain(self, side: Side) -> str:
        return self.grains.get(side.format, "request")


@dataclass(frozen=True, slots=True)
class Side:
    """What one source has in one format. `all_rows` and `near_rows` are SQL of rows that count: all of them, and those of the
    months that are compared by day. `count` is about how many there are; `new`: some of them are of this load."""

    source: str
    format: str
    all_rows: str
    near_rows: str
    count: int
    new: bool = False

    @property
    def pair(self) -> tuple[str, str]:
        return self.source, self.format


@dataclass(frozen=True, slots=True)
class Place:
    """A stored or staged record: the export's hash and the record's ordinal in it."""

    sha256: str
    record: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What a side has of what both have."""

    tokens: int
    cost: str
    currency: str


Sign = Literal["request-id", "key", "no-key", "request-beside", "cost-beside", "cost-twice", "cost-alike"]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two sides with the same usage. `count` is of requests, of days, or of months, as the sign says.

    `examples`: what it is (a request id, or provider, day, model and key), and where the first row of it stands on each side.
    """

    sign: Sign
    first: Side
    second: Side
    count: int
    of_first: Measured
    of_second: Measured
    examples: tuple[tuple[str, Place, Place], ...]


def overlaps(
    connection: duckdb.DuckDBPyConnection, sides: Sequence[Side], terms: Terms, *, certain_only: bool = False
) -> Iterator[Overlap]:
    """The first sign by which two sides of other sources or formats overlap; one of them at least is new.

    Only sides that are charged are looked at. `certain_only`: any two sides, and nothing that is no more than likely.
    """
    charged = [side for side in sides if terms.charged(side.source)]
    pairs = [(a, b) for a, b in combinations(charged, 2) if a.pair != b.pair and (certain_only or a.new or b.new)]
    if not pairs:
        return
    with_ids = [side for side in charged if _any(connection, f"{side.all_rows} WHERE request_id IS NOT NULL")]
    days = _Days(connection, terms)
    for first, second in pairs:
        found = _by_id(connection, first, second) if first in with_ids and second in with_ids else None
        if found is None and frozenset((first.source, second.source)) not in terms.beside:
            found = days.compared(first, second, certain_only)
        if found is not None:
            yield found


def _by_id(connection: duckdb.DuckDBPyConnection, first: Side, second: Side) -> Overlap | None:
    """The requests that both sides have: the hashes of the smaller side's ids are held, the other side passes by."""
    small, large = sorted((first, second), key=lambda side: side.count)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE few AS SELECT DISTINCT hash(request_id) AS id FROM {small.all_rows} "
        "WHERE request_id IS NOT NULL"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE common AS SELECT DISTINCT hash(request_id) AS id FROM {large.all_rows} "
        "WHERE request_id IS NOT NULL AND hash(request_id) IN (SELECT id FROM few)"
    )
    if not _any(connection, "common"):
        return None
    for name, side in (("of_first", first), ("of_second", second)):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT request_id, file_sha256, record, {_TOKENS} AS tokens, {_COST} AS cost, "
            f"billed_currency AS currency FROM {side.all_rows} WHERE hash(request_id) IN (SELECT id FROM common)"
        )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE shared AS SELECT DISTINCT request_id FROM of_first SEMI JOIN of_second USING (request_id)"
    )
    ((count,),) = connection.execute("SELECT count(*) FROM shared").fetchall()
    if not count:
        return None
    shown = connection.execute(
        f"""
        SELECT request_id, a.file_sha256, a.record, b.file_sha256, b.record FROM
          (SELECT request_id, min_by(file_sha256, record) AS file_sha256, min(record) AS record
           FROM of_first SEMI JOIN shared USING (request_id) GROUP BY 1 ORDER BY 3, 2, 1 LIMIT {SHOWN}) a JOIN
          (SELECT request_id, min_by(file_sha256, record) AS file_sha256, min(record) AS record
           FROM of_second SEMI JOIN shared USING (request_id) GROUP BY 1) b USING (request_id)
        ORDER BY a.record, a.file_sha256, request_id
        """
    ).fetchall()
    measured = [_measured(connection, f"{name} SEMI JOIN shared USING (request_id)") for name in ("of_first", "of_second")]
    places = tuple((repr(name), Place(a, int(at)), Place(b, int(there))) for name, a, at, b, there in shown)
    return Overlap("request-id", first, second, int(count), measured[0], measured[1], places)


class _Days:
    """What sides come to by provider, day, model and key: worked out once for each side that is asked for."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, terms: Terms) -> None:
        self._connection, self._terms = connection, terms
        self._tables: dict[tuple[Side, bool], str] = {}

    def compared(self, first: Side, second: Side, certain_only: bool) -> Overlap | None:
        grains = {self._terms.grain(first), self._terms.grain(second)}
        if grains == {"report"}:
            return self._reports(first, second, certain_only)
        if certain_only or grains == {"request"}:
            return None
        if grains == {"report", "request"}:
            return self._request_beside(first, second)
        if grains == {"cost"}:
            return self._costs(first, second)
        return self._cost_beside_tokens(first, second)

    def _reports(self, first: Side, second: Side, certain_only: bool) -> Overlap | None:
        certain, unknown = self._of_same_key("key", first, second)
        if certain is not None or certain_only or unknown is None:
            return certain
        return Overlap("no-key", *(getattr(unknown, name) for name in Overlap.__slots__[1:]))

    def _costs(self, first: Side, second: Side) -> Overlap | None:
        """A bill's rows often have neither key nor model, and then say nothing; by their model they are of one provider."""
        certain, unknown = self._of_same_key("cost-twice", first, second, "a.family <> ''")
        if certain is not None or unknown is None:
            return certain
        return Overlap("cost-alike", *(getattr(unknown, name) for name in Overlap.__slots__[1:]))

    def _of_same_key(
        self, sign: Sign, first: Side, second: Side, untold: str = "true"
    ) -> tuple[Overlap | None, Overlap | None]:
        """What has the same provider, day, model and key, and what cannot be told apart, where `untold` holds."""
        left, right = self._table(first, keyed=True), self._table(second, keyed=True)
        certain: list[str] = []
        unknown: list[str] = []
        for provider in self._providers(left, right):
            shared = [name for name in KEYS if self._comparable(left, right, provider, name)]
            equal_keys = [f'a."{name}" = b."{name}"' for name in shared]
            filled = " OR ".join(f"a.\"{name}\" <> ''" for name in shared)
            for same in self._same_model(left, right, provider):
                equal = " AND ".join((same, *equal_keys))
                if shared:
                    certain.append(f"({equal} AND ({filled}))")
                unknown.append(f"({equal} AND {untold} AND NOT ({filled or 'false'}))")
        found = (
            self._pairs(sign, first, second, left, right, conditions, "day", KEYS) if conditions else None
            for conditions in (certain, unknown)
        )
        known, other = found
        return known, other

    def _cost_beside_tokens(self, first: Side, second: Side) -> Overlap | None:
        left, right = self._table(first, keyed=False), self._table(second, keyed=False)
        cost = "a" if self._terms.grain(first) == "cost" else "b"
        other = "b" if cost == "a" else "a"
        same = (
            "a.provider = b.provider AND date_trunc('month', a.day) = date_trunc('month', b.day) "
            f"AND {cost}.cost <> 0 AND {other}.tokens <> 0"
        )
        return self._pairs("cost-beside", first, second, left, right, [f"({same})"], "date_trunc('month', day)", ())

    def _request_beside(self, first: Side, second: Side) -> Overlap | None:
        left, right = self._table(first, keyed=False), self._table(second, keyed=False)
        conditions = [
            f"({same})" for provider in self._providers(left, right) for same in self._same_model(left, right, provider)
        ]
        return self._pairs("request-beside", first, second, left, right, conditions, "day", ()) if conditions else None

    def _same_model(self, left: str, right: str, provider: str) -> Iterator[str]:
        """The conditions by which two rows are of one provider, day and model; tokens without a model may be of each."""
        same = f"a.provider = b.provider AND a.day = b.day AND a.provider = {_text(provider)}"
        yield f"{same} AND a.family = b.family"
        for side, other, table in (("a", "b", left), ("b", "a", right)):
            if _any(self._connection, f"{table} WHERE provider = {_text(provider)} AND model = '' AND tokens <> 0"):
                yield f"{same} AND {side}.model = '' AND {side}.tokens <> 0 AND {other}.tokens <> 0"

    def _pairs(
        self, sign: Sign, first: Side, second: Side, left: str, right: str, conditions: Sequence[str], counted: str,
        keys: Sequence[str],
    ) -> Overlap | None:  # fmt: skip
        """Days (`counted`) on which a row of the one side goes with a row of the other, by one of the conditions."""
        connection = self._connection
        for name, side in (("of_first", "a"), ("of_second", "b")):
            queries = [f"SELECT {side}.* FROM {left} a JOIN {right} b ON {condition}" for condition in conditions]
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT DISTINCT * FROM ({' UNION ALL '.join(queries)})"
            )
        ((count,),) = connection.execute(f"SELECT count(DISTINCT {counted}) FROM of_first").fetchall()
        if not count:
            return None
        listed = "".join(f', a."{name}"' for name in keys)
        order = "a.day, a.provider, a.model, a.record, a.file_sha256, b.record, b.file_sha256"
        joined = " OR ".join(conditions)
        shown = connection.execute(
            f"SELECT a.provider, a.day, a.model, a.file_sha256, a.record, b.file_sha256, b.record {listed} "
            f"FROM of_first a JOIN of_second b ON {joined} ORDER BY {order} LIMIT {SHOWN}"
        ).fetchall()
        examples = tuple(
            (" ".join(filter(None, (provider, f"{day:%Y-%m-%d}", model, *rest))), Place(a, int(at)), Place(b, int(there)))
            for provider, day, model, a, at, b, there, *rest in shown
        )
        return Overlap(
            sign, first, second, int(count), _measured(connection, "of_first"), _measured(connection, "of_second"), examples
        )

    def _table(self, side: Side, *, keyed: bool) -> str:
        """The side's groups as a table; those that come to nothing, and those of no named provider, are not in it."""
        name = f"days_{len(self._tables)}"
        if (side, keyed) in self._tables:
            return self._tables[side, keyed]
        self._tables[side, keyed] = name
        named = [
            (str(text), self._terms.provider(str(text)))
            for (text,) in self._connection.execute(
                f"SELECT DISTINCT provider FROM {side.near_rows} WHERE coalesce(provider, '') <> ''"
            ).fetchall()
        ]
        self._connection.execute("CREATE OR REPLACE TEMP TABLE named (provider VARCHAR, name VARCHAR)")
        if named:
            self._connection.executemany("INSERT INTO named VALUES (?, ?)", named)
        keys = f", {_KEY_COLUMNS}" if keyed else ""
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT *, {_FAMILY} AS family FROM (SELECT n.name AS provider, "
            "CAST(ts AS DATE) AS day, "
            f"coalesce(model, '') AS model, sum({_TOKENS}) AS tokens, sum({_COST}) AS cost, "
            f"min(billed_currency) AS currency, min_by(file_sha256, record) AS file_sha256, min(record) AS record {keys} "
            f"FROM {side.near_rows} r JOIN named n ON r.provider = n.provider "
            f"GROUP BY ALL HAVING sum({_TOKENS}) <> 0 OR sum({_COST}) <> 0 OR sum(coalesce(requests, 0)) <> 0)"
        )
        return name

    def _providers(self, left: str, right: str) -> list[str]:
        query = f"SELECT DISTINCT provider FROM {left} SEMI JOIN {right} USING (provider) ORDER BY 1"
        return [str(name) for (name,) in self._connection.execute(query).fetchall()]

    def _comparable(self, left: str, right: str, provider: str, name: str) -> bool:
        """Whether both sides have the key, and in the same terms: an id of the provider's is never equal to a name."""
        if not all(self._fills(table, provider, name) for table in (left, right)):
            return False
        ids = f"WHERE provider = {_text(provider)} AND regexp_matches(\"{name}\", '{_OWN_ID}')"
        return _any(self._connection, f"{left} {ids}") == _any(self._connection, f"{right} {ids}")

    def _fills(self, table: str, provider: str, name: str) -> bool:
        return _any(self._connection, f"{table} WHERE provider = {_text(provider)} AND \"{name}\" <> ''")


def _measured(connection: duckdb.DuckDBPyConnection, rows: str) -> Measured:
    ((tokens, cost, currency),) = connection.execute(
        f"SELECT coalesce(sum(tokens), 0), CAST(coalesce(sum(cost), 0) AS VARCHAR), coalesce(min(currency), '') FROM {rows}"
    ).fetchall()
    return Measured(int(tokens), _plain(str(cost)), str(currency))


def _plain(number: str) -> str:
    return number.rstrip("0").removesuffix(".") if "." in number else number


def _any(connection: duckdb.DuckDBPyConnection, rows: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {rows} LIMIT 1").fetchone() is not None


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def row_sources(connection: duckdb.DuckDBPyConnection, files: Iterable[str]) -> set[str]:
    """The sources that rows of Parquet files name: by the files' own statistics where these tell, else by the rows."""
    listed = [_text(file) for file in files]
    if not listed:
        return set()
    found = connection.execute(
        "SELECT file_name, stats_min_value, stats_max_value, stats_null_count FROM "
        f"parquet_metadata([{', '.join(listed)}]) WHERE path_in_schema = 'source'"
    ).fetchall()
    told = {str(low) for _, low, high, empty in found if low is not None and low == high and not empty}
    asked = sorted({str(name) for name, low, high, empty in found if low is None or low != high or empty})
    if asked:
        query = f"SELECT DISTINCT source FROM read_parquet([{', '.join(map(_text, asked))}]) WHERE source IS NOT NULL"
        told |= {str(name) for (name,) in connection.execute(query).fetchall()}
    return told
