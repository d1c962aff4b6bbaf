"""The tables that explain a bill: the price of quality, the bursting buffer, and what others bore (rules Q1-Q3, B2, C4, C7).

The first two explain lines of the document, and their figures add up to those lines. The memos are of all teams together
and no part of the total.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import DrawDecision, FeatureQuality, Invoice, PlatformCost, QualityTerms
from finledger.core.money import Money, floored, significant, total
from finledger.core.quality import PREMIUMS, is_production
from finledger.write import text
from finledger.write.invoice import _words as words
from finledger.write.invoice._rows import DRAW, charged_by_kind, feature_name, quality_texts

CREDIT = ("coverage_credit",)
INSTALMENT = ("buffer_repayment",)
CREDITED = "To be credited"


@dataclass(frozen=True, slots=True)
class Row:
    cells: tuple[str | Money, ...]
    fine: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A table whose amounts are still `Money`; the first column is text, the others are figures."""

    name: str
    title: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    memo: bool = False


def sections(invoice: Invoice) -> tuple[Section, ...]:
    """In the order in which they are read; what there is nothing to say about is left out: on a note, all of it."""
    if invoice.is_note:
        return ()
    found = (_price_of_quality(invoice), _buffer(invoice), _shared_evals(invoice), _not_priced(invoice))
    return tuple(section for section in found if section is not None)


def bill_parts(invoice: Invoice) -> list[tuple[str, Money]]:
    """What the charge is made of, where it is more than usage: the parts add up to the total."""
    special = (
        ("Price of quality", charged_by_kind(invoice, PREMIUMS)),
        ("Coverage credit", charged_by_kind(invoice, CREDIT)),
        ("Buffer instalment", charged_by_kind(invoice, INSTALMENT)),
        ("Buffer draw", charged_by_kind(invoice, DRAW)),
    )
    parts = [(label, amount) for label, amount in special if amount]
    if not parts:
        return []
    rest = invoice.total - total((amount for _, amount in parts), invoice.currency)
    return [("Usage and services", rest), *parts]


def bill_totals(invoice: Invoice) -> list[tuple[str, Money]]:
    """What the document comes to: the rows that stand out on it."""
    rows = [("Change" if invoice.is_note else "Charged", invoice.total)]
    if invoice.total.minor < 0:
        rows.append((CREDITED, -invoice.total))
    return rows


# ── the price of quality ────────────────────────────────────────────────────────────────────────────────────────────────


def _price_of_quality(invoice: Invoice) -> Section | None:
    terms = invoice.quality_terms
    bases = _bases(invoice)
    charged = {line.key.feature for line in invoice.lines if line.key.kind in (*PREMIUMS, *CREDIT)}
    features = sorted({*bases, *charged})
    if not features or (terms is None and not charged):
        return None
    columns = ["Feature", "Coverage", "Freshness", "Multiplier", "Base"]
    kinds = [kind for kind in (*PREMIUMS, *CREDIT) if charged_by_kind(invoice, (kind,))] or ["coverage_premium"]
    records = {record.feature: record for record in invoice.quality}
    rows = []
    for feature in features:
        record = records.get(feature)
        coverage, freshness, _ = quality_texts(record, invoice.currency)
        base = bases.get(feature, Money(0, invoice.currency))
        amounts = [charged_by_kind(invoice, (kind,), feature) for kind in kinds]
        shown = "–" if record is None or record.multiplier is None else f"× {text.plain(significant(record.multiplier))}"
        fine = " ".join(filter(None, _what_becomes(invoice, terms, feature, record)))
        rows.append(Row((feature_name(feature), coverage, freshness, shown, base, *amounts), fine))
    sums = [charged_by_kind(invoice, (kind,)) for kind in kinds]
    rows.append(Row(("Total", "", "", "", total(bases.values(), invoice.currency), *sums), strong=True))
    names = tuple(words.COMPONENTS[kind][0] for kind in kinds)
    return Section("price-of-quality", "The price of quality", _rule(terms), (*columns, *names), tuple(rows))


def _bases(invoice: Invoice) -> dict[str, Money]:
    """What the premiums stand on: the base components of each feature's production lines, as they were rounded (Q1)."""
    bases: dict[str, Money] = {}
    for line in invoice.lines:
        if is_production(line):
            base = dict(line.components).get("base", Money(0, invoice.currency))
            bases[line.key.feature] = bases.get(line.key.feature, Money(0, invoice.currency)) + base
    return bases


