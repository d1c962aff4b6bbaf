"""What a quarter's end was made from, and the lines of the notes that it sends (rules B4, B5)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from finledger.books.events import Event
from finledger.core.explain import Fact
from finledger.core.explain_entries import QuarterFigures, quarter_facts
from finledger.core.model import ChargeLine
from finledger.core.money import Money, floored
from finledger.core.period import Month, Quarter
from finledger.core.quarter import Reserve, TrueUp
from finledger.core.settlement import lines_of
from finledger.workbench import Workbench
from finledger.workbench.quarters import settle


def quarter_figures(bench: Workbench, then: Workbench, quarter: Quarter, close: Event | None) -> QuarterFigures:
    """As the quarter's close wrote and sealed it; else the quarter is settled again, by the books `then`."""
    from finledger.write.quarter import quarter_json

    said = None if close is None else _sealed_figures(bench, quarter, close)
    if said is None:
        settled = settle(then, quarter)
        said = quarter_json(settled.end, settled.entries, settled.charges, (), ())
    return _figures(said)


def settlement_lines(then: Workbench, quarter: Quarter, figures: QuarterFigures, team: str) -> Sequence[ChargeLine]:
    """The lines of the team's note for the quarter."""
    lines = lines_of(quarter, figures.true_ups, figures.rebates, then.organisation)
    return [line for line in lines if line.key.team == team]


def settlement_facts(line: ChargeLine, figures: QuarterFigures) -> tuple[Fact, ...]:
    """A true-up from what was drawn and what would be, or a rebate from the fund's excess and the surcharges paid."""
    team, kind = line.key.team, line.key.kind
    if kind == "buffer_true_up":
        found = [each for each in figures.true_ups if (each.team, each.month) == (team, line.key.service_month)]
        return tuple(
            Fact("true_up", each.amount, None, (Fact("drawn", each.old), Fact("on_final_data", each.new))) for each in found
        )
    return quarter_facts({kind}, figures)


def draw_commands(bench: Workbench, figures: QuarterFigures, team: str) -> tuple[str, ...]:
    """The commands that explain the draws which were trued up."""
    months = dict.fromkeys(each.month for each in figures.true_ups if each.team == team)
    lines = ((month, each) for month in months for each in bench.ledger.charge_rows(month, team))
    draws = [(month, each.line_id) for month, each in lines if each.key.kind == "buffer_draw"]
    return tuple(f"finledger explain {month}/{team} {line}" for month, line in draws)


def _sealed_figures(bench: Workbench, quarter: Quarter, close: Event) -> dict[str, Any] | None:
    """The quarter's reconciliation.json, if it is there as it was sealed."""
    path = bench.root / "out" / str(quarter) / "reconciliation.json"
    content = path.read_bytes() if path.is_file() else b""
    sealed = {
        name: digest
        for event in bench.ledger.events("documents", str(quarter))
        if event.content["close"] == close.number
        for name, digest in event.content["files"]
    }
    if sealed.get(bench.shown(path)) != sha256(content).hexdigest():
        return None
    found: dict[str, Any] = json.loads(content)
    return found


def _figures(said: dict[str, Any]) -> QuarterFigures:
    def money(text: str) -> Money:
        return floored(Decimal(text), said["currency"])

    buffer = said["buffer"]
    rises = [
        TrueUp(
            Month.parse(each["month"]),
            each["team"],
            money(each["drawn"]),
            money(each["on_final_data"]),
            money(each["true_up"]),
        )
        for each in buffer["true_ups_by_draw"]
    ]
    return QuarterFigures(
        opening=money(buffer["opening"]),
        contributions=money(buffer["contributions"]),
        draws=money(buffer["draws"]),
        repayments=money(buffer["repayments"]),
        true_ups=tuple(rises),
        low=None if buffer["low"] is None else money(buffer["low"]),
        high=None if buffer["high"] is None else money(buffer["high"]),
        paid={each["team"]: money(each["contributions"]) for each in said["teams"]},
        rebates={team: money(text) for team, text in buffer["by_team"].items()},
        reserves=tuple(
            Reserve(name, *(money(each[part]) for part in ("opening", "added", "cost", "released")))
            for name, each in said["reserves"].items()
        ),
    )
