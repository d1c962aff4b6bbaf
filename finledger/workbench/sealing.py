"""The files of a closed month: everything that a controller keeps of it, with the root on every document (rules L2, X4)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from finledger.books.events import Event, canonical
from finledger.core.model import Invoice, MonthCharges, Seal
from finledger.core.period import Month, Quarter
from finledger.core.provider_close import ProviderClose
from finledger.workbench.issuing import Workbench

ISSUED = ("invoices", "statements", "notes")


def month_files(
    bench: Workbench,
    charges: MonthCharges,
    documents: Sequence[Invoice],
    providers: ProviderClose,
    close: Event,
    advance: Callable[[int], None] | None = None,
) -> dict[Path, bytes]:
    """Charges, documents, journals, the reconciliation and the seal itself, each at its place in out/MONTH/."""
    from finledger.write import journal as journals
    from finledger.write import reconciliation
    from finledger.write.figures import csv_bytes, json_bytes

    month = charges.month
    folder = bench.root / "out" / str(month)
    compared = reconciliation.month_json(
        month, charges.currency, providers.rows, providers.accruals, providers.entries, providers.problems
    )
    contents = {
        **bench.charge_contents(charges),
        folder / "reconciliation.json": json_bytes(compared),
        folder / "reconciliation.csv": csv_bytes(reconciliation.COLUMNS, reconciliation.csv_rows(providers.rows)),
        folder / "seal.json": seal_json(close),
    }
    sealed = [replace(each, seal=Seal(close.number, close.hash)) for each in documents]
    contents.update(bench.document_contents(sealed, issued_formats(folder), advance))
    contents.update(bench.journal_contents(charges, journals.formats()))
    return contents


def issued_formats(*folders: Path) -> tuple[str, ...]:
    """The formats in which documents of the periods were issued while they were open, and JSON; of a month, the others can be
    had later.
    """
    from finledger.write import invoice as writers

    places = [folder / kind for folder in folders for kind in ISSUED]
    there = {path.suffix for place in places for path in place.glob("*") if not path.name.startswith(".")}
    found = [name for name in writers.formats() if writers.suffix(name) in there]
    return tuple(dict.fromkeys([*found, "json"]))


def stale_documents(bench: Workbench, period: Month | Quarter, contents: Mapping[Path, bytes]) -> tuple[Path, ...]:
    """Documents of the period that lie there and are none of those it is closed with."""
    from finledger.write import invoice as writers

    endings = {writers.suffix(name) for name in writers.formats()}
    there = (path for kind in ISSUED for path in (bench.root / "out" / str(period) / kind).glob("*"))
    return tuple(sorted(path for path in there if path.suffix in endings and path not in contents))


def seal_json(close: Event) -> bytes:
    """The close as it stands in the log: its hash can be worked out from this file alone, and the file can be signed."""
    columns = ("number", "kind", "period", "subject", "content", "previous", "hash")
    return (canonical({name: getattr(close, name) for name in columns}) + "\n").encode()


def hashes(bench: Workbench, close: Event, contents: Mapping[Path, bytes]) -> dict[str, Any]:
    """The content of an event `documents`."""
    listed = sorted([bench.shown(path), hashlib.sha256(content).hexdigest()] for path, content in contents.items())
    return {"close": close.number, "files": listed}


def sealed_notes(bench: Workbench, quarter: Quarter, notes: Sequence[Invoice], close: Event) -> dict[Path, bytes]:
    """The quarter's seal, and its teams' notes with the root on them, as its months were issued: out/QUARTER/notes/."""
    folder = bench.root / "out" / str(quarter)
    months = [bench.root / "out" / str(month) for month in quarter.months(bench.organisation.fiscal_year_start)]
    sealed = [replace(each, seal=Seal(close.number, close.hash)) for each in notes]
    contents = bench.document_contents(sealed, issued_formats(folder, *months), quarter=quarter)
    return {**contents, folder / "seal.json": seal_json(close)}


def superseded_name(name: str, number: int) -> str:
    """Where a file of a period that was reopened is kept: out/2026-07/closed-3/invoices/….

    >>> superseded_name("out/2026-07/invoices/INV-2026-0001-search.json", 3)
    'out/2026-07/closed-3/invoices/INV-2026-0001-search.json'
    """
    out, period, rest = name.split("/", 2)
    return f"{out}/{period}/closed-{number}/{rest}"
