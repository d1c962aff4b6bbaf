"""What each kind of charge line is in FOCUS's words: its charge category, its frequency, and the service it is of."""

from __future__ import annotations

from typing import NamedTuple

from finledger.core.compound import RELIEF
from finledger.core.model import ChargeLine


class Kind(NamedTuple):
    """`prefix` keeps the SKUs of different sections of the price book apart; `meter` is what is counted."""

    category: str
    frequency: str
    service: str
    service_category: str
    service_subcategory: str
    prefix: str
    meter: str


_AI = "AI and Machine Learning"
_ACTIONS = ("AI actions", _AI, "Generative AI", "action", "Actions")
_HOURS = ("GPU capacity", "Compute", "Other (Compute)", "gpu", "GPU hours")
_QUALITY = ("Quality pricing", _AI, f"Other ({_AI})", "action", "Actions")
_SHARED_CALLS = ("Compound calls", _AI, f"Other ({_AI})", "action", "Actions")
_FUND = ("Bursting buffer", "Management and Governance", "Cost Management", "buffer", "Buffer")
KINDS = {
    "action": Kind("Usage", "Usage-Based", *_ACTIONS),
    "gpu": Kind("Usage", "Usage-Based", *_HOURS),
    # what a reservation costs is owed each month whether anything ran on it or not
    "gpu_idle": Kind("Usage", "Recurring", *_HOURS),
    "egress": Kind("Usage", "Usage-Based", "Data egress", "Networking", "Other (Networking)", "egress", "Data egress"),
    "passthrough": Kind("Usage", "Usage-Based", "Providers at cost", _AI, "AI Platforms", "cost", "Provider cost"),
    "seat": Kind("Purchase", "Recurring", "Seats", _AI, "AI Platforms", "seat", "Seats"),
    "shared": Kind("Purchase", "Recurring", "Shared services", _AI, "AI Platforms", "pool", "Shared service"),
    "coverage_premium": Kind("Adjustment", "One-Time", *_QUALITY),
    "freshness_premium": Kind("Adjustment", "One-Time", *_QUALITY),
    "coverage_credit": Kind("Credit", "One-Time", *_QUALITY),
    "compound_relief": Kind("Adjustment", "One-Time", *_SHARED_CALLS),
    "compound_share": Kind("Adjustment", "One-Time", *_SHARED_CALLS),
    "buffer_draw": Kind("Credit", "One-Time", *_FUND),
    "buffer_rebate": Kind("Credit", "One-Time", *_FUND),
    "buffer_repayment": Kind("Adjustment", "One-Time", *_FUND),
    "buffer_true_up": Kind("Adjustment", "One-Time", *_FUND),
}
PRICED = frozenset({"Usage", "Purchase"})
UNITS = {"action": "Actions", "gpu_hour": "GPU-Hours", "GB": "GB", "GiB": "GiB", "seat": "Seats", "month": "Months"}


def kind_of(line: ChargeLine) -> str:
    """The line's kind; of a dispute's credit that of the line which it gives back, as its item or its components say (L4)."""
    if line.key.kind != "adjustment":
        return line.key.kind
    if line.key.item.endswith(f"/{RELIEF}"):
        return RELIEF
    return next((name for name, _ in line.components if name in KINDS), "action")
