"""The life of a price book: drafted from the last one, looked over, published, compared (rules P1, P5, P6).

Composes readers, workbench and core; computes no figure, and shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from finledger.core.book_changes import Changed, changed
from finledger.core.build import Head
from finledger.core.compare import Comparison, compare
from finledger.core.lint import lint
from finledger.core.model import PriceBook
from finledger.core.period import Month, Quarter
from finledger.core.pricebook import previous, under
from finledger.core.problem import Busy, Misused, Problem, Refused, SourceRef
from finledger.workbench import Workbench
from finledger.workbench.simulation import other_book

FOLDER = "pricebooks"


@dataclass(frozen=True, slots=True)
class NewBook:
    """A draft that was, or would be, written: its file, its text, and the book that it reads as."""

    path: Path
    text: str
    book: PriceBook
    warnings: tuple[Problem, ...]
    last: PriceBook | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """`already`: it was published before, and stays as it was."""

    book: PriceBook
    already: bool
    warnings: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Diffed:
    """`effect`: the charges of a month under the old book and under the new one; `notices` are theirs."""

    old: PriceBook
    new: PriceBook
    changed: tuple[Changed, ...]
    effect: Comparison | None
    notes: tuple[str, ...]
    notices: tuple[Problem, ...]


# ── look ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def looked_at(bench: Workbench) -> tuple[PriceBook, ...]:
    """Every book, none of which was edited after it was published (P1). Books without a ledger are left without one."""
    return bench.frozen_pricebooks() if _in_use(bench) else bench.pricebooks


def freeze_seen(bench: Workbench) -> None:
    """Freeze every published book, once the books are in use: from the first look on it is what it was (P1).

    Who may only read, or comes while somebody else writes, can look all the same.
    """
    if not _in_use(bench):
        return
    frozen = bench.ledger.frozen_books()
    unseen = [book for book in bench.frozen_pricebooks() if book.published is not None and book.name not in frozen]
    if unseen:
        with suppress(OSError, Busy), bench.ledger.write() as ledger:
            for book in unseen:
                ledger.freeze_book(book.name, book.sha256, book.file)


def _in_use(bench: Workbench) -> bool:
    return (bench.root / "store" / "ledger.sqlite").is_file()


def named(bench: Workbench, name: str = "") -> list[PriceBook]:
    """The books called so: 2026-Q3 (all versions), 2026-Q3.v1, or its file; all of them for "". Misused where there is none."""
    books = looked_at(bench)
    word = Path(name).name.removesuffix(".yaml").removesuffix(".yml")
    chosen = [book for book in books if book.file == bench.shown(Path(name))] if name else list(books)
    chosen = chosen or [book for book in books if word in (book.name, book.quarter)]
    if not chosen:
        known = ", ".join(book.name for book in books) or "none"
        raise Misused(f"no price book {name or 'at all'} in {bench.root / FOLDER}: there are {known}")
    return chosen


def warnings(bench: Workbench, books: Iterable[PriceBook]) -> list[Problem]:
    """What looks wrong in the books (P6)."""
    every = looked_at(bench)
    return [problem for book in books for problem in lint(book, every, bench.organisation.pools)]


# ── draft ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def new_book(bench: Workbench, quarter: Quarter, *, source: str = "", starts: date | None = None) -> NewBook:
    """A draft for a quarter with the terms of another book: of `source`, else of the one in force before, else a template.

    `starts`: a later version of the quarter, from that day on. Writes nothing; Refused where the draft has a book already.
    """
    books = looked_at(bench)
    head = head_of(bench, books, quarter, starts)
    path = free_path(bench, books, head)
    last = other_book(bench, source) if source else previous(books, head.effective_from)
    if last is None:
        from finledger.books.template import new_pricebook

        text = new_pricebook(head.quarter, head.effective_from, head.effective_until, bench.organisation.currency)
        return read_back(bench, path, text, None)
    from finledger.write.pricebook import pricebook_yaml

    heading = (
        f"Price book {head.quarter}, version {head.version}, drafted with the terms and prices of {last.name}. What changed:",
        f"finledger pricebook diff {last.name} {head.quarter}.v{head.version}",
    )
    return read_back(bench, path, pricebook_yaml(_moved(last, head), heading), last)


def head_of(bench: Workbench, books: Sequence[PriceBook], quarter: Quarter, starts: date | None) -> Head:
    months = quarter.months(bench.organisation.fiscal_year_start)
    first, end = months[0].first_day, months[-1].next.first_day
    versions = [book for book in books if book.quarter == str(quarter)]
    if starts is None or not versions:
        if starts is not None and not first <= starts < end:
            raise Misused(f"{starts} is not a day of {quarter}: it lasts from {first} to before {end}")
        return Head(str(quarter), 1, starts or first, end)
    newest = max(versions, key=lambda book: book.version)
    if not newest.effective_from < starts < newest.effective_until:
        period = f"after {newest.effective_from} and before {newest.effective_until}"
        raise Misused(f"a version after {newest.name} begins {period}, not on {starts}")
    return Head(str(quarter), newest.version + 1, starts, newest.effective_until)


def _moved(book: PriceBook, head: Head) -> PriceBook:
    return replace(
        book,
        quarter=head.quarter,
        version=head.version,
        effective_from=head.effective_from,
        effective_until=head.effective_until,
        published=None,
    )


def free_path(bench: Workbench, books: Sequence[PriceBook], head: Head) -> Path:
    """Where the draft goes; Refused where its version, or a file of that name, is there: nothing is overwritten."""
    name = head.quarter if head.version == 1 else f"{head.quarter}.v{head.version}"
    path = bench.root / FOLDER / f"{name}.yaml"
    taken = [book.file for book in books if book.quarter == head.quarter and book.version == head.version]
    if not taken and path.exists():
        taken = [bench.shown(path)]
    if taken:
        raise Refused([_exists(head, taken[0])])
    return path


def read_back(bench: Workbench, path: Path, text: str, last: PriceBook | None) -> NewBook:
    """The draft as it reads, with its warnings; Refused where it could not be read, or does not go with the other books."""
    from finledger.read.pricebook import check_currency, parse_pricebook

    outcome = parse_pricebook(text.encode(), bench.shown(path))
    wrong = () if outcome.rows is None else check_currency([outcome.rows], bench.organisation.currency)
    if outcome.rows is None or wrong:
        raise Refused((*outcome.problems, *wrong))
    found = lint(outcome.rows, looked_at(bench), bench.organisation.pools)
    return NewBook(path, text, outcome.rows, tuple(found), last)


def write_book(new: NewBook) -> None:
    from finledger.write.files import write

    write(new.path, new.text.encode())


# ── publish ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def publish(bench: Workbench, name: str, day: date | None, today: date, *, dry_run: bool = False) -> Published:
    """Write the day of publication into the book's file and freeze the book by its hash (rule P1).

    Publishing again changes nothing. `day` left out: today. Refused where the file has no place for the line.
    """
    book = _to_publish(named(bench, name), name)
    if book.published is not None:
        if day not in (None, book.published):
            raise Misused(f"{book.name} was published on {book.published}: what is published stays as it is")
        if not dry_run:
            with bench.ledger.write() as ledger:
                ledger.freeze_book(book.name, book.sha256, book.file)
        return Published(book, True, tuple(warnings(bench, [book])))
    content, frozen = _with_day(bench, book, day or today)
    found = [*lint(frozen, looked_at(bench), bench.organisation.pools), *_late(frozen)]
    if not dry_run:
        with bench.change() as change:
            change.put({(bench.root / book.file).resolve(): content})  # through a link, as an editor would
            change.ledger.freeze_book(frozen.name, frozen.sha256, frozen.file)
    return Published(frozen, False, tuple(found))


def _to_publish(books: Sequence[PriceBook], name: str) -> PriceBook:
    """The one that is meant: where a quarter has several versions, its only draft, or the last when all are published."""
    drafts = [book for book in books if book.published is None]
    if len(drafts) > 1:
        raise Misused(f"{name} has several drafts: say which one of {', '.join(book.name for book in drafts)}")
    return drafts[0] if drafts else max(books, key=lambda book: book.version)


def _with_day(bench: Workbench, book: PriceBook, day: date) -> tuple[bytes, PriceBook]:
    """The file's content with the line in it, and the book that it reads as: the same but for that day."""
    from finledger.read.pricebook import parse_pricebook
    from finledger.write.pricebook import with_published

    content = with_published((bench.root / book.file).read_bytes().decode(), day).encode()
    found = parse_pricebook(content, book.file).rows
    if found is None or found != replace(book, published=day, sha256=found.sha256, lines=found.lines):
        raise Refused([_by_hand(book, day)])
    return content, found


