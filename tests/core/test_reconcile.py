"""A provider's invoice against metering: each of the nine classes worked by hand, then all of them at once (rule X1).

Contracted: gpt-small input at 0.50 per million tokens. 200 M tokens were metered in July: 100.00.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from finledger.core.currency import CurrencyRate
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import SourceRef
from finledger.core.provider import (
    Accrual,
    InvoiceCategory,
    Metered,
    Provider,
    ProviderLine,
    SkuMap,
    SkuReconciliation,
    Tolerance,
    in_our_unit,
    provider_named,
)
from finledger.core.reconcile import Terms, awaited, reconcile

JUNE, JULY, AUGUST = Month(2026, 6), Month(2026, 7), Month(2026, 8)
INPUT = "gpt-small input"
TERMS = Terms("USD", {"openai": Provider("openai", names=("OpenAI*",), skus=(SkuMap("gpt-4o-mini*, input", INPUT),))})


def usd(amount: str) -> Money:
    return Money(int(Decimal(amount) * 100), "USD")


def metered(
    millions: str | None = "200", cost: str = "100", month: Month = JULY, sku: str = INPUT, billed: str | None = None,
    category: InvoiceCategory = "usage",
) -> Metered:  # fmt: skip
    quantity = None if millions is None else Decimal(millions) * 1_000_000
    as_billed = None if billed is None else Decimal(billed)
    return Metered("openai", sku, month, quantity, "tokens" if millions else "", Decimal(cost), as_billed, category)


def line(
    amount: str, millions: str | None = None, month: Month = JULY, sku: str = "gpt-4o-mini-2024-07-18, input",
    invoice: str = "INV-1", category: InvoiceCategory = "usage", currency: str = "USD", day: date = date(2026, 8, 5),
) -> ProviderLine:  # fmt: skip
    quantity = None if millions is None else Decimal(millions)
    source = SourceRef("provider-invoices/july.csv", 2)
    return ProviderLine(
        "OpenAI", invoice, day, month, sku, "tokens", quantity, "1M tokens", Decimal(amount), currency, category, source
    )


def compared(
    usage: list[Metered], lines: list[ProviderLine], terms: Terms = TERMS, month: Month = JULY
) -> dict[str, SkuReconciliation]:
    outcome = reconcile(month, usage, lines, terms)
    assert outcome.problems == ()
    for row in outcome.rows:
        assert row.difference == row.invoiced - row.metered
    return {row.sku: row for row in outcome.rows}


def classes(row: SkuReconciliation) -> dict[str, str]:
    found: dict[str, str] = {name: str(amount) for name, amount in row.classes.items()}
    return {**found, "unclassified": str(row.unclassified)} if row.unclassified else found


# ── each class by itself ────────────────────────────────────────────────────────────────────────────────────────────────


def test_reconcile__nothing_differs() -> None:
    """200 blocks of 1 M tokens for 100.00: the map knows the invoice's name, the unit is counted out."""
    row = compared([metered()], [line("100.00", "200")])[INPUT]
    assert (str(row.metered), str(row.invoiced), classes(row), row.within_tolerance) == ("100.00", "100.00", {}, False)
    assert (row.provider, row.metered_quantity, row.invoiced_quantity, row.unit) == (
        "openai",
        2 * 10**8,
        2 * 10**8,
        "tokens",
    )
    assert (row.invoices, row.lines) == (("INV-1",), (SourceRef("provider-invoices/july.csv", 2),))


def test_reconcile__quantity_and_rate() -> None:
    """210 M for 115.50 is 0.55 a million: 10 M too many at 0.50 = 5.00, and 210 M x 0.05 too dear = 10.50."""
    row = compared([metered()], [line("115.50", "210")])[INPUT]
    assert classes(row) == {"quantity": "5.00", "rate": "10.50"}


def test_reconcile__rate_down_while_quantity_goes_up() -> None:
    """250 M at 0.40 = 100.00: no difference in all, and yet +25.00 of quantity and -25.00 of rate."""
    row = compared([metered()], [line("100.00", "250")])[INPUT]
    assert classes(row) == {"quantity": "25.00", "rate": "-25.00"}


