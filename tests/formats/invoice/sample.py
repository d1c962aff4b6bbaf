"""Documents made by hand, with the names and amounts that break documents. The sums are written out beside them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import (
    BufferTerms,
    Central,
    ChargeLine,
    Disclosure,
    DrawDecision,
    DrawRequest,
    EvalShare,
    FeatureQuality,
    Invoice,
    LineKey,
    PlatformCost,
    QualityTerms,
    Seal,
)
from finledger.core.money import Money
from finledger.core.period import Month

JULY = Month(2026, 7)
SHA = "3f8a0c1d5b7e9f2a4c6d8e0b1a3f5c7d9e1b3a5c7f9d0e2b4a6c8f0d1e3b5a79"
AWKWARD = "R&D <b>"
FORMULA = "=1+1"
LONG = "answers-for-field-engineers-who-ask-in-the-customers-own-words-and-language-日本"


def usd(text: str) -> Money:
    return Money(int(Decimal(text) * 100), "USD")


def line(
    feature: str,
    item: str,
    kind: str,
    quantity: str,
    unit: str,
    unit_price: str,
    components: dict[str, Money],
    model: str = "",
    cost_center: str = "cc-4815",
    workload_type: str = "inference",
    funding: str = "consumer",
    token_cost: str | None = None,
    failed: int = 0,
    tokens: dict[str, int] | None = None,
) -> ChargeLine:
    key = LineKey(AWKWARD, cost_center, feature, item, workload_type, model, kind, "2026-Q3.v1", JULY, JULY)
    parts = list(components.values())
    return ChargeLine(
        key=key,
        stage="chargeback",
        quantity=Decimal(quantity),
        unit=unit,
        unit_price=Decimal(unit_price),
        amount=Money(sum(part.minor for part in parts), parts[0].currency),
        components=tuple(components.items()),
        funding=funding,
        token_cost=None if token_cost is None else Decimal(token_cost),
        failed=failed,
        tokens=tokens or {},
        rules=(("feature", 3),),
    )


CHAT = line(  # 100,000 x 0.011123 = 1,112.30
    FORMULA, "chat_call", "action", "100000", "action", "0.011123",
    {"base": usd("930.00"), "overhead": usd("134.63"), "registry": usd("4.88"), "buffer": usd("42.79")},
    model="gpt-large", token_cost="930.0012345678", failed=12,
    tokens={"input_tokens": 150_000_000, "output_tokens": 40_000_000},
)  # fmt: skip
EVAL = line(  # 1,001 x 0.011123 = 11.134123 -> 11.13 gross, of which 5.56 is the platform's and 5.57 the team's
    FORMULA, "eval_run", "action", "1001", "action", "0.011123",
    {"base": usd("4.66"), "overhead": usd("0.67"), "registry": usd("0.02"), "buffer": usd("0.22")},
    model="gpt-large", workload_type="evaluation", funding="shared", tokens={"input_tokens": 1_501_500},
)  # fmt: skip
STEP = line(  # metered: 1/3 of a cent and a bit, shown to 12 places; 7,000 x 0.003361428571 = 23.53
    LONG, "agent_step", "action", "7000", "action", "0.00336142857142857",
    {"base": usd("19.67"), "overhead": usd("2.85"), "registry": usd("0.10"), "buffer": usd("0.91")},
    model="claude|`mid`", tokens={"cached_input_tokens": 9_000_000, "output_tokens": 1_200_000},
)  # fmt: skip
PREMIUM = line(  # 19.67 x 0.25
    LONG, "agent_step", "coverage_premium", "1", "month", "4.9175", {"coverage_premium": usd("4.92")}, model="claude|`mid`"
)
UNTRACKED = line(
    "autosuggest", "retrieval_call", "action", "12", "action", "0.0005", {"base": usd("0.01")}, model="embed-small"
)
GPU = line("", "h100", "gpu", "12.5", "gpu_hour", "24", {"gpu": usd("300.00")}, workload_type="training")
EGRESS = line("", "cross-zone", "egress", "1024.125", "GB", "0.08", {"egress": usd("81.93")}, workload_type="")
SEAT = line(
    "", "assistant", "seat", "40", "seat", "30.00", {"seat": usd("1200.00")}, workload_type="", cost_center="cc-4900"
)
POOL = line("", "notebooks", "shared", "1", "month", "-45.25", {"shared": usd("-45.25")}, workload_type="")
LINES = (CHAT, EVAL, STEP, PREMIUM, UNTRACKED, GPU, EGRESS, SEAT, POOL)
# 1,112.30 + 5.57 + 23.53 + 4.92 + 0.01 + 300.00 + 81.93 + 1,200.00 - 45.25 = 2,683.01
TOTAL = usd("2683.01")

DISCLOSURES = (
    Disclosure(EVAL.key, Decimal(1001), usd("11.13"), usd("5.56"), usd("5.57")),
    Disclosure(
        EVAL.key._replace(item="judge_call", model="judge-large"), Decimal(2002), usd("8.40"), usd("8.40"), usd("0.00")
    ),
)
QUALITY = (
    FeatureQuality(
        FORMULA, usd("1117.87"), usd("1112.30"), Decimal("0.85"), Decimal("0.915"), Decimal(1), 90_000, 1_000, 950,
        Fraction(85_500), Fraction(111_230, 100) / 85_500,
    ),
    FeatureQuality(LONG, usd("5028.45"), usd("5000.00"), Decimal("0.5"), None, Decimal("1.25"), 4_000, None, None),
)  # fmt: skip


def subtotals(lines: tuple[ChargeLine, ...]) -> tuple[tuple[str, Money], ...]:
    sums: dict[str, Money] = {}
    for each in lines:
        for component, amount in each.components:
            sums[component] = sums[component] + amount if component in sums else amount
    return tuple(sums.items())


TERMS = QualityTerms(*map(Decimal, ("0.80", "0.20", "1.50", "0.90", "0.10", "0.35")))
BUFFER = BufferTerms(Decimal(3), Decimal(900), (Decimal("0.05"), Decimal("0.10")))
INVOICE = Invoice(
    number="2026-000017",
    kind="invoice",
    team=AWKWARD,
    stage="chargeback",
    adopted=True,
    owner="research-leads@northwind.example",
    entity="",
    cost_centers=("cc-4815", "cc-4900"),
    month=JULY,
    issue_date=date(2026, 8, 1),
    currency="USD",
    issuer="Northwind AI platform",
    platform_team="ai-platform",
    pricebooks=(("2026-Q3.v1", SHA),),
    lines=LINES,
    components=subtotals(LINES),
    total=TOTAL,
    budget=usd("2500.00"),
    forecast=usd("2400.00"),
    disclosures=DISCLOSURES,
    quality=QUALITY,
    entry_ids=("2026-07-0017", "2026-07-0018"),
    notes=("The price of gpt-large changed on 16 July.",),
    quality_terms=TERMS,
    buffer_terms=BUFFER,
    quarter_end=Month(2026, 9),
)
STATEMENT = replace(
    INVOICE, number="2026-07-r-d-b", kind="statement", stage="showback", adopted=False, entry_ids=(), budget=None,
    forecast=None, notes=(),
)  # fmt: skip


def only(*lines: ChargeLine, currency: str = "USD", **fields: object) -> Invoice:
    """The sample with other lines, in their currency, and nothing beside them."""
    whole = Money(sum(each.amount.minor for each in lines), currency)
    return replace(
        INVOICE, lines=lines, components=subtotals(lines), total=whole, currency=currency, budget=None, forecast=None,
        disclosures=(), quality=(), notes=(), **fields,
    )  # fmt: skip


# A month with every kind of line that quality and the buffer make, in the second month of a quarter that ends in August.
# The coverage of LONG is 0.5, so x 1.25 (halfway from 0.80 to 0.20, towards 1.50); three months in breach make x 1.30.
MORE = line(LONG, "chat_call", "action", "10000", "action", "0.01", {"base": usd("100.00")}, model="gpt-large")
BURST_LINES = (
    CHAT,  # 1,112.30, base 930.00, surcharge 42.79
    line(FORMULA, "", "coverage_credit", "1", "month", "-15.50", {"coverage_credit": usd("-15.50")}, workload_type=""),
    STEP,  # 23.53, base 19.67, surcharge 0.91
    MORE,  # 100.00, all of it base
    PREMIUM,  # 19.67 x 0.25 = 4.9175
    line(LONG, "chat_call", "coverage_premium", "1", "month", "25", {"coverage_premium": usd("25.00")}, model="gpt-large"),
    line(  # 19.67 x 0.05 = 0.9835
        LONG, "agent_step", "freshness_premium", "1", "month", "0.9835", {"freshness_premium": usd("0.98")}, model="mid"
    ),
    line(LONG, "chat_call", "freshness_premium", "1", "month", "5", {"freshness_premium": usd("5.00")}, model="gpt-large"),
    line("", "", "buffer_draw", "1", "month", "-500.00", {"buffer_draw": usd("-500.00")}, workload_type=""),
)  # fmt: skip
# 1,112.30 - 15.50 + 23.53 + 100.00 + 29.92 + 5.98 = 1,256.23 before the draw, 3.14 times its forecast; 756.23 after it
DRAW = DrawDecision(
    DrawRequest(JULY, AWKWARD, "backfill", "Re-read *all*|documents"),
    usd("1256.23"), Fraction(400), False, usd("856.23"), usd("500.00"),
)  # fmt: skip
BURST = replace(
    only(*BURST_LINES),
    number="2026-000019",
    quality=(
        replace(QUALITY[0], coverage=Decimal("0.85")),
        replace(QUALITY[1], in_distribution=Decimal("0.7"), multiplier=Fraction(13, 10)),
    ),
    budget=usd("400.00"),
    forecast=usd("400.00"),
    quarter_end=Month(2026, 8),
    credited=((FORMULA, (Month(2026, 6),)),),
    draw=DRAW,
    eval_share=EvalShare(usd("19.53"), usd("5.57"), usd("13.96"), usd("30.00")),  # 43.96 of 49.53 = 88.75 %
    subsidies=(
        PlatformCost(JULY, "labelling", Decimal("30.00"), "6200"),
        PlatformCost(JULY, "judge", Decimal("12.00")),  # metered, too: not counted twice
    ),
    central=(Central("eval", usd("13.96")), Central("registry", usd("3.10"))),
)
CREDIT_NOTE = only(replace(POOL), number="2026-000018", adopted=False)
SEPTEMBER = Month(2026, 9)
SEAL = Seal(3, "5e0c9b1a7d3f42e86b0d9c1f3a5e7b29d4f6081c3e5a7092b4d6f8013c5e7a9b")


def late(like: ChargeLine, quantity: str, components: dict[str, Money], **key: str) -> ChargeLine:
    """A line that September posts for July: a change of one of the sample's."""
    parts = tuple(components.items())
    return replace(
        like, key=like.key._replace(posting_month=SEPTEMBER, **key), quantity=Decimal(quantity), components=parts,
        amount=Money(sum(part.minor for _, part in parts), "USD"), token_cost=None, tokens={}, failed=0, rules=(),
    )  # fmt: skip


