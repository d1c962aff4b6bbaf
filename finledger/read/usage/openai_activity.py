"""OpenAI's old activity export: a row a model, user and time (CSV)."""

from __future__ import annotations

from finledger.read.usage._declared import Reader, fixed, unix

READER = Reader(
    title="OpenAI activity export, before 2025 (CSV)",
    grain="report",
    needs=("n_requests", "n_context_tokens_total", "n_generated_tokens_total", "timestamp"),
    key=("timestamp", "organization_id", "operation", "usage_type", "model", "user"),
    columns={
        "ts": unix("timestamp"),
        "provider": fixed("openai"),
        "call_type": "operation",
        "route": "usage_type",
        "model": "model",
        "requests": "n_requests",
        "input_tokens": "n_context_tokens_total",
        "output_tokens": "n_generated_tokens_total",
        "organization": "organization_id",
        "user": "user",
    },
    m5="cached tokens are not told apart: they stand in the context tokens, and are priced as input.",
)
