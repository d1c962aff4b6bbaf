"""OpenCost's and Kubecost's allocations: the API's JSON (sets of name → allocation) and the CSV export of a day a row.

What a row costs is its `totalCost`, which holds the parts. `__idle__`, `__unallocated__` and `__unmounted__` are nobody's: they
have no team, and their name as a tag. What has no pod is known as a resource by its name, which is that of what was aggregated
by (`aggregate=label:team`), so that rules can say whose it is. Neither export says a currency: the cost is in USD. GPU hours are taken
where a label says which GPU it is (`nvidia.com/gpu.product`), and otherwise left to the cost. A window over two months is refused,
since nobody can say what of it was used in which.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Column, Reader, fixed, sql

_NAME = "name|data.key|Namespace"
_START = "start|window.start|Date"
_SKU = "|".join(
    f"properties.{labels}.{name}"
    for labels in ("labels", "nodeLabels")
    for name in ("nvidia_com_gpu_product", "gpu_product")
)
_TEAM = "properties.labels.team|properties.namespaceLabels.team|Label_team"
_END = "end|window.end"
_DAY = "regexp_full_match({0}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"
_NOBODY = "regexp_extract({0}, '__(idle|unallocated|unmounted)__')"

# a month begins up to 14 hours before or after that of UTC
_MONTH = "date_trunc('month', (TRY_CAST({0} AS TIMESTAMPTZ) AT TIME ZONE 'UTC') + INTERVAL 14 HOURS) + INTERVAL 1 MONTH"
_LONG = f"{_MONTH} + INTERVAL 14 HOURS < TRY_CAST({{1}} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
_TS = Column(
    (_START, _END),
    f"CASE WHEN {_LONG} THEN {{0}} || ' to ' || {{1}} WHEN {_DAY} THEN {{0}} || 'T00:00:00Z' ELSE {{0}} END",
    reason="is no time of the years 2000 to 2100, or a window over two months: ask for days (accumulate=false)",
)

_COST = Column(("totalCost",), "coalesce({0}, '(blank)')")  # an empty one is refused, never taken as 0

READER = Reader(
    title="OpenCost and Kubecost allocations (JSON, CSV)",
    grain="cost",
    needs=(_START, "totalCost", "cpuCost", "ramCost", "gpuCost"),
    places=Places(("data[]{}", "data[]", "")),
    columns={
        "ts": _TS,
        "team": sql(
            f"CASE WHEN coalesce({_NOBODY}, '') = '' THEN {{1}} END", _NAME, _TEAM
        ),
        "requests": fixed("0"),
        "gpu_sku": _SKU,
        "gpu_hours": sql("CASE WHEN {1} IS NOT NULL THEN {0} END", "gpuHours", _SKU),
        "billed_cost": _COST,
        "effective_cost": _COST,
        "billed_currency": fixed("USD"),
        "tag": sql(f"coalesce(nullif({_NOBODY}, ''), {{1}})", _NAME, "properties.labels|Labels"),
        "cluster": "properties.cluster|Cluster",
        "namespace": "properties.namespace|Namespace",
        "service": "properties.controller|ControllerName",
        "resource": sql(
            f"coalesce({{0}}, CASE WHEN {_NOBODY.replace('{0}', '{1}')} = '' THEN {{1}} END)",
            "properties.pod|properties.providerID|Pod", "name|data.key",
        ),
        "charge_category": fixed("Usage"),
    },
    m5="No tokens: a row is money, and GPU hours where a label names the GPU.",
)  # fmt: skip
