"""Check everything that was closed: hold it against its seals, and work it out again from its inputs.

Looks at the ledger's file and log, the stored usage, the exports that are still there, the sealed texts, the published price
books, every document; then charges each closed period again and compares every row. Exit code 1 with the first difference when
anything is not what it was. Writes nothing.

Example: finledger verify
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finledger.cli._options import Books, Format, Quiet

Signers = Annotated[
    Path | None,
    typer.Option(
        "--signers", metavar="FILE", help="Check the seals' signatures too: who may sign, as `ssh-keygen` lists them."
    ),
]


Quick = Annotated[
    bool, typer.Option("--quick", help="Only hold files and rows against their hashes; work no period out again.")
]


def verify(
    books: Books, signers: Signers = None, quick: Quick = False, format: Format = "table", quiet: Quiet = False
) -> None:
    from finledger.cli import screen
    from finledger.core.problem import Refused
    from finledger.workbench import Workbench, signing
    from finledger.workbench.verify import verify as check
    from finledger.write.quarter import problem_row

    bench = Workbench(books)
    with screen.progress("verifying", quiet=quiet):
        found = check(bench, quick=quick)
    problems = list(found.problems)
    for event in found.closes if signers is not None else ():
        seal = books / "out" / event.period / "seal.json"
        assert signers is not None
        unsigned = signing.check(seal, bench.shown(seal), signers)
        problems += [] if unsigned is None else [unsigned]
    closes = [{"close": each.number, "period": each.period, "root": each.hash} for each in found.closes]
    looked_at = [{"what": what, "number": number} for what, number in found.looked_at]
    if format == "json":
        rows = [problem_row(each) for each in problems]
        changed = list(found.changed)
        screen.json_out({"schema": 1, "looked_at": looked_at, "closes": closes, "changed": changed, "problems": rows})
    elif format == "csv":
        screen.csv_out(("close", "period", "root"), screen.cells(("close", "period", "root"), closes))
    else:
        screen.table("Looked at", ("what", "number"), screen.cells(("what", "number"), looked_at), right_align=("number",))
        if closes:
            columns = ("close", "period", "root")
            screen.table("Closed", columns, screen.cells(columns, closes), below=True)
    if problems:
        raise Refused(problems)
    if format == "table" and not quiet:
        if found.changed:
            screen.note(f"edited since the last close, for periods to come: {', '.join(found.changed)}")
        screen.note("everything is as it was closed" if closes else "nothing is closed yet; what is loaded is as it was")
