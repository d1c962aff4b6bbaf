"""From a line of a document to its price, the rules that gave it its labels and its source rows: `finledger explain`.

Only the rows that can be on the line are grouped, so that an answer does not take as long as charging the month; a line that
follows from the whole month (a pool's, a draw) is worked out with the whole month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import localcontext
from functools import cached_property, partial
from typing import Any

from finledger.core import buffer as fund
from finledger.core import explain as line_facts
from finledger.core import explain_derived as derived
from finledger.core.allocate import allocate
from finledger.core.capacity import idle_hours
from finledger.core.charge import charge, charge_idle, charge_quality
from finledger.core.explain import Explanation, Fact, LineSource, Only, Priced, SourceRows
from finledger.core.history import History
from finledger.core.included import take_included
from finledger.core.label import own
from finledger.core.model import (
    ChargeLine,
    Check,
    LineKey,
    LoadedFile,
    MonthCharges,
    OwnedGroup,
    Pool,
    UsageGroup,
    UsageQuery,
)
from finledger.core.money import EXACT, Money
from finledger.core.period import Month
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.quality import PREMIUMS, Evals, multipliers
from finledger.core.rate import Pricing, rate
from finledger.engines import group_rows
from finledger.pipeline import MonthInputs, charge_for_quality, eval_split_in, query, spread_unallocated
from finledger.workbench import Workbench
from finledger.workbench.documents import find_document, find_line

FIRST_ROWS = 20


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found out of a line: its facts, the same line by the books as they are now, its rows."""

    facts: tuple[Fact, ...]
    fresh: ChargeLine | None
    rows: SourceRows | None = None


def explain(bench: Workbench, document: str, line: str, *, limit: int = FIRST_ROWS) -> Explanation:
    """Explain a line of a document: `document` a number or MONTH/TEAM, `line` an id or the beginning of one.

    `limit`: how many of its source rows are named. Writes nothing. Raises Misused for what is not there; Refused where the
    month was never charged, and cannot be.
    """
    named = find_document(bench, document)
    month = _MonthAtHand(bench, named.month, named.team)
    chosen = find_line(named, line, month.lines, month.everybodys)
    with localcontext(EXACT):
        found = month.explained(chosen, limit)
    changed = month.run is not None and chosen.key.posting_month == chosen.key.service_month
    fresh = None if found.fresh is None else found.fresh.amount
    problems = (_changed(chosen, fresh),) if changed and fresh != chosen.amount else ()
    return Explanation(named.name, named.kind, chosen, month.run, fresh, found.facts, found.rows, problems)


