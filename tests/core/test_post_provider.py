"""The provider's side in the journal: accrual, reversal, invoice, and what comes late (rules X2, X3, L1, L3)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

from finledger.core.accounts import DEFAULT_ACCOUNTS
from finledger.core.currency import CurrencyRate
from finledger.core.model import Account, JournalEntry, Organisation
from finledger.core.period import Month
from finledger.core.problem import SourceRef
from finledger.core.provider import Metered, ProviderLine
from finledger.core.provider_close import Inbox, ProviderClose, provider_close
from finledger.core.provider_state import MonthMetered, ProviderState
from finledger.core.reconcile import Terms
from tests.support import SHARED, needs_shared

JANUARY, FEBRUARY, MARCH = Month(2026, 1), Month(2026, 2), Month(2026, 3)
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
    source=SourceRef("provider-invoices/INV-881.csv", 2),
)


def close(
    month: Month,
    before: ProviderState | None,
    usage: list[Metered],
    lines: list[ProviderLine],
    terms: Terms = TERMS,
    books: Organisation = BOOKS,
) -> ProviderClose:
    """The close of a month in books that begin in January; each invoice is a file of its number."""
    lines = [replace(line, source=SourceRef(f"provider-invoices/{line.invoice}.csv", 2)) for line in lines]
    files = {line.source.file: {line.source.file: "0" * 64} for line in lines if line.source}
    months = [each for each in (JANUARY, FEBRUARY, MARCH) if each <= month]
    metered = [MonthMetered(each, ("p",), tuple(one for one in usage if one.service_month == each)) for each in months]
    found = provider_close(month, JANUARY, before, metered, Inbox(tuple(lines), files), terms, books)
    assert all(check.holds for check in found.checks)
    return replace(found, state=ProviderState.from_json(found.state.to_json()))


def invoiced(
    lines: list[ProviderLine], usage: list[Metered], terms: Terms = TERMS, books: Organisation = BOOKS
) -> tuple[JournalEntry, ...]:
    """What invoices post that come in February, when January was closed without any: the accrual is not among it."""
    january = close(JANUARY, None, usage, [], terms, books)
    found = close(FEBRUARY, january.state, usage, lines, terms, books)
    return tuple(each for each in found.entries if not each.entry_id.endswith(("/accrual", "/reversal")))


def sides(entries: tuple[JournalEntry, ...]) -> list[tuple[str, str, str, str]]:
    return [
        (str(entry.posting_date), posting.account.key, posting.component, str(posting.amount))
        for entry in entries
        for posting in entry.postings
    ]


def worked() -> tuple[JournalEntry, ...]:
    """100,000.00 metered in January; 101,250.00 invoiced on 10 February: 2,500 tokens more at 0.50 = 1,250.00."""
    january = close(JANUARY, None, [USAGE], [])
    return (*january.entries, *close(FEBRUARY, january.state, [USAGE], [INVOICE]).entries)


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
    (entry,) = invoiced(lines, usage, terms)
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
    january = close(JANUARY, None, usage, [])
    february = close(FEBRUARY, january.state, usage, [INVOICE])
    assert [each[2:] for each in sides(february.entries[1:])] == [
        ("provider_expense", "100480.00"), ("missing_from_invoice", "-480.00"), ("quantity", "1250.00"),
        ("provider_payable", "-101250.00"),
    ]  # fmt: skip
    late = replace(
        INVOICE, invoice="INV-882", invoice_date=date(2026, 3, 3), sku="gpt-small output", quantity=Decimal(10),
        amount=Decimal(480),
    )  # fmt: skip
    march = close(MARCH, february.state, usage, [INVOICE, late])
    assert sides(march.entries) == [
        ("2026-03-03", "provider_variance", "missing_from_invoice", "480.00"),
        ("2026-03-03", "provider_payable", "provider_payable", "-480.00"),
    ]


def test_invoice__of_several_at_once_each_has_its_payable() -> None:
    """INV-880 of 60,000.00 bills a part of the tokens, and is no variance of 40,000.00: INV-881 bills the rest and 1,250.00 more."""
    part = replace(
        INVOICE, invoice="INV-880", invoice_date=date(2026, 2, 3), quantity=Decimal(120_000), amount=Decimal(60_000)
    )
    rest = replace(INVOICE, quantity=Decimal(82_500), amount=Decimal(41_250))
    entries = invoiced([rest, part], [USAGE])
    assert [entry.entry_id.rpartition("/")[2] for entry in entries] == ["INV-880", "INV-881"]
    assert sides(entries) == [
        ("2026-02-03", "provider_expense", "provider_expense", "60000.00"),
        ("2026-02-03", "provider_payable", "provider_payable", "-60000.00"),
        ("2026-02-10", "provider_expense", "provider_expense", "40000.00"),
        ("2026-02-10", "provider_variance", "quantity", "1250.00"),
        ("2026-02-10", "provider_payable", "provider_payable", "-41250.00"),
    ]


def test_invoice__its_date_is_held_within_the_month_that_closes() -> None:
    for stated, posted in ((date(2026, 1, 31), "2026-02-01"), (date(2026, 3, 4), "2026-02-28"), (None, "2026-02-28")):
        (entry,) = invoiced([replace(INVOICE, invoice_date=stated)], [USAGE])
        assert str(entry.posting_date) == posted


def test_invoice__of_two_months_has_an_entry_for_each() -> None:
    """The half cent of February is rounded with the whole invoice: 101,749.995 is 101,750.00."""
    lines = [INVOICE, replace(INVOICE, service_month=FEBRUARY, quantity=Decimal(1000), amount=Decimal("499.995"))]
    usage = [USAGE, replace(USAGE, service_month=FEBRUARY, quantity=Decimal(1000), cost=Decimal(500))]
    entries = invoiced(lines, usage)
    assert [(entry.entry_id, str(entry.postings[-1].amount)) for entry in entries] == [
        ("2026-02/provider/openai/2026-01/invoice/INV-881", "-101250.00"),
        ("2026-02/provider/openai/2026-02/invoice/INV-881", "-500.00"),
    ]


def test_invoice__what_it_bills_for_a_month_to_come_is_posted_then() -> None:
    """An invoice of 12 February bills January and, in advance, March: 900.00 wait for March's close."""
    lines = [INVOICE, replace(INVOICE, service_month=MARCH, quantity=Decimal(1800), amount=Decimal(900))]
    usage = [USAGE, replace(USAGE, service_month=MARCH, quantity=Decimal(1800), cost=Decimal(900))]
    january = close(JANUARY, None, usage, [])
    february = close(FEBRUARY, january.state, usage, lines)
    march = close(MARCH, february.state, usage, lines)
    assert [str(each.payable) for name in (february, march) for each in name.providers] == ["101250.00", "900.00"]
    assert [(entry.entry_id, str(entry.posting_date)) for entry in march.entries] == [
        ("2026-03/provider/openai/2026-03/invoice/INV-881", "2026-03-01")
    ]


