"""A set of books at work: exports in; a month charged, issued and posted; documents out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from finledger.books import rows
from finledger.books.loads import Advance, Loaded, Steps, again, twice
from finledger.core.history import History, flows_of
from finledger.core.invoice import SERIES, invoice_number
from finledger.core.model import (
    MONEY_MOVES,
    UNALLOCATED,
    Invoice,
    LoadedFile,
    MonthCharges,
    Organisation,
    PriceBook,
    StagedFile,
)
from finledger.core.money import total
from finledger.core.period import Interval, Month
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.engines import DEFAULT, engine, first_calls
from finledger.pipeline import MonthInputs, once, query, run_month, stated_forecasts, with_numbers
from finledger.workbench.open_books import SETTINGS, OpenBooks
from finledger.workbench.strays import stray_evals, stray_requests

UNPOSTED = "intercompany-accounts-missing"


class Workbench(OpenBooks):
    """The books in one folder, at work: loading, charging, documents."""

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
        with self.ledger.write() as ledger, self.workspace() as workspace:
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
                ledger.set_meta("timezone", self.organisation.timezone)
                for file, parts in published:
                    ledger.add_file(file)
                    for part in parts:
                        ledger.add_part(part)
                        if part.month is not None:
                            ledger.freeze_forecasts(part.month, stated_forecasts(self.organisation, part.month))
        fresh = [Loaded(file, False, each.problems) for (file, _), each in zip(published, staged, strict=True)]
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

    # ── allocate, invoice, journal ──────────────────────────────────────────────────────────────────────────────────────

    def allocate(
        self, month: Month, *, engine_name: str = DEFAULT, allow_unpriced: bool = False, record: bool = True
    ) -> tuple[MonthCharges, tuple[Invoice, ...]]:
        """Run the corridor for a month; `record` its result in the ledger, where it supersedes the month's last one."""
        history, notices = self.history(month, engine_name)
        inputs = self.month_inputs(month, engine_name=engine_name, history=history)
        inputs = replace(inputs, allow_unpriced=allow_unpriced, notices=(*inputs.notices, *notices))
        charges, documents = self.run(inputs)
        strays = (
            *stray_requests(self.draws, inputs.books, self.months()),
            *stray_evals(self.evals, charges, self.organisation),
        )
        charges = replace(charges, notices=(*charges.notices, *strays))
        if record:
            self._record(charges, inputs)
        return charges, documents

    def month_inputs(
        self, month: Month, *, engine_name: str = DEFAULT, also_cut: Sequence[date] = (), history: History | None = None
    ) -> MonthInputs:
        """All that the month is charged from. Its usage is grouped once, however often the inputs are run.

        `also_cut`: dates of another price book, so that both books are run on one grouping. `history` left out: the earlier
        months as they are recorded or, where they are not, worked out.
        """
        parts = self.ledger.parts(month)
        paths = self.store.paths(parts)
        files = self._files_of(month)
        frozen = self.ledger.frozen_forecasts(month)
        notices = [*_notices(month, files, bool(parts)), *_later_forecasts(month, frozen, self.organisation)]
        return MonthInputs(
            month=month,
            organisation=self.organisation,
            books=self.frozen_pricebooks(),
            group=once(lambda asked: engine(engine_name).group(paths, asked)),
            files=files,
            evals=self.evals,
            rates=self.rates,
            notices=tuple(notices),
            history=history if history is not None else self.history(month, engine_name)[0],
            requests=self.draws,
            forecasts=frozen,
            costs=self.platform_costs,
            also_cut=tuple(also_cut),
            reservations=self.capacity,
            first_calls=lambda asked, groups, limit: first_calls(paths, asked, groups, limit),
        )

    def run(self, inputs: MonthInputs) -> tuple[MonthCharges, tuple[Invoice, ...]]:
        """The month's charges; what refuses them names the stored rows that it is about."""
        try:
            return run_month(inputs)
        except Refused as refused:
            raise self.refused(inputs.month, refused.problems, query(inputs).intervals) from None

    def refused(self, month: Month, problems: Iterable[Problem], cuts: Sequence[Interval]) -> Refused:
        """The problems, with the stored rows that each is about as file:line; `cuts`: what its interval counts by."""
        files = self._files_of(month)
        paths = self.store.paths(self.ledger.parts(month))
        return Refused([self._with_rows(problem, paths, files, cuts) for problem in problems])

    def history(self, month: Month, engine_name: str = DEFAULT) -> tuple[History, tuple[Problem, ...]]:
        """What the earlier months came to: as recorded; a loaded month that nobody allocated is worked out on the way.

        One that cannot be worked out counts for nothing and is said so: a stray row of another month must not stop this one.
        """
        history = History(self.organisation.currency, self.ledger.flows(month))
        recorded = set(self.ledger.months())
        notices = []
        for earlier in sorted({part.month for part in self.ledger.parts() if part.month} - recorded):
            if earlier >= month:
                break
            try:
                charges, _ = self.run(self.month_inputs(earlier, engine_name=engine_name, history=history.before(earlier)))
            except Refused as refused:
                notices.append(_not_worked_out(earlier, month, refused))
            else:
                history = history + flows_of(charges.lines)
        return history, tuple(notices)

    def _files_of(self, month: Month) -> list[LoadedFile]:
        of_month = {part.file_sha256 for part in self.ledger.parts(month)}
        return [file for file in self.ledger.files() if file.sha256 in of_month]

    def _record(self, charges: MonthCharges, inputs: MonthInputs) -> None:
        """Keep what the month came to; with it, what it must not differ from later: price books, forecasts (P1, B3)."""
        with self.ledger.write() as ledger:
            for book in inputs.books:
                if book.published is not None:
                    ledger.freeze_book(book.name, book.sha256, book.file)
            ledger.freeze_forecasts(charges.month, stated_forecasts(self.organisation, charges.month))
            ledger.record_month(charges)

    def issue(
        self, month: Month, *, record: bool = True, engine_name: str = DEFAULT
    ) -> tuple[MonthCharges, tuple[Invoice, ...]]:
        """The month's documents with their numbers, which are given for ever (rule L5); a draft price book issues nothing."""
        charges, documents = self.allocate(month, record=record, engine_name=engine_name)
        self._refuse_drafts(charges)
        self._refuse_unposted(charges)
        if record:
            with self.ledger.write() as ledger:
                for each in documents:
                    if each.kind == "invoice":
                        ledger.number_invoice(each.entity, SERIES, month.year, month, each.team)
        given = {n.team: invoice_number(n.entity, n.year, n.sequence) for n in self.ledger.invoice_numbers(month)}
        return charges, with_numbers(documents, given)

    def journal(self, month: Month, *, record: bool = True, engine_name: str = DEFAULT) -> MonthCharges:
        """The month's charges with the entries to post; refused with a draft price book or across legal entities (L6)."""
        charges, _ = self.allocate(month, record=record, engine_name=engine_name)
        self._refuse_drafts(charges)
        self._refuse_unposted(charges)
        return charges

    def _with_rows(
        self, problem: Problem, paths: Sequence[Path], files: Sequence[LoadedFile], cuts: Sequence[Interval]
    ) -> Problem:
        """Name the first stored rows that a problem is about, as file:line (rule P2)."""
        if not problem.rows:
            return problem
        keys = dict(problem.rows)
        count, first = rows.find(paths, keys, 3, *self._bounds(problem.interval, keys["billed_currency"], cuts))
        names = {file.sha256: file.name for file in files}
        places = [self._line_of(names[sha256], record) for sha256, record in first]
        more = f" and {count - len(places)} more" if count > len(places) else ""
        return replace(problem, excerpt=f"rows {', '.join(places)}{more}")

    def _bounds(
        self, number: int | None, currency: str, cuts: Sequence[Interval]
    ) -> tuple[datetime | None, datetime | None]:
        """Where an interval begins and the next one does; cuts of currency rates count for rows in another currency only."""
        if number is None:
            return None, None
        at_home = currency in ("", self.organisation.currency)
        later = [cut.start for cut in cuts[number + 1 :] if not (at_home and cut.rates_only)]
        return cuts[number].start, next(iter(later), None)

    def _line_of(self, name: str, record: int) -> str:
        """file:line of a record while the export is still there; its ordinal otherwise."""
        path = self.root / name
        lines = self.store.lines_of(path, [record]) if path.is_file() else {}
        return f"{name}:{lines[record]}" if record in lines else f"{name} record {record}"

    def _refuse_drafts(self, charges: MonthCharges) -> None:
        drafts = [book for book in charges.books if book.published is None]
        if drafts:
            raise Refused([_draft(book) for book in drafts])

    def _refuse_unposted(self, charges: MonthCharges) -> None:
        unposted = [replace(each, severity="error") for each in charges.notices if each.code == UNPOSTED]
        if unposted:
            raise Refused(unposted)

    # ── documents ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def write_documents(
        self, documents: Sequence[Invoice], formats: Sequence[str], *, dry_run: bool = False, advance: Advance | None = None
    ) -> list[Path]:
        """Each document in each format, all of them or none: out/MONTH/invoices/ and out/MONTH/statements/."""
        from finledger.resources import shipped
        from finledger.write import invoice as writers
        from finledger.write.files import safe_name, write_all
        from finledger.write.templates import Templates

        templates = Templates([self.root / "templates", shipped("templates")])
        contents = {}
        for each in documents:
            folder = self.root / "out" / str(each.month) / f"{each.kind}s"
            name = f"{each.number}-{safe_name(each.team)}" if each.kind == "invoice" else safe_name(each.team)
            for format in formats:
                contents[folder / f"{name}{writers.suffix(format)}"] = writers.render(format, each, templates)
                if advance is not None:
                    advance(1)
        if not dry_run:
            write_all(contents)
        return list(contents)

    def write_journal(self, charges: MonthCharges, formats: Sequence[str], *, dry_run: bool = False) -> list[Path]:
        """The month's entries in each format: out/MONTH/journal/MONTH.csv, …; nothing where nothing is posted, but for a file
        of an earlier run, which is emptied of what is posted no more.
        """
        from finledger.write import journal as writers
        from finledger.write.files import write_all

        journal = writers.Journal(self.organisation.books, charges.month, charges.currency, charges.entries)
        folder = self.root / "out" / str(charges.month) / "journal"
        paths = {name: folder / f"{charges.month}{writers.suffix(name)}" for name in formats}
        contents = {path: writers.render(name, journal) for name, path in paths.items() if charges.entries or path.exists()}
        if not dry_run:
            write_all(contents)
        return list(contents)

    # ── what is loaded ──────────────────────────────────────────────────────────────────────────────────────────────────

    def months(self) -> tuple[Month, ...]:
        """Every month that has usage or charges."""
        return tuple(sorted({part.month for part in self.ledger.parts() if part.month} | set(self.ledger.months())))

    def waiting(self) -> list[str]:
        """The files of the inbox whose content is not loaded yet."""
        from finledger.read.opened import content_hash

        known = {file.sha256 for file in self.ledger.files()}
        return [self.shown(path) for path in self.inbox() if content_hash(path) not in known]

    def status(self) -> list[dict[str, object]]:
        """Every month with what stands in it and the command that comes next ("" when none does)."""
        self.refuse_edited_pricebooks()
        parts = self.ledger.parts()
        found: list[dict[str, object]] = []
        for month in self.months():
            run = self.ledger.current_run(month)
            lines = self.ledger.charge_rows(month) if run is not None else ()
            currency = self.organisation.currency
            numbers = self.ledger.invoice_numbers(month)
            loose = total((line.amount for line in lines if line.key.team == UNALLOCATED), currency)
            made = self.root / "out" / str(month)
            moves = any(team.stage_in(month) in MONEY_MOVES for team in self.organisation.teams.values())
            issued = bool(numbers) if moves else (made / "statements").is_dir()
            posted = not moves or (made / "journal").is_dir()
            steps = (("allocate", run is not None), ("invoice", issued), ("journal", posted))
            following = next((name for name, done in steps if not done), "")
            found.append(
                {
                    "month": str(month),
                    "rows": sum(part.rows for part in parts if part.month == month),
                    "charged": str(total((line.amount for line in lines), currency)) if run is not None else None,
                    "unallocated": str(loose) if run is not None else None,
                    "invoices": len(numbers),
                    "next": f"finledger {following} --month {month}" if following else "",
                }
            )
        return found

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


