"""The native usage row: its columns, what each may hold, and how an engine sums them (rules M1, M4, M5).

Every reader turns an export into these columns. The store keeps all of them; `LABELS` are the export's own fields, kept so
that classification rules (A9) can be written, and changed, after loading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnKind = Literal["text", "time", "count", "quantity", "cost"]

# What a row of an export is: one call, span or response; a sum over a day or another bucket; money.
Grain = Literal["request", "report", "cost"]
GRAINS: tuple[Grain, ...] = ("request", "report", "cost")

# How a kind lies in the store: exact, in UTC, and the same for every engine.
STORED_AS: dict[str, str] = {
    "text": "VARCHAR",
    "time": "TIMESTAMP",
    "count": "BIGINT",
    "quantity": "DECIMAL(38,18)",
    "cost": "DECIMAL(38,18)",
}


@dataclass(frozen=True, slots=True)
class Column:
    """`count` is a whole number >= 0, `quantity` a decimal >= 0, `cost` a decimal of either sign (both <= 18 places)."""

    name: str
    kind: ColumnKind


NATIVE: tuple[Column, ...] = (
    Column("usage_id", "text"),
    Column("ts", "time"),
    Column("team", "text"),
    Column("cost_center", "text"),
    Column("workload_type", "text"),
    Column("model", "text"),
    Column("provider", "text"),
    Column("feature", "text"),
    Column("action", "text"),
    Column("requests", "count"),
    Column("input_tokens", "count"),
    Column("cached_input_tokens", "count"),
    Column("cache_write_tokens", "count"),
    Column("output_tokens", "count"),
    Column("reasoning_tokens", "count"),
    Column("gpu_sku", "text"),
    Column("gpu_hours", "quantity"),
    Column("gpu_busy_hours", "quantity"),
    Column("egress_sku", "text"),
    Column("egress_gb", "quantity"),
    Column("runs", "count"),
    Column("runs_completed", "count"),
    Column("status", "text"),
    Column("environment", "text"),
    Column("cohort", "text"),
    Column("user", "text"),
    Column("prompt_id", "text"),
    Column("trace_id", "text"),
    Column("span_id", "text"),
    Column("parent_span_id", "text"),
    Column("operator_team", "text"),
    Column("billed_cost", "cost"),
    Column("effective_cost", "cost"),
    Column("billed_currency", "text"),
    Column("source", "text"),
)

# The export's own fields that a classification rule may look at, beside the native columns (rule A9). `tag` holds a list.
LABELS: tuple[str, ...] = (
    "call_type",
    "route",
    "api_key",
    "api_key_alias",
    "project",
    "workspace",
    "organization",
    "end_user",
    "tag",
    "account",
    "sub_account_id",
    "sub_account_name",
    "service",
    "sku",
    "resource",
    "region",
    "namespace",
    "charge_category",
    "charge_class",
    "request_id",
    "service_tier",
    "cluster",
    "agent",
)

WORKLOAD_TYPES = ("training", "inference", "notebook", "evaluation")
TOKEN_BUCKETS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
# What a parent span said of each bucket, where the store has only what it holds beyond its children (C2); empty in other rows.
WHOLE_TOKENS = tuple(f"whole_{bucket}" for bucket in TOKEN_BUCKETS)

# What an engine groups by, before the labels that rules look at and the interval, and what it sums. `calls` is `requests`
# with 1 where empty; `failed_calls` are those of rows whose status says so; `uncosted_tokens` are the four buckets of rows
# without a provider cost (rule P2); `measured_gpu_hours` are the GPU-hours of rows that say how busy the GPUs were (U1).
GROUP_KEYS: tuple[str, ...] = (
    "source",
    "team",
    "cost_center",
    "feature",
    "action",
    "workload_type",
    "model",
    "gpu_sku",
    "egress_sku",
    "billed_currency",
)
SUMS: tuple[str, ...] = (
    "rows",
    "calls",
    "failed_calls",
    "requests",
    *TOKEN_BUCKETS,
    "gpu_hours",
    "gpu_busy_hours",
    "measured_gpu_hours",
    "egress_gb",
    "runs",
    "runs_completed",
    "uncosted_tokens",
    "billed_cost",
    "effective_cost",
)
SUCCESSFUL = ("", "success", "succeeded", "ok", "completed", "200")
