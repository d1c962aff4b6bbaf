"""The provider's side in the journal: accrual, reversal, invoice, and what comes late (rules X2, X3, L1)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

from finledger.core.accounts import DEFAULT_ACCOUNTS
from finledger.core.currency import CurrencyRate
from finledger.core.model import Account, JournalEntry, Organisation
from finledger.core.period import Month
from finledger.core.post_provider import accrue, post_change, post_invoice, reverse
from finledger.core.provider import Metered, ProviderLine
from finledger.core.reconcile import Terms, awaited, reconcile
from tests.support import SHARED, needs_shared

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
BOOKS = Organisation("B", "USD", "UTC", "ai-platform", "CC9000", {}, platform_entity="northwind-inc")
TERMS = Terms("USD")
USAGE = Metered("openai", "gpt-small input", JANUARY, Decimal(200_000), "tokens", Decimal(100_000))
INVOICE = ProviderLine(
    "openai",
    "INV-881",
    date(2026, 2, 10),
    JANUARY,
    "gpt-small input",
    "",
    Decimal(202_500),
    "tokens",
    Decimal(101_250),
    "USD",
)


def sides(entries: tuple[JournalEntry, ...]) -> list[tuple[str, str, str, str]]:
    return [
        (str(entry.posting_date), posting.account.key, posting.component, str(posting.amount))
        for entry in entries
        for posting in entry.postings
    ]


def worked() -> tuple[JournalEntry, ...]:
    """100,000.00 metered in January; 101,250.00 invoiced on 10 February: 2,500 tokens more at 0.50 = 1,250.00."""
    accruals = awaited(JANUARY, [USAGE], [], TERMS)
    invoice = post_invoice([INVOICE], [], [USAGE], TERMS, date(2026, 2, 10), BOOKS).rows
    return (*accrue(JANUARY, accruals, BOOKS), *reverse(JANUARY, accruals, BOOKS), *invoice)


def test_accrual_reversal_and_invoice() -> None:
    entries = worked()
    assert sides(entries) == [
        ("2026-01-31", "provider_expense", "provider_expense", "100000.00"),
        ("2026-01-31", "accrued_provider_cost", "accrued_provider_cost", "-100000.00"),
        ("2026-02-01", "provider_expense", "provider_expense", "-100000.00"),
        ("2026-02-01", "accrued_provider_cost", "accrued_provider_cost", "100000.00"),
        ("2026-02-10", "provider_expense", "provider_expense", "100000.00"),
        ("2026-02-10", "provider_variance", "quantity", "1250.00"),
        ("2026-02-10", "provider_payable", "provider_payable", "-101250.00"),
    ]
    assert [(entry.entry_id, str(entry.posting_month), str(entry.service_month)) for entry in entries] == [
        ("2026-01/provider/openai/2026-01/accrual", "2026-01", "2026-01"),
        ("2026-02/provider/openai/2026-01/reversal", "2026-02", "2026-01"),
        ("2026-02/provider/openai/2026-01/invoice/INV-881", "2026-02", "2026-01"),
    ]
    assert {(entry.team, entry.entity) for entry in entries} == {("ai-platform", "northwind-inc")}
    assert {posting.cost_center for entry in entries for posting in entry.postings} == {"CC9000"}
    assert entries[2].memo == "Invoice INV-881 of openai, use of 2026-01"


@needs_shared
def test_accrual_reversal_and_invoice__is_the_worked_quarter() -> None:
    """Entries 1, 7 and 8 of the reference journal, which bean-check, hledger and ledger have proven."""
    accounts = {
        "provider_expense": "Expenses:AI:Provider:CC9000", "provider_variance": "Expenses:AI:Variance:CC9000",
        "accrued_provider_cost": "Liabilities:Accrued:Provider", "provider_payable": "Liabilities:AP:Provider",
    }  # fmt: skip
    text = (SHARED / "design" / "worked-quarter.beancount").read_text(encoding="utf-8")
    expected = []
    for day, body in re.findall(r'^(\S+) \* "Provider" "(?:1|7|8) .*\n((?:  .*\n)+)', text, re.MULTILINE):
        expected.append((day, sorted(tuple(posting.split()[:2]) for posting in body.splitlines())))
    assert len(expected) == 3
    assert [
        (str(entry.posting_date), sorted((accounts[p.account.key], str(p.amount)) for p in entry.postings))
        for entry in worked()
    ] == expected


def test_invoice__every_class_has_its_posting() -> None:
    """Credits, taxes and fees are expense, currency its own account, the rest variance; an unclassified rest keeps the payable."""
    rates = [CurrencyRate(date(2026, 1, 31), "EUR", "USD", Decimal("1.00"), "ECB")]
    terms = replace(TERMS, rates=[*rates, CurrencyRate(date(2026, 2, 9), "EUR", "USD", Decimal("1.01"), "ECB")])
    lines = [
        replace(INVOICE, currency="EUR"),
        replace(INVOICE, currency="EUR", category="tax", amount=Decimal(1000)),
        replace(INVOICE, currency="EUR", sku="gpt-small output", quantity=None, amount=Decimal(500)),
    ]
    usage = [USAGE, replace(USAGE, sku="gpt-small output", quantity=Decimal(10), cost=Decimal(480))]
    (entry,) = post_invoice(lines, [], usage, terms, date(2026, 2, 10), BOOKS).rows
    assert sides((entry,)) == [
        ("2026-02-10", "provider_expense", "provider_expense", "100480.00"),
        ("2026-02-10", "conversion_difference", "currency", "1027.50"),  # 1 % of 101,250 + 1,000 + 500
        ("2026-02-10", "provider_expense", "credit_tax_fee", "1000.00"),
        ("2026-02-10", "provider_variance", "quantity", "1250.00"),
        ("2026-02-10", "provider_variance", "unclassified", "20.00"),
        ("2026-02-10", "provider_payable", "provider_payable", "-103777.50"),
    ]


def test_invoice__a_second_one_posts_what_it_changes() -> None:
    """INV-881 left the output tokens out: -480.00 missing. INV-882 brings them: the variance goes, the payable comes."""
    usage = [USAGE, replace(USAGE, sku="gpt-small output", quantity=Decimal(10), cost=Decimal(480))]
    (first,) = post_invoice([INVOICE], [], usage, TERMS, date(2026, 2, 10), BOOKS).rows
    assert [each[2:] for each in sides((first,))] == [
        ("provider_expense", "100480.00"), ("missing_from_invoice", "-480.00"), ("quantity", "1250.00"),
        ("provider_payable", "-101250.00"),
    ]  # fmt: skip
    late = replace(INVOICE, invoice="INV-882", sku="gpt-small output", quantity=Decimal(10), amount=Decimal(480))
    (second,) = post_invoice([late], [INVOICE], usage, TERMS, date(2026, 3, 3), BOOKS).rows
    assert sides((second,)) == [
        ("2026-03-03", "provider_variance", "missing_from_invoice", "480.00"),
        ("2026-03-03", "provider_payable", "provider_payable", "-480.00"),
    ]


def test_invoice__of_two_months_has_an_entry_for_each() -> None:
    lines = [INVOICE, replace(INVOICE, service_month=FEBRUARY, quantity=Decimal(1000), amount=Decimal("499.995"))]
    usage = [USAGE, replace(USAGE, service_month=FEBRUARY, quantity=Decimal(1000), cost=Decimal(500))]
    entries = post_invoice(lines, [], usage, TERMS, date(2026, 3, 5), BOOKS).rows
    assert [(str(entry.service_month), str(entry.postings[-1].amount)) for entry in entries] == [
        ("2026-01", "-101250.00"),
        ("2026-02", "-500.00"),
    ]


def test_invoice__a_credit_note_is_the_other_way_round() -> None:
    credit = replace(INVOICE, invoice="CN-1", quantity=Decimal(-2500), amount=Decimal(-1250))
    (entry,) = post_invoice([credit], [INVOICE], [USAGE], TERMS, date(2026, 3, 3), BOOKS).rows
    assert [each[1:] for each in sides((entry,))] == [
        ("provider_variance", "quantity", "-1250.00"),
        ("provider_payable", "provider_payable", "1250.00"),
    ]


def test_invoice__without_a_rate_posts_nothing() -> None:
    outcome = post_invoice([replace(INVOICE, currency="EUR")], [], [USAGE], TERMS, date(2026, 2, 10), BOOKS)
    assert outcome.rows == ()
    assert {problem.code for problem in outcome.errors} == {"currency-rate-missing"}


def test_change__late_usage_moves_variance_to_expense() -> None:
    """310.55 of January's usage was loaded in March: the invoice held it all along, as quantity nobody had metered."""
    late = replace(USAGE, quantity=Decimal("200621.1"), cost=Decimal("100310.55"))
    before, after = (reconcile(JANUARY, [usage], [INVOICE], TERMS).rows for usage in (USAGE, late))
    entries = post_change(before, after, "late-usage", "INV-881 of openai", date(2026, 3, 20), BOOKS)
    assert sides(entries) == [
        ("2026-03-20", "provider_expense", "provider_expense", "310.55"),
        ("2026-03-20", "provider_variance", "quantity", "-310.55"),
    ]
    assert post_change(after, after, "x", "x", date(2026, 3, 20), BOOKS) == ()


def test_accounts__are_the_controllers() -> None:
    own = Account("conversion_difference", "Kursdifferenzen", "Expenses", "6880")
    rates = [CurrencyRate(date(2026, 1, 31), "EUR", "USD", Decimal(1), "ECB")]
    terms = replace(TERMS, rates=[*rates, CurrencyRate(date(2026, 2, 9), "EUR", "USD", Decimal(2), "ECB")])
    books = replace(BOOKS, accounts={"conversion_difference": own})
    (entry,) = post_invoice([replace(INVOICE, currency="EUR")], [], [USAGE], terms, date(2026, 2, 10), books).rows
    assert own in [posting.account for posting in entry.postings]
    assert DEFAULT_ACCOUNTS["provider_payable"] in [posting.account for posting in entry.postings]
