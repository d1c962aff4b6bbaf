"""The grouping as one portable SQL text: positional GROUP BY, sums of integers and decimals only, no product of money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from finledger.core.model import UsageQuery
from finledger.core.usage import GROUP_KEYS, SUCCESSFUL, SUMS, TOKEN_BUCKETS

_SUCCESSFUL = ", ".join(f"'{status}'" for status in SUCCESSFUL if status)
_FAILED = "CASE WHEN status IS NULL THEN 0 WHEN lower(status) IN ({successful}) THEN 0 ELSE {calls} END"
IS_FAILED = f"coalesce(lower(status) NOT IN ('', {_SUCCESSFUL}), false)"

# Which costs a row states is two more keys, not a condition inside sums: a condition is evaluated for every row and costs
# half as much again as the whole grouping (measured; docs/decisions/0002).
COST_KEYS = ("effective_cost", "billed_cost")
SUMMED = (
    "requests", *TOKEN_BUCKETS, "gpu_hours", "gpu_busy_hours", "egress_gb", "runs", "runs_completed", "billed_cost",
    "effective_cost",
)  # fmt: skip
_MEASURED = "CASE WHEN gpu_busy_hours IS NOT NULL THEN gpu_hours END"
STATED_SUMS = ("rows", "requests_stated", "failed_calls", "measured_gpu_hours", *SUMMED)


def group_sql(
    table: str, query: UsageQuery, constants: Mapping[str, str | None] = MappingProxyType({}), *, added: str = "sum({0})"
) -> str:
    """SELECT interval, keys, labels, cost keys, stated sums FROM table, without the rows that repeat others (rule C2).

    `constants` names columns that hold the same value in every row, None for nothing. They are not read, which saves up to
    a third of the time where an export has few columns, and changes no sum. `added`: how a quantity is added up.
    """
    empty = {name for name, value in constants.items() if value is None}
    keys = [interval_sql(query)]
    keys += [_literal(constants[key]) if key in constants else f'"{key}"' for key in (*GROUP_KEYS, *query.labels)]
    keys += ["true" if key in empty else f"{key} IS NULL" for key in COST_KEYS]
    failed = _FAILED.format(successful=_SUCCESSFUL, calls="1" if "requests" in empty else "coalesce(requests, 1)")
    sums = [
        "count(*)",
        "0" if "requests" in empty else "count(requests)",
        "0" if "status" in empty else added.format(f"({failed})"),
    ]
    sums.append("NULL" if empty & {"gpu_hours", "gpu_busy_hours"} else added.format(f"({_MEASURED})"))
    sums += ["NULL" if name in empty else added.format(name) for name in SUMMED]
    fixed = ("NULL", "true", *(_literal(value) for value in constants.values()))
    grouped = [str(position) for position, key in enumerate(keys, 1) if key not in fixed]
    wanted = [*([] if constants.get("is_aggregate") == "false" else ["NOT is_aggregate"]), *only_sql(query)]
    where = f"WHERE {' AND '.join(wanted)} " if wanted else ""
    return f"SELECT {', '.join(keys + sums)} FROM {table} {where}GROUP BY {', '.join(grouped)}"


def only_sql(query: UsageQuery) -> list[str]:
    """The conditions of `query.only`, in the form that a Parquet scan can skip rows by."""
    found = []
    for name, values in query.only:
        stated = ", ".join(_literal(value) for value in values)
        found.append(f'("{name}" IN ({stated}) OR "{name}" IS NULL)' if "" in values else f'"{name}" IN ({stated})')
    return found


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def interval_sql(query: UsageQuery) -> str:
    """The number of the interval that a row falls into; cuts of currency rates count only for rows in another currency."""
    soft = _case([(i.number, i.start) for i in query.intervals])
    hard = _case([(i.number, i.start) for i in query.intervals if not i.rates_only])
    if soft == hard:
        return hard
    home = f"billed_currency IS NULL OR billed_currency = '{query.currency}'"
    return f"CASE WHEN {home} THEN {hard} ELSE {soft} END"


def _case(cuts: list[tuple[int, object]]) -> str:
    if len(cuts) == 1:
        return str(cuts[0][0])
    later = [f"WHEN ts >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S}' THEN {number}" for number, start in reversed(cuts[1:])]
    return f"CASE {' '.join(later)} ELSE {cuts[0][0]} END"


def derived_sums(stated: dict[str, int | Decimal], no_effective: bool, no_billed: bool) -> dict[str, int | Decimal]:
    """The sums of `usage.SUMS` from the stated ones of rows that all state the same costs.

    A row without `requests` is one call; a row that states one cost only has it for both; tokens are without a cost where
    neither is stated.
    """
    tokens = sum(int(stated[bucket]) for bucket in TOKEN_BUCKETS)
    return {
        **{name: stated[name] for name in SUMS if name in stated},
        "calls": stated["requests"] + stated["rows"] - stated["requests_stated"],
        "uncosted_tokens": tokens if no_effective and no_billed else 0,
        "billed_cost": stated["effective_cost"] if no_billed else stated["billed_cost"],
        "effective_cost": stated["billed_cost"] if no_effective else stated["effective_cost"],
    }