def test_reconcile__rounding() -> None:
    """Three lines of 1 M at 0.333 bill 0.33 each: 0.99 for 0.999, which is 1.00. A cent and a half can be their rounding."""
    usage = metered("3", "0.999")
    lines = [line("0.33", "1", invoice="INV-1"), line("0.33", "1", invoice="INV-2"), line("0.33", "1", invoice="INV-3")]
    assert classes(compared([usage], lines)[INPUT]) == {"rounding": "-0.01"}
    dear = compared([usage], [replace(lines[0], amount=Decimal("1.02"), quantity=Decimal(3))])[INPUT]
    assert classes(dear) == {"rate": "0.02"}  # one line explains half a cent, not two
    summed = compared([usage], [replace(lines[0], amount=Decimal("1.02"), quantity=Decimal(3), rows=31)])[INPUT]
    assert classes(summed) == {"rounding": "0.02"}  # 31 rounded rows in one line explain 15 cents


def test_reconcile__missing_from_invoice() -> None:
    """The invoice has come, and says nothing of the cached tokens."""
    rows = compared([metered(), metered("40", "2", sku="gpt-small cached_input")], [line("100.00", "200")])
    assert classes(rows["gpt-small cached_input"]) == {"missing_from_invoice": "-2.00"}
    assert classes(rows[INPUT]) == {}


def test_reconcile__missing_from_metering() -> None:
    """What no map names and nobody metered keeps the invoice's name."""
    rows = compared([metered()], [line("100.00", "200"), line("7.25", "3", sku="dall-e, image")])
    assert classes(rows["dall-e, image"]) == {"missing_from_metering": "7.25"}
    assert (str(rows["dall-e, image"].metered), rows["dall-e, image"].invoices) == ("0.00", ("INV-1",))


@pytest.mark.parametrize("invoices", [("INV-1", "INV-1"), ("INV-1", "INV-2")])
def test_reconcile__duplicate(invoices: tuple[str, str]) -> None:
    """The same line twice, in one invoice or in two."""
    row = compared([metered()], [line("100.00", "200", invoice=number) for number in invoices])[INPUT]
    assert (str(row.invoiced), classes(row)) == ("200.00", {"duplicate": "100.00"})
    assert row.invoices == tuple(sorted(set(invoices)))


def test_reconcile__equal_lines_that_are_two_charges() -> None:
    """Two accounts with 100 M each: together they are what was metered. And 60 + 60 for 100 is 10 % too dear, not a repetition."""
    half = [line("50.00", "100", invoice="INV-1"), line("50.00", "100", invoice="INV-2")]
    assert classes(compared([metered()], half)[INPUT]) == {}
    assert classes(compared([metered()], [line("60.00", "100"), line("60.00", "100")])[INPUT]) == {"rate": "20.00"}


def test_reconcile__a_month_of_equal_days_again() -> None:
    """Thirty equal daily lines in each of two invoices: one invoice repeats the other, its days do not repeat one another."""
    days = [line("1.00", "2", invoice=number) for number in ("INV-1", "INV-2") for _ in range(30)]
    assert classes(compared([metered("60", "30")], days)[INPUT]) == {"duplicate": "30.00"}


def test_reconcile__timing() -> None:
    """10 M of July's tokens stand on August's line: -5.00 here, +5.00 there, at the contracted rate; and a real 2 M too many."""
    usage = [metered(), metered("300", "150", AUGUST)]
    lines = [line("95.00", "190"), line("156.00", "312", AUGUST, invoice="INV-2")]
    assert classes(compared(usage, lines)[INPUT]) == {"timing": "-5.00"}
    assert classes(compared(usage, lines, month=AUGUST)[INPUT]) == {"quantity": "1.00", "timing": "5.00"}


