"""What was shared out in a month, as FOCUS's origin charges: each with its parts, which come to it to the cent.

    a shared pool (A8)          its teams' lines + the platform's part, or what no driver could share out
    a reservation's idle (C6)   of a pool that all share: its users' lines + the platform's part
    an evaluation (C4)          the team's part + the platform's; with `eval_split: pooled` the month's whole evaluation

What a pool feeds on to a later one is part of that one's origin, so that no amount is counted twice. Corrections of closed
months and disputes' credits correct a row, not an origin, and are no part of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from finledger.core.invoice import is_of_posting, is_own
from finledger.core.model import UNALLOCATED, ChargeLine, Disclosure, LineKey, MonthCharges, Organisation, PriceBook
from finledger.core.money import EXACT, Money, rounded_places, split, total

RATIO_PLACES = 12
QUANTITY_PLACES = 12
# The units of what each driver weighs by; a driver that is not named here does not say what it counted.
_DRIVEN_BY = {
    "requests": "Requests", "tokens": "Tokens", "gpu_hours": "GPU-Hours", "shares": "Shares", "weights": "Weights",
    "even": "Teams",
}  # fmt: skip


class Part(NamedTuple):
    """A part of an origin. `bearer` "" = nobody: it could not be shared out. `line` None = the platform keeps it, uncharged.

    `driven`: what the part was weighed by, None where the method does not count anything.
    """

    bearer: str
    amount: Money
    line: ChargeLine | None
    driven: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """A charge before it was shared out: `quantity` of `unit` at `price`, of which `consumed` was used (None: none is).

    `like`: the line whose item, model and labels all its rows carry; None where it is of no one item. `team`: the sub account
    that it stands under. `reservation`: the id of the capacity of which it is the unused part.
    """

    origin_id: str
    method: str
    kind: str
    team: str
    name: str
    item: str
    quantity: Decimal
    unit: str
    price: Decimal
    parts: tuple[Part, ...]
    like: ChargeLine | None = None
    consumed: Decimal | None = None
    consumed_unit: str = ""
    driven_by: str = ""
    reservation: str = ""
    resource_type: str = ""

    @property
    def lines(self) -> tuple[ChargeLine, ...]:
        return tuple(part.line for part in self.parts if part.line is not None)

    @property
    def cost(self) -> Money:
        return total((part.amount for part in self.parts), self.parts[0].amount.currency)

    def ratios(self) -> tuple[Decimal, ...]:
        """Each part's share of the cost, as a decimal: they add up to 1 exactly, by largest remainder as money does (M3)."""
        whole = Money(10**RATIO_PLACES, self.cost.currency)  # 1, in units of the last place
        weights = {number: abs(part.amount.minor) for number, part in enumerate(self.parts)}
        shares = split(whole, weights, residual=0)
        return tuple(
            Decimal(shares[number].minor).scaleb(-RATIO_PLACES, EXACT).normalize(EXACT) for number in sorted(shares)
        )


def origins(charges: MonthCharges, organisation: Organisation) -> tuple[Origin, ...]:
    """Every origin that has a part, pools first, in the order in which they were shared out."""
    own = [line for line in charges.lines if is_own(line)]
    found = [
        *_pools(charges, own, organisation),
        *_idle(charges, own, organisation),
        *_evaluations(charges, own, organisation),
    ]
    return tuple(origin for origin in found if origin.parts)


def priced(quantity: Decimal, price: Decimal, amount: Money) -> tuple[Decimal, Decimal]:
    """Quantity and price whose product is the amount to the minor unit, the price not below zero.

    They are the line's own, unless the amount is only a part of them (a credit of a shared line): then the quantity that the
    amount pays for at that price.
    """
    if price < 0:
        quantity, price = -quantity, -price
    unit = Money(1, amount.currency).amount
    if abs(EXACT.subtract(EXACT.multiply(quantity, price), amount.amount)) <= unit:
        return quantity, price
    if price:
        return rounded_places(Fraction(amount.amount) / Fraction(price), QUANTITY_PLACES), price
    return at_cost(amount)


def at_cost(amount: Money) -> tuple[Decimal, Decimal]:
    """One of what costs the amount; what is below zero is one given back, since no price is."""
    return Decimal(-1 if amount.minor < 0 else 1), abs(amount.amount)


def is_part_of_gross(line: ChargeLine) -> bool:
    """Whether a shared-funded line is its team's part only: its quantity and price come to more than its amount (rule C1)."""
    if line.funding != "shared" or line.key.team == UNALLOCATED:
        return False
    return priced(line.quantity, line.unit_price, line.amount)[0] != line.quantity


def reservation_id(gpu_sku: str, holder: str) -> str:
    return f"reservation/{gpu_sku}/{holder or 'shared'}"


# ── pools ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def pool_method(driver: str) -> str:
    return "-".join(filter(None, ("pool", driver.replace("_", "-"))))


