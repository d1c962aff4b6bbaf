"""Take a SKU's difference between invoice and metering apart, exactly, in the order that `reconcile` documents (rule X1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from itertools import pairwise

from finledger.core.period import Month
from finledger.core.provider import Metered, ProviderLine

UNCLASSIFIED = "unclassified"
ZERO = Fraction(0)
Key = tuple[str, str, Month]  # provider, SKU, service month


@dataclass(frozen=True, slots=True)
class Converted:
    """A line of an invoice in the books' currency: `booked` at the rate of its service month's end, `own` at the invoice's.

    `quantity` is in `unit`, one of ours. `slack`: what the provider's own rounding of the line can come to.
    """

    line: ProviderLine
    booked: Fraction
    own: Fraction
    slack: Fraction
    quantity: Fraction | None
    unit: str

    @property
    def content(self) -> tuple[object, ...]:
        """What is the same on a line that repeats this one."""
        line = self.line
        return (line.sku, line.description, line.quantity, line.unit, line.amount, line.currency)


@dataclass(slots=True)
class Cell:
    """A SKU of a provider in a service month: what was metered, its lines, and what the comparison has found of them.

    `kept` are the lines without those that repeat others.
    """

    is_usage: bool
    cost: Fraction = ZERO
    quantity: Fraction | None = ZERO
    unit: str = ""
    billed_by_rows: Fraction = ZERO
    has_rows: bool = False
    is_billed_in_part: bool = False
    lines: list[Converted] = field(default_factory=list)
    kept: list[Converted] = field(default_factory=list)
    timing: Fraction = ZERO
    timing_quantity: Fraction = ZERO

    def add_line(self, line: Converted) -> None:
        self.lines.append(line)
        self.kept.append(line)

    def add_metered(self, metered: Metered) -> None:
        unit = self.unit if self.is_metered else metered.unit
        if metered.quantity is None or self.quantity is None or metered.unit != unit:
            self.quantity = None
        else:
            self.quantity += Fraction(metered.quantity)
        self.unit = unit
        self.cost += Fraction(metered.cost)
        if metered.as_billed is None:
            self.is_billed_in_part = self.is_billed_in_part or bool(metered.cost)
        else:
            self.billed_by_rows += Fraction(metered.as_billed)
            self.has_rows = True

    @property
    def as_billed(self) -> Fraction | None:
        """What the provider's own rows say it billed; None where they do not cover all that was metered."""
        return self.billed_by_rows if self.has_rows and not self.is_billed_in_part else None

    @property
    def is_metered(self) -> bool:
        return bool(self.cost) or self.quantity is None or bool(self.quantity)

    @property
    def billed(self) -> Fraction:
        return added(line.booked for line in self.kept)

    @property
    def slack(self) -> Fraction:
        return added(line.slack for line in self.kept)

    @property
    def invoiced_quantity(self) -> tuple[Fraction, str] | None:
        """The lines' quantity and its unit; None where one that costs something states none, or they differ in unit."""
        counted = [line for line in self.kept if line.booked or line.quantity]
        units = {line.unit for line in counted}
        if len(units) > 1 or any(line.quantity is None for line in counted):
            return None
        whole = added(line.quantity or ZERO for line in counted)
        if not whole and self.billed:
            return None  # an amount for no quantity has no rate
        return whole, next(iter(units), "")

    @property
    def quantities(self) -> tuple[Fraction, Fraction] | None:
        """Metered and invoiced quantity, 0 for a side that is not there; None where the two cannot be compared."""
        invoiced = self.invoiced_quantity
        if invoiced is None or self.quantity is None or (self.cost and not self.quantity):
            return None
        if self.is_metered and invoiced[0] and invoiced[1] != self.unit:
            return None
        return self.quantity, invoiced[0]

    @property
    def contracted(self) -> Fraction | None:
        """The contracted rate of a unit; None where no quantity was metered."""
        return Fraction(self.cost) / self.quantity if self.quantity else None


def added(amounts: Iterable[Fraction]) -> Fraction:
    return sum(amounts, ZERO)


# ── duplicates ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def drop_duplicates(cell: Cell) -> None:
    """Take lines out of `kept` that stand in another invoice too, then those that stand twice in one.

    Equal lines need not be a mistake (two accounts, a fee by the day): they count as one only where the invoice lies nearer
    to what was metered without the others.
    """
    if not cell.is_usage:
        return
    groups: dict[tuple[object, ...], list[Converted]] = {}
    for line in cell.kept:
        groups.setdefault(line.content, []).append(line)
    equal = sorted((group for group in groups.values() if len(group) > 1), key=_largest_first)
    for group in equal:
        _drop(cell, _in_other_invoices(group))
    for group in equal:
        _drop(cell, _again_in_the_same(group, cell))


def _largest_first(group: list[Converted]) -> tuple[Fraction, str]:
    return -abs(group[0].booked), repr(group[0].content)


def _in_other_invoices(group: list[Converted]) -> list[Converted]:
    by_invoice: dict[str, list[Converted]] = {}
    for line in group:
        by_invoice.setdefault(line.line.invoice, []).append(line)
    first = min(
        by_invoice.values(), key=lambda lines: (-len(lines), lines[0].line.invoice_date or date.max, lines[0].line.invoice)
    )
    return [line for line in group if all(line is not kept for kept in first)]


def _again_in_the_same(group: list[Converted], cell: Cell) -> list[Converted]:
    seen: set[str] = set()
    again = []
    for line in group:
        if any(line is kept for kept in cell.kept):
            if line.line.invoice in seen:
                again.append(line)
            seen.add(line.line.invoice)
    return again


