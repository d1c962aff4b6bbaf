"""OpenAI's costs as its API answers (organization/costs): pages of days with their results, one page or many in a file.

Group the request by line_item: without it a day is one sum, of no model.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Outcome
from finledger.core.provider import ProviderLine
from finledger.read.invoices._declared import Declared, changed, detected, first, fixed, read_declared
from finledger.read.invoices._export import Head
from finledger.read.invoices._figures import unix_day

DESCRIPTION = "OpenAI costs, as the API answers organization/costs (JSON)"
_ITEM = first("line_item")
DECLARED = Declared(
    needs=(("amount.value",), ("amount.currency",), ("bucket.start_time",)),
    provider=fixed("openai"),
    service=first("bucket.start_time"),
    read_day=unix_day,
    sku=changed(_ITEM, lambda item: item.partition(", ")[0]),
    description=changed(_ITEM, lambda item: item.partition(", ")[2]),
    quantities=((first("quantity"), first("quantity_unit")),),
    amount=first("amount.value"),
    currency=changed(first("amount.currency"), str.upper),
)


def detect(head: Head) -> bool:
    return detected(head, DECLARED)


def read(path: Path, shown_as: str) -> Outcome[tuple[ProviderLine, ...]]:
    return read_declared(path, shown_as, DECLARED)
