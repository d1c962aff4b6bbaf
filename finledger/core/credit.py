"""Credits: what a line, and all that was charged on it, is given back, at the price at which it was charged (rule L4).

    left of a line   = its amount - what was credited on it before - what corrections took off it
    a credit of n    = left x n / what is left of its quantity, rounded once by the line's book

A part of a line is split by what is left of its components (M3), so that credits of every part add up to the line, and to its
components, to the cent. The premiums that stand on a line go back in the same proportion. A *rebill* charges another team the
same lines: what it used was billed to the wrong one. Lines of a credit are of kind "adjustment" and carry its id in their key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from finledger.core.charge import part_of
from finledger.core.compound import RELIEF, reliefs_on
from finledger.core.disputes import CREDITED
from finledger.core.events import Event
from finledger.core.model import MONEY_MOVES, ChargeLine, Component, LineKey, Operated, Organisation
from finledger.core.money import Money, Rounding, rounded_places, split, total, zero
from finledger.core.period import Month
from finledger.core.problem import Problem, SourceRef
from finledger.core.quality import PREMIUMS

ADJUSTMENT = "adjustment"
OWN = "", ""  # the consumer's own part of a line that others operated too; it sorts first, so that a tie is its (A5)
QUANTITY_PLACES = 12
WHOLE_UNITS = frozenset({"action", "seat"})


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a line: of its quantity, of each component, and of what others operated of it."""

    quantity: Decimal
    amount: Money
    components: Mapping[Component, Money]
    operators: Mapping[tuple[str, str], Money] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credited:
    """A line of a credit: `of` is the id of the line that it gives back or, for the debit of a rebill, charges again.

    `left`: what was left of that line before.
    """

    of: str
    line: ChargeLine
    left: Left


@dataclass(frozen=True, slots=True)
class Credit:
    """A credit as the log has it. `credit_id` is gapless by year: C-2026-0001. `line_month` posted the line that is credited.

    `rebilled`: the team that is charged instead, or "". `share`: of what was left of the line, and of all that stands on it.
    """

    credit_id: str
    posting_month: Month
    document: str
    team: str
    line_id: str
    line_month: Month
    reason: str
    by: str
    on: str
    dispute_id: str
    rebilled: str
    share: Fraction
    rounding: Rounding
    lines: tuple[Credited, ...]

    @property
    def given(self) -> tuple[Credited, ...]:
        """The lines that give back, without those that charge another team."""
        return tuple(each for each in self.lines if each.line.key.team == self.team)

    @property
    def amount(self) -> Money:
        """What is given back: below zero."""
        first = self.lines[0].line.amount
        return total((each.line.amount for each in self.given), first.currency)


# ── what stands on a line, and what is left of it ───────────────────────────────────────────────────────────────────────


def standing_on(line: ChargeLine, lines: Iterable[ChargeLine]) -> tuple[ChargeLine, ...]:
    """The premiums on a line, and what its operators bear of it (A5): the same key, of another kind; of a line that was
    rebilled, those that were rebilled with it.
    """
    key = line.key
    wanted = reliefs_on(line)
    if key.kind == ADJUSTMENT:
        wanted = {each._replace(kind=ADJUSTMENT, item=_item(each.item, RELIEF)) for each in wanted}
        wanted |= {key._replace(item=_item(key.item, premium)) for premium in PREMIUMS}
    elif key.kind == "action":
        wanted |= {key._replace(kind=premium) for premium in PREMIUMS}
    return tuple(sorted((each for each in lines if each.key in wanted), key=lambda each: each.key))


