"""Laws of explanations on random books: source rows add up to their line, and every row is a source of what it was charged on.

EXPLAIN_SEEDS=8 tries that many books.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, localcontext
from pathlib import Path

import pytest

from finledger.core.explain import columns_of, measures_of, sources_of
from finledger.core.label import own
from finledger.core.model import LineKey, OwnedGroup
from finledger.core.money import EXACT
from finledger.core.rate import Pricing, rate
from finledger.engines import engine, first_rows, group_rows
from finledger.pipeline import MonthInputs, query
from finledger.workbench import Workbench
from finledger.workbench.explain import explain
from tests.oracle.books import write_books

SEEDS = range(3, 3 + int(os.environ.get("EXPLAIN_SEEDS", "1")))  # a few hundred lines each, asked for one by one
ENGINES = ("duckdb", "reference")
EVERY = 10_000
METERS = (("action", "action"), ("gpu", "gpu_sku"), ("egress", "egress_sku"))


@pytest.fixture(params=SEEDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Workbench:
    write_books(tmp_path / "books", request.param)
    made = Workbench(tmp_path / "books")
    made.load(made.inbox())
    for month in made.months():
        made.allocate(month)
    return made


def test_every_line__rows_add_up_and_a_fresh_run_gives_the_same(bench: Workbench) -> None:
    kinds: Counter[str] = Counter()
    for month in bench.months():
        for line in bench.ledger.charge_rows(month)[::8]:
            found = explain(bench, f"{month}/{line.key.team}", line.line_id, limit=3)
            kinds[line.key.kind] += 1
            assert found.line == line
            assert (found.fresh, found.problems) == (line.amount, ())
            assert found.facts, f"nothing is said of {line.key}"
            if line.key.kind in ("action", "gpu", "egress"):
                assert found.rows is not None
                assert found.rows.checks[0].left == line.quantity
            if found.rows is not None:
                assert all(check.holds for check in found.rows.checks), found.rows.checks
                assert len(found.rows.first) == min(3, found.rows.count) > 0
                assert all(":" in where for where, _ in found.rows.first)
    assert kinds["action"] > 20 and kinds["gpu"] and kinds["coverage_premium"]


def test_every_row__is_a_source_of_one_line_a_meter(bench: Workbench) -> None:
    """Asked line by line, of all lines that anybody's usage makes, those that come to nothing too: each row of the export is
    found once for each meter it carries, and the platform's own rows are on no line.
    """
    times: Counter[tuple[str, str]] = Counter()
    for month in bench.months():
        inputs = bench.month_inputs(month)
        pricing = Pricing(month, inputs.organisation, inputs.books, inputs.rates)
        paths = bench.store.paths(bench.ledger.parts(month))
        with localcontext(EXACT):
            groups = owned_groups(inputs)
            keys = [line.key for line in rate(groups, pricing).rows if line.key.kind != "seat"]
            for number, key in enumerate(keys):
                asked = replace(query(inputs), only=columns_of(key, inputs.organisation))
                sources = [each.owned.group for each in sources_of(key, groups, groups, pricing)]
                measures = ("rows", *measures_of(key.kind, inputs.organisation))
                rows = group_rows(paths, asked, sources, measures[1:], EVERY)
                assert rows.sums["rows"] == len(rows.first)
                assert rows.sums == {name: sum(each.sums[name] for each in sources) for name in measures}
                if number % 8 == 0:
                    assert first_rows(paths, asked, sources, 3) == rows.first[:3]
                times.update((str(row["usage_id"]), key.kind) for _, _, row in rows.first)
    assert set(times.values()) == {1}
    assert set(times) == set(meters_of(bench.root / "usage" / "all.csv"))


def owned_groups(inputs: MonthInputs) -> tuple[OwnedGroup, ...]:
    return own(inputs.group(query(inputs)).rows, inputs.organisation, query(inputs).intervals).rows


def meters_of(export: Path) -> Iterator[tuple[str, str]]:
    """(usage id, kind of line) as the export says: its action, GPU and egress; its cost where it has none of these."""
    with export.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["team"] == "ai-platform":
                continue
            carried = [kind for kind, column in METERS if row[column]]
            cost = row["effective_cost"] or row["billed_cost"]
            yield from ((row["usage_id"], kind) for kind in carried)
            if not carried and cost and Decimal(cost):
                yield row["usage_id"], "passthrough"


def test_narrowed_grouping__is_the_same_in_both_engines(bench: Workbench) -> None:
    """What a line's rows must have in their columns leaves out none of its groups, and both engines read it alike."""
    month = bench.months()[0]
    inputs = bench.month_inputs(month)
    pricing = Pricing(month, inputs.organisation, inputs.books, inputs.rates)
    paths = bench.store.paths(bench.ledger.parts(month))
    whole = owned_groups(inputs)

    def of(key: LineKey, groups: tuple[OwnedGroup, ...]) -> list[str]:
        found = [each.owned.group for each in sources_of(key, groups, groups, pricing)]
        return sorted(repr((each.interval, each.keys, sorted(each.sums.items()))) for each in found)

    with localcontext(EXACT):
        lines = [line.key for line in rate(whole, pricing).rows if line.key.kind != "seat"]
        for key in lines[::15]:
            asked = replace(query(inputs), only=columns_of(key, inputs.organisation))
            narrowed = [
                own(engine(name).group(paths, asked).rows, inputs.organisation, asked.intervals).rows for name in ENGINES
            ]
            assert of(key, narrowed[0]) == of(key, narrowed[1]) == of(key, whole) != []
            assert len(narrowed[0]) < len(whole)
