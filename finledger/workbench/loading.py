"""Exports into the store of a set of books, and what lies there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from finledger import objects
from finledger.books import rows
from finledger.books.events import in_force
from finledger.books.loads import FileAdvance, Loaded, Watch, again, twice
from finledger.books.store import Published
from finledger.books.transaction import Transaction
from finledger.core.model import LoadedFile, Part, StagedFile
from finledger.core.period import Month
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.pipeline import stated_forecasts
from finledger.workbench.export_bytes import SeenObjects, fetched, settled, unread
from finledger.workbench.open_books import SETTINGS, OpenBooks
from finledger.workbench.overlapping import against, remember
from finledger.workbench.replacing import Replacing, left_out, record, replaced_file, replacing

if TYPE_CHECKING:
    from finledger.read.export_files import Chosen
    from finledger.workbench.spark_loading import SparkLoad, ToRead


class Loading(OpenBooks):
    """The books in one folder, with what is loaded into them."""

    # ── load ────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def chosen(self, words: Sequence[Path] = ()) -> Chosen:
        """The exports that files, folders and patterns mean, through archives; without words, all that lie in usage/.

        In usage/ notes and hidden files are left out and nothing is said of them.
        """
        from finledger.read.export_files import choose

        return choose(words, self.shown) if words else choose([self.root / "usage"], self.shown, inbox=True)

    def size(self, files: Sequence[Path]) -> int:
        """The bytes of all files; of members of archives, as they are unpacked."""
        from finledger.read.archive import size_of

        return sum(size_of(path) for path in files)

    def inbox(self) -> list[Path]:
        """Every export in usage/, in the order of names, also those in archives; an archive that is refused, as itself."""
        found = self.chosen()
        return sorted({*found.exports, *found.refused})

    def load(
        self,
        files: Sequence[Path],
        *,
        format: str | None = None,
        source: str | None = None,
        month: Month | None = None,
        column_map: Path | None = None,
        encoding: str | None = None,
        dry_run: bool = False,
        replaces: Sequence[str] = (),
        named: bool = True,
        advance: FileAdvance | None = None,
    ) -> list[Loaded]:
        """Read exports into the store: all of them, or, when one has an error, none (exit 1). Raises Busy, Refused.

        `encoding`: of text that is not UTF-8 and has no BOM; Misused where there is no such codec. `replaces`: loaded files, by
        name or the beginning of their SHA-256, whose place these take. `named`: a person named the files, so that one that
        was replaced is refused; of those that are found, it is passed over.
        """
        files = self._without_archives(files)
        with self.change() as change, self.workspace() as workspace:
            self._hold_timezone()
            self.refuse_edited_pricebooks()
            stored = (*self.ledger.parts(), *self.ledger.parts(rejected=True))
            swept = (*stored, *self.ledger.parts_of_closes())
            self.store.sweep(swept)
            names = {file.sha256: file.name for file in self.ledger.files()}
            old = replacing(self, replaces, files if named else (), stored)
            kept = old.kept(stored)
            watch = Watch(advance, len(files))
            seen = SeenObjects(self.ledger)
            elsewhere = self._elsewhere(files, column_map, workspace)
            staging = self._staging(format, month, column_map, encoding)
            known, staged = self._stage(files, source, staging, workspace, watch, old, named, seen, elsewhere)
            watch.storing()
            published = self.store.publish(staged, kept, workspace, names, against(self), watch.stored, elsewhere)
            lost, lacking = left_out(self, old, published, kept, workspace)
            if dry_run:
                self.store.sweep(swept)
            elif published.files:
                change.ledger.set_meta("timezone", self.organisation.timezone)
                self._keep(change.ledger, swept, published)
                seen.remember(change.ledger)
                record(change.ledger, self, old, published, lacking)
                remember(change.ledger, published, self.organisation)
                for file, parts in published.files:
                    change.ledger.add_file(file)
                    for part in parts:
                        change.ledger.add_part(part)
                        if part.month is not None:
                            change.ledger.freeze_forecasts(part.month, stated_forecasts(self.organisation, part.month))
        fresh = self._fresh(published, staged)
        fresh[-1:] = [replace(each, problems=(*each.problems, *published.notices, *lost)) for each in fresh[-1:]]
        order = {self.shown(path): position for position, path in enumerate(files)}
        return sorted((*known, *fresh), key=lambda each: order[each.file.name])

    def _fresh(self, published: Published, staged: Sequence[StagedFile]) -> list[Loaded]:
        closed = {period for period in in_force(self.ledger.events()) if "Q" not in period}
        return [
            Loaded(file, False, (*each.problems, *_of_closed_months(file, parts, closed)))
            for (file, parts), each in zip(published.files, staged, strict=True)
        ]

    def _stage(
        self,
        files: Sequence[Path],
        source: str | None,
        staging: Callable[..., StagedFile],
        workspace: Path,
        watch: Watch,
        old: Replacing,
        named: bool,
        seen: SeenObjects,
        elsewhere: SparkLoad | None,
    ) -> tuple[list[Loaded], list[StagedFile]]:
        """The files known by their content, and the others read into the workspace, with their problems.

        `old`: what they take the place of; then known ones are read, too. `named`: one that was replaced is a problem.
        """
        from finledger.read.archive import size_of

        before = {file.sha256: file for file in self.ledger.files() if not old.reads(file.sha256)}
        gone = {} if old.old else self.ledger.replaced().files
        fetch = fetched
        if elsewhere is not None:
            fetch, staging = elsewhere.read(self._to_read(files, source), staging, before)
        known: list[Loaded] = []
        staged: list[StagedFile] = []
        hashes: dict[str, StagedFile] = {}
        sizes = {file.size for file in self.ledger.files()}
        for number, path in enumerate(files):
            shown, place = self.shown(path), workspace / str(number)
            steps = watch.begin(shown, size_of(path))
            found = fetch(path, shown, place, steps.hashed, seen, before, sizes)
            if not isinstance(found, Problem) and found.sha256 in gone and named:
                found = replaced_file(before[found.sha256], gone[found.sha256], shown)
            if isinstance(found, Problem):
                staged.append(unread(path, shown, found))
                continue
            if found.sha256 in before:
                known.append(Loaded(again(before[found.sha256], shown), known=True))
            elif found.sha256 in hashes:
                known.append(Loaded(twice(hashes[found.sha256], shown), known=True))
            else:
                name = source or self._source_of(path)
                each = staging(
                    found.path,
                    shown_as=shown,
                    source=name,
                    workspace=place,
                    sha256=found.sha256 or None,
                    progress=steps.report if watch.watched else None,
                )
                each = settled(each, found, path, place)
                hashes[each.sha256] = each
                sizes.add(each.size)
                staged.append(each)
                steps.staged(each.read)
                continue
            shutil.rmtree(place, ignore_errors=True)  # what was unpacked to be hashed
            steps.finish()
        return known, staged

    def _elsewhere(self, files: Sequence[Path], column_map: Path | None, workspace: Path) -> SparkLoad | None:
        """Spark, where the settings choose it, for several files of a kind that a map reads; None: the work is done here."""
        from finledger.read.archive import archive_of

        choice = self.organisation.engine
        if choice.kind != "spark" or column_map is None or len(files) < 2:
            return None
        if any(objects.is_url(path) or archive_of(path) is not None for path in files):
            return None
        from finledger.workbench.spark_loading import SparkLoad

        return SparkLoad(choice, column_map, workspace)

    def _to_read(self, files: Sequence[Path], source: str | None) -> list[ToRead]:
        from finledger.workbench.spark_loading import ToRead

        sources = [source or self._source_of(path) for path in files]
        return [
            ToRead(path.absolute(), {"shown_as": self.shown(path), "source": name})
            for path, name in zip(files, sources, strict=True)
        ]

    def _staging(
        self, format: str | None, month: Month | None, column_map: Path | None, encoding: str | None
    ) -> Callable[..., StagedFile]:
        """The reader, with what is the same for every file."""
        from finledger.read.encoding import checked
        from finledger.read.need_feature import feature_need
        from finledger.read.stage import stage

        return partial(
            stage,
            format=format,
            map_file=column_map,
            timezone=self.organisation.timezone,
            inclusive=frozenset(self.organisation.inclusive),
            month=month,
            need=feature_need(self.organisation),
            encoding=checked(encoding),
        )

    def _without_archives(self, files: Sequence[Path]) -> Sequence[Path]:
        """The files, and of archives what is in them."""
        from finledger.read.archive import is_archive

        if not any(is_archive(path) for path in files):
            return files
        found = self.chosen(files)
        if found.errors:
            raise Refused(found.problems)
        return found.exports

    def _source_of(self, path: Path) -> str | None:
        """usage/FOLDER/FILE is of source FOLDER, unless it is a month=2026-07 or an archive; else the format's own name."""
        from finledger.read.archive import archive_of

        if objects.is_url(path):
            return None
        through = archive_of(path)
        try:
            inside = (path if through is None else through[0]).resolve().relative_to((self.root / "usage").resolve())
        except ValueError:
            return None
        return inside.parts[0] if len(inside.parts) > 1 and "=" not in inside.parts[0] else None

    def _keep(self, ledger: Transaction, stored: Sequence[Part], published: Published) -> None:
        """Bring the new parts to where the store is; all of them, when it was somewhere else until now."""
        moved = (ledger.meta("store") or "") != self.organisation.store
        self.store.keep([*(stored if moved else ()), *(part for _, parts in published.files for part in parts)])
        if moved:
            ledger.set_meta("store", self.organisation.store)

    def _hold_timezone(self) -> None:
        """The store's months are cut in the time zone of its first load: another one later would move rows between them."""
        stored, wanted = self.ledger.meta("timezone"), self.organisation.timezone
        if stored not in (None, wanted):
            raise Refused([_other_timezone(stored, wanted)])

    # ── what is loaded ──────────────────────────────────────────────────────────────────────────────────────────────────

    def months(self) -> tuple[Month, ...]:
        """Every month that has usage or charges."""
        return tuple(sorted({part.month for part in self.ledger.parts() if part.month} | set(self.ledger.months())))

    def waiting(self) -> list[str]:
        """The files of the inbox whose content is not loaded yet."""
        from finledger.read.archive import DAMAGED, content_hash, is_archive

        known = {file.sha256 for file in self.ledger.files()}

        def is_new(path: Path) -> bool:
            try:
                return is_archive(path) or content_hash(path) not in known
            except DAMAGED:
                return True  # what is wrong with the archive is told when it is loaded

        return [self.shown(path) for path in self.inbox() if is_new(path)]

    def usage_summary(self, month: Month | None = None) -> list[dict[str, object]]:
        """Rows and sums by month and source."""
        months = [month] if month is not None else self.months()
        return [
            {"month": str(each), **row} for each in months for row in rows.summary(self.store.paths(self.ledger.parts(each)))
        ]

    def quarantine(self) -> list[dict[str, object]]:
        """Every rejected record with its reason and where it stands."""
        names = {file.sha256: file.name for file in self.ledger.files()}
        found = []
        for part in self.ledger.parts(rejected=True):
            for row in rows.quarantined(self.store.paths([part])):
                line = row["line"]
                where = f"{names[part.file_sha256]}:{line}" if line else f"{names[part.file_sha256]} record {row['record']}"
                found.append({"where": where, **{name: row[name] for name in ("record", "column", "value", "reason")}})
        return found


def _of_closed_months(file: LoadedFile, parts: Iterable[Part], closed: Collection[str]) -> Iterator[Problem]:
    """A notice for each closed month that the export has rows of: they are late (L3)."""
    for part in parts:
        if str(part.month) in closed:
            yield Problem(
                "rows-of-closed-month",
                f"{file.name} holds usage of {part.month}, which is closed (rows: {part.rows})",
                SourceRef(file.name),
                remedy="nothing to do: what it changes is posted in the month that is open, on debit and credit notes",
                severity="notice",
            )


def _other_timezone(stored: str, wanted: str) -> Problem:
    return Problem(
        "timezone-changed",
        f"the books are in {wanted}, but their usage was loaded in {stored}: rows near midnight would change month",
        SourceRef(SETTINGS),
        remedy=f"write `timezone: {stored}` again, or load everything into new books",
    )