def _pools(charges: MonthCharges, own: Sequence[ChargeLine], organisation: Organisation) -> Iterator[Origin]:
    platform = organisation.platform_team
    for pool in charges.pools:
        weighed = pool.driver_quantities
        parts = [
            Part(line.key.team, line.amount, line, weighed.get(line.key.team))
            for line in own
            if line.key.kind == "shared" and line.key.item == pool.name
        ]
        if pool.residual:
            keeps = platform if weighed.get(platform) else ""  # where nobody weighed anything, it is nobody's
            parts.append(Part(keeps, pool.residual, None, weighed.get(platform) if keeps else None))
        quantity, price = at_cost(total((part.amount for part in parts), charges.currency))
        yield Origin(
            origin_id=f"pool/{pool.name}",
            method=pool_method(pool.driver),
            kind="shared",
            team=platform,
            name=f"shared pool {pool.name}",
            item=pool.name,
            quantity=quantity,
            unit="Months",
            price=price,
            parts=tuple(parts),
            driven_by=charges.currency if pool.driver == "charges" else _DRIVEN_BY.get(pool.driver, ""),
            resource_type="Shared pool",
        )


# ── idle capacity that all share ────────────────────────────────────────────────────────────────────────────────────────


def _idle(charges: MonthCharges, own: Sequence[ChargeLine], organisation: Organisation) -> Iterator[Origin]:
    platform = organisation.platform_team
    for each in charges.idle:
        if each.holder:
            continue
        lines = [ln for ln in own if ln.key.kind == "gpu_idle" and ln.key.item == each.gpu_sku and ln.key.team in each.parts]
        parts = [Part("" if line.key.team == UNALLOCATED else line.key.team, line.amount, line) for line in lines]
        if each.residual:
            parts.append(Part(platform if each.used else "", each.residual, None))
        if not parts:
            continue
        shared = total((part.amount for part in parts), charges.currency)
        # what went on into a pool with the hours that a pool's rows used is that pool's
        hours = rounded_places(Fraction(each.idle) * Fraction(shared.minor, each.amount.minor), QUANTITY_PLACES)
        yield Origin(
            origin_id=reservation_id(each.gpu_sku, ""),
            method="idle-used-hours",
            kind="gpu_idle",
            team=platform,
            name=f"idle {each.gpu_sku}",
            item=each.gpu_sku,
            quantity=hours,
            unit="GPU-Hours",
            price=_rate(each.gpu_sku, lines, charges.books, Fraction(each.amount.amount) / Fraction(each.idle)),
            parts=tuple(parts),
            like=lines[0] if lines else None,
            consumed=Decimal(0),
            consumed_unit="GPU-Hours",
            reservation=reservation_id(each.gpu_sku, ""),
            resource_type="GPU reservation",
        )


def _rate(gpu_sku: str, lines: Sequence[ChargeLine], books: Iterable[PriceBook], billed: Fraction) -> Decimal:
    """The rate that idle hours were charged at: a line's, else the month's first book's, else what the hours came to."""
    for line in lines:
        return line.unit_price
    found = next((book.gpu[gpu_sku].rate for book in books if gpu_sku in book.gpu), None)
    return found if found is not None else rounded_places(billed, QUANTITY_PLACES)


# ── evaluations ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def is_pooled(books: Sequence[PriceBook]) -> bool:
    return bool(books) and books[0].eval_split == "pooled"


def _evaluations(charges: MonthCharges, own: Sequence[ChargeLine], organisation: Organisation) -> Iterator[Origin]:
    lines = {line.key: line for line in own}
    told = [
        each
        for each in charges.disclosures
        if is_of_posting(each) and (each.key in lines or _is_shared(each, charges.books))
    ]
    if is_pooled(charges.books):
        yield from _pooled(told, lines, organisation.platform_team)
        return
    for each in told:
        line = lines.get(each.key)
        if line is None or not each.platform_share:
            continue
        quantity, price = priced(line.quantity, line.unit_price, each.gross)
        yield Origin(
            origin_id=f"evaluation/{line.line_id}",
            method="evaluation-share",
            kind="action",
            team=line.key.team,
            name=f"{line.key.item} {line.key.model}".strip(),
            item=line.key.item,
            quantity=quantity,
            unit="Actions",
            price=price,
            parts=(
                Part(line.key.team, each.paid, line),
                Part(organisation.platform_team, each.platform_share, None),
            ),
            like=line,
            consumed=quantity,
            consumed_unit="Actions",
        )


def _pooled(told: Sequence[Disclosure], lines: Mapping[LineKey, ChargeLine], platform: str) -> Iterator[Origin]:
    """The month's whole evaluation as one origin, of which each team's line is a part by its evaluation actions."""
    parts = [Part(each.key.team, each.paid, lines[each.key], each.quantity) for each in told if each.key in lines]
    if not parts:
        return
    currency = parts[0].amount.currency
    kept = total((each.platform_share for each in told), currency)
    quantity, price = at_cost(total((each.gross for each in told), currency))
    yield Origin(
        origin_id="evaluation/pooled",
        method="evaluation-pooled",
        kind="action",
        team=platform,
        name="evaluation",
        item="evaluation",
        quantity=quantity,
        unit="Months",
        price=price,
        parts=(*parts, Part(platform, kept, None)) if kept else tuple(parts),
        consumed=sum((each.quantity for each in told), Decimal(0)),
        consumed_unit="Actions",
        driven_by="Actions",
    )


def _is_shared(disclosure: Disclosure, books: Iterable[PriceBook]) -> bool:
    book = next((book for book in books if book.name == disclosure.key.price_version), None)
    action = None if book is None else book.actions.get(disclosure.key.item)
    return action is not None and action.funding == "shared"