class _MonthAtHand:
    """A team's month as it is recorded, and as the books would charge it now; each is worked out when it is first asked for."""

    def __init__(self, bench: Workbench, month: Month, team: str) -> None:
        self.bench, self.month, self.team = bench, month, team
        self.run = bench.ledger.current_run(month)

    @cached_property
    def lines(self) -> Sequence[ChargeLine]:
        """The team's, as recorded or, where nothing is, as they would be charged."""
        if self.run is not None:
            return self.bench.ledger.charge_rows(self.month, self.team)
        return [line for line in self.charges.lines if line.key.team == self.team]

    def everybodys(self) -> Sequence[ChargeLine]:
        return self.bench.ledger.charge_rows(self.month) if self.run is not None else self.charges.lines

    @cached_property
    def inputs(self) -> MonthInputs:
        """Of the month's usage alone. What was charged in spite of a gap is explained in spite of it."""
        nothing = History(self.bench.organisation.currency)
        return replace(self.bench.month_inputs(self.month, history=nothing), allow_unpriced=self.run is not None)

    @cached_property
    def whole_inputs(self) -> MonthInputs:
        return replace(self.inputs, history=self.bench.history(self.month)[0])

    @cached_property
    def charges(self) -> MonthCharges:
        """The whole month anew."""
        return self.bench.run(self.whole_inputs)[0]

    @cached_property
    def pricing(self) -> Pricing:
        inputs = self.inputs
        return Pricing(self.month, inputs.organisation, inputs.books, inputs.rates, inputs.allow_unpriced)

    def explained(self, line: ChargeLine, limit: int) -> _Found:
        kind = line.key.kind
        if line.key.service_month != self.month:
            earlier = Fact("corrects", str(line.key.service_month))
            return _Found((earlier,), None)
        if kind in line_facts.RATED:
            return self._of_usage(line, limit)
        if kind in PREMIUMS:
            return self._premium(line, limit)
        ways: dict[str, Any] = {
            "seat": self._seat,
            "shared": self._shared,
            "gpu_idle": self._idle,
            "coverage_credit": self._credit,
            "buffer_draw": self._draw,
            "buffer_repayment": self._repayment,
        }
        found: _Found = ways[kind](line, limit) if kind in ways else _Found((), self._anew(line))
        return found

    def _anew(self, line: ChargeLine) -> ChargeLine | None:
        return next((each for each in self.charges.lines if each.key == line.key), None)

    # ── lines of usage and seats ────────────────────────────────────────────────────────────────────────────────────────

    def _of_usage(self, line: ChargeLine, limit: int) -> _Found:
        key, pricing = line.key, self.pricing
        pooled = eval_split_in(pricing.terms, self.inputs) == "pooled"
        asked, owned = self._owned(() if pooled else line_facts.columns_of(key, pricing.organisation))
        assert self.inputs.first_calls is not None, "the workbench can order rows"
        billed = take_included(owned, pricing, partial(self.inputs.first_calls, asked)).rows
        sources = line_facts.sources_of(key, owned, billed, pricing)
        priced = self._priced(key, billed if pooled else [each.billed for each in sources])
        facts: list[Fact] = []
        if key.kind == "passthrough":
            facts += line_facts.cost_facts(sources, key, pricing)
        if sources:
            facts += line_facts.included_facts(sources, pricing.terms, pricing.organisation) if key.kind == "action" else ()
        if priced is not None:
            facts += [*line_facts.amount_facts(priced, pricing), *line_facts.price_facts(priced, pricing)]
        facts += line_facts.label_facts(sources, key, pricing.organisation, pricing)
        rows = self._rows(line, sources, asked, limit)
        return _Found(tuple(facts), None if priced is None else priced.charged, rows)

    def _owned(self, only: Only) -> tuple[UsageQuery, Sequence[OwnedGroup]]:
        """The groups of the rows that have these columns, and what they were asked by. Nothing is grouped twice: once the
        whole month is at hand, its groups are taken.
        """
        asked = query(self.inputs)
        if "charges" not in self.__dict__:
            asked = replace(asked, only=only)
        groups = self.inputs.group(asked)
        owned = own(groups.rows, self.inputs.organisation, asked.intervals)
        problems = (*groups.problems, *owned.problems)
        if any(problem.is_error for problem in problems):
            raise Refused(problems)
        return asked, owned.rows

    def _priced(self, key: LineKey, groups: Sequence[OwnedGroup]) -> Priced | None:
        """The line through the stages of the corridor, None where the books have no such line now."""
        terms, split = self.pricing.terms, eval_split_in(self.pricing.terms, self.inputs)
        rated = rate(groups, self.pricing).rows
        allocations = allocate(rated, terms, self.inputs.books).rows
        rounding = terms.rounding if terms is not None else "half_up"
        lines, disclosures = charge(allocations, self.inputs.organisation, rounding, split).rows
        allocation = next((each for each in allocations if each.line.key == key), None)
        if allocation is None:
            return None
        charged = next((each for each in lines if each.key == key), None)
        disclosure = next((each for each in disclosures if each.key == key), None)
        return Priced(allocation.line, allocation, charged, disclosure)

    def _seat(self, line: ChargeLine, limit: int) -> _Found:
        priced = self._priced(line.key, ())
        if priced is None:
            return _Found((), None)
        facts = (*line_facts.amount_facts(priced, self.pricing), *line_facts.price_facts(priced, self.pricing))
        return _Found(facts, priced.charged)

    # ── source rows ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _rows(self, line: ChargeLine, sources: Sequence[LineSource], asked: UsageQuery, limit: int) -> SourceRows:
        measures = line_facts.measures_of(line.key.kind, self.inputs.organisation)
        count, sums, first = self._stored([each.owned.group for each in sources], asked, measures, limit)
        return SourceRows(count, line_facts.row_checks(line, sources, sums), first)

    def _stored(
        self, groups: Sequence[UsageGroup], asked: UsageQuery, measures: Sequence[str], limit: int
    ) -> tuple[int, Mapping[str, Any], tuple[tuple[str, Mapping[str, Any]], ...]]:
        """The stored rows of groups: how many, their sums, and the first with their places as file:line."""
        paths = self.bench.store.paths(self.bench.ledger.parts(self.month))
        files = {file.sha256: file for file in self.inputs.files}
        found = group_rows(paths, asked, groups, measures, limit)
        places = {}
        for sha256 in {sha256 for sha256, _, _ in found.first}:
            records = [record for place, record, _ in found.first if place == sha256]
            places.update({(sha256, record): where for record, where in _places(self.bench, files[sha256], records).items()})
        first = tuple((places[sha256, record], columns) for sha256, record, columns in found.first)
        return int(found.sums["rows"]), found.sums, first

    # ── lines that follow from others ───────────────────────────────────────────────────────────────────────────────────

    def _premium(self, line: ChargeLine, limit: int) -> _Found:
        key, terms = line.key, self.pricing.terms
        base_key = derived.base_key(key)
        stands_on = next((each for each in self.lines if each.key == base_key), None)
        if terms is None or terms.quality is None or stands_on is None:
            return _Found((), None)
        evals = Evals(self.inputs.evals)
        below = self._of_usage(stands_on, limit)
        anew = () if below.fresh is None else (below.fresh,)
        multiplied = multipliers([key.feature], evals, terms.quality, self.month)
        fresh = [each for each in charge_quality(anew, multiplied, terms.rounding) if each.key == key]
        facts = derived.premium_facts(key, stands_on, below.facts, evals, terms)
        return _Found(tuple(facts), next(iter(fresh), None), below.rows)

    def _credit(self, line: ChargeLine, limit: int) -> _Found:
        terms, start = self.pricing.terms, self.inputs.organisation.fiscal_year_start
        if terms is None:
            return _Found((), None)
        inputs = self.whole_inputs
        assert inputs.history is not None, "the months before are at hand"
        _, lines = charge_for_quality(inputs, (), terms)
        earlier = [each for each in self.month.quarter(start).months(start) if each < self.month]
        recorded = {each: self.bench.ledger.charge_rows(each, self.team) for each in earlier}
        facts = derived.credit_facts(line, earlier, inputs.history, recorded, Evals(inputs.evals), terms)
        return _Found(tuple(facts), next((each for each in lines if each.key == line.key), None))

    def _shared(self, line: ChargeLine, limit: int) -> _Found:
        organisation, name = self.inputs.organisation, line.key.item
        pool = next((each for each in (*organisation.pools, *spread_unallocated(organisation)) if each.name == name), None)
        shared = next((each for each in self.charges.pools if each.name == name), None)
        if pool is None or shared is None:
            return _Found((), None)
        rows = self._pool_rows(pool, limit) if pool.rows else None
        return _Found(tuple(derived.pool_facts(pool, shared, self.month)), self._anew(line), rows)

    def _pool_rows(self, pool: Pool, limit: int) -> SourceRows:
        asked, owned = self._owned(())
        groups = [each.group for each in owned if each.team == pool.rows]
        count, _, first = self._stored(groups, asked, (), limit)
        return SourceRows(count, (), first)

    def _idle(self, line: ChargeLine, limit: int) -> _Found:
        key = line.key
        asked, owned = self._owned((("gpu_sku", (key.item,)),))
        reservations = [each for each in self.inputs.reservations if each.gpu_sku == key.item]
        rounding = self.pricing.terms.rounding if self.pricing.terms is not None else "half_up"
        for idle in idle_hours(reservations, owned, self.pricing).rows:
            lines, costs = charge_idle([idle], self.inputs.organisation, self.month, rounding)
            fresh = next((each for each in lines if each.key == key), None)
            if fresh is not None:
                used = [each.group for each in owned if each.team in idle.weights and each.group.keys["gpu_sku"] == key.item]
                count, sums, first = self._stored(used, asked, ("gpu_hours",), limit)
                check = Check("gpu_hours", sums["gpu_hours"], idle.used)
                reservation = derived.found_reservation(reservations, self.month, idle)
                facts = tuple(derived.idle_facts(idle, costs[0], reservation))
                return _Found(facts, fresh, SourceRows(count, (check,), first))
        return _Found((), None)

    def _draw(self, line: ChargeLine, limit: int) -> _Found:
        terms, organisation, team = self.pricing.terms, self.inputs.organisation, line.key.team
        state = self.charges.buffer
        decision = next((each for each in state.decisions if each.request.team == team), None)
        if decision is None or terms is None:
            return _Found((), None)
        assert self.whole_inputs.history is not None, "the months before are at hand"
        start = organisation.fiscal_year_start
        earlier = [each for each in self.month.quarter(start).months(start) if each < self.month]
        posted = self.whole_inputs.history.posted("buffer_draw", earlier).get(team, Money(0, organisation.currency))
        facts = derived.draw_facts(decision, -posted, state.opening + state.contributions, terms, organisation)
        return _Found(tuple(facts), self._anew(line))

    def _repayment(self, line: ChargeLine, limit: int) -> _Found:
        inputs, start = self.whole_inputs, self.inputs.organisation.fiscal_year_start
        assert inputs.history is not None, "the months before are at hand"
        own_months = self.month.quarter(start).months(start)
        months = own_months[0].before.quarter(start).months(start)
        draws = [each for month in months for each in self.bench.ledger.charge_rows(month, self.team)]
        lines = fund.repayment_lines(inputs.history, inputs.books, inputs.organisation, self.month)
        facts = derived.repayment_facts(line.key.team, inputs.history, inputs.books, months, draws)
        return _Found(tuple(facts), next((each for each in lines if each.key == line.key), None))


def _places(bench: Workbench, file: LoadedFile, records: Sequence[int]) -> dict[int, str]:
    """file:line of records while the export lies where it was loaded from, as long as it was; else their ordinals."""
    path = bench.root / file.name
    as_loaded = path.is_file() and path.stat().st_size == file.size
    lines = bench.store.lines_of(path, records) if as_loaded else {}
    return {
        record: f"{file.name}:{lines[record]}" if record in lines else f"{file.name} record {record}" for record in records
    }


def _changed(line: ChargeLine, fresh: Money | None) -> Problem:
    now = "there is no such line" if fresh is None else f"it comes to {fresh}"
    return Problem(
        "line-changed",
        f"{line.line_id} is recorded at {line.amount} {line.amount.currency}; by the books as they are now, {now}",
        SourceRef("store/ledger.sqlite"),
        remedy=f"the facts are those of now: run `finledger allocate --month {line.key.posting_month}` to record them",
        severity="warning",
    )
