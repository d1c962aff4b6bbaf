"""Facts of lines that follow from other lines or from people's decisions: premiums and credits, pools, idle hours, the fund."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from finledger.core.buffer import lent_in, terms_in
from finledger.core.capacity import IdleHours
from finledger.core.compound import Shared
from finledger.core.explain import Fact, book_fact, sku_facts, terminating
from finledger.core.history import History
from finledger.core.model import (
    MONEY_MOVES,
    ChargeLine,
    DrawDecision,
    EvalRecord,
    IdleCost,
    LineKey,
    Organisation,
    Pool,
    PoolSplit,
    PriceBook,
    QualityTerms,
    Reservation,
)
from finledger.core.money import Money, Rounding, total, zero
from finledger.core.period import Month
from finledger.core.quality import Evals, coverage_multiplier, freshness_multiplier, stale_months

RECOVERED = ("coverage_premium", "coverage_credit")
NOT_TRACKED = "not tracked"


# ── quality ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def base_key(key: LineKey) -> LineKey:
    """The line that a premium stands on."""
    return key._replace(kind="action")


def base_component(line: ChargeLine) -> Money:
    """What a premium is a part of: the base as it was rounded."""
    return next((part for name, part in line.components if name == "base"), zero(line.amount.currency))


def premium_facts(
    key: LineKey, stands_on: ChargeLine, below: Sequence[Fact], evals: Evals, book: PriceBook
) -> Iterator[Fact]:
    """Base x factor, and the factor from the feature's record and the book's terms (Q1, Q3). `below`: the facts of the line
    that the premium stands on.
    """
    yield Fact("stands_on", stands_on.line_id, None, (Fact("amount", stands_on.amount), *below))
    base = base_component(stands_on)
    yield Fact("base", base)
    terms = book.quality
    if terms is None:
        return
    month, feature = key.service_month, key.feature
    coverage = coverage_multiplier(evals.coverage(feature, month), terms)
    freshness = freshness_multiplier(feature, month, evals, terms)
    factor = coverage - 1 if key.kind == "coverage_premium" else freshness - coverage
    yield Fact("factor", factor)
    yield Fact("exact", terminating(Fraction(base.amount) * factor))
    yield Fact("rounding", book.rounding, book.where("rounding"))
    yield _coverage_fact(evals.record(feature, month), coverage, terms, book)
    if key.kind == "freshness_premium":
        yield _freshness_fact(key, evals, freshness, terms, book)


def _coverage_fact(record: EvalRecord | None, multiplier: Fraction, terms: QualityTerms, book: PriceBook) -> Fact:
    coverage = None if record is None else record.coverage
    limits = (("target", terms.target), ("floor", terms.floor), ("max_multiplier", terms.max_multiplier))
    parts = [Fact(name, limit, book.where("quality", "coverage", name)) for name, limit in limits]
    where = None if record is None else record.source
    return Fact("coverage", NOT_TRACKED if coverage is None else coverage, where, (Fact("multiplier", multiplier), *parts))


def _freshness_fact(key: LineKey, evals: Evals, multiplier: Fraction, terms: QualityTerms, book: PriceBook) -> Fact:
    limits = (("slo", terms.slo), ("step", terms.step), ("cap", terms.cap))
    parts = [Fact(name, limit, book.where("quality", "freshness", name)) for name, limit in limits]
    stale = []
    for month in stale_months(key.feature, key.service_month, evals, terms):
        record = evals.record(key.feature, month)
        stale.append(Fact(str(month), evals.in_distribution(key.feature, month), None if record is None else record.source))
    breaches = Fact("stale_months", len(stale), None, tuple(stale), alike=True)
    return Fact("freshness", parts=(Fact("multiplier", multiplier), *parts, breaches))


def credit_facts(
    line: ChargeLine,
    earlier: Sequence[Month],
    history: History,
    recorded: Mapping[Month, Sequence[ChargeLine]],
    evals: Evals,
    book: PriceBook,
) -> Iterator[Fact]:
    """The premiums of the quarter's earlier months that are given back, less what was given back before (Q2).

    `recorded`: the lines of the earlier months that were recorded; of one that was not, only the sum is known.
    """
    key, posted = line.key, line.stage in MONEY_MOVES
    months = []
    for month in earlier:
        left = history.premium_left((month,), posted).get((key.team, key.feature))
        if left:
            of_month = [
                Fact(each.line_id, each.amount, None, (Fact("kind", each.key.kind), Fact("item", each.key.item)))
                for each in recorded.get(month, ())
                if each.key.kind in RECOVERED and (each.key.team, each.key.feature) == (key.team, key.feature)
            ]
            lines = (Fact("lines", parts=tuple(of_month), alike=True),) if of_month else ()
            months.append(Fact(str(month), left, None, lines))
    yield Fact("gives_back", -line.amount, None, tuple(months), alike=True)
    record = evals.record(key.feature, key.service_month)
    if record is not None and book.quality is not None:
        target = Fact("target", book.quality.target, book.where("quality", "coverage", "target"))
        yield Fact("coverage", record.coverage, record.source, (target,))


# ── compound calls ──────────────────────────────────────────────────────────────────────────────────────────────────────


def compound_facts(sources: Iterable[tuple[ChargeLine, Shared]], organisation: Organisation) -> Iterator[Fact]:
    """What an operator bears of which lines: of each what it operated, its share of that, and of which components (A5)."""
    yield Fact("operator_share", organisation.operator_share, organisation.source)
    parts = []
    for line, each in sources:
        components = tuple(Fact(name, amount) for name, amount in sorted(each.components.items()))
        of_line = (
            Fact("team", line.key.team),
            Fact("line_amount", line.amount),
            Fact("operator", each.part.team),
            Fact("cost_center", each.part.cost_center),
            Fact("share", each.amount),
            Fact("components", parts=components, alike=True),
        )
        parts.append(Fact(line.line_id, each.part.amount, None, of_line))
    yield Fact("operated", parts=tuple(parts), alike=True)


# ── pools and idle capacity ─────────────────────────────────────────────────────────────────────────────────────────────


def pool_facts(pool: Pool, shared: PoolSplit, month: Month) -> Iterator[Fact]:
    """The pool, its amount, and what each target weighed and bears (A8)."""
    yield Fact("pool", pool.name, pool.source)
    stated = pool.amount is not None and month in pool.amount
    yield Fact("made_of", "a fixed amount" if stated else f"the rows of {pool.rows}" if pool.rows else "other pools")
    yield Fact("pool_amount", shared.amount)
    yield Fact("driver", pool.driver)
    parts = []
    for target, weight in sorted(shared.driver_quantities.items()):
        part = shared.parts.get(target, shared.fed.get(target.removeprefix("pool:")))
        parts.append(Fact(target, parts=(Fact("weight", weight), Fact("part", shared.residual if part is None else part))))
    yield Fact("targets", parts=tuple(parts), alike=True)
    yield Fact("stays_with_the_platform", shared.residual)


def idle_facts(idle: IdleHours, cost: IdleCost, reservation: Reservation | None, rounding: Rounding) -> Iterator[Fact]:
    """Reserved hours that nobody used, at the rate of the book, and who bears them (C6)."""
    yield Fact(
        "reserved", idle.reserved, None if reservation is None else reservation.source, (Fact("holder", idle.holder),)
    )
    yield Fact("used", idle.used)
    yield Fact("idle", idle.hours)
    where = idle.book.where("gpu", idle.gpu_sku)
    yield Fact("price", idle.sku.rate, where, (book_fact(idle.book), *sku_facts(idle.sku)))
    yield Fact("rounding", rounding)
    yield Fact("cost", cost.amount)
    none = zero(cost.amount.currency)
    parts = [
        Fact(team, parts=(Fact("hours", hours), Fact("part", cost.parts.get(team, none))))
        for team, hours in sorted(idle.weights.items())
    ]
    yield Fact("borne_by", parts=tuple(parts), alike=True)
    yield Fact("stays_with_the_platform", cost.residual)


# ── the buffer ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def draw_facts(
    decision: DrawDecision, drawn: Money, held: Money, book: PriceBook, organisation: Organisation
) -> Iterator[Fact]:
    """The request, what it is measured by, and which limit decided (B2, B3). `drawn`: earlier in the quarter; `held`: by
    the fund, with the month's surcharges.
    """
    request, terms = decision.request, book.buffer
    wanted = () if request.requested is None else (Fact("requested", request.requested),)
    said = (Fact("cause", request.cause), Fact("disclosure", request.disclosure), *wanted)
    yield Fact("request", request.team, request.source, said)
    yield Fact("charges_before_draws", decision.charges)
    team = organisation.teams[request.team]
    by_history = (Fact("lifted", "0.8 x the mean of the three months before"),) if decision.low_balled else ()
    yield Fact("forecast", None if decision.forecast is None else terminating(decision.forecast), team.source, by_history)
    if terms is None or decision.forecast is None:
        return
    threshold = Fraction(terms.trigger) * decision.forecast
    yield Fact("trigger", terms.trigger, book.where("buffer", "trigger"), (Fact("from", terminating(threshold)),))
    limits = draw_limits(decision, drawn, held, book)
    yield Fact("excess", terminating(limits[burst_over(book)]), None, (Fact("over", burst_over(book)),))
    cap = terms.cap_per_team_per_quarter
    where = book.where("buffer", "cap_per_team_per_quarter")
    yield Fact("cap", cap, where, (Fact("drawn_before", drawn), Fact("left", terminating(limits["cap"]))))
    yield Fact("fund", held)
    yield Fact("allowed", decision.allowed)
    yield Fact("granted", decision.granted)
    yield Fact("limited_by", limited_by(decision, limits))


def burst_over(book: PriceBook) -> str:
    """What a draw brings charges back to (B2)."""
    return "trigger" if book.buffer is not None and book.buffer.above_threshold else "forecast"


def draw_limits(decision: DrawDecision, drawn: Money, held: Money, book: PriceBook) -> dict[str, Fraction]:
    """What a draw cannot exceed: the excess over forecast or trigger, the request, what the cap has left, the fund."""
    terms = book.buffer
    assert terms is not None and decision.forecast is not None, "a draw that was granted has terms and a forecast"
    free = Fraction(terms.trigger) * decision.forecast if terms.above_threshold else decision.forecast
    limits = {
        burst_over(book): Fraction(decision.charges.amount) - free,
        "cap": Fraction(terms.cap_per_team_per_quarter) - Fraction(drawn.amount),
    }
    if decision.request.requested is not None:
        limits["requested"] = Fraction(decision.request.requested)
    return limits | {"fund": Fraction(held.amount)}


def limited_by(decision: DrawDecision, limits: Mapping[str, Fraction]) -> str:
    """Which limit the draw met: the fund where it got less than it was allowed, else the smallest of the others."""
    if decision.granted != decision.allowed:
        return "fund"
    return min((name for name in limits if name != "fund"), key=lambda name: limits[name])


def repayment_facts(
    team: str, history: History, books: Sequence[PriceBook], months: Sequence[Month], draws: Iterable[ChargeLine]
) -> Iterator[Fact]:
    """The draws of the quarter before that were lent, and are paid back in three parts (B4).

    `months`: those of the quarter before; `draws`: the draws of theirs that were recorded.
    """
    found = {each.key.posting_month: each for each in draws if each.key.team == team and each.key.kind == "buffer_draw"}
    lent = []
    for month in months:
        drawn = history.posted("buffer_draw", (month,)).get(team)
        part = lent_in(history, books, (month,), history.currency).get(team)
        terms = terms_in(books, month)
        if drawn and part and terms is not None:
            book = next(book for book in books if book.buffer is terms)
            line = (Fact("line", found[month].line_id),) if month in found else ()
            share = Fact("loan_share", terms.loan_share, book.where("buffer", "settlement"))
            lent.append(Fact(str(month), part, None, (*line, Fact("drawn", -drawn), share)))
    yield Fact(
        "repays",
        total((part.value for part in lent if isinstance(part.value, Money)), history.currency),
        None,
        tuple(lent),
        alike=True,
    )
    yield Fact("instalments", len(months))


def found_reservation(reservations: Iterable[Reservation], month: Month, idle: IdleHours) -> Reservation | None:
    """The line of capacity.csv that idle hours are of."""
    at = (month, idle.gpu_sku, idle.holder)
    return next((each for each in reservations if (each.month, each.gpu_sku, each.holder) == at), None)
