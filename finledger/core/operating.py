"""The three models of operation: what each prices to teams, and what it funds centrally instead (rule C7).

`platform_led` bills the book as it stands. The others bill the same book in their own way, so that a set of books changes
its model by one word: `finops_led` meters every action at cost, `it_led` adds the overhead and funds the rest centrally.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from finledger.core.model import (
    POOL_PREFIX,
    UNALLOCATED,
    ActionClass,
    ChargeLine,
    Disclosure,
    Organisation,
    Price,
    PriceBook,
    Uplift,
)
from finledger.core.pricebook import stack, uplift_on

PLATFORM_LED, FINOPS_LED, IT_LED = "platform_led", "finops_led", "it_led"
MODELS = (PLATFORM_LED, FINOPS_LED, IT_LED)
NONE = Decimal(0)

# what `applies_to` calls a kind of line (rule P3); the first component of every line but an action's is its kind
SCOPES = {"action": "actions", "seat": "seats"}


def billed_uplift(uplift: Uplift, organisation: Organisation) -> Uplift:
    """What is stacked on base cost in the organisation's model of operation."""
    if organisation.operating_model == PLATFORM_LED:
        return uplift
    overhead = uplift.overhead if organisation.operating_model == IT_LED else NONE
    return replace(uplift, overhead=overhead, registry=NONE, buffer=uplift.buffer if organisation.buffer_priced else NONE)


def billed_action(action: ActionClass, uplift: Uplift, organisation: Organisation, owner: str) -> tuple[ActionClass, Uplift]:
    """How the model of operation bills a class to `owner`, and the uplift on it.

    Away from platform_led, what the consumer does not fund is funded centrally: it is disclosed at the book's own price,
    and not billed. Usage of nobody and of pools, which is never disclosed, is priced as a consumer's.
    """
    if organisation.operating_model == PLATFORM_LED:
        return action, uplift
    if action.funding != "consumer" and owner != UNALLOCATED and not owner.startswith(POOL_PREFIX):
        return replace(action, funding="platform"), uplift
    billed = billed_uplift(uplift, organisation)
    if organisation.operating_model == FINOPS_LED:
        return replace(action, pricing="metered", price=None, by_model={}), billed
    by_model = {model: _adder(price, billed) for model, price in action.by_model.items()}
    price = None if action.price is None else _adder(action.price, billed)
    return replace(action, price=price, by_model=by_model), billed


def _adder(price: Price, uplift: Uplift) -> Price:
    """Base and overhead, not rounded: the published price has the registry and the surcharge in it."""
    return Price(price.base, stack(price.base, uplift_on(uplift, "actions"))["exact"])


def centrally_funded(
    lines: Iterable[ChargeLine], disclosures: Iterable[Disclosure], books: Sequence[PriceBook], organisation: Organisation
) -> dict[str, Decimal]:
    """What the model does not price to teams, by component, exact: nothing in platform_led.

    `eval` is the gross of all that is disclosed; `overhead`, `registry` and `buffer` are what the book would have stacked on
    the base cost that the teams were charged.
    """
    if organisation.operating_model == PLATFORM_LED:
        return {}
    funded = {"eval": sum((each.platform_share.amount for each in disclosures), NONE)}
    for uplift, base in _bases(lines, {book.name: book for book in books}):
        whole, charged = stack(base, uplift), stack(base, billed_uplift(uplift, organisation))
        for component in ("registry", "buffer"):
            if not charged[component]:
                funded[component] = funded.get(component, NONE) + whole[component]
        if organisation.operating_model == FINOPS_LED:
            funded["overhead"] = funded.get("overhead", NONE) + whole["overhead"]
    return funded


def _bases(lines: Iterable[ChargeLine], books: dict[str, PriceBook]) -> Iterable[tuple[Uplift, Decimal]]:
    """The teams' base cost that carries an uplift, by version of the book."""
    bases: dict[str, Decimal] = {}
    for line in lines:
        kind, version = line.key.kind, line.key.price_version
        if version not in books or line.key.team == UNALLOCATED:
            continue
        if SCOPES.get(kind, kind) in books[version].uplift.applies_to:
            component = "base" if kind == "action" else kind
            base = sum((part.amount for name, part in line.components if name == component), NONE)
            bases[version] = bases.get(version, NONE) + base
    return [(books[version].uplift, base) for version, base in sorted(bases.items())]
