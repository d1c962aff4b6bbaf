"""The ladder over any figures: a next stage is ready if and only if nothing of its gate is unmet, and no stage is ever skipped."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger.core.gate_terms import GateTerms
from finledger.core.gates import ClosedMonth, SignOff, TeamMonth
from finledger.core.ladder import Known, Move, climb, earned, gate_of, is_above, on_the_way
from finledger.core.model import STAGES, Dated, Organisation, Stage, Team
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import Misused, Refused
from finledger.workbench import Workbench, stages
from finledger.workbench.ladder import ladder_of
from tests.close.small_books import AUGUST, JULY, SEPTEMBER, close, daily, make_books

MONTHS = [Month(2026, number) for number in range(1, 8)]
AT = MONTHS[-1]
ROLES = ("ai_service_expense", "recovery_of_usage", "buffer_fund")
shares = st.sampled_from(
    [Fraction(0), Fraction(49_999_999, 10**9), Fraction(5, 100), Fraction(5_000_001, 10**8), Fraction(1)]
)
roles = st.frozensets(st.sampled_from(ROLES))


@st.composite
def situations(draw: st.DrawFn) -> Known:
    """A team on some rung, with any history, in an organisation with any figures."""
    stage: Stage = draw(st.sampled_from(STAGES))
    count = draw(st.integers(0, 7))
    recorded = MONTHS[7 - count :]
    closed_months = recorded[: draw(st.integers(0, count))]
    history = [
        TeamMonth(
            month=month,
            stage=draw(st.sampled_from([stage, "showback"])),
            closed=month in closed_months,
            lines=(lines := draw(st.sampled_from([0, 1, 49, 50, 100]))),
            own=draw(st.sampled_from([0, lines])),
            disputed=min(lines, draw(st.sampled_from([0, 0, 1, 2]))),
            total=Money(100, "USD"),
            budget=draw(st.sampled_from([None, Money(90, "USD")])),
            acknowledged=draw(st.booleans()),
        )
        for month in recorded
    ]
    terms = GateTerms(
        journal=draw(st.sampled_from([(), ("csv",)])),
        mapped=draw(st.sampled_from([frozenset(), frozenset(ROLES)])),
        early=draw(st.sampled_from([frozenset(), frozenset({"a"})])),
    )
    organisation = Organisation(
        "b", "USD", "UTC", "p", "c", {"a": Team("a", Dated.always("cc"), Dated.always(stage))}, ladder=terms
    )
    signed = [
        SignOff(str(month), (month,), role, "n", date(2026, 9, 1), "00", void)
        for month, role, void in draw(
            st.lists(
                st.tuples(
                    st.sampled_from(MONTHS), st.sampled_from(["CFO", "cfo", "controller"]), st.sampled_from(["", "void"])
                ),
                max_size=3,
            )
        )
    ]
    return Known(
        organisation=organisation,
        at=AT,
        begins=recorded[0] if recorded else None,
        begun={"a": draw(st.sampled_from([stage, stage, "showback"]))},
        closed=[ClosedMonth(month, draw(shares), draw(roles)) for month in closed_months],
        history={"a": history},
        open_disputes=draw(st.sampled_from([{}, {"a": ["D-2026-0001"]}])),
        sign_offs=signed,
    )


def wanted(known: Known, to: Stage) -> bool:
    """The rule in other words, with its own numbers."""
    history, closed = known.history["a"], known.closed
    if to == "allocation":
        charged = [each for each in history if each.lines][-2:]
        few = all(each.disputed * 50 <= each.lines for each in charged)  # 2 % is one in fifty
        return not known.open_disputes.get("a") and len(charged) == 2 and few
    if to == "optimisation":
        there = []
        for each in reversed([each for each in history if each.closed]):
            if each.stage != "chargeback":
                break
            there.append(each.acknowledged)
        return bool(there) and sum(there) * 5 >= len(there) * 4
    last = closed[-3:]
    needed = {role for each in last for role in each.accounts} or {"ai_service_expense", "recovery_of_usage"}
    signed = {month for each in known.sign_offs if each.role.upper() == "CFO" and not each.void for month in each.months} & {
        each.month for each in last
    }
    organisation = (
        len(last) == 3
        and all(each.unallocated * 20 < 1 for each in last)
        and known.organisation.ladder.journal
        and needed <= known.organisation.ladder.mapped
        and signed
    )
    baseline = sum(each.closed and each.own > 0 for each in history) >= 3
    return bool(organisation) and baseline and not known.organisation.ladder.early


@given(situations())
@settings(max_examples=400)
def test_ready__if_and_only_if_the_rule_says_so(known: Known) -> None:
    (rung,) = climb(known).rungs
    if rung.next is None:
        assert rung.standing == "optimisation" and not rung.ready
        return
    assert STAGES.index(rung.next) == STAGES.index(rung.standing) + 1
    assert rung.ready == wanted(known, rung.next)
    assert rung.ready == (not rung.missing)


@given(situations())
@settings(max_examples=100)
def test_later_months__do_not_count(known: Known) -> None:
    """What is asked in a month is answered by it and the ones before: figures of later months change nothing."""
    earlier = replace(
        known,
        at=MONTHS[3],
        closed=[each for each in known.closed if each.month <= MONTHS[3]],
        history={"a": [each for each in known.history["a"] if each.month <= MONTHS[3]]},
    )
    later = replace(known, at=MONTHS[3])
    assert climb(earlier).of("a").missing == climb(later).of("a").missing
    for to in STAGES[1:]:
        assert gate_of(earlier, "a", to) == gate_of(later, "a", to)


@given(st.sampled_from(STAGES), st.sampled_from(STAGES))
def test_on_the_way__is_every_stage_between(one: Stage, other: Stage) -> None:
    way = on_the_way(one, other)
    assert bool(way) == is_above(other, one)
    assert (one, *way) == STAGES[STAGES.index(one) : STAGES.index(one) + len(way) + 1]


@given(st.permutations(range(4)))
def test_earned__by_the_month_not_by_the_order_of_recording(order: list[int]) -> None:
    moves = [
        Move("promote" if number else "demote", "a", STAGES[number], MONTHS[number], "n", date(2026, 1, 1), number + 1)
        for number in range(4)
    ]
    for number, month in enumerate(MONTHS[:4]):
        assert earned("showback", [moves[place] for place in order], month) == (STAGES[number], moves[number])


# ── the same on books ───────────────────────────────────────────────────────────────────────────────────────────────────

OPEN_GATES = """\
# These gates ask for next to nothing, so that only the order of stages stands in the way.
books: Ladder
currency: USD
platform: {team: ai-platform, cost_center: cc-1000}
journal: csv
gates:
  allocation: {months: 0}
  chargeback: {months: 0, baseline: 0}
  optimisation: {months: 0}
