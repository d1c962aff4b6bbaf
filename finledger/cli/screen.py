"""What a person sees: tables, problems, progress. The only module that imports rich.

Figures go to standard output, everything else to standard error, so that a pipe gets figures alone. To a terminal, tables
are drawn and coloured (unless NO_COLOR is set); into a pipe or a file they are plain text at full width, and a figure is
never cut or folded.
"""

from __future__ import annotations

import csv
import itertools
import json
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from finledger.core.problem import Problem
from finledger.write.files import write
from finledger.write.text import grouped, shown, words

FIRST = 10
_EXCERPT = 160
_MESSAGE = 600
_COMMAND = "finledger "
_NAME, _SENTENCE = 24, 16  # a column of text is not made narrower than this
_COLOURS = {"error": "bold red", "warning": "yellow", "notice": "cyan"}
_PATIENCE = 1.0
_LONGEST_ROW = 20_000


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right_align: Iterable[str] = (),
    below: bool = False,
    verbatim: bool = False,
) -> None:
    """Show rows to a person. `right_align` names the columns that hold figures: they get a comma every three digits, as on every
    page and document. None is shown as nothing.

    A column's name is shown in words, without underscores, unless it is to be typed (`verbatim`). `below` another table, a
    line is left empty between the two.
    """
    figures = set(right_align)
    right = [column in figures for column in columns]
    cells = [[_shown(cell, figure) for cell, figure in zip(row, right, strict=True)] for row in rows]
    headings = [column if verbatim else words(column) for column in columns]
    if sys.stdout.isatty():
        _drawn_table(title, headings, cells, right)
    else:
        _plain_table(f"\n{title}" if below else title, headings, cells, right)


def _shown(cell: Any, figure: bool) -> str:
    if cell is None:
        return ""
    return grouped(str(cell)) if figure else shown(str(cell))


