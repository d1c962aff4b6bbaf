"""Explain a line of an invoice: its price-book line, the rules that labelled its usage, its source rows.

INVOICE is the number of an invoice or a statement; before anything is issued, a month and a team: 2026-07/search. LINE is the
line's id as documents show it, or its beginning. Every figure is shown exactly, with the file and line where it stands. The
source rows are added up again and held against the line.

Example: finledger explain INV-2026-0001 L458c8c64d0ba55e
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from finledger.cli._options import Books, Quiet

Document = Annotated[str, typer.Argument(metavar="INVOICE", help="INV-2026-0001, PRO-2026-07-support or 2026-07/search.")]
LineId = Annotated[str, typer.Argument(metavar="LINE", help="The line's id, or its beginning.")]
Rows = Annotated[int, typer.Option("--rows", metavar="N", min=0, max=10_000, help="How many source rows to show.")]
Shape = Annotated[Literal["table", "json"], typer.Option("--format", help="How it is shown; json is for programs.")]


def explain(
    books: Books, document: Document, line: LineId, rows: Rows = 20, format: Shape = "table", quiet: Quiet = False
) -> None:
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.explain import explain as explained
    from finledger.write.explain import explanation_json

    with screen.progress(f"explaining {line}", quiet=quiet):
        found = explained(Workbench(books), document, line, limit=rows)
    if format == "json":
        screen.json_out(explanation_json(found))
    else:
        _show(found)
    screen.problems(found.problems, quiet=quiet, file=books / "out" / "problems.txt")


def _show(found: Any) -> None:
    from finledger.cli import screen
    from finledger.write import explain as written
    from finledger.write.text import count

    title = f"Line {found.line.line_id} of {found.document}"
    screen.table(title, written.FACT_COLUMNS, written.fact_rows(found))
    if found.rows is None:
        return
    if found.rows.checks:
        columns = ("sum", "source rows", "must be", "they are")
        screen.table("Added up again", columns, written.check_rows(found.rows), right_align=columns[1:3], below=True)
    shown = written.row_columns(found.rows)
    cells = written.row_cells(found.rows, shown)
    how_many = count(found.rows.count, "source row")
    if cells:
        title = how_many if len(cells) == found.rows.count else f"The first {len(cells)} of {how_many}"
        screen.table(title, shown, cells, right_align=written.row_figures(shown), below=True)
    else:
        screen.note(how_many)
