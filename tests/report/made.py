"""Reports of made-up figures, with as many teams as a test wants, called what nobody should be called."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.report import Cell, Field, Missing, Report, Table

NASTY = (
    "<script>window.broken = 1</script>", '"><img src=x onerror="window.broken = 1">', "=1+1", "+SUM(A1)", "@cmd", "a|b`c`",
    "tab\tand\nline", "$x^2$ & 'q'", "{{ 7 * 7 }}", "abc\u202edef", "\\n\"quoted\"", "日本語", "]]></svg><b>",
)  # fmt: skip
JULY, AUGUST = Month(2026, 7), Month(2026, 8)
QUALITY = (
    Field("bill", "money"),
    Field("coverage", "share"),
    Field("freshness", "share"),
    Field("cost_per_correct_task", "rate"),
)


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def text(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "text") for name in names)


def report(teams: tuple[str, ...], months: tuple[Month, ...] = (AUGUST,), lines: int = 2, features: int = 2) -> Report:
    """Every team has a bill, features with their quality over `months`, spend and lines; the last month is the report's."""
    last, numbered = months[-1], tuple(enumerate(teams))
    named = [(number, team, f"{team} feature {feature}") for number, team in numbered for feature in range(features)]
    bill: tuple[tuple[Cell, ...], ...] = tuple(
        (last, team, "chargeback", usd(100_000 + number), usd(0), usd(90_000), usd(10_000 + number))
        for number, team in numbered
    )
    trend: tuple[tuple[Cell, ...], ...] = tuple(
        (month, team, feature, usd(5_000 + number), Decimal("0.5"), Missing("not tracked"), Fraction(1, 3 + place))
        for place, month in enumerate(months)
        for number, team, feature in named
    )
    spend: tuple[tuple[Cell, ...], ...] = tuple(
        (last, team, feature, f"model {team}", "inference", usd(50_000)) for _, team, feature in named
    )
    charged: tuple[tuple[Cell, ...], ...] = tuple(
        (
            last, team, f"L{number:07}{line:08}", f"{team} feature 0", f"item {team}", "action", "inference", "m",
            Decimal(1000), "action", Decimal("0.011123"), usd(1112), "base 9.30; overhead 1.82", "",
            f"finledger explain 2026-08/x L{number:07}{line:08}", "usage/a.csv",
        )
        for number, team in numbered
        for line in range(lines)
    )  # fmt: skip
    head = (Field("month", "month"), *text("team"))
    tables = (
        Table("months", "The months", (Field("month", "month"), *text("status")), ((last, "provisional: open"),), everyone=True),
        Table(
            "bill",
            "The bill of every team",
            (*head, *text("stage"), *(Field(name, "money") for name in ("total", "buffer_draw", "budget", "variance"))),
            bill,
            team="team",
        ),
        Table(
            "spend", "Spend", (*head, *text("feature", "model", "workload_type"), Field("amount", "money")), spend, team="team"
        ),
        Table(
            "quality",
            "What the bill bought",
            (*text("team", "feature"), *QUALITY),
            tuple(row[1:] for row in trend if row[0] == last),
            team="team",
        ),
        Table("quality-trend", "By month", (*head, *text("feature"), *QUALITY), trend, team="team"),
        Table(
            "lines",
            "Lines",
            (
                *head, *text("line_id", "feature", "item", "kind", "workload_type", "model"), Field("quantity", "quantity"),
                *text("unit"), Field("unit_price", "rate"), Field("amount", "money"),
                *text("components", "document", "explain", "sources"),
            ),
            charged,
            team="team",
        ),
        Table(
            "checks",
            "Checks",
            (Field("month", "month"), *text("check"), Field("left", "quantity"), Field("right", "quantity"), *text("holds")),
            ((last, "lines = bill", Decimal("1.50"), Decimal("1.50"), "yes"),),
        ),
    )  # fmt: skip
    return Report("Books of <b>bold</b>", str(last), (last,), "USD", True, tables, as_of=date(2026, 8, 20))
