r"""The journal in the form that hledger and ledger both read and both check strictly.

What makes it one file for two programs: commodities declared with eight decimals (with two, hledger lets half a cent pass;
written on one line, ledger does not know them), every account and tag declared, no option of either. Text that people wrote
keeps its letters and digits and a few marks; all else stands as `\u{…}`, because in a comment a bracket can become a date, a
comma a tag, and two blanks end a name.
"""

from __future__ import annotations

import unicodedata

from finledger.core.model import JournalEntry
from finledger.write.journal._canonical import Journal, OpenAccount, escape, open_accounts, plain, posting_path

SUFFIX = ".journal"
_TAGS = ("account_name", "account_number", "cost_center", "team", "service_period", "legal_entity", "component")
_MARKS = frozenset("-_./%&'+")


def render(journal: Journal) -> bytes:
    lines = [f"; {_text(journal.books)} {journal.period}", ""]
    for currency in journal.currencies:
        lines += [f"commodity {currency}", f"    format 1000.00000000 {currency}"]
    lines += ["", *(f"tag {tag}" for tag in _TAGS), ""]
    for account in open_accounts(journal):
        lines += _declare(account)
    for entry in journal.ordered:
        lines += ["", *_transaction(entry)]
    return ("\n".join(lines) + "\n").encode()


def _declare(account: OpenAccount) -> list[str]:
    return [
        f"account {account.path}",
        *_tag("account_name", account.account.name),
        *_tag("account_number", account.account.number),
        *_tag("cost_center", account.cost_center),
        *_tag("legal_entity", account.entity),
    ]


def _transaction(entry: JournalEntry) -> list[str]:
    lines = [f"{entry.posting_date.isoformat()} * ({_text(entry.entry_id)}) {_text(entry.memo)}".rstrip()]
    lines += _tag("team", entry.team)
    lines += _tag("service_period", str(entry.service_month))
    between = entry.is_intercompany  # then each posting says whose it is: it would inherit the entry's tag beside its own
    lines += _tag("legal_entity", "" if between else entry.entity)
    for posting in entry.postings:
        path = posting_path(entry, posting)
        lines.append(f"    {path}  {plain(posting.amount.amount)} {posting.amount.currency}")
        lines += _tag("component", posting.component)
        lines += _tag("legal_entity", entry.entity_of(posting) if between else "")
    return lines


def _tag(name: str, value: str) -> list[str]:
    return [f"    ; {name}: {_text(value)}"] if value else []


def _text(text: str) -> str:
    """Letters, digits, a few marks and a single blank inside stay; a blank at an end or beside another does not."""
    return "".join(c if _carried(c) or _is_single_blank(text, at) else escape(c) for at, c in enumerate(text))


def _carried(character: str) -> bool:
    return character in _MARKS or unicodedata.category(character)[0] in "LMN"


def _is_single_blank(text: str, at: int) -> bool:
    return 0 < at < len(text) - 1 and text[at] == " " and text[at - 1] != " " and text[at + 1] != " "
