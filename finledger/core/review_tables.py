"""The review as tables: quality beside the bill, budgets, open reviews, and what is to be done by whom (rules U2, U3, Q4, Q5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from shlex import quote

from finledger.core.gates import percent
from finledger.core.measures import NO_BUDGET, NOT_MEASURABLE, NOT_TRACKED, Sums, budgets, over
from finledger.core.model import UNALLOCATED, MonthCharges, Organisation, QualityTerms
from finledger.core.money import Money, minor_digits, rounded_places, total, zero
from finledger.core.period import Month
from finledger.core.pricebook import book_at
from finledger.core.projection import NO_FORECAST, Projection, owner_of
from finledger.core.report import Cell, Field, Missing, Table
from finledger.core.review import FeaturePeriod, Review, features_over
from finledger.core.review_terms import alert_limit, is_alert

Charges = Mapping[Month, MonthCharges]
_QUALITY = (
    Field("bill", "money"),
    Field("coverage", "share"),
    Field("freshness", "share"),
    Field("cost_per_correct_task", "rate"),
)
_QUALITY_NOTE = (
    "Bill: what the team is charged for the feature; the other three are the feature's, of all its teams. Coverage and freshness "
    "are those of the last month with a bill (Q4)."
)


@dataclass(frozen=True, slots=True)
class Bills:
    """What each team is charged for each feature in a period; a feature that a team declares and is not charged for is 0."""

    by_feature: Mapping[str, Mapping[str, Money]]

    def teams_of(self, feature: str) -> tuple[str, ...]:
        return tuple(sorted(self.by_feature.get(feature, {})))

    def payer(self, feature: str) -> str:
        """The team that is charged most for a feature, "" where nobody is."""
        found = self.by_feature.get(feature, {})
        return max(sorted(found), key=lambda team: found[team].minor, default="")


def bills_of(months: Sequence[Month], charges: Charges, organisation: Organisation) -> Bills:
    none = zero(organisation.currency)
    found: dict[str, dict[str, Money]] = {}
    for name, team in organisation.teams.items():
        for feature in team.features:
            found.setdefault(feature, {})[name] = none
    for month in months:
        for line in charges[month].lines if month in charges else ():
            if line.key.feature and line.key.team != UNALLOCATED:
                teams = found.setdefault(line.key.feature, {})
                teams[line.key.team] = teams.get(line.key.team, none) + line.amount
    return Bills(found)


# ── quality beside the bill ─────────────────────────────────────────────────────────────────────────────────────────────


def quality_table(months: Sequence[Month], charges: Charges, organisation: Organisation, period: str) -> Table:
    """`quality`: each team's features with bill, coverage, freshness and cost per correct task, at equal prominence."""
    fields = (
        Field("team", "text"),
        Field("feature", "text"),
        *_QUALITY,
        Field("tasks", "count"),
        Field("months_measured", "text"),
    )
    bills = bills_of(months, charges, organisation)
    found = features_over(months, charges)
    rows = tuple(row for each in found.values() for row in _quality_rows(each, bills, organisation.currency))
    return Table(
        "quality", f"What the bill bought, {period}", fields, tuple(sorted(rows, key=_by_names)), _QUALITY_NOTE, team="team"
    )


def _quality_rows(each: FeaturePeriod, bills: Bills, currency: str) -> Iterator[tuple[Cell, ...]]:
    for team in bills.teams_of(each.feature) or ("",):
        bill = bills.by_feature.get(each.feature, {}).get(team, zero(currency))
        measured = f"{each.months_measured} of {each.months}"
        tasks: Cell = NOT_TRACKED if each.tasks is None else each.tasks
        yield (team, each.feature, bill, *_cells(each), tasks, measured)


def _cells(each: FeaturePeriod) -> tuple[Cell, Cell, Cell]:
    cost = each.cost_per_correct_task
    return (
        NOT_TRACKED if each.coverage is None else each.coverage,
        NOT_TRACKED if each.in_distribution is None else each.in_distribution,
        NOT_MEASURABLE if cost is None else cost,
    )


def _by_names(row: tuple[Cell, ...]) -> tuple[str, str]:
    return str(row[0]), str(row[1])


def quality_trend(months: Sequence[Month], charges: Charges, organisation: Organisation) -> Table:
    """`quality-trend`: the same by month, for cost per correct task over time with coverage on the same chart."""
    rows: list[tuple[Cell, ...]] = []
    for month in months:
        bills = bills_of((month,), charges, organisation)
        for each in features_over((month,), charges).values():
            rows += [(month, *row[:6]) for row in _quality_rows(each, bills, organisation.currency)]
    fields = (Field("month", "month"), Field("team", "text"), Field("feature", "text"), *_QUALITY)
    ordered = sorted(rows, key=lambda row: (str(row[0]), str(row[1]), str(row[2])))
    title = "Cost per correct task and coverage, by month"
    return Table("quality-trend", title, fields, tuple(ordered), _QUALITY_NOTE, team="team")


