"""Laws of compound calls on random usage (rule A5): who operated a call changes no cent of a charge, and both questions — who
caused, who operated — have an answer in the journal that adds up to the same."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.compound import COMPOUND, RELIEF, SHARE
from finledger.core.correct import corrections
from finledger.core.credit import credit_lines, left_of, rebilled, standing_on
from finledger.core.label import OPERATOR
from finledger.core.model import (
    MONEY_MOVES,
    ChargeLine,
    Dated,
    LineKey,
    MonthCharges,
    Operated,
    Organisation,
    PriceBook,
    QualityTerms,
    Team,
    UsageGroup,
)
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import Outcome
from finledger.pipeline import MonthInputs, run_month
from finledger.write.figures import month_json
from tests.laws.test_corridor import ORGANISATION, book, books, group

JULY = Month(2026, 7)
TOOLS = Dated(((None, "cc-5"), (date(2026, 7, 16), "cc-6")))
TEAMS = {
    **ORGANISATION.teams,  # search, support (another cost centre from the 16th) and growth, which is at showback
    "tools": Team("tools", TOOLS, Dated.always("chargeback")),
    "ranking": Team("ranking", Dated.always("cc-7"), Dated.always("optimisation")),
}
WITH_TOOLS = replace(ORGANISATION, teams=TEAMS)


def operated(made: UsageGroup, operator: str, interval: int) -> UsageGroup:
    return replace(made, labels={OPERATOR: operator}, interval=interval)


one_group = st.builds(
    group,
    st.sampled_from(["", "search", "support", "growth", "tools", "platform", "pool:cluster"]),
    st.sampled_from(["", "chat", "step", "eval", "judge"]),
    st.sampled_from(["", "h100"]),
    st.integers(0, 10**5),
    st.integers(0, 10**9),
    st.decimals(0, 10**4, places=6),
    st.decimals(-(10**5), 10**5, places=12),
    st.sampled_from([""]),
)
usages = st.lists(
    st.builds(
        operated,
        one_group,
        st.sampled_from(["", "search", "support", "growth", "tools", "ranking", "nobody", "platform"]),
        st.integers(0, 1),
    ),
    max_size=16,
)


def run(usage: list[UsageGroup], prices: PriceBook, organisation: Organisation = WITH_TOOLS) -> MonthCharges:
    return run_month(MonthInputs(JULY, organisation, [prices], lambda query: Outcome(tuple(usage))))[0]


def without_operators(usage: list[UsageGroup]) -> list[UsageGroup]:
    return [replace(each, labels={OPERATOR: ""}) for each in usage]


def net(charges: MonthCharges, *without: str) -> dict[str, int]:
    """Debits less credits by cost centre, in cents, of all postings but those of some components."""
    sums: dict[str, int] = defaultdict(int)
    for entry in charges.entries:
        for posting in entry.postings:
            if posting.component not in without:
                sums[posting.cost_center] += posting.amount.minor
    return {cost_center: minor for cost_center, minor in sums.items() if minor}


@settings(max_examples=100)
@given(usage=usages, prices=books)
def test_charges__are_the_consumers_to_the_cent_whoever_operated(usage: list[UsageGroup], prices: PriceBook) -> None:
    got, plain = run(usage, prices), run(without_operators(usage), prices)
    assert tuple(replace(line, operators=()) for line in got.lines) == plain.lines
    assert (got.teams, got.disclosures, got.unallocated) == (plain.teams, plain.disclosures, plain.unallocated)
    assert got.entries[: len(plain.entries)] == plain.entries
    assert net(got) == net(plain)  # who caused: the operators' cost centres keep nothing
    assert all(check.holds for check in got.checks)


@settings(max_examples=100)
@given(usage=usages, prices=books)
def test_journal__without_what_is_passed_on_says_who_operated(usage: list[UsageGroup], prices: PriceBook) -> None:
    charges = run(usage, prices)
    want = defaultdict(int, net(run(without_operators(usage), prices)))
    for line in charges.lines:
        for part in line.operators:
            posts = line.stage in MONEY_MOVES and part.team in ("search", "support", "tools", "ranking")
            if posts and part.cost_center:
                want[line.key.cost_center] -= part.amount.minor
                want[part.cost_center] += part.amount.minor
    assert net(charges, "passed_on") == {name: minor for name, minor in want.items() if minor}


@settings(max_examples=100)
@given(usage=usages, prices=books)
def test_line__its_operators_parts_are_parts_of_its_amount(usage: list[UsageGroup], prices: PriceBook) -> None:
    """Of a line with a price, each part has the line's sign and all parts leave the consumer something of it, or nothing."""
    for line in run(usage, prices).lines:
        parts = [part.amount.minor for part in line.operators]
        assert 0 not in parts and line.key.team not in [part.team for part in line.operators]
        if not parts:
            continue
        if line.key.kind != "passthrough":
            assert all(part > 0 for part in parts) and sum(parts) <= line.amount.minor
        elif usage_of_one_sign(usage):
            assert abs(sum(parts)) <= abs(line.amount.minor)


