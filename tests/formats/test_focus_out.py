"""charges written as FOCUS rows: categories as the specification has them, and the same total as the lines."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import BufferState, MonthCharges, Organisation
from finledger.write.focus import focus_csv
from tests.formats.invoice import sample

IDLE = replace(sample.GPU, key=sample.GPU.key._replace(kind="gpu_idle"), components=(("gpu_idle", sample.usd("300.00")),))
LENT = sample.line("", "", "buffer_repayment", "1", "month", "30", {"buffer_true_up": sample.usd("30.00")})
LINES = (*sample.BURST_LINES, sample.EVAL, sample.SEAT, sample.POOL, sample.GPU, IDLE, LENT)


def rows() -> list[dict[str, str]]:
    none = sample.usd("0")
    charges = MonthCharges(
        month=sample.JULY, currency="USD", provisional=True, books=(), lines=LINES, disclosures=(), teams=(), features=(),
        pools=(), unallocated=none, unallocated_share=Fraction(0), buffer=BufferState(none, none, none), entries=(), checks=(),
    )  # fmt: skip
    organisation = Organisation("Northwind", "USD", "UTC", "ai-platform", "cc-1000", {})
    return list(csv.DictReader(io.StringIO(focus_csv(charges, organisation).decode())))


def test_focus__one_row_a_line_and_the_same_total() -> None:
    written = rows()
    assert len(written) == len(LINES)
    for column in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
        assert sum(Decimal(row[column]) for row in written) == sum(line.amount.amount for line in LINES)


def test_focus__what_quality_and_the_buffer_make_is_a_credit_or_an_adjustment() -> None:
    categories = {row["x_Components"].split('"')[1]: (row["ChargeCategory"], row["ChargeFrequency"]) for row in rows()}
    assert categories == {
        "base": ("Usage", "Usage-Based"),
        "gpu": ("Usage", "Usage-Based"),
        "gpu_idle": ("Usage", "Usage-Based"),
        "seat": ("Purchase", "Recurring"),
        "shared": ("Purchase", "Recurring"),
        "coverage_premium": ("Adjustment", "One-Time"),
        "freshness_premium": ("Adjustment", "One-Time"),
        "buffer_true_up": ("Adjustment", "One-Time"),
        "coverage_credit": ("Credit", "One-Time"),
        "buffer_draw": ("Credit", "One-Time"),
    }


def test_focus__only_what_was_consumed_has_a_consumed_quantity() -> None:
    for row in rows():
        component = row["x_Components"].split('"')[1]
        assert bool(row["ConsumedQuantity"]) == bool(row["ConsumedUnit"]) == (component in ("base", "gpu"))
        priced = row["ChargeCategory"] in ("Usage", "Purchase")
        assert bool(row["PricingQuantity"]) == (row["PricingCategory"] == "Standard") == priced
    premium = next(row for row in rows() if "coverage_premium" in row["x_Components"])
    assert premium["ChargeDescription"] == f"coverage premium {sample.LONG} agent_step claude|`mid`"
    assert next(row for row in rows() if "buffer_draw" in row["x_Components"])["ChargeDescription"] == "buffer draw"
