"""Charges between legal entities: four lines a component, each company's books balanced, nothing left of them all (rule L6)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finledger.core import buffer as fund
from finledger.core import checks
from finledger.core.accounts import INTERCOMPANY, default_accounts
from finledger.core.model import (
    MONEY_MOVES,
    UNALLOCATED,
    Account,
    ChargeLine,
    Dated,
    JournalEntry,
    LineKey,
    Organisation,
    Team,
)
from finledger.core.money import Money, total
from finledger.core.period import Month, Quarter
from finledger.core.post import ACCOUNTS_OF, post, post_quarter
from finledger.core.quarter import QuarterEnd, Reserve, TrueUp

JUNE, JULY = Month(2026, 6), Month(2026, 7)
HOME = "DE01"
NAMED = {key: Account(key, key, kind, str(9000 + number)) for number, (key, kind) in enumerate(INTERCOMPANY.items())}
FUNDS = ("registry_reserve", "buffer_fund", "eval_reserve")


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def organisation(entities: dict[str, str], accounts: dict[str, Account] = NAMED, home: str = HOME) -> Organisation:
    """Teams by the entity that each is of; all of them charge their own cost centre, or one that several share."""
    teams = {
        name: Team(name, Dated.always(f"cc-{name}"), Dated.always("chargeback"), entity=entity)
        for name, entity in entities.items()
    }
    return Organisation(
        "B", "USD", "UTC", "ai-platform", "cc-1000", teams, platform_entity=home, accounts=accounts,
    )  # fmt: skip


def line(parts: dict[str, int], team: str = "search", center: str = "", service: Month = JULY, kind: str = "action",
         stage: str = "chargeback") -> ChargeLine:  # fmt: skip
    key = LineKey(team, center or f"cc-{team}", "f", "chat_call", "inference", "m", kind, "2026-Q3.v1", service, JULY)
    components = tuple((component, usd(minor)) for component, minor in sorted(parts.items()))
    amount = total((part for _, part in components), "USD")
    return ChargeLine(key, stage, Decimal(1), "action", Decimal(1), amount, components)


def booked(entry: JournalEntry) -> list[tuple[str, str, str, str, str]]:
    return [
        (entry.entity_of(each), each.account.key, each.cost_center, str(each.amount), each.component)
        for each in entry.postings
    ]


def test_post__four_lines_a_component() -> None:
    """The 9.30 of usage are ES01's expense, owed to DE01, whose income it is; the 0.42 of surcharge stay in the fund."""
    (entry,) = post([line({"base": 930, "buffer": 42})], organisation({"search": "ES01"}), JULY).rows
    assert booked(entry) == [
        ("ES01", "ai_service_expense", "cc-search", "9.30", "base"),
        ("ES01", "intercompany_payable", "DE01", "-9.30", "base"),
        ("DE01", "intercompany_receivable", "ES01", "9.30", "base"),
        ("DE01", "intercompany_income", "cc-1000", "-9.30", "base"),
        ("ES01", "ai_service_expense", "cc-search", "0.42", "buffer"),
        ("ES01", "intercompany_payable", "DE01", "-0.42", "buffer"),
        ("DE01", "intercompany_receivable", "ES01", "0.42", "buffer"),
        ("DE01", "buffer_fund", "cc-1000", "-0.42", "buffer"),
    ]
    assert (entry.entity, entry.is_intercompany) == ("DE01", True)


def test_post__a_credit_is_the_four_lines_turned_round() -> None:
    (entry,) = post([line({"overhead": -135}, kind="adjustment", service=JUNE)], organisation({"search": "ES01"}), JULY).rows
    assert (entry.entry_id, entry.memo) == (
        "2026-07/search/cc-search/2026-06/credit",
        "AI services of search, credit for 2026-06",
    )
    assert [(each[0], each[1], each[3]) for each in booked(entry)] == [
        ("ES01", "ai_service_expense", "-1.35"),
        ("ES01", "intercompany_payable", "1.35"),
        ("DE01", "intercompany_receivable", "-1.35"),
        ("DE01", "intercompany_income", "1.35"),
    ]


def test_post__a_team_of_the_platforms_entity_is_inside_it() -> None:
    books = organisation({"search": HOME, "ads": ""})
    for entry in post([line({"base": 5}), line({"base": 7}, "ads")], books, JULY).rows:
        assert not entry.is_intercompany and len(entry.postings) == 2
        assert {each.account.key for each in entry.postings} == {"ai_service_expense", "recovery_of_usage"}


