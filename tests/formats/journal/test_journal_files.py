"""Journal files say line by line what the ledger says, and programs that are not ours agree that they balance."""

from __future__ import annotations

import csv
import doctest
import io
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.accounts import DEFAULT_ACCOUNTS, INTERCOMPANY
from finledger.core.model import Account, ChargeLine, Dated, JournalEntry, LineKey, Organisation, Posting, Team
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.post import post
from finledger.core.problem import Misused
from finledger.write.journal import Journal, _canonical, formats, render, suffix
from finledger.write.journal._canonical import account_path, posting_path
from tests.formats.journal.journal_readings import READERS, from_csv, of_the_ledger, sums

HERE = Path(__file__).parent
JULY = Month(2026, 7)
BEAN_CHECK = Path(sys.executable).with_name("bean-check")
INSTALL = "install the checkers: apt-get install hledger ledger"
needs_hledger = pytest.mark.skipif(shutil.which("hledger") is None, reason=INSTALL)
needs_ledger = pytest.mark.skipif(shutil.which("ledger") is None, reason=INSTALL)
Checker = Callable[[Path], "subprocess.CompletedProcess[str]"]
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8"}


def _entry(entry_id: str, team: str, center: str, currency: str, pairs: list[tuple[str, str, int, str]]) -> JournalEntry:
    postings: list[Posting] = []
    for debit, credit, minor, component in pairs:
        postings.append(Posting(DEFAULT_ACCOUNTS[debit], center, Money(minor, currency), component))
        postings.append(Posting(DEFAULT_ACCOUNTS[credit], "cc-1000", Money(-minor, currency), component))
    memo = f"AI services of {team} in 2026-07"
    return JournalEntry(entry_id, date(2026, 7, 31), JULY, JULY, team, "", memo, tuple(postings))


def _thousand_chats(currency: str) -> Journal:
    """1,000 chat calls of the articles' worked price, 11.12 in all, then a draw of 5.00 from the fund; in minor units."""
    search = _entry("2026-07/search/cc-4815", "search", "cc-4815", currency, [
        ("ai_service_expense", "recovery_of_usage", 930, "base"),
        ("ai_service_expense", "recovery_of_overhead", 135, "overhead"),
        ("ai_service_expense", "registry_reserve", 5, "registry"),
        ("ai_service_expense", "buffer_fund", 42, "buffer"),
        ("ai_service_expense", "buffer_fund", -500, "buffer_draw"),
    ])  # fmt: skip
    gpu = [("ai_service_expense", "recovery_of_usage", 7, "gpu")]
    premium = [("quality_premium_expense", "eval_reserve", 1, "coverage_premium")]
    odd = _entry('2026-07/R&D "x"/CC-9', 'R&D "x"', "CC-9", currency, gpu)
    formula = _entry("2026-07/=1+1/日本", "=1+1", "日本", currency, premium)
    return Journal("Northwind AI platform", JULY, currency, (search, odd, formula))


ENTITIES = ("DE01", "ES01", 'Société "x"')


def _between_entities(presentation: Literal["liability", "pnl_contra"] = "liability") -> Journal:
    """The thousand chats three times: of a team of DE01 as the platform is, and of one of each other entity (rule L6).

    All three charge cost centre cc-4815, and each entity has its own.
    """
    names = {key: Account(key, key.replace("_", " ").capitalize(), kind) for key, kind in INTERCOMPANY.items()}
    teams = {
        f"team {entity}": Team(f"team {entity}", Dated.always("cc-4815"), Dated.always("chargeback"), entity=entity)
        for entity in ENTITIES
    }
    books = Organisation(
        "B", "USD", "UTC", "ai-platform", "cc-1000", teams, platform_entity="DE01", accounts=names,
        fund_presentation=presentation,
    )  # fmt: skip
    parts = tuple(
        (name, Money(minor, "USD")) for name, minor in (("base", 930), ("buffer", 42), ("overhead", 135), ("registry", 5))
    )
    keys = [LineKey(name, "cc-4815", "f", "chat", "inference", "m", "action", "2026-Q3.v1", JULY, JULY) for name in teams]
    lines = [ChargeLine(key, "chargeback", Decimal(1000), "action", Decimal(0), Money(1112, "USD"), parts) for key in keys]
    outcome = post(lines, books, JULY)
    assert outcome.problems == ()
    return Journal("Northwind AI platform", JULY, "USD", outcome.rows)


def _write(journal: Journal, name: str, folder: Path) -> Path:
    path = folder / f"{journal.period}{suffix(name)}"
    path.write_bytes(render(name, journal))
    return path


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, env=ENVIRONMENT, timeout=120)