def usage_of_one_sign(usage: list[UsageGroup]) -> bool:
    return len({each.sums["effective_cost"] > 0 for each in usage if each.sums["effective_cost"]}) < 2


@settings(max_examples=30)
@given(usage=usages, prices=books, seed=st.integers(0, 2**32))
def test_operators__the_order_of_rows_is_nothing(usage: list[UsageGroup], prices: PriceBook, seed: int) -> None:
    shuffled = list(usage)
    random.Random(seed).shuffle(shuffled)
    one, other = run(usage, prices), run(shuffled, prices)
    assert (month_json(one), one.entries) == (month_json(other), other.entries)


@settings(max_examples=100)
@given(
    costs=st.lists(
        st.tuples(st.sampled_from(["", "tools", "ranking"]), st.decimals(-(10**4), 10**4, places=6)), min_size=1, max_size=8
    )
)
def test_costs_passed_through__each_part_is_its_own_cost_within_a_cent(costs: list[tuple[str, Decimal]]) -> None:
    """Charges and credits on one line: nobody's part is scaled by what the others' credits did to the line."""
    nothing = Decimal(0)
    usage = [operated(group("search", "", "", 0, 0, nothing, cost, ""), operator, 0) for operator, cost in costs]
    (line,) = [each for each in run(usage, book()).lines if each.key.kind == "passthrough"] or [None]
    if line is None:
        return
    got = {part.team: part.amount.minor for part in line.operators}
    got[""] = line.amount.minor - sum(got.values())
    for operator in ("", "tools", "ranking"):
        exact = sum((Fraction(cost) for who, cost in costs if who == operator), Fraction(0)) * 100
        assert abs(got.get(operator, 0) - exact) <= 1


def test_metered__is_split_by_what_the_tokens_cost_and_a_tie_is_the_consumers() -> None:
    """Input tokens at 3.00 a million, 1.196 of it charged. search 1 M itself and tools 3 M: 4 x 3.588 = 14.352 → 14.35, of which
    tools 1076.25 cents → 10.76. Half each of 2 x 0.381 x 1.196 = 0.911352 → 0.91: 45.5 cents, and the odd cent is search's."""
    for own, tools, amount, part in ((1_000_000, 3_000_000, "14.35", "10.76"), (127_000, 127_000, "0.91", "0.45")):
        steps = [operated(tokens_of(own), "", 0), operated(tokens_of(tools), "tools", 0)]
        (line,) = (each for each in run(steps, book()).lines if each.key.kind == "action")
        assert (str(line.amount), line.operators) == (amount, (Operated("tools", "cc-5", usd(part)),))


def tokens_of(count: int) -> UsageGroup:
    step = group("search", "step", "", 1, count, Decimal(0), Decimal(0), "")
    return replace(step, sums={**step.sums, "output_tokens": 0})


def usd(text: str) -> Money:
    return Money(int(text.replace(".", "")), "USD")


