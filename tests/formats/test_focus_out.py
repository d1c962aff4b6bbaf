"""Charges written as FOCUS rows: what each kind of line is in FOCUS's words, in a file of each version."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from finledger.core.model import (
    UNALLOCATED,
    BufferState,
    ChargeLine,
    Disclosure,
    IdleCost,
    LineKey,
    MonthCharges,
    Organisation,
    PoolSplit,
)
from finledger.core.period import Month
from finledger.write.focus import COLUMNS, OWN_COLUMNS, VERSIONS, columns, file_name, focus_csv, focus_files
from tests.formats import focus_rules
from tests.formats.focus_rules import COSTS, Row, loaded, rows_of, violations
from tests.formats.invoice import sample
from tests.formats.invoice.sample import usd

AUGUST = sample.JULY.next
ORGANISATION = Organisation("Northwind", "USD", "UTC", "ai-platform", "cc-1000", {})
NONE = usd("0")


def line(
    kind: str, item: str, amount: str, quantity: str = "1", unit: str = "month", price: str = "", **key: str
) -> ChargeLine:
    made = LineKey("search", "cc-4815", "", item, "", "", kind, "2026-Q3.v1", sample.JULY, sample.JULY)
    part = usd(amount)
    component = "base" if kind == "action" else kind
    return ChargeLine(
        made._replace(**key), "chargeback", Decimal(quantity), unit, Decimal(price or amount), part, ((component, part),)
    )


IDLE = line("gpu_idle", "h100", "480.00", "20", "gpu_hour", "24")
LENT = sample.line("", "", "buffer_repayment", "1", "month", "30", {"buffer_true_up": usd("30.00")})
LINES = (*sample.BURST_LINES, sample.SEAT, sample.POOL, sample.GPU, IDLE, LENT)


def month(*lines: ChargeLine, posted: Month = sample.JULY, **parts: object) -> MonthCharges:
    charges = MonthCharges(
        month=posted, currency="USD", provisional=True, books=(), lines=lines, disclosures=(), teams=(), features=(),
        pools=(), unallocated=NONE, unallocated_share=Fraction(0), buffer=BufferState(NONE, NONE, NONE), entries=(), checks=(),
    )  # fmt: skip
    return replace(charges, **parts)


def rows(charges: MonthCharges, organisation: Organisation = ORGANISATION) -> list[Row]:
    """The rows of 1.4; those of both versions break no rule."""
    for version in VERSIONS:
        assert violations(focus_csv(charges, organisation, version), version) == []
    return rows_of(focus_csv(charges, organisation))


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files__are_of_one_version_each_and_say_the_same() -> None:
    files = focus_files(month(*LINES), ORGANISATION)
    assert list(files) == ["focus-1.3.csv", "focus.csv"] == [file_name(version) for version in VERSIONS]
    old, new = rows_of(files["focus-1.3.csv"]), rows_of(files["focus.csv"])
    assert {name: {row.pop(name) for row in old} for name in ("ProviderName", "PublisherName")} == {
        "ProviderName": {"Northwind"},
        "PublisherName": {"Northwind"},
    }
    assert old == new
    assert columns("1.4") == (*COLUMNS, *OWN_COLUMNS)
    assert violations(files["focus-1.3.csv"], "1.4") and violations(files["focus.csv"], "1.3")


def test_file__of_a_month_without_charges_has_a_header() -> None:
    assert focus_csv(month(), ORGANISATION).decode().splitlines() == [",".join(columns())]
    assert rows(month()) == []


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lines__are_a_row_each_and_come_to_the_same() -> None:
    written = rows(month(*LINES))
    assert [row["x_LineId"] for row in written] == [ln.line_id for ln in LINES]
    for column in ("BilledCost", "EffectiveCost"):
        assert [row[column] for row in written] == [str(ln.amount) for ln in LINES]


def test_lines__what_quality_and_the_buffer_make_is_a_credit_or_an_adjustment() -> None:
    found = {
        next(iter(loaded(row["x_Components"]))): (row["ChargeCategory"], row["ChargeFrequency"])
        for row in rows(month(*LINES))
    }
    assert found == {
        "base": ("Usage", "Usage-Based"),
        "gpu": ("Usage", "Usage-Based"),
        "gpu_idle": ("Usage", "Recurring"),
        "seat": ("Purchase", "Recurring"),
        "coverage_premium": ("Adjustment", "One-Time"),
        "freshness_premium": ("Adjustment", "One-Time"),
        "buffer_true_up": ("Adjustment", "One-Time"),
        "coverage_credit": ("Credit", "One-Time"),
        "buffer_draw": ("Credit", "One-Time"),
        "shared": ("Purchase", "Recurring"),
    }


def test_line__list_cost_is_price_x_quantity_before_it_was_rounded() -> None:
    """500 x 0.011123 = 5.5615, billed 5.56."""
    (row,) = rows(month(line("action", "chat_call", "5.56", "500", "action", "0.011123", model="gpt-large")))
    assert [row[name] for name in COSTS] == ["5.56", "5.56", "5.5615", "5.5615"]
    assert (row["SkuId"], row["SkuPriceId"]) == ("action/chat_call", "action/chat_call/gpt-large")
    assert loaded(row["Tags"]) == {"cost-center": "cc-4815", "model": "gpt-large", "team": "search"}


def test_line__of_nobody_has_no_sub_account() -> None:
    (row,) = rows(month(line("action", "chat_call", "5.56", "500", "action", "0.011123", team=UNALLOCATED, cost_center="")))
    assert (row["SubAccountId"], row["x_Team"], row["Tags"]) == ("", "", "")


def test_line__a_cost_given_back_is_a_quantity_below_zero_since_no_price_is() -> None:
    (row,) = rows(month(line("passthrough", "", "-5.00")))
    assert (row["PricingQuantity"], row["ListUnitPrice"], row["ListCost"]) == ("-1", "5", "-5.00")
    assert (row["SkuId"], row["PricingCategory"], row["ConsumedQuantity"]) == ("cost/other", "Other", "-1")


def test_line__idle_hours_are_the_unused_part_of_a_reservation() -> None:
    mine = IdleCost("h100", "search", Decimal(60), Decimal(40), usd("480.00"), {"search": usd("480.00")}, NONE)
    (row,) = rows(month(IDLE, idle=(mine,)))
    assert (row["CapacityReservationId"], row["CapacityReservationStatus"]) == ("reservation/h100/search", "Unused")
    assert (row["PricingQuantity"], row["PricingUnit"], row["ConsumedQuantity"]) == ("20", "GPU-Hours", "0")
    assert row["AllocatedMethodId"] == ""


# ── corrections ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_correction__is_of_an_earlier_month_and_billed_in_this_one() -> None:
    """Late usage of July posted in August: 100 more calls, 100 x 0.011123 = 1.1123 -> 1.11."""
    late = line("action", "chat_call", "1.11", "100", "action", "0.011123", posting_month=AUGUST)
    (row,) = rows(month(late, posted=AUGUST))
    assert row["ChargeClass"] == "Correction"
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-08-01T00:00:00Z", "2026-09-01T00:00:00Z")
    assert (row["PricingQuantity"], row["ListCost"]) == ("100", "1.1123")


def test_correction__in_the_time_of_the_books() -> None:
    late = line("action", "chat_call", "1.11", "100", "action", "0.011123", posting_month=AUGUST)
    (row,) = rows(month(late, posted=AUGUST), replace(ORGANISATION, timezone="Europe/Berlin"))
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-06-30T22:00:00Z", "2026-07-31T22:00:00Z")
    assert row["ChargePeriodEnd"] == row["BillingPeriodStart"]


@pytest.mark.parametrize(("quantity", "price"), [("0", "0.011123"), ("3", "0.011123")])
def test_correction__that_its_quantity_does_not_explain_states_no_price(quantity: str, price: str) -> None:
    """A metered action's tokens changed, or a share of a pool: the difference is no quantity at a price."""
    (row,) = rows(month(line("action", "chat_call", "2.50", quantity, "action", price, posting_month=AUGUST), posted=AUGUST))
    assert [row[name] for name in COSTS] == ["2.50"] * 4
    assert {row[name] for name in ("SkuPriceId", "PricingQuantity", "ListUnitPrice", "ConsumedQuantity")} == {""}


