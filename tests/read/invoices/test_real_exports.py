"""The reference exports beside the project: their totals as they are stated there, read as invoices."""

from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal

import pytest

from finledger.core.provider import ProviderLine
from finledger.read.invoices import detect, read_invoice
from tests.read.invoices.invoice_samples import total
from tests.support import SHARED, needs_shared

pytestmark = needs_shared
EXPORTS = {
    "focus_sample_1.0/focus_sample.csv": ("focus_rows", "20.52022672899"),
    "focus_toolkit_generated/aws-1.2/focus_1_2_cost_and_usage_aws.csv": ("focus_rows", "108199.043438443241250"),
    "focus_toolkit_generated/azure-1.3/focus_1_3_cost_and_usage_azure.csv": ("focus_rows", "186714.720746220416000"),
    "focus_toolkit_generated/gcp-1.4/synthetic_focus_1_4_cost_and_usage.csv": ("focus_rows", "113220.622096177319000"),
    "focus_toolkit_generated/gcp-1.4/synthetic_focus_1_4_invoice_detail.csv": (
        "focus_invoice_detail",
        "113220.622096177319000",
    ),
    "native_exports/aws/sample-anonymous-aws-export-dataset.csv": ("aws_cur", "1.68230869740"),
}
AZURE = {  # totals are stated nowhere: the column is added up beside the reader
    "finops_toolkit_EA_ActualCost_Small.csv": "Cost",
    "sample-anonymous-ea-export-dataset.csv": "CostInBillingCurrency",
    "opencost_Enterprise.csv": "CostInBillingCurrency",
    "opencost_EnterpriseCamel.csv": "costInBillingCurrency",
}


def lines(name: str) -> tuple[ProviderLine, ...]:
    found = read_invoice(SHARED / "data" / name, name)
    assert found.problems == ()
    return found.rows


@pytest.mark.parametrize("name", EXPORTS)
def test_totals(name: str) -> None:
    format, stated = EXPORTS[name]
    assert detect(SHARED / "data" / name) == format
    assert total(lines(name)) == Decimal(stated)


@pytest.mark.parametrize("name", AZURE)
def test_azure__is_its_column(name: str) -> None:
    path = SHARED / "data" / "native_exports" / "azure" / name
    with path.open(encoding="utf-8-sig", newline="") as stream:
        costs = [Decimal(row[AZURE[name]]) for row in csv.DictReader(stream)]
    assert detect(path) == "azure_costs"
    assert total(lines(f"native_exports/azure/{name}")) == sum(costs)
    assert costs


def test_aws__categories() -> None:
    counted: Counter[str] = Counter()
    for line in lines("native_exports/aws/sample-anonymous-aws-export-dataset.csv"):
        counted[line.category] += 1
        assert (line.invoice, str(line.service_month), line.currency) == ("costs 2023-11", "2023-11", "USD")
    assert set(counted) == {"usage", "tax"}


def test_focus__invoice_detail_agrees_with_its_cost_and_usage() -> None:
    """By invoice and category, to the last digit: the two are one company's bill in two datasets."""
    folder = "focus_toolkit_generated/gcp-1.4/synthetic_focus_1_4_"
    sums: list[dict[tuple[str, str, str], Decimal]] = []
    for name in ("cost_and_usage", "invoice_detail"):
        by_invoice: dict[tuple[str, str, str], Decimal] = {}
        for line in lines(f"{folder}{name}.csv"):
            key = (line.provider, line.invoice, line.category)
            by_invoice[key] = by_invoice.get(key, Decimal(0)) + line.amount
        sums.append(by_invoice)
    assert sums[0] == sums[1]
    assert len(sums[0]) == 6