def test_operator__whose_cost_centre_changes_is_posted_to_both() -> None:
    """tools moves from cc-5 to cc-6 on the 16th: 1,000 chat calls before, 3,000 after, 44.49 in all (A7)."""
    nothing = Decimal(0)
    chat = group("search", "chat", "", 1000, 0, nothing, nothing, "")
    more = replace(chat, sums={**chat.sums, "calls": 3000, "requests": 3000})
    charges = run([operated(chat, "tools", 0), operated(more, "tools", 1)], book())
    (entry,) = (each for each in charges.entries if "/via/" in each.entry_id)
    assert (entry.entry_id, entry.team) == ("2026-07/search/cc-1/via/tools", "search")
    assert entry.memo == "AI services that search caused and tools operated in 2026-07"
    # 4,000 x 0.011123 = 44.492 → 44.49; 1112.25 and 3336.75 cents → 11.12 and 33.37
    assert [(p.account.key, p.cost_center, str(p.amount), p.component) for p in entry.postings] == [
        ("ai_service_expense", "cc-5", "11.12", "operated"),
        ("ai_service_expense", "cc-1", "-11.12", "operated"),
        ("ai_service_expense", "cc-1", "11.12", "passed_on"),
        ("recovery_of_passthrough", "cc-5", "-11.12", "passed_on"),
        ("ai_service_expense", "cc-6", "33.37", "operated"),
        ("ai_service_expense", "cc-1", "-33.37", "operated"),
        ("ai_service_expense", "cc-1", "33.37", "passed_on"),
        ("recovery_of_passthrough", "cc-6", "-33.37", "passed_on"),
    ]


@settings(max_examples=100)
@given(usage=usages, prices=books)
def test_owner_pays__charges_as_if_the_operator_had_caused_it(usage: list[UsageGroup], prices: PriceBook) -> None:
    """A known operator takes the consumer's place, from the team on; what the platform and pools use stays theirs."""
    known = ("search", "support", "growth", "tools", "ranking")

    def moved(each: UsageGroup) -> UsageGroup:
        stays = each.keys["team"] in ("platform", "pool:cluster") or each.labels[OPERATOR] not in known
        return each if stays else replace(each, keys={**each.keys, "team": each.labels[OPERATOR], "cost_center": ""})

    got = run(usage, prices, replace(WITH_TOOLS, compound_calls="owner_pays"))
    want = run(without_operators([moved(each) for each in usage]), prices)
    assert tuple(replace(line, operators=()) for line in got.lines) == want.lines
    assert not any("/via/" in entry.entry_id for entry in got.entries)


def test_premium__is_the_consumers_own() -> None:
    """1,000 chat calls that tools ran, 11.12, of a feature nobody evaluates: half of the base of 9.30 on top, not passed on (Q1)."""
    terms = QualityTerms(*(Decimal(text) for text in ("0.80", "0.20", "1.50", "0.90", "0.05", "0.20")))
    chat = operated(group("search", "chat", "", 1000, 0, Decimal(0), Decimal(0), ""), "tools", 0)
    charges = run([chat], replace(book(), quality=terms))
    found = {line.key.kind: (str(line.amount), line.operators) for line in charges.lines if line.key.feature == "f"}
    assert found == {
        "action": ("11.12", (Operated("tools", "cc-5", usd("11.12")),)),
        "coverage_premium": ("4.65", ()),
    }


@settings(max_examples=60)
@given(usage=usages, late=usages, prices=books)
def test_correction__carries_what_others_operated_of_the_difference(
    usage: list[UsageGroup], late: list[UsageGroup], prices: PriceBook
) -> None:
    """Where late rows correct a line (L3), posted + correction = the line as it would have been, for each operator."""
    posted, whole = run(usage, prices).lines, run([*usage, *late], prices).lines
    found = corrections(whole, posted, JULY.next)
    corrected = {line.key._replace(posting_month=JULY) for line in found}
    assert parts_of((*posted, *found), corrected) == parts_of(whole, corrected)


def parts_of(lines: Iterable[ChargeLine], keys: set[LineKey]) -> dict[tuple[LineKey, str, str], int]:
    sums: dict[tuple[LineKey, str, str], int] = defaultdict(int)
    for line in lines:
        key = line.key._replace(posting_month=JULY)
        for part in line.operators if key in keys else ():
            sums[key, part.team, part.cost_center] += part.amount.minor
    return {key: minor for key, minor in sums.items() if minor}


# ── split ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def shared(share: Decimal = Decimal("0.5")) -> Organisation:
    return replace(WITH_TOOLS, compound_calls="split", operator_share=share)


