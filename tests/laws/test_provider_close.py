"""Laws of the providers' side over any sequence of closes: invoices in any order, usage that comes late (rules X1, X2, L3)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.currency import CurrencyRate
from finledger.core.model import Organisation
from finledger.core.money import rounded
from finledger.core.period import Month
from finledger.core.problem import SourceRef
from finledger.core.provider import Metered, Provider, ProviderLine, Tolerance
from finledger.core.provider_close import Inbox, ProviderClose, provider_close
from finledger.core.provider_state import MonthMetered, ProviderState
from finledger.core.reconcile import Terms, billed

MONTHS = tuple(Month(2026, number) for number in range(1, 6))
SKUS = ("a input", "a output", "b input")
NAMES = ("p", "q")
RATES = [CurrencyRate(date(2025, 1, 1), "EUR", "USD", Decimal("1.1"), "ECB")]
RATES += [CurrencyRate(date(2026, 3, 7), "EUR", "USD", Decimal("1.2"), "ECB")]
TERMS = Terms("USD", {"p": Provider("p", tolerance=Tolerance(Decimal("0.05"), Decimal("0.001")))}, RATES)
BOOKS = Organisation("B", "USD", "UTC", "ai-platform", "cc-1000", {})

quantities = st.integers(-50, 400).filter(bool).map(Decimal)
exact = st.decimals(Decimal(-100), Decimal(1000), places=4)
arrivals = st.sampled_from(MONTHS)
usages = st.lists(
    st.tuples(
        arrivals,
        st.builds(Metered, st.sampled_from(NAMES), st.sampled_from(SKUS), st.sampled_from(MONTHS[:4]), quantities,
                  st.just("tokens"), exact),
    ),
    max_size=8,
)  # fmt: skip
lines = st.builds(
    ProviderLine, st.sampled_from(NAMES), st.just(""), st.none() | st.dates(date(2025, 12, 1), date(2026, 7, 1)),
    st.sampled_from(MONTHS[:4]), st.sampled_from(SKUS), st.just(""), st.none() | quantities, st.just("tokens"), exact,
    st.sampled_from(("USD", "EUR")), st.sampled_from(("usage", "usage", "usage", "tax", "credit")),
)  # fmt: skip


def numbered(found: list[list[ProviderLine]]) -> list[list[ProviderLine]]:
    """Each list is one invoice of one provider, in a file of its own; the first has no number, as cost reports have none."""
    invoices = []
    for number, of_invoice in enumerate(found):
        name = f"I-{number}" if number else ""
        where = SourceRef(f"provider-invoices/{number}.csv", 2)
        provider = of_invoice[0].provider
        invoices.append([replace(line, provider=provider, invoice=name, source=where) for line in of_invoice])
    return invoices


invoices = st.lists(st.lists(lines, min_size=1, max_size=4), max_size=4).map(numbered)


def metered(usage: list[tuple[Month, Metered]], by: Month) -> list[MonthMetered]:
    """What was loaded by a month's close, by service month."""
    found = []
    for month in MONTHS:
        if month <= by:
            there = [one for arrived, one in usage if arrived <= by and one.service_month == month]
            sums: dict[tuple[str, str], Metered] = {}
            for one in there:
                known = sums.get((one.provider, one.sku))
                both = None if known is None else (known.quantity or Decimal(0)) + (one.quantity or Decimal(0))
                sums[one.provider, one.sku] = (
                    one if known is None else replace(known, quantity=both, cost=known.cost + one.cost)
                )
            found.append(MonthMetered(month, ("part",), tuple(sums[key] for key in sorted(sums))))
    return found


def closes(
    usage: list[tuple[Month, Metered]], arrived: list[tuple[Month, list[ProviderLine]]], through: Month = MONTHS[-1]
) -> list[ProviderClose]:
    """Every month closed in order, each with what has come by then; the state goes through its text."""
    made: list[ProviderClose] = []
    before: ProviderState | None = None
    for month in MONTHS:
        if month <= through:
            known = tuple(line for when, invoice in arrived if when <= month for line in invoice)
            files = {line.source.file: {line.source.file: "0"} for line in known if line.source}
            close = provider_close(month, MONTHS[0], before, metered(usage, month), Inbox(known, files), TERMS, BOOKS)
            assert {each.code for each in close.problems} <= {"invoice-unclassified", "provider-missing"}
            before = ProviderState.from_json(json.loads(json.dumps(close.state.to_json())))
            assert before == close.state
            made.append(close)
    return made


