"""A provider's SKU in a service month: invoiced, metered, and each of the nine classes of the difference in words (rule X1).

The words say how a class came about, by the way that was taken: by quantities where both sides state them, else by what the
provider's own rows say it billed, else by the tolerance. Beside them stand the figures that it is made of, unrounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core.differences import UNCLASSIFIED, ZERO, Cell, added
from finledger.core.explain import Fact, SourceRows, terminating
from finledger.core.metering import MeteredPart
from finledger.core.model import Check, PriceBook, Seal
from finledger.core.money import total, zero
from finledger.core.period import Month
from finledger.core.problem import Problem
from finledger.core.provider import DIFFERENCES, Metered, Provider, SkuReconciliation
from finledger.core.reconcile import Compared
from finledger.core.usage import TOKEN_BUCKETS

NONE = Decimal(0)
COUNTED = frozenset({*TOKEN_BUCKETS, "gpu_hours"})  # measures that are quantities as they stand
_WORDS: Mapping[str, str] = {
    "currency": "the lines at their invoice's own rate - the same at the rate of the service month's last day",
    "credit_tax_fee": "lines that are a credit, tax, fee or adjustment - what the usage rows hold of these",
    "duplicate": "lines that stand in another invoice too, or twice in one",
    "timing": "use of the month before or after on this month's invoice, or the other way round",
    "missing_from_invoice": "metered, and on no line",
    "missing_from_metering": "on a line, and not metered",
    "quantity": "(invoiced - metered quantity) x contracted rate - timing",
    "rate": "invoiced quantity x (invoiced - contracted rate)",
    "rounding": "what half a minor unit a line explains, and the cents of rounding both sides",
}
_BY_OWN_ROWS = {
    "quantity": "invoiced - what the provider's own rows say it billed",
    "rate": "what the provider's own rows say it billed - metered at the contracted rates",
}
_BY_TOLERANCE = {"rate": "all of it: the metered quantity is the only one, and the tolerance is larger than the difference"}


@dataclass(frozen=True, slots=True)
class VarianceExplanation:
    """A SKU's comparison. `row` is what was posted where `posted`, else what the books come to now; None where no invoice has
    a line of the month. `classes` are all nine, `lines` those of the invoices. `seal`: the last close, which knew all this.
    """

    month: Month
    provider: str
    sku: str
    currency: str
    row: SkuReconciliation | None
    posted: bool
    facts: tuple[Fact, ...]
    classes: tuple[Fact, ...] = ()
    lines: tuple[Fact, ...] = ()
    checks: tuple[Check, ...] = ()
    rows: SourceRows | None = None
    seal: Seal | None = None
    see: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


# ── the two sides ───────────────────────────────────────────────────────────────────────────────────────────────────────


def side_facts(row: SkuReconciliation, provider: Provider) -> Iterator[Fact]:
    """What was invoiced and metered, rounded; the difference, and whether the provider's tolerance is larger."""
    unit = Fact("unit", row.unit)
    invoiced = () if row.invoiced_quantity is None else (Fact("quantity", row.invoiced_quantity), unit)
    metered = () if row.metered_quantity is None else (Fact("quantity", row.metered_quantity), unit)
    yield Fact("invoiced", row.invoiced, None, (*invoiced, Fact("invoices", ", ".join(filter(None, row.invoices)))))
    yield Fact("metered", row.metered, None, metered)
    yield Fact("difference", row.difference)
    if row.within_tolerance:
        limits = (Fact("absolute", provider.tolerance.absolute), Fact("relative", provider.tolerance.relative))
        yield Fact("within_tolerance", "yes", provider.source, limits)
    if row.unclassified:
        yield Fact(UNCLASSIFIED, row.unclassified, None, (Fact("why", row.note),))


def metered_facts(
    metered: Sequence[Metered], provider: Provider, books: Sequence[PriceBook], parts: Sequence[MeteredPart]
) -> Iterator[Fact]:
    """Quantity x contracted rate = cost, exact, with the places of the rates in the price book; what rows were billed."""
    cost = sum((Fraction(each.cost) for each in metered), ZERO)
    quantity = metered[0].quantity if len(metered) == 1 else None
    if quantity:
        yield Fact(
            "contracted_rate", terminating(Fraction(cost) / Fraction(quantity)), None, (Fact("unit", metered[0].unit),)
        )
    yield Fact("exact_cost", terminating(cost))
    yield Fact("rates", None, None, tuple(_rates_of(parts) or rate_places(metered, provider, books)), alike=True)
    reported = [each.as_billed for each in metered if each.as_billed is not None]
    if reported:
        yield Fact("billed_by_its_own_rows", sum(reported, NONE))


def _rates_of(parts: Iterable[MeteredPart]) -> Iterator[Fact]:
    """Quantity x rate = cost, by measure and rate."""
    found: dict[tuple[str, Decimal, str], list[MeteredPart]] = {}
    for part in parts:
        if part.rate is not None:
            found.setdefault((part.measure, part.rate, str(part.where)), []).append(part)
    for (measure, rate, _), of_rate in sorted(found.items()):
        per = (Fact("per", "1,000,000"),) if measure in TOKEN_BUCKETS else ()
        counted, cost = sum((each.counted for each in of_rate), NONE), sum((each.cost for each in of_rate), NONE)
        yield Fact(measure, rate, of_rate[0].where, (*per, Fact("quantity", counted), Fact("cost", cost)))


