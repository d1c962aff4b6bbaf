"""From an export's records to lines of invoices, by a declaration that says which column is what.

A row of an invoice stays a line. Exports that go finer than an invoice (a row a day, a resource or a project) are `grouped`:
rows of one invoice, month, SKU, description, unit, currency and category become one line, summed exactly, at its first row;
`rows` says how many.
Rows that name no amount, quantity or SKU bill nothing, and are no lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from finledger.core.money import EXACT, minor_digits
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.provider import InvoiceCategory, ProviderLine
from finledger.read import values
from finledger.read.invoices import _figures
from finledger.read.invoices._export import Export, Head, Record, fold, open_export
from finledger.read.invoices._json import items_of
from finledger.read.values import WrongValue, quoted

T = TypeVar("T")
_EMPTY = ("", "NULL", "null")
CATEGORIES: tuple[InvoiceCategory, ...] = ("usage", "credit", "tax", "fee", "adjustment")


class Taken(NamedTuple):
    """A text, and the column that it comes from."""

    text: str
    column: str


class Misread(WrongValue):
    """A wrong value, with the column that it stands in: what a source raises."""

    def __init__(self, wrong: WrongValue, column: str) -> None:
        super().__init__(wrong.code, wrong.message, wrong.remedy)
        self.column = column


Source = Callable[[Record], Taken]  # may raise Misread
Categories = Callable[[str], InvoiceCategory]


def first(*names: str) -> Source:
    """The first of the columns that is not empty in the record."""
    keys = [(fold(name), name) for name in names]

    def take(record: Record) -> Taken:
        empty = ""
        for key, name in keys:
            text = record.cells.get(key)
            if text is not None and text not in _EMPTY:
                return Taken(text, name)
            empty = empty or (name if text is not None else "")
        return Taken("", empty or names[0])

    return take


def fixed(text: str) -> Source:
    return lambda record: Taken(text, "")


def changed(source: Source, change: Callable[[str], str]) -> Source:
    """The source's text, changed."""

    def take(record: Record) -> Taken:
        text, column = source(record)
        return Taken(change(text) if text else "", column)

    return take


def one_of(words: Mapping[str, InvoiceCategory], empty: InvoiceCategory | None = None) -> Categories:
    """The category of a word, whatever its case. `empty`: that of no word; None = a row must have one."""
    folded = {word.lower(): category for word, category in words.items()}

    def parse(text: str) -> InvoiceCategory:
        if not text and empty is not None:
            return empty
        if text.lower() in folded:
            return folded[text.lower()]
        remedy = f"use one of {', '.join(words)}; or read the file by a column map with a lookup for the category"
        raise WrongValue("not-one-of", f"{quoted(text)} is no kind of charge that is known here", remedy)

    return parse


def usage(text: str) -> InvoiceCategory:
    """All that a cost report holds."""
    return "usage"


NOTHING = fixed("")


@dataclass(frozen=True, slots=True)
class Declared:
    """Which column is what. `needs`: columns by which the format is known, each by all its names.

    `service` says the month of the use; `period` the billing period, by which an export's rows without an invoice number are
    called (`costs 2026-07`). `quantities`: columns of a quantity with those of its unit, the first filled pair wins.
    `minor_units`: amounts are in cents. `credits`: the list of a record's credits, each a line of its own. `voided`: a column,
    and what stands in it when the invoice no longer counts.
    """

    needs: tuple[tuple[str, ...], ...]
    provider: Source
    amount: Source
    currency: Source
    service: Source
    invoice: Source = NOTHING
    period: Source = NOTHING
    invoice_date: Source = NOTHING
    sku: Source = NOTHING
    description: Source = NOTHING
    quantities: tuple[tuple[Source, Source], ...] = ()
    rate: Source = NOTHING
    category: Source = NOTHING
    categories: Categories = usage
    read_day: Callable[[str], date] = _figures.day
    read_period: Callable[[str], date] = _figures.day
    minor_units: bool = False
    numbered: bool = False
    grouped: bool = True
    credits: str = ""
    voided: tuple[str, str] = ("", "")


def detected(head: Head, declared: Declared) -> bool:
    return all(head.has(*names) for names in declared.needs)


def read_declared(path: Path, shown_as: str, declared: Declared) -> Outcome[tuple[ProviderLine, ...]]:
    """The lines of a file in the declared format."""
    opened = open_export(path, shown_as)
    if opened.rows is None:
        return Outcome((), opened.problems)
    missing = _missing(opened.rows, declared)
    if missing:
        return Outcome((), (*opened.problems, *missing))
    found = lines_of(opened.rows, declared)
    return Outcome(found.rows, (*opened.problems, *found.problems))


def _missing(export: Export, declared: Declared) -> tuple[Problem, ...]:
    if not export.records and not export.names:
        return ()
    found = []
    for names in declared.needs:
        if not export.head.has(*names):
            message = f"the export has no column {' or '.join(names)}"
            remedy = "export it with this column, leave the format to be found, or read the file by a column map"
            found.append(export.header.problem(WrongValue("missing-column", message, remedy)))
    return tuple(found)


