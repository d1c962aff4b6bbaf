"""Admission policies that enforce the label rule (rules A1, U7), one engine a module of this folder: the folder is the registry.

An engine is a module with `OLDEST`, the first of its versions that a policy can be written for, and
`render(rule, terms, version) -> str`, YAML; modules whose name starts with `_` are not engines. What a policy says is
`core/label_policy.py`'s rule, and nothing else: a workload that `label check` passes is admitted, and the other way round.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from finledger.core.label_policy import PodRule
from finledger.core.problem import Misused
from finledger.write.label_policy._terms import Terms, Version, version_of

__all__ = ["Terms", "engines", "render"]


def engines() -> tuple[str, ...]:
    """The names of the admission engines, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def render(engine: str, rule: PodRule, terms: Terms, version: str = "") -> bytes:
    """The policy as YAML, the same bytes for the same rule. `version`: of the engine, as 1.17; "" = what most of them run.

    Raises `Misused` for an engine that is not known, or a version that no policy can be written for.
    """
    if engine not in engines():
        raise Misused(f"there is no admission engine {engine!r}: choose among {', '.join(engines())}")
    module = _module(engine)
    oldest: Version = module.OLDEST
    wanted = version_of(version) if version else None
    if wanted is not None and wanted < oldest:
        raise Misused(f"{engine} {version} is too old: the rule can be written for {oldest[0]}.{oldest[1]} and later")
    text: str = module.render(rule, terms, wanted)
    return text.encode("utf-8")


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
