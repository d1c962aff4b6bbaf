"""A report as Markdown, for a pull request or a mail: the sentence, the four figures and the tables that are short."""

from __future__ import annotations

from finledger.core.report import FIGURES, Report, Table
from finledger.write.report import _words as words
from finledger.write.report._page import SECTIONS
from finledger.write.table_cells import label, shown
from finledger.write.templates import Templates, markdown

MOST = 40  # rows of a table
LEFT_OUT = frozenset({"lines", "sources", "checks", "components", "spend"})


def contents(report: Report, name: str, templates: Templates) -> dict[str, bytes]:
    heading = f"{words.title(report)}, {words.period(report)}"
    lines = [f"# {markdown(heading)}", "", markdown(report.books), ""]
    if report.provisional:
        lines += ["**PROVISIONAL**", ""]
    lines += [
        markdown(f"{words.standing(report)} Amounts are in {report.currency}."),
        "",
        markdown(words.sentence(report)),
        "",
    ]
    for section in SECTIONS:
        tables = [table for each in section.tables if each not in LEFT_OUT and (table := report.table(each)) is not None]
        if tables:
            lines += [f"## {markdown(section.title)}", ""]
        for table in tables:
            lines += _table(table, report, name)
    return {f"{name}.md": ("\n".join(lines).rstrip() + "\n").encode("utf-8", "replace")}


def _table(table: Table, report: Report, name: str) -> list[str]:
    lines = [f"### {markdown(table.title)}", ""]
    if table.note:
        lines += [markdown(table.note), ""]
    lines.append(f"| {' | '.join(markdown(label(field)) for field in table.fields)} |")
    lines.append(f"|{'|'.join('---:' if field.kind in FIGURES else '---' for field in table.fields)}|")
    for row in table.rows[:MOST]:
        cells = (markdown(shown(cell, field, report.currency)) for cell, field in zip(row, table.fields, strict=True))
        lines.append(f"| {' | '.join(cells)} |")
    if len(table.rows) > MOST:
        lines += ["", f"The first {MOST} of {len(table.rows):,} rows; all of them are in {markdown(name)}.xlsx."]
    return [*lines, ""]
