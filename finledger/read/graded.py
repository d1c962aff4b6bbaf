"""evals/NAME.jsonl and evals/NAME.segments.csv: graded cases, and the production they stand for (docs/eval-data.md).

A line of the first is one case: {"month": "2026-07", "feature": …, "segment": …, "correct": true | false | null}; null is a
case that was not graded. `case` may name it; other keys are the eval tool's own. A row of the second says how many tasks of
production fell into a segment, and how many graded cases it needs to count as covered (1 when left empty).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from finledger.core.graded import Case, Segment, evaluated
from finledger.core.model import EvalRecord
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read import values
from finledger.read.tables import Row, read_table
from finledger.read.values import WrongValue, quoted, suggestion
from finledger.read.yaml_lines import excerpt_of

COLUMNS = ("month", "feature", "segment", "tasks", "needed")
TEXT_KEYS = ("month", "feature", "segment")
KEYS = (*TEXT_KEYS, "correct")
EXAMPLE = '{"month": "2026-07", "feature": "search", "segment": "short", "correct": true}'
_LINE_ENDS = re.compile("\r\n|\n|\r")  # others may stand inside a JSON text


class FeatureMonth(NamedTuple):
    month: Month
    feature: str


@dataclass(frozen=True, slots=True)
class _CaseLine:
    key: FeatureMonth
    case: Case
    name: str
    row: Row


@dataclass(frozen=True, slots=True)
class _SegmentRow:
    segment: Segment
    row: Row


Traffic = dict[FeatureMonth, dict[str, _SegmentRow]]


def read_graded(
    cases: Path, cases_shown_as: str, segments: Path, segments_shown_as: str
) -> Outcome[tuple[tuple[Row, EvalRecord], ...]]:
    """A record of each feature and month of the two files, with the row at which it begins. One of the two files exists."""
    if not cases.exists():
        remedy = f"add {cases_shown_as}, or name the table after the file with the cases"
        message = "the segments are of no cases"
        return Outcome((), (Problem("eval-cases-missing", message, SourceRef(segments_shown_as), remedy=remedy),))
    lines, problems = _read_cases(cases, cases_shown_as)
    if not segments.exists():
        if lines:
            problems.append(_no_segments(lines[0].row, segments_shown_as))
        return Outcome((), tuple(problems))
    traffic, wrong = _read_segments(segments, segments_shown_as)
    if wrong:
        return Outcome((), (*problems, *wrong))
    by_key: dict[FeatureMonth, list[_CaseLine]] = {}
    for line in lines:
        by_key.setdefault(line.key, []).append(line)
    records = []
    for key in sorted({*by_key, *traffic}):
        found = _record(key, by_key.get(key, ()), traffic.get(key, {}), segments_shown_as, problems)
        if found is not None:
            records.append(found)
    return Outcome(tuple(records), tuple(problems))


def read_cases(path: Path, shown_as: str) -> Outcome[tuple[tuple[str, Case], ...]]:
    """Graded cases alone, each with its feature: what a model that is not in production yet was graded on (Q5)."""
    lines, problems = _read_cases(path, shown_as)
    return Outcome(tuple((line.key.feature, line.case) for line in lines), tuple(problems))


def _no_segments(row: Row, shown_as: str) -> Problem:
    message = "how much of production each case stands for is not said anywhere"
    wrong = WrongValue("eval-segments-missing", message, f"add {shown_as} with the columns {','.join(COLUMNS)}")
    return row.problem(wrong)


def _record(
    key: FeatureMonth,
    lines: Sequence[_CaseLine],
    segments: dict[str, _SegmentRow],
    shown_as: str,
    problems: list[Problem],
) -> tuple[Row, EvalRecord] | None:
    if not segments:
        message = f"there are cases of {key.feature} in {key.month}, and {shown_as} has no segment of it"
        wrong = WrongValue("eval-traffic-missing", message, "add a row for each segment, with its tasks of the month")
        problems.append(lines[0].row.problem(wrong))
        return None
    first = next(iter(segments.values())).row
    strangers = {line.case.segment: line.row for line in reversed(lines) if line.case.segment not in segments}
    for name, row in strangers.items():
        message = f"{key.feature} has no segment {quoted(name)} in {key.month} ({shown_as})"
        remedy = f"{suggestion(name, segments)}add its row there, with 0 tasks if production had none"
        problems.append(row.problem(WrongValue("eval-segment-unknown", message, remedy), "segment"))
    if lines and not any(each.segment.tasks for each in segments.values()):
        message = f"the segments of {key.feature} in {key.month} have no task: nothing can be weighed by them"
        remedy = "write the month's tasks, or take the cases of a month without production out"
        problems.append(first.problem(WrongValue("eval-traffic-zero", message, remedy), "tasks"))
        return None
    if strangers:
        return None
    row = lines[0].row if lines else first
    cases = [line.case for line in lines]
    return row, evaluated(*key, cases, (each.segment for each in segments.values()), row.source)


# ── the segments ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_segments(path: Path, shown_as: str) -> tuple[Traffic, list[Problem]]:
    table = read_table(path, shown_as, COLUMNS)
    problems = list(table.problems)
    traffic: Traffic = {}
    for row in table.rows:
        month = row.needed("month", values.month, problems)
        feature = row.needed("feature", values.text, problems)
        name = row.needed("segment", values.text, problems)
        tasks = row.needed("tasks", values.count, problems)
        needed = row.value("needed", _needed, problems) or 1
        if month is None or feature is None or name is None:
            continue
        segments = traffic.setdefault(FeatureMonth(month, feature), {})
        first = segments.setdefault(name, _SegmentRow(Segment(name, tasks or 0, needed), row))
        if first.row is not row:
            message = f"the segment {quoted(name)} of {feature} in {month} stands already at {first.row.source}"
            problems.append(row.problem(WrongValue("eval-segment-twice", message, "keep one of the two"), "segment"))
    return traffic, problems


def _needed(value: str) -> int:
    found = values.count(value)
    if found < 1:
        message = "a segment that needs no graded case would be covered by nothing"
        raise WrongValue("eval-needed", message, "write 1 or more, or leave the cell empty for 1")
    return found


# ── the cases ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_cases(path: Path, shown_as: str) -> tuple[list[_CaseLine], list[Problem]]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = SourceRef(shown_as, content.count(b"\n", 0, error.start) + 1)
        message = f"the file is not UTF-8: byte {error.start + 1:,} cannot be read"
        return [], [Problem("not-utf8", message, where, remedy="save the file as UTF-8")]
    problems: list[Problem] = []
    lines: list[_CaseLine] = []
    seen: dict[tuple[FeatureMonth, str], SourceRef] = {}
    for row, pairs in _objects(_LINE_ENDS.split(text), shown_as, problems):
        line = _case_line(row, pairs, problems)
        if line is None:
            continue
        first = seen.setdefault((line.key, line.name), row.source) if line.name else row.source
        if first is row.source:
            lines.append(line)
            continue
        message = f"case {quoted(line.name)} of {line.key.feature} in {line.key.month} stands already at {first}"
        problems.append(row.problem(WrongValue("eval-case-twice", message, "keep one of the two"), "case"))
    return lines, problems


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: a key that stands twice is there twice."""


