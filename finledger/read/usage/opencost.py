"""OpenCost's and Kubecost's allocations: the API's JSON (sets of name → allocation) and the CSV export of a day a row.

What a row costs is its `totalCost`, which holds the parts. `__idle__`, `__unallocated__` and `__unmounted__` are nobody's: they
have no team, and their name as a tag. Neither export says a currency: the cost is in USD. GPU hours are taken where a label says
which GPU it is (`nvidia.com/gpu.product`), and otherwise left to the cost.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Reader, fixed, sql

_NAME = "name|data.key|Namespace"
_START = "start|window.start|Date"
_SKU = "|".join(
    f"properties.{labels}.{name}"
    for labels in ("labels", "nodeLabels")
    for name in ("nvidia_com_gpu_product", "gpu_product")
)
_TEAM = "properties.labels.team|properties.namespaceLabels.team|Label_team"
_DAY = "regexp_full_match({0}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"
_NOBODY = "regexp_extract({0}, '__(idle|unallocated|unmounted)__')"

READER = Reader(
    title="OpenCost and Kubecost allocations (JSON, CSV)",
    grain="cost",
    needs=(_START, "totalCost", "cpuCost", "ramCost", "gpuCost"),
    places=Places(("data[]{}", "data[]", "")),
    columns={
        "ts": sql(f"CASE WHEN {_DAY} THEN {{0}} || 'T00:00:00Z' ELSE {{0}} END", _START),
        "team": sql(
            f"CASE WHEN coalesce({_NOBODY}, '') = '' THEN {{1}} END", _NAME, _TEAM
        ),
        "requests": fixed("0"),
        "gpu_sku": _SKU,
        "gpu_hours": sql("CASE WHEN {1} IS NOT NULL THEN {0} END", "gpuHours", _SKU),
        "billed_cost": "totalCost",
        "effective_cost": "totalCost",
        "billed_currency": fixed("USD"),
        "tag": sql(f"coalesce(nullif({_NOBODY}, ''), {{1}})", _NAME, "properties.labels|Labels"),
        "cluster": "properties.cluster|Cluster",
        "namespace": "properties.namespace|Namespace",
        "service": "properties.controller|ControllerName",
        "resource": "properties.pod|properties.providerID|Pod",
        "charge_category": fixed("Usage"),
    },
    m5="No tokens: a row is money, and GPU hours where a label names the GPU.",
)  # fmt: skip
