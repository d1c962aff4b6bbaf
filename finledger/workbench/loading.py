"""Exports into the store of a set of books, and what lies there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from finledger.books import rows
from finledger.books.events import in_force
from finledger.books.loads import Advance, Loaded, Steps, again, twice
from finledger.core.model import LoadedFile, Part, StagedFile
from finledger.core.period import Month
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.pipeline import stated_forecasts
from finledger.workbench.open_books import SETTINGS, OpenBooks


class Loading(OpenBooks):
    """The books in one folder, with what is loaded into them."""

    # ── load ────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def inbox(self) -> list[Path]:
        """Every file in usage/, in the order of names; notes and hidden files left out."""
        found = (path for path in (self.root / "usage").rglob("*") if path.is_file())
        return sorted(path for path in found if not path.name.startswith(".") and path.suffix not in (".md", ".txt"))

    def load(
        self,
        files: Sequence[Path],
        *,
        format: str | None = None,
        source: str | None = None,
        month: Month | None = None,
        column_map: Path | None = None,
        dry_run: bool = False,
        advance: Advance | None = None,
    ) -> list[Loaded]:
        """Read exports into the store: all of them, or, when one has an error, none (exit 1). Raises Busy, Refused."""
        with self.change() as change, self.workspace() as workspace:
            self._hold_timezone()
            self.refuse_edited_pricebooks()
            stored = (*self.ledger.parts(), *self.ledger.parts(rejected=True))
            self.store.sweep(stored)
            names = {file.sha256: file.name for file in self.ledger.files()}
            known, staged = self._stage(files, format, source, month, column_map, workspace, advance)
            published = self.store.publish(staged, stored, workspace, names)
            if dry_run:
                self.store.sweep(stored)
            elif published:
                change.ledger.set_meta("timezone", self.organisation.timezone)
                for file, parts in published:
                    change.ledger.add_file(file)
                    for part in parts:
                        change.ledger.add_part(part)
                        if part.month is not None:
                            change.ledger.freeze_forecasts(part.month, stated_forecasts(self.organisation, part.month))
        closed = {period for period in in_force(self.ledger.events()) if "Q" not in period}
        fresh = [
            Loaded(file, False, (*each.problems, *_of_closed_months(file, parts, closed)))
            for (file, parts), each in zip(published, staged, strict=True)
        ]
        order = {self.shown(path): position for position, path in enumerate(files)}
        return sorted((*known, *fresh), key=lambda each: order[each.file.name])

    def _stage(
        self,
        files: Sequence[Path],
        format: str | None,
        source: str | None,
        month: Month | None,
        column_map: Path | None,
        workspace: Path,
        advance: Advance | None,
    ) -> tuple[list[Loaded], list[StagedFile]]:
        """The files known by their content, and the others read into the workspace, with their problems."""
        from finledger.read.stage import content_hash, stage

        before = {file.sha256: file for file in self.ledger.files()}
        known: list[Loaded] = []
        staged: list[StagedFile] = []
        hashes: dict[str, StagedFile] = {}
        for number, path in enumerate(files):
            steps = Steps(path.stat().st_size, advance)
            shown, sha256 = self.shown(path), content_hash(path)
            if sha256 in before:
                known.append(Loaded(again(before[sha256], shown), known=True))
            elif sha256 in hashes:
                known.append(Loaded(twice(hashes[sha256], shown), known=True))
            else:
                name = source or self._source_of(path)
                each = stage(
                    path,
                    shown_as=shown,
                    format=format,
                    source=name,
                    map_file=column_map,
                    timezone=self.organisation.timezone,
                    inclusive=self._inclusive(name),
                    workspace=workspace / str(number),
                    month=month,
                    sha256=sha256,
                    progress=steps.report if advance is not None else None,
                )
                hashes[sha256] = each
                staged.append(each)
            steps.finish()
        return known, staged

    def _inclusive(self, source: str | None) -> bool:
        found = self.organisation.sources.get(source or "")
        return found is not None and found.inclusive

    def _source_of(self, path: Path) -> str | None:
        """usage/FOLDER/FILE is of source FOLDER; else the format's own name."""
        try:
            inside = path.resolve().relative_to((self.root / "usage").resolve())
        except ValueError:
            return None
        return inside.parts[0] if len(inside.parts) > 1 else None

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
        from finledger.read.opened import content_hash

        known = {file.sha256 for file in self.ledger.files()}
        return [self.shown(path) for path in self.inbox() if content_hash(path) not in known]

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
