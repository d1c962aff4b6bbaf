"""A document for every team: an invoice where its stage moves money, a pro-forma statement where not (rules A3, L5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from operator import itemgetter
from typing import cast

from finledger.core.beside import Beside, put_beside
from finledger.core.model import (
    MONEY_MOVES,
    UNALLOCATED,
    BufferState,
    ChargeLine,
    Disclosure,
    FeatureQuality,
    Invoice,
    JournalEntry,
    Organisation,
    PriceBook,
    Stage,
    Team,
    TeamTotal,
)
from finledger.core.money import Money, floored, total
from finledger.core.period import Month
from finledger.core.post import CREDIT, entry_id

SERIES = "INV"
SERIES_OF: Mapping[str, str] = {"invoice": SERIES, "credit_note": "CN", "debit_note": "DN"}


def invoice_number(entity: str, year: int, sequence: int, series: str = SERIES) -> str:
    """INV-2026-0001 or CN-2026-0001; of a legal entity of its own: INV-ENTITY-2026-0001 (rule L5)."""
    return "-".join(part for part in (series, entity, f"{year:04d}", f"{sequence:04d}") if part)


def team_totals(
    lines: Iterable[ChargeLine],
    organisation: Organisation,
    month: Month,
    forecasts: Mapping[str, Decimal],
    buffer: BufferState,
) -> tuple[TeamTotal, ...]:
    """Total, budget, frozen forecast and draw of every team that the organisation knows in the month or that is charged."""
    draws = {each.request.team: each.granted for each in buffer.decisions if each.granted}
    sums: dict[str, int] = {}
    for line in lines:
        if line.key.team in organisation.teams:
            sums[line.key.team] = sums.get(line.key.team, 0) + line.amount.minor
    totals = []
    for name, team in sorted(organisation.teams.items()):
        known = team.first_day_in(month) is not None and name != organisation.platform_team
        if known or name in sums:
            totals.append(
                TeamTotal(
                    team=name,
                    stage=team.stage_in(month),
                    total=Money(sums.get(name, 0), organisation.currency),
                    budget=_planned(team.budget.get(month), organisation.currency),
                    forecast=_planned(forecasts.get(name), organisation.currency),
                    buffer_draw=draws.get(name),
                )
            )
    return tuple(totals)


def _planned(amount: Decimal | None, currency: str) -> Money | None:
    """A budget or forecast as money: its reader held it to the currency's minor unit, so nothing is lost."""
    return None if amount is None else floored(amount, currency)


@dataclass(frozen=True)
class Posted:
    """What a month posts, which its documents are made from. `books` may hold more price books than are cited."""

    month: Month
    organisation: Organisation
    lines: Sequence[ChargeLine]
    disclosures: Sequence[Disclosure]
    features: Sequence[FeatureQuality]
    entries: Sequence[JournalEntry]
    books: Sequence[PriceBook]

    @cached_property
    def _features(self) -> Mapping[str, tuple[int, FeatureQuality]]:
        return {each.feature: (place, each) for place, each in enumerate(self.features)}

    @cached_property
    def _entries(self) -> Mapping[str, int]:
        return {entry.entry_id: place for place, entry in enumerate(self.entries)}

    def quality_of(self, features: Iterable[str]) -> tuple[FeatureQuality, ...]:
        """Those of the features that were measured, in the month's order."""
        found = (self._features[name] for name in set(features) if name in self._features)
        return tuple(each for _, each in sorted(found, key=itemgetter(0)))

    def entry_ids(self, lines: Iterable[ChargeLine]) -> tuple[str, ...]:
        """The entries that the lines are posted by, in the journal's order; none for lines that move no money."""
        own = {
            entry_id(
                key.posting_month, key.service_month, key.team, key.cost_center, CREDIT if key.kind == "adjustment" else ""
            )
            for key in (line.key for line in lines)
        }
        return tuple(sorted(own & self._entries.keys(), key=self._entries.__getitem__))


def is_own(line: ChargeLine) -> bool:
    """Whether the line is of the month that posts it: no correction of an earlier one, no credit, no quarter's end (L3, L4)."""
    return line.key.service_month == line.key.posting_month and not line.key.credit and line.key.kind != "adjustment"


def on_note(line: ChargeLine) -> bool:
    """Whether the line stands on a credit or debit note: money moved for it, and it is not the month's own."""
    return line.stage in MONEY_MOVES and line.key.team != UNALLOCATED and not is_own(line)


