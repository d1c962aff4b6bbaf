"""Price the usage of a month, exactly and without rounding (rules P1-P4, C1-C3, C5, C6, C9, M6).

Groups are first brought to the grain of a charge line; then each line is priced once from its summed quantities. What the
price book does not price is a problem that says which line to add: never nothing, never the nearest price (P2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from finledger.core import unpriced
from finledger.core.currency import CurrencyRate, rate_at
from finledger.core.model import (
    OWN_PART,
    UNALLOCATED,
    Funding,
    LineKey,
    Operator,
    Organisation,
    OwnedGroup,
    PriceBook,
    RatedLine,
    Sku,
    Uplift,
)
from finledger.core.money import rounded_places
from finledger.core.operating import billed_action, billed_uplift
from finledger.core.period import Month
from finledger.core.pricebook import NO_UPLIFT, book_at, stack, uplift_on
from finledger.core.problem import Outcome, Problem
from finledger.core.unpriced import Gap, Gaps
from finledger.core.usage import TOKEN_BUCKETS

UNIT_PRICE_PLACES = 12
UNPRICED = "(unpriced)"
PER_MILLION = -6
METERS = (("action", "action", "calls"), ("gpu", "gpu_sku", "gpu_hours"), ("egress", "egress_sku", "egress_gb"))


@dataclass(slots=True)
class _Part:
    """What somebody else than the consumer operated of a line (A5)."""

    quantity: Decimal = Decimal(0)
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_BUCKETS, 0))


@dataclass(slots=True)
class _Line:
    """What is summed for one line before it is priced. `book` is None for what is charged at the provider's cost."""

    book: PriceBook | None
    quantity: Decimal = Decimal(0)
    failed: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_BUCKETS, 0))
    provider_cost: Decimal | None = Decimal(0)
    rules: set[tuple[str, int]] = field(default_factory=set)
    operated: dict[Operator, _Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pricing:
    """All that prices a month: the books, the organisation, the currency rates, whether gaps are let through."""

    month: Month
    organisation: Organisation
    books: Sequence[PriceBook]
    rates: Sequence[CurrencyRate] = ()
    allow_unpriced: bool = False

    @property
    def terms(self) -> PriceBook | None:
        """The book in force at the month's first instant: its rounding, shares and seats hold all month (rule P1)."""
        return book_at(self.books, self.month.first_day)


def rate(owned: Iterable[OwnedGroup], pricing: Pricing) -> Outcome[tuple[RatedLine, ...]]:
    """Rated lines of everybody's usage but the platform's own (C8), and of seats (C5), sorted by their keys."""
    lines: dict[LineKey, _Line] = {}
    gaps = Gaps()
    for group in owned:
        _add(group, pricing, lines, gaps)
    rated = [_price(key, line, pricing.organisation) for key, line in lines.items()]
    seats, seat_problems = _seats(pricing)
    problems = (*gaps.problems(pricing.allow_unpriced), *seat_problems)
    return Outcome(tuple(sorted((*rated, *seats), key=lambda line: line.key)), problems)


# ── from groups to lines ────────────────────────────────────────────────────────────────────────────────────────────────


class Brought(NamedTuple):
    """What a group brings to a line: a quantity of its meter or, to a line passed through, a cost in the books' currency.

    `book` prices it, None for what is charged at the provider's cost; `rate` is what converted that cost, if anything did.
    """

    key: LineKey
    quantity: int | Decimal
    book: PriceBook | None
    rate: CurrencyRate | None = None


Missing = tuple[Gap, int | Decimal]


def brought_by(group: OwnedGroup, pricing: Pricing) -> tuple[list[Brought], list[Missing]]:
    """The lines that a group is a part of, one for each meter it carries, or the pass-through line when it carries none.

    With it what the book does not price, and the quantity that needs it. The platform's own use is on no line (C8).
    """
    brought: list[Brought] = []
    missing: list[Missing] = []
    if group.team == pricing.organisation.platform_team:
        return brought, missing
    sums = group.group.sums
    book = book_at(pricing.books, group.day)
    meters = [(kind, item, name) for kind, key, name in METERS if (item := _item(group, kind, key))]
    for kind, item, name in meters:
        gap = _missing(kind, item, name, group, book, pricing.organisation)
        if gap is not None:
            missing.append(gap)
        else:
            brought.append(Brought(_line_key(group, pricing.month, kind, item, book), sums[name], book))
    if not group.action and sums["uncosted_tokens"]:
        missing.append((unpriced.no_meter(group.model), sums["uncosted_tokens"]))
    if not brought:
        _pass_through(group, pricing, brought, missing, residual=bool(meters))
    return brought, missing


def _add(group: OwnedGroup, pricing: Pricing, lines: dict[LineKey, _Line], gaps: Gaps) -> None:
    """Add a group to the lines that it is a part of."""
    brought, missing = brought_by(group, pricing)
    for gap, quantity in missing:
        gaps.add(gap, quantity, group)
    for each in brought:
        line = lines.setdefault(each.key, _Line(each.book))
        line.rules.update(group.rules)
        line.quantity += each.quantity
        if group.operator and each.key.team != UNALLOCATED:
            _add_operated(line, group, each)
        if each.key.kind == "action":
            sums = group.group.sums
            line.failed += int(sums["failed_calls"])
            for bucket in TOKEN_BUCKETS:
                line.tokens[bucket] += int(sums[bucket])
            alone = len(brought) + len(missing) == 1  # a row with another meter does not say what its tokens cost
            cost = _provider_cost(group, pricing) if alone else None
            line.provider_cost = None if cost is None or line.provider_cost is None else line.provider_cost + cost


def _add_operated(line: _Line, group: OwnedGroup, brought: Brought) -> None:
    part = line.operated.setdefault(Operator(group.operator, group.operator_cost_center), _Part())
    part.quantity += brought.quantity
    if brought.key.kind == "action":
        for bucket in TOKEN_BUCKETS:
            part.tokens[bucket] += int(group.group.sums[bucket])


def _item(group: OwnedGroup, kind: str, key: str) -> str:
    return group.action if kind == "action" else group.group.keys[key]


def _line_key(
    group: OwnedGroup, month: Month, kind: str, item: str, book: PriceBook | None, residual: bool = False
) -> LineKey:
    return LineKey(
        team=UNALLOCATED if residual else group.team,
        cost_center="" if residual else group.cost_center,
        feature=group.feature,
        item=item,
        workload_type=group.workload_type,
        model=group.model,
        kind=kind,
        price_version=book.name if book is not None else "",
        service_month=month,
        posting_month=month,
    )


def _pass_through(
    group: OwnedGroup, pricing: Pricing, brought: list[Brought], missing: list[Missing], residual: bool
) -> None:
    """Charge the provider's cost of a group that the book does not price, in the books' currency (C9, M6).

    `residual`: the group has a meter without a price, and the user lets such gaps through (P2): then the cost is
    unallocated, as "(unpriced)".
    """
    basis = "effective_cost" if pricing.organisation.passthrough_basis == "effective" else "billed_cost"
    cost = Decimal(group.group.sums[basis])
    if not cost or (residual and not pricing.allow_unpriced):
        return
    billed, functional = group.group.keys["billed_currency"], pricing.organisation.currency
    found = None
    if billed and billed != functional:
        found = rate_at(pricing.rates, billed, functional, group.day)
        if found is None:
            missing.append((unpriced.no_currency_rate(billed, functional, str(group.day)), cost))
            return
    item = UNPRICED if residual else ""
    book = None if residual else _uplifting(book_at(pricing.books, group.day), pricing.organisation)
    key = _line_key(group, pricing.month, "passthrough", item, book, residual)
    brought.append(Brought(key, cost if found is None else cost * found.rate, book, found))


def _uplifting(book: PriceBook | None, organisation: Organisation) -> PriceBook | None:
    """The book that a cost passed through belongs to: none, unless the book lists it among what carries the uplift (P3)."""
    if book is None or "passthrough" not in billed_uplift(book.uplift, organisation).applies_to:
        return None
    return book


def _provider_cost(group: OwnedGroup, pricing: Pricing) -> Decimal | None:
    """What the provider billed for a group of actions, in the books' currency; None where not all its tokens say so (X3)."""
    sums, billed = group.group.sums, group.group.keys["billed_currency"]
    functional = pricing.organisation.currency
    if sums["uncosted_tokens"]:
        return None
    if not sums["billed_cost"] or billed in ("", functional):
        return Decimal(sums["billed_cost"])
    found = rate_at(pricing.rates, billed, functional, group.day)
    return None if found is None else sums["billed_cost"] * found.rate


def _missing(
    kind: str, item: str, name: str, group: OwnedGroup, book: PriceBook | None, organisation: Organisation
) -> tuple[Gap, int | Decimal] | None:
    """The line of the book that a group needs and does not find, with the quantity that needs it (rule P2)."""
    sums = group.group.sums
    if book is None:
        return unpriced.no_book(str(group.day)), sums["rows"]
    if kind != "action":
        section = book.gpu if kind == "gpu" else book.egress
        unit = "GPU-hours" if kind == "gpu" else "GB"
        return None if item in section else (unpriced.no_sku(book, kind, item, unit), sums[name])
    action = book.actions.get(item)
    if action is None:
        return unpriced.no_action(book, item), sums["calls"]
    stated = action.pricing
    action, _ = billed_action(action, book.uplift, organisation, group.team)
    if action.pricing == "published":
        found = action.price_for(group.model)
        return None if found is not None else (unpriced.no_model_price(book, item, group.model), sums["calls"])
    if group.model not in book.models:
        return unpriced.no_model(book, item, group.model), sums["calls"]
    for bucket in TOKEN_BUCKETS:
        if sums[bucket] and bucket not in book.models[group.model].rates:
            return unpriced.no_bucket(book, group.model, bucket), sums[bucket]
    made = sums["calls"] - sums["failed_calls"]
    if stated == "published" and made > 0 and not any(sums[bucket] for bucket in TOKEN_BUCKETS):
        return unpriced.no_tokens(book, item, group.model), made
    return None


# ── from lines to prices ────────────────────────────────────────────────────────────────────────────────────────────────


def _price(key: LineKey, line: _Line, organisation: Organisation) -> RatedLine:
    book = line.book
    if book is None or key.kind == "passthrough":
        uplift = NO_UPLIFT if book is None else billed_uplift(book.uplift, organisation)
        weights = _uplifted("passthrough", line.quantity, uplift, "passthrough")
        exact = sum(weights.values(), Decimal(0))
        return _rated(key, line, "month", exact, exact, weights, quantity=Decimal(1))
    if key.kind != "action":
        uplift = billed_uplift(book.uplift, organisation)
        return _price_sku(key, line, (book.gpu if key.kind == "gpu" else book.egress)[key.item], uplift)
    action, uplift = billed_action(book.actions[key.item], book.uplift, organisation, key.team)
    if action.pricing == "metered":
        return _price_metered(key, line, action.funding, book, uplift)
    price = action.price_for(key.model)
    assert price is not None, "a line without a price is a gap"
    weights = _uplifted("base", price.base, uplift, "actions")
    exact, base = line.quantity * price.price, line.quantity * price.base
    return _rated(key, line, "action", price.price, exact, weights, action.funding, base=base)


def _price_metered(key: LineKey, line: _Line, funding: Funding, book: PriceBook, uplift: Uplift) -> RatedLine:
    """One exact product of all tokens; the unit price is the quotient, to look at (P4)."""
    base = token_cost(line.tokens, book, key.model)
    assert base is not None, "a line without a rate is a gap"
    weights = _uplifted("base", base, uplift, "actions")
    exact = sum(weights.values(), Decimal(0))
    calls = Fraction(line.quantity) or Fraction(1)
    unit_price = rounded_places(Fraction(exact) / calls, UNIT_PRICE_PLACES)
    costs = {who: token_cost(part.tokens, book, key.model) or Decimal(0) for who, part in line.operated.items()}
    operators = _shares(base, costs)
    return _rated(key, line, "action", unit_price, exact, weights, funding, base=base, operators=operators)


def _price_sku(key: LineKey, line: _Line, sku: Sku, uplift: Uplift) -> RatedLine:
    weights = _uplifted(key.kind, sku.rate, uplift, {"seat": "seats"}.get(key.kind, key.kind))
    unit_price = sum(weights.values(), Decimal(0))
    return _rated(key, line, sku.unit, unit_price, line.quantity * unit_price, weights)


def _rated(
    key: LineKey,
    line: _Line,
    unit: str,
    unit_price: Decimal,
    exact: Decimal,
    weights: Mapping[str, Decimal],
    funding: Funding = "consumer",
    quantity: Decimal | None = None,
    base: Decimal | None = None,
    operators: Mapping[Operator, Decimal] | None = None,
) -> RatedLine:
    book = line.book
    if operators is None:
        operators = _shares(line.quantity, {who: part.quantity for who, part in line.operated.items()})
    return RatedLine(
        key=key,
        quantity=line.quantity if quantity is None else quantity,
        unit=unit,
        unit_price=unit_price,
        exact=exact,
        weights=weights,
        funding=funding,
        token_cost=token_cost(line.tokens, book, key.model) if book is not None and any(line.tokens.values()) else None,
        failed=line.failed,
        tokens={bucket: count for bucket, count in line.tokens.items() if count},
        rules=tuple(sorted(line.rules)),
        base=base,
        provider_cost=line.provider_cost if key.kind == "action" else None,
        operators=operators,
    )


def _shares(whole: Decimal, operated: Mapping[Operator, Decimal]) -> dict[Operator, Decimal]:
    """The parts of `whole` that others operated, and the consumer's own; nothing where it was all its own (A5)."""
    return {OWN_PART: whole - sum(operated.values(), Decimal(0)), **operated} if operated else {}


def _uplifted(component: str, base: Decimal, uplift: Uplift, scope: str) -> dict[str, Decimal]:
    """The component prices of `base` with the stack on top where the book applies it (P3): only what is not zero."""
    parts = stack(base, uplift_on(uplift, scope))
    named = {component if name == "base" else name: price for name, price in parts.items() if name != "exact"}
    return {name: price for name, price in named.items() if price or name == component}


def token_cost(tokens: Mapping[str, int], book: PriceBook, model: str) -> Decimal | None:
    """What the tokens cost at the book's rates; None where a bucket that was used has no rate (X3, P2)."""
    rates = book.models[model].rates if model in book.models else {}
    cost = Decimal(0)
    for bucket, count in tokens.items():
        if count:
            if bucket not in rates:
                return None
            cost += rates[bucket] * count
    return cost.scaleb(PER_MILLION)


def _seats(pricing: Pricing) -> tuple[list[RatedLine], list[Problem]]:
    """Seats x monthly fee, also for a team without usage (C5), by the book at the month's first instant."""
    organisation, month, book = pricing.organisation, pricing.month, pricing.terms
    rated = []
    problems = []
    for team in sorted((each for each in organisation.teams.values() if each.seats), key=lambda team: team.name):
        day = team.first_day_in(month)
        for sku, count in sorted(team.seats.items()):
            if day is None or not count or team.name == organisation.platform_team:
                continue
            fee = book.seats.get(sku) if book is not None else None
            if book is None or fee is None:
                problems.append(unpriced.no_seat(book, team.name, sku, count))
                continue
            cost_center = team.cost_center.at(day) or ""
            key = LineKey(team.name, cost_center, "", sku, "", "", "seat", book.name, month, month)
            rated.append(_price_sku(key, _Line(book, Decimal(count)), fee, billed_uplift(book.uplift, organisation)))
    return rated, problems
