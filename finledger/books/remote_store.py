"""The store in a bucket: `store: s3://bucket/prefix` keeps the parts there, under the names that they have in store/.

    s3://bucket/prefix/usage/month=2026-07/<sha256>.parquet        s3://bucket/prefix/quarantine/<export's sha256>.parquet

The books' own store/ folder holds copies of the parts that were read or written here. A part never changes, so that a copy is
never old: it is fetched when it is missing, held against its SHA-256 once, and may be removed at any time. Parts are put into
the bucket before the ledger lists them, and nothing is ever removed there: what a killed load left is listed by nobody and read
by nobody. docs/decisions/0022-object-storage.md has the measurements.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from finledger import objects
from finledger.books.export_places import content_digest as _digest
from finledger.books.store import Store
from finledger.core.model import Part
from finledger.core.problem import Problem, Refused, SourceRef

_AT_ONCE = 4
_FETCHING = "fetching-"
_A_DAY = 24 * 60 * 60
T = TypeVar("T")


class RemoteStore(Store):
    """Parts at `url`, with copies under `root`."""

    def __init__(self, root: Path, url: str) -> None:
        super().__init__(root)
        self.url = url.rstrip("/")

    def paths(self, parts: Iterable[Part]) -> list[Path]:
        """The copies of the parts, as `Store.paths` has them. Raises Refused for parts that are missing or changed, OSError."""
        parts = tuple(parts)
        self._fetch([part for part in parts if not (self.root / part.path).is_file()])
        return super().paths(parts)

    def keep(self, parts: Collection[Part]) -> None:
        """Put the parts into the bucket; whatever is raised, the ledger must not list them."""
        if not parts:
            return
        self._fetch([part for part in parts if not (self.root / part.path).is_file()])
        for _ in self._each(parts, lambda part: objects.put(self.root / part.path, self._place(part))):
            pass

    def changed(self, parts: Collection[Part]) -> Iterator[Problem]:
        """A problem for each part that is missing in the bucket or has another content there, or here: all of them are read."""
        for problem in self._each(parts, self._look):
            if problem is not None:
                yield problem

    def sweep(self, stored: Iterable[Part]) -> int:
        """Remove the copies that the ledger does not list, and what was being fetched a day ago; how many copies there were."""
        for left in self.root.glob(f"{_FETCHING}*"):
            if left.stat().st_mtime < time.time() - _A_DAY:
                shutil.rmtree(left, ignore_errors=True)
        return super().sweep(stored)

    def orphans(self, parts: Iterable[Part]) -> int:
        """How many objects of the bucket's folder are in none of the parts: left by killed loads, or of other books."""
        listed = {objects.url_of(self._place(part)) for part in parts}
        below = objects.found(Path(self.url))
        return sum(objects.url_of(path) not in listed for path in (below.paths if below is not None else ()))

    def _place(self, part: Part) -> Path:
        return Path(f"{self.url}/{part.path}")

    def _fetch(self, parts: Collection[Part]) -> None:
        problems = [problem for problem in self._each(parts, self._copied) if problem is not None]
        if problems:
            raise Refused(problems)

    def _copied(self, part: Part) -> Problem | None:
        """Copy a part that is not here; named by its hash only once it has that hash, so that whoever looks finds all of it."""
        target = self.root / part.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._folder() as folder:
            copy = folder / "part"
            problem = self._looked_at(part, copy)
            if problem is None:
                copy.replace(target)
            return problem

    def _look(self, part: Part) -> Problem | None:
        here = self.root / part.path
        if not here.is_file():
            return self._copied(part)
        if _digest(here) != part.sha256:
            shown = f"store/{part.path}"
            remedy = "remove the file: it is a copy, and is fetched again"
            return Problem("part-changed", f"{shown} is not what it was", SourceRef(shown), remedy=remedy)
        with self._folder() as folder:
            return self._looked_at(part, folder / "part")

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """For what is being fetched: on the file system of the copies."""
        with tempfile.TemporaryDirectory(prefix=_FETCHING, dir=self.root) as folder:
            yield Path(folder)

    def _looked_at(self, part: Part, copy: Path) -> Problem | None:
        place = self._place(part)
        url = objects.url_of(place) or ""
        if objects.size(place) is None:
            return Problem("part-missing", f"{url} is missing", SourceRef(url), remedy=_BACK)
        objects.fetch(place, copy)
        digest = _digest(copy) or ""
        if digest == part.sha256:
            return None
        message = f"{url} is not what it was: SHA-256 {digest[:12]}…, recorded as {part.sha256[:12]}…"
        return Problem("part-changed", message, SourceRef(url), remedy=_BACK)

    def _each(self, parts: Collection[Part], do: Callable[[Part], T]) -> Iterator[T]:
        """Four at once: most of the time of a small object is waiting."""
        if not parts:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(do, parts)


_BACK = (
    "put the object back from a backup, an earlier version of it or a copy of the books' store/ folder, under the same name; where "
    "`store:` was changed, the next `finledger load` brings the parts that are still in store/"
)
