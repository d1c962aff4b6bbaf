"""Make the sample company's books and run a whole quarter: load, allocate, invoice, journal.

Example: finledger demo out/demo
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finledger.cli._options import Quiet

Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to make the books.")]
SAMPLE = "kestrel-freight"


def demo(folder: Folder = Path("finledger-demo"), quiet: Quiet = False) -> None:
    import shutil

    from finledger.cli import _run, screen
    from finledger.core.problem import Misused
    from finledger.resources import shipped
    from finledger.workbench import Workbench

    if folder.exists() and any(folder.iterdir()) and not (folder / ".finledger-demo").is_file():
        raise Misused(f"{folder} is not empty and was not made by `finledger demo`: name another folder")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(shipped("samples") / SAMPLE, folder)
    (folder / ".finledger-demo").write_text("Made by `finledger demo`, which makes it anew each time.\n")
    steps = [["load"]]
    for month in ("2026-07", "2026-08", "2026-09"):
        steps += [[name, "--month", month] for name in ("allocate", "invoice", "journal")]
    for step in [*steps, ["status"]]:
        if not quiet:
            screen.note(f"\n$ finledger {' '.join(step)}")
        code = _run.run([*step, "--books", str(folder), *(["--quiet"] if quiet else [])])
        if code:
            raise typer.Exit(code)
    bench = Workbench(folder)
    screen.note(f"\nThe books are in {folder}. Open these first:")
    for path in (
        sorted((folder / "out").glob("*/invoices/*.pdf"))[:1] + sorted((folder / "out").glob("*/invoices/*.html"))[:1]
    ):
        screen.note(f"  {folder / bench.shown(path)}")
    for name in ("statements", "journal"):
        for path in sorted((folder / "out").glob(f"*/{name}/*"))[:1]:
            screen.note(f"  {folder / bench.shown(path)}")
