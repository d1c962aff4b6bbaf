"""One source's report, exported again: costs of days that are loaded, with other amounts, or usage cut by other keys (C1, X4).

Rows of a report have no id of their own. A bill's rows are known by all that they say, so that one whose amount has changed
since looks new; a usage report that is asked for by key, and then by project, has no row in common with itself. Either would be
counted twice, and nothing in the rows says so: what is compared here is the days that two files of one source and format have.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from finledger.books.known_usage import staged_rows
from finledger.books.overlap import KEYS, Side
from finledger.core import usage
from finledger.core.model import StagedFile
from finledger.core.problem import Problem, SourceRef

# What says what a row of money is for; the rest is what it came to. `_BARE` is what hardly any export leaves out or adds later.
_WHAT = tuple(
    name
    for name in (*(column.name for column in usage.NATIVE if column.kind in ("text", "time")), *usage.LABELS)
    if name != "usage_id"
)
_BARE = (
    "ts", "provider", "account", "sub_account_id", "service", "sku", "resource", "region", "charge_category", "billed_currency"
)  # fmt: skip
_COST = "coalesce(billed_cost, effective_cost, 0)"
_CUT = (*KEYS, "model", "service_tier", "team", "end_user", "tag", "request_id", "region", "call_type")
LISTED = 5


@dataclass(frozen=True, slots=True)
class _Again:
    """Of a new file's `rows` on days that `old` files have: `known` are the same, `changed` say other amounts of the same."""

    rows: int
    known: int
    changed: int
    cost: str
    currency: str
    old: tuple[str, ...]


def exported_again(
    connection: duckdb.DuckDBPyConnection,
    staged: Sequence[StagedFile],
    pairs: Mapping[tuple[str, str], Sequence[int]],
    stored: Iterable[Side],
    grains: Mapping[str, str],
    names: Mapping[str, str],
) -> Iterator[Problem]:
    """A problem for each file that says again, otherwise, what an earlier one of its source and format says.

    `pairs`: the staged files, by position, that have rows of a source and format; the tables known_<position> say which of their
    records are known. `stored`: what the store has of the same months. `grains`: what a row of a format is. `names`: how files are
    called, by content hash.
    """
    before = {side.pair: side.near_rows for side in stored}
    for (source, format), numbers in sorted(pairs.items()):
        old = before.get((source, format))
        grain = grains.get(format, "request")
        if grain == "request" or (old is None and len(numbers) < 2):
            continue
        rows = _Rows(connection, source, old, numbers, staged)
        find = _costs if grain == "cost" else _reports
        yield from find(rows, names)


class _Rows:
    """The rows of one source and format: file 0 is what is stored, the staged ones are numbered from 1, in their order."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, source: str, stored: str | None, numbers: Sequence[int],
        staged: Sequence[StagedFile],
    ) -> None:  # fmt: skip
        self.connection, self.source = connection, source
        self.files = [staged[number] for number in numbers]
        self._stored, self._numbers = stored, numbers

    def selected(self, expressions: str) -> str:
        """SQL of `expressions` of every row, with its file's number and whether it is known from an earlier one."""
        parts = [f"SELECT 0 AS file, false AS known, file_sha256, {expressions} FROM {self._stored}"] if self._stored else []
        for place, (number, file) in enumerate(zip(self._numbers, self.files, strict=True), 1):
            parts.append(
                f"SELECT {place} AS file, record IN (SELECT record FROM known_{number}) AS known, file_sha256, {expressions} "
                f"FROM {staged_rows(self.connection, file, charged_only=True)} WHERE source = {_text(self.source)}"
            )
        return " UNION ALL ".join(parts)


def _costs(rows: _Rows, names: Mapping[str, str]) -> Iterator[Problem]:
    """Costs: half of the rows on common days are known, or say another amount for the same; and some are of the second kind."""
    connection = rows.connection
    what, bare = (
        "hash(" + ", ".join(f'"{name}"' for name in columns) + (f", {_COST}" if columns is _BARE else "") + ")"
        for columns in (_WHAT, _BARE)
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE said AS "
        + rows.selected(
            f"CAST(ts AS DATE) AS day, {what} AS what, {bare} AS bare, {_COST} AS cost, billed_currency AS currency"
        )
    )
    for name in ("day", "what", "bare"):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE first_{name} AS SELECT {name}, min(file) AS first_{name}, "
            f"min_by(file_sha256, file) AS old_{name} FROM said GROUP BY ALL HAVING count(*) > 1"
        )
    same = "coalesce(first_what < file, false) OR (cost <> 0 AND coalesce(first_bare < file, false))"
    found = connection.execute(
        f"SELECT file, count(*), count(*) FILTER (known), count(*) FILTER (NOT known AND ({same})), "
        f"CAST(coalesce(sum(cost) FILTER (NOT known AND ({same})), 0) AS VARCHAR), coalesce(min(currency), ''), "
        f"list_sort(list(DISTINCT old_day)) FROM said LEFT JOIN first_day USING (day) LEFT JOIN first_what USING (what) "
        "LEFT JOIN first_bare USING (bare) WHERE first_day < file GROUP BY file ORDER BY file"
    ).fetchall()
    for number, count, known, changed, cost, currency, old in found:
        again = _Again(count, known, changed, cost, currency, tuple(str(sha256) for sha256 in old))
        if again.changed and 2 * (again.known + again.changed) >= again.rows:
            yield _cost_problem(rows.files[number - 1], rows.source, again, names)


