"""What a controller ticks off: charges, FOCUS file, documents, journals and ledger come to the same, to the cent (rule X4).

The files of out/ are read as they lie there, added up again, and held against the ledger figure by figure. What was not
written is not missed; what was, and says something else, is named with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext

from finledger.core.model import ChargeLine, Check, JournalEntry, Posting
from finledger.core.money import EXACT
from finledger.core.period import Month, Quarter
from finledger.core.problem import Problem
from finledger.core.tie_out import (
    Figure,
    Finding,
    component_amounts,
    component_figure,
    differs,
    held_against,
    posting_amounts,
    posting_figure,
)
from finledger.read.written import Row, WrittenPosting, amount_of, journal_rows, read_journal, read_rows, unread
from finledger.workbench import Workbench
from finledger.workbench.tie_documents import Document, documents_of, of_documents, settled_documents
from finledger.workbench.tie_files import Contents, Files, again
from finledger.workbench.tie_focus import focus_ties
from finledger.workbench.tie_quarter import quarter_ties
from finledger.workbench.tie_usage import usage_ties

JOURNALS = {"csv": ".csv", "beancount": ".beancount", "hledger": ".journal"}
_JOURNAL_COLUMNS = (
    "journal_id", "line_no", "legal_entity", "currency", "account_number", "account", "cost_center", "debit", "credit",
)  # fmt: skip


def tie_outs(
    bench: Workbench, period: Month | Quarter, *, contents: Contents | None = None, usage: bool = True
) -> tuple[Finding, ...]:
    """The laws that hold across the files and the ledger, with both sides, and a problem at each figure that breaks one.

    `contents`: what is about to be put into files, in the place of what lies there now (None: will not be there). `usage`:
    also that of an open month, which is grouped anew for it. Nothing is raised for what does not tie.
    """
    with localcontext(EXACT):
        files = Files(bench, period, contents or {})
        documents = list(documents_of(files))
        if isinstance(period, Quarter):
            settled = [*settled_documents(files, documents), *_journals(files), *quarter_ties(bench, period, files.read)]
            return (*settled, *_documents_and_journal(files, documents, ()))
        lines = bench.ledger.charge_rows(period)
        found = [*_charges(files, lines), *focus_ties(files, lines), *of_documents(files, documents, lines)]
        found += [*_journals(files), *_documents_and_journal(files, documents, lines)]
        return (*found, *(usage_ties(bench, period) if usage else ()))


# ── charges.csv ───────────────────────────────────────────────────────────────────────────────────────────


def _charges(files: Files, lines: Sequence[ChargeLine]) -> Iterator[Finding]:
    path, remedy = files.folder / "charges.csv", again("allocate", files.period)
    content = files.read(path)
    if content is None:
        return
    name, whole = files.shown(path), {line.line_id: line.amount.amount for line in lines}
    outcome = read_rows(content, name, ("line_id", "line_amount", "team", "cost_center", "component", "amount"))
    yield from outcome.problems
    figures: list[Figure] = []
    for row in outcome.rows:
        cells = row.cells
        yield from _taken(figures, row, "amount", component_figure(cells["component"], *_of_line(cells)))
        stated = amount_of(cells["line_amount"])
        expected = whole.get(cells["line_id"])
        if stated != expected and expected is not None:
            said = (
                f"line_amount of line {cells['line_id']} is {cells['line_amount']} in the file, and {expected} in the ledger"
            )
            yield differs(row.where, said, remedy, row.excerpt)
    yield from held_against(name, figures, component_amounts(lines), remedy, f"amounts in {name} = charge lines")


def _of_line(cells: Mapping[str, str]) -> tuple[str, str, str]:
    return cells["line_id"], cells["team"], cells["cost_center"]


def _taken(figures: list[Figure], row: Row, column: str, what: str) -> Iterator[Problem]:
    """The column's amount is added to the figures, or it is none."""
    amount = amount_of(row.cells[column])
    if amount is None:
        yield unread(row.where, f"{column} {row.cells[column]!r} is no amount", row.excerpt)
    else:
        figures.append(Figure(what, amount, row.where, row.excerpt))


