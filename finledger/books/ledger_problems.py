"""What is wrong with a ledger's file as a whole."""

from __future__ import annotations

from pathlib import Path

from finledger.books import ledger_tables as tables
from finledger.core.problem import Problem, SourceRef


def not_a_ledger(path: Path, reason: str) -> Problem:
    return Problem(
        code="ledger-damaged",
        message=f"{path.name} cannot be read as a ledger: {reason}",
        source=_shown(path),
        remedy="put back the last copy of this file; nothing was written to it",
    )


def _shown(path: Path) -> SourceRef:
    """The ledger as it lies in the books: store/ledger.sqlite."""
    return SourceRef(f"{path.parent.name}/{path.name}")


def newer(path: Path, version: int) -> Problem:
    return Problem(
        code="ledger-newer",
        message=f"{path.name} has ledger version {version}, this finledger knows {tables.SCHEMA_VERSION}",
        source=_shown(path),
        remedy="install the finledger that wrote it, or a later one",
    )
