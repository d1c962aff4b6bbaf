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
from dataclasses import dataclass
from datetime import date

from finledger.core.accounts import accounts_of
from finledger.core.differences import UNCLASSIFIED
from finledger.core.model import JournalEntry, Organisation, Posting
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.provider import DIFFERENCES, Accrual, SkuReconciliation

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


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice that is posted: its number, "" for costs that a provider reports without one, the day that it is posted on,
    and what of it is for the service month."""

    number: str
    day: date
    amount: Money


Bills = Mapping[tuple[str, Month], Sequence[Bill]]  # by provider and service month


def post_change(
    before: Iterable[SkuReconciliation],
    after: Iterable[SkuReconciliation],
    bills: Bills,
    otherwise: date,
    organisation: Organisation,
) -> tuple[JournalEntry, ...]:
    """What has to be posted for a comparison to become another, by provider and service month: invoices more, late usage.

    `bills`: what made the change, the newest last; where nothing did but usage, it is posted `otherwise`. Of several, each but
    the newest is expense as it stands, and the newest takes what then differs from metering: so that every payable is its
    invoice, and no variance comes and goes between two invoices of one day. What is unclassified is posted as such, so that
    the payable is right; a month with some does not close (X1).
    """
    sums: dict[tuple[str, Month], Sums] = {}
    for sign, rows in ((-1, before), (1, after)):
        for row in rows:
            changes = sums.setdefault((row.provider, row.service_month), {})
            for component, amount in components_of(row):
                changes[component] = changes.get(component, 0) + sign * amount.minor
    entries = []
    for provider, month in sorted({*sums, *bills}):
        changes, own = sums.get((provider, month), {}), bills.get((provider, month), ())
        entries += _change(provider, month, changes, own, otherwise, organisation)
    return tuple(entries)


def _change(
    provider: str, month: Month, changes: Sums, bills: Sequence[Bill], otherwise: date, organisation: Organisation
) -> list[JournalEntry]:
    entries = []
    for bill in bills[:-1]:
        plain = {"provider_expense": bill.amount.minor, "provider_payable": -bill.amount.minor}
        changes = {key: changes.get(key, 0) - plain.get(key, 0) for key in {**changes, **plain}}
        if bill.amount:
            entries.append(_entry(bill.day, provider, month, *_named(bill, provider, month), plain, organisation))
    if bills and any(changes.values()):
        last = bills[-1]
        entries.append(_entry(last.day, provider, month, *_named(last, provider, month), changes, organisation))
    elif any(changes.values()):
        memo = f"Use of {provider} in {month} metered since its invoice was posted"
        entries.append(_entry(otherwise, provider, month, "usage", memo, changes, organisation))
    return entries


def _named(bill: Bill, provider: str, month: Month) -> tuple[str, str]:
    """What an entry is called, and its memo."""
    if not bill.number:
        return "costs", f"Costs as {provider} reports them, use of {month}"
    return f"invoice/{_id_part(bill.number)}", f"Invoice {bill.number} of {provider}, use of {month}"


def components_of(row: SkuReconciliation) -> Iterable[tuple[str, Money]]:
    """What a comparison posts, debit positive: metered cost and every difference, to what was invoiced."""
    yield "provider_expense", row.metered
    yield from row.classes.items()
    yield UNCLASSIFIED, row.unclassified
    yield "provider_payable", -row.invoiced


_ORDER = ("provider_expense", *DIFFERENCES, UNCLASSIFIED, "accrued_provider_cost", "provider_payable")


def _entry(
    day: date, provider: str, service_month: Month, kind: str, memo: str, sums: Mapping[str, int], organisation: Organisation
) -> JournalEntry:
    accounts = accounts_of(organisation)
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
