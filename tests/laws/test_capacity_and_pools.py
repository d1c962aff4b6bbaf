"""Laws of idle capacity and of pools that feed pools: reserved hours are billed in full, and no cent is lost on the way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core import checks
from finledger.core.allocate import team_use
from finledger.core.model import (
    UNALLOCATED,
    ChargeLine,
    Check,
    Dated,
    LineKey,
    MonthCharges,
    Organisation,
    Pool,
    PriceBook,
    Reservation,
    Sku,
    Team,
    Uplift,
    UsageGroup,
)
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import Outcome
from finledger.core.usage import GROUP_KEYS, SUMS
from finledger.pipeline import MonthInputs, run_month
from finledger.write.figures import month_json

JULY = Month(2026, 7)
RATES = {"h100": Decimal("24.00"), "a10g": Decimal("1.35")}
TEAMS = ("growth", "search", "support")
OWNERS = (*TEAMS, "platform", "", "pool:cluster", "nobody")
ORGANISATION = Organisation(
    "Test",
    "USD",
    "UTC",
    "platform",
    "cc-0",
    {
        "search": Team("search", Dated.always("cc-1"), Dated.always("chargeback")),
        "support": Team("support", Dated(((None, "cc-2"), (date(2026, 7, 16), "cc-3"))), Dated.always("chargeback")),
        "growth": Team("growth", Dated.always("cc-4"), Dated.always("showback")),
    },
)
NO_UPLIFT = Uplift()
UPLIFT_ON_GPU = Uplift(Decimal("0.15"), Decimal("0.035"), "carved", Decimal("0.04"), ("actions", "gpu"))


def book(uplift: Uplift = NO_UPLIFT) -> PriceBook:
    skus = {name: Sku(rate, "gpu_hour") for name, rate in RATES.items()}
    return PriceBook(
        "2026-Q3", 1, date(2026, 7, 1), date(2026, 10, 1), date(2026, 6, 24), "USD", 6, "half_up",
        models={}, gpu=skus, egress={}, seats={}, uplift=uplift, actions={},
    )  # fmt: skip


def used(team: str, sku: str, hours: Decimal) -> UsageGroup:
    keys = dict.fromkeys(GROUP_KEYS, "") | {"team": team, "gpu_sku": sku, "source": "native"}
    return UsageGroup(0, keys, {}, dict.fromkeys(SUMS, 0) | {"rows": 1, "gpu_hours": hours, "requests": int(hours)})


hours = st.integers(0, 10**6).map(lambda hundredths: Decimal(hundredths).scaleb(-2))
usages = st.lists(st.builds(used, st.sampled_from(OWNERS), st.sampled_from([*RATES]), hours), max_size=20)
reservations = st.dictionaries(
    st.tuples(st.sampled_from([*RATES]), st.sampled_from(["", "platform", *TEAMS])), hours, max_size=8
).map(lambda found: [Reservation(JULY, sku, reserved, holder) for (sku, holder), reserved in found.items()])
cents = st.integers(-(10**6), 10**6).map(lambda minor: Decimal(minor).scaleb(-2))


@st.composite
def chains(draw: st.DrawFn) -> tuple[Pool, ...]:
    """Four pools, each over some teams and some of the later pools; the last is of rows, and one may have nothing of its own."""
    names = ("network", "storage", "desk", "cluster")
    pools = []
    for place, name in enumerate(names):
        targets = draw(st.sets(st.sampled_from([*TEAMS, *(f"pool:{later}" for later in names[place + 1 :])]), min_size=1))
        driver = draw(st.sampled_from(["even", "requests", "gpu_hours", "charges"]))
        amount = {JULY: draw(cents)} if name != "cluster" and draw(st.booleans()) else None
        pools.append(Pool(name, driver, amount, "pool:cluster" if name == "cluster" else "", tuple(sorted(targets))))
    return tuple(pools)


def run(
    usage: Sequence[UsageGroup],
    reserved: Sequence[Reservation] = (),
    pools: tuple[Pool, ...] = (),
    uplift: Uplift = NO_UPLIFT,
) -> MonthCharges:
    organisation = replace(ORGANISATION, pools=pools or (Pool("cluster", "even", rows="pool:cluster"),))
    inputs = MonthInputs(JULY, organisation, [book(uplift)], lambda query: Outcome(tuple(usage)), reservations=reserved)
    charges, _ = run_month(inputs)
    assert all(check.holds for check in charges.checks)
    return charges


def hours_of(usage: Sequence[UsageGroup], sku: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for each in usage:
        if each.keys["gpu_sku"] == sku:
            found[each.keys["team"]] = found.get(each.keys["team"], Decimal(0)) + Decimal(each.sums["gpu_hours"])
    return found


def idle_of(each: Reservation, usage: Sequence[UsageGroup], reserved: Sequence[Reservation]) -> Decimal:
    """max(0, reserved - used), counted here from the rows, apart from the program."""
    by_owner = hours_of(usage, each.gpu_sku)
    own = {other.holder for other in reserved if other.gpu_sku == each.gpu_sku and other.reserved_hours and other.holder}
    taken = [part for owner, part in by_owner.items() if (owner == each.holder if each.holder else owner not in own)]
    return max(Decimal(0), each.reserved_hours - sum(taken))


@settings(max_examples=120)
@given(usage=usages, reserved=reservations, pools=chains())
def test_month__bills_every_used_and_every_idle_hour_once(
    usage: list[UsageGroup], reserved: list[Reservation], pools: tuple[Pool, ...]
) -> None:
    """Lines + what stays with the platform = used hours but the platform's + idle hours + the pools' own amounts."""
    charges = run(usage, reserved, pools)
    # a hundredth of an hour is 24 cents of h100 and 1.35 cents of a10g: each line of the latter may round by half a cent
    use = sum(RATES[sku] * sum(part for owner, part in hours_of(usage, sku).items() if owner != "platform") for sku in RATES)
    idle = [(each, RATES[each.gpu_sku] * idle_of(each, usage, reserved)) for each in reserved if each.holder != "platform"]
    fixed = sum(pool.amount[JULY] for pool in pools if pool.amount)
    kept = sum(part.residual.minor for part in (*charges.idle, *charges.pools))
    billed = sum(line.amount.minor for line in charges.lines)
    rounded_apart = len(usage) + len(reserved)
    assert abs(billed + kept - 100 * (use + fixed + sum(cost for _, cost in idle))) <= Fraction(rounded_apart, 2)
    assert {(each.gpu_sku, each.holder) for each in charges.idle} == {(r.gpu_sku, r.holder) for r, cost in idle if cost}
    for each in charges.idle:
        (cost,) = (cost for r, cost in idle if (r.gpu_sku, r.holder) == (each.gpu_sku, each.holder))
        assert abs(each.amount.minor - 100 * cost) <= Fraction(1, 2)


@settings(max_examples=60)
@given(usage=usages, reserved=reservations, uplift=st.sampled_from([NO_UPLIFT, UPLIFT_ON_GPU]))
def test_holder__pays_for_all_that_is_reserved(usage: list[UsageGroup], reserved: list[Reservation], uplift: Uplift) -> None:
    """Used and idle lines of a holder come to the reserved hours at their rate, or more; idle hours carry no uplift."""
    charges = run(usage, reserved, uplift=uplift)
    for each in reserved:
        own = [ln for ln in charges.lines if ln.key.team == each.holder and ln.key.item == each.gpu_sku]
        if each.holder in TEAMS:
            billed = sum(line.amount.minor for line in own)
            whole = Fraction(100 * each.reserved_hours * RATES[each.gpu_sku])
            assert billed >= whole - Fraction(len(own), 2)
    for line in charges.lines:
        if line.key.kind == "gpu_idle":
            assert (line.unit_price, line.components) == (RATES[line.key.item], (("gpu_idle", line.amount),))
            assert abs(line.amount.minor - 100 * Fraction(line.quantity) * Fraction(line.unit_price)) < 2


@settings(max_examples=60)
@given(usage=usages, reserved=reservations)
def test_shared_pool__is_borne_by_use(usage: list[UsageGroup], reserved: list[Reservation]) -> None:
    """Whoever used none bears nothing, a holder bears nothing of it, and who used more bears no less."""
    charges = run(usage, reserved)
    for each in charges.idle:
        if each.holder == "":
            by_owner = hours_of(usage, each.gpu_sku)
            loose = by_owner.pop("", Decimal(0)) + by_owner.pop("nobody", Decimal(0))
            weight = by_owner | {UNALLOCATED: loose}
            holders = {r.holder for r in reserved if r.gpu_sku == each.gpu_sku and r.reserved_hours}
            parts = {team: part for team, part in each.parts.items() if part}
            assert not holders & parts.keys()
            assert all(weight[team] for team in parts)
            ranked = sorted(each.parts, key=lambda team: weight[team])
            assert [each.parts[team].minor for team in ranked] == sorted(part.minor for part in each.parts.values())


@settings(max_examples=60)
@given(usage=usages, reserved=reservations, pools=chains(), seed=st.integers(0, 2**32))
def test_month__the_order_of_rows_and_reservations_is_nothing(
    usage: list[UsageGroup], reserved: list[Reservation], pools: tuple[Pool, ...], seed: int
) -> None:
    shuffled, turned = list(usage), list(reserved)
    random.Random(seed).shuffle(shuffled)
    random.Random(seed).shuffle(turned)
    assert month_json(run(usage, reserved, pools)) == month_json(run(shuffled, turned, pools))


@settings(max_examples=100)
@given(usage=usages, pools=chains())
def test_pools__what_is_fed_on_arrives(usage: list[UsageGroup], pools: tuple[Pool, ...]) -> None:
    """Own amounts = shared lines + what stays with the platform, however often a cent is handed on, credits included."""
    charges = run(usage, (), pools)
    own = {pool.name: 100 * pool.amount[JULY] for pool in pools if pool.amount}
    split = {part.name: part for part in charges.pools}
    received = {
        pool.name: sum(part.fed[pool.name].minor for part in split.values() if pool.name in part.fed) for pool in pools
    }
    for pool in pools:
        if pool.name in split and not pool.rows:
            assert split[pool.name].amount.minor == own.get(pool.name, 0) + received[pool.name]
        if pool.name in split:
            part = split[pool.name]
            handed = [*part.parts.values(), *part.fed.values(), part.residual]
            assert sum(each.minor for each in handed) == part.amount.minor
            assert part.fed.keys() == {t.removeprefix("pool:") for t in pool.targets if t.startswith("pool:")}
    lines = sum(line.amount.minor for line in charges.lines if line.key.kind == "shared")
    costs = [100 * RATES[sku] * hours_of(usage, sku).get("pool:cluster", Decimal(0)) for sku in RATES]
    rows = sum(int(cost.to_integral_value(ROUND_HALF_UP)) for cost in costs)
    assert lines + sum(part.residual.minor for part in split.values()) == sum(own.values()) + rows


def test_pools__a_chain_of_single_targets_hands_on_the_whole_amount() -> None:
    """1,000.01 goes from pool to pool, by whatever driver, to the one team at the end."""
    pools = (
        Pool("a", "even", {JULY: Decimal("1000.01")}, targets=("pool:b",)),
        Pool("b", "shares", targets=("pool:c",), shares={"pool:c": Decimal(1)}),
        Pool("c", "gpu_hours", rows="pool:cluster", targets=("search",)),
    )
    charges = run([used("search", "h100", Decimal(1)), used("pool:cluster", "h100", Decimal(2))], (), pools)
    shared = [(line.key.team, line.key.item, str(line.amount)) for line in charges.lines if line.key.kind == "shared"]
    assert shared == [("search", "c", "1048.01")]  # with the pool's own rows: 2 hours at 24.00
    assert [(part.name, str(part.amount), str(part.residual)) for part in charges.pools] == [
        ("a", "1000.01", "0.00"),
        ("b", "1000.01", "0.00"),
        ("c", "1048.01", "0.00"),
    ]


def test_pools__a_fed_pool_without_use_of_its_own_weighs_nothing() -> None:
    """By requests the pool `b`, which takes no rows, gets nothing; what it holds itself does not weigh there either."""
    pools = (
        Pool("a", "requests", {JULY: Decimal("90.00")}, targets=("pool:b", "search")),
        Pool("b", "even", {JULY: Decimal("10.00")}, targets=("support",)),
    )
    charges = run([used("search", "h100", Decimal(5))], (), pools)
    assert [(part.name, str(part.amount)) for part in charges.pools] == [("a", "90.00"), ("b", "10.00")]
    assert str(charges.pools[0].fed["b"]) == "0.00"


def test_pools__premiums_drive_charges_and_credits_do_not() -> None:
    """The driver `charges` weighs by what was charged directly: with premiums, without credits, draws and instalments."""

    def line(kind: str, minor: int) -> ChargeLine:
        key = LineKey("search", "cc-1", "f", "", "", "", kind, "", JULY, JULY)
        amount = Money(minor, "USD")
        return ChargeLine(key, "chargeback", Decimal(1), "month", amount.amount, amount, ((kind, amount),))

    kinds = {"action": 1000, "coverage_premium": 200, "freshness_premium": 30, "gpu_idle": 4}
    taken_out = {"coverage_credit": -500, "buffer_draw": -700, "buffer_repayment": 60, "shared": 9000}
    use = team_use([], [line(kind, minor) for kind, minor in {**kinds, **taken_out}.items()])
    assert use["search"].charges == Decimal("12.34")


def test_checks__a_lost_cent_is_found() -> None:
    """The laws of pools and idle hours break when a line loses a cent, or when what was fed on does not arrive."""
    pools = (
        Pool("a", "even", {JULY: Decimal("90.00")}, targets=("pool:c", "search")),
        Pool("c", "even", rows="pool:cluster", targets=("search",)),
    )
    usage = [used("search", "h100", Decimal(5)), used("pool:cluster", "h100", Decimal(2))]
    charges = run(usage, [Reservation(JULY, "h100", Decimal(10), "")], pools)
    own = {"a": Money(9000, "USD"), "c": Money(4800 + 2057, "USD")}  # 2 of 7 used hours: 2/7 of 3 x 24.00 idle
    direct = [*charges.lines, of_the_pool(charges.lines, "gpu_idle", 2057)]
    assert broken_laws(checks.pools(charges.pools, own, charges.lines)) == []
    lost = [line for line in charges.lines if line.key.item != "c"]
    assert broken_laws(checks.pools(charges.pools, own, lost)) == ["pool c = its lines + the platform's part"]
    unfed = [replace(charges.pools[0], fed={}), charges.pools[1]]
    assert broken_laws(checks.pools(unfed, own, charges.lines)) == ["pool a = its lines + the platform's part"]
    starved = checks.pools(charges.pools, own | {"c": Money(6856, "USD")}, charges.lines)
    assert broken_laws(starved) == ["pool c = its own + what other pools feed it"]
    assert broken_laws(checks.idle(charges.idle, direct)) == []
    assert broken_laws(checks.idle(charges.idle, charges.lines)) == ["idle h100 = its lines + the platform's part"]


def of_the_pool(lines: Sequence[ChargeLine], kind: str, minor: int) -> ChargeLine:
    """A line of the pool's rows, which are no charge lines, made from a team's."""
    amount = Money(minor, "USD")
    line = next(line for line in lines if line.key.kind == kind)
    return replace(line, key=line.key._replace(team="pool:cluster"), amount=amount, components=((kind, amount),))


def broken_laws(found: Sequence[Check]) -> list[str]:
    return [check.law for check in found if not check.holds]
