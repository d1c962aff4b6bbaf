"""Explain a line of an invoice, a posting, or a difference with a provider: down to rule, price and source rows.

A line: WHAT is the number of an invoice, a note or a statement or, before anything is issued, a month and a team; LINE is the
line's id as documents show it, or its beginning. Every figure is shown exactly, with the file and line where it stands. The
source rows are added up again and held against the line. A closed month is explained from what its close sealed.

\b
  finledger explain INV-2026-0001 L458c8c64d0ba55e
  finledger explain CN-2026-0001 L458c
  finledger explain 2026-07/search L458c

A journal entry: WHAT is its id as the journal has it, LINE a component, or nothing for all. Each posting is shown as the sum of
its parts, exactly: charge lines, metered SKUs, the lines of a provider's invoice, what a quarter's end settles.

\b
  finledger explain 2026-07/search/cc-4815 overhead
  finledger explain 2026-07/provider/openai/2026-07/accrual
  finledger explain 2026-Q3/search/cc-4815

A provider: WHAT is a service month and a provider, LINE a SKU. Both sides are shown, each of the nine classes of the difference,
the invoice's lines and the usage rows behind them.

\b
  finledger explain 2026-07/openai "gpt-large input"
  finledger explain 2026-07/provider/openai "gpt-large input"

Example: finledger explain INV-2026-0001 L458c8c64d0ba55e
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from finledger.cli._options import AsOf, Books, Quiet, opened

Document = Annotated[str, typer.Argument(metavar="INVOICE", help="INV-2026-0001, PRO-2026-07-support or 2026-07/search.")]
LineId = Annotated[str, typer.Argument(metavar="LINE", help="The line's id, or its beginning.")]
What = Annotated[
    str,
    typer.Argument(metavar="WHAT", help="INV-2026-0001, 2026-07/search, 2026-07/search/cc-4815 or 2026-07/openai."),
]
Part = Annotated[str, typer.Argument(metavar="LINE", help="A line's id or its beginning; a component; a SKU.")]
Rows = Annotated[int, typer.Option("--rows", metavar="N", min=0, max=10_000, help="How many source rows to show.")]
Shape = Annotated[Literal["table", "json"], typer.Option("--format", help="How it is shown; json is for programs.")]
NEXT_SHOWN = 3


def explain(
    books: Books,
    what: What,
    line: Part = "",
    rows: Rows = 20,
    format: Shape = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
) -> None:
    from finledger.cli import screen
    from finledger.workbench.explain_what import explain_what

    with screen.progress(f"explaining {line or what}", quiet=quiet):
        found = explain_what(opened(books, as_of), what, line, limit=rows)
    if format == "json":
        screen.json_out(_as_json(found))
    else:
        _show(found, rows)
        for command in found.see[:NEXT_SHOWN]:
            screen.note(f"go on with: {command}", quiet=quiet)
    screen.problems(found.problems, quiet=quiet, file=books / "out" / "problems.txt")


def _as_json(found: Any) -> dict[str, Any]:
    from finledger.core.explain import Explanation
    from finledger.core.explain_entries import EntryExplanation
    from finledger.write.explain import explanation_json
    from finledger.write.explain_entry import entry_json, variance_json

    if isinstance(found, Explanation):
        return explanation_json(found)
    return entry_json(found) if isinstance(found, EntryExplanation) else variance_json(found)


def _show(found: Any, limit: int) -> None:
    from finledger.core.explain import Explanation
    from finledger.core.explain_entries import EntryExplanation

    if isinstance(found, Explanation):
        _show_line(found)
    elif isinstance(found, EntryExplanation):
        _show_entry(found, limit)
    else:
        _show_variance(found)
    if found.rows is not None:
        _show_rows(found.rows)


def _show_line(found: Any) -> None:
    from finledger.cli import screen
    from finledger.write import explain as written

    title = f"Line {found.line.line_id} of {found.document}"
    screen.table(title, written.FACT_COLUMNS, written.fact_rows(found))


def _show_entry(found: Any, limit: int) -> None:
    from finledger.cli import screen
    from finledger.write import explain_entry as written
    from finledger.write.explain import FACT_COLUMNS

    screen.table(f"Entry {found.entry.entry_id}", FACT_COLUMNS, written.entry_rows(found))
    columns = written.POSTING_COLUMNS
    screen.table("Postings", columns, written.posting_rows(found), right_align=("debit", "credit"), below=True)
    parts = list(written.part_rows(found, max(limit, 1)))
    screen.table("What they are the sum of", written.PART_COLUMNS, parts, right_align=("amount",), below=True)


def _show_variance(found: Any) -> None:
    from finledger.cli import screen
    from finledger.write import explain_entry as written
    from finledger.write.explain import FACT_COLUMNS

    title = f"{found.provider} {found.sku} in {found.month}, {found.currency}"
    screen.table(title, FACT_COLUMNS, written.variance_rows(found))
    if found.classes:
        screen.table("Difference", written.CLASS_COLUMNS, written.class_rows(found), right_align=("amount",), below=True)
    if found.lines:
        columns = ("invoice", "amount", "line", "where")
        screen.table("Lines", columns, written.line_rows(found.lines), right_align=("amount",), below=True)


def _show_rows(rows: Any) -> None:
    from finledger.cli import screen
    from finledger.write import explain as written
    from finledger.write.text import count

    if rows.checks:
        columns = ("sum", "source rows", "must be", "they are")
        screen.table("Added up again", columns, written.check_rows(rows), right_align=columns[1:3], below=True)
    shown = written.row_columns(rows)
    cells = written.row_cells(rows, shown)
    how_many = count(rows.count, "source row")
    if cells:
        title = how_many if len(cells) == rows.count else f"The first {len(cells)} of {how_many}"
        screen.table(title, shown, cells, right_align=written.row_figures(shown), below=True)
    else:
        screen.note(how_many)
