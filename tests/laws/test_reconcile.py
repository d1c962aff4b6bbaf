"""Laws of the comparison with a provider's invoices (rule X1), and of what is posted from it (X2, X3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from finledger.core.currency import CurrencyRate
from finledger.core.model import Organisation
from finledger.core.money import rounded
from finledger.core.period import Month
from finledger.core.post_provider import accrue, reverse
from finledger.core.provider import Metered, Provider, ProviderLine, SkuReconciliation, Tolerance
from finledger.core.reconcile import Terms, awaited, reconcile

MONTHS = (Month(2026, 6), Month(2026, 7), Month(2026, 8))
JULY = MONTHS[1]
SKUS = ("a input", "a output", "b input")
DAY = date(2026, 9, 5)
TERMS = Terms("USD", {"p": Provider("p", tolerance=Tolerance(Decimal("0.05"), Decimal("0.001")))})
BOOKS = Organisation("B", "USD", "UTC", "ai-platform", "cc-1000", {})

quantities = st.integers(1, 400).map(Decimal)
exact = st.decimals(Decimal("0.001"), Decimal(1000), places=4)
cents = st.decimals(Decimal("0.01"), Decimal(1000), places=2)


def metered(sku: str, month: Month, quantity: Decimal | None, cost: Decimal) -> Metered:
    return Metered("p", sku, month, quantity, "tokens" if quantity is not None else "", cost)


def line(invoice: str, sku: str, month: Month, quantity: Decimal | None, amount: Decimal) -> ProviderLine:
    return ProviderLine("p", invoice, DAY, month, sku, "", quantity, "tokens", amount, "USD")


usages = st.dictionaries(
    st.tuples(st.sampled_from(SKUS), st.sampled_from(MONTHS)), st.tuples(quantities, exact), max_size=6
).map(lambda found: [metered(*key, *sums) for key, sums in sorted(found.items())])


def lines_of(
    amounts: st.SearchStrategy[Decimal], stated: st.SearchStrategy[Decimal | None]
) -> st.SearchStrategy[list[ProviderLine]]:
    numbers, skus, months = st.sampled_from(("I-1", "I-2")), st.sampled_from(SKUS), st.sampled_from(MONTHS)
    return st.lists(st.builds(line, numbers, skus, months, stated, amounts), min_size=1, max_size=8)


counted = lines_of(exact, quantities)
uncounted = lines_of(exact, st.none() | quantities)


def rows(
    usage: list[Metered], lines: list[ProviderLine], month: Month = JULY, terms: Terms = TERMS
) -> tuple[SkuReconciliation, ...]:
    outcome = reconcile(month, usage, lines, terms)
    assert outcome.problems == ()
    return outcome.rows


def signed(row: SkuReconciliation, sign: int = 1) -> dict[str, int]:
    return {name: sign * amount.minor for name, amount in row.classes.items()}


@given(usages, uncounted)
def test_both_sides_are_whole(usage: list[Metered], lines: list[ProviderLine]) -> None:
    """Over all months, invoices are what they add up to, rounded once each; metering likewise by month of those invoiced."""
    found = [row for month in MONTHS for row in rows(usage, lines, month)]
    for number in ("I-1", "I-2"):
        only = [each for each in lines if each.invoice == number]
        billed = sum(row.invoiced.minor for month in MONTHS for row in rows(usage, only, month)) if only else 0
        assert billed == rounded(sum((each.amount for each in only), Decimal(0)), "USD", "half_up").minor
    for month in MONTHS:
        if any(each.service_month == month for each in lines):
            cost = rounded(sum((each.cost for each in usage if each.service_month == month), Decimal(0)), "USD", "half_up")
            assert sum(row.metered.minor for row in found if row.service_month == month) == cost.minor
        else:
            assert not [row for row in found if row.service_month == month]


@given(usages, counted)
def test_quantities_leave_nothing_unclassified(usage: list[Metered], lines: list[ProviderLine]) -> None:
    for row in rows(usage, lines):
        assert (row.unclassified.minor, row.note) == (0, "")
        assert sum(signed(row).values()) == row.invoiced.minor - row.metered.minor


@given(usages, uncounted)
def test_without_quantities_what_is_unclassified_says_why(usage: list[Metered], lines: list[ProviderLine]) -> None:
    for row in rows(usage, lines):
        assert bool(row.unclassified) == bool(row.note)
        if row.unclassified:
            here = [each for each in lines if each.sku == row.sku and each.service_month == JULY]
            assert any(each.quantity is None for each in here)
            assert row.metered_quantity  # without metering, or without a line, the difference has a class


@given(usages.map(lambda found: [replace(each, as_billed=each.cost * 2) for each in found]), uncounted)
def test_the_providers_own_rows_leave_nothing_unclassified(usage: list[Metered], lines: list[ProviderLine]) -> None:
    assert not [row for row in rows(usage, lines) if row.unclassified]


@given(usages, uncounted, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(usage: list[Metered], lines: list[ProviderLine], random: Random) -> None:
    expected = rows(usage, lines)
    random.shuffle(usage)
    random.shuffle(lines)
    assert rows(usage, lines) == expected


@given(usages, uncounted)
def test_a_negative_invoice_mirrors_it(usage: list[Metered], lines: list[ProviderLine]) -> None:
    """Everything credited is everything charged with the signs turned round, class by class."""

    def negative(each: Decimal | None) -> Decimal | None:
        return None if each is None else -each

    turned = [replace(each, quantity=negative(each.quantity), cost=-each.cost) for each in usage]
    credited = [replace(each, quantity=negative(each.quantity), amount=-each.amount) for each in lines]
    assert [(row.sku, signed(row, -1)) for row in rows(turned, credited)] == [
        (row.sku, signed(row)) for row in rows(usage, lines)
    ]


@given(usages, uncounted, cents, st.sampled_from(("tax", "fee", "credit", "adjustment")))
def test_a_tax_is_its_own_difference(
    usage: list[Metered], lines: list[ProviderLine], amount: Decimal, category: str
) -> None:
    here = [*lines, replace(lines[0], service_month=JULY, quantity=None, amount=Decimal("1.00"))]
    tax = replace(line("I-3", "VAT", JULY, None, amount), category=category)
    with_tax = {row.sku: row for row in rows(usage, [*here, tax])}
    assert signed(with_tax.pop(f"({category})")) == {"credit_tax_fee": rounded(amount, "USD", "half_up").minor}
    assert tuple(with_tax.values()) == rows(usage, here)


@given(usages, uncounted, st.decimals(Decimal("0.5"), Decimal(2), places=4))
def test_currency_is_what_the_rate_changed(usage: list[Metered], lines: list[ProviderLine], rate: Decimal) -> None:
    """Booked at 1.00, an invoice in EUR differs from one in USD by the rate of its own day, and by nothing else."""
    rates = [CurrencyRate(date(2026, 1, 1), "EUR", "USD", Decimal(1), "ECB")]
    foreign = [replace(each, currency="EUR") for each in lines]
    assert rows(usage, foreign, terms=replace(TERMS, rates=rates)) == rows(usage, lines)
    moved = replace(TERMS, rates=[*rates, CurrencyRate(DAY, "EUR", "USD", rate, "ECB")])
    found = {row.sku: row for row in rows(usage, foreign, terms=moved)}
    for row in rows(usage, lines):
        changed = Counter(signed(found[row.sku]) if row.sku in found else {})
        changed.subtract(signed(row))
        here = sum(
            (Fraction(each.amount) for each in lines if (each.sku, each.service_month) == (row.sku, JULY)), Fraction(0)
        )
        assert abs(changed.pop("currency", 0) - 100 * here * (Fraction(rate) - 1)) < 1
        assert all(abs(minor) <= 2 for minor in changed.values())  # the cents of rounding


@given(usages, counted)
def test_an_accrual_is_taken_back_and_is_what_the_invoice_finds(usage: list[Metered], lines: list[ProviderLine]) -> None:
    accruals = awaited(JULY, usage, [], TERMS)
    posted: Counter[str] = Counter()
    for entry in (*accrue(JULY, accruals, BOOKS), *reverse(JULY, accruals, BOOKS)):
        for posting in entry.postings:
            posted[posting.account.key] += posting.amount.minor
    assert not any(posted.values())
    july = [replace(each, service_month=JULY) for each in lines]
    assert awaited(JULY, usage, july, TERMS) == ()
    assert sum(each.amount.minor for each in accruals) == sum(row.metered.minor for row in rows(usage, july))
