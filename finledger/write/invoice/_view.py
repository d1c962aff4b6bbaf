"""The one place where an `Invoice` becomes display text. HTML, PDF, Markdown and the workbook all show what is made here.

A template gets one `View` under the name `document`. Everything in it is text that is ready to be shown, but not escaped:
the template's format does that. So no format can round, group or word a figure differently from another.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from finledger.core.model import ChargeLine, Disclosure, FeatureQuality, Invoice, LineKey
from finledger.core.money import Money, total
from finledger.core.quality import PREMIUMS
from finledger.write import text
from finledger.write.invoice import _words as words
from finledger.write.invoice._rows import (
    charged_by_feature,
    details,
    evidence,
    feature_name,
    held,
    held_amount,
    item_name,
    lines_by_feature,
    quality_texts,
    rows_of,
)
from finledger.write.invoice._sections import Section, bill_parts, bill_totals, sections


@dataclass(frozen=True, slots=True)
class BillRow:
    """`strong` marks the row that the document is about; `note` is the variance as a share of the budget."""

    label: str
    amount: str
    note: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class QualityRow:
    """A feature's bill beside what it bought (rule Q4). `evidence` says how the last figure came about."""

    feature: str
    charged: str
    coverage: str
    freshness: str
    cost_per_correct_task: str
    evidence: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.feature, self.charged, self.coverage, self.freshness, self.cost_per_correct_task)


@dataclass(frozen=True, slots=True)
class LineRow:
    """`details` are the small print: what kind of line it is, cost centre, tokens, failures, what the eval share left."""

    line_id: str
    item: str
    model: str
    workload_type: str
    quantity: str
    unit: str
    unit_price: str
    amount: str
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureLines:
    feature: str
    subtotal: str
    lines: tuple[LineRow, ...]


@dataclass(frozen=True, slots=True)
class ComponentRow:
    name: str
    amount: str
    what: str


@dataclass(frozen=True, slots=True)
class DisclosureRow:
    """A line that the platform bore in part or whole (rule C4): `share` is its part of the gross in per cent."""

    line_id: str
    feature: str
    item: str
    model: str
    quantity: str
    gross: str
    share: str
    platform_share: str
    paid: str


@dataclass(frozen=True, slots=True)
class SectionRow:
    """`fine` explains the row, and stands under its first cell."""

    cells: tuple[str, ...]
    fine: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class SectionView:
    """A table that explains the bill, with what it says above it; its columns are figures but for the first.

    `memo`: no part of the total. `name` is a word for links and styles.
    """

    name: str
    title: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[SectionRow, ...]
    memo: bool


@dataclass(frozen=True, slots=True)
class View:
    """A document, in the order in which it is read. `pro_forma` is the watermark's text, empty on an invoice.

    `facts` are (label, value) pairs of who, what and when; empty ones are left out. `disclosed` is the disclosures' sum.
    `month` is what the amounts are for. `correction` says what a note corrects and why. `close` and `root` are empty while the
    month is open; the root is in groups.
    """

    title: str
    number: str
    pro_forma: str
    team: str
    month: str
    currency: str
    issuer: str
    issue_date: str
    issue_day: str
    sentence: str
    total: str
    bill: tuple[BillRow, ...]
    quality_columns: tuple[str, ...]
    quality: tuple[QualityRow, ...]
    facts: tuple[tuple[str, str], ...]
    features: tuple[FeatureLines, ...]
    sections: tuple[SectionView, ...]
    components: tuple[ComponentRow, ...]
    disclosures: tuple[DisclosureRow, ...]
    disclosed: DisclosureRow
    pricebooks: tuple[tuple[str, str], ...]
    entry_ids: tuple[str, ...]
    posting: str
    question: str
    standing: str
    notes: tuple[str, ...]
    correction: str = ""
    quality_title: str = "What it bought"
    close: str = ""
    root: str = ""