def _rule(terms: QualityTerms | None) -> str:
    if terms is None:
        return "Premiums that earlier months charged, given back."
    return (
        "The base cost of a feature's production inference is multiplied by 1 where its coverage is "
        f"{text.percent(terms.target)} or more, rising to {text.plain(terms.max_multiplier)} at {text.percent(terms.floor)} "
        "or less, and where coverage is not tracked. Where freshness is below "
        f"{text.percent(terms.slo)}, each month since it fell below adds {text.plain(terms.step)}, up to {text.plain(terms.cap)}; the "
        "larger of the two counts. A premium is the base × (multiplier − 1), rounded on every line; the workbook and the JSON "
        "document list each line of it."
    )


def _what_becomes(
    invoice: Invoice, terms: QualityTerms | None, feature: str, record: FeatureQuality | None
) -> Iterable[str]:
    """How a feature's premium can be got back, or how it was."""
    premium, extra, credit = (charged_by_kind(invoice, (kind,), feature) for kind in (*PREMIUMS, *CREDIT))
    posted = invoice.kind == "invoice"
    if credit:
        months = dict(invoice.credited).get(feature, ())
        of = f" of {text.joined([text.month(month) for month in months])}" if months else ""
        yield f"{'Credited' if posted else 'Credited pro forma'}: the coverage premium{of}, as coverage reached its target."
    if premium and terms is not None:
        yield _recovery(invoice, text.percent(terms.target), posted)
    if extra and terms is not None:
        yield f"The freshness premium is not paid back; it ends when freshness is {text.percent(terms.slo)} or more."
    if terms is not None and record is not None and record.coverage is not None and record.coverage >= terms.target:
        yield "" if credit else f"Coverage has reached its target of {text.percent(terms.target)}."


def _recovery(invoice: Invoice, target: str, posted: bool) -> str:
    end = invoice.quarter_end
    if end is None or invoice.month >= end:
        stays = "stays" if posted else "would stay"
        return f"The quarter ends with this month: the coverage premium {stays} in the reserve that pays for evaluation."
    until = text.month(end)
    how = "is" if posted else "would be"
    return f"The coverage premium {how} recoverable in full: credited when coverage reaches {target} by {until}."


# ── the bursting buffer ─────────────────────────────────────────────────────────────────────────────────────────────────


def _buffer(invoice: Invoice) -> Section | None:
    posted, draw = invoice.kind == "invoice", invoice.draw
    surcharge = dict(invoice.components).get("buffer", Money(0, invoice.currency))
    instalment = charged_by_kind(invoice, INSTALMENT)
    if not surcharge and not instalment and draw is None:
        return None
    rows = []
    if surcharge:
        paid = "Surcharge paid into the fund" if posted else "Surcharge, pro forma"
        rows.append(Row((paid, surcharge), "part of the prices of the actions" if posted else "nothing is paid in"))
    if instalment:
        rows.append(Row(("Instalment", instalment), "of last quarter's draw, which was granted as a loan"))
    if draw is not None:
        rows += _draw(invoice, draw)
    says = "The fund bears part of a month in which a team legitimately bursts; every team whose stage moves money pays into it."
    return Section(
        "buffer", "The bursting buffer", says, ("", f"{text.month(invoice.month)}, {invoice.currency}"), tuple(rows)
    )


def _draw(invoice: Invoice, draw: DrawDecision) -> Iterable[Row]:
    request, terms, currency = draw.request, invoice.buffer_terms, invoice.currency
    cause = words.CAUSES.get(request.cause, f"“{text.shown(request.cause)}”")
    said = f"disclosed: “{text.shown(request.disclosure)}”" if request.disclosure.strip() else "nothing was disclosed"
    asked = "as much as allowed" if request.requested is None else text.money(floored(request.requested, currency))
    yield Row((f"Draw requested for {cause}", asked), said)
    yield Row(("Charges before any draw", draw.charges))
    if draw.forecast is not None:
        yield Row(("Forecast they are measured from", _money_or_text(draw.forecast, currency)), _forecast(invoice, draw))
        if terms is not None:
            times = text.plain(significant(Fraction(draw.charges.amount) / draw.forecast, 3))
            needed = f"a draw needs {text.plain(terms.trigger)} times the forecast or more"
            yield Row(("Charges in times of the forecast", f"{times} ×"), needed)
    if draw.reason is not None:
        yield Row(("Draw refused", Money(0, currency)), f"because {refusal(invoice, draw)}", strong=True)
    else:
        yield Row(("Draw granted", -draw.granted), _limit(invoice, draw), strong=True)


def _money_or_text(amount: Fraction, currency: str) -> Money | str:
    """An amount, or its text where it is finer than the currency: 0.8 × a mean may be."""
    whole = floored(amount, currency)
    return whole if Fraction(whole.amount) == amount else text.cost(amount, currency)


