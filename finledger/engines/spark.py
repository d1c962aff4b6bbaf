"""Spark, where one machine is not enough: the same SQL over the same Parquet, on this machine or on a cluster.

What is added up is exact and in no order, so partitions, executors that are lost and work that is done twice change nothing.
Statistics of the parts are read here, by DuckDB; rows are read by Spark alone, which has to see the store at the same path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from finledger.core.model import EngineChoice, UsageGroup, UsageQuery
from finledger.core.money import EXACT
from finledger.core.problem import Outcome
from finledger.engines import _spark
from finledger.engines._parts import named
from finledger.engines._repeats import found_repeats, marked_constants, marked_sql
from finledger.engines._shared_usage import SameUsage, SharedUsage, shared_usage
from finledger.engines._sql import STATED_SUMS, group_sql
from finledger.engines._statistics import constants, has_parents
from finledger.engines._traces import (
    asked_of_roots,
    exports_with_traces,
    fields_of,
    labels_by_number,
    numbers_sql,
    roots_sql,
    rows_sql,
    told_sql,
    without_roots,
)
from finledger.engines.duckdb import distinct_sql, groups_of, too_many

_DECIMALS = frozenset(name for name, kind in _spark.COLUMNS.items() if kind.startswith("DECIMAL")) | {"measured_gpu_hours"}


@dataclass(frozen=True, slots=True)
class Spark:
    """Spark where the books' settings say that it runs."""

    choice: EngineChoice

    def group(
        self, parts: Sequence[Path], query: UsageQuery, elsewhere: Sequence[Path] = ()
    ) -> Outcome[tuple[UsageGroup, ...]]:
        """Sums of the usage in `parts` by `query`. `Unavailable`: Spark, its cluster or a part of the store is not there."""
        if not parts:
            return Outcome(())
        with named((*parts, *elsewhere)), _spark.told_apart(self.choice, (*parts, *elsewhere)):
            with duckdb.connect() as connection:
                same = {**constants(connection, parts), **dict.fromkeys(query.ignored)}
                every = tuple(dict.fromkeys((*parts, *elsewhere)))
                traced = bool(asked_of_roots(query)) and has_parents(connection, parts)
                joins = _Joins(every, traced, exports_with_traces(connection, every, query))
            session = _spark.session(self.choice)
            _spark.view(session, "stored", parts)
            return _grouped(session, query, joins, same)

    def each(self, work: Callable[[_spark.Job], _spark.Result], jobs: Sequence[_spark.Job]) -> list[_spark.Result]:
        """What a function of a module makes of each job, in executors: their Python has to have it. In the order of the jobs."""
        if not jobs:
            return []
        with _spark.told_apart(self.choice, ()):
            return _spark.each(_spark.session(self.choice), work, jobs)

    def shared_usage(
        self, files: Mapping[str, Sequence[Path]], stored: Sequence[Path], same: SameUsage, listed: Path
    ) -> SharedUsage:
        """What each of the files, parts by the export's hash, has in common with those before it and with the store."""
        every = [part for parts in files.values() for part in parts]
        if not every:
            return SharedUsage()
        with _spark.told_apart(self.choice, (*every, *stored)):
            return shared_usage(_spark.session(self.choice), files, stored, same, listed)


chosen = Spark


class _Joins(NamedTuple):
    """What rows are joined with: roots in any of the parts, where `traced`; spans that repeat others, parts by their export."""

    every: tuple[Path, ...]
    traced: bool
    exports: Mapping[str, Sequence[Path]]


def _grouped(session: Any, query: UsageQuery, joins: _Joins, same: dict[str, str | None]) -> Outcome[tuple[UsageGroup, ...]]:
    """The groups of the view `stored`. `same`: columns that hold one value in every row."""
    with _roots(session, joins, query) as roots, _repeats(session, joins, query) as repeated:
        grouped_by = replace(query, labels=(*without_roots(query), *(["root"] if joins.traced else [])))
        table = marked_sql("stored", repeated) if repeated else "stored"
        table = rows_sql(table) if joins.traced else table
        same = marked_constants(same, repeated, query)
        rows = _rows(session, group_sql(table, grouped_by, same), query.group_limit + 1)
        if rows is None:
            rows = _wide_rows(session, partial(group_sql, table, grouped_by, same), query.group_limit + 1)
        if len(rows) > query.group_limit:
            return Outcome((), (too_many(grouped_by, _spark.collected(session, distinct_sql(table, grouped_by))[0]),))
    return Outcome(groups_of(rows, grouped_by, query, roots))


@contextmanager
def _roots(session: Any, joins: _Joins, query: UsageQuery) -> Iterator[Any]:
    """What each number of a root stands for; the views `told` and `roots` are there meanwhile."""
    if not joins.traced:
        yield {}
        return
    _spark.view(session, "every", joins.every)
    with _spark.kept(session, "told", told_sql("every", fields_of(query))):
        _spark.frame(session, roots_sql("every", fields_of(query))).createOrReplaceTempView("roots")
        yield labels_by_number(query, _spark.collected(session, numbers_sql(query)))


@contextmanager
def _repeats(session: Any, joins: _Joins, query: UsageQuery) -> Iterator[str]:
    """What of Spark's views `found_repeats` says; where any row repeats others, `repeats` is there meanwhile."""
    if len(joins.exports) < 2:
        yield ""
        return
    rows = [f"export_{number}" for number, _ in enumerate(joins.exports)]
    for name, parts in zip(rows, joins.exports.values(), strict=True):
        _spark.view(session, name, parts)
    with ExitStack() as views:
        yield found_repeats(
            lambda name, sql: views.enter_context(_spark.kept(session, name, sql)),
            lambda sql: int(_spark.collected(session, f"SELECT count(*) FROM ({sql}) counted")[0][0]),
            dict(zip(joins.exports, rows, strict=True)),
            query,
        )


def _rows(session: Any, query: str, limit: int) -> list[tuple[Any, ...]] | None:
    """None where a sum is too large for its column's type: BIGINT, and 20 digits before the point of a decimal."""
    try:
        return _spark.collected(session, query, limit)
    except _spark.TooLarge:
        return None


def _wide_rows(session: Any, grouping: Any, limit: int) -> list[tuple[Any, ...]]:
    """The rows with the whole parts and the fractions of every quantity summed on their own, each with digits to spare."""
    whole = _spark.collected(session, grouping(added="sum(CAST({0} - {0} % 1 AS DECIMAL(38, 0)))"), limit)
    if len(whole) >= limit:
        return whole
    sums = len(STATED_SUMS)
    fractions = {row[:-sums]: row[-sums:] for row in _spark.collected(session, grouping(added="sum({0} % 1)"), limit)}
    with localcontext(EXACT):
        return [(*row[:-sums], *map(_added, STATED_SUMS, row[-sums:], fractions[row[:-sums]])) for row in whole]


def _added(name: str, whole: Any, fraction: Any) -> int | Decimal | None:
    if whole is None:
        return None
    return (
        Decimal(whole) + Decimal(fraction) if name in _DECIMALS else int(whole)
    )  # of a count of rows no fraction was taken
