"""OpenAI's costs as the dashboard exports them: a row a day, line item and project; a day without costs is an empty row.

A line item is a model and what was used of it ("gpt-large, input"): the SKU is the model, the description the rest.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.core.provider import ProviderLine
from finledger.read.invoices._declared import Declared, changed, detected, first, fixed, read_declared
from finledger.read.invoices._export import Head
from finledger.read.invoices._figures import unix_day

DESCRIPTION = "OpenAI costs, exported from the dashboard (CSV)"
_ITEM = first("line_item")
DECLARED = Declared(
    needs=(("amount_value",), ("amount_currency",), ("line_item",), ("start_time", "start_time_iso")),
    provider=fixed("openai"),
    service=first("start_time", "start_time_iso"),
    read_day=unix_day,
    sku=changed(_ITEM, lambda item: item.partition(", ")[0]),
    description=changed(_ITEM, lambda item: item.partition(", ")[2]),
    quantities=((first("quantity"), first("quantity_unit")),),
    amount=first("amount_value"),
    currency=changed(first("amount_currency"), str.upper),
)


def detect(head: Head) -> bool:
    return detected(head, DECLARED)


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    return read_declared(path, shown_as, DECLARED)
