"""A report as one HTML page that asks nothing of the network: for reading, filtering, printing and mailing."""

from __future__ import annotations

import base64
import hashlib
from fractions import Fraction

from markupsafe import Markup

from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import Refused
from finledger.core.report import Field, Report, Table
from finledger.write.invoice._evidence import read_html
from finledger.write.report._charts import charts
from finledger.write.report._page import Page, page
from finledger.write.templates import Templates

TEMPLATE, SCRIPT = "report/page.html.j2", "report/filter.js"
QUALITY = ("Feature", "Bill", "Coverage", "Freshness", "Cost per correct task")


def contents(report: Report, name: str, templates: Templates, pages: bool = False) -> dict[str, bytes]:
    """`pages`: whether the teams' pages lie beside this one, so that it leads to them."""
    templates.keep("report template", lambda: _checked(templates))
    return {f"{name}.html": _rendered(page(report, charts(report), pages), templates).encode("utf-8")}


def _rendered(view: Page, templates: Templates) -> str:
    """The policy of the page lets its own script run, known by its hash, and no other: whatever a name holds, it is text."""
    script = templates.keep("report script", lambda: templates.path(SCRIPT).read_text("utf-8").strip())
    sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return templates.html(TEMPLATE, page=view, script=Markup(script), sha256=sha256)


def _checked(templates: Templates) -> bool:
    """Refuse a template that leaves out the quality beside the bill (Q4), or that a figure is provisional.

    Asked of a small page, once a run: what the template does with it, it does with a large one.
    """
    tables, shown = read_html(_rendered(page(_probe(), {}, False), templates))
    wanted = ("probe-feature", "12.34", "50 %", "75 %", "0.125")
    if not any(_has(table, QUALITY) and _has(table, wanted) for table in tables):
        raise _incomplete(templates, f"a report must show the quality table ({', '.join(QUALITY)}), and hide none of it")
    if "Provisional" not in shown:
        raise _incomplete(templates, "a report must say that its figures are provisional: show page.provisional")
    return True


def _probe() -> Report:
    fields = (
        Field("feature", "text"),
        Field("bill", "money"),
        Field("coverage", "share"),
        Field("freshness", "share"),
        Field("cost_per_correct_task", "rate"),
    )
    row = ("probe-feature", Money(1234, "USD"), Fraction(1, 2), Fraction(3, 4), Fraction(1, 8))
    table = Table("quality", "Probe", fields, (row,))
    return Report("probe", "2026-07", (Month(2026, 7),), "USD", True, (table,))


def _has(table: list[list[str]], wanted: tuple[str, ...]) -> bool:
    """Whether a row of the table has a cell with each text, in order."""
    for row in table:
        cells = iter(row)
        if all(any(text in " ".join(cell.split()) for cell in cells) for text in wanted):
            return True
    return False


def _incomplete(templates: Templates, message: str) -> Refused:
    remedy = "take the missing part over from the template that comes with finledger"
    return templates.broken(TEMPLATE, None, message, code="template-incomplete", remedy=remedy)
