"""The review: nine measures, alerts, what is to be done by whom, and what people decide about features.

A feature whose correct task costs 30 % more than in the last quarter has its review opened by itself. A model is swapped only
while the feature is evaluated well enough to tell whether the swap is one for the better.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from finledger.cli._options import AnyMonth, AnyQuarter, AsOf, Books, DryRun, Format, Quarter, Quiet, opened
from finledger.cli.dispute import On, day_of
from finledger.core.problem import Misused, Problem, Refused, SourceRef

if TYPE_CHECKING:
    from finledger.core import period
    from finledger.core.review import Review
    from finledger.workbench import Workbench
    from finledger.workbench.reviewing import Reviewed

app = typer.Typer(add_completion=False)
At = Annotated[
    date | None,
    typer.Option(
        "--at",
        metavar="YYYY-MM-DD",
        parser=day_of,
        help="Look at the open month by the end of this day.  [default: its last day with usage, which may still be filling]",
    ),
]
Year = Annotated[int | None, typer.Option("--year", metavar="YYYY", min=1971, max=8999, help="The programme's fiscal year.")]
Feature = Annotated[str, typer.Argument(metavar="FEATURE", help="The feature, as usage and finledger.yaml name it.")]
Name = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does it.")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, in a sentence.")]
Decided = Annotated[
    Literal["keep", "swap", "evaluate", "retire"],
    typer.Option(
        "--decision", help="keep the model; swap it for --candidate; evaluate first, by a budget that is there; retire it."
    ),
]
Candidate = Annotated[str, typer.Option("--candidate", metavar="MODEL", help="The model to swap to.")]
GradeOf = Annotated[
    str,
    typer.Option(
        "--grade",
        metavar="GRADE",
        help="How the candidate did: CORRECT/GRADED, as 480/500, or a file of graded cases as in evals/ (.jsonl).",
    ),
]
WIDE = {"quality-trend", "projection-features"}  # in JSON and CSV; on a screen they are too much


@app.command()
def status(
    books: Books,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    year: Year = None,
    at: At = None,
    format: Format = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
) -> None:
    """The measures of a month or a quarter beside the last one's, quality beside the bill, budgets, reviews, what is to be done.

    With --year, the programme's year: is the spend attributed, did coverage rise, does a correct task cost less? CSV holds the
    measures, of a year its quarters.

    Example: finledger review status --quarter 2026-Q3
    """
    from finledger.cli import screen
    from finledger.workbench.reviewing import review_of, year_review
    from finledger.write import review as written

    if sum(each is not None for each in (month, quarter, year)) > 1:
        raise Misused("choose one of --month, --quarter and --year")
    bench = opened(books, as_of)
    with screen.progress("charging", quiet=quiet):
        if year is not None:
            found = year_review(bench, year)
        else:
            found = review_of(bench, _period(bench, month, quarter, at), at=at)
    warnings = refuse_if_nothing(found)
    if format == "json":
        screen.json_out(_json(found))
    elif format == "csv":
        first = found.tables[0]
        screen.csv_out(written.headings(first), written.csv_rows(first))
    else:
        _show(found)
        if found.projected is not None:
            from finledger.workbench.projecting import behind_notice

            notice = behind_notice(found.projected.known)
            if notice:
                screen.note(notice, quiet=quiet)
    screen.problems(warnings, quiet=quiet, file=books / "out" / "problems.txt")


def _period(
    bench: Workbench, month: period.Month | None, quarter: period.Quarter | None, at: date | None
) -> period.Month | period.Quarter:
    from finledger.workbench.projecting import open_month, unloaded

    wanted = month or quarter or open_month(bench, at) or next(iter(bench.months()[-1:]), None)
    if wanted is None:
        raise unloaded(None, ())
    return wanted


def refuse_if_nothing(found: Reviewed) -> list[Problem]:
    """The data says no where none of the months that are there can be charged; else what is wrong with some is a warning."""
    if found.problems and not found.charged:
        raise Refused(found.problems)
    return [replace(problem, severity="warning") for problem in found.problems]


def _show(found: Reviewed) -> None:
    from finledger.cli import screen
    from finledger.write import review as written

    below = False
    for table in found.tables:
        if not table.rows or table.name in WIDE:
            continue
        title = f"{table.title}, {found.currency}"
        if table.name == "projection" and found.projected is not None:
            title = written.projection_title(found.projected.projection.days, found.currency)
        cells, right = written.cells(table, found.currency), written.figures_of(table)
        screen.table(title, written.headings(table), cells, right_align=right, below=below)
        below = True


def _json(found: Reviewed) -> dict[str, object]:
    from finledger.write import review as written

    head = {"schema": 1, "period": found.period, "currency": found.currency, "provisional": found.provisional}
    return {**head, **written.tables_json(found.tables)}


@app.command()
def alerts(books: Books, month: AnyMonth = None, at: At = None, format: Format = "table", quiet: Quiet = False) -> None:
    """The teams whose variance passes its limit, or is going to by the month's end: exit code 1 where there is one.

    Run it whenever usage was loaded: what it finds need not wait for the month's review. The limit is the larger of a part of
    the budget and an amount (finledger.yaml, `review`).

    Example: finledger review alerts --at 2026-07-14
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.reviewing import review_of
    from finledger.write import review as written
    from finledger.write.digest import ALERTS

    bench = Workbench(books)
    with screen.progress("charging", quiet=quiet):
        found = review_of(bench, _period(bench, month, None, at), at=at)
    refuse_if_nothing(found)
    rows = [row for row in written.rows_json(found.table("actions")) if row["what"] in ALERTS]
    if format == "json":
        screen.json_out({"schema": 1, "period": found.period, "currency": found.currency, "alerts": rows})
    elif format == "csv":
        columns = written.headings(found.table("actions"))
        safe = [row for row in written.csv_rows(found.table("actions")) if row[0] in ALERTS]
        screen.csv_out(columns, safe)
    teams = bench.organisation.teams
    problems = [_alert(row, found, teams[str(row["team"])].source) for row in rows]
    if problems:
        raise Refused(problems)
    screen.note(f"no alerts in {found.period}", quiet=quiet)