def view(invoice: Invoice) -> View:
    statement = invoice.kind == "statement"
    gross_by_key = {disclosure.key: disclosure for disclosure in invoice.disclosures}
    return View(
        title=words.title(invoice),
        number=text.shown(invoice.number),
        pro_forma=words.PRO_FORMA if statement else "",
        team=text.shown(invoice.team),
        month=words.period(invoice),
        currency=invoice.currency,
        issuer=text.shown(invoice.issuer),
        issue_date=text.day(invoice.issue_date),
        issue_day=invoice.issue_date.isoformat(),
        sentence=words.sentence(invoice),
        total=text.money(invoice.total),
        bill=_bill(invoice),
        quality_columns=words.quality_columns(invoice),
        quality=tuple(_quality_row(*row, invoice) for row in charged_by_feature(invoice)),
        facts=_facts(invoice),
        features=tuple(
            FeatureLines(
                name, text.money(subtotal), tuple(_row(row, invoice, gross_by_key) for row in rows_of(lines, invoice))
            )
            for name, subtotal, lines in lines_by_feature(invoice)
        ),
        sections=tuple(_section(each) for each in sections(invoice)),
        components=tuple(_component(name, amount) for name, amount in invoice.components),
        disclosures=tuple(_disclosure(disclosure) for disclosure in invoice.disclosures),
        disclosed=_disclosed(invoice),
        pricebooks=tuple((text.shown(name), sha256) for name, sha256 in invoice.pricebooks),
        entry_ids=tuple(text.shown(entry_id) for entry_id in invoice.entry_ids),
        posting=_posting(invoice),
        question=words.question(invoice),
        standing=words.standing(invoice),
        notes=tuple(text.shown(note) for note in invoice.notes),
        correction=words.correction(invoice),
        quality_title=words.quality_title(invoice),
        close="" if invoice.seal is None else str(invoice.seal.close),
        root="" if invoice.seal is None else words.root(invoice.seal),
    )


def _row(lines: tuple[ChargeLine, ...], invoice: Invoice, gross_by_key: dict[LineKey, Disclosure]) -> LineRow:
    """A line as a row, or the premiums on a feature's lines as one."""
    line, key = lines[0], lines[0].key
    if key.kind in PREMIUMS and not invoice.is_note:
        each = "see the price of quality" if len(lines) == 1 else f"{len(lines)} lines, see the price of quality"
        amount = total((premium.amount for premium in lines), invoice.currency)
        line_id = line.line_id if len(lines) == 1 else ""
        said = (each, *held(lines, invoice))
        return LineRow(line_id, words.KINDS[key.kind].capitalize(), "", "", "", "", "", text.money(amount), said)
    counted = key.kind not in words.AMOUNTS and not (key.kind == "adjustment" and line.unit == "month")
    return LineRow(
        line_id=line.line_id,
        item=item_name(key),
        model=text.shown(key.model),
        workload_type=text.shown(key.workload_type),
        quantity=text.plain(line.quantity) if counted else "",
        unit=words.UNITS.get(line.unit, text.shown(line.unit)) if counted else "",
        unit_price=text.unit_price(line.unit_price, invoice.currency) if counted else "",
        amount=text.money(line.amount),
        details=details(line, invoice, gross_by_key),
    )


def _section(section: Section) -> SectionView:
    rows = tuple(
        SectionRow(tuple(text.money(cell) if isinstance(cell, Money) else cell for cell in row.cells), row.fine, row.strong)
        for row in section.rows
    )
    return SectionView(section.name, section.title, section.says, section.columns, rows, section.memo)


def _component(component: str, amount: Money) -> ComponentRow:
    name, what = words.COMPONENTS.get(component, (component, ""))
    return ComponentRow(name, text.money(amount), what)


