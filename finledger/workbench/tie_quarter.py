"""What a quarter's reconciliation.json says of the fund and the reserves, held against the postings (rules B1, Q2, P3, X4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from finledger.core.accounts import FUNDS
from finledger.core.money import Money
from finledger.core.period import Quarter
from finledger.core.problem import SourceRef
from finledger.core.roll_forward import RollForward, roll_forward
from finledger.core.tie_out import Finding, differs
from finledger.read.written import Lines, amount_of, read_object, unread
from finledger.workbench import Workbench
from finledger.workbench.posted import posted

# Where the file has the figures of each role's account.
_PLACES = {role: ("buffer",) if role == "buffer_fund" else ("reserves", role) for role in FUNDS}


def quarter_ties(bench: Workbench, quarter: Quarter, read: Callable[[Path], bytes | None]) -> Iterator[Finding]:
    """Opening and closing of the fund and of each reserve, what was rebated and released: a problem for each that differs."""
    path = bench.root / "out" / str(quarter) / "reconciliation.json"
    content = read(path)
    if content is None or bench.ledger.current_run(quarter) is None:
        return
    name = path.relative_to(bench.root).as_posix()
    outcome = read_object(content, name)
    yield from outcome.problems
    if outcome.problems:
        return
    places, found = Lines(content, name), posted(bench, quarter)
    rolls = {roll.role: roll for roll in roll_forward(found.before, found.stretches, str(quarter))}
    for role, place in _PLACES.items():
        for figure, minor in _figures(role, rolls.get(role)).items():
            expected = Money(minor, bench.organisation.currency).amount
            stated = _stated(outcome.rows, (*place, figure))
            if stated is None:
                yield unread(SourceRef(name), f"{' '.join((*place, figure))} is missing, or no amount")
            elif stated != expected:
                where, excerpt = places.find(*(f'"{part}":' for part in (*place, figure)))
                said = f"{figure} of the {role.replace('_', ' ')} is {stated} in the file, and {expected} by the postings"
                remedy = (
                    f"run `finledger reconcile --quarter {quarter}` again, after its months if they changed; where the file "
                    "was changed by hand, ask why"
                )
                yield differs(where, said, remedy, excerpt)


def _figures(role: str, roll: RollForward | None) -> dict[str, int]:
    """By the file's names, in minor units."""
    taken, component = ("rebates", "buffer_rebate") if role == "buffer_fund" else ("released", role)
    if roll is None:
        return {"opening": 0, "closing": 0, taken: 0}
    less = dict(roll.whole.reductions)
    return {"opening": roll.whole.opening, "closing": roll.whole.closing, taken: less.get(component, 0)}


def _stated(figures: Mapping[str, Any], path: tuple[str, ...]) -> Decimal | None:
    found: Any = figures
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    return amount_of(found)
