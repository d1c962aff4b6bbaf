"""Why a row has the owner it has: what the export says, what each rule made of it, and whose it is then (A9, A1, A2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from finledger.core.classify import Rules, Value, met
from finledger.core.label import SETTABLE
from finledger.core.model import Rule
from finledger.core.period import Month

Fate = Literal["accepted", "aggregate", "rejected", "duplicate", "replaced"]


@dataclass(frozen=True, slots=True)
class LabelStep:
    """Where one field's value comes from: `rule` None = the export itself, or nobody where `value` is "".

    `met`: (field looked at, glob, what it matched) of the rule. `too_late`: rules that match and set the field too, and came
    after what set it. `out_of_date`: rules that would match but for their dates.
    """

    field: str
    value: str
    rule: Rule | None = None
    met: tuple[tuple[str, str, str], ...] = ()
    too_late: tuple[Rule, ...] = ()
    out_of_date: tuple[Rule, ...] = ()

    @property
    def origin(self) -> str:
        """export, rule, or "" where nothing sets it."""
        return "" if not self.value else "export" if self.rule is None else "rule"


@dataclass(frozen=True, slots=True)
class SettledOwner:
    """Whose the row is on its day; `reason` says why it is unallocated. `operator`: who else operated it (A5)."""

    team: str
    cost_center: str
    reason: str = ""
    operator: str = ""
    operator_cost_center: str = ""


@dataclass(frozen=True, slots=True)
class ExplainedRow:
    """One row of an export. `place` is its file:line; `day` its day in the books' time zone.

    A rejected row has `faults` as (column, value, reason) and no labels; a duplicate says in `same_as` which row counts, a
    row of an export that was replaced by which.
    `owner` None: nobody is asked to pay, since the row is an aggregate, refused, or of a source that is only compared.
    """

    place: str
    record: int
    fate: Fate
    usage_id: str = ""
    source: str = ""
    role: str = ""
    month: Month | None = None
    at: datetime | None = None
    day: date | None = None
    excerpt: str = ""
    fields: Mapping[str, str] | None = None
    labels: tuple[LabelStep, ...] = ()
    owner: SettledOwner | None = None
    faults: tuple[tuple[str, str, str], ...] = ()
    same_as: str = ""
    closed: bool = False


def explain_labels(given: Mapping[str, str], value: Value, rules: Rules, day: date) -> tuple[LabelStep, ...]:
    """Each field that rules can set, with what set it. `given`: these fields as exported; `value`: any field of the row."""
    matching, in_force = rules.matching(value), rules.in_force(day)
    steps = []
    for name in SETTABLE:
        able = matching & rules.setting(name)
        now = rules.listed(able & in_force)
        dated = rules.listed(able & ~in_force)
        if given[name] or not now:
            steps.append(LabelStep(name, given[name], too_late=now, out_of_date=dated))
        else:
            steps.append(LabelStep(name, now[0].set[name], now[0], met(now[0], value), now[1:], dated))
    return tuple(steps)


def where_of(rule: Rule) -> str:
    """finledger.yaml:41, where the rule stands."""
    return "" if rule.source is None else str(rule.source)


def numbers_of(rules: Sequence[Rule]) -> str:
    """Rules as a cell of a table says them: "rule 4, rule 7"."""
    return ", ".join(f"rule {rule.number}" for rule in rules)


def dates_of(rule: Rule) -> str:
    """When a dated rule holds, in words."""
    parts = [f"from {rule.start}" if rule.start else "", f"until {rule.until} (exclusive)" if rule.until else ""]
    return " ".join(part for part in parts if part)
