"""Features, their segments, their months, and what carries no feature, as tables (rule A6)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from fractions import Fraction

from finledger.core.features import FeatureMargin, FeatureMonth, margins, segment_margins
from finledger.core.invoice import is_own
from finledger.core.model import UNALLOCATED
from finledger.core.money import Money, significant, zero
from finledger.core.report import Cell, Field, Missing, Table

NO_REVENUE = Missing("no revenue recorded")
NOT_COUNTED = Missing("not counted")
NO_USERS = Missing("no users named")
HEAVY = "half of the feature's cost or more, at a negative margin"
HEAVY_UNEARNED = "half of the feature's cost or more, and no revenue recorded"
MONEY = (
    Field("cost", "money"),
    Field("revenue", "money"),
    Field("margin", "money"),
    Field("margin_share", "share"),
)
PER_USER = (
    Field("users", "count"),
    Field("cost_per_user", "rate"),
    Field("revenue_per_user", "rate"),
    Field("margin_per_user", "rate"),
)
OF_TEAM = (Field("team", "text"), Field("feature", "text"))


def feature_tables(months: Sequence[FeatureMonth]) -> tuple[Table, ...]:
    """`features` and `segments` over all the months together; `feature-trend` and `without-feature` month by month."""
    ordered = sorted(months, key=lambda each: each.charges.month)
    if not ordered:
        return ()
    owners = {feature: team for month in ordered for feature, team in month.owners.items()}
    loose = _loose(ordered)
    features = margins(ordered)
    segments = segment_margins(ordered)
    heavy: dict[str, list[str]] = {}
    for segment in segments:
        if segment.flagged:
            heavy.setdefault(segment.feature, []).append(segment.cohort)
    earning = {each.feature for each in features if each.revenue is not None}
    none = zero(ordered[0].charges.currency)
    return (
        Table(
            "features",
            "Features: cost, revenue, margin",
            (*OF_TEAM, *MONEY, *PER_USER, Field("heavy_segment", "text"), Field("unallocated", "money")),
            tuple(
                (
                    owners.get(each.feature, ""),
                    each.feature,
                    *_money(each),
                    *_per_user(each),
                    ", ".join(heavy.get(each.feature, ())),
                    loose.get(each.feature, none),
                )
                for each in _with(features, loose, none)
            ),
            "Cost is the feature's bill, of all teams, credits included. Unallocated: usage with its label that nobody owns, which "
            "is not in its cost. A heavy segment takes half of the cost or more at a negative margin (A6).",
            team="team",
        ),
        Table(
            "segments",
            "Segments of features, by cohort",
            (*OF_TEAM, Field("cohort", "text"), Field("cost_share", "share"), *MONEY, *PER_USER, Field("flag", "text")),
            tuple(_segment_row(each, owners.get(each.feature, ""), earning) for each in segments),
            "A line's cost is its cohorts' in proportion to what it is priced by: calls, tokens, GPU-hours. Without a cohort stand "
            "usage that names none, and credits (A6).",
            team="team",
        ),
        Table(
            "feature-trend",
            "Features by month",
            (Field("month", "month"), *OF_TEAM, *MONEY),
            tuple(
                (month.charges.month, owners.get(each.feature, ""), each.feature, *_money(each))
                for month in ordered
                for each in margins([month])
            ),
            team="team",
        ),
        _without_feature(ordered),
    )


def _with(features: Sequence[FeatureMargin], loose: dict[str, Money], none: Money) -> Iterable[FeatureMargin]:
    """The features, and those that only unallocated usage carries."""
    known = {each.feature for each in features}
    others = (FeatureMargin(name, "", none, None, None, None) for name in loose if name not in known)
    return sorted((*features, *others), key=lambda each: each.feature)


def _money(each: FeatureMargin) -> tuple[Cell, ...]:
    if each.revenue is None or each.margin is None:
        return each.cost, NO_REVENUE, NO_REVENUE, NO_REVENUE
    share = Fraction(each.margin.minor, each.revenue.minor) if each.revenue.minor > 0 else Missing("no revenue")
    return each.cost, each.revenue, each.margin, share


def _per_user(each: FeatureMargin) -> tuple[Cell, ...]:
    if not each.users:
        why = NOT_COUNTED if each.users is None else NO_USERS
        return why, why, why, why
    amounts = (each.cost, each.revenue, each.margin)
    return (
        each.users,
        *(NO_REVENUE if amount is None else significant(Fraction(amount.amount) / each.users) for amount in amounts),
    )


def _segment_row(each: FeatureMargin, owner: str, earning: Container[str]) -> tuple[Cell, ...]:
    share: Cell = Missing("the feature cost nothing") if each.cost_share is None else each.cost_share
    unearned = each.is_heavy and each.revenue is None and each.feature in earning
    flag = HEAVY if each.flagged else HEAVY_UNEARNED if unearned else ""
    return (owner, each.feature, each.cohort, share, *_money(each), *_per_user(each), flag)


def _loose(months: Sequence[FeatureMonth]) -> dict[str, Money]:
    """What nobody owns of each feature."""
    found: dict[str, Money] = {}
    for month in months:
        for line in month.charges.lines:
            if line.key.team == UNALLOCATED and line.key.feature and is_own(line):
                feature = line.key.feature
                found[feature] = found[feature] + line.amount if feature in found else line.amount
    return found


def _without_feature(months: Sequence[FeatureMonth]) -> Table:
    """Lines without a feature: usage that lacks the label, and what never has one (seats, pools, idle capacity)."""
    fields = (
        Field("month", "month"), Field("team", "text"), Field("kind", "text"), Field("item", "text"), Field("model", "text"),
        Field("quantity", "quantity"), Field("cost", "money"),
    )  # fmt: skip
    rows: dict[tuple[Cell, ...], list[Cell]] = {}
    for month in months:
        for line in month.charges.lines:
            if line.key.feature or not is_own(line):
                continue
            key = (month.charges.month, line.key.team, line.key.kind, line.key.item, line.key.model)
            known = rows.setdefault(key, [line.quantity * 0, zero(month.charges.currency)])
            known[0] += line.quantity  # type: ignore[operator]
            known[1] += line.amount  # type: ignore[operator]
    note = "Usage without a feature label, and what never has one: seats, pools, idle capacity, draws (A6)."
    ordered = sorted(rows.items(), key=lambda each: [str(cell) for cell in each[0]])
    found = tuple((*key, *values) for key, values in ordered)
    return Table("without-feature", "Charged without a feature", fields, found, note, team="team")
