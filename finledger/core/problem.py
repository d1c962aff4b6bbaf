"""What is wrong, where, and what to do: problems are values, collected and shown all at once.

Bad data never raises inside a stage. A stage returns `Outcome(rows, problems)`; whoever runs the stage stops on the first
stage that has an error and shows every problem of it. A bug raises, like any bug.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Severity = Literal["error", "warning", "notice"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SourceRef:
    """A place in a file that a person can open. `file` is relative to the books where it lies in them."""

    file: str
    line: int | None = None
    column: str = ""

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where} ({self.column})" if self.column else where


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `code` names the case in tests/errors/; `remedy` says what to do about it.

    `rows` points at stored usage by its columns, and `interval` by the stretch of the month in which nothing changes, where a
    stage knows no more; the workbench turns them into file:line.
    """

    code: str
    message: str
    source: SourceRef | None = None
    excerpt: str = ""
    remedy: str = ""
    severity: Severity = "error"
    rows: tuple[tuple[str, str], ...] = ()
    interval: int | None = None

    @property
    def is_error(self) -> bool:
        return self.severity == "error"


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What every stage returns: its rows, and what it found wrong."""

    rows: T
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.is_error)


class Refused(Exception):
    """The data, a gate or a law says no (exit code 1). Carries every problem, warnings included; nothing was written."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))


class Unavailable(Exception):
    """What the work needs is missing or failed: a part of the store, a cluster (exit code 4); nothing was written.

    It is no `Refused`: whoever goes on without refused data must not go on without these.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))


class Busy(Exception):
    """Another process holds the books (exit code 3)."""


class Misused(Exception):
    """The command was called with words it does not understand, or where there are no books (exit code 2)."""
