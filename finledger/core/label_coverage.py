"""How much of a month's usage is labelled, in rows and in cost (rules A2, A6, A9): sums over groups, never over rows.

Cost is what `allocate` charges for the usage, taken apart by where it came from, so that it adds up to the charge lines to the
cent; where the month has no price for all of it, the provider's cost as exported; where there is none, nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from finledger.core.charge import gross_of
from finledger.core.currency import rate_at
from finledger.core.model import (
    POOL_PREFIX,
    UNALLOCATED,
    LineKey,
    MonthCharges,
    Organisation,
    OwnedGroup,
)
from finledger.core.money import Money, parts_of, zero
from finledger.core.problem import Outcome
from finledger.core.rate import Pricing, brought_by, rate
from finledger.core.usage import TOKEN_BUCKETS

ASPECTS = ("team", "cost_center", "feature", "action", "workload_type")
Basis = Literal["charges", "provider_cost", "rows"]
# why usage that states a team is unallocated all the same
_STATED = frozenset({"unknown team", "another team's cost centre"})


@dataclass(slots=True)
class Measured:
    """Sums of usage: rows, tokens, cost in the books' currency (None: not known), and of each aspect what has it."""

    rows: int = 0
    tokens: int = 0
    cost: Decimal | None = None
    rows_with: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ASPECTS, 0))
    cost_with: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(ASPECTS, Decimal(0)))

    def add(self, rows: int, tokens: int, cost: Decimal | None, found: Iterable[str]) -> None:
        self.rows += rows
        self.tokens += tokens
        if cost is not None:
            self.cost = cost if self.cost is None else self.cost + cost
        for name in found:
            self.rows_with[name] += rows
            if cost is not None:
                self.cost_with[name] += cost

    def plus(self, other: Measured) -> None:
        self.add(other.rows, other.tokens, other.cost, ())
        for name in ASPECTS:
            self.rows_with[name] += other.rows_with[name]
            self.cost_with[name] += other.cost_with[name]

    def share_of_rows(self, aspect: str) -> Fraction | None:
        return Fraction(self.rows_with[aspect], self.rows) if self.rows else None

    def share_of_cost(self, aspect: str) -> Fraction | None:
        """None where there is no cost. Credits can make it more than all, or less than nothing."""
        return Fraction(self.cost_with[aspect]) / Fraction(self.cost) if self.cost else None


def aspects(owned: OwnedGroup) -> tuple[str, ...]:
    """What of `ASPECTS` a group has: a team that is stated, a cost centre that is known on the day, and so on."""
    known = owned.team != UNALLOCATED
    has = {
        "team": known or owned.reason in _STATED,
        "cost_center": known,
        "feature": bool(owned.feature),
        "action": bool(owned.action),
        "workload_type": bool(owned.workload_type),
    }
    return tuple(name for name in ASPECTS if has[name])


def needs_feature(owned: OwnedGroup, organisation: Organisation) -> bool:
    """Whether usage is of a kind that serves a feature (A6): calls of a model, by an action, requests or tokens.

    GPU-hours, egress and costs passed through need none, nor does what the platform uses itself or what a pool shares out.
    """
    sums = owned.group.sums
    called = owned.action or sums["requests"] or any(sums[bucket] for bucket in TOKEN_BUCKETS)
    return bool(called) and owned.team != organisation.platform_team and not owned.team.startswith(POOL_PREFIX)


def tokens_of(owned: OwnedGroup) -> int:
    return sum(int(owned.group.sums[bucket]) for bucket in TOKEN_BUCKETS)


