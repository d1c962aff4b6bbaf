"""Anthropic's costs as the console exports them: dollars, which it rounds to cents, with the models' display names."""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.core.provider import ProviderLine
from finledger.read.invoices._declared import Declared, detected, first, fixed, read_declared
from finledger.read.invoices._export import Head

DESCRIPTION = "Anthropic costs, exported from the console (CSV, dollars)"
DECLARED = Declared(
    needs=(("usage_date_utc",), ("cost_usd",), ("model",)),
    provider=fixed("anthropic"),
    service=first("usage_date_utc"),
    sku=first("model", "cost_type"),
    description=first("token_type", "usage_type"),
    amount=first("cost_usd"),
    currency=fixed("USD"),
)


def detect(head: Head) -> bool:
    return detected(head, DECLARED)


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    return read_declared(path, shown_as, DECLARED)
