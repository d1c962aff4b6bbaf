"""Laws of explanations of closed months on random books: what was sealed explains every line, whatever the texts say by now; a
correction is what it is restated to less what was posted; every posting is the sum of its parts (rules L1, L2, L3, X2).

EXPLAIN_SEEDS=8 tries that many books.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from finledger.core.close import WAIVABLE, Waiver
from finledger.core.explain import Fact
from finledger.core.money import Money
from finledger.workbench import Workbench
from finledger.workbench.closing import close_month
from finledger.workbench.explain import explain
from finledger.workbench.explain_entries import explain_entry
from finledger.workbench.explain_variance import explain_variance
from tests.oracle.books import write_books

SEEDS = range(3, 3 + int(os.environ.get("EXPLAIN_SEEDS", "1")))
PROVIDERS = "providers: {p: {invoice: expected}, q: {invoice: expected}, rest: {invoice: none, sources: [native]}}\n"
EVERY = 9  # each ninth line of a month is asked for, and each correction


@pytest.fixture(scope="module", params=SEEDS)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """Books whose months are closed one after the other; a tenth of the usage comes after its month was closed."""
    root = tmp_path_factory.mktemp("closed") / "books"
    write_books(root, request.param)
    with (root / "finledger.yaml").open("a", encoding="utf-8") as settings:
        settings.write(PROVIDERS)
    export = root / "usage" / "all.csv"
    with export.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    export.unlink()
    late = set(Random(request.param).sample(range(len(rows)), len(rows) // 10))
    write(root / "usage" / "early.csv", [row for number, row in enumerate(rows) if number not in late])
    Workbench(root).load([root / "usage" / "early.csv"])
    months = Workbench(root).months()
    for month in months:
        close_month(Workbench(root), month, waive=[Waiver(str(month), name, "Ada", "random") for name in WAIVABLE])
        if month == months[0]:
            write(root / "usage" / "late.csv", [row for number, row in enumerate(rows) if number in late])
            Workbench(root).load([root / "usage" / "late.csv"])
    return Workbench(root)


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def named(facts: Iterable[Fact]) -> dict[str, Any]:
    return {fact.name: fact.value for fact in facts}


def test_every_line__whatever_the_texts_say_by_now(bench: Workbench) -> None:
    """The evaluations of all months and the organisation's forecasts are gone from the books: what was sealed explains."""
    for path in (bench.root / "evals").iterdir():
        path.write_text(path.read_text().splitlines(keepends=True)[0])
    kinds: Counter[str] = Counter()
    for month in bench.months():
        lines = bench.ledger.charge_rows(month)
        late = [line for line in lines if line.key.service_month != month]
        for line in (*lines[::EVERY], *late):
            found = explain(bench, f"{month}/{line.key.team}", line.line_id, limit=3)
            assert (found.line, found.fresh, found.problems) == (line, line.amount, ())
            assert found.seal is not None and found.seal.close == bench.closed(month).number  # type: ignore[union-attr]
            if found.rows is not None:
                assert all(check.holds for check in found.rows.checks), found.rows.checks
            if line in late:
                said = named(found.facts)
                restated, posted = said["restated"], said["posted"]
                assert isinstance(restated, Money) and isinstance(posted, Money)
                assert restated - posted == line.amount == said["difference"]
                kinds[f"late {line.key.kind}"] += 1
                if found.rows is not None:
                    assert all(where.startswith("usage/late.csv:") for where, _ in found.rows.first)
                    assert found.rows.count
            kinds[line.key.kind] += 1
    assert kinds["late action"] > 3 and kinds["action"] > 20


def test_every_posting__is_the_sum_of_its_parts(bench: Workbench) -> None:
    kinds: Counter[str] = Counter()
    for month in bench.months():
        for entry in bench.ledger.entries(month)[::2]:
            found = explain_entry(bench, entry.entry_id, limit=1)
            assert tuple(each.posting for each in found.postings) == entry.postings
            for each in found.postings:
                assert each.check.holds and each.parts, (entry.entry_id, each)
            if found.rows is not None:
                assert all(check.holds for check in found.rows.checks), found.rows.checks
            kinds[entry.entry_id.split("/")[1]] += 1
    assert kinds["provider"] > 3


def test_every_sku__is_metered_by_its_rows(bench: Workbench) -> None:
    """No invoice has come: each SKU is explained by what waits, and its rows come to its quantity and cost."""
    month = bench.months()[0]
    content = bench.ledger.events("close")[-1].content["providers"]["metered"]
    skus = [(each[0], each[1]) for of_month in content if of_month["month"] == str(month) for each in of_month["metered"]]
    assert len(skus) > 5
    for provider, sku in skus[::2]:
        found = explain_variance(bench, month, provider, sku, limit=2)
        assert (found.row, found.posted, found.problems) == (None, True, ())
        assert found.rows is not None and found.rows.checks
        assert all(check.holds for check in found.rows.checks), (sku, found.rows.checks)