def test_credit__of_a_dispute_is_what_it_gives_back() -> None:
    """A July line credited in July corrects nothing that was closed; credited in August it does. A premium's is no usage."""
    now = replace(line("action", "chat_call", "-5.56", "-500", "action", "0.011123"), components=(("base", usd("-5.56")),))
    now = replace(now, key=now.key._replace(kind="adjustment", credit="C-2026-0001"))
    later = replace(now, key=now.key._replace(posting_month=AUGUST))
    premium = replace(line("coverage_premium", "chat_call/coverage_premium", "-1.00", "-1", price="1"))
    premium = replace(premium, key=premium.key._replace(kind="adjustment", credit="C-2026-0001"))
    first, second = rows(month(now, premium))
    assert (first["ChargeCategory"], first["ChargeClass"], first["PricingQuantity"]) == ("Usage", "", "-500")
    assert first["ChargeDescription"] == "chat_call, C-2026-0001"
    assert (second["ChargeCategory"], second["SkuId"], second["SkuPriceId"]) == ("Adjustment", "action/chat_call", "")
    (row,) = rows(month(later, posted=AUGUST))
    assert (row["ChargeCategory"], row["ChargeClass"]) == ("Usage", "Correction")


def test_credit__of_a_shared_line_is_of_the_actions_that_the_team_paid() -> None:
    """1,000 evaluation runs at 0.011123, of which the team paid 5.56: 5.56 / 0.011123 = 499.865144... runs go back."""
    given = line("action", "eval_run", "-5.56", "-1000", "action", "0.011123")
    given = replace(given, key=given.key._replace(kind="adjustment", credit="C-2026-0001"), funding="shared")
    (row,) = rows(month(given))
    assert row["PricingQuantity"].startswith("-499.865144")
    assert (row["AllocatedMethodId"], row["AllocatedResourceId"]) == ("evaluation-share", "search")
    assert row["AllocatedMethodDetails"] == ""