def cells(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """Rows that are known by name, in the order of the columns; what a row lacks is empty."""
    return [[row.get(column) for column in columns] for row in rows]


def _plain_table(title: str, columns: Sequence[str], cells: list[list[str]], right: list[bool]) -> None:
    widths = [max(map(len, [heading, *(row[number] for row in cells)])) for number, heading in enumerate(columns)]
    if title:
        print(title)
    for row in [list(columns), ["-" * width for width in widths], *cells]:
        aligned = (cell.rjust(width) if figure else cell.ljust(width) for cell, width, figure in zip(row, widths, right))
        print("  ".join(aligned).rstrip())


def _drawn_table(title: str, columns: Sequence[str], cells: list[list[str]], right: list[bool]) -> None:
    """Where a table is wider than the screen, its headings are folded; where it still is, its columns are shown in several
    parts, each of them with the first ones.
    """
    console = _console(sys.stdout)
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    every = range(len(columns))
    least = [_least_width(columns[number], [row[number] for row in cells], right[number]) for number in every]
    if _width(least, every) > console.width:
        folded = [max(map(len, heading.split()), default=0) for heading in columns]
        least = [max(folded[number], *(_narrowest(row[number], right[number]) for row in cells), 1) for number in every]
    for part in _parts(least, right, console.width):
        drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
        for number in part:
            drawn.add_column(
                Text("\n".join(textwrap.wrap(columns[number], least[number])) if right[number] else columns[number]),
                justify="right" if right[number] else "left",
                no_wrap=right[number],
                min_width=least[number],
                overflow="fold",
            )
        for row in cells:
            drawn.add_row(*(Text(row[number]) for number in part))
        width = max(console.width, _width(least, part))
        console.print(drawn, width=width, crop=False, soft_wrap=width > console.width)


def _least_width(heading: str, column: Sequence[str], figures: bool) -> int:
    return max(len(heading), *(_narrowest(cell, figures) for cell in column), 1)


def _narrowest(cell: str, figures: bool) -> int:
    """Figures are never folded, and words of up to 24 characters are not."""
    if figures:
        return len(cell)
    return min(len(cell), max(_SENTENCE if " " in cell else 0, min(_NAME, max(map(len, cell.split()), default=0))))


def _parts(least: Sequence[int], right: Sequence[bool], width: int) -> list[list[int]]:
    """The columns of each part: all in one where they fit, else the leading names again and as many more as fit."""
    every = list(range(len(least)))
    names = list(itertools.takewhile(lambda number: not right[number], every))
    while len(names) > 1 and 2 * _width(least, names) > width:
        names.pop()
    parts = [[*names]]
    for number in every[len(names) :]:
        if _width(least, [*parts[-1], number]) > width and len(parts[-1]) > len(names):
            parts.append([*names])
        parts[-1].append(number)
    return parts


def _width(least: Sequence[int], part: Sequence[int]) -> int:
    """With the gaps: three between two columns, and one before the first."""
    return sum(least[number] for number in part) + 3 * len(part) - 2


def done(rows: Iterable[tuple[str, Any]], *, quiet: bool = False) -> None:
    """The closing table of a command: what was done, as label and value, on standard error."""
    if quiet:
        return
    cells = [(label, shown(str(value)) if isinstance(value, str) else grouped(str(value))) for label, value in rows]
    width = max((len(label) for label, _ in cells), default=0)
    console = _console(sys.stderr)
    for label, value in cells:
        console.print(Text.assemble((f"{label:<{width}}  ", "bold"), value), soft_wrap=True)


def note(text: str, *, quiet: bool = False) -> None:
    """A remark for a person, on standard error. A line with a command is not broken: it is there to be copied."""
    if not quiet:
        _console(sys.stderr).print(Text(text), soft_wrap=_COMMAND in text)


def problems(found: Sequence[Problem], *, quiet: bool = False, file: Path | None = None) -> None:
    """Show what is wrong on standard error: errors first, the first ten, and how many more there are.

    All of them are written to `file` when they do not fit; without a file all are shown. `quiet` leaves warnings out.
    """
    wanted = [problem for problem in found if problem.is_error or not quiet]
    wanted.sort(key=lambda problem: not problem.is_error)
    first = wanted if file is None else wanted[:FIRST]
    console = _console(sys.stderr)
    for problem in first:
        console.print(_drawn_problem(problem, console.width if sys.stderr.isatty() else None), soft_wrap=True)
    if len(wanted) > len(first) and file is not None:
        write(file, "\n".join(as_text(problem) for problem in wanted).encode())
        note(f"… and {len(wanted) - len(first)} more: all of them are in {file}")


def as_text(problem: Problem) -> str:
    """A problem as plain text.

    error[unknown-team] usage/july.csv:412 (team)
      no team is called serach
        | 2026-07-03T10:00:00Z,serach,…
      → correct the name, or add the team to finledger.yaml
    """
    return _drawn_problem(problem).plain + "\n"


def _drawn_problem(problem: Problem, width: int | None = None) -> Text:
    """On a screen of `width` the message is broken between words; what may be copied, line and remedy, never is."""
    where = "" if problem.source is None else f" {problem.source}"
    text = Text.assemble((f"{problem.severity}[{problem.code}]", _COLOURS[problem.severity]), (shown(where), "bold"))
    lines = [_cut(line, _MESSAGE) for line in problem.message.splitlines()]
    if width is not None:
        lines = [
            part
            for line in lines
            for part in textwrap.wrap(line, max(width - 2, 20), break_long_words=False, break_on_hyphens=False)
        ]
    text.append("".join(f"\n  {line}" for line in lines))
    for line in problem.excerpt.splitlines():
        text.append(f"\n    | {_cut(line, _EXCERPT)}", "dim")
    for number, line in enumerate(problem.remedy.splitlines()):
        text.append(f"\n  {' ' if number else '→'} {shown(line)}", "green")
    return text


def _cut(line: str, longest: int) -> str:
    return shown(line if len(line) <= longest else line[: longest - 1] + "…")


def json_out(value: Any) -> None:
    """JSON on standard output, alone there; decimals become text, so that no reader makes floats of them."""
    _utf8(sys.stdout)
    print(json.dumps(value, ensure_ascii=False, indent=1, default=_json_value))


def csv_out(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """CSV on standard output: a heading, then the rows; decimals in plain notation."""
    _utf8(sys.stdout)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([format(cell, "f") if isinstance(cell, Decimal) else cell for cell in row])


def figures(
    format: str, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right_align: Iterable[str] = ()
) -> None:
    """The same rows as the reader asked for them: a table, CSV, or a JSON list of objects."""
    if format == "json":
        json_out([dict(zip(columns, row, strict=True)) for row in rows])
    elif format == "csv":
        csv_out(columns, rows)
    else:
        table(title, columns, rows, right_align=right_align)


@contextmanager
def progress(
    description: str, total: int | None = None, *, unit: str = "rows", quiet: bool = False
) -> Iterator[Callable[[int], None]]:
    """Progress on standard error, when a person watches and it takes over a second. Gives a function to advance by n."""
    if quiet or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.0f} {unit}/s")

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}"), Rate(), TimeRemainingColumn(),
        console=_console(sys.stderr), transient=True,
    )  # fmt: skip
    task = bar.add_task(shown(description), total=total)
    starter = threading.Timer(_PATIENCE, bar.start)
    starter.daemon = True
    starter.start()
    try:
        yield lambda count: bar.advance(task, count)
    finally:
        starter.cancel()
        starter.join()
        bar.stop()


