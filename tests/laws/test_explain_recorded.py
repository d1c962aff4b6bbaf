"""What explanations take from the ledger is what charging the whole month anew gives: pools and the fund (rules A8, B1-B3)."""

from __future__ import annotations

from decimal import localcontext
from pathlib import Path

import pytest

from finledger.core.money import EXACT
from finledger.workbench import Workbench
from finledger.workbench.explain import explain
from finledger.workbench.explain_month import MonthAtHand
from finledger.workbench.explain_whole import recorded_buffer, recorded_splits
from tests.support import ROOT, copy_books, finledger

EXAMPLES = ROOT / "tests" / "examples"
POOLS = ("21-pools", "22-pool-of-rows", "33-fixed-shares", "35-chained-pools")
FUNDS = ("44-burst", "45-short-fund", "46-refused", "47-low-balled", "48-above-threshold", "60-instalments-and-a-burst")


def charged(name: str, folder: Path) -> Workbench:
    books = copy_books(EXAMPLES / name, folder / name)
    finledger("load", "--books", books, "--quiet")
    for month in Workbench(books).months():
        finledger("allocate", "--month", month, "--books", books, "--quiet")
    return Workbench(books)


@pytest.mark.parametrize("name", (*POOLS, *FUNDS))
def test_recorded__is_what_the_whole_month_gives(name: str, tmp_path: Path) -> None:
    bench = charged(name, tmp_path)
    shared = drawn = 0
    for month in bench.months():
        at_hand = MonthAtHand(bench, month, "", bench)
        with localcontext(EXACT):
            splits = {pool.name: recorded_splits(at_hand, pool.name) for pool in bench.organisation.pools}
            state = recorded_buffer(at_hand)
        assert "charges" not in at_hand.__dict__, "the whole month was charged"
        anew = MonthAtHand(bench, month, "", bench).charges
        for name_of_pool, found in splits.items():
            assert found is not None
            own = [each for each in found if each.name == name_of_pool]
            assert own == [each for each in anew.pools if each.name == name_of_pool]
        assert state == anew.buffer
        shared, drawn = shared + len(anew.pools), drawn + len(anew.buffer.decisions)
    assert shared if name in POOLS else drawn


def test_unallocated_cost_that_is_spread__takes_the_whole_month(tmp_path: Path) -> None:
    """Whose it was is not recorded, so the month is charged again for its part."""
    books = copy_books(EXAMPLES / "21-pools", tmp_path / "books")
    settings = (books / "finledger.yaml").read_text(encoding="utf-8")
    (books / "finledger.yaml").write_text(settings.replace("unallocated: hold", "unallocated: even"), encoding="utf-8")
    finledger("load", "--books", books, "--quiet")
    bench = Workbench(books)
    month = bench.months()[0]
    bench.allocate(month)
    assert recorded_splits(MonthAtHand(bench, month, "", bench), "(unallocated)") is None
    (line,) = [each for each in bench.ledger.charge_rows(month, "search") if each.key.item == "(unallocated)"]
    found = explain(bench, f"{month}/search", line.line_id)
    assert (found.fresh, found.problems) == (line.amount, ())