def test_invoice__a_credit_memo_is_the_other_way_round() -> None:
    """CN-1 of 3 March takes 1,250.00 back, by a line without a quantity that is a credit, or by the 2,500 tokens too many."""
    january = close(JANUARY, None, [USAGE], [])
    february = close(FEBRUARY, january.state, [USAGE], [INVOICE])
    memo = replace(INVOICE, invoice="CN-1", invoice_date=date(2026, 3, 3), quantity=Decimal(-2500), amount=Decimal(-1250))
    march = close(MARCH, february.state, [USAGE], [INVOICE, memo])
    assert sides(march.entries) == [
        ("2026-03-03", "provider_variance", "quantity", "-1250.00"),
        ("2026-03-03", "provider_payable", "provider_payable", "1250.00"),
    ]
    credit = replace(memo, sku="goodwill", quantity=None, category="credit")
    march = close(MARCH, february.state, [USAGE], [INVOICE, credit])
    assert sides(march.entries) == [
        ("2026-03-03", "provider_expense", "credit_tax_fee", "-1250.00"),
        ("2026-03-03", "provider_payable", "provider_payable", "1250.00"),
    ]


def test_invoice__alone_and_negative() -> None:
    """Nothing else is invoiced for January: the memo is 100,000.00 and 1,250.00 less than what was metered."""
    memo = replace(INVOICE, quantity=Decimal(-2500), amount=Decimal(-1250))
    (entry,) = invoiced([memo], [USAGE])
    assert [each[2:] for each in sides((entry,))] == [
        ("provider_expense", "100000.00"), ("quantity", "-101250.00"), ("provider_payable", "1250.00"),
    ]  # fmt: skip


def test_invoice__without_a_rate_posts_nothing_of_its_provider() -> None:
    january = close(JANUARY, None, [USAGE], [])
    found = close(FEBRUARY, january.state, [USAGE], [replace(INVOICE, currency="EUR")])
    assert [entry.entry_id.rpartition("/")[2] for entry in found.entries] == ["reversal"]
    assert {problem.code for problem in found.problems} == {"currency-rate-missing"}


