"""OpenRouter's daily export: a row a day and model (CSV). What goes over one's own keys (`BYOK Usage`) is billed elsewhere."""

from __future__ import annotations

from finledger.read.usage._declared import Reader, fixed
from finledger.read.usage._in_utc import in_utc

READER = Reader(
    title="OpenRouter daily activity (CSV)",
    grain="report",
    needs=("Date", "Slug", "Usage", "Requests", "Prompt Tokens", "Completion Tokens"),
    key=("Date", "Slug"),
    columns={
        "ts": in_utc("Date"),
        "provider": fixed("openrouter"),
        "model": "Slug",
        "requests": "Requests",
        "input_tokens": "Prompt Tokens",
        "output_tokens": "Completion Tokens",
        "reasoning_tokens": "Reasoning Tokens",
        "billed_cost": "Usage",
        "effective_cost": "Usage",
        "billed_currency": fixed("USD"),
    },
    m5="cached tokens are not told apart: they stand in Prompt Tokens; Completion Tokens includes the reasoning.",
)