def charged(
    cells: Sequence[Sequence[OwnedGroup]], pricing: Pricing, known: MonthCharges | None = None
) -> Outcome[tuple[Money, ...]]:
    """What each cell's usage comes to at the book's prices, whoever funds it, seats and premiums left out.

    Each charge line is rounded once, and its amount taken apart by what the cells bring to it: the cells add up to the lines.
    Usage that the book does not price makes problems, as in `allocate` (P2). The platform's own use comes to nothing (C8).
    `known`: the month's charges, where it was charged by these very prices: its lines are not priced again.
    """
    organisation = pricing.organisation
    seatless = {name: replace(team, seats={}) for name, team in organisation.teams.items()}
    bare = replace(pricing, organisation=replace(organisation, teams=seatless))
    keys, complete = _keys(cells, bare)
    gross = {}
    if known is not None and complete:
        gross = {line.key: line.amount for line in known.lines} | {each.key: each.gross for each in known.disclosures}
    priced = ((group, of) for cell, each in zip(cells, keys, strict=True) for group, of in zip(cell, each, strict=True))
    rated = rate([group for group, of_group in priced if not of_group or not of_group <= gross.keys()], bare)
    if rated.errors:
        return Outcome((), rated.problems)
    terms = pricing.terms
    rounding = terms.rounding if terms is not None else "half_up"
    gross |= {each.key: gross_of(each, organisation.currency, rounding) for each in rated.rows if each.key not in gross}
    brought = _brought(cells, keys, bare)
    amounts = [0] * len(cells)
    for key, of_line in brought.items():
        amount = gross.get(key, zero(organisation.currency))
        parts = parts_of(amount, of_line) if len(of_line) > 1 else dict.fromkeys(of_line, amount)
        for number, part in parts.items():
            amounts[number] += part.minor
    return Outcome(tuple(Money(minor, organisation.currency) for minor in amounts))


Keys = Sequence[Sequence[Set[LineKey]]]  # of the lines that each group of each cell is a part of


def _keys(cells: Sequence[Sequence[OwnedGroup]], pricing: Pricing) -> tuple[Keys, bool]:
    """The lines that every group is a part of, and whether the book prices all of them."""
    complete, found = True, []
    for cell in cells:
        of_cell = []
        for group in cell:
            brought, missing = brought_by(group, pricing)
            of_cell.append({each.key for each in brought})
            complete = complete and not missing
        found.append(of_cell)
    return found, complete


def _brought(cells: Sequence[Sequence[OwnedGroup]], keys: Keys, pricing: Pricing) -> dict[LineKey, dict[int, Decimal]]:
    """What each cell brings to each line: its exact price, where more than one brings something; a line of one cell is its own."""
    found: dict[LineKey, dict[int, Decimal]] = {}
    for number, of_cell in enumerate(keys):
        for key in {key for of_group in of_cell for key in of_group}:
            found.setdefault(key, {})[number] = Decimal(0)
    several = {key for key, of_line in found.items() if len(of_line) > 1}
    for number, cell in enumerate(cells):
        sharing = [group for group, of_group in zip(cell, keys[number], strict=True) if not several.isdisjoint(of_group)]
        for line in rate(sharing, pricing).rows if sharing else ():
            if line.key in several:
                found[line.key][number] = line.exact
    return found


def provider_costs(cells: Sequence[Sequence[OwnedGroup]], pricing: Pricing) -> tuple[list[Decimal | None], frozenset[str]]:
    """What the providers' exports say each cell cost, in the books' currency, exactly; None where they say nothing.

    With it the currencies that have no rate on a day: what is in them is left out.
    """
    missing: set[str] = set()
    convert = _converter(pricing, missing)
    return [_cost(cell, pricing.organisation, convert) for cell in cells], frozenset(missing)


Convert = Callable[[Decimal, OwnedGroup], Decimal | None]


def _converter(pricing: Pricing, missing: set[str]) -> Convert:
    functional = pricing.organisation.currency

    def convert(cost: Decimal, owned: OwnedGroup) -> Decimal | None:
        billed = owned.group.keys["billed_currency"]
        if billed in ("", functional):
            return cost
        found = rate_at(pricing.rates, billed, functional, owned.day)
        if found is None:
            missing.add(billed)
            return None
        return cost * found.rate

    return convert


def _cost(cell: Iterable[OwnedGroup], organisation: Organisation, convert: Convert) -> Decimal | None:
    name = "effective_cost" if organisation.passthrough_basis == "effective" else "billed_cost"
    found: Decimal | None = None
    for owned in cell:
        stated = Decimal(owned.group.sums[name])
        cost = convert(stated, owned) if stated else None
        if cost is not None:
            found = cost if found is None else found + cost
    return found


def summed(measured: Iterable[tuple[Mapping[str, str], Measured]], by: Sequence[str]) -> dict[tuple[str, ...], Measured]:
    """Sums by some of the names that each measure goes under, sorted by these."""
    found: dict[tuple[str, ...], Measured] = {}
    for names, each in measured:
        found.setdefault(tuple(names[name] for name in by), Measured()).plus(each)
    return dict(sorted(found.items()))
