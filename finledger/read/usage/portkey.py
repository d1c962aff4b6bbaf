"""Portkey's log export (JSON lines, JSON, CSV): a row a call.

Portkey filters costs in cents and does not say in which unit it exports them. So `cost` is read only where `cost_currency`
spells the unit (`cents`, `USD cents`, `dollars`, `USD dollars`); a plain `USD` names the currency, not the unit, and the call
is priced by its tokens. A column map can read the cost of those who know.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Column, Reader, fixed, sql
from finledger.read.usage._in_utc import SUCCESS, in_utc

_UNIT = "lower(trim({1}))"


def _cost() -> Column:
    return sql(
        f"CASE WHEN {_UNIT} IN ('cents', 'usd cents', 'usd_cents') "
        "THEN CASE WHEN contains(lower({0}), 'e') THEN {0} || ' cents' ELSE {0} || 'e-2' END "
        f"WHEN {_UNIT} IN ('dollars', 'usd dollars', 'usd_dollars') THEN {{0}} END",
        "cost",
        "cost_currency",
    )


READER = Reader(
    title="Portkey log export (JSON lines, JSON, CSV)",
    grain="request",
    needs=("id", "created_at", "ai_org", "ai_model", "req_units", "res_units"),
    places=Places(("", "data[]")),
    columns={
        "usage_id": "id",
        "request_id": "id",
        "ts": in_utc("created_at"),
        "provider": "ai_org",
        "model": "ai_model",
        "requests": fixed("1"),
        "input_tokens": "req_units",
        "output_tokens": "res_units",
        "status": sql(SUCCESS, "response_status_code"),
        "user": sql("json_extract_string(CASE WHEN json_valid({0}) THEN {0} END, '$._user')", "metadata"),
        "prompt_id": "prompt_slug",
        "trace_id": "trace_id",
        "billed_cost": _cost(),
        "effective_cost": _cost(),
        "billed_currency": fixed("USD"),
        "call_type": "mode",
        "route": "request_url",
        "service": "config",
        "tag": "metadata",
    },
    total="total_units",
    m5="cached tokens are not told apart: they are priced as input where req_units counts them.",
)