def _alert(row: dict[str, object], found: Reviewed, source: SourceRef | None) -> Problem:
    from finledger.write.text import grouped

    ends = " at the month's end" if row["what"] == "going over budget" else ""
    owner = row["owner"] or "nobody: finledger.yaml names no owner"
    over = grouped(str(row["figure"]))
    return Problem(
        "budget-alert",
        f"{row['team']} is {over} {found.currency} over its budget of {found.period}{ends}; its owner is {owner}",
        source,
        remedy=str(row["action"]),
    )


@app.command("open")
def open_one(
    books: Books,
    feature: Feature,
    quarter: Quarter,
    by: Name,
    reason: Why = "",
    on: On = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Open the review of a feature, whatever its cost per correct task did.

    Example: finledger review open semantic-search --quarter 2026-Q3 --by "Ann Lee" --reason "Users complain of its answers"
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.reviewing import open_review

    with screen.progress("charging", quiet=quiet):
        found = open_review(Workbench(books), feature, quarter, by=by, on=on or date.today(), reason=reason, dry_run=dry_run)
    _show_one(found, format)
    following = f"next: finledger review decide {quote(feature)} --quarter {quarter}"
    screen.note("nothing was written" if dry_run else following, quiet=quiet)


@app.command()
def decide(
    books: Books,
    feature: Feature,
    quarter: Quarter,
    decision: Decided,
    by: Name,
    reason: Why,
    candidate: Candidate = "",
    grade: GradeOf = "",
    on: On = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Decide a review, and keep the decision with its evidence in the books' log.

    A swap needs coverage at the target, freshness at its SLO, a grade of the candidate and, where coverage is short, a budget
    for evaluation: without them it is refused with every one that is missing.

    Example: finledger review decide semantic-search --quarter 2026-Q3 --decision swap --candidate gpt-small --grade 480/500
    --by "Bo Chen" --reason "As good on our cases, at a fifth of the price"
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench
    from finledger.workbench.reviewing import decide_review

    with screen.progress("charging", quiet=quiet):
        found, _ = decide_review(
            Workbench(books),
            feature,
            quarter,
            decision,
            by=by,
            on=on or date.today(),
            reason=reason,
            candidate=candidate,
            grade=grade,
            dry_run=dry_run,
        )
    _show_one(found, format)
    done = f"{feature} in {quarter}: {decision}"
    screen.note(
        "nothing was written" if dry_run else f"{done}, kept as event {found.decided and found.decided.number}", quiet=quiet
    )


def _show_one(found: Review, format: str) -> None:
    from finledger.cli import screen
    from finledger.core.review import figures

    entry = found.decided if found.state == "decided" else found.opened
    assert entry is not None, "it was opened or decided"
    words = {
        "quarter": str(found.quarter),
        "feature": found.feature,
        "state": found.state,
        "decision": entry.decision,
        "candidate": entry.candidate,
        "by": entry.by,
        "on": entry.on,
        "reason": entry.reason,
        "event": entry.number,
        "hash": entry.hash,
    }
    said = {**words, **figures(found)}
    if format == "json":
        screen.json_out({"schema": 1, **said})
    elif format == "csv":
        screen.csv_out(tuple(said), [["" if cell is None else cell for cell in said.values()]])
    else:
        rows = [
            (name.replace("_", " "), _word(cell)) for name, cell in said.items() if cell not in (None, "") and name != "hash"
        ]
        screen.table(f"Review of {found.feature}, {found.quarter}", ("what", "figure"), rows)


def _word(cell: object) -> object:
    return ("yes" if cell else "no") if isinstance(cell, bool) else cell
