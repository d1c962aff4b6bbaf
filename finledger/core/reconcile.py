"""What a provider invoiced against what was metered of it, with every cent of the difference classified (rule X1).

Invoiced and metered are compared by provider, SKU and service month, in the books' currency; all of a provider's use as one
where its invoice has a line of usage that names no SKU. The difference is taken apart in
this order; each step works on what the steps before it left:

    currency                the invoice at its own rate, less the same at the rate of the service month's last day (M6)
    credit_tax_fee          lines that are a credit, tax, fee or adjustment, less what the usage rows hold of these
    duplicate               a line that stands in another invoice, or twice in one, where the bill is nearer without it
    timing                  usage invoiced for the month before or after: what is over in one and lacks in the other
    missing_from_invoice    metered, and on no line
    missing_from_metering   on a line, and not metered
    quantity                (invoiced - metered quantity) x contracted rate
    rate                    invoiced quantity x (invoiced - contracted rate)
    rounding                a rate's difference that half a minor unit a line explains; and the cents of rounding here

Without quantities, what the provider's own rows say it billed takes the place of a quantity at its rate: billed - metered is
rate, invoiced - billed is quantity. Without these rows a difference within the tolerance counts as rate, since the metered
quantity is the only one there is; a larger one stays unclassified. All of it is exact; amounts are rounded at the end, so that
an invoice's SKUs add up to the invoice, and a SKU's classes to its difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction

from finledger.core.currency import CurrencyRate, rate_at
from finledger.core.differences import (
    UNCLASSIFIED,
    ZERO,
    Cell,
    Converted,
    Key,
    added,
    classified,
    drop_duplicates,
    match_months,
)
from finledger.core.model import Organisation
from finledger.core.money import EXACT, Money, Rounding, minor_digits, parts_of, rounded_parts, total, zero
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.provider import (
    DIFFERENCES,
    Accrual,
    InvoiceCategory,
    Metered,
    Provider,
    ProviderLine,
    SkuReconciliation,
    called,
    in_our_unit,
    provider_named,
)

Billed = tuple[str, str, Month]  # provider, invoice, service month


@dataclass(frozen=True, slots=True)
class Terms:
    """What the comparison has to know beside its two sides."""

    currency: str
    providers: Mapping[str, Provider] = field(default_factory=dict)
    rates: Sequence[CurrencyRate] = ()
    rounding: Rounding = "half_up"

    @classmethod
    def of(cls, organisation: Organisation, rates: Sequence[CurrencyRate], rounding: Rounding = "half_up") -> Terms:
        return cls(organisation.currency, organisation.providers, rates, rounding)

    def provider(self, name: str) -> Provider:
        """The provider that is meant; one that nobody declared sends invoices, and tolerates nothing."""
        return provider_named(self.providers.values(), name) or Provider(name)


@dataclass(frozen=True, slots=True)
class Compared:
    """A SKU's comparison with what it was made from: the two sides as they were brought together, the classes unrounded."""

    row: SkuReconciliation
    cell: Cell
    exact: Mapping[str, Fraction]


def reconcile(
    month: Month, metered: Iterable[Metered], lines: Iterable[ProviderLine], terms: Terms
) -> Outcome[tuple[SkuReconciliation, ...]]:
    """The rows of `compared`."""
    outcome = compared(month, metered, lines, terms)
    return Outcome(tuple(each.row for each in outcome.rows), outcome.problems)


def compared(
    month: Month, metered: Iterable[Metered], lines: Iterable[ProviderLine], terms: Terms
) -> Outcome[tuple[Compared, ...]]:
    """Every SKU of the providers that have invoiced the service month, sorted by provider and SKU.

    `lines`: those of every invoice known that has one of this month: whole invoices, whenever they arrived. For timing give
    the invoices and the metering of the months before and after too, where they are complete. The order of either side does
    not matter. An amount in another currency without a rate is an error (M6).
    """
    with localcontext(EXACT):
        lines = tuple(lines)
        read = _Sides(terms, lines)
        for each in metered:
            read.add_metered(each)
        for line in lines:
            read.add_line(line)
        if read.problems:
            return Outcome((), tuple(read.problems.values()))
        invoiced = _invoiced(read.cells, terms)
        arrived = {(provider, when) for (provider, _, when), cell in read.cells.items() if cell.lines}
        for cell in read.cells.values():
            drop_duplicates(cell)
        # where nothing at all was metered in a month, nobody knows what of its invoice is over
        match_months(read.cells, {each for each in arrived if each[1] in read.months})
        keys = [key for key in sorted(read.cells) if key[2] == month and (key[0], month) in arrived]
        booked = _metered(read.cells, keys, terms)
        found = [_reconciled(key, read.cells[key], booked[key], invoiced.get(key), terms) for key in keys]
    return Outcome(tuple(each for each in found if each.row.metered or each.row.invoiced or each.row.classes))


