"""Waivers of conditions of a close: those that stand in decisions/waivers.csv, and those given with the command (rule L2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finledger.core.close import WAIVABLE, WAIVERS, Waiver
from finledger.core.period import Month, Quarter
from finledger.core.problem import Misused, Refused
from finledger.workbench.issuing import Workbench


def standing_waivers(bench: Workbench) -> tuple[Waiver, ...]:
    """Those that stand in the books; `Refused` where the file is not right."""
    from finledger.read.waivers import read_waivers

    found = read_waivers(bench.root / WAIVERS, WAIVERS)
    if found.errors:
        raise Refused(found.problems)
    return found.rows


def given_waivers(period: Month | Quarter, conditions: Sequence[str], by: str, reason: str) -> tuple[Waiver, ...]:
    """Those that a command names; `Misused` without a name and a reason, or for what cannot be waived."""
    unknown = [each for each in conditions if each not in WAIVABLE]
    if unknown:
        raise Misused(f"{', '.join(unknown)} cannot be waived: these can, {', '.join(WAIVABLE)}")
    if conditions and not (by.strip() and reason.strip()):
        raise Misused("a waiver needs a name and a reason: --by NAME --reason TEXT")
    return tuple(Waiver(str(period), each, by.strip(), reason.strip()) for each in dict.fromkeys(conditions))


def with_waivers(bench: Workbench, waivers: Sequence[Waiver]) -> dict[Path, bytes]:
    """decisions/waivers.csv with these too, where they do not stand there already."""
    from finledger.read.tables import absent
    from finledger.read.waivers import COLUMNS
    from finledger.write.csv_rows import with_row

    path = bench.root / WAIVERS
    content = b"" if absent(path) else path.read_bytes()
    there = {(each.period, each.condition) for each in standing_waivers(bench)}
    fresh = [each for each in waivers if (each.period, each.condition) not in there]
    for each in fresh:
        row = {"period": each.period, "condition": each.condition, "name": each.name, "reason": each.reason}
        content = with_row(content, row, COLUMNS)
    return {path: content} if fresh else {}