# ── what was shared out ─────────────────────────────────────────────────────────────────────────────────────────────────


def parts_of(written: list[Row]) -> list[tuple[str, str, str]]:
    return [(row["AllocatedResourceId"], row["BilledCost"], row["PricingQuantity"]) for row in written]


def test_pool__and_what_it_fed_on_is_another_ones() -> None:
    """100.00: 30.00 to search, 50.00 on to the next pool, 20.00 for the platform's own requests: 0.6 and 0.4 of 50.00."""
    pool = PoolSplit(
        "gateway", "requests", usd("100.00"), {"search": usd("30.00")}, usd("20.00"),
        {"search": Decimal(3), "pool:desk": Decimal(5), "ai-platform": Decimal(2)}, {"desk": usd("50.00")},
    )  # fmt: skip
    written = rows(month(line("shared", "gateway", "30.00"), pools=(pool,)))
    assert parts_of(written) == [("search", "30.00", "0.6"), ("ai-platform", "20.00", "0.4")]
    assert {(row["SubAccountId"], row["x_OriginCost"], row["ResourceId"]) for row in written} == {
        ("ai-platform", "50.00", "pool/gateway")
    }
    assert [row["x_Kind"] for row in written] == ["shared", "kept_by_platform"]
    assert [loaded(row["AllocatedTags"])["cost-center"] for row in written] == ["cc-4815", "cc-1000"]


def test_pool__that_nobody_drives_is_allocated_to_nobody() -> None:
    pool = PoolSplit("lab", "gpu_hours", usd("70.00"), {}, usd("70.00"), {"search": Decimal(0)})
    (row,) = rows(month(pools=(pool,)))
    assert (row["AllocatedMethodId"], row["AllocatedResourceId"], row["AllocatedTags"]) == ("pool-gpu-hours", "", "")
    assert (row["BilledCost"], row["x_Team"], row["x_LineId"]) == ("70.00", "", "")


def test_pool__of_a_closed_month_is_corrected_row_by_row() -> None:
    pool = PoolSplit("lab", "even", usd("10.00"), {"search": usd("10.00")}, NONE, {"search": Decimal(1)})
    late = line("shared", "lab", "-2.00", posting_month=AUGUST)
    own = line("shared", "lab", "10.00", service_month=AUGUST, posting_month=AUGUST)
    first, second = rows(month(late, own, posted=AUGUST, pools=(pool,)))
    assert (first["ChargeClass"], first["BilledCost"], first["AllocatedMethodDetails"]) == ("Correction", "-2.00", "")
    assert (first["AllocatedMethodId"], first["AllocatedResourceId"], first["x_OriginId"]) == ("pool-even", "search", "")
    assert (second["ChargeClass"], second["x_OriginCost"]) == ("", "10.00")


