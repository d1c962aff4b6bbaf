"""A team's own list of jobs or requests, held against what it is charged for.

Each row is agreed, only ours, only theirs or not the same, with what it is charged. The list is a CSV or JSON-lines file with
an id (usage_id, request_id, trace_id, or just id), or with a day and what else it names of action, feature and model; beside it
requests, tokens, GPU-hours, whatever it states. Days are those of the books' time zone. --format markdown is a statement for
the team's lead to sign. A list that does not agree is an answer, not an error.

Example: finledger agree search their-jobs.csv --month 2026-07
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from finledger.cli._options import AsOf, Books, Month, Quiet, opened

if TYPE_CHECKING:
    from finledger.core.agree import Held
    from finledger.workbench.agreement import AgreedMonth

TeamArgument = Annotated[str, typer.Argument(metavar="TEAM", help="The team whose list it is.")]
ListFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The team's list: CSV or JSON lines.")
]
FourFormats = Annotated[
    Literal["table", "json", "csv", "markdown"],
    typer.Option("--format", help="How it is shown: csv has every row, markdown is a statement to sign."),
]
SHOWN = 20


def agree(
    books: Books,
    team: TeamArgument,
    file: ListFile,
    month: Month,
    format: FourFormats = "table",
    as_of: AsOf = "",
    quiet: Quiet = False,
) -> None:
    from finledger.cli import screen
    from finledger.workbench.agreement import agreement_of
    from finledger.write.agreement import COLUMNS, agreement_json, agreement_markdown, held_row

    bench = opened(books, as_of)
    with screen.progress(f"comparing with {month}", quiet=quiet):
        found = agreement_of(bench, team, file, month)
    if format == "json":
        screen.json_out(agreement_json(found.agreement, str(month), found.file, found.sha256))
    elif format == "csv":
        rows = [held_row(each, found.agreement) for each in found.agreement.held]
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, rows))
    elif format == "markdown":
        book = bench.organisation.books
        print(agreement_markdown(found.agreement, str(month), book, found.file, found.sha256), end="")
    else:
        _show(found, str(month), quiet)


def _show(found: AgreedMonth, month: str, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.core.agree import STATUSES
    from finledger.write.agreement import COLUMNS, WORDS, held_row, share_words
    from finledger.write.text import count

    agreement = found.agreement
    rows: list[list[Any]] = [[WORDS[each], agreement.count(each), _money(found, each)] for each in STATUSES]
    rows.append(["charged besides: seats, pools, idle capacity", "", f"{agreement.besides}"])
    rows.append(["charged in all", "", f"{agreement.total}"])
    title = f"{agreement.team}, {month}, {agreement.usage.currency}: what is charged, and the team's own list"
    screen.table(title, ("", "rows", "charged"), rows, right_align=("rows", "charged"))
    apart: list[Held] = [each for each in agreement.held if each.status != "agreed"]
    if apart:
        cells = screen.cells(COLUMNS, [held_row(each, agreement) for each in apart[:SHOWN]])
        screen.table("What does not agree", COLUMNS, cells, right_align=("charged",), below=True)
        if len(apart) > SHOWN:
            screen.note(f"… and {len(apart) - SHOWN:,} more: --format csv has all of them", quiet=quiet)
    closing = [("agreement", share_words(agreement)), ("compared by", ", ".join(agreement.by))]
    closing.append(("compared", ", ".join(agreement.measures) or "only whether it is there"))
    if agreement.left_out:
        closing.append(("left out", f"{count(agreement.left_out, 'row')} of other months"))
    screen.done(closing, quiet=quiet)


def _money(found: AgreedMonth, status: Any) -> str:
    return "not charged" if status == "only_theirs" else str(found.agreement.cost(status))
