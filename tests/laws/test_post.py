"""Posting: every entry balances, and a team's cost centres are debited exactly what its lines come to (rules L1, L5, L6)."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finledger.core.accounts import DEFAULT_ACCOUNTS
from finledger.core.model import (
    MONEY_MOVES,
    STAGES,
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
from finledger.core.period import Month
from finledger.core.post import ACCOUNTS_OF, entry_id, post
from finledger.core.problem import SourceRef

JULY, AUGUST = Month(2026, 7), Month(2026, 8)


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def organisation(*teams: Team, entity: str = "", accounts: dict[str, Account] | None = None) -> Organisation:
    return Organisation(
        "B", "USD", "UTC", "ai-platform", "cc-1000", {team.name: team for team in teams},
        platform_entity=entity, accounts=accounts or {},
    )  # fmt: skip


def team(name: str, entity: str = "", line: int = 1) -> Team:
    return Team(
        name, Dated.always("cc-4815"), Dated.always("chargeback"), entity=entity, source=SourceRef("finledger.yaml", line)
    )


def line(
    parts: dict[str, int], *, name: str = "search", center: str = "cc-4815", stage: str = "chargeback",
    service: Month = JULY, posting: Month = JULY, item: str = "chat_call", kind: str = "action",
) -> ChargeLine:  # fmt: skip
    key = LineKey(name, center, "f", item, "inference", "m", kind, "2026-Q3.v1", service, posting)
    components = tuple((component, usd(minor)) for component, minor in sorted(parts.items()))
    amount = total((part for _, part in components), "USD")
    return ChargeLine(key, stage, Decimal(1), "action", Decimal(1), amount, components)


def pairs(entry: JournalEntry) -> list[tuple[str, str, str]]:
    return [(posting.account.key, posting.cost_center, str(posting.amount)) for posting in entry.postings]


def test_post__worked_price() -> None:
    """1,000 chat calls at 0.011123: 11.12 = 9.30 + 1.35 (overhead net of registry) + 0.05 + 0.42."""
    outcome = post([line({"base": 930, "overhead": 135, "registry": 5, "buffer": 42})], organisation(team("search")), JULY)
    (entry,) = outcome.rows
    assert (outcome.problems, entry.entry_id, entry.posting_date) == ((), "2026-07/search/cc-4815", date(2026, 7, 31))
    assert pairs(entry) == [
        ("ai_service_expense", "cc-4815", "9.30"),
        ("recovery_of_usage", "cc-1000", "-9.30"),
        ("ai_service_expense", "cc-4815", "1.35"),
        ("recovery_of_overhead", "cc-1000", "-1.35"),
        ("ai_service_expense", "cc-4815", "0.05"),
        ("registry_reserve", "cc-1000", "-0.05"),
        ("ai_service_expense", "cc-4815", "0.42"),
        ("buffer_fund", "cc-1000", "-0.42"),
    ]


@pytest.mark.parametrize(
    ("component", "minor", "debited", "credited"),
    [
        ("base", 1, "ai_service_expense", "recovery_of_usage"),
        ("gpu", 1, "ai_service_expense", "recovery_of_usage"),
        ("egress", 1, "ai_service_expense", "recovery_of_usage"),
        ("passthrough", 1, "ai_service_expense", "recovery_of_usage"),
        ("passthrough", -1, "recovery_of_usage", "ai_service_expense"),
        ("seat", 1, "ai_service_expense", "recovery_of_usage"),
        ("shared", 1, "ai_service_expense", "recovery_of_usage"),
        ("gpu_idle", 1, "idle_capacity_expense", "recovery_of_usage"),
        ("overhead", 1, "ai_service_expense", "recovery_of_overhead"),
        ("registry", 1, "ai_service_expense", "registry_reserve"),
        ("buffer", 1, "ai_service_expense", "buffer_fund"),
        ("coverage_premium", 1, "quality_premium_expense", "eval_reserve"),
        ("coverage_credit", -1, "eval_reserve", "quality_premium_expense"),
        ("freshness_premium", 1, "quality_premium_expense", "recovery_of_overhead"),
        ("buffer_draw", -1, "buffer_fund", "ai_service_expense"),
        ("buffer_rebate", -1, "buffer_fund", "ai_service_expense"),
        ("buffer_true_up", -1, "buffer_fund", "ai_service_expense"),
        ("buffer_true_up", 1, "ai_service_expense", "buffer_fund"),
    ],
)
def test_post__accounts_of_rule_l1(component: str, minor: int, debited: str, credited: str) -> None:
    (entry,) = post([line({component: minor})], organisation(team("search")), JULY).rows
    by_side = {posting.amount.minor > 0: posting for posting in entry.postings}
    assert (by_side[True].account.key, by_side[False].account.key) == (debited, credited)
    expense = next(posting for posting in entry.postings if posting.account.type == "Expenses")
    assert expense.cost_center == "cc-4815" and {p.cost_center for p in entry.postings} == {"cc-4815", "cc-1000"}


def test_post__every_account_of_the_table_is_in_the_chart() -> None:
    assert {key for pair in ACCOUNTS_OF.values() for key in pair} <= set(DEFAULT_ACCOUNTS)


def test_post__the_controllers_account_takes_the_place_of_the_default() -> None:
    own = Account("buffer_fund", "Schwankungsreserve", "Liabilities", "0970")
    (entry,) = post([line({"buffer": 4})], organisation(team("search"), accounts={"buffer_fund": own}), JULY).rows
    assert [posting.account for posting in entry.postings] == [DEFAULT_ACCOUNTS["ai_service_expense"], own]


def test_post__late_usage_has_its_own_entry() -> None:
    lines = [line({"base": 10}, posting=AUGUST), line({"base": 20}, service=AUGUST, posting=AUGUST)]
    entries = post(lines, organisation(team("search")), AUGUST).rows
    assert [(entry.entry_id, entry.posting_date, entry.debits) for entry in entries] == [
        ("2026-08/search/cc-4815/2026-07", date(2026, 8, 31), 10),
        ("2026-08/search/cc-4815", date(2026, 8, 31), 20),
    ]


def test_post__corrections_and_credits_of_a_closed_month_have_entries_of_their_own() -> None:
    """June, closed, gets late usage and a credit in July: three entries, which say what they are; accounts by component."""
    june = Month(2026, 6)
    lines = [
        line({"base": 100}),
        line({"base": 10}, service=june),
        line({"base": -40, "buffer": -2}, service=june, kind="adjustment"),
    ]
    entries = post(lines, organisation(team("search")), JULY).rows
    assert [(entry.entry_id, entry.memo, entry.debits) for entry in entries] == [
        ("2026-07/search/cc-4815/2026-06", "AI services of search, correction of 2026-06", 10),
        ("2026-07/search/cc-4815/2026-06/credit", "AI services of search, credit for 2026-06", 42),
        ("2026-07/search/cc-4815", "AI services of search in 2026-07", 100),
    ]
    assert pairs(entries[1]) == [
        ("ai_service_expense", "cc-4815", "-0.40"),
        ("recovery_of_usage", "cc-1000", "0.40"),
        ("ai_service_expense", "cc-4815", "-0.02"),
        ("buffer_fund", "cc-1000", "0.02"),
    ]


def test_post__components_that_cancel_out_leave_no_entry() -> None:
    assert post([line({"base": 5}), line({"base": -5}, item="x")], organisation(team("search")), JULY).rows == ()


def test_post__pro_forma_and_unallocated_never_post() -> None:
    lines = [line({"base": 5}, stage=stage) for stage in ("showback", "allocation", "")]
    lines += [line({"base": 5}, name=UNALLOCATED, center="", stage=stage) for stage in ("", "chargeback")]
    assert post(lines, organisation(team("search")), JULY).rows == ()


def test_post__other_entities_are_all_refused_at_once() -> None:
    teams = [team("search", "northwind-eu", 9), team("ads", "northwind-us", 5), team("home", "northwind-inc"), team("own")]
    lines = [line({"base": 5}, name=one.name) for one in teams]
    outcome = post(lines, organisation(*teams, entity="northwind-inc"), JULY)
    assert [entry.team for entry in outcome.rows] == ["home", "own"]
    assert [(problem.code, str(problem.source)) for problem in outcome.errors] == [
        ("intercompany-accounts-missing", "finledger.yaml:5"),
        ("intercompany-accounts-missing", "finledger.yaml:9"),
    ]
    assert "northwind-eu" in outcome.errors[1].message and outcome.errors[1].remedy


def test_post__a_pro_forma_team_of_another_entity_is_no_problem() -> None:
    outcome = post([line({"base": 5}, stage="showback")], organisation(team("search", "eu")), JULY)
    assert (outcome.rows, outcome.problems) == ((), ())


def test_post__bugs_raise() -> None:
    with pytest.raises(KeyError, match="adjustments"):
        post([line({"adjustments": 5})], organisation(team("search")), JULY)
    with pytest.raises(ValueError, match="2026-08"):
        post([line({"base": 5}, posting=AUGUST)], organisation(team("search")), JULY)


def test_entry_id__names_with_slashes_stay_apart() -> None:
    names = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("a%", "2Fb/c")]
    assert len({entry_id(JULY, JULY, name, center) for name, center in names}) == len(names)
    assert entry_id(JULY, JULY, "a", "2026-06") != entry_id(JULY, Month(2026, 6), "a", "")


charge_lines = st.builds(
    line,
    st.dictionaries(st.sampled_from(sorted(ACCOUNTS_OF)), st.integers(-(10**9), 10**9).filter(bool), max_size=5),
    name=st.sampled_from(["search", "ads", "a/b", UNALLOCATED]),
    center=st.sampled_from(["cc-1", "cc-2", "2/cc"]),
    stage=st.sampled_from([*STAGES, ""]),
    service=st.sampled_from([JULY, Month(2026, 6)]),
)


@given(st.lists(charge_lines, max_size=12), st.randoms(use_true_random=False))
def test_post__conserves(lines: list[ChargeLine], random: Random) -> None:
    books = organisation(team("search"), team("ads"), team("a/b"))
    entries = post(lines, books, JULY).rows
    posted: dict[tuple[str, str, Month], int] = defaultdict(int)
    for entry in entries:
        assert sum(posting.amount.minor for posting in entry.postings) == 0
        assert all(posting.amount for posting in entry.postings)
        for posting in entry.postings:
            if posting.cost_center != books.platform_cost_center:
                posted[entry.team, posting.cost_center, entry.service_month] += posting.amount.minor
    charged: dict[tuple[str, str, Month], int] = defaultdict(int)
    for one in lines:
        if one.stage in MONEY_MOVES and one.key.team != UNALLOCATED:
            charged[one.key.team, one.key.cost_center, one.key.service_month] += one.amount.minor
    assert {key: minor for key, minor in posted.items() if minor} == {key: minor for key, minor in charged.items() if minor}
    assert len({entry.entry_id for entry in entries}) == len(entries)
    random.shuffle(lines)
    assert post(lines, books, JULY).rows == entries