def balances(made: list[ProviderClose]) -> Counter[tuple[str, str]]:
    sums: Counter[tuple[str, str]] = Counter()
    for close in made:
        for entry in close.entries:
            for posting in entry.postings:
                sums[posting.account.key, entry.entry_id.split("/")[2]] += posting.amount.minor
    return Counter({key: minor for key, minor in sums.items() if minor})


arrived_in = st.tuples(usages, invoices).flatmap(
    lambda both: st.tuples(
        st.just(both[0]), st.lists(arrivals, min_size=len(both[1]), max_size=len(both[1])).map(
            lambda whens: list(zip(whens, both[1], strict=True))
        ),
    )
)  # fmt: skip


@given(arrived_in)
def test_accounts_are_what_was_invoiced_and_what_waits(
    both: tuple[list[tuple[Month, Metered]], list[tuple[Month, list[ProviderLine]]]],
) -> None:
    """After every close: payable = invoices posted; accrued = what waits; expense + variance + conversion = both together."""
    usage, arrived = both
    made = closes(usage, arrived)
    for number, close in enumerate(made, 1):
        here = [(when, invoice) for when, invoice in arrived if when <= close.month]
        sums = balances(made[:number])
        owed = billed([line for _, invoice in here for line in invoice], TERMS)
        for name in NAMES:
            posted = sum(amount.minor for (of, _, month), amount in owed.items() if of == name and month <= close.month)
            waits = sum(each.amount.minor for each in close.accruals if each.provider == name)
            assert -sums["provider_payable", name] == posted
            assert -sums["accrued_provider_cost", name] == waits
            costs = ("provider_expense", "provider_variance", "conversion_difference")
            assert sum(sums[key, name] for key in costs) == posted + waits
        assert all(check.holds for check in close.checks)
        ids = [entry.entry_id for one in made[:number] for entry in one.entries]
        assert len(set(ids)) == len(ids)
        days = [entry.posting_date for entry in close.entries]
        assert days == sorted(days) and all(close.month.first_day <= day <= close.month.last_day for day in days)


@given(arrived_in)
def test_each_invoice_is_paid_as_it_stands(
    both: tuple[list[tuple[Month, Metered]], list[tuple[Month, list[ProviderLine]]]],
) -> None:
    """Whatever else comes with it, an invoice's entries owe what it comes to, rounded once."""
    usage, arrived = both
    made = closes(usage, arrived)
    for _, invoice in arrived:
        number = invoice[0].invoice
        if number:
            entries = [each for one in made for each in one.entries if each.entry_id.endswith(f"/invoice/{number}")]
            postings = [posting for entry in entries for posting in entry.postings]
            paid = -sum(posting.amount.minor for posting in postings if posting.component == "provider_payable")
            owed = billed(invoice, TERMS)
            assert paid == sum(amount.minor for amount in owed.values())
            if all(line.currency == "USD" for line in invoice):
                whole = rounded(sum((line.amount for line in invoice), Decimal(0)), "USD", "half_up")
                assert paid == whole.minor


@given(arrived_in, st.randoms(use_true_random=False))
def test_when_things_arrive_does_not_change_where_it_ends(
    both: tuple[list[tuple[Month, Metered]], list[tuple[Month, list[ProviderLine]]]], random: Random
) -> None:
    """All that has come by the last close stands as if it had come at once, by account, provider and service month."""
    usage, arrived = both
    other_usage = [(random.choice(MONTHS), one) for _, one in usage]
    other = [(random.choice(MONTHS), invoice) for _, invoice in arrived]
    random.shuffle(other)
    one, two = closes(usage, arrived), closes(other_usage, other)
    assert balances(one) == balances(two)
    assert one[-1].state.rows == two[-1].state.rows
    assert one[-1].accruals == two[-1].accruals


@given(usages, invoices)
@settings(max_examples=30)
def test_nothing_waits_when_everything_is_invoiced(
    usage: list[tuple[Month, Metered]], arrived: list[list[ProviderLine]]
) -> None:
    """With a line for every provider and service month the accrued account ends at 0.00, and a further close posts nothing."""
    first = replace(
        ProviderLine("p", "", date(2026, 5, 2), MONTHS[0], "a input", "", Decimal(1), "tokens", Decimal(1), "USD"),
        source=SourceRef("provider-invoices/all.csv", 2),
    )
    every = [
        replace(first, provider=name, invoice=f"ALL-{name}", service_month=month) for name in NAMES for month in MONTHS[:4]
    ]
    made = closes([(min(when, MONTHS[2]), one) for when, one in usage], [(MONTHS[3], each) for each in (*arrived, every)])
    assert not any(minor for (key, _), minor in balances(made).items() if key == "accrued_provider_cost")
    assert made[-1].entries == ()
