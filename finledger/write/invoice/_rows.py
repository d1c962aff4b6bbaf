"""How an invoice's lines and features are grouped and said in a row: shared by the view and the workbook."""

from __future__ import annotations

from collections.abc import Container, Iterable

from finledger.core.model import ChargeLine, Disclosure, FeatureQuality, Invoice, LineKey
from finledger.core.money import Money, significant, total
from finledger.core.quality import PREMIUMS
from finledger.write import text
from finledger.write.invoice import _words as words

DRAW = ("buffer_draw",)


def lines_by_feature(invoice: Invoice) -> list[tuple[str, Money, tuple[ChargeLine, ...]]]:
    """(feature's name for people, subtotal, its lines), in the invoice's order; lines without a feature last."""
    grouped: dict[str, list[ChargeLine]] = {}
    for line in invoice.lines:
        grouped.setdefault(line.key.feature, []).append(line)
    return [
        (feature_name(feature), total((line.amount for line in grouped[feature]), invoice.currency), tuple(grouped[feature]))
        for feature in sorted(grouped, key=lambda name: not name)
    ]


def rows_of(lines: Iterable[ChargeLine], invoice: Invoice) -> list[tuple[ChargeLine, ...]]:
    """The lines as a person reads them: each on a row, but the premiums on them in one row of each kind, at the end.

    A note has each of them on a row: it has no table that explains premiums.
    """
    if invoice.is_note:
        return [(line,) for line in lines]
    rows: list[tuple[ChargeLine, ...]] = []
    grouped: dict[str, list[ChargeLine]] = {}
    for line in lines:
        if line.key.kind in PREMIUMS:
            grouped.setdefault(line.key.kind, []).append(line)
        else:
            rows.append((line,))
    return [*rows, *(tuple(grouped[kind]) for kind in PREMIUMS if kind in grouped)]


def charged_by_kind(invoice: Invoice, kinds: Container[str], feature: str | None = None) -> Money:
    """What the lines of these kinds come to, of the whole document or of one feature."""
    chosen = (line for line in invoice.lines if line.key.kind in kinds and feature in (None, line.key.feature))
    return total((line.amount for line in chosen), invoice.currency)


def charged_by_feature(invoice: Invoice) -> list[tuple[str, Money, FeatureQuality | None]]:
    """(feature, what this document charges for it, its quality or None), ending with what has no feature.

    The charges add up to the document's total. A feature that is charged and has no record of quality is not left out.
    """
    charged: dict[str, Money] = {}
    for line in invoice.lines:
        charged[line.key.feature] = charged.get(line.key.feature, Money(0, invoice.currency)) + line.amount
    records = {record.feature: record for record in invoice.quality}
    names = sorted(set(charged) | set(records), key=lambda name: (not name, name))
    return [(name, charged.get(name, Money(0, invoice.currency)), records.get(name)) for name in names]


def feature_name(feature: str) -> str:
    return text.shown(feature) or words.NO_FEATURE


def quality_texts(record: FeatureQuality | None, currency: str) -> tuple[str, str, str]:
    """Coverage, freshness, cost per correct task, as rule Q4 shows them."""
    coverage = record.coverage if record else None
    freshness = record.in_distribution if record else None
    cost = record.cost_per_correct_task if record else None
    return (
        words.NOT_TRACKED if coverage is None else text.percent(coverage),
        words.NOT_TRACKED if freshness is None else text.percent(freshness),
        words.NOT_MEASURABLE if cost is None else f"{text.plain(significant(cost))} {currency}",
    )


def evidence(feature: str, record: FeatureQuality | None, charged: Money, invoice: Invoice) -> str:
    """What stands behind a feature's figures: its tasks, its multiplier, and other teams' part of it.

    What has no feature says how much of it is the bursting buffer's.
    """
    if not feature:
        draw = charged_by_kind(invoice, DRAW)
        return f"of which buffer draw {text.money(draw)}" if draw else ""
    if record is None:
        return ""
    said = []
    if record.graded and record.correct is not None:
        said.append(f"{record.correct:,} of {record.graded:,} graded tasks correct")
    if record.tasks is not None:
        said.append(f"{record.tasks:,} tasks")
    if record.multiplier is not None and record.multiplier != 1:
        said.append(f"price × {text.plain(significant(record.multiplier))}")
    if invoice.is_note:
        said += [f"all teams {text.money(record.total)} in {words.period(invoice)}"] if record.total else []
    elif record.total != charged:
        said.append(f"all teams {text.money(record.total)}")
    return ", ".join(said)


def details(line: ChargeLine, invoice: Invoice, gross_by_key: dict[LineKey, Disclosure]) -> tuple[str, ...]:
    """A line's small print. What is the same on every line of the document is said once, elsewhere."""
    key = line.key
    said = [_kind(line)] if key.item else []
    if len(invoice.cost_centers) > 1:
        said.append(text.shown(key.cost_center))
    if key.credit:
        said.append(text.shown(key.credit))
    if key.service_month != key.posting_month:
        said.append(f"service month {key.service_month}, posted {key.posting_month}")
    if len(invoice.pricebooks) > 1:
        said.append(text.shown(key.price_version))
    if key in gross_by_key:
        said.append(f"the team's part of {text.money(gross_by_key[key].gross)}")
    counted = [f"{line.tokens[bucket]:,} {name}" for bucket, name in words.BUCKETS.items() if line.tokens.get(bucket)]
    if counted:
        said.append(f"{text.joined(counted)} tokens")
    if line.token_cost is not None and line.tokens:
        said.append(f"the tokens cost {text.cost(line.token_cost, invoice.currency)}")
    if line.failed:
        said.append(f"{line.failed:,} failed")
    return (*filter(None, said), *held((line,), invoice))


def held(lines: Iterable[ChargeLine], invoice: Invoice) -> tuple[str, ...]:
    """The disputes that hold any of the lines (rule L4)."""
    disputes = dict(invoice.held)
    found = (disputes[line.line_id] for line in lines if line.line_id in disputes)
    return tuple(f"held: {text.shown(dispute)}" for dispute in dict.fromkeys(found))


def held_amount(invoice: Invoice) -> Money | None:
    """What of the document's total is under dispute; None where nothing is."""
    disputed = {line_id for line_id, _ in invoice.held}
    amounts = [line.amount for line in invoice.lines if line.line_id in disputed]
    return total(amounts, invoice.currency) if amounts else None


def _kind(line: ChargeLine) -> str:
    """What kind of line it is, "" of an action. A credit says which component it gives back, where it is only one."""
    said = words.KINDS.get(line.key.kind, "")
    if line.key.kind == "adjustment" and len(line.components) == 1:
        component = line.components[0][0]
        return f"{said} of {words.KINDS.get(component, words.COMPONENTS.get(component, (component,))[0].lower())}"
    return said


def item_name(key: LineKey) -> str:
    return text.shown(key.item) or words.KINDS.get(key.kind, key.kind).capitalize()
