"""The labels of a report as tables (rules A1, A2, A9): how much was labelled month by month, and what is not, by likely owner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from finledger.core.label_coverage import ASPECTS, Measured, summed
from finledger.core.label_suggest import Advice
from finledger.core.money import Money, minor_digits, rounded_places
from finledger.core.period import Month
from finledger.core.report import Cell, Field, Missing, Table

ALL = "all sources"
_NOBODY = "nobody can tell"


def label_tables(
    measured: Iterable[tuple[Mapping[str, str], Measured]], unlabelled: Mapping[Advice, Measured], currency: str
) -> tuple[Table, ...]:
    """`label-coverage`: for every month, and month and source, the shares of the cost that are labelled (of the rows where there
    is no cost), and how far the share with a team moved since the month before. `unlabelled`: what lacks a team or a feature,
    the costliest first, with its likely owner and the line to add to finledger.yaml; `unlabelled-owners`: the same by owner.
    """
    found = list(measured)
    return _coverage(found, currency), _unlabelled(unlabelled, currency), _owners(unlabelled, currency)


def _coverage(measured: list[tuple[Mapping[str, str], Measured]], currency: str) -> Table:
    fields = (
        Field("month", "month"), Field("source", "text"), Field("rows", "count"), Field("cost", "money"),
        *(Field(aspect, "share") for aspect in ASPECTS), Field("change", "share"),
    )  # fmt: skip
    every = {(month, ALL): each for (month,), each in summed(measured, ("month",)).items()}
    if len({names["source"] for names, _ in measured}) > 1:
        every |= {(month, source): each for (month, source), each in summed(measured, ("month", "source")).items()}
    rows: list[tuple[Cell, ...]] = []
    before: dict[str, Fraction | None] = {}
    for (month, source), each in sorted(every.items(), key=lambda item: (item[0][0], item[0][1] != ALL, item[0][1])):
        shares = [_share(each, aspect) for aspect in ASPECTS]
        last = before.get(source)
        before[source] = shares[0]
        change = None if shares[0] is None or last is None else shares[0] - last
        cells = (share if share is not None else Missing("nothing to share") for share in shares)
        rows.append((Month.parse(month), source, each.rows, _money(each.cost, currency), *cells, change))
    note = (
        "Share of what the usage costs that has a team, a cost centre known on the day, and so on; of the rows where no cost is "
        "known (A1, A2). By the rules as they are now."
    )
    return Table("label-coverage", "How much of the usage is labelled", fields, tuple(rows), note)


def _unlabelled(unlabelled: Mapping[Advice, Measured], currency: str) -> Table:
    fields = (
        Field("guess", "text"), Field("missing", "text"), Field("usage", "text"), Field("rows", "count"),
        Field("tokens", "count"), Field("cost", "money"), Field("under", "text"), Field("rule", "text"),
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            advice.guess or Missing(_NOBODY),
            " and ".join(advice.missing),
            ", ".join(f"{name} {text}" for name, text in advice.when),
            each.rows,
            each.tokens,
            _money(each.cost, currency),
            advice.under,
            advice.text,
        )
        for advice, each in sorted(unlabelled.items(), key=costliest)
    )
    note = (
        "What to write into finledger.yaml, under the list that is named; TEAM and FEATURE stand where nobody can tell (A9)."
    )
    return Table("unlabelled", "Usage without a team or a feature", fields, rows, note)


def _owners(unlabelled: Mapping[Advice, Measured], currency: str) -> Table:
    fields = (Field("guess", "text"), Field("rows", "count"), Field("cost", "money"), Field("rules", "count"))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (guess or Missing(_NOBODY), each.rows, _money(each.cost, currency), count)
        for guess, each, count in by_guess(unlabelled)
    )
    return Table(
        "unlabelled-owners",
        "Usage without an owner, by who likely owns it",
        fields,
        rows,
        "Ranked by cost; usage without a team.",
    )


def by_guess(unlabelled: Mapping[Advice, Measured]) -> list[tuple[str, Measured, int]]:
    """Usage that lacks a team by its likely owner ("" where nobody can tell), the costliest first, and how many rules it takes."""
    found: dict[str, tuple[Measured, int]] = {}
    for advice, each in unlabelled.items():
        if "team" in advice.missing:
            whole, count = found.get(advice.guess, (Measured(), 0))
            whole.plus(each)
            found[advice.guess] = whole, count + 1
    ranked = sorted(found.items(), key=lambda item: (-(item[1][0].cost or Decimal(0)), -item[1][0].rows, item[0]))
    return [(guess, whole, count) for guess, (whole, count) in ranked]


def costliest(found: tuple[Advice, Measured]) -> tuple[Decimal, int, int, tuple[str, ...], tuple[tuple[str, str], ...]]:
    """A key to sort what is unlabelled by: cost, then tokens, then rows."""
    advice, each = found
    return -(each.cost or Decimal(0)), -each.tokens, -each.rows, advice.missing, advice.when


def _share(each: Measured, aspect: str) -> Fraction | None:
    return each.share_of_rows(aspect) if each.cost is None else each.share_of_cost(aspect)


def _money(cost: Decimal | None, currency: str) -> Cell:
    """Charges are whole cents; a provider's cost, of which there may be eighteen places, is shown in them."""
    if cost is None:
        return Missing("no price")
    digits = minor_digits(currency)
    return Money(int(rounded_places(cost, digits).scaleb(digits)), currency)
