"""Write the JSON Schema of finledger.yaml or of a price book, for editors.

An editor that knows YAML schemas then completes keys and marks mistakes while you type: put
`# yaml-language-server: $schema=PATH` on the first line of the file.

Example: finledger schema pricebook --output pricebook.schema.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from finledger.cli._options import DryRun

Which = Annotated[Literal["settings", "pricebook"], typer.Argument(help="The settings are finledger.yaml.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here, not to standard output.")]


def schema(which: Which, output: Output = None, dry_run: DryRun = False) -> None:
    import json

    from finledger.cli import screen
    from finledger.read.pricebook import pricebook_schema
    from finledger.read.settings import settings_schema
    from finledger.write.files import write

    made = settings_schema() if which == "settings" else pricebook_schema()
    if output is None:
        screen.json_out(made)
    elif not dry_run:
        write(output, (json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode())
        screen.note(f"wrote {output}")
    else:
        screen.note(f"would write {output}")
