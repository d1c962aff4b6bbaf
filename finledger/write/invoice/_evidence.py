"""No document without its quality columns, at the bill's side (rule Q4): what a template made is read again and checked.

A table is a list of rows, a row a list of cells' texts. Every format that has a template knows how to find its tables; the
check is the same for all: one table has the five columns in order, and a row for each feature with its five figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser

from finledger.core.problem import Refused
from finledger.write.invoice._hiding import Element, Hiding, shown_markdown
from finledger.write.invoice._view import View
from finledger.write.templates import Templates

Table = list[list[str]]
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)  # fmt: skip


def require_quality(tables: Sequence[Table], view: View, templates: Templates, template: str) -> None:
    """Raise `Refused`, naming the template, unless one of the tables shows every feature's quality beside its charge."""
    if any(_shows(table, view) for table in tables):
        return
    columns = ", ".join(view.quality_columns)
    message = f"the document must show the quality table ({columns}) with a row for each feature, and hide none of it"
    raise _refusal(templates, template, message)


def require_pro_forma(shown: str, view: View, templates: Templates, template: str) -> None:
    """Raise `Refused` when a statement does not say that it is one (rule A3)."""
    if view.pro_forma not in shown:
        raise _refusal(templates, template, f"a statement must say {view.pro_forma}: show document.pro_forma")


def _refusal(templates: Templates, template: str, message: str) -> Refused:
    remedy = "take the missing part over from the template that comes with finledger"
    return templates.broken(template, None, message, code="template-incomplete", remedy=remedy)


def _shows(table: Table, view: View) -> bool:
    has_columns = any(_holds(row, view.quality_columns) for row in table)
    return has_columns and all(any(_holds(row, quality.cells) for row in table) for quality in view.quality)


def _holds(row: list[str], wanted: Sequence[str]) -> bool:
    """Whether the row has a cell with each wanted text, in order."""
    cells = iter(row)
    return all(any(_flat(text) in _flat(cell) for cell in cells) for text in wanted)


def _flat(text: str) -> str:
    return " ".join(text.split())


class _Tables(HTMLParser):
    """The tables of an HTML page, as a reader sees them: scripts, styles, comments and what is hidden are left out."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[Table] = []
        self.text: list[str] = []
        self._cell: list[str] | None = None
        self._open: list[Element] = []
        self._hiding = Hiding(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self._open.append(self._hiding.opened(tag, {name: value or "" for name, value in attrs}, self._open))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if any(element.tag == tag for element in self._open):
            while self._open.pop().tag != tag:
                pass
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append("".join(self._cell))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1].hidden:
            return
        self.text.append(data)
        if self._cell is not None:
            self._cell.append(data)


def read_html(page: str) -> tuple[list[Table], str]:
    """(tables, all text) of a page."""
    parser = _Tables(page)
    parser.feed(page)
    parser.close()
    return parser.tables, "".join(parser.text)


def read_markdown(page: str) -> list[Table]:
    """The tables of a Markdown page, cells still escaped: runs of lines that begin with a bar."""
    tables: list[Table] = []
    inside = False
    for line in shown_markdown(page).splitlines():
        if line.startswith("|"):
            if not inside:
                tables.append([])
            tables[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        inside = line.startswith("|")
    return tables