# 1,000 x 0.011123 = 11.12; 500 steps fewer are -1.68, and their premium -0.35: together 9.09
CORRECTED = (
    late(CHAT, "1000", {"base": usd("9.30"), "overhead": usd("1.35"), "registry": usd("0.05"), "buffer": usd("0.42")}),
    late(STEP, "-500", {"base": usd("-1.40"), "overhead": usd("-0.21"), "buffer": usd("-0.07")}),
    late(PREMIUM, "1", {"coverage_premium": usd("-0.35")}),
)
DEBIT_NOTE = replace(
    only(*CORRECTED), number="DN-2026-0001", kind="debit_note", month=SEPTEMBER, issue_date=date(2026, 9, 30), seal=SEAL,
    original="2026-000017", service_months=(JULY,), quality=QUALITY, entry_ids=("2026-09/r-d/cc-4815/2026-07",),
    disclosures=(Disclosure(EVAL.key._replace(posting_month=SEPTEMBER), Decimal(9), usd("0.10"), usd("0.10"), usd("0.00")),),
    quality_terms=None, buffer_terms=None, quarter_end=None,
)  # fmt: skip
# 12.5 x 24.00 = 300.00, and 7,000 steps with their premium: 23.53 + 4.92; together 328.45 back
CREDITED = (
    late(STEP, "-7000", {name: -part for name, part in STEP.components}, kind="adjustment", credit="C-2026-0001"),
    late(
        PREMIUM,
        "-1",
        {"coverage_premium": usd("-4.92")},
        item="agent_step/coverage_premium",
        kind="adjustment",
        credit="C-2026-0001",
    ),
    late(GPU, "-12.5", {"gpu": usd("-300.00")}, kind="adjustment", credit="C-2026-0001"),
)
DISPUTED = replace(
    DEBIT_NOTE, number="CN-2026-0001", kind="credit_note", lines=CREDITED, components=subtotals(CREDITED), disclosures=(),
    total=usd("-328.45"), entry_ids=("2026-09/r-d/cc-4815/2026-07/credit",), seal=None,
    reason="The cluster was idle <all> weekend (dispute D-2026-0001)",
)  # fmt: skip
HELD = replace(INVOICE, held=((GPU.line_id, "D-2026-0002: not our cluster"), (PREMIUM.line_id, "D-2026-0003: |tested|")))
YEN = only(
    line(FORMULA, "chat_call", "action", "123456789", "action", "1.5", {"base": Money(185185184, "JPY")}), currency="JPY"
)
DINAR = only(line(FORMULA, "chat_call", "action", "2", "action", "0.0005", {"base": Money(1, "KWD")}), currency="KWD")
HUGE = only(line(FORMULA, "chat_call", "action", "1", "action", "1", {"base": Money(12345678901234567890, "USD")}))
NOTHING = only()
ALL = {
    "invoice": INVOICE,
    "statement": STATEMENT,
    "burst": BURST,
    "credit-note": CREDIT_NOTE,
    "debit": DEBIT_NOTE,
    "credit": DISPUTED,
    "held": HELD,
    "yen": YEN,
    "dinar": DINAR,
    "huge": HUGE,
    "nothing": NOTHING,
}
