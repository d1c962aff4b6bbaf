"""What later reports look back on, kept with a close and the next month's first allocate: no report has a year to do (U1, A1)."""

from __future__ import annotations

from contextlib import suppress

from finledger.core.period import Month
from finledger.core.problem import Refused, Unavailable
from finledger.workbench import Workbench, labels, units
from finledger.workbench.kept_months import KeptMonths
from finledger.workbench.shelf import Shelf


def keep_trends(bench: Workbench, month: Month) -> None:
    """Work out what trends show of the month, as a report does. What cannot be worked out now is for the report to say."""
    kept = KeptMonths(bench, writes=True)
    with suppress(Refused, Unavailable):
        charges = Shelf(bench).recorded(month)
        if charges is not None:
            units.look_back(bench, charges, kept)
        labels.look_back(bench, month, kept)
