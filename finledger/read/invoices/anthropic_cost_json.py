"""Anthropic's cost report as its API answers (organizations/cost_report): amounts in cents, as texts.

Group the request by description: without it a day is one sum, of no model. A line is a model and a kind of token.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.core.provider import ProviderLine
from finledger.read.invoices._declared import Declared, changed, detected, first, fixed, read_declared
from finledger.read.invoices._export import Head

DESCRIPTION = "Anthropic cost report, as the API answers organizations/cost_report (JSON, amounts in cents)"
DECLARED = Declared(
    needs=(("amount",), ("currency",), ("bucket.starting_at",)),
    provider=fixed("anthropic"),
    service=first("bucket.starting_at"),
    sku=first("model", "cost_type"),
    description=first("token_type", "description"),
    amount=first("amount"),
    currency=changed(first("currency"), str.upper),
    minor_units=True,
)


def detect(head: Head) -> bool:
    return detected(head, DECLARED)


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    return read_declared(path, shown_as, DECLARED)
