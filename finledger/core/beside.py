"""What a document says beside its lines: the terms of its premiums and draw, and what others bore (rules Q2, B2, C4, C7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from finledger.core.history import History
from finledger.core.model import (
    MONEY_MOVES,
    BufferState,
    Central,
    EvalShare,
    Invoice,
    Organisation,
    PlatformCost,
    PriceBook,
)
from finledger.core.period import Month


@dataclass(frozen=True, slots=True)
class Beside:
    """The month's figures that stand on every document, or that one team's part is taken from.

    `terms` is the book in force at the month's first instant; `history` knows what earlier months charged.
    """

    terms: PriceBook | None = None
    buffer: BufferState | None = None
    history: History | None = None
    eval_share: EvalShare | None = None
    subsidies: Sequence[PlatformCost] = ()
    central: Sequence[Central] = ()


def put_beside(document: Invoice, beside: Beside, organisation: Organisation) -> Invoice:
    """The document with its team's draw, the months its credits are of, and what all documents of the month say."""
    terms = beside.terms
    quarter = document.month.quarter(organisation.fiscal_year_start).months(organisation.fiscal_year_start)
    decisions = beside.buffer.decisions if beside.buffer is not None else ()
    return replace(
        document,
        quality_terms=terms.quality if terms is not None else None,
        buffer_terms=terms.buffer if terms is not None else None,
        quarter_end=quarter[-1],
        credited=_credited(document, beside.history, [month for month in quarter if month < document.month]),
        draw=next((each for each in decisions if each.request.team == document.team), None),
        eval_share=beside.eval_share,
        subsidies=tuple(beside.subsidies),
        central=tuple(beside.central),
    )


def _credited(
    document: Invoice, history: History | None, earlier: Sequence[Month]
) -> tuple[tuple[str, tuple[Month, ...]], ...]:
    """The months whose coverage premium each credited feature gets back: those that charged one since its last credit (Q2)."""
    features = sorted({line.key.feature for line in document.lines if line.key.kind == "coverage_credit"})
    if history is None or not features:
        return ()
    left = [(month, history.premium_left((month,), document.stage in MONEY_MOVES)) for month in earlier]
    found = []
    for feature in features:
        months: list[Month] = []
        for month, amounts in left:
            amount = amounts.get((document.team, feature))
            if amount is not None and amount.minor < 0:
                months.clear()
            elif amount:
                months.append(month)
        found.append((feature, tuple(months)))
    return tuple(found)