def test_reconcile__timing_without_the_other_month_is_quantity() -> None:
    assert classes(compared([metered()], [line("95.00", "190")])[INPUT]) == {"quantity": "-5.00"}
    # August's usage is metered, and its invoice has not arrived: nobody knows what it will say
    assert classes(compared([metered(), metered("300", "150", AUGUST)], [line("105.00", "210")])[INPUT]) == {
        "quantity": "5.00"
    }


def test_reconcile__a_month_that_was_not_metered_takes_nothing() -> None:
    """One invoice of June and July, compared for July: nobody metered June for it, so July's 10 M are not June's."""
    lines = [line("95.00", "190"), line("50.00", "100", JUNE)]
    assert classes(compared([metered()], lines)[INPUT]) == {"quantity": "-5.00"}


def test_reconcile__a_whole_sku_a_month_late() -> None:
    """July's SKU is on August's invoice, under August, without a quantity: 100.00 moved, 3.00 was never metered."""
    usage = [metered(), metered("8", "4", sku="other"), metered("8", "4", AUGUST, sku="other")]
    lines = [
        line("4.00", sku="other"),
        line("4.00", sku="other", month=AUGUST, invoice="INV-2"),
        line("103.00", month=AUGUST),
    ]
    lines = [replace(each, unit="") for each in lines]
    assert classes(compared(usage, lines)[INPUT]) == {"timing": "-100.00"}
    late = compared(usage, lines, month=AUGUST)[INPUT]
    assert classes(late) == {"timing": "100.00", "missing_from_metering": "3.00"}


def test_reconcile__moved_and_dearer() -> None:
    """200 M of July come in August at 0.60 = 120.00, and 50 M nobody knows of at 0.60 = 30.00."""
    usage = [metered(), metered("8", "4", AUGUST, sku="other")]
    lines = [line("1.00", category="fee"), line("150.00", "250", AUGUST, invoice="INV-2")]
    assert classes(compared(usage, lines)[INPUT]) == {"timing": "-100.00"}
    late = compared(usage, lines, month=AUGUST)[INPUT]
    assert classes(late) == {"timing": "100.00", "missing_from_metering": "30.00", "rate": "20.00"}


def test_reconcile__credits_taxes_and_fees() -> None:
    """Each kind is a SKU of its own. What the usage rows hold of a tax is not a difference."""
    usage = [metered(), metered(None, "18", sku="(tax)", category="tax")]
    lines = [
        line("100.00", "200"), line("19.00", category="tax", sku="VAT"), line("-30.00", category="credit", sku="promotion"),
        line("12.50", category="fee", sku="support"),
    ]  # fmt: skip
    rows = compared(usage, lines)
    assert {sku: classes(row) for sku, row in rows.items()} == {
        INPUT: {},
        "(tax)": {"credit_tax_fee": "1.00"},
        "(credit)": {"credit_tax_fee": "-30.00"},
        "(fee)": {"credit_tax_fee": "12.50"},
    }


def test_reconcile__currency() -> None:
    """100.00 EUR, booked at July's end at 1.10 = 110.00, invoiced on 5 August at 1.12 = 112.00. Metered: 110.00 USD."""
    rates = [CurrencyRate(date(2026, 7, 31), "EUR", "USD", Decimal("1.10"), "ECB")]
    rates += [CurrencyRate(date(2026, 8, 3), "EUR", "USD", Decimal("1.12"), "ECB")]
    terms = replace(TERMS, rates=rates)
    row = compared([metered("200", "110")], [line("100.00", "200", currency="EUR")], terms)[INPUT]
    assert (str(row.invoiced), classes(row)) == ("112.00", {"currency": "2.00"})
    stated = replace(line("100.00", "200", currency="EUR"), rate=Decimal("1.05"))  # the invoice's own rate goes before ours
    assert classes(compared([metered("200", "110")], [stated], terms)[INPUT]) == {"currency": "-5.00"}
    undated = replace(line("100.00", "200", currency="EUR"), invoice_date=None)
    assert classes(compared([metered("200", "110")], [undated], terms)[INPUT]) == {}


