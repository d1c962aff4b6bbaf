"""From a provider's SKU in a service month to its classes, its invoice lines and its usage rows: `finledger explain 2026-07/openai`.

What a close has posted is explained from what that close sealed, and usage is not metered again for it: the close kept what
was metered. Where an invoice came since, or no close has seen the month, it is explained by the books as they are now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import localcontext
from difflib import get_close_matches

from finledger.books.events import Event, in_force
from finledger.core.explain_variance import (
    VarianceExplanation,
    class_facts,
    classes_check,
    line_facts,
    metered_facts,
    side_facts,
)
from finledger.core.model import Seal
from finledger.core.money import EXACT
from finledger.core.period import Month
from finledger.core.problem import Misused, Problem, Refused, SourceRef
from finledger.core.provider import Metered, Provider, ProviderLine, SkuReconciliation, provider_named
from finledger.core.provider_close import comparison
from finledger.core.provider_state import MonthMetered, ProviderState
from finledger.core.reconcile import Compared, Terms
from finledger.engines import DEFAULT
from finledger.workbench import Workbench
from finledger.workbench.explain import FIRST_ROWS
from finledger.workbench.explain_metered import Metering, metered_rows, price_books_in
from finledger.workbench.provider_close import metered_or_known, read_inbox, terms_of
from finledger.workbench.providers import months_around
from finledger.workbench.sealed import as_of

WHOLE = "(usage)"


@dataclass(frozen=True, slots=True)
class _Side:
    """A provider's service month as it was compared: by the books `then`, posted by `close` or not yet."""

    then: Workbench
    month: Month
    provider: Provider
    metered: Sequence[Metered]
    rows: Mapping[str, SkuReconciliation]
    made: Mapping[str, Compared]
    close: Event | None

    def metered_of(self, sku: str) -> tuple[Metered, ...]:
        """What was metered of a SKU; where a provider's use is compared as one, all of it."""
        if sku == WHOLE:
            return tuple(each for each in self.metered if each.category == "usage")
        return tuple(each for each in self.metered if each.sku == sku)


def explain_variance(
    bench: Workbench, month: Month, provider: str, sku: str, *, limit: int = FIRST_ROWS
) -> VarianceExplanation:
    """Explain what a provider invoiced of a SKU in a service month, and what was metered of it. Writes nothing.

    Raises Misused for a SKU that was neither invoiced nor metered; Refused where an invoice or usage cannot be read.
    """
    with localcontext(EXACT):
        side = _posted(bench, month, provider) or _as_it_is_now(bench, month, provider)
        chosen = _chosen(side, sku)
        metered = side.metered_of(chosen)
        row, made = side.rows.get(chosen), side.made.get(chosen)
        skus = tuple(each.sku for each in metered)
        metering = Metering(bench, side.then, month)
        found = metered_rows(metering, side.provider, skus, metered, limit) if skus else None
        parts = () if found is None else found.parts
        facts = list(side_facts(row, side.provider)) if row is not None else []
        if metered:
            facts += metered_facts(metered, side.provider, price_books_in(metering.books, month), parts)
    close = side.close
    return VarianceExplanation(
        month=month,
        provider=side.provider.name,
        sku=chosen,
        currency=bench.organisation.currency,
        row=row,
        posted=close is not None,
        facts=tuple(facts),
        classes=() if row is None else class_facts(row, made),
        lines=() if made is None else tuple(line_facts(made.cell, bench.organisation.currency)),
        checks=() if row is None else (classes_check(row),),
        rows=None if found is None else found.rows,
        seal=None if close is None else Seal(close.number, close.hash),
        problems=tuple(_differs(side, chosen, close)) if close is not None else (),
    )


def known_providers(bench: Workbench) -> tuple[str, ...]:
    """The names that a variance can be asked by: declared providers, those of price books, those that a close compared."""
    names = set(bench.organisation.providers)
    names |= {model.provider for book in bench.pricebooks for model in book.models.values()}
    closes = _closed_months(bench)
    if closes:
        state = ProviderState.from_json(closes[max(closes)].content["providers"])
        names |= {row.provider for row in state.rows}
        names |= {each.provider for month in state.metered for each in month.metered}
    return tuple(sorted(names - {""}))


# ── the two ways to know it ─────────────────────────────────────────────────────────────────────────────────────────────


def _posted(bench: Workbench, month: Month, name: str) -> _Side | None:
    """As the last close posted it; None where it did not, or where an invoice came since that changes it."""
    closes = _closed_months(bench)
    if not closes or month > max(closes):
        return None
    close = closes[max(closes)]
    state = ProviderState.from_json(close.content["providers"])
    if any(_is_of(line, month, name, bench) for line in _inbox(bench) if _is_new(line, state)):
        return None
    then = as_of(bench, close, before=True)
    terms = terms_of(then, max(closes))
    metered = {each.month: each.metered for each in state.metered}
    provider = terms.provider(name)
    rows = {
        row.sku: row
        for row in state.rows
        if (terms.provider(row.provider).name, row.service_month) == (provider.name, month)
    }
    made = _compared(month, provider, metered, _inbox(then), terms)
    return _Side(then, month, provider, _of(provider, metered.get(month, ()), terms), rows, made, close)


