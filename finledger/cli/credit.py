"""Credit a line of an invoice or a statement that nobody disputed, all of it or a part; bill another team instead.

The line goes back at the price at which it was charged, with all that was charged on it: overhead, registry, buffer, and the
premiums that stand on it in the same proportion. It is posted in the first open month, as a credit note that names the invoice;
what was issued stays as it is. A line in dispute is decided with `finledger dispute resolve`.

Example: finledger credit INV-2026-0001 L458c8c64d0ba55e --quantity 1200 --reason "Load test in our name" --by "Bo Chen"
"""

from __future__ import annotations

from datetime import date

from finledger.cli._options import Books, DryRun, Format, Quiet
from finledger.cli.dispute import Name, On, Quantity, Reason, Rebill, amount_of, show_credit
from finledger.cli.explain import Document, LineId


def credit(
    books: Books,
    document: Document,
    line: LineId,
    reason: Reason,
    by: Name,
    quantity: Quantity = "",
    rebill: Rebill = "",
    on: On = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from finledger.workbench import Workbench
    from finledger.workbench.disputes import give_credit

    made = give_credit(
        Workbench(books),
        document,
        line,
        reason=reason,
        by=by,
        on=on or date.today(),
        quantity=amount_of(quantity),
        rebill=rebill,
        dry_run=dry_run,
    )
    show_credit(made, format, quiet, dry_run)
