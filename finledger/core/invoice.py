"""A document for every team: an invoice where its stage moves money, a pro-forma statement where not (rules A3, L5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from finledger.core.beside import Beside, put_beside
from finledger.core.model import (
    MONEY_MOVES,
    BufferState,
    ChargeLine,
    Disclosure,
    FeatureQuality,
    Invoice,
    JournalEntry,
    Organisation,
    PriceBook,
    Team,
    TeamTotal,
)
from finledger.core.money import Money, floored, total, zero
from finledger.core.period import Month

SERIES = "INV"


def invoice_number(entity: str, year: int, sequence: int) -> str:
    """INV-2026-0001; of a legal entity of its own: INV-ENTITY-2026-0001 (rule L5)."""
    return "-".join(part for part in (SERIES, entity, f"{year:04d}", f"{sequence:04d}") if part)


def team_totals(
    lines: Iterable[ChargeLine],
    organisation: Organisation,
    month: Month,
    forecasts: Mapping[str, Decimal],
    buffer: BufferState,
) -> tuple[TeamTotal, ...]:
    """Total, budget, frozen forecast and draw of every team that the organisation knows in the month or that is charged."""
    draws = {each.request.team: each.granted for each in buffer.decisions if each.granted}
    sums: dict[str, Money] = {}
    for line in lines:
        if line.key.team in organisation.teams:
            sums[line.key.team] = sums.get(line.key.team, zero(organisation.currency)) + line.amount
    totals = []
    for name, team in sorted(organisation.teams.items()):
        known = team.first_day_in(month) is not None and name != organisation.platform_team
        if known or name in sums:
            totals.append(
                TeamTotal(
                    team=name,
                    stage=team.stage_in(month),
                    total=sums.get(name, zero(organisation.currency)),
                    budget=_planned(team.budget.get(month), organisation.currency),
                    forecast=_planned(forecasts.get(name), organisation.currency),
                    buffer_draw=draws.get(name),
                )
            )
    return tuple(totals)


def _planned(amount: Decimal | None, currency: str) -> Money | None:
    """A budget or forecast as money: its reader held it to the currency's minor unit, so nothing is lost."""
    return None if amount is None else floored(amount, currency)


def invoices(
    totals: Iterable[TeamTotal],
    lines: Sequence[ChargeLine],
    disclosures: Sequence[Disclosure],
    features: Sequence[FeatureQuality],
    entries: Sequence[JournalEntry],
    books: Sequence[PriceBook],
    organisation: Organisation,
    month: Month,
    numbers: Mapping[str, str] | None = None,
    beside: Beside | None = None,
) -> tuple[Invoice, ...]:
    """One document a team, sorted by team. `numbers`: the invoice number of each team that has one by now.

    `beside`: what documents say beside their lines; without it they hold the lines and nothing else.
    """
    by_team: dict[str, list[ChargeLine]] = {}
    for line in sorted(lines, key=document_order):
        by_team.setdefault(line.key.team, []).append(line)
    documents = tuple(
        _invoice(each, by_team.get(each.team, []), disclosures, features, entries, books, organisation, month, numbers or {})
        for each in totals
    )
    return documents if beside is None else tuple(put_beside(each, beside, organisation) for each in documents)


def _invoice(
    each: TeamTotal,
    own: Sequence[ChargeLine],
    disclosures: Sequence[Disclosure],
    features: Sequence[FeatureQuality],
    entries: Sequence[JournalEntry],
    books: Sequence[PriceBook],
    organisation: Organisation,
    month: Month,
    numbers: Mapping[str, str],
) -> Invoice:
    team = organisation.teams[each.team]
    posts = each.stage in MONEY_MOVES
    return Invoice(
        number=numbers.get(each.team, "") if posts else f"PRO-{month}-{each.team}",
        kind="invoice" if posts else "statement",
        team=each.team,
        stage=each.stage,
        adopted=adopted(team),
        owner=team.owner.at(month.last_day) or "",
        entity=team.entity,
        cost_centers=cost_centers(team, own, month),
        month=month,
        issue_date=month.last_day,
        currency=organisation.currency,
        issuer=organisation.books,
        platform_team=organisation.platform_team,
        pricebooks=tuple((book.name, book.sha256) for book in books),
        lines=tuple(own),
        components=subtotals(own, organisation.currency),
        total=each.total,
        budget=each.budget,
        forecast=each.forecast,
        disclosures=tuple(d for d in disclosures if d.key.team == each.team),
        quality=_quality_of(team, own, features),
        entry_ids=tuple(entry.entry_id for entry in entries if entry.team == each.team),
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


def adopted(team: Team) -> bool:
    """Whether the books begin with the team above showback: a stage that was not earned here, and documents say so (A3)."""
    first = team.stage.changes[0][1]
    return first != "showback"


def cost_centers(team: Team, lines: Iterable[ChargeLine], month: Month) -> tuple[str, ...]:
    charged = {line.key.cost_center for line in lines}
    current: date = team.first_day_in(month) or month.first_day
    return tuple(sorted(charged)) or tuple(filter(None, (team.cost_center.at(current),)))


def _quality_of(team: Team, lines: Iterable[ChargeLine], features: Iterable[FeatureQuality]) -> tuple[FeatureQuality, ...]:
    """The features that the team declares or is charged for. The bill of a feature shared with others is theirs too."""
    own = {*team.features, *(line.key.feature for line in lines)}
    return tuple(feature for feature in features if feature.feature in own)
