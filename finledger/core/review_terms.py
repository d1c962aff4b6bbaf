"""What a set of books calls an alert, and a rise that opens a review (rules U3, Q5): `review:` in finledger.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core.money import Money


@dataclass(frozen=True, slots=True)
class ReviewTerms:
    """`variance_share` of the budget and `variance_amount` in the books' currency: a variance over the larger of the two is an
    alert. `cost_rise`: a cost per correct task that is up by this share of the last quarter's, or more, opens a review.
    """

    variance_share: Decimal = Decimal("0.10")
    variance_amount: Decimal = Decimal(1000)
    cost_rise: Decimal = Decimal("0.30")


def alert_limit(budget: Money, terms: ReviewTerms) -> Fraction:
    """What a team may be over its budget, in the major unit, before it is an alert: the larger of share and amount (U3)."""
    return max(Fraction(terms.variance_share) * Fraction(budget.amount), Fraction(terms.variance_amount))


def is_alert(spent: Money, budget: Money, terms: ReviewTerms) -> bool:
    """Whether the variance passes the limit: over it, not at it. Below budget is never an alert.

    >>> usd = lambda minor: Money(minor, "USD")
    >>> [is_alert(usd(spent), usd(2000000), ReviewTerms()) for spent in (2200000, 2200001, 1000000)]
    [False, True, False]
    """
    return Fraction((spent - budget).amount) > alert_limit(budget, terms)
