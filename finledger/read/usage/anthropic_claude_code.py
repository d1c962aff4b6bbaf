"""Anthropic's report of Claude Code: pages of /usage_report/claude_code, a row a day, person or key, terminal and model (JSON).

An API customer's tokens stand in the usage report as well, and its estimated cost on the bill: charge one of them, compare the
other. What a subscription covers is paid by its seats (rule C5), so that its rows cost 0.00, whatever the estimate; rules can tell
them by `service_tier`. The report counts sessions and no requests: price its actions `metered`.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Reader, cents, fixed, sql
from finledger.read.usage._in_utc import in_utc

_DAY, _ACTOR = "data.date|date", "data.actor|actor"
_KIND = "data.customer_type|customer_type"
_EMAIL, _KEY = "data.actor.email_address|actor.email_address", "data.actor.api_key_name|actor.api_key_name"
_ESTIMATE = cents("estimated_cost.amount")
_COST = sql(f"CASE WHEN {{1}} = 'subscription' THEN '0' ELSE {_ESTIMATE.template} END", *_ESTIMATE.names, _KIND)
READER = Reader(
    title="Anthropic Claude Code usage, pages by day (JSON, JSON lines)",
    grain="report",
    needs=(_DAY, _ACTOR, "model", "tokens", "estimated_cost"),
    places=Places(("data[].model_breakdown[]", "model_breakdown[]"), ("data.actor", "actor")),
    key=(
        _DAY, _EMAIL, _KEY, "data.organization_id|organization_id", _KIND, "data.subscription_type|subscription_type",
        "data.terminal_type|terminal_type", "model",
    ),
    columns={
        "ts": in_utc(_DAY),
        "provider": fixed("anthropic"),
        "call_type": fixed("claude_code"),
        "model": "model",
        "requests": fixed("0"),
        "input_tokens": "tokens.input",
        "cached_input_tokens": "tokens.cache_read",
        "cache_write_tokens": "tokens.cache_creation",
        "output_tokens": "tokens.output",
        "billed_cost": _COST,
        "effective_cost": _COST,
        "billed_currency": sql("upper({0})", "estimated_cost.currency"),
        "user": _EMAIL,
        "api_key_alias": _KEY,
        "organization": "data.organization_id|organization_id",
        "service_tier": _KIND,
        "service": "data.terminal_type|terminal_type",
    },
    m5="input, cache reads and cache writes stand apart; thinking is in the output.",
)  # fmt: skip