def test_reconcile__currency_without_a_rate() -> None:
    lines = [
        line("100.00", "200", currency="EUR"),
        line("3.00", currency="EUR", category="tax"),
        line("1.00", currency="CHF"),
    ]
    outcome = reconcile(JULY, [metered()], lines, TERMS)
    assert outcome.rows == ()
    assert [(each.code, each.message[:39]) for each in outcome.errors] == [
        ("currency-rate-missing", "invoice INV-1 of OpenAI is in EUR, and "),
        ("currency-rate-missing", "invoice INV-1 of OpenAI is in EUR, and "),
        ("currency-rate-missing", "invoice INV-1 of OpenAI is in CHF, and "),
        ("currency-rate-missing", "invoice INV-1 of OpenAI is in CHF, and "),
    ]
    assert [str(each.source) for each in outcome.errors] == ["provider-invoices/july.csv:2"] * 4
    assert "2026-07-31,EUR,USD,RATE,SOURCE" in outcome.errors[0].remedy
    assert "2026-08-05,EUR,USD,RATE,SOURCE" in outcome.errors[1].remedy


# ── without quantities ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_reconcile__what_the_providers_own_rows_say() -> None:
    """They billed 104.00 for what the book prices at 100.00, and the invoice holds 3.00 that they do not."""
    row = compared([metered(billed="104")], [line("107.00")])[INPUT]
    assert classes(row) == {"quantity": "3.00", "rate": "4.00"}
    assert classes(compared([metered(billed="104")], [line("104.00")])[INPUT]) == {"rate": "4.00"}


def test_reconcile__tolerance() -> None:
    """0.1 % of 100.00 is less than the 0.50 that is tolerated: 0.40 is absorbed, and posted as rate; 0.60 is unclassified."""
    tolerant = replace(TERMS.providers["openai"], tolerance=Tolerance(Decimal("0.50"), Decimal("0.001")))
    terms = replace(TERMS, providers={"openai": tolerant})
    inside = compared([metered()], [line("100.40")], terms)[INPUT]
    assert (classes(inside), inside.within_tolerance, inside.note) == ({"rate": "0.40"}, True, "")
    outside = compared([metered()], [line("100.60")], terms)[INPUT]
    assert (classes(outside), outside.within_tolerance) == ({"unclassified": "0.60"}, False)
    assert outside.note.startswith("the invoice states no quantity")
    large = compared([metered("2000000", "1000000")], [line("1000900.00")], terms)[INPUT]
    assert (classes(large), large.within_tolerance) == ({"rate": "900.00"}, True)  # 0.1 % of a million is 1,000
    told = compared([metered()], [line("100.40", "200.8")], terms)[INPUT]
    assert (classes(told), told.within_tolerance) == ({"quantity": "0.40"}, True)  # absorbed, and classified all the same


@pytest.mark.parametrize(
    ("usage", "invoiced", "why"),
    [
        (metered(), line("120.00"), "the invoice states no quantity"),
        (metered(), replace(line("120.00", "9"), unit="images"), "the invoice counts in 'images', the usage in 'tokens'"),
        (metered(None), line("120.00", "200"), "the usage states no quantity"),
    ],
)
def test_reconcile__what_stays_unclassified_says_why(usage: Metered, invoiced: ProviderLine, why: str) -> None:
    row = compared([usage], [invoiced])[INPUT]
    assert (classes(row), row.note.startswith(why)) == ({"unclassified": "20.00"}, True)


def test_reconcile__amounts_without_quantities_are_no_timing() -> None:
    """A rate that is 5.00 too high in July and 4.00 too low in August is not 4.00 of July's usage in August."""
    usage = [metered(), metered(month=AUGUST)]
    lines = [line("105.00"), line("96.00", month=AUGUST, invoice="INV-2")]
    assert classes(compared(usage, lines)[INPUT]) == {"unclassified": "5.00"}
    # what cancels out to the cent is
    lines = [line("105.00"), line("95.00", month=AUGUST, invoice="INV-2")]
    assert classes(compared(usage, lines)[INPUT]) == {"timing": "5.00"}


