"""Google's billing export is read twice: as usage, and as the provider's invoice. Both see the same amounts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.provider import category_of
from finledger.read.invoices import gcp_billing
from finledger.workbench import Workbench
from tests.formats.usage.test_usage_formats import HERE, SETTINGS, stored


@pytest.mark.parametrize(
    ("case", "invoiced"),
    [
        (
            "nested/input.jsonl",
            {"usage": "11.750000000000000001", "tax": "0.13", "adjustment": "-2.49", "credit": "-3.250001"},
        ),
        ("list/input.json", {"usage": "12", "credit": "-7"}),
        ("flattened/input.csv", {"usage": "13.500003", "tax": "1.43", "credit": "-0.923456789012345678"}),
    ],
)
def test_gcp__billed_is_the_invoice_before_credits(case: str, invoiced: dict[str, str], tmp_path: Path) -> None:
    """What was billed is the invoice by category, and its credits are what effective is less."""
    (tmp_path / "finledger.yaml").write_text(SETTINGS)
    bench = Workbench(tmp_path)
    bench.load([HERE / "gcp_billing" / case])
    billed: dict[str, Decimal] = {}
    effective = Decimal(0)
    for row in stored(bench):
        category = category_of(row["charge_category"])
        billed[category] = billed.get(category, Decimal(0)) + Decimal(row["billed_cost"])
        effective += Decimal(row["effective_cost"])
    outcome = gcp_billing.read(HERE / "gcp_billing" / case, case)
    lines: dict[str, Decimal] = {}
    for line in outcome.rows:
        lines[line.category] = lines.get(line.category, Decimal(0)) + line.amount
    assert (outcome.problems, lines) == ((), {name: Decimal(amount) for name, amount in invoiced.items()})
    assert billed == {name: amount for name, amount in lines.items() if name != "credit"}
    assert effective == sum(lines.values())
