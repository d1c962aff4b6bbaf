"""Journal files, one format a module of this folder: the folder is the registry.

A format is a module with `SUFFIX` and `render(journal: Journal) -> bytes`; modules whose name starts with `_` are not
formats. A module is imported when its format is first used.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from finledger.core.problem import Misused
from finledger.write.journal._canonical import Journal

__all__ = ["Journal", "formats", "suffix", "render"]


def formats() -> tuple[str, ...]:
    """The names of the journal formats, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def suffix(name: str) -> str:
    """The ending of the format's file name, with its dot: ".csv"."""
    return str(_module(name).SUFFIX)


def render(name: str, journal: Journal) -> bytes:
    """The whole file in the named format, the same bytes for the same journal; an unknown name is `Misused`."""
    rendered: bytes = _module(name).render(journal)
    return rendered


def _module(name: str) -> ModuleType:
    if name not in formats():
        raise Misused(f"there is no journal format {name!r}: choose among {', '.join(formats())}")
    return importlib.import_module(f"{__name__}.{name}")