def awaited(month: Month, metered: Iterable[Metered], lines: Iterable[ProviderLine], terms: Terms) -> tuple[Accrual, ...]:
    """What to accrue of a service month: providers that send invoices, and have sent none with a line of it (X2)."""
    arrived = {terms.provider(line.provider).name for line in lines if line.service_month == month}
    sums: dict[str, dict[str, Fraction]] = {}
    for each in metered:
        provider = terms.provider(each.provider)
        if each.service_month == month and provider.invoice == "expected" and provider.name not in arrived:
            of_provider = sums.setdefault(provider.name, {})
            of_provider[each.sku] = of_provider.get(each.sku, ZERO) + Fraction(each.cost)
    parts = {name: rounded_parts(exact, terms.currency, terms.rounding) for name, exact in sums.items()}
    amounts = {name: total(found.values(), terms.currency) for name, found in parts.items()}
    return tuple(Accrual(name, month, amount) for name, amount in sorted(amounts.items()) if amount)


# ── the two sides, brought together ─────────────────────────────────────────────────────────────────────────────────────


class _Sides:
    """Collects metering and lines by provider, SKU and service month; with what has no currency rate.

    `whole`: providers whose invoices have a line of usage without a SKU; it stands for all their use, which is compared as one.
    """

    def __init__(self, terms: Terms, lines: Iterable[ProviderLine]) -> None:
        self.terms = terms
        self.cells: dict[Key, Cell] = {}
        self.metered: set[tuple[str, str]] = set()
        self.months: set[Month] = set()
        unnamed = (line for line in lines if line.category == "usage" and not line.sku)
        named = ((terms.provider(line.provider), line) for line in unnamed)
        self.whole = {provider.name for provider, line in named if provider.invoiced_as("", line.description) is None}
        self.problems: dict[tuple[str, str, date], Problem] = {}

    def add_line(self, line: ProviderLine) -> None:
        provider = self.terms.provider(line.provider)
        booked = self.rate(line, line.service_month.last_day)
        own = line.rate if line.rate is not None else self.rate(line, line.invoice_date or line.service_month.last_day)
        if booked is None or own is None:
            return
        quantity, unit = (None, "") if line.quantity is None else in_our_unit(line.quantity, line.unit)
        amount = Fraction(line.amount)
        converted = Converted(
            line=line,
            booked=amount * Fraction(booked),
            own=amount * Fraction(own),
            slack=Fraction(line.rows, 2 * 10 ** minor_digits(line.currency)) * Fraction(booked),
            quantity=None if quantity is None else Fraction(quantity),
            unit=unit,
        )
        self.cell(provider.name, self.sku_of(line, provider), line.service_month, line.category).add_line(converted)

    def add_metered(self, metered: Metered) -> None:
        name = self.terms.provider(metered.provider).name
        self.metered.add((name, metered.sku))
        self.months.add(metered.service_month)
        self.cell(name, metered.sku, metered.service_month, metered.category).add_metered(metered)

    def cell(self, provider: str, sku: str, month: Month, category: InvoiceCategory) -> Cell:
        together = category != "usage" or provider in self.whole
        return self.cells.setdefault((provider, f"({category})" if together else sku, month), Cell(category == "usage"))

    def sku_of(self, line: ProviderLine, provider: Provider) -> str:
        """By the maps; else by the metered SKU of that name; else what the invoice calls it."""
        mapped = provider.invoiced_as(line.sku, line.description)
        if mapped is not None:
            return mapped
        names = [provider.metered_as(name) for name in called(line.sku, line.description)]
        return next((name for name in names if (provider.name, name) in self.metered), names[0])

    def rate(self, line: ProviderLine, day: date) -> Decimal | None:
        if line.currency == self.terms.currency:
            return Decimal(1)
        found = rate_at(self.terms.rates, line.currency, self.terms.currency, day)
        if found is None:
            self.problems.setdefault((line.invoice, line.currency, day), _no_rate(line, self.terms.currency, day))
        return None if found is None else found.rate


def _no_rate(line: ProviderLine, currency: str, day: date) -> Problem:
    return Problem(
        "currency-rate-missing",
        f"invoice {line.invoice} of {line.provider} is in {line.currency}, and no rate to {currency} is known on {day}",
        line.source or SourceRef("rates.csv"),
        remedy=f"add a line to rates.csv dated {day} or before: {day},{line.currency},{currency},RATE,SOURCE",
    )


# ── to amounts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def billed(lines: Iterable[ProviderLine], terms: Terms) -> dict[Billed, Money]:
    """What each invoice is posted with: by provider, number and service month, in the books' currency.

    An invoice is rounded once, and its months so that they add up to it, whatever it is compared with. A provider's rows
    without a number are no invoice: each of their months is rounded by itself. Amounts without a currency rate are left out.
    """
    with localcontext(EXACT):
        sides = _Sides(terms, ())
        for line in lines:
            sides.add_line(line)
        return _billed(sides.cells, terms)