def left_of(line: ChargeLine, credits: Iterable[Credit], later: Iterable[ChargeLine], organisation: Organisation) -> Left:
    """What is left of a line after all credits so far, and after what `later` lines of its team took off it.

    Those are corrections of the same line that make it smaller (L3); and, for a coverage premium, a later coverage credit of its
    feature in its quarter, which gave all of it back (Q2).
    """
    later = tuple(later)
    if "coverage_premium" in dict(line.components) and any(_gives_back(each, line, organisation) for each in later):
        return _nothing(line)
    gone = [each.line for credit in credits for each in credit.given if each.of == line.line_id]
    gone += [each for each in later if each.amount.minor * line.amount.minor < 0 and _corrects(each, line)]
    components = dict(line.components)
    operators = {(each.team, each.cost_center): each.amount for each in line.operators}
    quantity = line.quantity
    for each in gone:
        quantity += each.quantity
        for name, part in each.components:
            components[name] = components.get(name, zero(part.currency)) + part
        for who in each.operators:
            operators[who.team, who.cost_center] = (
                operators.get((who.team, who.cost_center), zero(who.amount.currency)) + who.amount
            )
    amount = total(components.values(), line.amount.currency)
    return Left(max(quantity, Decimal(0)), amount, components, operators)


def _nothing(line: ChargeLine) -> Left:
    return Left(Decimal(0), zero(line.amount.currency), {})


def _corrects(each: ChargeLine, line: ChargeLine) -> bool:
    return (
        each.key.posting_month > line.key.posting_month
        and each.key._replace(posting_month=line.key.posting_month) == line.key
    )


def _gives_back(each: ChargeLine, premium: ChargeLine, organisation: Organisation) -> bool:
    """Whether a coverage credit gave this premium back: posted to posted, pro forma to pro forma, in the same quarter (Q2)."""
    start, key = organisation.fiscal_year_start, premium.key
    credited, charged = each.key.posting_month, key.service_month if key.kind == ADJUSTMENT else key.posting_month
    same = (each.key.team, each.key.feature) == (premium.key.team, premium.key.feature)
    posted = (each.stage in MONEY_MOVES) == (premium.stage in MONEY_MOVES)
    return (
        each.key.kind == "coverage_credit"
        and same
        and posted
        and credited > charged
        and credited >= key.posting_month
        and credited.quarter(start) == charged.quarter(start)
    )


# ── the lines of a credit ───────────────────────────────────────────────────────────────────────────────────────────────


def credit_lines(
    line: ChargeLine,
    attached: Sequence[ChargeLine],
    quantity: Decimal,
    credit_id: str,
    posting_month: Month,
    *,
    left: Mapping[str, Left],
    rounding: Rounding,
) -> tuple[Credited, ...]:
    """What `quantity` of a line gives back, and what stands on it in the same proportion; what comes to nothing is left out.

    `left`: of the line and of each that stands on it, by id. Raises ValueError for a quantity that is not above zero, or more
    than is left; a line of no quantity is given back as a whole, by the quantity 0.
    """
    share = share_of(quantity, left[line.line_id])
    found = []
    for each in (line, *attached):
        made = _credit_line(each, left[each.line_id], share, rounding)
        if made is not None:
            item = each.key.item if each is line or each.key.kind == ADJUSTMENT else _item(each.key.item, each.key.kind)
            key = each.key._replace(kind=ADJUSTMENT, item=item, posting_month=posting_month, credit=credit_id)
            found.append(Credited(each.line_id, replace(made, key=key), left[each.line_id]))
    return tuple(found)


def share_of(quantity: Decimal, left: Left) -> Fraction:
    """The share of what is left of a line. Raises ValueError as `credit_lines` does."""
    if not 0 <= quantity <= left.quantity or (left.quantity and not quantity):
        raise ValueError(f"{quantity} is not a part of the {left.quantity} that are left")
    return Fraction(quantity) / Fraction(left.quantity) if left.quantity else Fraction(1)


def _item(item: str, premium: str) -> str:
    """What a premium's credit is of: `chat_call/coverage_premium`. Its own kind is gone, and its key would be the line's."""
    return f"{item}/{premium}"


