"""Clouds' own cost exports, read whole: as many rows, and to the last digit the sums, that the files add up to by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.problem import Refused
from finledger.workbench import Workbench
from tests.formats.usage.test_real_exports import sums
from tests.formats.usage.test_usage_formats import SETTINGS
from tests.support import SHARED, needs_shared

pytestmark = needs_shared
FOLDER = SHARED / "data/native_exports"
BILLS = {
    "aws/sample-anonymous-aws-export-dataset.csv": ("aws_cur", 1281, "1.68230869740"),
    "azure/finops_toolkit_EA_ActualCost_Small.csv": ("azure_costs", 11, "8.5450077867419368"),
    "azure/opencost_Enterprise.csv": ("azure_costs", 1, "0"),
    "azure/opencost_EnterpriseCamel.csv": ("azure_costs", 1, "0.012"),
    "azure/sample-anonymous-ea-export-dataset.csv": ("azure_costs", 27, "1.26136926505726"),
}


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    (tmp_path / "finledger.yaml").write_text(SETTINGS)
    return Workbench(tmp_path)


@pytest.mark.parametrize("name", BILLS)
def test_load__a_cloud_bill(name: str, bench: Workbench) -> None:
    form, count, total = BILLS[name]
    (loaded,) = bench.load([FOLDER / name])
    assert (loaded.file.format, loaded.file.read, loaded.file.accepted) == (form, count, count)
    found = sums(bench)
    assert (found["billed_cost"], found["effective_cost"]) == (Decimal(total), Decimal(total))


def test_load__a_bill_without_amounts(bench: Workbench) -> None:
    """One row that has a date and nothing else: an empty amount is not 0."""
    with pytest.raises(Refused, match="not one row can be accepted"):
        bench.load([FOLDER / "azure/opencost_BOM.csv"])
