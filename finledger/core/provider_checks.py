"""What stands in the way of closing a month on the providers' side, and what a person should know of it (rules X1, X2, L2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from finledger.core.period import Month
from finledger.core.problem import Problem, SourceRef
from finledger.core.provider import Accrual, ProviderLine, SkuReconciliation
from finledger.core.provider_state import MonthMetered, ProviderState
from finledger.core.reconcile import Terms

INBOX = "provider-invoices"
SETTINGS = "finledger.yaml"


@dataclass(frozen=True, slots=True)
class Unmet:
    """What is looked at: a month that closes, in books that begin with `first`, as `provider_close` has it."""

    month: Month
    first: Month
    before: ProviderState | None
    metered: Mapping[Month, MonthMetered]
    lines: tuple[ProviderLine, ...]
    files: Mapping[str, Mapping[str, str]]
    rows: tuple[SkuReconciliation, ...]
    accruals: tuple[Accrual, ...]
    terms: Terms


def unmet(asked: Unmet) -> tuple[Problem, ...]:
    """Errors stop the close; notices do not."""
    return (
        *(() if asked.before is None else files_changed(asked.before, asked.files)),
        *called_twice(asked.lines, asked.terms),
        *not_loaded(asked.lines, [each for each in asked.metered.values() if not each.parts]),
        *_missing(asked),
        *unclassified(asked.rows, asked.lines),
        *(waits(each) for each in asked.accruals),
        *_before_books(asked),
    )


def files_changed(before: ProviderState, files: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Invoices that a close has posted from, and that are not what they were: nobody could show what was posted."""
    there = {path: sha256 for read_with in files.values() for path, sha256 in read_with.items()}
    for path, sha256 in before.invoices.items():
        if there.get(path) == sha256:
            continue
        code = "invoice-removed"
        if path in there:
            code = "invoice-changed"
        yield Problem(
            code,
            f"the close of {before.month} or one before it posted from this file, and it is "
            + ("not the same any more" if path in there else "gone"),
            SourceRef(path),
            remedy=f"put it back: store/sealed/{sha256} is the copy that was sealed; what is new goes into a file of its own, and "
            "what was wrong is set right by the provider's credit memo",
        )


def called_twice(lines: Iterable[ProviderLine], terms: Terms) -> Iterator[Problem]:
    """An invoice in two files under two names of one provider: it would be paid twice."""
    seen: dict[tuple[str, str], ProviderLine] = {}
    said: set[tuple[str, str, str]] = set()
    for line in lines:
        if not line.invoice:
            continue
        key = (terms.provider(line.provider).name, line.invoice)
        first = seen.setdefault(key, line)
        other_file = first.source is not None and line.source is not None and first.source.file != line.source.file
        if other_file and first.provider != line.provider and (*key, line.provider) not in said:
            said.add((*key, line.provider))
            yield Problem(
                "invoice-twice",
                f"invoice {line.invoice!r} of {line.provider} stands already at {first.source} as one of {first.provider}, which "
                f"is the same provider {key[0]}: it would count twice",
                line.source,
                remedy="take one of the two files out of the folder",
            )


def not_loaded(lines: Iterable[ProviderLine], empty: Iterable[MonthMetered]) -> Iterator[Problem]:
    """Invoices for months of the books without any usage: all that they bill would count as never metered."""
    months = {each.month for each in empty}
    said: set[tuple[str, str, Month]] = set()
    for line in lines:
        key = (line.provider, line.invoice, line.service_month)
        if line.service_month in months and key not in said:
            said.add(key)
            yield Problem(
                "invoice-month-not-loaded",
                f"{_title(line)} bills use of {line.service_month}, and no usage of that month is loaded",
                line.source,
                remedy=f"run `finledger load` with the exports of {line.service_month}, or mend the month on the invoice",
            )


def _missing(asked: Unmet) -> Iterator[Problem]:
    there = {asked.terms.provider(line.provider).name for line in asked.lines if line.service_month == asked.month}
    there |= {each.provider for each in asked.accruals if each.service_month == asked.month}
    for provider in asked.terms.providers.values():
        if provider.invoice == "expected" and provider.name not in there:
            yield Problem(
                "provider-missing",
                f"{provider.name} has sent no invoice for {asked.month}, and nothing that it bills was metered, so there is nothing "
                "to accrue",
                provider.source or SourceRef(SETTINGS),
                remedy="load its usage, or put its invoice into provider-invoices/; where none is to come, write `invoice: none`",
            )


def unclassified(rows: Iterable[SkuReconciliation], lines: Iterable[ProviderLine] = ()) -> Iterator[Problem]:
    """Differences between invoice and metering that are of no class: while there is one, the month does not close (X1)."""
    known = tuple(lines)
    for row in rows:
        if row.unclassified:
            unexplained = f"{row.unclassified:,} {row.metered.currency} unexplained"
            difference = f"{row.invoiced:,} invoiced, {row.metered:,} metered, {unexplained}"
            yield Problem(
                "invoice-unclassified",
                f"{row.provider} {row.sku or 'all of it'} in {row.service_month}: {difference}"
                + (f" ({row.note})" if row.note else ""),
                row.lines[0] if row.lines else _file_of(row, known),
                remedy="load what is missing, map the invoice's SKU under `providers`, or state the provider's tolerance there",
            )


def _file_of(row: SkuReconciliation, lines: Iterable[ProviderLine]) -> SourceRef:
    """The first line of one of the row's invoices for its month; of a row that stands as it was posted no place is kept."""
    for line in lines:
        if line.invoice in row.invoices and line.service_month == row.service_month and line.source is not None:
            return line.source
    return SourceRef(INBOX)


def waits(accrual: Accrual) -> Problem:
    return Problem(
        "invoice-awaited",
        f"{accrual.provider} has sent no invoice for {accrual.service_month}: {accrual.amount:,} {accrual.amount.currency} are "
        "to be accrued",
        SourceRef("usage"),
        remedy=f"put the invoice into {INBOX}/ when it comes; where none is to come, write `invoice: none` for the provider",
        severity="warning",
    )


def _before_books(asked: Unmet) -> Iterator[Problem]:
    said: set[tuple[str, str]] = set()
    for line in asked.lines:
        key = (line.provider, line.invoice)
        if line.service_month < asked.first and key not in said:
            said.add(key)
            yield Problem(
                "invoice-before-books",
                f"{_title(line)} bills use of {line.service_month}; the books begin with {asked.first}, so that is not posted",
                line.source,
                remedy="nothing to do, if it was posted elsewhere",
                severity="notice",
            )


def _title(line: ProviderLine) -> str:
    return f"invoice {line.invoice!r} of {line.provider}" if line.invoice else f"a cost report of {line.provider}"
