"""A month of a set of books: all that it is charged from, and its charges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from finledger.books import rows
from finledger.books.events import Event, in_force
from finledger.books.kept_figures import KeptFigures
from finledger.books.kept_groups import KeptGroups
from finledger.core.credit import lines_of
from finledger.core.history import Flow, History, flows_of
from finledger.core.model import (
    ChargeLine,
    FeatureQuality,
    Invoice,
    LoadedFile,
    MonthCharges,
    Organisation,
    Part,
)
from finledger.core.period import Interval, Month, Quarter
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.quality import Evals, measure
from finledger.engines import DEFAULT, first_calls
from finledger.objects import located
from finledger.pipeline import MonthInputs, once, query, run_month, stated_forecasts
from finledger.workbench.grouping import REFERENCE, MonthGrouping
from finledger.workbench.late_usage import late_usage
from finledger.workbench.loading import Loading
from finledger.workbench.open_books import SETTINGS
from finledger.workbench.overlapping import month_overlaps
from finledger.workbench.strays import stray_evals, stray_requests

LEAST_FLOWS = 1000  # of a month, that are worth keeping: fewer are added up in no time


class Months(Loading):
    """The books in one folder, with what their months come to by the books as they are."""

    def charge(
        self, month: Month, *, engine_name: str = DEFAULT, allow_unpriced: bool = False
    ) -> tuple[MonthCharges, tuple[Invoice, ...]]:
        """The month's charges and documents by the books as they are, with what it posts for closed months (L3, L4)."""
        history, notices = self.history(month, engine_name)
        inputs = self.month_inputs(month, engine_name=engine_name, history=history)
        inputs = self.with_corrections(inputs, engine_name)
        inputs = replace(inputs, allow_unpriced=allow_unpriced, notices=(*inputs.notices, *notices))
        charges, documents = self.run(inputs)
        strays = (
            *stray_requests(self.draws, inputs.books, self.months()),
            *stray_evals(self.evals, charges, self.organisation),
            *month_overlaps(self, month),
        )
        return replace(charges, notices=(*charges.notices, *strays)), documents

    def with_corrections(self, inputs: MonthInputs, engine_name: str = DEFAULT) -> MonthInputs:
        """The inputs with what the month posts for closed ones: their late usage, and credits (L3, L4)."""
        late = late_usage(self, inputs.month, engine_name)
        adjustments = lines_of(self.ledger.events("credit"), inputs.month)
        noted = {line.key.service_month for line in (*late.lines, *adjustments)} - {inputs.month}
        return replace(
            inputs,
            notices=(*inputs.notices, *late.notices),
            corrections=late.lines,
            corrected=late.disclosures,
            adjustments=adjustments,
            measured={each: self._measured_again(each, inputs.month, late.lines) for each in sorted(noted)},
        )

    def _measured_again(
        self, service_month: Month, month: Month, corrections: Iterable[ChargeLine]
    ) -> tuple[FeatureQuality, ...]:
        """The quality of a month with all that was posted for it before `month`, and what that one corrects (rule Q4)."""
        late = (line for line in corrections if line.key.service_month == service_month)
        lines = (*self.ledger.service_rows(service_month, month), *late)
        return measure(lines, Evals(self.evals), {}, self.organisation, service_month)

    def month_inputs(
        self,
        month: Month,
        *,
        engine_name: str = DEFAULT,
        also_cut: Sequence[date] = (),
        history: History | None = None,
        parts: Sequence[Part] | None = None,
        before: Sequence[Part] | None = None,
    ) -> MonthInputs:
        """All that the month is charged from. Its usage is grouped once, however often the inputs are run.

        `also_cut`: dates of another price book, so that both books are run on one grouping. `history` left out: the earlier
        months as they are recorded or, where they are not, worked out. `parts`: other ones than the ledger has of the month;
        `before`: of the month before, in which traces over midnight have their roots (A5).
        """
        parts = self.ledger.parts(month) if parts is None else parts
        paths = self.store.paths(parts)
        before = self.ledger.parts(month.before) if before is None else before
        elsewhere = self.store.paths(before)
        kept = (
            KeptGroups(self.root / "store" / "grouped", month)
            if self.uses_kept_groups and engine_name != REFERENCE
            else None
        )
        grouping = MonthGrouping(self.store, parts, before, self.engine(engine_name), kept, lambda: self.writes)
        files = self._files_of(month)
        frozen = self.ledger.frozen_forecasts(month)
        notices = [*_notices(month, files, bool(parts)), *_later_forecasts(month, frozen, self.organisation)]
        return MonthInputs(
            month=month,
            organisation=self.organisation,
            books=self.frozen_pricebooks(),
            group=once(grouping.group),
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
            first_calls=lambda asked, groups, limit: first_calls(paths, asked, groups, limit, elsewhere),
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
        history = History(self.organisation.currency, self._flows(month))
        recorded = set(self.ledger.months())
        notices = []
        over = self.closed_through()
        for earlier in sorted({part.month for part in self.ledger.parts() if part.month} - recorded):
            if earlier >= month:
                break
            if over is not None and earlier < over:
                continue  # its late usage is posted as corrections, in the open month
            try:
                charges, _ = self.run(self.month_inputs(earlier, engine_name=engine_name, history=history.before(earlier)))
            except Refused as refused:
                notices.append(_not_worked_out(earlier, month, refused))
            else:
                history = history + flows_of(charges.lines)
        return history, tuple(notices)

    def _flows(self, month: Month) -> tuple[Flow, ...]:
        """`ledger.flows`, with those of large months kept, so that a month does not cost more the more there are before it."""
        if not self.uses_kept_groups:
            return self.ledger.flows(month)
        figures = KeptFigures(self.root / "store" / "figures", writes=self.writes, least=LEAST_FLOWS)

        def kept(of: Month, run: str, work_out: Callable[[], tuple[Flow, ...]]) -> tuple[Flow, ...]:
            rows = figures.of(of, {"kind": "flows", "run": run}, lambda: {"flows": work_out()})
            return tuple(map(Flow._make, rows["flows"]))

        return self.ledger.flows(month, kept)

    def closed(self, period: Month | Quarter) -> Event | None:
        """The close that holds for a period; None while it is open."""
        return in_force(self.ledger.events()).get(str(period))

    def _files_of(self, month: Month) -> list[LoadedFile]:
        of_month = {part.file_sha256 for part in self.ledger.parts(month)}
        return [file for file in self.ledger.files() if file.sha256 in of_month]

    def closed_through(self) -> Month | None:
        """The last month that is closed; None before the first."""
        return max((Month.parse(period) for period in in_force(self.ledger.events()) if "Q" not in period), default=None)

    def begins(self) -> Month | None:
        """The month in which the books begin: the first that is closed or, before any is, the first with usage or charges."""
        closed = [Month.parse(period) for period in in_force(self.ledger.events()) if "Q" not in period]
        return min(closed or self.months(), default=None)

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
        path = located(self.root, name)
        lines = self.store.lines_of(path, [record])
        return f"{name}:{lines[record]}" if record in lines else f"{name} record {record}"


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
