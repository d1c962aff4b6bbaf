"""`label check` in rows: what exports and manifests were looked at, and what of them has an owner (A1, A2, U7)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from finledger.core.money import rounded_places
from finledger.core.problem import Problem

if TYPE_CHECKING:
    from finledger.core.label_check import Checked, CheckedExport

EXPORT_FIGURES = (
    "rows", "allocated", "share", "without_team", "without_cost_center", "without_workload_type", "without_model", "without_feature"
)  # fmt: skip
EXPORT_COLUMNS = ("file", "format", "source", *EXPORT_FIGURES)
MANIFEST_FIGURES = ("documents", "objects", "workloads", "exempt", "labelled", "share")
MANIFEST_COLUMNS = ("file", *MANIFEST_FIGURES)
PROBLEM_COLUMNS = ("severity", "code", "file", "line", "column", "message", "excerpt", "remedy")
_PLACES = 6


def checked_json(found: Checked) -> dict[str, Any]:
    """Everything: figures, reasons with their first rows, and all problems. Shares are parts of one, to 6 places."""
    return {
        "schema": 1,
        "on": found.rule.day.isoformat(),
        "coverage": _share(found.share),
        "failed": found.failed,
        "exports": [_export(each) for each in found.exports],
        "manifests": [
            {
                "file": each.file,
                "documents": each.documents,
                "objects": each.objects,
                "workloads": each.workloads,
                "exempt": each.exempt,
                "labelled": each.labelled,
            }
            for each in found.manifests
        ],
        "problems": problem_rows(found.problems),
    }


def _export(each: CheckedExport) -> dict[str, Any]:
    return {
        "file": each.file.name,
        "format": each.file.format,
        "source": each.file.source,
        "rows": each.rows,
        "allocated": each.allocated,
        "compared": each.compared,
        "refused": each.file.rejected,
        "without": each.lacking,
        "unallocated": [
            {"reason": why.reason, "rows": why.rows, "first": [str(place) for place, _ in why.first]} for why in each.unowned
        ],
    }


def export_rows(found: Checked) -> list[dict[str, Any]]:
    """A row for each export; shares in per cent, to two places."""
    return [
        {
            "file": each.file.name,
            "format": each.file.format,
            "source": each.file.source,
            "rows": each.rows,
            "allocated": each.allocated,
            "share": _percent(each.allocated, each.rows),
            **{f"without_{name}": count for name, count in each.lacking.items()},
        }
        for each in found.exports
    ]


def manifest_rows(found: Checked) -> list[dict[str, Any]]:
    """A row for each manifest, the share of its workloads that are labelled in per cent."""
    return [
        {
            "file": each.file,
            "documents": each.documents,
            "objects": each.objects,
            "workloads": each.workloads,
            "exempt": each.exempt,
            "labelled": each.labelled,
            "share": _percent(each.labelled, each.workloads - each.exempt),
        }
        for each in found.manifests
    ]


def problem_rows(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """A row for each problem, with its place taken apart."""
    return [
        {
            "severity": each.severity,
            "code": each.code,
            "file": None if each.source is None else each.source.file,
            "line": None if each.source is None else each.source.line,
            "column": None if each.source is None else each.source.column,
            "message": each.message,
            "excerpt": each.excerpt,
            "remedy": each.remedy,
        }
        for each in problems
    ]


def _share(share: Fraction | None) -> str | None:
    return None if share is None else format(rounded_places(share, _PLACES), "f")


def _percent(good: int, whole: int) -> str | None:
    return format(rounded_places(Fraction(100 * good, whole), 2), "f") if whole else None
