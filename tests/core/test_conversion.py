"""Invoices in another currency: used at one rate, owed at another; the difference has its own account (rule M6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from finledger.core.currency import CurrencyRate
from finledger.core.model import JournalEntry, Organisation
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.post_provider import Bill, accrue, post_change, reverse
from finledger.core.provider import Metered, ProviderLine
from finledger.core.reconcile import Terms, awaited, reconcile

JANUARY = Month(2026, 1)
BOOKS = Organisation("B", "USD", "UTC", "ai-platform", "CC9000", {}, platform_entity="DE01")
RATES = [
    CurrencyRate(date(2026, 1, 28), "EUR", "USD", Decimal("1.05"), "ECB"),
    CurrencyRate(date(2026, 1, 31), "EUR", "USD", Decimal("1.08"), "ECB"),
    CurrencyRate(date(2026, 2, 9), "EUR", "USD", Decimal("1.10"), "ECB"),
    CurrencyRate(date(2026, 3, 2), "EUR", "USD", Decimal("1.20"), "ECB"),
]
TERMS = Terms("USD", rates=RATES)
SKU = "gpt-small input"
USAGE = Metered("openai", SKU, JANUARY, Decimal(20_000), "tokens", Decimal(10_800))
INVOICE = ProviderLine(
    "openai", "INV-881", date(2026, 2, 10), JANUARY, SKU, "", Decimal(20_000), "tokens", Decimal(10_000), "EUR"
)


def posted(known: list[ProviderLine], arrived: ProviderLine, owed: str) -> tuple[JournalEntry, ...]:
    """The entries of an invoice that arrives when others are known; `owed` in USD."""
    before = reconcile(JANUARY, [USAGE], known, TERMS).rows
    after = reconcile(JANUARY, [USAGE], [*known, arrived], TERMS).rows
    assert arrived.invoice_date is not None
    bill = Bill(arrived.invoice, arrived.invoice_date, Money(int(Decimal(owed) * 100), "USD"))
    return post_change(before, after, {("openai", JANUARY): [bill]}, arrived.invoice_date, BOOKS)


def sides(entries: tuple[JournalEntry, ...]) -> list[tuple[str, str, str]]:
    return [(str(entry.posting_date), each.account.key, str(each.amount)) for entry in entries for each in entry.postings]


def test_euro__expense_at_the_rate_of_the_months_end_payable_at_the_invoices_own() -> None:
    """10,000.00 EUR of use in January, at 1.08 of 31 January: 10,800.00 USD are accrued, and taken back on 1 February.

    The invoice of 10 February over the same 10,000.00 EUR is owed at 1.10, the rate since 9 February: 11,000.00. The use did
    not become dearer: 10,000 x (1.10 - 1.08) = 200.00 are conversion difference, and nothing is variance.
    """
    accruals = awaited(JANUARY, [USAGE], [], TERMS)
    entries = (
        *accrue(JANUARY, accruals, BOOKS),
        *reverse(JANUARY, accruals, BOOKS),
        *posted([], INVOICE, "11000.00"),
    )
    assert sides(entries) == [
        ("2026-01-31", "provider_expense", "10800.00"),
        ("2026-01-31", "accrued_provider_cost", "-10800.00"),
        ("2026-02-01", "provider_expense", "-10800.00"),
        ("2026-02-01", "accrued_provider_cost", "10800.00"),
        ("2026-02-10", "provider_expense", "10800.00"),
        ("2026-02-10", "conversion_difference", "200.00"),
        ("2026-02-10", "provider_payable", "-11000.00"),
    ]


def test_euro__a_credit_note_takes_variance_back_at_the_months_rate() -> None:
    """500.00 EUR of credit on 3 March, at 1.20: 600.00 USD less to pay. At January's rate they are 540.00 of quantity that
    was never used; the other 500 x (1.20 - 1.08) = 60.00 are conversion.
    """
    credit = replace(
        INVOICE, invoice="CN-7", invoice_date=date(2026, 3, 3), quantity=Decimal(-1_000), amount=Decimal(-500)
    )  # fmt: skip
    assert sides(posted([INVOICE], credit, "-600.00")) == [
        ("2026-03-03", "conversion_difference", "-60.00"),
        ("2026-03-03", "provider_variance", "-540.00"),
        ("2026-03-03", "provider_payable", "600.00"),
    ]


def test_euro__without_a_rate_of_its_own_day_nothing_is_guessed() -> None:
    early = replace(INVOICE, invoice_date=date(2025, 12, 31))
    outcome = reconcile(JANUARY, [USAGE], [early], TERMS)
    assert outcome.rows == () and [problem.code for problem in outcome.errors] == ["currency-rate-missing"]
