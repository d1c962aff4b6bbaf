"""OpenAI's costs: the dashboard's CSV and the pages of /organization/costs (CSV, JSON, JSON lines).

Money by day and line item; most books compare it only (`sources: {openai_costs: {role: reconcile}}`), since the tokens are
charged from another export. An amount is taken to 18 places. A day without costs is a row without any; a line item without an
amount is refused.
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._declared import Reader, fixed, sql, unix

_START, _END = "data.start_time|start_time", "data.end_time|end_time"
_AMOUNT, _CURRENCY = "amount_value|amount.value", "amount_currency|amount.currency"
# zeros at the end say nothing: the dashboard writes 30 decimals
_PLAIN = (
    "CASE WHEN contains({0}, '.') AND NOT contains(lower({0}), 'e') THEN rtrim({0}, '0') "
    "WHEN {0} IS NULL AND {1} IS NOT NULL THEN '(blank)' ELSE {0} END"
)
READER = Reader(
    title="OpenAI costs, dashboard and API (CSV, JSON, JSON lines)",
    grain="cost",
    needs=(_START, _END, _AMOUNT, _CURRENCY),
    places=Places(("data[].results|result[]", "results|result[]", "")),
    key=(_START, _END, "line_item", "project_id", "api_key_id", "user_id", "organization_id", "api_source", _CURRENCY),
    columns={
        "ts": unix(_START),
        "provider": fixed("openai"),
        "model": sql("CASE WHEN contains({0}, ', ') THEN regexp_extract({0}, '^(.*?), ', 1) END", "line_item"),
        "requests": fixed("0"),
        "billed_cost": sql(_PLAIN, _AMOUNT, "line_item"),
        "effective_cost": sql(_PLAIN, _AMOUNT, "line_item"),
        "billed_currency": sql("upper({0})", _CURRENCY),
        "sku": "line_item",
        "project": "project_id",
        "api_key": "api_key_id",
        "user": "user_id",
        "organization": "organization_id",
    },
    m5="money only: no tokens are taken from it.",
)
