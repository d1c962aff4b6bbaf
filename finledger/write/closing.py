"""What closing a period comes to, as rows and as JSON: its figures, every condition, its seal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from finledger.core.close import Waiver
from finledger.core.model import MonthCharges
from finledger.core.money import Money, rounded_places, total, zero
from finledger.core.problem import Problem
from finledger.core.provider import DIFFERENCES
from finledger.core.provider_close import ProviderClose
from finledger.write.figures import plain
from finledger.write.quarter import problem_row

COLUMNS = ("condition", "what", "waived by")


def condition_rows(unmet: Iterable[Problem], waived: Iterable[Waiver]) -> list[list[str]]:
    """Each condition that is not met; and what was waived, by whom and why."""
    rows = [[each.code, each.message, ""] for each in unmet]
    return rows + [[each.condition, each.reason, each.name] for each in waived]


def month_figures(charges: MonthCharges, providers: ProviderClose) -> list[tuple[str, Money]]:
    """What a controller looks at before a month is closed, as (what, amount): of invoices, those that this month posts."""
    currency = charges.currency
    posted: dict[str, Money] = {}
    for posting in (posting for entry in providers.entries for posting in entry.postings):
        posted[posting.component] = posted.get(posting.component, zero(currency)) + posting.amount
    own = [line for line in charges.lines if line.key.service_month == charges.month]
    late = [line for line in charges.lines if line.key.service_month != charges.month]
    rows = [
        ("charged, all teams and unallocated", total((line.amount for line in own), currency)),
        ("unallocated", charges.unallocated),
        ("posted for earlier months", total((line.amount for line in late), currency)),
        ("draws on the buffer", charges.buffer.draws),
        ("the buffer holds", charges.buffer.closing),
        ("invoiced by providers", -posted.get("provider_payable", zero(currency))),
        ("accrued, not invoiced yet", total((each.amount for each in providers.accruals), currency)),
        ("difference of invoices, classified", total((posted.get(name, zero(currency)) for name in DIFFERENCES), currency)),
        ("difference of invoices, unclassified", total((row.unclassified for row in providers.rows), currency)),
    ]
    return [(name, amount) for name, amount in rows if amount or name.startswith(("charged", "unallocated", "difference"))]


def month_json(
    charges: MonthCharges,
    providers: ProviderClose,
    unmet: Sequence[Problem],
    waived: Sequence[Waiver],
    notices: Sequence[Problem],
) -> dict[str, Any]:
    """The JSON of `close --month`, schema 1."""
    return {
        "schema": 1,
        "month": str(charges.month),
        "currency": charges.currency,
        "figures": {name: str(amount) for name, amount in month_figures(charges, providers)},
        "unallocated": {
            "amount": str(charges.unallocated),
            "share": plain(rounded_places(charges.unallocated_share, 6)),
        },
        "accrued": [
            {"provider": each.provider, "service_month": str(each.service_month), "amount": str(each.amount)}
            for each in providers.accruals
        ],
        **conditions_json(unmet, waived, notices),
    }


def conditions_json(unmet: Sequence[Problem], waived: Sequence[Waiver], notices: Sequence[Problem]) -> dict[str, Any]:
    return {
        "problems": [problem_row(each) for each in unmet],
        "waived": [{"condition": each.condition, "name": each.name, "reason": each.reason} for each in waived],
        "notices": [problem_row(each) for each in notices],
    }


def seal_row(number: int, root: str, already: bool) -> dict[str, Any]:
    """The close as a program sees it: `already` when this command did nothing."""
    return {"close": number, "root": root, "already": already}
