"""The journal as a beancount file, which bean-check accepts at zero tolerance.

Beancount's own default lets half a unit of the last decimal pass; `tolerance_multiplier` 0 does not. Each account is opened
on the first day of the month of its first use, in its currency. Account components are plain ASCII here; the names as the
books have them stand in the metadata.
"""

from __future__ import annotations

from datetime import date

from finledger.core.model import JournalEntry
from finledger.write.journal._canonical import Journal, OpenAccount, escaped, open_accounts, plain, posting_path

SUFFIX = ".beancount"


def render(journal: Journal) -> bytes:
    lines = [
        f'option "title" {_string(f"{journal.books}, {journal.period}")}',
        *(f'option "operating_currency" "{currency}"' for currency in journal.currencies),
        'option "tolerance_multiplier" "0"',
        'option "booking_method" "STRICT"',
        "",
    ]
    opened = _first_use(journal)
    for account in open_accounts(journal):
        lines += _open(account, opened[account.path])
    for entry in journal.ordered:
        lines += ["", *_transaction(entry)]
    return ("\n".join(lines) + "\n").encode()


def _first_use(journal: Journal) -> dict[str, date]:
    opened: dict[str, date] = {}
    for entry in journal.ordered:
        for posting in entry.postings:
            opened.setdefault(posting_path(entry, posting), entry.posting_date.replace(day=1))
    return opened


def _open(account: OpenAccount, day: date) -> list[str]:
    lines = [f"{day.isoformat()} open {account.path} {','.join(account.currencies)}"]
    lines.append(f"  account: {_string(account.account.name)}")
    if account.account.number:
        lines.append(f"  account_number: {_string(account.account.number)}")
    lines.append(f"  cost_center: {_string(account.cost_center)}")
    if account.entity:
        lines.append(f"  legal_entity: {_string(account.entity)}")
    return lines


def _transaction(entry: JournalEntry) -> list[str]:
    lines = [f"{entry.posting_date.isoformat()} * {_string(entry.team)} {_string(entry.memo)}"]
    lines.append(f"  journal_id: {_string(entry.entry_id)}")
    lines.append(f'  service_period: "{entry.service_month}"')
    between = entry.is_intercompany  # then each posting says whose it is
    if entry.entity and not between:
        lines.append(f"  legal_entity: {_string(entry.entity)}")
    for posting in entry.postings:
        path = posting_path(entry, posting)
        lines.append(f"  {path}  {plain(posting.amount.amount)} {posting.amount.currency}")
        lines.append(f"    component: {_string(posting.component)}")
        if between:
            lines.append(f"    legal_entity: {_string(entry.entity_of(posting))}")
    return lines


def _string(text: str) -> str:
    quoted = escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
