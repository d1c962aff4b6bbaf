"""Make the sample company's books and run two quarters: load, allocate, invoice, journal, reconcile.

The third quarter of 2026 is run in full. Of the fourth the charges are worked out and reconciled, to show the bursting buffer
carry over; its documents are left to you.

Example: finledger demo out/demo
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finledger.cli._options import Quiet

Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to make the books.")]
SAMPLE = "kestrel-freight"
IN_FULL, ONWARD = ("2026-07", "2026-08", "2026-09"), ("2026-10", "2026-11", "2026-12")


def demo(folder: Folder = Path("finledger-demo"), quiet: Quiet = False) -> None:
    import shutil

    from finledger.cli import _run, screen
    from finledger.core.problem import Misused
    from finledger.resources import shipped

    if folder.exists() and any(folder.iterdir()) and not (folder / ".finledger-demo").is_file():
        raise Misused(f"{folder} is not empty and was not made by `finledger demo`: name another folder")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(shipped("samples") / SAMPLE, folder)
    (folder / ".finledger-demo").write_text("Made by `finledger demo`, which makes it anew each time.\n")
    for step in _steps():
        if not quiet:
            screen.note(f"\n$ finledger {' '.join(step)}")
        code = _run.run([*step, "--books", str(folder), *(["--quiet"] if quiet else [])])
        if code:
            raise typer.Exit(code)
    _point_to(folder)


def _steps() -> list[list[str]]:
    steps = [["load"]]
    for month in IN_FULL:
        steps += [[name, "--month", month] for name in ("allocate", "invoice", "journal")]
    steps.append(["reconcile", "--quarter", "2026-Q3"])
    steps += [["allocate", "--month", month] for month in ONWARD]
    return [*steps, ["reconcile", "--quarter", "2026-Q4"], ["buffer", "status"], ["status"]]


def _point_to(folder: Path) -> None:
    """Name one document of each kind: the first of those that are there."""
    from finledger.cli import screen
    from finledger.workbench import Workbench

    bench = Workbench(folder)
    screen.note(f"\nThe books are in {folder}. Open these first:")
    for pattern in (
        "*/invoices/*.pdf",
        "*/invoices/*.html",
        "*/statements/*",
        "*/journal/*",
        "2026-Q3/reconciliation.json",
        "2026-Q3/journal/*",
    ):
        for path in sorted((folder / "out").glob(pattern))[:1]:
            screen.note(f"  {folder / bench.shown(path)}")
    screen.note(
        f"The fourth quarter is charged, not invoiced. Go on: finledger invoice --month {ONWARD[0]} --books {folder}"
    )