def _objects(texts: list[str], shown_as: str, problems: list[Problem]) -> Iterator[tuple[Row, _Pairs]]:
    """Every line that is not blank and holds a JSON object, as a row without cells."""
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        row = Row({}, SourceRef(shown_as, number), excerpt_of((text,), 1))
        try:
            # a number is its text, exactly as written: `"segment": 1.50` is the segment 1.50
            found = json.loads(
                text, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=_refuse_constant
            )
        except json.JSONDecodeError as error:
            message = f"the line is not JSON: {error.msg[0].lower()}{error.msg[1:]} at character {error.pos + 1}"
            problems.append(row.problem(WrongValue("not-json", message, f"write one case a line: {EXAMPLE}")))
            continue
        except (ValueError, RecursionError) as error:
            why = "is nested too deeply" if isinstance(error, RecursionError) else f"is not JSON: it holds {error}"
            problems.append(row.problem(WrongValue("not-json", f"the line {why}", f"write one case a line: {EXAMPLE}")))
            continue
        if isinstance(found, _Pairs):
            yield row, found
        else:
            message = "the line is not a JSON object"
            problems.append(row.problem(WrongValue("not-json", message, f"write one case a line: {EXAMPLE}")))


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _case_line(row: Row, pairs: _Pairs, problems: list[Problem]) -> _CaseLine | None:
    before = len(problems)
    given = dict(pairs)
    names = [name for name, _ in pairs] if len(given) < len(pairs) else []
    for key in (*KEYS, "case"):
        if names.count(key) > 1:
            message = f"the key {key!r} stands twice on the line"
            problems.append(row.problem(WrongValue("eval-case-key", message, "keep one of the two"), key))
        elif key not in given and key != "case":
            problems.append(row.problem(_missing(key, given), key))
    texts = {key: _text(row, key, given[key], problems) for key in (*TEXT_KEYS, "case") if given.get(key) is not None}
    for key in TEXT_KEYS:
        if key in given and given[key] is None:
            problems.append(row.problem(WrongValue("eval-case-value", f"the {key} is null", f"write the {key}"), key))
    correct = given.get("correct")
    if correct is not None and not isinstance(correct, bool):
        message = f"correct is {_shown(correct)}, and neither true, false nor null"
        remedy = "write true or false without quotes, or null for a case that was not graded"
        problems.append(row.problem(WrongValue("eval-case-value", message, remedy), "correct"))
    if len(problems) > before:
        return None
    cells = Row({key: text or "" for key, text in texts.items()}, row.source, row.excerpt)
    month = cells.needed("month", values.month, problems)
    feature = cells.needed("feature", values.text, problems)
    segment = cells.needed("segment", values.text, problems)
    name = cells.needed("case", values.text, problems) if "case" in texts else ""
    if month is None or feature is None or segment is None or len(problems) > before:
        return None
    return _CaseLine(FeatureMonth(month, feature), Case(segment, correct), name or "", row)


def _missing(key: str, given: dict[str, Any]) -> WrongValue:
    near = get_close_matches(key, sorted(given.keys() - {*KEYS, "case"}), n=1, cutoff=0.6)
    remedy = f"write {key!r} for {quoted(near[0])}" if near else f"add {key!r}: a case is {EXAMPLE}"
    return WrongValue("eval-case-key", f"the case has no {key!r}", remedy)


def _text(row: Row, key: str, value: Any, problems: list[Problem]) -> str | None:
    if isinstance(value, str):
        return value
    wrong = WrongValue("eval-case-value", f"the {key} is {_shown(value)}, not a text", f"write the {key} in quotes")
    problems.append(row.problem(wrong, key))
    return None


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else "an object" if isinstance(value, _Pairs) else "a list"
