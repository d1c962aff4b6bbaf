"""Exports that a later export of the same report took the place of: what the log says of them.

The rows of the ledger stay as they were written. An event of kind `replace` says which parts count no more (`withdrawn`), which
count again (`back`), what became of the records of files that were read once more for it (`again`), and which files were left
without rows that nobody has now (`lacking`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from finledger.core.model import LoadedFile, Part

if TYPE_CHECKING:
    from finledger.books.events import Event


@dataclass(frozen=True, slots=True)
class Replacement:
    """By which files, as (hash, name), one was replaced, and the number of the event that says so."""

    number: int
    newer: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Replaced:
    """`files`: by hash; `parts`: the paths that count no more; `again`: files that were read once more, by hash.

    `lacking`: hashes of files that may have rows, left out as duplicates, that are in no file any more.
    """

    files: Mapping[str, Replacement] = field(default_factory=dict)
    parts: frozenset[str] = frozenset()
    again: Mapping[str, LoadedFile] = field(default_factory=dict)
    lacking: frozenset[str] = frozenset()


def replaced(events: Iterable[Event]) -> Replaced:
    """What the events of kind `replace` come to, in their order."""
    files: dict[str, Replacement] = {}
    parts: set[str] = set()
    again: dict[str, LoadedFile] = {}
    lacking: set[str] = set()
    for event in events:
        content = event.content
        newer = tuple((str(sha256), str(name)) for sha256, name in content["new"])
        files.update({str(sha256): Replacement(event.number, newer) for sha256, _ in content["old"]})
        for sha256, _ in newer:
            files.pop(sha256, None)
        parts = (parts | set(content["withdrawn"])) - set(content["back"])
        again.update({row["sha256"]: LoadedFile(**row) for row in content["again"]})
        settled = {str(sha256) for sha256, _ in (*content["new"], *content["old"])}
        lacking = (lacking | set(content["lacking"])) - settled
    return Replaced(files, frozenset(parts), again, frozenset(lacking))


def replace_content(
    old: Sequence[LoadedFile],
    new: Sequence[tuple[str, str]],
    was: Iterable[Part],
    now: Iterable[Part],
    again: Iterable[LoadedFile],
    before: Replaced,
    lacking: Iterable[str] = (),
) -> dict[str, Any]:
    """The event's content. `new`: hash and name; `was`: the parts that count no more; `now`: those of the new files; `again`:
    files that were loaded before and were read once more."""
    paths = {part.path for part in now}
    return {
        "old": [[file.sha256, file.name] for file in old],
        "new": [[sha256, name] for sha256, name in new],
        "withdrawn": sorted({part.path for part in was} - paths),
        "back": sorted(paths & before.parts),
        "again": [asdict(file) for file in again],
        "lacking": sorted(lacking),
    }
