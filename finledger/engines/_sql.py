"""The grouping as one portable SQL text: positional GROUP BY, sums of integers and decimals only, no product of money."""

from __future__ import annotations

from decimal import Decimal

from finledger.core.model import UsageQuery
from finledger.core.usage import GROUP_KEYS, SUCCESSFUL, SUMS, TOKEN_BUCKETS

_SUCCESSFUL = ", ".join(f"'{status}'" for status in SUCCESSFUL if status)

# Which costs a row states is two more keys, not a condition inside sums: a condition is evaluated for every row and costs
# half as much again as the whole grouping (measured; docs/decisions/0002).
COST_KEYS = ("effective_cost IS NULL", "billed_cost IS NULL")
STATED_SUMS = {
    "rows": "count(*)",
    "requests": "sum(requests)",
    "requests_stated": "count(requests)",
    "failed_calls": "sum(CASE WHEN status IS NULL THEN 0 "
    f"WHEN lower(status) IN ({_SUCCESSFUL}) THEN 0 ELSE coalesce(requests, 1) END)",
    **{bucket: f"sum({bucket})" for bucket in TOKEN_BUCKETS},
    "gpu_hours": "sum(gpu_hours)",
    "egress_gb": "sum(egress_gb)",
    "runs": "sum(runs)",
    "runs_completed": "sum(runs_completed)",
    "billed_cost": "sum(billed_cost)",
    "effective_cost": "sum(effective_cost)",
}


def group_sql(table: str, query: UsageQuery) -> str:
    """SELECT interval, keys, labels, cost keys, stated sums FROM table, without the rows that repeat others (rule C2)."""
    keys = [_interval(query), *(f'"{key}"' for key in (*GROUP_KEYS, *query.labels)), *COST_KEYS]
    columns = [*keys, *(f"{sql} AS {name}" for name, sql in STATED_SUMS.items())]
    positions = ", ".join(str(position) for position in range(1, len(keys) + 1))
    return f"SELECT {', '.join(columns)} FROM {table} WHERE NOT is_aggregate GROUP BY {positions}"


def _interval(query: UsageQuery) -> str:
    """The number of the interval that a row falls into; cuts of currency rates count only for rows in another currency."""
    soft = _case([(i.number, i.start) for i in query.intervals])
    hard = _case([(i.number, i.start) for i in query.intervals if not i.rates_only])
    if soft == hard:
        return f"{hard} AS interval_number"
    home = f"billed_currency IS NULL OR billed_currency = '{query.currency}'"
    return f"CASE WHEN {home} THEN {hard} ELSE {soft} END AS interval_number"


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