# ── all of them together ────────────────────────────────────────────────────────────────────────────────────────────────


def test_reconcile__every_class_in_one_invoice() -> None:
    """July, in EUR at 1.00 when booked and 1.01 on the invoice's day, so that 1 % of every line is currency.

    | SKU    | metered          | invoiced                          | booked - metered                                  |
    |--------|------------------|-----------------------------------|---------------------------------------------------|
    | input  | 200 M, 100.00    | 206 M, 113.30, and again           | dup. 113.30, timing 1.00 (2 M), quantity 2.00, rate 10.30 |
    | output | 10 M, 20.00      | not on it                         | missing from invoice -20.00                       |
    | image  | nothing          | 7.25                              | missing from metering 7.25                        |
    | judge  | 3 M, 0.999       | 3 M, 1.00                         | rounding 0.001                                    |
    | tax    | nothing          | 19.00                             | credit, tax, fee 19.00                            |

    June lacks 2 M of its 100 M. Currency: 1.133 + 1.133 + 0.0725 + 0.01 + 0.19 = 2.5385.
    Invoiced: 253.85 x 1.01 = 256.3885 → 256.39. Metered: 120.999 → 121.00.
    """
    rates = [CurrencyRate(date(2026, 6, 1), "EUR", "USD", Decimal("1.00"), "ECB")]
    terms = replace(TERMS, rates=[*rates, CurrencyRate(date(2026, 8, 1), "EUR", "USD", Decimal("1.01"), "ECB")])
    usage = [
        metered(), metered("10", "20", sku="gpt-small output"), metered("3", "0.999", sku="judge"),
        metered("100", "50", JUNE),
    ]  # fmt: skip
    june = line("49.00", "98", JUNE, invoice="INV-0", day=date(2026, 7, 5))
    lines = [line("113.30", "206"), line("113.30", "206"), line("7.25", "3", sku="image"), line("1.00", "3", sku="judge")]
    lines = [replace(each, currency="EUR") for each in (*lines, line("19.00", category="tax"))]
    rows = compared(usage, [june, *lines], terms)
    assert {sku: classes(row) for sku, row in rows.items()} == {
        INPUT: {"currency": "2.27", "duplicate": "113.30", "timing": "1.00", "quantity": "2.00", "rate": "10.30"},
        "gpt-small output": {"missing_from_invoice": "-20.00"},
        "image": {"currency": "0.07", "missing_from_metering": "7.25"},
        "judge": {"currency": "0.01"},
        "(tax)": {"currency": "0.19", "credit_tax_fee": "19.00"},
    }
    assert sum(row.invoiced.minor for row in rows.values()) == 25639
    assert sum(row.metered.minor for row in rows.values()) == 12100


# ── who invoices, who does not ──────────────────────────────────────────────────────────────────────────────────────────


def test_awaited() -> None:
    """OpenAI has invoiced; Anthropic has not; our own hardware never does; nobody declared Mistral, so it is waited for."""
    terms = replace(TERMS, providers={**TERMS.providers, "self-hosted": Provider("self-hosted", invoice="none")})
    usage = [replace(metered(), provider=name) for name in ("openai", "anthropic", "self-hosted", "mistral")]
    usage += [replace(metered("1", "0.004", sku=f"sku {n}"), provider="mistral") for n in range(2)]  # 100.008 → 100.01
    usage += [replace(metered(month=AUGUST), provider="anthropic")]
    assert awaited(JULY, usage, [line("100.00")], terms) == (
        Accrual("anthropic", JULY, usd("100.00")),
        Accrual("mistral", JULY, usd("100.01")),
    )
    assert [row.provider for row in reconcile(JULY, usage, [line("100.00", "200")], terms).rows] == ["openai"]