def totals(charges: MonthCharges) -> dict[str, int]:
    """What each team is charged for usage; pools go by charges, and so by who bears what."""
    sums: dict[str, int] = dict.fromkeys(TEAMS, 0)
    for line in direct(charges):
        sums[line.key.team] = sums.get(line.key.team, 0) + line.amount.minor
    return sums


def direct(charges: MonthCharges) -> list[ChargeLine]:
    return [line for line in charges.lines if line.key.kind not in ("shared", "seat")]


SHARES = st.decimals(0, 1, places=3)


@settings(max_examples=60)
@given(usage=usages, prices=books, share=SHARES)
def test_split__moves_amounts_between_teams_and_nothing_else(
    usage: list[UsageGroup], prices: PriceBook, share: Decimal
) -> None:
    """Every line that is charged when the consumer pays alone stands as it is; what is beside them adds up to nothing."""
    got, alone = run(usage, prices, shared(share)), run(usage, prices)
    beside = [line for line in got.lines if line.key.kind in COMPOUND]
    assert [line for line in direct(got) if line not in beside] == direct(alone)
    assert (got.disclosures, got.unallocated, got.unallocated_share) == (
        alone.disclosures,
        alone.unallocated,
        alone.unallocated_share,
    )
    assert (got.features, got.uses) == (alone.features, alone.uses)
    assert sum(totals(got).values()) == sum(totals(alone).values())
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for line in beside:
        assert not line.tokens and not line.failed
        for component, amount in line.components:
            sums[line.key.feature, component] += amount.minor
    assert not any(sums.values())
    assert all(check.holds for check in got.checks)


@settings(max_examples=60)
@given(usage=usages, prices=books, share=SHARES)
def test_split__each_operator_bears_its_share_of_each_line(
    usage: list[UsageGroup], prices: PriceBook, share: Decimal
) -> None:
    """To the cent of what it operated, a tie for the consumer; whom the organisation does not know bears nothing."""
    alone = run(usage, prices)
    want = defaultdict(int, totals(alone))
    for line in alone.lines:
        for part in line.operators:
            if part.cost_center:
                exact = Fraction(share) * abs(part.amount.minor)
                borne = int(exact) + (exact - int(exact) > Fraction(1, 2))
                want[part.team] += borne if part.amount.minor > 0 else -borne
                want[line.key.team] -= borne if part.amount.minor > 0 else -borne
    assert totals(run(usage, prices, shared(share))) == want


@settings(max_examples=60)
@given(usage=usages, prices=books, share=SHARES)
def test_split__takes_no_more_of_a_component_than_the_line_has(
    usage: list[UsageGroup], prices: PriceBook, share: Decimal
) -> None:
    lines = run(usage, prices, shared(share)).lines
    for line in lines:
        own = line.key._replace(kind=RELIEF, item=f"{line.key.item or line.key.kind}/")
        for name, whole in line.components if line.key.kind in ("action", "gpu") else ():
            reliefs = [
                each for each in lines if each.key.item.startswith(own.item) and each.key._replace(item=own.item) == own
            ]
            taken = -sum(part.minor for each in reliefs for component, part in each.components if component == name)
            assert 0 <= taken <= whole.minor


@settings(max_examples=40)
@given(usage=usages, prices=books, share=SHARES)
def test_split__journal_says_who_operated_as_ever(usage: list[UsageGroup], prices: PriceBook, share: Decimal) -> None:
    """Without what is passed on, each cost centre's expense is what it operated, whoever bears it: the share moves the rest."""
    posting = ("", "search", "support", "tools", "ranking")  # who is not charged back posts neither side
    usage = [each for each in usage if each.keys["team"] != "growth" and each.labels[OPERATOR] in posting]
    got, alone = run(usage, prices, shared(share)), run(usage, prices)
    assert net(got, "passed_on") == net(alone, "passed_on")


def test_split__all_and_nothing_are_the_ends() -> None:
    """1,000 chat calls that tools ran for search, 11.12: at 1 tools bears all of it, at 0 nothing of it."""
    nothing = Decimal(0)
    chat = operated(group("search", "chat", "", 1000, 0, nothing, nothing, ""), "tools", 0)
    for share, search, tools in (("0", 1112, 0), ("1", 0, 1112), ("0.25", 834, 278)):
        found = totals(run([chat], book(), shared(Decimal(share))))
        assert (found["search"], found["tools"]) == (search, tools)


