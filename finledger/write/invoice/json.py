"""A document for programs: every field of the `Invoice`, exact, amounts and quantities as decimal strings.

schema            1
title             Invoice | Credit note | Debit note | Pro-forma statement
number, kind      kind: invoice | statement | credit_note | debit_note
pro_forma         true on a statement: nothing is posted
summary           the document in one sentence
team, owner, entity, cost_centers, stage, adopted, issuer, issuer_entity, platform_team
month, service_first_day, service_last_day, issue_date       month: the one that posts it
service_months    that the lines are of
original, reason  the document that a note corrects, and why; "" on others
currency          of every amount
total, budget, forecast, variance        null where there is no budget or forecast; variance = total - budget
pricebooks        [{name, sha256}]
quality           [{feature, charged, total, production, coverage, in_distribution, multiplier, tasks, graded, correct,
                  correct_tasks, cost_per_correct_task}]: `charged` by this document, `total` and `production` of all
                  teams; null = not tracked or not measurable; the last two to 6 significant digits
lines             [{line_id, posting_month, service_month, team, cost_center, feature, item, workload_type, model, kind,
                  price_version, credit, stage, funding, quantity, unit, unit_price, amount, components, token_cost, failed,
                  tokens, rules}]: components [{component, amount}], rules [{field, rule}],
                  the numbers of the rules in finledger.yaml that filled a field; on a note, a line is a change;
                  credit: the credit that it belongs to, "" of most
components        [{component, amount}], the total's subtotals
disclosures       [{line_id, posting_month, …, price_version, quantity, gross, platform_share, paid}]
entry_ids         of the journal
notes             as printed
quality_terms     {target, floor, max_multiplier, slo, step, cap} of the premiums; null where the book has none
buffer_terms      {trigger, cap_per_team_per_quarter, settlement, above_threshold}; null where the book has none
quarter_end       last month in which a coverage premium of this quarter can be credited
credited          [{feature, months}]: whose coverage premium is credited on this document
draw              {cause, disclosure, requested, charges, forecast, low_balled, allowed, granted, reason}; null = none
                  requested; `charges` before any draw, `forecast` the frozen one or what a low-balled one was lifted to;
                  `reason` of a refusal: stage | no_forecast | threshold | cause | disclosure | cap | fund
eval_share        {gross, teams, platform, subsidies, share} of all teams, a memo; `share` to 6 significant digits
subsidies         [{component, amount, account}] of evaluation, paid by the platform, a memo
central           [{component, amount}] not priced to teams, a memo
held              [{line_id, dispute}]: the lines under dispute
seal              {close, root} of the close; null while the month is open and the document provisional
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import ChargeLine, Disclosure, DrawDecision, FeatureQuality, Invoice, LineKey
from finledger.core.money import Money, rounded_places, significant
from finledger.write.invoice import _words as words
from finledger.write.invoice._rows import charged_by_feature
from finledger.write.templates import Templates

SUFFIX = ".json"
SCHEMA = 1


def render(invoice: Invoice, templates: Templates) -> bytes:
    text = json.dumps(fields(invoice), indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes an escape that JSON has, too


def fields(invoice: Invoice) -> dict[str, object]:
    """The document as JSON's own types; the keys are this module's docstring."""
    return {
        "schema": SCHEMA,
        "title": words.title(invoice),
        "number": invoice.number,
        "kind": invoice.kind,
        "pro_forma": invoice.kind == "statement",
        "summary": words.sentence(invoice),
        "team": invoice.team,
        "owner": invoice.owner,
        "entity": invoice.entity,
        "cost_centers": list(invoice.cost_centers),
        "stage": invoice.stage,
        "adopted": invoice.adopted,
        "issuer": invoice.issuer,
        "issuer_entity": invoice.issuer_entity,
        "platform_team": invoice.platform_team,
        "month": str(invoice.month),
        "service_first_day": words.service_days(invoice)[0].isoformat(),
        "service_last_day": words.service_days(invoice)[1].isoformat(),
        "service_months": list(map(str, invoice.service_months or (invoice.month,))),
        "original": invoice.original,
        "reason": words.reason(invoice),
        "issue_date": invoice.issue_date.isoformat(),
        "currency": invoice.currency,
        "total": _exact(invoice.total),
        "budget": _exact(invoice.budget),
        "forecast": _exact(invoice.forecast),
        "variance": _exact(invoice.variance),
        "pricebooks": [{"name": name, "sha256": sha256} for name, sha256 in invoice.pricebooks],
        "quality": [_quality(*row) for row in charged_by_feature(invoice)],
        "lines": [_line(line) for line in invoice.lines],
        "components": _components(invoice.components),
        "disclosures": [_disclosure(disclosure) for disclosure in invoice.disclosures],
        "entry_ids": list(invoice.entry_ids),
        "notes": list(invoice.notes),
        **_beside(invoice),
    }


def _beside(invoice: Invoice) -> dict[str, object]:
    """What stands beside the lines: the terms of premiums and draws, this team's draw, and the memos of all teams."""
    quality, buffer, share = invoice.quality_terms, invoice.buffer_terms, invoice.eval_share
    names = ("target", "floor", "max_multiplier", "slo", "step", "cap")
    return {
        "quality_terms": None if quality is None else {name: _exact(getattr(quality, name)) for name in names},
        "buffer_terms": None
        if buffer is None
        else {
            "trigger": _exact(buffer.trigger),
            "cap_per_team_per_quarter": _exact(buffer.cap_per_team_per_quarter),
            "settlement": buffer.settlement,
            "above_threshold": buffer.above_threshold,
        },
        "quarter_end": None if invoice.quarter_end is None else str(invoice.quarter_end),
        "credited": [{"feature": feature, "months": list(map(str, months))} for feature, months in invoice.credited],
        "draw": _draw(invoice.draw),
        "eval_share": None
        if share is None
        else {
            "gross": _exact(share.gross),
            "teams": _exact(share.teams),
            "platform": _exact(share.platform),
            "subsidies": _exact(share.subsidies),
            "share": _exact(share.share),
        },
        "subsidies": [
            {"component": cost.component, "amount": _exact(cost.amount), "account": cost.account}
            for cost in invoice.subsidies
        ],
        "central": [{"component": each.component, "amount": _exact(each.amount)} for each in invoice.central],
        "held": [{"line_id": line_id, "dispute": dispute} for line_id, dispute in invoice.held],
        "seal": None if invoice.seal is None else invoice.seal._asdict(),
    }