def _credit_line(line: ChargeLine, left: Left, share: Fraction, rounding: Rounding) -> ChargeLine | None:
    """The part of a line that goes back, under the line's own key; None where that is nothing.

    What operators bear of a line was taken off it, so that it is owed again (A5).
    """
    if line.key.kind == RELIEF or (line.key.kind == ADJUSTMENT and line.key.item.endswith(f"/{RELIEF}")):
        made = _given_back(line, _left_turned(left), share, rounding)
        return None if made is None else _turned(made)
    return _given_back(line, left, share, rounding)


def _turned(line: ChargeLine) -> ChargeLine:
    """The same line, what it charges given back."""
    return replace(
        line,
        amount=-line.amount,
        components=tuple((name, -part) for name, part in line.components),
        operators=tuple(part._replace(amount=-part.amount) for part in line.operators),
    )


def _left_turned(left: Left) -> Left:
    components = {name: -part for name, part in left.components.items()}
    operators = {who: -part for who, part in left.operators.items()}
    return Left(left.quantity, -left.amount, components, operators)


def _given_back(line: ChargeLine, left: Left, share: Fraction, rounding: Rounding) -> ChargeLine | None:
    amount = left.amount if share == 1 else part_of(left.amount, share, rounding)
    if amount.minor <= 0:
        return None
    weights = {name: max(part.amount, Decimal(0)) for name, part in left.components.items()}
    components = split(amount, weights, residual="base" if "base" in weights else next(iter(weights)))
    quantity = left.quantity if share == 1 else rounded_places(Fraction(left.quantity) * share, QUANTITY_PLACES)
    return ChargeLine(
        key=line.key,
        stage=line.stage,
        quantity=-quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        amount=-amount,
        components=tuple((name, -part) for name, part in sorted(components.items()) if part),
        funding=line.funding,
        operators=_operated(left, amount),
    )


def _operated(left: Left, amount: Money) -> tuple[Operated, ...]:
    """What others operated of the part that goes back, in proportion (A5)."""
    others = {who: part.amount for who, part in left.operators.items() if part.minor > 0}
    if not others:
        return ()
    own = max(left.amount.amount - sum(others.values(), Decimal(0)), Decimal(0))
    parts = split(amount, {OWN: own, **others}, residual=OWN)
    return tuple(Operated(*who, -part) for who, part in sorted(parts.items()) if part and who != OWN)


def rebilled(credited: Iterable[Credited], team: str, cost_center: str, stage: str) -> tuple[Credited, ...]:
    """The same lines, signs turned back, for another team: what it operated itself is its own now (A5)."""
    return tuple(_rebilled(each, team, cost_center, stage) for each in credited)


def _rebilled(each: Credited, team: str, cost_center: str, stage: str) -> Credited:
    line = _turned(each.line)
    again = replace(
        line,
        key=line.key._replace(team=team, cost_center=cost_center),
        stage=stage,
        quantity=-line.quantity,
        operators=tuple(part for part in line.operators if part.team != team),
    )
    return Credited(each.of, again, each.left)


def posting_month(line: ChargeLine, closed_through: Month | None) -> Month:
    """Where a credit of the line is posted: the first month that is not closed, and never before the line itself."""
    if closed_through is None or line.key.posting_month > closed_through:
        return line.key.posting_month
    return closed_through.next


def spoilt_credits(events: Iterable[Event], month: Month, lines: Iterable[ChargeLine]) -> Iterator[Problem]:
    """Credits of a month's lines that are more than these are: the month was open then, and was charged anew since.

    `lines`: all that the month posts, as it would be closed.
    """
    credits = [credit for credit in credits_of(events) if credit.line_month == month]
    amounts = {line.line_id: line.amount for line in lines} if credits else {}
    back: dict[str, Money] = {}
    by: dict[str, list[str]] = {}
    for credit in credits:
        for each in credit.given:
            back[each.of] = back.get(each.of, zero(each.line.amount.currency)) - each.line.amount
            by.setdefault(each.of, []).append(credit.credit_id)
    for line_id, given in back.items():
        now = amounts.get(line_id)
        if now is None or (now - given).minor * given.minor < 0:
            yield Problem(
                "credit-exceeds-line",
                f"{given:,} {given.currency} of {line_id} was credited ({', '.join(by[line_id])}), and "
                f"{'it is no line any more' if now is None else f'it comes to {now:,} now'}: {month} was charged anew since",
                SourceRef("store/ledger.sqlite"),
                remedy=f"bring what {month} is charged by back to what it was; once it is closed, what is wrong with it is a "
                "correction, or a credit of its own",
            )


