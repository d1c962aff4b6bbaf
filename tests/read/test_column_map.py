"""The arithmetic of column maps against fractions, and what a map is refused for before anything is read."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.problem import Refused
from tests.formats.usage.test_usage_formats import stored
from tests.laws.test_load import books

UNIT = 10**18
numbers = st.decimals(-(10**19), 10**19, places=18) | st.integers(-(10**15), 10**15).map(Decimal) | st.just(Decimal(0))
divisors = st.sampled_from(["3600", "3", "7", "0.5", "1e-6", "1000000", "1.000000000001", "999999999999999", "0.001"])


@settings(max_examples=8)
@given(values=st.lists(numbers, min_size=1, max_size=20), divisor=divisors)
def test_divide__is_the_quotient_to_eighteen_places_half_up(values: list[Decimal], divisor: str) -> None:
    """A quotient that the store cannot hold is refused with its text; any other is exact or rounded once, away from zero."""
    text = "".join(f"{number},2026-07-01T00:00:00Z,{value:f}\n" for number, value in enumerate(values))
    wanted = {}
    for number, value in enumerate(values):
        quotient = Fraction(value) / Fraction(divisor) * UNIT
        whole = int(abs(quotient) + Fraction(1, 2)) * (-1 if quotient < 0 else 1)
        if abs(whole) < 10**38:
            wanted[str(number)] = Fraction(whole, UNIT)
    with tempfile.TemporaryDirectory() as folder:
        bench = books(Path(folder))
        column_map = Path(folder) / "map.yaml"
        column_map.write_text(
            f"columns:\n  usage_id: id\n  ts: at\n  billed_cost: {{column: figure, divide: {divisor}}}\n"
            f"  billed_currency: {{value: USD}}\n"
        )
        export = Path(folder) / "a.csv"
        export.write_text(f"id,at,figure\nsure,2026-07-01T00:00:00Z,1\n{text}")
        (loaded,) = bench.load([export], column_map=column_map)
        found = {str(row["usage_id"]): Fraction(Decimal(str(row["billed_cost"]))) for row in stored(bench)}
    del found["sure"]
    assert found == wanted
    assert loaded.file.rejected == len(values) - len(wanted)


@pytest.mark.parametrize("divisor", ["0", "-1", "NaN", "inf", "1e99", "1e-99", "x"])
def test_divide__by_what_is_no_divisor(divisor: str, tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    (tmp_path / "map.yaml").write_text(
        f"columns:\n  usage_id: id\n  ts: at\n  gpu_hours: {{column: id, divide: {divisor}}}\n  gpu_sku: {{value: x}}\n"
    )
    (tmp_path / "a.csv").write_text("id,at\n1,2026-07-01T00:00:00Z\n")
    with pytest.raises(Refused) as refused:
        bench.load([tmp_path / "a.csv"], column_map=tmp_path / "map.yaml")
    (problem,) = refused.value.problems
    assert problem.code == "bad-map"
    assert "map.yaml:4" in str(problem.source)
