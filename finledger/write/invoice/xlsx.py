"""A document as a workbook: Summary, Explained, Lines, Disclosures, Quality, Checks; every text stays text, whatever it begins with.

A figure of up to 15 significant digits is a number, which is what a spreadsheet keeps; a longer one is text, exact. The
Checks sheet adds the lines up again with the spreadsheet's own formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_rowcol_to_cell

from finledger.core.model import ChargeLine, FeatureQuality, Invoice
from finledger.core.money import Money, minor_digits, rounded_places, significant, total
from finledger.write import text
from finledger.write.invoice import _words as words
from finledger.write.invoice._rows import (
    charged_by_feature,
    details,
    evidence,
    feature_name,
    held_amount,
    item_name,
    quality_texts,
)
from finledger.write.invoice._sections import Row, bill_parts, bill_totals, sections
from finledger.write.invoice._view import View, view
from finledger.write.templates import Templates

SUFFIX = ".xlsx"
_DIGITS = 15
_LONGEST_TEXT = 32_767  # a cell holds no more, and xlsxwriter would leave it empty
_LINE_COLUMNS = (
    ("Feature", 26), ("Item", 22), ("Kind", 18), ("Model", 18), ("Workload", 13), ("Quantity", 16), ("Unit", 11),
    ("Unit price", 16), ("Amount", 16), ("Cost centre", 14), ("Service month", 14), ("Posted in", 14), ("Price book", 14),
    ("Line", 19), ("Details", 60),
)  # fmt: skip
_AMOUNT_COLUMN = [name for name, _ in _LINE_COLUMNS].index("Amount")
_DISCLOSURE_COLUMNS = (
    ("Feature", 26), ("Item", 22), ("Model", 18), ("Quantity", 16), ("Gross", 16), ("Platform share", 16), ("Paid", 16),
    ("Line", 19),
)  # fmt: skip
Cell = str | Decimal | Money | None


def render(invoice: Invoice, templates: Templates) -> bytes:
    content = BytesIO()
    options = {
        "in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
    }  # fmt: skip
    with xlsxwriter.Workbook(content, options) as book:
        issued = datetime(invoice.issue_date.year, invoice.issue_date.month, invoice.issue_date.day)
        document = view(invoice)
        book.set_properties({"title": f"{document.title} {document.number}", "author": document.issuer, "created": issued})
        sheets = _Sheets(book, invoice, document)
        sheets.summary()
        sheets.explained()
        sheets.lines()
        sheets.disclosures()
        sheets.quality()
        sheets.checks()
    return content.getvalue()


class _Sheets:
    """The workbook while it is written: its formats, and the sheets one by one."""

    def __init__(self, book: Any, invoice: Invoice, document: View) -> None:
        self.book, self.invoice, self.document = book, invoice, document
        places = minor_digits(invoice.currency)
        money = "#,##0" + ("." + "0" * places if places else "")
        top = {"valign": "top"}
        self.text = book.add_format({**top, "num_format": "@"})
        self.wrapped = book.add_format({**top, "text_wrap": True})
        self.head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "bottom"})
        self.head_right = book.add_format(
            {"bold": True, "bottom": 1, "text_wrap": True, "align": "right", "valign": "bottom"}
        )
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.section = book.add_format({"bold": True, "font_size": 12})
        self.flag = book.add_format({"bold": True, "font_size": 14, "font_color": "#9A3412", "border": 1})
        self.money = book.add_format({**top, "num_format": money})
        self.money_strong = book.add_format({**top, "num_format": money, "bold": True})
        self.quantity = book.add_format({**top, "num_format": "#,##0.############"})
        self.whole = book.add_format({**top, "num_format": "#,##0"})
        self.price = book.add_format({**top, "num_format": money + ("" if places else ".") + "#" * (12 - places)})
        self.right = book.add_format({**top, "align": "right", "num_format": "@"})
        self.strong = book.add_format({**top, "bold": True})
        self.hash = book.add_format({"font_name": "Consolas", "font_size": 8, "num_format": "@"})

    # ── cells ──

    def put(self, sheet: Any, row: int, column: int, cell: Cell, strong: bool = False) -> None:
        """Text as text, a figure as a number where a spreadsheet can keep all of it, nothing as nothing."""
        if cell is None or cell == "":
            return
        if isinstance(cell, str):
            fits = cell if len(cell) <= _LONGEST_TEXT else cell[: _LONGEST_TEXT - 1] + "…"
            sheet.write_string(row, column, fits, self.strong if strong else self.text)
        elif isinstance(cell, Money):
            self._figure(sheet, row, column, cell.amount, self.money_strong if strong else self.money, text.money(cell))
        else:
            whole = cell == cell.to_integral_value()
            self._figure(sheet, row, column, cell, self.whole if whole else self.quantity, text.plain(cell))

    def put_price(self, sheet: Any, row: int, column: int, price: Decimal) -> None:
        shown = rounded_places(price, 12)
        self._figure(sheet, row, column, shown, self.price, text.unit_price(price, self.invoice.currency))

    def _figure(self, sheet: Any, row: int, column: int, figure: Decimal, style: Any, exact: str) -> None:
        if is_number(figure):
            sheet.write_number(row, column, figure, style)
        else:
            sheet.write_string(row, column, exact, self.right)

    def header(self, sheet: Any, row: int, columns: Sequence[tuple[str, int]], right: Sequence[str]) -> None:
        for number, (name, _) in enumerate(columns):
            sheet.write_string(row, number, name, self.head_right if name in right else self.head)

    def list_sheet(self, name: str, columns: Sequence[tuple[str, int]], right: Sequence[str]) -> Any:
        """A sheet that is one table: its header stays in sight, and is printed on every page."""
        sheet = self.book.add_worksheet(name)
        for number, (_, width) in enumerate(columns):
            sheet.set_column(number, number, width)
        if self.document.pro_forma:
            sheet.set_header(f"&C&B{self.document.pro_forma}")
        sheet.set_footer(f"&L{self.document.title}&R&P / &N")
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        self.header(sheet, 0, columns, right)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        return sheet

    # ── sheets ──

    def summary(self) -> None:
        """The page to read first: the sentence, the bill with the quality beside it, and who, what, when."""
        document, sheet = self.document, self.book.add_worksheet("Summary")
        for column, width in enumerate((22, 18, 3, 34, 16, 14, 14, 24, 46)):
            sheet.set_column(column, column, width)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{document.title}&R&P / &N")
        sheet.write_string(0, 0, f"{document.title} {document.number}", self.title)
        if document.pro_forma:
            sheet.set_header(f"&C&B{document.pro_forma}")
            sheet.write_string(0, 3, document.pro_forma, self.flag)
        sheet.write_string(1, 0, document.sentence)
        sheet.write_string(2, 0, ". ".join(filter(None, (document.correction.rstrip("."), document.standing))))
        sheet.freeze_panes(3, 0)
        after = max(self._bill(sheet, 4), self._quality(sheet, 4, 3))
        after = self._facts(sheet, after + 1)
        after = self._components(sheet, after + 1)
        for paragraph in (document.question, *document.notes):
            after += 1
            sheet.write_string(after, 0, paragraph)
        if document.root:
            sheet.write_string(after + 1, 0, f"Closed: close {document.close}, check with `finledger verify`; root")
            sheet.write_string(after + 2, 0, document.root, self.hash)

    def _bill(self, sheet: Any, row: int) -> int:
        invoice = self.invoice
        sheet.write_string(row, 0, "The bill", self.section)
        self.header(sheet, row + 1, [(self.document.month, 0), (invoice.currency, 0)], [invoice.currency])
        totals = bill_totals(invoice)
        figures: list[tuple[str, Cell]] = [*bill_parts(invoice), *totals]
        disputed = held_amount(invoice)
        if disputed is not None:
            figures.append(("Held in dispute", disputed))
        if not invoice.is_note:
            figures.append(("Budget", "none set" if invoice.budget is None else invoice.budget))
            figures.append(("Variance", invoice.variance))
            if invoice.forecast is not None:
                figures.append(("Forecast", invoice.forecast))
        for number, (label, figure) in enumerate(figures, row + 2):
            strong = (label, figure) in totals
            self.put(sheet, number, 0, label, strong)
            self.put(sheet, number, 1, figure, strong)
        return row + 2 + len(figures)

    def _quality(self, sheet: Any, row: int, column: int) -> int:
        sheet.write_string(row, column, self.document.quality_title, self.section)
        for number, name in enumerate(self.document.quality_columns):
            sheet.write_string(row + 1, column + number, name, self.head_right if number else self.head)
        rows = charged_by_feature(self.invoice)
        for number, (feature, charged, record) in enumerate(rows, row + 2):
            self.put(sheet, number, column, feature_name(feature))
            self.put(sheet, number, column + 1, charged)
            for offset, said in enumerate(quality_texts(record, self.invoice.currency), 2):
                sheet.write_string(number, column + offset, said, self.right)
            self.put(sheet, number, column + 5, evidence(feature, record, charged, self.invoice))
        return row + 2 + len(rows)

    def _facts(self, sheet: Any, row: int) -> int:
        sheet.write_string(row, 0, "Who and when", self.section)
        hashes = tuple((f"Price book {name}", f"SHA-256 {sha256}") for name, sha256 in self.document.pricebooks)
        facts = (*self.document.facts, *hashes, ("Journal entries", self.document.posting))
        for number, (label, value) in enumerate(facts, row + 1):
            self.put(sheet, number, 0, label)
            self.put(sheet, number, 1, value)
        return row + 1 + len(facts)

    def _components(self, sheet: Any, row: int) -> int:
        sheet.write_string(row, 0, "What the total is made of", self.section)
        for number, (component, amount) in enumerate(self.invoice.components, row + 1):
            name, what = words.COMPONENTS.get(component, (component, ""))
            self.put(sheet, number, 0, name)
            self.put(sheet, number, 1, amount)
            self.put(sheet, number, 3, what)
        end = row + 1 + len(self.invoice.components)
        self.put(sheet, end, 0, "Total", strong=True)
        self.put(sheet, end, 1, self.invoice.total, strong=True)
        return end + 1

    def explained(self) -> None:
        """What explains the bill, one table below the other; the memos are no part of the total."""
        explanations = sections(self.invoice)
        if not explanations:
            return
        sheet = self.book.add_worksheet("Explained")
        widest = max(len(section.columns) for section in explanations)
        sheet.set_column(0, 0, 40)
        sheet.set_column(1, widest - 1, 18)
        sheet.set_column(widest, widest, 90)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        if self.document.pro_forma:
            sheet.set_header(f"&C&B{self.document.pro_forma}")
        sheet.set_footer(f"&L{self.document.title}&R&P / &N")
        row = 0
        for section in explanations:
            sheet.write_string(row, 0, f"{section.title} (memo)" if section.memo else section.title, self.section)
            sheet.merge_range(row + 1, 0, row + 1, widest, section.says, self.wrapped)
            sheet.set_row(row + 1, 32)
            for column, name in enumerate(section.columns):
                sheet.write_string(row + 2, column, name, self.head_right if column else self.head)
            for number, each in enumerate(section.rows, row + 3):
                self._explanation(sheet, number, each, widest)
            row += len(section.rows) + 4

    def _explanation(self, sheet: Any, row: int, each: Row, widest: int) -> None:
        for column, cell in enumerate(each.cells):
            if column and cell and isinstance(cell, str):
                sheet.write_string(row, column, cell, self.right)
            else:
                self.put(sheet, row, column, cell, strong=each.strong)
        self.put(sheet, row, widest, each.fine)

    def lines(self) -> None:
        invoice = self.invoice
        sheet = self.list_sheet("Lines", _LINE_COLUMNS, ("Quantity", "Unit price", "Amount"))
        gross_by_key = {disclosure.key: disclosure for disclosure in invoice.disclosures}
        for row, line in enumerate(invoice.lines, 1):
            key = line.key
            cells: tuple[Cell, ...] = (
                feature_name(key.feature), item_name(key), words.KINDS.get(key.kind, key.kind), text.shown(key.model),
                text.shown(key.workload_type), line.quantity, words.UNITS.get(line.unit, text.shown(line.unit)),
                None, line.amount, text.shown(key.cost_center), str(key.service_month), str(key.posting_month),
                text.shown(key.price_version), line.line_id, _small_print(line, invoice, gross_by_key),
            )  # fmt: skip
            for column, cell in enumerate(cells):
                self.put(sheet, row, column, cell)
            self.put_price(sheet, row, 7, line.unit_price)
        self.put(sheet, len(invoice.lines) + 1, 0, "Total", strong=True)
        self.put(sheet, len(invoice.lines) + 1, _AMOUNT_COLUMN, invoice.total, strong=True)
        if invoice.lines:
            sheet.autofilter(0, 0, len(invoice.lines), len(_LINE_COLUMNS) - 1)

    def disclosures(self) -> None:
        sheet = self.list_sheet("Disclosures", _DISCLOSURE_COLUMNS, ("Quantity", "Gross", "Platform share", "Paid"))
        for row, each in enumerate(self.invoice.disclosures, 1):
            cells: tuple[Cell, ...] = (
                feature_name(each.key.feature), text.shown(each.key.item), text.shown(each.key.model), each.quantity,
                each.gross, each.platform_share, each.paid, each.key.line_id,
            )  # fmt: skip
            for column, cell in enumerate(cells):
                self.put(sheet, row, column, cell)

    def quality(self) -> None:
        """The quality table once more, with the figures it was made from; empty = not recorded."""
        columns = [(name, 26 if name == "Feature" else 18) for name in self.document.quality_columns]
        more = [("Multiplier", 12), ("Tasks", 12), ("Graded", 12), ("Correct", 12), ("Production charges, all teams", 20)]
        sheet = self.list_sheet("Quality", [*columns, *more], [name for name, _ in [*columns, *more][1:]])
        for row, (feature, charged, record) in enumerate(charged_by_feature(self.invoice), 1):
            self.put(sheet, row, 0, feature_name(feature))
            self.put(sheet, row, 1, charged)
            for column, said in enumerate(quality_texts(record, self.invoice.currency), 2):
                sheet.write_string(row, column, said, self.right)
            for column, cell in enumerate(_measured(record), len(columns)):
                self.put(sheet, row, column, cell)

    def checks(self) -> None:
        """Both sides of each law as text, exact, and as the spreadsheet adds them up itself."""
        invoice = self.invoice
        columns = [("Check", 46), ("Left", 18), ("Right", 18), ("Added up here", 18), ("Holds", 12)]
        sheet = self.list_sheet("Checks", columns, ("Left", "Right", "Added up here"))
        lines = total((line.amount for line in invoice.lines), invoice.currency)
        parts = total((part for _, part in invoice.components), invoice.currency)
        charged = total((amount for _, amount, _ in charged_by_feature(invoice)), invoice.currency)
        gross = total((each.gross for each in invoice.disclosures), invoice.currency)
        borne = total((each.platform_share + each.paid for each in invoice.disclosures), invoice.currency)
        laws = (
            ("Sum of the lines = total", lines, invoice.total),
            ("Sum of the components = total", parts, invoice.total),
            ("Sum over the features = total", charged, invoice.total),
            ("Platform share + paid = gross of the disclosures", borne, gross),
        )
        for row, (law, left, right) in enumerate(laws, 1):
            self.put(sheet, row, 0, law)
            sheet.write_string(row, 1, text.money(left), self.right)
            sheet.write_string(row, 2, text.money(right), self.right)
            self.put(sheet, row, 4, "yes" if left == right else "NO")
        if invoice.lines and all(
            is_number(amount) for amount in (*(line.amount.amount for line in invoice.lines), invoice.total.amount)
        ):
            self._sum_formulas(sheet)

    def _sum_formulas(self, sheet: Any) -> None:
        """The lines added up by the spreadsheet, rounded to the currency because it adds in binary."""
        count, places = len(self.invoice.lines), minor_digits(self.invoice.currency)
        first, last, whole = (xl_rowcol_to_cell(row, _AMOUNT_COLUMN, True, True) for row in (1, count, count + 1))
        added = f"ROUND(SUM(Lines!{first}:{last}),{places})"
        sheet.write_formula(1, 3, f"={added}", self.money, self.invoice.total.amount)
        sheet.write_formula(1, 4, f'=IF({added}=ROUND(Lines!{whole},{places}),"yes","NO")', self.text, "yes")


def is_number(figure: Decimal) -> bool:
    """Whether a spreadsheet's number keeps every digit of the figure."""
    return len(format(figure, "f").replace("-", "").replace(".", "").strip("0")) <= _DIGITS


def _small_print(line: ChargeLine, invoice: Invoice, gross_by_key: dict[Any, Any]) -> str:
    """The line's details, without those that have a column of their own."""
    key = line.key
    columns = {words.KINDS.get(key.kind, ""), text.shown(key.cost_center), text.shown(key.price_version)}
    return "; ".join(said for said in details(line, invoice, gross_by_key) if said not in columns)


def _measured(record: FeatureQuality | None) -> tuple[Cell, ...]:
    if record is None:
        return ()
    multiplier = None if record.multiplier is None else significant(record.multiplier)
    counts = (None if count is None else Decimal(count) for count in (record.tasks, record.graded, record.correct))
    return (multiplier, *counts, record.production)
