r"""What every journal format is written from: sorted lines, names made safe, accounts as paths.

Names come from people and may hold anything; a file format must not be steered by them. `escaped` turns a character that a
format cannot carry into `\u{…}`, so that two different names stay different. `account_path` makes of an account and a cost
centre a path of plain ASCII, which depends on these two names alone: the same in every month's file. What stands in the books
of another legal entity than the entry's has that entity as one part more, so that no account mixes two companies.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from finledger.core.model import Account, JournalEntry, Posting
from finledger.core.money import Money
from finledger.core.period import Month, Quarter


@dataclass(frozen=True, slots=True)
class Journal:
    """The entries of a month, or of a quarter's end, as they go into a file. `currency` is the books'; each posting names its own."""

    books: str
    period: Month | Quarter
    currency: str
    entries: tuple[JournalEntry, ...]

    def __post_init__(self) -> None:
        ids = [entry.entry_id for entry in self.entries]
        if len(set(ids)) != len(ids):
            raise ValueError(f"two entries of {self.period} have the same id")

    @property
    def ordered(self) -> tuple[JournalEntry, ...]:
        """Entries by posting date, then id: checkers want dates in order, and the same month gives the same bytes."""
        return tuple(sorted(self.entries, key=lambda entry: (entry.posting_date, entry.entry_id)))

    @property
    def currencies(self) -> tuple[str, ...]:
        used = {posting.amount.currency for entry in self.entries for posting in entry.postings}
        return tuple(sorted(used | {self.currency}))


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One posting as accounting systems import it: one of `debit` and `credit` is set, both are positive."""

    journal_id: str
    line_no: int
    posting_date: date
    service_period: str
    legal_entity: str
    currency: str
    account: Account
    cost_center: str
    debit: Decimal | None
    credit: Decimal | None
    memo: str
    component: str
    team: str


def journal_lines(journal: Journal) -> Iterator[JournalLine]:
    """Every posting of the journal, in the order of the files; `line_no` counts from 1 in each entry."""
    for entry in journal.ordered:
        for number, posting in enumerate(entry.postings, start=1):
            minor, currency = posting.amount.minor, posting.amount.currency
            yield JournalLine(
                journal_id=entry.entry_id,
                line_no=number,
                posting_date=entry.posting_date,
                service_period=str(entry.service_month),
                legal_entity=entry.entity_of(posting),
                currency=currency,
                account=posting.account,
                cost_center=posting.cost_center,
                debit=Money(minor, currency).amount if minor >= 0 else None,
                credit=Money(-minor, currency).amount if minor < 0 else None,
                memo=entry.memo,
                component=posting.component,
                team=entry.team,
            )


def plain(amount: Decimal) -> str:
    """The amount with the currency's decimal places, never in scientific notation."""
    return format(amount, "f")


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

# Marks that turn the direction of what follows: a reader would see other text than the file holds.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_printable(character: str) -> bool:
    """Not a control character, a line or paragraph separator, half a surrogate pair or a mark of direction."""
    return unicodedata.category(character) not in _UNPRINTABLE and character not in _BIDI


def escape(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


def escaped(text: str) -> str:
    r"""The text with every unprintable character as `\u{…}`, a `\u` of its own told apart.

    >>> print(escaped("a" + chr(10) + "b"))
    a\u{a}b
    """
    text = re.sub(r"\\(?=u)", lambda found: escape(found[0]), text)
    return "".join(c if is_printable(c) else escape(c) for c in text)


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────────────

# Names whose spelling survives the way into a path: no two of them give the same. Any other gets a hash of the name.
_PLAIN_ACCOUNT = re.compile(r"[A-Z][A-Za-z0-9]*( [A-Za-z0-9]+)*", re.ASCII)
_PLAIN_NUMBER = re.compile(r"[0-9]*", re.ASCII)
_LOWER_CODE = re.compile(r"[a-z]{2}[a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_UPPER_CODE = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*", re.ASCII)


def posting_path(entry: JournalEntry, posting: Posting) -> str:
    """The path of a posting's account; with its legal entity where that is another than the entry's (rule L6)."""
    entity = entry.entity_of(posting)
    return account_path(posting.account, posting.cost_center, "" if entity == entry.entity else entity)


def account_path(account: Account, cost_center: str, entity: str = "") -> str:
    """Type:Account:Cost-centre, each part ASCII letters, digits and hyphens, starting with a capital letter or a digit.

    >>> account_path(Account("x", "AI service expense", "Expenses", "6100"), "cc-4815")
    'Expenses:6100-AI-service-expense:Cc-4815'
    >>> account_path(Account("x", "AI service expense", "Expenses", "6100"), "cc-4815", "ES01")
    'Expenses:6100-AI-service-expense:Cc-4815:ES01'
    """
    if _PLAIN_ACCOUNT.fullmatch(account.name) and _PLAIN_NUMBER.fullmatch(account.number):
        name = f"{account.number} {account.name}".strip().replace(" ", "-")
    else:
        name = _hashed(f"{account.number} {account.name}", f"{account.number}\x1f{account.name}")
    parts = [account.type, name, _code_part(cost_center), *([_code_part(entity)] if entity else [])]
    return ":".join(parts)


def _code_part(name: str) -> str:
    if _UPPER_CODE.fullmatch(name):
        return name
    if _LOWER_CODE.fullmatch(name):
        return name[0].upper() + name[1:]
    return _hashed(name, name)


def _hashed(readable: str, identity: str) -> str:
    """What can be read of the name, then a hash of all of it. A plain name never holds two hyphens in a row."""
    ascii_text = unicodedata.normalize("NFKD", readable).encode("ascii", "ignore").decode()
    words = "-".join(re.findall(r"[A-Za-z0-9]+", ascii_text))[:40].rstrip("-") or "X"
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{words[0].upper()}{words[1:]}--{digest}"


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """An account of the file: a path, what it stands for, and the currencies posted to it.

    `entity`: the legal entity whose account it is, where the path says so.
    """

    path: str
    account: Account
    cost_center: str
    entity: str
    currencies: tuple[str, ...]


def open_accounts(journal: Journal) -> tuple[OpenAccount, ...]:
    """Every account the journal uses, by path. Two that give the same path stop the file (a hash that repeats)."""
    meant: dict[str, tuple[Account, str, str]] = {}
    currencies: dict[str, set[str]] = {}
    for entry in journal.entries:
        for posting in entry.postings:
            path, entity = posting_path(entry, posting), entry.entity_of(posting)
            entity = "" if entity == entry.entity else entity
            first, *rest = meant.setdefault(path, (posting.account, posting.cost_center, entity))
            if (first.name, first.number, *rest) != (
                posting.account.name,
                posting.account.number,
                posting.cost_center,
                entity,
            ):
                raise ValueError(f"{posting.account.name} and {first.name} both become {path}")
            currencies.setdefault(path, set()).add(posting.amount.currency)
    return tuple(OpenAccount(path, *meant[path], tuple(sorted(currencies[path]))) for path in sorted(meant))