def lines_of(export: Export, declared: Declared) -> Outcome[tuple[ProviderLine, ...]]:
    """The lines of an export that has the columns."""
    problems: list[Problem] = []
    lines: list[ProviderLine] = []
    left_out: dict[tuple[str, str], list[Record]] = {}
    for record in export.records:
        found = _Reading(record, declared, problems).lines()
        column, word = declared.voided
        if found and column and record.cells.get(fold(column), "").lower() == word.lower():
            left_out.setdefault((found[0].provider, found[0].invoice), []).append(record)
            continue
        lines += found
    for (provider, invoice), records in left_out.items():
        message = f"invoice {quoted(invoice)} of {provider} is voided: {len(records)} of its lines are left out"
        remedy = "nothing, if the provider has issued another one"
        problem = records[0].problem(WrongValue("invoice-voided", message, remedy), declared.voided[0])
        problems.append(replace(problem, severity="notice"))
    if export.unfinished:
        message = "the report's last page says that another one follows"
        remedy = "fetch the pages that follow; nothing is to be done if they lie in files beside this one"
        problem = Problem("invoice-incomplete", message, SourceRef(export.shown_as), remedy=remedy, severity="warning")
        problems.append(problem)
    if not lines and not problems:
        remedy = "export it again, or leave it out"
        where = SourceRef(export.shown_as)
        problems.append(Problem("no-rows", "the file has no line that bills anything", where, remedy=remedy))
    return Outcome(_grouped(lines) if declared.grouped else tuple(lines), tuple(problems))


@dataclass(frozen=True, slots=True)
class _Reading:
    """One record being read."""

    record: Record
    declared: Declared
    problems: list[Problem]

    def value(self, source: Source, parse: Callable[[str], T], name: str, *, needed: bool = False) -> T | None:
        """The source's value, or None where it is empty or wrong; what is wrong is a problem."""
        column = ""
        try:
            text, column = source(self.record)
            if text:
                return parse(text)
            if needed:
                raise WrongValue("table-cell-empty", f"the {name} is empty", f"write the {name}")
        except WrongValue as wrong:
            self.refuse(wrong, column)
        return None

    def refuse(self, wrong: WrongValue, column: str) -> None:
        self.problems.append(self.record.problem(wrong, wrong.column if isinstance(wrong, Misread) else column))

    def says(self, source: Source) -> bool:
        """Whether there is a text, if only a wrong one."""
        try:
            return source(self.record).text != ""
        except Misread:
            return True

    def lines(self) -> list[ProviderLine]:
        declared, before = self.declared, len(self.problems)
        quantity, unit = self.quantity()
        sku = self.value(declared.sku, values.prose, "SKU") or ""
        if len(self.problems) == before and quantity is None and not sku and not self.says(declared.amount):
            return []
        provider = self.value(declared.provider, values.text, "provider", needed=True)
        currency = self.value(declared.currency, values.currency, "currency", needed=True)
        amount = self.value(declared.amount, _figures.figure, "amount", needed=True)
        service = self.value(declared.service, declared.read_day, "month of service", needed=True)
        period = self.value(declared.period, declared.read_period, "billing period") or service
        number = self.value(declared.invoice, values.prose, "invoice", needed=declared.numbered)
        invoice_date = self.value(declared.invoice_date, _figures.day, "invoice date")
        description = self.value(declared.description, values.prose, "description") or ""
        rate = self.value(declared.rate, _rate, "rate")
        category = self.category()
        if len(self.problems) > before or provider is None or currency is None or amount is None or service is None:
            return []
        invoice = number or f"costs {_month(period or service)}"
        line = ProviderLine(
            provider, invoice, invoice_date, _month(service), sku, description, quantity, unit, amount, currency,
            category or "usage", self.record.where, rate,
        )  # fmt: skip
        if declared.minor_units:
            line = replace(line, amount=EXACT.scaleb(amount, -minor_digits(currency)))
        return [line, *self.credits(line)] if declared.credits else [line]

    def quantity(self) -> tuple[Decimal | None, str]:
        for source, unit in self.declared.quantities:
            if self.says(source):
                return self.value(source, _figures.figure, "quantity"), self.value(unit, values.prose, "unit") or ""
        return None, ""

    def category(self) -> InvoiceCategory | None:
        column = ""
        try:
            text, column = self.declared.category(self.record)
            return self.declared.categories(text)
        except WrongValue as wrong:
            self.refuse(wrong, column)
            return None

    def credits(self, line: ProviderLine) -> list[ProviderLine]:
        """A line for each credit that the record holds beside its cost."""
        try:
            items = items_of(self.record, self.declared.credits)
        except WrongValue as wrong:
            self.refuse(wrong, self.declared.credits)
            return []
        found = []
        for item in items:
            inner = _Reading(item, self.declared, self.problems)
            amount = inner.value(first("amount"), _figures.figure, "amount of the credit", needed=True)
            name = inner.value(first("full_name", "name", "id"), values.prose, "name of the credit") or line.description
            if amount is not None:
                found.append(replace(line, description=name, quantity=None, unit="", amount=amount, category="credit"))
        return found


def _rate(text: str) -> Decimal:
    found = _figures.figure(text)
    if found <= 0:
        remedy = "write what one unit of the invoice's currency is worth in the books'"
        raise WrongValue("rate-not-positive", f"the rate {quoted(text)} is not above 0", remedy)
    return found


def _month(day: date) -> Month:
    return Month(day.year, day.month)


def _grouped(lines: list[ProviderLine]) -> tuple[ProviderLine, ...]:
    """Lines that differ in quantity and amount alone, summed; a quantity that one of them lacks is unknown."""
    sums: dict[ProviderLine, ProviderLine] = {}
    for line in lines:
        key = replace(line, quantity=None, amount=Decimal(0), source=None)
        known = sums.get(key)
        if known is None:
            sums[key] = line
            continue
        both = known.quantity is not None and line.quantity is not None
        quantity = EXACT.add(cast(Decimal, known.quantity), cast(Decimal, line.quantity)) if both else None
        amount = EXACT.add(known.amount, line.amount)
        sums[key] = replace(known, quantity=quantity, amount=amount, rows=known.rows + line.rows)
    return tuple(sums.values())
