"""The providers' side of closing a month: what was accrued is taken back, invoices are posted, what still waits is accrued.

    the month's first day     reversal of what the last close accrued (X2)
    the invoice's date        every service month whose comparison changed since: an invoice more, a credit memo, late usage;
                              held within the month, because an earlier one is closed and a later one has not begun
    the month's last day      late usage without an invoice of its own (L3), and accruals of what was metered in this or an
                              earlier service month and has no invoice yet (X2)

A service month is compared with the one before and the one after it (`compare`), as far as they are in the books by the month
that closes. It is compared again when anything that it was compared from is not as the last close knew it, and else stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from finledger.core.model import Check, JournalEntry, Organisation
from finledger.core.money import zero
from finledger.core.period import Month
from finledger.core.post_provider import Bill
from finledger.core.problem import Outcome, Problem
from finledger.core.provider import Accrual, Metered, ProviderLine, SkuReconciliation
from finledger.core.provider_checks import Unmet, files_changed, unmet
from finledger.core.provider_roll import ProviderMonth, provider_month
from finledger.core.provider_state import MonthMetered, ProviderState
from finledger.core.reconcile import Compared, Terms, awaited, billed, compared

Rows = tuple[SkuReconciliation, ...]


@dataclass(frozen=True, slots=True)
class Inbox:
    """Every line of every invoice that is there; and by invoice file what it is read with, itself and its map: path -> sha256."""

    lines: tuple[ProviderLine, ...] = ()
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderClose:
    """What the close of `month` posts, its state, and what stands in the way of it.

    `rows`: the comparison of every service month that has an invoice. `accruals`: what this close accrues. `problems` stop
    the close; the figures are then those without what they are about. `providers`: each one's roll-forward.
    """

    month: Month
    entries: tuple[JournalEntry, ...]
    state: ProviderState
    rows: Rows
    accruals: tuple[Accrual, ...]
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()
    providers: tuple[ProviderMonth, ...] = ()
    checks: tuple[Check, ...] = ()


def provider_close(
    month: Month,
    first: Month,
    before: ProviderState | None,
    metered: Iterable[MonthMetered],
    inbox: Inbox,
    terms: Terms,
    organisation: Organisation,
) -> ProviderClose:
    """The close of `month` in books whose first month is `first`; `before` is the state of the close before it.

    `metered`: every service month from `first` to `month`. Lines of an earlier or a later one are not posted. Every line has
    its `source`, by whose file it is known again.
    """
    months = {each.month: each for each in metered}
    accruals = _accruals(months.values(), inbox.lines, terms)
    sides = _sides(month, first, before, months, inbox, terms)
    for each in accruals:
        sides[each.provider].after.append(each)
    new: list[SkuReconciliation] = []
    problems: list[Problem] = []
    posted = []
    for name, side in sorted(sides.items()):
        outcome = side.compared()
        problems += outcome.problems
        new += outcome.rows
        pairs = (side.accrued, side.after), (side.old, outcome.rows)
        posted.append(provider_month(name, month, *pairs, side.bills() if not outcome.errors else {}, organisation))
    entries = [entry for each in posted for entry in each.entries]
    lost = before is not None and any(files_changed(before, inbox.files))  # of what was posted: then no law can hold
    found = unmet(Unmet(month, first, before, months, inbox.lines, inbox.files, tuple(new), accruals, terms))
    return ProviderClose(
        month=month,
        entries=tuple(sorted(entries, key=lambda entry: (entry.posting_date, entry.entry_id))),
        state=ProviderState(month, tuple(new), accruals, _known(month, first, before, inbox), tuple(months.values())),
        rows=tuple(sorted(new, key=lambda row: (row.service_month, row.provider, row.sku))),
        accruals=accruals,
        problems=(*problems, *(each for each in found if each.is_error)),
        notices=tuple(each for each in found if not each.is_error),
        providers=tuple(posted),
        checks=() if lost else tuple(check for each in posted for check in each.checks()),
    )


def compare(
    month: Month, metered: Mapping[Month, Sequence[Metered]], lines: Iterable[ProviderLine], terms: Terms
) -> Outcome[Rows]:
    """A service month held against its invoices, with the month before and the month after where `metered` has them (X1)."""
    outcome = comparison(month, metered, lines, terms)
    return Outcome(tuple(each.row for each in outcome.rows), outcome.problems)


def comparison(
    month: Month, metered: Mapping[Month, Sequence[Metered]], lines: Iterable[ProviderLine], terms: Terms
) -> Outcome[tuple[Compared, ...]]:
    """The same, with what each SKU's row was made from."""
    around = {each: metered[each] for each in (month.before, month, month.next) if metered.get(each)}
    usage = [each for found in around.values() for each in found]
    return compared(month, usage, _whole(lines, {*around, month}), terms)


