"""Usage of closed months that was loaded since: what the open month posts for it (rule L3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from finledger.books.events import Event, in_force
from finledger.core.correct import corrected_disclosures, corrections
from finledger.core.model import ChargeLine, Disclosure, Part
from finledger.core.period import Month
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.engines import has_traces
from finledger.workbench.sealed import as_of

if TYPE_CHECKING:
    from finledger.workbench.months import Months


@dataclass(frozen=True, slots=True)
class LateUsage:
    """What a month posts for closed ones. `parts`: the late parts, by the month whose usage they hold."""

    lines: tuple[ChargeLine, ...] = ()
    disclosures: tuple[Disclosure, ...] = ()
    notices: tuple[Problem, ...] = ()
    parts: Mapping[Month, tuple[Part, ...]] = field(default_factory=dict)


def late_usage(bench: Months, month: Month, engine_name: str) -> LateUsage:
    """The corrections that `month` posts: none, unless it is the first month that is open and usage came in late.

    Each closed month is charged again on all its usage, with everything else as it was sealed. `Refused` where that cannot
    be done: late usage is never left out in silence.
    """
    closed = {Month.parse(period): event for period, event in in_force(bench.ledger.events()).items() if "Q" not in period}
    if not closed or month <= max(closed) or _opens_later(bench, month, max(closed)):
        return LateUsage()
    lines: list[ChargeLine] = []
    disclosures: list[Disclosure] = []
    notices: list[Problem] = []
    late = _late_parts(bench, closed, month)
    for earlier, parts in late.items():
        # a month from before the first close was never charged: all of it is late, and priced as that close would have
        sealed = as_of(bench, closed.get(earlier) or closed[min(closed)])
        here, before = bench.ledger.parts(earlier), bench.ledger.parts(earlier.before)
        inputs = sealed.month_inputs(earlier, engine_name=engine_name, parts=here, before=before)
        try:
            restated, _ = sealed.run(replace(inputs, requests=()))
        except Refused as refused:
            if earlier in closed:
                raise
            notices.append(_before_the_books(earlier, refused))
            continue
        late_lines = corrections(restated.lines, bench.ledger.service_rows(earlier, month), month)
        lines += late_lines
        disclosures += corrected_disclosures(restated.disclosures, bench.ledger.service_disclosures(earlier, month), month)
        if parts or late_lines:
            notices.append(_posted(earlier, month, sum(part.rows for part in parts)))
    return LateUsage(tuple(lines), tuple(disclosures), tuple(notices), late)


def _late_parts(bench: Months, closed: Mapping[Month, Event], month: Month) -> dict[Month, tuple[Part, ...]]:
    """The parts of each closed month, and of months before the first, that its close did not have.

    None, of a closed month with traces whose month before has such parts: they may hold the roots of these (A5).
    """
    found: dict[Month, list[Part]] = {}
    last = max(closed)
    sealed = {each: {path for path, *_ in event.content["parts"]} for each, event in closed.items()}
    for part in bench.ledger.parts():
        if part.month is not None and part.month <= last and part.path not in sealed.get(part.month, ()):
            found.setdefault(part.month, []).append(part)
    for each in [each.next for each in found if each.next in closed]:
        if has_traces(bench.store.paths(bench.ledger.parts(each))):
            found.setdefault(each, [])
    return {each: tuple(parts) for each, parts in sorted(found.items())}


def _opens_later(bench: Months, month: Month, last: Month) -> bool:
    """Whether another month with usage or charges is open before this one: that one posts the corrections."""
    return any(last < each < month for each in bench.months())


def _posted(earlier: Month, month: Month, rows: int) -> Problem:
    since = f"more usage of it was loaded since (rows: {rows})" if rows else "roots of its traces were loaded since"
    return Problem(
        "late-usage",
        f"{earlier} is closed, and {since}: what that changes is posted in {month}",
        SourceRef("usage"),
        remedy=f"see out/{month}/restatement.csv; the documents of the closed month stay as they are",
        severity="notice",
    )


def _before_the_books(earlier: Month, refused: Refused) -> Problem:
    first = refused.problems[0]
    return Problem(
        "late-usage-refused",
        f"{earlier} lies before the first close, and its usage is left out: it cannot be charged ({first.code}: {first.message})",
        SourceRef("usage"),
        remedy="see where the rows come from: a stray date is mended in the export",
        severity="warning",
    )