def _as_it_is_now(bench: Workbench, month: Month, name: str) -> _Side:
    closes = _closed_months(bench)
    last = closes[max(closes)] if closes else None
    state = None if last is None else ProviderState.from_json(last.content["providers"])
    terms = terms_of(bench, month)
    provider = terms.provider(name)
    metered = {each: _metered_now(bench, each, closes, state, wanted=each == month) for each in months_around(bench, month)}
    made = _compared(month, provider, metered, _inbox(bench), terms)
    rows = {sku: each.row for sku, each in made.items()}
    return _Side(bench, month, provider, _of(provider, metered[month], terms), rows, made, None)


def _metered_now(
    bench: Workbench, month: Month, closes: Mapping[Month, Event], state: ProviderState | None, wanted: bool
) -> tuple[Metered, ...]:
    """What a close knows of the month as long as that still holds; else it is metered."""
    known: MonthMetered | None = None
    if state is not None:
        known = next((each for each in state.metered if each.month == month), None)
    found = metered_or_known(
        bench, month, lambda each: as_of(bench, closes[each]) if each in closes else bench, known, True, DEFAULT
    )
    if found.errors and wanted:
        raise Refused(found.problems)
    return found.rows.metered


def _compared(
    month: Month,
    provider: Provider,
    metered: Mapping[Month, Sequence[Metered]],
    lines: Iterable[ProviderLine],
    terms: Terms,
) -> dict[str, Compared]:
    own = {each: _of(provider, found, terms) for each, found in metered.items()}
    of_provider = [line for line in lines if terms.provider(line.provider).name == provider.name]
    outcome = comparison(month, own, of_provider, terms)
    if outcome.errors:
        raise Refused(outcome.problems)
    return {each.row.sku: each for each in outcome.rows if each.row.service_month == month}


def _of(provider: Provider, metered: Iterable[Metered], terms: Terms) -> tuple[Metered, ...]:
    return tuple(each for each in metered if terms.provider(each.provider).name == provider.name)


def _closed_months(bench: Workbench) -> dict[Month, Event]:
    return {Month.parse(period): event for period, event in in_force(bench.ledger.events()).items() if "Q" not in period}


def _inbox(bench: Workbench) -> tuple[ProviderLine, ...]:
    read = read_inbox(bench)
    if read.errors:
        raise Refused(read.problems)
    return read.rows.lines


def _is_new(line: ProviderLine, state: ProviderState) -> bool:
    return line.source is not None and line.source.file not in state.invoices


def _is_of(line: ProviderLine, month: Month, name: str, bench: Workbench) -> bool:
    """Whether a line can change the comparison of the month: it is of that month, or of one beside it."""
    called = provider_named(bench.organisation.providers.values(), line.provider)
    near = line.service_month in (month.before, month, month.next)
    return near and name in (line.provider, "" if called is None else called.name)


# ── which SKU ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _chosen(side: _Side, sku: str) -> str:
    known = _known(side)
    if sku in known:
        return sku
    begins = [each for each in known if sku and each.startswith(sku)]
    if len(begins) == 1:
        return begins[0]
    if not known:
        raise Misused(f"nothing of {side.provider.name} was invoiced or metered in {side.month}")
    near = get_close_matches(sku, known, n=3, cutoff=0.6)
    listed = ", ".join(known[:8]) + (f", and {len(known) - 8} more" if len(known) > 8 else "")
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {listed}"
    if begins:
        raise Misused(f"{sku!r} begins {len(begins)} SKUs of {side.provider.name} in {side.month}: {', '.join(begins)}")
    raise Misused(f"no SKU {sku!r} of {side.provider.name} in {side.month}: {hint}")


def _known(side: _Side) -> list[str]:
    return sorted({*side.rows, *(each.sku for each in side.metered)})


# ── what does not hold ──────────────────────────────────────────────────────────────────────────────────────────────────


def _differs(side: _Side, sku: str, close: Event) -> Iterator[Problem]:
    """A row of the close's state that is not what its sealed invoices and metering come to."""
    row, made = side.rows.get(sku), side.made.get(sku)
    fresh = None if made is None else made.row
    if row is None and fresh is None:
        return
    amounts = [None if each is None else (each.invoiced, each.metered, dict(each.classes)) for each in (row, fresh)]
    if amounts[0] != amounts[1]:
        yield Problem(
            "sealed-variance-differs",
            f"{side.provider.name} {sku} in {side.month} was posted by close {close.number} ({close.period}) as "
            f"{_said(row)}; its sealed invoices and what was metered come to {_said(fresh)}",
            SourceRef("store/ledger.sqlite"),
            remedy="run `finledger verify`: it names the first thing that is not as it was sealed",
            severity="warning",
        )


def _said(row: SkuReconciliation | None) -> str:
    return "nothing" if row is None else f"{row.invoiced} invoiced and {row.metered} metered"