def touched(month: Month, first: Month, before: ProviderState | None, inbox: Inbox, terms: Terms) -> set[Month]:
    """The service months that are compared again because of invoices, whatever was metered: their metering is looked at."""
    sides = _sides(month, first, before, {}, inbox, terms)
    return {each for side in sides.values() for each in _around(side.by_invoices()) if first <= each <= month}


def _whole(lines: Iterable[ProviderLine], months: Iterable[Month]) -> list[ProviderLine]:
    """Whole invoices, all that have a line of one of the months. Costs without a number are an invoice by month."""
    known, wanted_months = tuple(lines), set(months)
    wanted = {_invoice(line) for line in known if line.service_month in wanted_months}
    return [line for line in known if _invoice(line) in wanted]


def _invoice(line: ProviderLine) -> tuple[str, str, Month | None]:
    return line.provider, line.invoice, None if line.invoice else line.service_month


def _accruals(metered: Iterable[MonthMetered], lines: Iterable[ProviderLine], terms: Terms) -> tuple[Accrual, ...]:
    by_month: dict[Month, list[ProviderLine]] = {}
    for line in lines:
        by_month.setdefault(line.service_month, []).append(line)
    return tuple(
        accrual
        for each in sorted(metered, key=lambda each: each.month)
        for accrual in awaited(each.month, each.metered, by_month.get(each.month, ()), terms)
    )


def _known(month: Month, first: Month, before: ProviderState | None, inbox: Inbox) -> dict[str, str]:
    """The files that something is posted from by now, with what they are read by."""
    known = dict(before.invoices) if before is not None else {}
    for file in sorted({line.source.file for line in inbox.lines if line.source and first <= line.service_month <= month}):
        if file not in known:
            known.update(inbox.files.get(file, {}))
    return known


def _around(months: Iterable[Month]) -> set[Month]:
    return {near for each in months for near in (each.before, each, each.next)}


# ── one provider ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sides(
    month: Month,
    first: Month,
    before: ProviderState | None,
    metered: Mapping[Month, MonthMetered],
    inbox: Inbox,
    terms: Terms,
) -> dict[str, _Side]:
    """A side for each provider that has an invoice, an accrual or usage."""
    sides: dict[str, _Side] = {}
    names: dict[str, str] = {}

    def side(called: str) -> _Side:
        name = names.setdefault(called, terms.provider(called).name)
        return sides.setdefault(name, _Side(name, month, first, before, terms))

    for line in inbox.lines:
        side(line.provider).lines.append(line)
    for each in metered.values():
        for one in each.metered:
            side(one.provider).metered.setdefault(each.month, []).append(one)
    if before is not None:
        for row in before.rows:
            side(row.provider).old.append(row)
        for accrual in before.accrued:
            side(accrual.provider).accrued.append(accrual)
        for each in before.metered:
            for one in each.metered:
                side(one.provider).metered_before.setdefault(each.month, []).append(one)
    return sides