@contextmanager
def file_progress(size: int, files: int, *, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Progress through files of `size` bytes in all, as `progress` shows it, and a closing line after a second.

    Gives a function that is told which file it is, how many bytes more are done, and about how many rows those are.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda name, count, rows: None
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn

    class Rates(ProgressColumn):
        def render(self, task: Task) -> Text:
            rows, megabytes = _rates(task.fields["rows"], int(task.completed), task.elapsed or 0)
            reckoned = task.fields["rows"] * _LONGEST_ROW > task.completed  # not while a file is only hashed
            return Text(f"about {rows} rows/s, {megabytes} MB/s" if reckoned else f"{megabytes} MB/s")

    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=12), TextColumn("{task.percentage:>3.0f}%"),
        Rates(), TimeRemainingColumn(compact=True), console=_console(sys.stderr), transient=True,
    )  # fmt: skip
    number = bar.add_task("", total=size, rows=0)
    task = bar.tasks[number]

    def advance(name: str, count: int, rows: int) -> None:
        bar.update(number, description=_cut(name, _NAME + 8), advance=count, rows=task.fields["rows"] + rows)

    starter = threading.Timer(_PATIENCE, bar.start)
    starter.daemon = True
    starter.start()
    try:
        yield advance
    finally:
        starter.cancel()
        starter.join()
        bar.stop()
    elapsed = task.elapsed or 0
    if elapsed >= _PATIENCE:
        rows, megabytes = _rates(task.fields["rows"], int(task.completed), elapsed)
        what = f"{files} files" if files != 1 else "1 file"
        note(f"{what}, {task.fields['rows']:,} rows in {elapsed:.1f} s: {rows} rows/s, {megabytes} MB/s")


def _rates(rows: int, size: int, seconds: float) -> tuple[str, str]:
    """Rows and megabytes a second, as they are shown."""
    per_second = 1 / seconds if seconds > 0 else 0
    return f"{rows * per_second:,.0f}", f"{size / 1e6 * per_second:,.1f}"


def _json_value(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _console(stream: IO[str]) -> Console:
    watched = stream.isatty()
    return Console(file=stream, force_terminal=watched, width=None if watched else 200, highlight=False, markup=False)


def _utf8(stream: Any) -> None:
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(encoding="utf-8")