@pytest.mark.parametrize("left_out", sorted(INTERCOMPANY))
def test_post__nothing_between_entities_while_an_account_is_missing(left_out: str) -> None:
    books = organisation({"search": "ES01", "ads": ""}, {key: each for key, each in NAMED.items() if key != left_out})
    outcome = post([line({"base": 5}), line({"base": 7}, "ads")], books, JULY)
    assert [entry.team for entry in outcome.rows] == ["ads"]
    (problem,) = outcome.errors
    assert problem.code == "intercompany-accounts-missing" and f"accounts.{left_out} is missing" in problem.message


def test_post__nothing_between_entities_while_the_platform_has_no_name() -> None:
    (problem,) = post([line({"base": 5})], organisation({"search": "ES01"}, home=""), JULY).errors
    assert "platform.entity is missing" in problem.message


# ── the quarter's end ───────────────────────────────────────────────────────────────────────────────────────────────────


def quarter_end(true_ups: tuple[TrueUp, ...], rebates: dict[str, Money]) -> QuarterEnd:
    size = fund.Size(Fraction(0), usd(0), usd(0), rebates=rebates)
    reserves = (Reserve("eval_reserve", usd(0), usd(9), usd(9), usd(9)),)
    return QuarterEnd(
        Quarter(2026, 3), "USD", usd(0), usd(0), {}, usd(0), {}, usd(0), true_ups, size, reserves=reserves
    )  # fmt: skip


def test_post_quarter__rebates_and_true_ups_between_entities() -> None:
    """ES01's team gets 4.50 back and pays 1.26 of a draw: DE01 owes it 3.24 net, all of it out of the fund."""
    books = organisation({"search": "ES01"})
    end = quarter_end((TrueUp(JULY, "search", usd(252), usd(126), usd(126)),), {"search": usd(450)})
    released, settled = post_quarter(end, books).rows
    assert [(each[0], each[1], each[3]) for each in booked(settled)] == [
        ("ES01", "ai_service_expense", "1.26"),
        ("ES01", "intercompany_payable", "-1.26"),
        ("DE01", "intercompany_receivable", "1.26"),
        ("DE01", "buffer_fund", "-1.26"),
        ("ES01", "ai_service_expense", "-4.50"),
        ("ES01", "intercompany_payable", "4.50"),
        ("DE01", "intercompany_receivable", "-4.50"),
        ("DE01", "buffer_fund", "4.50"),
    ]
    assert {entity for entity, *_ in booked(released)} == {"DE01"}  # the platform's own business
    assert all(check.holds for check in checks.balanced((released, settled)))


# ── any lines, any entities ─────────────────────────────────────────────────────────────────────────────────────────────

TEAMS = ("search", "ads", "a/b", "ops")
lines = st.lists(
    st.builds(
        line,
        st.dictionaries(st.sampled_from(sorted(ACCOUNTS_OF)), st.integers(-(10**9), 10**9).filter(bool), max_size=5),
        st.sampled_from([*TEAMS, UNALLOCATED]),
        st.sampled_from(["cc-1", "cc-2", "cc-1000"]),
        st.sampled_from([JULY, JUNE]),
        st.sampled_from(["action", "adjustment"]),
        st.sampled_from(["chargeback", "optimisation", "showback", ""]),
    ),
    max_size=12,
)
entities = st.fixed_dictionaries({name: st.sampled_from(["", HOME, "ES01", "FR01", "a/b"]) for name in TEAMS})


@given(lines, entities)
def test_post__each_companys_books_balance_and_all_of_them_cancel(charged: list[ChargeLine], of: dict[str, str]) -> None:
    books = organisation(of)
    entries = post(charged, books, JULY).rows
    moved = [each for each in charged if each.stage in MONEY_MOVES and each.key.team != UNALLOCATED]
    expense: dict[tuple[str, str], int] = defaultdict(int)
    owed: dict[tuple[str, str], int] = defaultdict(int)
    receivable: dict[str, int] = defaultdict(int)
    for entry in entries:
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for each in entry.postings:
            entity = each.entity or entry.entity
            sums[entity, each.amount.currency] += each.amount.minor
            if each.account.type == "Expenses":
                assert entity == (of[entry.team] or HOME)
                expense[entry.team, each.cost_center] += each.amount.minor
            if each.account.key in ("intercompany_receivable", "intercompany_payable"):
                owed[min(entity, each.cost_center), max(entity, each.cost_center)] += each.amount.minor
                assert entity != each.cost_center and HOME in (entity, each.cost_center)
            if each.account.key == "intercompany_receivable":
                receivable[each.cost_center] += each.amount.minor
        assert not any(sums.values()), entry.entry_id
    assert not any(owed.values())

    wanted: dict[tuple[str, str], int] = defaultdict(int)
    due: dict[str, int] = defaultdict(int)
    for one in moved:
        wanted[one.key.team, one.key.cost_center] += one.amount.minor
        if of[one.key.team] not in ("", HOME):
            due[of[one.key.team]] += one.amount.minor
    assert nonzero(expense) == nonzero(wanted)
    assert nonzero(receivable) == nonzero(due)
    assert all(check.holds for check in checks.balanced(entries))


