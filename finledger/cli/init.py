"""Make a new set of books: finledger.yaml, a first price book and the folders for exports, with comments to edit by.

Example: finledger init books --name "Northwind AI platform" --currency EUR
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finledger.cli._options import SETTINGS, DryRun, FirstMonth, Quiet

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make; it may exist if it is empty.")]
Currency = Annotated[str, typer.Option("--currency", metavar="CODE", help="The books' currency, by its ISO 4217 code.")]
Name = Annotated[
    str, typer.Option("--name", metavar="TEXT", help="What the books are called.  [default: the folder's name]")
]


def init(
    folder: Folder,
    currency: Currency = "USD",
    name: Name = "",
    month: FirstMonth = None,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    from datetime import date

    from finledger.books.template import new_books
    from finledger.cli import screen
    from finledger.core.money import is_currency
    from finledger.core.problem import Misused
    from finledger.write.files import write_all

    if not is_currency(currency):
        raise Misused(f"{currency!r} is not an ISO 4217 currency that money is counted in: write it as USD")
    if (folder / SETTINGS).exists():
        raise Misused(f"{folder} is a set of books already: name another folder")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Misused(f"{folder} is not an empty folder: name one that does not exist yet, or is empty")
    first_day = month.first_day if month is not None else date.today()
    contents = new_books(name or folder.resolve().name, currency, first_day)
    if not dry_run:
        write_all({folder / path: content.encode() for path, content in contents.items()})
    would = "would be made" if dry_run else "is made"
    screen.done([(path, would) for path in contents], quiet=quiet)
    if not dry_run:
        screen.note(
            f"\nNext:\n  edit {folder / SETTINGS}: your teams, their cost centres and stages"
            f"\n  put an export of usage into {folder / 'usage'}"
            f"\n  cd {folder} && finledger load",
            quiet=quiet,
        )
