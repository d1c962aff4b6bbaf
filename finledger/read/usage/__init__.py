"""Export formats, one a file: the folder is the registry. A format is a module with

TITLE              what the export is, in a few words
NEEDS              the columns by which its header is known; a format without any is never detected
layout(header, shown_as, map_file) -> Outcome[Layout | None]     which native column comes from where
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType


def formats() -> dict[str, ModuleType]:
    """Every export format by name, imported on first use."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


def detected(names: tuple[str, ...]) -> str:
    """The format whose columns the header has; the one that needs the most where several fit; "" for none."""
    columns = set(names)
    fitting = [
        (len(module.NEEDS), name) for name, module in formats().items() if module.NEEDS and columns.issuperset(module.NEEDS)
    ]
    return max(fitting)[1] if fitting else ""


def detect(path: Path) -> str:
    """The format of an export by its header; "" when no format fits or the file cannot be read."""
    from finledger.read.stage import header_names

    return detected(header_names(path))