def _bean_check(path: Path) -> subprocess.CompletedProcess[str]:
    return _run(BEAN_CHECK, "--no-cache", path)


def _hledger_check(path: Path) -> subprocess.CompletedProcess[str]:
    return _run("hledger", "check", "-f", path, "--strict", "ordereddates")


def _ledger_check(path: Path) -> subprocess.CompletedProcess[str]:
    return _run("ledger", "--strict", "--pedantic", "--args-only", "-f", path, "balance")


CHECKERS = [
    pytest.param("beancount", _bean_check, id="bean-check"),
    pytest.param("hledger", _hledger_check, id="hledger", marks=needs_hledger),
    pytest.param("hledger", _ledger_check, id="ledger", marks=needs_ledger),
]


def _accepted(result: subprocess.CompletedProcess[str]) -> None:
    assert (result.returncode, result.stderr) == (0, ""), result.stderr[:2000]


# ── the registry ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_formats__are_the_modules_of_the_folder() -> None:
    assert formats() == ("beancount", "csv", "hledger")
    assert [suffix(name) for name in formats()] == [".beancount", ".csv", ".journal"]


def test_render__unknown_format() -> None:
    with pytest.raises(Misused, match="no journal format 'xls': choose among beancount, csv, hledger"):
        render("xls", _thousand_chats("USD"))
    with pytest.raises(Misused):
        render("_canonical", _thousand_chats("USD"))


def test_doctests() -> None:
    assert doctest.testmod(_canonical) == (0, 3)


# ── goldens, and what the files say ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", formats())
def test_render__golden(name: str) -> None:
    expected = HERE / name / f"expected{suffix(name)}"
    content = render(name, _thousand_chats("USD"))
    if os.environ.get("FINLEDGER_GOLDEN") == "write":
        expected.parent.mkdir(exist_ok=True)
        expected.write_bytes(content)
    assert content.decode() == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
@pytest.mark.parametrize("name", formats())
def test_render__reads_back_as_the_ledger_has_it(name: str, currency: str) -> None:
    journal = _thousand_chats(currency)
    content = render(name, journal)
    found = READERS[name](content)
    assert sorted(found) == of_the_ledger(journal)
    assert sums(found) == sums(of_the_ledger(journal))
    digits = {"USD": "-9.30", "JPY": "-930", "KWD": "-0.930"}[currency]
    assert (digits.lstrip("-") if name == "csv" else digits) in re.split(r"[ ,\n]", content.decode())


@pytest.mark.parametrize("name", formats())
def test_render__order_of_entries_does_not_matter(name: str) -> None:
    journal = _thousand_chats("USD")
    turned = Journal(journal.books, journal.period, journal.currency, journal.entries[::-1])
    assert render(name, turned) == render(name, journal)


def test_journal__two_entries_with_one_id() -> None:
    entry = _thousand_chats("USD").entries[0]
    with pytest.raises(ValueError, match="same id"):
        Journal("B", JULY, "USD", (entry, entry))


def test_csv__a_name_that_looks_like_a_formula_stays_text() -> None:
    """What a spreadsheet sees starts with an apostrophe; what the reader takes off is only that."""
    table = list(csv.DictReader(io.StringIO(render("csv", _thousand_chats("USD")).decode())))
    assert {row["team"] for row in table} == {"search", 'R&D "x"', "'=1+1"}
    assert "=1+1" in {line.team for line in from_csv(render("csv", _thousand_chats("USD")))}


# ── programs that are not ours ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
@pytest.mark.parametrize(("name", "check"), CHECKERS)
def test_checker__accepts(name: str, check: Checker, currency: str, tmp_path: Path) -> None:
    _accepted(check(_write(_thousand_chats(currency), name, tmp_path)))


@pytest.mark.parametrize(("name", "check"), CHECKERS)
def test_checker__accepts_a_month_without_entries(name: str, check: Checker, tmp_path: Path) -> None:
    _accepted(check(_write(Journal("B", JULY, "USD", ()), name, tmp_path)))