accounts:
  ai_service_expense: E
  recovery_of_usage: U
  recovery_of_overhead: O
  registry_reserve: R
  buffer_fund: B
teams:
  search:   # the first
    cost_center: cc-4815
    stage: showback    # where it begins
  support: {cost_center: cc-4822}
  "a <b>=1 & 'c'":
    cost_center: cc-4829
    stage:
      # a list from the start
      - {stage: showback}
"""
TEAMS = ("search", "support", "a <b>=1 & 'c'")
moves_asked = st.lists(
    st.tuples(
        st.sampled_from(TEAMS),
        st.sampled_from(STAGES),
        st.sampled_from([SEPTEMBER, *(Month(2026, number) for number in (10, 11, 12)), Month(2027, 1)]),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ladder") / "books"
    make_books(root, {"all.csv": [*daily(JULY), *daily(AUGUST)]}, {"finledger.yaml": OPEN_GATES})
    close(root, JULY, AUGUST)
    stages.sign_off(Workbench(root), AUGUST, by="Cleo", on=date(2026, 9, 3))
    return root


@given(moves_asked)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_stage_is_skipped_by_any_order_of_promotions(
    books: Path, tmp_path: Path, asked: list[tuple[str, Stage, Month]]
) -> None:
    """Whatever is asked for, each month's stage is at most one above the month's before, and every rise has its event."""
    root = tmp_path / "books"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(books, root)
    for team, to, month in asked:
        before = (root / "finledger.yaml").read_text(encoding="utf-8")
        bench = Workbench(root)
        standing = ladder_of(bench, month.before).of(team).standing
        with suppress(Refused, Misused):
            if is_above(to, standing):
                stages.promote(bench, team, to, month, by="Ada", on=date(2026, 9, 3))
                assert on_the_way(standing, to) == (to,), "a stage was skipped"
            else:
                stages.demote(bench, team, to, month, by="Ada", on=date(2026, 9, 3), reason="so")
        after = (root / "finledger.yaml").read_text(encoding="utf-8")
        assert [line for line in after.splitlines() if "stage" not in line and "support" not in line] == [
            line for line in before.splitlines() if "stage" not in line and "support" not in line
        ]
    organisation, events = Workbench(root).organisation, Workbench(root).ledger.events("stage-promote")
    risen = {(event.subject, event.period, event.content["to"]) for event in events}
    for name, team in organisation.teams.items():
        month = JULY
        while month < Month(2027, 3):
            now, following = team.stage_in(month), team.stage_in(month.next)
            if is_above(following, now):
                assert STAGES.index(following) == STAGES.index(now) + 1
                assert (name, str(month.next), following) in risen
            month = month.next
    last = ladder_of(Workbench(root), Month(2027, 3))
    assert not last.problems, "a stage that was promoted to is earned"
