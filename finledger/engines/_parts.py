"""Parts of the store that are missing or damaged: named where reading them fails, and not looked for before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path

import duckdb

from finledger.core.problem import Problem, SourceRef, Unavailable

_REMEDY = "put the file back from a backup (of a part of usage the name is the SHA-256 of its content)"


@contextmanager
def named(parts: Sequence[Path]) -> Iterator[None]:
    """Where DuckDB fails inside: `Unavailable` with every part that is the reason."""
    try:
        yield
    except duckdb.Error:
        problems = tuple(lost(parts))
        if not problems:
            raise
        raise Unavailable(problems) from None


def lost(parts: Sequence[Path]) -> Iterator[Problem]:
    """A problem for each part that is missing, or is not what it was."""
    for part in parts:
        shown = "/".join(part.parts[-4:])  # store/usage/month=2026-07/….parquet
        if not part.is_file():
            yield Problem("part-missing", f"{shown} is missing", SourceRef(shown), remedy=_REMEDY)
        elif _damaged(part):
            yield Problem(
                "part-changed", f"{shown} is damaged: its content is not what it was", SourceRef(shown), remedy=_REMEDY
            )


def _damaged(part: Path) -> bool:
    if len(part.stem) == 64:
        with part.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest() != part.stem
    try:
        with duckdb.connect() as connection:
            connection.execute("SELECT count(*) FROM parquet_metadata(?)", [str(part)])
    except duckdb.Error:
        return True
    return False