def line_amounts(lines: Sequence[ProviderLine], terms: Terms) -> tuple[Money, ...]:
    """What each of the lines is posted with, so that an invoice's add up to it: of whole invoices, as `billed`."""
    with localcontext(EXACT):
        sides = _Sides(terms, ())
        for line in lines:
            sides.add_line(line)
        own = {id(each.line): each.own for cell in sides.cells.values() for each in cell.lines}
        numbers = [(terms.provider(line.provider).name, line.invoice, line.service_month) for line in lines]
        found: dict[int, Money] = {}
        for invoice, whole in _billed(sides.cells, terms).items():
            found |= parts_of(whole, {place: own[id(lines[place])] for place, of in enumerate(numbers) if of == invoice})
    return tuple(found[place] for place in range(len(lines)))


def _billed(cells: Mapping[Key, Cell], terms: Terms) -> dict[Billed, Money]:
    exact: dict[tuple[str, str, Month | None], dict[Billed, Fraction]] = {}
    for (provider, _, month), cell in cells.items():
        for line in cell.lines:
            number = line.line.invoice
            key = (provider, number, month)
            of_invoice = exact.setdefault((provider, number, None if number else month), {})
            of_invoice[key] = of_invoice.get(key, ZERO) + line.own
    parts = (rounded_parts(found, terms.currency, terms.rounding) for found in exact.values())
    return {key: part for found in parts for key, part in found.items()}


def _invoiced(cells: Mapping[Key, Cell], terms: Terms) -> dict[Key, Money]:
    """What of an invoice is for a month, by SKU, so that the SKUs add up to it; then by SKU over all invoices."""
    exact: dict[Billed, dict[Key, Fraction]] = {}
    for key, cell in cells.items():
        for line in cell.lines:
            of_invoice = exact.setdefault((key[0], line.line.invoice, key[2]), {})
            of_invoice[key] = of_invoice.get(key, ZERO) + line.own
    sums: dict[Key, Money] = {}
    for invoice, whole in _billed(cells, terms).items():
        for key, part in parts_of(whole, exact[invoice]).items():
            sums[key] = sums.get(key, zero(terms.currency)) + part
    return sums


def _metered(cells: Mapping[Key, Cell], keys: Iterable[Key], terms: Terms) -> dict[Key, Money]:
    """Each provider's metered cost rounded once, as it is accrued, and its SKUs so that they add up to it."""
    exact: dict[str, dict[Key, Fraction]] = {}
    for key in keys:
        exact.setdefault(key[0], {})[key] = cells[key].cost
    parts = (rounded_parts(found, terms.currency, terms.rounding) for found in exact.values())
    return {key: part for found in parts for key, part in found.items()}


def _reconciled(key: Key, cell: Cell, metered: Money, invoiced: Money | None, terms: Terms) -> Compared:
    provider, sku, month = key
    invoiced = invoiced if invoiced is not None else zero(terms.currency)
    tolerance = terms.provider(provider).tolerance
    tolerated = max(Fraction(tolerance.absolute), Fraction(tolerance.relative) * abs(cell.cost))
    exact, note = classified(cell, tolerated)
    difference = added(exact.values())
    # what rounding did to the two sides is rounding too: so the classes add up to the difference of the rounded amounts
    exact["rounding"] = exact.get("rounding", ZERO) + Fraction((invoiced - metered).amount) - difference
    parts = rounded_parts(exact, terms.currency, terms.rounding)
    quantities = cell.quantities
    row = SkuReconciliation(
        provider=provider,
        sku=sku,
        service_month=month,
        metered=metered,
        invoiced=invoiced,
        classes={name: parts[name] for name in DIFFERENCES if parts.get(name)},
        within_tolerance=bool(difference) and abs(difference) <= tolerated,
        invoices=tuple(sorted({line.line.invoice for line in cell.lines})),
        metered_quantity=None if cell.quantity is None else _decimal(cell.quantity),
        invoiced_quantity=None if quantities is None else _decimal(quantities[1]),
        unit=cell.unit if cell.is_metered or quantities is None else (cell.invoiced_quantity or (ZERO, ""))[1],
        note=note if parts.get(UNCLASSIFIED) else "",
        lines=tuple(sorted((line.line.source for line in cell.lines if line.line.source), key=_place)),
    )
    return Compared(row, cell, exact)


def _decimal(quantity: Fraction) -> Decimal:
    """A sum of decimals as the decimal that it is."""
    return EXACT.divide(Decimal(quantity.numerator), Decimal(quantity.denominator))


def _place(source: SourceRef) -> tuple[str, int, str]:
    return source.file, source.line or 0, source.column
