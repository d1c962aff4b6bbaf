"""The providers' side of a month's close, composed from the books: usage metered, invoices read, all of it compared and posted.

A closed month keeps what was metered of it; it is metered again only when usage was loaded for it since, or when an invoice
for it came after somebody had changed how providers are declared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from finledger.core.currency import CurrencyRate
from finledger.core.metering import meter, metering_query
from finledger.core.model import Organisation
from finledger.core.period import Month
from finledger.core.pricebook import book_at
from finledger.core.problem import Outcome, Problem, Refused
from finledger.core.provider import Metered, Provider
from finledger.core.provider_checks import INBOX, files_changed
from finledger.core.provider_close import Inbox, ProviderClose, provider_close, touched
from finledger.core.provider_state import MonthMetered, ProviderState
from finledger.core.reconcile import Terms
from finledger.engines import DEFAULT
from finledger.workbench import Workbench

BooksOf = Callable[[Month], Workbench]


def close_providers(
    bench: Workbench,
    month: Month,
    before: ProviderState | None,
    first: Month,
    books_of: BooksOf | None = None,
    engine_name: str = DEFAULT,
) -> ProviderClose:
    """What the close of `month` posts for providers. Nothing is written, and nothing is refused: `problems` says it all.

    `before`: the state of the close before, None for the first of them; `first`: the first month of the books. `books_of`: the
    books by which a service month is metered, those of its close; left out, as they are now.
    """
    read = read_inbox(bench)
    if read.errors:
        changed = () if before is None else tuple(files_changed(before, read.rows.files))
        return _unread(month, before, (*read.problems, *changed))
    terms = terms_of(bench, month)

    def books(service_month: Month) -> Workbench:
        return bench if books_of is None or service_month == month else books_of(service_month)

    asked_again = touched(month, first, before, read.rows, terms)
    months, problems, failed = [], list(read.problems), False
    for service_month in _months(first, month):
        again = service_month == month or service_month in asked_again
        known = None if before is None else next((each for each in before.metered if each.month == service_month), None)
        found = metered_or_known(bench, service_month, books, known, again, engine_name)
        months.append(found.rows)
        problems += found.problems
        failed = bool(found.errors)  # of the month that closes, the last one
    close = provider_close(month, first, before, months, read.rows, terms, bench.organisation)
    unmet = [each for each in close.problems if not (failed and each.code == "provider-missing")]
    return replace(
        close,
        problems=(*(each for each in problems if each.is_error), *unmet),
        notices=(*(each for each in problems if not each.is_error), *close.notices),
    )


def read_inbox(bench: Workbench) -> Outcome[Inbox]:
    """Every invoice of provider-invoices/, with the hashes of what it is read from."""
    from finledger.read.invoices import read_invoices, read_with
    from finledger.read.opened import content_hash

    folder = bench.root / INBOX
    read = read_invoices(folder, INBOX)
    files = {
        f"{INBOX}/{path.relative_to(folder).as_posix()}": {
            f"{INBOX}/{each.relative_to(folder).as_posix()}": content_hash(each) for each in used if each.is_file()
        }
        for path, used in read_with(folder).items()
    }
    return Outcome(Inbox(read.rows, files), read.problems)


def terms_of(bench: Workbench, month: Month) -> Terms:
    """By what the invoices are compared: rounded as the price book of the month's first day says."""
    book = book_at(bench.pricebooks, month.first_day)
    return Terms.of(bench.organisation, bench.rates, "half_up" if book is None else book.rounding)


def metered_in(bench: Workbench, month: Month, books: Workbench, engine_name: str = DEFAULT) -> Outcome[tuple[Metered, ...]]:
    """What was metered of a service month: the usage that is loaded, by the prices, rules and rates of `books`.

    How providers are declared is taken from the books as they are now, and so is what `books` does not know: a source that
    was declared later, a currency's rate that nobody needed then. What cannot be metered is named with its stored rows.
    """
    organisation, prices = metering_organisation(bench, books), books.frozen_pricebooks()
    asked = metering_query(month, organisation, prices)
    groups = bench.engine(engine_name).group(bench.store.paths(bench.ledger.parts(month)), asked)
    found = meter(month, groups.rows, organisation, prices, _rates(books, bench))
    problems = (*groups.problems, *found.problems)
    if any(problem.is_error for problem in problems):
        return Outcome((), bench.refused(month, problems, asked.intervals).problems)
    return Outcome(found.rows, problems)


def metering_organisation(bench: Workbench, books: Workbench) -> Organisation:
    """The organisation of `books`, with what is declared of providers and sources by now."""
    if books is bench:
        return books.organisation
    sources = {**bench.organisation.sources, **books.organisation.sources}
    return replace(books.organisation, providers=bench.organisation.providers, sources=sources)


def metered_or_known(
    bench: Workbench, month: Month, books_of: BooksOf, known: MonthMetered | None, again: bool, engine_name: str
) -> Outcome[MonthMetered]:
    """What the last close `known` of a month, or what is metered of it now: because its usage changed or, asked `again` because
    of an invoice, because providers are declared in another way.
    """
    parts = tuple(sorted(part.sha256 for part in bench.ledger.parts(month)))
    naming = _naming(bench.organisation)
    if known is not None and known.parts == parts and (known.naming == naming or not again):
        return Outcome(known)
    try:
        found = metered_in(bench, month, books_of(month), engine_name)
    except Refused as refused:  # the price books of that month are not what they were
        found = Outcome((), refused.problems)
    metered = known.metered if known is not None and found.errors else found.rows
    return Outcome(MonthMetered(month, parts, metered, naming), found.problems)


def _naming(organisation: Organisation) -> str:
    """A digest of what metering takes from the providers' declarations."""

    def said(provider: Provider) -> Sequence[object]:
        skus = [(each.invoiced, each.metered) for each in provider.skus]
        return (provider.name, provider.invoice, provider.names, provider.sources, skus)

    return hashlib.sha256(repr([said(each) for each in organisation.providers.values()]).encode()).hexdigest()


def _rates(books: Workbench, bench: Workbench) -> tuple[CurrencyRate, ...]:
    """The rates of `books`, and those of currencies that it has none of."""
    if books is bench:
        return bench.rates
    there = {(rate.source_currency, rate.target_currency) for rate in books.rates}
    return (*books.rates, *(rate for rate in bench.rates if (rate.source_currency, rate.target_currency) not in there))


def _months(first: Month, last: Month) -> Iterator[Month]:
    while first <= last:
        yield first
        first = first.next


def _unread(month: Month, before: ProviderState | None, problems: Sequence[Problem]) -> ProviderClose:
    """Where an invoice cannot be read, nothing is posted."""
    state = ProviderState(month) if before is None else before
    return ProviderClose(month, (), state, state.rows, (), tuple(problems))
