"""List the formats, engines and drivers that this installation knows.

Each is one file in a folder of the program, and its line here is the first line of that file.

Example: finledger formats --kind usage
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from finledger.cli._options import Format

FOLDERS = {
    "usage": "read/usage",
    "provider invoice": "read/invoices",
    "journal": "write/journal",
    "invoice": "write/invoice",
    "engine": "engines",
    "driver": "core/drivers",
}
COLUMNS = ("kind", "name", "what it is")
Kind = Annotated[
    Literal["usage", "provider invoice", "journal", "invoice", "engine", "driver"] | None,
    typer.Option("--kind", help="Only exports that `load` reads, or only providers' invoices, or what `journal` writes, …"),
]


def formats(kind: Kind = None, format: Format = "table") -> None:
    from finledger.cli import screen

    rows = [row for each in FOLDERS if kind in (None, each) for row in found(each)]
    if format == "json":
        screen.json_out({"schema": 1, "formats": [dict(zip(("kind", "name", "about"), row, strict=True)) for row in rows]})
    elif format == "csv":
        screen.csv_out(COLUMNS, rows)
    else:
        screen.table("", COLUMNS, rows)


def found(kind: str) -> list[tuple[str, str, str]]:
    """Kind, name and first line of every file in the kind's folder, sorted by name; nothing is imported."""
    import finledger
    from finledger.cli import first_line

    folder = Path(finledger.__path__[0]) / FOLDERS[kind]
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    return [(kind, path.stem, first_line(path)) for path in files]
