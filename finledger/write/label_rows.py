"""`label explain` in rows: the exported fields, where each label comes from, and whose the row is (A9, A1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from finledger.core.label_explain import ExplainedRow, LabelStep, dates_of, numbers_of, where_of
from finledger.core.model import UNALLOCATED, Rule
from finledger.core.rule_text import rule_text, yaml_text
from finledger.write.text import formula_safe, shown

LABEL_COLUMNS = ("field", "value", "from", "where", "rule", "matched", "too_late", "out_of_date")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
RULE_COLUMNS = ("rule", "where", "text")
_REASONS = {
    "no team": "no team: neither the export nor a rule says one",
    "unknown team": "unknown team: finledger.yaml has no such team on that day",
    "another team's cost centre": "another team's cost centre: the one stated is not the team's on that day",
}


def label_rows(found: ExplainedRow) -> list[dict[str, str]]:
    """One row for each field that a rule can set."""
    return [_label_row(step) for step in found.labels]


def _label_row(step: LabelStep) -> dict[str, str]:
    rule = step.rule
    return {
        "field": step.field,
        "value": step.value,
        "from": "" if not step.origin else "the export" if rule is None else f"rule {rule.number}",
        "where": "" if rule is None else where_of(rule),
        "rule": "" if rule is None else rule_text(rule),
        "matched": ", ".join(f"{name} {text or 'empty'} by {yaml_text(glob)}" for name, glob, text in step.met),
        "too_late": numbers_of(step.too_late),
        "out_of_date": ", ".join(f"{numbers_of([each])} {dates_of(each)}" for each in step.out_of_date),
    }


def said_rows(found: ExplainedRow) -> list[tuple[str, str]]:
    """What the row is and whose it is, as label and text."""
    rows = [("row", found.usage_id), ("stands at", found.place)]
    if found.at is not None:
        rows.append(("time", f"{found.at.isoformat(' ')} ({found.month}{', which is closed' if found.closed else ''})"))
    role = "reconcile: compared with what is charged, never charged" if found.role == "reconcile" else found.role
    rows += [("source", found.source), ("role", role), ("became", _fate(found)), ("owner", _owner(found))]
    if found.owner is not None and found.owner.operator:
        known = found.owner.operator_cost_center
        centre = f", cost centre {known}" if known else ", which finledger.yaml does not know on that day"
        rows.append(("operated by", f"{found.owner.operator}{centre}"))
    rows += [("refused", _fault(fault)) for fault in found.faults]
    return [(name, text) for name, text in rows if text]


def field_rows(found: ExplainedRow) -> list[tuple[str, str]]:
    """What the export says of it."""
    return list((found.fields or {}).items())


def row_json(found: ExplainedRow) -> dict[str, Any]:
    owner = found.owner
    return {
        "schema": 1,
        "row": {
            "usage_id": found.usage_id,
            "place": found.place,
            "record": found.record,
            "month": None if found.month is None else str(found.month),
            "time": None if found.at is None else found.at.isoformat(),
            "day": None if found.day is None else str(found.day),
            "closed": found.closed,
            "source": found.source,
            "role": found.role,
            "fate": found.fate,
            "same_as": found.same_as,
            "excerpt": found.excerpt,
            "faults": [dict(zip(("column", "value", "reason"), fault, strict=True)) for fault in found.faults],
        },
        "fields": dict(found.fields or {}),
        "labels": [_step_json(step) for step in found.labels],
        "owner": None if owner is None else {
            "team": owner.team, "cost_center": owner.cost_center, "unallocated": owner.team == UNALLOCATED,
            "reason": owner.reason, "operator": owner.operator, "operator_cost_center": owner.operator_cost_center,
        },
    }  # fmt: skip


def _step_json(step: LabelStep) -> dict[str, Any]:
    return {
        "field": step.field,
        "value": step.value,
        "from": step.origin,
        "rule": None if step.rule is None else _rule_json(step.rule),
        "matched": [dict(zip(("field", "glob", "value"), each, strict=True)) for each in step.met],
        "too_late": [_rule_json(rule) for rule in step.too_late],
        "out_of_date": [_rule_json(rule) for rule in step.out_of_date],
    }


def _rule_json(rule: Rule) -> dict[str, Any]:
    return {"number": rule.number, "where": where_of(rule), "text": rule_text(rule)}


def rule_rows(found: ExplainedRow) -> list[tuple[str, str, str]]:
    """Every rule that is named, by its number: where it stands, and its text."""
    named: dict[int, Rule] = {}
    for step in found.labels:
        used = () if step.rule is None else (step.rule,)
        named |= {rule.number: rule for rule in (*used, *step.too_late, *step.out_of_date)}
    return [(str(number), where_of(rule), rule_text(rule)) for number, rule in sorted(named.items())]


def safe_cells(cells: Sequence[Any]) -> list[Any]:
    """A row of a CSV: texts that a spreadsheet would run are given an apostrophe, and what hides is made visible.

    >>> safe_cells(["=1+1", "-0.05", "a", 3, None])
    ["'=1+1", '-0.05', 'a', 3, None]
    """
    return [formula_safe(shown(cell)) if isinstance(cell, str) and not _NUMBER.fullmatch(cell) else cell for cell in cells]


def _fate(found: ExplainedRow) -> str:
    if found.fate == "aggregate":
        return "aggregate: it holds what the spans below it used, and is not charged"
    if found.fate == "rejected":
        return "rejected: it is in quarantine and not charged; mend the export and load it again"
    if found.fate == "replaced":
        return f"replaced: its export counts no more, {found.same_as} stands in its place"
    if found.fate == "duplicate":
        return f"duplicate: the same row stands at {found.same_as}, and counts there" if found.same_as else (
            "duplicate: the same row was loaded before, or stands earlier in this file, and counts there"
        )  # fmt: skip
    return "accepted"


def _owner(found: ExplainedRow) -> str:
    owner = found.owner
    if owner is None:
        return ""
    if owner.team == UNALLOCATED:
        return f"unallocated: {_REASONS.get(owner.reason, owner.reason)}"
    return f"{owner.team}, cost centre {owner.cost_center}" if owner.cost_center else owner.team


def _fault(fault: tuple[str, str, str]) -> str:
    column, value, reason = fault
    return f"{column} {value!r} {reason}" if value else f"{column} {reason}"
