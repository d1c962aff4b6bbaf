"""How the cost of evaluation was really shared between teams and platform in a month (rule C4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from finledger.core.model import Disclosure, EvalShare, Organisation, PlatformCost, PriceBook
from finledger.core.money import floored, rounded_places, total
from finledger.core.operating import PLATFORM_LED
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef

# What the platform pays for evaluation besides metered calls.
SUBSIDIES = ("harness", "judge", "labelling", "trace_capture")
LOWEST, HIGHEST = 40, 60


def subsidies_in(costs: Iterable[PlatformCost], month: Month) -> tuple[PlatformCost, ...]:
    """The month's subsidies of evaluation, in the order of the file."""
    return tuple(cost for cost in costs if cost.month == month and cost.component in SUBSIDIES)


def share_of_evals(
    disclosures: Sequence[Disclosure],
    subsidies: Iterable[PlatformCost],
    books: Iterable[PriceBook],
    organisation: Organisation,
    month: Month,
) -> Outcome[EvalShare]:
    """The realised split: gross of all evaluation, who bore it, and what the platform paid besides.

    The bill for judging counts only where no platform-funded calls were metered: else it would count twice.
    """
    currency = organisation.currency
    by_name = {book.name: book for book in books}
    metered = any(by_name[each.key.price_version].actions[each.key.item].funding == "platform" for each in disclosures)
    counted = [cost.amount for cost in subsidies if not (metered and cost.component == "judge")]
    share = EvalShare(
        gross=total((each.gross for each in disclosures), currency),
        teams=total((each.paid for each in disclosures), currency),
        platform=total((each.platform_share for each in disclosures), currency),
        subsidies=total((floored(amount, currency) for amount in counted), currency),
    )
    by_choice = organisation.operating_model != PLATFORM_LED  # evaluation is funded centrally (C7)
    if share.share is None or by_choice or LOWEST <= 100 * share.share <= HIGHEST:
        return Outcome(share)
    message = (
        f"the platform bore {rounded_places(100 * share.share, 1)} % of what evaluation cost in {month} "
        f"({share.platform + share.subsidies:,} of {share.gross + share.subsidies:,} {currency}), outside {LOWEST} to {HIGHEST} %"
    )
    remedy = "see which classes are shared and which are the platform's, in the price book, and platform-costs.csv"
    where = SourceRef("platform-costs.csv") if counted else SourceRef("pricebooks")
    return Outcome(share, (Problem("eval-split", message, where, remedy=remedy, severity="warning"),))
