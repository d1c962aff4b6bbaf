"""`require_feature`: usage that no feature label reaches is refused at the door (rule A6).

Rules give features when a month is charged, so a row is refused where neither it nor any rule in force on its day says one.
What needs a feature is a call of a model: a row with an action, its own or by a rule, with requests or with tokens. GPU-hours,
egress and costs passed through need none, nor does what the platform uses itself, what a pool shares out, or what a source
only compares. Rows are not looked at one by one: the rules are asked once for each combination of the fields they look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from finledger.core.classify import Rules
from finledger.core.model import POOL_PREFIX, Organisation
from finledger.core.period import instant
from finledger.core.usage import TOKEN_BUCKETS
from finledger.read.columns import literal, quoted
from finledger.read.copies import insert_rows, scan

REASON = (
    "is missing, and no rule in force on that day sets it (require_feature): write it into the export, or add a rule to "
    "finledger.yaml, and load the row in a new file"
)
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class FeatureNeed:
    """The rules that can spare a row: those that set a feature or an action, and a team where one sets the platform's or a
    pool's. `compared`: the sources that are never charged."""

    rules: Rules
    platform_team: str
    compared: frozenset[str]
    timezone: str

    @property
    def dates(self) -> tuple[date, ...]:
        """The days on which any of the rules begins or ends to hold."""
        found = {day for rule in self.rules.rules for day in (rule.start, rule.until) if day is not None}
        return tuple(sorted(found))

    def is_own(self, team: str) -> bool:
        """Whether usage of a team is the platform's own, or a pool's."""
        return team == self.platform_team or team.startswith(POOL_PREFIX)


def feature_need(organisation: Organisation) -> FeatureNeed | None:
    """What `require_feature` asks of rows; None where it is not set."""
    if not organisation.require_feature:
        return None
    rules = organisation.rules
    need = FeatureNeed(Rules(()), organisation.platform_team, frozenset(), organisation.timezone)
    fields = {"feature", "action"}
    if any(need.is_own(rule.set.get("team", "")) for rule in rules):
        fields.add("team")
    sparing = Rules([rule for rule in rules if fields & rule.set.keys()])
    compared = frozenset(name for name, source in organisation.sources.items() if source.role == "reconcile")
    return FeatureNeed(sparing, organisation.platform_team, compared, organisation.timezone)


def refuse_featureless(
    connection: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[str], need: FeatureNeed | None, source: str
) -> None:
    """Add to `late` and `marks` the rows that lack a feature and need one; those that are refused or do not count are left."""
    if need is None:
        return
    held = _wanting(connection, rows, columns, need, source)
    names = ("called", "cut", *(f"f_{number}" for number in range(len(held))))
    listed = ", ".join(names)
    connection.execute(f"CREATE OR REPLACE TABLE unsaid AS SELECT {listed} FROM wanting LIMIT 0")
    cursor = connection.cursor()
    days = (need.dates[0] - timedelta(days=1), *need.dates) if need.dates else (date.min,)
    asked = cursor.execute(f"SELECT DISTINCT {listed} FROM wanting")
    while batch := asked.fetchmany(_BATCH):
        insert_rows(connection, "unsaid", [row for row in batch if _lacks(need, held, row, days[row[1]])])
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE featureless AS SELECT record FROM wanting SEMI JOIN unsaid USING ({listed})"
    )
    # Remainders among them do not count either.
    connection.execute("DELETE FROM marks WHERE record IN (SELECT record FROM featureless)")
    connection.execute("INSERT INTO marks (record, fate) SELECT record, 'rejected' FROM featureless")
    connection.execute(f"INSERT INTO late SELECT record, 'feature', '', {literal(REASON)} FROM featureless")


def _lacks(need: FeatureNeed, held: Sequence[str], row: tuple[object, ...], day: date) -> bool:
    """Whether no rule gives rows of this combination a feature, and they need one."""
    texts = dict(zip(held, map(str, row[2:]), strict=True))
    rules = need.rules
    found = rules.matching(lambda name: texts.get(name, "")) & rules.in_force(day)
    if found & rules.setting("feature") or not (row[0] or found & rules.setting("action")):
        return False
    owners = rules.listed(found & rules.setting("team")) if not texts.get("team", "") else ()
    return not (owners and need.is_own(owners[0].set["team"]))


def _wanting(
    connection: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[str], need: FeatureNeed, source: str
) -> list[str]:
    """The table `wanting` of the rows without a feature, with what the rules look at; gives the names of these fields."""
    there = set(columns)
    origin = f"coalesce(source, {literal(source)})" if "source" in there else literal(source)
    held = [name for name in dict.fromkeys(("source", "team", *need.rules.looks_at)) if name in there or name == "source"]
    texts = [origin if name == "source" else f"coalesce({quoted(name)}, '')" for name in held]
    fields = "".join(f", {text} AS f_{number}" for number, text in enumerate(texts))
    counted = [name for name in ("requests", *TOKEN_BUCKETS) if name in there]
    called = " OR ".join(
        [*(["action IS NOT NULL"] if "action" in there else []), *(f"coalesce({name}, 0) > 0" for name in counted)]
    )
    where = ["faults IS NULL", "record NOT IN (SELECT record FROM marks WHERE fate <> 'remainder')"]
    if "feature" in there:
        where.append("feature IS NULL")
    if need.compared:
        where.append(f"{origin} NOT IN ({', '.join(map(literal, sorted(need.compared)))})")
    if "team" in there:
        own = f"team = {literal(need.platform_team)} OR starts_with(team, {literal(POOL_PREFIX)})"
        where.append(f"NOT coalesce({own}, false)")
    if not need.rules.setting("action"):
        where.append(f"({called or 'false'})")
    instants = [instant(day, need.timezone) for day in need.dates]
    cut = " + ".join(f"(ts >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S}')::INTEGER" for start in instants) or "0"
    connection.execute(
        f"CREATE OR REPLACE TABLE wanting AS SELECT record, ({called or 'false'}) AS called, ({cut}) AS cut{fields} "
        f"FROM {scan(rows)} WHERE {' AND '.join(where)}"
    )
    return held