def _late(book: PriceBook) -> list[Problem]:
    if book.published is None or book.published < book.effective_from:
        return []
    return [
        Problem(
            "pricebook-published-late",
            f"{book.name} is published on {book.published}, and its prices hold from {book.effective_from} on",
            book.where("effective_from"),
            remedy="tell the teams: what they used since then is charged by prices that they could not know",
            severity="warning",
        )
    ]


# ── compare ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def diff(bench: Workbench, old_name: str, new_name: str, month: Month | None = None) -> Diffed:
    """What differs between two books and, with a month, what the new one would do to its charges (rules P5, U8).

    Each book is taken as if it had held all of the month, other months as they are. The month's usage is grouped once.
    """
    looked_at(bench)
    old, new = other_book(bench, old_name), other_book(bench, new_name)
    effect = None
    notes: tuple[str, ...] = ()
    notices: tuple[Problem, ...] = ()
    if month is not None:
        inputs = bench.month_inputs(month)
        before, _ = bench.run(replace(inputs, books=under(inputs.books, old, month)))
        after, _ = bench.run(replace(inputs, books=under(inputs.books, new, month)))
        effect = compare([before], [after])
        notices = tuple(dict.fromkeys((*before.notices, *after.notices)))
        notes = (
            f"Each book is taken as if it had been in force in all of {month}; the buffer and credits of other months are "
            "left as they are.",
        )
    return Diffed(old, new, changed(old, new), effect, notes, notices)


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _exists(head: Head, file: str) -> Problem:
    return Problem(
        "pricebook-exists",
        f"{head.quarter} has a book already: a file of people's decisions is not overwritten",
        SourceRef(file, 1),
        remedy="move that file away to draft anew, or draft a later version of it with `finledger pricebook new --starts DAY`",
    )


def _by_hand(book: PriceBook, day: date) -> Problem:
    return Problem(
        "publish-by-hand",
        f"{book.file} is laid out so that the day of publication cannot be written into it",
        SourceRef(book.file, 1),
        remedy=f"add the key `published: {day}` yourself, then run the command again to freeze the book",
    )