def _forecast(invoice: Invoice, draw: DrawDecision) -> str:
    if draw.low_balled:
        stated = "" if invoice.forecast is None else f" of {text.money(invoice.forecast)}"
        return f"0.8 × the mean of the three months before, as the frozen forecast{stated} is below that"
    return "the month's forecast as it was frozen; later changes do not count"


def _limit(invoice: Invoice, draw: DrawDecision) -> str:
    """What held the draw down: the request, the cap or the fund; else it brings the month back to its forecast."""
    if draw.granted != draw.allowed:
        return f"of {text.money(draw.allowed)} that were allowed: the fund held no more for all who drew"
    request, terms = draw.request.requested, invoice.buffer_terms
    if request is not None and draw.granted == floored(request, invoice.currency):
        return "as requested"
    if draw.forecast is not None and draw.granted == floored(
        Fraction(draw.charges.amount) - draw.forecast, invoice.currency
    ):
        return "brings the month back to its forecast"
    if terms is not None and terms.above_threshold:
        return f"what exceeds {text.plain(terms.trigger)} times the forecast, within the cap"
    cap = "" if terms is None else f" of {text.plain(terms.cap_per_team_per_quarter, 2)}"
    return f"what was left of the cap{cap} a team and quarter"


def refusal(invoice: Invoice, draw: DrawDecision) -> str:
    """Why nothing was granted, in words and figures (B2)."""
    terms = invoice.buffer_terms
    cap = "" if terms is None else f" of {text.plain(terms.cap_per_team_per_quarter, 2)}"
    trigger = "" if terms is None or draw.forecast is None else f" of {_threshold(invoice, draw, terms.trigger)}"
    fund = "the price book has no bursting buffer" if terms is None else "the fund held nothing for it"
    return {
        "stage": "the team's stage moves no money: it neither pays into the fund nor draws on it",
        "no_forecast": "the team has no forecast for the month to measure a burst from",
        "threshold": f"charges of {text.money(draw.charges)} do not reach the threshold{trigger}",
        "cause": f"a draw is for {', '.join(list(words.CAUSES.values())[:-1])} or {list(words.CAUSES.values())[-1]}",
        "disclosure": "the request does not say what the burst was for",
        "cap": f"the team has drawn its cap{cap} for the quarter",
        "fund": fund,
    }[draw.reason or "fund"]


def _threshold(invoice: Invoice, draw: DrawDecision, trigger: Decimal) -> str:
    forecast = draw.forecast or Fraction(0)
    return text.cost(Fraction(trigger) * forecast, invoice.currency)


# ── memos: what others bore ─────────────────────────────────────────────────────────────────────────────────────────────


def _shared_evals(invoice: Invoice) -> Section | None:
    share = invoice.eval_share
    if share is None or share.share is None:
        return None
    whole = share.gross + share.subsidies
    rows = [
        Row(("Evaluation at the price book's prices", share.gross)),
        Row(("Paid by the teams", share.teams)),
        Row(("Borne by the platform", share.platform)),
    ]
    counted = total((_money(cost, invoice) for cost in invoice.subsidies), invoice.currency) == share.subsidies
    for cost in invoice.subsidies:
        fine = f"account {text.shown(cost.account)}" if cost.account else ""
        if not counted and cost.component == "judge":
            fine = "not counted below: judge calls are in the figures above"
        rows.append(Row((f"Subsidy: {words.SUBSIDIES.get(cost.component, cost.component)}", _money(cost, invoice)), fine))
    borne, of = text.percent(share.share, 1), f"of {text.money(whole)} that evaluation cost in all"
    rows.append(Row(("The platform's part of it all", share.platform + share.subsidies), f"{borne} {of}", strong=True))
    return Section(
        "shared-evaluation",
        "How evaluation was shared",
        "A memo for all teams together, no part of this document's total.",
        ("All teams", f"{text.month(invoice.month)}, {invoice.currency}"),
        tuple(rows),
        memo=True,
    )


def _money(cost: PlatformCost, invoice: Invoice) -> Money:
    return floored(cost.amount, invoice.currency)


def _not_priced(invoice: Invoice) -> Section | None:
    if not invoice.central:
        return None
    rows = []
    for each in invoice.central:
        name, what = words.CENTRAL.get(each.component, (text.shown(each.component), ""))
        rows.append(Row((name, each.amount), what))
    rows.append(Row(("Total", total((each.amount for each in invoice.central), invoice.currency)), strong=True))
    return Section(
        "not-priced",
        "Not priced to teams",
        "What the organisation funds centrally: a memo for all teams together, no part of this document's total.",
        ("Funded centrally", f"{text.month(invoice.month)}, {invoice.currency}"),
        tuple(rows),
        memo=True,
    )
