"""What a charge line is made of, as facts that a person can look up: each has a value, and a file and line where it stands.

Here are the lines that usage and seats make, back to their price, the rules that gave the usage its labels, and the groups of
rows that were added up. Lines that follow from other lines are in explain_derived.py. Facts are of the books as they are now;
whether that is what was recorded is for the reader of both to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from finledger.core.allocate import stating_book
from finledger.core.label import CONSUMER, ROOT
from finledger.core.model import (
    UNALLOCATED,
    Allocation,
    ChargeLine,
    Check,
    Disclosure,
    LineKey,
    Organisation,
    OwnedGroup,
    PriceBook,
    RatedLine,
    Rule,
    Seal,
    Sku,
    Uplift,
)
from finledger.core.money import EXACT, Money
from finledger.core.operating import IT_LED, SCOPES, billed_action, billed_uplift
from finledger.core.pricebook import uplift_on
from finledger.core.problem import Problem, SourceRef
from finledger.core.rate import PER_MILLION, UNPRICED, Brought, Pricing, brought_by
from finledger.core.usage import TOKEN_BUCKETS

Value = str | int | Decimal | Fraction | Money | None
Only = tuple[tuple[str, tuple[str, ...]], ...]
RATED = frozenset({"action", "gpu", "egress", "passthrough"})
OWNERS_SHOWN = 20
NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is so, where it stands, and what it is made of. `alike`: the parts are a list, each of them named."""

    name: str
    value: Value = None
    where: SourceRef | None = None
    parts: tuple[Fact, ...] = ()
    alike: bool = False


