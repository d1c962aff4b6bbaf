"""A team's month, as far as the line that is explained needs it: the line's own rows are grouped, and no others.

What follows from other lines (a pool's part, a draw) is worked out from the lines as they are recorded (`explain_whole`); the
whole month is charged again only where nothing is recorded, or where that does not say enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from finledger.core import buffer as fund
from finledger.core import explain as line_facts
from finledger.core import explain_derived as derived
from finledger.core.allocate import allocate
from finledger.core.capacity import idle_hours
from finledger.core.charge import charge, charge_idle, charge_pools, charge_quality
from finledger.core.compound import COMPOUND, Shared, relief_key, share_compound, share_key, shares_of
from finledger.core.credit import lines_of
from finledger.core.explain import Fact, LineSource, Only, Priced, SourceRows
from finledger.core.history import History
from finledger.core.included import take_included
from finledger.core.invoice import is_own
from finledger.core.label import CONSUMER, own
from finledger.core.model import (
    UNALLOCATED,
    BufferState,
    ChargeLine,
    Check,
    LineKey,
    MonthCharges,
    Operator,
    OwnedGroup,
    Part,
    Pool,
    PoolSplit,
    UsageGroup,
    UsageQuery,
)
from finledger.core.money import Money, Rounding
from finledger.core.operating import IT_LED
from finledger.core.period import Month
from finledger.core.problem import Refused
from finledger.core.quality import PREMIUMS, Evals, multipliers
from finledger.core.rate import Pricing, rate
from finledger.engines import has_traces
from finledger.pipeline import MonthInputs, charge_for_quality, eval_split_in, query, spread_unallocated
from finledger.workbench import Workbench
from finledger.workbench.explain_rows import Row, StoredRows, every_row, rows_of_parts, stored_rows
from finledger.workbench.explain_whole import recorded_buffer, recorded_splits


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out of a line: its facts, the same line worked out anew, its rows."""

    facts: tuple[Fact, ...]
    fresh: ChargeLine | None
    rows: SourceRows | None = None


