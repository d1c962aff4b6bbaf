"""evals/: how well each feature was evaluated in each month (rules Q1-Q4), as figures or as graded cases.

NAME.csv holds the figures; an empty cell is "not tracked". NAME.jsonl holds graded cases, with NAME.segments.csv beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from finledger.core.model import EvalRecord
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem
from finledger.read import values
from finledger.read.graded import read_graded
from finledger.read.tables import Row, absent, read_table
from finledger.read.values import WrongValue

COLUMNS = ("month", "feature", "coverage", "in_distribution", "tasks", "graded", "correct")
CASES = ".jsonl"
SEGMENTS = ".segments.csv"


def read_evals(folder: Path, shown_as: str) -> Outcome[tuple[EvalRecord, ...]]:
    """The records of every file in the folder, sorted by month and feature; none where there is no folder."""
    records: dict[tuple[Month, str], EvalRecord] = {}
    problems: list[Problem] = []
    for row, record in _every(folder, shown_as, problems):
        first = records.setdefault((record.month, record.feature), record)
        if first is not record:
            message = f"{record.feature} has a record for {record.month} already, at {first.source}"
            problems.append(row.problem(WrongValue("eval-twice", message, "keep one of the two records")))
    return Outcome(tuple(records[key] for key in sorted(records)), tuple(problems))


def _every(folder: Path, shown_as: str, problems: list[Problem]) -> Iterator[tuple[Row, EvalRecord]]:
    """Every record with the row at which it begins: of the tables first, then of the graded cases."""
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if not absent(folder) else []
    for name in names:
        if name.endswith(".csv") and not name.endswith(SEGMENTS):
            table = read_table(folder / name, f"{shown_as}/{name}", COLUMNS)
            problems += table.problems
            for row in table.rows:
                record = _record(row, problems)
                if record is not None:
                    yield row, record
    stems = {name.removesuffix(end) for end in (CASES, SEGMENTS) for name in names if name.endswith(end)}
    for stem in sorted(stems):
        cases, segments = f"{stem}{CASES}", f"{stem}{SEGMENTS}"
        graded = read_graded(folder / cases, f"{shown_as}/{cases}", folder / segments, f"{shown_as}/{segments}")
        problems += graded.problems
        yield from graded.rows


def _record(row: Row, problems: list[Problem]) -> EvalRecord | None:
    before = len(problems)
    month = row.needed("month", values.month, problems)
    feature = row.needed("feature", values.text, problems)
    coverage = row.value("coverage", values.share, problems)
    in_distribution = row.value("in_distribution", values.share, problems)
    counts = {name: row.value(name, values.count, problems) for name in ("tasks", "graded", "correct")}
    for fewer, more in (("correct", "graded"), ("graded", "tasks")):
        low, high = counts[fewer], counts[more]
        if low is not None and high is not None and low > high:
            message = f"{low} {fewer} are more than {high} {more}"
            wrong = WrongValue("eval-counts", message, f"write at most {high} {fewer}, or correct the {more}")
            problems.append(row.problem(wrong, fewer))
    if month is None or feature is None or len(problems) > before:
        return None
    return EvalRecord(month, feature, coverage, in_distribution, **counts, source=row.source)
