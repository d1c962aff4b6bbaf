r"""The journal as CSV: one line a posting, the canonical columns from which an import for any accounting system is made.

UTF-8, LF, a header. Amounts are decimal text in the currency's places, on one side, the other empty; they are never
negative. Every other cell that starts with `=`, `+`, `-`, `@` (after blanks), or with an apostrophe, gets one apostrophe in
front: a spreadsheet then shows the name instead of running it as a formula. So a leading apostrophe is never part of a name:
take one off when reading. Control characters stand as `\u{a}`.
"""

from __future__ import annotations

import csv
import io

from finledger.write.journal._canonical import Journal, JournalLine, escaped, journal_lines, plain
from finledger.write.text import formula_safe

SUFFIX = ".csv"
COLUMNS = (
    "journal_id", "line_no", "posting_date", "service_period", "legal_entity", "currency", "account_number", "account",
    "cost_center", "debit", "credit", "memo", "component", "team",
)  # fmt: skip


def render(journal: Journal) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(line) for line in journal_lines(journal))
    return buffer.getvalue().encode()


def _row(line: JournalLine) -> tuple[str, ...]:
    return (
        _cell(line.journal_id),
        str(line.line_no),
        line.posting_date.isoformat(),
        line.service_period,
        _cell(line.legal_entity),
        line.currency,
        _cell(line.account.number),
        _cell(line.account.name),
        _cell(line.cost_center),
        "" if line.debit is None else plain(line.debit),
        "" if line.credit is None else plain(line.credit),
        _cell(line.memo),
        _cell(line.component),
        _cell(line.team),
    )


def _cell(text: str) -> str:
    return formula_safe(escaped(text))
