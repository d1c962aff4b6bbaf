"""Checks for figures that look arranged (rule U9): each found, and not found a step before its threshold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from finledger.core.buffer import Forecast, forecasts
from finledger.core.calls import Calls
from finledger.core.gaming import Checked, Evidence, inspect
from finledger.core.history import Flow, History
from finledger.core.model import BufferTerms, DrawDecision, DrawRequest, EvalRecord, QualityTerms
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.quality import Evals
from tests.laws.test_corridor import ORGANISATION, book

OCTOBER = Month(2026, 10)
BOOK = replace(
    book(),
    quality=QualityTerms(*map(Decimal, ("0.80", "0.20", "1.50", "0.90", "0.05", "0.25"))),
    buffer=BufferTerms(Decimal("3.0"), Decimal(5000), (Decimal("0.05"), Decimal("0.10"))),
)
NEXT = replace(BOOK, quarter="2026-Q4", effective_from=BOOK.effective_until, effective_until=Month(2027, 1).first_day)
EMPTY = Evidence(OCTOBER, ORGANISATION, (BOOK, NEXT), (), {}, History("USD"), Evals(()), (), ())


def check(name: str, evidence: Evidence) -> Checked:
    (found,) = [each for each in inspect(evidence) if each.check == name]
    return found


def figures(found: Checked) -> dict[str, str]:
    (flag,) = found.flags
    return dict(flag.figures)


# ── the buffer ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("cents", "found"), [(299_99, 0), (300_00, 1), (315_00, 1), (315_01, 0)])
def test_draw__within_five_per_cent_above_the_trigger(cents: int, found: int) -> None:
    """Forecast 100.00, trigger 3.0: from 300.00 to 315.00."""
    request = DrawRequest(OCTOBER, "search", "backfill", "a backfill")
    none = Money(0, "USD")
    decision = DrawDecision(request, Money(cents, "USD"), Fraction(100), False, none, none)
    assert len(check("draw-near-trigger", replace(EMPTY, decisions=(decision,))).flags) == found


def test_draw__without_buffer_terms_is_not_measurable() -> None:
    assert check("draw-near-trigger", replace(EMPTY, books=())).unmeasured == ("the price book has no buffer",)


@pytest.mark.parametrize(("stated", "found"), [("79.99", 1), ("80.00", 0)])
def test_forecast__below_four_fifths_of_the_mean(stated: str, found: int) -> None:
    """90, 100 and 110: the mean is 100.00, the limit 80.00."""
    flows = [
        Flow(month, month, "search", "f", "action", "base", True, minor)
        for month, minor in ((Month(2026, 7), 90_00), (Month(2026, 8), 100_00), (Month(2026, 9), 110_00))
    ]
    history = History("USD", tuple(flows))
    made = forecasts({"search": Decimal(stated)}, ["search"], history, OCTOBER)
    result = check("low-forecast", replace(EMPTY, history=history, forecasts=made))
    assert len(result.flags) == found
    if found:
        assert figures(result) == {
            "forecast": "79.99", "mean of three months": "100.00", "forecast to mean": "0.7999", "limit": "0.8000",
        }  # fmt: skip


def test_forecast__of_a_new_team_is_not_measurable() -> None:
    made = {"search": Forecast(Fraction(1), Decimal(1)), "support": Forecast(None)}
    assert check("low-forecast", replace(EMPTY, forecasts=made)).unmeasured == (
        "search has charges in 0 of the three months before", "support has no forecast",
    )  # fmt: skip


# ── labels ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def chat(calls: int, tokens: int = 1000, team: str = "search", feature: str = "f", prompted: int = 0) -> Calls:
    return Calls(team, feature, "chat", "inference", "consumer", calls, calls * tokens, prompted)


def evals(calls: int, tokens: int = 1000) -> Calls:
    return Calls("search", "f", "eval", "evaluation", "shared", calls, calls * tokens, 0)


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ([chat(800), evals(200)], 1),  # production down 11 %, evaluation 20 % of the calls: ten points more
        ([chat(800), evals(199)], 0),  # 19.9 %
        ([chat(810), evals(300)], 1),  # production down exactly 10 %
        ([chat(811), evals(300)], 0),
        ([chat(800), evals(300, 1250)], 1),  # an eval call as long as a production call was, within a quarter
        ([chat(800), evals(300, 1260)], 0),
        ([chat(800), evals(300, 740)], 0),
        ([chat(800), evals(300, 0)], 1),  # tokens that nobody states acquit nobody
    ],
)
def test_production_as_eval(now: list[Calls], found: int) -> None:
    """Before: 900 production calls of 1,000 tokens and 100 eval runs, 10 % of the calls."""
    before = (chat(900), evals(100))
    assert len(check("production-as-eval", replace(EMPTY, before=before, calls=now)).flags) == found


def test_production_as_eval__figures() -> None:
    result = check("production-as-eval", replace(EMPTY, before=(chat(900), evals(100)), calls=(chat(450), evals(550))))
    assert figures(result) == {
        "eval share before": "0.1000",
        "eval share": "0.5500",
        "production calls before": "900",
        "production calls": "450",
        "tokens a production call before": "1000.0",
        "tokens an eval call": "1000.0",
    }


@pytest.mark.parametrize(
    ("before", "now", "label"),
    [
        # calls lose their team: 10 % of all before, 50 % now
        ([chat(900), chat(100, team="(unallocated)")], [chat(500), chat(500, team="(unallocated)")], "team"),
        # calls lose their feature
        ([chat(900), chat(100, feature="")], [chat(500), chat(500, feature="")], "feature"),
        # calls lose their prompt
        ([chat(1000, prompted=800)], [chat(1000, prompted=300)], "registered prompt"),
        # more of everything: the unlabelled share rises, but no labelled call is gone
        ([chat(900), chat(100, feature="")], [chat(900), chat(900, feature="")], None),
        # less of everything
        ([chat(900), chat(100, feature="")], [chat(450), chat(50, feature="")], None),
    ],
)
def test_unlabelled_path(before: Iterable[Calls], now: Iterable[Calls], label: str | None) -> None:
    result = check("unlabelled-path", replace(EMPTY, before=tuple(before), calls=tuple(now)))
    assert [f"share without {label}" in dict(flag.figures) for flag in result.flags] == ([True] if label else [])


def test_labels__without_the_month_before_are_not_measurable() -> None:
    alone = replace(EMPTY, before=None, calls=(chat(1),))
    for name in ("production-as-eval", "unlabelled-path"):
        assert check(name, alone).unmeasured == ("no usage of 2026-09 is loaded",)


# ── coverage ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def recorded(*values: str | None) -> Evals:
    """Coverage of feature f from July on."""
    month, records = Month(2026, 7), []
    for value in values:
        records.append(EvalRecord(month, "f", None if value is None else Decimal(value), None, None, None, None))
        month = month.next
    return Evals(records)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (("0.30", None, "0.80", "0.79"), 1),
        (("0.30", "0.79", "0.95", "0.10"), 1),
        (("0.30", "0.80", "0.80", "0.10"), 0),  # reached before the last month
        (("0.30", "0.30", "0.80", "0.80"), 0),  # and kept
        (("0.30", "0.30", "0.79", "0.10"), 0),  # never reached
    ],
)
def test_coverage__at_target_only_when_the_premium_comes_back(values: tuple[str | None, ...], found: int) -> None:
    assert len(check("coverage-at-quarter-end", replace(EMPTY, evals=recorded(*values))).flags) == found


def test_coverage__says_what_was_given_back() -> None:
    september = Month(2026, 9)
    history = History(
        "USD", (Flow(september, september, "search", "f", "coverage_credit", "coverage_credit", True, -12_34),)
    )
    result = check("coverage-at-quarter-end", replace(EMPTY, evals=recorded("0.30", None, "0.80", "0.50"), history=history))
    assert figures(result) == {
        "coverage 2026-07": "0.30",
        "coverage 2026-08": "not tracked",
        "coverage 2026-09": "0.80",
        "coverage 2026-10": "0.50",
        "target": "0.80",
        "premium given back": "12.34",
    }


def test_coverage__that_is_not_recorded_now_is_not_measurable() -> None:
    result = check("coverage-at-quarter-end", replace(EMPTY, evals=recorded("0.30", "0.30", "0.80")))
    assert (result.flags, "f has no coverage in 2026-10" in result.unmeasured) == ((), True)