@settings(max_examples=40)
@given(usage=usages, late=usages, prices=books)
def test_split__late_usage_is_corrected_on_both_sides(
    usage: list[UsageGroup], late: list[UsageGroup], prices: PriceBook
) -> None:
    posted, whole = run(usage, prices, shared()).lines, run([*usage, *late], prices, shared()).lines
    found = corrections(whole, posted, JULY.next)
    assert by_key((*posted, *found)) == by_key(whole)
    moved = [line for line in found if line.key.kind in COMPOUND]
    assert sum(line.amount.minor for line in moved) == 0


def by_key(lines: Iterable[ChargeLine]) -> dict[tuple[LineKey, str], int]:
    sums: dict[tuple[LineKey, str], int] = defaultdict(int)
    for line in lines:
        for component, amount in line.components:
            sums[line.key._replace(posting_month=JULY), component] += amount.minor
    return {key: minor for key, minor in sums.items() if minor}


def test_split__a_credited_line_gives_back_what_is_left_for_its_consumer() -> None:
    """11.12 of search's, of which tools bears 5.56: a quarter of its calls goes back at 2.78, less 1.39 that tools bears."""
    nothing = Decimal(0)
    chat = operated(group("search", "chat", "", 1000, 0, nothing, nothing, ""), "tools", 0)
    lines = run([chat], book(), shared()).lines
    (line,) = (each for each in lines if each.key.kind == "action")
    beside = standing_on(line, lines)
    assert [each.key.kind for each in beside] == [RELIEF]
    left = {each.line_id: left_of(each, (), (), WITH_TOOLS) for each in (line, *beside)}
    given_back = credit_lines(line, beside, Decimal(250), "C-2026-0001", JULY, left=left, rounding="half_up")
    assert [str(each.line.amount) for each in given_back] == ["-2.78", "1.39"]
    assert [[str(part.amount) for part in each.line.operators] for each in given_back] == [["-2.78"], ["1.39"]]
    assert given_back[1].line.key.item == "chat/tools/compound_relief"
    charged = [each.line for each in rebilled(given_back, "support", "cc-2", "chargeback")]
    assert [str(each.amount) for each in charged] == ["2.78", "-1.39"]
    assert [each.key.item for each in standing_on(charged[0], charged)] == ["chat/tools/compound_relief"]


def test_split__a_pair_of_teams_that_work_for_each_other() -> None:
    """search ran 1,000 calls for support, and support 500 for search: 11.12 and 5.56, of which each bears half of the other's."""
    nothing = Decimal(0)
    for_support = operated(group("support", "chat", "", 1000, 0, nothing, nothing, ""), "search", 0)
    for_search = operated(group("search", "chat", "", 500, 0, nothing, nothing, ""), "support", 0)
    lines = direct(run([for_support, for_search], book(), shared()))
    found = {(line.key.team, line.key.kind, line.key.item): str(line.amount) for line in lines}
    assert found == {
        ("search", "action", "chat"): "5.56",
        ("search", RELIEF, "chat/support"): "-2.78",
        ("search", SHARE, "chat/support"): "5.56",
        ("support", "action", "chat"): "11.12",
        ("support", RELIEF, "chat/search"): "-5.56",
        ("support", SHARE, "chat/search"): "2.78",
    }


def test_unknown_operator__is_said_once_with_its_amount() -> None:
    nothing = Decimal(0)
    chat = group("search", "chat", "", 1000, 0, nothing, nothing, "")
    step = group("search", "step", "", 1, 1_000_000, nothing, nothing, "")
    charges = run([operated(chat, "nobody", 0), operated(step, "nobody", 0)], book())
    (notice,) = charges.notices
    parts = [part.amount for line in charges.lines for part in line.operators]
    assert (notice.code, notice.severity) == ("operator-unknown", "warning")
    assert notice.message.startswith(f"{sum(parts, Money(0, 'USD'))} USD that nobody operated for other teams")
    assert not any("/via/" in entry.entry_id for entry in charges.entries)
