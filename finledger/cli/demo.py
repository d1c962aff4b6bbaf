"""Make the sample company's books, close its third quarter with them, and work out its fourth.

Each month of the third quarter of 2026 is charged, invoiced, posted, held against the provider's invoice and closed. August's
invoice comes when August is closed: it is accrued, and posted in September. Then the quarter is reconciled and closed, all of
it is verified, and the trial balance is drawn up. Of the fourth quarter the charges are worked out and reconciled, to show the
bursting buffer carry over; its documents are left to you. At the end the closed quarter's page is written.

Example: finledger demo out/demo
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from finledger.cli._options import Quiet

Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to make the books.")]
SAMPLE = "kestrel-freight"
IN_FULL, ONWARD = ("2026-07", "2026-08", "2026-09"), ("2026-10", "2026-11", "2026-12")
CLOSED, GOING_ON = "2026-Q3", "2026-Q4"
INBOX = "provider-invoices"
LATE = {"2026-08": "cumulus-2026-08"}  # month → the invoice of it that comes when it is closed, and the map beside it


def demo(folder: Folder = Path("finledger-demo"), quiet: Quiet = False) -> None:
    import shutil

    from finledger.core.problem import Misused
    from finledger.resources import shipped

    if folder.exists() and any(folder.iterdir()) and not (folder / ".finledger-demo").is_file():
        raise Misused(f"{folder} is not empty and was not made by `finledger demo`: name another folder")
    sample = shipped("samples") / SAMPLE
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sample, folder)
    (folder / ".finledger-demo").write_text("Made by `finledger demo`, which makes it anew each time.\n")
    for stem in LATE.values():
        for path in (folder / INBOX).glob(f"{stem}.*"):
            path.unlink()
    _run_all([["load"]], folder, quiet)
    for month in IN_FULL:
        _run_all(_month_steps(month), folder, quiet)
        _arrives(sample / INBOX, folder / INBOX, LATE.get(month), quiet)
    _run_all(_quarter_steps(), folder, quiet)
    _point_to(folder)


def _run_all(steps: Iterator[list[str]] | list[list[str]], folder: Path, quiet: bool) -> None:
    from finledger.cli import _run, screen

    for step in steps:
        screen.note(f"\n$ finledger {' '.join(step)}", quiet=quiet)
        code = _run.run([*step, "--books", str(folder), *(["--quiet"] if quiet else [])])
        if code:
            raise typer.Exit(code)


def _month_steps(month: str) -> Iterator[list[str]]:
    for name in ("allocate", "invoice", "journal", "reconcile", "close"):
        yield [name, "--month", month]


def _arrives(sent: Path, inbox: Path, stem: str | None, quiet: bool) -> None:
    """What is sent when the month is closed."""
    import shutil

    from finledger.cli import screen

    if stem is None:
        return
    for path in sent.glob(f"{stem}.*"):
        shutil.copy(path, inbox)
    screen.note(f"\nAn invoice comes, a month late: {INBOX}/{stem}.csv", quiet=quiet)


def _quarter_steps() -> Iterator[list[str]]:
    for name in ("reconcile", "close"):
        yield [name, "--quarter", CLOSED]
    yield ["verify"]
    yield ["trial-balance", "--quarter", CLOSED]
    for month in ONWARD:
        yield ["allocate", "--month", month]
    yield ["reconcile", "--quarter", GOING_ON]
    yield ["buffer", "status"]
    yield ["status"]
    yield ["report", "--quarter", CLOSED]


def _point_to(folder: Path) -> None:
    """Name one document of each kind: the first of those that are there."""
    from finledger.cli import screen
    from finledger.workbench import Workbench

    bench = Workbench(folder)
    screen.note(f"\nThe books are in {folder}. Open these first:")
    for pattern in (
        f"{CLOSED}/report.html",
        "*/invoices/*.pdf",
        "*/invoices/*.html",
        "*/statements/*",
        "*/journal/*",
        "*/reconciliation.csv",
        f"{CLOSED}/reconciliation.json",
        f"{CLOSED}/notes/*.pdf",
        f"{CLOSED}/trial-balance.csv",
    ):
        for path in sorted((folder / "out").glob(pattern))[:1]:
            screen.note(f"  {folder / bench.shown(path)}")
    screen.note(
        f"The fourth quarter is charged, not invoiced. Go on: finledger invoice --month {ONWARD[0]} --books {folder}"
    )