class MonthAtHand:
    """A month as it is recorded, and as `bench` would charge it now; each is worked out when it is first asked for.

    `parts`: other ones than the ledger of `bench` has of the month: then it is restated on these, and nothing of it is
    recorded (L3); `before`: those of the month before it then. `shelf`: the books in whose folder exports lie, and whose ledger
    knows all of them.
    """

    def __init__(
        self,
        bench: Workbench,
        month: Month,
        team: str,
        shelf: Workbench,
        parts: Sequence[Part] | None = None,
        before: Sequence[Part] | None = None,
    ) -> None:
        self.bench, self.month, self.team, self.shelf = bench, month, team, shelf
        self.is_restated = parts is not None
        self.parts = bench.ledger.parts(month) if parts is None else parts
        self.before = bench.ledger.parts(month.before) if before is None else before
        self.run = None if self.is_restated else bench.ledger.current_run(month)

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
        inputs = self.bench.month_inputs(self.month, history=nothing, parts=self.parts, before=self.before)
        requests = () if self.is_restated else inputs.requests
        return replace(inputs, requests=requests, allow_unpriced=self.run is not None or self.is_restated)

    @cached_property
    def whole_inputs(self) -> MonthInputs:
        return replace(self.inputs, history=self.bench.history(self.month)[0])

    @cached_property
    def charges(self) -> MonthCharges:
        """The whole month anew; of an open month that nobody recorded with what it posts for closed ones."""
        inputs = self.whole_inputs
        return self.bench.run(inputs if self.is_restated else self.bench.with_corrections(inputs))[0]

    @cached_property
    def pricing(self) -> Pricing:
        inputs = self.inputs
        return Pricing(self.month, inputs.organisation, inputs.books, inputs.rates, inputs.allow_unpriced)

    def explained(self, key: LineKey, recorded: ChargeLine | None, limit: int) -> Found:
        """A line of the month's own: neither a correction nor a credit. Rows are held against it as recorded, or else anew."""
        kind = key.kind
        if kind in line_facts.RATED:
            return self._of_usage(key, recorded, limit)
        if kind in PREMIUMS:
            return self._premium(key, limit)
        ways: dict[str, Any] = {
            "seat": self._seat,
            "shared": self._shared,
            "gpu_idle": self._idle,
            "coverage_credit": self._credit,
            **dict.fromkeys(COMPOUND, self._compound),
            "buffer_draw": self._draw,
            "buffer_repayment": self._repayment,
        }
        found: Found = ways[kind](key, limit) if kind in ways else Found((), self._anew(key))
        return found

    def _anew(self, key: LineKey) -> ChargeLine | None:
        return next((each for each in self.charges.lines if each.key == key), None)

    # ── lines of usage and seats ────────────────────────────────────────────────────────────────────────────────────────

    def _of_usage(self, key: LineKey, recorded: ChargeLine | None, limit: int) -> Found:
        pricing = self.pricing
        asked, owned = self.owned(self._columns_of(key))
        assert self.inputs.first_calls is not None, "the workbench can order rows"
        billed = take_included(owned, pricing, partial(self.inputs.first_calls, asked)).rows
        sources = line_facts.sources_of(key, owned, billed, pricing)
        pooled = eval_split_in(pricing.terms, self.inputs) == "pooled"
        priced = self._priced(key, billed if pooled else [each.billed for each in sources])
        facts: list[Fact] = []
        if key.kind == "passthrough":
            facts += line_facts.cost_facts(sources, key, pricing)
        if sources:
            facts += line_facts.included_facts(sources, pricing.terms, pricing.organisation) if key.kind == "action" else ()
        if priced is not None:
            facts += [*line_facts.amount_facts(priced, pricing), *line_facts.price_facts(priced, pricing)]
        facts += line_facts.label_facts(sources, key, pricing.organisation, pricing)
        fresh = None if priced is None else priced.charged
        against = recorded if recorded is not None else fresh
        rows = None if against is None else self._rows(against, sources, asked, limit)
        return Found(tuple(facts), fresh, rows)

    @cached_property
    def has_traces(self) -> bool:
        return has_traces(self.bench.store.paths(self.parts))

    def _columns_of(self, key: LineKey) -> Only:
        """The columns of the rows to group: the line's, and of pooled evaluation everybody's."""
        pricing = self.pricing
        shared = any(
            book.actions[key.item].funding == "shared"
            for book in pricing.books
            if key.kind == "action" and key.item in book.actions
        )
        if shared and eval_split_in(pricing.terms, self.inputs) == "pooled":
            return line_facts.evaluation_columns(pricing.books, pricing.organisation)
        return line_facts.columns_of(key, pricing.organisation)

    def owned(self, only: Only, ignored: Sequence[str] = ()) -> tuple[UsageQuery, Sequence[OwnedGroup]]:
        """The groups of the rows that have these columns, and what they were asked by. Nothing is grouped twice: once the
        whole month is at hand, its groups are taken. Whose a row of a trace is does not stand in its own columns (A5).
        """
        asked = query(self.inputs)
        if self.has_traces:
            only = tuple((name, values) for name, values in only if name not in CONSUMER)
        if "charges" not in self.__dict__:
            asked = replace(asked, only=only, ignored=tuple(ignored))
        groups = self.inputs.group(asked)
        owned = own(groups.rows, self.inputs.organisation, asked.intervals)
        problems = (*groups.problems, *owned.problems)
        if any(problem.is_error for problem in problems):
            raise Refused(problems)
        return asked, owned.rows

    def _priced(self, key: LineKey, groups: Sequence[OwnedGroup]) -> Priced | None:
        """The line through the stages of the corridor, None where the books have no such line now."""
        allocations = allocate(rate(groups, self.pricing).rows, self.pricing.terms, self.inputs.books).rows
        split = eval_split_in(self.pricing.terms, self.inputs)
        lines, disclosures = charge(allocations, self.inputs.organisation, self.rounding, split).rows
        allocation = next((each for each in allocations if each.line.key == key), None)
        if allocation is None:
            return None
        charged = next((each for each in lines if each.key == key), None)
        disclosure = next((each for each in disclosures if each.key == key), None)
        return Priced(allocation.line, allocation, charged, disclosure)

    @property
    def rounding(self) -> Rounding:
        return self.pricing.terms.rounding if self.pricing.terms is not None else "half_up"

    def _seat(self, key: LineKey, limit: int) -> Found:
        priced = self._priced(key, ())
        if priced is None:
            return Found((), None)
        facts = (*line_facts.amount_facts(priced, self.pricing), *line_facts.price_facts(priced, self.pricing))
        return Found(facts, priced.charged)

    # ── source rows ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _rows(self, line: ChargeLine, sources: Sequence[LineSource], asked: UsageQuery, limit: int) -> SourceRows:
        measures = line_facts.measures_of(line.key.kind, self.inputs.organisation)
        groups = [each.owned.group for each in sources]
        found = self._stored(groups, asked, measures, limit)
        included = {name: taken for name, taken in line_facts.included_in(sources, found.sums).items() if taken}
        checks = line_facts.row_checks(line, sources, found.sums)
        return SourceRows(found.number, checks, found.first, included, self._every(groups, asked))

    def _stored(self, groups: Sequence[UsageGroup], asked: UsageQuery, measures: Sequence[str], limit: int) -> StoredRows:
        return stored_rows(self.shelf, self.parts, asked, groups, measures, limit, self.before)

    def _every(self, groups: Sequence[UsageGroup], asked: UsageQuery) -> Callable[[int], Iterator[Row]]:
        return partial(every_row, self.shelf, self.parts, asked, groups, elsewhere=self.before)

    def rows_of_parts(self, line: ChargeLine, parts: Sequence[Part], limit: int) -> SourceRows:
        """The rows of a line of usage in some of the month's parts, held against the line unless seats include any of it."""
        key = line.key._replace(posting_month=self.month)
        asked, owned = self.owned(self._columns_of(key))
        sources = line_facts.sources_of(key, owned, owned, self.pricing)
        groups = [each.owned.group for each in sources]
        measures = line_facts.measures_of(key.kind, self.inputs.organisation)
        roots = (*self.parts, *self.before)
        found = rows_of_parts(self.shelf, parts, asked, groups, measures, limit, roots)
        # with a root that came late, rows that were there before are another's now
        plain = key.kind != "passthrough" and self.inputs.organisation.operating_model != IT_LED and not self.has_traces
        checks = line_facts.row_checks(line, (), found.sums) if plain else ()
        return SourceRows(
            found.number, checks, found.first, every=partial(every_row, self.shelf, parts, asked, groups, elsewhere=roots)
        )

    # ── lines that follow from others ───────────────────────────────────────────────────────────────────────────────────

    def _premium(self, key: LineKey, limit: int) -> Found:
        terms = self.pricing.terms
        stands_on = None
        if not self.is_restated:
            stands_on = next((each for each in self.lines if each.key == derived.base_key(key)), None)
        below = self._of_usage(derived.base_key(key), stands_on, limit)
        stands_on = stands_on if stands_on is not None else below.fresh
        if terms is None or terms.quality is None or stands_on is None:
            return Found((), None)
        evals = Evals(self.inputs.evals)
        anew = () if below.fresh is None else (below.fresh,)
        multiplied = multipliers([key.feature], evals, terms.quality, self.month)
        fresh = [each for each in charge_quality(anew, multiplied, terms.rounding) if each.key == key]
        facts = derived.premium_facts(key, stands_on, below.facts, evals, terms)
        return Found(tuple(facts), next(iter(fresh), None), below.rows)

    def _credit(self, key: LineKey, limit: int) -> Found:
        terms, start = self.pricing.terms, self.inputs.organisation.fiscal_year_start
        if terms is None:
            return Found((), None)
        adjustments = lines_of(self.bench.ledger.events("credit"), self.month)
        inputs = replace(self.whole_inputs, adjustments=adjustments)
        assert inputs.history is not None, "the months before are at hand"
        _, lines = charge_for_quality(inputs, (), terms)
        fresh = next((each for each in lines if each.key == key), None)
        line = next((each for each in self.lines if each.key == key), fresh)
        if line is None:
            return Found((), None)
        earlier = [each for each in self.month.quarter(start).months(start) if each < self.month]
        recorded = {each: self.bench.ledger.charge_rows(each, self.team) for each in earlier}
        facts = derived.credit_facts(line, earlier, inputs.history, recorded, Evals(inputs.evals), terms)
        return Found(tuple(facts), fresh)

    def compound_sources(self, key: LineKey) -> list[tuple[ChargeLine, Shared]]:
        """The lines of which this one is what an operator bears, with what it bears of each (A5)."""
        return [
            (line, each)
            for line in self._rated
            for each in shares_of(line, self.inputs.organisation)
            if key in (relief_key(line, each.part.team), share_key(line, Operator(each.part.team, each.part.cost_center)))
        ]

    @cached_property
    def _rated(self) -> Sequence[ChargeLine]:
        return [line for line in self.everybodys() if is_own(line) and line.key.kind in line_facts.RATED and line.operators]

    def _compound(self, key: LineKey, limit: int) -> Found:
        organisation = self.inputs.organisation
        fresh = next((each for each in share_compound(self._rated, organisation) if each.key == key), None)
        return Found(tuple(derived.compound_facts(self.compound_sources(key), organisation)), fresh)

    def split_of(self, name: str) -> PoolSplit | None:
        """How a pool was shared out, from what is recorded where that says enough."""
        found = recorded_splits(self, name) if self.run is not None else None
        return next((each for each in (self.charges.pools if found is None else found) if each.name == name), None)

    def _shared(self, key: LineKey, limit: int) -> Found:
        organisation, name = self.inputs.organisation, key.item
        pool = next((each for each in (*organisation.pools, *spread_unallocated(organisation)) if each.name == name), None)
        shared = self.split_of(name)
        if pool is None or shared is None:
            return Found((), None)
        fresh = next((each for each in charge_pools([shared], organisation, self.month) if each.key == key), None)
        rows = self._pool_rows(pool, limit) if pool.rows else None
        return Found(tuple(derived.pool_facts(pool, shared, self.month)), fresh, rows)

    def _pool_rows(self, pool: Pool, limit: int) -> SourceRows:
        asked, owned = self.owned(
            () if pool.rows == UNALLOCATED else line_facts.team_columns(pool.rows, self.inputs.organisation)
        )
        groups = [each.group for each in owned if each.team == pool.rows]
        found = self._stored(groups, asked, (), limit)
        return SourceRows(found.number, (), found.first, every=self._every(groups, asked))

    def _idle(self, key: LineKey, limit: int) -> Found:
        asked, owned = self.owned((("gpu_sku", (key.item,)),))
        reservations = [each for each in self.inputs.reservations if each.gpu_sku == key.item]
        for idle in idle_hours(reservations, owned, self.pricing).rows:
            lines, costs = charge_idle([idle], self.inputs.organisation, self.month, self.rounding)
            fresh = next((each for each in lines if each.key == key), None)
            if fresh is not None:
                used = [each.group for each in owned if each.team in idle.weights and each.group.keys["gpu_sku"] == key.item]
                found = self._stored(used, asked, ("gpu_hours",), limit)
                check = Check("gpu_hours", found.sums["gpu_hours"], idle.used)
                reservation = derived.found_reservation(reservations, self.month, idle)
                facts = tuple(derived.idle_facts(idle, costs[0], reservation, self.rounding))
                return Found(facts, fresh, SourceRows(found.number, (check,), found.first, every=self._every(used, asked)))
        return Found((), None)

    def _draw(self, key: LineKey, limit: int) -> Found:
        terms, organisation, team = self.pricing.terms, self.inputs.organisation, key.team
        state: BufferState = recorded_buffer(self) if self.run is not None else self.charges.buffer
        decision = next((each for each in state.decisions if each.request.team == team), None)
        if decision is None or terms is None:
            return Found((), None)
        assert self.whole_inputs.history is not None, "the months before are at hand"
        start = organisation.fiscal_year_start
        earlier = [each for each in self.month.quarter(start).months(start) if each < self.month]
        posted = self.whole_inputs.history.posted("buffer_draw", earlier).get(team, Money(0, organisation.currency))
        facts = derived.draw_facts(decision, -posted, state.opening + state.contributions, terms, organisation)
        fresh = next((each for each in fund.draw_lines([decision], organisation, self.month) if each.key == key), None)
        return Found(tuple(facts), fresh)

    def _repayment(self, key: LineKey, limit: int) -> Found:
        inputs, start = self.whole_inputs, self.inputs.organisation.fiscal_year_start
        assert inputs.history is not None, "the months before are at hand"
        own_months = self.month.quarter(start).months(start)
        months = own_months[0].before.quarter(start).months(start)
        draws = [each for month in months for each in self.bench.ledger.charge_rows(month, self.team)]
        lines = fund.repayment_lines(inputs.history, inputs.books, inputs.organisation, self.month)
        facts = derived.repayment_facts(key.team, inputs.history, inputs.books, months, draws)
        return Found(tuple(facts), next((each for each in lines if each.key == key), None))
