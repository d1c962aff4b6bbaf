"""The report of what late usage changed: every row adds up, and a program and a spreadsheet read the same."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

from finledger.core.model import UNALLOCATED, ChargeLine, LineKey
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.write.restatement import restatement, restatement_csv, restatement_json

MAY, JUNE, JULY = Month(2026, 5), Month(2026, 6), Month(2026, 7)


def line(team: str, service: Month, minor: int, item: str = "chat", kind: str = "action") -> ChargeLine:
    key = LineKey(team, "cc", "f", item, "inference", "m", kind, "2026-Q2.v1", service, JULY)
    amount = Money(minor, "USD")
    return ChargeLine(key, "chargeback", Decimal(1), "action", amount.amount, amount, (("base", amount),))


ROWS = restatement(
    [
        line("search", JUNE, 300),
        line("search", JUNE, -120, "step"),
        line("=cmd()", MAY, 5),
        line(UNALLOCATED, JUNE, 7),
        line("search", JULY, 999),  # the month's own: nothing is restated
        line("search", JUNE, -999, kind="adjustment"),  # a credit: the service month was what it was
    ],
    {(JUNE, "search"): Money(10_000, "USD"), (MAY, "search"): Money(1, "USD")},
)


def test_restatement__is_posted_before_and_correction() -> None:
    assert [tuple(map(str, row)) for row in ROWS] == [
        ("2026-05", "=cmd()", "0.00", "0.05", "0.05"),
        ("2026-06", "(unallocated)", "0.00", "0.07", "0.07"),
        ("2026-06", "search", "100.00", "1.80", "101.80"),
    ]


def test_restatement__json_has_the_months_as_a_whole() -> None:
    found = json.loads(restatement_json(JULY, "USD", ROWS))
    assert (found["schema"], found["month"], found["currency"], len(found["rows"])) == (1, "2026-07", "USD", 3)
    assert found["rows"][2] == {
        "service_month": "2026-06", "team": "search", "posted_before": "100.00", "correction": "1.80", "restated": "101.80",
    }  # fmt: skip
    assert found["months"] == [
        {"service_month": "2026-05", "posted_before": "0.00", "correction": "0.05", "restated": "0.05"},
        {"service_month": "2026-06", "posted_before": "100.00", "correction": "1.87", "restated": "101.87"},
    ]


def test_restatement__csv_runs_no_formula() -> None:
    header, first, *_ = csv.reader(io.StringIO(restatement_csv(ROWS).decode()))
    assert header == ["service_month", "team", "posted_before", "correction", "restated"]
    assert first == ["2026-05", "'=cmd()", "0.00", "0.05", "0.05"]


def test_restatement__of_nothing_is_empty() -> None:
    assert json.loads(restatement_json(JULY, "JPY", ()))["rows"] == []
    assert restatement_csv(()) == b"service_month,team,posted_before,correction,restated\n"
