"""The ladder as rows and as JSON: every team, each criterion with its figure, sign-offs, months (rules A3, A4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from finledger.core.gates import Criterion, SignOff, TeamMonth
from finledger.core.ladder import Ladder, Rung
from finledger.core.money import rounded_places
from finledger.core.report import Cell, Missing, Table
from finledger.write.figures import plain


def ladder_json(ladder: Ladder, team: str = "") -> dict[str, Any]:
    """The JSON of `stage status`, schema 1; with `team` of that one alone, and with its months."""
    rungs = [rung for rung in ladder.rungs if team in ("", rung.team.name)]
    return {
        "schema": 1,
        "month": str(ladder.at),
        "organisation": {
            "ready": all(each.met for each in ladder.organisation),
            "criteria": [criterion_json(each) for each in ladder.organisation],
        },
        "blockers": [
            {"blocker": each.name, "stands": each.stands, "figure": each.figure, "why": each.why} for each in ladder.blockers
        ],
        "sign_offs": [sign_off_json(each) for each in ladder.sign_offs],
        "teams": [rung_json(rung, bool(team)) for rung in rungs],
        "not_earned": [each.message for each in ladder.problems],
    }


def rung_json(rung: Rung, with_months: bool) -> dict[str, Any]:
    move = rung.move
    found: dict[str, Any] = {
        "team": rung.team.name,
        "stage": rung.stage,
        "since": None if rung.since is None else str(rung.since),
        "how": rung.how,
        "earned": rung.earned,
        "moved_by": None if move is None else move.by,
        "moved_on": None if move is None else str(move.on),
        "next": rung.next,
        "ready": rung.ready,
        "criteria": [criterion_json(each) for each in rung.gate],
        "missing": list(rung.missing),
        "planned": [{"from": str(start), "stage": stage} for start, stage in rung.planned],
    }
    return {**found, "months": [month_json(each) for each in rung.history]} if with_months else found


def criterion_json(each: Criterion) -> dict[str, Any]:
    return {
        "criterion": each.name,
        "code": each.code,
        "figure": each.figure,
        "wanted": each.wanted,
        "met": each.met,
        "blocker": each.blocker,
    }


def sign_off_json(each: SignOff) -> dict[str, Any]:
    return {
        "period": each.period,
        "role": each.role,
        "by": each.name,
        "on": str(each.on),
        "figures": each.figures,
        "void": each.void or None,
    }


def month_json(each: TeamMonth) -> dict[str, Any]:
    return {
        "month": str(each.month),
        "stage": each.stage,
        "closed": each.closed,
        "charged": str(each.total),
        "budget": None if each.budget is None else str(each.budget),
        "variance": None if each.variance is None else str(each.variance),
        "lines": each.lines,
        "disputed": each.disputed,
        "acknowledged": each.acknowledged,
    }


def text_rows(table: Table) -> list[list[str]]:
    """The cells of a table as a person reads them; a share in six places."""
    return [[_text(cell, field.kind) for cell, field in zip(row, table.fields, strict=True)] for row in table.rows]


def _text(cell: Cell, kind: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Missing):
        return cell.why
    if kind == "share" and not isinstance(cell, str):
        return plain(rounded_places(cell, 6))  # type: ignore[arg-type]
    return str(cell)


def names(table: Table) -> tuple[str, ...]:
    return tuple(field.name for field in table.fields)


def sign_off_rows(sign_offs: Iterable[SignOff]) -> list[list[str]]:
    """period, role, by, on, the first twelve digits of the figures' hash, and whether it stands."""
    return [
        [each.period, each.role, each.name, str(each.on), each.figures[:12], f"void: {each.void}" if each.void else "yes"]
        for each in sign_offs
    ]
