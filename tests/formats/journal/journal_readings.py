"""Each journal file read back into the same plain lines, by readers that share nothing with the writers."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from beancount import loader
from beancount.core.data import Open, Transaction

from finledger.write.journal._canonical import Journal


@dataclass(frozen=True, order=True)
class Read:
    journal_id: str
    line_no: int
    posting_date: date
    service_period: str
    entity: str
    team: str
    memo: str
    number: str
    account: str
    cost_center: str
    currency: str
    amount: Decimal
    component: str


def of_the_ledger(journal: Journal) -> list[Read]:
    """What every file must say, from the entries themselves."""
    return sorted(
        Read(
            entry.entry_id, line_no, entry.posting_date, str(entry.service_month), posting.entity or entry.entity, entry.team,
            entry.memo,
            posting.account.number, posting.account.name, posting.cost_center, posting.amount.currency,
            posting.amount.amount, posting.component,
        )
        for entry in journal.entries
        for line_no, posting in enumerate(entry.postings, start=1)
    )  # fmt: skip


def unescaped(text: str) -> str:
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: chr(int(found[1], 16)), text)


def from_csv(content: bytes) -> list[Read]:
    def cell(text: str) -> str:
        return unescaped(text[1:] if text.startswith("'") else text)

    def read(row: dict[str, str]) -> Read:
        assert (row["debit"] == "") != (row["credit"] == ""), row
        amount = Decimal(row["debit"]) if row["debit"] else -Decimal(row["credit"])
        return Read(
            cell(row["journal_id"]), int(row["line_no"]), date.fromisoformat(row["posting_date"]), row["service_period"],
            cell(row["legal_entity"]), cell(row["team"]), cell(row["memo"]), cell(row["account_number"]),
            cell(row["account"]), cell(row["cost_center"]), row["currency"], amount, cell(row["component"]),
        )  # fmt: skip

    return [read(row) for row in csv.DictReader(io.StringIO(content.decode(), newline=""))]


def from_beancount(content: bytes) -> list[Read]:
    directives, errors, options = loader.load_string(content.decode())
    assert errors == []
    assert options["tolerance_multiplier"] == 0
    opened = {directive.account: directive.meta for directive in directives if isinstance(directive, Open)}
    return [
        Read(
            unescaped(entry.meta["journal_id"]), line_no, entry.date, entry.meta["service_period"],
            unescaped(posting.meta.get("legal_entity", entry.meta.get("legal_entity", ""))), unescaped(entry.payee or ""),
            unescaped(entry.narration),
            unescaped(opened[posting.account].get("account_number", "")), unescaped(opened[posting.account]["account"]),
            unescaped(opened[posting.account]["cost_center"]), posting.units.currency, posting.units.number,
            unescaped(posting.meta["component"]),
        )
        for entry in directives
        if isinstance(entry, Transaction)
        for line_no, posting in enumerate(entry.postings, start=1)
    ]  # fmt: skip


_HEAD = re.compile(r"(\d{4}-\d\d-\d\d) \* \(([^)]*)\) ?(.*)")
_TAG = re.compile(r"    ; (\w+): (.*)")
_POSTING = re.compile(r"    (\S+)  (-?[\d.]+) ([A-Z]{3})")


def from_hledger(content: bytes) -> list[Read]:
    """The lines of the file, each of which must be one of the seven kinds this format writes."""
    accounts: dict[str, dict[str, str]] = {}
    entries: list[tuple[re.Match[str], dict[str, str], list[tuple[re.Match[str], dict[str, str]]]]] = []
    tags: dict[str, str] = {}
    for line in content.decode().split("\n"):
        if line.startswith("account "):
            tags = accounts.setdefault(line.removeprefix("account "), {})
        elif found := _HEAD.fullmatch(line):
            tags = {}
            entries.append((found, tags, []))
        elif found := _POSTING.fullmatch(line):
            tags = {}
            entries[-1][2].append((found, tags))
        elif found := _TAG.fullmatch(line):
            tags[found[1]] = unescaped(found[2])
        else:
            assert line == "" or re.fullmatch(r"; .*|commodity [A-Z]{3}|    format 1000\.0{8} [A-Z]{3}|tag \w+", line), line
    return [
        Read(
            unescaped(head[2]), line_no, date.fromisoformat(head[1]), of_entry["service_period"],
            of_posting.get("legal_entity", of_entry.get("legal_entity", "")), of_entry.get("team", ""), unescaped(head[3]),
            accounts[posting[1]].get("account_number", ""), accounts[posting[1]].get("account_name", ""),
            accounts[posting[1]].get("cost_center", ""), posting[3], Decimal(posting[2]), of_posting["component"],
        )
        for head, of_entry, postings in entries
        for line_no, (posting, of_posting) in enumerate(postings, start=1)
    ]  # fmt: skip


def sums(lines: list[Read]) -> dict[tuple[str, str, str], Decimal]:
    """Balance by account, cost centre and currency."""
    result: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        result[line.account, line.cost_center, line.currency] += line.amount
    return dict(result)


READERS = {"csv": from_csv, "beancount": from_beancount, "hledger": from_hledger}
