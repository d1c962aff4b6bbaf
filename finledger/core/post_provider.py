"""The provider's side in double entry: accrual, its reversal, the invoice with its variances (rules X2, X3, L1).

Usage metered at 100,000.00 in January, whose invoice of 101,250.00 comes on 10 February:

    31 January   provider expense 100,000.00                           to accrued provider cost  100,000.00
     1 February  accrued provider cost 100,000.00                      to provider expense       100,000.00
    10 February  provider expense 100,000.00, variance 1,250.00        to provider payable       101,250.00

An accrual is reversed on the next month's first day, whether the invoice has come or not: where it has not, the month's end
accrues it again. All is the platform's, at its cost centre. A variance has a posting for each class, so that the account can
be read by class; credits, taxes and fees are provider expense, differences of currency go to their own account (M6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from finledger.core.accounts import DEFAULT_ACCOUNTS
from finledger.core.differences import UNCLASSIFIED
from finledger.core.model import JournalEntry, Organisation, Posting
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import Outcome
from finledger.core.provider import DIFFERENCES, Accrual, Metered, ProviderLine, SkuReconciliation
from finledger.core.reconcile import Terms, reconcile

ACCOUNT_OF = {"credit_tax_fee": "provider_expense", "currency": "conversion_difference"}  # the others: provider_variance
Sums = dict[str, int]  # by component, in minor units: debit positive


def accrue(month: Month, accruals: Iterable[Accrual], organisation: Organisation) -> tuple[JournalEntry, ...]:
    """At the month's end: usage of this and of earlier service months whose invoice has not arrived (X2)."""
    return _accruals(month.last_day, "accrual", 1, accruals, organisation)


def reverse(month: Month, accruals: Iterable[Accrual], organisation: Organisation) -> tuple[JournalEntry, ...]:
    """What was accrued at the end of `month`, taken back on the first day of the next."""
    return _accruals(month.next.first_day, "reversal", -1, accruals, organisation)


def _accruals(
    day: date, kind: str, sign: int, accruals: Iterable[Accrual], organisation: Organisation
) -> tuple[JournalEntry, ...]:
    entries = []
    for each in sorted(accruals, key=lambda each: (each.provider, each.service_month)):
        if each.amount:
            minor = sign * each.amount.minor
            sums = {"provider_expense": minor, "accrued_provider_cost": -minor}
            memo = f"{kind.capitalize()}: use of {each.provider} in {each.service_month}, not invoiced"
            entries.append(_entry(day, each.provider, each.service_month, kind, memo, sums, organisation))
    return tuple(entries)


def post_invoice(
    arrived: Sequence[ProviderLine],
    known: Sequence[ProviderLine],
    metered: Sequence[Metered],
    terms: Terms,
    posting_date: date,
    organisation: Organisation,
) -> Outcome[tuple[JournalEntry, ...]]:
    """The entries of one invoice that arrives: one for each of its service months; their payables add up to the invoice.

    `known`: the lines of the invoices that are posted already. `metered`: of all the service months of either.
    """
    months = sorted({line.service_month for line in (*arrived, *known)})
    before: list[SkuReconciliation] = []
    after: list[SkuReconciliation] = []
    for month in months:
        for found, lines in ((before, known), (after, (*known, *arrived))):
            outcome = reconcile(month, metered, lines, terms)
            if outcome.errors:
                return Outcome((), outcome.problems)
            found += outcome.rows
    names = sorted({(line.provider, line.invoice) for line in arrived})
    title = ", ".join(f"{invoice} of {provider}" for provider, invoice in names)
    number = "+".join(invoice for _, invoice in names)
    return Outcome(post_change(before, after, number, title, posting_date, organisation))


def post_change(
    before: Iterable[SkuReconciliation],
    after: Iterable[SkuReconciliation],
    number: str,
    title: str,
    posting_date: date,
    organisation: Organisation,
) -> tuple[JournalEntry, ...]:
    """What has to be posted for a comparison to become another, by provider and service month: an invoice more, late usage.

    What is unclassified is posted as such, so that the payable is right; a month with some does not close (X1).
    """
    sums: dict[tuple[str, Month], Sums] = {}
    for sign, rows in ((-1, before), (1, after)):
        for row in rows:
            changes = sums.setdefault((row.provider, row.service_month), {})
            for component, amount in _components(row):
                changes[component] = changes.get(component, 0) + sign * amount.minor
    memo = f"Invoice {title}"
    return tuple(
        _entry(
            posting_date, provider, month, f"invoice/{_id_part(number)}", f"{memo}, use of {month}", changes, organisation
        )
        for (provider, month), changes in sorted(sums.items())
        if any(changes.values())
    )


def _components(row: SkuReconciliation) -> Iterable[tuple[str, Money]]:
    yield "provider_expense", row.metered
    yield from row.classes.items()
    yield UNCLASSIFIED, row.unclassified
    yield "provider_payable", -row.invoiced


_ORDER = ("provider_expense", *DIFFERENCES, UNCLASSIFIED, "accrued_provider_cost", "provider_payable")


def _entry(
    day: date, provider: str, service_month: Month, kind: str, memo: str, sums: Mapping[str, int], organisation: Organisation
) -> JournalEntry:
    accounts = {**DEFAULT_ACCOUNTS, **organisation.accounts}
    month = Month(day.year, day.month)
    postings = []
    for component in _ORDER:
        if sums.get(component):
            key = component if component in accounts else ACCOUNT_OF.get(component, "provider_variance")
            amount = Money(sums[component], organisation.currency)
            postings.append(Posting(accounts[key], organisation.platform_cost_center, amount, component))
    return JournalEntry(
        entry_id=f"{month}/provider/{_id_part(provider)}/{service_month}/{kind}",
        posting_date=day,
        posting_month=month,
        service_month=service_month,
        team=organisation.platform_team,
        entity=organisation.platform_entity,
        memo=memo,
        postings=tuple(postings),
    )


def _id_part(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")