@given(lines, entities)
def test_post__entities_change_whose_books_it_is_and_nothing_else(charged: list[ChargeLine], of: dict[str, str]) -> None:
    """The funds, the expense and the platform's income are the same as inside one company."""
    apart = nets(post(charged, organisation(of), JULY).rows)
    together = nets(post(charged, organisation(dict.fromkeys(TEAMS, "")), JULY).rows)
    for key in (*FUNDS, "ai_service_expense", "quality_premium_expense", "idle_capacity_expense"):
        assert apart[key] == together[key], key
    income = ("recovery_of_usage", "recovery_of_overhead", "intercompany_income")
    assert sum(apart[key] for key in income) == sum(together[key] for key in income)


def nets(entries: tuple[JournalEntry, ...]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for entry in entries:
        for each in entry.postings:
            sums[each.account.key] += each.amount.minor
    return sums


def nonzero(sums: dict[str, int] | dict[tuple[str, str], int]) -> dict[object, int]:
    return {key: minor for key, minor in sums.items() if minor}


# ── what cannot be made, and what would be noticed ──────────────────────────────────────────────────────────────────────


def test_entry__balanced_as_a_whole_and_in_no_companys_books_cannot_be_made() -> None:
    (entry,) = post([line({"base": 930})], organisation({"search": "ES01"}), JULY).rows
    expense, _, _, income = entry.postings
    with pytest.raises(ValueError, match="does not balance"):
        replace(entry, postings=(expense, income))


def test_check__notices_what_one_company_owes_and_the_other_does_not_know_of() -> None:
    """The receivable's counterparty is falsified: each company's books balance, and the pair does not."""
    (entry,) = post([line({"base": 930})], organisation({"search": "ES01"}), JULY).rows
    other = tuple(
        replace(each, cost_center="FR01") if each.account.key == "intercompany_receivable" else each
        for each in entry.postings
    )
    broken = [check for check in checks.balanced((replace(entry, postings=other),)) if not check.holds]
    assert [(check.law, check.left, check.right) for check in broken] == [
        ("what DE01 is owed by ES01 = what ES01 owes", Decimal(0), Decimal("9.30")),
        ("what DE01 is owed by FR01 = what FR01 owes", Decimal("9.30"), Decimal(0)),
    ]


def test_check__notices_two_entries_whose_mistakes_cancel() -> None:
    """A cent too many in one, a cent too few in the next: the sums agree, each entry does not (X4)."""
    entries = post([line({"base": 930}), line({"base": 930}, service=JUNE)], organisation({"search": ""}), JULY).rows
    for entry, by in zip(entries, (1, -1), strict=True):
        first, *rest = entry.postings
        object.__setattr__(entry, "postings", (replace(first, amount=first.amount + usd(by)), *rest))
    found = checks.balanced(entries)
    assert found[0].law == "debits = credits" and found[0].holds
    assert sorted(check.law for check in found if not check.holds) == [
        f"debits = credits of entry {entry.entry_id}" for entry in sorted(entries, key=lambda each: each.entry_id)
    ]


@pytest.mark.parametrize(("presentation", "kind"), [("liability", "Liabilities"), ("pnl_contra", "Income")])
def test_fund_presentation__is_where_the_funds_stand(presentation: str, kind: str) -> None:
    books = replace(organisation({"search": ""}), fund_presentation=presentation)
    parts = {"buffer": 42, "registry": 5, "coverage_premium": 7, "base": 930}
    (entry,) = post([line(parts)], books, JULY).rows
    funds = [each.account for each in entry.postings if each.account.key in FUNDS]
    assert sorted((each.name, each.type) for each in funds) == [
        ("Buffer fund", kind), ("Eval reserve", kind), ("Registry reserve", kind),
    ]  # fmt: skip
    others = [each for each in default_accounts("pnl_contra").values() if each.key not in FUNDS]
    assert others == [each for each in default_accounts().values() if each.key not in FUNDS]


def test_posting__of_another_entity_says_so_and_the_own_does_not() -> None:
    (entry,) = post([line({"base": 930})], organisation({"search": "ES01"}), JULY).rows
    assert [each.entity for each in entry.postings] == ["ES01", "ES01", "", ""]
