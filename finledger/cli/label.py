"""Labels: whose a row is and why, how much is labelled, and what keeps unlabelled work out.

Rules in finledger.yaml give rows their team, cost centre, feature, action, workload type and model where the export does not.
`check` looks at exports and Kubernetes manifests before they count; `policy` has a cluster enforce the same.
"""

from __future__ import annotations

import sys
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from finledger.cli._options import AnyMonth, Books, DryRun, Format, Quiet

if TYPE_CHECKING:
    from finledger.core.label_check import Checked
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


def _least(text: str) -> Fraction:
    """`0.95` or `95%` as a share; anything else is refused."""
    number, percent = (text[:-1], 100) if text.endswith("%") else (text, 1)
    plain = number.strip().replace(".", "", 1)
    found = Fraction(number.strip()) / percent if plain.isascii() and plain.isdigit() else None
    if found is None or not 0 <= found <= 1:
        raise typer.BadParameter(f"{text!r} is not a share: write it as 0.95 or 95%")
    return found


Words = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", help="Exports, manifests, folders; - reads manifests from standard input."),
]
As = Annotated[str | None, typer.Option("--as", metavar="FORMAT", help="Read exports as this format.")]
Source = Annotated[str | None, typer.Option("--source", metavar="NAME", help="The exports' source, for rules and roles.")]
Map = Annotated[Path | None, typer.Option("--map", metavar="MAP.yaml", help="A column map, for exports of your own.")]
Encoding = Annotated[str | None, typer.Option("--encoding", metavar="NAME", help="The exports' encoding, as cp1252.")]
On = Annotated[
    datetime | None,
    typer.Option("--on", metavar="DATE", formats=["%Y-%m-%d"], help="The organisation of that day.  [default: today]"),
]
Exempt = Annotated[
    list[str] | None,
    typer.Option(
        "--exempt", metavar="NAMESPACE", help="A namespace to leave alone, beside the system's own; again for more."
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 for every unallocated row of an export, too.")]
Least = Annotated[
    Fraction | None,
    typer.Option(
        "--min-coverage",
        metavar="SHARE",
        parser=_least,
        help="Exit 1 below this share of rows and workloads, as 0.95 or 95%.",
    ),
]
Engine = Annotated[Literal["kyverno", "gatekeeper"], typer.Option("--engine", help="The admission engine of the cluster.")]
EngineVersion = Annotated[
    str, typer.Option("--engine-version", metavar="VERSION", help="Its version, as 1.17.  [default: what most of them run]")
]
Action = Annotated[
    Literal["enforce", "audit"], typer.Option("--action", help="Refuse unlabelled workloads, or only report them.")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there.  [default: standard output]")]


@app.command()
def check(
    books: Books,
    paths: Words,
    as_format: As = None,
    source: Source = None,
    column_map: Map = None,
    encoding: Encoding = None,
    on: On = None,
    exempt: Exempt = None,
    strict: Strict = False,
    min_coverage: Least = None,
    format: Format = "table",
    quiet: Quiet = False,
) -> None:
    """Whether usage and workloads say whose they are, before they are loaded or applied. Nothing is loaded.

    Exports, in any format that load reads: which rows nobody would be charged for, and why. Kubernetes manifests, plain, as
    lists, or as Helm renders them: whether all Pods, and whatever makes Pods, carry team, cost-center, workload-type and model as
    the organisation has them on the day. A manifest's fault exits 1, as a cluster with the policy would refuse it; unallocated
    rows do with --strict. With --min-coverage, only a lower share does. As csv, what is wrong is listed.

    Example: finledger label check deploy/ usage/july.csv

    More of them:

      helm template charts/search | finledger label check - --exempt monitoring

      finledger label check usage/july.csv --min-coverage 95%
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, label_check

    read_as = label_check.ReadAs(as_format, source, column_map, encoding)
    with screen.progress("labels", quiet=quiet):
        found = label_check.check(
            Workbench(books),
            paths,
            day=on.date() if on is not None else date.today(),
            exempt=exempt or (),
            read_as=read_as,
            strict=strict,
            least=min_coverage,
            stdin=lambda longest: sys.stdin.buffer.read(longest),
        )
    _show_checked(found, format, quiet)
    screen.problems(found.problems, quiet=quiet or format != "table", file=books / "out" / "problems.txt")
    if found.failed:
        raise typer.Exit(1)


def _show_checked(found: Checked, format: str, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.write import label_check as written
    from finledger.write.label_rows import safe_cells

    if format == "json":
        screen.json_out(written.checked_json(found))
        return
    if format == "csv":
        rows = written.problem_rows(found.problems)
        screen.csv_out(written.PROBLEM_COLUMNS, map(safe_cells, screen.cells(written.PROBLEM_COLUMNS, rows)))
        return
    exports, manifests = written.export_rows(found), written.manifest_rows(found)
    if exports:
        cells = screen.cells(written.EXPORT_COLUMNS, exports)
        screen.table("Rows that have an owner, %", written.EXPORT_COLUMNS, cells, right_align=written.EXPORT_FIGURES)
    if manifests:
        title = f"Workloads that say whose they are, % ({found.rule.day})"
        cells = screen.cells(written.MANIFEST_COLUMNS, manifests)
        columns = written.MANIFEST_COLUMNS
        screen.table(title, columns, cells, right_align=written.MANIFEST_FIGURES, below=bool(exports))
    for each in found.exports:
        if each.file.rejected:
            message = f"{each.file.name}: {each.file.rejected:,} rows would be refused (`finledger load --dry-run`)"
            screen.note(message, quiet=quiet)
        if each.compared:
            screen.note(f"{each.file.name}: {each.compared:,} rows are only compared (role reconcile)", quiet=quiet)


@app.command()
def policy(
    books: Books,
    engine: Engine,
    engine_version: EngineVersion = "",
    action: Action = "enforce",
    on: On = None,
    exempt: Exempt = None,
    out: Out = None,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """An admission policy that keeps Pods without labels out of a cluster: Kyverno's or Gatekeeper's, with your teams.

    It demands team, cost-center, workload-type and model of all Pods and of what makes them, a team that the organisation knows
    on the day, with its own cost centre: just what `label check` looks for. Write it again when the organisation changes; begin
    with --action audit, which reports and refuses nothing.

    Example: finledger label policy --engine kyverno --action audit --out policy.yaml
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, label_check
    from finledger.write.files import write

    day = on.date() if on is not None else date.today()
    text, problems, rule = label_check.policy(
        Workbench(books), engine, action=action, day=day, exempt=exempt or (), version=engine_version
    )
    screen.problems(problems, quiet=quiet)
    teams = f"{len(rule.owners)} team{'s' if len(rule.owners) != 1 else ''}"
    if out is None:
        typer.echo(text.decode("utf-8"), nl=False)
    elif not dry_run:
        changed = write(out, text)
        screen.note(f"{'written' if changed else 'as it was'}: {out}, with {teams}", quiet=quiet)
    else:
        screen.note(f"would be written: {out}, with {teams}", quiet=quiet)
    if rule.changes is not None:
        screen.note(f"cost centres change on {rule.changes[0]}: write it again that day", quiet=quiet)


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
    guesses = written.guess_rows(found.unlabelled, found.currency)
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
                "owners": guesses,
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
    if guesses:
        cells = screen.cells(written.GUESSES, [{**row, "guess": row["guess"] or "nobody can tell"} for row in guesses])
        screen.table("Without a team, by likely owner", written.GUESSES, cells, right_align=written.GUESSES[1:], below=True)
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