def _notices(month: Month, files: Sequence[LoadedFile], loaded: bool) -> Iterator[Problem]:
    if not loaded:
        yield Problem(
            "month-not-loaded",
            f"no usage of {month} is loaded",
            SourceRef("usage"),
            remedy="run `finledger load` with the month's exports; only seats and fixed pools are charged without them",
            severity="warning",
        )
    for file in files:
        if file.rejected:
            yield Problem(
                "rows-in-quarantine",
                f"{file.rejected} of {file.read} records of {file.name} are in quarantine and not charged",
                SourceRef(file.name),
                remedy="see them with `finledger usage quarantine`, mend the export and load it again",
                severity="warning",
            )


def _not_worked_out(earlier: Month, month: Month, refused: Refused) -> Problem:
    first = refused.problems[0]
    return Problem(
        "earlier-month-refused",
        f"{earlier} has usage and cannot be worked out ({first.code}): the fund and the credits of {month} count without it",
        SourceRef("usage"),
        remedy=f"run `finledger allocate --month {earlier}` to see what it needs",
        severity="warning",
    )


def _later_forecasts(month: Month, frozen: Mapping[str, Decimal] | None, organisation: Organisation) -> Iterator[Problem]:
    """Forecasts that were changed after the month was first seen: they do not count (rule B3)."""
    if frozen is None:
        return
    stated = stated_forecasts(organisation, month)
    for team in sorted({*stated, *frozen} & set(organisation.teams)):
        was, now = frozen.get(team), stated.get(team)
        if was != now:
            yield Problem(
                "forecast-edited",
                f"the forecast of {team} for {month} was {was or 'missing'} when the month was first seen, and is "
                f"{now or 'missing'} now: the first one counts",
                organisation.teams[team].source or SourceRef(SETTINGS),
                remedy="nothing to do; a forecast counts when it stands before the month's first load",
                severity="warning",
            )


def _draft(book: PriceBook) -> Problem:
    return Problem(
        "pricebook-draft",
        f"price book {book.name} is a draft: what it prices can be looked at, not issued or posted",
        SourceRef(book.file, 1),
        remedy="add the line `published: DATE`; from then on the book is frozen",
    )


def _other_timezone(stored: str, wanted: str) -> Problem:
    return Problem(
        "timezone-changed",
        f"the books are in {wanted}, but their usage was loaded in {stored}: rows near midnight would change month",
        SourceRef(SETTINGS),
        remedy=f"write `timezone: {stored}` again, or load everything into new books",
    )