# ── budgets ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def budget_table(months: Sequence[Month], charges: Charges, organisation: Organisation, period: str) -> Table:
    """`budget`: every team's total beside its budget and forecast; variance = total - budget, positive is over (U2, U3)."""
    fields = (
        Field("team", "text"),
        Field("total", "money"),
        Field("budget", "money"),
        Field("forecast", "money"),
        Field("variance", "money"),
        Field("variance_share", "share"),
        Field("limit", "money"),
        Field("alert", "text"),
        Field("owner", "text"),
    )
    currency, terms = organisation.currency, organisation.review
    last = months[-1].last_day
    rows: list[tuple[Cell, ...]] = []
    for each in budgets(months, charges):
        spent = Money(each.total, currency)
        forecast: Cell = NO_FORECAST if each.forecast is None else Money(each.forecast, currency)
        owner = owner_of(each.team, organisation, last)
        if each.budget is None or each.variance is None:
            rows.append((each.team, spent, NO_BUDGET, forecast, None, None, None, "no", owner))
            continue
        budget = Money(each.budget, currency)
        share = Fraction(each.variance, each.budget) if each.budget else None
        limit = rounded_places(alert_limit(budget, terms), minor_digits(currency))
        alert = "yes" if is_alert(spent, budget, terms) else "no"
        rows.append((each.team, spent, budget, forecast, Money(each.variance, currency), share, limit, alert, owner))
    note = (
        f"Alert: over the budget by more than {terms.variance_share * 100:f} % of it and more than {terms.variance_amount:f} "
        f"{currency}."
    )
    return Table("budget", f"Budgets, {period}", fields, tuple(rows), note, team="team")


# ── reviews ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def reviews_table(found: Iterable[Review], bills: Bills) -> Table:
    """`reviews`: the features whose review is open or decided, with what opened it and what was decided (Q5)."""
    fields = (
        Field("quarter", "text"),
        Field("team", "text"),
        Field("feature", "text"),
        Field("cost_per_correct_task", "rate"),
        Field("last_quarter", "rate"),
        Field("rise", "share"),
        Field("coverage", "share"),
        Field("freshness", "share"),
        Field("state", "text"),
        Field("opened_by", "text"),
        Field("decision", "text"),
        Field("candidate", "text"),
        Field("decided_by", "text"),
        Field("decided_on", "text"),
        Field("reason", "text"),
        Field("event", "count"),
    )
    rows = tuple(_review_row(each, team) for each in found if each.state for team in bills.teams_of(each.feature) or ("",))
    note = "A review opens by itself when a correct task costs so much more than in the last quarter, or when somebody opens it."
    return Table("reviews", "Reviews of cost per correct task", fields, rows, note, team="team")


def _review_row(each: Review, team: str) -> tuple[Cell, ...]:
    decided = each.decided if each.state == "decided" else None
    now = each.now
    return (
        str(each.quarter),
        team,
        each.feature,
        NOT_MEASURABLE if each.cost is None else each.cost,
        NOT_MEASURABLE if each.cost_last is None else each.cost_last,
        each.rise,
        NOT_TRACKED if now is None or now.coverage is None else now.coverage,
        NOT_TRACKED if now is None or now.in_distribution is None else now.in_distribution,
        each.state,
        each.opened.by if each.opened is not None else "the rise",
        "" if decided is None else decided.decision,
        "" if decided is None else decided.candidate,
        "" if decided is None else decided.by,
        "" if decided is None else decided.on,
        decided.reason if decided is not None else each.opened.reason if each.opened is not None else "",
        None if decided is None else decided.number,
    )


# ── what is to be done ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Situation:
    """All that actions are found in: a period's charges and sums, its reviews, and the projection of an open month."""

    months: tuple[Month, ...]
    charges: Charges
    organisation: Organisation
    sums: Sums
    reviews: tuple[Review, ...] = ()
    projection: Projection | None = None
    quarter: str = ""


_ACTION_FIELDS = (
    Field("what", "text"),
    Field("team", "text"),
    Field("feature", "text"),
    Field("figure", "quantity"),
    Field("unit", "text"),
    Field("owner", "text"),
    Field("action", "text"),
)
Row = tuple[Cell, ...]


def actions_table(situation: Situation) -> Table:
    """`actions`: what the period asks somebody to do, each with its figure, its owner and the action (U3)."""
    rows = (*_over_budget(situation), *_going_over(situation), *_to_decide(situation), *_ill_measured(situation),
            *_idle(situation), *_unallocated(situation))  # fmt: skip
    return Table("actions", "What is to be done, and by whom", _ACTION_FIELDS, rows, "", team="team")


def _row(
    it: Situation,
    what: str,
    team: str,
    feature: str,
    figure: Decimal | Money | None,
    unit: str,
    action: str,
    why: Missing | None = None,
) -> Row:
    owner = owner_of(team, it.organisation, it.months[-1].last_day)
    return (what, team, feature, figure if why is None else why, unit, owner, action)