def test_evaluation__team_and_platform_in_rows_of_the_teams_own_runs() -> None:
    """sample.EVAL: 1,001 x 0.011123 = 11.13 gross; 5.57 / 11.13 = 0.500449236298..., of 1,001 runs 500.949685534298."""
    shared = Disclosure(sample.EVAL.key, sample.EVAL.quantity, usd("11.13"), usd("5.56"), usd("5.57"))
    written = rows(month(sample.EVAL, disclosures=(shared,)))
    assert parts_of(written) == [(sample.AWKWARD, "5.57", "500.949685534298"), ("ai-platform", "5.56", "500.050314465702")]
    assert {row["SubAccountId"] for row in written} == {sample.AWKWARD}
    assert {row["AllocatedMethodId"] for row in written} == {"evaluation-share"}
    funded = replace(shared, platform_share=usd("11.13"), paid=NONE)
    assert rows(month(disclosures=(funded,))) == []  # nobody is charged any of it: it is the platform's own


def test_idle__shared_by_teams_platform_and_nobody() -> None:
    """100 hours x 2.40 = 240.00: 96.00, 120.00 of usage that nobody owns, 24.00 of the platform."""
    parts = {"search": usd("96.00"), UNALLOCATED: usd("120.00")}
    idle = IdleCost("h100", "", Decimal(150), Decimal(50), usd("240.00"), parts, usd("24.00"))
    mine = line("gpu_idle", "h100", "96.00", "40", "gpu_hour", "2.40")
    loose = line("gpu_idle", "h100", "120.00", "50", "gpu_hour", "2.40", team=UNALLOCATED, cost_center="")
    written = rows(month(loose, mine, idle=(idle,)))
    assert parts_of(written) == [("", "120.00", "50"), ("search", "96.00", "40"), ("ai-platform", "24.00", "10")]
    assert {row["CapacityReservationId"] for row in written} == {"reservation/h100/shared"}


# ── the rules themselves ────────────────────────────────────────────────────────────────────────────────────────────────


BROKEN = {
    "BilledCost": "", "ListCost": "1", "ContractedCost": "1.5E3", "ListUnitPrice": "-24", "PricingQuantity": "1,5",
    "PricingUnit": "", "ConsumedQuantity": "", "SkuPriceId": "", "SkuId": "", "ChargeClass": "Refund",
    "ChargeFrequency": "Monthly", "ServiceSubcategory": "Generative AI", "BillingPeriodEnd": "2026-07-01T00:00:00Z",
    "ChargePeriodStart": "2026-07-01", "BillingCurrency": "US$", "Tags": '{"team": {"name": "search"}}',
    "SubAccountName": "", "ResourceName": "x", "CapacityReservationStatus": "Unused", "AllocatedResourceId": "search",
    "AllocatedMethodId": "NULL", "EffectiveCost": "0.00", "PricingCategory": "Spot", "SkuPriceDetails": '{"Model": "x"}',
}  # fmt: skip


@pytest.mark.parametrize(("column", "text"), list(BROKEN.items()))
def test_rules__find_a_cell_that_breaks_them(column: str, text: str) -> None:
    content = focus_csv(month(sample.GPU), ORGANISATION)
    assert violations(content, "1.4") == []
    (row,) = rows_of(content)
    assert row[column] != text
    assert violations(focus_rules.csv_of([{**row, column: text}]), "1.4") != []


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("SubAccountId", "search"), ("ListUnitPrice", "51"), ("x_OriginCost", "50.01"), ("Tags", '{"feature": "ranking"}'),
        ("AllocatedMethodDetails", '{"Elements":[{"AllocatedRatio":0.61}]}'), ("AllocatedMethodDetails", '{"Elements":[]}'),
        ("AllocatedMethodDetails", '{"Elements":[{"AllocatedRatio":0.6,"UsageQuantity":3}]}'), ("ChargeDescription", "x"),
        ("AllocatedMethodDetails", '{"Elements":[{"AllocatedRatio":0.6,"Ratio":3}]}'),
    ],
)  # fmt: skip
def test_rules__find_rows_that_are_not_of_one_origin(column: str, text: str) -> None:
    parts = {"search": usd("30.00")}
    pool = PoolSplit(
        "desk", "requests", usd("50.00"), parts, usd("20.00"), {"search": Decimal(3), "ai-platform": Decimal(2)}
    )
    written = rows(month(line("shared", "desk", "30.00"), pools=(pool,)))
    changed = [{**written[0], column: text}, *written[1:]]
    assert violations(focus_rules.csv_of(changed), "1.4") != []
    assert violations(focus_rules.csv_of(written[:1]), "1.4") != []  # a part of an origin alone