def _drop(cell: Cell, repeated: list[Converted]) -> None:
    quantities = cell.quantities
    if quantities is not None:
        over = quantities[1] - quantities[0]
        without = over - added(line.quantity or ZERO for line in repeated)
    else:
        over = cell.billed - cell.cost
        without = over - added(line.booked for line in repeated)
    if abs(without) < abs(over):
        cell.kept = [line for line in cell.kept if all(line is not each for each in repeated)]


# ── timing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def match_months(cells: Mapping[Key, Cell], arrived: set[tuple[str, Month]]) -> None:
    """Match what is over in one month with what lacks in the next, from the first month on, where both are invoiced."""
    months: dict[tuple[str, str], list[Month]] = {}
    for provider, sku, month in sorted(cells):
        if cells[provider, sku, month].is_usage and (provider, month) in arrived:
            months.setdefault((provider, sku), []).append(month)
    for (provider, sku), found in months.items():
        for month, following in pairwise(found):
            if following == month.next:
                _match(cells[provider, sku, month], cells[provider, sku, following])


def _match(one: Cell, other: Cell) -> None:
    here, there = one.quantities, other.quantities
    rates = (one.contracted or other.contracted, other.contracted or one.contracted)
    if here is not None and there is not None and None not in rates and _same_unit(one, other):
        open_here = here[1] - here[0] - one.timing_quantity
        open_there = there[1] - there[0]
        moved = _opposite(open_here, open_there)
        for cell, sign, contracted in ((one, 1, rates[0]), (other, -1, rates[1])):
            cell.timing_quantity += sign * moved
            cell.timing += sign * moved * (contracted or ZERO)
        return
    amounts = (one.billed - one.cost - one.timing, other.billed - other.cost)
    moved = _opposite(*amounts)
    # amounts alone do not tell timing from a rate that went up and down: it takes a month that has only one of the two sides
    one_sided = not (one.kept and one.is_metered and other.kept and other.is_metered)
    if (one_sided and 2 * abs(moved) >= max(map(abs, amounts))) or abs(added(amounts)) <= one.slack + other.slack:
        one.timing += moved
        other.timing -= moved


def _same_unit(one: Cell, other: Cell) -> bool:
    units = {cell.unit for cell in (one, other) if cell.is_metered and cell.unit}
    units |= {line.unit for cell in (one, other) for line in cell.kept if line.quantity}
    return len(units) <= 1


def _opposite(here: Fraction, there: Fraction) -> Fraction:
    """As much of `here` as `there` takes back."""
    if here * there >= 0:
        return ZERO
    return here if abs(here) <= abs(there) else -there


# ── classes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def classified(cell: Cell, tolerated: Fraction) -> tuple[dict[str, Fraction], str]:
    """The difference by class, with what is of none under `unclassified`; and why something is.

    `tolerated`: the difference that the provider's tolerance absorbs, in the books' currency.
    """
    found = {"currency": added(line.own - line.booked for line in cell.lines)}
    rest = cell.billed - cell.cost - cell.timing
    if not cell.is_usage:
        return {**found, "credit_tax_fee": rest}, ""
    found["duplicate"] = added(line.booked for line in cell.lines) - cell.billed
    found["timing"] = cell.timing
    quantities, contracted = cell.quantities, cell.contracted
    if not cell.kept:
        return {**found, "missing_from_invoice": rest}, ""
    if not cell.is_metered:
        return {**found, **_unmetered(cell, rest)}, ""
    if quantities is not None and contracted is not None:
        found["quantity"] = (quantities[1] - quantities[0]) * contracted - cell.timing
        return {**found, **_rate_or_rounding(rest - found["quantity"], cell)}, ""
    amounts, note = _by_amounts(cell, rest, tolerated)
    return {**found, **amounts}, note


def _unmetered(cell: Cell, rest: Fraction) -> dict[str, Fraction]:
    """Lines without metering: what was moved here from another month is missing there, and has a rate."""
    quantities = cell.quantities
    if quantities is None or not cell.timing_quantity:
        return {"missing_from_metering": rest}
    missing = cell.billed * (1 - Fraction(cell.timing_quantity) / quantities[1])
    return {"missing_from_metering": missing, **_rate_or_rounding(rest - missing, cell)}


def _by_amounts(cell: Cell, rest: Fraction, tolerated: Fraction) -> tuple[dict[str, Fraction], str]:
    if abs(rest) <= cell.slack:
        return {"rounding": rest}, ""
    if cell.as_billed is not None:
        rate = cell.as_billed - cell.cost
        left = rest - rate
        split = _rate_or_rounding(rate, cell)
        if abs(left) <= cell.slack:
            return {**split, "rounding": split.get("rounding", ZERO) + left}, ""
        return {**split, "quantity": left}, ""
    if abs(rest) <= tolerated:
        return {"rate": rest}, ""
    return {UNCLASSIFIED: rest}, _why_not(cell)


def _rate_or_rounding(residue: Fraction, cell: Cell) -> dict[str, Fraction]:
    return {"rounding" if abs(residue) <= cell.slack else "rate": residue}


def _why_not(cell: Cell) -> str:
    units = sorted({line.unit for line in cell.kept if line.quantity})
    if cell.quantity is None or (cell.cost and not cell.quantity):
        why = "the usage states no quantity that can be compared"
    elif units and None not in {line.quantity for line in cell.kept}:
        why = f"the invoice counts in {' and '.join(repr(unit) for unit in units)}, the usage in {cell.unit!r}"
    else:
        why = "the invoice states no quantity"
    return f"{why}, no rows of the provider say what it billed, and the tolerance is smaller than the difference"
