"""The tables of labels in a report: sums and shares worked out by hand (A1, A2)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from finledger.core.label_coverage import Measured
from finledger.core.label_suggest import Advice
from finledger.core.label_tables import ALL, by_guess, label_tables
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.report import Missing

JUNE, JULY = Month(2026, 6), Month(2026, 7)


def measured(rows: int, cost: str | None, *has: str) -> Measured:
    found = Measured()
    found.add(rows, rows * 10, None if cost is None else Decimal(cost), has)
    return found


def names(month: Month, source: str) -> dict[str, str]:
    return {"month": str(month), "source": source, "team": "search"}


def test_coverage__by_month_and_source_with_the_change() -> None:
    """June 60 of 100 with a team; July 90 + 5 of 100: +35 points. In July the bill's own share is 5 of 10."""
    found = [
        (names(JUNE, "gateway"), measured(6, "60.00", "team", "cost_center")),
        (names(JUNE, "gateway"), measured(4, "40.00")),
        (names(JULY, "gateway"), measured(9, "90.00", "team", "cost_center", "feature")),
        (names(JULY, "bill"), measured(1, "5.00", "team")),
        (names(JULY, "bill"), measured(1, "5.00")),
    ]
    table = label_tables(found, {}, "USD")[0]
    assert table.column("month") == (JUNE, JUNE, JULY, JULY, JULY)
    assert table.column("source") == (ALL, "gateway", ALL, "bill", "gateway")
    whole = table.where("source", ALL)
    assert whole.column("team") == (Fraction(60, 100), Fraction(95, 100))
    assert whole.column("cost_center") == (Fraction(60, 100), Fraction(90, 100))
    assert whole.column("change") == (None, Fraction(35, 100))
    assert whole.column("cost") == (Money(10000, "USD"), Money(10000, "USD"))
    assert table.where("source", "bill").column("team") == (Fraction(1, 2),)


def test_coverage__without_a_cost_it_is_of_rows() -> None:
    table = label_tables([(names(JULY, "a"), measured(3, None, "team")), (names(JULY, "a"), measured(1, None))], {}, "USD")[
        0
    ]
    assert table.column("source") == (ALL,), "one source needs no row of its own"
    assert (table.rows[0][table.index("team")], table.rows[0][table.index("cost")]) == (Fraction(3, 4), Missing("no price"))


def test_unlabelled__costliest_first_and_by_owner() -> None:
    """Of search's 30 + 5 two rules take care; nobody can tell of the 40; a missing feature is nobody's lack of a team."""
    gaps = {
        Advice(("team",), (("user", "a"),), "rules", "- a", "search"): measured(1, "30.00"),
        Advice(("team",), (("user", "b"),), "rules", "- b", ""): measured(1, "40.00"),
        Advice(("team", "feature"), (("user", "c"),), "rules", "- c", "search"): measured(2, "5.00"),
        Advice(("feature",), (("user", "d"),), "rules", "- d", "support"): measured(1, "99.125"),
    }
    _, table, owners = label_tables([], gaps, "USD")
    assert table.column("rule") == ("- d", "- b", "- a", "- c")
    assert table.column("guess") == ("support", Missing("nobody can tell"), "search", "search")
    assert table.column("cost")[0] == Money(9913, "USD"), "a provider's cost has more places than money"
    assert [(guess, each.cost, rules) for guess, each, rules in by_guess(gaps)] == [
        ("", Decimal("40.00"), 1),
        ("search", Decimal("35.00"), 2),
    ]
    assert owners.column("rows") == (1, 3)
