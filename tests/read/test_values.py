"""Texts to values: exact, and never guessed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from finledger.core.period import Month
from finledger.read import values
from finledger.read.values import WrongValue


@pytest.mark.parametrize("text", ["0", "0.30", "-12.50", "12345678901234567890.123456789012345678", "0.000001"])
def test_number__exactly_as_written(text: str) -> None:
    assert values.number(text).as_tuple() == Decimal(text).as_tuple()


def test_number__minus_nothing_is_nothing() -> None:
    assert str(values.number("-0.00")) == "0.00"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1e-6",
        "1E5",
        "0x10",
        ".inf",
        "NaN",
        "1_000",
        "1,000",
        "1 000",
        "+1",
        ".5",
        "5.",
        "01",
        "80%",
        "--1",
        "١",
        "1\n",
    ],
)
def test_number__refused(text: str) -> None:
    with pytest.raises(WrongValue) as wrong:
        values.number(text)
    assert wrong.value.code == "not-a-number"
    assert wrong.value.remedy.startswith("write ")


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (values.share, "1", Decimal(1)),
        (values.share, "0.80", Decimal("0.80")),
        (values.amount, "0", Decimal(0)),
        (values.count, "44687", 44687),
        (values.flag, "true", True),
        (values.flag, "false", False),
        (values.day, "2024-02-29", date(2024, 2, 29)),
        (values.month, "2026-12", Month(2026, 12)),
        (values.quarter, "2026-Q4", "2026-Q4"),
        (values.currency, "KWD", "KWD"),
        (values.timezone, "Europe/Berlin", "Europe/Berlin"),
        (values.text, "Übung & Co. 漢字", "Übung & Co. 漢字"),
        (values.text, "x" * 100, "x" * 100),
        (values.team_name, "search=1", "search=1"),
    ],
)
def test_parse__accepted(parse: Callable[[Any], Any], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "code"),
    [
        (values.share, "1.2", "not-a-share"),
        (values.share, "-0.1", "not-a-share"),
        (values.amount, "-0.01", "negative-number"),
        (values.count, "1.5", "not-a-count"),
        (values.count, "-1", "not-a-count"),
        (values.count, "²", "not-a-count"),
        (values.flag, "yes", "not-a-flag"),
        (values.day, "2026-02-29", "not-a-date"),
        (values.day, "20260701", "not-a-date"),
        (values.day, "0001-01-01", "not-a-date"),
        (values.month, "2026-13", "not-a-month"),
        (values.month, "٢٠٢٦-07", "not-a-month"),
        (values.quarter, "2026-Q5", "not-a-quarter"),
        (values.currency, "XAU", "currency-unknown"),
        (values.timezone, "../../etc/passwd", "timezone-unknown"),
        (values.timezone, "Europe", "timezone-unknown"),
        (values.text, "x" * 101, "text-too-long"),
        (values.text, "a\u2028b", "text-control-character"),
        (values.text, "a\x00b", "text-control-character"),
        (values.text, "a ", "text-spaces"),
        (values.team_name, "\tsearch", "text-control-character"),
        (values.team_name, "=1", "team-name-formula"),
        (values.team_name, "..", "team-name-path"),
        (values.team_name, "(x)", "team-name-reserved"),
        (values.number, ["1"], "wrong-shape"),
    ],
)
def test_parse__refused(parse: Callable[[Any], Any], text: Any, code: str) -> None:
    with pytest.raises(WrongValue) as wrong:
        parse(text)
    assert wrong.value.code == code