def _over_budget(it: Situation) -> Iterator[Row]:
    currency = it.organisation.currency
    found = [each for each in budgets(it.months, it.charges) if each.budget is not None and each.variance is not None]
    terms = it.organisation.review
    over = [each for each in found if is_alert(Money(each.total, currency), Money(each.budget or 0, currency), terms)]
    largest = _largest(it) if over else {}
    for each in over:
        most = f": most is {largest[each.team]}" if each.team in largest else ""
        action = f"explain the variance{most}; cut it, or plan it anew"
        yield _row(it, "over budget", each.team, "", Money(each.variance or 0, currency), currency, action)


def _largest(it: Situation) -> dict[str, str]:
    """What of each team's charges is most, by feature and item: where to look first."""
    sums: dict[tuple[str, str, str], int] = {}
    for month in it.months:
        for line in it.charges[month].lines if month in it.charges else ():
            key = (line.key.team, line.key.feature, line.key.item)
            sums[key] = sums.get(key, 0) + line.amount.minor
    found: dict[str, tuple[int, str]] = {}
    currency = it.organisation.currency
    for (team, feature, item), minor in sorted(sums.items()):
        if minor > found.get(team, (0, ""))[0] and (feature or item):
            words = " · ".join(filter(None, (feature, item)))
            found[team] = (minor, f"{words}, {Money(minor, currency):,} {currency}")
    return {team: words for team, (_, words) in found.items()}


def _going_over(it: Situation) -> Iterator[Row]:
    """Teams that are within their limit so far, and will not be at the month's end."""
    if it.projection is None or it.projection.days.is_whole:
        return
    currency, terms = it.organisation.currency, it.organisation.review
    for each in it.projection.teams:
        so_far = each.budget is not None and is_alert(each.to_date, each.budget, terms)
        if each.over_budget is not None and each.alerts(terms) and not so_far:
            action = (
                f"projected to be over budget by this at the end of {it.projection.days.month}: slow down, or plan it anew"
            )
            yield _row(it, "going over budget", each.team, "", each.over_budget, currency, action)


def _to_decide(it: Situation) -> Iterator[Row]:
    bills = bills_of(it.months, it.charges, it.organisation)
    for each in it.reviews:
        if each.state != "open":
            continue
        figure = None if each.rise is None else rounded_places(each.rise * 100, 2)
        why = NOT_MEASURABLE if figure is None else None
        action = f"decide its review: finledger review decide {quote(each.feature)} --quarter {each.quarter}"
        team = bills.payer(each.feature)
        unit = "% more for a correct task than last quarter"
        yield _row(it, "review to decide", team, each.feature, figure, unit, action, why)


def _terms(it: Situation, month: Month | None) -> QualityTerms | None:
    book = None if month is None else book_at(it.charges[month].books, month.first_day)
    return None if book is None else book.quality


def _ill_measured(it: Situation) -> Iterator[Row]:
    """Features in production whose coverage nobody tracks, is short, or whose eval sets fell behind."""
    bills = bills_of(it.months, it.charges, it.organisation)
    for each in features_over(it.months, it.charges).values():
        terms = _terms(it, each.month)
        if not each.production or terms is None:
            continue
        team, name = bills.payer(each.feature), each.feature
        if each.coverage is None:
            yield _row(it, "coverage not tracked", team, name, None, "", "record its coverage in evals/", NOT_TRACKED)
        elif each.coverage < terms.target:
            action = f"grade more of its traffic: {percent(Fraction(terms.target))} is the target, from which on premiums come back"
            yield _row(it, "coverage short", team, name, each.coverage, "of production", action)
        if each.in_distribution is not None and each.in_distribution < terms.slo:
            action = f"refresh its eval set: {percent(Fraction(terms.slo))} of recent traffic is the least"
            yield _row(it, "eval set out of date", team, name, each.in_distribution, "of recent traffic", action)


def _idle(it: Situation) -> Iterator[Row]:
    """Reserved hours that nobody used, where they cost more than the amount that is an alert."""
    sums: dict[str, list[Money]] = {}
    for month in it.months:
        for each in it.charges[month].idle if month in it.charges else ():
            for team, part in each.parts.items():
                sums.setdefault(team, []).append(part)
    currency = it.organisation.currency
    for team in sorted(sums):
        amount = total(sums[team], currency)
        if Fraction(amount.amount) > Fraction(it.organisation.review.variance_amount):
            yield _row(it, "idle GPUs", team, "", amount, currency, "give reserved hours back, or share them")


def _unallocated(it: Situation) -> Iterator[Row]:
    share = over(it.sums.loose, it.sums.whole, NOT_TRACKED)
    if not isinstance(share, Missing) and share >= Fraction(it.organisation.ladder.unallocated):
        action = "find its owners: finledger label coverage lists it, the costliest first"
        yield _row(it, "unallocated spend", UNALLOCATED, "", rounded_places(share * 100, 4), "% of spend", action)
