"""OpenCost's own samples, read whole."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from finledger.workbench import Workbench
from tests.formats.usage.test_usage_formats import SETTINGS, stored
from tests.support import SHARED, needs_shared

pytestmark = needs_shared


@pytest.mark.parametrize(
    ("name", "costs", "teams"),
    [
        ("allocation-example-output.json", ["1.52743", "0.10937", "0.14136"], [None, None, None]),
        ("export-sample.csv", ["0.010493746736011505", "0.010493746736011505"], ["my-team", "my-team"]),
    ],
)
def test_opencost__samples(name: str, costs: list[str], teams: list[str | None], tmp_path: Path) -> None:
    (tmp_path / "finledger.yaml").write_text(SETTINGS)
    bench = Workbench(tmp_path)
    (loaded,) = bench.load([SHARED / "data/opencost" / name])
    assert (loaded.file.format, loaded.file.accepted, loaded.file.rejected) == ("opencost", len(costs), 0)
    rows = stored(bench)
    assert [Decimal(row["billed_cost"]) for row in rows] == [Decimal(cost) for cost in costs]
    assert [row.get("team") for row in rows] == teams
