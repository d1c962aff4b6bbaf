"""What was metered of each provider's SKUs in a month, at the contracted rates: one side of the comparison (rule X1).

It is the provider's whole bill: unallocated usage, pools' and the platform's own count like everybody's. What a row says of
itself decides what it is metered by:

    tokens of a model that the price book has rates for    tokens x rates, by bucket: SKU `gpt-small input`
    GPU-hours, egress                                      what the rows were billed; else quantity x the book's rate, where
                                                           the rows name a provider that sends invoices
    any other cost                                         what the rows were billed, by the provider's own SKU

Rows of a source whose role is `reconcile` are the provider's own view: they say what it billed, and meter nothing (A9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext

from finledger.core import unpriced
from finledger.core.currency import CurrencyRate, rate_at
from finledger.core.label import REPEATS, own, rule_labels
from finledger.core.model import Organisation, OwnedGroup, PriceBook, Rule, UsageGroup, UsageQuery
from finledger.core.money import EXACT
from finledger.core.period import Month, intervals
from finledger.core.pricebook import book_at, change_dates
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.provider import InvoiceCategory, Metered, Provider, category_of, in_our_unit, provider_named
from finledger.core.unpriced import Gap
from finledger.core.usage import TOKEN_BUCKETS

LABELS = ("charge_category", "provider", "service", "sku")
# whose the usage is does not matter: a provider bills all of it
IGNORED = (
    "team", "cost_center", "feature", "action", "workload_type", "requests", "status", "runs", "runs_completed",
)  # fmt: skip
NO_SKU = "(no SKU)"
PER_MILLION = -6
_MEASURES = {"gpu_sku": "gpu_hours", "egress_sku": "egress_gb"}
Key = tuple[str, str]  # provider, SKU


def metering_query(month: Month, organisation: Organisation, books: Sequence[PriceBook]) -> UsageQuery:
    """What an engine is asked for `meter`: source, model and SKUs, cut where rates or models change; and no more than that and
    what the rules look at that say which model it is.
    """
    rules = _model_rules(organisation)
    changes = {
        *change_dates(books),
        *(day for rule in rules for day in (rule.start, rule.until) if day is not None),
    }
    cuts = intervals(month, organisation.timezone, changes)
    looked_at = {name for rule in rules for name in rule.when}
    return UsageQuery(
        organisation.currency,
        cuts,
        labels=tuple(sorted({*LABELS, REPEATS, *rule_labels(rules)})),
        ignored=tuple(name for name in IGNORED if name not in looked_at),
        reconciled=organisation.reconciled,
        inclusive=organisation.inclusive,
    )


def meter(
    month: Month,
    groups: Iterable[UsageGroup],
    organisation: Organisation,
    books: Sequence[PriceBook],
    rates: Sequence[CurrencyRate] = (),
) -> Outcome[tuple[Metered, ...]]:
    """The month's metered SKUs, sorted by provider and SKU, from the groups of `metering_query`.

    Amounts in another currency are summed exactly and converted by the rate of the month's last day, at which an accrual is
    booked (M6). What has no rate, no currency rate or no provider is an error (P2), unless the provider sends no invoice.
    """
    run, problems = _run(month, groups, organisation, books)
    with localcontext(EXACT):
        metered = [_metered(key, found, run, rates) for key, found in sorted(run.found.items())]
    return Outcome(tuple(each for each in metered if _is_anything(each)), (*problems, *run.problems()))


def metered_parts(
    month: Month, groups: Iterable[UsageGroup], organisation: Organisation, books: Sequence[PriceBook]
) -> dict[Key, tuple[MeteredPart, ...]]:
    """What each of the groups brings to which SKU, by the very mapping that meters them."""
    run, _ = _run(month, groups, organisation, books)
    return {key: tuple(found.parts) for key, found in sorted(run.found.items())}


def _run(
    month: Month, groups: Iterable[UsageGroup], organisation: Organisation, books: Sequence[PriceBook]
) -> tuple[_Metering, tuple[Problem, ...]]:
    asked = metering_query(month, organisation, books)
    # every row is looked at, whatever its source's role is, and only for the model that it is of
    plain = replace(organisation, sources={}, rules=_model_rules(organisation))
    owned = own(groups, plain, asked.intervals)
    run = _Metering(month, organisation, books, asked)
    with localcontext(EXACT):
        for group in owned.rows:
            run.add(group)
    return run, owned.problems


def _model_rules(organisation: Organisation) -> tuple[Rule, ...]:
    return tuple(rule for rule in organisation.rules if "model" in rule.set)


@dataclass(frozen=True, slots=True)
class MeteredPart:
    """What a group of rows brings to a SKU: the sum of one measure of its rows, and what that costs in `currency` ("" = the books').

    `rate`: the contracted one, of a unit (of 1,000,000 tokens), where the price book says it, at `where`; None where the rows
    were billed. `reported`: the provider's own view of the same use, which costs nothing more.
    """

    group: OwnedGroup
    measure: str
    counted: Decimal
    cost: Decimal
    rate: Decimal | None = None
    where: SourceRef | None = None
    currency: str = ""
    reported: bool = False


@dataclass(slots=True)
class _Sums:
    """What is summed of a SKU: its cost at the book's rates, and what rows say was billed, by currency."""

    category: InvoiceCategory
    cost: Decimal = Decimal(0)
    billed: dict[str, Decimal] = field(default_factory=dict)
    reported: dict[str, Decimal] = field(default_factory=dict)
    quantity: Decimal | None = Decimal(0)
    unit: str = ""
    first: OwnedGroup | None = None
    parts: list[MeteredPart] = field(default_factory=list)

    def count(self, quantity: Decimal | None, unit: str) -> None:
        """Quantities of different units, or beside one that nobody stated, are none."""
        known = quantity is not None and self.unit in ("", unit)
        self.quantity = self.quantity + quantity if known and quantity is not None and self.quantity is not None else None
        self.unit = unit if known else ""


class _Metering:
    """Sums a month's usage by provider and SKU, and collects what cannot be metered."""

    def __init__(self, month: Month, organisation: Organisation, books: Sequence[PriceBook], asked: UsageQuery) -> None:
        self.month, self.organisation, self.books = month, organisation, books
        self.asked = asked
        self.found: dict[Key, _Sums] = {}
        self.gaps: dict[Gap, tuple[Decimal, OwnedGroup]] = {}

    def add(self, group: OwnedGroup) -> None:
        keys, sums = group.group.keys, group.group.sums
        book = book_at(self.books, group.day)
        rates = book.models.get(group.model) if book is not None else None
        provider = self.provider_of(group, rates.provider if rates is not None else "")
        billed = Decimal(sums["billed_cost"])
        if self.organisation.role(keys["source"]) == "reconcile":
            self.report(group, provider, billed)
        elif rates is not None and any(sums[bucket] for bucket in TOKEN_BUCKETS):
            self.tokens(group, provider, book)
        elif keys["gpu_sku"] or keys["egress_sku"]:
            self.meters(group, provider, book, billed)
        else:
            self.passed_through(group, provider, book, billed)

    def provider_of(self, group: OwnedGroup, of_model: str) -> Provider | None:
        """Who bills the rows: as they say, as the book says of the model, as their source is; else an undeclared name."""
        declared = self.organisation.providers.values()
        stated = group.group.labels["provider"]
        for name in (stated, of_model):
            found = provider_named(declared, name)
            if found is not None:
                return found
        of_source = [each for each in declared if group.group.keys["source"] in each.sources]
        if len(of_source) == 1:
            return of_source[0]
        return Provider(stated or of_model) if stated or of_model else None

    def report(self, group: OwnedGroup, provider: Provider | None, billed: Decimal) -> None:
        """What the provider's own rows say: their SKUs are named as invoices name them."""
        if provider is None:
            self.gap(_no_provider(group), group.group.sums["rows"], group)
            return
        sku = _own_sku(group)
        found = self.sums_of(group, provider.name, provider.invoiced_as(sku) or provider.metered_as(sku), sku)
        currency = group.group.keys["billed_currency"]
        found.reported[currency] = found.reported.get(currency, Decimal(0)) + billed
        found.parts.append(MeteredPart(group, "billed_cost", billed, Decimal(0), currency=currency, reported=True))

    def tokens(self, group: OwnedGroup, provider: Provider | None, book: PriceBook | None) -> None:
        assert book is not None, "rates are a book's"
        rates = book.models[group.model].rates
        for bucket in TOKEN_BUCKETS:
            count = Decimal(group.group.sums[bucket])
            if not count:
                continue
            if provider is None:
                self.gap(_no_provider(group), group.group.sums["rows"], group)
            elif bucket in rates:
                sku = provider.metered_as(f"{group.model} {bucket.removesuffix('_tokens')}")
                found = self.sums_of(group, provider.name, sku)
                cost = (rates[bucket] * count).scaleb(PER_MILLION)
                found.cost += cost
                found.count(count, "tokens")
                found.parts.append(MeteredPart(group, bucket, count, cost, rates[bucket], book.where("models", group.model)))
            elif provider.invoice == "expected":
                self.gap(unpriced.no_bucket(book, group.model, bucket), count, group)

    def meters(self, group: OwnedGroup, provider: Provider | None, book: PriceBook | None, billed: Decimal) -> None:
        keys, sums = group.group.keys, group.group.sums
        sections = (("gpu_sku", "gpu_hours", "hours"), ("egress_sku", "egress_gb", ""))
        used = [(keys[key], Decimal(sums[name]), key, unit) for key, name, unit in sections if keys[key]]
        if billed and provider is None:
            self.gap(_no_provider(group), sums["rows"], group)
        elif billed and provider is not None:
            name, stated, key, unit = used[0]
            quantity, unit = _in_unit(book, key, name, stated, unit)
            alone = len(used) == 1
            self.add_billed(group, provider, provider.metered_as(name), billed, quantity if alone else None, unit)
            if alone:
                measured = self.sums_of(group, provider.name, provider.metered_as(name), _own_sku(group))
                measured.parts.append(MeteredPart(group, _MEASURES[key], stated, Decimal(0)))
        elif provider is not None and provider.name in self.organisation.providers and provider.invoice == "expected":
            for name, quantity, key, unit in used:
                section = {} if book is None else book.gpu if key == "gpu_sku" else book.egress
                if name in section:
                    found = self.sums_of(group, provider.name, provider.metered_as(name))
                    rate = section[name].rate
                    found.cost += rate * quantity
                    found.count(*_in_unit(book, key, name, quantity, unit))
                    where = None if book is None else book.where("gpu" if key == "gpu_sku" else "egress", name)
                    found.parts.append(MeteredPart(group, _MEASURES[key], quantity, rate * quantity, rate, where))
                elif quantity:
                    kind = "gpu" if key == "gpu_sku" else "egress"
                    missing = unpriced.no_book(str(group.day)) if book is None else unpriced.no_sku(book, kind, name, unit)
                    self.gap(missing, quantity, group)

    def passed_through(self, group: OwnedGroup, provider: Provider | None, book: PriceBook | None, billed: Decimal) -> None:
        sums = group.group.sums
        if provider is None and (billed or sums["uncosted_tokens"]):
            self.gap(_no_provider(group), sums["rows"], group)
            return
        if provider is None:
            return
        if sums["uncosted_tokens"] and provider.invoice == "expected":
            missing = unpriced.no_book(str(group.day)) if book is None else _no_rates(book, group.model)
            self.gap(missing, sums["rows"] if book is None else sums["uncosted_tokens"], group)
        if billed:
            self.add_billed(group, provider, provider.metered_as(_own_sku(group)), billed, None, "")

    def add_billed(
        self, group: OwnedGroup, provider: Provider, sku: str, billed: Decimal, quantity: Decimal | None, unit: str
    ) -> None:
        found = self.sums_of(group, provider.name, sku, _own_sku(group))
        currency = group.group.keys["billed_currency"]
        found.billed[currency] = found.billed.get(currency, Decimal(0)) + billed
        found.count(quantity, unit)
        found.parts.append(MeteredPart(group, "billed_cost", billed, billed, currency=currency))

    def sums_of(self, group: OwnedGroup, provider: str, sku: str, own_sku: str = "") -> _Sums:
        category = category_of(group.group.labels["charge_category"]) if own_sku else "usage"
        key = (provider, sku if category == "usage" else f"({category})")
        found = self.found.setdefault(key, _Sums(category))
        found.first = found.first or group
        return found

    def gap(self, gap: Gap, quantity: int | Decimal, group: OwnedGroup) -> None:
        before, first = self.gaps.get(gap, (Decimal(0), group))
        self.gaps[gap] = (before + quantity, first)

    def problems(self) -> tuple[Problem, ...]:
        ordered = sorted(self.gaps.items(), key=lambda item: (item[0].code, item[0].why))
        return tuple(
            Problem(
                gap.code,
                f"{gap.why} ({gap.unit}: {quantity.normalize():f})",
                gap.source,
                remedy=gap.remedy,
                rows=tuple((key, value) for key, value in first.group.keys.items() if key not in self.asked.ignored),
                interval=first.group.interval,
            )
            for gap, (quantity, first) in ordered
        )


def _metered(key: Key, found: _Sums, run: _Metering, rates: Sequence[CurrencyRate]) -> Metered:
    """The SKU's sums as one amount each, in the books' currency."""
    provider, sku = key
    billed = _converted(found.billed, found, run, rates)
    reported = _converted(found.reported, found, run, rates) if found.reported else None
    if found.category != "usage" or (found.billed and not found.cost):
        # the provider's own rows are all that is known of it: they are what was billed
        reported = billed if reported is None else reported
    return Metered(
        provider=provider,
        sku=sku,
        service_month=run.month,
        quantity=found.quantity,
        unit=found.unit,
        cost=found.cost + billed,
        as_billed=reported,
        category=found.category,
    )


def _converted(by_currency: dict[str, Decimal], found: _Sums, run: _Metering, rates: Sequence[CurrencyRate]) -> Decimal:
    functional, day = run.organisation.currency, run.month.last_day
    whole = Decimal(0)
    for currency, amount in sorted(by_currency.items()):
        if currency in ("", functional) or not amount:
            whole += amount
            continue
        rate = rate_at(rates, currency, functional, day)
        if rate is not None:
            whole += amount * rate.rate
        elif found.first is not None:
            run.gap(unpriced.no_currency_rate(currency, functional, str(day)), amount, found.first)
    return whole


def _is_anything(metered: Metered) -> bool:
    return bool(metered.cost or metered.quantity or metered.as_billed)


def _own_sku(group: OwnedGroup) -> str:
    """What the rows' own export calls the thing."""
    labels = group.group.labels
    return labels["sku"] or labels["service"] or group.model or NO_SKU


def _in_unit(book: PriceBook | None, key: str, name: str, quantity: Decimal, unit: str) -> tuple[Decimal, str]:
    """GPU use in hours; egress in GB, from the unit that the book counts the SKU in."""
    sold_in = book.egress[name].unit if key == "egress_sku" and book is not None and name in book.egress else unit or "GB"
    return in_our_unit(quantity, sold_in)


def _no_rates(book: PriceBook, model: str) -> Gap:
    return Gap(
        "model-unpriced",
        f"book {book.name} has no token rates {f'for model {model!r}' if model else 'for tokens without a model'}, "
        "so nobody can say what the provider should bill",
        "tokens",
        f"add `{model}: {{provider: …, input: …, output: …}}` under models" if model else "add a rule that sets the model",
        book.where("models"),
    )


def _no_provider(group: OwnedGroup) -> Gap:
    source, model = group.group.keys["source"], group.model
    what = f"usage of source {source!r}" + (f" on model {model!r}" if model else "")
    return Gap(
        "provider-unknown",
        f"{what} does not say whose it is: no invoice can be held against it",
        "rows",
        f"write `provider: …` at the model in the price book, or list {source!r} in the sources of one of the providers",
        SourceRef("finledger.yaml"),
    )
