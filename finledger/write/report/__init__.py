"""Reports: a `Report` in every format of this folder. The folder is the registry: a module is a format.

A format has `contents(report, name, templates) -> {file name: bytes}`, the same bytes for the same report; most make one file,
CSV one for each table. Modules whose name begins with `_` are what the formats share.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from finledger.core.problem import Misused
from finledger.core.report import Report
from finledger.write.files import safe_name
from finledger.write.templates import Templates


def formats() -> tuple[str, ...]:
    """The names of the formats, sorted; nothing is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def contents(format: str, report: Report, templates: Templates) -> dict[str, bytes]:
    """The report's files in that format, by their names below the period's folder.

    Raises `Misused` for a format that does not exist, `Refused` where the user's template is broken or leaves out what every
    report must show (rule Q4).
    """
    made: dict[str, bytes] = _format(format).contents(report, name_of(report), templates)
    return made


def name_of(report: Report) -> str:
    """`report` of the whole, `report/search` of a team's own."""
    return f"report/{safe_name(report.team)}" if report.team else "report"


def _format(name: str) -> ModuleType:
    if name not in formats():
        raise Misused(f"there is no report format {name!r}: choose from {', '.join(formats())}")
    return importlib.import_module(f"{__name__}.{name}")
