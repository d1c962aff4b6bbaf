"""Laws of what is written as FOCUS: rows of one origin come to it, every row keeps the specification's rules, and what is
written is what is read back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.model import (
    ActionClass,
    EvalSplit,
    MonthCharges,
    Pool,
    Price,
    PriceBook,
    Reservation,
    Uplift,
    UsageGroup,
)
from finledger.core.problem import Outcome
from finledger.core.usage import GROUP_KEYS, SUMS
from finledger.pipeline import MonthInputs, run_month
from finledger.workbench import Workbench
from finledger.write.focus import VERSIONS, focus_csv, focus_files
from tests.formats.focus_rules import by_origin, ratio, rows_of, violations
from tests.laws.test_capacity_and_pools import (
    JULY,
    ORGANISATION,
    TEAMS,
    chains,
    reservations,
    run,
    usages,
)

SETTINGS = """\
books: Read back
currency: USD
timezone: UTC
operating_model: platform_led
platform: {team: platform, cost_center: cc-0}
"""


def holds(charges: MonthCharges) -> None:
    """What is true of every month's rows, whatever is in them."""
    rows = rows_of(focus_csv(charges, ORGANISATION))
    for version in VERSIONS:
        assert violations(focus_csv(charges, ORGANISATION, version), version) == []
    charged = {row["x_LineId"]: Decimal(row["BilledCost"]) for row in rows if row["x_LineId"]}
    assert charged == {line.line_id: line.amount.amount for line in charges.lines}
    for parts in by_origin(rows).values():
        assert sum(ratio(row) for row in parts) == 1
        assert sum(Decimal(row["BilledCost"]) for row in parts) == Decimal(parts[0]["x_OriginCost"])


@settings(max_examples=80)
@given(usage=usages, reserved=reservations, pools=chains())
def test_pools_and_idle__every_origin_is_what_was_shared_out(
    usage: list[UsageGroup], reserved: list[Reservation], pools: tuple[Pool, ...]
) -> None:
    """A pool's rows come to its amount but for what it fed on; idle hours' to theirs but for what went into a pool."""
    charges = run(usage, reserved, pools)
    holds(charges)
    rows = by_origin(rows_of(focus_csv(charges, ORGANISATION)))
    billed = {origin: sum(Decimal(row["BilledCost"]) for row in parts) for origin, parts in rows.items()}
    for pool in charges.pools:
        fed = sum(part.amount for part in pool.fed.values())
        assert billed.pop(f"pool/{pool.name}", 0) == pool.amount.amount - fed
    for idle in charges.idle:
        if not idle.holder:
            on = sum(part.amount for team, part in idle.parts.items() if team.startswith("pool:"))
            assert billed.pop(f"reservation/{idle.gpu_sku}/shared", 0) == idle.amount.amount - on
    assert billed == {}


# ── evaluations ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def runs(team: str, feature: str, item: str, calls: int) -> UsageGroup:
    labels = {"team": team, "feature": feature, "action": item, "workload_type": "evaluation", "source": "native"}
    keys = dict.fromkeys(GROUP_KEYS, "") | labels
    return UsageGroup(0, keys, {}, dict.fromkeys(SUMS, 0) | {"rows": 1, "calls": calls, "requests": calls})


def book(split: EvalSplit, share: Decimal, price: Decimal) -> PriceBook:
    actions = {
        "eval_run": ActionClass("eval_run", "shared", "published", Price(price, price)),
        "baseline_run": ActionClass("baseline_run", "shared", "published", Price(price, price), scope="baseline"),
    }
    return PriceBook(
        "2026-Q3", 1, date(2026, 7, 1), date(2026, 10, 1), date(2026, 6, 24), "USD", 6, "half_up", models={}, gpu={},
        egress={}, seats={}, uplift=Uplift(), actions=actions, platform_share=share, eval_split=split,
    )  # fmt: skip


evaluated = st.lists(
    st.builds(
        runs,
        st.sampled_from([*TEAMS, "platform", ""]),
        st.sampled_from(["ranking", "answers"]),
        st.sampled_from(["eval_run", "baseline_run"]),
        st.integers(1, 50_000),
    ),
    max_size=12,
)
shares = st.integers(0, 100).map(lambda hundredths: Decimal(hundredths).scaleb(-2))
prices = st.integers(1, 10**6).map(lambda millionths: Decimal(millionths).scaleb(-6))


@settings(max_examples=120)
@given(usage=evaluated, split=st.sampled_from(["line", "pooled", "by_component"]), share=shares, price=prices)
def test_evaluations__team_and_platform_come_to_the_gross(
    usage: Sequence[UsageGroup], split: EvalSplit, share: Decimal, price: Decimal
) -> None:
    inputs = MonthInputs(JULY, ORGANISATION, [book(split, share, price)], lambda query: Outcome(tuple(usage)))
    charges, _ = run_month(inputs)
    holds(charges)
    rows = rows_of(focus_csv(charges, ORGANISATION))
    kept = sum(Decimal(row["BilledCost"]) for row in rows if not row["x_LineId"])
    lines = {line.key for line in charges.lines}
    if split == "pooled":  # with the part of runs that cost too little for a line of their team
        borne = (
            sum(each.platform_share.amount for each in charges.disclosures)
            if kept or any(r["x_OriginId"] for r in rows)
            else 0
        )
    else:  # a line's gross is shared with the team; what the platform pays alone is no charge
        borne = sum(each.platform_share.amount for each in charges.disclosures if each.key in lines)
    assert kept == borne


# ── read back ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_back(content: bytes, name: str) -> tuple[int, Decimal, Decimal]:
    """Rows, billed and effective cost of a file that `load` takes, as they then lie in the store."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "finledger.yaml").write_text(SETTINGS)
        (root / name).write_bytes(content)
        bench = Workbench(root)
        (loaded,) = bench.load([root / name])
        assert (loaded.file.format, loaded.file.rejected, loaded.file.duplicate) == ("focus", 0, 0)
        paths = [str(path) for path in bench.store.paths(bench.ledger.parts())]
        with duckdb.connect() as connection:
            query = (
                f"SELECT count(*), sum(billed_cost), sum(effective_cost) FROM read_parquet({paths!r}, union_by_name = true)"
            )
            (found,) = connection.execute(query).fetchall()
        return int(found[0]), Decimal(found[1]), Decimal(found[2])


@settings(max_examples=8)
@given(usage=usages, reserved=reservations, pools=chains())
def test_read_back__is_what_was_written(
    usage: list[UsageGroup], reserved: list[Reservation], pools: tuple[Pool, ...]
) -> None:
    """The charges and what the platform keeps: Σ lines + Σ kept of pools and of idle hours that all share."""
    charges = run(usage, reserved, pools)
    lines = sum((line.amount.amount for line in charges.lines), Decimal(0))
    kept = sum((pool.residual.amount for pool in charges.pools), Decimal(0))
    kept += sum((idle.residual.amount for idle in charges.idle if not idle.holder), Decimal(0))
    for name, content in focus_files(charges, ORGANISATION).items():
        count = len(rows_of(content))
        if count:
            assert read_back(content, name) == (count, lines + kept, lines + kept)
