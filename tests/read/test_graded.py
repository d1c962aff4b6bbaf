"""Graded cases and the production they stand for (docs/eval-data.md)."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finledger.core.graded import Case, Segment, evaluated
from finledger.core.model import EvalRecord
from finledger.core.period import Month
from finledger.core.problem import Outcome
from finledger.read.evals import read_evals
from tests.support import ROOT

JULY = Month(2026, 7)
SEGMENTS = "month,feature,segment,tasks,needed\n"
CASE: dict[str, Any] = {"month": "2026-07", "feature": "search", "segment": "short", "correct": True}


def line(**changed: Any) -> str:
    return json.dumps({key: value for key, value in {**CASE, **changed}.items() if value is not ...})


def read(folder: Path, lines: list[str], segments: str | None, **files: str) -> Outcome[tuple[EvalRecord, ...]]:
    (folder / "a.jsonl").write_text("".join(text + "\n" for text in lines), encoding="utf-8")
    if segments is not None:
        (folder / "a.segments.csv").write_text(SEGMENTS + segments, encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return read_evals(folder, "evals")


def codes(outcome: Outcome[Any]) -> list[tuple[str, str]]:
    return [(problem.code, str(problem.source)) for problem in outcome.problems]


# ── what is made of them ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page__its_example_computes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "eval-data.md").read_text(encoding="utf-8")
    figures, segments = re.findall(r"```csv\n(.*?)```", page, re.S)
    (cases,) = re.findall(r"```jsonl\n(.*?)```", page, re.S)
    (tmp_path / "x.jsonl").write_text(cases, encoding="utf-8")
    (tmp_path / "x.segments.csv").write_text(segments, encoding="utf-8")
    outcome = read_evals(tmp_path, "evals")
    assert outcome.problems == ()
    (record,) = outcome.rows
    shown = dict(re.findall(r"^\| (\w+) \|.*\*\*([\d.]+)\*\* \|$", page, re.M))
    assert list(shown) == ["coverage", "in_distribution", "tasks", "graded", "correct"]
    assert {name: str(getattr(record, name)) for name in shown} == shown
    assert record.tasks is not None and record.graded and record.correct is not None
    assert f"= {Fraction(record.tasks * record.correct, record.graded)} correct tasks" in page

    more = cases + '{"month": "2026-07", "feature": "ticket-summary", "segment": "long", "correct": false}\n'
    (tmp_path / "x.jsonl").write_text(more, encoding="utf-8")
    assert str(read_evals(tmp_path, "evals").rows[0].coverage) == "0.966666" and "= 0.966666. A set" in page

    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "figures.csv").write_text(figures, encoding="utf-8")
    assert read_evals(tmp_path / "y", "evals").problems == ()


def test_evaluated__a_share_is_never_rounded_up() -> None:
    """7,999,999 of 10,000,000 tasks are 0.7999999: rounded they would reach a target of 0.80."""
    segments = [Segment("seen", 7_999_999), Segment("unseen", 2_000_001)]
    record = evaluated(JULY, "f", [Case("seen", True)], segments)
    assert (record.coverage, record.in_distribution) == (Decimal("0.799999"), Decimal("0.799999"))


def test_evaluated__shares_as_a_person_writes_them() -> None:
    """No exponent and no zeros behind: 0.8, 1, 0, 0.000001."""
    for part, rest, shown in ((8, 2, "0.8"), (5, 0, "1"), (0, 5, "0"), (1, 999_999, "0.000001"), (1, 1_000_000, "0")):
        record = evaluated(JULY, "f", [Case("a", False)], [Segment("a", part), Segment("b", rest)])
        assert str(record.coverage) == shown


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 4), st.lists(st.sampled_from([True, False, None]), max_size=6)))
)
def test_evaluated__laws(made: list[tuple[int, int, list[bool | None]]]) -> None:
    """Shares lie between 0 and 1; what is graded is known; the order of cases means nothing; a grade never lowers them."""
    segments = [Segment(str(number), tasks, needed) for number, (tasks, needed, _) in enumerate(made)]
    cases = [Case(str(number), correct) for number, (_, _, grades) in enumerate(made) for correct in grades]
    if not cases or not sum(segment.tasks for segment in segments):
        return
    record = evaluated(JULY, "f", cases, segments)
    assert record.coverage is not None and record.in_distribution is not None
    assert 0 <= record.coverage <= record.in_distribution <= 1
    assert record == evaluated(JULY, "f", cases[::-1], segments[::-1])
    more = evaluated(JULY, "f", [*cases, Case(cases[0].segment, True)], segments)
    assert more.coverage is not None and more.coverage >= record.coverage
    exact = Fraction(
        sum(tasks for tasks, needed, grades in made if sum(grade is not None for grade in grades) >= needed),
        sum(tasks for tasks, _, _ in made),
    )
    assert 0 <= exact - Fraction(record.coverage) < Fraction(1, 10**6)


# ── the files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_read_evals__tables_and_cases_side_by_side(tmp_path: Path) -> None:
    table = "month,feature,coverage,in_distribution,tasks,graded,correct\n2026-08,search,0.5,,,,\n"
    outcome = read(tmp_path, ["", line(correct=False), line(segment="long", correct=None)], JULY_ROWS, b=table)
    assert outcome.problems == ()
    july, august = outcome.rows
    assert july == EvalRecord(JULY, "search", Decimal("0.75"), Decimal(1), 40, 1, 0, july.source)
    assert (str(july.source), str(august.source)) == ("evals/a.jsonl:2", "evals/b.csv:2")


JULY_ROWS = "2026-07,search,short,30,\n2026-07,search,long,10,\n"


def test_read_evals__production_without_cases_is_not_tracked(tmp_path: Path) -> None:
    outcome = read(tmp_path, [line()], JULY_ROWS + "2026-07,answers,all,500,\n")
    assert outcome.problems == ()
    answers, search = outcome.rows
    assert answers == EvalRecord(JULY, "answers", None, None, 500, None, None, answers.source)
    assert (str(answers.source), search.coverage) == ("evals/a.segments.csv:4", Decimal("0.75"))


def test_read_evals__nothing_graded_is_a_coverage_of_nothing(tmp_path: Path) -> None:
    (record,) = read(tmp_path, [line(correct=None)], JULY_ROWS).rows
    assert (record.coverage, record.in_distribution, record.graded, record.correct) == (0, Decimal("0.75"), 0, 0)


def test_read_evals__a_number_is_its_text(tmp_path: Path) -> None:
    """A segment 1.50 is not a segment 1.5, and an id of forty digits keeps them all."""
    digits = "1234567890" * 4
    cases = [f'{{"month":"2026-07","feature":"search","segment":1.50,"correct":true,"case":{digits}{end}}}' for end in "12"]
    outcome = read(tmp_path, cases, "2026-07,search,1.50,1,\n")
    assert outcome.problems == () and outcome.rows[0].graded == 2


def test_read_evals__forms_of_a_file(tmp_path: Path) -> None:
    """A byte order mark, Windows line ends, no last one, and a line separator inside a text."""
    text = "\ufeff" + line() + "\r\n" + line(segment="long", answer="a\u2028b")
    (tmp_path / "a.segments.csv").write_text(SEGMENTS + JULY_ROWS, encoding="utf-8")
    (tmp_path / "a.jsonl").write_bytes(text.replace("\\u2028", "\u2028").encode())
    outcome = read_evals(tmp_path, "evals")
    assert outcome.problems == () and outcome.rows[0].graded == 2


def test_read_evals__a_feature_month_stands_once(tmp_path: Path) -> None:
    table = "month,feature,coverage,in_distribution,tasks,graded,correct\n2026-07,search,0.5,,,,\n"
    (tmp_path / "c.jsonl").write_text(line() + "\n", encoding="utf-8")
    (tmp_path / "c.segments.csv").write_text(SEGMENTS + JULY_ROWS, encoding="utf-8")
    outcome = read(tmp_path, [line()], JULY_ROWS, b=table)
    assert codes(outcome) == [("eval-twice", "evals/a.jsonl:1"), ("eval-twice", "evals/c.jsonl:1")]
    assert all("at evals/b.csv:2" in problem.message for problem in outcome.problems)


def test_read_evals__every_bad_line_at_once(tmp_path: Path) -> None:
    lines = [
        "{",
        "[true]",
        line(score=float("nan")),
        line(correct=...),
        line(correct="true"),
        line(correct=1),
        line(month=7, feature="", segment=" short"),
        line(feature=["search"], segment=None),
        line()[:-1] + ', "correct": false}',
        line(case="c1"),
        line(case="c1", correct=False),
        line(segment="shrt"),
        line(segment="shrt"),
        line(month="2026-08"),
        "[" * 100_000,
    ]
    outcome = read(tmp_path, lines, JULY_ROWS)
    assert outcome.rows == ()
    assert codes(outcome) == [
        ("not-json", "evals/a.jsonl:1"),
        ("not-json", "evals/a.jsonl:2"),
        ("not-json", "evals/a.jsonl:3"),
        ("eval-case-key", "evals/a.jsonl:4 (correct)"),
        ("eval-case-value", "evals/a.jsonl:5 (correct)"),
        ("eval-case-value", "evals/a.jsonl:6 (correct)"),
        ("not-a-month", "evals/a.jsonl:7 (month)"),
        ("table-cell-empty", "evals/a.jsonl:7 (feature)"),
        ("text-spaces", "evals/a.jsonl:7 (segment)"),
        ("eval-case-value", "evals/a.jsonl:8 (feature)"),
        ("eval-case-value", "evals/a.jsonl:8 (segment)"),
        ("eval-case-key", "evals/a.jsonl:9 (correct)"),
        ("eval-case-twice", "evals/a.jsonl:11 (case)"),
        ("not-json", "evals/a.jsonl:15"),
        ("eval-segment-unknown", "evals/a.jsonl:12 (segment)"),
        ("eval-traffic-missing", "evals/a.jsonl:14"),
    ]
    assert "did you mean 'short'?" in outcome.problems[-2].remedy


def test_read_evals__a_key_that_is_nearly_right(tmp_path: Path) -> None:
    outcome = read(tmp_path, [line(correct=..., corect=True)], JULY_ROWS)
    assert outcome.problems[0].remedy == "write 'correct' for 'corect'"


@pytest.mark.parametrize(
    ("segments", "code", "where"),
    [
        (None, "eval-segments-missing", "evals/a.jsonl:1"),
        ("", "eval-traffic-missing", "evals/a.jsonl:1"),
        ("2026-07,search,short,0,\n", "eval-traffic-zero", "evals/a.segments.csv:2 (tasks)"),
        (JULY_ROWS + "2026-07,search,short,1,\n", "eval-segment-twice", "evals/a.segments.csv:4 (segment)"),
        ("2026-07,search,short,30,0\n", "eval-needed", "evals/a.segments.csv:2 (needed)"),
        ("2026-07,search,short,-3,\n", "not-a-count", "evals/a.segments.csv:2 (tasks)"),
        ("2026-07,search,short,,\n", "table-cell-empty", "evals/a.segments.csv:2 (tasks)"),
    ],
)
def test_read_evals__segments_that_cannot_weigh(tmp_path: Path, segments: str | None, code: str, where: str) -> None:
    outcome = read(tmp_path, [line()], segments)
    assert codes(outcome) == [(code, where)] and outcome.rows == ()


def test_read_evals__segments_of_no_cases(tmp_path: Path) -> None:
    (tmp_path / "b.segments.csv").write_text(SEGMENTS, encoding="utf-8")
    assert codes(read_evals(tmp_path, "evals")) == [("eval-cases-missing", "evals/b.segments.csv")]


def test_read_evals__an_empty_file_of_cases_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, [], None) == Outcome(())


def test_read_evals__not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{}\n{"feature": "caf\xe9"}\n')
    assert codes(read_evals(tmp_path, "evals")) == [("not-utf8", "evals/a.jsonl:2")]