# ── journals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _journals(files: Files) -> Iterator[Finding]:
    entries = files.bench.ledger.entries(files.period)
    remedy = again("journal" if isinstance(files.period, Month) else "reconcile", files.period)
    for format, suffix in JOURNALS.items():
        path = files.folder / "journal" / f"{files.period}{suffix}"
        content = files.read(path)
        if content is None:
            continue
        name = files.shown(path)
        figures, problems = _csv_postings(content, name) if format == "csv" else _text_postings(content, name, format)
        yield from problems
        expected = posting_amounts(entries, _accounts(entries, format))
        counts = (Decimal(len(figures)), Decimal(len(expected)))
        yield Check(f"postings in {name} = postings in the ledger", *counts)
        debits = [sum((amount for amount in side if amount > 0), Decimal(0)) for side in _sides(figures, expected)]
        yield Check(f"debits in {name} = debits in the ledger", *debits)
        yield from held_against(name, figures, expected, remedy)


def _sides(figures: Iterable[Figure], expected: Mapping[str, Decimal]) -> tuple[list[Decimal], list[Decimal]]:
    return [each.amount for each in figures], list(expected.values())


def _accounts(entries: Iterable[JournalEntry], format: str) -> dict[tuple[str, int], str]:
    """What a format calls the account of each posting."""
    from finledger.write.journal._canonical import posting_path

    def named(entry: JournalEntry, posting: Posting) -> str:
        if format != "csv":
            return posting_path(entry, posting)
        account = posting.account
        return _account(account.number, account.name, posting.cost_center, entry.entity_of(posting))

    return {
        (entry.entry_id, number): named(entry, posting)
        for entry in entries
        for number, posting in enumerate(entry.postings, start=1)
    }


def _account(number: str, name: str, cost_center: str, entity: str) -> str:
    return " at ".join(filter(None, (f"{number} {name}".strip(), cost_center, entity)))


def _csv_postings(content: bytes, name: str) -> tuple[list[Figure], tuple[Problem, ...]]:
    outcome = read_rows(content, name, _JOURNAL_COLUMNS)
    figures, problems = [], list(outcome.problems)
    for row, amount in journal_rows(outcome.rows):
        cells = row.cells
        if amount is None or not re.fullmatch("[0-9]{1,9}", cells["line_no"]):
            problems.append(unread(row.where, "it is no posting with one amount, debit or credit", row.excerpt))
            continue
        account = _account(cells["account_number"], cells["account"], cells["cost_center"], cells["legal_entity"])
        what = posting_figure(int(cells["line_no"]), cells["journal_id"], account, cells["currency"])
        figures.append(Figure(what, amount, row.where, row.excerpt))
    return figures, tuple(problems)


def _text_postings(content: bytes, name: str, format: str) -> tuple[list[Figure], tuple[Problem, ...]]:
    outcome = read_journal(content, name, format)

    def figure(each: WrittenPosting) -> Figure:
        what = posting_figure(each.line_no, each.entry_id, each.path, each.currency)
        return Figure(what, each.amount, each.where, each.excerpt)

    return [figure(each) for each in outcome.rows], outcome.problems


def _documents_and_journal(
    files: Files, documents: Iterable[Document | Problem], lines: Sequence[ChargeLine]
) -> Iterator[Check]:
    """Invoices and notes of each cost centre = what the journal's CSV posts to it, net, provided that both were written.

    Not of the platform's cost centre, where the other side of everything stands.
    """
    path = files.folder / "journal" / f"{files.period}.csv"
    content = files.read(path)
    own = [each for each in documents if isinstance(each, Document)]
    if content is None or not own:
        return
    name, teams = files.shown(path), {each.team for each in own}
    partly = {line.key.cost_center for line in lines if line.key.team not in teams}
    left_out = {files.bench.organisation.platform_cost_center, *partly, ""}
    billed: dict[str, Decimal] = {}
    for each in own:
        for center, amount in each.by_cost_center.items() if not each.pro_forma else ():
            billed[center] = billed.get(center, Decimal(0)) + amount
    net: dict[str, Decimal] = {}
    for row, posting in journal_rows(read_rows(content, name, _JOURNAL_COLUMNS).rows):
        center = row.cells["cost_center"]
        net[center] = net.get(center, Decimal(0)) + (posting or Decimal(0))
    for center in sorted(billed.keys() - left_out):
        yield Check(f"invoices and notes of {center} = {name} to it, net", billed[center], net.get(center, Decimal(0)))
