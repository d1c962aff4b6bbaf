"""The life of a price book: draft, build from usage, look over, compare, publish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from finledger.cli._options import Books, DryRun, Format, Quiet, _month, _quarter
from finledger.core import period

if TYPE_CHECKING:
    from finledger.core.model import PriceBook
    from finledger.workbench.book_build import Built
    from finledger.workbench.book_life import Diffed

app = typer.Typer(add_completion=False)


def _day(text: str) -> date:
    from finledger.read import values

    try:
        return values.day(text)
    except values.WrongValue as wrong:
        raise typer.BadParameter(f"{wrong.message}: {wrong.remedy}") from None


BookName = Annotated[
    str, typer.Argument(metavar="[BOOK]", help="As 2026-Q3 (all its versions) or 2026-Q3.v1; every book when left out.")
]
OneBook = Annotated[str, typer.Argument(metavar="BOOK", help="The draft: as 2026-Q4, or 2026-Q4.v2.")]
OldBook = Annotated[str, typer.Argument(metavar="OLD", help="As 2026-Q3 (its last version), 2026-Q3.v1, or a YAML file.")]
NewBookName = Annotated[str, typer.Argument(metavar="NEW", help="The same for the book to compare it with.")]
ForQuarter = Annotated[
    period.Quarter, typer.Argument(metavar="QUARTER", parser=_quarter, help="The quarter that the book is for, as 2026-Q4.")
]
From = Annotated[
    str,
    typer.Option(
        "--from", metavar="BOOK", help="Whose terms and prices to copy: a book or a file.  [default: the book before]"
    ),
]
Starts = Annotated[
    date | None,
    typer.Option(
        "--starts",
        metavar="DATE",
        parser=_day,
        help="The first day of a later version of the quarter's book, as 2026-11-16.",
    ),
]
FromQuarter = Annotated[
    period.Quarter | None,
    typer.Option(
        "--from-quarter",
        metavar="YYYY-QN",
        parser=_quarter,
        help="The quarter whose usage makes the prices.  [default: the one before]",
    ),
]
FromMonth = Annotated[
    list[period.Month],
    typer.Option("--from-month", metavar="YYYY-MM", parser=_month, help="The month instead; give it again for more."),
]
Terms = Annotated[
    str,
    typer.Option(
        "--terms", metavar="BOOK", help="Whose terms are taken: a book or a file.  [default: the book in force before]"
    ),
]
RatesFrom = Annotated[
    Literal["genai-prices", "book"],
    typer.Option("--rates", help="Token rates: what providers charge by the genai-prices package, or the last book's."),
]
GpuCosts = Annotated[
    Path | None,
    typer.Option(
        "--gpu-cost",
        metavar="FILE",
        help="What accelerators cost to own: a table of gpu_sku, capital, months, running_cost_per_month, hours_per_month, "
        "target_utilisation, count.  [default: the books' gpu-costs.csv, where there is one]",
    ),
]
ByModel = Annotated[bool, typer.Option("--by-model", help="A price for each model of a class that ran on several.")]
PublishedOn = Annotated[
    date | None, typer.Option("--date", metavar="DATE", parser=_day, help="The day of publication.  [default: today]")
]
EffectMonth = Annotated[
    period.Month | None,
    typer.Option("--month", metavar="YYYY-MM", parser=_month, help="Show what the new book would do to this month."),
]
FourFormats = Annotated[
    Literal["table", "json", "csv", "markdown"],
    typer.Option("--format", help="How it is shown; json and csv are for programs, markdown for a pull request."),
]
LINT_COLUMNS = ("severity", "code", "where", "message", "remedy")


# ── draft ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def new(
    books: Books,
    quarter: ForQuarter,
    source: From = "",
    starts: Starts = None,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """A draft for a quarter, with the terms and prices of the book before it, or with examples where there is none.

    Its days are the quarter's. With --starts it is the next version of the quarter's book, which takes over on that day.
    A file that is there is never overwritten.

    Example: finledger pricebook new 2026-Q4
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, book_life

    bench = Workbench(books)
    made = book_life.new_book(bench, quarter, source=source, starts=starts)
    if not dry_run:
        book_life.write_book(made)
    screen.problems(made.warnings, quiet=quiet)
    book, last = made.book, made.last
    screen.done(
        [
            (bench.shown(made.path), "would be made" if dry_run else "is made"),
            ("holds", f"{book.effective_from} to before {book.effective_until}"),
            ("terms and prices", last.name if last is not None else "examples: replace them by your own"),
        ],
        quiet=quiet,
    )
    screen.note(f"Next: edit it, then `finledger pricebook publish {book.name}`", quiet=quiet or dry_run)


