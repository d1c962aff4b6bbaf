"""Labels: why a row has the owner it has, and how much of the usage is labelled at all.

Rules in finledger.yaml give rows their team, cost centre, feature, action, workload type and model where the export does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from finledger.cli._options import AnyMonth, Books, Format, Quiet

if TYPE_CHECKING:
    from finledger.workbench.labels import Coverage

app = typer.Typer(add_completion=False)

Row = Annotated[
    str,
    typer.Argument(
        metavar="ROW", help="A usage id, or FILE:LINE of a loaded export (FILE:RECORD where it has no lines, as Parquet)."
    ),
]

By = Annotated[
    Literal["month", "source", "team"] | None,
    typer.Option("--by", help="Only this table; each has a row for every loaded month.  [default: all three]"),
]
Top = Annotated[
    int, typer.Option("--top", metavar="N", min=0, help="How much unlabelled usage is listed, the costliest first.")
]


@app.command()
def explain(books: Books, row: Row, month: AnyMonth = None, format: Format = "table", quiet: Quiet = False) -> None:
    """Where each label of a row comes from: the export, or which rule by which glob; then whose the row is, and why.

    It names the rules that match and came too late, and those that would match on another day. A row that was refused,
    or is a duplicate, is named by its place.

    Example: finledger label explain usage/july.csv:12
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.label_rows import explain_row
    from finledger.write import label_rows as written

    found = explain_row(Workbench(books), row, month)
    rows = screen.cells(written.LABEL_COLUMNS, written.label_rows(found))
    if format == "json":
        screen.json_out(written.row_json(found))
    elif format == "csv":
        screen.csv_out(written.LABEL_COLUMNS, map(written.safe_cells, rows))
    else:
        screen.table("", *_headed(written.said_rows(found)), verbatim=True)
        if found.fields:
            screen.table("What the export says", ("field", "value"), written.field_rows(found), below=True, verbatim=True)
        if rows:
            shown = [n for n, name in enumerate(written.LABEL_COLUMNS) if name != "rule" and any(cells[n] for cells in rows)]
            columns = [written.LABEL_COLUMNS[number] for number in shown]
            screen.table("Its labels", columns, [[cells[number] for number in shown] for cells in rows], below=True)
        rules = written.rule_rows(found)
        if rules:
            screen.table("The rules", written.RULE_COLUMNS, rules, below=True)


def _headed(rows: list[tuple[str, str]]) -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """The first row as the heading of the others."""
    return rows[0], rows[1:]


@app.command()
def coverage(
    books: Books, month: AnyMonth = None, by: By = None, top: Top = 10, format: Format = "table", quiet: Quiet = False
) -> None:
    """How much of the usage has a team, a known cost centre, a feature, an action and a workload type, month by month.

    Cost is what allocate charges for the usage, seats and premiums left out, where the book prices all of the month; else what
    the providers' exports say. What lacks a team or a feature comes next, the costliest first, with the rule that would give
    it one: TEAM and FEATURE stand where nobody can guess.

    Example: finledger label coverage --month 2026-07 --by team
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, labels
    from finledger.write import label_coverage as written
    from finledger.write.label_rows import safe_cells

    bench = Workbench(books)
    with screen.progress("labels", quiet=quiet):
        found = labels.coverage(bench, month)
    tables = {name: written.coverage_rows(found.measured, name, found.currency) for name in ((by,) if by else written.BY)}
    loose = written.unlabelled_rows(found.unlabelled, found.currency)
    if format == "json":
        screen.json_out(
            {
                "schema": 1,
                "currency": found.currency,
                "months": [{"month": str(each.month), "cost": each.basis, "why": each.why} for each in found.bases],
                "compared": [{"source": source, "rows": rows} for source, rows in sorted(found.compared.items())],
                "coverage": [row for rows in tables.values() for row in rows],
                "unlabelled": loose[:top],
                "unlabelled_more": max(len(loose) - top, 0),
            }
        )
        return
    if format == "csv":
        rows = [row for table in tables.values() for row in table]
        screen.csv_out(written.CSV_COLUMNS, map(safe_cells, screen.cells(written.CSV_COLUMNS, rows)))
        return
    for number, (name, rows) in enumerate(tables.items()):
        columns = (*written.GROUPED[name], *written.FIGURES)
        title = f"Labels by {name}: % of rows / of cost, {found.currency}"
        cells = screen.cells(columns, written.table_rows(rows))
        screen.table(title, columns, cells, right_align=written.FIGURES, below=number > 0)
    if loose[:top]:
        cells = written.unlabelled_cells(loose[:top])
        figures = ("rows", "tokens", "cost")
        screen.table("Without a team or a feature", written.UNLABELLED, cells, right_align=figures, below=True)
        typer.echo("\nTo label it, in finledger.yaml (TEAM and FEATURE are yours to name):")
        typer.echo("\n".join(written.advice_text(loose[:top])))
    _remarks(found, len(loose) - top, quiet)


def _remarks(found: Coverage, more: int, quiet: bool) -> None:
    """What a person should know of the figures."""
    from finledger.cli import screen

    said = {"provider_cost": "its cost is the providers' own", "rows": "it has no cost"}
    for each in found.bases:
        if each.basis != "charges":
            screen.note(f"{each.month} is not priced ({each.why}): {said[each.basis]}", quiet=quiet)
    for source, rows in sorted(found.compared.items()):
        screen.note(f"{source} is only compared (role reconcile): its rows, {rows:,}, are in no figure", quiet=quiet)
    if found.left_out:
        screen.note(
            f"without a rate in rates.csv, and left out of the cost: {', '.join(sorted(found.left_out))}", quiet=quiet
        )
    if more > 0:
        screen.note(f"and {more:,} more without a team or a feature; --top {more + 10} lists them", quiet=quiet)
