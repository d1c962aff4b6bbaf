"""The FOCUS files of a month as they lie there, held against the ledger and against themselves (rule X4).

What was billed of each line is the ledger's. List and contracted cost are price x quantity of their own row, or what was billed
where there is no price. The rows of an origin come to what they all say that it cost, the platform's part among them: this one
is no charge, so the ledger has no line of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from finledger.core.model import UNALLOCATED, ChargeLine
from finledger.core.money import EXACT
from finledger.core.problem import Problem
from finledger.core.tie_out import Figure, Finding, differs, held_against, line_amounts, line_figure
from finledger.read.written import Row, amount_of, read_rows, unread
from finledger.workbench.tie_files import Files, again

_BILLED = ("BilledCost", "EffectiveCost")
_LISTED = {"ListCost": "ListUnitPrice", "ContractedCost": "ContractedUnitPrice"}
_NEEDED = (
    *_BILLED, *_LISTED, *_LISTED.values(), "PricingQuantity", "x_CostCenter", "x_LineId", "x_OriginCost", "x_OriginId", "x_Team",
)  # fmt: skip


# prices and quantities have more places than money has
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


def focus_ties(files: Files, lines: Sequence[ChargeLine]) -> Iterator[Finding]:
    from finledger.write.focus import VERSIONS, file_name

    for version in VERSIONS:
        path = files.folder / file_name(version)
        content = files.read(path)
        if content is not None:
            yield from _file(content, files.shown(path), lines, again("allocate", files.period))


def _file(content: bytes, name: str, lines: Sequence[ChargeLine], remedy: str) -> Iterator[Finding]:
    outcome = read_rows(content, name, _NEEDED)
    yield from outcome.problems
    expected = line_amounts(lines)
    charged = [row for row in outcome.rows if row.cells["x_LineId"]]
    for column in _BILLED:
        figures: list[Figure] = []
        for row in charged:
            cells = row.cells
            line = line_figure(cells["x_LineId"], cells["x_Team"] or UNALLOCATED, cells["x_CostCenter"])
            amount = amount_of(cells[column])
            if amount is None:
                yield unread(row.where, f"{column} {cells[column]!r} is no amount", row.excerpt)
            else:
                figures.append(Figure(f"{column} of {line}", amount, row.where, row.excerpt))
        named = {f"{column} of {what}": amount for what, amount in expected.items()}
        law = f"{column} in {name} = charge lines" if column == _BILLED[0] else ""  # both are alike: one is listed
        yield from held_against(name, figures, named, remedy, law)
    for row in outcome.rows:
        yield from _products(row, remedy)
    yield from _origins(outcome.rows, remedy)


def _products(row: Row, remedy: str) -> Iterator[Problem]:
    cells = row.cells
    if not cells["x_LineId"] and cells["EffectiveCost"] != cells["BilledCost"]:
        yield differs(row.where, f"EffectiveCost {cells['EffectiveCost']} is not BilledCost", remedy, row.excerpt)
    for column, price in _LISTED.items():
        stated = _number(cells[column])
        if stated is None:
            yield unread(row.where, f"{column} {cells[column]!r} is no amount", row.excerpt)
            continue
        factors = [_number(cells[each]) for each in ("PricingQuantity", price)]
        known = [each for each in factors if each is not None]
        cost = EXACT.multiply(*known) if len(known) == len(factors) else amount_of(cells["BilledCost"])
        if stated != cost:
            said = f"{column} {stated} is not {price} x PricingQuantity, or what was billed where there is no price"
            yield differs(row.where, said, remedy, row.excerpt)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _origins(rows: Iterable[Row], remedy: str) -> Iterator[Problem]:
    by_origin: dict[str, list[Row]] = {}
    for row in rows:
        if row.cells["x_OriginId"]:
            by_origin.setdefault(row.cells["x_OriginId"], []).append(row)
        elif not row.cells["x_LineId"]:
            yield differs(row.where, "a row of no charge line and of no origin", remedy, row.excerpt)
    for origin, parts in by_origin.items():
        cost = sum((amount_of(row.cells["BilledCost"]) or Decimal(0) for row in parts), Decimal(0))
        stated = {amount_of(row.cells["x_OriginCost"]) for row in parts}
        if stated != {cost}:
            for row in parts:
                said = f"the rows of {origin} come to {cost}, and x_OriginCost says {row.cells['x_OriginCost']}"
                yield differs(row.where, said, remedy, row.excerpt)