@app.command()
def build(
    books: Books,
    quarter: ForQuarter,
    from_quarter: FromQuarter = None,
    from_month: FromMonth = [],  # noqa: B006 (typer makes a list of its own)
    terms: Terms = "",
    rates: RatesFrom = "genai-prices",
    gpu_cost: GpuCosts = None,
    by_model: ByModel = False,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """A draft for a quarter, priced from what the actions of a past period really used.

    A class's base is what its actions cost on average: their tokens at the new rates. A class without tokens keeps its
    price. --dry-run shows the figures and writes nothing; a file that is there is never overwritten.

    Example: finledger pricebook build 2026-Q4 --from-quarter 2026-Q3
    """
    from finledger.cli import screen
    from finledger.core.problem import Misused
    from finledger.workbench import Workbench, book_build, book_life

    if from_quarter is not None and from_month:
        raise Misused("--from-quarter and --from-month both name the period: give one of them")
    bench = Workbench(books)
    months: Sequence[period.Month] = sorted(set(from_month))
    if from_quarter is not None:
        months = from_quarter.months(bench.organisation.fiscal_year_start)
    months = months or book_build.period_before(bench, quarter)
    with screen.progress(f"adding up the usage of {', '.join(map(str, months))}", quiet=quiet):
        built = book_build.build(
            bench, quarter, months,
            terms=terms, rates=rates, gpu_costs=gpu_cost, by_model=by_model, replacing=dry_run,
        )  # fmt: skip
    if not dry_run:
        book_life.write_book(built.new)
    _show_built(built, format)
    screen.problems([*built.notices, *built.new.warnings], quiet=quiet, file=books / "out" / "problems.txt")
    written = f"{bench.shown(built.new.path)} {'would be' if dry_run else 'is'} made"
    compare = f"finledger pricebook diff {built.draft.last.name} {quarter} --month {months[-1]}"
    screen.note(f"{written}; next: {compare}", quiet=quiet)


def _show_built(built: Built, format: str) -> None:
    from finledger.cli import screen
    from finledger.write import pricebook_rows as written

    rows = list(written.draft_rows(built.draft))
    if format == "json":
        screen.json_out(written.draft_json(built.draft, built.new.book, built.months, built.notes))
        return
    if format == "csv":
        screen.csv_out(written.DRAFT_COLUMNS, rows)
        return
    months = ", ".join(map(str, built.months))
    book = built.draft.book
    rows = written.for_people(rows, written.DRAFT_COLUMNS, book.price_digits)
    for title, kind, columns in (
        (f"Actions of {months}, and the tokens of one on average", "action", written.USE_COLUMNS),
        (f"Prices of {book.name}, {book.currency} an action (metered: what one cost)", "action", written.CLASS_COLUMNS),
        (f"Rates, {book.currency} per 1,000,000 tokens", "tokens", written.RATE_COLUMNS),
        (f"Rates, {book.currency} per accelerator-hour", "gpu", written.RATE_COLUMNS),
    ):
        own = written.columns_of([row for row in rows if row[0] == kind], written.DRAFT_COLUMNS, columns)
        if own:
            headings = [written.HEADINGS.get(name, name) for name in columns]
            below = columns is not written.USE_COLUMNS
            screen.table(title, headings, own, right_align=written.FIGURES, below=below)
    for item, amount in built.draft.recovered.items():
        screen.note(f"{item}: {written.recovered_words(amount, built.draft.book.currency)}")
    for note in built.notes:
        screen.note(note)


@app.command()
def publish(
    books: Books,
    book: OneBook,
    day: PublishedOn = None,
    format: Format = "table",
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Freeze a draft: the day of publication is written into its file, and the file's hash into the ledger.

    From then on the book cannot change: every command refuses an edited one. Warnings of `lint` are shown and stop nothing.
    Publishing again changes nothing.

    Example: finledger pricebook publish 2026-Q4 --date 2026-09-24
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, book_life
    from finledger.write.pricebook_rows import head

    done = book_life.publish(Workbench(books), book, day, date.today(), dry_run=dry_run)
    screen.problems(done.warnings, quiet=quiet, file=books / "out" / "problems.txt")
    if format == "json":
        screen.json_out({"schema": 1, "pricebook": head(done.book), "already_published": done.already})
    elif format == "csv":
        screen.csv_out(tuple(head(done.book)), [list(head(done.book).values())])
    else:
        said = "was published before" if done.already else "would be published" if dry_run else "is published"
        screen.done(
            [
                (done.book.name, f"{said}, on {done.book.published}"),
                ("holds", f"{done.book.effective_from} to before {done.book.effective_until}"),
                ("sha256", done.book.sha256),
            ],
            quiet=quiet,
        )


# ── look ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def show(books: Books, book: BookName = "", format: Format = "table", quiet: Quiet = False) -> None:
    """Every price of a book with the parts it is made of: base, overhead, registry, buffer.

    A metered action has no price of its own: what its tokens cost is shown per million, by model. The last table is what
    the prompt registry gets of 100.00 of base, at its range and by each basis.

    Example: finledger pricebook show 2026-Q3
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, book_life
    from finledger.write import pricebook_rows as written

    bench = Workbench(books)
    chosen = book_life.named(bench, book)
    book_life.freeze_seen(bench)
    rows = [row for each in chosen for row in written.price_rows(each)]
    if format == "json":
        prices = [dict(zip(written.COLUMNS, row, strict=True)) for row in rows]
        screen.json_out({"schema": 1, "pricebooks": [written.head(each) for each in chosen], "prices": prices})
    elif format == "csv":
        screen.csv_out(written.COLUMNS, rows)
    else:
        for each in chosen:
            _show_book(each, [row[1:] for row in rows if row[0] == each.name])


def _show_book(book: PriceBook, rows: list[list[str]]) -> None:
    from finledger.cli import screen
    from finledger.write import pricebook_rows as written

    names = written.COLUMNS[1:]
    rows = written.for_people(rows, names, book.price_digits)
    uplifted = bool(set(book.uplift.applies_to) - {"actions"})
    of_skus = written.UPLIFTED_COLUMNS if uplifted else written.SKU_COLUMNS
    for title, columns, kept in (
        (f"{written.title(book)}\n{book.currency} an action", written.ACTION_COLUMNS, True),
        (f"Rates, {book.currency}", of_skus, False),
    ):
        own = written.columns_of([row for row in rows if (row[0] == "action") is kept], names, columns)
        screen.table(title, columns, own, right_align=written.COLUMNS[6:11], below=not kept)
    if "actions" in book.uplift.applies_to:
        title = f"Registry of 100.00 of base, and the price; this book's basis is {book.uplift.registry_basis}"
        bases = written.REGISTRY_COLUMNS
        screen.table(title, bases, written.registry_rows(book), right_align=bases[1:], below=True, verbatim=True)


@app.command()
def lint(books: Books, book: BookName = "", format: Format = "table", quiet: Quiet = False) -> None:
    """What is wrong in a book (exit code 1), and what only looks wrong: warnings, which change nothing.

    Example: finledger pricebook lint 2026-Q3
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, book_life
    from finledger.write.text import count

    bench = Workbench(books)
    chosen = book_life.named(bench, book)
    book_life.freeze_seen(bench)
    found = book_life.warnings(bench, chosen)
    rows = [[each.severity, each.code, str(each.source or ""), each.message, each.remedy] for each in found]
    if format == "table":
        screen.problems(found, quiet=quiet, file=books / "out" / "problems.txt")
        screen.note(f"{count(len(chosen), 'price book')}, {count(len(found), 'warning')}", quiet=quiet)
    else:
        screen.figures(format, "", LINT_COLUMNS, rows)


@app.command()
def diff(
    books: Books,
    old: OldBook,
    new: NewBookName,
    month: EffectMonth = None,
    format: FourFormats = "table",
    quiet: Quiet = False,
) -> None:
    """What differs between two books and, with --month, what the new one would do to that month's charges, by team.

    Example: finledger pricebook diff 2026-Q3 2026-Q4 --month 2026-09
    """
    from finledger.cli import screen
    from finledger.workbench import Workbench, book_life
    from finledger.write import pricebook_rows as written

    with screen.progress(f"charging {month} twice" if month else "comparing", quiet=quiet):
        bench = Workbench(books)
        found = book_life.diff(bench, old, new, month)
        book_life.freeze_seen(bench)
    compared = (found.old, found.new, found.changed, found.effect, str(month or ""), found.notes)
    if format == "json":
        screen.json_out(written.diff_json(*compared))
    elif format == "csv":
        screen.csv_out(written.DIFF_COLUMNS, written.diff_rows(found.changed, found.effect))
    elif format == "markdown":
        print(written.diff_markdown(*compared))
    else:
        _show_diff(found, str(month or ""), quiet)
    screen.problems(found.notices, quiet=quiet, file=books / "out" / "problems.txt")


def _show_diff(found: Diffed, month: str, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.write import pricebook_rows as written

    title = f"{written.title(found.old)}\n{written.title(found.new)}"
    columns: Iterable[str] = written.ENTRY_HEADINGS
    if found.changed:
        rows = written.entry_rows_shown(found.changed)
        screen.table(title, tuple(columns), rows, right_align=written.ENTRY_HEADINGS[2:])
    else:
        screen.note(f"{title}\nNo price, rate or term differs.")
    if found.effect is not None:
        columns, effect = written.effect_rows(found.effect)
        heading = f"Charges of {month} by {found.old.name} (old) and {found.new.name} (new), {found.effect.currency}"
        screen.table(heading, columns, effect, right_align=columns[1:], below=True)
    for note in (*([written.units(found.new)] if found.changed else []), *found.notes):
        screen.note(note, quiet=quiet)
