"""The usage of a month, grouped: what is new since it was last grouped, and what was kept of the rest (rule M1).

The groups of rows that lie in no trace are sums of these rows alone, so that they can be kept for ever. Whose a row inside a trace
is, and whether it repeats others, depends on the rows of its trace in any part of the month and the month before (A5, C2), and on
no other row. So where parts came, the rows in traces of theirs are taken out of what was kept, as they were, and put back as
they are now; where one went, all are grouped anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from finledger.books.kept_groups import TRACED, Kept, KeptGroups
from finledger.books.store import Store
from finledger.core.grouping import merged, moved
from finledger.core.label import REPEATS, ROOT
from finledger.core.model import Part, UsageGroup, UsageQuery
from finledger.core.problem import Outcome
from finledger.engines import LOCAL, Engine, engine, filled, lost_parts_named, rows_in_traces_of

REFERENCE = "reference"  # who asks for it wants to see the rows added up
LEAST_ROWS = 100_000  # fewer are read again in less time than it takes to look for what was kept
FEW = 4  # parts that are new have at most one row for so many kept ones, or all are read: their traces could be anybody's
Groups = Outcome[tuple[UsageGroup, ...]]


@dataclass(frozen=True, slots=True)
class MonthGrouping:
    """`group` of the parts of one month. `before`: parts in which roots of its traces may lie, too.

    `kept`: None where every row shall be read. `writes`: whether what was grouped may be kept, asked when there is something.
    """

    store: Store
    parts: Sequence[Part]
    before: Sequence[Part]
    engine: Engine
    kept: KeptGroups | None
    writes: Callable[[], bool]

    def group(self, asked: UsageQuery) -> Groups:
        """The groups. `Unavailable`: the parts cannot be read, and some are missing or not what they were."""
        with lost_parts_named(self.store.paths((*self.parts, *self.before))):
            return self._grouped(asked)

    def _grouped(self, asked: UsageQuery) -> Groups:
        rows = sum(part.rows for part in self.parts)
        if self.kept is not None and not asked.only and rows >= LEAST_ROWS:
            found = self._with_kept(self.kept, asked)
            if found is not None and len(found) <= asked.group_limit:
                return Outcome(found)
        return self._read(self.parts, asked, self.before)  # it says what is wrong, too

    def _read(self, parts: Sequence[Part], asked: UsageQuery, elsewhere: Sequence[Part] = ()) -> Groups:
        return self.engine.group(self.store.paths(parts), asked, self.store.paths(elsewhere))

    def _with_kept(self, kept: KeptGroups, asked: UsageQuery) -> tuple[UsageGroup, ...] | None:
        """The groups of all parts, from what is kept as far as possible; None where an engine finds a problem."""
        traced = self._traced(kept, asked)
        alone = {part.sha256: self._size(part) for part in self.parts if part not in traced}
        known = kept.best(asked, alone)
        fresh = [part for part in self.parts if part.sha256 in alone and (known is None or part.sha256 not in known.parts)]
        groups = () if known is None else known.groups
        if fresh:
            read = self._read(fresh, asked)
            if read.problems:
                return None
            groups = merged(groups, read.rows) if groups else read.rows
            if self.writes():
                kept.keep(asked, alone, sum(part.rows for part in self.parts if part.sha256 in alone), groups)
        if not traced:
            return groups
        inside = self._inside_traces(kept, asked, traced)
        return None if inside is None else merged(groups, inside)

    def _inside_traces(self, kept: KeptGroups, asked: UsageQuery, traced: Sequence[Part]) -> tuple[UsageGroup, ...] | None:
        """The groups of parts that have traces: kept ones, brought up to date where parts are new in which a span could lie."""
        sizes = {part.sha256: self._size(part) for part in traced}
        around = {part.sha256 for part in (*self.parts, *self.before)}
        known = kept.best(asked, sizes, around)
        if known is not None and known.parts == sizes and known.around == around:
            return known.groups
        groups = None if known is None else self._brought_up_to_date(known, asked, traced)
        if groups is None:
            others = [part for part in self.parts if part not in traced]
            read = self._read(traced, asked, (*others, *self.before))
            if read.problems:
                return None
            groups = read.rows
        if self.writes():
            kept.keep(asked, sizes, sum(part.rows for part in traced), groups, around)
        return groups

    def _brought_up_to_date(self, known: Kept, asked: UsageQuery, traced: Sequence[Part]) -> tuple[UsageGroup, ...] | None:
        """Kept groups with new parts: what lies in traces of these is taken out as it was and put in as it is; None where
        that is no less work than to read all.
        """
        held = [part for part in traced if part.sha256 in known.around]
        before = [part for part in self.before if part.sha256 in known.around]
        new = [part for part in traced if part not in held]
        new_before = [part for part in self.before if part not in before]
        rows = sum(part.rows for part in (*new, *new_before))
        if FEW * rows > known.rows or {part.sha256 for part in held} != known.parts.keys():
            return None
        paths = self.store.paths
        with TemporaryDirectory(prefix="finledger-traces-") as folder:
            found = rows_in_traces_of(paths((*new, *new_before)), paths((*held, *before)), Path(folder))
            here, there = ([found[path] for path in paths(each) if path in found] for each in (held, before))
            was = engine(LOCAL).group(here, asked, there)
            now = engine(LOCAL).group([*paths(new), *here], asked, [*paths(new_before), *there])
        if was.problems or now.problems:
            return None
        return moved(known.groups, was.rows, now.rows)

    def _traced(self, kept: KeptGroups, asked: UsageQuery) -> list[Part]:
        """The parts whose rows lie inside traces, where any row has a parent; a root may repeat what spans elsewhere hold."""
        if not any(name == REPEATS or name.startswith(ROOT) for name in asked.labels):
            return []
        every = {part.sha256: part for part in (*self.parts, *self.before)}

        def look(hashes: Collection[str]) -> dict[str, frozenset[str]]:
            found = filled(self.store.paths([every[sha256] for sha256 in hashes]), TRACED)
            return {sha256: found[self.store.root / every[sha256].path] for sha256 in hashes}

        columns = kept.traced.of({sha256: self._size(part) for sha256, part in every.items()}, look, self.writes)
        if not any("parent_span_id" in each for each in columns.values()):
            return []
        return [part for part in self.parts if "trace_id" in columns[part.sha256]]

    def _size(self, part: Part) -> int:
        """Its bytes; -1 where it is gone: then nothing that is kept of it counts, and whoever reads it says so."""
        try:
            return (self.store.root / part.path).stat().st_size
        except OSError:
            return -1