def _bill(invoice: Invoice) -> tuple[BillRow, ...]:
    rows = [BillRow(label, text.money(amount)) for label, amount in bill_parts(invoice)]
    rows += [BillRow(label, text.money(amount), strong=True) for label, amount in bill_totals(invoice)]
    disputed = held_amount(invoice)
    if disputed is not None:
        rows.append(BillRow("Held in dispute", text.money(disputed), text.count(len(invoice.held), "line")))
    return (*rows, *(() if invoice.is_note else _planned(invoice)))


def _planned(invoice: Invoice) -> tuple[BillRow, ...]:
    rows = []
    rows.append(BillRow("Budget", "none set" if invoice.budget is None else text.money(invoice.budget)))
    if invoice.variance is not None and invoice.budget is not None:
        share = text.percent(Fraction(invoice.variance.minor, invoice.budget.minor), 1) if invoice.budget else ""
        rows.append(BillRow("Variance", text.signed(invoice.variance), f"{share} of the budget" if share else ""))
    else:
        rows.append(BillRow("Variance", "–"))
    if invoice.forecast is not None:
        rows.append(BillRow("Forecast", text.money(invoice.forecast)))
    return tuple(rows)


def _quality_row(feature: str, charged: Money, record: FeatureQuality | None, invoice: Invoice) -> QualityRow:
    said = evidence(feature, record, charged, invoice)
    return QualityRow(feature_name(feature), text.money(charged), *quality_texts(record, invoice.currency), said)


def _facts(invoice: Invoice) -> tuple[tuple[str, str], ...]:
    centers = invoice.cost_centers
    pairs = (
        ("Billed team", invoice.team),
        ("Cost centres" if len(centers) > 1 else "Cost centre", ", ".join(centers)),
        ("Owner", invoice.owner),
        *_entities(invoice),
        ("Issued by", f"{invoice.issuer}, team {invoice.platform_team}"),
        ("Issue date", text.day(invoice.issue_date)),
        ("Service period", " to ".join(map(text.day, words.service_days(invoice)))),
        ("Posted in", text.month(invoice.month) if invoice.is_note else ""),
        ("Corrects", invoice.original),
        ("Stage", words.stage(invoice)),
        ("Currency", invoice.currency),
        ("Price book", ", ".join(name for name, _ in invoice.pricebooks)),
        ("Status", words.state(invoice)),
    )
    return tuple((label, text.shown(value)) for label, value in pairs if value)


def _entities(invoice: Invoice) -> tuple[tuple[str, str], ...]:
    """One entity, or between two of them the one that is billed and the one that bills (rule L6)."""
    if words.is_intercompany(invoice):
        return (("Billed entity", invoice.entity), ("Issuing entity", invoice.issuer_entity))
    return (("Entity", invoice.entity),)


def _disclosure(disclosure: Disclosure) -> DisclosureRow:
    return DisclosureRow(
        line_id=disclosure.key.line_id,
        feature=feature_name(disclosure.key.feature),
        item=text.shown(disclosure.key.item),
        model=text.shown(disclosure.key.model),
        quantity=text.plain(disclosure.quantity),
        gross=text.money(disclosure.gross),
        share=_share(disclosure.platform_share, disclosure.gross),
        platform_share=text.money(disclosure.platform_share),
        paid=text.money(disclosure.paid),
    )


def _disclosed(invoice: Invoice) -> DisclosureRow:
    gross = total((each.gross for each in invoice.disclosures), invoice.currency)
    platform = total((each.platform_share for each in invoice.disclosures), invoice.currency)
    paid = text.money(gross - platform)
    return DisclosureRow("", "Total", "", "", "", text.money(gross), _share(platform, gross), text.money(platform), paid)


def _share(platform_share: Money, gross: Money) -> str:
    """The platform's part of the gross as it came out after rounding."""
    return text.percent(Fraction(platform_share.minor, gross.minor), 1) if gross else "–"


def _posting(invoice: Invoice) -> str:
    if invoice.kind == "statement":
        return "None: nothing is posted for a pro-forma statement."
    return ", ".join(text.shown(entry_id) for entry_id in invoice.entry_ids) or "None."