def test_provider__is_known_by_its_names() -> None:
    declared = [Provider("google-cloud", names=("Google*", "GCP")), Provider("openai")]
    named = {name: provider_named(declared, name) for name in ("gcp", "Google Cloud", "OPENAI", "openai-eu", "")}
    assert [each.name if each else None for each in named.values()] == ["google-cloud", "google-cloud", "openai", None, None]


def test_provider__one_sku_of_an_invoice_for_many_of_ours() -> None:
    """`gpt-small, all tokens` is input and output: 100.00 + 20.00 for 210 M, invoiced 126.00 for 210 M."""
    provider = Provider("openai", skus=(SkuMap("gpt-small, all tokens", "gpt-small *"), SkuMap("*", "rest")))
    terms = Terms("USD", {"openai": provider})
    usage = [metered(sku=provider.metered_as(INPUT)), metered("10", "20", sku=provider.metered_as("gpt-small output"))]
    rows = compared(usage, [line("126.00", "210", sku="gpt-small, all tokens")], terms)
    assert {sku: classes(row) for sku, row in rows.items()} == {"gpt-small *": {"rate": "6.00"}}
    # the name that we give it ourselves is the same SKU
    named = Terms("USD", {"openai": Provider("openai", skus=(SkuMap("x", "gpt-small *"),))})
    assert list(compared(usage, [line("120.00", "210", sku=INPUT)], named)) == ["gpt-small *"]


def test_provider__a_line_is_called_by_its_description_too() -> None:
    """OpenAI's line items are a model and what was used of it: `gpt-4o-mini, input` is the SKU and the description."""
    mapped = Terms("USD", {"openai": Provider("openai", names=("OpenAI",), skus=(SkuMap("gpt-4o-mini* input", INPUT),))})
    row = replace(line("100.00", "200", sku="gpt-4o-mini-2024-07-18"), description="input")
    assert {sku: classes(found) for sku, found in compared([metered()], [row], mapped).items()} == {INPUT: {}}
    plain = Terms("USD", {"openai": Provider("openai", names=("OpenAI",))})
    same_name = replace(line("100.00", "200", sku="gpt-small"), description="input")
    assert {sku: classes(found) for sku, found in compared([metered()], [same_name], plain).items()} == {INPUT: {}}


def test_reconcile__a_line_without_a_sku_stands_for_all_use() -> None:
    """One line of usage for the whole month: 100.00 + 20.00, of which the provider's rows say that it billed 121.00."""
    usage = [metered(billed="100.50"), metered("10", "20", sku="gpt-small output", billed="20.50")]
    rows = compared(usage, [line("121.25", sku=""), line("19.00", category="tax", sku="")])
    assert {sku: classes(row) for sku, row in rows.items()} == {
        "(usage)": {"quantity": "0.25", "rate": "1.00"},
        "(tax)": {"credit_tax_fee": "19.00"},
    }
    part = compared([usage[0], metered("10", "20", sku="gpt-small output")], [line("121.25", sku="")])
    assert classes(part["(usage)"]) == {"unclassified": "1.25"}  # rows that cover one SKU of two do not say what both cost


@pytest.mark.parametrize(
    ("written", "counted"),
    [
        (("2", "tokens"), ("2", "tokens")),
        (("2", "1K Tokens"), ("2000", "tokens")),
        (("2", "1,000 tokens"), ("2000", "tokens")),
        (("2", "million tokens"), ("2000000", "tokens")),
        (("2", "M tokens"), ("2000000", "tokens")),
        (("1.5", "Hrs"), ("1.5", "hours")),
        (("90", "minutes"), ("90", "minutes")),
        (("1", "GiB"), ("1.073741824", "GB")),
        (("2", "TB"), ("2000", "GB")),
        (("7", "MB"), ("7", "mb")),
        (("7", ""), ("7", "")),
    ],
)
def test_in_our_unit(written: tuple[str, str], counted: tuple[str, str]) -> None:
    assert in_our_unit(Decimal(written[0]), written[1]) == (Decimal(counted[0]), counted[1])