@pytest.mark.parametrize("wrong", ["9.31", "9.301", "9.305"])
@pytest.mark.parametrize(("name", "check"), CHECKERS)
def test_checker__rejects_an_amount_that_is_off(name: str, check: Checker, wrong: str, tmp_path: Path) -> None:
    """Off by a cent, and by less than the tolerance the programs have when nothing is said."""
    path = _write(_thousand_chats("USD"), name, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert text.count(" 9.30 ") == 1
    path.write_text(text.replace(" 9.30 ", f" {wrong} "), encoding="utf-8")
    assert check(path).returncode != 0


def _by_path(journal: Journal) -> dict[str, Decimal]:
    result: dict[str, Decimal] = defaultdict(Decimal)
    for entry in journal.entries:
        for posting in entry.postings:
            result[posting_path(entry, posting)] += posting.amount.amount
    return dict(result)


@needs_hledger
@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
def test_hledger__same_balances(currency: str, tmp_path: Path) -> None:
    journal = _thousand_chats(currency)
    path = _write(journal, "hledger", tmp_path)
    result = _run("hledger", "balance", "-f", path, "--flat", "--empty", "--no-total", "-O", "csv")
    table = list(csv.reader(io.StringIO(result.stdout)))[1:]
    assert {name: Decimal(amount.split()[0]) for name, amount in table} == _by_path(journal)


@needs_ledger
@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
def test_ledger__same_balances(currency: str, tmp_path: Path) -> None:
    journal = _thousand_chats(currency)
    path = _write(journal, "hledger", tmp_path)
    shape = "%(account)\t%(quantity(scrub(total)))\n"
    result = _run("ledger", "--args-only", "-f", path, "balance", "--flat", "--empty", "--no-total", "--format", shape)
    table = [line.split("\t") for line in result.stdout.splitlines()]
    assert {name: Decimal(amount) for name, amount in table} == _by_path(journal)


# ── legal entities ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", formats())
def test_render__every_line_says_in_whose_books_it_stands(name: str) -> None:
    """Per entity 11.12 is debited and credited: the platform's has all three teams', 33.36, the others have their own."""
    found = READERS[name](render(name, _between_entities()))
    assert sorted(found) == of_the_ledger(_between_entities())
    debits: dict[str, Decimal] = defaultdict(Decimal)
    net: dict[str, Decimal] = defaultdict(Decimal)
    for line in found:
        net[line.entity] += line.amount
        debits[line.entity] += max(line.amount, Decimal(0))
    assert set(net.values()) == {Decimal(0)}
    assert debits == {"DE01": Decimal("33.36"), ENTITIES[1]: Decimal("11.12"), ENTITIES[2]: Decimal("11.12")}


@pytest.mark.parametrize("presentation", ["liability", "pnl_contra"])
@pytest.mark.parametrize(("name", "check"), CHECKERS)
def test_checker__accepts_entities_and_both_presentations_of_the_fund(
    name: str, check: Checker, presentation: Literal["liability", "pnl_contra"], tmp_path: Path
) -> None:
    path = _write(_between_entities(presentation), name, tmp_path)
    _accepted(check(path))
    kind = {"liability": "Liabilities", "pnl_contra": "Income"}[presentation]
    assert set(re.findall(r"\w+(?=:(?:Buffer-fund|Registry-reserve|Eval-reserve))", path.read_text())) == {kind}


@needs_hledger
def test_hledger__trial_balance_of_one_company(tmp_path: Path) -> None:
    """By the tag on the lines: what ES01's own accountant books, 11.12 of expense owed to DE01, and nothing of DE01's."""
    path = _write(_between_entities(), "hledger", tmp_path)
    result = _run("hledger", "balance", "-f", path, "--flat", "--no-total", "-O", "csv", "tag:legal_entity=^ES01$")
    assert {row[0]: row[1] for row in list(csv.reader(io.StringIO(result.stdout)))[1:]} == {
        "Expenses:AI-service-expense:Cc-4815:ES01": "11.12000000 USD",
        "Liabilities:Intercompany-payable:DE01:ES01": "-11.12000000 USD",
    }


# ── accounts as paths ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("account", "cost_center", "path"),
    [
        (Account("x", "AI service expense", "Expenses"), "cc-4815", "Expenses:AI-service-expense:Cc-4815"),
        (Account("x", "AI service expense", "Expenses", "6100"), "CC-4815", "Expenses:6100-AI-service-expense:CC-4815"),
        (Account("x", "Kosten Büro", "Expenses"), "4815", "Expenses:Kosten-Buro--"),
        (Account("x", "  : ; ", "Liabilities"), "", "Liabilities:X--"),
    ],
)
def test_account_path__readable(account: Account, cost_center: str, path: str) -> None:
    assert account_path(account, cost_center).startswith(path)


