"""A trial balance and its roll-forwards add up whatever is posted, and other accounting programs come to the same (L1, L2, X4)."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.accounts import DEFAULT_ACCOUNTS, INTERCOMPANY
from finledger.core.model import Account, Dated, JournalEntry, Organisation, Posting, Team
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.roll_forward import ROLLED, Stretch, intercompany, roll_forward
from finledger.core.trial_balance import TYPES, nets_to_zero, opening_entries, totals, trial_balance
from finledger.write.journal import Journal, render
from finledger.write.journal._canonical import account_path

JULY = Month(2026, 7)
CHART = [*DEFAULT_ACCOUNTS.values(), *(Account(key, key.replace("_", " "), kind) for key, kind in INTERCOMPANY.items())]
ENTITIES = ("US01", "ES01")


def entry(number: int, postings: list[tuple[Account, str, int, str, str]], currency: str = "USD") -> JournalEntry:
    """An entry of (account, cost centre, minor, component, entity)."""
    made = tuple(
        Posting(account, center, Money(minor, currency), part, entity) for account, center, minor, part, entity in postings
    )
    return JournalEntry(f"2026-07/{number}", date(2026, 7, 31), JULY, JULY, "search", "US01", "m", made)


@st.composite
def entries(draw: st.DrawFn) -> list[JournalEntry]:
    """Pairs on any two accounts, each pair in one entity, so that every entry balances."""
    made = []
    for number in range(draw(st.integers(0, 6))):
        currency = draw(st.sampled_from(["USD", "JPY"]))
        postings = []
        for _ in range(draw(st.integers(1, 4))):
            minor, entity = draw(st.integers(-10_000, 10_000)), draw(st.sampled_from(["", *ENTITIES]))
            part = draw(st.sampled_from(["base", "buffer", "buffer_draw"]))
            for sign in (1, -1):
                center = draw(st.sampled_from(["cc-1", "cc-2"]))
                postings.append((draw(st.sampled_from(CHART)), center, sign * minor, part, entity))
        made.append(entry(number, postings, currency))
    return made


@given(entries(), entries())
def test_trial_balance__nets_to_zero_in_every_entity_and_currency(
    before: list[JournalEntry], period: list[JournalEntry]
) -> None:
    rows = trial_balance(before, period)
    assert [check for check in nets_to_zero(rows) if not check.holds] == []
    assert sum(row.debits for row in rows) == sum(each.debits for each in period)
    assert {(row.entity, row.currency) for row in totals(rows)} <= {
        (name, code) for name in ENTITIES for code in ("USD", "JPY")
    }


@given(entries(), entries(), entries())
def test_trial_balance__one_period_closes_where_the_next_opens(
    first: list[JournalEntry], second: list[JournalEntry], third: list[JournalEntry]
) -> None:
    """And two periods are the same as one of both: their movements add up, their closing is the last one's."""

    def place(row: object) -> tuple[object, ...]:
        return row.entity, row.currency, row.account.type, row.account.name, row.cost_center  # type: ignore[attr-defined]

    earlier, later = trial_balance(first, second), trial_balance([*first, *second], third)
    closing = {place(row): row.closing for row in earlier if row.closing}
    assert closing == {place(row): row.opening for row in later if row.opening}
    whole = {place(row): row for row in trial_balance(first, [*second, *third])}
    assert {key: row.closing for key, row in whole.items() if row.closing} == {
        place(row): row.closing for row in later if row.closing
    }
    assert sum(row.debits for row in whole.values()) == sum(row.debits for row in (*earlier, *later))


@given(entries())
def test_trial_balance__is_in_order(period: list[JournalEntry]) -> None:
    rows = trial_balance((), period)
    keys = [
        (r.entity, r.currency, TYPES.index(r.account.type), r.account.number, r.account.name, r.cost_center) for r in rows
    ]
    assert keys == sorted(set(keys))


@given(entries(), entries(), entries())
def test_roll_forward__is_the_accounts_balance_of_the_trial_balance(
    before: list[JournalEntry], july: list[JournalEntry], august: list[JournalEntry]
) -> None:
    """Part by part from opening to closing, each part opening where the one before closed, and all parts = the whole."""
    found = roll_forward(before, [Stretch("july", july), Stretch("august", august)], "both")
    rows = trial_balance(before, [*july, *august])
    for roll in found:
        first, second = roll.stretches
        assert (roll.whole.opening, first.closing, roll.whole.closing) == (first.opening, second.opening, second.closing)
        own = [row for row in rows if (row.account.key, row.entity, row.currency) == (roll.role, roll.entity, roll.currency)]
        sign = 1 if roll.role == "intercompany_receivable" else -1
        assert roll.whole.closing == sign * sum(row.closing for row in own)
        for _, minor in (*roll.whole.additions, *roll.whole.reductions):
            assert minor > 0
    known = {(roll.role, roll.entity, roll.currency) for roll in found}
    left_out = [
        row for row in rows if (row.account.key, row.entity, row.currency) not in known and row.account.key in ROLLED
    ]
    sums = {(row.account.key, row.entity, row.currency): 0 for row in left_out}
    for row in left_out:
        sums[row.account.key, row.entity, row.currency] += row.closing
    assert not any(sums.values()), "an account with a balance is not rolled forward"