def terminating(value: Fraction) -> Decimal | Fraction:
    """An amount as a decimal where it is one, with every digit; else the fraction that it is.

    >>> terminating(Fraction(29601, 200)), terminating(Fraction(1, 3))
    (Decimal('148.005'), Fraction(1, 3))
    """
    places = 0
    while 10**places % value.denominator:
        places += 1
        if places > 3 * value.denominator.bit_length():
            return value
    return Decimal(value.numerator * (10**places // value.denominator)).scaleb(-places, EXACT)


@dataclass(frozen=True, slots=True)
class SourceRows:
    """The stored rows of a line: how many, whether they add up to it, and the first: where each stands, and its columns.

    `included`: what seats include of their sums. `every` gives all of them, one after another, up to a limit.
    """

    count: int
    checks: tuple[Check, ...]
    first: tuple[tuple[str, Mapping[str, Any]], ...]
    included: Mapping[str, Decimal] = field(default_factory=dict)
    every: Callable[[int], Iterator[tuple[str, Mapping[str, Any]]]] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A line of a document with its facts. `run` is the recorded run that it was taken from, None where there is none;
    `fresh` the amount of the same line by the books as they are now or, where its month is closed, by what that close sealed
    (`seal`); None where they have no such line. `see`: the commands that explain what it stands on.
    """

    document: str
    kind: Literal["invoice", "note", "statement", "month"]
    line: ChargeLine
    run: int | None
    fresh: Money | None
    facts: tuple[Fact, ...]
    rows: SourceRows | None = None
    problems: tuple[Problem, ...] = ()
    seal: Seal | None = None
    see: tuple[str, ...] = ()


# ── which rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def columns_of(key: LineKey, organisation: Organisation) -> Only:
    """What every row of a line has in its columns, so that other rows need not be grouped: its own value, or nothing where
    a rule sets that value. Rows of other lines may have it too.

    Of nobody's usage the team is anything, and so it is where operators pay for what others caused (A5). What seats include
    is counted over a team's whole use of a class (C5).
    """
    if key.kind == "passthrough" and key.item == UNPRICED:
        return ()
    wanted = {"team": key.team, "feature": key.feature, "workload_type": key.workload_type, "model": key.model}
    if key.team == UNALLOCATED or organisation.compound_calls == "owner_pays":
        del wanted["team"]
    if organisation.operating_model == IT_LED and key.kind == "action":
        wanted = {name: value for name, value in wanted.items() if name == "team"}
    if key.kind in ("action", "passthrough"):
        wanted["action"] = key.item
    columns = {name: exported_as(name, value, organisation.rules) for name, value in wanted.items()}
    if key.kind in ("gpu", "passthrough"):
        columns["gpu_sku"] = (key.item,)
    if key.kind in ("egress", "passthrough"):
        columns["egress_sku"] = (key.item,)
    return tuple(columns.items())


def evaluation_columns(books: Iterable[PriceBook], organisation: Organisation) -> Only:
    """What every row of a class that is shared has in its columns: all that a month's pooled evaluation is split over (C4)."""
    names = sorted({name for book in books for name, action in book.actions.items() if action.funding == "shared"})
    exported = {value for name in names for value in exported_as("action", name, organisation.rules)}
    return (("action", tuple(sorted(exported))),)


def team_columns(team: str, organisation: Organisation) -> Only:
    """What the rows of a team, or of a pool, have in the column `team`."""
    return (("team", exported_as("team", team, organisation.rules)),)


def exported_as(name: str, value: str, rules: Iterable[Rule]) -> tuple[str, ...]:
    """What a column can hold where a label is `value`: that, or nothing where a rule sets it."""
    by_rule = value and any(rule.set.get(name) == value for rule in rules)
    return (value, "") if by_rule else (value,)


@dataclass(frozen=True, slots=True)
class LineSource:
    """A group that is a part of a line: as it was loaded, as it is billed (less what seats include), and what it brings."""

    owned: OwnedGroup
    billed: OwnedGroup
    brought: Brought


def sources_of(
    key: LineKey, owned: Sequence[OwnedGroup], billed: Sequence[OwnedGroup], pricing: Pricing
) -> tuple[LineSource, ...]:
    """The groups that the line is made of, by the very mapping that prices them."""
    return tuple(
        LineSource(loaded, left, brought)
        for loaded, left in zip(owned, billed, strict=True)
        for brought in brought_by(left, pricing)[0]
        if brought.key == key
    )


def measures_of(kind: str, organisation: Organisation) -> tuple[str, ...]:
    """What is added up of the rows of such a line, as the sums of a group are called."""
    basis = "effective_cost" if organisation.passthrough_basis == "effective" else "billed_cost"
    return {
        "action": ("calls", "failed_calls", *TOKEN_BUCKETS),
        "gpu": ("gpu_hours",),
        "egress": ("egress_gb",),
        "passthrough": (basis,),
    }.get(kind, ())


def row_checks(line: ChargeLine, sources: Sequence[LineSource], sums: Mapping[str, int | Decimal]) -> tuple[Check, ...]:
    """Whether the rows, less what seats include, add up to the line: its quantity, its failures, its tokens, its cost."""
    included = included_in(sources, sums)
    left = {name: Decimal(total) - included[name] for name, total in sums.items()}
    if line.key.kind == "action":
        tokens = [Check(bucket, left[bucket], Decimal(line.tokens.get(bucket, 0))) for bucket in TOKEN_BUCKETS]
        known = [check for check in tokens if check.left or check.right]
        failed = Check("failed_calls", left["failed_calls"], Decimal(line.failed))
        return (Check("calls", left["calls"], line.quantity), *([failed] if failed.left or failed.right else []), *known)
    name = next(name for name in sums if name != "rows")
    if line.key.kind != "passthrough":
        return (Check(name, left[name], line.quantity),)
    stated = sum((Decimal(each.owned.group.sums[name]) for each in sources), NONE)
    return (Check(name, left[name], stated),)


def included_in(sources: Sequence[LineSource], names: Iterable[str]) -> dict[str, Decimal]:
    """What seats include of the rows, by measure (C5)."""
    return {name: sum((_included(each, name) for each in sources), NONE) for name in names}


def _included(source: LineSource, name: str) -> Decimal:
    if name == "rows":
        return NONE
    return Decimal(source.owned.group.sums[name]) - Decimal(source.billed.group.sums[name])


# ── how the labels came about ───────────────────────────────────────────────────────────────────────────────────────────


def label_facts(sources: Sequence[LineSource], key: LineKey, organisation: Organisation, pricing: Pricing) -> Iterator[Fact]:
    """The rules that set a field, each with the rows that it did so for; then who owns the usage, or why nobody does."""
    by_rule: Counter[tuple[str, int]] = Counter()
    for each in sources:
        for used in each.owned.rules:
            by_rule[used] += _rows(each)
    rules = {rule.number: rule for rule in organisation.rules}
    found = [
        Fact(f"rule {number}", rules[number].set[name], rules[number].source, (Fact("field", name), Fact("rows", rows)))
        for (name, number), rows in sorted(by_rule.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    yield Fact("rules", parts=tuple(found), alike=True)
    yield from _trace_facts(sources)
    if key.kind == "passthrough" and key.item == UNPRICED:
        gaps = {gap for each in sources for gap, _ in brought_by(each.billed, pricing)[1]}
        unpriced = sorted(gaps, key=lambda gap: (gap.code, gap.why))
        yield Fact("unpriced", parts=tuple(Fact(gap.code, gap.why, gap.source) for gap in unpriced), alike=True)
    elif key.team == UNALLOCATED:
        yield Fact("unallocated", parts=tuple(_reasons(sources)), alike=True)
    elif key.team in organisation.teams:
        yield Fact("owner", key.team, organisation.teams[key.team].source, (Fact("cost_center", key.cost_center),))


def _trace_facts(sources: Sequence[LineSource]) -> Iterator[Fact]:
    """Rows inside traces (A5): what the root that they came from says of itself, who operated them, and how many they are."""
    found: Counter[tuple[tuple[tuple[str, str], ...], str]] = Counter()
    for each in sources:
        if each.owned.root == "one":
            labels = each.owned.group.labels
            said = tuple((name, labels[ROOT + name]) for name in CONSUMER if labels[ROOT + name])
            others = sorted(
                (name.removeprefix(ROOT), value) for name, value in labels.items() if name.startswith(ROOT) and value
            )
            looked_at = tuple(pair for pair in others if pair not in said and pair[0] != "state")
            found[(*said, *looked_at), each.owned.operator] += _rows(each)
    parts = []
    for (said, operator), rows in sorted(found.items(), key=lambda item: (-item[1], item[0]))[:OWNERS_SHOWN]:
        named = [Fact(name, value) for name, value in said]
        operated = [Fact("operator", operator)] if operator else []
        parts.append(Fact("root", parts=(*named, *operated, Fact("rows", rows))))
    if parts:
        yield Fact("traces", parts=tuple(parts), alike=True)


def _reasons(sources: Sequence[LineSource]) -> Iterator[Fact]:
    """Why usage is nobody's, with the team and cost centre that its rows name, those with most rows first."""
    found: Counter[tuple[str, str, str]] = Counter()
    for each in sources:
        keys = each.owned.group.keys
        named = next((number for name, number in each.owned.rules if name == "team"), None)
        found[each.owned.reason, keys["team"] if named is None else f"by rule {named}", keys["cost_center"]] += _rows(each)
    for (reason, team, cost_center), rows in sorted(found.items(), key=lambda item: (-item[1], item[0]))[:OWNERS_SHOWN]:
        yield Fact(reason, parts=(Fact("team", team), Fact("cost_center", cost_center), Fact("rows", rows)))


def _rows(source: LineSource) -> int:
    return int(source.owned.group.sums["rows"])


# ── what it costs ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Priced:
    """A line on its way through the stages: rated, allocated, charged; `disclosure` where the cost is shared (C4)."""

    rated: RatedLine
    allocation: Allocation
    charged: ChargeLine | None
    disclosure: Disclosure | None


def price_facts(priced: Priced, pricing: Pricing) -> Iterator[Fact]:
    """The line of the price book, and what the model of operation makes of it."""
    rated, organisation = priced.rated, pricing.organisation
    key = rated.key
    book = next((each for each in pricing.books if each.name == key.price_version), None)
    if book is None:
        return
    named = (book_fact(book),)
    if key.kind == "passthrough":
        yield Fact("price", "passed through", parts=(*named, *_uplift_facts(book, book.uplift, pricing, "passthrough")))
    elif key.kind == "action":
        yield Fact("price", rated.unit_price, _price_line(book, key), (*named, *_action_facts(rated, book, pricing)))
    else:
        section, skus = {"gpu": ("gpu", book.gpu), "egress": ("egress", book.egress), "seat": ("seats", book.seats)}[
            key.kind
        ]
        parts = (
            *named,
            *sku_facts(skus[key.item]),
            *_uplift_facts(book, book.uplift, pricing, SCOPES.get(key.kind, key.kind)),
        )
        yield Fact("price", rated.unit_price, book.where(section, key.item), parts)
    if key.kind == "seat":
        team = organisation.teams[key.team]
        yield Fact("seats", team.seats[key.item], team.source, (Fact("team", team.name),))


def book_fact(book: PriceBook) -> Fact:
    return Fact("book", book.name, SourceRef(book.file, 1), (Fact("sha256", book.sha256),))


def sku_facts(sku: Sku) -> tuple[Fact, ...]:
    return Fact("rate", sku.rate), Fact("unit", sku.unit)


def _price_line(book: PriceBook, key: LineKey) -> SourceRef:
    """The entry that prices an action: the model's own where it has one, else the class's."""
    by_model = key.model in book.actions[key.item].by_model
    return book.where("actions", key.item, *(("by_model", key.model) if by_model else ()))


def _action_facts(rated: RatedLine, book: PriceBook, pricing: Pricing) -> Iterator[Fact]:
    key, stated = rated.key, book.actions[rated.key.item]
    action, uplift = billed_action(stated, book.uplift, pricing.organisation, key.team)
    yield Fact("pricing", action.pricing)
    yield Fact("funding", action.funding)
    if action.pricing != stated.pricing or action.funding != stated.funding:
        yield Fact("operating_model", pricing.organisation.operating_model)
    if action.pricing == "metered":
        yield Fact("rates", parts=tuple(_token_facts(rated, book)), alike=True)
    else:
        price = action.price_for(key.model)
        yield Fact("base", None if price is None else price.base)
    yield from _uplift_facts(book, uplift, pricing, "actions", settled=True)


def _token_facts(rated: RatedLine, book: PriceBook) -> Iterator[Fact]:
    """Tokens x the rate for 1,000,000 = cost, by bucket; their sum is the base."""
    where = book.where("models", rated.key.model)
    rates = book.models[rated.key.model].rates
    for bucket, count in rated.tokens.items():
        cost = (rates[bucket] * count).scaleb(PER_MILLION)
        yield Fact(bucket, where=where, parts=(Fact("tokens", count), Fact("rate", rates[bucket]), Fact("cost", cost)))


def _uplift_facts(book: PriceBook, uplift: Uplift, pricing: Pricing, scope: str, settled: bool = False) -> Iterator[Fact]:
    """What is stacked on the base cost, if anything is; `settled`: by the model of operation too."""
    applied = uplift_on(uplift if settled else billed_uplift(uplift, pricing.organisation), scope)
    rates = (("overhead", applied.overhead), ("registry", applied.registry), ("buffer", applied.buffer))
    stacked = [Fact(name, rate) for name, rate in rates if rate]
    if applied.registry:
        stacked.append(Fact("registry_basis", applied.registry_basis))
    if stacked:
        yield Fact("uplift", where=book.where("uplift"), parts=tuple(stacked))


def cost_facts(sources: Sequence[LineSource], key: LineKey, pricing: Pricing) -> Iterator[Fact]:
    """The provider's cost that is passed through, by currency and the rate that converted it (M6)."""
    (basis,) = measures_of("passthrough", pricing.organisation)
    costs: dict[tuple[str, str, Decimal], Decimal] = {}
    for each in sources:
        rate = each.brought.rate
        currency = each.owned.group.keys["billed_currency"] or pricing.organisation.currency
        at = (currency, "" if rate is None else f"{rate.date} ({rate.source})", Decimal(1) if rate is None else rate.rate)
        costs[at] = costs.get(at, NONE) + Decimal(each.owned.group.sums[basis])
    parts = []
    for (currency, quoted, rate_then), cost in sorted(costs.items()):
        shown = [Fact("cost", cost)]
        if quoted:
            shown += [Fact("rate", rate_then), Fact("rate_of", quoted), Fact("converted", cost * rate_then)]
        parts.append(Fact(currency, parts=tuple(shown)))
    yield Fact(
        "provider_cost", sum((Decimal(each.brought.quantity) for each in sources), NONE), None, tuple(parts), alike=True
    )


def included_facts(sources: Sequence[LineSource], terms: PriceBook | None, organisation: Organisation) -> Iterator[Fact]:
    """The calls that seats include, taken off before anything is priced (C5)."""
    calls = sum((_included(each, "calls") for each in sources), NONE)
    if not calls or terms is None:
        return
    team = sources[0].owned.team
    action = sources[0].owned.action
    parts = tuple(
        Fact(sku, terms.seats[sku].included[action], terms.where("seats", sku, "included"), (Fact("seats", seats),))
        for sku, seats in sorted(organisation.teams[team].seats.items())
        if sku in terms.seats and terms.seats[sku].included.get(action)
    )
    yield Fact("included_in_seats", calls, None, parts, alike=True)


def amount_facts(priced: Priced, pricing: Pricing) -> Iterator[Fact]:
    """Quantity x price, exact; rounded once; shared with the platform; taken apart into components."""
    rated, charged, terms = priced.rated, priced.charged, pricing.terms
    yield Fact("quantity", rated.quantity)
    yield Fact("unit", rated.unit)
    yield Fact("unit_price", rated.unit_price)
    yield Fact("exact", rated.exact)
    if terms is not None:
        yield Fact("rounding", terms.rounding, terms.where("rounding"))
    if priced.disclosure is not None:
        yield Fact("gross", priced.disclosure.gross)
        yield _share_fact(priced, priced.disclosure, pricing)
    if charged is not None:
        amounts = dict(charged.components)
        parts = tuple(
            Fact(name, parts=(Fact("weight", weight), Fact("amount", amounts.get(name, Money(0, charged.amount.currency)))))
            for name, weight in sorted(rated.weights.items())
        )
        yield Fact("components", parts=parts, alike=True)


def _share_fact(priced: Priced, disclosure: Disclosure, pricing: Pricing) -> Fact:
    """How a shared class is split, by the book that says so."""
    key = priced.rated.key
    own = next(book for book in pricing.books if book.name == key.price_version)
    stating = stating_book(pricing.terms, own)
    where = stating.where("actions", key.item, "scope") if stating.eval_split == "by_component" else stating.where("eval")
    parts = (Fact("split", stating.eval_split), Fact("team", disclosure.paid), Fact("platform", disclosure.platform_share))
    return Fact("platform_share", priced.allocation.platform, where, parts)