def _cost_problem(file: StagedFile, source: str, again: _Again, names: Mapping[str, str]) -> Problem:
    old = [names.get(sha256, sha256[:12]) for sha256 in again.old]
    cost = again.cost.rstrip("0").removesuffix(".") if "." in again.cost else again.cost
    return Problem(
        "costs-exported-again",
        f"{file.name} tells again of costs of {source} that {_listed(old)} {'has' if len(old) == 1 else 'have'}: on days that both "
        f"have, {again.known:,} of its {again.rows:,} rows are known and {again.changed:,} say other amounts of the same; "
        f"{cost} {again.currency} would be passed on twice",
        SourceRef(file.name),
        remedy=f"where it is a later export of the same report: {_replacing(file, again.old, names)}; where it is other cost, "
        f"load it as a source of its own: finledger load {shlex.quote(file.name)} --source {source}-2",
    )


def _reports(rows: _Rows, names: Mapping[str, str]) -> Iterator[Problem]:
    """Usage reports that are cut by other keys, or into other hours, and have the same day, model and whatever keys both are cut
    by."""
    connection = rows.connection
    keys = ", ".join(f'coalesce("{name}", \'\') AS "{name}"' for name in _CUT)
    tokens = " + ".join(f"coalesce({bucket}, 0)" for bucket in usage.TOKEN_BUCKETS)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE reported AS "
        + rows.selected(
            f"ts, CAST(ts AS DATE) AS day, CAST(ts AS TIME) AS time, coalesce(provider, '') AS provider, {tokens} AS tokens, {keys}"
        )
    )
    filled = ", ".join(f"max(\"{name}\") <> ''" for name in _CUT)
    cuts = connection.execute(
        f"SELECT file_sha256, min(file), count(DISTINCT time) > 1, {filled} FROM reported GROUP BY 1 ORDER BY 2, 1"
    ).fetchall()
    for sha256, number, hourly, *has in cuts:
        if not number:
            continue
        others = [cut for cut in cuts if cut[1] < number and (cut[2] != hourly or list(cut[3:]) != has)]
        for other, _, other_hourly, *other_has in others:
            shared = [name for name, mine, theirs in zip(_CUT, has, other_has, strict=True) if mine and theirs]
            found = _common(connection, sha256, other, ("ts" if hourly and other_hourly else "day", *shared))
            if found is not None:
                mine = _cut_by(hourly, other_hourly, has, other_has)
                theirs = _cut_by(other_hourly, hourly, other_has, has)
                yield _report_problem(rows.files[number - 1], rows.source, other, found, (mine, theirs), names)
                break


def _common(connection: duckdb.DuckDBPyConnection, new: str, old: str, shared: Sequence[str]) -> tuple[int, int] | None:
    """Days and tokens of what the new file has that the old one has too, by the `shared` columns; None where there is nothing."""
    same = " AND ".join(f'a."{name}" = b."{name}"' for name in ("provider", *shared))
    joined = connection.execute(
        "SELECT count(DISTINCT a.day), sum(a.tokens) FROM reported a WHERE NOT a.known AND a.tokens <> 0 AND "
        f"a.file_sha256 = {_text(new)} AND EXISTS (SELECT 1 FROM reported b WHERE {same} AND b.tokens <> 0 "
        f"AND b.file_sha256 = {_text(old)})"
    ).fetchone()
    return (int(joined[0]), int(joined[1])) if joined and joined[0] else None


def _cut_by(hourly: bool, other_hourly: bool, has: Sequence[bool], other_has: Sequence[bool]) -> str:
    """What the one is cut by and the other is not."""
    keys = [name for name, there, other in zip(_CUT, has, other_has, strict=True) if there and not other]
    width = ["hour" if hourly else "day"] if hourly != other_hourly else []
    return ", ".join((*width, *keys)) or "no other key"


def _report_problem(
    file: StagedFile, source: str, old: str, found: tuple[int, int], cuts: tuple[str, str], names: Mapping[str, str]
) -> Problem:
    days, tokens = found
    name = names.get(old, old[:12])
    return Problem(
        "report-cut-otherwise",
        f"{file.name} and {name} report the same usage of {source} ({days:,} day{'' if days == 1 else 's'}), this one by "
        f"{cuts[0]}, that one by {cuts[1]}: {tokens:,} tokens would be counted twice",
        SourceRef(file.name),
        remedy=f"keep the one with the keys that say whose usage it is: leave this one out, or {_replacing(file, [old], names)}; "
        f"where they are different usage, load one as a source of its own: --source {source}-2",
    )


def _replacing(file: StagedFile, old: Sequence[str], names: Mapping[str, str]) -> str:
    """The command that puts the file in the place of the old ones."""
    ways = [shlex.quote(names[sha256]) if sha256 in names and names[sha256] != file.name else sha256[:12] for sha256 in old]
    listed = " ".join(f"--replaces {way}" for way in ways[:LISTED]) + (" …" if len(ways) > LISTED else "")
    return f"finledger load {shlex.quote(file.name)} {listed}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return " and ".join(names[:LISTED]) + more


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