def test_late_usage__moves_variance_to_expense() -> None:
    """310.55 of January's usage was loaded in March: the invoice held it all along, as quantity nobody had metered."""
    january = close(JANUARY, None, [USAGE], [])
    february = close(FEBRUARY, january.state, [USAGE], [INVOICE])
    late = replace(USAGE, quantity=Decimal("200621.1"), cost=Decimal("100310.55"))
    march = close(MARCH, february.state, [late], [INVOICE])
    assert sides(march.entries) == [
        ("2026-03-31", "provider_expense", "provider_expense", "310.55"),
        ("2026-03-31", "provider_variance", "quantity", "-310.55"),
    ]
    assert march.entries[0].entry_id == "2026-03/provider/openai/2026-01/usage"
    assert close(MARCH, february.state, [USAGE], [INVOICE]).entries == ()


def test_late_usage__beside_an_invoice_of_another_month_is_no_part_of_it() -> None:
    january = close(JANUARY, None, [USAGE], [])
    february = close(FEBRUARY, january.state, [USAGE], [INVOICE])
    late = replace(USAGE, quantity=Decimal("200621.1"), cost=Decimal("100310.55"))
    other = replace(
        INVOICE, invoice="INV-882", invoice_date=date(2026, 3, 9), service_month=FEBRUARY, quantity=None,
        amount=Decimal(7), sku="search",
    )  # fmt: skip
    march = close(MARCH, february.state, [late], [INVOICE, other])
    assert [entry.entry_id.partition("openai/")[2] for entry in march.entries] == [
        "2026-02/invoice/INV-882", "2026-01/usage"
    ]  # fmt: skip


def test_late_usage__of_a_month_that_waits_is_accrued_with_it() -> None:
    january = close(JANUARY, None, [USAGE], [])
    late = replace(USAGE, quantity=Decimal("200621.1"), cost=Decimal("100310.55"))
    february = close(FEBRUARY, january.state, [late], [])
    assert sides(february.entries) == [
        ("2026-02-01", "provider_expense", "provider_expense", "-100000.00"),
        ("2026-02-01", "accrued_provider_cost", "accrued_provider_cost", "100000.00"),
        ("2026-02-28", "provider_expense", "provider_expense", "100310.55"),
        ("2026-02-28", "accrued_provider_cost", "accrued_provider_cost", "-100310.55"),
    ]
    (rolled,) = february.providers
    assert [str(each) for each in (rolled.opening, rolled.accrued, rolled.reversed, rolled.closing)] == [
        "100000.00", "100310.55", "100000.00", "100310.55",
    ]  # fmt: skip


def test_cut_off__an_invoice_of_the_next_month_turns_quantity_into_timing() -> None:
    """January's last 500 tokens are billed with February. January lacked 250.00 as quantity until February's invoice has them."""
    february_use = replace(USAGE, service_month=FEBRUARY, quantity=Decimal(1000), cost=Decimal(500))
    short = replace(INVOICE, quantity=Decimal(199_500), amount=Decimal(99_750))
    over = replace(
        INVOICE, invoice="INV-882", invoice_date=date(2026, 3, 9), service_month=FEBRUARY, quantity=Decimal(1500),
        amount=Decimal(750),
    )  # fmt: skip
    usage = [USAGE, february_use]
    january = close(JANUARY, None, usage, [])
    february = close(FEBRUARY, january.state, usage, [short])
    march = close(MARCH, february.state, usage, [short, over])
    posted = [(str(entry.service_month), each[2:]) for entry in march.entries for each in sides((entry,))]
    assert [each for each in posted if each[0] == "2026-01"] == [
        ("2026-01", ("timing", "-250.00")), ("2026-01", ("quantity", "250.00"))
    ]  # fmt: skip
    assert [each for each in posted if each[1][0] == "timing"] == [
        ("2026-01", ("timing", "-250.00")), ("2026-02", ("timing", "250.00"))
    ]  # fmt: skip
    assert [entry.entry_id for entry in march.entries if entry.service_month == JANUARY] == [
        "2026-03/provider/openai/2026-01/invoice/INV-882"
    ]


def test_accounts__are_the_controllers() -> None:
    own = Account("conversion_difference", "Kursdifferenzen", "Expenses", "6880")
    rates = [CurrencyRate(date(2026, 1, 31), "EUR", "USD", Decimal(1), "ECB")]
    terms = replace(TERMS, rates=[*rates, CurrencyRate(date(2026, 2, 9), "EUR", "USD", Decimal(2), "ECB")])
    books = replace(BOOKS, accounts={"conversion_difference": own})
    (entry,) = invoiced([replace(INVOICE, currency="EUR")], [USAGE], terms, books)
    assert own in [posting.account for posting in entry.postings]
    assert DEFAULT_ACCOUNTS["provider_payable"] in [posting.account for posting in entry.postings]
