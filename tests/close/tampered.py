"""Closed books to tamper with, and what `verify` says of them."""

from __future__ import annotations

from pathlib import Path

from finledger.core.problem import Problem, Refused
from finledger.workbench import Workbench
from finledger.workbench.closing import reopen
from finledger.workbench.verify import verify
from tests.close.small_books import (
    AUGUST,
    JULY,
    Q3,
    SEPTEMBER,
    SETTINGS,
    close,
    daily,
    load_late,
    make_books,
    row,
)
from tests.support import finledger

LEDGER = "store/ledger.sqlite"
BESIDE = f"{LEDGER}.sha256"
EVALS = "month,feature,coverage,in_distribution,tasks,graded,correct\n2026-07,ask,0.50,0.95,,,\n"


def closed_quarter(root: Path) -> Path:
    """A closed quarter with all that a file can be of: documents in every format, a note, a rejected row, a reopened month."""
    rejected = row("bad", "2026-07-03", "support").replace(",0,", ",many,")
    july = [*daily(JULY), row("s1", "2026-07-03", "support", 4000), rejected]
    make_books(root, {"july.csv": july}, {"finledger.yaml": SETTINGS, "evals/2026.csv": EVALS})
    finledger("invoice", "--month", "2026-07", "-q", "--books", root)
    close(root, JULY)
    load_late(root, "rest.csv", [row("l1", "2026-07-20", "search", 1000), *daily(AUGUST), *daily(SEPTEMBER)])
    close(root, AUGUST)
    reopen(Workbench(root), AUGUST, "a test", "Ada")
    close(root, AUGUST, SEPTEMBER, Q3)
    assert verify(Workbench(root)).problems == ()
    return root


def named(problems: tuple[Problem, ...]) -> set[str]:
    return {problem.source.file.partition(" (")[0] for problem in problems}


def verified(root: Path, quick: bool = True) -> tuple[Problem, ...]:
    """What is found; an exception that is no refusal is a failure of the test."""
    try:
        found = verify(Workbench(root), quick=quick)
    except Refused as refused:
        return refused.problems
    return found.problems
