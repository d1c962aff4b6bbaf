"""A provider's month in its entries: what was accrued, what is owed, and what it cost, rolled forward (rules X2, X4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from finledger.core.model import Check, JournalEntry, Organisation
from finledger.core.money import Money, total
from finledger.core.period import Month
from finledger.core.post_provider import Bills, accrue, post_change, reverse
from finledger.core.provider import Accrual, SkuReconciliation


@dataclass(frozen=True, slots=True)
class ProviderMonth:
    """A provider in a month that closes: what is accrued for it before and after, what its entries post, and what it billed.

    opening + accrued - reversed = closing; expense + variance + conversion = payable + closing - opening. `opening` and
    `closing` are the outstanding accruals as the two closes keep them, `billed` the invoices that are posted; the rest is what
    the entries post. Credits, taxes and fees are in `expense`.
    """

    provider: str
    opening: Money
    accrued: Money
    reversed: Money
    closing: Money
    billed: Money
    payable: Money
    expense: Money
    variance: Money
    conversion: Money
    entries: tuple[JournalEntry, ...] = ()

    def checks(self) -> tuple[Check, ...]:
        """The laws of the roll-forward, each with both its sides."""
        rolled_on = self.opening + self.accrued - self.reversed
        costs = self.expense + self.variance + self.conversion
        owed = self.payable + self.closing - self.opening
        return (
            Check(
                f"{self.provider}: accrued before + accrued - reversed = accrued after",
                rolled_on.amount,
                self.closing.amount,
            ),
            Check(f"{self.provider}: payable = its invoices", self.payable.amount, self.billed.amount),
            Check(f"{self.provider}: cost = payable + what accruals changed by", costs.amount, owed.amount),
        )


def provider_month(
    provider: str,
    month: Month,
    accruals: tuple[Iterable[Accrual], Iterable[Accrual]],
    rows: tuple[Iterable[SkuReconciliation], Iterable[SkuReconciliation]],
    bills: Bills,
    organisation: Organisation,
) -> ProviderMonth:
    """What `month` posts of a provider; `accruals` and `rows` of it before and after."""
    before, after = (tuple(each) for each in accruals)
    reversal = reverse(month.before, before, organisation)
    changes = post_change(*rows, bills, month.last_day, organisation)
    accrual = accrue(month, after, organisation)
    posted = (*reversal, *changes, *accrual)
    currency = organisation.currency

    def sums(entries: Iterable[JournalEntry], account: str) -> Money:
        return total((each.amount for one in entries for each in one.postings if each.account.key == account), currency)

    return ProviderMonth(
        provider=provider,
        opening=total((each.amount for each in before), currency),
        accrued=-sums(accrual, "accrued_provider_cost"),
        reversed=sums(reversal, "accrued_provider_cost"),
        closing=total((each.amount for each in after), currency),
        billed=total((each.amount for own in bills.values() for each in own), currency),
        payable=-sums(posted, "provider_payable"),
        expense=sums(posted, "provider_expense"),
        variance=sums(posted, "provider_variance"),
        conversion=sums(posted, "conversion_difference"),
        entries=posted,
    )