def test_account_path__names_that_read_alike_stay_apart() -> None:
    names = [
        "Search",
        "search",
        "SEARCH",
        "sEarch",
        "se arch",
        "se-arch",
        "Se-arch",
        "SE-ARCH",
        "se--arch",
        "Sé-arch",
        "s",
        "S",
    ]
    centers = {account_path(Account("x", "A", "Assets"), name) for name in names}
    accounts = {account_path(Account("x", name, "Assets"), "cc-1") for name in names}
    assert len(centers) == len(accounts) == len(names)
    numbered = [("61", "AI"), ("", "61 AI"), ("61 AI", ""), ("6", "1 AI"), ("61-", "AI")]
    assert len({account_path(Account("x", name, "Assets", number), "c") for number, name in numbered}) == len(numbered)


# ── any balanced entry, any name ────────────────────────────────────────────────────────────────────────────────────────

odd_text = st.text(max_size=12) | st.sampled_from(
    ["a  b", " a", "b ", "=1+1", "'x", "x; y", "a:b", "[2020-01-01]", "date:2020-01-01", "x, date:2020-01-01", 'q"', "\\",
     "\\u{41}", "\\\\n", "a\nb", "2026-07-31 * x\n  Assets:A  1 USD", "\t", "*", "(x)", "|", "日本", "e\u0301", "\ud800",
     "\u202egnp", "\u2028", "\x00", "🎈", "@x", "-1", "{", "#tag", "!", "%", "; x:: 1", "include /etc/passwd"],
)  # fmt: skip
accounts = st.builds(
    Account, st.just("k"), odd_text, st.sampled_from(["Assets", "Liabilities", "Equity", "Income", "Expenses"]), odd_text
)


@st.composite
def balanced_entries(draw: st.DrawFn) -> JournalEntry:
    currency = draw(st.sampled_from(["USD", "EUR", "JPY", "KWD", "CLF"]))
    amounts = draw(st.lists(st.integers(-(10**13), 10**13).filter(bool), min_size=1, max_size=4))
    if sum(amounts):
        amounts.append(-sum(amounts))
    entities = draw(st.just([""]) | st.lists(odd_text, min_size=1, max_size=2, unique=True))
    postings = tuple(
        Posting(
            draw(accounts), draw(odd_text), Money(minor, currency), draw(st.just("base") | odd_text.filter(bool)), entity
        )
        for entity in entities
        for minor in amounts
    )
    month = Month(2026, draw(st.integers(1, 12)))
    return JournalEntry(
        draw(odd_text), month.last_day, month, JULY, draw(odd_text), draw(odd_text), draw(odd_text), postings
    )


def test_any_entry_goes_through_every_format(tmp_path: Path) -> None:
    """Random entries with names that try to be syntax: read back exactly, then all of them checked in one batch."""
    batch: list[JournalEntry] = []

    @settings(max_examples=150, derandomize=True)
    @given(balanced_entries(), odd_text)
    def each(entry: JournalEntry, books: str) -> None:
        journal = Journal(books, JULY, "USD", (entry,))
        for name in formats():
            assert sorted(READERS[name](render(name, journal))) == of_the_ledger(journal), name
        batch.append(replace(entry, entry_id=f"{len(batch)}/{entry.entry_id}"))

    each()
    journal = Journal("All of them", JULY, "USD", tuple(batch))
    assert len(batch) >= 150 and len({line.cost_center for line in of_the_ledger(journal)}) > 50
    _accepted(_bean_check(_write(journal, "beancount", tmp_path)))
    path = _write(journal, "hledger", tmp_path)
    if shutil.which("hledger"):
        _accepted(_hledger_check(path))
        printed = csv.DictReader(io.StringIO(_run("hledger", "print", "-f", path, "-O", "csv").stdout))
        _same_lines(journal, [(row["date"], row["account"], row["commodity"], row["amount"]) for row in printed])
    if shutil.which("ledger"):
        _accepted(_ledger_check(path))
        listed = csv.reader(io.StringIO(_run("ledger", "--args-only", "-f", path, "csv").stdout), escapechar="\\")
        _same_lines(journal, [(row[0].replace("/", "-"), row[3], row[4], row[5]) for row in listed])


def _same_lines(journal: Journal, found: list[tuple[str, str, str, str]]) -> None:
    """Day, account, currency and amount of every posting, in the order of the file: nothing added, nothing lost."""
    expected: list[tuple[str, str, str, Decimal]] = []
    for entry in journal.ordered:
        for posting in entry.postings:
            path = posting_path(entry, posting)
            expected.append((str(entry.posting_date), path, posting.amount.currency, posting.amount.amount))
    assert [(day, name, currency, Decimal(amount)) for day, name, currency, amount in found] == expected