def test_roll_forward__a_fund_from_opening_to_closing() -> None:
    """5.00 + surcharges 0.42 and 1.00 - a correction 0.10 - a draw 4.00 = 2.32, then a rebate of 2.00 = 0.32."""
    fund, cost = DEFAULT_ACCOUNTS["buffer_fund"], DEFAULT_ACCOUNTS["ai_service_expense"]

    def moved(number: int, minor: int, part: str) -> JournalEntry:
        return entry(number, [(cost, "cc-1", minor, part, ""), (fund, "cc-9", -minor, part, "")])

    july = [moved(1, 42, "buffer"), moved(2, 100, "buffer"), moved(3, -10, "buffer"), moved(4, -400, "buffer_draw")]
    end = [moved(5, -200, "buffer_rebate")]
    (roll,) = roll_forward([moved(0, 500, "buffer")], [Stretch("2026-07", july), Stretch("end", end)], "2026-Q3")
    first, last = roll.stretches
    assert (roll.role, first.opening, first.additions, first.closing) == ("buffer_fund", 500, (("buffer", 142),), 232)
    assert first.reductions == (("buffer", 10), ("buffer_draw", 400))
    assert (last.opening, last.additions, last.reductions, last.closing) == (232, (), (("buffer_rebate", 200),), 32)
    assert (roll.whole.opening, roll.whole.closing) == (500, 32)


def test_intercompany__owed_and_owing_are_held_against_each_other() -> None:
    chart = {account.key: account for account in CHART}
    owed = [
        (chart["intercompany_receivable"], "ES01", 700, "base", ""),
        (chart["intercompany_income"], "cc-9", -700, "base", ""),
    ]
    owing = [
        (chart["ai_service_expense"], "cc-1", 690, "base", "ES01"),
        (chart["intercompany_payable"], "US01", -690, "base", "ES01"),
    ]
    (check,) = intercompany(roll_forward((), [Stretch("2026-07", [entry(1, owed), entry(2, owing)])], "2026-07"))
    assert (check.left, check.right, check.holds) == (Decimal("7.00"), Decimal("6.90"), False)


def test_opening_entries__what_the_fund_brought_along() -> None:
    """500.00 in finledger.yaml, in books that begin with July: dated the 30th of June, and the books still net to zero."""
    team = Team("search", Dated.always("cc-1"), Dated.always("chargeback"))
    settings = {"books": "B", "currency": "USD", "timezone": "UTC", "platform_team": "p", "platform_cost_center": "cc-9"}
    (made,) = opening_entries(Organisation(**settings, teams={"search": team}, buffer_opening=Decimal("500.00")), JULY)
    assert made.posting_date == date(2026, 6, 30)
    assert [(row.account.name, row.account.type, row.opening) for row in trial_balance([made], [])] == [
        ("Buffer fund", "Liabilities", -50_000), ("Opening balances", "Equity", 50_000),
    ]  # fmt: skip
    assert opening_entries(Organisation(**settings, teams={"search": team}), JULY) == ()


# ── the same from programs that are not ours ────────────────────────────────────────────────────────────────────────────


def balances_of(program: str, file: Path) -> dict[str, Decimal]:
    if program == "hledger":
        words = ["hledger", "-f", file, "bal", "-N", "--flat", "-O", "csv"]
        printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        rows = [(row["account"], row["balance"]) for row in csv.DictReader(io.StringIO(printed))]
    else:
        words = [
            "ledger",
            "-f",
            file,
            "bal",
            "--flat",
            "--no-total",
            "--empty",
            "--balance-format",
            "%(account)|%(amount)\n",
        ]
        printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        rows = [(account, amount) for account, _, amount in (line.partition("|") for line in printed.splitlines())]
    return {account.strip(): Decimal(amount.split()[0]) for account, amount in rows if amount.strip() not in ("", "0")}


@pytest.mark.parametrize("program", ["hledger", "ledger"])
@settings(max_examples=8)
@given(made=entries())
def test_trial_balance__hledger_and_ledger_come_to_the_same(
    program: str, tmp_path_factory: pytest.TempPathFactory, made: list[JournalEntry]
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"install it: apt-get install {program}")
    period = [each for each in made if each.postings[0].amount.currency == "USD"]
    file = tmp_path_factory.mktemp("journal") / "2026-07.journal"
    file.write_bytes(render("hledger", Journal("B", JULY, "USD", tuple(period))))
    want = {
        account_path(row.account, row.cost_center, "" if row.entity == "US01" else row.entity): Money(
            row.closing, "USD"
        ).amount
        for row in trial_balance((), period)
        if row.closing
    }
    assert balances_of(program, file) == want