def invoices(totals: Iterable[TeamTotal], posted: Posted, beside: Beside | None = None) -> tuple[Invoice, ...]:
    """The documents of the month itself, sorted by team: an invoice or a statement for each, and no number yet (A3).

    What corrects earlier months stands on notes where money moved for it. Where none did, it stands on the team's statement;
    a team that rose to chargeback meanwhile has a statement beside its invoice. `beside`: what documents say beside their
    lines; without it they hold the lines and nothing else.
    """
    by_team: dict[str, list[ChargeLine]] = {}
    noted = set()
    for line in sorted(posted.lines, key=document_order):
        if on_note(line):
            noted.add((line.key.team, line.key.service_month))
        else:
            by_team.setdefault(line.key.team, []).append(line)
    left: dict[str, list[Disclosure]] = {}
    for each in posted.disclosures:
        if is_of_posting(each) or (each.key.team, each.key.service_month) not in noted:
            left.setdefault(each.key.team, []).append(each)
    documents = []
    for of_team in totals:
        lines, moves = by_team.get(of_team.team, []), of_team.stage in MONEY_MOVES
        disclosed = left.get(of_team.team, [])
        own = [line for line in lines if (line.stage in MONEY_MOVES) == moves]
        late = [line for line in lines if (line.stage in MONEY_MOVES) != moves]
        here = bool(own) or posted.organisation.teams[of_team.team].first_day_in(posted.month) is not None
        if here:
            documents.append(_invoice(of_team, moves, own, disclosed, posted))
        if late:
            pro_forma = replace(of_team, stage=cast(Stage, late[0].stage), budget=None, forecast=None)
            documents.append(_invoice(pro_forma, not moves, late, () if here else disclosed, posted))
    if beside is None:
        return tuple(documents)
    return tuple(put_beside(each, beside, posted.organisation) for each in documents)


def is_of_posting(disclosure: Disclosure) -> bool:
    return disclosure.key.service_month == disclosure.key.posting_month


def _invoice(
    each: TeamTotal, moves: bool, own: Sequence[ChargeLine], disclosures: Iterable[Disclosure], posted: Posted
) -> Invoice:
    organisation, month = posted.organisation, posted.month
    team = organisation.teams[each.team]
    return Invoice(
        number="" if moves else f"PRO-{month}-{each.team}",
        kind="invoice" if moves else "statement",
        team=each.team,
        stage=each.stage,
        adopted=adopted(team, month),
        owner=team.owner.at(month.last_day) or "",
        entity=team.entity,
        cost_centers=cost_centers(team, own, month),
        month=month,
        issue_date=month.last_day,
        currency=organisation.currency,
        issuer=organisation.books,
        platform_team=organisation.platform_team,
        pricebooks=tuple((book.name, book.sha256) for book in posted.books),
        lines=tuple(own),
        components=subtotals(own, organisation.currency),
        total=total((line.amount for line in own), organisation.currency),
        budget=each.budget,
        forecast=each.forecast,
        disclosures=tuple(disclosures),
        quality=posted.quality_of((*team.features, *(line.key.feature for line in own))),
        entry_ids=posted.entry_ids(own),
        issuer_entity=organisation.platform_entity,
        service_months=tuple(sorted({month, *(line.key.service_month for line in own)})),
    )


def document_order(line: ChargeLine) -> tuple[object, ...]:
    """Lines by feature and item, those without a feature last: seats, pools."""
    return (line.key.feature == "", line.key)


def subtotals(lines: Iterable[ChargeLine], currency: str) -> tuple[tuple[str, Money], ...]:
    sums: dict[str, list[Money]] = {}
    for line in lines:
        for component, part in line.components:
            sums.setdefault(component, []).append(part)
    return tuple((component, total(parts, currency)) for component, parts in sorted(sums.items()))


def adopted(team: Team, month: Month) -> bool:
    """Whether the team is still at the stage above showback that the books begin with: it was not earned here (A3)."""
    first = team.stage.changes[0][1]
    return first != "showback" and team.stage_in(month) == first


def cost_centers(team: Team, lines: Iterable[ChargeLine], month: Month) -> tuple[str, ...]:
    charged = {line.key.cost_center for line in lines}
    current: date = team.first_day_in(month) or month.first_day
    return tuple(sorted(charged)) or tuple(filter(None, (team.cost_center.at(current),)))
