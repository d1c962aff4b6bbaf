"""Options that commands share, so that they read and fail the same everywhere.

def status(books: Books, month: Month, format: Format = "table", quiet: Quiet = False, dry_run: DryRun = False) -> None:
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from finledger.cli._run import Session
from finledger.core import period
from finledger.core.problem import Misused

if TYPE_CHECKING:
    from finledger.workbench import Workbench

SETTINGS = "finledger.yaml"
_YEARS = range(1971, 9000)  # the files know 1970 to 9000, and a month is looked at beside the ones around it


def find_books(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds finledger.yaml; `Misused` when there is none."""
    for folder in (start, *start.parents):
        if (folder / SETTINGS).is_file():
            return folder
    raise Misused(
        f"no {SETTINGS} in {start} or above it: go to a set of books, name one with --books DIR, "
        "or make one with `finledger init DIR`"
    )


def _nearest_books() -> Path:
    return find_books(Path.cwd())


def _settle_books(ctx: typer.Context, folder: Path) -> Path:
    if not (folder / SETTINGS).is_file():
        raise Misused(f"{folder} is not a set of books (it has no {SETTINGS}): make one with `finledger init {folder}`")
    session = ctx.find_object(Session)
    if session is not None:
        session.books = folder
    return folder


def _settle_quiet(ctx: typer.Context, quiet: bool) -> bool:
    session = ctx.find_object(Session)
    if session is not None:
        session.quiet = quiet
    return quiet


def _month(text: str) -> period.Month:
    try:
        found = period.Month.parse(text)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
    if found.year not in _YEARS:
        raise typer.BadParameter(f"{text} is not a month of our time: write it as 2026-07")
    return found


month_of = _month  # for months that other options name


def _quarter(text: str) -> period.Quarter:
    try:
        found = period.Quarter.parse(text)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
    if found.year not in _YEARS:
        raise typer.BadParameter(f"{text} is not a quarter of our time: write it as 2026-Q3")
    return found


_BOOKS = "The set of books: the folder that holds finledger.yaml.  [default: the nearest above this folder]"

Books = Annotated[
    Path,
    typer.Option(
        "--books",
        metavar="DIR",
        envvar="FINLEDGER_BOOKS",
        help=_BOOKS,
        default_factory=_nearest_books,
        show_default=False,
        callback=_settle_books,
    ),
]
Month = Annotated[period.Month, typer.Option("--month", metavar="YYYY-MM", parser=_month, help="The month, as 2026-07.")]
Quarter = Annotated[
    period.Quarter, typer.Option("--quarter", metavar="YYYY-QN", parser=_quarter, help="The quarter, as 2026-Q3.")
]
AnyQuarter = Annotated[
    period.Quarter | None,
    typer.Option("--quarter", metavar="YYYY-QN", parser=_quarter, help="The quarter, as 2026-Q3."),
]
AnyMonth = Annotated[
    period.Month | None, typer.Option("--month", metavar="YYYY-MM", parser=_month, help="Only this month, as 2026-07.")
]
FirstMonth = Annotated[
    period.Month | None,
    typer.Option("--month", metavar="YYYY-MM", parser=_month, help="A month of the first quarter.  [default: this month]"),
]
AsOf = Annotated[
    str,
    typer.Option(
        "--as-of",
        metavar="CLOSE",
        help="Show it as it was believed at a close: its number, or its period (2026-07, 2026-Q3). Nothing is written.",
    ),
]
Format = Annotated[
    Literal["table", "json", "csv"],
    typer.Option("--format", help="How figures are shown; json and csv are for programs, with amounts as decimal text."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only figures and errors.", callback=_settle_quiet)]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would be done, and write nothing.")]


def one_period(month: period.Month | None, quarter: period.Quarter | None) -> period.Month | period.Quarter:
    """The period that --month or --quarter names; `Misused` when it is none, or both."""
    found = month if quarter is None else quarter
    if found is None or (month is not None and quarter is not None):
        raise Misused("name a month or a quarter: --month 2026-08, or --quarter 2026-Q3")
    return found


def loaded_months(bench: Workbench, named: period.Month | period.Quarter) -> list[period.Month]:
    """The month, or those of the quarter of which something is loaded; `Misused` when that is none."""
    if isinstance(named, period.Month):
        return [named]
    found = [each for each in named.months(bench.organisation.fiscal_year_start) if each in bench.months()]
    if not found:
        raise Misused(f"nothing of {named} is loaded: there is nothing to look at")
    return found


def opened(books: Path, as_of: str) -> Workbench:
    """The books as they are, or as they were at a close: then they are only read."""
    from finledger.workbench import Workbench, sealed

    bench = Workbench(books)
    return sealed.as_of(bench, sealed.close_named(bench, as_of)) if as_of else bench


def chosen_formats(words: str, known: Sequence[str], noun: str) -> tuple[str, ...]:
    """The formats that `--to html,pdf` names, or all there are; `Misused` for one that does not exist."""
    formats = tuple(filter(None, words.split(","))) or tuple(known)
    unknown = sorted(set(formats) - set(known))
    if unknown:
        raise Misused(f"no {noun} format {', '.join(unknown)}: there are {', '.join(known)}")
    return formats