# ── into the log, and back ──────────────────────────────────────────────────────────────────────────────────────────────


def content(credit: Credit) -> dict[str, Any]:
    """The content of the event `credit`: plain JSON, complete, so that nothing has to be worked out again."""
    return {
        "document": credit.document,
        "team": credit.team,
        "line_id": credit.line_id,
        "line_month": str(credit.line_month),
        "reason": credit.reason,
        "by": credit.by,
        "on": credit.on,
        "dispute": credit.dispute_id,
        "rebilled": credit.rebilled,
        "share": str(credit.share),
        "rounding": credit.rounding,
        "lines": [_line_json(each) for each in credit.lines],
    }


def credits_of(events: Iterable[Event]) -> tuple[Credit, ...]:
    """Every credit, in the order in which they were given."""
    return tuple(
        Credit(
            credit_id=event.subject,
            posting_month=Month.parse(event.period),
            document=said["document"],
            team=said["team"],
            line_id=said["line_id"],
            line_month=Month.parse(said["line_month"]),
            reason=said["reason"],
            by=said["by"],
            on=said["on"],
            dispute_id=said["dispute"],
            rebilled=said["rebilled"],
            share=Fraction(said["share"]),
            rounding=said["rounding"],
            lines=tuple(_line_back(each) for each in said["lines"]),
        )
        for event in events
        if event.kind == CREDITED
        for said in (event.content,)
    )


def lines_of(events: Iterable[Event], month: Month) -> tuple[ChargeLine, ...]:
    """The lines of all credits that the month posts, debits of rebills among them, sorted by key."""
    found = (each.line for credit in credits_of(events) if credit.posting_month == month for each in credit.lines)
    return tuple(sorted(found, key=lambda line: line.key))


def _line_json(each: Credited) -> dict[str, Any]:
    line, key = each.line, each.line.key
    months = {"service_month": str(key.service_month), "posting_month": str(key.posting_month)}
    return {
        "of": each.of,
        "key": {**key._asdict(), **months},
        "stage": line.stage,
        "funding": line.funding,
        "quantity": format(line.quantity, "f"),
        "unit": line.unit,
        "unit_price": format(line.unit_price, "f"),
        "amount_minor": line.amount.minor,
        "currency": line.amount.currency,
        "components": {name: part.minor for name, part in line.components},
        "operators": [[part.team, part.cost_center, part.amount.minor] for part in line.operators],
        "left": {
            "quantity": format(each.left.quantity, "f"),
            "components": {name: part.minor for name, part in sorted(each.left.components.items())},
        },
    }


def _line_back(said: Mapping[str, Any]) -> Credited:
    currency = said["currency"]
    months = {name: Month.parse(said["key"][name]) for name in ("service_month", "posting_month")}
    line = ChargeLine(
        key=LineKey(**{**said["key"], **months}),
        stage=said["stage"],
        quantity=Decimal(said["quantity"]),
        unit=said["unit"],
        unit_price=Decimal(said["unit_price"]),
        amount=Money(said["amount_minor"], currency),
        components=tuple((name, Money(minor, currency)) for name, minor in sorted(said["components"].items())),
        funding=said["funding"],
        operators=tuple(Operated(team, center, Money(minor, currency)) for team, center, minor in said["operators"]),
    )
    components = {name: Money(minor, currency) for name, minor in sorted(said["left"]["components"].items())}
    left = Left(Decimal(said["left"]["quantity"]), total(components.values(), currency), components)
    return Credited(said["of"], line, left)
