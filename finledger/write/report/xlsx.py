"""A report as a workbook: a sheet for each table with its header frozen, figures as numbers, and a sheet of checks.

Texts stay texts, whatever they begin with. A figure that a spreadsheet's number cannot keep whole stays text, right-aligned.
"""

from __future__ import annotations

import io
from datetime import date, datetime
from typing import Any

import xlsxwriter

from finledger.core.money import Money, minor_digits
from finledger.core.report import FIGURES, Cell, Field, Report, Table
from finledger.write import text
from finledger.write.invoice.xlsx import is_number
from finledger.write.report._words import sentence, standing
from finledger.write.table_cells import exact, label, number, shown
from finledger.write.templates import Templates

_LONGEST_TEXT, _LONGEST_SHEET, _MOST_ROWS = 32_767, 31, 1_048_570
_WIDTHS = {"text": 24, "money": 16, "rate": 18, "count": 12, "quantity": 16, "share": 12, "day": 12, "month": 10}
_WIDE = frozenset(
    {"components", "explain", "sources", "message", "remedy", "action", "note", "check", "classes", "missing", "basis"}
)
_MADE = datetime(2000, 1, 1)  # the same bytes for the same report


def contents(report: Report, name: str, templates: Templates) -> dict[str, bytes]:
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        book.set_properties({"title": f"Report {report.period}", "created": _MADE})
        _Workbook(book, report).write()
    return {f"{name}.xlsx": buffer.getvalue()}


class _Workbook:
    def __init__(self, book: Any, report: Report) -> None:
        self.book, self.report = book, report
        places = minor_digits(report.currency)
        decimals = "." + "0" * places if places else ""
        formats = {
            "money": f"#,##0{decimals};[Red]-#,##0{decimals}", "rate": "#,##0.00##########", "count": "#,##0",
            "quantity": "#,##0.######", "share": "0.00 %", "day": "yyyy-mm-dd",
        }  # fmt: skip
        self.figures = {kind: book.add_format({"num_format": shape, "valign": "top"}) for kind, shape in formats.items()}
        self.text = book.add_format({"num_format": "@", "valign": "top"})
        self.right = book.add_format({"num_format": "@", "valign": "top", "align": "right", "font_color": "#5a646d"})
        self.head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "bottom"})
        self.head_right = book.add_format(
            {"bold": True, "bottom": 1, "text_wrap": True, "align": "right", "valign": "bottom"}
        )
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.flag = book.add_format({"bold": True, "font_color": "#9a3412"})
        self.link = book.add_format({"font_color": "#175e63", "underline": 1})

    def write(self) -> None:
        names = _sheet_names(self.report.tables)
        self._contents(names)
        for table, name in zip(self.report.tables, names, strict=True):
            self._sheet(table, name)

    def _contents(self, names: list[str]) -> None:
        """What to read first, and where everything is."""
        sheet, report = self.book.add_worksheet("Contents"), self.report
        sheet.set_column(0, 0, 44)
        sheet.set_column(1, 1, 10)
        sheet.set_column(2, 2, 110)
        sheet.write_string(0, 0, text.shown(f"{report.books}: report {report.period}"), self.title)
        sheet.write_string(1, 0, sentence(report))
        mark = "PROVISIONAL. " if report.provisional else ""
        sheet.write_string(2, 0, mark + standing(report), self.flag if report.provisional else self.text)
        for column, heading in enumerate(("Table", "Rows", "How to read it")):
            sheet.write_string(4, column, heading, self.head)
        for row, (table, name) in enumerate(zip(report.tables, names, strict=True), 5):
            sheet.write_url(row, 0, f"internal:'{name}'!A1", self.link, text.shown(table.title))
            sheet.write_number(row, 1, len(table.rows), self.figures["count"])
            sheet.write_string(row, 2, text.shown(table.note))
        sheet.freeze_panes(5, 0)
        self._paper(sheet)

    def _sheet(self, table: Table, name: str) -> None:
        sheet = self.book.add_worksheet(name)
        for column, field in enumerate(table.fields):
            sheet.set_column(column, column, 60 if field.name in _WIDE else _WIDTHS[field.kind])
            heading = f"{label(field)}, {self.report.currency}" if field.kind == "money" else label(field)
            sheet.write_string(0, column, heading, self.head_right if field.kind in FIGURES else self.head)
        for row, cells in enumerate(table.rows[:_MOST_ROWS], 1):
            for column, (cell, field) in enumerate(zip(cells, table.fields, strict=True)):
                self._put(sheet, row, column, cell, field)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.autofilter(0, 0, min(len(table.rows), _MOST_ROWS), len(table.fields) - 1)
        self._paper(sheet)

    def _put(self, sheet: Any, row: int, column: int, cell: Cell, field: Field) -> None:
        if cell is None or cell == "":
            return
        figure = number(cell, field)
        if isinstance(cell, date):
            sheet.write_datetime(row, column, datetime(cell.year, cell.month, cell.day), self.figures["day"])
        elif figure is None or field.kind not in FIGURES:
            said = exact(cell, field)
            written = shown(cell, field, self.report.currency) if said is None else text.shown(said)
            fits = written if len(written) <= _LONGEST_TEXT else written[: _LONGEST_TEXT - 1] + "…"
            sheet.write_string(row, column, fits, self.right if field.kind in FIGURES else self.text)
        elif is_number(figure):
            style = self.figures["money" if isinstance(cell, Money) else field.kind]
            sheet.write_number(row, column, figure, style)
        else:
            sheet.write_string(row, column, shown(cell, field, self.report.currency), self.right)

    def _paper(self, sheet: Any) -> None:
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        if self.report.provisional:
            sheet.set_header("&C&BPROVISIONAL")
        sheet.set_footer("&L&A&R&P / &N")


def _sheet_names(tables: tuple[Table, ...]) -> list[str]:
    """The tables' names, cut to what a sheet may be called; Contents is taken."""
    names: list[str] = []
    for table in tables:
        name, number = table.name[:_LONGEST_SHEET], 1
        while name.lower() in {each.lower() for each in (*names, "contents", "history")}:
            number += 1
            name = f"{table.name[: _LONGEST_SHEET - 3]}~{number}"
        names.append(name)
    return names