def _draw(draw: DrawDecision | None) -> dict[str, object] | None:
    if draw is None:
        return None
    return {
        "cause": draw.request.cause,
        "disclosure": draw.request.disclosure,
        "requested": _exact(draw.request.requested),
        "charges": _exact(draw.charges),
        "forecast": None if draw.forecast is None else _exact(rounded_places(draw.forecast, 12)),
        "low_balled": draw.low_balled,
        "allowed": _exact(draw.allowed),
        "granted": _exact(draw.granted),
        "reason": draw.reason,
    }


def _exact(number: Money | Decimal | Fraction | None) -> str | None:
    if number is None:
        return None
    if isinstance(number, Fraction):
        return format(significant(number), "f")
    return format(number.amount if isinstance(number, Money) else number, "f")


def _components(components: Iterable[tuple[str, Money]]) -> list[dict[str, object]]:
    return [{"component": component, "amount": _exact(amount)} for component, amount in components]


def _key(key: LineKey) -> dict[str, object]:
    return {
        "line_id": key.line_id,
        "posting_month": str(key.posting_month),
        "service_month": str(key.service_month),
        "team": key.team,
        "cost_center": key.cost_center,
        "feature": key.feature,
        "item": key.item,
        "workload_type": key.workload_type,
        "model": key.model,
        "kind": key.kind,
        "price_version": key.price_version,
        "credit": key.credit,
    }


def _line(line: ChargeLine) -> dict[str, object]:
    return {
        **_key(line.key),
        "stage": line.stage,
        "funding": line.funding,
        "quantity": _exact(line.quantity),
        "unit": line.unit,
        "unit_price": _exact(line.unit_price),
        "amount": _exact(line.amount),
        "components": _components(line.components),
        "token_cost": _exact(line.token_cost),
        "failed": line.failed,
        "tokens": dict(sorted(line.tokens.items())),
        "rules": [{"field": field, "rule": number} for field, number in line.rules],
    }


def _disclosure(disclosure: Disclosure) -> dict[str, object]:
    return {
        **_key(disclosure.key),
        "quantity": _exact(disclosure.quantity),
        "gross": _exact(disclosure.gross),
        "platform_share": _exact(disclosure.platform_share),
        "paid": _exact(disclosure.paid),
    }


def _quality(feature: str, charged: Money, record: FeatureQuality | None) -> dict[str, object]:
    return {
        "feature": feature,
        "charged": _exact(charged),
        "total": _exact(record.total) if record else None,
        "production": _exact(record.production) if record else None,
        "coverage": _exact(record.coverage) if record else None,
        "in_distribution": _exact(record.in_distribution) if record else None,
        "multiplier": _exact(record.multiplier) if record else None,
        "tasks": record.tasks if record else None,
        "graded": record.graded if record else None,
        "correct": record.correct if record else None,
        "correct_tasks": _exact(record.correct_tasks) if record else None,
        "cost_per_correct_task": _exact(record.cost_per_correct_task) if record else None,
    }
