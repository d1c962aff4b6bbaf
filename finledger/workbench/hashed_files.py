"""Files held against the SHA-256 that was written down of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from finledger.books.export_places import content_digest
from finledger.core.problem import Problem, SourceRef

Expected = Mapping[Path, tuple[str, str]]  # path → its SHA-256, and how it is called
COLUMNS = "store/usage/schema.parquet"  # which columns usage has; in no list of the ledger's

SEALED_BACK = "put it back from a backup, or copy the file in the books if nobody edited it since: its name is its SHA-256"
_REMEDIES = {
    "part": "put the file back from a backup (of a part of usage the name is the SHA-256 of its content)",
    "export": "put the export back as it was loaded: it is what figures are explained down to",
    "sealed-text": SEALED_BACK,
    "document": "put it back from a backup; or remove it, and run `finledger allocate`, `invoice` or `journal`: what they write "
    "of a closed month is the same again",
}


def changed_files(expected: Expected, kind: str) -> Iterator[Problem]:
    """A problem for each file that is missing or has another content; hashing goes on in threads. `kind`: of `_REMEDIES`."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        for (sha256, shown), found in zip(expected.values(), pool.map(digest, expected), strict=True):
            if found is None:
                remedy = _REMEDIES[kind].replace("or remove it, and run", "or run")
                yield Problem(f"{kind}-missing", f"{shown} is missing", SourceRef(shown), remedy=remedy)
            elif found != sha256:
                yield Problem(
                    f"{kind}-changed",
                    f"{shown} is not what it was: SHA-256 {found[:12]}…, recorded as {sha256[:12]}…",
                    SourceRef(shown),
                    remedy=_REMEDIES[kind],
                )


def digest(path: Path) -> str | None:
    """The SHA-256 of a file, or of an archive's member; None where there is none."""
    return content_digest(path)