@dataclass(slots=True)
class _Side:
    """A provider's lines, and what was metered of it: now, and as the last close knew it."""

    name: str
    month: Month
    first: Month
    before: ProviderState | None
    terms: Terms
    lines: list[ProviderLine] = field(default_factory=list)
    old: list[SkuReconciliation] = field(default_factory=list)  # as the last close posted it
    metered: dict[Month, list[Metered]] = field(default_factory=dict)
    metered_before: dict[Month, list[Metered]] = field(default_factory=dict)
    accrued: list[Accrual] = field(default_factory=list)
    after: list[Accrual] = field(default_factory=list)

    def compared(self) -> Outcome[Rows]:
        """Every service month as it compares now: anew where anything about it changed, else as it was posted."""
        changed = self.changed()
        rows = [row for row in self.old if row.service_month not in changed]
        for month in sorted(changed):
            outcome = compare(month, self.metered, self.lines, self.terms)
            if outcome.errors:
                return Outcome(tuple(self.old), outcome.problems)
            rows += outcome.rows
        return Outcome(tuple(rows))

    def changed(self) -> set[Month]:
        """The service months that are compared again."""
        return {each for each in _around({*self.by_usage(), *self.by_invoices()}) if self.first <= each <= self.month}

    def by_usage(self) -> set[Month]:
        """The service months of which something else was metered than the last close knew."""
        months = {*self.metered, *self.metered_before}
        return {each for each in months if self.metered.get(each) != self.metered_before.get(each)}

    def by_invoices(self) -> set[Month]:
        """The service months of whole invoices of which something is new: how they are rounded is new, too."""
        return {line.service_month for line in self.of_new_invoices()}

    def of_new_invoices(self) -> list[ProviderLine]:
        """Every line of an invoice of which something is new."""
        fresh = {_invoice(line) for line in self.lines if self.is_new(line)}
        return [line for line in self.lines if _invoice(line) in fresh]

    def is_new(self, line: ProviderLine) -> bool:
        """Whether a line is posted now: it is of a service month of the books, and no close has posted it."""
        return self.first <= line.service_month <= self.month and not (
            self.is_of_known_file(line) and self.before is not None and line.service_month <= self.before.month
        )

    def is_of_known_file(self, line: ProviderLine) -> bool:
        return self.before is not None and line.source is not None and line.source.file in self.before.invoices

    def bills(self) -> dict[tuple[str, Month], list[Bill]]:
        """What is new by service month, the newest last. A month without a line of them that the invoices of its neighbours
        change, as a cut-off, has the newest of these as 0.00; where its usage changed it is the usage that is posted.
        """
        lines = self.of_new_invoices()
        now = billed(lines, self.terms)
        posted = billed([line for line in lines if self.is_of_known_file(line)], self.terms)
        nothing, late = zero(self.terms.currency), self.by_usage()
        days: dict[str, date] = {}
        here: set[tuple[str, Month]] = set()
        touches: dict[str, set[Month]] = {}
        for line in lines:
            touches.setdefault(line.invoice, set()).update(_around([line.service_month]))
            if self.is_new(line):
                day = line.invoice_date or self.month.last_day
                days[line.invoice] = max(day, days.get(line.invoice, day))
                here.add((line.invoice, line.service_month))
        in_turn = sorted(days, key=lambda number: (days[number], number))
        found: dict[tuple[str, Month], list[Bill]] = {}
        for month in self.changed():
            own = [number for number in in_turn if (number, month) in here]
            near = [] if month in late else [number for number in in_turn if month in touches[number]]
            for number in own or near[-1:]:
                day = min(max(days[number], self.month.first_day), self.month.last_day)
                key = (self.name, number, month)
                was_posted = self.before is not None and month <= self.before.month
                amount = now.get(key, nothing) - (posted.get(key, nothing) if was_posted else nothing)
                found.setdefault((self.name, month), []).append(Bill(number, day, amount if own else nothing))
        return found