def rate_places(metered: Iterable[Metered], provider: Provider, books: Iterable[PriceBook]) -> Iterator[Fact]:
    """The rates that price books have for metered SKUs, where no row is at hand that says which of them was used."""
    wanted = {each.sku for each in metered}
    for book in books:
        for model, rates in sorted(book.models.items()):
            for bucket, rate in sorted(rates.rates.items()):
                if provider.metered_as(f"{model} {bucket.removesuffix('_tokens')}") in wanted:
                    per = (Fact("per", "1,000,000"), Fact("book", book.name))
                    yield Fact(f"{model} {bucket}", rate, book.where("models", model), per)
        for section, skus in (("gpu", book.gpu), ("egress", book.egress)):
            for name, sku in sorted(skus.items()):
                if provider.metered_as(name) in wanted:
                    yield Fact(name, sku.rate, book.where(section, name), (Fact("book", book.name),))


def parts_checks(metered: Sequence[Metered], parts: Mapping[str, Sequence[MeteredPart]], currency: str) -> Iterator[Check]:
    """Whether the stored rows add up to what was metered of them, SKU by SKU: its quantity and its cost, where rows of one
    measure and in the books' currency say so. `parts` by SKU.
    """
    for each in metered:
        own = [part for part in parts.get(each.sku, ()) if not part.reported]
        named = f"{each.sku} " if len(metered) > 1 else ""
        if own and each.quantity is not None and {part.measure for part in own} <= COUNTED:
            yield Check(f"{named}quantity", sum((part.counted for part in own), NONE), each.quantity)
        if own and {part.currency for part in own} <= {"", currency}:
            yield Check(f"{named}cost", sum((part.cost for part in own), NONE), each.cost)


# ── the classes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def class_facts(row: SkuReconciliation, made: Compared | None) -> tuple[Fact, ...]:
    """All nine with their amounts, in the order in which they are tried; `made`: the comparison that the row is of."""
    none = zero(row.metered.currency)
    found = []
    for name in DIFFERENCES:
        figures: tuple[Fact, ...] = ()
        words = _WORDS[name]
        if made is not None:
            words = _words(name, made.cell)
            if name in row.classes or made.exact.get(name):
                exact = Fact("exact", terminating(made.exact.get(name, ZERO)))
                figures = (*(Fact(*figure) for figure in _figures(name, made.cell)), exact)
        found.append(Fact(name, row.classes.get(name, none), None, (Fact("formula", words), *figures)))
    return tuple(found)


def classes_check(row: SkuReconciliation) -> Check:
    """The classes, and what is unclassified, add up to the difference."""
    parts = total((*row.classes.values(), row.unclassified), row.metered.currency)
    return Check("classes", parts.amount, row.difference.amount)


def _words(name: str, cell: Cell) -> str:
    if cell.quantities is not None and cell.contracted is not None:
        return _WORDS[name]
    by_rows = cell.as_billed is not None and bool(cell.kept) and cell.is_metered
    return (_BY_OWN_ROWS if by_rows else _BY_TOLERANCE).get(name, _WORDS[name])


def _figures(name: str, cell: Cell) -> Iterator[tuple[str, Decimal | Fraction]]:
    every = added(line.booked for line in cell.lines)
    quantities, contracted = cell.quantities, cell.contracted
    figures: dict[str, list[tuple[str, Fraction | None]]] = {
        "currency": [("at_its_own_rate", added(line.own for line in cell.lines)), ("at_the_months_rate", every)],
        "credit_tax_fee": [("on_lines", cell.billed), ("in_usage_rows", Fraction(cell.cost))],
        "duplicate": [("all_lines", every), ("counted_once", cell.billed)],
        "timing": [("quantity_moved", cell.timing_quantity or None), ("contracted_rate", contracted)],
        "missing_from_invoice": [("metered_cost", Fraction(cell.cost))],
        "missing_from_metering": [("on_lines", cell.billed)],
        "rounding": [("explained_by_lines", cell.slack)],
    }
    if quantities is not None and contracted is not None:
        metered, invoiced = quantities
        rate = Fraction(cell.billed) / invoiced if invoiced else None
        both = [("invoiced_quantity", invoiced), ("metered_quantity", metered), ("contracted_rate", contracted)]
        figures["quantity"] = [*both, ("timing", cell.timing or None)]
        figures["rate"] = [both[0], ("invoiced_rate", rate), both[2]]
    elif cell.as_billed is not None:
        figures["quantity"] = [("invoiced", cell.billed), ("billed_by_its_own_rows", cell.as_billed)]
        figures["rate"] = [("billed_by_its_own_rows", cell.as_billed), ("metered_cost", Fraction(cell.cost))]
    for label, figure in figures.get(name, ()):
        if figure is not None:
            yield label, terminating(figure)


def line_facts(cell: Cell, currency: str) -> Iterator[Fact]:
    """The invoices' lines in their own currency, exact, with file and line; one that repeats another says so."""
    for each in cell.lines:
        line = each.line
        parts = [Fact("sku", line.sku), Fact("description", line.description if line.description != line.sku else "")]
        if line.quantity is not None:
            parts += [Fact("quantity", line.quantity), Fact("unit", line.unit)]
        parts += [Fact("category", line.category), Fact("currency", line.currency)]
        if line.currency != currency:
            parts.append(Fact("converted", terminating(each.own)))
        if all(each is not kept for kept in cell.kept):
            parts.append(Fact("counts", "no: it repeats another line"))
        yield Fact(line.invoice or "(no number)", line.amount, line.source, tuple(part for part in parts if part.value))
