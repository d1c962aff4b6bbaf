"""Laws of explained postings and variances: every posting is exactly the sum of what it is said to be made of, and every class's
figures come to the class, whatever was charged, invoiced or settled (rules L1, X1, X2, A5, L6).
"""

from __future__ import annotations

from decimal import localcontext
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.accounts import accounts_of
from finledger.core.buffer import Size
from finledger.core.explain import Fact
from finledger.core.explain_entries import (
    VIA,
    PostingExplained,
    QuarterFigures,
    charge_postings,
    pair_postings,
    quarter_postings,
)
from finledger.core.explain_provider import (
    CHANGES,
    accrual_postings,
    change_of,
    change_postings,
    provider_entry,
    reversal_postings,
)
from finledger.core.explain_variance import class_facts, classes_check
from finledger.core.model import ChargeLine, JournalEntry, PriceBook, UsageGroup
from finledger.core.money import EXACT, Money, total
from finledger.core.period import Month, Quarter
from finledger.core.post import post, post_quarter
from finledger.core.provider import Metered, ProviderLine
from finledger.core.quarter import QuarterEnd, Reserve, TrueUp
from finledger.core.reconcile import compared
from tests.laws import test_intercompany as entities
from tests.laws import test_provider_close as providers
from tests.laws import test_reconcile as reconciling
from tests.laws.test_compound_calls import WITH_TOOLS, run, usages
from tests.laws.test_corridor import books

JULY = Month(2026, 7)


def assert_sums(entry: JournalEntry, found: tuple[PostingExplained, ...]) -> None:
    assert tuple(each.posting for each in found) == entry.postings
    for each in found:
        assert each.check.holds, f"{entry.entry_id}: {each.posting} is not the sum of {each.parts}"
        assert each.parts


@settings(max_examples=100)
@given(usage=usages, prices=books)
def test_charges_and_compound_calls(usage: list[UsageGroup], prices: PriceBook) -> None:
    """Every line that moves money is in its entry, component by component, and what others operated in the pairs beside it."""
    charges = run(usage, prices)
    for entry in charges.entries:
        explain = pair_postings if VIA in entry.entry_id else charge_postings
        assert_sums(entry, explain(entry, charges.lines, WITH_TOOLS))


parts = st.dictionaries(
    st.sampled_from(("base", "overhead", "buffer", "coverage_premium")), st.integers(-900, 900), min_size=1
)
entity_lines = st.lists(
    st.builds(entities.line, parts, st.sampled_from(("search", "support")), kind=st.sampled_from(("action", "adjustment"))),
    max_size=6,
)


@given(entity_lines)
def test_charges_between_entities__in_four_postings(lines: list[ChargeLine]) -> None:
    organisation = entities.organisation({"search": "FR02", "support": entities.HOME})
    for entry in post(lines, organisation, entities.JULY).rows:
        assert_sums(entry, charge_postings(entry, lines, organisation))


amounts = st.integers(-5000, 5000).map(lambda minor: Money(minor, "USD"))
paid = st.integers(1, 5000).map(lambda minor: Money(minor, "USD"))
trued = st.lists(
    st.builds(TrueUp, st.sampled_from(Quarter(2026, 3).months()), st.sampled_from(("search", "support")), paid, paid, amounts),
    max_size=5, unique_by=lambda each: (each.month, each.team),
)  # fmt: skip


@given(trued, st.dictionaries(st.sampled_from(("search", "support")), paid), paid)
def test_a_quarters_end(true_ups: list[TrueUp], rebates: dict[str, Money], released: Money) -> None:
    organisation = entities.organisation({"search": "FR02", "support": entities.HOME})
    none = Money(0, "USD")
    reserves = (Reserve("eval_reserve", none, released, released, released),)
    end = QuarterEnd(
        Quarter(2026, 3), "USD", none, none, {}, none, {}, none, tuple(true_ups), Size(Fraction(0), none, none, rebates),
        reserves=reserves,
    )  # fmt: skip
    figures = QuarterFigures(none, none, none, none, tuple(true_ups), none, none, rebates, rebates, reserves)
    for entry in post_quarter(end, organisation).rows:
        assert_sums(entry, quarter_postings(entry, figures, organisation))


@settings(max_examples=100)
@given(providers.arrived_in)
def test_the_providers_side(
    both: tuple[list[tuple[Month, Metered]], list[tuple[Month, list[ProviderLine]]]],
) -> None:
    """Accruals from what was metered, reversals from accruals, invoices from their lines and what changed by SKU."""
    usage, arrived = both
    accounts, terms = accounts_of(providers.BOOKS), providers.TERMS
    made = providers.closes(usage, arrived)
    for number, close in enumerate(made):
        before = made[number - 1] if number else None
        known = [line for when, invoice in arrived if when <= close.month for line in invoice]
        for entry in close.entries:
            said = provider_entry(entry.entry_id)
            assert said is not None
            with localcontext(EXACT):
                if said.kind == "accrual":
                    metered = [
                        one
                        for month in close.state.metered
                        for one in month.metered
                        if (one.provider, one.service_month) == said[:2]
                    ]
                    found = accrual_postings(entry, metered, terms, accounts)
                elif said.kind == "reversal":
                    assert before is not None
                    name = f"{before.month}/provider/{said.provider}/{said.service_month}/accrual"
                    accrual = next(each for each in before.entries if each.entry_id == name)
                    found = reversal_postings(entry, accrual, accounts)
                else:
                    assert said.kind in CHANGES
                    old = () if before is None else before.state.rows
                    change = change_of(entry, close.entries, old, close.state.rows, known, terms)
                    found = change_postings(entry, change, terms, accounts)
            assert_sums(entry, found)


@given(reconciling.usages, reconciling.uncounted)
def test_classes__add_up_and_are_what_their_figures_say(usage: list[Metered], lines: list[ProviderLine]) -> None:
    """The nine classes with what is unclassified are the difference; quantity and rate are the products that are shown."""
    for each in compared(JULY, usage, lines, reconciling.TERMS).rows:
        with localcontext(EXACT):
            facts = {fact.name: fact for fact in class_facts(each.row, each)}
        assert len(facts) == 9
        values = [fact.value for fact in facts.values() if isinstance(fact.value, Money)]
        assert total((*values, each.row.unclassified), "USD") == each.row.difference
        assert classes_check(each.row).holds
        for name, fact in facts.items():
            figures = figures_of(fact)
            if {"invoiced_quantity", "contracted_rate"} <= figures.keys():
                if name == "quantity":
                    over = figures["invoiced_quantity"] - figures["metered_quantity"]
                    assert over * figures["contracted_rate"] - figures.get("timing", 0) == figures["exact"]
                elif name == "rate" and "invoiced_rate" in figures:
                    over = figures["invoiced_rate"] - figures["contracted_rate"]
                    assert figures["invoiced_quantity"] * over == figures["exact"]
            elif name == "duplicate" and figures:
                assert figures["all_lines"] - figures["counted_once"] == figures["exact"]


def figures_of(fact: Fact) -> dict[str, Fraction]:
    return {part.name: Fraction(part.value) for part in fact.parts if not isinstance(part.value, (str, Money, type(None)))}
